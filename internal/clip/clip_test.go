package clip

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"

	"vodwright.dev/vodwright/internal/media"
)

func TestClipCountsItsFrames(t *testing.T) {
	spec := Spec{Width: 640, Height: 360, FrameRate: media.R(30000, 1001), Seconds: 4}
	path := filepath.Join(t.TempDir(), "clip.mp4")
	if out, err := exec.Command("ffmpeg", spec.Args(path)...).CombinedOutput(); err != nil {
		t.Fatalf("make clip: %v\n%s", err, out)
	}
	// Scaled down, as a rung is.
	cmd := exec.Command("ffmpeg", "-v", "error", "-i", path, "-vf", "scale=320:180,"+CounterFilter, "-f", "rawvideo", "-")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	gray, err := cmd.Output()
	if err != nil {
		t.Fatalf("decode clip: %v\n%s", err, stderr.Bytes())
	}
	if got := int64(len(gray) / Bits); got != spec.Frames() {
		t.Errorf("%d frames decoded, Frames says %d", got, spec.Frames())
	}
	for i := 0; i+Bits <= len(gray); i += Bits {
		if got := ReadCounter(gray[i : i+Bits]); got != int64(i/Bits) {
			t.Fatalf("frame %d shows %d", i/Bits, got)
		}
	}
}
