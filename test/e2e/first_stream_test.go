package e2e

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/test/harness"
)

// makeClip writes a self-proving clip and returns its path.
func makeClip(t *testing.T, spec clip.Spec, name string) string {
	t.Helper()
	return harness.Clip(t, spec, name)
}

// TestFirstStream is the main job: a file goes in, a stream comes out that is
// exact to the frame, in sync, and plays in a browser.
func TestFirstStream(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	spec := clip.Spec{Width: 960, Height: 540, FrameRate: media.R(30000, 1001), Seconds: 14}
	file := makeClip(t, spec, "My Holiday, 1.mp4")
	p := s.publish(file)
	if p.Status != "COMPLETE" {
		t.Fatalf("publish ended with %q", p.Status)
	}
	got := fetchStream(t, p.StreamURL)
	if len(got.variants) != 3 {
		t.Fatalf("%d variants, want 3", len(got.variants))
	}
	if n := checkShape(t, got); int64(n) != spec.Frames() {
		t.Errorf("%d frames, the source has %d", n, spec.Frames())
	}
	for i := range got.variants {
		whole := filepath.Join(got.dir, "whole-"+string(rune('0'+i))+".ts")
		expectCounting(t, whole, counters(t, whole), spec.Frames())
		for _, d := range offsets(t, whole) {
			if math.Abs(d) > 0.020 {
				t.Errorf("variant %d: a beep comes %.1f ms after its flash", i, d*1000)
			}
		}
	}
	t.Run("browser", func(t *testing.T) { playInBrowser(t, p, got) })
}

// TestConvertNeedsNoServer encodes without a server and expects exact frames.
func TestConvertNeedsNoServer(t *testing.T) {
	t.Parallel()
	spec := clip.Spec{Width: 320, Height: 180, FrameRate: media.R(25, 2), Seconds: 12}
	file := makeClip(t, spec, "clip.mkv")
	out := t.TempDir()
	cmd := exec.Command(programPath, "convert", file, "-o", out)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("convert: %v\n%s", err, output)
	}
	got := readStream(t, filepath.Join(out, "clip.m3u8"), func(name string) string { return filepath.Join(out, filepath.FromSlash(name)) })
	got.dir = t.TempDir()
	if n := checkShape(t, got); int64(n) != spec.Frames() {
		t.Errorf("%d frames, the source has %d", n, spec.Frames())
	}
	if left, _ := filepath.Glob(filepath.Join(out, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestGarbageGetsAClearError feeds what is no video.
func TestGarbageGetsAClearError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.txt")
	garbage := map[string]string{
		"empty.mp4":    "",
		"text.mp4":     "this is not a video\n",
		"playlist.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + secret + "\n#EXT-X-ENDLIST\n",
		"concat.mp4":   "ffconcat version 1.0\nfile secret.txt\n",
		"random.mkv":   strings.Repeat("\x1aE\xdf\xa3\x93B\x82\x88matroska\x00\xff", 4096),
	}
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, content := range garbage {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(t.TempDir(), "out")
			cmd := exec.Command(programPath, "convert", file, "-o", out, "--json")
			output, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("accepted:\n%s", output)
			}
			if code := cmd.ProcessState.ExitCode(); code != 2 {
				t.Errorf("exit code %d, want 2 (wrong input)\n%s", code, output)
			}
			if !strings.Contains(string(output), `"message":`) || strings.Contains(string(output), "panic") {
				t.Errorf("no clear error:\n%s", output)
			}
			left, _ := filepath.Glob(filepath.Join(out, "*"))
			hidden, _ := filepath.Glob(filepath.Join(out, ".*"))
			if len(left)+len(hidden) > 0 {
				t.Errorf("left behind: %v %v", left, hidden)
			}
		})
	}
}
