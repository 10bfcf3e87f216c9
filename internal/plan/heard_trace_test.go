package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseHeard(t *testing.T) {
	due := Heard{At: 10, Begins: 1, Seconds: 8}
	steady := func(from, to float64) (out []float64) {
		for at := from; at < to; at += heardStep {
			out = append(out, at)
		}
		return out
	}
	for name, test := range map[string]struct {
		marks []float64
		want  []Silence
	}{
		"all of it":      {marks: steady(-2, 8)},
		"a little late":  {marks: steady(2, 8)},
		"nothing":        {want: []Silence{{11, 18, true}}},
		"behind the end": {marks: []float64{9}, want: []Silence{{11, 18, false}}},
		"gap":            {marks: append(steady(0, 3), steady(6, 8)...), want: []Silence{{12.75, 16, false}}},
		"end":            {marks: steady(0, 4), want: []Silence{{13.75, 18, true}}},
		"goes back":      {marks: append(steady(0, 8), steady(2, 4)...)},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			for i, at := range test.marks {
				fmt.Fprintf(&text, "frame:%d    pts:%d       pts_time:%g\nheard=1\n", i, i, at)
			}
			got, err := ParseHeard(strings.NewReader(text.String()), due)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%v, not %v (%v)", got, test.want, err)
			}
		})
	}
}
