package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/plan"
)

// openTrack reads the tables of an encoded file. The caller calls close when it
// no longer reads sample data.
func openTrack(path string) (track *mp4.Track, closeFile func(), err error) {
	f, info, err := openMade(path)
	if err != nil {
		return nil, nil, fault.New(fault.Internal, "1999", "the encoder wrote no %s: %w", filepath.Base(path), pathless(err))
	}
	if track, err = mp4.ReadTrack(f, info.Size()); err != nil {
		// It is our own file: what is wrong with it is no fault of the source's.
		return nil, nil, errors.Join(fault.New(fault.Internal, "1999", "what the encoder wrote as %s cannot be read: %w", filepath.Base(path), err), f.Close())
	}
	return track, func() { _ = f.Close() }, nil
}

// openMade opens a file that an encoder may still be at work on: one that was taken
// over may put a link to anywhere in its place, or a pipe.
func openMade(path string) (*os.File, os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// pathless is an error of a file without its path, which is nobody's business.
func pathless(err error) error {
	var of *os.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// tracks opens what the tasks of a job left behind, each file once.
type tracks struct {
	file   func(task, name string) (string, error) // local path of what a task made
	plan   *plan.Plan
	videos map[[2]int]*mp4.Video
	audios map[int]*mp4.Audio
	files  []func()
	alone  func(ladder, chunk, rung int) string // folder of a rung that was made alone, or is being made; "" is none
}

func (w *Worker) openTracks(ctx context.Context, id string, p *plan.Plan) *tracks {
	file := func(task, name string) (string, error) { return w.results.File(ctx, id, task, name) }
	return &tracks{file: file, plan: p, videos: map[[2]int]*mp4.Video{}, audios: map[int]*mp4.Audio{}}
}

func (t *tracks) close() {
	for _, f := range t.files {
		f()
	}
}

func (t *tracks) open(task, file string) (*mp4.Track, error) {
	path, err := t.file(task, file)
	if err != nil {
		return nil, err
	}
	track, closer, err := openTrack(path)
	if err == nil {
		t.files = append(t.files, closer)
	}
	return track, err
}

// video returns a rung of a ladder, its chunks joined; nil when rung is -1.
func (t *tracks) video(ladder, rung int) (*mp4.Video, error) {
	if rung < 0 {
		return nil, nil
	}
	at := [2]int{ladder, rung}
	if v := t.videos[at]; v != nil {
		return v, nil
	}
	l := t.plan.Ladders[ladder]
	chunks := make([]*mp4.Track, len(l.Chunks))
	for i := range l.Chunks {
		var err error
		if chunks[i], err = t.open(chunkName(ladder, i), l.Rungs[rung].File); err != nil {
			return nil, err
		}
	}
	v, err := mp4.NewVideo(l.Timeline.FrameRate, chunks...)
	if err != nil {
		return nil, err
	}
	t.videos[at] = v
	return v, nil
}

// audio returns the audio encodes of an output.
func (t *tracks) audio(o plan.Output) ([]*mp4.Audio, error) {
	var out []*mp4.Audio
	for _, i := range o.Audios {
		if t.audios[i] == nil {
			var err error
			if t.audios[i], err = t.sound(i); err != nil {
				return nil, err
			}
		}
		out = append(out, t.audios[i])
	}
	return out, nil
}

// sound returns an audio encode, its pieces joined.
func (t *tracks) sound(i int) (*mp4.Audio, error) {
	encode := t.plan.Audios[i]
	if len(encode.Pieces) == 0 {
		track, err := t.open(audioName(i), encode.File)
		if err != nil {
			return nil, err
		}
		return mp4.NewAudio(track, encode.Priming, encode.Samples)
	}
	pieces := make([]mp4.AudioPiece, len(encode.Pieces))
	for k, p := range encode.Pieces {
		track, err := t.open(pieceName(i, k), encode.File)
		if err != nil {
			return nil, err
		}
		pieces[k] = mp4.AudioPiece{Track: track, Skip: int(p.Skip), From: int(p.From), To: int(p.To)}
	}
	return mp4.NewAudioOf(pieces, encode.Priming, encode.Samples)
}
