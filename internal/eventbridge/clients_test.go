package eventbridge_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func environment() []string {
	return append(os.Environ(), "AWS_ACCESS_KEY_ID="+keyID, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_DEFAULT_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1")
}

// TestCLI types what the user guide types.
func TestCLI(t *testing.T) {
	w := serve(t)
	if _, err := exec.LookPath("aws"); err != nil {
		t.Fatal("the aws CLI is needed: apt-get install awscli")
	}
	run := func(args ...string) (string, error) {
		cmd := exec.Command("aws", append([]string{"--endpoint-url", w.url, "--output", "text", "events"}, args...)...)
		cmd.Env = environment()
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	for _, step := range []struct {
		want string
		args []string
	}{
		{"arn:aws:events:us-east-1:000000000000:rule/finished", []string{"put-rule", "--name", "finished", "--event-pattern", `{"source":["aws.mediaconvert"],"detail":{"status":["COMPLETE","ERROR"]}}`}},
		{"0", []string{"put-targets", "--rule", "finished", "--targets", "Id=1,Arn=" + functionARN}},
		{functionARN, []string{"list-targets-by-rule", "--rule", "finished", "--query", "Targets[].Arn"}},
		{"finished", []string{"list-rules", "--query", "Rules[].Name"}},
		{"AUTHORIZED", []string{"create-connection", "--name", "c", "--authorization-type", "BASIC", "--auth-parameters", "BasicAuthParameters={Username=u,Password=p}", "--query", "ConnectionState"}},
		{"0", []string{"remove-targets", "--rule", "finished", "--ids", "1"}},
		{"", []string{"delete-rule", "--name", "finished"}},
	} {
		if got, err := run(step.args...); err != nil || got != step.want {
			t.Errorf("aws events %v: %v\ngot  %s\nwant %s", step.args, err, got, step.want)
		}
	}
	if out, err := run("put-rule", "--name", "x", "--event-pattern", `{"a":"b"}`); err == nil || !strings.Contains(out, "An error occurred (InvalidEventPatternException) when calling the PutRule operation") || !strings.Contains(out, "Event pattern is not valid. Reason:") {
		t.Errorf("a bad pattern: %v\n%s", err, out)
	}
}
