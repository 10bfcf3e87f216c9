package execution

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestNodeHandlersOfEveryKind(t *testing.T) {
	w := start(t, nil)
	for _, c := range []struct{ name, file, code, want string }{
		{"commonjs promise", "index.js", `exports.handler = async (event) => ({ got: event.a });`, `{"got":1}`},
		{"commonjs callback", "index.js", `exports.handler = (event, context, callback) => { setTimeout(() => callback(null, event.a), 20); };`, `1`},
		{"callback waits for what is left", "index.js", `exports.handler = (event, context, callback) => { callback(null, "x"); setTimeout(() => console.log("last"), 50); };`, `"x"`},
		{"callback does not wait", "index.js", `exports.handler = (event, context, callback) => { context.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 1e6); callback(null, "x"); };`, `"x"`},
		{"no answer", "index.js", `exports.handler = () => {};`, `null`},
		{"undefined", "index.js", `exports.handler = async () => {};`, `null`},
		{"old context", "index.js", `exports.handler = (event, context) => { setTimeout(() => context.succeed("ok"), 5); };`, `"ok"`},
		{"assigned later", "index.js", `module.exports = {}; module.exports["han" + "dler"] = async () => 2;`, `2`},
		{"esm", "index.mjs", `import { format } from "node:util"; const x = await Promise.resolve(3); export const handler = async () => format("%d", x);`, `"3"`},
		{"cjs", "index.cjs", `exports.handler = async () => 4;`, `4`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := w.function("nodejs22.x", "index.handler", map[string]string{c.file: c.code})
			for range 2 {
				if r := w.invoke(s, `{"a":1}`); string(r.Payload) != c.want || r.FunctionError != "" {
					t.Errorf("got %s\n%s", r.Payload, w.log.text())
				}
			}
		})
	}
	contains(t, w.log.text(), "Z\t8f5f1c3e-0000-4000-8000-000000000001\tINFO\tlast\nEND")
}

func TestNodeContextAndLog(t *testing.T) {
	w := start(t, nil)
	s := w.function("nodejs20.x", "src/index.handler", map[string]string{"src/index.js": `
console.log("loaded");
exports.handler = async (event, context) => {
  console.info("two\nlines", { a: 1 }); console.error("bad"); console.warn("careful"); console.debug("fine");
  return { ...context, left: context.getRemainingTimeInMillis(), trace: process.env._X_AMZN_TRACE_ID, cwd: process.cwd(), env: process.env.AWS_EXECUTION_ENV };
};`})
	r := w.invoke(s, `{}`)
	var got map[string]any
	if err := json.Unmarshal(r.Payload, &got); err != nil {
		t.Fatalf("%s: %v", r.Payload, err)
	}
	for name, want := range map[string]any{
		"awsRequestId": "8f5f1c3e-0000-4000-8000-000000000001", "functionName": "fn", "functionVersion": "$LATEST", "memoryLimitInMB": "128",
		"invokedFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:fn", "logGroupName": "/aws/lambda/fn", "cwd": "/var/task",
		"env": "AWS_Lambda_nodejs20.x", "trace": "Root=1-00000000-000000000000000000000000;Sampled=0",
	} {
		if got[name] != want {
			t.Errorf("%s is %v, not %v", name, got[name], want)
		}
	}
	contains(t, w.log.text(), "Z\tundefined\tINFO\tloaded\nSTART", "\tINFO\ttwo\nlines { a: 1 }\n", "\tERROR\tbad\n", "\tWARN\tcareful\n", "\tDEBUG\tfine\n")
}

func TestNodeFailuresAreReportedAsLambdaDoes(t *testing.T) {
	w := start(t, nil)
	for _, c := range []struct{ name, code, handler, kind, message, log string }{
		{"throws", `exports.handler = async () => { throw new TypeError("bad") };`, "", "TypeError", "bad", "\tERROR\tInvoke Error \t{\"errorType\":\"TypeError\",\"errorMessage\":\"bad\",\"stack\":[\"TypeError: bad\","},
		{"throws at once", `exports.handler = () => { throw new RangeError("worse") };`, "", "RangeError", "worse", ""},
		{"calls back an error", `exports.handler = (e, c, cb) => cb(new Error("called"));`, "", "Error", "called", ""},
		{"rejects with text", `exports.handler = () => Promise.reject("text");`, "", "string", "text", ""},
		{"import", `require("nothing-of-the-kind"); exports.handler = async () => 1;`, "", "Runtime.ImportModuleError", "Error: Cannot find module 'nothing-of-the-kind'", "Error Type: Runtime.ImportModuleError"},
		{"module missing", ``, "nope.handler", "Runtime.ImportModuleError", "Error: Cannot find module", ""},
		{"handler missing", `exports.other = 1;`, "", "Runtime.HandlerNotFound", "index.handler is undefined or not exported", ""},
		{"syntax", `exports.handler = (`, "", "Runtime.UserCodeSyntaxError", "SyntaxError: ", ""},
		{"unhandled rejection", `exports.handler = () => new Promise(() => { setTimeout(() => {}, 1e6); Promise.reject(new Error("lost")); });`, "", "Runtime.UnhandledPromiseRejection", "Error: lost", "Unhandled Promise Rejection"},
		{"uncaught", `exports.handler = () => new Promise(() => { setTimeout(() => { throw new Error("thrown"); }, 1); });`, "", "Error", "thrown", "Uncaught Exception"},
		{"exits", `exports.handler = () => process.exit(5);`, "", "Runtime.ExitError", "RequestId: 8f5f1c3e-0000-4000-8000-000000000001 Error: Runtime exited with error: exit status 5", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := w.function("nodejs18.x", "index.handler", map[string]string{"index.js": c.code})
			if c.handler != "" {
				s.Handler = c.handler
			}
			before := len(w.log.text())
			p := problemOf(t, w.invoke(s, `{}`))
			if p.ErrorType != c.kind || !strings.HasPrefix(p.ErrorMessage, c.message) {
				t.Errorf("got %+v", p)
			}
			contains(t, w.log.text()[before:], c.log)
		})
	}
}
