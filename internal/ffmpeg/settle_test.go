package ffmpeg_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
)

// A process that was taken over leaves traps for whoever reads its files.
func TestTrapsInTheWorkFolder(t *testing.T) {
	for name, c := range map[string]struct{ script, says string }{
		"a link":                {"ln -s /etc/passwd r0.mp4", "no file in its work folder: L--------- r0.mp4"},
		"a pipe":                {"mkfifo r0.mp4", "no file in its work folder: p--------- r0.mp4"},
		"a link in a folder":    {"mkdir -p a/b; ln -s /etc/passwd a/b/c; chmod 0 a/b a .", "no file in its work folder: L--------- c"},
		"nobody may read files": {"mkdir a; echo x > a/b; chmod 0 a/b a .", ""},
		"a link, and it fails":  {"ln -s /etc/passwd r0.mp4; exit 3", "no file in its work folder"},
	} {
		for _, bare := range []bool{false, true} {
			t.Run(name+map[bool]string{false: " in the sandbox", true: ""}[bare], func(t *testing.T) {
				t.Parallel()
				program, dir := filepath.Join(t.TempDir(), "encoder"), t.TempDir()
				if err := os.WriteFile(program, []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
				r, err := ffmpeg.New(ffmpeg.Config{FFmpegPath: program, Unsandboxed: bare})
				if err != nil {
					t.Fatal(err)
				}
				_, err = r.Run(t.Context(), ffmpeg.Command{OutputDir: dir})
				if f := fault.Of(err); c.says == "" && err != nil || c.says != "" && (err == nil || f.Kind != fault.Invalid || !strings.Contains(f.Message, c.says)) {
					t.Errorf("%v, want %q", err, c.says)
				}
				err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
					if err != nil || !e.IsDir() && !e.Type().IsRegular() {
						t.Errorf("left: %s, %v", path, err)
						return nil
					}
					if info, err := e.Info(); err != nil || info.Mode().Perm()&0o600 != 0o600 {
						t.Errorf("%s cannot be read: %v, %v", path, info.Mode(), err)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}
