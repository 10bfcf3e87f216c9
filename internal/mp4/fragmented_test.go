package mp4_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
)

// pack writes the init segment, the index and the segments of a track, each on its own.
func pack(t *testing.T, f *mp4.Fragmented) (head, index []byte, segments [][]byte, keys [][]mp4.KeySample) {
	t.Helper()
	var b bytes.Buffer
	if _, err := f.WriteInit(&b); err != nil {
		t.Fatal(err)
	}
	head = bytes.Clone(b.Bytes())
	index, err := f.Index()
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Segments() {
		b.Reset()
		n, at, err := f.WriteSegment(&b, i)
		if err != nil || n != int64(b.Len()) {
			t.Fatalf("segment %d: %d of %d bytes, %v", i, n, b.Len(), err)
		}
		segments, keys = append(segments, bytes.Clone(b.Bytes())), append(keys, at)
	}
	return head, index, segments, keys
}

func TestFragmented(t *testing.T) {
	for name, test := range map[string]struct {
		rate, x264 string
		hz         int
	}{
		"B-frames":    {"25", "bframes=3", 48000},
		"29.97":       {"30000/1001", "bframes=2", 44100},
		"no B-frames": {"24", "bframes=0", 32000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rate := media.ParseRational(test.rate)
			const frames = 120
			starts := []int64{0, 60, 90}
			video, err := mp4.NewVideo(rate, open(t, encodeVideo(t, test.rate, 0, 60, test.x264, "")), open(t, encodeVideo(t, test.rate, 60, 120, test.x264, "")))
			if err != nil {
				t.Fatal(err)
			}
			cut, err := mp4.CutVideo(video, starts, 1)
			if err != nil {
				t.Fatal(err)
			}
			samples := media.Rescale(frames, rate.Inverse(), media.R(1, int64(test.hz)))
			audio, err := mp4.NewAudio(open(t, encodeAudio(t, test.hz, int(samples), "")), 1024, samples)
			if err != nil {
				t.Fatal(err)
			}
			sound, err := mp4.CutAudio(audio, "deu", rate, starts, frames, 1)
			if err != nil {
				t.Fatal(err)
			}

			head, index, segments, keys := pack(t, cut)
			checkIndex(t, cut, index, segments)
			for i, from := range starts {
				at, _ := cut.Times(i)
				if want := media.Rescale(from, rate.Inverse(), media.R(1, cut.Timescale())); at != want || keys[i][0].Time != want {
					t.Errorf("segment %d begins at %d, its picture at %d, not %d", i, at, keys[i][0].Time, want)
				}
				// What a player of I-frames fetches.
				one := keys[i][0]
				checkFrames(t, append(bytes.Clone(head), segments[i][one.Offset:one.Offset+one.Size]...), 1, -1)
			}
			signed := *cut
			signed.Signed = true
			signedHead, signedIndex, signedSegments, _ := pack(t, &signed)
			checkIndex(t, &signed, signedIndex, signedSegments)
			checkTimes(t, rate, signedHead, signedSegments, frames)
			if len(keys[0]) != 2 {
				t.Errorf("two seconds are %d fragments", len(keys[0]))
			}
			checkFrames(t, bytes.Join(append([][]byte{head, index}, segments...), nil), frames, 0)
			checkTimes(t, rate, head, segments, frames)
			// A player that begins in the middle knows what time it is.
			checkFrames(t, append(bytes.Clone(head), segments[1]...), 30, 60/rate.Float())

			head, index, segments, _ = pack(t, sound)
			checkIndex(t, sound, index, segments)
			var reader mp4.StreamReader
			for _, part := range append([][]byte{head}, segments...) {
				if _, err := reader.Read(bytes.NewReader(part)); err != nil {
					t.Fatal(err)
				}
			}
			track := reader.Tracks()[0]
			if first := track.Samples[0].PTS; first != 0 {
				t.Errorf("sound begins at %d", first)
			}
			end := track.Samples[len(track.Samples)-1].PTS + mp4.FrameSamples
			if end < samples || end >= samples+mp4.FrameSamples {
				t.Errorf("sound ends at %d, there are %d samples", end, samples)
			}
			for i, from := range starts[1:] {
				begins, _ := sound.Times(i + 1)
				want := float64(from) / rate.Float() * float64(test.hz)
				if late := float64(begins) - want; late < 0 || late >= mp4.FrameSamples {
					t.Errorf("sound of segment %d begins %v samples after its picture", i+1, late)
				}
			}
		})
	}
}

// checkTimes reads segments back: pictures are on the frame grid, and decoded one
// after the other, from the first one's time on.
func checkTimes(t *testing.T, rate media.Rational, head []byte, segments [][]byte, frames int64) {
	t.Helper()
	var reader mp4.StreamReader
	for _, part := range append([][]byte{head}, segments...) {
		if _, err := reader.Read(bytes.NewReader(part)); err != nil {
			t.Fatal(err)
		}
	}
	track := reader.Tracks()[0]
	tick := media.R(1, track.Timescale)
	shown := map[int64]bool{}
	last := int64(-1)
	for i, s := range track.Samples {
		if s.DTS <= last {
			t.Fatalf("picture %d is decoded at %d, the one before at %d", i, s.DTS, last)
		}
		last = s.DTS
		shown[s.PTS] = true
	}
	for k := range frames {
		if !shown[media.Rescale(k, rate.Inverse(), tick)] {
			t.Fatalf("frame %d is not shown", k)
		}
	}
	if end := media.Rescale(frames, rate.Inverse(), tick); track.Samples[0].DTS != 0 || last >= end {
		t.Errorf("decoded from %d to %d of %d", track.Samples[0].DTS, last, end)
	}
}

// checkFrames decodes a file and compares how many frames there are and when the
// first is shown, in seconds; a negative time is not compared.
func checkFrames(t *testing.T, data []byte, frames int, first float64) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "part.mp4")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := run(t, "ffprobe", "-v", "fatal", "-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "csv=p=0", file)
	lines := strings.Fields(strings.ReplaceAll(out, ",", " "))
	if len(lines) != frames {
		t.Fatalf("%d frames, not %d", len(lines), frames)
	}
	at, err := strconv.ParseFloat(lines[0], 64)
	if err != nil || first >= 0 && (at < first-0.001 || at > first+0.001) {
		t.Errorf("the first frame is shown at %q, not %v", lines[0], first)
	}
}

// checkIndex reads a sidx box against the segments.
func checkIndex(t *testing.T, f *mp4.Fragmented, b []byte, segments [][]byte) {
	t.Helper()
	if n := binary.BigEndian.Uint32(b); int(n) != len(b) || string(b[4:8]) != "sidx" || int(binary.BigEndian.Uint16(b[38:])) != len(segments) {
		t.Fatalf("index % x", b)
	}
	for i, s := range segments {
		from, to := f.Times(i)
		at := b[40+12*i:]
		if size, length := binary.BigEndian.Uint32(at), binary.BigEndian.Uint32(at[4:]); int(size) != len(s) || int64(length) != to-from {
			t.Errorf("the index gives segment %d %d bytes and %d ticks, not %d and %d", i, size, length, len(s), to-from)
		}
	}
}
