package worker

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/media"
)

// decodeArgs are the arguments that decode all video and audio of an input once,
// single-threaded, and stop at the first error. The deblocking filter is left
// out: it reads no bits, so it finds no error, and costs a quarter.
func decodeArgs(input string, depth Depth) []string {
	args := []string{"-xerror", "-err_detect", "explode", "-threads", "1", "-skip_loop_filter", "all"}
	if depth == VerifyKeyframes {
		args = append(args, "-skip_frame", "nokey")
	}
	args = append(args, media.InputArgs()...)
	return append(args, "-i", input, "-filter_threads", "1", "-map", "0:v?", "-map", "0:a?", "-fps_mode", "passthrough", "-f", "null", "-")
}

// errEnded is what a decoder's input gets when the decoder has ended before it.
var errEnded = errors.New("the decoder has ended")

// decoder decodes what is written to it; nil decodes nothing.
type decoder struct {
	in     *io.PipeWriter
	frames atomic.Int64
	done   chan error

	spool *os.File              // instead of in: a decoder that has to go back and forth
	run   func() (int64, error) // decodes what was spooled
}

// decodeSpooled is decode for what cannot be decoded while it is read: a file whose
// index stands at its end.
func (v *verifier) decodeSpooled(ctx context.Context) (*decoder, error) {
	if v.w.cfg.Verify == VerifyStructure {
		return nil, nil
	}
	file, err := os.CreateTemp(v.dir, "read-")
	if err != nil {
		return nil, diskFault(err)
	}
	d := &decoder{spool: file}
	d.run = func() (int64, error) {
		_, err := v.w.cfg.FFmpeg.Run(ctx, ffmpeg.Command{
			Args: decodeArgs("file:"+ffmpeg.SourcePath(0), v.w.cfg.Verify), Sources: []string{file.Name()}, Patient: true,
			Progress: func(p ffmpeg.Progress) { d.frames.Store(p.Frame); v.steps.beat() },
		})
		return d.frames.Load(), err
	}
	return d, nil
}

// decode starts a decoder, or returns nil where the depth asks for none. The
// caller ends it.
func (v *verifier) decode(ctx context.Context) *decoder {
	if v.w.cfg.Verify == VerifyStructure {
		return nil
	}
	out, in := io.Pipe()
	d := &decoder{in: in, done: make(chan error, 1)}
	go func() {
		_, err := v.w.cfg.FFmpeg.Run(ctx, ffmpeg.Command{
			Args: decodeArgs("pipe:0", v.w.cfg.Verify), Stdin: out, Patient: true,
			Progress: func(p ffmpeg.Progress) { d.frames.Store(p.Frame); v.steps.beat() },
		})
		_ = out.CloseWithError(errEnded)
		d.done <- err
	}()
	return d
}

// Write implements io.Writer.
func (d *decoder) Write(b []byte) (int, error) {
	if d == nil {
		return len(b), nil
	}
	if d.spool != nil {
		n, err := d.spool.Write(b)
		return n, diskFault(err)
	}
	return d.in.Write(b)
}

// end waits for the decoder and returns how many pictures it decoded. why, the
// reason to stop before the end of the input, ends it; nil lets it finish.
func (d *decoder) end(why error) (int64, error) {
	if d == nil {
		return 0, why
	}
	if d.spool != nil {
		defer os.Remove(d.spool.Name())
		if err := errors.Join(why, d.spool.Close()); err != nil {
			return 0, err
		}
		return d.run()
	}
	if why != nil && !errors.Is(why, errEnded) {
		_ = d.in.CloseWithError(why)
		<-d.done
		return 0, why
	}
	_ = d.in.Close()
	err := <-d.done
	if err == nil {
		err = why
	}
	return d.frames.Load(), err
}

// undecodable reports whether a decoder's error is about what it read: not about
// the machine, a shutdown or a reader.
func undecodable(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && (f.Kind == fault.Invalid || f.Kind == fault.Internal)
}
