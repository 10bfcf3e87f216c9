package plan

import (
	"math"
	"slices"

	"vodwright.dev/vodwright/internal/media"
)

// segmentation is how a group cuts its Timeline. The zero segmentation is that of
// outputs which are one file: it is cut into pieces all the same, so that the
// pieces can be encoded at the same time.
type segmentation struct {
	seconds    int64   // SegmentLength; 0 is one file
	length     int64   // frames of every segment, of GOP_MULTIPLE and MATCH; 0 is EXACT
	minSeconds float64 // MinSegmentLength: shorter segments are joined
	minFinal   float64 // MinFinalSegmentLength: a shorter last segment joins the one before

	// beat is the lowest rate of a group whose outputs have several: its frames are
	// counted for all of them, so that segments begin together, each at the frame
	// nearest. Unknown is the output's own rate.
	beat media.Rational
}

// autoGOP is the longest time, in seconds, between keyframes where the job leaves
// GopSize to us: seeking inside a segment decodes at most this much, and each
// keyframe more costs bits.
const autoGOP = 4

// pieceSeconds is the length of the pieces of outputs that are one file, before
// it is rounded to whole GOPs.
const pieceSeconds = 5

// starts lists the first frame of every segment of a Timeline of seconds.
func (s segmentation) starts(rate media.Rational, frames, gop int64, seconds float64) []int64 {
	if !s.beat.Known() {
		return s.counted(rate, frames, gop)
	}
	starts := s.counted(s.beat, max(int64(math.Round(seconds*s.beat.Float()+1e-9)), 1), gop)
	for i := range starts {
		starts[i] = media.Rescale(starts[i], s.beat.Inverse(), rate.Inverse())
	}
	return starts
}

// counted lists the first frame of every segment.
//
// EXACT: segment i starts at the frame nearest to i×SegmentLength, so that
// segments of a fractional rate do not drift. Otherwise all have the same number of
// frames, and the last one what is left.
func (s segmentation) counted(rate media.Rational, frames, gop int64) []int64 {
	second := media.R(1, 1)
	length := s.length
	if s.seconds == 0 {
		gop = max(gop, 1)
		want := media.Rescale(pieceSeconds, second, rate.Inverse())
		length = max((want+gop/2)/gop, 1) * gop
	}
	lasts := func(from, to int64) float64 { return float64(to-from)/rate.Float() + 1e-9 }
	starts := []int64{0}
	for i := int64(1); ; i++ {
		at := i * length
		if length == 0 {
			at = media.Rescale(i*s.seconds, second, rate.Inverse())
		}
		if at >= frames {
			break
		}
		if last := starts[len(starts)-1]; at > last && lasts(last, at) >= s.minSeconds {
			starts = append(starts, at)
		}
	}
	shortest := max(s.minSeconds, s.minFinal)
	if s.beat.Known() { // one frame may be none at another rate
		shortest = max(shortest, 2/rate.Float())
	}
	if last := len(starts) - 1; last > 0 && lasts(starts[last], frames) < shortest {
		starts = starts[:last]
	}
	return starts
}

// gopMultiple returns the least whole number of GOPs that lasts seconds or longer,
// in frames.
func gopMultiple(seconds, gop int64, rate media.Rational) int64 {
	if gop <= 0 {
		return 0
	}
	want := int64(math.Ceil(float64(seconds)*rate.Float() - 1e-6))
	return (max(want, 1) + gop - 1) / gop * gop
}

// matchUnit returns the shortest time in seconds, above 0, that is a whole number
// of frames at every one of the rates and of AAC frames at 48 kHz; false if it is
// longer than an hour, which no segment is.
func matchUnit(rates []media.Rational) (media.Rational, bool) {
	unit := media.R(1024, 48_000)
	for _, r := range rates {
		// The least common multiple of fractions in lowest terms.
		frame := r.Inverse()
		num, den := unit.Num/gcd(unit.Num, frame.Num), gcd(unit.Den, frame.Den)
		if seconds := float64(num) * float64(frame.Num) / float64(den); seconds > 3600 || float64(num)*float64(frame.Num) > 1<<60 {
			return media.Rational{}, false
		}
		unit = media.R(num*frame.Num, den)
	}
	return unit, true
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// gopFrames returns the longest distance between keyframes in frames; 0 leaves it to autoGOPFrames.
func gopFrames(h H264Settings, rate media.Rational) int64 {
	switch {
	case h.GopSize <= 0 || h.GopSizeUnits == "AUTO":
		return 0
	case h.GopSizeUnits == "SECONDS":
		return max(int64(math.Round(min(h.GopSize, 1e6)*rate.Float())), 1)
	}
	return max(int64(math.Round(min(h.GopSize, 1e9))), 1)
}

// autoGOPFrames divides a segment evenly into GOPs of at most autoGOP seconds. A
// segment length of 0 is an output that is one file.
func autoGOPFrames(seconds int64, rate media.Rational) int64 {
	second := media.R(1, 1)
	if seconds <= 0 {
		return max(media.Rescale(autoGOP, second, rate.Inverse()), 1)
	}
	segment := media.Rescale(min(seconds, 1<<31), second, rate.Inverse())
	pieces := (min(seconds, 1<<31) + autoGOP - 1) / autoGOP
	return max((segment+pieces-1)/pieces, 1)
}

// Bounds of a chunk's length. Ten seconds is short enough that a crash costs
// little, many cores find work in a short film and a viewer who jumps waits for
// little; it is long enough that starting a process and decoding up to the first
// frame are lost in the encode.
const (
	chunkSeconds    = 10
	soonSeconds     = 6 // of segments that are at most half as long: who jumps waits for a chunk's beginning
	maxChunkSeconds = 60
	manyChunks      = 1200 // from here on chunks become longer instead of more
	fewChunks       = 4    // below this, chunks become shorter where segments allow
	minChunkSeconds = 4
)

// maxPreroll is how many frames may be decoded only to get to where chunks begin,
// in frames of the output: decoding takes about an eighth of an encode, so this
// costs a fourteenth.
const maxPreroll = 0.6

// chunks cuts each take of a Timeline into runs of whole segments of about the
// same length. With short, the first segment is a chunk of its own, which is there
// soon. It depends on Timeline and sources alone, never on the machine, so
// that a chunk is the same wherever and however often it is encoded. each is a length
// in seconds that was asked for, or 0.
func chunks(t Timeline, takes []take, short bool, each float64) []Chunk {
	total := float64(t.Frames) / t.FrameRate.Float() // seconds
	length := float64(chunkSeconds)
	if _, first := t.Segment(0); short && 2*float64(first)/t.FrameRate.Float() <= soonSeconds {
		length = soonSeconds
	}
	length = min(max(length, total/manyChunks), maxChunkSeconds)
	if total < fewChunks*length {
		length = max(total/fewChunks, minChunkSeconds)
	}
	dearest := maxPreroll
	if each > 0 {
		length, dearest = each, math.Inf(1)
	}
	var out []Chunk
	for i := range takes {
		out = append(out, takeChunks(t, &takes[i], length, dearest, short && i == 0)...)
	}
	return out
}

// takeChunks cuts one take into chunks of about length seconds, for which no more than
// dearest frames are decoded in vain for each of the take. A take whose source cannot be
// entered in the middle is one.
func takeChunks(t Timeline, tk *take, length, dearest float64, short bool) []Chunk {
	end := tk.first + tk.frames
	if tk.src.whole {
		return []Chunk{{From: tk.first, To: end}}
	}
	// preroll is how many frames are decoded in vain if a chunk begins at a frame.
	preroll := func(frame int64) int64 {
		at := tk.sourceAt(frame)
		return int64(at - entry(tk.src, at).frame)
	}
	edges := []int64{tk.first} // where a chunk may begin
	for i, _ := slices.BinarySearch(t.Starts, tk.first+1); i < len(t.Starts) && t.Starts[i] < end; i++ {
		edges = append(edges, t.Starts[i])
	}
	var head []Chunk
	if short && len(edges) > 2 && float64(edges[1]-edges[0])/t.FrameRate.Float() <= length/2 {
		head = []Chunk{{From: edges[0], To: edges[1]}}
		edges = edges[1:]
	}
	seconds := float64(end-edges[0]) / t.FrameRate.Float()
	for n := max(int64(math.Round(seconds/length)), 1); ; n = n * 2 / 3 {
		out := cutInto(n, edges, end, preroll)
		wasted := int64(0)
		for _, c := range out {
			wasted += preroll(c.From)
		}
		if n == 1 || float64(wasted) <= dearest*float64(tk.frames) {
			return append(head, out...)
		}
	}
}

// cutInto cuts the frames from the first edge to end into at most n chunks. Each
// begins, of the edges near where it should, at the one that costs least: half a
// frame for each frame off, since chunks are to be equal, one for each decoded in vain.
func cutInto(n int64, edges []int64, end int64, preroll func(int64) int64) []Chunk {
	var out []Chunk
	first := 0
	frames := end - edges[0]
	at := func(i int) int64 {
		if i < len(edges) {
			return edges[i]
		}
		return end
	}
	for c := int64(1); c <= n && first < len(edges); c++ {
		next := len(edges)
		if c < n {
			each := frames / n
			want := edges[0] + each*c
			least := int64(math.MaxInt64)
			from, _ := slices.BinarySearch(edges, want-each/4)
			// The edge before the range and the one behind it count too: segments
			// may be longer than the range.
			for s := max(from-1, first+1); s < len(edges); s++ {
				off := max(edges[s]-want, want-edges[s])
				if cost := off/2 + preroll(edges[s]); cost < least {
					least, next = cost, s
				}
				if edges[s] > want+each/4 {
					break
				}
			}
		}
		if next <= first {
			continue
		}
		out = append(out, Chunk{From: edges[first], To: at(next)})
		first = next
	}
	return out
}
