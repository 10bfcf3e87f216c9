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
	aboutLadder = "`vodwright convert` makes three HLS rungs of one clip (640×360, 960×540 and 1280×720, capped at 1, 2 and 3 Mb/s, QVBR level 7, " +
		"a keyframe at least every 90 frames, 10-second segments, AAC at 96 kb/s), in turns with the one ffmpeg command that makes the same ladder with libx264's default preset; " +
		"the command's CRF is chosen rung by rung so that both make video of equal size, and SSIM says that the quality is equal too."
	ratioLimit  = 0.97
	ssimAllowed = 0.002
)

// benchLadder compares encodes at both usual tuning levels.
func benchLadder(ctx context.Context, b *bench, r *report) error {
	f, err := b.findFilm(ctx)
	if err != nil {
		return err
	}
	r.line("Clip: %s.", f.about)
	l := &ladderBench{bench: b, film: f}
	for _, tuning := range []string{"SINGLE_PASS", "SINGLE_PASS_HQ"} {
		if err := l.compare(ctx, r, tuning); err != nil {
			return fmt.Errorf("%s: %w", tuning, err)
		}
	}
	return nil
}

// ladderBench encodes one film many times.
type ladderBench struct {
	*bench
	film  film
	known [len(rungs)][]point // of the search, from one tuning level to the next
}

// encode is one run of either side, and what it made.
type encode struct {
	pictures [len(rungs)]pictures
	ssim     [len(rungs)]float64
	bytes    int64 // of all files
}

func (l *ladderBench) compare(ctx context.Context, r *report, tuning string) error {
	ours, theirs := filepath.Join(l.dir, "ours"), filepath.Join(l.dir, "theirs")
	job := filepath.Join(l.dir, "job.json")
	if err := writeJSON(job, jobDocument("s3://bench/clip.mp4", "s3://bench/", tuning)); err != nil {
		return err
	}
	convert := func() (cost, error) {
		return inEmpty(ours, func() (cost, error) {
			return measure(ctx, l.program, "convert", l.film.path, "-o", ours, "--json", "--job", job)
		})
	}
	l.logf("ladder %s: encoding once to know the sizes", tuning)
	if _, err := convert(); err != nil {
		return err
	}
	we, err := l.inspect(ctx, ours)
	if err != nil {
		return fmt.Errorf("inspect vodwright's stream: %w", err)
	}
	crf, err := l.match(ctx, we)
	if err != nil {
		return err
	}
	bare := func() (cost, error) {
		return inEmpty(theirs, func() (cost, error) { return measure(ctx, "ffmpeg", oneLiner(l.film.path, theirs, crf)...) })
	}
	if _, err := bare(); err != nil {
		return err
	}
	they, err := l.inspect(ctx, theirs)
	if err != nil {
		return fmt.Errorf("inspect ffmpeg's stream: %w", err)
	}

	var ourCPU, ourWall, theirCPU, theirWall sample
	for i := range l.runs {
		a, err := convert()
		if err != nil {
			return err
		}
		z, err := bare()
		if err != nil {
			return err
		}
		ourCPU.seconds(a.CPU)
		ourWall.seconds(a.Wall)
		theirCPU.seconds(z.CPU)
		theirWall.seconds(z.Wall)
		l.logf("ladder %s: run %d: CPU %.2f and %.2f s, wall %.2f and %.2f s", tuning, i+1, a.CPU.Seconds(), z.CPU.Seconds(), a.Wall.Seconds(), z.Wall.Seconds())
	}
	cpu, wall := ourCPU.over(theirCPU), ourWall.over(theirWall)

	fmt.Fprintf(&r.text, "### QualityTuningLevel %s\n\n", tuning)
	r.table(
		[]string{"", "Vodwright", "ffmpeg", "ratio"},
		[]string{"CPU, s", ourCPU.show("%.2f"), theirCPU.show("%.2f"), cpu.show("%.3f")},
		[]string{"wall, s", ourWall.show("%.2f"), theirWall.show("%.2f"), wall.show("%.3f")},
	)
	rows := [][]string{{"rung", "CRF of the command", "video bytes, Vodwright", "ffmpeg", "ratio", "SSIM, Vodwright", "ffmpeg", "difference", "frames"}}
	var worstSize, worstSSIM float64
	for i, g := range rungs {
		size := float64(we.pictures[i].bytes) / float64(they.pictures[i].bytes)
		diff := we.ssim[i] - they.ssim[i]
		if math.Abs(size-1) > math.Abs(worstSize) {
			worstSize = size - 1
		}
		if math.Abs(diff) > math.Abs(worstSSIM) {
			worstSSIM = diff
		}
		rows = append(rows, []string{
			g.name(), fmt.Sprintf("%.2f", crf[i]), fmt.Sprint(we.pictures[i].bytes), fmt.Sprint(they.pictures[i].bytes), fmt.Sprintf("%.3f", size),
			fmt.Sprintf("%.5f", we.ssim[i]), fmt.Sprintf("%.5f", they.ssim[i]), fmt.Sprintf("%+.5f", diff),
			fmt.Sprintf("%d and %d of %d", we.pictures[i].frames, they.pictures[i].frames, l.film.frames),
		})
	}
	r.table(rows...)
	r.line("All files together, sound and containers included: %.2f and %.2f MB (ratio %.3f). The command was:", float64(we.bytes)/1e6, float64(they.bytes)/1e6, float64(we.bytes)/float64(they.bytes))
	fmt.Fprintf(&r.text, "```sh\nffmpeg %s\n```\n\n", shellLine(oneLiner(filepath.Base(l.film.path), "", crf)))
	if math.Abs(worstSize) > sizeAllowed {
		r.line("**Sizes differ by more than 3 %%: the ratios do not compare equal work.**")
	}
	if math.Abs(worstSSIM) > ssimAllowed {
		r.line("**SSIM differs by more than %.3f: the ratios do not compare equal work.**", ssimAllowed)
	}
	what := "ladder, " + tuning + ": "
	r.atMost(what+"CPU, ratio", cpu.median(), ratioLimit, "%.3f")
	r.atMost(what+"wall, ratio", wall.median(), ratioLimit, "%.3f")
	r.target(what+"largest difference in size", fmt.Sprintf("%+.1f %%", 100*worstSize), "± 3 %", math.Abs(worstSize) <= sizeAllowed)
	r.target(what+"largest difference in SSIM", fmt.Sprintf("%+.4f", worstSSIM), "± 0.002", math.Abs(worstSSIM) <= ssimAllowed)
	return nil
}

// inspect reads what a folder's stream holds, and checks that it is the whole film.
func (l *ladderBench) inspect(ctx context.Context, dir string) (encode, error) {
	var e encode
	playlists, err := variants(dir)
	if err != nil {
		return e, err
	}
	if e.bytes, err = folderBytes(dir); err != nil {
		return e, err
	}
	for i, r := range rungs {
		if e.pictures[i], err = picturesOf(ctx, playlists[i]); err != nil {
			return e, err
		}
		if n := e.pictures[i].frames; n != l.film.frames {
			return e, fmt.Errorf("%s has %d frames, the clip %d: they cannot be compared", r.name(), n, l.film.frames)
		}
		if e.ssim[i], err = ssim(ctx, playlists[i], l.film.path, r); err != nil {
			return e, err
		}
	}
	return e, nil
}

// match finds the one-liner's CRF for each rung.
func (l *ladderBench) match(ctx context.Context, want encode) (crf [len(rungs)]float64, err error) {
	out := filepath.Join(l.dir, "search.ts")
	defer os.Remove(out)
	for i, r := range rungs {
		best, known, err := matchCRF(want.pictures[i].bytes, l.known[i], func(crf float64) (int64, error) {
			if err := encodeRung(ctx, l.film.path, out, r, crf); err != nil {
				return 0, err
			}
			p, err := picturesOf(ctx, out)
			return p.bytes, err
		})
		if err != nil {
			return crf, fmt.Errorf("match the size of %s: %w", r.name(), err)
		}
		l.known[i], crf[i] = known, best.crf
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
