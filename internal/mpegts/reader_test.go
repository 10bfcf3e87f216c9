package mpegts_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mpegts"
)

// packed is three segments of a clip with B-frames and sound.
func packed(t testing.TB) ([][]byte, clip) {
	c := clip{rate: media.R(30000, 1001), frames: 75, starts: []int64{0, 30, 50}, chunks: []int64{0, 50}, x264: "bframes=3", audio: 48000}
	video, audio := c.encode(t)
	s, err := newStream(service, c.timeline(), video, audio)
	if err != nil {
		t.Fatal(err)
	}
	return pack(t, s), c
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	segments, c := packed(t)
	r := mpegts.NewReader()
	var shown []int64
	sound, next := 0, int64(-1)
	for i, s := range segments {
		got, err := r.Segment(bytes.NewReader(s))
		if err != nil {
			t.Fatalf("segment %d: %v", i, err)
		}
		want := c.frames
		if i+1 < len(c.starts) {
			want = c.starts[i+1]
		}
		if n := int64(len(got.Pictures)); n != want-c.starts[i] || got.Bytes != int64(len(s)) {
			t.Errorf("segment %d: %d pictures, %d bytes", i, n, got.Bytes)
		}
		for j, p := range got.Pictures {
			shown = append(shown, p.PTS)
			if p.IDR != (j == 0) || p.IDR && !p.Parameters || p.Bytes < 10 {
				t.Errorf("segment %d, picture %d: %+v", i, j, p)
			}
		}
		for _, a := range got.Sound {
			if a.SampleRate != 48000 || a.Channels != 2 || next >= 0 && a.PTS != next {
				t.Errorf("segment %d: %+v, want it at %d", i, a, next)
			}
			next = a.PTS + int64(a.Frames)*1024*mpegts.Clock/48000
			sound += a.Frames
		}
	}
	slices.Sort(shown)
	for k, pts := range shown {
		if want := service.PTSOffset + media.Rescale(int64(k), c.rate.Inverse(), media.R(1, mpegts.Clock)); pts != want {
			t.Errorf("frame %d is shown at %d, want %d", k, pts, want)
		}
	}
	if want := 118; sound < want-1 || sound > want { // 2.5 s
		t.Errorf("%d AAC frames", sound)
	}
}

func TestTimesGoOnWhereTheyWrap(t *testing.T) {
	c := clip{rate: media.R(25, 1), frames: 50, starts: []int64{0, 25}, chunks: []int64{0}, x264: "bframes=0", audio: 44100}
	video, audio := c.encode(t)
	config := service
	config.PTSOffset = 1<<33 - mpegts.Clock/2
	s, err := newStream(config, c.timeline(), video, audio)
	if err != nil {
		t.Fatal(err)
	}
	r := mpegts.NewReader()
	for i, data := range pack(t, s) {
		got, err := r.Segment(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if want := config.PTSOffset + int64(i)*mpegts.Clock; got.Pictures[0].PTS != want {
			t.Errorf("segment %d begins at %d, want %d", i, got.Pictures[0].PTS, want)
		}
	}
}

func TestDamageIsFound(t *testing.T) {
	segments, _ := packed(t)
	first := segments[0]
	edit := func(fn func(b []byte) []byte) []byte { return fn(bytes.Clone(first)) }
	pid := func(b []byte, at int) int { return int(b[at+1]&0x1f)<<8 | int(b[at+2]) }
	// packetOf returns where the nth packet of a PID is.
	packetOf := func(id, n int) int {
		for at := 0; at < len(first); at += 188 {
			if pid(first, at) == id {
				if n--; n < 0 {
					return at
				}
			}
		}
		t.Fatalf("no packet %d of PID %d", n, id)
		return 0
	}
	for name, tt := range map[string]struct {
		data []byte
		says string
	}{
		"empty":              {nil, "empty"},
		"cut short":          {edit(func(b []byte) []byte { return b[:len(b)-100] }), "into a packet"},
		"a packet lost":      {edit(func(b []byte) []byte { at := packetOf(481, 3); return slices.Delete(b, at, at+188) }), "packets are missing"},
		"no sync":            {edit(func(b []byte) []byte { b[188*5] = 0; return b }), "no packet begins"},
		"a wrong table":      {edit(func(b []byte) []byte { b[188+15] ^= 1; return b }), "checksum"},
		"no tables":          {edit(func(b []byte) []byte { return b[188*2:] }), "begins with PAT"},
		"a stranger":         {edit(func(b []byte) []byte { at := packetOf(482, 0); b[at+2]++; return b }), "not in the program"},
		"no first picture":   {edit(func(b []byte) []byte { at := packetOf(481, 0); b[at+1] &^= 0x40; return b }), "another segment"},
		"marked as an error": {edit(func(b []byte) []byte { b[188*7+1] |= 0x80; return b }), "damaged"},
	} {
		_, err := mpegts.NewReader().Segment(bytes.NewReader(tt.data))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %q", name, err, tt.says)
		}
	}

	r := mpegts.NewReader()
	if _, err := r.Segment(bytes.NewReader(segments[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Segment(bytes.NewReader(segments[0])); err == nil {
		t.Error("a segment twice is not found")
	}
	r = mpegts.NewReader()
	if _, err := r.Segment(bytes.NewReader(segments[0])); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Segment(bytes.NewReader(segments[2])); err == nil && got.Pictures[0].PTS == service.PTSOffset {
		t.Error("a segment left out looks like the next")
	}
}

// FuzzReader holds that no bytes crash the reader.
func FuzzReader(f *testing.F) {
	segments, _ := packed(f)
	for _, s := range segments {
		f.Add(s[:188*20])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := mpegts.NewReader()
		for range 2 {
			if _, err := r.Segment(bytes.NewReader(data)); err != nil && !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
		}
	})
}
