// Package local runs whole jobs in the test's own process, as `vodwright convert`
// does in its: a worker with real media processes, sources that are files, outputs
// that go to a folder. Tests of many sources and of what they leave behind use it.
package local

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fetch"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/probe"
	"vodwright.dev/vodwright/internal/worker"
)

// Machine runs jobs; several at once if they are asked for.
type Machine struct {
	runner *ffmpeg.Runner
	prober *probe.Prober
	slots  int

	Chunk float64 // seconds that chunks last; 0 is as is best
}

// New returns a machine that runs so many tasks of each job side by side.
func New(t testing.TB, slots int) *Machine {
	t.Helper()
	runner, err := ffmpeg.New(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &Machine{runner: runner, prober: probe.New(runner), slots: slots}
}

// Result is what came of a job.
type Result struct {
	Err      error
	Warnings []job.Warning
	Dir      string   // what was published: a file a key
	Work     []string // what is left in the work folder
	Took     time.Duration
}

// Files are those that were published and are there still.
func (r Result) Files(t testing.TB) []string {
	t.Helper()
	return slices.DeleteFunc(below(t, r.Dir), func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.IsDir()
	})
}

// Run runs a job with these settings. Its inputs are s3:// addresses of any bucket
// whose keys sources maps to files of this machine.
func (m *Machine) Run(ctx context.Context, t testing.TB, settings any, sources map[string]string) Result {
	t.Helper()
	request, err := json.Marshal(map[string]any{"settings": settings})
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	out := &folder{sources: sources, root: t.TempDir()}
	w := worker.New(worker.Config{Dir: work, FFmpeg: m.runner, Probe: m.prober, Fetch: fetch.New(fetch.Config{}), Objects: out, Slots: m.slots, Chunk: m.Chunk})
	r := Result{Dir: out.root}
	began := time.Now()
	_, r.Warnings, r.Err = w.Local(ctx, "job", began, request, func(string, int) {})
	r.Took = time.Since(began).Round(time.Millisecond)
	r.Work = below(t, work)
	return r
}

// below lists what is below a folder.
func below(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && path != dir {
			out = append(out, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	return out
}

// folder implements worker.Objects: some files to read, a folder to write to.
type folder struct {
	sources map[string]string
	root    string
	mu      sync.Mutex
}

func (f *folder) path(key string) (string, error) {
	name := filepath.FromSlash(key)
	if !filepath.IsLocal(name) {
		return "", fault.New(fault.Internal, "", "the key %q leaves its bucket", key)
	}
	return filepath.Join(f.root, name), nil
}

// Snapshot implements worker.Objects.
func (f *folder) Snapshot(_ context.Context, _, key, _, dst string) (string, error) {
	source, ok := f.sources[key]
	if !ok {
		return "", fault.New(fault.NotFound, "NoSuchKey", "no key %q", key)
	}
	if os.Link(source, dst) == nil { // as buckets do it
		return "1", nil
	}
	return "1", os.Symlink(source, dst) // on another file system
}

// Writable implements worker.Objects.
func (f *folder) Writable(context.Context, string, string) error { return nil }

// Publish implements worker.Objects.
func (f *folder) Publish(_ context.Context, up worker.Upload) error {
	to, err := f.path(up.Key)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(up.File, to)
}

// Open implements worker.Objects.
func (f *folder) Open(_ context.Context, _, key string) (io.ReadCloser, int64, error) {
	at, err := f.path(key)
	if err != nil {
		return nil, 0, err
	}
	file, err := os.Open(at)
	if err != nil {
		return nil, 0, fault.New(fault.NotFound, "NoSuchKey", "no key %q", key)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// Withdraw implements worker.Objects.
func (f *folder) Withdraw(_ context.Context, _, _, key string) error {
	at, err := f.path(key)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.Remove(at); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
