package plan

import (
	"cmp"
	"math"
	"slices"

	"vodwright.dev/vodwright/internal/limit"
	"vodwright.dev/vodwright/internal/media"
)

// Bounds of the frame grid.
const (
	maxRate       = 120 // frames a second of any output: the highest that H.264 levels 5.x are made for
	minSteadyRate = 1   // slower steady sources are treated as variable
	maxVFRRate    = 60  // of the grid that a variable source is put on; the lowest, 10, shows no frame more than 50 ms late
)

// standardRates are the rates that cameras and films have, the common ones first.
var standardRates = []media.Rational{
	{Num: 24000, Den: 1001},
	{Num: 24, Den: 1},
	{Num: 25, Den: 1},
	{Num: 30000, Den: 1001},
	{Num: 30, Den: 1},
	{Num: 50, Den: 1},
	{Num: 60000, Den: 1001},
	{Num: 60, Den: 1},
	{Num: 25, Den: 2},
	{Num: 15000, Den: 1001},
	{Num: 15, Den: 1},
	{Num: 12, Den: 1},
	{Num: 10, Den: 1},
	{Num: 20, Den: 1},
	{Num: 48000, Den: 1001},
	{Num: 48, Den: 1},
	{Num: 100, Den: 1},
	{Num: 120000, Den: 1001},
	{Num: 120, Den: 1},
	{Num: 240, Den: 1},
}

// grid maps the frames of a source onto the slots of a constant rate: slot k is
// shown from k/rate on, counted from the instant the first frame is shown. It is
// the one place where time becomes frame numbers; everything after it counts.
type grid struct {
	rate   media.Rational
	base   media.Rational // time base of pts
	pts    []int64        // of the source's frames, increasing; empty if the source does not tell
	slots  []int64        // of the source's frames, never decreasing; slots[0] is 0
	frames int64          // how many slots the output has
}

// sourceAt returns the source frame that slot k shows: the last one mapped to k or before.
func (g *grid) sourceAt(k int64) int {
	later, _ := slices.BinarySearch(g.slots, k+1)
	return max(later-1, 0)
}

func slotsAt(pts []int64, base, rate media.Rational) []int64 {
	slots := make([]int64, len(pts))
	scale := media.NewScale(base, rate.Inverse())
	for i, p := range pts {
		slots[i] = scale.Of(p - pts[0])
	}
	return slots
}

// fit tells how well a source's frames sit on a grid.
type fit struct {
	oneToOne bool
	spread   bool    // no two frames share a slot
	singles  int     // steps of exactly one slot
	off      float64 // largest distance of frame i from slot i, in slots; only of one-to-one fits
}

func fitOf(pts []int64, base, rate media.Rational) fit {
	f := fit{oneToOne: true, spread: true}
	perTick := base.Float() * rate.Float()
	last, scale := int64(0), media.NewScale(base, rate.Inverse())
	for i, p := range pts {
		slot := scale.Of(p - pts[0])
		if i > 0 {
			switch slot - last {
			case 0:
				return fit{}
			case 1:
				f.singles++
			default:
				f.oneToOne = false
			}
		}
		if f.oneToOne {
			f.off = max(f.off, math.Abs(float64(p-pts[0])*perTick-float64(i)))
		}
		last = slot
	}
	return f
}

// sourceGrid finds the constant rate of a source (FramerateControl
// INITIALIZE_FROM_SOURCE). It tries the rates that the container claims, then the
// common ones, then the measured one, and takes the first on which frame i sits
// in slot i to within the rounding of the timestamps; then the best on which
// frame i rounds to slot i at all; then one on which nine frames of ten follow
// each other and the rest come after gaps. What fits none of them has no
// constant rate: it goes on a grid near its usual one.
func sourceGrid(v media.VideoStream, ix media.FrameIndex, limits limit.Limits, w *warnings) (*grid, error) {
	g := &grid{base: ix.TimeBase, pts: ix.PTS}
	if !g.base.Known() {
		g.base = v.TimeBase
	}
	if len(g.pts) == 0 || !g.base.Known() || !usable(g.pts) {
		return nil, nil
	}
	if len(g.pts) == 1 {
		g.rate = media.R(25, 1)
		for _, r := range []media.Rational{v.FrameRate, v.AverageRate} {
			if r.Known() && r.Float() >= minSteadyRate && r.Float() <= maxRate && r.Num <= math.MaxInt32 && r.Den <= math.MaxInt32 {
				g.rate = r
				break
			}
		}
		g.slots, g.frames = []int64{0}, 1
		return g, nil
	}
	n := len(g.pts)
	measured := approximate(float64(n-1)/(float64(g.pts[n-1]-g.pts[0])*g.base.Float()), 100_000)
	candidates := slices.Concat([]media.Rational{v.FrameRate, v.AverageRate}, standardRates, []media.Rational{measured})
	candidates = slices.DeleteFunc(candidates, func(r media.Rational) bool {
		return !r.Known() || r.Float() < minSteadyRate || r.Num > math.MaxInt32 || r.Den > math.MaxInt32
	})
	fits := make([]fit, len(candidates))
	best := -1
	for i, r := range candidates {
		f := fitOf(g.pts, g.base, r)
		fits[i] = f
		// A tick is the resolution of the timestamps: honest ones are off by up to one.
		if f.oneToOne && f.off <= 1.01*g.base.Float()*r.Float()+0.01 {
			best = i
			break
		}
	}
	if best < 0 {
		for i, f := range fits {
			if f.oneToOne && (best < 0 || f.off < 0.9*fits[best].off) {
				best = i
			}
		}
	}
	if best < 0 {
		for i, f := range fits {
			if f.spread && f.singles*10 >= (n-1)*9 && (best < 0 || f.singles > fits[best].singles) {
				best = i
			}
		}
	}
	if best < 0 {
		return variableGrid(g, ix.LastDuration, w), nil
	}
	g.rate = snap(candidates[best], g.pts, g.base)
	if g.rate.Float() > float64(limits.FrameRate) { // phones record 240 and more; what claims more than a thousand is not a film
		return nil, limit.Exceeded(limit.FrameRate, CodeUnsupported, "the source has %.6g frames a second, more than the %d that are allowed", g.rate.Float(), limits.FrameRate)
	}
	g.slots = slotsAt(g.pts, g.base, g.rate)
	g.frames = g.slots[n-1] + 1
	if gaps := g.frames - int64(n); gaps > 0 {
		w.add(WarnFramesRepeated, "the source lacks %d frames of %d at %.6g frames a second; the frame before each gap is shown longer", gaps, g.frames, g.rate.Float())
	}
	if rate := g.rate; rate.Float() > maxRate {
		for rate.Float() > maxRate {
			rate = media.R(rate.Num, rate.Den*2)
		}
		w.add(WarnFrameRate, "the source has %.6g frames a second, more than the highest output rate %d; the output has %.6g", g.rate.Float(), maxRate, rate.Float())
		return g.at(rate), nil
	}
	return g, nil
}

// usable reports whether presentation times can be counted with: increasing, and
// exact in the double that ffmpeg's expressions compute with.
func usable(pts []int64) bool {
	const exact = 1 << 52
	for i, p := range pts {
		if p > exact || p < -exact || i > 0 && p <= pts[i-1] {
			return false
		}
	}
	return true
}

// snap replaces an odd claim such as 90000/3749 with the standard rate next to it
// if the frames sit on that as well.
func snap(r media.Rational, pts []int64, base media.Rational) media.Rational {
	for _, s := range standardRates {
		if math.Abs(r.Float()/s.Float()-1) < 0.0005 {
			if f := fitOf(pts, base, s); f.oneToOne && f.off < 0.3 {
				return s
			}
		}
	}
	return r
}

// variableGrid puts a source without a constant rate on a grid near its most
// frequent one.
func variableGrid(g *grid, lastDuration int64, w *warnings) *grid {
	n := len(g.pts)
	steps := make([]int64, n-1)
	for i := range steps {
		steps[i] = g.pts[i+1] - g.pts[i]
	}
	slices.Sort(steps)
	// The most populated window of a quarter: timestamps of one rate jitter.
	from, count, sum, best, typical := 0, 0, int64(0), 0, float64(steps[0])
	for _, s := range steps {
		sum, count = sum+s, count+1
		for s > steps[from]+steps[from]/4+1 {
			sum, count, from = sum-steps[from], count-1, from+1
		}
		if count > best {
			best, typical = count, float64(sum)/float64(count)
		}
	}
	g.rate = smoothest(g, 1/(typical*g.base.Float()))
	g.slots = slotsAt(g.pts, g.base, g.rate)
	last := int64(math.Round(typical))
	if lastDuration > 0 {
		last = min(lastDuration, int64(maxLastFrame/g.base.Float()))
	}
	g.frames = max(g.slots[n-1]+1, media.Rescale(g.pts[n-1]+last-g.pts[0], g.base, g.rate.Inverse()))
	shown := int64(1)
	for i := 1; i < n; i++ {
		if g.slots[i] != g.slots[i-1] {
			shown++
		}
	}
	w.add(WarnVariableRate, "the source has a variable frame rate (%d frames); the output has a constant %.6g, %d frames, %d source frames dropped and %d repeated",
		n, g.rate.Float(), g.frames, int64(n)-shown, g.frames-shown)
	return g
}

// maxLastFrame is how long, in seconds, a claimed duration may keep the last frame standing.
const maxLastFrame = 10.0

// gridRates are the rates that variable sources are put on, increasing.
var gridRates = []media.Rational{
	{Num: 10, Den: 1},
	{Num: 12, Den: 1},
	{Num: 15, Den: 1},
	{Num: 20, Den: 1},
	{Num: 24000, Den: 1001},
	{Num: 24, Den: 1},
	{Num: 25, Den: 1},
	{Num: 30000, Den: 1001},
	{Num: 30, Den: 1},
	{Num: 48, Den: 1},
	{Num: 50, Den: 1},
	{Num: 60000, Den: 1001},
	{Num: 60, Den: 1},
}

// smoothest returns the rate nearest to the typical one, or the lowest above it,
// at which at most one frame in fifty is lost because it shares a slot; failing
// that, the one that loses fewest.
func smoothest(g *grid, typical float64) media.Rational {
	for typical > maxVFRRate*1.04 {
		typical /= 2
	}
	far := func(r media.Rational) float64 { return math.Abs(r.Float()/typical - 1) }
	nearest := slices.MinFunc(gridRates, func(a, b media.Rational) int { return cmp.Compare(far(a), far(b)) })
	best, least := nearest, len(g.pts)
	for _, r := range append([]media.Rational{nearest}, gridRates...) {
		if r != nearest && r.Float() < typical {
			continue
		}
		lost, last := 0, int64(-1)
		for _, s := range slotsAt(g.pts, g.base, r) {
			if s == last {
				lost++
			}
			last = s
		}
		if lost < least {
			best, least = r, lost
		}
		if lost*50 <= len(g.pts) {
			break
		}
	}
	return best
}

// at returns g's source on another rate (FramerateControl SPECIFIED, algorithm
// DUPLICATE_DROP): the same instants, other slots.
func (g *grid) at(rate media.Rational) *grid {
	if rate == g.rate {
		return g
	}
	out := &grid{rate: rate, base: g.base, pts: g.pts}
	if len(g.pts) > 0 {
		out.slots = slotsAt(g.pts, g.base, rate)
	}
	// As long as the source, to the nearest slot.
	out.frames = max(media.Rescale(g.frames, g.rate.Inverse(), rate.Inverse()), 1)
	return out
}

// approximate returns the fraction nearest to f among those whose denominator is
// at most limit, by continued fractions. What is not a usable rate is unknown.
func approximate(f float64, limit int64) media.Rational {
	if !(f > 1e-6) || f > 1e6 {
		return media.Rational{}
	}
	x := f
	p0, q0, p1, q1 := int64(1), int64(0), int64(math.Floor(x)), int64(1)
	for range 32 {
		rest := x - math.Floor(x)
		if rest < 1e-9 {
			break
		}
		x = 1 / rest
		a := int64(math.Floor(x))
		if a > limit || a*q1+q0 > limit {
			break
		}
		p0, q0, p1, q1 = p1, q1, a*p1+p0, a*q1+q0
		if math.Abs(float64(p1)/float64(q1)-f) < f*1e-10 {
			break
		}
	}
	return media.R(p1, q1)
}
