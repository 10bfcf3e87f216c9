package worker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// TestPicturesInTheSandbox runs a job whose process needs more than its source: an
// image, and a font of the system; and writes 10 bits of fields.
func TestPicturesInTheSandbox(t *testing.T) {
	f := &folder{source: makeClip(t), root: t.TempDir(), owner: map[string]string{}}
	logo := filepath.Join(filepath.Dir(f.source), "logo.png")
	if out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=red:size=40x40", "-frames:v", "1", logo).CombinedOutput(); err != nil {
		t.Fatalf("make image: %v\n%s", err, out)
	}
	preprocessors := `"videoPreprocessors":{"imageInserter":{"insertableImages":[{"imageInserterInput":"s3://in/%s","imageX":100,"imageY":40,"opacity":100}]},"timecodeBurnin":{"prefix":"at ","position":"TOP_LEFT"}},"width":160`
	job := func(image string) []byte {
		doc := strings.Replace(fmt.Sprintf(request, "clip.mp4", "out"), `"width":160`, fmt.Sprintf(preprocessors, image), 1)
		doc = strings.Replace(doc, `"height":90`, `"height":96`, 1)
		return []byte(strings.Replace(doc, `"maxBitrate"`, `"interlaceMode":"TOP_FIELD","codecProfile":"HIGH_10BIT","maxBitrate"`, 1))
	}
	if _, _, err := newWorker(t, f).Local(t.Context(), "job", time.Now(), job("logo.png"), func(string, int) {}); err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, f.root) {
		if !strings.HasSuffix(name, ".ts") {
			continue
		}
		raw, err := exec.Command("ffmpeg", "-v", "error", "-i", name, "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-").Output()
		if err != nil || len(raw) != 160*96*3 {
			t.Fatalf("%s: %d bytes, %v", name, len(raw), err)
		}
		if at := 3 * (60*160 + 120); raw[at] < 230 || raw[at+1] > 30 {
			t.Errorf("%s shows %v where the image should be", name, raw[at:at+3])
		}
	}
	if err := os.WriteFile(logo, []byte("no image"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := newWorker(t, f).Local(t.Context(), "bad", time.Now(), job("logo.png"), func(string, int) {})
	if e := fault.Of(err); err == nil || e.Code != "1030" || !strings.Contains(e.Message, "logo.png") {
		t.Errorf("a job with an image that is none: %v", err)
	}
	_, _, err = newWorker(t, f).Local(t.Context(), "none", time.Now(), job("other.png"), func(string, int) {})
	if e := fault.Of(err); err == nil || e.Code != "1404" || !strings.Contains(e.Message, "other.png") {
		t.Errorf("a job with an image that is not there: %v", err)
	}
}
