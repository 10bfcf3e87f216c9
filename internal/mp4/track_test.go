package mp4_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/mp4"
)

// layouts are the ways in which the encoder may write its file.
var layouts = map[string]string{
	"plain":             "",
	"movie box first":   "+faststart",
	"fragments":         "frag_keyframe+empty_moov+default_base_moof",
	"fragments, offset": "frag_keyframe+empty_moov",
	"hybrid fragments":  "frag_keyframe",
	"delayed movie box": "frag_keyframe+delay_moov+default_base_moof",
	"negative offsets":  "frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets",
	"every frame":       "frag_every_frame+empty_moov+default_base_moof",
}

// TestReadTrack asserts that every layout gives what ffprobe sees in the file.
func TestReadTrack(t *testing.T) {
	for name, movflags := range layouts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := encodeVideo(t, "30000/1001", 0, 70, "bframes=3", movflags, "-profile:v", "main")
			track := open(t, file)
			if track.Kind != mp4.Video264 || track.Width != 320 || track.Height != 180 || track.NALLengthSize != 4 {
				t.Errorf("track is %+v", track)
			}
			if got := track.CodecString(); !strings.HasPrefix(got, "avc1.4d40") || len(got) != len("avc1.4d4015") {
				t.Errorf("codec string is %q", got)
			}
			out, _ := run(t, "ffprobe", "-v", "error", "-ignore_editlist", "1", "-show_entries", "packet=pts,dts,size,pos,flags", "-of", "csv=p=0", file)
			lines := strings.Fields(out)
			if len(lines) != 70 || len(track.Samples) != 70 {
				t.Fatalf("ffprobe sees %d samples, ReadTrack %d, not 70", len(lines), len(track.Samples))
			}
			// ffprobe shifts times so that decoding starts where the reader does; compare distances.
			var pts0, dts0 int64
			for i, line := range lines {
				var pts, dts, size, pos int64
				var flags string
				if _, err := fmt.Sscanf(line, "%d,%d,%d,%d,%s", &pts, &dts, &size, &pos, &flags); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				s := track.Samples[i]
				if i == 0 {
					pts0, dts0 = pts-s.PTS, dts-s.DTS
				}
				if s.Offset != pos || int64(s.Size) != size || s.Key != strings.HasPrefix(flags, "K") ||
					s.PTS+pts0 != pts || s.DTS+dts0 != dts {
					t.Fatalf("sample %d is %+v, ffprobe says %s", i, s, line)
				}
			}
		})
	}
}

func TestReadAudioTrack(t *testing.T) {
	for _, movflags := range []string{"", "empty_moov+default_base_moof+frag_keyframe+delay_moov"} {
		track := open(t, encodeAudio(t, 48000, 50_000, movflags))
		if track.Kind != mp4.AudioAAC || track.SampleRate != 48000 || track.Channels != 2 || track.CodecString() != "mp4a.40.2" {
			t.Errorf("%q: track is %+v", movflags, track)
		}
		if want := (50_000 + 1024 + 1023) / 1024; len(track.Samples) != want {
			t.Errorf("%q: %d frames, not %d", movflags, len(track.Samples), want)
		}
		if track.MediaStart != 1024 {
			t.Errorf("%q: the edit list enters at %d", movflags, track.MediaStart)
		}
		if _, err := mp4.NewAudio(track, 1024, 50_000); err != nil {
			t.Error(err)
		}
		if _, err := mp4.NewAudio(track, 1024, 55_000); err == nil {
			t.Error("audio of 55,000 samples is found in an encode of 50,000")
		}
	}
}

// TestReadTrackRefuses asserts a clear refusal, by kind, of files that cannot be served.
func TestReadTrackRefuses(t *testing.T) {
	valid, err := os.ReadFile(encodeVideo(t, "25", 0, 10, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(box string, at int, v uint32) []byte {
		b := bytes.Clone(valid)
		i := bytes.Index(b, []byte(box))
		binary.BigEndian.PutUint32(b[i+at:], v)
		return b
	}
	tests := map[string]struct {
		file []byte
		want string
	}{
		"empty":                   {nil, "no moov box"},
		"text":                    {[]byte("#EXTM3U\n#EXT-X-VERSION:3\n"), "claims"},
		"truncated":               {valid[:len(valid)-100], "claims"},
		"no movie box":            {valid[:bytes.Index(valid, []byte("moov"))-4], "no moov box"},
		"huge sample count":       {edit("stsz", 12, 0xffffffff), "stsz claims 4294967295 entries"},
		"huge uniform samples":    {edit("stsz", 8, 0x7fffffff), "outside the file"},
		"huge duration runs":      {edit("stts", 8, 0xffffffff), "stts claims"},
		"chunk outside the file":  {edit("stco", 12, 0xfffffff0), "outside the file"},
		"no time scale":           {edit("mdhd", 16, 0), "no time scale"},
		"other codec":             {edit("stsd", 16, 0x68766331), `codec "hvc1"`},
		"no samples in a chunk":   {edit("stsc", 16, 0), "no samples"},
		"second sample entry":     {edit("stsc", 20, 2), "more than one sample entry"},
		"parameter sets cut":      {edit("avcC", 8, 0xffe1ffff), "avcC ends too early"},
		"box larger than its own": {edit("stbl", -4, 0x7fffffff), `box "stbl" claims`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := mp4.ReadTrack(bytes.NewReader(test.file), int64(len(test.file)))
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, not an invalid file with %q", err, test.want)
			}
		})
	}
	broken := errors.New("disk gone")
	if _, err := mp4.ReadTrack(failingReader{broken}, 1000); !errors.Is(err, broken) {
		t.Errorf("a reader's error becomes %v", err)
	}
}

type failingReader struct{ err error }

func (r failingReader) ReadAt([]byte, int64) (int, error) { return 0, r.err }

// FuzzReadTrack asserts that no file brings the reader down, and that what it
// accepts keeps its promises.
// FuzzReadCoded: whatever a file is, what is read of its pictures lies inside of it.
func FuzzReadCoded(f *testing.F) {
	b, err := os.ReadFile(encodeVideo(f, "25", 0, 3, "bframes=1", "", "-s", "16x16"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, file []byte) {
		track, err := mp4.ReadCoded(bytes.NewReader(file), int64(len(file)), 0, 0, 1<<40)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("unclassified error: %v", err)
			}
			return
		}
		for _, s := range track.Samples {
			if s.Size <= 0 || s.Offset < 0 || s.Offset+int64(s.Size) > int64(len(file)) {
				t.Fatalf("a picture at %d of %d bytes in a file of %d", s.Offset, s.Size, len(file))
			}
		}
	})
}

func FuzzReadTrack(f *testing.F) {
	for _, movflags := range []string{"", "frag_keyframe+empty_moov+default_base_moof", "frag_keyframe"} {
		b, err := os.ReadFile(encodeVideo(f, "25", 0, 3, "bframes=1", movflags, "-s", "16x16"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	b, err := os.ReadFile(encodeAudio(f, 48000, 3000, ""))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, file []byte) {
		track, err := mp4.ReadTrack(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			if fault.KindOf(err) != fault.Invalid && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("unclassified error: %v", err)
			}
			return
		}
		_ = track.CodecString()
		if len(track.Samples) > len(file) {
			t.Fatalf("%d samples in %d bytes", len(track.Samples), len(file))
		}
		for i, s := range track.Samples {
			if s.Size < 1 || s.Offset < 0 || s.Offset+int64(s.Size) > int64(len(file)) {
				t.Fatalf("sample %d is %+v in %d bytes", i, s, len(file))
			}
		}
	})
}
