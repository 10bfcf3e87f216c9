package plan

import (
	"fmt"
	"math"
	"regexp"
	"strconv"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// source is one input, looked at: what the arguments of every media process that
// reads it depend on.
type source struct {
	input  int // in Settings.Inputs
	file   int // in Plan.Files
	facts  media.Source
	video  media.VideoStream
	index  media.FrameIndex
	pic    picture
	images []insert // over its picture
	grid   *grid    // at the source's own rate
	origin instant  // when its first frame is shown
	whole  bool     // it cannot be entered in the middle
}

// take is a run of frames of one input that the output shows: a clipping, or all
// of it. The takes of a ladder follow each other; together they are its Timeline.
type take struct {
	src    *source
	grid   *grid // of the whole source, at the ladder's rate
	skip   int64 // slot of the grid at which the take begins
	last   int64 // slot of the grid that is shown last, longer if need be
	frames int64
	first  int64 // frame of the Timeline at which the take begins
}

// slot returns the slot of the take's grid that frame k of the Timeline shows.
func (t *take) slot(k int64) int64 { return min(k-t.first+t.skip, t.last) }

// sourceAt returns the source frame that frame k of the Timeline shows.
func (t *take) sourceAt(k int64) int { return t.grid.sourceAt(t.slot(k)) }

// read returns about how many frames of the source are decoded for the take: more
// than it shows if the source has more frames a second.
func (t *take) read() float64 {
	return max(1, float64(len(t.grid.pts))/float64(max(t.grid.frames, 1))) * float64(t.frames)
}

// clip is a take at its source's own rate.
type clip struct {
	src      *source
	from, to int64 // slots of the source's grid
}

// takesAt lays the clips on a common rate, one after the other, and returns how many
// seconds they last. A take begins at the frame nearest to where the clips before it
// end: what one is rounded by the next does not add to.
func takesAt(clips []clip, rate media.Rational) (takes []take, seconds float64) {
	out := make([]take, len(clips))
	grids := map[*source]*grid{}
	first := int64(0)
	for i, c := range clips {
		g := grids[c.src]
		if g == nil {
			g = c.src.grid.at(rate)
			grids[c.src] = g
		}
		own, tick := c.src.grid.rate.Inverse(), rate.Inverse()
		t := take{src: c.src, grid: g, skip: media.Rescale(c.from, own, tick), first: first}
		end := g.frames
		if c.to < c.src.grid.frames {
			end = min(media.Rescale(c.to, own, tick), end)
		}
		t.last = max(end-1, t.skip)
		seconds += float64(c.to-c.from) * own.Float()
		t.frames = max(int64(math.Round(seconds*rate.Float()+1e-9))-first, 1)
		out[i] = t
		first += t.frames
	}
	return out, seconds
}

// inputStart is the timecode of the first frame of an input.
func (p *planner) inputStart(src *source) int64 {
	in := &p.settings.Inputs[src.input]
	base, _ := src.timecodes()
	switch in.TimecodeSource {
	case "ZEROBASED":
		return 0
	case "SPECIFIEDSTART":
		at, ok := parseTimecode(in.TimecodeStart, base)
		if !ok {
			p.problems.add(fmt.Sprintf("/inputs/%d/timecodeStart", src.input), "timecodeSource SPECIFIEDSTART needs a timecode HH:MM:SS:FF, not %q", in.TimecodeStart)
		}
		return at
	}
	at, _ := parseTimecode(src.facts.Timecode, base) // EMBEDDED, with zero where nothing is embedded
	return at
}

// clippings reads the InputClippings of an input: what it shows, in the order given.
func (p *planner) clippings(src *source) ([]clip, error) {
	in := &p.settings.Inputs[src.input]
	g := src.grid
	if len(in.InputClippings) == 0 {
		return []clip{{src, 0, g.frames}}, nil
	}
	path := fmt.Sprintf("/inputs/%d", src.input)
	base, each := src.timecodes()
	start := p.inputStart(src)
	var out []clip
	for i, c := range in.InputClippings {
		here := fmt.Sprintf("%s/inputClippings/%d", path, i)
		cut := clip{src, 0, g.frames}
		if c.StartTimecode == "" && c.EndTimecode == "" {
			p.problems.add(here, "startTimecode and endTimecode may not both be left out")
			continue
		}
		for _, end := range []struct {
			name, text string
			at         *int64
			after      int64 // the frame of an end timecode is part of the clip
		}{{"startTimecode", c.StartTimecode, &cut.from, 0}, {"endTimecode", c.EndTimecode, &cut.to, 1}} {
			if end.text == "" {
				continue
			}
			at, ok := parseTimecode(end.text, base)
			if !ok {
				p.problems.add(here+"/"+end.name, "%q is not a timecode HH:MM:SS:FF at %.6g frames a second", end.text, g.rate.Float())
				continue
			}
			*end.at = (at - start + end.after) * each
		}
		switch {
		case c.StartTimecode != "" && c.EndTimecode != "" && cut.from >= cut.to:
			return nil, fault.New(fault.Invalid, CodeClipping, "%s: the clip ends at %s, before it starts at %s", here, c.EndTimecode, c.StartTimecode)
		case cut.from < 0, cut.from >= g.frames:
			return nil, fault.New(fault.Invalid, CodeClipping, "%s/startTimecode: %s is outside of the input, whose timecodes run from %s to %s",
				here, c.StartTimecode, timecode(start, base), timecode(start+(g.frames-1)/each, base)).
				WithHint("timecodes are counted from the one embedded in the input; for a count from zero set timecodeSource to ZEROBASED")
		case cut.to <= 0:
			return nil, fault.New(fault.Invalid, CodeClipping, "%s/endTimecode: %s is before the input, whose timecodes run from %s to %s",
				here, c.EndTimecode, timecode(start, base), timecode(start+(g.frames-1)/each, base))
		}
		if cut.to > g.frames {
			p.warnings.add(WarnClipping, "%s: the clip ends at %s and the input at %s; it was taken to its end", here, c.EndTimecode, timecode(start+(g.frames-1)/each, base))
			cut.to = g.frames
		}
		out = append(out, cut)
	}
	return out, nil
}

// timecodes is how many frames timecodes of a source count in a second, and how many
// slots of its grid each of them is.
func (s *source) timecodes() (base, each int64) {
	if len(s.facts.Video) == 0 {
		return soundTimecode, max(int64(s.grid.rate.Float()/soundTimecode), 1)
	}
	return frameCount(s.grid.rate), 1
}

// frameCount is how many frames timecodes of a rate count in a second.
func frameCount(rate media.Rational) int64 { return max(int64(math.Ceil(rate.Float()-1e-6)), 1) }

var timecodePattern = regexp.MustCompile(`^(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2,3})$`)

// parseTimecode returns the frame that a timecode counts to from 00:00:00:00, base
// frames a second. A semicolon before the frames is drop-frame counting (SMPTE
// ST 12-1), in which 30 (60) frames a second skip the numbers of two (four)
// frames each minute but every tenth.
func parseTimecode(text string, base int64) (int64, bool) {
	m := timecodePattern.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	var n [4]int64
	for i, s := range []string{m[1], m[2], m[3], m[5]} {
		n[i], _ = strconv.ParseInt(s, 10, 64)
	}
	if n[1] > 59 || n[2] > 59 || n[3] >= base {
		return 0, false
	}
	minutes := n[0]*60 + n[1]
	at := (minutes*60+n[2])*base + n[3]
	if m[4] != ":" && base%30 == 0 {
		at -= base / 15 * (minutes - minutes/10)
	}
	return at, true
}

// timecode writes a count of frames, without dropping.
func timecode(frame, base int64) string {
	sign := ""
	if frame < 0 {
		sign, frame = "-", -frame
	}
	seconds := frame / base
	return fmt.Sprintf("%s%02d:%02d:%02d:%02d", sign, seconds/3600, seconds/60%60, seconds%60, frame%base)
}
