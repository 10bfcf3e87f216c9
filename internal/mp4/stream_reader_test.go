package mp4_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
)

// progressive is a movie of 50 frames and two seconds of sound, as published.
func progressive(t testing.TB) []byte {
	video, err := mp4.NewVideo(media.R(25, 1), open(t, encodeVideo(t, "25", 0, 50, "bframes=2", "")))
	if err != nil {
		t.Fatal(err)
	}
	audio, err := mp4.NewAudio(open(t, encodeAudio(t, 48000, 96000, "")), 1024, 96000)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := mp4.WriteProgressive(&out, mp4.Movie{Video: video, Audio: []mp4.MovieAudio{{Audio: audio}}, CompositionShift: true}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestMovieReadsBack(t *testing.T) {
	data := progressive(t)
	var s mp4.StreamReader
	n, err := s.Read(bytes.NewReader(data))
	if err != nil || n != int64(len(data)) {
		t.Fatalf("%d bytes of %d, %v", n, len(data), err)
	}
	if at := slices.Index(s.Boxes, "moov"); s.Boxes[0] != "ftyp" || at < 0 || at > slices.Index(s.Boxes, "mdat") {
		t.Errorf("boxes %v", s.Boxes)
	}
	tracks := s.Tracks()
	if len(tracks) != 2 || tracks[0].Kind != mp4.Video264 || len(tracks[0].Samples) != 50 || tracks[1].Kind != mp4.AudioAAC || len(tracks[1].Samples) != 95 {
		t.Fatalf("%d tracks", len(tracks))
	}
	if tracks[1].MediaStart != 1024 || tracks[0].Width != 320 {
		t.Errorf("the sound begins at %d, the picture is %d wide", tracks[1].MediaStart, tracks[0].Width)
	}
}

func TestFragmentsReadBack(t *testing.T) {
	file, err := os.ReadFile(encodeVideo(t, "25", 0, 75, "bframes=2:keyint=25", "frag_keyframe+empty_moov+default_base_moof+dash"))
	if err != nil {
		t.Fatal(err)
	}
	// The file falls into an init segment and segments that begin with a moof (or its sidx).
	var parts [][]byte
	from, begun := 0, false
	for at := 0; at < len(file); at += int(binary.BigEndian.Uint32(file[at:])) {
		switch kind := string(file[at+4 : at+8]); {
		case kind == "sidx" || kind == "moof" && !begun, kind == "mfra":
			parts = append(parts, file[from:at])
			from, begun = at, kind == "sidx"
		case kind == "mdat":
			begun = false
		}
	}
	var s mp4.StreamReader
	samples := []int{}
	for i, part := range parts {
		if _, err := s.Read(bytes.NewReader(part)); err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		samples = append(samples, len(s.Tracks()[0].Samples))
	}
	if len(samples) < 4 || samples[0] != 0 || samples[len(samples)-1] != 75 {
		t.Errorf("samples after each part: %v", samples)
	}
	for _, sample := range s.Tracks()[0].Samples {
		if at := bytes.Join(parts, nil)[sample.Offset:]; binary.BigEndian.Uint32(at) > uint32(sample.Size) {
			t.Fatalf("no picture begins at %d", sample.Offset)
		}
	}
	if _, err := s.Read(bytes.NewReader(parts[1][:len(parts[1])-1])); !fault.Is(err, fault.Invalid) {
		t.Errorf("a segment cut short: %v", err)
	}
}

func TestBrokenMoviesAreTold(t *testing.T) {
	data := progressive(t)
	mdat := bytes.Index(data, []byte("mdat")) - 4
	for name, tt := range map[string]struct {
		data []byte
		says string
	}{
		"empty":           {nil, "empty"},
		"no IDR picture":  {notIDR(data), "not an IDR picture"},
		"cut in a header": {data[:mdat+5], "into a box header"},
		"cut in media":    {data[:len(data)-1], `into box "mdat"`},
		"media missing":   {data[:mdat], "outside of the media"},
		"moov twice":      {slices.Concat(data[:mdat], data[bytes.Index(data, []byte("moov"))-4:mdat], data[mdat:]), "two moov"},
	} {
		var s mp4.StreamReader
		if _, err := s.Read(bytes.NewReader(tt.data)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %q", name, err, tt.says)
		}
	}
}

// notIDR returns the file with its first picture made one that is none.
func notIDR(data []byte) []byte {
	var s mp4.StreamReader
	if _, err := s.Read(bytes.NewReader(data)); err != nil {
		panic(err)
	}
	out := bytes.Clone(data)
	for at := s.Tracks()[0].Samples[0].Offset; ; at += 4 + int64(binary.BigEndian.Uint32(out[at:])) {
		if out[at+4]&0x1f == 5 {
			out[at+4] = out[at+4]&0xe0 | 1
			return out
		}
	}
}

// FuzzStreamReader holds that no bytes crash the reader.
func FuzzStreamReader(f *testing.F) {
	data := progressive(f)
	f.Add(data[:bytes.Index(data, []byte("mdat"))+100])
	f.Fuzz(func(t *testing.T, data []byte) {
		var s mp4.StreamReader
		for range 2 {
			if _, err := s.Read(bytes.NewReader(data)); err != nil && !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
		}
	})
}
