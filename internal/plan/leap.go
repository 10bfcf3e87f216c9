package plan

import (
	"fmt"
	"math"

	"vodwright.dev/vodwright/internal/media"
)

// maxLeaps bounds the length of an expression of overLeaps.
const maxLeaps = 200

// overLeaps returns the filter that takes the leaps of a source's clock out of the
// times of its sound, "" if there are none. Sound and picture leap at one place of
// the file, by about the same time, but not at the same instant: the sound's own
// leap is waited for, since the time before and the time behind may be the same.
func overLeaps(ix media.FrameIndex) string {
	leaps := ix.Leaps[:min(len(ix.Leaps), maxLeaps)]
	if len(leaps) == 0 {
		return ""
	}
	var seen, gone []string
	for k, leap := range leaps {
		seconds := float64(leap.Ticks) * ix.TimeBase.Float()
		// The sound may end sooner or later than the picture on either side.
		near := min(1.5, math.Abs(seconds)/2)
		seen = append(seen, fmt.Sprintf(`+eq(ld(0)\,%d)*lt(abs((PTS-PREV_INPTS)*TB%+.6f)\,%.6f)`, k, -seconds, near))
		gone = append(gone, fmt.Sprintf(`-gt(ld(0)\,%d)*(%d*%d/%d)/TB`, k, leap.Ticks, ix.TimeBase.Num, ix.TimeBase.Den))
	}
	return `asetpts=round(PTS+0*st(0\,ld(0)` + sum(seen) + `)` + sum(gone) + `)`
}

// tellLeaps warns of what was healed.
func (w *warnings) tellLeaps(ix media.FrameIndex) {
	if len(ix.Leaps) == 0 {
		return
	}
	first := ix.Leaps[0]
	at := float64(ix.PTS[min(first.Frame, len(ix.PTS)-1)]-ix.PTS[0]) * ix.TimeBase.Float()
	w.add(WarnTimestamps, "the source's clock leaps at %d places (first by %+.3f s, after %.3f s); picture and sound go on there without a gap",
		len(ix.Leaps), float64(first.Ticks)*ix.TimeBase.Float(), at)
}
