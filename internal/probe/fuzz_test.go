package probe

import (
	"bytes"
	"slices"
	"testing"

	"vodwright.dev/vodwright/internal/media"
)

// FuzzDecodedFrames reads what ffmpeg might say of the frames it decoded, whole and in pieces.
func FuzzDecodedFrames(f *testing.F) {
	f.Add([]byte("frame:0   pts:48000   pts_time:0.5333\nframe:1   pts:NOPTS   pts_time:NOPTS\n"), 5)
	f.Add([]byte("frame:0 pts:9223372036854775807 x\nframe:1 pts:-9223372036854775808 x\nframe:2 pts:9007199254740993\n"), 1)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		stream := media.VideoStream{TimeBase: media.R(1, 12800), AverageRate: media.R(25, 1)}
		whole := decodedFrames{most: 100}
		pieces := whole
		_, err := (&lineWriter{line: whole.add}).Write(data)
		w := &lineWriter{line: pieces.add}
		var piecesErr error
		for piece := range slices.Chunk(data, 1+size&0xff) {
			if _, piecesErr = w.Write(piece); piecesErr != nil {
				break
			}
		}
		if err == nil && piecesErr == nil && !slices.Equal(whole.pts, pieces.pts) {
			t.Fatalf("%v whole, %v in pieces", whole.pts, pieces.pts)
		}
		if len(whole.pts) > 100 || len(whole.pts) > bytes.Count(data, []byte("\n")) {
			t.Fatalf("%d frames", len(whole.pts))
		}
		makeIncreasing(whole.pts, stream, size%2 == 0)
		if !increasing(whole.pts) {
			t.Fatalf("%v does not increase", whole.pts)
		}
	})
}

func FuzzScrambled(f *testing.F) {
	packet := append([]byte{0x47, 0x41, 0, 0x90}, make([]byte, tsPacket-4)...)
	clear := append([]byte{0x47, 0x41, 0, 0x10}, make([]byte, tsPacket-4)...)
	f.Add(bytes.Repeat(packet, 20))
	f.Add(bytes.Repeat(clear, 20))
	f.Add(bytes.Repeat(append([]byte{0, 0, 0, 0}, packet...), 20)) // M2TS
	f.Add(packet[:5])
	f.Fuzz(func(t *testing.T, data []byte) {
		if scrambled(data) && bytes.IndexByte(data, 0x47) < 0 {
			t.Fatal("scrambled without a packet")
		}
	})
}

func TestScrambled(t *testing.T) {
	packet := append([]byte{0x47, 0x41, 0, 0x90}, make([]byte, tsPacket-4)...)
	clear := append([]byte{0x47, 0x41, 0, 0x10}, make([]byte, tsPacket-4)...)
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"scrambled": {bytes.Repeat(packet, 20), true},
		"clear":     {bytes.Repeat(clear, 20), false},
		"m2ts":      {bytes.Repeat(append([]byte{0, 0, 0, 0}, packet...), 20), true},
		"cut":       {append([]byte("rubbish"), bytes.Repeat(packet, 20)...), true},
		"a little":  {slices.Concat(bytes.Repeat(clear, 20), bytes.Repeat(packet, 5)), false},
		"too short": {packet, false},
		"nothing":   {nil, false},
	} {
		if scrambled(c.data) != c.want {
			t.Errorf("%s: %v", name, !c.want)
		}
	}
}
