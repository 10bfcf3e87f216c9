// Package e2e drives the built program as its users do: the command line, the
// aws CLI, SDKs, a browser, kill -9. Nothing here reaches into the rooms.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var programPath string // built by TestMain

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "vodwright-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		programPath = filepath.Join(dir, "vodwright")
		build := exec.Command("go", "build", "-o", programPath, "../../cmd/vodwright")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// server is a running `vodwright serve`.
type server struct {
	t    *testing.T
	data string
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	log  *lockedBuffer
	endpoints
}

type endpoints struct {
	HTTP   string `json:"http"`
	HTTPS  string `json:"https"`
	CAFile string `json:"caFile"`
	PID    int    `json:"pid"`
}

// startServer starts a server on free ports in a folder of its own and waits until it answers.
func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{t: t, data: t.TempDir(), args: args, log: new(lockedBuffer)}
	s.start()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("server log:\n%s", s.log.tail(8000))
		}
	})
	return s
}

// in returns the same server for use in a subtest.
func (s *server) in(t *testing.T) *server {
	sub := *s
	sub.t = t
	return &sub
}

func (s *server) start() {
	s.t.Helper()
	listen, secure := "127.0.0.1:0", "127.0.0.1:0"
	if s.HTTP != "" { // started again: where clients expect it
		listen, secure = strings.TrimPrefix(s.HTTP, "http://"), strings.TrimPrefix(s.HTTPS, "https://")
	}
	args := append([]string{"serve", "--data", s.data, "--listen", listen, "--tls-listen", secure}, s.args...)
	s.cmd = exec.Command(programPath, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(s.cmd, s.done)
	eventually(s.t, 20*time.Second, "the server answers", func() bool {
		select {
		case <-s.done:
			s.t.Fatalf("server ended: %v\n%s", s.cmd.ProcessState, s.log.tail(4000))
		default:
		}
		doc, err := os.ReadFile(filepath.Join(s.data, "server.json"))
		if err != nil || json.Unmarshal(doc, &s.endpoints) != nil || s.PID != s.cmd.Process.Pid {
			return false
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.HTTP, "http://"))
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// kill ends the server as a power cut would: kill -9, no goodbye.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// stop ends the server as an operator would, and expects exit code 0.
func (s *server) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("the server exited with %d after SIGTERM", code)
	}
}

// env is the environment that points AWS tools at the server.
func (s *server) env() []string {
	out := s.vodwright("env", "--data", s.data, "--json")
	var vars map[string]string
	if err := json.Unmarshal(out, &vars); err != nil {
		s.t.Fatalf("vodwright env --json: %v in %s", err, out)
	}
	env := os.Environ()
	for k, v := range vars {
		env = append(env, k+"="+v)
	}
	return append(env, "AWS_PAGER=", "AWS_MAX_ATTEMPTS=2", "AWS_EC2_METADATA_DISABLED=true")
}

// vodwright runs a subcommand and returns its standard output; it must succeed.
func (s *server) vodwright(args ...string) []byte {
	s.t.Helper()
	cmd := exec.Command(programPath, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("vodwright %s: %v\n%s%s", strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.Bytes()
}

// aws runs the aws CLI and decodes its JSON answer into out, unless out is nil.
func (s *server) aws(out any, args ...string) {
	s.t.Helper()
	stdout, stderr, err := s.tryAWS(args...)
	if err != nil {
		s.t.Fatalf("aws %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	if out != nil {
		if err := json.Unmarshal(stdout, out); err != nil {
			s.t.Fatalf("aws %s: %v in %s", strings.Join(args, " "), err, stdout)
		}
	}
}

func (s *server) awsCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("aws", append([]string{"--output", "json", "--endpoint-url", s.HTTP}, args...)...) // Debian 12's CLI does not know AWS_ENDPOINT_URL
	cmd.Env = s.env()
	return cmd
}

func (s *server) tryAWS(args ...string) (stdout, stderr []byte, err error) {
	cmd := s.awsCommand(args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.Bytes(), e.Bytes(), err
}

// distribute puts a distribution before a bucket, which its policy opens to it
// alone, and returns its address over HTTP.
func (s *server) distribute(bucket string) string {
	s.t.Helper()
	var control struct {
		OriginAccessControl struct{ ID string }
	}
	s.aws(&control, "cloudfront", "create-origin-access-control", "--origin-access-control-config",
		"Name="+bucket+",SigningProtocol=sigv4,SigningBehavior=always,OriginAccessControlOriginType=s3")
	var made struct {
		Distribution struct{ ARN, DomainName string }
	}
	s.aws(&made, "cloudfront", "create-distribution", "--distribution-config", `{"CallerReference": "`+bucket+`", "Comment": "", "Enabled": true,
		"Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "`+bucket+`.s3.us-east-1.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""}, "OriginAccessControlId": "`+control.OriginAccessControl.ID+`"}]},
		"DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}}`)
	address := "http://" + made.Distribution.DomainName + s.HTTP[strings.LastIndexByte(s.HTTP, ':'):]
	s.aws(nil, "s3api", "put-bucket-policy", "--bucket", bucket, "--policy", `{"Version": "2012-10-17", "Statement": [{
		"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::`+bucket+`/*",
		"Condition": {"StringEquals": {"AWS:SourceArn": "`+made.Distribution.ARN+`"}}}]}`)
	s.aws(nil, "s3api", "put-public-access-block", "--bucket", bucket, "--public-access-block-configuration",
		"BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true")
	return address
}

// published is what `vodwright publish --json` prints.
type published struct {
	JobID     string `json:"jobId"`
	Status    string `json:"status"`
	StreamURL string `json:"streamURL"`
	PlayerURL string `json:"playerURL"`
}

func (s *server) publish(args ...string) published {
	s.t.Helper()
	out := s.vodwright(append([]string{"publish", "--json", "--data", s.data}, args...)...)
	var p published
	if err := json.Unmarshal(out, &p); err != nil {
		s.t.Fatalf("publish: %v in %s", err, out)
	}
	return p
}

// jobDoc is a job as the aws CLI shows it.
type jobDoc struct {
	Job struct {
		ID                 string `json:"Id"`
		Status             string
		CurrentPhase       string
		JobPercentComplete int
		ErrorCode          int
		ErrorMessage       string
		RetryCount         int
		OutputGroupDetails []struct {
			Type              string
			PlaylistFilePaths []string
			OutputDetails     []struct {
				DurationInMs    int
				OutputFilePaths []string
				VideoDetails    struct{ WidthInPx, HeightInPx int }
			}
		}
		Messages struct{ Info, Warning []string }
		Warnings []struct{ Code, Count int }
		Timing   struct{ SubmitTime, StartTime, FinishTime any }
	}
}

// waitJob waits until the job has ended.
func (s *server) waitJob(id string, limit time.Duration) jobDoc {
	s.t.Helper()
	var j jobDoc
	eventually(s.t, limit, "job "+id+" ends", func() bool {
		s.aws(&j, "mediaconvert", "get-job", "--id", id)
		return j.Job.Status == "COMPLETE" || j.Job.Status == "ERROR" || j.Job.Status == "CANCELED"
	})
	return j
}

// eventually polls until ok is true; past the limit the test fails.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		<-tick.C
	}
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

// download fetches a URL from the edge; anything but 200 fails the test.
func download(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := viewer().Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("GET %s: %s, %v\n%.500s", url, resp.Status, err, body)
	}
	return body
}

// runFFmpeg runs ffmpeg or ffprobe and returns its standard output; warnings are returned too.
func runFFmpeg(t *testing.T, program string, args ...string) (stdout, stderr []byte) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"-v", "warning"}, args...)...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, e.Bytes())
	}
	return o.Bytes(), e.Bytes()
}
