package plan_test

import (
	"encoding/binary"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/plan"
)

// stream is what a decoder sees of a coded stream.
type stream struct {
	profile, format, level string
	refs                   int
	types                  string // of the frames, as shown: I, P, B
	slices                 int    // of the first frame that is not the first
	bytes                  int64
}

func coded(t *testing.T, file string) stream {
	t.Helper()
	var s stream
	fields := strings.Split(entries(t, file, "profile,pix_fmt,level"), ",")
	s.profile, s.format, s.level = fields[0], fields[1], fields[2]
	headers, err := exec.Command("ffmpeg", "-hide_banner", "-i", file, "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-").CombinedOutput()
	m := regexp.MustCompile(`max_num_ref_frames.*= (\d+)`).FindSubmatch(headers)
	if err != nil || m == nil {
		t.Fatalf("headers of %s: %v\n%s", file, err, headers)
	}
	s.refs, _ = strconv.Atoi(string(m[1]))
	for line := range strings.Lines(string(run(t, "ffprobe", "-v", "error", "-show_entries", "frame=pict_type", "-of", "csv=p=0", file))) {
		s.types += strings.Trim(line, "\n,")
	}
	packets, _ := packetsOf(t, file)
	for _, p := range packets {
		s.bytes += p.Size
	}
	raw := ffmpeg(t, "-i", file, "-c", "copy", "-f", "data", "-map", "0:v", "-frames:v", "2", "-")
	for raw = raw[packets[0].Size:]; len(raw) > 4; {
		n := binary.BigEndian.Uint32(raw)
		if kind := raw[4] & 31; kind == 1 || kind == 5 {
			s.slices++
		}
		raw = raw[4+n:]
	}
	return s
}

// TestEncoderSettings encodes with one setting after the other and looks at the stream.
func TestEncoderSettings(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.mp4")
	// Two scenes that move, the cut at frame 20.
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=192x108:duration=0.8:rate=25", "-f", "lavfi", "-i", "mandelbrot=size=192x108:rate=25,trim=duration=1.2", "-filter_complex", "[0][1]concat,format=yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "8", file)
	encoded := func(t *testing.T, h264 string) stream {
		t.Helper()
		job := strings.Replace(oneJob("", ""), `"rateControlMode": "QVBR", "maxBitrate": 1000000`, h264, 1)
		p := newPlan(t, job, file)
		dir := t.TempDir()
		runPlanned(t, p.Ladders[0].Chunks[0].Args, file, dir)
		return coded(t, filepath.Join(dir, "r0.mp4"))
	}
	const qvbr = `"rateControlMode": "QVBR", "maxBitrate": 4000000`
	plain := encoded(t, qvbr)
	longest := func(types string) int { // run of B
		most := 0
		for _, r := range strings.FieldsFunc(types, func(r rune) bool { return r != 'B' }) {
			most = max(most, len(r))
		}
		return most
	}
	for _, test := range []struct {
		name, h264 string
		check      func(s stream) bool
	}{
		{"as it comes", qvbr, func(s stream) bool { return s.profile == "Main" && s.types[20] == 'I' && s.slices == 1 }},
		{"baseline", qvbr + `, "codecProfile": "BASELINE"`, func(s stream) bool {
			return s.profile == "Constrained Baseline" && !strings.Contains(s.types, "B")
		}},
		{"high", qvbr + `, "codecProfile": "HIGH"`, func(s stream) bool { return s.profile == "High" && s.format == "yuv420p" }},
		{"10 bit", qvbr + `, "codecProfile": "HIGH_10BIT"`, func(s stream) bool { return s.profile == "High 10" && s.format == "yuv420p10le" }},
		{"4:2:2", qvbr + `, "codecProfile": "HIGH_422"`, func(s stream) bool { return s.profile == "High 4:2:2" && s.format == "yuv422p" }},
		{"4:2:2 of 10 bit", qvbr + `, "codecProfile": "HIGH_422_10BIT"`, func(s stream) bool { return s.profile == "High 4:2:2" && s.format == "yuv422p10le" }},
		{"a level", qvbr + `, "codecLevel": "LEVEL_4_1"`, func(s stream) bool { return s.level == "41" }},
		{"one reference", qvbr + `, "numberReferenceFrames": 1, "numberBFramesBetweenReferenceFrames": 0`, func(s stream) bool { return s.refs == 1 }},
		{"six references", qvbr + `, "numberReferenceFrames": 6`, func(s stream) bool { return s.refs == 6 }},
		{"no B-frames", qvbr + `, "numberBFramesBetweenReferenceFrames": 0`, func(s stream) bool { return longest(s.types) == 0 }},
		{"always two B-frames", qvbr + `, "numberBFramesBetweenReferenceFrames": 2, "dynamicSubGop": "STATIC"`, func(s stream) bool { return longest(s.types) == 2 && strings.Count(s.types, "PBBP") > 3 }},
		{"B-frames are no references", qvbr + `, "gopBReference": "DISABLED", "numberReferenceFrames": 2`, func(s stream) bool { return s.refs == 2 }},
		{"slices", qvbr + `, "slices": 4`, func(s stream) bool { return s.slices == 4 }},
		{"no scene changes", qvbr + `, "sceneChangeDetect": "DISABLED"`, func(s stream) bool { return strings.Count(s.types, "I") == 1 }},
		{"scene changes and transitions", qvbr + `, "sceneChangeDetect": "TRANSITION_DETECTION"`, func(s stream) bool { return strings.Count(s.types, "I") == 2 }},
		{"a keyframe every 10", qvbr + `, "gopSize": 10, "gopSizeUnits": "FRAMES"`, func(s stream) bool {
			return strings.Count(s.types, "I") >= 5 && s.types[10] == 'I' && s.types[40] == 'I'
		}},
		{"a keyframe every half second", qvbr + `, "gopSize": 0.5, "gopSizeUnits": "SECONDS"`, func(s stream) bool { return s.types[13] == 'I' && s.types[26] == 'I' }},
		{"no adaptive quantisation", qvbr + `, "adaptiveQuantization": "OFF"`, func(s stream) bool { return s.bytes != plain.bytes }},
		{"the most of it", qvbr + `, "adaptiveQuantization": "MAX"`, func(s stream) bool { return s.bytes != plain.bytes }},
		{"not over time", qvbr + `, "adaptiveQuantization": "HIGH", "temporalAdaptiveQuantization": "DISABLED"`, func(s stream) bool { return s.bytes > plain.bytes }},
		{"the standard's matrices", qvbr + `, "codecProfile": "HIGH", "softness": 16`, func(s stream) bool { return s.bytes < plain.bytes }},
		{"soft matrices", qvbr + `, "codecProfile": "HIGH", "softness": 128`, func(s stream) bool { return s.bytes < plain.bytes*8/10 }},
		{"lower quality", qvbr + `, "qvbrSettings": {"qvbrQualityLevel": 6}`, func(s stream) bool { return s.bytes < plain.bytes*9/10 }},
		{"a third more quality", qvbr + `, "qvbrSettings": {"qvbrQualityLevel": 7, "qvbrQualityLevelFineTune": 0.33}`, func(s stream) bool { return s.bytes > plain.bytes*102/100 && s.bytes < plain.bytes*115/100 }},
		{"an average at most", qvbr + `, "qualityTuningLevel": "MULTI_PASS_HQ", "qvbrSettings": {"qvbrQualityLevel": 10, "maxAverageBitrate": 200000}`, func(s stream) bool { return s.bytes*8 <= 200000*2 && s.bytes*8 > 150000*2 }},
		{"a constant bitrate", `"rateControlMode": "CBR", "bitrate": 300000`, func(s stream) bool { return s.bytes*8 < 300000*4 && s.bytes*8 > 300000*2*7/10 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if s := encoded(t, test.h264); !test.check(s) {
				t.Errorf("the stream is %+v; without the setting %+v", s, plain)
			}
		})
	}
	src, ix := look(t, file)
	for name, test := range map[string]struct{ h264, text string }{
		"a level that is too low":          {`"codecLevel": "LEVEL_1"`, "codecLevel: level 1 does not hold 25 frames a second of 192×108"},
		"a level for less bits":            {`"codecLevel": "LEVEL_2"`, "codecLevel: level 2 does not hold 4000000 bits a second"},
		"a level for fewer references":     {`"codecLevel": "LEVEL_2_1", "numberReferenceFrames": 6, "softness": 1`, "softness: quantisation matrices need codecProfile HIGH"},
		"more slices than rows":            {`"slices": 8`, "slices: 8 slices are more than the 7 rows"},
		"a buffer of less than a frame":    {`"hrdBufferSize": 1000`, "hrdBufferSize: a buffer of 1000 bits holds less than a frame's share"},
		"an average where it does not act": {`"qvbrSettings": {"maxAverageBitrate": 1000000}`, "maxAverageBitrate needs qualityTuningLevel MULTI_PASS_HQ"},
	} {
		t.Run(name, func(t *testing.T) {
			job := strings.Replace(oneJob("", ""), `"rateControlMode": "QVBR", "maxBitrate": 1000000`, qvbr+", "+test.h264, 1)
			_, err := plan.New(plan.Input{Settings: parse(t, job), Files: []plan.Footage{{Source: src, Index: ix}}, JobStart: jobStart})
			if f := fault.Of(err); f.Code != plan.CodeSettings || !strings.Contains(f.Error(), test.text) {
				t.Errorf("%v", err)
			}
		})
	}
}
