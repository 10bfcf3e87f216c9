package plan_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/plan"
)

// TestTimecodeBurnin compares pictures with those that ffmpeg writes the expected
// text into, at the edges of chunks and where numbers are dropped.
func TestTimecodeBurnin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const w, h = 320, 90
	film := func(rate string, seconds int) string {
		file := filepath.Join(dir, strings.ReplaceAll(rate, "/", "_")+".mp4")
		ffmpeg(t, "-f", "lavfi", "-i", fmt.Sprintf("color=gray:size=320x90:rate=%s:duration=%d", rate, seconds), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-g", "50", file)
		return file
	}
	pal, ntsc := film("25", 9), film("30000/1001", 66)
	for _, test := range []struct {
		name, file, config, set string
		at                      string // x and y of drawtext
		size                    int
		texts                   map[int]string
	}{
		{"from zero", pal, `"source": "ZEROBASED"`, `"fontSize": 32, "position": "TOP_LEFT", "prefix": "EZ-"`, "x=16:y=16", 32, map[int]string{0: "EZ-00:00:00:00", 24: "EZ-00:00:00:24", 25: "EZ-00:00:01:00", 224: "EZ-00:00:08:24"}},
		{"from a start, with what ffmpeg reads", pal, `"source": "SPECIFIEDSTART", "start": "23:59:59:00"`, `"fontSize": 16, "position": "BOTTOM_RIGHT", "prefix": "a'b:c\\d [e], f;%{n} "`, "x=w-tw-16:y=h-th-16", 16, map[int]string{0: `a'b:c\d [e], f;%{n} 23:59:59:00`, 25: `a'b:c\d [e], f;%{n} 00:00:00:00`, 130: `a'b:c\d [e], f;%{n} 00:00:04:05`}},
		{"with dropped numbers", ntsc, `"source": "ZEROBASED"`, `"fontSize": 32, "position": "MIDDLE_CENTER"`, "x=(w-tw)/2:y=(h-th)/2", 32, map[int]string{0: "00:00:00;00", 1799: "00:00:59;29", 1800: "00:01:00;02", 1900: "00:01:03;12"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job := withVideo("", `"videoPreprocessors": {"timecodeBurnin": {`+test.set+`}},`, "")
			job = strings.Replace(job, `{"inputs"`, `{"timecodeConfig": {`+test.config+`}, "inputs"`, 1)
			if n := len(newPlan(t, job, test.file).Ladders[0].Chunks); n < 2 {
				t.Fatalf("%d chunks: the edges are not tested", n)
			}
			got := planes(t, job, test.file, w, h)
			for frame, text := range test.texts {
				written := filepath.Join(dir, fmt.Sprintf("%d-%d.txt", test.size, frame))
				write(t, written, []byte(text))
				want := ffmpeg(t, "-f", "lavfi", "-i", "color=gray:size=320x90,format=yuv420p,drawtext=fontfile=/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf:fontcolor=white:borderw=2:expansion=none:fontsize="+fmt.Sprint(test.size)+":"+test.at+":textfile="+written, "-frames:v", "1", "-f", "rawvideo", "-")[:w*h]
				if d := difference(got[frame], want); d > 0.05 {
					t.Errorf("frame %d does not show %q: it differs by %.2f", frame, text, d)
				}
				if d := difference(want, got[(frame+1)%len(got)]); d < 0.1 {
					t.Errorf("frames %d and %d show the same", frame, frame+1)
				}
			}
		})
	}
	src, ix := look(t, pal)
	_, err := plan.New(plan.Input{Settings: parse(t, withVideo("", `"videoPreprocessors": {"timecodeBurnin": {"prefix": "é"}},`, "")), Files: []plan.Footage{{Source: src, Index: ix}}, JobStart: jobStart})
	if f := fault.Of(err); f.Code != plan.CodeSettings || !strings.Contains(f.Error(), "printable ASCII") {
		t.Errorf("%v", err)
	}
}
