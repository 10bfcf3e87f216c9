package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const aboutSearch = "The search that chose x264's parameters for QualityTuningLevel. Each candidate encodes parts of film, animation and camera footage, one thread each, from decoded pictures, " +
	"at two constant rate factors; CPU time and SSIM are then read off the line between them at the middle size of each yardstick (a preset as it is). " +
	"Figures are geometric means over the clips: CPU time over the yardstick's, and the mean and the worst difference in SSIM. Whoever knows a better set adds it to test/bench/search.txt, " +
	"or to a file of their own named by -candidates, and runs this again."

const (
	searchSeconds = 4
	searchCRF     = 23.0 // in the middle of the two at which each encodes
)

// searchClips are parts of clips that stand beside the checkout where the project
// is developed; others search on a generated clip.
var searchClips = []qvbrClip{
	{"film", "real_sintel_trailer_720p_52s.mp4", 16, []int{720}},
	{"animation", "real_bbb_540p_27s.mp4", 8, []int{540}},
	{"camera", "real_dog_720p.mp4", 1, []int{720}},
	{"phone", "real_phone_1080p_5s.mp4", 0, []int{720}},
}

// yardsticks are presets that candidates are held against.
var yardsticks = []string{"medium", "veryfast"}

// candidate is a preset with parameters on top.
type candidate struct {
	preset, params string
}

func (c candidate) String() string { return strings.TrimRight(c.preset+" "+c.params, " ") }

// effort is what a candidate makes of a clip at a factor.
type effort struct {
	crf, bytes, cpu, ssim float64
}

// readCandidates reads lines of "preset name=value:name=value"; # begins a comment.
func readCandidates(path string) ([]candidate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []candidate
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		preset, params, _ := strings.Cut(strings.TrimSpace(line), " ")
		if preset == "" {
			continue
		}
		if c := (candidate{preset, strings.TrimSpace(params)}); !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no candidates in %q", path)
	}
	return out, nil
}

// benchSearch tries all candidates on all clips.
func benchSearch(ctx context.Context, b *bench, r *report) error {
	tried, err := readCandidates(b.candidates)
	if err != nil {
		return err
	}
	for _, y := range slices.Backward(yardsticks) {
		c := candidate{preset: y}
		tried = append([]candidate{c}, slices.DeleteFunc(tried, func(o candidate) bool { return o == c })...)
	}
	clips, dir := searchClips, filepath.Dir(realClip)
	if _, err := os.Stat(filepath.Join(dir, clips[0].file)); errors.Is(err, os.ErrNotExist) {
		dir, clips = b.dir, []qvbrClip{{"generated", "film.mp4", 0, []int{540, 720}}}
		if err := makeFilm(ctx, filepath.Join(dir, "film.mp4")); err != nil {
			return err
		}
	}
	var curves [][][]effort // clip, candidate, factor
	for _, c := range clips {
		for _, height := range c.heights {
			part := filepath.Join(b.dir, "search.y4m")
			if _, _, err := output(ctx, "ffmpeg", "-y", "-nostdin", "-v", "error", "-ss", fmt.Sprint(c.from), "-t", fmt.Sprint(searchSeconds), "-i", filepath.Join(dir, c.file),
				"-map", "0:v:0", "-vf", fmt.Sprintf("scale=-2:%d", height), "-pix_fmt", "yuv420p", "-strict", "-1", part); err != nil {
				return err
			}
			of := make([][]effort, len(tried))
			for range max(b.runs, 1) { // rounds, so that what else the machine does meets all alike
				for i, t := range tried {
					for j, crf := range []float64{searchCRF - 1, searchCRF + 2} {
						e, err := b.try(ctx, part, t, crf)
						if err != nil {
							return err
						}
						if j == len(of[i]) {
							of[i] = append(of[i], e)
						}
						of[i][j].cpu = min(of[i][j].cpu, e.cpu)
					}
				}
			}
			curves = append(curves, of)
			b.logf("search: %s at %d lines done", c.kind, height)
		}
	}
	for y, name := range yardsticks {
		fmt.Fprintf(&r.text, "### At the sizes of preset %s\n\n", name)
		rows := [][]string{{"candidate", "CPU, ratio", "SSIM, mean difference", "SSIM, worst"}}
		for i, t := range tried {
			cpu, ssim, worst := 0.0, 0.0, math.Inf(1)
			for _, of := range curves {
				aim := at(of[y], math.Sqrt(of[y][0].bytes*of[y][1].bytes))
				got := at(of[i], aim.bytes)
				cpu += math.Log(got.cpu / aim.cpu)
				ssim += got.ssim - aim.ssim
				worst = min(worst, got.ssim-aim.ssim)
			}
			n := float64(len(curves))
			rows = append(rows, []string{"`" + t.String() + "`", fmt.Sprintf("%.3f", math.Exp(cpu/n)), fmt.Sprintf("%+.5f", ssim/n), fmt.Sprintf("%+.5f", worst)})
		}
		r.table(rows...)
	}
	return nil
}

// try encodes a part once.
func (b *bench) try(ctx context.Context, part string, c candidate, crf float64) (effort, error) {
	out := filepath.Join(b.dir, "search.mp4")
	params := "threads=1"
	if c.params != "" {
		params += ":" + c.params
	}
	spent, err := measure(ctx, "ffmpeg", "-y", "-nostdin", "-v", "error", "-threads", "1", "-i", part, "-c:v", "libx264", "-preset", c.preset,
		"-crf", strconv.FormatFloat(crf, 'f', 2, 64), "-g", strconv.Itoa(gopFrames), "-x264-params", params, out)
	if err != nil {
		return effort{}, err
	}
	p, err := picturesOf(ctx, out)
	if err != nil {
		return effort{}, err
	}
	quality, err := ssimOf(ctx, "[0:v]settb=1/1000,setpts=N[a];[1:v]settb=1/1000,setpts=N[b];[a][b]ssim=shortest=1", out, part)
	return effort{crf, float64(p.bytes), spent.CPU.Seconds(), quality}, err
}

// at reads a candidate's two encodes, the larger first, at a size: on the line
// between them, by the logarithm of the size.
func at(curve []effort, bytes float64) effort {
	p, q := curve[0], curve[1]
	part := math.Log(p.bytes/bytes) / math.Log(p.bytes/q.bytes)
	between := func(a, z float64) float64 { return a + part*(z-a) }
	return effort{between(p.crf, q.crf), bytes, between(p.cpu, q.cpu), 1 - math.Exp(between(math.Log(1-p.ssim), math.Log(1-q.ssim)))}
}
