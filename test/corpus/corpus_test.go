package corpus_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vodwright.dev/vodwright/test/corpus"
)

var program = flag.String("program", "", "")
var only = flag.String("clips", "", "")
var keep = flag.String("keep", "", "")

func TestAll(t *testing.T) {
	dir := *keep
	if dir == "" {
		dir = t.TempDir()
	}
	k := corpus.NewKitchen(t.Context(), dir)
	for _, c := range corpus.Generated() {
		if *only != "" && !strings.Contains(","+*only+",", ","+c.Name+",") {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			file := filepath.Join(dir, c.Name)
			if _, err := os.Stat(file); err != nil {
				if file, err = k.Make(c); err != nil {
					t.Fatal(err)
				}
			}
			o, err := corpus.Convert(t.Context(), *program, file, t.TempDir(), c.Want)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range o.Warnings {
				t.Logf("warning %d: %s", w.Code, w.Message)
			}
			if o.Code != "" {
				t.Logf("refused %s: %s (%s)", o.Code, o.Message, o.Hint)
			}
			if err := corpus.Check(t.Context(), file, c.Want, o); err != nil {
				t.Error(err)
			}
		})
	}
}
