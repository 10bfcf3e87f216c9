package plan_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/plan"
)

// shot is one decoded frame.
type shot struct {
	width int
	rgb   []byte
}

// decode decodes one frame of a file as it is stored, whatever it says of rotation.
func decode(t *testing.T, file string, frame, width int) shot {
	t.Helper()
	b := ffmpeg(t, "-noautorotate", "-i", file, "-vf", fmt.Sprintf("select=eq(n\\,%d),format=rgb24", frame), "-frames:v", "1", "-f", "rawvideo", "-")
	if len(b) == 0 || len(b)%(3*width) != 0 {
		t.Fatalf("frame %d of %s has %d bytes", frame, file, len(b))
	}
	return shot{width, b}
}

func (s shot) at(x, y int) [3]int {
	i := 3 * (y*s.width + x)
	return [3]int{int(s.rgb[i]), int(s.rgb[i+1]), int(s.rgb[i+2])}
}

func near(a, b [3]int, by int) bool {
	for i := range a {
		if a[i]-b[i] > by || b[i]-a[i] > by {
			return false
		}
	}
	return true
}

// one encodes the first chunk of a job with one output and returns its file.
func one(t *testing.T, file, video string) (*plan.Plan, string) {
	t.Helper()
	return oneOf(t, file, "", video)
}

// oneJob is a job of one segment with these settings of its input and its video.
func oneJob(input, video string) string {
	settings := strings.Replace(sameSize, `"videoDescription": {`, `"videoDescription": {`+video, 1)
	settings = strings.Replace(settings, `{"fileInput"`, `{`+input+`"fileInput"`, 1)
	return strings.Replace(settings, `"segmentLength": 1`, `"segmentLength": 60`, 1)
}

// oneOf is one with settings of the input, too.
func oneOf(t *testing.T, file, input, video string) (*plan.Plan, string) {
	t.Helper()
	p := newPlan(t, oneJob(input, video), file)
	dir := t.TempDir()
	runPlanned(t, p.Ladders[0].Chunks[0].Args, file, dir)
	return p, filepath.Join(dir, "r0.mp4")
}

func entries(t *testing.T, file, show string) string {
	t.Helper()
	return strings.TrimRight(string(run(t, "ffprobe", "-v", "error", "-show_entries", "stream="+show, "-of", "csv=p=0", file)), ",\n")
}

// quadrants is a picture with a colour in each corner.
const quadrants = "color=red:size=64x48,pad=128:96:0:0:green,drawbox=64:48:64:48:blue:fill,drawbox=0:48:64:48:white:fill"

func TestPictureGeometry(t *testing.T) {
	dir := t.TempDir()
	plain, anamorphic := filepath.Join(dir, "a.mp4"), filepath.Join(dir, "s.mp4")
	turned := filepath.Join(dir, "t.mp4")
	make := func(filters, out string) {
		ffmpeg(t, "-f", "lavfi", "-i", quadrants+filters+",format=yuv420p", "-t", "0.2", "-c:v", "libx264", "-qp", "5", out)
	}
	make("", plain)
	make(",setsar=16/11", anamorphic)
	ffmpeg(t, "-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned)
	red, green, blue, white, black := [3]int{254, 0, 0}, [3]int{0, 127, 0}, [3]int{0, 0, 254}, [3]int{255, 255, 255}, [3]int{0, 0, 0}
	type at struct {
		x, y  int
		color [3]int
	}
	corners := func(w, h, x, y int) []at { // of a picture w×h at x, y
		return []at{{x + 4, y + 4, red}, {x + w - 6, y + 4, green}, {x + 4, y + h - 6, white}, {x + w - 6, y + h - 6, blue}}
	}
	for _, test := range []struct {
		name, file, video string
		size              string
		want              []at
	}{
		{"as it is", plain, "", "128,96,1:1", corners(128, 96, 0, 0)},
		{"height follows", plain, `"width": 64,`, "64,48,1:1", corners(64, 48, 0, 0)},
		{"width follows", plain, `"height": 192,`, "256,192,1:1", corners(256, 192, 0, 0)},
		{"bars left and right", plain, `"width": 160, "height": 90,`, "160,90,1:1", append(corners(120, 90, 20, 0), at{8, 40, black}, at{150, 40, black})},
		{"bars above and below", plain, `"width": 96, "height": 96,`, "96,96,1:1", append(corners(96, 72, 0, 12), at{40, 4, black}, at{40, 90, black})},
		{"stretched", plain, `"width": 160, "height": 90, "scalingBehavior": "STRETCH_TO_OUTPUT",`, "160,90,1:1", corners(160, 90, 0, 0)},
		{"fit", plain, `"width": 160, "height": 90, "scalingBehavior": "FIT",`, "120,90,1:1", corners(120, 90, 0, 0)},
		{"fit, not larger", plain, `"width": 1600, "height": 900, "scalingBehavior": "FIT_NO_UPSCALE",`, "128,96,1:1", corners(128, 96, 0, 0)},
		{"filled", plain, `"width": 160, "height": 90, "scalingBehavior": "FILL",`, "160,90,1:1", corners(160, 90, 0, 0)},
		{"pixels of the source", anamorphic, "", "128,96,16:11", corners(128, 96, 0, 0)},
		{"square pixels from others", anamorphic, `"height": 96,`, "186,96,1:1", corners(186, 96, 0, 0)},
		{"bars of anamorphic pictures", anamorphic, `"width": 128, "height": 96,`, "128,96,1:1", append(corners(128, 66, 0, 14), at{40, 4, black})},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, out := one(t, test.file, test.video)
			if got := entries(t, out, "width,height,sample_aspect_ratio"); got != test.size {
				t.Errorf("size %s, want %s", got, test.size)
			}
			width, _, _ := strings.Cut(test.size, ",")
			n, _ := strconv.Atoi(width)
			picture := decode(t, out, 2, n)
			for _, p := range test.want {
				if got := picture.at(p.x, p.y); !near(got, p.color, 24) {
					t.Errorf("the pixel at %d,%d is %v, want %v", p.x, p.y, got, p.color)
				}
			}
		})
	}
	// Crop is the area around the middle of the picture, with a quarter of each colour.
	const middle = `"crop": {"x": 32, "y": 24, "width": 64, "height": 48},`
	for _, test := range []struct {
		name, input, video string
		size               string
		want               []at
	}{
		{"cropped", "", middle, "64,48,1:1", corners(64, 48, 0, 0)},
		{"cropped, to a size", "", middle + `"width": 128, "height": 72,`, "128,72,1:1", append(corners(96, 72, 16, 0), at{4, 30, black}, at{120, 30, black})},
		{"cropped to one colour", "", `"crop": {"x": 64, "y": 48, "width": 40, "height": 30},`, "40,30,1:1", []at{{2, 2, blue}, {36, 26, blue}}},
		{"the input's crop wins", `"crop": {"x": 0, "y": 0, "width": 64, "height": 48},`, middle + `"width": 96,`, "96,72,1:1", []at{{4, 4, red}, {90, 66, red}}},
		{"placed", "", `"width": 160, "height": 90, "position": {"x": 20, "y": 10, "width": 64, "height": 64},`, "160,90,1:1", append(corners(64, 64, 20, 10), at{10, 40, black}, at{100, 40, black}, at{50, 80, black})},
		{"stretching overrides placement", "", `"width": 160, "height": 90, "scalingBehavior": "STRETCH_TO_OUTPUT", "position": {"x": 20, "y": 10, "width": 64, "height": 64},`, "160,90,1:1", corners(160, 90, 0, 0)},
		{"the input's placement overrides all", `"position": {"x": 80, "y": 40, "width": 64, "height": 48},`, `"width": 160, "height": 90, "scalingBehavior": "STRETCH_TO_OUTPUT",`, "160,90,1:1", append(corners(64, 48, 80, 40), at{40, 40, black}, at{150, 80, black})},
		{"cropped and placed", "", middle + `"width": 160, "height": 90, "position": {"x": 2, "y": 4, "width": 100, "height": 30},`, "160,90,1:1", append(corners(100, 30, 2, 4), at{130, 40, black})},
		{"turned, then cropped", `"videoSelector": {"rotate": "DEGREES_90"},`, `"crop": {"x": 0, "y": 0, "width": 96, "height": 64},`, "96,64,1:1", []at{{4, 4, white}, {90, 4, red}, {4, 60, white}, {90, 60, red}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, out := oneOf(t, plain, test.input, test.video)
			if got := entries(t, out, "width,height,sample_aspect_ratio"); got != test.size {
				t.Fatalf("size %s, want %s", got, test.size)
			}
			width, _, _ := strings.Cut(test.size, ",")
			n, _ := strconv.Atoi(width)
			picture := decode(t, out, 2, n)
			for _, p := range test.want {
				if got := picture.at(p.x, p.y); !near(got, p.color, 24) {
					t.Errorf("the pixel at %d,%d is %v, want %v", p.x, p.y, got, p.color)
				}
			}
		})
	}
	for name, test := range map[string]struct{ input, video, text string }{
		"crop outside":      {"", `"crop": {"x": 100, "y": 0, "width": 64, "height": 48},`, "/outputGroups/0/outputs/0/videoDescription/crop: the rectangle of 64×48 at 100,0 is outside of the picture of 128×96"},
		"odd crop":          {`"crop": {"x": 1, "y": 0, "width": 64, "height": 48},`, "", "/inputs/0/crop: the rectangle's numbers should be even"},
		"placement outside": {"", `"width": 64, "height": 48, "position": {"x": 0, "y": 0, "width": 64, "height": 50},`, "videoDescription/position: the rectangle of 64×50 at 0,0 is outside of the output of 64×48"},
	} {
		t.Run(name, func(t *testing.T) {
			src, ix := look(t, plain)
			_, err := plan.New(plan.Input{Settings: parse(t, oneJob(test.input, test.video)), Files: []plan.Footage{{Source: src, Index: ix}}, JobStart: jobStart})
			if f := fault.Of(err); f.Code != plan.CodeSettings || !strings.Contains(f.Error(), test.text) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("turned upright", func(t *testing.T) {
		p, out := one(t, turned, "")
		if got := entries(t, out, "width,height"); got != "96,128" {
			t.Fatalf("size %s, want 96,128", got)
		}
		upright := filepath.Join(dir, "u.mp4")
		ffmpeg(t, "-i", turned, "-c:v", "libx264", "-qp", "5", upright) // ffmpeg's own way
		ours, theirs := decode(t, out, 2, 96), decode(t, upright, 2, 96)
		for _, c := range [][2]int{{4, 4}, {86, 4}, {4, 118}, {86, 118}} {
			if got, want := ours.at(c[0], c[1]), theirs.at(c[0], c[1]); !near(got, want, 24) {
				t.Errorf("the pixel at %v is %v, want %v", c, got, want)
			}
		}
		if !slices.ContainsFunc(p.Warnings, func(w plan.Warning) bool { return w.Code == plan.WarnRotated }) {
			t.Error("no warning that the picture was turned")
		}
	})
}

// TestColours: every kind of samples becomes 8-bit 4:2:0 in TV range that looks the same.
func TestColours(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name    string
		filters string
		codec   []string
		want    string // color_range, color_space, transfer, primaries of the output
		orange  [3]int
	}{
		{"small without marks", "format=yuv420p", []string{"-c:v", "libx264"}, "tv,smpte170m,smpte170m,smpte170m", [3]int{255, 128, 0}},
		{"full range", "scale=out_range=pc,format=yuvj420p", []string{"-c:v", "libx264"}, "tv,smpte170m,smpte170m,smpte170m", [3]int{255, 128, 0}},
		{"10-bit 4:2:2 in BT.709", "scale=out_color_matrix=bt709,format=yuv422p10le,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709", []string{"-c:v", "libx264", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"}, "tv,bt709,bt709,bt709", [3]int{255, 128, 0}},
		{"RGB", "format=gbrp", []string{"-c:v", "libx264rgb"}, "tv,bt709,bt709,bt709", [3]int{255, 128, 0}},
		{"4:1:1", "format=yuv411p", []string{"-c:v", "ffv1"}, "tv,smpte170m,smpte170m,smpte170m", [3]int{255, 128, 0}},
		{"4:1:0", "format=yuv410p", []string{"-c:v", "ffv1"}, "tv,smpte170m,smpte170m,smpte170m", [3]int{255, 128, 0}},
		{"4:4:0 of full range", "scale=out_range=pc,format=yuvj440p", []string{"-c:v", "mjpeg", "-q:v", "1"}, "tv,bt470bg,smpte170m,bt470bg", [3]int{255, 128, 0}},
		{"with transparency", "format=yuva420p", []string{"-c:v", "ffv1"}, "tv,smpte170m,smpte170m,smpte170m", [3]int{255, 128, 0}},
		{"gray", "format=gray", []string{"-c:v", "ffv1"}, "tv,smpte170m,smpte170m,smpte170m", [3]int{151, 151, 151}},
		{"gray of 10 bits", "format=gray10le", []string{"-c:v", "ffv1"}, "tv,smpte170m,smpte170m,smpte170m", [3]int{151, 151, 151}},
		{"RGB of 16 bits with transparency", "format=gbrap16le", []string{"-c:v", "ffv1"}, "tv,bt709,bt709,bt709", [3]int{255, 128, 0}},
		{"odd sizes", "format=yuv444p,crop=91:61,format=yuv420p", []string{"-c:v", "ffv1"}, "tv,smpte170m,smpte170m,smpte170m", [3]int{255, 128, 0}},
		{"4:4:4", "format=yuv444p", []string{"-c:v", "libx264"}, "tv,smpte170m,smpte170m,smpte170m", [3]int{255, 128, 0}},
		{"HLG", "zscale=tin=bt709:min=bt709:pin=bt709:rin=tv:t=arib-std-b67:m=bt2020nc:p=bt2020:npl=203,format=yuv420p10le", []string{"-c:v", "libx264", "-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "arib-std-b67"}, "tv,bt709,bt709,bt709", [3]int{-1, 0, 0}},
		{"PQ", "zscale=tin=bt709:min=bt709:pin=bt709:rin=tv:t=smpte2084:m=bt2020nc:p=bt2020:npl=203,format=yuv420p10le", []string{"-c:v", "libx264", "-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "smpte2084"}, "tv,bt709,bt709,bt709", [3]int{-1, 0, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(dir, strings.ReplaceAll(test.name, ":", "")+".mkv")
			source := "color=0xff8000:size=96x64"
			if test.orange[0] < 0 {
				source += ",scale=out_color_matrix=bt709,format=yuv420p"
			}
			ffmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", source + "," + test.filters, "-t", "0.2"}, test.codec, []string{"-qp", "4", file})...)
			p, out := one(t, file, "")
			if got := entries(t, out, "pix_fmt"); got != "yuv420p" {
				t.Errorf("pixels are %s", got)
			}
			if got := entries(t, out, "color_range,color_space,color_transfer,color_primaries"); got != test.want {
				t.Errorf("colour is %s, want %s", got, test.want)
			}
			width := p.Ladders[0].Rungs[0].Width
			got := decode(t, out, 1, width).at(40, 30)
			if test.orange[0] < 0 {
				// Tone mapping changes brightness, not the hue: orange stays orange.
				if !(got[0] > got[1]+40 && got[1] > got[2]+20 && got[0] > 120) {
					t.Errorf("orange became %v", got)
				}
			} else if !near(got, test.orange, 6) {
				t.Errorf("orange became %v", got)
			}
		})
	}
}

// TestInterlacedChunks: deinterlacing looks at neighbours, and gives the same at
// chunk edges as anywhere.
func TestInterlacedChunks(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.ts")
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=128x72:duration=13:rate=50", "-vf", "interlace,format=yuv420p", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-g", "12", "-bf", "2", "-b:v", "1M", file)
	p := newPlan(t, sameSize, file)
	if n := len(p.Ladders[0].Chunks); n < 3 {
		t.Fatalf("%d chunks: the edges are not tested", n)
	}
	got := inChunks(t, p, file)
	whole := newPlan(t, strings.Replace(sameSize, `"segmentLength": 1`, `"segmentLength": 100`, 1), file)
	if n := len(whole.Ladders[0].Chunks); n != 1 {
		t.Fatalf("%d chunks of one segment", n)
	}
	want := inChunks(t, whole, file)
	differ(t, got, want)
	if slices.Equal(got[:20], onePass(t, file)[:20]) {
		t.Error("the picture was not deinterlaced")
	}
}

// TestSizeChangesInMidStream: broadcasts do; the output keeps its size and its frames.
func TestSizeChangesInMidStream(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, size := range []string{"128x72", "64x48"} {
		ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size="+size+":duration=3:rate=25,format=yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-output_ts_offset", fmt.Sprint(3*i), "-f", "mpegts", filepath.Join(dir, fmt.Sprintf("%d.ts", i)))
	}
	file := filepath.Join(dir, "a.ts")
	joined := slices.Concat(read(t, filepath.Join(dir, "0.ts")), read(t, filepath.Join(dir, "1.ts")))
	write(t, file, joined)
	p := newPlan(t, sameSize, file)
	if n := len(inChunks(t, p, file)); n != 150 {
		t.Errorf("%d frames, want 150", n)
	}
}

// TestSharpness scales edges down: the higher the number, the steeper they stay.
func TestSharpness(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.mp4")
	ffmpeg(t, "-f", "lavfi", "-i", "nullsrc=size=320x180,format=gray,geq=lum=60+120*lt(mod(X\\,40)\\,20)", "-t", "0.2", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-qp", "4", file)
	contrast := func(sharpness int) float64 {
		p := newPlan(t, oneJob("", fmt.Sprintf(`"width": 200, "sharpness": %d,`, sharpness)), file)
		dir := t.TempDir()
		runPlanned(t, withoutEncoderRaw(p.Ladders[0].Chunks[0].Args), file, dir)
		line := read(t, filepath.Join(dir, "r0.mp4"))[200*30 : 200*31]
		sum := 0.0
		for i := 1; i < len(line); i++ {
			step := float64(line[i]) - float64(line[i-1])
			sum += step * step
		}
		return sum
	}
	last := 0.0
	for _, s := range []int{0, 20, 40, 50, 75, 100} {
		got := contrast(s)
		if got <= last {
			t.Errorf("sharpness %d leaves edges of %.0f, a lower one %.0f", s, got, last)
		}
		last = got
	}
}

// TestInputColours: what the job says of a source's colours stands for what the
// source says, or for what it does not.
func TestInputColours(t *testing.T) {
	dir := t.TempDir()
	make := func(name, source string, codec ...string) string {
		file := filepath.Join(dir, name)
		ffmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", source, "-t", "0.2"}, codec, []string{"-qp", "4", file})...)
		return file
	}
	as709 := []string{"-c:v", "libx264", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"}
	unmarked := make("u.mkv", "color=0xff8000:size=96x64", "-vf", "scale=out_color_matrix=bt709,format=yuv420p", "-c:v", "libx264")
	wrong := make("w.mkv", "color=0xff8000:size=96x64", append([]string{"-vf", "scale=out_color_matrix=smpte170m,format=yuv420p,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"}, as709...)...)
	full := make("f.mkv", "color=0x404040:size=96x64", "-vf", "scale=out_range=pc,format=yuvj420p", "-c:v", "libx264")
	fullUntold := make("x.mkv", "color=0x404040:size=96x64", "-vf", "scale=out_range=pc,format=yuvj420p,setparams=range=tv,format=yuvj420p", "-c:v", "libx264", "-bsf:v", "h264_metadata=video_full_range_flag=0")
	keyed := make("k.mov", "color=red:size=96x64,format=argb,geq=r=255:g=0:b=0:a=X*2", "-c:v", "qtrle")
	orange, gray := [3]int{255, 128, 0}, [3]int{0x40, 0x40, 0x40}
	for _, test := range []struct {
		name, file, selector string
		tags                 string
		at                   int
		want                 [3]int
	}{
		{"an unmarked source is what the job falls back to", unmarked, `"colorSpace": "REC_709", "colorSpaceUsage": "FALLBACK"`, "tv,bt709,bt709,bt709", 40, orange},
		{"forced over a wrong mark", wrong, `"colorSpace": "REC_601", "colorSpaceUsage": "FORCE"`, "tv,smpte170m,smpte170m,smpte170m", 40, orange},
		{"a fallback does not touch what is marked", wrong, `"colorSpace": "REC_601", "colorSpaceUsage": "FALLBACK"`, "tv,bt709,bt709,bt709", 40, [3]int{-1, 0, 0}},
		{"full range that is not marked", fullUntold, `"sampleRange": "FULL_RANGE"`, "tv,smpte170m,smpte170m,smpte170m", 40, gray},
		{"limited range that is marked as full", full, `"sampleRange": "LIMITED_RANGE"`, "tv,smpte170m,smpte170m,smpte170m", 40, [3]int{56, 56, 56}},
		{"transparency is dropped", keyed, `"alphaBehavior": "DISCARD"`, "tv,bt709,bt709,bt709", 40, [3]int{254, 0, 0}},
		{"transparency is shown", keyed, `"alphaBehavior": "REMAP_TO_LUMA"`, "tv,bt709,bt709,bt709", 64, [3]int{128, 128, 128}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, out := oneOf(t, test.file, `"videoSelector": {`+test.selector+`},`, "")
			if got := entries(t, out, "color_range,color_space,color_transfer,color_primaries"); got != test.tags {
				t.Errorf("colour is %s, want %s", got, test.tags)
			}
			if got := decode(t, out, 1, 96).at(test.at, 30); test.want[0] >= 0 && !near(got, test.want, 6) {
				t.Errorf("the picture is %v, want %v", got, test.want)
			}
		})
	}
}
