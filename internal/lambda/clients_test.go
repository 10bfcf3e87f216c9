package lambda_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func TestBoto3DrivesEveryOperation(t *testing.T) {
	w := serve(t)
	w.objects["bucket/app.zip"] = pack(t, map[string]string{"app.py": "def handler(e, c): return 'from a bucket'\n"})
	cmd := exec.CommandContext(t.Context(), "python3", "testdata/drive.py")
	cmd.Env = environment(w.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func client(w *world) *awslambda.Client {
	return awslambda.New(awslambda.Options{
		Region: "us-east-1", BaseEndpoint: &w.URL, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, nil
		}),
	})
}

// create makes a Python function of a name.
func create(t *testing.T, w *world, name, code string) {
	t.Helper()
	_, err := client(w).CreateFunction(t.Context(), &awslambda.CreateFunctionInput{
		FunctionName: &name, Role: aws.String(role), Runtime: types.RuntimePython312, Handler: aws.String("app.handler"), Timeout: aws.Int32(10),
		Code: &types.FunctionCode{ZipFile: pack(t, map[string]string{"app.py": code})},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGoSDK(t *testing.T) {
	w := serve(t)
	create(t, w, "f", "def handler(e, c):\n    if e == 'fail': raise ValueError('bad')\n    return e\n")
	c := client(w)
	if err := awslambda.NewFunctionActiveV2Waiter(c).Wait(t.Context(), &awslambda.GetFunctionInput{FunctionName: aws.String("f")}, 1e10); err != nil {
		t.Error(err)
	}
	out, err := c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{"a":[1,2]}`), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatal(err)
	}
	if tail, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult)); err != nil || !bytes.Contains(tail, []byte("REPORT")) || string(out.Payload) != `{"a": [1, 2]}` || out.FunctionError != nil {
		t.Errorf("got %+v, %s, %v", out, tail, err)
	}
	out, err = c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`"fail"`)})
	if err != nil || aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), `"errorType": "ValueError"`) {
		t.Errorf("got %+v, %s, %v", out, out.Payload, err)
	}
	_, err = c.GetFunction(t.Context(), &awslambda.GetFunctionInput{FunctionName: aws.String("nope")})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) || !strings.Contains(missing.ErrorMessage(), "Function not found") {
		t.Errorf("got %v", err)
	}
}

func TestCLI(t *testing.T) {
	w := serve(t)
	dir := t.TempDir()
	zipped, answer := filepath.Join(dir, "app.zip"), filepath.Join(dir, "answer.json")
	if err := os.WriteFile(zipped, pack(t, map[string]string{"index.mjs": "export const handler = async (e) => ({ got: e, at: process.env.AWS_ENDPOINT_URL });"}), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "aws", append([]string{"--endpoint-url", w.URL, "--output", "json", "lambda"}, args...)...)
		cmd.Env = environment(w.URL)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("aws lambda %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("create-function", "--function-name", "cli", "--runtime", "nodejs20.x", "--role", role, "--handler", "index.handler", "--zip-file", "fileb://"+zipped, "--timeout", "10", "--environment", "Variables={A=b}")
	run("wait", "function-active-v2", "--function-name", "cli")
	args := []string{"invoke", "--function-name", "cli", "--payload", `{"a":1}`, "--log-type", "Tail"}
	if version, err := exec.Command("aws", "--version").Output(); err == nil && bytes.HasPrefix(version, []byte("aws-cli/2")) {
		args = append(args, "--cli-binary-format", "raw-in-base64-out")
	}
	out := run(append(args, answer)...)
	body, err := os.ReadFile(answer)
	if err != nil || string(body) != `{"got":{"a":1},"at":"`+w.URL+`"}` || !strings.Contains(out, `"ExecutedVersion": "$LATEST"`) {
		t.Errorf("%s\n%s, %v", out, body, err)
	}
	run("update-function-configuration", "--function-name", "cli", "--timeout", "20", "--environment", "Variables={}")
	run("wait", "function-updated-v2", "--function-name", "cli")
	var got struct{ Configuration struct{ Timeout int } }
	if err := json.Unmarshal([]byte(run("get-function", "--function-name", "cli")), &got); err != nil || got.Configuration.Timeout != 20 {
		t.Errorf("%+v, %v", got, err)
	}
	run("add-permission", "--function-name", "cli", "--statement-id", "s3", "--action", "lambda:InvokeFunction", "--principal", "s3.amazonaws.com", "--source-arn", "arn:aws:s3:::b")
	run("delete-function", "--function-name", "cli")
}
