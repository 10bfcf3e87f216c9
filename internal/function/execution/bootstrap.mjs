// Runs a Node.js handler (CommonJS or ESM, promise or callback) on the Runtime
// API (2018-06-01), reporting results, errors and log lines as Lambda's own
// Node.js runtime does.
import { existsSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const env = process.env;
const [host, port] = env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, what, body, headers = {}, connection = agent) {
  const data = body === undefined ? undefined : Buffer.from(body);
  return new Promise((resolve, reject) => {
    const request = http.request({
      host, port, agent: connection, method, path: "/2018-06-01/runtime/" + what,
      headers: data === undefined ? headers : { "Content-Type": "application/json", "Content-Length": data.length, ...headers },
    }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts).toString("utf8") }));
    });
    request.setTimeout(0);
    request.on("error", reject);
    request.end(data);
  });
}

// A message of several lines is one event of the log: the supervisor turns \r back into \n.
const oneEvent = (text) => text.replace(/\r\n/g, "\n").replace(/\n/g, "\r") + "\n";

let requestID;
const levels = { trace: "TRACE", debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL" };
const write = (level, ...what) => process.stdout.write(oneEvent(`${new Date().toISOString()}\t${requestID}\t${level}\t${format(...what)}`));
for (const [name, level] of Object.entries(levels)) console[name] = (...what) => write(level, ...what);

class Fault extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
    this.stack = `${name}: ${message}\n${(this.stack ?? "").split("\n").slice(1).join("\n")}`;
  }
}

function describe(e) {
  if (!(e instanceof Error || (e && typeof e === "object" && "stack" in e && "message" in e))) {
    return { errorType: e === null ? "null" : typeof e, errorMessage: String(e), trace: [] };
  }
  return { errorType: e.name ?? "Error", errorMessage: e.message ?? "", trace: String(e.stack ?? "").split("\n") };
}

function logged(e) {
  const doc = describe(e);
  const own = e && typeof e === "object" ? Object.fromEntries(Object.entries(e).filter(([k]) => k !== "name")) : {};
  let text;
  try {
    text = JSON.stringify({ errorType: doc.errorType, errorMessage: doc.errorMessage, ...own, stack: doc.trace });
  } catch {
    text = JSON.stringify({ errorType: doc.errorType, errorMessage: doc.errorMessage, stack: doc.trace });
  }
  return text;
}

const errorType = (doc) => ({ "Lambda-Runtime-Function-Error-Type": encodeURIComponent(doc.errorType).slice(0, 256) });

// next is where the connection waits for the next event; it ends the process when the supervisor is gone.
async function loop(handler) {
  for (;;) {
    let event;
    try {
      event = await call("GET", "invocation/next");
    } catch {
      process.exit(1);
    }
    await carryOut(handler, event);
  }
}

async function carryOut(handler, { headers, body }) {
  requestID = headers["lambda-runtime-aws-request-id"];
  env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"] ?? "";
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  let what, doc;
  try {
    const result = await outcome(handler, JSON.parse(body), {
      awsRequestId: requestID,
      invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
      functionName: env.AWS_LAMBDA_FUNCTION_NAME,
      functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
      memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
      clientContext: headers["lambda-runtime-client-context"] ? JSON.parse(headers["lambda-runtime-client-context"]) : undefined,
      identity: undefined,
      callbackWaitsForEmptyEventLoop: true,
      getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
    });
    const text = JSON.stringify(result === undefined ? null : result);
    what = "response";
    await call("POST", `invocation/${requestID}/response`, text ?? "null");
  } catch (e) {
    if (what === "response") process.exit(1);
    doc = describe(e);
    write("ERROR", "Invoke Error", "\t" + logged(e));
    await call("POST", `invocation/${requestID}/error`, JSON.stringify(doc), errorType(doc));
  }
}

// outcome is what the handler says in the way it chose: a promise, a callback
// (answered once nothing else is to do, unless it says not to wait), or one of
// the context's old methods.
function outcome(handler, event, context) {
  return new Promise((resolve, reject) => {
    const settle = (e, result) => (e !== undefined && e !== null ? reject(e) : resolve(result));
    let answer;
    const idle = () => (answer ? settle(...answer) : resolve(null));
    process.once("beforeExit", idle);
    const end = (f) => (...args) => { process.removeListener("beforeExit", idle); f(...args); };
    const finish = end(settle);
    const callback = (e, result) => {
      if (answer) return;
      answer = [e, result];
      if (!context.callbackWaitsForEmptyEventLoop) setImmediate(() => finish(...answer));
    };
    context.done = (e, result) => finish(e, result);
    context.succeed = (result) => finish(null, result);
    context.fail = (e) => finish(e ?? new Error("handled"));
    const result = handler(event, context, callback);
    if (result && typeof result.then === "function") {
      result.then(end(resolve), end(reject));
    } else if (handler.length < 3 && result !== undefined) {
      finish(null, result);
    }
  });
}

async function load(name) {
  const root = env.LAMBDA_TASK_ROOT;
  const base = path.basename(name), dot = base.indexOf(".");
  if (dot < 1) throw new Fault("Runtime.MalformedHandlerName", "Bad handler");
  const module = path.join(path.dirname(name), base.slice(0, dot)), exported = base.slice(dot + 1);
  const file = [".js", ".mjs", ".cjs"].map((e) => path.join(root, module + e)).find(existsSync);
  let loaded;
  try {
    if (file) {
      loaded = await import(pathToFileURL(file).href);
    } else { // a folder with an index, or a module of a layer
      loaded = createRequire(path.join(root, "/"))(existsSync(path.join(root, module)) ? path.join(root, module) : module);
    }
  } catch (e) {
    if (e instanceof SyntaxError) throw new Fault("Runtime.UserCodeSyntaxError", `SyntaxError: ${e.message}`);
    if (e?.code === "MODULE_NOT_FOUND" || e?.code === "ERR_MODULE_NOT_FOUND") {
      throw new Fault("Runtime.ImportModuleError", `Error: ${e.message}`);
    }
    throw e;
  }
  const pick = (from) => exported.split(".").reduce((o, part) => o?.[part], from);
  const handler = pick(loaded) ?? pick(loaded.default);
  if (handler === undefined) throw new Fault("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  if (typeof handler !== "function") throw new Fault("Runtime.HandlerNotFound", `${name} is not a function`);
  return handler;
}

// An error that nobody caught ends the environment. The report is written first:
// the process is gone once it is sent.
function fatal(kind, e) {
  const doc = describe(e);
  write("ERROR", kind, "\t" + logged(e));
  const where = requestID ? `invocation/${requestID}/error` : "init/error";
  // On a connection of its own: the kept one may be waiting for the next event.
  call("POST", where, JSON.stringify(doc), errorType(doc), false).catch(() => {}).finally(() => process.exit(requestID ? 129 : 1));
}
process.on("uncaughtException", (e) => fatal("Uncaught Exception", e));
process.on("unhandledRejection", (reason) => {
  const e = new Fault("Runtime.UnhandledPromiseRejection", describe(reason).errorMessage && describe(reason).trace.length
    ? `${describe(reason).errorType}: ${describe(reason).errorMessage}` : String(reason));
  fatal("Unhandled Promise Rejection", e);
});

let handler;
try {
  handler = await load(env._HANDLER);
} catch (e) {
  const doc = describe(e);
  write("ERROR", "Uncaught Exception", "\t" + logged(e));
  await call("POST", "init/error", JSON.stringify(doc), errorType(doc));
  process.exit(1);
}
loop(handler);
