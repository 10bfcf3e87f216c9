package e2e

import (
	"context"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/test/harness"
)

// cleanUp ends a server with its test, and tells what it said if that failed.
func cleanUp(t *testing.T, s *harness.Server) {
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("server log:\n%s", s.Said.Tail(8000))
		}
	})
}

// ready is what a server says of its readiness, 0 if nobody answers.
func ready(address string) (int, string) {
	answer, err := http.Get("http://" + address + "/_/ready")
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

// TestRecordsAndWorkElsewhere has a server on PostgreSQL and a NATS cluster of three,
// with a worker that joined the cluster. Both are away for a while, a NATS node for
// good: the job completes once, exact to the frame.
func TestRecordsAndWorkElsewhere(t *testing.T) {
	t.Parallel()
	records, work := harness.StartPostgres(t), harness.StartNATS(t, 3)
	records.Crash(t)
	at := harness.FreeAddress(t)
	s := harness.NewServer(programPath, t.TempDir(), "--workers", "1", "--postgres", records.URL, "--nats", strings.Join(work.URLs, ","), "--wait", "60s")
	s.Listen = at
	cleanUp(t, s)
	if err := s.Launch(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the server says that it waits for PostgreSQL", func() bool {
		code, body := ready(at)
		return code == http.StatusServiceUnavailable && strings.Contains(body, `"waitsFor":"PostgreSQL"`)
	})
	s.Kill()
	records.Start(t)
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if code, body := ready(at); code != http.StatusOK {
		t.Errorf("ready: %d %s", code, body)
	}
	v := &server{Server: s, t: t, data: s.Data}

	// A second server would undo what the first does.
	ctx, done := context.WithTimeout(t.Context(), 30*time.Second)
	defer done()
	for what, args := range map[string][]string{
		"another server": {"--postgres", records.URL, "--nats", strings.Join(work.URLs, ",")},
		"tasks":          {"--nats", strings.Join(work.URLs, ",")},
	} {
		cmd := exec.CommandContext(ctx, programPath, append([]string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--tls-listen", "-"}, args...)...)
		if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 4 || !strings.Contains(string(out), what) || !strings.Contains(string(out), "hint:") {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
	}

	r := join(t, programPath, strings.Join(work.URLs, ","), "beside", "--concurrency", "1")
	spec := clip.Spec{Width: 320, Height: 180, FrameRate: media.R(25, 1), Seconds: 12}
	p := v.publish("--detach", makeClip(t, spec, "long.mp4"))
	eventually(t, time.Minute, "both encode", func() bool { return len(encodersBelow(t, v.data)) > 0 && len(encodersBelow(t, r.work)) > 0 })
	work.Kill(0)
	records.Crash(t)
	eventually(t, time.Minute, "the server is not ready", func() bool {
		code, body := ready(at)
		return code == http.StatusServiceUnavailable && strings.Contains(body, "PostgreSQL")
	})
	records.Start(t)
	eventually(t, time.Minute, "the server is ready again", func() bool { code, _ := ready(at); return code == http.StatusOK })
	j := v.waitJob(p.JobID, 3*time.Minute)
	if j.Job.Status != "COMPLETE" {
		t.Fatalf("the job ended %s: %d %s", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage)
	}
	expectStream(t, p.StreamURL, spec)
	eventually(t, time.Minute, "nothing is left anywhere", func() bool { return len(v.left()) == 0 && len(r.holds()) == 0 })
	v.stop()
}
