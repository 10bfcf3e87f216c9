package mp4_test

import (
	"bytes"
	"testing"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
)

// TestBegunFragments: with the first GOPs of a segment there and the others not, the
// fragments that are sure to come are those that come.
func TestBegunFragments(t *testing.T) {
	for name, test := range map[string]struct {
		x264   string
		signed bool
	}{
		"B-frames":                 {"bframes=3:keyint=25:min-keyint=25", false},
		"B-frames, signed":         {"bframes=3:keyint=25:min-keyint=25", true},
		"no B-frames":              {"bframes=0:keyint=25:min-keyint=25", false},
		"B-frames where they help": {"bframes=3:b-adapt=2:keyint=25:min-keyint=25", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rate := media.R(25, 1)
			track := open(t, encodeVideo(t, "25", 0, 120, test.x264, ""))
			cut := func(chunks ...*mp4.Track) *mp4.Fragmented {
				video, err := mp4.NewVideo(rate, chunks...)
				if err != nil {
					t.Fatal(err)
				}
				f, err := mp4.CutVideo(video, []int64{0, 100}, 1)
				if err != nil {
					t.Fatal(err)
				}
				f.Signed = test.signed
				return f
			}
			_, _, segments, _ := pack(t, cut(track))
			had, grew := 0, 0
			for n := 25; n < 100; n += 25 {
				there := *track
				there.Samples = there.Samples[:n]
				var b bytes.Buffer
				if err := cut(&there, mp4.Absent(int64(120-n))).WriteBegun(&b, 0); err != nil {
					t.Fatal(err)
				}
				if !bytes.HasPrefix(segments[0], b.Bytes()) {
					t.Errorf("with %d frames the segment begins with %d bytes that are not its own", n, b.Len())
				}
				if b.Len() > had {
					grew++
				}
				had = b.Len()
			}
			if grew < 2 {
				t.Errorf("%d of 3 GOPs gave more than those before", grew)
			}
		})
	}
}
