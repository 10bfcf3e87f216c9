package plan_test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/plan"
)

// withVideo puts settings into the video, the encoder and the input of sameSize.
func withVideo(input, video, h264 string) string {
	job := strings.Replace(sameSize, `"videoDescription": {`, `"videoDescription": {`+video, 1)
	job = strings.Replace(job, `"maxBitrate"`, h264+`"maxBitrate"`, 1)
	return strings.Replace(job, `{"fileInput"`, `{`+input+`"fileInput"`, 1)
}

// telecined makes an interlaced file of a film of which every frame differs.
func telecined(t *testing.T, file string) {
	t.Helper()
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=128x72:duration=14:rate=24000/1001", "-vf", "telecine=pattern=23,format=yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "1", "-x264-params", "tff=1:keyint=75:bframes=2:b-adapt=0", file)
}

// TestTreatmentsAreTheSameInChunks: filters that look at neighbours in time give
// the same frames in many chunks as in one.
func TestTreatmentsAreTheSameInChunks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fields, film, plain := filepath.Join(dir, "fields.mp4"), filepath.Join(dir, "film.mp4"), filepath.Join(dir, "plain.mkv")
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=128x72:duration=13:rate=50,noise=alls=12:allf=t", "-vf", "interlace,format=yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-x264-params", "tff=1:keyint=60:bframes=3:b-adapt=0", fields)
	telecined(t, film)
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=128x72:duration=13:rate=24000/1001,noise=alls=12:allf=t,format=yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-g", "40", plain)
	const unsegmented = `"segmentLength": 100`
	without := map[string]func() []string{} // the frames of a file that nothing is done to
	for _, file := range []string{fields, film, plain} {
		without[file] = sync.OnceValue(func() []string {
			return inChunks(t, newPlan(t, strings.Replace(sameSize, `"segmentLength": 1`, unsegmented, 1), file), file)
		})
	}
	dein := func(s string) string { return `"videoPreprocessors": {"deinterlacer": {` + s + `}},` }
	rate := func(num, den int) string {
		return fmt.Sprintf(`"framerateControl": "SPECIFIED", "framerateNumerator": %d, "framerateDenominator": %d, "framerateConversionAlgorithm": "INTERPOLATE",`, num, den)
	}
	for _, test := range []struct {
		name, file, input, video, h264 string
		same                           bool // as without it: the filter does nothing there
	}{
		{"deinterlaced by itself", fields, "", "", "", true},
		{"deinterlaced", fields, "", dein(`"mode": "DEINTERLACE", "algorithm": "INTERPOLATE_TICKER"`), "", true},
		{"blended", fields, "", dein(`"algorithm": "BLEND"`), "", false},
		{"adaptive", film, "", dein(`"mode": "ADAPTIVE"`), "", false},
		{"a progressive film is left alone", plain, "", dein(`"control": "NORMAL"`), "", true},
		{"a progressive film is forced", plain, "", dein(`"control": "FORCE_ALL_FRAMES"`), "", false},
		{"out of a telecine", film, "", dein(`"mode": "INVERSE_TELECINE"`), "", false},
		{"out of a telecine at a rate", film, "", dein(`"mode": "INVERSE_TELECINE"`), strings.Replace(rate(24000, 1001), "INTERPOLATE", "DUPLICATE_DROP", 1), false},
		{"flagged as segmented frames", fields, `"inputScanType": "PSF",`, "", "", false},
		{"noise over time", plain, "", `"videoPreprocessors": {"noiseReducer": {"filter": "TEMPORAL", "temporalFilterSettings": {"strength": 8, "speed": -1}}},`, "", false},
		{"noise over time of fields", fields, "", `"videoPreprocessors": {"noiseReducer": {"filter": "TEMPORAL", "temporalFilterSettings": {"strength": 16, "speed": 3}}},`, "", false},
		{"noise of the input", plain, `"filterEnable": "FORCE", "denoiseFilter": "ENABLED", "deblockFilter": "ENABLED", "filterStrength": 5,`, "", "", false},
		{"a disabled filter of the input", plain, `"filterEnable": "DISABLE", "denoiseFilter": "ENABLED",`, "", "", true},
		{"interpolated to 25", plain, "", "", rate(25, 1), false},
		{"interpolated to 59.94", plain, "", "", rate(60000, 1001), false},
		{"interpolated to 15", plain, "", "", rate(15, 1), false},
		{"interpolated fields", fields, "", "", rate(30000, 1001), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job := withVideo(test.input, test.video, test.h264)
			p := newPlan(t, job, test.file)
			if n := len(p.Ladders[0].Chunks); n < 3 {
				t.Fatalf("%d chunks: the edges are not tested", n)
			}
			whole := newPlan(t, strings.Replace(job, `"segmentLength": 1`, unsegmented, 1), test.file)
			if n := len(whole.Ladders[0].Chunks); n != 1 {
				t.Fatalf("%d chunks of one segment", n)
			}
			want := inChunks(t, whole, test.file)
			differ(t, inChunks(t, p, test.file), want)
			if test.h264 == "" {
				if same := slices.Equal(without[test.file](), want); same != test.same {
					t.Errorf("the frames are those without the setting: %v", same)
				}
			}
		})
	}
}

// TestTreatmentsOfShortSources: a source of a frame or a few has no neighbours to look
// at, and its frames come out all the same.
func TestTreatmentsOfShortSources(t *testing.T) {
	t.Parallel()
	for _, frames := range []int{1, 2, 5} {
		file := filepath.Join(t.TempDir(), "short.mp4")
		ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25", "-frames:v", strconv.Itoa(frames), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", file)
		for _, test := range []struct{ input, video, h264 string }{
			{`"filterEnable": "FORCE", "denoiseFilter": "ENABLED",`, `"videoPreprocessors": {"noiseReducer": {"filter": "TEMPORAL", "temporalFilterSettings": {"strength": 8, "speed": -1}}},`, ""},
			{"", `"videoPreprocessors": {"deinterlacer": {"control": "FORCE_ALL_FRAMES"}},`, ""},
			{"", `"videoPreprocessors": {"deinterlacer": {"mode": "ADAPTIVE"}},`, ""},
			{"", `"videoPreprocessors": {"deinterlacer": {"mode": "INVERSE_TELECINE"}},`, ""},
			{"", "", `"framerateControl": "SPECIFIED", "framerateNumerator": 60, "framerateDenominator": 1, "framerateConversionAlgorithm": "INTERPOLATE",`},
			{"", "", `"framerateControl": "SPECIFIED", "framerateNumerator": 50, "framerateDenominator": 1, "interlaceMode": "TOP_FIELD",`},
		} {
			inChunks(t, newPlan(t, withVideo(test.input, test.video, test.h264), file), file)
		}
	}
}

// planes runs the chunks of a job up to the encoder and returns the luma of its frames.
func planes(t *testing.T, job, file string, width, height int) [][]byte {
	t.Helper()
	var out [][]byte
	for _, c := range newPlan(t, job, file).Ladders[0].Chunks {
		dir := t.TempDir()
		runPlanned(t, withoutEncoderRaw(c.Args), file, dir)
		for b := read(t, filepath.Join(dir, "r0.mp4")); len(b) > 0; b = b[width*height*3/2:] {
			out = append(out, b[:width*height])
		}
	}
	return out
}

func mean(b []byte) float64 {
	sum := 0
	for _, v := range b {
		sum += int(v)
	}
	return float64(sum) / float64(len(b))
}

// difference is the mean distance of two pictures.
func difference(a, b []byte) float64 {
	sum := 0
	for i := range a {
		sum += max(int(a[i])-int(b[i]), int(b[i])-int(a[i]))
	}
	return float64(sum) / float64(len(a))
}

// TestInterpolatedFrames: of a picture that becomes brighter by two a frame, what
// lies between two frames is between them.
func TestInterpolatedFrames(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.mp4")
	ffmpeg(t, "-f", "lavfi", "-i", "nullsrc=size=32x32:rate=10:duration=9.9,format=gray,geq=lum=20+N*2", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "1", "-g", "20", file)
	job := withVideo("", "", `"framerateControl": "SPECIFIED", "framerateNumerator": 30000, "framerateDenominator": 1001, "framerateConversionAlgorithm": "INTERPOLATE",`)
	source := planes(t, sameSize, file, 32, 32)
	for k, frame := range planes(t, job, file, 32, 32) {
		at := min(float64(k)*1001/30000*10, float64(len(source)-1))
		low, high := source[int(at)], source[min(int(at)+1, len(source)-1)]
		want := mean(low) + (mean(high)-mean(low))*(at-math.Floor(at))
		if got := mean(frame); math.Abs(got-want) > 0.8 {
			t.Errorf("frame %d has %.2f, want %.2f", k, got, want)
		}
	}
}

// TestInverseTelecine: the film's own frames come back, each once.
func TestInverseTelecine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, original := filepath.Join(dir, "a.mp4"), filepath.Join(dir, "o.mp4")
	telecined(t, file)
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=128x72:duration=14:rate=24000/1001,format=yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "1", original)
	job := withVideo("", `"videoPreprocessors": {"deinterlacer": {"mode": "INVERSE_TELECINE"}},`, "")
	if rate := newPlan(t, job, file).Ladders[0].Timeline.FrameRate; rate != rational("24000/1001") {
		t.Errorf("frame rate %v", rate)
	}
	got, want := planes(t, job, file, 128, 72), planes(t, sameSize, original, 128, 72)
	if d := len(got) - len(want); d < -1 || d > 1 {
		t.Errorf("%d frames, want %d", len(got), len(want))
	}
	// A telecine's first frames may be of one field: they do not count.
	off := 0
	for o := range 3 {
		if difference(got[20], want[19+o]) < difference(got[20], want[19+off]) {
			off = o
		}
	}
	bad := 0
	for k := 4; k < min(len(got), len(want))-4; k++ {
		if difference(got[k], want[k-1+off]) > 2 {
			bad++
		}
	}
	if bad > 0 {
		t.Errorf("%d of %d frames are not the film's", bad, len(got))
	}
}

// TestNoiseReducers: each takes noise away, more with more strength, but the one
// that sharpens.
func TestNoiseReducers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.mkv")
	ffmpeg(t, "-f", "lavfi", "-i", "color=gray:size=96x64:rate=25:duration=0.6,noise=c0s=8:c0f=t:all_seed=7,format=yuv420p", "-c:v", "ffv1", file)
	noise := func(t *testing.T, filter string) float64 {
		frame := planes(t, withVideo("", filter, ""), file, 96, 64)[6]
		m, sum := mean(frame), 0.0
		for _, v := range frame {
			sum += (float64(v) - m) * (float64(v) - m)
		}
		if m < 120 || m > 132 {
			t.Errorf("%s: the mean became %.1f", filter, m)
		}
		return math.Sqrt(sum / float64(len(frame)))
	}
	reducer := func(s string) string { return `"videoPreprocessors": {"noiseReducer": {` + s + `}},` }
	none := noise(t, "")
	for _, test := range []struct {
		name      string
		strengths []string
	}{
		{"BILATERAL", []string{`"filterSettings": {"strength": 0}`, `"filterSettings": {"strength": 1}`, `"filterSettings": {"strength": 3}`}},
		{"MEAN", []string{`"filterSettings": {"strength": 0}`, `"filterSettings": {"strength": 1}`, `"filterSettings": {"strength": 3}`}},
		{"GAUSSIAN", []string{`"filterSettings": {"strength": 0}`, `"filterSettings": {"strength": 1}`, `"filterSettings": {"strength": 3}`}},
		{"LANCZOS", []string{`"filterSettings": {"strength": 0}`, `"filterSettings": {"strength": 1}`, `"filterSettings": {"strength": 3}`}},
		{"CONSERVE", []string{`"filterSettings": {"strength": 0}`, `"filterSettings": {"strength": 1}`, `"filterSettings": {"strength": 3}`}},
		{"SPATIAL", []string{`"spatialFilterSettings": {"strength": 1}`, `"spatialFilterSettings": {"strength": 6}`, `"spatialFilterSettings": {"strength": 16}`}},
		{"TEMPORAL", []string{`"temporalFilterSettings": {"strength": 2}`, `"temporalFilterSettings": {"strength": 6}`, `"temporalFilterSettings": {"strength": 16, "aggressiveMode": 4}`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			last := none
			for _, s := range test.strengths {
				got := noise(t, reducer(`"filter": "`+test.name+`", `+s))
				if got >= last {
					t.Errorf("%s leaves %.2f of %.2f, %.2f with less", s, got, none, last)
				}
				last = got
			}
		})
	}
	if got := noise(t, reducer(`"filter": "SHARPEN"`)); got <= none {
		t.Errorf("SHARPEN leaves %.2f of %.2f", got, none)
	}
	soft := noise(t, reducer(`"filter": "SPATIAL", "spatialFilterSettings": {"strength": 6}`))
	if sharp := noise(t, reducer(`"filter": "SPATIAL", "spatialFilterSettings": {"strength": 6, "postFilterSharpenStrength": 3}`)); sharp <= soft {
		t.Errorf("sharpened after it, %.2f, without %.2f", sharp, soft)
	}
}

// TestColorCorrector changes patches of known colour.
func TestColorCorrector(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, full := filepath.Join(dir, "a.mkv"), filepath.Join(dir, "f.mkv")
	ffmpeg(t, "-f", "lavfi", "-i", "color=0xc04040:size=96x64:duration=0.2,scale=out_color_matrix=bt709,format=yuv420p", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-c:v", "libx264", "-qp", "2", file)
	ffmpeg(t, "-f", "lavfi", "-i", "color=white:size=96x64:duration=0.2,scale=out_range=pc,format=yuvj420p", "-c:v", "libx264", "-qp", "2", full)
	for _, test := range []struct {
		name, set string
		tags      string
		want      [3]int
	}{
		{"nothing", `"brightness": 50, "contrast": 50, "saturation": 50, "hue": 0`, "bt709", [3]int{0xc0, 0x40, 0x40}},
		{"brighter", `"brightness": 75`, "bt709", [3]int{0xff, 0x80, 0x80}},
		{"darker", `"brightness": 40`, "bt709", [3]int{0xa6, 0x26, 0x26}},
		{"no contrast", `"contrast": 1`, "bt709", [3]int{0xe3, 0x63, 0x63}},
		{"gray", `"saturation": 1`, "bt709", [3]int{0x5d, 0x5b, 0x5b}},
		{"another hue", `"hue": 120`, "bt709", [3]int{0x13, 0x75, 0}},
		{"in the colours of SD", `"colorSpaceConversion": "FORCE_601"`, "smpte170m", [3]int{0xc2, 0x35, 0x3e}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, out := one(t, file, `"videoPreprocessors": {"colorCorrector": {`+test.set+`}},`)
			if got := entries(t, out, "color_space"); got != test.tags {
				t.Errorf("colours are %s, want %s", got, test.tags)
			}
			if got := decode(t, out, 1, 96).at(40, 30); !near(got, test.want, 5) {
				t.Errorf("the picture is %x, want %x", got, test.want)
			}
		})
	}
	luma := func(video string) int {
		return int(planes(t, withVideo("", video, ""), full, 96, 64)[1][100])
	}
	if got := luma(""); got != 235 {
		t.Errorf("white of full range is %d", got)
	}
	if got := luma(`"videoPreprocessors": {"colorCorrector": {"sampleRangeConversion": "LIMITED_RANGE_CLIP", "clipLimits": {"maximumYUV": 1000}}},`); got != 250 {
		t.Errorf("white of full range, clipped to 1000 of 1023, is %d", got)
	}
	src, ix := look(t, file)
	_, err := plan.New(plan.Input{Settings: parse(t, withVideo("", `"videoPreprocessors": {"colorCorrector": {"colorSpaceConversion": "FORCE_HDR10"}},`, "")), Files: []plan.Footage{{Source: src, Index: ix}}, JobStart: jobStart})
	if f := fault.Of(err); !strings.Contains(f.Error(), "FORCE_HDR10 is not supported") {
		t.Errorf("%v", err)
	}
}
