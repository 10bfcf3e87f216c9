package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// record is a Logs that remembers.
type record struct {
	mu     sync.Mutex
	events []LogEvent
}

func (r *record) Append(_ context.Context, _, _ string, events []LogEvent) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, events...)
	return nil
}

func (r *record) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		b.WriteString(e.Message + "\n")
	}
	return b.String()
}

type roles struct{ expires time.Time }

func (r roles) Credentials(context.Context, string, string) (Credentials, error) {
	return Credentials{AccessKeyID: "ASIATEST", SecretAccessKey: "secret", SessionToken: "token", Expires: r.expires}, nil
}

// world is a running host.
type world struct {
	t    *testing.T
	host *Host
	log  *record
}

func start(t *testing.T, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, log: &record{}}
	cfg := Config{Dir: t.TempDir(), Endpoint: "http://127.0.0.1:1", Roles: roles{}, Logs: w.log}
	if change != nil {
		change(&cfg)
	}
	var err error
	if w.host, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.host.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return w
}

var keys struct {
	sync.Mutex
	n int
}

// function writes a function's code and returns its Spec.
func (w *world) function(runtime, handler string, files map[string]string) *Spec {
	w.t.Helper()
	dir := w.t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	keys.Lock()
	keys.n++
	key := fmt.Sprint(keys.n)
	keys.Unlock()
	return &Spec{
		Name: "fn", Version: "$LATEST", Key: key, Runtime: runtime, Handler: handler, CodeDir: dir,
		Timeout: 10 * time.Second, MemoryMB: 128, StorageMB: 512, Role: "arn:aws:iam::000000000000:role/r", LogGroup: "/aws/lambda/fn",
	}
}

func (w *world) invoke(s *Spec, payload string) Result {
	w.t.Helper()
	r, err := w.host.Invoke(w.t.Context(), s, Invocation{
		RequestID: "8f5f1c3e-0000-4000-8000-000000000001", Payload: []byte(payload),
		FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:fn", Trace: "Root=1-00000000-000000000000000000000000;Sampled=0",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) python(code string) *Spec {
	return w.function("python3.12", "app.handler", map[string]string{"app.py": code})
}

type problem struct {
	ErrorType, ErrorMessage, RequestID string
	StackTrace                         []any
}

func problemOf(t *testing.T, r Result) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(r.Payload, &p); err != nil {
		t.Fatalf("%q: %v", r.Payload, err)
	}
	if r.FunctionError != "Unhandled" {
		t.Errorf("FunctionError %q of %s", r.FunctionError, r.Payload)
	}
	return p
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %q in:\n%s", p, text)
		}
	}
}

// Before the sandbox is set up its process 1 still has the machine's root, with
// everybody's processes: they are not the function's.
func TestTheMachinesProcessesAreNotMeasured(t *testing.T) {
	if u := measure(os.Getpid(), os.Getpid()); u != (usage{}) {
		t.Errorf("got %+v", u)
	}
}
