package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/test/harness"
)

// remote is a running `vodwright worker`, which shares nothing with the server.
type remote struct {
	name, work string
	said       *harness.Log
	cmd        *exec.Cmd
	done       chan struct{}
}

const joinToken = "token-of-the-tests"

// joined starts a worker of a server, and waits until it has let it in.
func joined(t *testing.T, program, address, name string, args ...string) *remote {
	t.Helper()
	return join(t, program, "nats://"+joinToken+"@"+address, name, args...)
}

func join(t *testing.T, program, urls, name string, args ...string) *remote {
	t.Helper()
	r := &remote{name: name, work: filepath.Join(t.TempDir(), "work"), said: new(harness.Log), done: make(chan struct{})}
	r.cmd = exec.Command(program, append([]string{"worker", "--join", urls, "--work", r.work, "--name", name, "--verbose"}, args...)...)
	r.cmd.Stdout, r.cmd.Stderr = r.said, r.said
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.cmd.Wait(); close(r.done) }()
	t.Cleanup(func() {
		r.kill()
		if t.Failed() {
			t.Logf("worker %s:\n%s", name, r.said.Tail(4000))
		}
	})
	eventually(t, time.Minute, "worker "+name+" has joined or ended", func() bool { return r.says("joined") || r.ended() })
	return r
}

func (r *remote) says(what string) bool { return strings.Contains(r.said.Tail(1<<20), what) }

func (r *remote) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *remote) kill() {
	_ = r.cmd.Process.Kill()
	<-r.done
}

// last returns the task that the worker started last.
func (r *remote) last(t *testing.T) string {
	t.Helper()
	said := r.said.Tail(1 << 20)
	_, after, found := strings.Cut(said[max(strings.LastIndex(said, `msg="task started"`), 0):], "task=")
	if !found {
		t.Fatalf("worker %s started nothing", r.name)
	}
	task, _, _ := strings.Cut(after, " ")
	return task
}

// holds reports what is left in the worker's folder of jobs.
func (r *remote) holds() []string {
	left, _ := filepath.Glob(filepath.Join(r.work, "jobs", "*"))
	return left
}

// left reports what is left of jobs on the server.
func (s *server) left() []string {
	work, _ := filepath.Glob(filepath.Join(s.data, "work", "*"))
	depot, _ := filepath.Glob(filepath.Join(s.data, "depot", "*"))
	return append(work, depot...)
}

// expectStream holds the stream against its source, frame by frame.
func expectStream(t *testing.T, url string, spec clip.Spec) {
	t.Helper()
	got := fetchStream(t, url)
	if n := checkShape(t, got); int64(n) != spec.Frames() {
		t.Errorf("%d frames, the source has %d", n, spec.Frames())
	}
	for i := range got.variants {
		whole := filepath.Join(got.dir, fmt.Sprintf("whole-%d.ts", i))
		expectCounting(t, whole, counters(t, whole), spec.Frames())
	}
}

// TestWorkersElsewhere has all work done by workers that share no disk with the
// server: one is killed in the middle of a chunk, one is told to stop, and the server is killed and started again.
func TestWorkersElsewhere(t *testing.T) {
	t.Parallel()
	address := harness.FreeAddress(t)
	s := startServer(t, "--workers", "0", "--join-listen", address, "--join-token", joinToken)
	spec := clip.Spec{Width: 320, Height: 180, FrameRate: media.R(25, 1), Seconds: 20}
	p := s.publish("--detach", makeClip(t, spec, "long.mp4"))
	encodes := func(r *remote) func() bool {
		return func() bool {
			return len(encodersBelow(t, r.work)) > 0 && r.says("task=chunk/0/")
		}
	}

	first := joined(t, programPath, address, "first", "--concurrency", "1")
	eventually(t, time.Minute, "the first worker encodes a chunk", encodes(first))
	second := joined(t, programPath, address, "second", "--concurrency", "1")
	eventually(t, time.Minute, "the second worker encodes a chunk", encodes(second))
	second.kill()
	killed := time.Now()
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the first worker drains", first.ended)
	if code := first.cmd.ProcessState.ExitCode(); code != 0 || len(encodersBelow(t, first.work)) > 0 {
		t.Errorf("exit code %d, encoders %v", code, encodersBelow(t, first.work))
	}
	if task := first.last(t); !first.says(`msg="task done" job=`+p.JobID+" task="+task) || first.says("given back") {
		t.Errorf("the first worker did not end %s, which it carried", task)
	}
	third := joined(t, programPath, address, "third", "--concurrency", "4") // room for all that waits
	eventually(t, time.Minute, "what was killed runs elsewhere", func() bool {
		return third.says("task=" + second.last(t) + " attempt=2")
	})
	t.Logf("what was killed runs elsewhere after %s", time.Since(killed))

	s.kill()
	s.start()
	j := s.waitJob(p.JobID, 3*time.Minute)
	if j.Job.Status != "COMPLETE" {
		t.Fatalf("the job ended %s: %d %s", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage)
	}
	expectStream(t, p.StreamURL, spec)
	eventually(t, time.Minute, "nothing is left anywhere", func() bool { return len(s.left()) == 0 && len(third.holds()) == 0 })
	if _, stderr, err := s.tryAWS("s3api", "list-buckets"); err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	s.stop()
}

// TestWorkersWithTheServer share a job with the server's own cores.
func TestWorkersWithTheServer(t *testing.T) {
	t.Parallel()
	address := harness.FreeAddress(t)
	s := startServer(t, "--workers", "1", "--join-listen", address, "--join-token", joinToken)
	r := joined(t, programPath, address, "beside", "--concurrency", "1")
	spec := clip.Spec{Width: 320, Height: 180, FrameRate: media.R(25, 1), Seconds: 16}
	p := s.publish(makeClip(t, spec, "shared.mp4"))
	expectStream(t, p.StreamURL, spec)
	if !r.says("task done") {
		t.Error("the worker did nothing")
	}
	eventually(t, time.Minute, "nothing is left anywhere", func() bool { return len(s.left()) == 0 && len(r.holds()) == 0 })

	// A job that asks for a label waits for who has it.
	s.aws(nil, "s3api", "put-object", "--bucket", "vod-source", "--key", "news.mp4", "--body", makeClip(t, clip.Spec{Width: 320, Height: 180, Seconds: 2}, "news.mp4"))
	role := s.role("r", "mediaconvert.amazonaws.com", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	var news jobDoc
	s.aws(&news, "mediaconvert", "create-job", "--job-template", "vod-hls", "--role", role, "--user-metadata", `{"vodwright-workers":"news"}`, "--settings",
		`{"Inputs":[{"FileInput":"s3://vod-source/news.mp4"}],"OutputGroups":[{"OutputGroupSettings":{"HlsGroupSettings":{"Destination":"s3://vod-streams/news/x"}}}]}`)
	labelled := joined(t, programPath, address, "labelled", "--concurrency", "1", "--label", "news", "--exclusive")
	if j := s.waitJob(news.Job.ID, time.Minute); j.Job.Status != "COMPLETE" || r.says("job="+news.Job.ID) || !labelled.says("job="+news.Job.ID) {
		t.Errorf("the job that asks for a label is %s; who has none carried: %v", j.Job.Status, r.says("job="+news.Job.ID))
	}
	labelled.kill()

	// A job that is canceled stops everywhere.
	long := s.createJob(harness.LongClip(t, clip.Spec{Width: 640, Height: 360, FrameRate: media.R(25, 1), Seconds: 2}, 30, "long.mp4"))
	eventually(t, time.Minute, "both encode", func() bool { return len(encodersBelow(t, s.data)) > 0 && len(encodersBelow(t, r.work)) > 0 })
	s.aws(nil, "mediaconvert", "cancel-job", "--id", long)
	eventually(t, time.Minute, "both stop", func() bool { return len(encodersBelow(t, s.data)) == 0 && len(encodersBelow(t, r.work)) == 0 })
	eventually(t, time.Minute, "nothing is left anywhere", func() bool { return len(s.left()) == 0 && len(r.holds()) == 0 })
}

// TestWorkersThatAreRefused are of another version, or have another token.
func TestWorkersThatAreRefused(t *testing.T) {
	t.Parallel()
	address := harness.FreeAddress(t)
	s := startServer(t, "--workers", "1", "--join-listen", address, "--join-token", joinToken)
	other := filepath.Join(t.TempDir(), "other")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X main.version=v0.0.1-other", "-o", other, "vodwright.dev/vodwright/cmd/vodwright")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := joined(t, other, address, "newer")
	eventually(t, time.Minute, "the worker ends", r.ended)
	if code := r.cmd.ProcessState.ExitCode(); code != 4 || !r.says("worker newer has version v0.0.1-other, the server") || !r.says("hint:") {
		t.Errorf("exit code %d", code)
	}
	if said := s.Said.Tail(1 << 20); !strings.Contains(said, "worker refused") || !strings.Contains(said, "v0.0.1-other") {
		t.Errorf("the server says nothing of it: %s", said)
	}
	for what, url := range map[string]string{"another token": "nats://other@" + address, "no token": "nats://" + address} {
		cmd := exec.CommandContext(t.Context(), programPath, "worker", "--join", url, "--work", t.TempDir())
		if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 5 || !strings.Contains(string(out), "hint:") {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
	}
	ctx, done := context.WithTimeout(t.Context(), 30*time.Second)
	defer done()
	cmd := exec.CommandContext(ctx, programPath, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--tls-listen", "-", "--workers", "0")
	if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "--join-listen") {
		t.Errorf("a server without any worker: %v\n%s", err, out)
	}
}
