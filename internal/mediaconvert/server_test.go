package mediaconvert_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/mediaconvert"
	"vodwright.dev/vodwright/internal/queue"
	"vodwright.dev/vodwright/internal/store"
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

// runner stands in for the media rooms: a source says by its name what becomes of it.
type runner struct{}

func (runner) Run(ctx context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
	if task.Name == "finish" {
		return job.Result{
			Warnings: []job.Warning{{Code: 240000, Message: "silence was added"}},
			Details: json.RawMessage(`{"outputGroupDetails":[{"type":"HLS_GROUP","playlistFilePaths":["s3://bucket/name.m3u8"],
				"outputDetails":[{"outputFilePaths":["s3://bucket/name_360.m3u8"],"durationInMs":20000,"videoDetails":{"widthInPx":640,"heightInPx":360,"averageBitrate":7}}]}]}`),
		}, nil
	}
	var first job.FirstTask
	if err := json.Unmarshal(task.Payload, &first); err != nil {
		return job.Result{}, err
	}
	switch request := string(first.Request); {
	case strings.Contains(request, "endless"):
		<-ctx.Done()
		return job.Result{}, context.Cause(ctx)
	case strings.Contains(request, "broken"):
		return job.Result{}, fault.New(fault.Invalid, "1020", "the source has no video")
	}
	return job.Result{Next: [][]job.Task{{{Job: task.Job, Name: "finish", Phase: "UPLOADING", Weight: 1}}}}, nil
}

func (runner) Discard(context.Context, string, job.Status) error { return nil }

// serve starts the API over the real records and queue, and returns its base URL.
func serve(t *testing.T) string {
	t.Helper()
	return serveTo(t, nil)
}

// serveTo is serve for callers of whom authorize says what they may do.
func serveTo(t *testing.T, authorize apiserver.Authorize) string {
	t.Helper()
	return serveWith(t, mediaconvert.Config{Authorize: authorize})
}

// serveWith is serve with more of the API's configuration. Its clock is the jobs' too.
func serveWith(t *testing.T, cfg mediaconvert.Config) string {
	t.Helper()
	dir := t.TempDir()
	records, err := store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := queue.Open(t.Context(), queue.Config{Dir: filepath.Join(dir, "queue")})
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := job.New(job.Config{Store: records, Tasks: tasks, Runner: runner{}, Jobs: 8, Slots: 8, Now: cfg.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- jobs.Run(ctx) }()
	cfg.Jobs, cfg.Records, cfg.Authenticate = jobs, records, authenticate
	web := httptest.NewServer(mediaconvert.NewHandler(cfg))
	t.Cleanup(func() {
		web.Close()
		stop()
		if err := errors.Join(<-ended, tasks.Close(), records.Close()); err != nil {
			t.Error(err)
		}
	})
	return web.URL
}

// ladder returns the settings of a job with the default ladder.
func ladder(t *testing.T, input, destination string) map[string]any {
	t.Helper()
	doc, err := json.Marshal(mediaconvert.DefaultLadder())
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(doc, &s); err != nil {
		t.Fatal(err)
	}
	s["inputs"].([]any)[0].(map[string]any)["fileInput"] = input
	group := s["outputGroups"].([]any)[0].(map[string]any)["outputGroupSettings"].(map[string]any)
	group["hlsGroupSettings"].(map[string]any)["destination"] = destination
	return s
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// sign signs a raw request as an SDK does.
func sign(t *testing.T, r *http.Request, body []byte) {
	t.Helper()
	sum := sha256.Sum256(body)
	creds := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, hex.EncodeToString(sum[:]), "mediaconvert", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
}

// request sends a signed request and returns the answer to it, which must be a good one.
func request(t *testing.T, base, method, path string, body []byte) []byte {
	t.Helper()
	r, err := http.NewRequest(method, base+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sign(t, r, body)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, path, answer.Status, text, err)
	}
	return text
}
