package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/test/harness"
)

// encodersBelow returns the pids of media processes whose work lies below dir.
func encodersBelow(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, f := range all {
		line, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(line), dir) && strings.Contains(string(line), "ffmpeg") {
			pids = append(pids, strings.Split(f, "/")[2])
		}
	}
	return pids
}

// createJob uploads a clip and submits the default ladder on it.
func (s *server) createJob(file string) string {
	s.t.Helper()
	p := s.publish("--detach", file)
	return p.JobID
}

// outputs lists the objects of the stream bucket.
func (s *server) outputs() []string {
	s.t.Helper()
	return s.Keys(s.t, "vod-streams", "")
}

// TestKilledServerGoesOn kills the whole server with -9 at many moments of a job
// and starts it again: the job completes once, exact to the frame, and until it
// does no playlist is to be seen.
func TestKilledServerGoesOn(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	spec := clip.Spec{Width: 640, Height: 360, FrameRate: media.R(25, 2), Seconds: 24}
	file := makeClip(t, spec, "long.mp4")
	p := s.publish("--detach", file)
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	kills := 8
	if testing.Short() {
		kills = 3
	}
	var j jobDoc
	for round := 0; ; round++ {
		if round < kills {
			// A moment of the job: some tenths of a second on, wherever that finds it.
			stop := time.NewTimer(time.Duration(100+random.IntN(900)) * time.Millisecond)
			<-stop.C
			before, err := s.Jobs().GetJob(t.Context(), &mediaconvert.GetJobInput{Id: &p.JobID})
			s.must(err)
			if before.Job.Status == types.JobStatusComplete {
				j = s.waitJob(p.JobID, 5*time.Minute)
				break
			}
			for _, key := range s.outputs() {
				if strings.HasSuffix(key, ".m3u8") && before.Job.CurrentPhase != types.JobPhaseUploading {
					t.Errorf("round %d: %s is visible in phase %s", round, key, before.Job.CurrentPhase)
				}
			}
			s.kill()
			eventually(t, 30*time.Second, "encoders of the killed server end", func() bool { return len(encodersBelow(t, s.data)) == 0 })
			s.start()
			continue
		}
		j = s.waitJob(p.JobID, 5*time.Minute)
		break
	}
	if j.Job.Status != "COMPLETE" {
		t.Fatalf("the job ended %s: %d %s", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage)
	}
	got := fetchStream(t, p.StreamURL)
	if n := checkShape(t, got); int64(n) != spec.Frames() {
		t.Errorf("%d frames, the source has %d", n, spec.Frames())
	}
	for i := range got.variants {
		whole := filepath.Join(got.dir, fmt.Sprintf("whole-%d.ts", i))
		expectCounting(t, whole, counters(t, whole), spec.Frames())
	}
	eventually(t, 30*time.Second, "the work folder is empty", func() bool {
		left, _ := filepath.Glob(filepath.Join(s.data, "work", "*"))
		return len(left) == 0
	})
	s.stop()
}

// TestCancelStopsEncodersAndLeavesNothing cancels a running job.
func TestCancelStopsEncodersAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	file := harness.LongClip(t, clip.Spec{Width: 960, Height: 540, FrameRate: media.R(30, 1), Seconds: 2}, 30, "long.mp4")
	id := s.createJob(file)
	eventually(t, 30*time.Second, "encoders run", func() bool { return len(encodersBelow(t, s.data)) > 0 })
	s.aws(nil, "mediaconvert", "cancel-job", "--id", id)
	eventually(t, 30*time.Second, "encoders stop", func() bool { return len(encodersBelow(t, s.data)) == 0 })
	j := s.waitJob(id, 5*time.Minute)
	if j.Job.Status != "CANCELED" {
		t.Errorf("the job is %s", j.Job.Status)
	}
	eventually(t, 30*time.Second, "the work folder is empty", func() bool {
		left, _ := filepath.Glob(filepath.Join(s.data, "work", "*"))
		return len(left) == 0
	})
	if keys := s.outputs(); len(keys) > 0 {
		t.Errorf("outputs of a canceled job: %v", keys)
	}
	if _, stderr, err := s.tryAWS("mediaconvert", "cancel-job", "--id", id); err == nil || !strings.Contains(string(stderr), "ConflictException") {
		t.Errorf("canceling twice: %v\n%s", err, stderr)
	}
}

// TestTroubleIsTold submits jobs that cannot work and reads the reason as the owner would.
func TestTroubleIsTold(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.publish(makeClip(t, clip.Spec{Width: 320, Height: 180, Seconds: 2}, "ok.mp4"))
	garbage := filepath.Join(t.TempDir(), "garbage.mp4")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a video. ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.putFile("vod-source", "garbage.mp4", garbage)
	role := s.role("r", "mediaconvert.amazonaws.com", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	tests := []struct {
		name, input string
		codes       []int
	}{
		{"no object", "s3://vod-source/nothing.mp4", []int{1404}},
		{"no bucket", "s3://no-such-bucket/a.mp4", []int{1404}},
		{"no video", "s3://vod-source/garbage.mp4", []int{1010, 1030}},
		{"a private address", "https://127.0.0.1:1/a.mp4", []int{3457}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := s.in(t)
			settings := fmt.Sprintf(`{"Inputs":[{"FileInput":%q}],
				"OutputGroups":[{"OutputGroupSettings":{"HlsGroupSettings":{"Destination":"s3://vod-streams/trouble/x"}}}]}`, tt.input)
			j := s.submit(role, settings)
			ok := false
			for _, c := range tt.codes {
				ok = ok || j.Job.ErrorCode == c
			}
			if j.Job.Status != "ERROR" || !ok || j.Job.ErrorMessage == "" {
				t.Errorf("got %s %d %q, want ERROR %v", j.Job.Status, j.Job.ErrorCode, j.Job.ErrorMessage, tt.codes)
			}
		})
	}
}
