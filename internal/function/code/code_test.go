package code

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
)

type entry struct {
	name, text string
	mode       fs.FileMode
}

func pack(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil && !strings.HasSuffix(e.name, "/") {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHostilePackagesAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	plain := pack(t, entry{"app.py", "x = 1\n", 0o644})
	tooMany := make([]entry, maxEntries+1)
	for i := range tooMany {
		tooMany[i] = entry{name: strings.Repeat("d/", 1+i%3) + string(rune('a'+i%26)) + strings.Repeat("x", i/26%900) + string(rune('a'+i/23400)), mode: 0o644}
	}
	bomb := strings.Repeat("\x00", ratioFrom+1<<10)
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"no zip", "Could not unzip uploaded file", []byte("not a zip at all")},
		{"nothing", "Could not unzip uploaded file", nil},
		{"empty", "Uploaded file must be a non-empty zip", pack(t)},
		{"cut", "Could not unzip uploaded file", plain[:len(plain)-30]},
		{"traversal", "not below the package's folder", pack(t, entry{"../evil", "x", 0o644})},
		{"traversal inside", "not below the package's folder", pack(t, entry{"a/../../evil", "x", 0o644})},
		{"dots inside", "not below the package's folder", pack(t, entry{"a/../b", "x", 0o644})},
		{"absolute", "not below the package's folder", pack(t, entry{"/etc/evil", "x", 0o644})},
		{"backslash", "not below the package's folder", pack(t, entry{`..\evil`, "x", 0o644})},
		{"zero byte", "not below the package's folder", pack(t, entry{"a\x00b", "x", 0o644})},
		{"no name", "without a usable name", pack(t, entry{"", "x", 0o644})},
		{"link out", "out of the package's folder", pack(t, entry{"a", "../../etc/passwd", 0o777 | fs.ModeSymlink})},
		{"link to root", "out of the package's folder", pack(t, entry{"a", "/etc/passwd", 0o777 | fs.ModeSymlink})},
		{"through a link", "which is not a folder", pack(t, entry{"d", "e", 0o777 | fs.ModeSymlink}, entry{"d/x", "x", 0o644})},
		{"below a file", "which is not a folder", pack(t, entry{"d", "e", 0o644}, entry{"d/x", "x", 0o644})},
		{"twice", "two entries", pack(t, entry{"a", "1", 0o644}, entry{"a", "2", 0o644})},
		{"twice by other names", "two entries", pack(t, entry{"./a", "1", 0o644}, entry{"a", "2", 0o644})},
		{"device", "neither a file", pack(t, entry{"null", "", 0o644 | fs.ModeDevice | fs.ModeCharDevice})},
		{"pipe", "neither a file", pack(t, entry{"p", "", 0o644 | fs.ModeNamedPipe})},
		{"encrypted", "encrypted", func() []byte {
			d := bytes.Clone(plain)
			for _, signature := range []struct {
				magic string
				flags int
			}{{"PK\x03\x04", 6}, {"PK\x01\x02", 8}} {
				d[bytes.Index(d, []byte(signature.magic))+signature.flags] |= 1
			}
			return d
		}()},
		{"other compression", "compressed by method", func() []byte {
			d := bytes.Clone(plain)
			d[bytes.Index(d, []byte("PK\x03\x04"))+8] = 12
			d[bytes.Index(d, []byte("PK\x01\x02"))+10] = 12
			return d
		}()},
		{"bomb", "which is no code", pack(t, entry{"a", bomb, 0o644})},
		{"too large", "Unzipped size must be smaller than 262144000 bytes", func() []byte {
			d := bytes.Clone(plain)
			copy(d[bytes.Index(d, []byte("PK\x01\x02"))+24:], []byte{1, 0, 0xa0, 0x0f}) // 262144001
			return d
		}()},
		{"lies about its size", "damaged", func() []byte {
			d := pack(t, entry{"a", strings.Repeat("y", 5000), 0o644})
			at := bytes.Index(d, []byte("PK\x01\x02")) + 24
			d[at], d[at+1] = 1, 0
			return d
		}()},
		{"wrong checksum", "damaged", func() []byte {
			d := bytes.Clone(plain)
			d[bytes.Index(d, []byte("PK\x01\x02"))+16] ^= 0xff
			return d
		}()},
		{"overlapping", "overlap", func() []byte {
			d := pack(t, entry{"a", strings.Repeat("x", 1000), 0o644}, entry{"b", strings.Repeat("x", 1000), 0o644})
			at := bytes.LastIndex(d, []byte("PK\x01\x02"))
			copy(d[at+42:at+46], []byte{0, 0, 0, 0})
			return d
		}()},
		{"too many", "entries; 100000 are the limit", pack(t, tooMany...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := Open(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Put(t.Context(), c.data)
			if f := fault.Of(err); f == nil || f.Kind != fault.Invalid || f.Code != codeInvalid || !strings.Contains(f.Message, c.want) {
				t.Errorf("got %v", err)
			}
			_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					t.Errorf("%s was written", p)
				}
				return err
			})
		})
	}
}

func TestPackagesAreKeptWithModesAndLinks(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	data := pack(t, entry{"./app.py", "x", 0o644}, entry{"bin/", "", 0o755 | fs.ModeDir}, entry{"bin/run", "#!", 0o755}, entry{"private", "p", 0},
		entry{"bin/link", "../app.py", 0o777 | fs.ModeSymlink}, entry{"a/b/c/ü", "deep", 0o4755})
	p, err := s.Put(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Put(t.Context(), data); err != nil || again != p {
		t.Errorf("the same again: %v, %v", again, err)
	}
	for range 2 { // and again after a restart
		folder, err := s.Folder(t.Context(), p.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		for name, mode := range map[string]fs.FileMode{"app.py": 0o644, "bin/run": 0o755, "private": 0o400, "a/b/c/ü": 0o755, "bin/link": 0o777 | fs.ModeSymlink} {
			if info, err := os.Lstat(filepath.Join(folder, name)); err != nil || info.Mode() != mode {
				t.Errorf("%s: %v, %v", name, info, err)
			}
		}
		if text, err := os.ReadFile(filepath.Join(folder, "bin/link")); err != nil || string(text) != "x" {
			t.Errorf("through the link: %q, %v", text, err)
		}
		if s, err = Open(dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	used := true
	sweep := func() {
		t.Helper()
		if err := s.Sweep(func([32]byte) bool { return used }); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	sweep()
	used = false
	sweep()
	if _, err := s.Folder(t.Context(), p.SHA256); err != nil {
		t.Errorf("gone after one sweep: %v", err)
	}
	sweep()
	if _, err := s.Open(t.Context(), p.SHA256); !fault.Is(err, fault.NotFound) {
		t.Errorf("still there: %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Check(data); err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
	})
}
