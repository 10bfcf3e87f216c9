package mp4_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"vodwright.dev/vodwright/internal/mp4"
)

// film returns a short film with B-frames.
func film(t testing.TB, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.mp4")
	all := append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2", "-c:v", "libx264", "-bf", "2", "-g", "10", "-c:a", "aac"}, args...)
	if out, err := exec.Command("ffmpeg", append(all, path)...).CombinedOutput(); err != nil {
		t.Fatalf("make a film: %v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mend(b []byte) mp4.Mending { return mp4.Mend(bytes.NewReader(b), int64(len(b))) }

// What is as it should be is left alone; what is mended is as it should be.
func TestMend(t *testing.T) {
	plain := film(t)
	for _, b := range [][]byte{plain, film(t, "-movflags", "frag_keyframe+empty_moov"), film(t, "-movflags", "frag_every_frame+delay_moov"), film(t, "-c:v", "libx265", "-x265-params", "log-level=none"), {}, []byte("no film, whatever is done")} {
		if m := mend(b); len(m.Patches) > 0 {
			t.Errorf("%d bytes that are good are mended: untimed %v, shifted %v", len(b), m.Untimed, m.Shifted)
		}
	}
	for _, codec := range []string{"libx264", "libx265"} {
		b := bytes.ReplaceAll(film(t, "-c:v", codec), []byte("ctts"), []byte("free"))
		m := mend(b)
		if !m.Shifted || m.Untimed {
			t.Errorf("%s: an edit list without offsets: untimed %v, shifted %v", codec, m.Untimed, m.Shifted)
		}
		for _, p := range m.Patches {
			copy(b[p.Offset:], p.Data)
		}
		if m := mend(b); len(m.Patches) > 0 {
			t.Error("what was mended is to be mended")
		}
	}
}

func FuzzMend(f *testing.F) {
	f.Add(film(f, "-t", "0.2"))
	f.Add(film(f, "-t", "0.2", "-movflags", "frag_every_frame+empty_moov"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range mend(b).Patches {
			if p.Offset < 0 || p.Offset+int64(len(p.Data)) > int64(len(b)) {
				t.Fatalf("%d bytes at %d are to be written over a file of %d", len(p.Data), p.Offset, len(b))
			}
		}
	})
}
