package plan

import (
	"fmt"
	"math"
	"slices"

	"vodwright.dev/vodwright/internal/media"
)

// sequel is a stream that a feed goes on as.
type sequel struct {
	at       int64 // sample of the part at which it begins
	stream   int   // in the container
	channels int   // 0 is unknown
	leaps    string
}

// farOff is how many seconds a sound may begin before or behind the picture that is
// beside it in the file.
const farOff = 10

// goesOn finds where in a take of rate samples a second the streams begin that a
// sound goes on as. The file tells by its clock, which may have leapt, and by how many
// pictures are before it.
func (f *feed) goesOn(s *media.AudioStream, ix media.FrameIndex, rate int64) []sequel {
	var out []sequel
	const wrap = 1 << 33
	for _, q := range s.Sequels {
		leap, at := 0, q.PTS
		if len(ix.PTS) > 0 && ix.TimeBase == s.TimeBase {
			seen := ix.PTS[min(q.Pictures, len(ix.PTS)-1)]
			at = seen
			nearest, shift := int64(farOff/ix.TimeBase.Float()), int64(0)
			for k := 0; q.PTS >= 0; k++ {
				t := q.PTS - shift
				t += int64(math.Round(float64(seen-t)/wrap)) * wrap
				if off := max(t-seen, seen-t); off < nearest {
					nearest, leap, at = off, k, t
				}
				if k == len(ix.Leaps) {
					break
				}
				shift += ix.Leaps[k].Ticks
			}
		}
		if at < 0 && q.PTS < 0 {
			continue
		}
		seconds := float64(at)*s.TimeBase.Float() - f.origin.seconds() - f.skip.Float() + float64(f.offset)/1000
		out = append(out, sequel{at: int64(math.Round(seconds * float64(rate))), stream: q.Index, channels: q.Channels, leaps: leapsFrom(ix, leap)})
	}
	return out
}

// leapsFrom is overLeaps of a sound that begins behind the first k of them.
func leapsFrom(ix media.FrameIndex, k int) string {
	behind := ix
	behind.Leaps = ix.Leaps[k:]
	filter, gone := overLeaps(behind), int64(0)
	for _, leap := range ix.Leaps[:k] {
		gone += leap.Ticks
	}
	if gone == 0 {
		return filter
	}
	first := fmt.Sprintf("asetpts=round(PTS%+d*%d/%d/TB)", -gone, ix.TimeBase.Num, ix.TimeBase.Den)
	if filter == "" {
		return first
	}
	return first + "," + filter
}

// split cuts a part where a stream of it goes on as another one.
func (p part) split(rate int64) []part {
	if p.samples <= 0 {
		return []part{p}
	}
	cuts := []int64{0, p.samples}
	for _, f := range p.feeds {
		for _, s := range f.sequels {
			if s.at > 0 && s.at < p.samples {
				cuts = append(cuts, s.at)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var out []part
	for i, from := range cuts[:len(cuts)-1] {
		next := part{width: p.width, samples: cuts[i+1] - from}
		for _, f := range p.feeds {
			g := f.from(from, rate)
			g.due.to = min(g.due.to, float64(next.samples)/float64(rate))
			next.feeds = append(next.feeds, g)
		}
		out = append(out, next)
	}
	return out
}

// from is the feed from a sample of its part on.
func (f feed) from(sample, rate int64) feed {
	list := f.sequels
	f.sequels = nil
	at := float64(sample) / float64(rate)
	f.due = period{max(f.due.from-at, 0), f.due.to - at}
	if sample > 0 {
		if f.skip.Known() {
			f.skip = media.R(f.skip.Num*rate+sample*f.skip.Den, f.skip.Den*rate)
		} else {
			f.skip = media.R(sample, rate)
		}
	}
	for _, s := range list {
		if s.at > sample {
			break
		}
		f.stream, f.leaps = s.stream, s.leaps
		f.like = s.channels != f.channels
	}
	if sample > 0 {
		f.seek = 0
		if begin := f.origin.seconds() + f.skip.Float() - float64(f.offset)/1000; f.leaps == "" && begin-f.origin.seconds() > seekFrom && audioSeeks(f.format) && !f.broken {
			f.seek = max(int64((begin-seekMargin)*1e6), 0)
		}
	}
	return f
}
