// Package e2e drives the built program as its users do: the command line, the
// aws CLI, SDKs, a browser, kill -9. Nothing here reaches into the rooms.
package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/test/harness"
)

var programPath string // built by TestMain

func TestMain(m *testing.M) { os.Exit(harness.Main(m, &programPath)) }

// server is a running `vodwright serve`, for one test.
type server struct {
	*harness.Server
	t    *testing.T
	data string
}

// startServer starts a server on free ports in a folder of its own and waits until it answers.
func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	return startServerWith(t, nil, args...)
}

// startServerWith is startServer of one that has more in its environment.
func startServerWith(t *testing.T, env []string, args ...string) *server {
	t.Helper()
	s := harness.ServeWith(t, programPath, env, args...)
	return &server{Server: s, t: t, data: s.Data}
}

// in returns the same server for use in a subtest.
func (s *server) in(t *testing.T) *server { return &server{Server: s.Server, t: t, data: s.data} }

func (s *server) start() {
	s.t.Helper()
	if err := s.Start(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// kill ends the server as a power cut would: kill -9, no goodbye.
func (s *server) kill() { s.Kill() }

// stop ends the server as an operator would.
func (s *server) stop() {
	s.t.Helper()
	if err := s.Stop(); err != nil {
		s.t.Error(err)
	}
}

// env is the environment that points AWS tools at the server.
func (s *server) env() []string {
	s.t.Helper()
	vars, err := s.Vars(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
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
	out, _ := harness.Tool(s.t, programPath, args...)
	return out
}

// aws runs the aws CLI and decodes its JSON answer into out, unless out is nil.
func (s *server) aws(out any, args ...string) {
	s.t.Helper()
	stdout, _, err := s.tryAWS(args...)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, stdout)
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
	return harness.Output(s.awsCommand(args...))
}

func (s *server) publish(args ...string) harness.Published {
	s.t.Helper()
	return s.Publish(s.t, args...)
}

// jobDoc is a job as the aws CLI and Go's SDK show it.
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
	doc, err := json.Marshal(s.WaitJob(s.t, id, limit)) // the SDK's names are the CLI's
	s.must(err)
	var j jobDoc
	s.must(json.Unmarshal(doc, &j.Job))
	return j
}

// eventually polls until ok is true; past the limit the test fails.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	harness.Eventually(t, limit, what, ok)
}

// download fetches a URL from the edge; anything but 200 fails the test.
func download(t *testing.T, url string) []byte {
	t.Helper()
	return harness.Download(t, harness.Viewer(), url)
}

// runFFmpeg runs ffmpeg or ffprobe and returns its standard output; warnings are returned too.
func runFFmpeg(t *testing.T, program string, args ...string) (stdout, stderr []byte) {
	t.Helper()
	return harness.Tool(t, program, append([]string{"-v", "warning"}, args...)...)
}
