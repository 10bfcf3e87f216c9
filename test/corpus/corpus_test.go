package corpus_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/test/corpus"
	"vodwright.dev/vodwright/test/harness/local"
)

var (
	only  = flag.String("clips", "", "clips to test, by name, with commas between; all those of -all if empty")
	all   = flag.Bool("all", false, "test every clip, not the quick ones alone: some minutes")
	media = flag.String("media", "../../../shared/media", "folder of real clips, tested where it is there")
	chunk = flag.Float64("chunk", 1, "seconds that chunks last, as far as segments allow; 0 is as jobs have them")
	keep  = flag.String("keep", "", "folder to make clips in, and to find those that were made before")
)

// work does a job in this process, as `vodwright convert` does.
func work(t *testing.T, m *local.Machine, file string, want corpus.Want) corpus.Outcome {
	t.Helper()
	var settings map[string]any
	if err := json.Unmarshal([]byte(corpus.SettingsOf(want)), &settings); err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	settings["inputs"].([]any)[0].(map[string]any)["fileInput"] = "s3://in/" + filepath.Base(file)
	r := m.Run(t.Context(), t, settings, map[string]string{filepath.Base(file): source})
	o := corpus.Outcome{Dir: r.Dir}
	for _, w := range r.Warnings {
		o.Warnings = append(o.Warnings, corpus.Warning{Code: w.Code, Message: w.Message})
		t.Logf("warning %d: %s", w.Code, w.Message)
	}
	if r.Err != nil {
		refusal := fault.Of(r.Err)
		o.Code, o.Message, o.Hint = refusal.Code, r.Err.Error(), refusal.Hint
		if o.Code == "" {
			o.Code = refusal.Kind.String()
		}
		t.Logf("refused with %s: %v", o.Code, r.Err)
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
	m := local.New(t, 1)
	m.Chunk = *chunk
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
			if err := corpus.Check(t.Context(), file, c.Want, work(t, m, file, c.Want)); err != nil {
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
	m := local.New(t, 1)
	m.Chunk = *chunk
	for _, c := range clips {
		if *only == "" && !*all && !c.Quick || *only != "" && !slices.Contains(strings.Split(*only, ","), c.Name) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(*media, c.Name)
			if err := corpus.Check(t.Context(), file, c.Want, work(t, m, file, c.Want)); err != nil {
				t.Error(err)
			}
		})
	}
}
