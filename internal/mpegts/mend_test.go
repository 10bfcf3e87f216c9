package mpegts_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"vodwright.dev/vodwright/internal/mpegts"
)

// recording returns a transport stream of two seconds.
func recording(t testing.TB, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.ts")
	all := append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2", "-c:v", "mpeg2video"}, args...)
	if out, err := exec.Command("ffmpeg", append(all, path)...).CombinedOutput(); err != nil {
		t.Fatalf("make a recording: %v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func survey(t testing.TB, b []byte) *mpegts.Mending {
	t.Helper()
	m, err := mpegts.Survey(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What is as it should be is left alone; what is mended is as it should be.
func TestSurvey(t *testing.T) {
	plain, moved, other := recording(t, "-c:a", "mp2"), recording(t, "-c:a", "mp2", "-mpegts_start_pid", "0x300"), recording(t, "-c:a", "ac3")
	twice := func(b []byte) (out []byte) {
		for ; len(b) > 0; b = b[188:] {
			out = append(append(out, b[:188]...), b[:188]...)
		}
		return out
	}
	wide := func(b []byte) (out []byte) {
		for ; len(b) > 0; b = b[188:] {
			out = append(append(out, 1, 2, 3, 4), b[:188]...)
		}
		return out
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, test := range map[string]struct {
		stream  []byte
		doubled bool
		moved   bool
		sequels int
	}{
		"plain":       {stream: plain},
		"of two":      {stream: join(plain, plain)},
		"wide":        {stream: wide(plain)},
		"twice":       {stream: twice(plain), doubled: true},
		"wide, twice": {stream: wide(twice(plain)), doubled: true},
		"moved":       {stream: join(plain, moved, plain), moved: true},
		"other codec": {stream: join(plain, other, plain), sequels: 2},
		"all of it":   {stream: join([]byte("noise"), twice(join(plain, moved, other))), doubled: true, moved: true, sequels: 1},
		"no stream":   {stream: bytes.Repeat([]byte("G"), 100)},
	} {
		t.Run(name, func(t *testing.T) {
			m := survey(t, test.stream)
			if m == nil {
				if test.doubled || test.moved || test.sequels > 0 {
					t.Fatal("nothing to be mended")
				}
				return
			}
			if m.Doubled > 0 != test.doubled || m.Moved != test.moved || len(m.Sequels) != test.sequels {
				t.Fatalf("%d packets twice, moved %v, sequels %v", m.Doubled, m.Moved, m.Sequels)
			}
			var out bytes.Buffer
			if err := m.Copy(&out, bytes.NewReader(test.stream)); err != nil {
				t.Fatal(err)
			}
			if again := survey(t, out.Bytes()); again != nil {
				t.Errorf("what was mended is to be mended: %d packets twice, moved %v, sequels %v", again.Doubled, again.Moved, again.Sequels)
			}
			if test.doubled && name == "twice" && !bytes.Equal(out.Bytes(), plain) {
				t.Error("packets that were twice there are not the same once")
			}
		})
	}
}

func FuzzSurvey(f *testing.F) {
	plain := recording(f, "-c:a", "mp2", "-t", "0.1")
	f.Add(plain)
	f.Add(append(plain, recording(f, "-c:a", "ac3", "-t", "0.1", "-mpegts_start_pid", "0x300")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m := survey(t, b); m != nil {
			if err := m.Copy(io.Discard, bytes.NewReader(b)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
