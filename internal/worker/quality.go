package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/receipt"
)

// qualityFile is beside the rungs of a chunk whose quality was asked for: a tally of
// each rung.
const qualityFile = "quality.json"

// tally adds up what was measured of frames.
type tally struct {
	Frames int64 `json:"frames"`
	SSIM   sum   `json:"ssim"`
	VMAF   sum   `json:"vmaf"`
}

// sum is of one measure.
type sum struct {
	Frames int64   `json:"frames"`
	All    float64 `json:"all"`
	Luma   float64 `json:"luma"`
	Lowest float64 `json:"lowest"`
}

func (s *sum) add(frames int64, all, luma, lowest float64) {
	if frames == 0 {
		return
	}
	if s.Frames == 0 || lowest < s.Lowest {
		s.Lowest = lowest
	}
	s.Frames, s.All, s.Luma = s.Frames+frames, s.All+all, s.Luma+luma
}

func (s *sum) measure() *receipt.Measure {
	if s.Frames == 0 {
		return nil
	}
	n := float64(s.Frames)
	digits := func(v float64) float64 { return math.Round(v*1e6) / 1e6 } // as many as frames have
	return &receipt.Measure{Mean: digits(s.All / n), Luma: digits(s.Luma / n), Lowest: digits(s.Lowest)}
}

// vmafThere reports whether ffmpeg here can measure VMAF.
func (w *Worker) vmafThere(ctx context.Context) (bool, error) {
	return w.cfg.FFmpeg.HasFilter(ctx, "libvmaf")
}

// measure holds the rungs of a chunk in dir against the pictures that its process,
// of these arguments, gave the encoders, and leaves what it finds beside them. What
// it reads is what will be published: packing does not touch pictures.
func (w *Worker) measure(ctx context.Context, task job.Task, p *probed, ladder plan.Ladder, chunk plan.Chunk, args []string, dir string, progress func(ffmpeg.Progress)) error {
	ssim, vmaf := p.Wishes.SSIM, p.Wishes.VMAF
	if vmaf {
		there, err := w.vmafThere(ctx)
		if err != nil {
			return err
		}
		vmaf = there // another machine found that it can; this one cannot
	}
	if len(ladder.Rungs) == 0 || !ssim && !vmaf {
		return nil
	}
	sources, err := w.sources(ctx, task, p, chunk.Files)
	if err != nil {
		return err
	}
	for _, r := range ladder.Rungs {
		sources = append(sources, filepath.Join(dir, r.File))
	}
	tallies := make([]tally, len(ladder.Rungs))
	err = w.media(ctx, task, sources, plan.Measuring(args, len(chunk.Files), len(ladder.Rungs), ssim, vmaf), progress, nil, func(found string) error {
		for i := range tallies {
			if ssim {
				if err := readSSIM(filepath.Join(found, plan.SSIMFile(i)), &tallies[i].SSIM); err != nil {
					return err
				}
			}
			if vmaf {
				if err := readVMAF(filepath.Join(found, plan.VMAFFile(i)), &tallies[i].VMAF); err != nil {
					return err
				}
			}
			tallies[i].Frames = max(tallies[i].SSIM.Frames, tallies[i].VMAF.Frames)
			if want := chunk.To - chunk.From; tallies[i].Frames != want {
				return fault.New(fault.Internal, "1999", "the quality of %d frames was measured, of %d", tallies[i].Frames, want)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	doc, err := json.Marshal(tallies)
	if err != nil {
		return err
	}
	return diskFault(os.WriteFile(filepath.Join(dir, qualityFile), doc, 0o600))
}

// readSSIM reads the lines of ffmpeg's ssim filter:
// "n:1 Y:0.990 U:0.991 V:0.992 All:0.991 (20.1)".
func readSSIM(file string, into *sum) error {
	f, err := os.Open(file)
	if err != nil {
		return fault.New(fault.Internal, "1999", "the quality was not measured: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var all, luma float64
		for _, field := range strings.Fields(lines.Text()) {
			name, value, _ := strings.Cut(field, ":")
			switch name {
			case "Y":
				_, err = fmt.Sscan(value, &luma)
			case "All":
				_, err = fmt.Sscan(value, &all)
			}
			if err != nil {
				return fault.New(fault.Internal, "1999", "read the measured quality: %w", err)
			}
		}
		into.add(1, all, luma, all)
	}
	return nil
}

// readVMAF reads the JSON log of libvmaf.
func readVMAF(file string, into *sum) error {
	doc, err := os.ReadFile(file)
	if err != nil {
		return fault.New(fault.Internal, "1999", "the quality was not measured: %w", err)
	}
	var log struct {
		Frames []struct {
			Metrics struct {
				VMAF float64 `json:"vmaf"`
			} `json:"metrics"`
		} `json:"frames"`
	}
	if err := json.Unmarshal(doc, &log); err != nil {
		return fault.New(fault.Internal, "1999", "read the measured quality: %w", err)
	}
	for _, f := range log.Frames {
		into.add(1, f.Metrics.VMAF, 0, f.Metrics.VMAF)
	}
	return nil
}

// qualities adds up what was measured of each rung of each ladder; nil where nothing was.
func (w *Worker) qualities(ctx context.Context, id string, p *probed) ([][]*receipt.Quality, error) {
	out := make([][]*receipt.Quality, len(p.Plan.Ladders))
	for l, ladder := range p.Plan.Ladders {
		out[l] = make([]*receipt.Quality, len(ladder.Rungs))
		if !p.Wishes.SSIM && !p.Wishes.VMAF {
			continue
		}
		whole := make([]tally, len(ladder.Rungs))
		for c := range ladder.Chunks {
			file, err := w.results.File(ctx, id, chunkName(l, c), qualityFile)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			var doc []byte
			if err == nil {
				doc, err = os.ReadFile(file)
			}
			var tallies []tally
			if err == nil {
				err = json.Unmarshal(doc, &tallies)
			}
			if err == nil && len(tallies) != len(whole) {
				err = errors.New("it is of other rungs")
			}
			if err != nil {
				return nil, fmt.Errorf("read the quality of chunk %d: %w", c, err)
			}
			for i, t := range tallies {
				whole[i].Frames += t.Frames
				whole[i].SSIM.add(t.SSIM.Frames, t.SSIM.All, t.SSIM.Luma, t.SSIM.Lowest)
				whole[i].VMAF.add(t.VMAF.Frames, t.VMAF.All, t.VMAF.Luma, t.VMAF.Lowest)
			}
		}
		for i, t := range whole {
			if t.Frames > 0 {
				out[l][i] = &receipt.Quality{Frames: t.Frames, SSIM: t.SSIM.measure(), VMAF: t.VMAF.measure()}
			}
		}
	}
	return out, nil
}
