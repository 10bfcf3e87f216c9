package logs_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/logs"
)

const (
	keyID  = "AKIATESTTESTTESTTEST"
	secret = "secret/with+odd=characters"
)

func authenticate(r *http.Request, _ string) (sigv4.Identity, error) {
	return sigv4.Verify(r, time.Now(), func(id string) (sigv4.Credential, bool) {
		return sigv4.Credential{Secret: secret, Account: "000000000000"}, id == keyID
	})
}

// serve starts the API over real records.
func serve(t *testing.T) (string, *logs.Logs) {
	t.Helper()
	l := logs.New(logs.Config{Store: records(t)})
	web := httptest.NewServer(logs.NewHandler(logs.APIConfig{Logs: l, Authenticate: authenticate}))
	t.Cleanup(web.Close)
	return web.URL, l
}

func environment(base string) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(e, "TF_") {
			env = append(env, e)
		}
	}
	return append(env, "AWS_ACCESS_KEY_ID="+keyID, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_DEFAULT_REGION=us-east-1", "AWS_ENDPOINT_URL="+base,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "PYTHONUNBUFFERED=1")
}

func cli(t *testing.T, base string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("aws", append([]string{"--endpoint-url", base, "--output", "json", "logs"}, args...)...)
	cmd.Env = environment(base)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestCLIReadsWhatAFunctionLogged(t *testing.T) {
	base, l := serve(t)
	const group, stream = "/aws/lambda/x", "2026/11/25/[$LATEST]0123456789abcdef"
	now := time.Now()
	var events []logs.Event
	for i, m := range []string{"START RequestId: 1 Version: $LATEST\n", "[INFO] made job 7\n", "END RequestId: 1\n"} {
		events = append(events, logs.Event{Time: now.Add(time.Duration(i-3) * time.Second), Message: m})
	}
	if err := l.Append(t.Context(), group, stream, events); err != nil {
		t.Fatal(err)
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := cli(t, base, args...)
		if err != nil {
			t.Fatalf("aws logs %v: %v\n%s", args, err, out)
		}
		return out
	}
	if out := must("filter-log-events", "--log-group-name", group, "--filter-pattern", `"made job" -DEBUG`); !strings.Contains(out, "made job 7") || strings.Contains(out, "START") {
		t.Errorf("filter: %s", out)
	}
	if out := must("describe-log-streams", "--log-group-name", group, "--order-by", "LastEventTime", "--descending"); !strings.Contains(out, stream) {
		t.Errorf("streams: %s", out)
	}
	var got struct {
		Events []struct{ Message string }
	}
	if err := json.Unmarshal([]byte(must("get-log-events", "--log-group-name", group, "--log-stream-name", stream, "--limit", "1")), &got); err != nil || len(got.Events) != 1 || !strings.HasPrefix(got.Events[0].Message, "END") {
		t.Errorf("the latest event: %+v, %v", got, err)
	}
	must("put-retention-policy", "--log-group-name", group, "--retention-in-days", "7")
	if out := must("describe-log-groups", "--log-group-name-prefix", "/aws/"); !strings.Contains(out, `"retentionInDays": 7`) {
		t.Errorf("groups: %s", out)
	}
	if out, err := cli(t, base, "put-retention-policy", "--log-group-name", group, "--retention-in-days", "8"); err == nil || !strings.Contains(out, "InvalidParameterException") {
		t.Errorf("8 days: %v %s", err, out)
	}
	must("delete-log-group", "--log-group-name", group)
	if out := must("describe-log-groups"); strings.Contains(out, group) {
		t.Errorf("groups after all: %s", out)
	}
}

// tail is `aws logs tail --follow`: of an aws CLI that has it (version 2), else
// of boto3 making the requests that the CLI makes.
func tail(t *testing.T, base, group string) *exec.Cmd {
	t.Helper()
	for _, program := range []string{"aws"} {
		if version, err := exec.Command(program, "--version").Output(); err == nil && strings.HasPrefix(string(version), "aws-cli/2") {
			return exec.CommandContext(t.Context(), program, "--endpoint-url", base, "logs", "tail", group, "--follow", "--format", "short")
		}
	}
	return exec.CommandContext(t.Context(), "python3", "testdata/tail.py", group)
}

func TestCLIFollows(t *testing.T) {
	base, l := serve(t)
	if err := l.Append(t.Context(), "/g", "s", []logs.Event{{Time: time.Now(), Message: "before"}}); err != nil {
		t.Fatal(err)
	}
	cmd := tail(t, base, "/g")
	cmd.Env = environment(base)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := range 3 { // each event is written when the one before was seen
		if !lines.Scan() {
			t.Fatalf("the tail ended: %v", lines.Err())
		}
		want := "before"
		if i > 0 {
			want = fmt.Sprint("event ", i)
		}
		if !strings.HasSuffix(lines.Text(), want) {
			t.Errorf("line %d: %q, want %q", i, lines.Text(), want)
		}
		if err := l.Append(t.Context(), "/g", fmt.Sprint("s", i), []logs.Event{{Time: time.Now(), Message: fmt.Sprint("event ", i+1)}}); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func TestBoto3DrivesEveryOperation(t *testing.T) {
	base, _ := serve(t)
	cmd := exec.Command("python3", "testdata/drive.py")
	cmd.Env = environment(base)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "all operations answered\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
