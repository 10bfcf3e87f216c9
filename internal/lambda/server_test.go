package lambda_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function"
	"vodwright.dev/vodwright/internal/function/code"
	"vodwright.dev/vodwright/internal/function/execution"
	"vodwright.dev/vodwright/internal/lambda"
	"vodwright.dev/vodwright/internal/logs"
	"vodwright.dev/vodwright/internal/store"
)

const (
	keyID  = "AKIATESTTESTTESTTEST"
	secret = "secret/with+odd=characters"
	role   = "arn:aws:iam::000000000000:role/lambda"
)

func authenticate(r *http.Request, _ string) (sigv4.Identity, error) {
	return sigv4.Verify(r, time.Now(), func(id string) (sigv4.Credential, bool) {
		return sigv4.Credential{Secret: secret, Account: "000000000000"}, id == keyID
	})
}

// house stands in for the rooms beside functions: roles, policies, buckets, buses.
type house struct {
	mu      sync.Mutex
	objects map[string][]byte // bucket/key
	put     chan string       // bucket/key of a new one
	asked   []string          // rights: "ACTION RESOURCE"
}

// authorize allows all but what is done to a function called denied.
func (h *house) authorize(_ context.Context, _ sigv4.Identity, _ *http.Request, a apiserver.Access) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, a.Action+" "+a.Resource)
	if strings.HasSuffix(a.Resource, ":function:denied") {
		return fault.New(fault.Denied, "AccessDeniedException", "User: x is not authorized to perform: %s on resource: %s", a.Action, a.Resource)
	}
	return nil
}

func (h *house) decide(ctx context.Context, who sigv4.Identity, r *http.Request, a apiserver.Access, policy []byte) error {
	if bytes.Contains(policy, []byte("arn:aws:iam::000000000000:root")) {
		return nil
	}
	return h.authorize(ctx, who, r, a)
}

func (h *house) Credentials(context.Context, string, string) (execution.Credentials, error) {
	return execution.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, nil
}

// Permits allows what a statement of the document names; the evaluator proper is of the room iam.
func (h *house) Permits(_ context.Context, service, _, _ string, keys map[string][]string, policy []byte) error {
	var doc struct {
		Statement []struct {
			Principal struct{ Service string }
			Condition map[string]map[string]string
		}
	}
	if err := json.Unmarshal(policy, &doc); err != nil {
		return err
	}
	for _, s := range doc.Statement {
		want := s.Condition["ArnLike"]["AWS:SourceArn"]
		if s.Principal.Service == service && (want == "" || len(keys["aws:sourcearn"]) == 1 && keys["aws:sourcearn"][0] == want) {
			return nil
		}
	}
	return fault.New(fault.Denied, "AccessDenied", "no statement allows it")
}

func (h *house) MayInvoke(context.Context, string, string) error { return nil }

func (h *house) PutObject(_ context.Context, _, bucket, key string, body []byte, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if bucket == "missing" {
		return fault.New(fault.NotFound, "NoSuchBucket", "no bucket")
	}
	h.objects[bucket+"/"+key] = body
	h.put <- bucket + "/" + key
	return nil
}

func (h *house) PutEvent(context.Context, string, function.BusEvent) error {
	return errors.New("no bus here")
}

func (h *house) OpenObject(_ context.Context, _ sigv4.Identity, bucket, key, _ string) (io.ReadCloser, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	body, ok := h.objects[bucket+"/"+key]
	switch {
	case bucket == "secret":
		return nil, fault.New(fault.Denied, "AccessDenied", "not yours")
	case !ok:
		return nil, fault.New(fault.NotFound, "NoSuchKey", "The specified key does not exist.")
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}

func (h *house) passRole(_ context.Context, _ sigv4.Identity, arn string) error {
	switch {
	case strings.HasSuffix(arn, "/untrusting"):
		return fault.New(fault.Invalid, "", "the role does not trust Lambda")
	case strings.HasSuffix(arn, "/forbidden"):
		return fault.New(fault.Denied, "AccessDeniedException", "User: x is not authorized to perform: iam:PassRole on resource: %s", arn)
	}
	return nil
}

// world is the API over real records, real logs and real processes.
type world struct {
	*house
	URL     string
	fns     *function.Functions
	logs    *logs.Logs
	records *store.Store
}

type appender struct{ logs *logs.Logs }

func (a appender) Append(ctx context.Context, group, stream string, events []execution.LogEvent) error {
	out := make([]logs.Event, len(events))
	for i, e := range events {
		out[i] = logs.Event(e)
	}
	return a.logs.Append(ctx, group, stream, out)
}

// open wires a world that keeps what it has in dir and answers on the listener;
// run runs it until ctx ends.
func open(ctx context.Context, dir string, l net.Listener) (w *world, handler http.Handler, run func(context.Context) error, err error) {
	records, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "records.db")})
	if err != nil {
		return nil, nil, nil, err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	w = &world{house: &house{objects: map[string][]byte{}, put: make(chan string, 100)}, logs: logs.New(logs.Config{Store: records}), records: records, URL: "http://" + l.Addr().String()}
	packages, err := code.Open(filepath.Join(dir, "code"), nil)
	if err != nil {
		return nil, nil, nil, err
	}
	host, err := execution.New(execution.Config{Dir: filepath.Join(dir, "execution"), Endpoint: w.URL, Roles: w.house, Logs: appender{w.logs}, Logger: log})
	if err != nil {
		return nil, nil, nil, err
	}
	w.fns = function.New(function.Config{
		Records: records, Queue: records, Code: packages, Host: host, Policies: w.house, Targets: w.house, Logs: appender{w.logs},
		RetryDelays: []time.Duration{time.Millisecond, time.Millisecond}, Logger: log,
	})
	api := lambda.New(lambda.Config{Functions: w.fns, Buckets: w.house, Authenticate: authenticate, Authorize: w.authorize, Decide: w.decide, PassRole: w.passRole, Logger: log})
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.Handle(lambda.DownloadPath, api.Downloads())
	return w, mux, func(ctx context.Context) error {
		var group errgroup.Group
		for _, part := range []func(context.Context) error{host.Run, w.fns.Run, w.logs.Run} {
			group.Go(func() error { return part(ctx) })
		}
		err := group.Wait()
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return errors.Join(err, records.Close())
	}, nil
}

func serve(t *testing.T) *world {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	w, handler, run, err := open(t.Context(), t.TempDir(), web.Listener)
	if err != nil {
		t.Fatal(err)
	}
	web.Config.Handler = handler
	web.Start()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		web.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// pack makes a package of files.
func pack(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// environment is that of a client program.
func environment(base string) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(e, "TF_") {
			env = append(env, e)
		}
	}
	return append(env, "AWS_ACCESS_KEY_ID="+keyID, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1", "AWS_ENDPOINT_URL="+base,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "PYTHONUNBUFFERED=1")
}
