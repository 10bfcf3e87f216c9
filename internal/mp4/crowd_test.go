package mp4_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"vodwright.dev/vodwright/internal/mp4"
)

// Files of millions of empty boxes, of one kind or of as many, take memory by their
// bytes, not many times as much.
func TestCrowdedMovieBoxes(t *testing.T) {
	wrap := func(kind string, body []byte) []byte {
		out := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
		return append(append(out, kind...), body...)
	}
	const n = 2_000_000
	var kinds []byte
	for i := range uint32(n) {
		kinds = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(kinds, 8), 0x61000000+i)
	}
	for name, body := range map[string][]byte{
		"tracks":        bytes.Repeat(wrap("trak", nil), n),
		"kinds":         kinds,
		"kinds of trak": wrap("trak", kinds),
		"kinds of stsd": wrap("trak", wrap("mdia", wrap("minf", wrap("stbl", wrap("stsd", append(make([]byte, 8), kinds...)))))),
	} {
		file := append(wrap("ftyp", []byte("isom\x00\x00\x00\x00")), wrap("moov", body)...)
		file = append(file, wrap("mdat", make([]byte, 8))...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := bytes.NewReader(file)
		mp4.ReadTables(r, int64(len(file)))
		mp4.Encrypted(r, int64(len(file)))
		mp4.Mend(r, int64(len(file)))
		runtime.ReadMemStats(&after)
		if grown := int(after.TotalAlloc - before.TotalAlloc); grown > 8*len(file) {
			t.Errorf("%s: %d MB for a file of %d MB", name, grown>>20, len(file)>>20)
		}
	}
}
