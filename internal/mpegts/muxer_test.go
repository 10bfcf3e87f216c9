package mpegts_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/mpegts"
)

// picture is a coded picture of NAL units with lengths of width bytes.
func picture(width int, nals ...[]byte) []byte {
	var out []byte
	for _, n := range nals {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(n)))
		out = append(append(out, length[4-width:]...), n...)
	}
	return out
}

func nal(kind byte, size int) []byte {
	b := bytes.Repeat([]byte{0x55}, size)
	b[0] = kind
	return b
}

var (
	sps = []byte{0x67, 77, 64, 30, 1}
	pps = []byte{0x68, 1, 2}
)

func unit(data []byte, at int64, key bool, width int) mpegts.Unit {
	return mpegts.Unit{
		PTS: at, DTS: at, Key: key, Data: bytes.NewReader(data), Size: len(data),
		Format: &mpegts.Format{NALLengthSize: width, Parameters: [][]byte{sps, pps}},
	}
}

func frame(size int, at int64) mpegts.Unit {
	data := bytes.Repeat([]byte{0xaa}, size)
	return mpegts.Unit{PTS: at, DTS: at, Data: bytes.NewReader(data), Size: size}
}

var both = mpegts.Config{
	ProgramNumber: 1, PMTPID: 480, VideoPID: 481, PTSOffset: 180000,
	Video: true, Audio: []mpegts.AudioStream{{PID: 482, Config: []byte{0x11, 0x90}}},
}

// demux returns the elementary streams and the number of packets with payload of each PID.
func demux(t *testing.T, ts []byte) (streams map[int][][]byte, packets map[int]int) {
	t.Helper()
	streams, packets = map[int][][]byte{}, map[int]int{}
	for at := 0; at < len(ts); at += 188 {
		p := ts[at : at+188]
		pid := int(p[1]&0x1f)<<8 | int(p[2])
		if p[3]&0x10 == 0 {
			continue
		}
		packets[pid]++
		start := 4
		if p[3]&0x20 != 0 {
			start = 5 + int(p[4])
		}
		if start >= 188 {
			t.Fatalf("a packet of PID %d has no payload", pid)
		}
		if p[1]&0x40 != 0 {
			streams[pid] = append(streams[pid], nil)
		}
		n := len(streams[pid]) - 1
		streams[pid][n] = append(streams[pid][n], p[start:]...)
	}
	return streams, packets
}

// TestPaddingOfEverySize asserts the invariant of the counters, and that nothing
// is lost, for units of every small size and number.
func TestPaddingOfEverySize(t *testing.T) {
	m, err := mpegts.NewMuxer(both)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1; size < 600; size += 1 + size/20 {
		for count := 1; count < 20; count += 3 {
			var seg mpegts.Segment
			var audio []mpegts.Unit
			for i := range count {
				kind := byte(1)
				if i == 0 {
					kind = 5
				}
				seg.Video = append(seg.Video, unit(picture(4, nal(kind, size)), int64(i)*3000, i == 0, 4))
				audio = append(audio, frame(size, int64(i)*1920))
			}
			seg.Audio = [][]mpegts.Unit{audio}
			var out bytes.Buffer
			if _, err := m.WriteSegment(&out, seg); err != nil {
				t.Fatal(err)
			}
			streams, packets := demux(t, out.Bytes())
			if packets[481]%16 != 0 || packets[482]%16 != 0 || packets[0] != 1 || packets[480] != 1 {
				t.Fatalf("%d units of %d bytes make %v packets", count, size, packets)
			}
			if len(streams[481]) != count {
				t.Fatalf("%d pictures of %d bytes make %d PES packets", count, size, len(streams[481]))
			}
			got := 0
			for _, pes := range streams[482] {
				if int(binary.BigEndian.Uint16(pes[4:])) != len(pes)-6 {
					t.Fatalf("a PES packet of %d bytes says %d", len(pes), binary.BigEndian.Uint16(pes[4:]))
				}
				for es := pes[14:]; len(es) > 0; {
					n := int(es[3]&3)<<11 | int(es[4])<<3 | int(es[5])>>5
					if es[0] != 0xff || n != 7+size || n > len(es) {
						t.Fatalf("an ADTS frame of %d bytes says %d", 7+size, n)
					}
					got++
					es = es[n:]
				}
			}
			if got != count {
				t.Fatalf("%d audio frames of %d bytes come out as %d", count, size, got)
			}
		}
	}
}

// TestAnnexB asserts what becomes of each kind of NAL unit, for every length size.
func TestAnnexB(t *testing.T) {
	m, err := mpegts.NewMuxer(both)
	if err != nil {
		t.Fatal(err)
	}
	other := []byte{0x68, 9, 9}
	for _, width := range []int{1, 2, 4} {
		seg := mpegts.Segment{Video: []mpegts.Unit{
			unit(picture(width, []byte{9, 0x10}, sps, pps, other, nal(6, 20), nal(0x65, 100)), 0, true, width),
			unit(picture(width, []byte{9, 0x30}, nal(0x41, 50), nal(0x41, 60)), 3000, false, width),
		}}
		var out bytes.Buffer
		if _, err := m.WriteSegment(&out, seg); err != nil {
			t.Fatal(err)
		}
		streams, _ := demux(t, out.Bytes())
		code := []byte{0, 0, 0, 1}
		want := [][]byte{
			append(code, bytes.Join([][]byte{{9, 0xf0}, sps, pps, other, nal(6, 20), nal(0x65, 100)}, code)...),
			append(code, bytes.Join([][]byte{{9, 0xf0}, nal(0x41, 50), nal(0x41, 60)}, code)...),
		}
		for i, pes := range streams[481] {
			header := 9 + int(pes[8])
			if !bytes.Equal(pes[header:], want[i]) {
				t.Errorf("length size %d, picture %d:\n%x, not\n%x", width, i, pes[header:], want[i])
			}
		}
	}
}

func TestWriteSegmentRefuses(t *testing.T) {
	m, err := mpegts.NewMuxer(both)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk full")
	good := mpegts.Segment{Video: []mpegts.Unit{unit(picture(4, nal(0x65, 100)), 0, true, 4)}}
	if _, err := m.WriteSegment(failingWriter{broken}, good); !errors.Is(err, broken) {
		t.Errorf("a writer's error becomes %v", err)
	}
	short := good.Video[0]
	short.Size++
	late := unit(picture(4, nal(0x41, 100)), 0, false, 4)
	long := unit([]byte{0, 0, 1, 0, 5}, 0, true, 4)
	for name, test := range map[string]struct {
		seg  mpegts.Segment
		want string
	}{
		"no IDR picture first": {mpegts.Segment{Video: []mpegts.Unit{late}}, "not IDR"},
		"NAL unit too long":    {mpegts.Segment{Video: []mpegts.Unit{long}}, "does not fit"},
		"unit cut":             {mpegts.Segment{Video: []mpegts.Unit{short}}, "unexpected EOF"},
		"AAC frame too long":   {mpegts.Segment{Audio: [][]mpegts.Unit{{frame(8200, 0)}}}, "too long for ADTS"},
	} {
		if _, err := m.WriteSegment(io.Discard, test.seg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestConfigNamesEveryFault(t *testing.T) {
	_, err := mpegts.NewMuxer(mpegts.Config{PMTPID: 8191, VideoPID: 3, Audio: []mpegts.AudioStream{{PID: 3, Config: []byte{0x11, 0x90}}}, Video: true, PTSOffset: -1, AudioFramesPerPES: -1})
	if fault.KindOf(err) != fault.Invalid {
		t.Fatalf("error is %v", err)
	}
	for _, want := range []string{"programNumber", "pmtPid", "videoPid", "audioPid", "must differ", "ptsOffset", "audioFramesPerPes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in: %v", want, err)
		}
	}
}

// TestAudioLanguage asserts what the PMT declares: a code that is one, and
// nothing for whatever else a source file says.
func TestAudioLanguage(t *testing.T) {
	for language, want := range map[string]string{"deu": "\x0a\x04deu\x00", "ENG": "\x0a\x04eng\x00", "de-CH": "\x0a\x04deu\x00", "": "", "xx": "", "German": "", "\xff\xff\xff": ""} {
		cfg := both
		cfg.Audio = []mpegts.AudioStream{{PID: 482, Config: []byte{0x11, 0x90}, Language: language}}
		m, err := mpegts.NewMuxer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := m.WriteSegment(&out, mpegts.Segment{Audio: [][]mpegts.Unit{{frame(100, 0)}}}); err != nil {
			t.Fatal(err)
		}
		pmt := out.Bytes()[188:376]
		if want != "" && !bytes.Contains(pmt, []byte(want)) || want == "" && bytes.Contains(pmt, []byte{0x0a, 0x04}) {
			t.Errorf("language %q: the PMT is %x", language, pmt)
		}
	}
}

// zeros is a file of any size.
type zeros struct{}

func (zeros) ReadAt(b []byte, _ int64) (int, error) {
	clear(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	b[4] = 0x65
	return len(b), nil
}

// BenchmarkWriteSegment packs 10 s of 8 Mbit/s video and 128 kbit/s audio.
func BenchmarkWriteSegment(b *testing.B) {
	m, err := mpegts.NewMuxer(both)
	if err != nil {
		b.Fatal(err)
	}
	var seg mpegts.Segment
	format := &mpegts.Format{NALLengthSize: 4, Parameters: [][]byte{sps, pps}}
	for i := range 300 {
		size := 30_000
		if i%60 == 0 {
			size = 200_000
		}
		seg.Video = append(seg.Video, mpegts.Unit{PTS: int64(i) * 3000, DTS: int64(i) * 3000, Key: i%60 == 0, Data: zeros{}, Size: size, Format: format})
	}
	seg.Audio = make([][]mpegts.Unit, 1)
	for i := range 468 {
		seg.Audio[0] = append(seg.Audio[0], mpegts.Unit{PTS: int64(i) * 1920, DTS: int64(i) * 1920, Data: zeros{}, Size: 340})
	}
	n, err := m.WriteSegment(io.Discard, seg)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(n)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.WriteSegment(io.Discard, seg); err != nil {
			b.Fatal(err)
		}
	}
}

// TestOffsets asserts that time stamps wrap at 33 bits as readers expect, and
// that a stream may start at any offset, 0 among them.
func TestOffsets(t *testing.T) {
	c := clip{rate: media.R(25, 1), frames: 100, starts: []int64{0, 50}, chunks: []int64{0}, x264: "bframes=3", audio: 48000}
	video, audio := c.encode(t)
	for name, offset := range map[string]int64{"none": 0, "an hour": 3600 * mpegts.Clock, "wraps in the middle": 1<<33 - 2*mpegts.Clock} {
		cfg := service
		cfg.PTSOffset = offset
		s, err := newStream(cfg, c.timeline(), video, audio)
		if err != nil {
			t.Fatal(err)
		}
		file := save(t, "all.ts", bytes.Join(pack(t, s), nil))
		out, errs := run(t, "ffprobe", "-v", "warning", "-count_frames", "-show_entries", "stream=codec_type,start_pts,nb_read_frames", "-of", "csv=p=0", file)
		if errs != "" || !strings.Contains(out, ",100") {
			t.Errorf("%s: ffprobe finds %s%s", name, out, errs)
		}
		if _, errs := run(t, "ffmpeg", "-v", "warning", "-i", file, "-f", "null", "-"); errs != "" {
			t.Errorf("%s: ffmpeg complains:\n%s", name, errs)
		}
	}
}

// TestOneStream asserts segments of video alone and of audio alone.
func TestOneStream(t *testing.T) {
	c := clip{rate: media.R(5, 1), frames: 20, starts: []int64{0, 10}, chunks: []int64{0}, x264: "bframes=3", audio: 48000}
	video, audio := c.encode(t)
	for name, test := range map[string]struct {
		video *mp4.Video
		audio *mp4.Audio
		want  string
	}{
		"video": {video, nil, "video,20"},
		"audio": {nil, audio, "audio,188"}, // 4 s at 48 kHz, in frames
	} {
		s, err := newStream(service, c.timeline(), test.video, test.audio)
		if err != nil {
			t.Fatal(err)
		}
		segments := pack(t, s)
		file := save(t, "all.ts", bytes.Join(segments, nil))
		out, errs := run(t, "ffprobe", "-v", "warning", "-count_frames", "-show_entries", "stream=codec_type,nb_read_frames", "-of", "csv=p=0", file)
		if lines := strings.Fields(out); errs != "" || len(lines) == 0 || lines[len(lines)-1] != test.want {
			t.Errorf("%s: ffprobe finds %q, not %q\n%s", name, out, test.want, errs)
		}
		checkPackets(t, segments, c, s)
	}
}

// TestSeveralAudioStreams asserts that each has its PID, its language, its type and
// its frames, with video and without.
func TestSeveralAudioStreams(t *testing.T) {
	c := clip{rate: media.R(25, 1), frames: 100, starts: []int64{0, 50}, chunks: []int64{0}, x264: "bframes=3", audio: 48000}
	video, audio := c.encode(t)
	cfg := service
	cfg.Audio = []mpegts.AudioStream{{PID: 500, Language: "eng"}, {PID: 490, Language: "deu", MPEG2: true}, {PID: 491, Language: "fra", Type: 3}}
	for name, v := range map[string]*mp4.Video{"with video": video, "alone": nil} {
		s, err := mpegts.NewStream(cfg, c.timeline(), v, audio, audio, audio)
		if err != nil {
			t.Fatal(err)
		}
		segments := pack(t, s)
		r := mpegts.NewReader()
		frames := map[int]int{}
		for _, data := range segments {
			contents, err := r.Segment(bytes.NewReader(data))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, s := range contents.Sound {
				frames[s.PID] += s.Frames
			}
		}
		if frames[500] != 188 || frames[490] != 188 || frames[491] != 188 {
			t.Errorf("%s: AAC frames of each PID: %v", name, frames)
		}
		file := save(t, "all.ts", bytes.Join(segments, nil))
		out, errs := run(t, "ffprobe", "-v", "warning", "-select_streams", "a", "-show_entries", "stream=id,channels:stream_tags=language:stream_disposition=visual_impaired,descriptions", "-of", "csv=p=0", file)
		if want := "2,0x1f4,0,0,eng\n2,0x1ea,0,0,deu\n2,0x1eb,1,1,fra\n"; errs != "" || !strings.HasSuffix(out, want) {
			t.Errorf("%s: ffprobe finds %q, not %q\n%s", name, out, want, errs)
		}
		if _, errs := run(t, "ffmpeg", "-v", "warning", "-i", file, "-map", "0:a", "-f", "null", "-"); errs != "" {
			t.Errorf("%s: ffmpeg complains:\n%s", name, errs)
		}
	}
}

// TestNewStreamRefuses asserts that tracks which do not fit the timeline are found before anything is written.
func TestNewStreamRefuses(t *testing.T) {
	c := clip{rate: media.R(25, 1), frames: 40, starts: []int64{0, 20}, chunks: []int64{0}, x264: "bframes=3"}
	video, _ := c.encode(t)
	for name, test := range map[string]struct {
		timeline mpegts.Timeline
		want     string
	}{
		"a frame too few":  {mpegts.Timeline{FrameRate: c.rate, Starts: c.starts, Frames: 41}, "has 40 frames, the timeline 41"},
		"no key picture":   {mpegts.Timeline{FrameRate: c.rate, Starts: []int64{0, 21}, Frames: 40}, "frame 21: no key picture"},
		"other frame rate": {mpegts.Timeline{FrameRate: media.R(24, 1), Starts: c.starts, Frames: 40}, "frames a second"},
		"not increasing":   {mpegts.Timeline{FrameRate: c.rate, Starts: []int64{0, 20, 20}, Frames: 40}, "not increasing"},
		"no segments":      {mpegts.Timeline{FrameRate: c.rate, Frames: 40}, "not increasing"},
	} {
		if _, err := newStream(service, test.timeline, video, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}
