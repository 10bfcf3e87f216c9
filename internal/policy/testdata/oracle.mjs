// Reads cases, one JSON object a line, and prints what the simulator decides of
// each. It runs in the folder where npm put the simulator.
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'

const at = (pkg, file) => import(pathToFileURL(join(process.cwd(), 'node_modules/@cloud-copilot', pkg, 'dist/esm', file)))
const { authorize } = await at('iam-simulate', 'core_engine/CoreSimulatorEngine.js')
const { AwsRequestImpl } = await at('iam-simulate', 'request/request.js')
const { RequestContextImpl } = await at('iam-simulate', 'requestContext.js')
const { DiscoveryContextKeyConstraints } = await at('iam-simulate', 'context_keys/discoveryContextKeyConstraints.js')
const { loadPolicy } = await at('iam-policy', 'index.js')

const load = (p) => (p ? loadPolicy(p, { name: 'p' }) : undefined)
const out = []
for await (const line of createInterface({ input: process.stdin })) {
  const c = JSON.parse(line)
  const principal = c.principal === '' ? { type: 'Anonymous' } : c.principal
  const request = new AwsRequestImpl(principal, { resource: c.resource, accountId: c.resourceAccount }, c.action, new RequestContextImpl(c.keys))
  out.push(authorize({
    request,
    sessionPolicy: load(c.session),
    identityPolicies: (c.identity ?? []).map((p) => load(p)),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    resourcePolicy: load(c.resourcePolicy),
    permissionBoundaries: c.boundary ? [load(c.boundary)] : undefined,
    vpcEndpointPolicies: undefined,
    simulationParameters: { simulationMode: 'Strict', discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([]) },
    serviceSettings: {}
  }).result)
}
console.log(out.join('\n'))
