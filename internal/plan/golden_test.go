package plan_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/plan"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// summary is a source in a golden file: its facts, and its index in short.
type summary struct {
	Source media.Source
	Index  struct {
		TimeBase string
		Start    int64 // of the first frame
		Frames   int
		Step     []int64 // ticks from frame to frame, in turn
		GOP      int     // frames from keyframe to keyframe
		Last     int64
		Problem  string
	}
}

func (s summary) index() media.FrameIndex {
	ix := media.FrameIndex{TimeBase: media.ParseRational(s.Index.TimeBase), LastDuration: s.Index.Last, Problem: s.Index.Problem}
	at := s.Index.Start
	for i := range s.Index.Frames {
		ix.PTS = append(ix.PTS, at)
		at += s.Index.Step[i%len(s.Index.Step)]
		if i%s.Index.GOP == 0 {
			ix.Keys = append(ix.Keys, i)
		}
	}
	return ix
}

// TestGolden plans each settings.json of testdata for its source.json and
// compares the plan: as JSON, and the command lines apart, a word a line.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string][]byte{}
			for _, f := range archive.Files {
				part[f.Name] = f.Data
			}
			var s summary
			if err := json.Unmarshal(part["source.json"], &s); err != nil {
				t.Fatalf("source.json: %v", err)
			}
			got := []txtar.File{{Name: "settings.json", Data: part["settings.json"]}, {Name: "source.json", Data: part["source.json"]}}
			settings := parse(t, string(part["settings.json"]))
			p, err := plan.New(plan.Input{Settings: settings, Files: []plan.Footage{{Source: s.Source, Index: s.index()}}, JobStart: jobStart})
			var f *fault.Error
			switch {
			case errors.As(err, &f):
				got = append(got, txtar.File{Name: "error", Data: []byte(fmt.Sprintf("%v %s\n%s\n", f.Kind, f.Code, f.Message))})
			case err != nil:
				t.Fatalf("an error without kind: %v", err)
			default:
				got = append(got, show(t, p)...)
			}
			if *update {
				archive.Files = got
				write(t, file, txtar.Format(archive))
				return
			}
			for _, g := range got {
				if string(part[g.Name]) != string(g.Data) {
					t.Errorf("%s differs; with -update it would be:\n%s", g.Name, g.Data)
				}
			}
			if len(archive.Files) != len(got) {
				t.Errorf("%d parts, want %d", len(archive.Files), len(got))
			}
		})
	}
}

// show writes a plan for people: command lines of the first two chunks and the last.
func show(t *testing.T, p *plan.Plan) []txtar.File {
	t.Helper()
	var out []txtar.File
	args := func(name string, args []string) {
		out = append(out, txtar.File{Name: name, Data: []byte(strings.Join(args, "\n") + "\n")})
	}
	for l := range p.Ladders {
		chunks := p.Ladders[l].Chunks
		for c := range chunks {
			if c < 2 || c == len(chunks)-1 {
				args(fmt.Sprintf("ladder %d chunk %d", l, c), chunks[c].Args)
			}
			chunks[c].Args = nil
		}
	}
	for a := range p.Audios {
		args(fmt.Sprintf("audio %d", a), p.Audios[a].Args)
		p.Audios[a].Args, p.Audios[a].Steady = nil, nil // of Steady it is the same again
	}
	doc, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append([]txtar.File{{Name: "plan.json", Data: append(doc, '\n')}}, out...)
}

// TestGraphsKeepTheirLabels prunes the graph of every golden plan for each output, and
// expects each label to be made and used once.
func TestGraphsKeepTheirLabels(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	pruned := 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if !strings.Contains(f.Name, " chunk ") {
				continue
			}
			args := strings.Split(strings.TrimSpace(string(f.Data)), "\n")
			for r := range 3 {
				name := fmt.Sprintf("r%d.mp4", r)
				if !slices.Contains(args, plan.OutputDir+"/"+name) {
					continue
				}
				pruned++
				only := plan.Only(args, func(n string) bool { return n == name })
				if n := strings.Count(strings.Join(only, " "), "-map "); n != 1 {
					t.Errorf("%s %s: %d outputs", file, f.Name, n)
				}
				graph := only[slices.Index(only, "-filter_complex")+1]
				uses := map[string]int{}
				for _, label := range regexp.MustCompile(`\[[a-z]\w*\]`).FindAllString(graph+only[slices.Index(only, "-map")+1], -1) {
					uses[label]++
				}
				for label, n := range uses {
					if n != 2 {
						t.Errorf("%s %s: %s is there %d times in %s", file, f.Name, label, n, graph)
					}
				}
			}
		}
	}
	if pruned < 10 {
		t.Errorf("only %d graphs", pruned)
	}
}
