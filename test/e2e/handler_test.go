package e2e

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/clip"
)

// TestWalkthroughFunction runs the walkthrough's own handler, byte for byte, where
// it is beside the project: its package is the handler and an exported job.
func TestWalkthroughFunction(t *testing.T) {
	t.Parallel()
	shared := filepath.Join("..", "..", "..", "shared", "walkthrough")
	handler, err := os.ReadFile(filepath.Join(shared, "lambda_function.py"))
	if err != nil {
		t.Log("the walkthrough is not beside the project; TestExamples runs handlers of ours")
		return
	}
	inline, err := os.ReadFile(filepath.Join(shared, "lambda-inline-policy.json"))
	if err != nil {
		t.Fatal(err)
	}
	video := makeClip(t, clip.Spec{Width: 640, Height: 360, Seconds: 4}, "vanlife.m2ts")
	s := startServer(t)
	policies := filepath.Join("..", "..", "examples", "walkthrough", "policies")
	file := func(name string) string {
		t.Helper()
		p, err := filepath.Abs(filepath.Join(policies, name))
		if err != nil {
			t.Fatal(err)
		}
		return "file://" + p
	}
	write := func(name string, data []byte) string {
		t.Helper()
		p := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, bucket := range []string{"vod-source", "vod-streams"} {
		s.aws(nil, "s3api", "create-bucket", "--bucket", bucket)
	}
	var made struct{ Role struct{ Arn string } }
	s.aws(&made, "iam", "create-role", "--role-name", "vod-MediaConvertRole", "--assume-role-policy-document", file("trust-mediaconvert.json"))
	role := made.Role.Arn
	s.aws(nil, "iam", "attach-role-policy", "--role-name", "vod-MediaConvertRole", "--policy-arn", "arn:aws:iam::aws:policy/AmazonS3FullAccess")
	s.aws(&made, "iam", "create-role", "--role-name", "VODLambdaRole", "--assume-role-policy-document", file("trust-lambda.json"))
	s.aws(nil, "iam", "attach-role-policy", "--role-name", "VODLambdaRole", "--policy-arn", "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
	s.aws(nil, "iam", "put-role-policy", "--role-name", "VODLambdaRole", "--policy-name", "VODLambdaPolicy",
		"--policy-document", "file://"+write("policy.json", []byte(strings.ReplaceAll(string(inline), "<ARN for VODMediaConvertRole>", role))))

	// The job, its export in the console's shape, and the package made of it.
	s.aws(nil, "s3api", "put-object", "--bucket", "vod-source", "--key", "first.m2ts", "--body", video)
	settings, err := os.ReadFile(filepath.Join("..", "..", "examples", "walkthrough", "job_template.json"))
	if err != nil {
		t.Fatal(err)
	}
	var template struct{ Settings json.RawMessage }
	if err := json.Unmarshal(settings, &template); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(template.Settings), `"AudioSelectors"`, `"FileInput": "s3://vod-source/first.m2ts", "AudioSelectors"`, 1)
	text = strings.Replace(text, "s3://BUCKET/assets/", "s3://vod-streams/assets/VANLIFE/HLS/", 1)
	var created, exported struct{ Job map[string]any }
	s.aws(&created, "mediaconvert", "create-job", "--role", role, "--status-update-interval", "SECONDS_10", "--settings", "file://"+write("settings.json", []byte(text)))
	if j := s.waitJob(created.Job["Id"].(string), 5*time.Minute); j.Job.Status != "COMPLETE" {
		t.Fatalf("the job ended %s: %s", j.Job.Status, j.Job.ErrorMessage)
	}
	s.aws(&exported, "mediaconvert", "get-job", "--id", created.Job["Id"].(string))
	export, err := json.Marshal(map[string]any{"Settings": exported.Job["Settings"], "Role": role, "StatusUpdateInterval": "SECONDS_10", "Priority": 0})
	if err != nil {
		t.Fatal(err)
	}
	archive, err := os.Create(filepath.Join(t.TempDir(), "function.zip"))
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(archive)
	for name, data := range map[string][]byte{"lambda_function.py": handler, "job_template.json": export} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}

	var function struct{ FunctionArn string }
	s.aws(&function, "lambda", "create-function", "--function-name", "VODLambdaConvert", "--runtime", "python3.11", "--handler", "lambda_function.lambda_handler",
		"--timeout", "120", "--role", made.Role.Arn, "--environment", "Variables={DestinationBucket=vod-streams,MediaConvertRole="+role+"}", "--zip-file", "fileb://"+archive.Name())
	s.aws(nil, "lambda", "add-permission", "--function-name", "VODLambdaConvert", "--statement-id", "s3", "--action", "lambda:InvokeFunction",
		"--principal", "s3.amazonaws.com", "--source-arn", "arn:aws:s3:::vod-source", "--source-account", "000000000000")
	s.aws(nil, "s3api", "put-bucket-notification-configuration", "--bucket", "vod-source", "--notification-configuration",
		`{"LambdaFunctionConfigurations":[{"LambdaFunctionArn":"`+function.FunctionArn+`","Events":["s3:ObjectCreated:*"]}]}`)

	s.aws(nil, "s3api", "put-object", "--bucket", "vod-source", "--key", "vanlife.m2ts", "--body", video)
	j := s.waitJobOf("s3://vod-source/vanlife.m2ts")
	if j.Job.Status != "COMPLETE" {
		t.Fatalf("the job of the function ended %s: %s", j.Job.Status, j.Job.ErrorMessage)
	}
	var full struct {
		Job struct{ UserMetadata map[string]string }
	}
	s.aws(&full, "mediaconvert", "get-job", "--id", j.Job.ID)
	asset := full.Job.UserMetadata["assetID"]
	s.aws(nil, "s3api", "head-object", "--bucket", "vod-streams", "--key", "assets/"+asset+"/HLS/vanlife.m3u8")
	eventuallyLogged(s, "/aws/lambda/VODLambdaConvert", "REPORT RequestId")
}
