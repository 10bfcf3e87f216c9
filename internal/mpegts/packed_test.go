package mpegts_test

import (
	"bytes"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mpegts"
)

// TestPackedAudio asserts that segments of sound alone begin with their time, hold
// the frames of the transport stream's, and decode in a row.
func TestPackedAudio(t *testing.T) {
	c := clip{rate: media.R(25, 1), frames: 100, starts: []int64{0, 33, 71}, chunks: []int64{0}, x264: "bframes=0", audio: 44100}
	_, audio := c.encode(t)
	cfg := service
	s, err := mpegts.NewStream(cfg, c.timeline(), nil, audio)
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	frames := 0
	for i := range s.Segments() {
		var out bytes.Buffer
		n, err := s.WritePackedSegment(&out, i)
		if err != nil || n != int64(out.Len()) {
			t.Fatalf("segment %d: %d bytes of %d, %v", i, n, out.Len(), err)
		}
		got, err := mpegts.ReadPacked(bytes.NewReader(out.Bytes()), true)
		if err != nil {
			t.Fatal(err)
		}
		units := s.Segment(i).Audio[0]
		if sound := got.Sound[0]; sound.PTS != units[0].PTS+cfg.PTSOffset || sound.Frames != len(units) || sound.SampleRate != 44100 || sound.Channels != 2 {
			t.Errorf("segment %d reads back as %+v, has %d frames from %d on", i, sound, len(units), units[0].PTS)
		}
		frames += len(units)
		for _, cut := range []int{5, 100, out.Len() - 1} {
			if _, err := mpegts.ReadPacked(bytes.NewReader(out.Bytes()[:cut]), true); err == nil {
				t.Errorf("segment %d cut to %d bytes is taken", i, cut)
			}
		}
		all.Write(out.Bytes())
	}
	if got, err := mpegts.ReadPacked(bytes.NewReader(all.Bytes()), true); err != nil || got.Sound[0].Frames != frames {
		t.Errorf("segments in one file read back as %+v, %v", got, err)
	}
	file := save(t, "all.aac", all.Bytes())
	out, errs := run(t, "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets,sample_rate", "-of", "csv=p=0", file)
	if want := "44100,"; errs != "" || !strings.HasPrefix(out, want) || frames < 172 || frames > 174 {
		t.Errorf("ffprobe finds %q in %d frames\n%s", out, frames, errs)
	}
	if _, errs := run(t, "ffmpeg", "-v", "error", "-xerror", "-err_detect", "explode", "-i", file, "-f", "null", "-"); errs != "" {
		t.Errorf("ffmpeg complains:\n%s", errs)
	}
	var raw bytes.Buffer
	if _, err := mpegts.WriteADTS(&raw, audio, true); err != nil {
		t.Fatal(err)
	}
	got, err := mpegts.ReadPacked(bytes.NewReader(raw.Bytes()), false)
	if err != nil || got.Sound[0].Frames != frames || raw.Bytes()[1] != 0xf9 {
		t.Errorf("a raw file of MPEG-2 AAC reads back as %+v, begins with %x, %v", got, raw.Bytes()[:4], err)
	}
}
