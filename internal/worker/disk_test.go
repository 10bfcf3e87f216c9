package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fetch"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/limit"
	"vodwright.dev/vodwright/internal/probe"
)

// TestFullDiskIsTold writes to a disk that is full: the kernel's own.
func TestFullDiskIsTold(t *testing.T) {
	file, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	_, full := file.Write([]byte("x"))
	for what, err := range map[string]error{
		"work":   diskFault(full),
		"bucket": destinationFault(fault.New(fault.Unavailable, "ServiceUnavailable", "no space: %w", full), "b"),
		"source": sourceFault(fmt.Errorf("copy: %w", full), "s3://b/k"),
	} {
		if f := fault.Of(err); f == nil || f.Code != "1050" || f.Kind != fault.Unavailable || f.Hint == "" {
			t.Errorf("%s: %+v", what, f)
		}
	}
}

// TestWorkFolderHasAQuota: a job that would fill the disk ends with 1050 and leaves nothing.
func TestWorkFolderHasAQuota(t *testing.T) {
	f := &folder{source: makeClip(t), root: t.TempDir(), owner: map[string]string{}}
	w := newWorker(t, f)
	runner, err := ffmpeg.New(ffmpeg.Config{Limits: limit.Limits{WorkBytes: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.FFmpeg, w.cfg.Probe, w.cfg.Fetch = runner, probe.New(runner), fetch.New(fetch.Config{})
	_, _, err = w.Local(t.Context(), "job", time.Now(), fmt.Appendf(nil, request, filepath.Base(f.source), "out"), func(string, int) {})
	got := fault.Of(err)
	if got == nil || got.Code != "1050" || got.Kind != fault.Limit || !strings.Contains(got.Message, "more than the 1000") || !strings.Contains(got.Hint, "--limit-work-bytes") {
		t.Errorf("%+v", got)
	}
	if left := append(files(t, w.cfg.Dir), files(t, f.root)...); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
