package execution

import "testing"

// stub is a botocore without its clients: a package that is asked for by name,
// with the method that boto3 makes clients by.
const stub = `
class Session:
    def create_client(self, service_name, region_name=None, api_version=None, use_ssl=True, verify=None, endpoint_url=None, config=None):
        return endpoint_url
`

const asks = `
import botocore.session, os
def handler(event, context):
    os.environ.update(event)
    s = botocore.session.Session()
    return [s.create_client("s3"), s.create_client("mediaconvert", "us-east-1"), s.create_client("s3", endpoint_url="http://own"), s.create_client("s3", None, None, True, None, "http://placed")]
`

// Debian 12's botocore does not know AWS_ENDPOINT_URL.
func TestABotocoreThatIgnoresTheEndpointIsTold(t *testing.T) {
	w := start(t, nil)
	old := map[string]string{"app.py": asks, "botocore/__init__.py": "", "botocore/session.py": stub, "botocore/configprovider.py": ""}
	s := w.function("python3.12", "app.handler", old)
	if r := w.invoke(s, `{}`); string(r.Payload) != `["http://127.0.0.1:1", "http://127.0.0.1:1", "http://own", "http://placed"]` {
		t.Errorf("got %s", r.Payload)
	}
	if r := w.invoke(s, `{"AWS_ENDPOINT_URL_S3":"http://s3"}`); string(r.Payload) != `["http://s3", "http://127.0.0.1:1", "http://own", "http://placed"]` {
		t.Errorf("with a service's own: %s", r.Payload)
	}
	if r := w.invoke(s, `{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS":"true"}`); string(r.Payload) != `[null, null, "http://own", "http://placed"]` {
		t.Errorf("with none asked for: %s", r.Payload)
	}
	old["botocore/configprovider.py"] = "class ConfiguredEndpointProvider: pass\n"
	if r := w.invoke(w.function("python3.12", "app.handler", old), `{}`); string(r.Payload) != `[null, null, "http://own", "http://placed"]` {
		t.Errorf("one that knows was changed: %s", r.Payload)
	}
}

func TestUnsandboxedFunctionsRun(t *testing.T) {
	w := start(t, func(c *Config) { c.Unsandboxed = true })
	s := w.python(`
import os, subprocess, time
def handler(event, context):
    if event: 
        subprocess.Popen(["sleep", "87654"])
        time.sleep(60)
    return [os.environ["LAMBDA_TASK_ROOT"] == os.getcwd(), os.environ["AWS_REGION"]]
`)
	if r := w.invoke(s, `{}`); string(r.Payload) != `[true, "us-east-1"]` {
		t.Errorf("got %s\n%s", r.Payload, w.log.text())
	}
	s = w.function("nodejs20.x", "index.handler", map[string]string{"index.js": "exports.handler = async () => 1;"})
	if r := w.invoke(s, `{}`); string(r.Payload) != `1` {
		t.Errorf("got %s\n%s", r.Payload, w.log.text())
	}
}

func TestASandboxThatCannotStartIsSaid(t *testing.T) {
	w := start(t, nil)
	w.host.bwrap = "/bin/false"
	_, err := w.host.Invoke(t.Context(), w.python("def handler(e, c): pass\n"), Invocation{RequestID: "1", Payload: []byte("{}")})
	if err == nil {
		t.Fatal("no error")
	}
	contains(t, err.Error(), "the sandbox of functions does not start here")
	w = start(t, func(c *Config) { c.BwrapPath = "/nowhere/bwrap" })
	if _, err := w.host.Invoke(t.Context(), w.python(""), Invocation{}); err == nil {
		t.Fatal("no error without bubblewrap")
	}
}
