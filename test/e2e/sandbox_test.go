package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
)

// TestWithoutASandboxNothingIsTrusted: where bubblewrap may not make namespaces, the
// server says so at start and refuses jobs, probes and functions, each with what to
// do; it encodes only when told that the files are trusted.
func TestWithoutASandboxNothingIsTrusted(t *testing.T) {
	t.Parallel()
	file := makeClip(t, clip.Spec{Width: 320, Height: 180, FrameRate: media.R(25, 1), Seconds: 2}, "clip.mp4")
	broken := t.TempDir()
	script := "#!/bin/sh\necho 'bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user namespaces.' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(broken, "bwrap"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + broken + ":" + os.Getenv("PATH")
	s := startServerWith(t, []string{path})
	eventually(t, time.Minute, "the server says that it cannot sandbox", func() bool {
		said := s.Said.Tail(64 << 10)
		return strings.Contains(said, "jobs, probes and functions will be refused") && strings.Contains(said, "No permissions to create new namespace")
	})

	j := s.waitJob(s.createJob(file), 5*time.Minute).Job
	if j.Status != "ERROR" || j.ErrorCode != 1999 || !strings.Contains(j.ErrorMessage, "sandbox cannot start") || !strings.Contains(j.ErrorMessage, "--unsandboxed") {
		t.Errorf("the job: %+v", j)
	}
	if left := s.outputs(); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	eventually(t, 30*time.Second, "the work folder is empty", func() bool { return len(filesBelow(t, filepath.Join(s.data, "work"))) == 0 })

	s.makeFunction("refused", "def handler(event, context):\n    return 1\n", "")
	if out, stderr, err := s.tryAWS("lambda", "invoke", "--function-name", "refused", filepath.Join(t.TempDir(), "out")); err == nil || !strings.Contains(string(stderr), "sandbox") {
		t.Errorf("the function: %s%s %v", out, stderr, err)
	}

	cmd := exec.Command(programPath, "convert", file, "-o", filepath.Join(t.TempDir(), "out"))
	cmd.Env = append(os.Environ(), path)
	if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 7 || !strings.Contains(string(out), "--unsandboxed") {
		t.Errorf("convert: %s, %v", out, err)
	}
	trusting := exec.Command(programPath, "convert", "--unsandboxed", file, "-o", filepath.Join(t.TempDir(), "out"))
	trusting.Env = cmd.Env
	if out, err := trusting.CombinedOutput(); err != nil {
		t.Errorf("convert --unsandboxed: %s, %v", out, err)
	}
}

func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	_ = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return nil
	})
	return out
}

// TestLimitsAreFlags: a limit that is set by a flag or the environment holds, and
// the error says which it was.
func TestLimitsAreFlags(t *testing.T) {
	t.Parallel()
	file := makeClip(t, clip.Spec{Width: 320, Height: 180, FrameRate: media.R(25, 1), Seconds: 2}, "clip.mkv") // whose index is read by demuxing
	for _, c := range []struct {
		name, value, code, says string
	}{
		{"pixels", "57599", "1030", "57599"},
		{"side", "319", "1030", "319"},
		{"streams", "1", "1030", "too many streams: 1"},
		{"frames", "49", "1030", "49"},
		{"frame-rate", "24", "1030", "24"},
		{"duration", "1s", "1030", "1s"},
		{"gap", "39ms", "1030", "39ms"},
		{"work", "1e6", "1030", "1e+06"},
		{"objects", "3", "1040", "3 objects"},
		{"source-bytes", "1000", "1030", "1000"},
		{"description-bytes", "100", "1030", "100"},
		{"probe-memory", "20MiB", "1010", "20MiB"},
		{"index-time", "1ms", "1010", "1ms"},
		{"encode-time", "1ms", "1999", "1ms"},
		{"output-bytes", "1", "1999", "1 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env := "VODWRIGHT_LIMIT_" + strings.ToUpper(strings.ReplaceAll(c.name, "-", "_"))
			for _, byFlag := range []bool{true, false} {
				if !byFlag && c.name != "pixels" { // the names of the others follow from it, as a test of the struct says
					continue
				}
				out := filepath.Join(t.TempDir(), "out")
				cmd := exec.Command(programPath, "convert", "--json", file, "-o", out)
				if byFlag {
					cmd.Args = append(cmd.Args, "--limit-"+c.name+"="+c.value)
				} else {
					cmd.Env = append(os.Environ(), env+"="+c.value)
				}
				output, err := cmd.CombinedOutput()
				text := string(output)
				if err == nil || !strings.Contains(text, `"code":"`+c.code+`"`) || !strings.Contains(text, c.says) || !strings.Contains(text, "--limit-"+c.name) || !strings.Contains(text, env) {
					t.Errorf("by flag %v: %v, want code %s with %q\n%s", byFlag, err, c.code, c.says, text)
				}
				if left := filesBelow(t, out); len(left) > 0 {
					t.Errorf("left %v", left)
				}
			}
		})
	}
}
