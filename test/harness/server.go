package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Region is the region of every client.
const Region = "us-east-1"

const (
	readyTime = 30 * time.Second
	stopTime  = 20 * time.Second
)

// Server is a `vodwright serve`: its data folder, its process if it runs, and
// where it answers. Tests side by side may use it; one of them may start and end it.
type Server struct {
	Program string
	Data    string
	Args    []string                                                            // of serve, beside folder and addresses
	Env     []string                                                            // beside this process\'s own
	Listen  string                                                              // for HTTP; a free port if empty, and the same one ever after
	Command func(ctx context.Context, program string, args ...string) *exec.Cmd // makes its process
	Said    *Log
	Began   time.Time // just before the process was started
	Endpoints

	cmd    *exec.Cmd
	done   chan struct{} // closed when the process has ended
	client *http.Client

	mu   sync.Mutex
	vars map[string]string // of `vodwright env`
}

// Endpoints is what a running server says of itself in its data folder.
type Endpoints struct {
	HTTP   string `json:"http"`
	HTTPS  string `json:"https"`
	CAFile string `json:"caFile"`
	PID    int    `json:"pid"`
}

// NewServer returns a server that does not run yet.
func NewServer(program, data string, args ...string) *Server {
	return &Server{
		Program: program, Data: data, Args: args, Command: exec.CommandContext, Said: new(Log),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}},
	}
}

// Serve starts a server in a folder of its own and waits until it answers. The end
// of the test kills it, and shows what it said if the test failed.
func Serve(t testing.TB, program string, args ...string) *Server {
	t.Helper()
	return ServeWith(t, program, nil, args...)
}

// ServeWith is Serve of a server that has more in its environment.
func ServeWith(t testing.TB, program string, env []string, args ...string) *Server {
	t.Helper()
	s := NewServer(program, t.TempDir(), args...)
	s.Env = env
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("server log:\n%s", s.Said.Tail(8000))
		}
	})
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Launch starts the server's process and does not wait for it. It listens where it
// did before, or on free ports. The end of ctx ends it.
func (s *Server) Launch(ctx context.Context) error {
	listen, secure := s.Listen, "127.0.0.1:0"
	if s.HTTP != "" { // started again: where clients expect it
		listen, secure = strings.TrimPrefix(s.HTTP, "http://"), strings.TrimPrefix(s.HTTPS, "https://")
	}
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	s.cmd = s.Command(ctx, s.Program, slices.Concat([]string{"serve", "--data", s.Data, "--listen", listen, "--tls-listen", secure}, s.Args)...)
	s.cmd.Stdout, s.cmd.Stderr = s.Said, s.Said
	s.cmd.Env = append(os.Environ(), s.Env...)
	s.Began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	s.PID, s.done = s.cmd.Process.Pid, make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(s.cmd, s.done)
	return nil
}

// Start starts the server and waits until it answers. The end of ctx ends it.
func (s *Server) Start(ctx context.Context) error {
	if err := s.Launch(ctx); err != nil {
		return err
	}
	err := Poll(ctx, 10*time.Millisecond, readyTime, "the server answers", func() (bool, error) {
		if err := s.Ended(); err != nil {
			return false, err
		}
		doc, err := os.ReadFile(filepath.Join(s.Data, "server.json"))
		var at Endpoints
		if err != nil || json.Unmarshal(doc, &at) != nil || at.PID != s.PID {
			return false, nil // not yet, or of the process before it
		}
		s.Endpoints = at
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.HTTP, "http://"))
		if err != nil {
			return false, nil
		}
		return true, conn.Close()
	})
	if err != nil {
		s.Kill()
	}
	return err
}

// Ended returns an error if the server's process has ended.
func (s *Server) Ended() error {
	select {
	case <-s.done:
		return fmt.Errorf("the server ended: %v\n%s", s.cmd.ProcessState, s.Said.Tail(4000))
	default:
		return nil
	}
}

// Kill ends the server as a power cut would: kill -9, no goodbye.
func (s *Server) Kill() {
	if s.done == nil {
		return // it was never started
	}
	_ = s.cmd.Process.Kill()
	<-s.done
	s.client.CloseIdleConnections()
}

// Stop ends the server as an operator would. One that had ended by itself, ends
// late or with another exit code than 0 is an error.
func (s *Server) Stop() error {
	if err := s.Ended(); err != nil {
		return err
	}
	s.client.CloseIdleConnections()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
		if code := s.cmd.ProcessState.ExitCode(); code != 0 {
			return fmt.Errorf("the server exited with %d after SIGTERM\n%s", code, s.Said.Tail(4000))
		}
		return nil
	case <-time.After(stopTime):
		s.Kill()
		return fmt.Errorf("the server did not end within %s of SIGTERM\n%s", stopTime, s.Said.Tail(4000))
	}
}

// Vars are the variables that `vodwright env` prints: they stay the same.
func (s *Server) Vars(ctx context.Context) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vars != nil {
		return s.vars, nil
	}
	out, _, err := Output(exec.CommandContext(ctx, s.Program, "env", "--data", s.Data, "--json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(out, &s.vars); err != nil {
		return nil, fmt.Errorf("decode vodwright env: %w", err)
	}
	return s.vars, nil
}

// Key is the root key of the server.
func (s *Server) Key(ctx context.Context) (aws.Credentials, error) {
	vars, err := s.Vars(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return aws.Credentials{AccessKeyID: vars["AWS_ACCESS_KEY_ID"], SecretAccessKey: vars["AWS_SECRET_ACCESS_KEY"]}, nil
}

// Client is the HTTP client of all that the harness asks the server.
func (s *Server) Client() *http.Client { return s.client }

// Config is for clients of the Go SDK that hold the root key.
func (s *Server) Config() aws.Config {
	return aws.Config{BaseEndpoint: &s.HTTP, Region: Region, HTTPClient: s.client, Credentials: aws.CredentialsProviderFunc(s.Key)}
}

// With is Config with another key.
func (s *Server) With(key aws.Credentials) aws.Config {
	cfg := s.Config()
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return key, nil })
	return cfg
}

// S3 returns a client of the buckets.
func (s *Server) S3() *s3.Client {
	return s3.NewFromConfig(s.Config(), func(o *s3.Options) { o.UsePathStyle = true })
}

// Jobs returns a client of the job API.
func (s *Server) Jobs() *mediaconvert.Client { return mediaconvert.NewFromConfig(s.Config()) }

// Put uploads a file.
func (s *Server) Put(t testing.TB, bucket, key, file string) {
	t.Helper()
	body, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := s.S3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: body}); err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
}

// Keys lists the objects of a bucket below a prefix; none of a bucket that is not there.
func (s *Server) Keys(t testing.TB, bucket, prefix string) []string {
	t.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(s.S3(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatalf("list %q: %v", bucket, err)
		}
		for _, o := range page.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
	}
	return keys
}

// WaitJob waits until a job has ended and returns it.
func (s *Server) WaitJob(t testing.TB, id string, limit time.Duration) *types.Job {
	t.Helper()
	jobs := s.Jobs()
	var job *types.Job
	Eventually(t, limit, "job "+id+" ends", func() bool {
		got, err := jobs.GetJob(t.Context(), &mediaconvert.GetJobInput{Id: &id})
		if err != nil {
			t.Fatalf("get job %s: %v", id, err)
		}
		job = got.Job
		return job.Status == types.JobStatusComplete || job.Status == types.JobStatusError || job.Status == types.JobStatusCanceled
	})
	return job
}

// Published is what `vodwright publish --json` prints.
type Published struct {
	JobID     string `json:"jobId"`
	Status    string `json:"status"`
	StreamURL string `json:"streamURL"`
	PlayerURL string `json:"playerURL"`
}

// Publish publishes a file with the command; flags may come before it.
func (s *Server) Publish(t testing.TB, args ...string) Published {
	t.Helper()
	out, _ := Tool(t, s.Program, slices.Concat([]string{"publish", "--json", "--data", s.Data}, args)...)
	var p Published
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatalf("publish: %v in %s", err, out)
	}
	return p
}

// Viewer is an HTTP client that finds *.localhost on the loopback, as browsers do.
func Viewer() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}}}
}

// Download fetches a URL from the edge; anything but 200 fails the test.
func Download(t testing.TB, viewer *http.Client, url string) []byte {
	t.Helper()
	resp, err := viewer.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v\n%.500s", url, resp.Status, err, body)
	}
	return body
}
