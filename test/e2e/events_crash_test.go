package e2e

import (
	"archive/zip"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// zipFile writes a zip of texts and returns its path.
func zipFile(t *testing.T, texts map[string]string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "code.zip"))
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for name, text := range texts {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// copier writes what it is told of into another bucket.
const copier = `
import urllib.parse
import boto3
s3 = boto3.client("s3")
def handler(event, context):
    for r in event["Records"]:
        s3.put_object(Bucket="seen", Key=urllib.parse.unquote_plus(r["s3"]["object"]["key"]), Body=r["eventName"].encode())
`

// makeFunction makes a role with all rights on buckets and a Python function that uploads to a bucket call.
func (s *server) makeFunction(name, code, bucket string) {
	s.t.Helper()
	s.aws(nil, "iam", "create-role", "--role-name", name, "--assume-role-policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	s.aws(nil, "iam", "attach-role-policy", "--role-name", name, "--policy-arn", "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
	s.aws(nil, "iam", "attach-role-policy", "--role-name", name, "--policy-arn", "arn:aws:iam::aws:policy/AmazonS3FullAccess")
	s.aws(nil, "lambda", "create-function", "--function-name", name, "--runtime", "python3.11", "--handler", "code.handler", "--timeout", "30",
		"--role", "arn:aws:iam::000000000000:role/"+name, "--zip-file", "fileb://"+zipFile(s.t, map[string]string{"code.py": code}))
	s.aws(nil, "lambda", "add-permission", "--function-name", name, "--statement-id", "s3", "--action", "lambda:InvokeFunction",
		"--principal", "s3.amazonaws.com", "--source-arn", "arn:aws:s3:::"+bucket)
	s.aws(nil, "s3api", "put-bucket-notification-configuration", "--bucket", bucket, "--notification-configuration",
		`{"LambdaFunctionConfigurations":[{"LambdaFunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:`+name+`","Events":["s3:ObjectCreated:*"]}]}`)
}

// TestKilledEvents kills the server again and again while objects are put: each
// acknowledged object reaches the function, and no process is left behind.
func TestKilledEvents(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for _, bucket := range []string{"inbox", "seen"} {
		s.aws(nil, "s3api", "create-bucket", "--bucket", bucket)
	}
	s.makeFunction("copier", copier, "inbox")
	file := filepath.Join(t.TempDir(), "object")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for i := range 12 {
		key := fmt.Sprintf("ä folder/%02d +.txt", i)
		s.aws(nil, "s3api", "put-object", "--bucket", "inbox", "--key", key, "--body", file)
		want[key] = true
		if i%3 == 1 {
			s.kill() // at once after the acknowledgement: the event is on its way
			s.start()
		}
	}
	eventually(t, 2*time.Minute, "each object has reached the function", func() bool {
		var list struct{ Contents []struct{ Key string } }
		s.aws(&list, "s3api", "list-objects-v2", "--bucket", "seen")
		for _, c := range list.Contents {
			delete(want, c.Key)
		}
		return len(want) == 0
	})
}
