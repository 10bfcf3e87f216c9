package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// Sound whose frames do not all follow each other (films that were joined, recorders
// that lost some) is placed as aresample places it: frames stay together until they are
// far from their timestamps, then what is missing becomes silence and what is too much
// is dropped. Where that happens follows from the tables, so that each piece can give
// its frames the times at which they would be heard if all were one encode.

// Bounds of jumps. offPlace is more than what makes aresample correct a clock, see
// audio.sound, so that it corrects where it is to.
const (
	offPlace       = 0.0152 // seconds
	mostJumpsNear  = 150    // in a piece: each is a term of an expression
	jumpsAround    = 2.0    // seconds before and behind a piece that are looked at
	longestStretch = pieceOfSound + firstPieceSeconds + 2*jumpsAround + seekAhead + 1
)

// place is from when on frames are heard off their timestamps.
type place struct {
	at      int64 // timestamp of the first of them, in ticks of the stream
	off     int64 // ticks that they are heard before their timestamp
	dropped int64 // ticks of sound that are dropped there; negative are filled with silence
}

// places follows the jumps of a stream. False is one that has too many near each other.
func places(jumps []media.FrameJump, rate int64) ([]place, bool) {
	var out []place
	off, first := int64(0), 0
	for i, j := range jumps {
		for float64(j.PTS-jumps[first].PTS) > longestStretch*float64(rate) {
			first++
		}
		if i-first >= mostJumpsNear {
			return nil, false
		}
		off += j.Ticks
		p := place{at: j.PTS, off: off}
		if math.Abs(float64(off)) > offPlace*float64(rate) {
			p.off, p.dropped = 0, -off
			off = 0
		}
		out = append(out, p)
	}
	return out, true
}

// tick returns the tick of a feed's part at which a timestamp of the stream is.
func (f feed) tick(pts int64) int64 {
	return pts - int64(math.Round((f.origin.seconds()+f.skip.Float()-float64(f.offset)/1000)*float64(f.rate)))
}

// clear returns a tick, at or before one, at which nothing is dropped or filled.
func (f feed) clear(tick int64) int64 {
	for _, p := range slices.Backward(f.places) {
		at := f.tick(p.at)
		lo, hi := min(at, at+p.dropped)-1024, max(at, at+p.dropped)+1024
		if p.dropped != 0 && tick > lo && tick < hi {
			tick = lo
		}
	}
	return max(tick, 0)
}

// heard returns the term that makes timestamps of what they are the times at which
// frames are heard, around the part's ticks [from, to); "" where these are the same.
func (f feed) heard(from, to int64) string {
	near := int64(jumpsAround * float64(f.rate))
	before, terms := int64(0), []string{}
	last := int64(0)
	for _, p := range f.places {
		switch at := f.tick(p.at); {
		case at < from-near:
			before, last = p.off, p.off
		case at <= to+near && p.off != last:
			terms = append(terms, fmt.Sprintf("%+d*gte(PTS\\,%d)", p.off-last, p.at))
			last = p.off
		}
	}
	if before == 0 && len(terms) == 0 {
		return ""
	}
	return "-(" + strings.TrimPrefix(fmt.Sprintf("%d", before)+sum(terms), "+") + ")"
}
