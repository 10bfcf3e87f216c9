package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/receipt"
)

// chunkTask and audioTask are the payloads of their tasks: indexes into the Plan.
type chunkTask struct {
	Ladder int `json:"ladder"`
	Chunk  int `json:"chunk"`
}

type audioTask struct {
	Audio int `json:"audio"`
	Piece int `json:"piece,omitempty"` // of an encode that is made in pieces
}

// encode returns what the task makes: an encode, or one piece of it.
func (t audioTask) encode(p *plan.Plan) plan.AudioEncode {
	e := p.Audios[t.Audio]
	if len(e.Pieces) == 0 {
		return e
	}
	piece := e.Pieces[t.Piece]
	e.Files, e.Args, e.Entries, e.Pieces = piece.Files, piece.Args, piece.Entries, nil
	e.Samples = (piece.Skip+piece.To-piece.From)*mp4.FrameSamples - e.Priming
	return e
}

func chunkName(ladder, chunk int) string { return fmt.Sprintf("chunk/%d/%d", ladder, chunk) }
func audioName(audio int) string         { return fmt.Sprintf("audio/%d", audio) }
func pieceName(audio, piece int) string  { return fmt.Sprintf("audio/%d/%d", audio, piece) }

// chunk encodes one chunk of a ladder: every rung of it, and its captures.
func (w *Worker) chunk(ctx context.Context, task job.Task, p *probed, report func(job.Progress)) (job.Result, error) {
	var t chunkTask
	if err := json.Unmarshal(task.Payload, &t); err != nil {
		return job.Result{}, fmt.Errorf("decode task %q: %w", task.Name, err)
	}
	output, kept := w.results.Kept(task.Job, task.Name)
	if kept {
		return job.Result{Output: output}, nil
	}
	ladder := p.Plan.Ladders[t.Ladder]
	chunk := ladder.Chunks[t.Chunk]
	frames := chunk.To - chunk.From
	total := frames
	if p.Wishes.SSIM || p.Wishes.VMAF { // as many are compared
		total *= 2
	}
	progress := func(at ffmpeg.Progress) { report(job.Progress{Done: min(at.Frame, frames), Total: total}) }
	compared := func(at ffmpeg.Progress) { report(job.Progress{Done: frames + min(at.Frame, frames), Total: total}) }
	if !p.Late && t.Chunk == 0 && firstAlone(ladder) {
		if err := w.rung(ctx, p, task.Job, t.Ladder, 0, smallest(ladder), func() {}); err != nil && ctx.Err() != nil {
			return job.Result{}, context.Cause(ctx)
		} // what else is wrong the whole chunk's process says
	}
	copied, err := w.copies(ctx, p, task.Job, t.Ladder, t.Chunk)
	if err != nil {
		return job.Result{}, err
	}
	var missing int64
	keep := func(dir string, args []string) error {
		err := w.takeMade(dir, task.Job, t.Ladder, t.Chunk, ladder)
		if err == nil {
			err = checkChunk(dir, ladder, chunk)
		}
		if err == nil {
			err = w.measure(ctx, task, p, ladder, chunk, args, dir, compared)
		}
		if err == nil {
			output, err = w.retain(ctx, dir, task)
		}
		return err
	}
	run := func(args []string, again bool) error {
		if copied {
			dir, err := w.attempt(task.Job, task.Name)
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			return keep(dir, args)
		}
		less := w.withoutMade(args, task.Job, t.Ladder, t.Chunk, ladder)
		return w.process(ctx, task, p, chunk.Files, less, progress, func(dir string) error {
			var err error
			if missing, err = undecoded(dir, chunk); err != nil {
				return err
			}
			if missing > 0 && again {
				return errLost
			}
			return keep(dir, args)
		})
	}
	fromStart := plan.WithoutSeek(chunk.Args)
	err = run(chunk.Args, len(fromStart) < len(chunk.Args))
	if errors.Is(err, errDamaged) { // a rung that was made alone or copied
		if copied, err = w.copies(ctx, p, task.Job, t.Ladder, t.Chunk); err != nil {
			return job.Result{}, err
		}
		err = run(chunk.Args, len(fromStart) < len(chunk.Args))
	}
	if errors.Is(err, errLost) { // the container led to the wrong place, or the source is damaged
		err = run(fromStart, false)
	}
	if err != nil {
		return job.Result{}, err
	}
	result := job.Result{Output: output}
	if missing > 0 {
		result.Warnings = []job.Warning{{Code: receipt.WarnDamaged, Message: fmt.Sprintf(
			"%d of %d frames between %s and %s could not be decoded: the frame before stands in their place",
			missing, chunk.SourceFrames, ladder.Timeline.At(chunk.From).Round(time.Millisecond), ladder.Timeline.At(chunk.To).Round(time.Millisecond))}}
	}
	return result, nil
}

// errLost says that a chunk's process found fewer frames than the index has.
var errLost = errors.New("frames are missing")

// undecoded returns how many frames of the source a chunk's process should have
// decoded and did not. Its trace tells how many it did.
func undecoded(dir string, chunk plan.Chunk) (int64, error) {
	trace := filepath.Join(dir, plan.DecodedFile)
	info, err := os.Stat(trace)
	if err != nil {
		return 0, fault.New(fault.Internal, "1999", "the encoder left no trace of what it decoded: %w", pathless(err))
	}
	if err := os.Remove(trace); err != nil {
		return 0, err
	}
	return max(chunk.SourceFrames-info.Size()/plan.DecodedFrameBytes, 0), nil
}

// retain keeps what a process wrote into dir as the files of a task, and returns
// the task's Output.
func (w *Worker) retain(ctx context.Context, dir string, task job.Task) (json.RawMessage, error) {
	if err := seal(dir, task); err != nil {
		return nil, err
	}
	return w.results.Keep(ctx, task.Job, task.Name, dir)
}

// process runs one media process that reads these files for a task, and has what it
// wrote used before it is removed.
func (w *Worker) process(ctx context.Context, task job.Task, p *probed, files []int, args []string, progress func(ffmpeg.Progress), use func(dir string) error) error {
	return w.processIn(ctx, task, p, files, args, progress, nil, use)
}

// processIn is process that tells where it is going to write.
func (w *Worker) processIn(ctx context.Context, task job.Task, p *probed, files []int, args []string, progress func(ffmpeg.Progress), begun func(dir string), use func(dir string) error) error {
	sources, err := w.sources(ctx, task, p, files)
	if err != nil {
		return err
	}
	return w.media(ctx, task, sources, args, progress, begun, use)
}

// sources returns the paths of files of the plan.
func (w *Worker) sources(ctx context.Context, task job.Task, p *probed, files []int) ([]string, error) {
	sources := make([]string, len(files))
	for i, n := range files {
		var err error
		bind := func() (Objects, error) { return w.objects(ctx, task.Job, p.Role) }
		if sources[i], _, err = w.source(ctx, task.Job, n, p.Plan.Files[n].URI, p.pin(n), bind, func(job.Progress) {}); err != nil {
			return nil, err
		}
	}
	return sources, nil
}

// media is processIn with the paths of what is read.
func (w *Worker) media(ctx context.Context, task job.Task, sources, args []string, progress func(ffmpeg.Progress), begun func(dir string), use func(dir string) error) error {
	try, err := w.attempt(task.Job, task.Name)
	if err != nil {
		return err
	}
	defer os.RemoveAll(try)
	if begun != nil {
		begun(try)
	}
	usage, err := w.cfg.FFmpeg.Run(ctx, ffmpeg.Command{
		Args: args, Sources: sources, OutputDir: try, Progress: progress, Patient: strings.HasPrefix(task.Name, "chunk/"),
	})
	if err != nil {
		return err
	}
	w.cfg.Logger.DebugContext(ctx, "encoded", "job", task.Job, "task", task.Name, "cpu", usage.CPU, "wall", usage.Wall)
	return use(try)
}

// checkChunk holds what a process wrote against the plan: every rung has exactly
// the planned frames and begins with an IDR, every captured frame is there.
func checkChunk(dir string, ladder plan.Ladder, chunk plan.Chunk) error {
	for _, rung := range ladder.Rungs {
		track, closer, err := openTrack(filepath.Join(dir, rung.File))
		if err != nil {
			return err
		}
		closer()
		got, want := int64(len(track.Samples)), chunk.To-chunk.From
		if got != want {
			return fault.New(fault.Internal, "1999", "the decoder gave %d frames where the source's index has %d (output frames %d to %d)", got, want, chunk.From, chunk.To).
				WithHint("the source is damaged there, or its timestamps are: remux or repair it")
		}
		if !track.Samples[0].Key {
			return fault.New(fault.Internal, "1999", "%s does not begin with a keyframe", rung.File)
		}
	}
	for _, capture := range ladder.Captures {
		for i := range capturesIn(capture, chunk) {
			if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf(capture.FilePattern, i))); err != nil {
				return fault.New(fault.Internal, "1999", "captured frame %d of frames %d to %d is missing", i, chunk.From, chunk.To)
			}
		}
	}
	return nil
}

// capturesIn returns the captured frames of a chunk, in order: file i of the
// chunk's process is element i.
func capturesIn(c plan.Capture, chunk plan.Chunk) []int64 {
	var out []int64
	for _, f := range c.Frames {
		if f >= chunk.From && f < chunk.To {
			out = append(out, f)
		}
	}
	return out
}

// checkAudio holds an encoded audio track against the plan.
func checkAudio(dir string, encode plan.AudioEncode) error {
	track, closer, err := openTrack(filepath.Join(dir, encode.File))
	if err != nil {
		return err
	}
	closer()
	const frame = 1024 // samples in an AAC frame
	// A filter graph that begins anew pads what it has to the end, and then makes more.
	for i := 1; i < len(track.Samples); i++ {
		if track.Samples[i].DTS-track.Samples[i-1].DTS != frame && track.Timescale == int64(track.SampleRate) {
			return errUnsteady
		}
	}
	if int64(len(track.Samples))*frame >= encode.Samples+encode.Priming+8*frame {
		return errUnsteady
	}
	if got, want := int64(len(track.Samples))*frame, encode.Samples+encode.Priming; got < want {
		return fault.New(fault.Internal, "1999", "%s has %d samples, planned were %d", encode.File, got, want)
	}
	return nil
}
