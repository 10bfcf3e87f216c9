package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/media"
)

// decodeHead decodes the first n packets and returns the times of the frames in
// the order the decoder puts them out; a frame without one has noPTS.
func (p *Prober) decodeHead(ctx context.Context, path string, stream media.VideoStream, n int) ([]int64, error) {
	var pts []int64
	_, err := p.runner.RunProbe(ctx, ffmpeg.ProbeCommand{
		Args: slices.Concat(
			[]string{
				"-select_streams", strconv.Itoa(stream.Index), "-read_intervals", "%+#" + strconv.Itoa(n),
				"-show_entries", "frame=best_effort_timestamp", "-of", "compact=p=0",
				"-skip_loop_filter", "all", // what the frames look like does not matter
				"-threads", threads(stream),
			},
			media.DemuxArgs(formatOf(stream)), media.InputArgs(), []string{"-i", "file:" + ffmpeg.SourcePath(0)}),
		Source: path,
		Limits: ffmpeg.HeadLimits(p.limits),
		Stdout: &lineWriter{line: func(line []byte) error {
			field, _, _ := bytes.Cut(line, []byte("|"))
			if value, ok := bytes.CutPrefix(field, []byte("best_effort_timestamp=")); ok {
				if len(pts) > 4*n {
					return fault.New(fault.Limit, codeUnsupported, "the video has more frames than packets")
				}
				pts = append(pts, timestamp(value))
			}
			return nil
		}},
	})
	return pts, err
}

// decodeAll decodes the whole stream as an encode would and returns the times of
// its frames, made increasing where they are not, and where the clock leaps.
func (p *Prober) decodeAll(ctx context.Context, path string, stream media.VideoStream, format string) ([]int64, []media.Leap, error) {
	frames := decodedFrames{most: frameLimit(p.limits.Frames)}
	_, err := p.runner.Run(ctx, ffmpeg.Command{
		Args: slices.Concat(
			[]string{"-copyts", "-skip_loop_filter", "all", "-threads", threads(stream)}, media.ClockArgs(format),
			media.InputArgs(), []string{
				"-i", "file:" + ffmpeg.SourcePath(0), "-map", "0:" + strconv.Itoa(stream.Index),
				// A muxer would not let times go back: they are read before it. A change of
				// size must not begin the reading anew.
				"-vf", `metadata=mode=add:key=v:value=1,metadata=mode=print:file=pipe\\:1,setpts=N`,
				"-fps_mode", "passthrough", "-f", "null", "-",
			}),
		Sources: []string{path},
		Limits:  ffmpeg.DecodeLimits(p.limits),
		Stdout:  &lineWriter{line: frames.add},
	})
	if err != nil {
		return nil, nil, err
	}
	if len(frames.pts) == 0 {
		return nil, nil, fault.New(fault.Invalid, codeDemux, "no frame of the video can be decoded")
	}
	leaps := makeIncreasing(frames.pts, stream, leapsAhead(format))
	return frames.pts, leaps, nil
}

// threads is how many a decoder has here: as many as it likes, where that gives the
// frames that one gives, as in an encode.
func threads(stream media.VideoStream) string {
	if stream.Codec == "theora" { // does not get beyond the headers of a chained film
		return "1"
	}
	return "0"
}

// decodedFrames reads what ffmpeg's filter metadata prints.
type decodedFrames struct {
	most frameLimit
	pts  []int64
}

// add reads "frame:12   pts:48000   pts_time:0.5333"; a frame without a time has
// pts:NOPTS.
func (d *decodedFrames) add(line []byte) error {
	if !bytes.HasPrefix(line, []byte("frame:")) {
		return nil
	}
	_, rest, found := bytes.Cut(line, []byte(" pts:"))
	if !found {
		return nil
	}
	if err := d.most.check(len(d.pts)); err != nil {
		return err
	}
	value, _, _ := bytes.Cut(rest, []byte(" "))
	d.pts = append(d.pts, timestamp(value))
	return nil
}

// leapsAhead says whether a clock that leaps far ahead in such a container is one
// that was set anew, and not a film that stands still: transport and program
// streams are cut and joined as they are.
func leapsAhead(format string) bool { return format == "mpegts" || format == "mpeg" }

// farAhead is how far a clock may go ahead between two frames and still be taken at its word.
const farAhead = 10 * time.Second

// makeIncreasing replaces missing times and those that do not increase. A single
// time that is too early is moved; a clock that stays behind has leapt, and so has
// one that goes farAhead where ahead says so: what follows is carried along.
func makeIncreasing(pts []int64, stream media.VideoStream, ahead bool) []media.Leap {
	rate := stream.AverageRate
	if !rate.Known() {
		rate = stream.FrameRate
	}
	step := int64(1)
	if rate.Known() {
		step = max(1, media.Rescale(1, rate.Inverse(), stream.TimeBase))
	}
	far := media.Rescale(int64(farAhead), media.R(1, int64(time.Second)), stream.TimeBase)
	var leaps []media.Leap
	shift := int64(0)
	raw := slices.Clone(pts)
	for i, t := range raw {
		switch {
		case i == 0:
			if t == noPTS {
				pts[0] = 0
				if len(raw) > 1 && raw[1] != noPTS {
					pts[0] = raw[1] - step
				}
			}
			continue
		case t == noPTS:
			pts[i] = pts[i-1] + step
			continue
		}
		if settle(pts[:i], t+shift, step) {
			pts[i] = t + shift
			continue
		}
		next := pts[i-1] + step
		if t+shift <= pts[i-1] && behind(raw[i:], next-shift, step) || ahead && t+shift > pts[i-1]+far {
			leaps = append(leaps, media.Leap{Frame: i, Ticks: t + shift - next})
			shift = next - t
		}
		pts[i] = t + shift
		if pts[i] <= pts[i-1] {
			pts[i] = next
		}
	}
	return leaps
}

// settle takes back what the last few of pts are ahead, if what comes at time t shows
// that they were guessed too late: there are steps before them that are longer by as
// much as it is behind.
func settle(pts []int64, t, step int64) bool {
	const few = 8
	last := len(pts) - 1
	ahead := pts[last] + step - t
	if ahead < step || ahead > 4*step {
		return false
	}
	var takes [few]int64 // of pts[last-i] and all behind it
	for i, left := 0, ahead; i < few && i < last; i++ {
		if longer := pts[last-i] - pts[last-i-1] - step; longer > step/2 {
			takes[i] = min(longer, left)
			left -= takes[i]
		}
		if left > step/4 {
			continue
		}
		for sum := int64(0); i >= 0; i-- {
			sum += takes[i]
			pts[last-i] -= sum
		}
		return true
	}
	return false
}

// behind says whether the next times stay behind a clock that shows the first of
// them at time at and the others a step apart, about as far as the first one is.
func behind(times []int64, at, step int64) bool {
	least := max((step*9+9)/10, (at-times[0])/2)
	for k, t := range times[:min(len(times), 8)] {
		if t != noPTS && at+int64(k)*step-t < least {
			return false
		}
	}
	return true
}

// hideReferences marks the VP8 frames that are decoded but never shown. WebM
// stores them as packets of their own with almost any timestamp; only the frame
// itself says what it is (RFC 6386, section 9.1: show_frame).
func (p *Prober) hideReferences(ctx context.Context, path string, stream media.VideoStream, list *packets) error {
	frames := ivfReader{most: frameLimit(p.limits.Frames)}
	_, err := p.runner.Run(ctx, ffmpeg.Command{
		Args: slices.Concat(
			[]string{"-copyts"}, media.InputArgs(), []string{
				"-i", "file:" + ffmpeg.SourcePath(0), "-map", "0:" + strconv.Itoa(stream.Index),
				"-c", "copy", "-copyinkf", "-f", "ivf", "pipe:1",
			}),
		Sources: []string{path},
		Limits:  ffmpeg.IndexLimits(p.limits),
		Stdout:  &frames,
	})
	if err != nil {
		return err
	}
	if len(frames.shown) != len(list.flags) {
		return nil // the times decide then: repeated ones are a problem
	}
	for i, shown := range frames.shown {
		if !shown {
			list.flags[i] |= flagHidden
		}
	}
	return nil
}

// ivfReader is an io.Writer that reads an IVF file of VP8 and keeps one fact a
// frame: whether it is shown. The file begins with 32 bytes; a frame is 4 bytes of
// size, 8 of time, data.
type ivfReader struct {
	shown  []bool
	header []byte // what of a header has come
	begun  bool   // the file's own header is behind
	first  bool   // the next byte is the first of a frame
	skip   int64  // bytes left of a frame, the first included
	most   frameLimit
}

func (r *ivfReader) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if r.skip > 0 {
			if r.first {
				r.shown, r.first = append(r.shown, p[0]&0x10 != 0), false
			}
			k := min(r.skip, int64(len(p)))
			r.skip, p = r.skip-k, p[k:]
			continue
		}
		want := 12
		if !r.begun {
			want = 32
		}
		k := min(want-len(r.header), len(p))
		r.header, p = append(r.header, p[:k]...), p[k:]
		if len(r.header) < want {
			continue
		}
		if r.begun {
			if err := r.most.check(len(r.shown)); err != nil {
				return 0, err
			}
			r.skip = int64(binary.LittleEndian.Uint32(r.header))
			if r.first = r.skip > 0; !r.first {
				r.shown = append(r.shown, true) // an empty frame carries no flag that would hide it
			}
		}
		r.begun, r.header = true, r.header[:0]
	}
	return n, nil
}
