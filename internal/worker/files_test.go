package worker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// packFile runs a job of one file over a clip of 150 frames, and returns it.
func packFile(t *testing.T, source, container, name string) string {
	t.Helper()
	request := fmt.Sprintf(`{"settings":{"inputs":[{"fileInput":"s3://in/clip.mp4"}],"outputGroups":[
	 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/b"}},
	 "outputs":[{"containerSettings":{%s},
	  "videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000}}},
	  "audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":64000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]}]}]}}`, container)
	f := &folder{source: source, root: t.TempDir(), owner: map[string]string{}}
	w := newWorker(t, f)
	if _, _, err := w.Local(t.Context(), "job", time.Now(), []byte(request), func(string, int) {}); err != nil {
		t.Fatal(err)
	}
	if left := files(t, w.cfg.Dir); len(left) > 0 {
		t.Errorf("left in the work folder: %v", left)
	}
	return filepath.Join(f.root, name)
}

// boxes lists the first-level boxes of a file.
func boxes(data string) []string {
	var out []string
	for at := 0; at+8 <= len(data); {
		size := int(binary.BigEndian.Uint32([]byte(data[at:])))
		out = append(out, data[at+4:at+8])
		at += max(size, 8)
	}
	return out
}

func TestMP4Settings(t *testing.T) {
	t.Parallel()
	source := makeClip(t)
	for _, tt := range []struct {
		settings, brand string
		boxes           []string
		cslg            bool
	}{
		{`{}`, "mp42", []string{"ftyp", "moov", "mdat"}, true},
		{`{"moovPlacement":"NORMAL","mp4MajorBrand":"isom"}`, "isom", []string{"ftyp", "mdat", "moov"}, true},
		{`{"freeSpaceBox":"INCLUDE","cslgAtom":"EXCLUDE"}`, "mp42", []string{"ftyp", "moov", "free", "mdat"}, false},
		{`{"freeSpaceBox":"INCLUDE","moovPlacement":"NORMAL"}`, "mp42", []string{"ftyp", "mdat", "moov", "free"}, true},
	} {
		file := packFile(t, source, `"container":"MP4","mp4Settings":`+tt.settings, "b.mp4")
		data := read(t, file)
		if got := boxes(data); !slices.Equal(got, tt.boxes) || data[8:12] != tt.brand {
			t.Errorf("%s: brand %s, boxes %v", tt.settings, data[8:12], got)
		}
		if strings.Contains(data, "cslg") != tt.cslg {
			t.Errorf("%s: cslg %v", tt.settings, !tt.cslg)
		}
		if n := frames(t, file); n != 150 {
			t.Errorf("%s: %d frames", tt.settings, n)
		}
		if video, audio := starts(t, file); math.Abs(video) > 0.001 || audio > 0.001 || audio < -0.03 { // the encoder's priming comes before
			t.Errorf("%s: video begins at %v, sound at %v", tt.settings, video, audio)
		}
	}
}

func TestTransportStreamFile(t *testing.T) {
	t.Parallel()
	source := makeClip(t)
	file := packFile(t, source, `"container":"M2TS","m2tsSettings":{"programNumber":7,"videoPid":256,"audioPids":[257],"pmtPid":300,"transportStreamId":9,"ptsOffset":5,"ptsOffsetMode":"SECONDS","patInterval":200}`, "b.m2ts")
	data := []byte(read(t, file))
	count := map[int]int{}
	for at := 0; at < len(data); at += 188 {
		count[int(data[at+1]&0x1f)<<8|int(data[at+2])]++
	}
	// Tables at the start of each piece that was encoded, and by the clock.
	if count[0] < 30 || count[0] > 34 || count[300] < 60 || count[300] > 64 || count[256] == 0 || count[257] == 0 {
		t.Errorf("packets by PID: %v", count)
	}
	if !bytes.Equal(data[8:10], []byte{0, 9}) {
		t.Errorf("transport stream id % x", data[8:10])
	}
	if n := frames(t, file); n != 150 {
		t.Errorf("%d frames", n)
	}
	if video, audio := starts(t, file); math.Abs(video-5) > 0.001 || math.Abs(audio-5) > 0.001 {
		t.Errorf("video begins at %v, sound at %v", video, audio)
	}
}

// TestSampleRates: frames of every rate last 1,024 samples, each.
func TestSampleRates(t *testing.T) {
	t.Parallel()
	source := makeClip(t)
	var outputs []string
	for _, hz := range []int{8000, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000} {
		outputs = append(outputs, fmt.Sprintf(`{"nameModifier":"_%d","containerSettings":{"container":"MP4"},
		 "audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":%d,"codingMode":"CODING_MODE_1_0","sampleRate":%d}}}]}`, hz, min(2*hz, 128000), hz))
	}
	request := fmt.Sprintf(`{"settings":{"inputs":[{"fileInput":"s3://in/clip.mp4"}],"outputGroups":[
	 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/b"}},"outputs":[%s]}]}}`, strings.Join(outputs, ","))
	f := &folder{source: source, root: t.TempDir(), owner: map[string]string{}}
	if _, _, err := newWorker(t, f).Local(t.Context(), "job", time.Now(), []byte(request), func(string, int) {}); err != nil {
		t.Fatal(err)
	}
	if n := len(files(t, f.root)); n != len(outputs) {
		t.Errorf("%d files", n)
	}
}
