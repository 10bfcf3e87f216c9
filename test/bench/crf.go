package main

import (
	"errors"
	"math"
)

// Limits of the search for equal size.
const (
	sizeAim     = 0.005 // good enough to stop
	sizeAllowed = 0.02  // more is not the same size
	searchSteps = 9
)

// point is a size that an encode at some constant rate factor had.
type point struct {
	crf   float64
	bytes int64
}

// matchCRF finds the factor at which size comes closest to want bytes. Size falls
// as the factor grows, by half about every six steps. The result may be off by more
// than is allowed where a bitrate cap decides the size: the caller compares.
func matchCRF(want int64, size func(crf float64) (int64, error)) (best point, err error) {
	if want <= 0 {
		return point{}, errors.New("nothing to match")
	}
	off := func(p point) float64 { return math.Log(float64(p.bytes) / float64(want)) }
	var all []point
	for range searchSteps {
		var low, high *point // the nearest on either side: low has too few bytes
		for i := range all {
			p := &all[i]
			if best.bytes == 0 || math.Abs(off(*p)) < math.Abs(off(best)) {
				best = *p
			}
			switch {
			case p.bytes <= want && (low == nil || p.crf < low.crf):
				low = p
			case p.bytes > want && (high == nil || p.crf > high.crf):
				high = p
			}
		}
		if best.bytes > 0 && math.Abs(off(best)) <= sizeAim {
			break
		}
		next := float64(defaultCRF)
		switch {
		case low != nil && high != nil:
			next = high.crf + (low.crf-high.crf)*off(*high)/(off(*high)-off(*low))
			// Not so near one end that the other never moves.
			margin := 0.1 * (low.crf - high.crf)
			next = min(max(next, high.crf+margin), low.crf-margin)
		case low != nil:
			next = low.crf - 0.3 - math.Abs(off(*low))*6/math.Ln2
		case high != nil:
			next = high.crf + 0.3 + math.Abs(off(*high))*6/math.Ln2
		}
		next = math.Round(min(max(next, 1), 51)*100) / 100
		for _, p := range all {
			if p.crf == next {
				return best, nil // no finer step, or no room left
			}
		}
		bytes, err := size(next)
		if err != nil {
			return point{}, err
		}
		p := point{next, bytes}
		all = append(all, p)
		if best.bytes == 0 || math.Abs(off(p)) < math.Abs(off(best)) {
			best = p
		}
	}
	return best, nil
}
