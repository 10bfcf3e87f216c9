package probe

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"vodwright.dev/vodwright/internal/ffmpeg"
)

// TestTablesTellWhatDemuxingDoes holds what is read from the tables of MP4 files
// against what ffprobe tells of their packets, for files whose tables are used and
// files whose tables are not.
func TestTablesTellWhatDemuxingDoes(t *testing.T) {
	runner, err := ffmpeg.New(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p := New(runner)
	dir := t.TempDir()
	picture := []string{"-f", "lavfi", "-i", "testsrc2=size=64x36:duration=3:rate=25"}
	sound := []string{"-f", "lavfi", "-i", "sine=duration=3:sample_rate=44100"}
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "20"}
	for _, c := range []struct {
		name  string
		args  []string
		used  bool
		ticks int64 // of a frame of sound
	}{
		{"a.mp4", slices.Concat(picture, sound, x264, []string{"-bf", "2", "-c:a", "aac"}), true, 1024},
		{"front.mp4", slices.Concat(picture, sound, x264, []string{"-movflags", "+faststart", "-c:a", "aac"}), true, 1024},
		{"pcm.mov", slices.Concat(picture, sound, x264, []string{"-bf", "3", "-c:a", "pcm_s16le"}), true, 1},
		{"vfr.mp4", slices.Concat(picture, x264, []string{"-vf", "select=not(eq(mod(n\\,7)\\,3))", "-vsync", "vfr"}), true, 0},
		{"vfr-b.mp4", slices.Concat(picture, x264, []string{"-vf", "select=not(eq(mod(n\\,7)\\,3))", "-vsync", "vfr", "-bf", "2"}), true, 0},
		{"hevc.mp4", slices.Concat(picture, []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"}), true, 0},
		{"mpeg4.mp4", slices.Concat(picture, []string{"-c:v", "mpeg4", "-bf", "2"}), true, 0},
		{"late.mp4", slices.Concat([]string{"-itsoffset", "0.5"}, picture, sound, x264, []string{"-c:a", "aac"}), true, 1024},
		{"fragmented.mp4", slices.Concat(picture, sound, x264, []string{"-movflags", "+frag_keyframe+empty_moov", "-c:a", "aac"}), false, 0},
		{"negative.mp4", slices.Concat(picture, x264, []string{"-bf", "2", "-movflags", "+negative_cts_offsets"}), false, 0},
	} {
		path := filepath.Join(dir, c.name)
		if out, err := exec.Command("ffmpeg", slices.Concat([]string{"-v", "error", "-y"}, c.args, []string{path})...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", c.name, err, out)
		}
		if used := sameAsDemuxed(t, p, path); used != c.used {
			t.Errorf("%s: tables used: %v, want %v", c.name, used, c.used)
		}
		source, err := p.Probe(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if len(source.Audio) > 0 && source.Audio[0].FrameTicks != c.ticks {
			t.Errorf("%s: a frame of sound lasts %d ticks, want %d", c.name, source.Audio[0].FrameTicks, c.ticks)
		}
	}
	// A cut copy begins before what is shown, and an edit hides the rest.
	cut := filepath.Join(dir, "cut.mp4")
	if out, err := exec.Command("ffmpeg", "-v", "error", "-ss", "1.3", "-i", filepath.Join(dir, "a.mp4"), "-c", "copy", cut).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sameAsDemuxed(t, p, cut)
}

// TestSizesThatAreNotThere: tables whose samples have no size, or more than the file has,
// are not believed.
func TestSizesThatAreNotThere(t *testing.T) {
	runner, err := ffmpeg.New(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p := New(runner)
	path := filepath.Join(t.TempDir(), "a.mp4")
	if out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x36:duration=1:rate=25", "-c:v", "libx264", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	source, err := p.Probe(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]byte{"as it is": 1, "nothing": 0, "too much": 0x7f} {
		b := bytes.Clone(whole)
		if size != 1 {
			at := bytes.Index(b, []byte("stsz")) + 16 // behind version, size of all and count
			for i := range 4 * 25 {
				b[at+i] = size
			}
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if list, _, err := p.listed(path, source.Video[0]); err != nil || (list != nil) != (size == 1) {
			t.Errorf("%s: tables used: %v, %v", name, list != nil, err)
		}
	}
}

func sameAsDemuxed(t *testing.T, p *Prober, path string) (used bool) {
	t.Helper()
	source, err := p.Probe(t.Context(), path)
	if err != nil || len(source.Video) == 0 {
		return false
	}
	stream := source.Video[0]
	listed, captions, err := p.listed(path, stream)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if listed == nil {
		return false
	}
	demuxed, want, err := p.demuxed(t.Context(), path, stream)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if !slices.Equal(listed.pts, demuxed.pts) || !slices.Equal(listed.flags, demuxed.flags) || listed.lastDuration != demuxed.lastDuration || listed.format != demuxed.format || captions != want {
		t.Errorf("%s: the tables tell\n%v %v %d %s %v, demuxing\n%v %v %d %s %v", path,
			head(listed.pts), listed.flags[:min(20, len(listed.flags))], listed.lastDuration, listed.format, captions,
			head(demuxed.pts), demuxed.flags[:min(20, len(demuxed.flags))], demuxed.lastDuration, demuxed.format, want)
	}
	return true
}

func head(list []int64) []int64 { return list[:min(20, len(list))] }
