package hostile_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// corpus is a folder of hostile files in the making.
type corpus struct {
	t      *testing.T
	dir    string
	canary *canary
	made   map[string][]byte // by command line
}

// ffmpeg makes a file by the arguments before its name, and returns its content.
func (c *corpus) ffmpeg(name string, args ...string) []byte {
	c.t.Helper()
	line := strings.Join(args, " ")
	if have, ok := c.made[name+" "+line]; ok {
		return slices.Clone(have)
	}
	path := filepath.Join(c.t.TempDir(), name)
	full := append([]string{"-nostdin", "-v", "error", "-y"}, args...)
	if out, err := exec.Command("ffmpeg", append(full, path)...).CombinedOutput(); err != nil {
		c.t.Fatalf("make %s: %v\n%s", name, err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.made == nil {
		c.made = map[string][]byte{}
	}
	c.made[name+" "+line] = slices.Clone(data)
	return data
}

// keep writes content into a file that ffmpeg may read, and returns its path.
func (c *corpus) keep(name string, content []byte) string {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// words splits a command line without quotes.
func words(s string) []string { return strings.Fields(s) }

const (
	picture = "-f lavfi -i testsrc2=s=160x90:r=25:d=2"
	tone    = "-f lavfi -i sine=f=440:d=2:r=48000"
	small   = "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac -b:a 32k"
)

// good is a harmless clip of 50 frames in a container.
func (c *corpus) good(ext string, more ...string) []byte {
	return c.ffmpeg("good."+ext, append(words(picture+" "+tone+" "+small), more...)...)
}
