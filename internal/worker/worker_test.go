package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fetch"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/probe"
)

// folder implements Objects over a folder, and remembers the order of publishing.
type folder struct {
	source, root string
	failAt       int   // the publication that fails, from 1; 0 is none
	openErr      error // of reading anything

	mu    sync.Mutex
	order []string
	owner map[string]string
}

func (f *folder) Snapshot(_ context.Context, _, key, _, dst string) (string, error) {
	err := os.Link(filepath.Join(filepath.Dir(f.source), filepath.Base(key)), dst)
	if errors.Is(err, os.ErrNotExist) {
		return "", fault.New(fault.NotFound, "NoSuchKey", "no key %q", key)
	}
	return "1", err
}

func (f *folder) Writable(_ context.Context, bucket, _ string) error {
	if bucket != "out" {
		return fault.New(fault.NotFound, "NoSuchBucket", "no bucket %q", bucket)
	}
	return nil
}

func (f *folder) Publish(_ context.Context, up Upload) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.order = append(f.order, up.Key)
	if len(f.order) == f.failAt {
		return errors.New("the bucket is on fire")
	}
	to := filepath.Join(f.root, filepath.FromSlash(up.Key))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	f.owner[up.Key] = up.Job
	return os.Rename(up.File, to)
}

func (f *folder) Open(_ context.Context, _, key string) (io.ReadCloser, int64, error) {
	if f.openErr != nil {
		return nil, 0, f.openErr
	}
	file, err := os.Open(filepath.Join(f.root, filepath.FromSlash(key)))
	if err != nil {
		return nil, 0, fault.New(fault.NotFound, "NoSuchKey", "no key %q", key)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	return file, info.Size(), nil
}

func (f *folder) Withdraw(_ context.Context, job, _, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.owner[key] != job {
		return nil
	}
	if err := os.Remove(filepath.Join(f.root, filepath.FromSlash(key))); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func newWorker(t *testing.T, f *folder) *Worker {
	t.Helper()
	runner, err := ffmpeg.New(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Dir: t.TempDir(), FFmpeg: runner, Probe: probe.New(runner), Fetch: fetch.New(fetch.Config{}), Objects: f, Slots: 2})
}

const request = `{"settings":{"inputs":[{"fileInput":"s3://in/%s"}],"outputGroups":[
 {"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://%s/a/b","segmentLength":2,"minSegmentLength":0}},
  "outputs":[{"nameModifier":"_1","containerSettings":{"container":"M3U8"},
   "videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000,"gopSize":1,"gopSizeUnits":"SECONDS"}}},
   "audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":64000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]}]}]}}`

func makeClip(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clip.mp4")
	spec := clip.Spec{Width: 160, Height: 90, FrameRate: media.R(25, 1), Seconds: 6}
	if out, err := exec.Command("ffmpeg", spec.Args(file)...).CombinedOutput(); err != nil {
		t.Fatalf("make clip: %v\n%s", err, out)
	}
	return file
}

func files(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPlaylistsArePublishedLast(t *testing.T) {
	f := &folder{source: makeClip(t), root: t.TempDir(), owner: map[string]string{}}
	w := newWorker(t, f)
	if _, _, err := w.Local(t.Context(), "job", time.Now(), fmt.Appendf(nil, request, "clip.mp4", "out"), func(string, int) {}); err != nil {
		t.Fatal(err)
	}
	want := []string{".ts", ".ts", ".ts", "a/b_1.m3u8", "a/b.m3u8"}
	if len(f.order) != len(want) {
		t.Fatalf("published %v", f.order)
	}
	for i, suffix := range want {
		if !strings.HasSuffix(f.order[i], suffix) {
			t.Errorf("publication %d is %s, want %s", i, f.order[i], suffix)
		}
	}
	if left := files(t, w.cfg.Dir); len(left) > 0 {
		t.Errorf("left in the work folder: %v", left)
	}
}

func TestFailedJobLeavesNothing(t *testing.T) {
	source := makeClip(t)
	for failAt := 1; failAt <= 5; failAt += 2 {
		f := &folder{source: source, root: t.TempDir(), owner: map[string]string{}, failAt: failAt}
		// What another job published under the same name stays.
		if err := os.MkdirAll(filepath.Join(f.root, "a"), 0o755); err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(f.root, "a", "poster.jpg")
		if err := os.WriteFile(other, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		w := newWorker(t, f)
		_, _, err := w.Local(t.Context(), "job", time.Now(), fmt.Appendf(nil, request, "clip.mp4", "out"), func(string, int) {})
		if err == nil || !strings.Contains(err.Error(), "on fire") {
			t.Fatalf("publication %d failed, Local says %v", failAt, err)
		}
		if left := files(t, f.root); len(left) != 1 || left[0] != other {
			t.Errorf("publication %d failed; visible: %v", failAt, left)
		}
		if left := files(t, w.cfg.Dir); len(left) > 0 {
			t.Errorf("left in the work folder: %v", left)
		}
	}
}

func TestJobFaultsHaveTheServicesCodes(t *testing.T) {
	f := &folder{source: makeClip(t), root: t.TempDir(), owner: map[string]string{}}
	for _, tt := range []struct{ input, bucket, code string }{
		{"nothing.mp4", "out", "1404"},
		{"clip.mp4", "nowhere", "1404"},
	} {
		_, _, err := newWorker(t, f).Local(t.Context(), "job", time.Now(), fmt.Appendf(nil, request, tt.input, tt.bucket), func(string, int) {})
		if got := fault.Of(err); got == nil || got.Code != tt.code || got.Kind.Retryable() {
			t.Errorf("%s to %s: %+v, want code %s", tt.input, tt.bucket, got, tt.code)
		}
	}
}

// TestDamagedSourceIsToldAndPlays cuts bytes out of the middle of a source: the
// stream keeps every frame's place, and the owner is told what could not be decoded.
func TestDamagedSourceIsToldAndPlays(t *testing.T) {
	source := makeClip(t)
	data, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	middle := len(data) / 2
	for i := range len(data) / 8 {
		data[middle+i] = byte(i * 7)
	}
	damaged := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(damaged, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f := &folder{source: damaged, root: t.TempDir(), owner: map[string]string{}}
	_, _, err = newWorker(t, f).Local(t.Context(), "job", time.Now(), fmt.Appendf(nil, request, "clip.mp4", "out"), func(string, int) {})
	if err != nil {
		t.Fatal(err)
	}
	var whole []byte
	for i := 1; i <= 3; i++ {
		seg, err := os.ReadFile(filepath.Join(f.root, "a", fmt.Sprintf("b_1_%05d.ts", i)))
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, seg...)
	}
	cmd := exec.Command("ffmpeg", "-v", "error", "-i", "-", "-map", "0:v:0", "-f", "framecrc", "-")
	cmd.Stdin = strings.NewReader(string(whole))
	cmd.Stderr = io.Discard
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "#") {
			n++
		}
	}
	if n != 150 {
		t.Errorf("%d frames, the source's index has 150", n)
	}
}

// roles gives every role all rights but to what is denied, and remembers who asked.
type roles struct {
	objects *folder
	mu      sync.Mutex
	asked   []string
}

func (r *roles) Objects(_ context.Context, role, job string) (Objects, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, role+" "+job)
	switch role {
	case "missing":
		return nil, fault.New(fault.NotFound, "NoSuchEntity", "no role")
	case "stranger":
		return nil, fault.New(fault.Denied, "AccessDenied", "not trusted")
	case "malformed":
		return nil, fault.New(fault.Invalid, "ValidationError", "no ARN")
	}
	return boundFolder{r.objects, role}, nil
}

type boundFolder struct {
	*folder
	role string
}

func (b boundFolder) may(what string) error {
	if b.role == "no "+what {
		return fault.New(fault.Denied, "AccessDenied", "%s is not allowed", what)
	}
	return nil
}

func (b boundFolder) Snapshot(ctx context.Context, bucket, key, pin, dst string) (string, error) {
	if err := b.may("read"); err != nil {
		return "", err
	}
	return b.folder.Snapshot(ctx, bucket, key, pin, dst)
}

func (b boundFolder) Writable(ctx context.Context, bucket, key string) error {
	if key != "a/b.m3u8" {
		return fmt.Errorf("asked about %q", key)
	}
	return errors.Join(b.may("write"), b.folder.Writable(ctx, bucket, key))
}

func (b boundFolder) Publish(ctx context.Context, up Upload) error {
	if strings.HasSuffix(up.Key, ".m3u8") {
		if err := b.may("playlists"); err != nil {
			return err
		}
	}
	return b.folder.Publish(ctx, up)
}

func TestAJobHasTheRightsOfItsRole(t *testing.T) {
	source := makeClip(t)
	for role, code := range map[string]string{
		"missing": "1433", "stranger": "1434", "malformed": "1515", "no read": "1401", "no write": "1401", "no playlists": "1401", "good": "",
	} {
		t.Run(role, func(t *testing.T) {
			f := &folder{source: source, root: t.TempDir(), owner: map[string]string{}}
			r := &roles{objects: f}
			w := newWorker(t, f)
			w.cfg.Roles = r
			first, err := json.Marshal(job.FirstTask{Job: "j", Role: role, Request: fmt.Appendf(nil, request, filepath.Base(source), "out"), Started: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			outputs := map[string]json.RawMessage{}
			stages := [][]job.Task{{{Job: "j", Name: "probe", Payload: first}}}
			for i := 0; i < len(stages) && err == nil; i++ {
				for _, task := range stages[i] {
					var result job.Result
					result, err = w.Run(t.Context(), task, func(_ context.Context, name string) (json.RawMessage, error) { return outputs[name], nil }, func(job.Progress) {})
					if err != nil {
						break
					}
					outputs[task.Name] = result.Output
					stages = append(stages, result.Next...)
				}
			}
			outcome := job.Complete
			if code == "" {
				if err != nil || len(f.order) != 5 || len(r.asked) != 2 {
					t.Errorf("published %v, asked %v, %v", f.order, r.asked, err)
				}
			} else {
				outcome = job.Error
				if err == nil || fault.Of(err).Code != code || fault.KindOf(err).Retryable() {
					t.Errorf("got %v, want an error %s that is not tried again", err, code)
				}
			}
			if err := w.Discard(t.Context(), "j", outcome); err != nil {
				t.Error(err)
			}
			if left := files(t, f.root); outcome == job.Error && len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}
