package plan_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// overWindow returns how many bits more than rate and buffer allow the worst window
// of whole frames has: a leaky bucket that drains at the rate.
func overWindow(packets []packet, rate, buffer float64, fps float64) float64 {
	level, worst := 0.0, 0.0
	for _, p := range packets {
		level += float64(p.Size * 8)
		worst = max(worst, level-buffer-rate/fps)
		level = max(level-rate/fps, 0)
	}
	return worst
}

// TestMaxBitrateHoldsInAnyWindow encodes what no cap is large enough for, in one
// piece, in chunks, in takes down to a frame, and weighs all windows of the whole.
func TestMaxBitrateHoldsInAnyWindow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noise, quiet := filepath.Join(dir, "noise.mp4"), filepath.Join(dir, "quiet.mp4")
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p"}
	ffmpeg(t, append([]string{"-f", "lavfi", "-i", "testsrc2=size=160x96:duration=14:rate=25,noise=alls=80:allf=t", "-qp", "8"}, append(x264, noise)...)...)
	ffmpeg(t, append([]string{"-f", "lavfi", "-i", "testsrc2=size=160x96:duration=4:rate=25", "-qp", "8"}, append(x264, quiet)...)...)
	clip := func(file string, from, frames int) string {
		tc := func(f int) string { return fmt.Sprintf("00:00:%02d:%02d", f/25, f%25) }
		return fmt.Sprintf(`{"fileInput": "%s", "timecodeSource": "ZEROBASED", "inputClippings": [{"startTimecode": "%s", "endTimecode": "%s"}]}`, file, tc(from), tc(from+frames-1))
	}
	var singles, mixed []string
	for i := range 40 {
		singles = append(singles, clip("n", i*7, 1))
		mixed = append(mixed, clip("q", i, 20), clip("n", i*5, 1), clip("n", i*3, 3))
	}
	mixed = append(mixed[:12], clip("n", 0, 200))
	for _, test := range []struct {
		name, h264 string
		inputs     []string
		files      []string
	}{
		{"noise in chunks", `"rateControlMode": "QVBR", "maxBitrate": 500000`, []string{`{"fileInput": "n"}`}, []string{noise}},
		{"quality tuned", `"rateControlMode": "QVBR", "maxBitrate": 500000, "qualityTuningLevel": "SINGLE_PASS"`, []string{`{"fileInput": "n"}`}, []string{noise}},
		{"a small buffer", `"rateControlMode": "CBR", "bitrate": 500000, "hrdBufferSize": 250000`, []string{`{"fileInput": "n"}`}, []string{noise}},
		{"a tiny buffer", `"rateControlMode": "CBR", "bitrate": 500000, "hrdBufferSize": 60000`, []string{`{"fileInput": "n"}`}, []string{noise}},
		{"a tiny buffer in fields", `"rateControlMode": "CBR", "bitrate": 500000, "hrdBufferSize": 100000, "interlaceMode": "TOP_FIELD", "height": 0`, []string{`{"fileInput": "n"}`}, []string{noise}},
		{"with a large GOP and many B", `"rateControlMode": "QVBR", "maxBitrate": 400000, "numberBFramesBetweenReferenceFrames": 7, "qualityTuningLevel": "MULTI_PASS_HQ", "numberReferenceFrames": 6, "codecProfile": "HIGH"`, []string{`{"fileInput": "n"}`}, []string{noise}},
		{"GOPs of one frame", `"rateControlMode": "QVBR", "maxBitrate": 700000, "gopSize": 1, "gopSizeUnits": "FRAMES"`, []string{`{"fileInput": "n"}`}, []string{noise}},
		{"a low cap", `"rateControlMode": "QVBR", "maxBitrate": 150000`, []string{`{"fileInput": "n"}`}, []string{noise}},
		{"a large buffer", `"rateControlMode": "VBR", "bitrate": 400000, "maxBitrate": 500000, "hrdBufferSize": 5000000`, []string{`{"fileInput": "n"}`}, []string{noise}},
		{"no target but a bitrate", `"rateControlMode": "VBR", "bitrate": 400000`, []string{`{"fileInput": "n"}`}, []string{noise}},
		{"takes of a frame", `"rateControlMode": "QVBR", "maxBitrate": 700000`, singles, []string{noise}},
		{"short and long takes", `"rateControlMode": "QVBR", "maxBitrate": 500000, "qvbrSettings": {"qvbrQualityLevel": 10}`, mixed, []string{quiet, noise}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job := strings.Replace(sameSize, `"rateControlMode": "QVBR", "maxBitrate": 1000000`, test.h264, 1)
			p, err := joinedPlan(t, withInputs(job, test.inputs...), test.files...)
			if err != nil {
				t.Fatal(err)
			}
			ladder, rung := p.Ladders[0], p.Ladders[0].Rungs[0]
			var all []packet
			for _, c := range ladder.Chunks {
				out := t.TempDir()
				runFiles(t, c.Args, filesOf(c.Files, test.files), out)
				packets, _ := packetsOf(t, filepath.Join(out, rung.File))
				all = append(all, packets...)
			}
			total := 0.0
			for _, p := range all {
				total += float64(p.Size * 8)
			}
			fps := ladder.Timeline.FrameRate.Float()
			if rung.MaxBitrate > 0 && rung.BufferBits > 0 {
				if over := overWindow(all, float64(rung.MaxBitrate), float64(rung.BufferBits), fps); over > 0 {
					t.Errorf("a window has %.0f bits more than %d a second and a buffer of %d allow", over, rung.MaxBitrate, rung.BufferBits)
				}
			}
			t.Logf("%d chunks, %d frames, %.0f bit/s of %d, buffer %d", len(ladder.Chunks), len(all), total/float64(len(all))*fps, rung.MaxBitrate, rung.BufferBits)
		})
	}
}
