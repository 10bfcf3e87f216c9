package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/limit"
	"vodwright.dev/vodwright/internal/media"
)

func TestDescriptionIsBounded(t *testing.T) {
	got, err := parseDescription([]byte(`{"format":{"format_name":"mov,mp4","duration":"9223372036854775808.5"},"streams":[
		{"index":0,"codec_name":"h264","codec_type":"video","codec_tag_string":"[0][0][0][0]","width":320,"height":180,"time_base":"0/0",
		 "bit_rate":"-5","tags":{"language":"<script>"},"side_data_list":[{"rotation":-9223372036854775808}]},
		{"index":1,"codec_name":"aac","codec_type":"audio","sample_rate":"48000","channels":6,"tags":{"language":"en-US"}}]}`), limit.Default())
	if err != nil {
		t.Fatal(err)
	}
	v, a := got.Video[0], got.Audio[0]
	if got.Duration != 0 || v.Rotation != 0 || v.TimeBase.Known() || v.BitrateBPS != 0 || v.FourCC != "" || a.Language != "en-US" || a.Channels != 6 {
		t.Errorf("%+v", got)
	}
	if d := seconds("143165.640000"); d != 143165640*time.Millisecond {
		t.Errorf("duration %v", d)
	}
}

func TestMakeIncreasing(t *testing.T) {
	stream := media.VideoStream{AverageRate: media.R(25, 1), TimeBase: media.R(1, 1000)}
	for _, c := range []struct {
		in, want []int64
		leaps    []media.Leap
	}{
		{in: []int64{0, 40, 80}, want: []int64{0, 40, 80}},
		{in: []int64{noPTS, noPTS, noPTS}, want: []int64{0, 40, 80}},
		{in: []int64{noPTS, 200, 240}, want: []int64{160, 200, 240}},
		{in: []int64{10, noPTS, 90}, want: []int64{10, 50, 90}},
		{in: []int64{0, 40, 0, 40, 80}, want: []int64{0, 40, 80, 120, 160}, leaps: []media.Leap{{Frame: 2, Ticks: -80}}},
		{in: []int64{5, 5, 5}, want: []int64{5, 45, 85}, leaps: []media.Leap{{Frame: 1, Ticks: -40}, {Frame: 2, Ticks: -40}}},
		{in: []int64{0, 40, 40, 120, 160}, want: []int64{0, 40, 80, 120, 160}},            // one that stumbles has not leapt
		{in: []int64{0, 40, 120, 160, 160, 200}, want: []int64{0, 40, 80, 120, 160, 200}}, // guessed too late
		{in: []int64{0, 80, 120, 200, 160, 200}, want: []int64{0, 40, 80, 120, 160, 200}}, // twice
		{in: []int64{0, 40, 20_000, 20_040}, want: []int64{0, 40, 80, 120}, leaps: []media.Leap{{Frame: 2, Ticks: 19_920}}},
		{in: []int64{0, 40, 9_000, 9_040}, want: []int64{0, 40, 9_000, 9_040}},
	} {
		got := slices.Clone(c.in)
		if leaps := makeIncreasing(got, stream, true); !slices.Equal(got, c.want) || !slices.Equal(leaps, c.leaps) {
			t.Errorf("%v: %v and %v, want %v and %v", c.in, got, leaps, c.want, c.leaps)
		}
	}
}

func TestMirroring(t *testing.T) {
	matrix := func(a, b, c, d int) string {
		return fmt.Sprintf("\n00000000: %11d %11d           0\n00000001: %11d %11d           0\n00000002:           0           0  1073741824\n", a<<16, b<<16, c<<16, d<<16)
	}
	for _, c := range []struct {
		matrix string
		mirror bool
		turn   int
	}{
		{matrix(1, 0, 0, 1), false, 0},
		{matrix(0, 1, -1, 0), false, 0}, // turned alone: ffprobe tells how far
		{matrix(-1, 0, 0, 1), true, 0},
		{matrix(1, 0, 0, -1), true, 180},
		{matrix(0, 1, 1, 0), true, 270},
		{matrix(0, -1, -1, 0), true, 90},
		{matrix(0, 0, 0, 0), false, 0},
		{"", false, 0},
		{"\n00000000: x y z\n00000001: 0 0 0", false, 0},
	} {
		a, b, mirror := mirroring(c.matrix)
		if mirror != c.mirror || mirror && quarter(math.Atan2(-b, -a)*180/math.Pi) != c.turn {
			t.Errorf("%s: %v, %v, %v", c.matrix, a, b, mirror)
		}
	}
}

// ivf makes an IVF file of frames.
func ivf(frames ...[]byte) []byte {
	out := make([]byte, 32)
	for i, f := range frames {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(f)))
		out = binary.LittleEndian.AppendUint64(out, uint64(i))
		out = append(out, f...)
	}
	return out
}

func TestIVFReaderInAnyPieces(t *testing.T) {
	file := ivf([]byte{0x10, 1, 2, 3}, []byte{0x00}, nil, []byte{0x11, 9})
	for size := 1; size <= len(file); size++ {
		var r ivfReader
		for piece := range slices.Chunk(file, size) {
			if _, err := r.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if want := []bool{true, false, true, true}; !slices.Equal(r.shown, want) {
			t.Errorf("in pieces of %d: %v, want %v", size, r.shown, want)
		}
	}
}

func FuzzIVFReader(f *testing.F) {
	f.Add(ivf([]byte{0x10, 1, 2, 3}, nil, []byte{0}), 7)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		var whole, pieces ivfReader
		_, _ = whole.Write(data)
		for piece := range slices.Chunk(data, 1+(size&0xff)) {
			_, _ = pieces.Write(piece)
		}
		if !slices.Equal(whole.shown, pieces.shown) {
			t.Errorf("%v whole, %v in pieces", whole.shown, pieces.shown)
		}
	})
}

func FuzzPackets(f *testing.F) {
	f.Add([]byte("pts=133200|dts=126000|duration=3600|flags=K_|\n\npts=N/A|dts=N/A|duration=N/A|flags=_D\nformat_name=mpegts\n"))
	f.Add([]byte("pts=9223372036854775807|dts=-9223372036854775808|flags=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list := &packets{maxPTS: noPTS, lastDTS: noPTS, field: 100}
		w := &lineWriter{line: list.add}
		if _, err := w.Write(data); err != nil {
			return
		}
		list.pairFields()
		pts := list.shown(len(list.pts))
		if !slices.IsSorted(pts) || len(list.pts) > bytes.Count(data, []byte("\n")) {
			t.Errorf("%d packets: %v", len(list.pts), pts)
		}
		for _, i := range positions(list.keys(), pts) {
			if i < 0 || i >= len(pts) {
				t.Errorf("key %d of %d", i, len(pts))
			}
		}
	})
}

func FuzzDescription(f *testing.F) {
	f.Add([]byte(`{"streams":[{"codec_type":"video","codec_name":"h264","width":1,"height":1,"field_order":"tt"}],"packets":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseDescription(data, limit.Default())
		if err == nil && len(s.Video)+len(s.Audio) == 0 {
			t.Errorf("%+v without a stream", s)
		}
		for _, v := range s.Video {
			if v.Rotation%90 != 0 || v.Rotation < 0 || v.Rotation >= 360 || int64(v.Width)*int64(v.Height) > media.MaxPixels {
				t.Errorf("%+v", v)
			}
		}
	})
}

func TestDolbyVision(t *testing.T) {
	for _, c := range []struct {
		side     string
		only     bool
		rotation int
	}{
		{`{"rotation":-90},{"dv_profile":8,"dv_bl_signal_compatibility_id":4}`, false, 90},
		{`{"dv_profile":5,"dv_bl_signal_compatibility_id":0}`, true, 0},
		{`{"dv_profile":8,"dv_bl_signal_compatibility_id":1},{"rotation":180}`, false, 180},
	} {
		got, err := parseDescription([]byte(`{"format":{"format_name":"mov,mp4"},"streams":[{"index":0,"codec_name":"hevc","codec_type":"video","width":320,"height":180,"side_data_list":[`+c.side+`]}]}`), limit.Default())
		if err != nil {
			t.Fatal(err)
		}
		if v := got.Video[0]; v.DolbyOnly != c.only || v.Rotation != c.rotation {
			t.Errorf("%s: %+v", c.side, v)
		}
	}
}
