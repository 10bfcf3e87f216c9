package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strconv"

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
			},
			media.InputArgs(), []string{"-i", "file:" + ffmpeg.SourcePath(0)}),
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
// its frames, made increasing where they are not.
func (p *Prober) decodeAll(ctx context.Context, path string, stream media.VideoStream) ([]int64, error) {
	frames := decodedFrames{timeBase: stream.TimeBase, want: stream.TimeBase, most: frameLimit(p.limits.Frames)}
	_, err := p.runner.Run(ctx, ffmpeg.Command{
		Args: slices.Concat(
			[]string{"-copyts", "-skip_loop_filter", "all"},
			media.InputArgs(), []string{
				"-i", "file:" + ffmpeg.SourcePath(0), "-map", "0:" + strconv.Itoa(stream.Index),
				"-fps_mode", "passthrough", "-enc_time_base", "-1",
				// The checksum of the frame's header, not of its pixels.
				"-c:v", "wrapped_avframe", "-f", "framecrc", "pipe:1",
			}),
		Sources: []string{path},
		Limits:  ffmpeg.DecodeLimits(p.limits),
		Stdout:  &lineWriter{line: frames.add},
	})
	if err != nil {
		return nil, err
	}
	if len(frames.pts) == 0 {
		return nil, fault.New(fault.Invalid, codeDemux, "no frame of the video can be decoded")
	}
	makeIncreasing(frames.pts, stream)
	return frames.pts, nil
}

// decodedFrames reads ffmpeg's framecrc format.
type decodedFrames struct {
	timeBase media.Rational // of what is written
	want     media.Rational
	most     frameLimit
	pts      []int64
}

// add reads "#tb 0: 1/25" and "0,          1,          1,        1,      472, 0xcf7018e6":
// stream, decoding and presentation time, duration, size, checksum.
func (d *decodedFrames) add(line []byte) error {
	if value, ok := bytes.CutPrefix(line, []byte("#tb 0: ")); ok {
		if tb := media.ParseRational(string(value)); tb.Known() {
			d.timeBase = tb
		}
		return nil
	}
	fields := bytes.SplitN(line, []byte(","), 4)
	if len(fields) < 4 || line[0] == '#' {
		return nil
	}
	if err := d.most.check(len(d.pts)); err != nil {
		return err
	}
	t := timestamp(bytes.TrimSpace(fields[2]))
	if t != noPTS && d.timeBase != d.want {
		t = media.Rescale(t, d.timeBase, d.want)
	}
	d.pts = append(d.pts, t)
	return nil
}

// makeIncreasing replaces missing times and those that do not increase by one
// frame's duration after the frame before, and carries what follows along.
func makeIncreasing(pts []int64, stream media.VideoStream) {
	rate := stream.AverageRate
	if !rate.Known() {
		rate = stream.FrameRate
	}
	step := int64(1)
	if rate.Known() {
		step = max(1, media.Rescale(1, rate.Inverse(), stream.TimeBase))
	}
	shift := int64(0)
	for i, t := range pts {
		switch {
		case i == 0 && t == noPTS:
			pts[0] = 0
		case i == 0:
		case t == noPTS:
			pts[i] = pts[i-1] + step
		case t+shift <= pts[i-1]:
			shift = pts[i-1] + step - t
			pts[i] = t + shift
		default:
			pts[i] = t + shift
		}
	}
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
