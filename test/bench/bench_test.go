package main

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == measureCommand { // as main does
		os.Exit(measureChild(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// burn makes a shell use CPU time, a tenth of a second or more.
const burn = `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done`

func TestMeasureCountsDescendants(t *testing.T) {
	for name, script := range map[string]string{
		"itself":         burn,
		"a child":        "sh -c '" + burn + "'",
		"an orphan":      "(setsid sh -c '" + burn + "' &) ; exit 0",
		"a child's heir": "sh -c 'sh -c \"" + strings.ReplaceAll(burn, "$", `\$`) + "\" &' ; exit 0",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := measure(t.Context(), "sh", "-c", script)
			if err != nil {
				t.Fatal(err)
			}
			if c.CPU < 50*time.Millisecond {
				t.Errorf("CPU time %s: the work was not counted", c.CPU)
			}
			if c.Wall <= 0 {
				t.Errorf("wall time %s", c.Wall)
			}
		})
	}
}

func TestMeasureTellsWhyACommandFailed(t *testing.T) {
	_, err := measure(t.Context(), "sh", "-c", "echo the reason >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "exit code 3") || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("error %v", err)
	}
}

func TestMeasureEndsWithItsContext(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	began := time.Now()
	if _, err := measure(ctx, "sleep", "60"); err == nil {
		t.Error("no error")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestSample(t *testing.T) {
	odd, even := sample{3, 1, 2}, sample{4, 1, 3, 2}
	if got := odd.show("%.1f"); got != "2.0 (1.0–3.0)" {
		t.Errorf("show = %q", got)
	}
	if even.median() != 2.5 || (sample{}).median() != 0 {
		t.Errorf("medians %v and %v", even.median(), sample{}.median())
	}
	if got := odd.over(sample{6, 1, 1}); got[0] != 0.5 || got[2] != 2 {
		t.Errorf("over = %v", got)
	}
	if odd[0] != 3 {
		t.Error("median changed the order of the values")
	}
}

func TestMatchCRF(t *testing.T) {
	// Sizes as x264 makes them: halved every five and a half steps, and flat where
	// a cap decides.
	encoder := func(floor, ceiling float64) func(float64) (int64, error) {
		return func(crf float64) (int64, error) {
			return int64(min(max(8e6*math.Exp2((23-crf)/5.5), floor), ceiling)), nil
		}
	}
	for name, c := range map[string]struct {
		want           int64
		floor, ceiling float64
		reachable      bool
	}{
		"default":     {8_000_000, 0, 1e9, true},
		"smaller":     {1_234_567, 0, 1e9, true},
		"larger":      {40_000_000, 0, 1e9, true},
		"under a cap": {8_000_000, 0, 8_500_000, true},
		"over a cap":  {9_000_000, 0, 8_000_000, false},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			size := encoder(c.floor, c.ceiling)
			best, err := matchCRF(c.want, func(crf float64) (int64, error) {
				calls++
				return size(crf)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := math.Abs(float64(best.bytes)/float64(c.want) - 1); c.reachable && got > 0.01 {
				t.Errorf("CRF %v makes %d bytes, want %d", best.crf, best.bytes, c.want)
			}
			if calls > searchSteps {
				t.Errorf("%d encodes", calls)
			}
		})
	}
}

func TestPatternIsTheSameInPiecesOfAnySize(t *testing.T) {
	whole := make([]byte, 1000)
	_, _ = (&pattern{}).Read(whole)
	var pieces []byte
	p := &pattern{}
	for n := 0; len(pieces) < len(whole); n++ {
		piece := make([]byte, min(n, len(whole)-len(pieces)))
		if _, err := io.ReadFull(p, piece); err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, piece...)
	}
	if !bytes.Equal(whole, pieces) {
		t.Error("pieces differ from the whole")
	}
}

func TestChooseSections(t *testing.T) {
	got, err := choose("edge,start")
	if err != nil || len(got) != 2 || got[0].name != "start" {
		t.Errorf("choose = %v, %v", got, err)
	}
	if got, err := choose(""); err != nil || slices.ContainsFunc(got, func(s section) bool { return s.name == "search" }) {
		t.Errorf("everything = %v, %v: the search has to be asked for", got, err)
	}
	if _, err := choose("start,nonsense"); err == nil || !strings.Contains(err.Error(), "ladder") {
		t.Errorf("an unknown section: %v", err)
	}
}

func TestQVBRChartHoldsEveryLevel(t *testing.T) {
	curve := qvbrCurve{name: "film, 540p"}
	for i := range qvbrLevels {
		curve.points = append(curve.points, qvbrPoint{kbps: 100 * math.Pow(1.3, float64(i)), ssim: 0.9 + 0.009*float64(i)})
	}
	chart, table := qvbrChart([]qvbrCurve{curve}), qvbrTable([]qvbrCurve{curve})
	if n := strings.Count(chart, "<circle"); n != qvbrLevels || !strings.Contains(chart, "level 7: 483 kbit/s, SSIM 0.9540") {
		t.Errorf("%d dots:\n%s", n, chart)
	}
	if !strings.Contains(table, "| 7 | 23 | 483 | 0.9540 | 13.4 |") {
		t.Errorf("table:\n%s", table)
	}
}
