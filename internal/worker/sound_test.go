package worker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// library is a folder of several sources, by their key.
type library struct {
	*folder
	sources map[string]string
}

func (l *library) Snapshot(_ context.Context, _, key, dst string) (string, error) {
	file, ok := l.sources[key]
	if !ok {
		return "", fault.New(fault.NotFound, "NoSuchKey", "no key %q", key)
	}
	return "1", os.Link(file, dst)
}

// tool runs a program and returns what it wrote on both its outputs.
func tool(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// soundJob runs a job of one source and returns the folder of its outputs.
func soundJob(t *testing.T, sources map[string]string, settings string) string {
	t.Helper()
	f := &library{&folder{root: t.TempDir(), owner: map[string]string{}}, sources}
	w := newWorker(t, f.folder)
	w.cfg.Objects = f
	if _, _, err := w.Local(t.Context(), "job", time.Now(), []byte(`{"settings":`+settings+`}`), func(string, int) {}); err != nil {
		t.Fatal(err)
	}
	return f.root
}

// movieOf is a job of one MP4 with audio descriptions.
func movieOf(source string, descriptions ...string) string {
	return fmt.Sprintf(`{"inputs":[{"fileInput":"s3://in/%s","audioSelectors":{"Audio Selector 1":{"defaultSelection":"DEFAULT"}}}],"outputGroups":[
 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/movie"}},
  "outputs":[{"containerSettings":{"container":"MP4"},
   "videoDescription":{"width":64,"height":36,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":100000}}},
   "audioDescriptions":[%s]}]}]}`, source, strings.Join(descriptions, ","))
}

var integratedPattern = regexp.MustCompile(`I:\s+(-?[\d.]+) LUFS`)

// loudnessOf measures a file's integrated loudness and true peak.
func loudnessOf(t *testing.T, file string) (lufs, peak float64) {
	t.Helper()
	out := tool(t, "ffmpeg", "-nostdin", "-hide_banner", "-i", file, "-map", "0:a:0", "-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-")
	m := integratedPattern.FindAllStringSubmatch(out, -1)
	p := regexp.MustCompile(`Peak:\s+(-?[\d.]+) dBFS`).FindAllStringSubmatch(out, -1)
	if len(m) == 0 || len(p) == 0 {
		t.Fatalf("no loudness in %s", out)
	}
	lufs, _ = strconv.ParseFloat(m[len(m)-1][1], 64)
	peak, _ = strconv.ParseFloat(p[len(p)-1][1], 64)
	return lufs, peak
}

// TestLoudnessIsCorrected makes sounds of other loudness than was asked for, with a
// silence that gating leaves out and peaks that a gain alone would clip, and measures
// what was published.
func TestLoudnessIsCorrected(t *testing.T) {
	dir := t.TempDir()
	noise := func(name, expr string) string {
		file := filepath.Join(dir, name)
		tool(t, "ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x36:duration=8:rate=25", "-f", "lavfi", "-i", "aevalsrc=exprs="+expr+":s=48000:d=8",
			"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le", file)
		return file
	}
	quiet := noise("quiet.mov", "0.02*sin(2*PI*400*t)+0.01*sin(2*PI*1100*t)|0.02*sin(2*PI*300*t)")
	// A click every half second, twenty times as loud as what is around it.
	peaks := noise("peaks.mov", `(0.04+0.76*lt(mod(t\,0.5)\,0.003))*sin(2*PI*997*t)`)
	paused := noise("paused.mov", `0.3*sin(2*PI*500*t)*gt(t\,4)|0.3*sin(2*PI*700*t)*gt(t\,4)`)
	for _, tt := range []struct {
		name, file, settings string
		lufs, ceiling        float64
	}{
		{"the default target", quiet, `{"algorithm":"ITU_BS_1770_3","algorithmControl":"CORRECT_AUDIO"}`, -23, 0},
		{"another target", quiet, `{"algorithm":"ITU_BS_1770_4","targetLkfs":-16}`, -16, 0},
		{"limited", peaks, `{"algorithm":"ITU_BS_1770_2","targetLkfs":-18,"truePeakLimiterThreshold":-6}`, -18, -6},
		{"turned down", paused, `{"algorithm":"ITU_BS_1770_2","targetLkfs":-31}`, -31, 0},
		// Half is silence: without a gate the whole is 3 dB quieter than its louder half.
		{"ungated", paused, `{"algorithm":"ITU_BS_1770_1"}`, -21, 0},
		{"measured only", quiet, `{"algorithm":"ITU_BS_1770_3","algorithmControl":"MEASURE_ONLY"}`, -34.1, 0},
		{"below the gate", quiet, `{"algorithm":"ITU_BS_1770_3","correctionGateLevel":-30}`, -34.1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := soundJob(t, map[string]string{"clip.mov": tt.file}, movieOf("clip.mov", `{"audioNormalizationSettings":`+tt.settings+
				`,"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":256000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}`))
			lufs, peak := loudnessOf(t, filepath.Join(root, "movie.mp4"))
			if lufs < tt.lufs-0.5 || lufs > tt.lufs+0.5 {
				t.Errorf("it has %.1f LUFS, wanted %.1f", lufs, tt.lufs)
			}
			if peak > tt.ceiling+0.5 { // the codec's own
				t.Errorf("its true peak is %.1f dB, above %.1f", peak, tt.ceiling)
			}
		})
	}
}
