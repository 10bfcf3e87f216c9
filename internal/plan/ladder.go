package plan

import (
	"fmt"
	"reflect"

	"vodwright.dev/vodwright/internal/media"
)

// ladder is a Ladder while it is being planned.
type ladder struct {
	rate     media.Rational
	film     media.Rational // rate of what is shown at rate as it is, only faster (slow PAL); unknown is rate itself
	takes    []take
	seconds  float64 // that the clips last, shown at rate
	cut      segmentation
	rungs    []rung
	captures []capture
	timeline Timeline
	chunks   []Chunk
}

// frames returns how many frames the ladder's Timeline has.
func (l *ladder) frames() int64 {
	last := l.takes[len(l.takes)-1]
	return last.first + last.frames
}

// takeOf returns the take that a chunk lies in.
func (l *ladder) takeOf(c Chunk) *take {
	for i := range l.takes {
		if t := &l.takes[i]; c.From < t.first+t.frames {
			return t
		}
	}
	panic("chunk behind the last take")
}

// slots is the rate at which the ladder's frames are chosen from a source.
func (l *ladder) slots() media.Rational {
	if l.film.Known() {
		return l.film
	}
	return l.rate
}

// segmented returns the ladder with these rates and this segmentation, made if need be.
func (p *planner) segmented(rate, film media.Rational, cut segmentation) int {
	for i, l := range p.ladders {
		if l.rate == rate && l.film == film && l.cut == cut {
			return i
		}
	}
	l := &ladder{rate: rate, film: film, cut: cut}
	l.takes, l.seconds = takesAt(p.clips, l.slots())
	l.seconds *= l.slots().Float() / rate.Float()
	p.ladders = append(p.ladders, l)
	return len(p.ladders) - 1
}

// joined returns a ladder for an output that has no segments of its own: any with
// its rate, made if there is none.
func (p *planner) joined(rate, film media.Rational) int {
	for i, l := range p.ladders {
		if l.rate == rate && l.film == film {
			return i
		}
	}
	return p.segmented(rate, film, segmentation{})
}

// rung returns the number of an equal rung, added if there is none.
func (l *ladder) rung(r rung) int {
	if r.gop == 0 {
		r.gop = autoGOPFrames(l.cut.seconds, l.rate)
	}
	for i, have := range l.rungs {
		if reflect.DeepEqual(have, r) {
			return i
		}
	}
	l.rungs = append(l.rungs, r)
	return len(l.rungs) - 1
}

// capture returns the number of an equal capture, added if there is none.
func (l *ladder) capture(c capture) int {
	for i, have := range l.captures {
		if reflect.DeepEqual(have, c) {
			return i
		}
	}
	l.captures = append(l.captures, c)
	return len(l.captures) - 1
}

// lay decides segments and chunks, of so many seconds where they are given, once all
// rungs are known.
func (l *ladder) lay(each float64) {
	gop := int64(0)
	if len(l.rungs) > 0 {
		gop = l.rungs[0].gop
	} else {
		gop = autoGOPFrames(0, l.rate)
	}
	frames := l.frames()
	l.timeline = Timeline{FrameRate: l.rate, Frames: frames, Starts: l.cut.starts(l.rate, frames, gop, l.seconds)}
	l.chunks = []Chunk{}
	if !l.silentPicture() {
		l.chunks = chunks(l.timeline, l.takes, l.cut.seconds > 0, each)
	}
}

// silentPicture reports whether nobody wants the pictures of the ladder: its outputs
// have sound alone.
func (l *ladder) silentPicture() bool { return len(l.rungs) == 0 && len(l.captures) == 0 }

// encoderThreads is how many threads each encoder of a chunk has. Chunks run side
// by side, one a core, so one thread is the cheapest: more cost about 5 % of CPU
// time. The last chunk, or the only one, is often alone on the machine, and what
// waits then is the job. The numbers are fixed, not the machine's: a chunk is to
// come out the same everywhere.
func (l *ladder) encoderThreads(c Chunk) int {
	if c.To == l.timeline.Frames {
		return 4
	}
	return 1
}

// public returns the ladder as the Plan has it, with the arguments of every chunk.
func (l *ladder) public() Ladder {
	out := Ladder{Timeline: l.timeline, Rungs: []Rung{}, Chunks: l.chunks}
	for i, r := range l.rungs {
		out.Rungs = append(out.Rungs, Rung{
			File: rungFile(i), Width: r.width, Height: r.height, FrameRate: l.rate,
			MaxBitrate: r.rate.cap(), BufferBits: r.rate.buffer, Codec: r.codec(),
		})
		if r.coded != nil {
			out.Rungs[i].Copied = &Copied{File: l.takes[0].src.file, Track: l.takes[0].src.video.Index}
		}
	}
	for i, c := range l.captures {
		out.Captures = append(out.Captures, Capture{FilePattern: captureFile(i), Width: c.frames[0].width, Height: c.frames[0].height, Frames: c.list(l.timeline.Frames)})
	}
	for i := range out.Chunks {
		l.process(&out.Chunks[i], out.Captures)
	}
	return out
}

func (r rateControl) cap() int64 { return max(r.max, r.bitrate) }

func rungFile(i int) string    { return fmt.Sprintf("r%d.mp4", i) }
func captureFile(i int) string { return fmt.Sprintf("c%d_%%07d.jpg", i) }
