package worker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/plan"
)

// copyRung makes one rung of a chunk of the source's own frames.
func (w *Worker) copyRung(ctx context.Context, p *probed, key rungKey, from plan.Copied) error {
	ladder := p.Plan.Ladders[key.ladder]
	chunk, file := ladder.Chunks[key.chunk], ladder.Rungs[key.rung].File
	task := rungTask(key.job, key.ladder, key.chunk, key.rung)
	sources, err := w.sources(ctx, task, p, []int{from.File})
	if err != nil {
		return err
	}
	source, err := os.Open(sources[0])
	if err != nil {
		return diskFault(err)
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return diskFault(err)
	}
	track, err := mp4.ReadCoded(source, info.Size(), from.Track, chunk.From, chunk.To)
	if err != nil {
		return fmt.Errorf("read the source's frames %d to %d: %w", chunk.From, chunk.To, err)
	}
	video, err := mp4.NewVideo(ladder.Timeline.FrameRate, track)
	if err != nil {
		return err
	}
	try, err := w.attempt(task.Job, task.Name)
	if err != nil {
		return err
	}
	defer os.RemoveAll(try)
	out, err := os.Create(filepath.Join(try, file))
	if err != nil {
		return diskFault(err)
	}
	defer out.Close()
	if _, err := mp4.WriteProgressive(out, mp4.Movie{Video: video}); err != nil {
		return diskFault(err)
	}
	if err := out.Sync(); err != nil {
		return diskFault(err)
	}
	alone := ladder
	alone.Rungs, alone.Captures = ladder.Rungs[key.rung:key.rung+1], nil
	if err := checkChunk(try, alone, chunk); err != nil {
		return err
	}
	if err := seal(try, task); err != nil {
		return err
	}
	return diskFault(os.Rename(try, w.rungFolder(key.job, key.ladder, key.chunk, key.rung)))
}

// copies makes the rungs of a chunk that are copied, and reports whether that is all
// there is to the chunk.
func (w *Worker) copies(ctx context.Context, p *probed, id string, l, c int) (all bool, err error) {
	ladder := p.Plan.Ladders[l]
	all = len(ladder.Captures) == 0
	for r, rung := range ladder.Rungs {
		if rung.Copied == nil {
			all = false
		} else if err := w.rung(ctx, p, id, l, c, r, func() {}); err != nil {
			return false, err
		}
	}
	return all, nil
}
