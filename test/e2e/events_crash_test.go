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

// TestKilledEvents kills the server again and again while objects are put: each
// acknowledged object reaches the function, and no process is left behind.
func TestKilledEvents(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.buckets("inbox", "seen")
	s.makeFunction("copier", copier, "inbox")
	want := map[string]bool{}
	for i := range 12 {
		key := fmt.Sprintf("ä folder/%02d +.txt", i)
		s.put("inbox", key, "x")
		want[key] = true
		if i%3 == 1 {
			s.kill() // at once after the acknowledgement: the event is on its way
			s.start()
		}
	}
	eventually(t, 2*time.Minute, "each object has reached the function", func() bool {
		for _, key := range s.Keys(t, "seen", "") {
			delete(want, key)
		}
		return len(want) == 0
	})
}
