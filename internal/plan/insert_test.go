package plan_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/plan"
)

// withImages plans a job whose files are a film and images.
func withImages(t *testing.T, job, film string, images ...string) (*plan.Plan, error) {
	t.Helper()
	src, ix := look(t, film)
	in := plan.Input{Settings: parse(t, job), Files: []plan.Footage{{Source: src, Index: ix}}, JobStart: jobStart}
	for range images {
		in.Files = append(in.Files, plan.Footage{Source: media.Source{Video: []media.VideoStream{{Codec: "png", Width: 8, Height: 8}}}})
	}
	return plan.New(in)
}

// TestInsertedImages lays images over a blue film in many chunks and looks at
// pixels at known times.
func TestInsertedImages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	film, red, green, hdr := filepath.Join(dir, "a.mp4"), filepath.Join(dir, "red.png"), filepath.Join(dir, "green.png"), filepath.Join(dir, "h.mkv")
	ffmpeg(t, "-f", "lavfi", "-i", "color=0x0000c0:size=128x96:rate=25:duration=13,scale=out_color_matrix=bt709,format=yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-g", "25", film)
	ffmpeg(t, "-f", "lavfi", "-i", "color=black:size=128x96:rate=25:duration=1,format=yuv420p10le", "-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-c:v", "ffv1", hdr)
	ffmpeg(t, "-f", "lavfi", "-i", "color=0xe02010:size=20x20,format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='if(lt(X,10),255,0)'", "-frames:v", "1", red)
	ffmpeg(t, "-f", "lavfi", "-i", "color=0x10c020:size=30x10", "-frames:v", "1", green)
	blue, isRed, isGreen := [3]int{0, 0, 0xc0}, [3]int{0xe0, 0x20, 0x10}, [3]int{0x10, 0xc0, 0x20}
	half := func(a, b [3]int) (c [3]int) {
		for i := range c {
			c[i] = (a[i] + b[i]) / 2
		}
		return c
	}
	image := func(uri, more string) string {
		return `{"imageInserterInput": "s3://in/` + uri + `.png", ` + more + `}`
	}
	inserter := func(images ...string) string {
		return `"imageInserter": {"insertableImages": [` + strings.Join(images, ",") + `]},`
	}
	output := func(images ...string) string {
		return `"videoPreprocessors": {` + strings.TrimSuffix(inserter(images...), ",") + `},`
	}
	type at struct {
		frame, x, y int
		want        [3]int
	}
	for _, test := range []struct {
		name, input, video string
		film               string
		files              []string
		want               []at
	}{
		{
			"opaque, all the time", "", output(image("red", `"imageX": 40, "imageY": 20, "opacity": 100`)), film,
			[]string{red},
			[]at{{0, 44, 24, isRed}, {0, 56, 24, blue}, {100, 44, 30, isRed}, {324, 44, 30, isRed}, {324, 36, 30, blue}, {200, 44, 44, blue}},
		},
		{
			"half transparent by itself", "", output(image("green", `"imageX": 0, "imageY": 0`)), film,
			[]string{green},
			[]at{{130, 10, 4, half(blue, isGreen)}, {130, 40, 4, blue}},
		},
		{
			"scaled, above another", "", output(image("red", `"imageX": 0, "imageY": 0, "opacity": 100, "layer": 5`), image("green", `"imageX": 0, "imageY": 0, "width": 100, "height": 60, "opacity": 100, "layer": 2`)), film,
			[]string{red, green},
			[]at{{60, 4, 4, isRed}, {60, 60, 50, isGreen}, {60, 110, 50, blue}},
		},
		{
			"for a time, at once", "", output(image("green", `"imageX": 10, "imageY": 10, "opacity": 100, "startTime": "00:00:02:05", "duration": 4000`)), film,
			[]string{green},
			[]at{{54, 15, 14, blue}, {55, 15, 14, isGreen}, {154, 15, 14, isGreen}, {155, 15, 14, blue}},
		},
		{
			"faded in and out", "", output(image("green", `"imageX": 10, "imageY": 10, "opacity": 100, "startTime": "00:00:02:00", "duration": 4000, "fadeIn": 2000, "fadeOut": 2000`)), film,
			[]string{green},
			[]at{{49, 15, 14, blue}, {75, 15, 14, half(blue, isGreen)}, {101, 15, 14, isGreen}, {149, 15, 14, isGreen}, {175, 15, 14, half(blue, isGreen)}, {201, 15, 14, blue}},
		},
		{
			"over the input, before it is scaled", inserter(image("green", `"imageX": 40, "imageY": 40, "opacity": 100, "startTime": "00:00:01:00"`)), `"width": 256, "height": 192,`, film,
			[]string{green},
			[]at{{24, 90, 90, blue}, {25, 90, 90, isGreen}, {300, 120, 90, isGreen}, {300, 146, 96, blue}},
		},
		{
			"over the input, cropped", inserter(image("green", `"imageX": 40, "imageY": 40, "opacity": 100`)), `"crop": {"x": 32, "y": 32, "width": 64, "height": 48},`, film,
			[]string{green},
			[]at{{0, 12, 12, isGreen}, {0, 4, 12, blue}, {200, 36, 16, isGreen}},
		},
		{
			"over an HDR input", inserter(image("green", `"imageX": 40, "imageY": 40, "opacity": 100`)), ``, hdr,
			[]string{green},
			[]at{{0, 50, 44, isGreen}, {0, 4, 12, [3]int{}}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job := withVideo(test.input, test.video, `"hrdBufferSize": 0, `)
			p, err := withImages(t, job, test.film, test.files...)
			if err != nil {
				t.Fatal(err)
			}
			var files []string
			for _, f := range p.Files {
				for _, name := range append(test.files, test.film) {
					if f.Kind == plan.FileInput && name == test.film || strings.HasSuffix(f.URI, filepath.Base(name)) {
						files = append(files, name)
						break
					}
				}
			}
			ladder := p.Ladders[0]
			for _, c := range ladder.Chunks {
				if !slices.ContainsFunc(test.want, func(a at) bool { return int64(a.frame) >= c.From && int64(a.frame) < c.To }) {
					continue
				}
				out := t.TempDir()
				runFiles(t, c.Args, filesOf(c.Files, files), out)
				for _, a := range test.want {
					if int64(a.frame) < c.From || int64(a.frame) >= c.To {
						continue
					}
					if got := decode(t, filepath.Join(out, "r0.mp4"), a.frame-int(c.From), ladder.Rungs[0].Width).at(a.x, a.y); !near(got, a.want, 14) {
						t.Errorf("frame %d at %d,%d is %v, want %v", a.frame, a.x, a.y, got, a.want)
					}
				}
			}
			if len(ladder.Chunks) < 3 && test.film == film {
				t.Errorf("%d chunks: the edges are not tested", len(ladder.Chunks))
			}
		})
	}
	for name, test := range map[string]struct{ video, text string }{
		"no image":  {output(), "insertableImages: Should have at least 1 items"},
		"no time":   {output(image("red", `"imageX": 1, "imageY": 1, "startTime": "00:00:61:00"`)), `startTime: "00:00:61:00" is not a timecode`},
		"too large": {output(image("red", `"imageX": 1, "imageY": 1, "width": 100000`)), "is larger than pictures can be"},
	} {
		t.Run(name, func(t *testing.T) {
			var files []string
			if strings.Contains(test.video, "red") {
				files = []string{red}
			}
			_, err := withImages(t, withVideo("", test.video, ""), film, files...)
			if f := fault.Of(err); f.Code != plan.CodeSettings || !strings.Contains(f.Error(), test.text) {
				t.Error(fmt.Sprint(err))
			}
		})
	}
}
