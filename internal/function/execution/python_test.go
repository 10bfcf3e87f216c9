package execution

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPythonHandlerSeesWhatLambdaDocuments(t *testing.T) {
	w := start(t, nil)
	s := w.python(`
import logging, os, sys
print("module loaded")
log = logging.getLogger("x"); log.setLevel(logging.INFO)
def handler(event, context):
    print("printed\ntwice")
    log.info("logged\nas one")
    print("to stderr", file=sys.stderr)
    return {"event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn, "name": context.function_name,
            "version": context.function_version, "memory": context.memory_limit_in_mb, "group": context.log_group_name,
            "stream": context.log_stream_name, "left": context.get_remaining_time_in_millis(), "env": dict(os.environ),
            "cwd": os.getcwd(), "uid": os.getuid(), "files": sorted(os.listdir("/")), "task": os.listdir("/var/task"), "path": sys.path[0]}
`)
	s.Environment = map[string]string{"Mine": "ü"}
	r := w.invoke(s, `{"a":"ö"}`)
	var got struct {
		Event                                      map[string]string
		ID, ARN, Name, Version, Memory, Group, CWD string
		Stream, Path                               string
		Left                                       int
		UID                                        int
		Env                                        map[string]string
		Files, Task                                []string
	}
	if err := json.Unmarshal(r.Payload, &got); err != nil || r.FunctionError != "" {
		t.Fatalf("%v, %q: %s", err, r.FunctionError, r.Payload)
	}
	if got.Event["a"] != "ö" || got.Name != "fn" || got.Version != "$LATEST" || got.Memory != "128" || got.Group != "/aws/lambda/fn" ||
		got.CWD != "/var/task" || got.Path != "/var/task" || got.UID == 0 || got.Left < 5000 || got.Left > 10000 {
		t.Errorf("got %+v", got)
	}
	if strings.Join(got.Files, " ") == "" || strings.Contains(strings.Join(got.Files, " "), "home") {
		t.Errorf("the root folder has %v", got.Files)
	}
	for name, want := range map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME": "fn", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn", "AWS_LAMBDA_LOG_STREAM_NAME": got.Stream, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
		"AWS_ACCESS_KEY_ID": "ASIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token", "LAMBDA_TASK_ROOT": "/var/task",
		"LAMBDA_RUNTIME_DIR": "/var/runtime", "_HANDLER": "app.handler", "TZ": ":UTC", "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12", "Mine": "ü",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "_X_AMZN_TRACE_ID": "Root=1-00000000-000000000000000000000000;Sampled=0",
	} {
		if got.Env[name] != want {
			t.Errorf("%s is %q, not %q", name, got.Env[name], want)
		}
	}
	log := w.log.text()
	contains(t, log, "module loaded\nSTART RequestId: 8f5f1c3e-0000-4000-8000-000000000001 Version: $LATEST\nprinted\ntwice\n[INFO]\t20",
		"Z\t8f5f1c3e-0000-4000-8000-000000000001\tlogged\nas one\nto stderr\nEND RequestId: 8f5f1c3e-0000-4000-8000-000000000001\nREPORT RequestId: 8f5f1c3e-0000-4000-8000-000000000001\tDuration: ",
		"\tMemory Size: 128 MB\tMax Memory Used: ", "\tInit Duration: ")
	if string(r.LogTail) != log {
		t.Errorf("the tail is %q", r.LogTail)
	}
}

func TestPythonFailuresAreReportedAsLambdaDoes(t *testing.T) {
	w := start(t, nil)
	for _, c := range []struct {
		name, code, handler string
		kind, message       string
		trace               string // in the stack trace
		log                 string
	}{
		{"exception", "def handler(e, c):\n    raise ValueError('bad\\nthing')\n", "", "ValueError", "bad\nthing", `  File "/var/task/app.py", line 2, in handler`, "[ERROR] ValueError: bad\nthing\nTraceback (most recent call last):\n  File \"/var/task/app.py\", line 2, in handler"},
		{"import error", "import nothing_of_the_kind\n", "", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nothing_of_the_kind'", "", "[ERROR] Runtime.ImportModuleError: Unable to import"},
		{"module missing", "", "nope.handler", "Runtime.ImportModuleError", "Unable to import module 'nope': No module named 'nope'", "", "INIT_REPORT Init Duration: "},
		{"handler missing", "x = 1\n", "", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'", "", "Status: error\tError Type: Runtime.HandlerNotFound"},
		{"bad handler", "", "app", "Runtime.MalformedHandlerName", "Bad handler 'app': not enough values to unpack (expected 2, got 1)", "", ""},
		{"syntax", "def handler(:\n", "", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': ", `File "/var/task/app.py" Line 1`, ""},
		{"raises while loading", "raise KeyError('x')\n", "", "KeyError", "'x'", `File "/var/task/app.py", line 1, in <module>`, ""},
		{"cannot be encoded", "def handler(e, c): return {1,2}\n", "", "Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable", "", ""},
		{"exits", "import sys\ndef handler(e, c): sys.exit(3)\n", "", "Runtime.ExitError", "RequestId: 8f5f1c3e-0000-4000-8000-000000000001 Error: Runtime exited with error: exit status 3", "", "Runtime exited with error: exit status 3\nRuntime.ExitError"},
		{"exits well", "import os\ndef handler(e, c): os._exit(0)\n", "", "Runtime.ExitError", "RequestId: 8f5f1c3e-0000-4000-8000-000000000001 Error: Runtime exited without providing a reason", "", ""},
		{"exits while loading", "import os\nos._exit(7)\n", "", "Runtime.ExitError", "RequestId: 8f5f1c3e-0000-4000-8000-000000000001 Error: Runtime exited with error: exit status 7", "", "INIT_REPORT"},
		{"crashes", "import os, signal\ndef handler(e, c): os.kill(os.getpid(), signal.SIGSEGV)\n", "", "Runtime.ExitError", "RequestId: 8f5f1c3e-0000-4000-8000-000000000001 Error: Runtime exited with error: signal: segmentation fault", "", ""},
		{"out of memory", "def handler(e, c):\n    x = []\n    while True: x.append(bytearray(1 << 20))\n", "", "Runtime.ExitError", "RequestId: 8f5f1c3e-0000-4000-8000-000000000001 Error: Runtime exited with error: signal: killed", "", "Max Memory Used: 128 MB"},
		{"out of memory in a child", "import subprocess, sys\ndef handler(e, c):\n    subprocess.run([sys.executable, '-c', 'x = []\\nwhile True: x.append(bytearray(1 << 20))'])\n    return 'survived'\n", "", "Runtime.ExitError", "RequestId: 8f5f1c3e-0000-4000-8000-000000000001 Error: Runtime exited with error: signal: killed", "", ""},
		{"too large", "def handler(e, c): return 'x' * 6291557\n", "", "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes).", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := w.python(c.code)
			if c.handler != "" {
				s.Handler = c.handler
			}
			before := len(w.log.text())
			p := problemOf(t, w.invoke(s, `{}`))
			if p.ErrorType != c.kind || !strings.HasPrefix(p.ErrorMessage, c.message) || !strings.Contains(fmt.Sprint(p.StackTrace...), c.trace) {
				t.Errorf("got %+v", p)
			}
			contains(t, w.log.text()[before:], c.log, "\nEND RequestId: ", "\nREPORT RequestId: ")
		})
	}
}

func TestTimeoutKillsTheTree(t *testing.T) {
	w := start(t, nil)
	s := w.python(`
import subprocess, time
def handler(event, context):
    subprocess.Popen(["sleep", "98765"], start_new_session=True)
    print("waiting")
    time.sleep(60)
`)
	s.Timeout = time.Second
	p := problemOf(t, w.invoke(s, `{}`))
	if p.ErrorType != "Sandbox.Timedout" || !strings.HasSuffix(p.ErrorMessage, " Error: Task timed out after 1.00 seconds") {
		t.Errorf("got %+v", p)
	}
	contains(t, w.log.text(), "waiting\n20", "Z 8f5f1c3e-0000-4000-8000-000000000001 Task timed out after 1.00 seconds\nEND", "Status: timeout")
	if alive := processes(t, "98765"); len(alive) > 0 {
		t.Errorf("still there: %v", alive)
	}
}

func TestSlowStartGetsASecondChanceWithinTheTimeout(t *testing.T) {
	w := start(t, func(c *Config) { c.InitTimeout = 300 * time.Millisecond })
	s := w.python("import time\ntime.sleep(0.6)\ndef handler(e, c): return 1\n")
	if r := w.invoke(s, `{}`); string(r.Payload) != "1" || r.FunctionError != "" {
		t.Errorf("%s: %s", r.Payload, w.log.text())
	}
	contains(t, w.log.text(), "Phase: init\tStatus: timeout\nSTART")
	s = w.python("import time\ntime.sleep(5)\ndef handler(e, c): return 1\n")
	s.Timeout = time.Second
	if p := problemOf(t, w.invoke(s, `{}`)); p.ErrorType != "Sandbox.Timedout" {
		t.Errorf("got %+v", p)
	}
}

func TestLargePayloadsAndFloods(t *testing.T) {
	w := start(t, nil)
	s := w.python(`
def handler(event, context):
    if "flood" in event:
        for i in range(event["flood"]): print("x" * 99)
    if "line" in event: print("y" * event["line"])
    return event.get("text")
`)
	s.MemoryMB = 256
	text := `"` + strings.Repeat("ä", 3<<20-16) + `"`
	if r := w.invoke(s, `{"text":`+text+`}`); string(r.Payload) != text {
		t.Errorf("%d bytes came back as %d", len(text), len(r.Payload))
	}
	before := len(w.log.text())
	r := w.invoke(s, `{"flood":50000,"line":1000000}`)
	if got := len(w.log.text()) - before; got < 50000*100+1000000 || r.FunctionError != "" {
		t.Errorf("%d bytes of log: %s", got, r.Payload)
	}
	if len(r.LogTail) != 4096 || !strings.Contains(string(r.LogTail), "REPORT") {
		t.Errorf("a tail of %d bytes", len(r.LogTail))
	}
}

func TestTmpIsLimitedAndCodeIsReadOnly(t *testing.T) {
	w := start(t, nil)
	s := w.python(`
def handler(event, context):
    out = {}
    for name in ("/var/task/x", "/usr/x", "/x", "/var/runtime/x", "/etc/passwd"):
        try:
            open(name, "w"); out[name] = "written"
        except OSError as e: out[name] = e.errno
    try:
        with open("/tmp/big", "wb") as f:
            for i in range(600): f.write(bytes(1 << 20))
    except OSError as e: out["big"] = e.errno
    return out
`)
	var got map[string]int
	r := w.invoke(s, `{}`)
	if err := json.Unmarshal(r.Payload, &got); err != nil {
		t.Fatalf("%s: %v", r.Payload, err)
	}
	if got["big"] != 28 { // ENOSPC
		t.Errorf("got %v", got)
	}
	for _, name := range []string{"/var/task/x", "/usr/x", "/x", "/var/runtime/x", "/etc/passwd"} {
		if got[name] != 30 && got[name] != 13 { // EROFS, EACCES
			t.Errorf("%s: %d", name, got[name])
		}
	}
}

func TestProcessesAndThreadsAreLimited(t *testing.T) {
	w := start(t, nil)
	const code = `
import threading, time
def handler(event, context):
    for i in range(event): threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
    time.sleep(0.5)
    return threading.active_count()
`
	s := w.python(code)
	s.MemoryMB = 512
	if r := w.invoke(s, `900`); string(r.Payload) != "901" {
		t.Errorf("900 threads: %s\n%s", r.Payload, w.log.text())
	}
	s = w.python(code)
	s.MemoryMB = 512
	r := w.invoke(s, `1500`)
	if text := string(r.Payload); r.FunctionError == "" || !strings.Contains(text, "signal: killed") && !strings.Contains(text, "can't start new thread") {
		t.Errorf("1500 threads: %s", text)
	}
}
