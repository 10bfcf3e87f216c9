package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestCaptures takes pictures of a film whose frames tell their number by their
// brightness: alone, and beside a ladder in chunks.
func TestCaptures(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.mp4")
	ffmpeg(t, "-f", "lavfi", "-i", "nullsrc=size=32x32:rate=25:duration=9.8,format=gray,geq=lum=N", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "1", "-g", "50", file)
	const ladder = `{"outputGroupSettings": {"type": "HLS_GROUP_SETTINGS", "hlsGroupSettings": {"destination": "s3://out/", "segmentLength": 1}},
		"outputs": [{"nameModifier": "_v", "videoDescription": {"codecSettings": {"codec": "H_264", "h264Settings": {"rateControlMode": "QVBR", "maxBitrate": 100000}}}}]}, `
	for _, test := range []struct {
		name, groups, every string
		want                []int64
	}{
		{"alone", "", `"framerateNumerator": 1, "framerateDenominator": 2`, []int64{0, 50, 100, 150, 200}},
		{"beside a ladder", ladder, `"framerateNumerator": 1, "framerateDenominator": 3`, []int64{0, 75, 150, 225}},
		{"between frames", ladder, `"framerateNumerator": 3, "framerateDenominator": 7`, []int64{0, 59, 117, 175, 234}},
		{"at most three", ladder, `"framerateNumerator": 10, "framerateDenominator": 1, "maxCaptures": 3`, []int64{0, 3, 5}},
		{"rare", ladder, `"framerateNumerator": 1, "framerateDenominator": 100`, []int64{0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlan(t, `{"inputs": [{"fileInput": "s3://in/clip"}], "outputGroups": [`+test.groups+`{"outputGroupSettings": {"type": "FILE_GROUP_SETTINGS", "fileGroupSettings": {"destination": "s3://out/t/"}},
				"outputs": [{"containerSettings": {"container": "RAW"}, "videoDescription": {"codecSettings": {"codec": "FRAME_CAPTURE", "frameCaptureSettings": {`+test.every+`, "quality": 95}}}}]}]}`, file)
			l := p.Ladders[0]
			if got := l.Captures[0].Frames; !slices.Equal(got, test.want) {
				t.Fatalf("frames %v, want %v", got, test.want)
			}
			if len(l.Chunks) < 2 {
				t.Fatalf("%d chunks: the edges are not tested", len(l.Chunks))
			}
			var got []int64
			for _, dir := range encode(t, l, file) {
				for i := 0; ; i++ {
					name := filepath.Join(dir, fmt.Sprintf(l.Captures[0].FilePattern, i))
					if _, err := os.Stat(name); err != nil {
						break
					}
					got = append(got, int64(decode(t, name, 0, 32).at(16, 16)[1]))
				}
			}
			if len(got) != len(test.want) {
				t.Fatalf("%d pictures of %d frames", len(got), len(test.want))
			}
			for i := range got {
				if d := got[i] - test.want[i]; d > 1 || d < -1 {
					t.Errorf("picture %d is as bright as frame %d, not %d", i, got[i], test.want[i])
				}
			}
		})
	}
}

// TestCapturedPictures: a JPEG has the colours of the film, the size that was asked
// for, and more bytes the better it is to be.
func TestCapturedPictures(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.mp4")
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=192x108:rate=25:duration=0.4,drawbox=0:0:96:108:0xc04040:fill,scale=out_color_matrix=bt709,format=yuv420p", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-c:v", "libx264", "-qp", "2", file)
	capture := func(video, set string) string {
		p := newPlan(t, `{"inputs": [{"fileInput": "s3://in/clip"}], "outputGroups": [{"outputGroupSettings": {"type": "FILE_GROUP_SETTINGS", "fileGroupSettings": {"destination": "s3://out/t/"}},
			"outputs": [{"containerSettings": {"container": "RAW"}, "videoDescription": {`+video+`"codecSettings": {"codec": "FRAME_CAPTURE", "frameCaptureSettings": {`+set+`}}}}]}]}`, file)
		return filepath.Join(encode(t, p.Ladders[0], file)[0], fmt.Sprintf(p.Ladders[0].Captures[0].FilePattern, 0))
	}
	last := int64(0)
	for _, quality := range []int{5, 40, 80, 100} {
		name := capture("", fmt.Sprintf(`"quality": %d`, quality))
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() <= last {
			t.Errorf("quality %d has %d bytes, a lower one %d", quality, info.Size(), last)
		}
		if last = info.Size(); quality >= 80 {
			if got := decode(t, name, 0, 192).at(30, 50); !near(got, [3]int{0xc0, 0x40, 0x40}, 6) {
				t.Errorf("quality %d shows %x", quality, got)
			}
		}
	}
	name := capture(`"width": 64, "height": 64, "scalingBehavior": "FILL", `, `"quality": 90`)
	if got := entries(t, name, "width,height"); got != "64,64" {
		t.Errorf("size %s", got)
	}
}
