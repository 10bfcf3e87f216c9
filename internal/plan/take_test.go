package plan_test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/plan"
)

// joinedPlan plans a job of several inputs; files are in the order of their first mention.
func joinedPlan(t *testing.T, settings string, files ...string) (*plan.Plan, error) {
	t.Helper()
	in := plan.Input{Settings: parse(t, settings), JobStart: jobStart, BaseName: "joined"}
	for _, file := range files {
		src, ix := look(t, file)
		in.Files = append(in.Files, plan.Footage{Source: src, Index: ix})
	}
	return plan.New(in)
}

// filesOf returns the files that a process reads, in its order.
func filesOf(numbers []int, files []string) (out []string) {
	for _, n := range numbers {
		out = append(out, files[n])
	}
	return out
}

// withInputs puts inputs in the place of those of a job.
func withInputs(job string, inputs ...string) string {
	rest := job[strings.Index(job, `"outputGroups"`):]
	return `{"inputs": [` + strings.Join(inputs, ",") + `], ` + rest
}

// TestTakesAreJoinedExactly clips and joins clips with a counter in each frame's
// content and a beep a second: the chunks' decoders give exactly the frames that
// were asked for, one after the other, and the beeps stay with their frames.
func TestTakesAreJoinedExactly(t *testing.T) {
	dir := t.TempDir()
	codec := []string{"-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "keyint=60:bframes=3:b-adapt=0:b-pyramid=normal:open-gop=1", "-pix_fmt", "yuv420p"}
	tone := func(seconds int) []string {
		return []string{"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc=exprs=0.7*sin(2*PI*1000*t)*lt(mod(t\\,1)\\,0.05):d=%d:s=48000", seconds)}
	}
	a, b := filepath.Join(dir, "a.mp4"), filepath.Join(dir, "b.ts")
	ffmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", "testsrc2=size=96x54:duration=12:rate=25"}, tone(12), codec, []string{"-c:a", "aac", a})...)
	ffmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", "testsrc=size=96x54:duration=5:rate=25"}, tone(5), codec, []string{"-c:a", "aac", "-output_ts_offset", "900", b})...)
	framesA, framesB := onePass(t, a), onePass(t, b)

	for _, test := range []struct {
		name   string
		inputs []string
		files  []string
		want   []string
		beeps  []float64
	}{
		{
			"clipped",
			[]string{`{"fileInput": "a", "audioSelectors": {"Audio Selector 1": {}}, "timecodeSource": "ZEROBASED", "inputClippings": [{"startTimecode": "00:00:01:07", "endTimecode": "00:00:10:06"}]}`},
			[]string{a},
			framesA[32:257],
			[]float64{0.72, 1.72, 2.72, 3.72, 4.72, 5.72, 6.72, 7.72, 8.72},
		},
		{
			"two clippings out of order, one open at the end, then another file",
			[]string{
				`{"fileInput": "a", "audioSelectors": {"Audio Selector 1": {}}, "timecodeSource": "SPECIFIEDSTART", "timecodeStart": "01:00:00:00", "inputClippings": [{"startTimecode": "01:00:10:00"}, {"endTimecode": "01:00:00:24"}]}`,
				`{"fileInput": "b", "audioSelectors": {"Audio Selector 1": {}}}`,
			},
			[]string{a, b},
			slices.Concat(framesA[250:], framesA[:25], framesB),
			[]float64{0, 1, 2, 3, 4, 5, 6, 7},
		},
		{
			"one frame between others",
			[]string{
				`{"fileInput": "b", "audioSelectors": {"Audio Selector 1": {}}, "timecodeSource": "ZEROBASED", "inputClippings": [{"endTimecode": "00:00:01:24"}]}`,
				`{"fileInput": "a", "audioSelectors": {"Audio Selector 1": {}}, "timecodeSource": "ZEROBASED", "inputClippings": [{"startTimecode": "00:00:03:03", "endTimecode": "00:00:03:03"}]}`,
				`{"fileInput": "b", "audioSelectors": {"Audio Selector 1": {}}, "timecodeSource": "ZEROBASED", "inputClippings": [{"startTimecode": "00:00:03:00"}]}`,
			},
			[]string{b, a},
			slices.Concat(framesB[:50], framesA[78:79], framesB[75:]),
			[]float64{0, 1, 2.04, 3.04},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, err := joinedPlan(t, withInputs(withSound, test.inputs...), test.files...)
			if err != nil {
				t.Fatal(err)
			}
			ladder := p.Ladders[0]
			var got []string
			for i, c := range ladder.Chunks {
				out := t.TempDir()
				runFiles(t, withoutEncoder(c.Args), filesOf(c.Files, test.files), out)
				frames := sums(t, filepath.Join(out, "r0.mp4"))
				if int64(len(frames)) != c.To-c.From {
					t.Errorf("chunk %d has %d frames, not %d", i, len(frames), c.To-c.From)
				}
				got = append(got, frames...)
			}
			differ(t, got, test.want)

			encode, out := p.Audios[0], t.TempDir()
			runFiles(t, encode.Args, filesOf(encode.Files, test.files), out)
			if want := int64(len(test.want)) * 48000 / 25; encode.Samples != want {
				t.Errorf("%d samples, want %d", encode.Samples, want)
			}
			found := beeps(samplesOf(t, filepath.Join(out, encode.File)), encode.SampleRate)
			if len(found) != len(test.beeps) {
				t.Fatalf("beeps at %.3f, want %.3f", found, test.beeps)
			}
			for i := range found {
				if math.Abs(found[i]-test.beeps[i]) > 0.003 {
					t.Errorf("beeps at %.3f, want %.3f", found, test.beeps)
					break
				}
			}
		})
	}
}

// TestTakesOfOtherRatesAndSizes joins what does not match: the output has the rate
// and the size of the input that it follows, and each take its length.
func TestTakesOfOtherRatesAndSizes(t *testing.T) {
	dir := t.TempDir()
	make := func(name, size, rate string, seconds int) string {
		file := filepath.Join(dir, name)
		ffmpeg(t, "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%s:duration=%d:rate=%s", size, seconds, rate), "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p", file)
		return file
	}
	files := []string{make("wide.mp4", "160x90", "30000/1001", 4), make("tall.mkv", "90x160", "24", 3), make("square.mp4", "64x64", "60", 2)}
	for _, test := range []struct {
		follow        int
		rate          string
		width, height int
		frames        int64
	}{
		{0, "30000/1001", 160, 90, 120 + 90 + 60},
		{2, "24/1", 90, 160, 96 + 72 + 48},
		{3, "60/1", 64, 64, 240 + 180 + 120},
	} {
		t.Run(fmt.Sprintf("following input %d", test.follow), func(t *testing.T) {
			t.Parallel()
			settings := withInputs(sameSize, `{"fileInput": "a"}`, `{"fileInput": "b"}`, `{"fileInput": "c"}`)
			settings = strings.Replace(settings, `{"inputs"`, fmt.Sprintf(`{"followSource": %d, "inputs"`, test.follow), 1)
			p, err := joinedPlan(t, settings, files...)
			if err != nil {
				t.Fatal(err)
			}
			l := p.Ladders[0]
			if l.Timeline.FrameRate != rational(test.rate) || l.Rungs[0].Width != test.width || l.Rungs[0].Height != test.height || l.Timeline.Frames != test.frames {
				t.Errorf("%v, %dx%d, %d frames; want %s, %dx%d, %d", l.Timeline.FrameRate, l.Rungs[0].Width, l.Rungs[0].Height, l.Timeline.Frames, test.rate, test.width, test.height, test.frames)
			}
			for i, c := range l.Chunks {
				out := t.TempDir()
				runFiles(t, withoutEncoder(c.Args), filesOf(c.Files, files), out)
				if got := sums(t, filepath.Join(out, "r0.mp4")); int64(len(got)) != c.To-c.From {
					t.Errorf("chunk %d has %d frames, not %d", i, len(got), c.To-c.From)
				}
			}
		})
	}
}

// TestClippingFaults: what a clipping asks that the input does not have.
func TestClippingFaults(t *testing.T) {
	settings := func(clip string) string {
		return withInputs(sameSize, `{"fileInput": "a", "timecodeSource": "ZEROBASED", "inputClippings": [`+clip+`]}`)
	}
	for _, test := range []struct{ clip, code, text string }{
		{`{"startTimecode": "00:01:00:00"}`, plan.CodeClipping, "/inputs/0/inputClippings/0/startTimecode: 00:01:00:00 is outside of the input, whose timecodes run from 00:00:00:00 to 00:00:51:23"},
		{`{"startTimecode": "00:00:09:00", "endTimecode": "00:00:08:00"}`, plan.CodeClipping, "ends at 00:00:08:00, before it starts at 00:00:09:00"},
		{`{}`, plan.CodeSettings, "may not both be left out"},
		{`{"startTimecode": "00:00:09:24"}`, plan.CodeSettings, "is not a timecode HH:MM:SS:FF at 24 frames a second"},
		{`{"startTimecode": "9 s"}`, plan.CodeSettings, "is not a timecode"},
		{`{"startTimecode": "00:00:50:00", "endTimecode": "00:09:08:00"}`, "", "taken to its end"},
	} {
		p, err := plan.New(plan.Input{Settings: parse(t, settings(test.clip)), Files: []plan.Footage{{Source: sourceFacts("720p24"), Index: steadyIndex(24*52, 24, 240)}}, JobStart: jobStart})
		if test.code == "" {
			if err != nil || p.Ladders[0].Timeline.Frames != 48 || !strings.Contains(fmt.Sprint(p.Warnings), test.text) {
				t.Errorf("%s: %v, %+v", test.clip, err, p)
			}
			continue
		}
		if f := fault.Of(err); f.Code != test.code || !strings.Contains(f.Error(), test.text) {
			t.Errorf("%s: %s %v", test.clip, f.Code, err)
		}
	}
}
