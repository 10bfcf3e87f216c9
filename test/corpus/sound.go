package corpus

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// tolerance is how far sound may be off its picture, in seconds.
const tolerance = 0.020

// compareSound looks where windows of the source's sound are in the output: each is
// to be where it belongs, counted from the time start of the source.
func compareSound(ctx context.Context, file, movie string, start float64, want Want) error {
	src, err := describe(ctx, file)
	if err != nil {
		return err
	}
	out, err := describe(ctx, movie)
	if err != nil {
		return err
	}
	if out.audio == nil {
		return fmt.Errorf("the output has no sound")
	}
	source, err := hear(ctx, file, src.audio.Index)
	if err != nil {
		return nil // what nobody can decode cannot be compared
	}
	if want.Sound {
		start, _ = strconv.ParseFloat(src.audio.Start, 64)
	}
	heard, err := hear(ctx, movie, out.audio.Index)
	if err != nil {
		return err
	}
	from, to := source.pcm, heard.pcm
	const window = soundRate / 2
	const reach = soundRate / 4
	worst, at, compared := 0.0, 0.0, 0
	for i := 0; i+window <= len(from); i += max(window, len(from)/12) {
		piece := from[i : i+window]
		if gap := source.at(i+window) - source.at(i) - float64(window)/soundRate; math.Abs(gap) > tolerance/2 {
			continue // the source itself has a gap there
		}
		where := int(math.Round((source.at(i) - start - heard.at(0)) * soundRate)) // in the output
		if where-reach < 0 || where+window+reach > len(to) || power(piece) < 1e-6 {
			continue
		}
		best, lag, second := -1.0, 0, -1.0
		for d := -reach; d <= reach; d++ {
			c := correlation(piece, to[where+d:where+d+window])
			if c > best {
				best, lag = c, d
			}
		}
		for d := -reach; d <= reach; d += 2 {
			if d > lag-40 && d < lag+40 {
				continue
			}
			second = max(second, correlation(piece, to[where+d:where+d+window]))
		}
		if best < 0.5 || second > best*0.97 { // noise, or a tone that is the same everywhere
			continue
		}
		compared++
		if off := math.Abs(float64(lag)) / soundRate; off > worst {
			worst, at = off, float64(where)/soundRate
		}
	}
	if worst > tolerance {
		return fmt.Errorf("the sound is off by %.0f ms at %.1f s", worst*1000, at)
	}
	return nil
}

func power(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return sum / float64(len(x))
}

func correlation(a, b []float64) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += a[i] * b[i]
		aa += a[i] * a[i]
		bb += b[i] * b[i]
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// beeps returns when beeps begin in the sound of a file, in seconds.
func beeps(ctx context.Context, movie string) ([]float64, error) {
	out, err := describe(ctx, movie)
	if err != nil {
		return nil, err
	}
	if out.audio == nil {
		return nil, fmt.Errorf("the output has no sound")
	}
	sound, err := hear(ctx, movie, out.audio.Index)
	if err != nil {
		return nil, err
	}
	pcm, start := sound.pcm, sound.at(0)
	const step = soundRate / 500 // 2 ms: two waves of the beep
	levels := make([]float64, len(pcm)/step)
	loudest := 0.0
	for i := range levels {
		var re, im float64
		for j, v := range pcm[i*step : (i+1)*step] {
			phase := 2 * math.Pi * 1000 * float64(j) / soundRate
			re += v * math.Cos(phase)
			im += v * math.Sin(phase)
		}
		levels[i] = math.Hypot(re, im) / step
		loudest = max(loudest, levels[i])
	}
	var list []float64
	loud, quiet := false, 1000
	for i, level := range levels {
		if !loud && level > loudest/3 {
			if quiet > 50 { // a tenth of a second
				list = append(list, start+float64(i*step)/soundRate)
			}
			loud = true
		}
		switch {
		case level < loudest/6:
			loud = false
			quiet++
		case level > loudest/3:
			quiet = 0
		}
	}
	return list, nil
}

// checkBeeps holds the beeps of an output against its flashes.
func checkBeeps(ctx context.Context, movie string, counters []int, want Want) error {
	heard, err := beeps(ctx, movie)
	if err != nil {
		return err
	}
	out, err := describe(ctx, movie)
	if err != nil {
		return err
	}
	rate := out.video.rate()
	length := float64(len(counters)) / rate
	muted := func(at float64) bool {
		return at > length-0.06 || slices.ContainsFunc(slices.Concat(want.Mute, want.Unsure), func(s Span) bool { return at > s.From-0.03 && at < s.To })
	}
	var flashes []float64
	for k, n := range counters {
		if n%want.flash() == 0 && (k == 0 || counters[k-1] != n) && !muted(float64(k)/rate) {
			flashes = append(flashes, float64(k)/rate)
		}
	}
	for _, flash := range flashes {
		nearest := math.Inf(1)
		for _, beep := range heard {
			if math.Abs(beep-flash) < math.Abs(nearest-flash) {
				nearest = beep
			}
		}
		if off := math.Abs(nearest - flash); off > tolerance+0.002 {
			return fmt.Errorf("the beep of the flash at %.3f s is at %.3f; all beeps: %.3f", flash, nearest, heard)
		}
	}
	if len(flashes) == 0 && !slices.Contains(want.Shows, -1) {
		return fmt.Errorf("no flash to hold a beep against")
	}
	for _, beep := range heard {
		if slices.ContainsFunc(want.Mute, func(s Span) bool { return beep > s.From+0.03 && beep < s.To-0.03 }) {
			return fmt.Errorf("a beep at %.3f s, where there should be silence", beep)
		}
	}
	return nil
}
