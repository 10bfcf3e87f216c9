package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	aboutLadder = "`vodwright convert` makes three HLS rungs of a clip (640×360, 960×540 and 1280×720, capped at 1, 2 and 3 Mb/s; of a 1080p clip 960×540, 1280×720 and 1920×1080, capped at 2, 3 and 6 Mb/s; QVBR level 7, " +
		"a keyframe at least every 90 frames, 10-second segments, AAC at 96 kb/s), in turns with the one ffmpeg command that makes the same ladder with a preset of libx264: its default, medium, beside SINGLE_PASS_HQ, veryfast beside SINGLE_PASS. " +
		"The command's CRF is chosen rung by rung so that both make video of equal size, and SSIM says that the quality is equal too. Ours reads its outputs back and decodes them, as it always does."
	ssimAllowed = 0.002
)

// rivals are what is compared: a tuning level, the preset beside it ("" is the
// default), and the ratios of CPU and wall time that are to be reached on average.
var rivals = []struct {
	tuning, preset string
	cpu, wall      float64
}{
	{"SINGLE_PASS_HQ", "", 0.82, 0.82},
	{"SINGLE_PASS", "veryfast", 0.88, 0.80},
}

// benchLadder compares encodes at both usual tuning levels, over all films.
func benchLadder(ctx context.Context, b *bench, r *report) error {
	films, err := b.findFilms(ctx)
	if err != nil {
		return err
	}
	for _, f := range films {
		r.line("- %s.", f.about)
	}
	for _, v := range rivals {
		if b.tuning != "" && v.tuning != b.tuning {
			continue
		}
		preset := v.preset
		if preset == "" {
			preset = "medium"
		}
		what := v.tuning + " beside preset " + preset
		fmt.Fprintf(&r.text, "### %s\n\n", what)
		rows := [][]string{{"clip", "CPU, s, Vodwright", "ffmpeg", "ratio", "wall, s, Vodwright", "ffmpeg", "ratio", "largest difference in size", "in SSIM"}}
		details := [][]string{{"clip", "rung", "CRF of the command", "video bytes, Vodwright", "ffmpeg", "ratio", "SSIM, Vodwright", "ffmpeg", "difference", "frames"}}
		var cpu, wall, size, ssim float64 // sums of logarithms; worst
		var command string
		for _, f := range films {
			c, err := (&ladderBench{bench: b, film: f, preset: v.preset}).compare(ctx, v.tuning)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", what, f.kind, err)
			}
			cpu += math.Log(c.ourCPU.over(c.theirCPU).median())
			wall += math.Log(c.ourWall.over(c.theirWall).median())
			cSize, cSSIM := 0.0, 0.0
			for i, g := range f.ladder {
				ratio, diff := float64(c.ours.pictures[i].bytes)/float64(c.theirs.pictures[i].bytes), c.ours.ssim[i]-c.theirs.ssim[i]
				cSize, cSSIM = farther(cSize, ratio-1), farther(cSSIM, diff)
				details = append(details, []string{
					f.kind, g.name(), fmt.Sprintf("%.2f", c.crf[i]), fmt.Sprint(c.ours.pictures[i].bytes), fmt.Sprint(c.theirs.pictures[i].bytes), fmt.Sprintf("%.3f", ratio),
					fmt.Sprintf("%.5f", c.ours.ssim[i]), fmt.Sprintf("%.5f", c.theirs.ssim[i]), fmt.Sprintf("%+.5f", diff),
					fmt.Sprintf("%d and %d of %d", c.ours.pictures[i].frames, c.theirs.pictures[i].frames, f.frames),
				})
			}
			size, ssim = farther(size, cSize), farther(ssim, cSSIM)
			rows = append(rows, []string{
				f.kind, c.ourCPU.show("%.2f"), c.theirCPU.show("%.2f"), c.ourCPU.over(c.theirCPU).show("%.3f"),
				c.ourWall.show("%.2f"), c.theirWall.show("%.2f"), c.ourWall.over(c.theirWall).show("%.3f"), fmt.Sprintf("%+.1f %%", 100*cSize), fmt.Sprintf("%+.5f", cSSIM),
			})
			if command == "" {
				command = shellLine(f.ladder.oneLiner(filepath.Base(f.path), "", v.preset, c.crf))
			}
		}
		n := float64(len(films))
		r.table(rows...)
		r.table(details...)
		r.line("The command of the first clip:")
		fmt.Fprintf(&r.text, "```sh\nffmpeg %s\n```\n\n", command)
		r.atMost(what+": CPU, geometric mean", math.Exp(cpu/n), v.cpu, "%.3f")
		r.atMost(what+": wall, geometric mean", math.Exp(wall/n), v.wall, "%.3f")
		r.target(what+": largest difference in size", fmt.Sprintf("%+.1f %%", 100*size), "± 2 %", math.Abs(size) <= sizeAllowed)
		r.target(what+": largest difference in SSIM", fmt.Sprintf("%+.4f", ssim), "≥ −0.002", ssim >= -ssimAllowed)
	}
	return nil
}

// farther returns what is farther from 0.
func farther(a, b float64) float64 {
	if math.Abs(b) > math.Abs(a) {
		return b
	}
	return a
}

// ladderBench encodes one film many times.
type ladderBench struct {
	*bench
	film   film
	preset string
}

// encode is one run of either side, and what it made.
type encode struct {
	pictures []pictures // of each rung
	ssim     []float64
}

// comparison is both sides' runs of one film.
type comparison struct {
	ours, theirs                         encode
	crf                                  []float64
	ourCPU, ourWall, theirCPU, theirWall sample
}

func (l *ladderBench) compare(ctx context.Context, tuning string) (comparison, error) {
	var c comparison
	ours, theirs := filepath.Join(l.dir, "ours"), filepath.Join(l.dir, "theirs")
	job := filepath.Join(l.dir, "job.json")
	if err := writeJSON(job, jobDocument(l.film.ladder, "s3://bench/clip.mp4", "s3://bench/", tuning)); err != nil {
		return c, err
	}
	convert := func() (cost, error) {
		return inEmpty(ours, func() (cost, error) {
			return measure(ctx, l.program, "convert", l.film.path, "-o", ours, "--json", "--job", job)
		})
	}
	l.logf("ladder %s, %s: encoding once to know the sizes", tuning, l.film.kind)
	if _, err := convert(); err != nil {
		return c, err
	}
	var err error
	if c.ours, err = l.inspect(ctx, ours); err != nil {
		return c, fmt.Errorf("inspect vodwright's stream: %w", err)
	}
	if c.crf, err = l.match(ctx, c.ours); err != nil {
		return c, err
	}
	bare := func() (cost, error) {
		return inEmpty(theirs, func() (cost, error) {
			return measure(ctx, "ffmpeg", l.film.ladder.oneLiner(l.film.path, theirs, l.preset, c.crf)...)
		})
	}
	if _, err := bare(); err != nil {
		return c, err
	}
	if c.theirs, err = l.inspect(ctx, theirs); err != nil {
		return c, fmt.Errorf("inspect ffmpeg's stream: %w", err)
	}
	for i := range l.runs {
		a, err := convert()
		if err != nil {
			return c, err
		}
		z, err := bare()
		if err != nil {
			return c, err
		}
		c.ourCPU.seconds(a.CPU)
		c.ourWall.seconds(a.Wall)
		c.theirCPU.seconds(z.CPU)
		c.theirWall.seconds(z.Wall)
		l.logf("ladder %s, %s: run %d: CPU %.2f and %.2f s, wall %.2f and %.2f s", tuning, l.film.kind, i+1, a.CPU.Seconds(), z.CPU.Seconds(), a.Wall.Seconds(), z.Wall.Seconds())
	}
	return c, nil
}

// inspect reads what a folder's stream holds, and checks that it is the whole film.
func (l *ladderBench) inspect(ctx context.Context, dir string) (encode, error) {
	var e encode
	playlists, err := l.film.ladder.variants(dir)
	if err != nil {
		return e, err
	}
	for i, r := range l.film.ladder {
		p, err := picturesOf(ctx, playlists[i])
		if err != nil {
			return e, err
		}
		if p.frames != l.film.frames {
			return e, fmt.Errorf("%s has %d frames, the clip %d: they cannot be compared", r.name(), p.frames, l.film.frames)
		}
		quality, err := ssim(ctx, playlists[i], l.film.path, r)
		if err != nil {
			return e, err
		}
		e.pictures, e.ssim = append(e.pictures, p), append(e.ssim, quality)
	}
	return e, nil
}

// match finds the one-liner's CRF for each rung.
func (l *ladderBench) match(ctx context.Context, want encode) ([]float64, error) {
	out := filepath.Join(l.dir, "search.ts")
	defer os.Remove(out)
	var crf []float64
	for i, r := range l.film.ladder {
		best, err := matchCRF(want.pictures[i].bytes, func(crf float64) (int64, error) {
			if err := encodeRung(ctx, l.film.path, out, l.preset, r, crf); err != nil {
				return 0, err
			}
			p, err := picturesOf(ctx, out)
			return p.bytes, err
		})
		if err != nil {
			return nil, fmt.Errorf("match the size of %s: %w", r.name(), err)
		}
		crf = append(crf, best.crf)
		l.logf("ladder: %s: CRF %.2f makes %d bytes for our %d", r.name(), best.crf, best.bytes, want.pictures[i].bytes)
	}
	return crf, nil
}

// inEmpty makes a folder empty, outside of what is measured, and runs do.
func inEmpty(dir string, do func() (cost, error)) (cost, error) {
	if err := os.RemoveAll(dir); err != nil {
		return cost{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return cost{}, err
	}
	return do()
}

// shellLine shows arguments as a shell would take them.
func shellLine(args []string) string {
	out := slices.Clone(args)
	for i, a := range out {
		if strings.ContainsAny(a, " ;[]()*'") {
			out[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}
