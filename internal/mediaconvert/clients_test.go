package mediaconvert_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func environment() []string {
	return append(os.Environ(), "AWS_ACCESS_KEY_ID="+keyID, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_DEFAULT_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1")
}

// cli runs the aws CLI against base and returns what it prints.
func cli(t *testing.T, base string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("aws", append([]string{"--endpoint-url", base, "--output", "json"}, args...)...)
	cmd.Env = environment()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The operations of the walkthrough, as a person types them. The documents are
// in PascalCase, as the console exports them; the CLI sends what it knows of them.
func TestCLIDrivesTheWalkthrough(t *testing.T) {
	base := serve(t)
	if _, err := exec.LookPath("aws"); err != nil {
		t.Fatal("the aws CLI is needed: apt-get install awscli")
	}
	dir := t.TempDir()
	write := func(name string, v any) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, marshal(t, pascal(v)), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file://" + path
	}
	must := func(args ...string) map[string]any {
		t.Helper()
		out, err := cli(t, base, append([]string{"mediaconvert"}, args...)...)
		if err != nil {
			t.Fatalf("aws %v: %v\n%s", args, err, out)
		}
		var answer map[string]any
		if strings.TrimSpace(out) == "" {
			return nil
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatalf("aws %v printed %s", args, out)
		}
		return answer
	}
	endpoint := must("describe-endpoints")["Endpoints"].([]any)[0].(map[string]any)["Url"]
	if endpoint != base {
		t.Errorf("endpoint %v, want %v", endpoint, base)
	}
	settings := ladder(t, "s3://source/clip.mp4", "s3://bucket/name")
	job := must("create-job", "--role", *role, "--settings", write("settings.json", settings), "--user-metadata", "assetID=1")["Job"].(map[string]any)
	if job["Status"] != "SUBMITTED" || job["Settings"] == nil {
		t.Errorf("job %v", job)
	}
	exported := must("get-job", "--id", job["Id"].(string))["Job"].(map[string]any)
	template := map[string]any{"Name": "imported", "Settings": exported["Settings"]}
	delete(template["Settings"].(map[string]any)["Inputs"].([]any)[0].(map[string]any), "FileInput") // an input of a template has none
	must("create-job-template", "--cli-input-json", write("template.json", template))
	if got := must("get-job-template", "--name", "imported")["JobTemplate"].(map[string]any); got["Settings"] == nil || got["Type"] != "CUSTOM" {
		t.Errorf("template %v", got)
	}
	if list := must("list-jobs", "--max-items", "3")["Jobs"].([]any); len(list) != 1 {
		t.Errorf("%d jobs in the list", len(list))
	}
	settings["outputGroups"].([]any)[0].(map[string]any)["outputGroupSettings"].(map[string]any)["hlsGroupSettings"].(map[string]any)["destination"] = "s3://<BUCKET>/x"
	out, err := cli(t, base, "mediaconvert", "create-job", "--role", *role, "--settings", write("bad.json", settings))
	if err == nil || !strings.Contains(out, "(BadRequestException) when calling the CreateJob operation") || !strings.Contains(out, ": /outputGroups/0/outputGroupSettings/hlsGroupSettings/destination: \"<BUCKET>\" is not a bucket name") {
		t.Errorf("a bad destination: %v\n%s", err, out)
	}
	must("create-queue", "--name", "mine", "--status", "PAUSED", "--tags", "a=b")
	if got := must("list-queues", "--order", "DESCENDING")["Queues"].([]any); len(got) != 2 || got[0].(map[string]any)["Name"] != "mine" {
		t.Errorf("queues %v", got)
	}
	must("update-queue", "--name", "mine", "--status", "ACTIVE")
	must("delete-queue", "--name", "mine")
	// Debian 12's CLI is older than SearchJobs; it says so without a request.
	if out, err := cli(t, base, "mediaconvert", "search-jobs", "--generate-cli-skeleton"); err != nil && strings.Contains(out, "argument operation: Invalid choice") {
		t.Log("this aws CLI has no search-jobs: TestSDKQueuesAndPresets searches")
	} else if got := must("search-jobs", "--input-file", "clip")["Jobs"].([]any); len(got) != 1 {
		t.Errorf("found %v", got)
	}
	if out, err := cli(t, base, "mediaconvert", "associate-certificate", "--arn", "a"); err == nil || !strings.Contains(out, "NotImplementedException") || !strings.Contains(out, "AssociateCertificate") {
		t.Errorf("an operation that is not there: %v\n%s", err, out)
	}
}

func pascal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, e := range v {
			if name[0] >= 'a' && name[0] <= 'z' {
				name = string(name[0]-'a'+'A') + name[1:]
			}
			out[name] = pascal(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = pascal(v[i])
		}
		return out
	}
	return v
}

func TestBoto3DrivesEveryOperation(t *testing.T) {
	python := ""
	for _, p := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(p, "-c", "import boto3").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		t.Fatal("boto3 is not installed: scripts/install.sh test installs it")
	}
	cmd := exec.Command(python, "testdata/drive.py", serve(t))
	cmd.Env = append(environment(), "LADDER="+string(marshal(t, pascal(ladder(t, "s3://source/clip.mp4", "s3://bucket/name")))))
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "all operations answered\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// What no client sends: raw requests, signed or not.
func TestAnswersInTheProtocol(t *testing.T) {
	base := serve(t)
	post := func(path, body string) (*http.Response, string) {
		t.Helper()
		r, err := http.Post(base+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r, string(text)
	}
	r, body := post("/2017-08-29/jobs", `{}`)
	if r.StatusCode != 403 || r.Header.Get("X-Amzn-ErrorType") != "MissingAuthenticationTokenException" || r.Header.Get("X-Amzn-RequestId") == "" ||
		r.Header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"message":"the request is not signed`) {
		t.Errorf("unsigned: %s %v %s", r.Status, r.Header, body)
	}

	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code, text               string
	}{
		{"garbage", "POST", "/2017-08-29/jobs", `{"role":`, 400, "SerializationException", "at byte 8, line 1"},
		{"a list", "POST", "/2017-08-29/jobs", `[]`, 400, "SerializationException", "not an object"},
		{"nothing", "POST", "/2017-08-29/jobs", ``, 400, "BadRequestException", "role is a required property\nsettings is a required property"},
		{"empty settings", "POST", "/2017-08-29/jobs", `{"Role":"r","Settings":{}}`, 400, "BadRequestException", "inputs is a required property\noutputGroups is a required property"},
		{"deep", "POST", "/2017-08-29/jobs", strings.Repeat(`{"settings":`, 9000) + "1" + strings.Repeat("}", 9000), 400, "BadRequestException", "role is a required property"},
		{"too deep", "POST", "/2017-08-29/jobs", strings.Repeat(`[`, 20000), 400, "SerializationException", ""},
		{"no operation", "GET", "/2017-08-29/nothing", ``, 404, "UnknownOperationException", "GET /2017-08-29/nothing"},
		{"wrong method", "PATCH", "/2017-08-29/jobs", ``, 404, "UnknownOperationException", "PATCH"},
		{"not there yet", "POST", "/2017-08-29/certificates", `{"arn":"a"}`, 501, "NotImplementedException", "AssociateCertificate"},
		{"too large", "POST", "/2017-08-29/jobs", `{"role":"` + strings.Repeat("x", 5<<20) + `"}`, 413, "RequestEntityTooLargeException", "larger than"},
		{"twice", "POST", "/2017-08-29/jobs", `{"role":"a","Role":"b","settings":{}}`, 400, "BadRequestException", "/role: is given twice"},
		{"tags of strings", "POST", "/2017-08-29/jobs", `{"role":"a","settings":{},"tags":{"a":1}}`, 400, "BadRequestException", "/tags/a: Should be a string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequest(c.method, base+c.path, bytes.NewReader([]byte(c.body)))
			if err != nil {
				t.Fatal(err)
			}
			sign(t, req, []byte(c.body))
			r, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			var answer struct{ Message string }
			if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
				t.Fatal(err)
			}
			if r.StatusCode != c.status || r.Header.Get("X-Amzn-ErrorType") != c.code || !strings.Contains(answer.Message, c.text) {
				t.Errorf("%s %s: %s", r.Status, r.Header.Get("X-Amzn-ErrorType"), answer.Message)
			}
		})
	}
}
