package plan

import (
	"fmt"

	"vodwright.dev/vodwright/internal/media"
)

// ladder is a Ladder while it is being planned.
type ladder struct {
	grid     *grid
	cut      segmentation
	rungs    []rung
	captures []capture
	timeline Timeline
	chunks   []Chunk
}

// ladders finds or makes the ladder of each output.
type ladders struct {
	list []*ladder
}

// segmented returns the ladder with this grid and segmentation, made if need be.
func (ls *ladders) segmented(g *grid, cut segmentation) int {
	for i, l := range ls.list {
		if l.grid.rate == g.rate && l.cut == cut {
			return i
		}
	}
	ls.list = append(ls.list, &ladder{grid: g, cut: cut})
	return len(ls.list) - 1
}

// joined returns a ladder for an output that has no segments of its own: any with
// its grid, made if there is none.
func (ls *ladders) joined(g *grid) int {
	for i, l := range ls.list {
		if l.grid.rate == g.rate {
			return i
		}
	}
	return ls.segmented(g, segmentation{})
}

// rung returns the number of an equal rung, added if there is none.
func (l *ladder) rung(r rung) int {
	if r.gop == 0 {
		r.gop = autoGOPFrames(l.cut.seconds, l.grid.rate)
	}
	for i, have := range l.rungs {
		if have == r {
			return i
		}
	}
	l.rungs = append(l.rungs, r)
	return len(l.rungs) - 1
}

// capture returns the number of an equal capture, added if there is none.
func (l *ladder) capture(c capture) int {
	for i, have := range l.captures {
		if have == c {
			return i
		}
	}
	l.captures = append(l.captures, c)
	return len(l.captures) - 1
}

// lay decides segments and chunks, once all rungs are known. whole keeps the
// source in one chunk, because it cannot be entered in the middle.
func (l *ladder) lay(src source, whole bool) {
	gop := int64(0)
	if len(l.rungs) > 0 {
		gop = l.rungs[0].gop
	} else {
		gop = autoGOPFrames(0, l.grid.rate)
	}
	l.timeline = Timeline{FrameRate: l.grid.rate, Frames: l.grid.frames, Starts: l.cut.starts(l.grid.rate, l.grid.frames, gop)}
	if whole {
		l.chunks = []Chunk{{Segments: len(l.timeline.Starts), To: l.timeline.Frames}}
		return
	}
	l.chunks = chunks(l.timeline, func(frame int64) int64 {
		at := l.grid.sourceAt(frame)
		return int64(at - entry(src, at).frame)
	})
}

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

// shortestChunk returns the length in seconds of the shortest chunk that has a
// successor.
func (l *ladder) shortestChunk() float64 {
	least := l.timeline.Frames
	for _, c := range l.chunks[:max(len(l.chunks)-1, 1)] {
		least = min(least, c.To-c.From)
	}
	return float64(least) / l.grid.rate.Float()
}

// public returns the ladder as the Plan has it, with the arguments of every chunk.
func (l *ladder) public(src source) Ladder {
	out := Ladder{Timeline: l.timeline, Rungs: []Rung{}, Chunks: l.chunks}
	for i, r := range l.rungs {
		out.Rungs = append(out.Rungs, Rung{
			File: rungFile(i), Width: r.frame.width, Height: r.frame.height, FrameRate: l.grid.rate,
			MaxBitrate: r.rate.cap(), BufferBits: r.rate.buffer,
		})
	}
	for i, c := range l.captures {
		out.Captures = append(out.Captures, Capture{FilePattern: captureFile(i), Frames: c.frames(l.timeline.Frames)})
	}
	for i := range out.Chunks {
		c := &out.Chunks[i]
		c.Args, c.SourceFrames = l.args(src, *c, out.Captures)
	}
	return out
}

func (r rateControl) cap() int64 { return max(r.max, r.bitrate) }

func rungFile(i int) string    { return fmt.Sprintf("r%d.mp4", i) }
func captureFile(i int) string { return fmt.Sprintf("c%d_%%07d.jpg", i) }

// source is what the arguments of every media process depend on.
type source struct {
	facts media.Source
	video media.VideoStream
	index media.FrameIndex
	pic   picture
}
