package e2e

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestEventsReachFunctions has a bucket and a rule call a Python function: with
// the function's permission alone, and with the shapes that handlers are written for.
func TestEventsReachFunctions(t *testing.T) {
	s := startServer(t)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("index.py")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("import json\ndef handler(event, context):\n    print('GOT ' + json.dumps(event, sort_keys=True))\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	code := filepath.Join(t.TempDir(), "code.zip")
	if err := os.WriteFile(code, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	const account = "000000000000"
	function := "arn:aws:lambda:us-east-1:" + account + ":function:listener"
	s.aws(nil, "iam", "create-role", "--role-name", "listener", "--assume-role-policy-document", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	s.aws(nil, "iam", "attach-role-policy", "--role-name", "listener", "--policy-arn", "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
	s.aws(nil, "lambda", "create-function", "--function-name", "listener", "--runtime", "python3.12", "--handler", "index.handler", "--role", "arn:aws:iam::"+account+":role/listener", "--zip-file", "fileb://"+code)
	s.aws(nil, "s3api", "create-bucket", "--bucket", "inbox")
	s.aws(nil, "s3api", "create-bucket", "--bucket", "letters")

	// Without permission: refused, and the event goes where dead letters go.
	s.aws(nil, "events", "put-rule", "--name", "mine", "--event-pattern", `{"source":["my.app"]}`)
	s.aws(nil, "events", "put-targets", "--rule", "mine", "--targets", `[{"Id":"f","Arn":"`+function+`","DeadLetterConfig":{"Arn":"arn:aws:s3:::letters"}}]`)
	entry := func(n string) []string {
		return []string{"events", "put-events", "--entries", `[{"Source":"my.app","DetailType":"told","Detail":"{\"n\":` + n + `}"}]`}
	}
	s.aws(nil, entry("1")...)
	var list struct{ Contents []struct{ Key string } }
	eventually(t, 20*time.Second, "a dead letter is written", func() bool {
		out, _, err := s.tryAWS("s3api", "list-objects-v2", "--bucket", "letters")
		return err == nil && strings.Contains(string(out), "mine/f/")
	})
	s.aws(&list, "s3api", "list-objects-v2", "--bucket", "letters")
	letter := filepath.Join(t.TempDir(), "letter.json")
	s.aws(nil, "s3api", "get-object", "--bucket", "letters", "--key", list.Contents[0].Key, letter)
	if doc, err := os.ReadFile(letter); err != nil || !bytes.Contains(doc, []byte(`"ERROR_CODE":"AccessDeniedException"`)) || !bytes.Contains(doc, []byte(`"detail":{"n":1}`)) {
		t.Errorf("the dead letter is %s, %v", doc, err)
	}

	// With it: delivered, as is what happens in the bucket.
	s.aws(nil, "lambda", "add-permission", "--function-name", "listener", "--statement-id", "events", "--action", "lambda:InvokeFunction",
		"--principal", "events.amazonaws.com", "--source-arn", "arn:aws:events:us-east-1:"+account+":rule/mine")
	s.aws(nil, entry("2")...)
	s.aws(nil, "lambda", "add-permission", "--function-name", "listener", "--statement-id", "bucket", "--action", "lambda:InvokeFunction",
		"--principal", "s3.amazonaws.com", "--source-arn", "arn:aws:s3:::inbox", "--source-account", account)
	s.aws(nil, "s3api", "put-bucket-notification-configuration", "--bucket", "inbox", "--notification-configuration",
		`{"LambdaFunctionConfigurations":[{"Id":"videos","LambdaFunctionArn":"`+function+`","Events":["s3:ObjectCreated:*"],"Filter":{"Key":{"FilterRules":[{"Name":"prefix","Value":"in/"},{"Name":"suffix","Value":".mp4"}]}}}]}`)
	client := s3.New(s3.Options{BaseEndpoint: &s.HTTP, Region: "us-east-1", UsePathStyle: true, Credentials: s.credentials()})
	for _, key := range []string{"in/a b+ü%.mp4", "in/text.txt"} {
		if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("inbox"), Key: &key, Body: strings.NewReader("x")}); err != nil {
			t.Fatal(err)
		}
	}
	var got string
	eventually(t, 60*time.Second, "the function logs both events", func() bool {
		out, _, err := s.tryAWS("logs", "filter-log-events", "--log-group-name", "/aws/lambda/listener", "--filter-pattern", "GOT", "--query", "join('\n', events[].message)", "--output", "text")
		got = string(out)
		return err == nil && strings.Count(got, "GOT") >= 2
	})
	for _, part := range []string{
		`"detail": {"n": 2}`, `"detail-type": "told"`, `"key": "in/a+b%2B%C3%BC%25.mp4"`, `"eventName": "ObjectCreated:Put"`, `"configurationId": "videos"`, `"sourceIPAddress": "127.0.0.1"`,
	} {
		if !strings.Contains(got, part) {
			t.Errorf("no %s in %s", part, got)
		}
	}
	if strings.Count(got, "GOT") != 2 || strings.Contains(got, "text.txt") {
		t.Errorf("the function got more: %s", got)
	}
}
