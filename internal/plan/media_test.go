package plan_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	engine "vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/probe"
)

// run runs a program to its end; a missing program fails the test.
func run(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	return runIn(t, "", program, args...)
}

// runIn is run in a folder; "" is the test's own.
func runIn(t *testing.T, dir, program string, args ...string) []byte {
	t.Helper()
	var out, log bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, log.Bytes())
	}
	return out.Bytes()
}

func ffmpeg(t *testing.T, args ...string) []byte {
	t.Helper()
	return run(t, "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-y"}, args...)...)
}

// runPlanned runs a process of a plan that reads one file, writing below dir.
func runPlanned(t *testing.T, args []string, file, dir string) {
	t.Helper()
	runFiles(t, args, []string{file}, dir)
}

// runFiles runs a process of a plan on its files, writing below dir. The sandbox is
// the ffmpeg room's business; here the paths are put in place of its own.
func runFiles(t *testing.T, args, files []string, dir string) {
	t.Helper()
	args = slices.Clone(args)
	for i, a := range args {
		for n, file := range files {
			if a == "file:"+plan.SourcePath(n) {
				args[i] = "file:" + file
			}
		}
		if rest, ok := strings.CutPrefix(a, plan.OutputDir+"/"); ok {
			args[i] = dir + "/" + rest
		}
	}
	runIn(t, dir, "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-y"}, args...)...)
}

// look probes and indexes a file as a worker does, once: tests do not change theirs.
func look(t *testing.T, file string) (media.Source, media.FrameIndex) {
	t.Helper()
	once, _ := looked.LoadOrStore(file, new(facts))
	f := once.(*facts)
	f.Do(func() { f.source, f.index = lookAt(t, file) })
	if f.source.Format == "" {
		t.Fatalf("%s could not be looked at", file)
	}
	return f.source, f.index
}

// looked has the facts of files by their paths.
var looked sync.Map

type facts struct {
	sync.Once
	source media.Source
	index  media.FrameIndex
}

func lookAt(t *testing.T, file string) (media.Source, media.FrameIndex) {
	t.Helper()
	runner, err := engine.New(engine.Config{Unsandboxed: true})
	if err != nil {
		t.Fatal(err)
	}
	p := probe.New(runner)
	src, err := p.Probe(t.Context(), file)
	if err != nil {
		t.Fatalf("probe %s: %v", file, err)
	}
	var ix media.FrameIndex
	if len(src.Video) > 0 {
		if ix, err = p.Index(t.Context(), file, src.Video[0]); err != nil {
			t.Fatalf("index %s: %v", file, err)
		}
	}
	return src, ix
}

// shared returns a file of the test media next to the repository, if it is there.
func shared(name string) (string, bool) {
	path, _ := filepath.Abs(filepath.Join("..", "..", "..", "shared", name))
	_, err := os.Stat(path)
	return path, err == nil
}

var jobStart = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func parse(t *testing.T, settings string) plan.Settings {
	t.Helper()
	s, err := plan.ParseSettings([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newPlan(t *testing.T, settings, file string) *plan.Plan {
	t.Helper()
	src, ix := look(t, file)
	p, err := plan.New(plan.Input{Settings: parse(t, settings), Files: []plan.Footage{{Source: src, Index: ix}}, JobStart: jobStart, BaseName: plan.BaseName(file)})
	if err != nil {
		t.Fatalf("plan %s: %v", file, err)
	}
	return p
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
