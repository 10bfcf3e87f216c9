package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// process decides one chunk's process: its arguments, the files it reads and how
// many frames of the source it decodes into the chunk.
//
// Exactness rests on this: frames are chosen by their presentation time in the
// stream's own time base, which is an integer and the same wherever decoding
// began (-copyts); the time is turned into a slot number by one rounding (settb,
// to nearest) relative to the first frame of the source, the same rounding by
// which the Timeline was made; from there on only whole numbers count. Where
// decoding began and which chunk a frame is made in cannot change it.
func (l *ladder) process(c *Chunk, captures []Capture) {
	t := l.takeOf(*c)
	src := t.src
	first, last := 0, 0
	if len(t.grid.slots) > 0 {
		first, last = t.sourceAt(c.From), t.sourceAt(c.To-1)
		c.SourceFrames = int64(last - first + 1)
	}
	g := &graph{files: []int{src.file}}
	begin := g.frames(l, t, *c, first, last)
	outputs := g.pictures(l, t, *c, captures)
	c.Files = g.files
	args := []string{"-y", "-copyts"}
	if c.SourceFrames > 0 && src.index.Problem == "" {
		args = append(args, entry(src, begin).seek()...)
	}
	c.Sure = c.SourceFrames > 0 && src.index.Problem == "" && indexed(src.facts.Format)
	args = append(args,
		"-threads", "1", // one process a core already
		"-noautorotate",       // turned below, where sizes are known
		"-reinit_filter", "0", // a change of size in mid-stream must not restart the counting
	)
	args = append(args, media.ClockArgs(src.facts.Format)...)
	args = append(args, media.InputArgs()...)
	args = append(args, "-i", "file:"+SourcePath(0))
	for i := range c.Files[1:] {
		args = append(append(args, media.ImageArgs()...), "-i", "file:"+SourcePath(i+1))
	}
	args = append(args, "-filter_complex_threads", "1")

	args = append(args, "-filter_complex", g.String())
	for i, r := range l.rungs {
		args = append(args, "-map", outputs.rungs[i], "-fps_mode", "passthrough", "-map_metadata", "-1")
		args = append(args, r.encoderArgs(l, *c)...)
		args = append(args,
			// Timestamps are whole frames, whatever the rate.
			"-video_track_timescale", strconv.FormatInt(l.rate.Num, 10),
			"-f", "mp4", OutputDir+"/"+rungFile(i))
	}
	for i, capture := range l.captures {
		if outputs.captures[i] == "" {
			continue
		}
		args = append(args, "-map", outputs.captures[i], "-fps_mode", "passthrough",
			"-c:v", "mjpeg", "-qmin", "1", "-q:v", strconv.FormatInt(capture.scale(), 10),
			"-f", "image2", "-start_number", "0", OutputDir+"/"+captureFile(i))
	}
	c.Args = append(args, "-map", "[k]", "-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "rawvideo", OutputDir+"/"+DecodedFile)
}

// maxSteps bounds the length of an expression of byNumber.
const maxSteps = 500

// sum adds terms up that begin with their sign. ffmpeg parses no more than some 100
// terms in a row: there are groups of more.
func sum(terms []string) string {
	const most = 20
	if len(terms) <= most {
		return strings.Join(terms, "")
	}
	var groups []string
	for group := range slices.Chunk(terms, most) {
		groups = append(groups, "+("+strings.Join(group, "")+")")
	}
	return sum(groups)
}

// byNumber returns the expression of a frame's slot by its number N in the
// source: N, and a term for each place where a gap or a doubled slot moves what
// follows. It is false for a source that is all such places, or not known.
func (g *grid) byNumber() (string, bool) {
	if len(g.slots) == 0 {
		return "N", true
	}
	off, steps := int64(0), []string{}
	for i, s := range g.slots {
		if d := s - int64(i); d != off {
			steps = append(steps, fmt.Sprintf("%+d*gte(N\\,%d)", d-off, i))
			off = d
			if len(steps) > maxSteps {
				return "", false
			}
		}
	}
	return "N" + sum(steps), true
}

// trim keeps the frames from first to last, by presentation time, both included.
func trim(first, last int64) string {
	return fmt.Sprintf("trim=start_pts=%d:end_pts=%d", first, last+1)
}

// minus returns the term that takes n from an expression.
func minus(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%+d", -n)
}

// way says where decoding begins to get to a frame.
type way struct {
	frame  int   // of the source, the first one decoded; 0 is its start
	micros int64 // what -ss is told, in the file's own clock; only if frame is not 0
}

// entry returns the way to a source frame: from the last keyframe not after it.
// Where containers have an index (MP4, Matroska) that keyframe is found exactly.
// Elsewhere (MPEG-TS, by searching timestamps of packets, which are decoding
// times) seeking lands behind the wanted packet if it is aimed at it, so it is
// aimed at one keyframe earlier and a second before that.
func entry(src *source, frame int) way {
	ix := src.index
	key, found := slices.BinarySearch(ix.Keys, frame)
	if !found {
		key--
	}
	margin := int64(-1) // microseconds are coarser than some time bases: not before the keyframe
	if !indexed(src.facts.Format) {
		key--
		margin = 1_000_000
	}
	if key < 1 || ix.Keys[key] >= len(ix.PTS) {
		return way{}
	}
	micros := media.R(1, 1_000_000)
	at := media.Rescale(ix.PTS[ix.Keys[key]], ix.TimeBase, micros) - margin
	if at <= media.Rescale(ix.PTS[0], ix.TimeBase, micros) || at < 0 {
		return way{}
	}
	return way{ix.Keys[key], at}
}

// seek returns the options that begin decoding at the way's frame or before.
//
// -seek_timestamp makes the aim a timestamp of the file and not an offset from
// its start; -noaccurate_seek keeps ffmpeg from trimming by its own arithmetic.
func (w way) seek() []string {
	if w.frame == 0 {
		return nil
	}
	return []string{"-seek_timestamp", "1", "-noaccurate_seek", "-ss", fmt.Sprintf("%d.%06d", w.micros/1_000_000, w.micros%1_000_000)}
}

// indexed reports whether a container lists its keyframes.
func indexed(format string) bool {
	return strings.HasPrefix(format, "mov,") || strings.HasPrefix(format, "matroska")
}

// WithoutSeek returns the arguments of a chunk's process that decodes the source
// from its start. It makes the same frames, later: for the second try of a chunk
// whose first found fewer frames than SourceFrames, in case the container led to
// the wrong place.
func WithoutSeek(args []string) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-ss", "-seek_timestamp":
			i++
		case "-noaccurate_seek":
		default:
			out = append(out, args[i])
		}
	}
	return out
}
