// The walkthrough with the AWS SDK for JavaScript: buckets, roles, a distribution, a
// function that turns every upload into a job; then an upload, and its stream.
//
//   eval "$(vodwright env)" && npm install
//   node walkthrough.mjs up VIDEO
//   node walkthrough.mjs down
//
// NAME=... (default walkthrough-node) begins the name of all that is made.
import { readFileSync } from "node:fs";
import https from "node:https";
import { basename, extname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import * as cf from "@aws-sdk/client-cloudfront";
import * as iam from "@aws-sdk/client-iam";
import * as lambda from "@aws-sdk/client-lambda";
import * as mc from "@aws-sdk/client-mediaconvert";
import * as s3 from "@aws-sdk/client-s3";
import * as sts from "@aws-sdk/client-sts";
import { build } from "esbuild";
import { zipSync } from "fflate";

const name = process.env.NAME ?? "walkthrough-node";
const source = `${name}-source`, streams = `${name}-streams`;
const logsPolicy = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
const here = new URL(".", import.meta.url);

const buckets = new s3.S3Client({ forcePathStyle: true });
const identities = new iam.IAMClient({}), functions = new lambda.LambdaClient({}), distributions = new cf.CloudFrontClient({});
const jobs = new mc.MediaConvertClient({}), tokens = new sts.STSClient({});

function document(file, fill = {}) {
  let text = readFileSync(new URL(`../policies/${file}.json`, here), "utf8");
  for (const [placeholder, value] of Object.entries(fill)) text = text.replaceAll(placeholder, value);
  return text;
}

async function role(purpose, trust, policy) {
  const RoleName = `${name}-${purpose}`;
  const { Role } = await identities.send(new iam.CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: document(trust) }));
  await identities.send(new iam.PutRolePolicyCommand({ RoleName, PolicyName: "rights", PolicyDocument: policy }));
  return Role.Arn;
}

async function up(video) {
  const { Account } = await tokens.send(new sts.GetCallerIdentityCommand({}));
  for (const Bucket of [source, streams]) await buckets.send(new s3.CreateBucketCommand({ Bucket }));
  await buckets.send(new s3.PutBucketVersioningCommand({ Bucket: streams, VersioningConfiguration: { Status: "Enabled" } }));
  await buckets.send(new s3.PutBucketCorsCommand({ Bucket: streams, CORSConfiguration: JSON.parse(document("cors")) }));

  const transcoding = await role("transcoding", "trust-mediaconvert", document("transcoding", { SOURCE: source, STREAMS: streams }));
  const automation = await role("automation", "trust-lambda", document("automation", { ROLE: transcoding }));
  await identities.send(new iam.AttachRolePolicyCommand({ RoleName: `${name}-automation`, PolicyArn: logsPolicy }));

  const { OriginAccessControl } = await distributions.send(new cf.CreateOriginAccessControlCommand({
    OriginAccessControlConfig: { Name: name, SigningProtocol: "sigv4", SigningBehavior: "always", OriginAccessControlOriginType: "s3" },
  }));
  const { Distribution } = await distributions.send(new cf.CreateDistributionCommand({
    DistributionConfig: {
      CallerReference: `${name}-${Date.now()}`, Comment: name, Enabled: true,
      Origins: { Quantity: 1, Items: [{
        Id: "streams", DomainName: `${streams}.s3.us-east-1.amazonaws.com`,
        OriginAccessControlId: OriginAccessControl.Id, S3OriginConfig: { OriginAccessIdentity: "" },
      }] },
      DefaultCacheBehavior: {
        TargetOriginId: "streams", ViewerProtocolPolicy: "https-only", Compress: true,
        CachePolicyId: "658327ea-f89d-4fab-a63d-7e88639e58f6", // CachingOptimized
        ResponseHeadersPolicyId: "60669652-455b-4ae9-85a4-c4c02393f86c", // SimpleCORS
      },
    },
  }));
  await cf.waitUntilDistributionDeployed({ client: distributions, maxWaitTime: 300 }, { Id: Distribution.Id });
  await buckets.send(new s3.PutBucketPolicyCommand({ Bucket: streams, Policy: document("streams-bucket", { STREAMS: streams, DISTRIBUTION: Distribution.ARN }) }));

  const bundle = await build({
    entryPoints: [new URL("handler.mjs", here).pathname], bundle: true, platform: "node", format: "cjs", target: "node18", minify: true, write: false, logLevel: "error",
  });
  const { FunctionArn } = await functions.send(new lambda.CreateFunctionCommand({
    FunctionName: name, Runtime: "nodejs22.x", Handler: "index.handler", Role: automation, Timeout: 120,
    Code: { ZipFile: zipSync({ "index.js": bundle.outputFiles[0].contents }) },
    Environment: { Variables: { DESTINATION_BUCKET: streams, MEDIACONVERT_ROLE: transcoding } },
  }));
  await lambda.waitUntilFunctionActiveV2({ client: functions, maxWaitTime: 300 }, { FunctionName: name });
  await functions.send(new lambda.AddPermissionCommand({
    FunctionName: name, StatementId: "uploads", Action: "lambda:InvokeFunction", Principal: "s3.amazonaws.com", SourceArn: `arn:aws:s3:::${source}`, SourceAccount: Account,
  }));
  await buckets.send(new s3.PutBucketNotificationConfigurationCommand({
    Bucket: source, NotificationConfiguration: { LambdaFunctionConfigurations: [{ Id: "uploads", LambdaFunctionArn: FunctionArn, Events: ["s3:ObjectCreated:*"] }] },
  }));

  const key = `inbox/${basename(video)}`;
  await buckets.send(new s3.PutObjectCommand({ Bucket: source, Key: key, Body: readFileSync(video) }));
  console.log("uploaded", key);
  const job = await finished(`s3://${source}/${key}`);
  await play(Distribution.DomainName, `assets/${job.UserMetadata.assetID}/HLS/${basename(video, extname(video))}.m3u8`);
}

async function finished(input) {
  for (let i = 0; i < 600; i++, await pause(500)) {
    const { Jobs } = await jobs.send(new mc.ListJobsCommand({ Order: "DESCENDING" }));
    const job = Jobs.find((j) => j.Settings.Inputs[0].FileInput === input);
    if (job?.Status === "COMPLETE") {
      console.log("job", job.Id, "is complete");
      return job;
    }
    if (["ERROR", "CANCELED"].includes(job?.Status)) throw new Error(`job ${job.Id} ended ${job.Status}: ${job.ErrorMessage}`);
  }
  throw new Error(`no finished job for ${input}; see: aws logs tail /aws/lambda/${name}`);
}

// play reads a stream as a player does: multivariant playlist, media playlist, segment.
async function play(domain, path) {
  const local = process.env.VODWRIGHT_HTTPS && new URL(process.env.VODWRIGHT_HTTPS);
  const get = (url) => new Promise((resolve, reject) => {
    const request = https.get(url, {
      headers: { Origin: "https://player.example" },
      // Names below localhost are this machine; not every resolver knows it.
      ...(local && { ca: readFileSync(process.env.VODWRIGHT_CA_FILE), lookup: (_, options, done) => (options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4)) }),
    }, async (answer) => {
      const chunks = [];
      for await (const c of answer) chunks.push(c);
      const body = Buffer.concat(chunks);
      if (answer.statusCode !== 200 || answer.headers["access-control-allow-origin"] !== "*") reject(new Error(`GET ${url}: ${answer.statusCode} ${body}`));
      else resolve(body);
    });
    request.on("error", reject);
  });
  let url = new URL(`https://${domain}${local ? `:${local.port}` : ""}/${path.split("/").map(encodeURIComponent).join("/")}`);
  for (;;) {
    const body = await get(url);
    console.log(`${String(body.length).padStart(9)} bytes  ${url}`);
    if (!body.subarray(0, 7).equals(Buffer.from("#EXTM3U"))) {
      if (body[0] !== 0x47 || body[188] !== 0x47) throw new Error("the segment is no transport stream");
      return;
    }
    url = new URL(body.toString().split("\n").find((line) => line && !line.startsWith("#")), url);
  }
}

async function down() {
  const gone = async (promise) => {
    try {
      return await promise;
    } catch (e) {
      if (!/^(NoSuch|ResourceNotFound)/.test(e.name)) throw e;
    }
  };
  await gone(functions.send(new lambda.DeleteFunctionCommand({ FunctionName: name })));
  const { DistributionList } = await distributions.send(new cf.ListDistributionsCommand({}));
  for (const { Id, Comment, Origins } of DistributionList.Items ?? []) {
    if (Comment !== name) continue;
    const { DistributionConfig, ETag } = await distributions.send(new cf.GetDistributionConfigCommand({ Id }));
    DistributionConfig.Enabled = false;
    const off = await distributions.send(new cf.UpdateDistributionCommand({ Id, IfMatch: ETag, DistributionConfig }));
    await distributions.send(new cf.DeleteDistributionCommand({ Id, IfMatch: off.ETag }));
    const control = { Id: Origins.Items[0].OriginAccessControlId };
    const oac = await distributions.send(new cf.GetOriginAccessControlCommand(control));
    await distributions.send(new cf.DeleteOriginAccessControlCommand({ ...control, IfMatch: oac.ETag }));
  }
  await gone(identities.send(new iam.DetachRolePolicyCommand({ RoleName: `${name}-automation`, PolicyArn: logsPolicy })));
  for (const RoleName of [`${name}-transcoding`, `${name}-automation`]) {
    await gone(identities.send(new iam.DeleteRolePolicyCommand({ RoleName, PolicyName: "rights" })));
    await gone(identities.send(new iam.DeleteRoleCommand({ RoleName })));
  }
  for (const Bucket of [source, streams]) {
    for (;;) {
      const page = await gone(buckets.send(new s3.ListObjectVersionsCommand({ Bucket })));
      const Objects = [...(page?.Versions ?? []), ...(page?.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({ Key, VersionId }));
      if (Objects.length === 0) break;
      await buckets.send(new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
    }
    await gone(buckets.send(new s3.DeleteBucketCommand({ Bucket })));
  }
}

const [verb, video] = process.argv.slice(2);
if (verb === "up" && video) await up(video);
else if (verb === "down") await down();
else {
  console.error("usage: node walkthrough.mjs up VIDEO | down");
  process.exit(2);
}
