package mpegts_test

import (
	"bytes"
	"testing"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
)

// TestWhatIsBegunIsWhatIsWritten: with the first GOPs of a segment there and the others
// not, what is sure to come is what comes, and it is most of those GOPs.
func TestWhatIsBegunIsWhatIsWritten(t *testing.T) {
	for name, c := range map[string]clip{
		"B-frames":       {rate: media.R(25, 1), frames: 150, starts: []int64{0, 100}, chunks: []int64{0}, x264: "bframes=3:b-pyramid=normal:keyint=20", audio: 48000},
		"GOPs of a few":  {rate: media.R(25, 1), frames: 100, starts: []int64{0, 60}, chunks: []int64{0}, x264: "bframes=2:keyint=5", audio: 44100},
		"no B-frames":    {rate: media.R(30000, 1001), frames: 90, starts: []int64{0, 60}, chunks: []int64{0}, x264: "bframes=0:keyint=15"},
		"short segments": {rate: media.R(25, 1), frames: 30, starts: []int64{0, 4, 8, 12, 20}, chunks: []int64{0}, x264: "bframes=2:keyint=4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			video, audio := c.encode(t)
			stream, err := newStream(service, c.timeline(), video, audio)
			if err != nil {
				t.Fatal(err)
			}
			whole := pack(t, stream)
			track := video.Chunks()[0]
			for i, from := range c.starts {
				to := c.frames
				if i+1 < len(c.starts) {
					to = c.starts[i+1]
				}
				had := 0
				for n := from + 1; n < to; n++ {
					if !track.Samples[n].Key {
						continue
					}
					there := *track
					there.Samples = there.Samples[:n]
					part, err := mp4.NewVideo(c.rate, &there, mp4.Absent(c.frames-n))
					if err != nil {
						t.Fatal(err)
					}
					begun, err := newStream(service, c.timeline(), part, audio)
					if err != nil {
						t.Fatal(err)
					}
					var b bytes.Buffer
					if err := begun.WriteBegun(&b, i); err != nil {
						t.Fatal(err)
					}
					if !bytes.HasPrefix(whole[i], b.Bytes()) {
						t.Errorf("segment %d with %d of its frames begins with %d bytes that are not its own", i, n-from, b.Len())
					}
					if sure := to - 12; n <= sure && (b.Len() <= had || b.Len() < len(whole[i])/int(to-from)*int(n-from)/4) {
						t.Errorf("segment %d with %d of its %d frames begins with %d of %d bytes", i, n-from, to-from, b.Len(), len(whole[i]))
					}
					had = b.Len()
				}
			}
		})
	}
}
