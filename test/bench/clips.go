package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"vodwright.dev/vodwright/test/corpus"
)

const aboutClips = "Every generated clip of test/corpus, and every real one where they stand beside the checkout, is given to `vodwright convert`. An output is right if each of its " +
	"frames is the one of the source that belongs there (by its burnt-in counter, or by what it looks like), its sound is in its place, its shape and its length are the source's; " +
	"a refusal is right if it has the code that the file deserves. Generated clips: `go test ./test/corpus -all`."

// benchClips counts clips that are right or rightly refused.
func benchClips(ctx context.Context, b *bench, r *report) error {
	made := filepath.Join(b.dir, "clips")
	if err := os.MkdirAll(made, 0o700); err != nil {
		return err
	}
	real := filepath.Dir(realClip)
	realClips, err := corpus.Real(real)
	if err != nil {
		b.logf("no real clips: %v", err)
	}
	rows := [][]string{{"clips", "right", "rightly refused", "wrong", "share"}}
	var wrong []string
	good, all := 0, 0
	for _, set := range []struct {
		name, dir string
		clips     []corpus.Clip
	}{{"generated", made, corpus.Generated()}, {"real", real, realClips}} {
		right, refused := 0, 0
		for _, c := range set.clips {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			file := filepath.Join(set.dir, c.Name)
			if set.dir == made {
				if file, err = corpus.NewKitchen(ctx, made).Make(c); err != nil {
					return err
				}
			}
			out := filepath.Join(b.dir, "clip-out")
			outcome, err := corpus.Convert(ctx, b.program, file, out, c.Want)
			if err == nil {
				err = corpus.Check(ctx, file, c.Want, outcome)
			}
			switch {
			case err != nil:
				b.logf("  %s: %v", c.Name, err)
				wrong = append(wrong, fmt.Sprintf("`%s`: %v", c.Name, err))
			case outcome.Code != "":
				refused++
			default:
				right++
			}
			if err := os.RemoveAll(out); err != nil {
				return err
			}
		}
		if n := len(set.clips); n > 0 {
			good, all = good+right+refused, all+n
			rows = append(rows, []string{set.name, fmt.Sprint(right), fmt.Sprint(refused), fmt.Sprint(n - right - refused), fmt.Sprintf("%.1f %%", float64(right+refused)*100/float64(n))})
		}
	}
	r.table(rows...)
	for _, w := range wrong {
		r.line("- %s", w)
	}
	r.target("clips right or rightly refused", fmt.Sprintf("%d of %d", good, all), "all", good == all)
	return nil
}
