package eventbridge_test

import (
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

const terraformHead = `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}
`

// terraformBody is a rule with a function and a signed webhook.
const terraformBody = `
resource "aws_cloudwatch_event_rule" "finished" {
  name          = "finished"
  description   = "DESCRIPTION"
  event_pattern = jsonencode({ source = ["aws.mediaconvert"], detail = { status = ["COMPLETE", "ERROR"] } })
  state         = "STATE"
  tags          = { a = "b" }
}
resource "aws_cloudwatch_event_target" "function" {
  rule = aws_cloudwatch_event_rule.finished.name
  arn  = "arn:aws:lambda:us-east-1:000000000000:function:f"
  input_transformer {
    input_paths    = { id = "$.detail.jobId", status = "$.detail.status" }
    input_template = "\"job <id> is <status>\""
  }
}
resource "aws_cloudwatch_event_connection" "c" {
  name               = "c"
  authorization_type = "API_KEY"
  auth_parameters {
    api_key {
      key   = "X-Key"
      value = "SECRET"
    }
    invocation_http_parameters {
      header {
        key   = "X-Tenant"
        value = "t"
      }
    }
  }
}
resource "aws_cloudwatch_event_api_destination" "hook" {
  name                             = "hook"
  invocation_endpoint              = "https://example.com/hook"
  http_method                      = "POST"
  invocation_rate_limit_per_second = RATE
  connection_arn                   = aws_cloudwatch_event_connection.c.arn
}
resource "aws_cloudwatch_event_target" "hook" {
  rule      = aws_cloudwatch_event_rule.finished.name
  target_id = "hook"
  arn       = aws_cloudwatch_event_api_destination.hook.arn
  role_arn  = "arn:aws:iam::000000000000:role/r"
  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 5
  }
  dead_letter_config {
    arn = "arn:aws:s3:::letters"
  }
}
`

func TestTerraformKeepsRulesAndWebhooks(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Log("terraform is not on this machine, which cannot install it: the Go SDK does its steps in TestSDK")
		return
	}
	w, dir := serve(t), t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(terraform, args...)
		cmd.Dir = dir
		for _, e := range environment() {
			if !strings.HasPrefix(e, "TF_") && !strings.HasPrefix(e, "AWS_CA_BUNDLE=") {
				cmd.Env = append(cmd.Env, e)
			}
		}
		cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL="+w.url)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("terraform %v: %v\n%s", args, err, out)
		}
	}
	write := func(description, state, secret, rate string) {
		t.Helper()
		body := strings.NewReplacer("DESCRIPTION", description, "STATE", state, "SECRET", secret, "RATE", rate).Replace(terraformBody)
		if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(terraformHead+body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first", "ENABLED", "one", "300")
	run("init", "-plugin-dir", "/opt/tf-plugins", "-no-color")
	run("apply", "-auto-approve", "-no-color")
	run("plan", "-detailed-exitcode", "-no-color") // an error when there is anything to do
	write("second", "DISABLED", "two", "10")
	run("apply", "-auto-approve", "-no-color")
	run("plan", "-detailed-exitcode", "-no-color")
	run("destroy", "-auto-approve", "-no-color")
}
