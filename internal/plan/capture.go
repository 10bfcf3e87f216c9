package plan

import (
	"fmt"

	"vodwright.dev/vodwright/internal/media"
)

// capture is one frame-capture output. Frame f is captured
// if some whole number of intervals ends in it: i·every ≤ f < i·every+1, with
// every = den/num frames.
type capture struct {
	frames []frame  // as of a rung
	look   look     // of the output
	after  string   // filters of the scaled picture
	images []insert // over the output

	treatments []treatment
	num, den   int64 // frames between captures are den/num, in lowest terms
	max        int64 // captures at most
	quality    int64 // 1–100
}

// maxCaptures is the API's largest MaxCaptures.
const maxCaptures = 10_000_000

func (p *planner) newCapture(d *VideoDescription, rate media.Rational, path string) capture {
	s := d.CodecSettings.FrameCaptureSettings
	c := capture{frames: framesFor(d, media.Rational{}, true, p, path), look: p.outputLook(d, path), after: d.VideoPreprocessors.after(), max: s.MaxCaptures, quality: s.Quality}
	if i := d.VideoPreprocessors.ImageInserter; i != nil {
		c.images = p.inserts(i, p.outputStart(rate), rate, path+"/videoPreprocessors")
	}
	if d.VideoPreprocessors.TimecodeBurnin != nil {
		p.problems.add(path+"/videoPreprocessors/timecodeBurnin", "a frame capture has no timecode: set it in an output with H_264")
	}
	for _, src := range p.sources {
		c.treatments = append(c.treatments, p.treatmentOf(src, d, scan{}, path))
	}
	if c.max <= 0 {
		c.max = maxCaptures
	}
	if c.quality <= 0 {
		c.quality = 80
	}
	// A capture every den/num seconds is one every den·rate/num frames.
	num, den := max(s.FramerateNumerator, 1), max(s.FramerateDenominator, 1)
	a, b := media.R(den, rate.Den), media.R(rate.Num, num) // crosswise first: products stay small
	var every media.Rational
	if hi, lo := float64(a.Num)*float64(b.Num), float64(a.Den)*float64(b.Den); hi < 1<<28 && lo < 1<<28 {
		every = media.R(a.Num*b.Num, a.Den*b.Den)
	} else if every = approximate(hi/lo, 10_000); !every.Known() {
		every = media.R(1<<28, 1)
	}
	c.num, c.den = every.Den, every.Num
	if c.num > c.den { // faster than the frames come: every frame once
		c.num, c.den = 1, 1
	}
	return c
}

// list returns the captured frames.
func (c capture) list(total int64) []int64 {
	var out []int64
	for i := int64(0); i < c.max; i++ {
		f := (i*c.den + c.num - 1) / c.num // the first frame at or after i·every
		if f >= total {
			break
		}
		out = append(out, f)
	}
	return out
}

// selects returns the condition on n, the frame's number in the chunk, under
// which the frame is captured: f·num mod den < num says that a whole number of
// intervals lies in (f−1, f]. Numbers stay far below 2^53, where doubles count.
func (c capture) selects(chunk Chunk, last int64) string {
	cond := fmt.Sprintf("lt(mod((n+%d)*%d\\,%d)\\,%d)", chunk.From, c.num, c.den, c.num)
	if last < chunk.To-1 {
		cond += fmt.Sprintf("*lte(n\\,%d)", last-chunk.From)
	}
	return cond
}

// scale is what ffmpeg's mjpeg encoder calls quality, 1 the best: its
// quantiser, chosen to come out near what the percentage means to libjpeg.
func (c capture) scale() int64 {
	factor := 200 - 2*c.quality // libjpeg's scaling of its tables, in percent
	if c.quality < 50 {
		factor = 5000 / c.quality
	}
	return min(max((factor+5)/10, 1), 31)
}
