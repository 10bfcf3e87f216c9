package mpegts

import (
	"fmt"
	"testing"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
)

// The times of decoding rise, none is after its picture is shown, and in a stream
// of segments long enough each starts when its first picture is shown, one step
// after the last of the segment before, a step as long as the one before that.
func TestDecodingTimes(t *testing.T) {
	orders := map[string][]int{ // how a mini-GOP is decoded, and how far the first picture leads
		"no B-frames":          {0},
		"one":                  {1, 0},
		"two":                  {2, 0, 1},
		"two, one referred to": {2, 1, 0},
		"pyramid of three":     {3, 1, 0, 2},
	}
	for _, rate := range []media.Rational{media.R(25, 1), media.R(30000, 1001), media.R(120, 1), media.R(8, 1)} {
		for name, order := range orders {
			for _, length := range []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 61, 250} {
				longer := int64(0) // lead of segments elsewhere in the stream
				if length < 4 {
					longer = 2
				}
				t.Run(fmt.Sprintf("%s/%s/%d", rate, name, length), func(t *testing.T) {
					s := &Stream{timeline: Timeline{FrameRate: rate, Frames: 3 * length}, video: &mp4.Video{}}
					frames := make([]int64, 0, length) // shown, in decoding order
					for at := int64(0); at < length; {
						group := []int64{0}
						if at > 0 {
							group = group[:0]
							for _, o := range order {
								if at+int64(o) < length {
									group = append(group, int64(o))
								}
							}
						}
						for _, o := range group {
							s.video.Reorder = max(s.video.Reorder, int64(len(frames))-at-o)
							frames = append(frames, at+o)
						}
						at += int64(len(group))
					}
					s.video.Reorder = max(s.video.Reorder, longer)
					s.anchored = length >= shortest(s.video.Reorder)
					var all []Unit
					for i := range int64(3) {
						from := i * length
						pictures := make([]Unit, length)
						for k := range pictures {
							pictures[k].PTS = media.Rescale(from+frames[k], rate.Inverse(), media.R(1, Clock))
						}
						s.decodingTimes(pictures, from, media.Rescale(from+length, rate.Inverse(), media.R(1, Clock)))
						if lead := pictures[0].PTS - pictures[0].DTS; (i == 0 || s.anchored) && (lead < 0 || lead > 1) {
							t.Errorf("segment %d begins %d ticks early", i, lead)
						}
						all = append(all, pictures...)
					}
					for k, p := range all {
						if p.DTS > p.PTS {
							t.Fatalf("picture %d is decoded at %d and shown at %d", k, p.DTS, p.PTS)
						}
						if k > 0 && p.DTS <= all[k-1].DTS {
							t.Fatalf("picture %d is decoded at %d, the one before at %d", k, p.DTS, all[k-1].DTS)
						}
					}
					for k := length; k < int64(len(all)) && s.anchored; k += length {
						last, next := all[k-1].DTS-all[k-2].DTS, all[k].DTS-all[k-1].DTS
						if d := next - last; d < -1 || d > 2 {
							t.Errorf("the last steps of the segment before %d are %d and %d ticks", k, last, next)
						}
					}
				})
			}
		}
	}
}
