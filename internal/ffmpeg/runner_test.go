package ffmpeg_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/media"
)

// called returns a path by which the test binary plays another part.
func called(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// eachMode runs a test with fakes inside the sandbox and outside of it.
func eachMode(t *testing.T, test func(t *testing.T, r *ffmpeg.Runner, sandboxed bool)) {
	for _, sandboxed := range []bool{true, false} {
		t.Run(map[bool]string{true: "sandboxed", false: "bare"}[sandboxed], func(t *testing.T) {
			t.Parallel()
			r, err := ffmpeg.New(ffmpeg.Config{FFmpegPath: called(t, fakeName), Unsandboxed: !sandboxed})
			if err != nil {
				t.Fatal(err)
			}
			test(t, r, sandboxed)
		})
	}
}

// roomy is enough address space for a test binary, also with the race detector.
var roomy = ffmpeg.Limits{MemoryBytes: 1 << 46}

// processesWith lists the processes of the machine that have marker among their arguments.
func processesWith(t *testing.T, marker string) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range dirs {
		line, err := os.ReadFile(path)
		if err == nil && bytes.Contains(line, []byte(marker)) && !strings.Contains(path, fmt.Sprintf("/%d/", os.Getpid())) {
			found = append(found, path+": "+string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// patience is what a busy machine may take for what a quiet one does at once. What
// fails takes an hour, or for ever.
const patience = time.Minute

// wantGone waits for every process with marker to be gone.
func wantGone(t *testing.T, marker string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		left := processesWith(t, marker)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still there: %s", left)
		}
		<-time.After(5 * time.Millisecond)
	}
}

var markers atomic.Int64

func marker(prefix string) string {
	return fmt.Sprintf("%s-marker-%d-%d", prefix, os.Getpid(), markers.Add(1))
}

func TestCancelKillsAProcessThatIgnoresSignals(t *testing.T) {
	eachMode(t, func(t *testing.T, r *ffmpeg.Runner, _ bool) {
		m := marker("cancel")
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the user canceled")
		var at time.Time
		_, err := r.Run(ctx, ffmpeg.Command{
			Args: []string{"fake=hang", m}, Limits: roomy,
			Progress: func(p ffmpeg.Progress) {
				if p.Frame != 1 || p.OutTime != 40*time.Millisecond {
					t.Errorf("progress %+v", p)
				}
				if len(processesWith(t, m)) == 0 {
					t.Error("the process is not to be found while it runs")
				}
				at = time.Now()
				cancel(why)
			},
		})
		if !errors.Is(err, why) {
			t.Errorf("error %v, want %v", err, why)
		}
		if d := time.Since(at); d > patience {
			t.Errorf("it took %v", d)
		}
		wantGone(t, m)
	})
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		mode   string
		limits ffmpeg.Limits
		kind   fault.Kind
		code   string
		says   string
	}{
		{"repeat", ffmpeg.Limits{Stall: 300 * time.Millisecond}, fault.Internal, "1999", "no progress"},
		{"hang", ffmpeg.Limits{Stall: 300 * time.Millisecond}, fault.Internal, "1999", "no progress"},
		{"hang", ffmpeg.Limits{Wall: 300 * time.Millisecond}, fault.Limit, "1999", "longer than the 300ms"},
		{"spin", ffmpeg.Limits{CPU: time.Second, Stall: time.Hour}, fault.Limit, "1999", "processor time"},
		{"big file", ffmpeg.Limits{FileBytes: 1 << 20}, fault.Limit, "1050", "became larger than"},
		{"many files", ffmpeg.Limits{OutputBytes: 100 << 10, Stall: time.Second}, fault.Limit, "1999", "wrote more"},
		{"file at once", ffmpeg.Limits{OutputBytes: 100 << 10}, fault.Limit, "1999", "wrote more"},
		{"no end", ffmpeg.Limits{}, fault.Unavailable, "1050", "disk is full"},
		{"exit 255", ffmpeg.Limits{}, fault.Internal, "1999", "exit status 255"},
		{"exit 139", ffmpeg.Limits{}, fault.Internal, "1999", "signal 11"},
		{"no such", ffmpeg.Limits{}, fault.Internal, "1999", "no such fake"},
	} {
		t.Run(c.mode+" "+c.says, func(t *testing.T) {
			eachMode(t, func(t *testing.T, r *ffmpeg.Runner, _ bool) {
				limits := c.limits
				limits.MemoryBytes = roomy.MemoryBytes
				m := marker("limit")
				began := time.Now()
				_, err := r.Run(t.Context(), ffmpeg.Command{Args: []string{"fake=" + c.mode, m}, OutputDir: t.TempDir(), Limits: limits})
				f := fault.Of(err)
				if err == nil || f.Kind != c.kind || f.Code != c.code || !strings.Contains(f.Message, c.says) {
					t.Errorf("error %v (%+v), want %v %s with %q", err, f, c.kind, c.code, c.says)
				}
				if d := time.Since(began); d > patience && c.limits.CPU == 0 { // a second of CPU takes as long as the others let it
					t.Errorf("it took %v", d)
				}
				wantGone(t, m)
			})
		})
	}
}

func TestMemoryLimit(t *testing.T) {
	eachMode(t, func(t *testing.T, r *ffmpeg.Runner, _ bool) {
		if raceEnabled {
			return // the race detector reserves more address space than any limit leaves
		}
		for _, c := range []struct {
			bytes int64
			fails bool
		}{{512 << 20, true}, {16 << 30, false}} {
			_, err := r.Run(t.Context(), ffmpeg.Command{Args: []string{"fake=memory"}, Limits: ffmpeg.Limits{MemoryBytes: c.bytes}})
			if (err != nil) != c.fails {
				t.Errorf("with %d bytes: %v", c.bytes, err)
			}
		}
	})
}

func TestFloods(t *testing.T) {
	eachMode(t, func(t *testing.T, r *ffmpeg.Runner, _ bool) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := r.Run(t.Context(), ffmpeg.Command{Args: []string{"fake=flood stderr"}, Limits: roomy})
		runtime.ReadMemStats(&after)
		if f := fault.Of(err); err == nil || !strings.HasSuffix(f.Message, "exit status 1: the end of input") || len(f.Message) > 300 {
			t.Errorf("stderr: %v", err)
		}
		if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 8<<20 {
			t.Errorf("a log of 24 MB took %d bytes", grown)
		}

		full := errors.New("enough")
		if _, err := r.Run(t.Context(), ffmpeg.Command{Args: []string{"fake=flood stdout"}, Limits: roomy, Stdout: &limitedWriter{left: 3 << 20, err: full}}); !errors.Is(err, full) {
			t.Errorf("stdout: %v, want %v", err, full)
		}

		var last ffmpeg.Progress
		if _, err := r.Run(t.Context(), ffmpeg.Command{Args: []string{"fake=flood progress"}, Limits: roomy, Progress: func(p ffmpeg.Progress) { last = p }}); err != nil || last.Frame != 3 {
			t.Errorf("progress: %v, %+v", err, last)
		}
	})
}

type limitedWriter struct {
	left int
	err  error
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, w.err
	}
	return len(p), nil
}

func TestChildrenAreGoneToo(t *testing.T) {
	eachMode(t, func(t *testing.T, r *ffmpeg.Runner, sandboxed bool) {
		modes := []string{"leave children"}
		if sandboxed { // outside, a process that makes its own session is out of reach
			modes = append(modes, "leave a session")
		}
		for _, mode := range modes {
			m := marker("children")
			began := time.Now()
			if _, err := r.Run(t.Context(), ffmpeg.Command{Args: []string{"fake=" + mode, m}, Limits: roomy}); err != nil {
				t.Errorf("%s: %v", mode, err)
			}
			if d := time.Since(began); d > patience {
				t.Errorf("%s: it took %v", mode, d)
			}
			wantGone(t, m)
		}
	})
}

func TestServerKilledTakesItsProcessesAlong(t *testing.T) {
	for _, prefix := range []string{"bare", "sandboxed"} {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			m := marker(prefix)
			server := exec.Command(called(t, serverName), called(t, fakeName), m)
			out, err := server.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			line, _ := bufio.NewReader(out).ReadString('\n')
			if line != "running\n" {
				t.Errorf("the server says %q", line)
			}
			if len(processesWith(t, m)) < 2 {
				t.Error("the process is not to be found while it runs")
			}
			_ = server.Process.Kill()
			_ = server.Wait()
			wantGone(t, m)
		})
	}
}

func TestSandboxShowsOnlyTheJob(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	t.Setenv("SECRET", "in the environment")
	if stray, err := unix.FcntlInt(0, unix.F_DUPFD, 200); err != nil { // one that a shell might have left open
		t.Fatal(err)
	} else {
		defer unix.Close(stray)
	}
	r, err := ffmpeg.New(ffmpeg.Config{FFmpegPath: called(t, fakeName)})
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	var saw strings.Builder
	_, err = r.Run(t.Context(), ffmpeg.Command{
		Args: []string{"fake=look around", secret + "," + listener.Addr().String()}, Sources: []string{secret}, OutputDir: out, Limits: roomy, Stdout: &saw,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `read a host file no
connect to the host no
read the source yes
write the source no
write the work folder yes
write the root no
write shared memory no
write /usr no
see processes no
see /etc/passwd no
make a namespace no
become root no
refused: open a socket true
refused: open a netlink socket true
refused: make a key true
refused: load a program true
refused: make a ring true
refused: fault for itself true
refused: trace true
refused: mount true
refused: change its personality true
refused: clone into a namespace true
refused: clone by a struct true
descriptors [0 1 2 3]
user 65534 65534
groups 0
environment 5 
session 1
`
	if saw.String() != want {
		t.Errorf("it saw\n%s\nwant\n%s", saw.String(), want)
	}
	if _, err := os.Stat(filepath.Join(out, "made")); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	r, err := ffmpeg.New(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	report, err := r.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report.FFmpegVersion == "" || report.FFprobeVersion != report.FFmpegVersion || !report.Sandboxed || report.SandboxProblem != "" {
		t.Errorf("%+v", report)
	}

	bare, err := ffmpeg.New(ffmpeg.Config{Unsandboxed: true})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := bare.Check(t.Context()); err != nil || report.Sandboxed || report.SandboxProblem != "switched off" {
		t.Errorf("unsandboxed: %+v, %v", report, err)
	}

	// A bubblewrap that is not there, and one that may not make namespaces.
	refusing := filepath.Join(t.TempDir(), "bwrap")
	script := "#!/bin/sh\necho 'bwrap: No permissions to create new namespace, likely because the kernel does not allow it' >&2\nexit 1\n"
	if err := os.WriteFile(refusing, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{filepath.Join(t.TempDir(), "none"): "find bwrap", refusing: "No permissions to create new namespace"} {
		broken, err := ffmpeg.New(ffmpeg.Config{BwrapPath: path})
		if err != nil {
			t.Fatal(err)
		}
		report, err := broken.Check(t.Context())
		if err != nil || report.Sandboxed || !strings.Contains(report.SandboxProblem, says) {
			t.Errorf("%s: %+v, %v", path, report, err)
		}
		if _, err := broken.Run(t.Context(), ffmpeg.Command{Args: []string{"-version"}}); fault.KindOf(err) != fault.Unavailable || fault.Of(err).Hint == "" {
			t.Errorf("%s runs: %v", path, err)
		}
	}

	if _, err := ffmpeg.New(ffmpeg.Config{FFprobePath: "/nowhere/ffprobe"}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a missing ffprobe: %v", err)
	}
}

func TestRealEncode(t *testing.T) {
	for _, bare := range []bool{false, true} {
		r, err := ffmpeg.New(ffmpeg.Config{Unsandboxed: bare})
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "100%d: odd")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err = r.Run(t.Context(), ffmpeg.Command{
			Args:      []string{"-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2", "-c:v", "libx264", "-preset", "ultrafast", "file:" + ffmpeg.OutputDir + "/clip.mp4"},
			OutputDir: dir,
		})
		if err != nil {
			t.Fatal(err)
		}
		source := filepath.Join(dir, "clip.mp4")

		var last ffmpeg.Progress
		args := slices.Concat(media.InputArgs(), []string{"-i", "file:" + ffmpeg.SourcePath(0), "-c:v", "mjpeg", "-q:v", "5", "-f", "image2", ffmpeg.OutputDir + "/%03d.jpg"})
		usage, err := r.Run(t.Context(), ffmpeg.Command{Args: args, Sources: []string{source}, OutputDir: dir, Progress: func(p ffmpeg.Progress) { last = p }})
		if err != nil {
			t.Fatal(err)
		}
		if last.Frame != 50 || usage.CPU < 5*time.Millisecond || usage.Wall <= 0 {
			t.Errorf("progress %+v, usage %+v", last, usage)
		}
		if _, err := os.Stat(filepath.Join(dir, "050.jpg")); err != nil {
			t.Error(err)
		}

		var out strings.Builder
		probe := slices.Concat([]string{"-show_entries", "stream=nb_frames", "-of", "csv=p=0"}, media.InputArgs(), []string{"-i", "file:" + ffmpeg.SourcePath(0)})
		if usage, err := r.RunProbe(t.Context(), ffmpeg.ProbeCommand{Args: probe, Source: source, Stdout: &out}); err != nil || strings.TrimSpace(out.String()) != "50" || usage.CPU == 0 {
			t.Errorf("probe %q, %+v, %v", out.String(), usage, err)
		}
	}
}

func TestInputsAreChecked(t *testing.T) {
	r, err := ffmpeg.New(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	source := []string{"-i", "file:" + ffmpeg.SourcePath(0)}
	for name, args := range map[string][]string{
		"no options":      source,
		"after the input": slices.Concat(source, media.InputArgs()),
		"second input":    slices.Concat(media.InputArgs(), source, source),
		"other demuxers":  slices.Concat(media.InputArgs()[:2], []string{"-format_whitelist", "hls"}, media.InputArgs()[4:], source),
		"another file":    slices.Concat(media.InputArgs(), []string{"-i", "/etc/passwd"}),
		"a URL":           slices.Concat(media.InputArgs(), []string{"-i", "http://127.0.0.1/"}),
		"nothing":         append(media.InputArgs(), "-i"),
	} {
		if _, err := r.RunProbe(t.Context(), ffmpeg.ProbeCommand{Args: args, Source: os.Args[0]}); err == nil || !strings.Contains(err.Error(), "check arguments") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInputFaults(t *testing.T) {
	r, err := ffmpeg.New(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, c := range []struct {
		name    string
		content string
		kind    fault.Kind
		code    string
	}{
		{"empty", "", fault.Invalid, "1010"},
		{"text", strings.Repeat("hello, this is not a video\n", 2000), fault.Invalid, "1010"},
		{"playlist", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", fault.Invalid, "1030"},
		{"concat", "ffconcat version 1.0\nfile /etc/passwd\n", fault.Invalid, "1030"},
		{"no moov", "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2\x00\x00\x00\x10mdat12345678", fault.Invalid, "1010"},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		args := slices.Concat(media.InputArgs(), []string{"-i", "file:" + ffmpeg.SourcePath(0), "-f", "null", "-"})
		_, err := r.Run(t.Context(), ffmpeg.Command{Args: args, Sources: []string{path}})
		f := fault.Of(err)
		if err == nil || f.Kind != c.kind || f.Code != c.code || strings.Contains(err.Error(), "/") {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
	if _, err := r.Run(t.Context(), ffmpeg.Command{Sources: []string{filepath.Join(dir, "none")}}); fault.Of(err).Code != "1056" {
		t.Errorf("missing: %v", err)
	}
	if _, err := r.Run(t.Context(), ffmpeg.Command{Sources: []string{dir}}); fault.Of(err).Code != "1056" {
		t.Errorf("a folder: %v", err)
	}
}
