package e2e

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/test/harness"
)

// TestObjectsElsewhere has a server keep its objects in another one's bucket. It waits for
// that at its start, is killed in the middle of a job, and its folder keeps no object:
// the stream is exact to the frame.
func TestObjectsElsewhere(t *testing.T) {
	t.Parallel()
	external := startServer(t, "--workers", "1")
	external.aws(nil, "s3api", "create-bucket", "--bucket", "bytes")
	key, err := external.Key(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"VODWRIGHT_S3_ACCESS_KEY=" + key.AccessKeyID, "VODWRIGHT_S3_SECRET_KEY=" + key.SecretAccessKey}
	place := external.HTTP + "/bytes/house"

	at := harness.FreeAddress(t)
	s := harness.NewServer(programPath, t.TempDir(), "--workers", "1", "--s3", place, "--wait", "60s")
	s.Env, s.Listen = env, at
	cleanUp(t, s)
	external.Kill()
	if err := s.Launch(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the server says that it waits for the external S3", func() bool {
		code, body := ready(at)
		return code == http.StatusServiceUnavailable && strings.Contains(body, `"waitsFor":"the external S3"`)
	})
	s.Kill()
	serve := func(args ...string) (int, string) {
		ctx, done := context.WithTimeout(t.Context(), time.Minute)
		defer done()
		cmd := exec.CommandContext(ctx, programPath, append([]string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--tls-listen", "-"}, args...)...)
		cmd.Env = append(cmd.Environ(), env...)
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	if code, out := serve("--data", external.data, "--s3", place); code != 4 || !strings.Contains(out, "would hide") {
		t.Errorf("a data folder with buckets: exit code %d\n%s", code, out)
	}
	if code, out := serve("--s3", place, "--wait", "1s"); code != 7 || !strings.Contains(out, "hint:") {
		t.Errorf("an external S3 that is down: exit code %d\n%s", code, out)
	}
	external.start()
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if code, body := ready(at); code != http.StatusOK {
		t.Errorf("ready: %d %s", code, body)
	}
	v := &server{Server: s, t: t, data: s.Data}
	if code, out := serve("--s3", place); code != 4 || !strings.Contains(out, "other records") {
		t.Errorf("the objects of another server: exit code %d\n%s", code, out)
	}

	spec := clip.Spec{Width: 320, Height: 180, FrameRate: media.R(25, 1), Seconds: 12}
	p := v.publish("--detach", makeClip(t, spec, "elsewhere.mp4"))
	eventually(t, time.Minute, "it encodes", func() bool { return len(encodersBelow(t, v.data)) > 0 })
	v.Kill()
	v.start()
	if j := v.waitJob(p.JobID, 3*time.Minute); j.Job.Status != "COMPLETE" {
		t.Fatalf("the job ended %s: %d %s", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage)
	}
	expectStream(t, p.StreamURL, spec)
	eventually(t, time.Minute, "nothing is left", func() bool { return len(v.left()) == 0 })
	for _, folder := range []string{"buckets", "sending"} {
		if found, _ := filepath.Glob(filepath.Join(s.Data, folder, "*")); len(found) > 0 {
			t.Errorf("the data folder holds %q", found)
		}
	}
	v.stop()

	// Without the flag its buckets would seem to be gone.
	s.Args = []string{"--workers", "1"}
	if err := s.Launch(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the server refuses to go on without --s3", func() bool { return s.Ended() != nil })
	if !strings.Contains(s.Said.Tail(2000), "give its address with --s3") {
		t.Errorf("it says %s", s.Said.Tail(2000))
	}
}
