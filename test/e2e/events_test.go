package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEventsReachFunctions has a bucket and a rule call a Python function: with
// the function's permission alone, and with the shapes that handlers are written for.
func TestEventsReachFunctions(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	const account = "000000000000"
	function := "arn:aws:lambda:us-east-1:" + account + ":function:listener"
	s.makeFunction("listener", "import json\ndef handler(event, context):\n    print('GOT ' + json.dumps(event, sort_keys=True))\n", "")
	s.buckets("inbox", "letters")

	// Without permission: refused, and the event goes where dead letters go.
	s.aws(nil, "events", "put-rule", "--name", "mine", "--event-pattern", `{"source":["my.app"]}`)
	s.aws(nil, "events", "put-targets", "--rule", "mine", "--targets", `[{"Id":"f","Arn":"`+function+`","DeadLetterConfig":{"Arn":"arn:aws:s3:::letters"}}]`)
	entry := func(n string) []string {
		return []string{"events", "put-events", "--entries", `[{"Source":"my.app","DetailType":"told","Detail":"{\"n\":` + n + `}"}]`}
	}
	s.aws(nil, entry("1")...)
	var letters []string
	eventually(t, time.Minute, "a dead letter is written", func() bool {
		letters = s.Keys(t, "letters", "mine/f/")
		return len(letters) > 0
	})
	letter := filepath.Join(t.TempDir(), "letter.json")
	s.aws(nil, "s3api", "get-object", "--bucket", "letters", "--key", letters[0], letter)
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
	for _, key := range []string{"in/a b+ü%.mp4", "in/text.txt"} {
		s.put("inbox", key, "x")
	}
	var got string
	eventually(t, time.Minute, "the function logs both events", func() bool {
		got = strings.Join(s.logged("/aws/lambda/listener", "GOT"), "\n")
		return strings.Count(got, "GOT") >= 2
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
