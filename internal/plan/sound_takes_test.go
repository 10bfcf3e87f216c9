package plan_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/plan"
)

// TestSoundDeepInASource clips far behind the start of long sources whose tone tells
// the second: decoding begins near the clip, the trace says that it did, and what
// comes out is what decoding from the start gives.
func TestSoundDeepInASource(t *testing.T) {
	dir := t.TempDir()
	args := []string{
		"-f", "lavfi", "-i", "testsrc2=size=64x36:duration=90:rate=10", "-f", "lavfi", "-i", "aevalsrc=exprs=0.5*sin(2*PI*(300+20*floor(t))*t):s=48000:d=90",
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "50",
	}
	for name, audio := range map[string][]string{
		"aac.mp4": {"-c:a", "aac", "-b:a", "128k"}, "pcm.mov": {"-c:a", "pcm_s16le"}, "aac.mkv": {"-c:a", "aac", "-b:a", "128k"},
		"mp2.ts": {"-c:a", "mp2", "-b:a", "192k", "-output_ts_offset", "1000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(dir, name)
			ffmpeg(t, slices.Concat(args, audio, []string{file})...)
			p := newPlan(t, withAudio([]string{`{"fileInput": "a", "audioSelectors": {"Audio Selector 1": {}}, "timecodeSource": "ZEROBASED",
				"inputClippings": [{"startTimecode": "00:01:20:00", "endTimecode": "00:01:22:04"}, {"startTimecode": "00:00:05:00", "endTimecode": "00:00:05:09"}]}`},
				aac("", "1_0", "")), file)
			a := p.Audios[0]
			if n := strings.Count(strings.Join(a.Args, " "), "-ss "); n != 1 || len(a.Entries) != 1 {
				t.Errorf("%d inputs are entered in the middle, %d tell of it; args %q", n, len(a.Entries), a.Args)
			}
			sought, whole := t.TempDir(), t.TempDir()
			runFiles(t, a.Args, []string{file}, sought)
			runFiles(t, plan.WithoutSeek(a.Args), []string{file}, whole)
			if info, err := os.Stat(filepath.Join(sought, a.Entries[0])); err != nil || info.Size() == 0 {
				t.Errorf("the trace of where decoding began is %v, %v", info, err)
			}
			one, other := channelsOf(t, filepath.Join(sought, a.File), 1)[0], channelsOf(t, filepath.Join(whole, a.File), 1)[0]
			if len(one) != len(other) || a.Samples != 35*4800 {
				t.Fatalf("%d samples and %d, planned were %d", len(one), len(other), a.Samples)
			}
			for i := range one {
				if math.Abs(one[i]-other[i]) > 0.02 {
					t.Fatalf("sample %d is %.4f, decoded from the start %.4f", i, one[i], other[i])
				}
			}
			for second, hz := range map[float64]float64{0: 1900, 1: 1920, 2: 1940, 2.5: 400} {
				from := int(second*48000) + 4800
				if l := level(one[from:from+9600], 48000, hz); l < 0.4 {
					t.Errorf("at %g s there is %.2f of the tone of %g Hz", second, l, hz)
				}
			}
		})
	}
}

// TestTakesJoinWithoutAClick cuts a tone into clippings that go on where the one
// before ended, and puts it together again: nothing is heard where they join.
func TestTakesJoinWithoutAClick(t *testing.T) {
	dir := t.TempDir()
	for name, codec := range map[string][]string{
		"pcm.mov": {"-c:a", "pcm_s16le"}, "44100.mov": {"-c:a", "pcm_s16le", "-ar", "44100"}, "aac.mp4": {"-c:a", "aac", "-b:a", "192k"}, "mp2.ts": {"-c:a", "mp2", "-b:a", "256k"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(dir, name)
			ffmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", "testsrc2=size=64x36:duration=6:rate=30000/1001", "-f", "lavfi", "-i", "sine=frequency=441:duration=6:sample_rate=48000", "-c:v", "libx264", "-preset", "ultrafast"}, codec, []string{file})...)
			clips := ""
			for i := range 5 {
				clips += fmt.Sprintf(`{"startTimecode": "00:00:0%d:00", "endTimecode": "00:00:0%d:29"},`, i, i)
			}
			p := newPlan(t, withAudio([]string{`{"fileInput": "a", "audioSelectors": {"Audio Selector 1": {}}, "timecodeSource": "ZEROBASED", "inputClippings": [` + strings.TrimSuffix(clips, ",") + `]}`}, aac("", "1_0", "")), file)
			samples := channelsOf(t, encodedAudio(t, p, []string{file})[0], 1)[0]
			if want := int64(math.Ceil(150 * 1.001 / 30 * 48000)); p.Audios[0].Samples != want {
				t.Errorf("%d samples, want %d", p.Audios[0].Samples, want)
			}
			// A sine is known from any two samples: what is left is noise, and clicks.
			w, worst, at := 2*math.Cos(2*math.Pi*441/48000), 0.0, 0
			for i := 2400; i < 5*48000; i++ {
				if off := math.Abs(samples[i] - w*samples[i-1] + samples[i-2]); off > worst {
					worst, at = off, i
				}
			}
			if worst > 0.01 {
				t.Errorf("there is a click of %.4f at %.4f s", worst, float64(at)/48000)
			}
		})
	}
}
