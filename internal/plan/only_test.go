package plan_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/plan"
)

const twoRungs = `{"inputs": [{"fileInput": "s3://in/clip"}], "outputGroups": [{
	"outputGroupSettings": {"type": "HLS_GROUP_SETTINGS", "hlsGroupSettings": {"destination": "s3://out/", "segmentLength": 2}},
	"outputs": [
		{"nameModifier": "_a", "containerSettings": {"container": "M3U8"}, "videoDescription": {"width": 320, "height": 180,
			"codecSettings": {"codec": "H_264", "h264Settings": {"rateControlMode": "QVBR", "maxBitrate": 1000000}}}},
		{"nameModifier": "_b", "containerSettings": {"container": "M3U8"}, "videoDescription": {"width": 128, "height": 72,
			"codecSettings": {"codec": "H_264", "h264Settings": {"rateControlMode": "QVBR", "maxBitrate": 300000, "codecProfile": "HIGH"}}}}]}]}`

// TestARungAloneIsTheLaddersRung encodes chunks whole and each of their rungs alone: the
// same coded pictures come out, and a file that is cut off while it grows holds the
// first of them.
func TestARungAloneIsTheLaddersRung(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.mp4")
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=640x360:duration=11:rate=25", "-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-bf", "2", file)
	p := newPlan(t, twoRungs, file)
	ladder := p.Ladders[0]
	if first := ladder.Chunks[0]; first.To != 50 {
		t.Errorf("the first chunk ends at frame %d", first.To)
	}
	for c, chunk := range ladder.Chunks[:2] {
		if !chunk.Sure {
			t.Errorf("chunk %d is not sure", c)
		}
		whole := t.TempDir()
		runPlanned(t, chunk.Args, file, whole)
		for r, rung := range ladder.Rungs {
			alone := t.TempDir()
			runPlanned(t, plan.Growing(chunk.Args, rung.File), file, alone)
			a := pictures(t, filepath.Join(whole, rung.File), rung)
			b := pictures(t, filepath.Join(alone, rung.File), rung)
			if len(a) != len(b) || int64(len(a)) != chunk.To-chunk.From {
				t.Fatalf("chunk %d, rung %d: %d pictures alone, %d with the others", c, r, len(b), len(a))
			}
			for k := range a {
				if !bytes.Equal(a[k], b[k]) {
					t.Fatalf("chunk %d, rung %d: picture %d differs", c, r, k)
				}
			}
			if c == 0 {
				continue
			}
			data := read(t, filepath.Join(alone, rung.File))
			last := 0
			for n := 0; n <= len(data); n += max(len(data)/40, 1) {
				part, err := mp4.ReadGrowing(bytes.NewReader(data[:n]), int64(n))
				if err != nil {
					t.Fatalf("%d bytes of %d: %v", n, len(data), err)
				}
				if part == nil {
					continue
				}
				if len(part.Samples) < last || len(part.Samples) < len(a) && len(part.Samples)%50 != 0 {
					t.Errorf("%d bytes of %d hold %d pictures", n, len(data), len(part.Samples))
				}
				last = len(part.Samples)
			}
			if last == 0 {
				t.Error("nothing can be read before the end")
			}
		}
	}
}

// pictures reads the coded pictures of a file.
func pictures(t *testing.T, path string, rung plan.Rung) (out [][]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, _ := f.Stat()
	track, err := mp4.ReadTrack(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	if track.CodecString() != rung.Codec {
		t.Errorf("the codec is %s, planned was %s", track.CodecString(), rung.Codec)
	}
	for _, s := range track.Samples {
		b := make([]byte, s.Size)
		if _, err := f.ReadAt(b, s.Offset); err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}
