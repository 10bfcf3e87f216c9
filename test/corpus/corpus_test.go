package corpus_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fetch"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/probe"
	"vodwright.dev/vodwright/internal/worker"
	"vodwright.dev/vodwright/test/corpus"
)

var (
	only  = flag.String("clips", "", "clips to test, by name, with commas between; all those of -all if empty")
	all   = flag.Bool("all", false, "test every clip, not the quick ones alone: some minutes")
	media = flag.String("media", "../../../shared/media", "folder of real clips, tested where it is there")
	keep  = flag.String("keep", "", "folder to make clips in, and to find those that were made before")
)

// folder implements worker.Objects: one file to read, a folder to write to.
type folder struct {
	source, root string
	mu           sync.Mutex
}

func (f *folder) path(key string) string { return filepath.Join(f.root, filepath.FromSlash(key)) }

func (f *folder) Snapshot(_ context.Context, _, _, _, dst string) (string, error) {
	return "1", os.Symlink(f.source, dst)
}

func (f *folder) Writable(context.Context, string, string) error { return nil }

func (f *folder) Publish(_ context.Context, up worker.Upload) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(f.path(up.Key)), 0o755); err != nil {
		return err
	}
	return os.Rename(up.File, f.path(up.Key))
}

func (f *folder) Open(_ context.Context, _, key string) (io.ReadCloser, int64, error) {
	file, err := os.Open(f.path(key))
	if err != nil {
		return nil, 0, fault.New(fault.NotFound, "NoSuchKey", "no key %q", key)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	return file, info.Size(), nil
}

func (f *folder) Withdraw(_ context.Context, _, _, key string) error { return os.Remove(f.path(key)) }

// work does a job in this process, as `vodwright convert` does.
func work(t *testing.T, file string, want corpus.Want) corpus.Outcome {
	t.Helper()
	var settings map[string]any
	if err := json.Unmarshal([]byte(corpus.SettingsOf(want)), &settings); err != nil {
		t.Fatal(err)
	}
	settings["inputs"].([]any)[0].(map[string]any)["fileInput"] = "s3://in/" + filepath.Base(file)
	request, err := json.Marshal(map[string]any{"settings": settings})
	if err != nil {
		t.Fatal(err)
	}
	runner, err := ffmpeg.New(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	f := &folder{source: source, root: t.TempDir()}
	w := worker.New(worker.Config{Dir: t.TempDir(), FFmpeg: runner, Probe: probe.New(runner), Fetch: fetch.New(fetch.Config{}), Objects: f, Slots: 1})
	_, warnings, err := w.Local(t.Context(), "job", time.Now(), request, func(string, int) {})
	o := corpus.Outcome{Dir: f.root}
	for _, w := range warnings {
		o.Warnings = append(o.Warnings, corpus.Warning{Code: w.Code, Message: w.Message})
		t.Logf("warning %d: %s", w.Code, w.Message)
	}
	if err != nil {
		refusal := fault.Of(err)
		o.Code, o.Message, o.Hint = refusal.Code, err.Error(), refusal.Hint
		if o.Code == "" {
			o.Code = refusal.Kind.String()
		}
		t.Logf("refused with %s: %v", o.Code, err)
	}
	return o
}

// TestClips makes clips of every kind and gives each to a job: the output is what
// it should be, frame by frame and beep by beep, or the job is refused as it should be.
func TestClips(t *testing.T) {
	dir := *keep
	if dir == "" {
		dir = t.TempDir()
	}
	for _, c := range corpus.Generated() {
		if *only == "" && !*all && !c.Quick || *only != "" && !slices.Contains(strings.Split(*only, ","), c.Name) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(dir, c.Name)
			if _, err := os.Stat(file); err != nil {
				if file, err = corpus.NewKitchen(t.Context(), dir).Make(c); err != nil {
					t.Fatal(err)
				}
			}
			if err := corpus.Check(t.Context(), file, c.Want, work(t, file, c.Want)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRealClips does the same to real files next to the repository.
func TestRealClips(t *testing.T) {
	clips, err := corpus.Real(*media)
	if err != nil {
		t.Skipf("no real clips: %v", err)
	}
	for _, c := range clips {
		if *only == "" && !*all && !c.Quick || *only != "" && !slices.Contains(strings.Split(*only, ","), c.Name) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(*media, c.Name)
			if err := corpus.Check(t.Context(), file, c.Want, work(t, file, c.Want)); err != nil {
				t.Error(err)
			}
		})
	}
}
