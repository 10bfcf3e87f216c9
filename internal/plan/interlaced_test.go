package plan_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/plan"
)

// TestInterlacedOutputs makes interlaced outputs of interlaced, progressive and film
// sources and compares their lines with those they are made of, across chunks.
func TestInterlacedOutputs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const w, h = 128, 72
	file := func(name string) string { return filepath.Join(dir, name) }
	lossless := []string{"-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-pix_fmt", "yuv420p"}
	make := func(name, rate string, args ...string) string {
		ffmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", "testsrc2=size=128x72:duration=9:rate=" + rate}, args, lossless, []string{"-x264-params", "tff=1:keyint=60:bframes=2:b-adapt=0", file(name)})...)
		return file(name)
	}
	fields := make("fields.mp4", "50", "-vf", "tinterlace=mode=interleave_top,setfield=tff")
	ffmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", "testsrc2=size=128x72:duration=9:rate=50"}, lossless, []string{"-g", "60", file("fast.mp4")})...)
	ffmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", "testsrc2=size=128x72:duration=9:rate=24000/1001"}, lossless, []string{"-g", "60", file("film.mp4")})...)

	source := func(name, filters string) (out [][]byte) {
		raw := ffmpeg(t, "-i", file(name), "-vf", filters, "-fps_mode", "passthrough", "-f", "rawvideo", "-")
		for ; len(raw) > 0; raw = raw[w*h*3/2:] {
			out = append(out, raw[:w*h])
		}
		return out
	}
	rate := func(num, den string) string {
		return `"framerateControl": "SPECIFIED", "framerateNumerator": ` + num + `, "framerateDenominator": ` + den + `, `
	}
	for _, test := range []struct {
		name, file, h264 string
		order            string
		want             [][]byte
	}{
		{"fields as they are", "fields.mp4", `"interlaceMode": "TOP_FIELD", `, "tt", source("fields.mp4", "null")},
		{"fields followed", "fields.mp4", `"interlaceMode": "FOLLOW_BOTTOM_FIELD", `, "tt", source("fields.mp4", "null")},
		{"frames", "film.mp4", `"interlaceMode": "FOLLOW_BOTTOM_FIELD", `, "bb", source("film.mp4", "null")},
		{"fields of frames", "fast.mp4", `"interlaceMode": "TOP_FIELD", "scanTypeConversionMode": "INTERLACED_OPTIMIZE", ` + rate("25", "1"), "tt", source("fields.mp4", "null")},
		{"a film, telecined", "film.mp4", `"interlaceMode": "TOP_FIELD", "telecine": "HARD", ` + rate("30000", "1001"), "tt", source("film.mp4", "telecine=first_field=top:pattern=23")},
		{"the other field first", "fields.mp4", `"interlaceMode": "BOTTOM_FIELD", `, "bb", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job := withVideo("", "", test.h264)
			p := newPlan(t, job, file(test.file))
			if n := len(p.Ladders[0].Chunks); n < 2 {
				t.Fatalf("%d chunks: the edges are not tested", n)
			}
			if slices.ContainsFunc(p.Warnings, func(w plan.Warning) bool { return w.Code == plan.WarnDeinterlaced }) {
				t.Errorf("warnings %v", p.Warnings)
			}
			got := planes(t, job, file(test.file), w, h)
			if int64(len(got)) != p.Ladders[0].Timeline.Frames {
				t.Errorf("%d frames of %d", len(got), p.Ladders[0].Timeline.Frames)
			}
			for k := range test.want {
				if k < len(got) && difference(got[k], test.want[k]) > 0 {
					t.Fatalf("frame %d differs by %.2f", k, difference(got[k], test.want[k]))
				}
			}
			out := encode(t, p.Ladders[0], file(test.file))
			if order := entries(t, filepath.Join(out[1], "r0.mp4"), "field_order"); order != test.order {
				t.Errorf("field order %s, want %s", order, test.order)
			}
			packets, _ := packetsOf(t, filepath.Join(out[1], "r0.mp4"))
			if c := p.Ladders[0].Chunks[1]; int64(len(packets)) != c.To-c.From || !packets[0].Key {
				t.Errorf("%d packets of %d frames", len(packets), c.To-c.From)
			}
		})
	}
	for name, test := range map[string]struct{ video, h264, text string }{
		"baseline":          {"", `"interlaceMode": "TOP_FIELD", "codecProfile": "BASELINE", `, "BASELINE is progressive"},
		"a telecine of 25":  {"", `"interlaceMode": "TOP_FIELD", "telecine": "HARD", `, "telecine HARD makes 29.97 frames a second of 23.976, not 25 of 25"},
		"progressive":       {"", `"telecine": "HARD", `, "telecine HARD needs an interlaceMode"},
		"a level without":   {"", `"interlaceMode": "TOP_FIELD", "codecLevel": "LEVEL_5_1", `, "level 5.1 does not hold interlaced pictures"},
		"lines to be split": {`"width": 128, "height": 70, `, `"interlaceMode": "TOP_FIELD", `, "a multiple of four lines, not 70"},
	} {
		t.Run(name, func(t *testing.T) {
			src, ix := look(t, fields)
			_, err := plan.New(plan.Input{Settings: parse(t, withVideo("", test.video, test.h264)), Files: []plan.Footage{{Source: src, Index: ix}}, JobStart: jobStart})
			if f := fault.Of(err); f.Code != plan.CodeSettings || !strings.Contains(f.Error(), test.text) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestSlowPAL shows a film of 23.976 frames a second at 25: each of its frames once,
// its beeps with their frames, in chunks and in a clipping.
func TestSlowPAL(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "film.mp4")
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=96x54:duration=13:rate=24000/1001", "-f", "lavfi", "-i", "aevalsrc=exprs=0.7*sin(2*PI*1000*t)*lt(mod(t\\,1.001)\\,0.05):d=13:s=44100",
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "48", "-pix_fmt", "yuv420p", "-c:a", "aac", file)
	const slow = `"slowPal": "ENABLED", "framerateControl": "SPECIFIED", "framerateNumerator": 25, "framerateDenominator": 1, `
	want := onePass(t, file)
	for _, test := range []struct {
		name, input string
		from, to    int
		first       float64 // beep
	}{
		{"whole", "", 0, len(want), 0},
		{"clipped", `"timecodeSource": "ZEROBASED", "inputClippings": [{"startTimecode": "00:00:02:12"}],`, 60, len(want), 12.0 / 25},
	} {
		t.Run(test.name, func(t *testing.T) {
			job := strings.Replace(withSound, `"maxBitrate"`, slow+`"maxBitrate"`, 1)
			job = strings.Replace(job, `{"fileInput"`, `{`+test.input+`"fileInput"`, 1)
			p := newPlan(t, job, file)
			line := p.Ladders[0].Timeline
			if line.FrameRate != rational("25") || line.Frames != int64(test.to-test.from) || len(p.Ladders[0].Chunks) < 2 {
				t.Fatalf("%v, %d frames, %d chunks; want 25, %d", line.FrameRate, line.Frames, len(p.Ladders[0].Chunks), test.to-test.from)
			}
			differ(t, inChunks(t, p, file), want[test.from:test.to])
			dir := t.TempDir()
			runPlanned(t, p.Audios[0].Args, file, dir)
			if want := line.Frames * 48000 / 25; p.Audios[0].Samples != want {
				t.Errorf("%d samples, want %d", p.Audios[0].Samples, want)
			}
			found := beeps(samplesOf(t, filepath.Join(dir, p.Audios[0].File)), 48000)
			if len(found) < 9 {
				t.Fatalf("beeps at %.3f", found)
			}
			for i, at := range found {
				if want := test.first + float64(i)*24/25; at < want-0.004 || at > want+0.004 {
					t.Errorf("beep %d at %.3f, want %.3f", i, at, want)
				}
			}
		})
	}
	src, ix := look(t, file)
	_, err := plan.New(plan.Input{Settings: parse(t, strings.Replace(withSound, `"maxBitrate"`, `"slowPal": "ENABLED", "maxBitrate"`, 1)), Files: []plan.Footage{{Source: src, Index: ix}}, JobStart: jobStart})
	if f := fault.Of(err); !strings.Contains(f.Error(), "slowPal needs framerateControl SPECIFIED with 25") {
		t.Errorf("%v", err)
	}
}
