// Package players asks others: what a job of each packaging wrote is played by
// hls.js, Shaka and video.js in a real browser, read by strict playlist parsers,
// and taken apart by tools for MPEG-TS and MP4 that are not ours. A packaging is
// a line of the table in packagings_test.go; everything else follows from it.
//
// One server encodes all of them, its edge serves them, and one browser plays
// them, in tabs side by side. Nothing here reaches into the rooms.
package players

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// server is a running `vodwright serve` with the buckets, the role and the
// distribution that `vodwright publish` makes.
type server struct {
	jobs *mediaconvert.Client
	s3   *s3.Client
	role string // of the jobs
	edge string // address of the distribution before vod-streams, without a slash at its end
	page string // address of the console's player page, up to the stream's address
}

// startServer builds and starts the program and publishes a first clip with it.
func startServer(t *testing.T, clip string) *server {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "vodwright")
	build := exec.Command("go", "build", "-o", program, "../../cmd/vodwright")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	data := filepath.Join(dir, "data")
	cmd := exec.Command(program, "serve", "--data", data, "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0")
	log := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		if t.Failed() {
			t.Logf("server log:\n%s", log.tail(4000))
		}
	})
	var at struct {
		HTTP string `json:"http"`
	}
	eventually(t, 20*time.Second, "the server answers", func() bool {
		select {
		case <-done:
			t.Fatalf("the server ended: %v\n%s", cmd.ProcessState, log.tail(4000))
		default:
		}
		doc, err := os.ReadFile(filepath.Join(data, "server.json"))
		if err != nil || json.Unmarshal(doc, &at) != nil {
			return false
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(at.HTTP, "http://"))
		return err == nil && conn.Close() == nil
	})

	var published struct {
		Status    string `json:"status"`
		StreamURL string `json:"streamURL"`
		PlayerURL string `json:"playerURL"`
	}
	run(t, &published, program, "publish", "--json", "--data", data, clip)
	if published.Status != "COMPLETE" {
		t.Fatalf("publish ended with %q", published.Status)
	}
	env := map[string]string{}
	run(t, &env, program, "env", "--json", "--data", data)
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"]}, nil
	})
	s := &server{
		jobs: mediaconvert.New(mediaconvert.Options{BaseEndpoint: aws.String(at.HTTP), Region: "us-east-1", Credentials: credentials}),
		s3:   s3.New(s3.Options{BaseEndpoint: aws.String(at.HTTP), Region: "us-east-1", Credentials: credentials, UsePathStyle: true}),
	}
	scheme, rest, _ := strings.Cut(published.StreamURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	s.edge = scheme + "://" + host
	s.page, _, _ = strings.Cut(published.PlayerURL, "?")
	list, err := s.jobs.ListJobs(t.Context(), &mediaconvert.ListJobsInput{})
	if err != nil || len(list.Jobs) == 0 {
		t.Fatalf("the jobs of publish: %v", err)
	}
	s.role = aws.ToString(list.Jobs[0].Role)
	return s
}

// run runs a program and decodes the JSON that it prints.
func run(t *testing.T, out any, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(program), strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
		t.Fatalf("%s %s: %v in %s", filepath.Base(program), strings.Join(args, " "), err, stdout.Bytes())
	}
}

// tool runs a program that judges: it must succeed; what it says on both channels is returned.
func tool(t *testing.T, program string, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, o.Bytes(), e.Bytes())
	}
	return o.String(), e.String()
}

// upload puts a file into the bucket of sources and returns its address.
func (s *server) upload(t *testing.T, file string) string {
	t.Helper()
	body, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	key := filepath.Base(file)
	if _, err := s.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("vod-source"), Key: &key, Body: body}); err != nil {
		t.Fatal(err)
	}
	return "s3://vod-source/" + key
}

// putKey puts the key of encrypted packagings where their playlists say it is.
func (s *server) putKey(t *testing.T) {
	t.Helper()
	secret, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("vod-streams"), Key: aws.String("keys/one.key"), Body: bytes.NewReader(secret)}); err != nil {
		t.Fatal(err)
	}
}

// outputs returns the keys below a prefix of the bucket of streams.
func (s *server) outputs(t *testing.T, prefix string) []string {
	t.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(s.s3, &s3.ListObjectsV2Input{Bucket: aws.String("vod-streams"), Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
	}
	return keys
}

// viewer is an HTTP client that finds *.localhost on the loopback, as browsers do.
func viewer() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}}}
}

// fetch downloads everything below a prefix from the edge, as a viewer, into a
// folder and returns the folder, which then looks like the prefix.
func (s *server) fetch(t *testing.T, prefix string) string {
	t.Helper()
	dir := t.TempDir()
	client := viewer()
	for _, key := range s.outputs(t, prefix) {
		resp, err := client.Get(s.edge + "/" + escape(key))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %s, %v\n%.500s", key, resp.Status, err, body)
		}
		file := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(key, prefix)))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// eventually polls until ok is true; past the limit the test fails.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		<-tick.C
	}
}

// lockedBuffer collects what a process prints.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) tail(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.buf.String()
	return s[max(0, len(s)-n):]
}
