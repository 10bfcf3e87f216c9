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

	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
)

// A rung of a chunk is made alone for a viewer who waits for it, ahead of the chunk's
// task. Its file, fragmented, can be read while it grows, and is the task's file of
// that rung once it is whole: what was served is what will be published.

// rungKey names a rung of a chunk of a job.
type rungKey struct {
	job                 string
	ladder, chunk, rung int
}

// rungFolder is where a rung that was made alone is. It exists whole or not at all.
func (w *Worker) rungFolder(id string, ladder, chunk, rung int) string {
	return filepath.Join(w.folder(id), fmt.Sprintf("rung-%d-%d-%d", ladder, chunk, rung))
}

// rungTask is what makes a rung alone. It is not a task of the job's own.
func rungTask(id string, ladder, chunk, rung int) job.Task {
	return job.Task{Job: id, Name: fmt.Sprintf("rung/%d/%d/%d", ladder, chunk, rung)}
}

// rungMaking is a rung that is being made alone.
type rungMaking struct {
	dir  string        // in which its file grows, "" while it cannot be read; guarded by Worker.mu
	done chan struct{} // closed when err is set
	err  error
}

// growing returns the folder in which a rung is being made that can be read
// meanwhile, or "".
func (w *Worker) growing(id string, ladder, chunk, rung int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.rungs[rungKey{id, ladder, chunk, rung}]; m != nil {
		return m.dir
	}
	return ""
}

// lookEvery is how often a growing file is looked at: about the time a picture lasts.
const lookEvery = 50 * time.Millisecond

// rung makes one rung of a chunk alone, unless it is there, and calls grown whenever
// there is more of it. Who comes while it is being made waits for the same.
func (w *Worker) rung(ctx context.Context, p *probed, id string, l, c, r int, grown func()) error {
	key := rungKey{id, l, c, r}
	w.mu.Lock()
	m := w.rungs[key]
	mine := m == nil
	if mine {
		m = &rungMaking{done: make(chan struct{})}
		w.rungs[key] = m
	}
	w.mu.Unlock()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	if mine {
		go func() {
			m.err = w.makeRung(ffmpeg.Urgently(ctx), p, key, m)
			w.mu.Lock()
			delete(w.rungs, key)
			w.mu.Unlock()
			close(m.done)
		}()
	}
	file, seen := p.Plan.Ladders[l].Rungs[r].File, int64(0)
	for {
		select {
		case <-m.done:
			return m.err
		case <-look.C:
			if dir := w.growing(id, l, c, r); dir != "" {
				if info, err := os.Stat(filepath.Join(dir, file)); err == nil && info.Size() > seen {
					seen = info.Size()
					grown()
				}
			}
		case <-ctx.Done():
			if !mine { // who makes it is told too, and ends
				return context.Cause(ctx)
			}
			<-m.done
			return m.err
		}
	}
}

func (w *Worker) makeRung(ctx context.Context, p *probed, key rungKey, m *rungMaking) error {
	ladder := p.Plan.Ladders[key.ladder]
	chunk, file := ladder.Chunks[key.chunk], ladder.Rungs[key.rung].File
	final := w.rungFolder(key.job, key.ladder, key.chunk, key.rung)
	if _, err := os.Stat(final); err == nil {
		return nil
	}
	if _, kept := w.results.Kept(key.job, chunkName(key.ladder, key.chunk)); kept {
		return nil
	}
	if copied := ladder.Rungs[key.rung].Copied; copied != nil {
		return w.copyRung(ctx, p, key, *copied)
	}
	at := func(dir string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		m.dir = dir
	}
	defer at("")
	task := rungTask(key.job, key.ladder, key.chunk, key.rung)
	run := func(args []string, again bool) error {
		begun := at
		if !chunk.Sure {
			begun = nil
		}
		return w.processIn(ctx, task, p, chunk.Files, args, func(ffmpeg.Progress) {}, begun, func(dir string) error {
			missing, err := undecoded(dir, chunk)
			if err != nil {
				return err
			}
			if missing > 0 && again {
				return errLost
			}
			alone := ladder
			alone.Rungs, alone.Captures = ladder.Rungs[key.rung:key.rung+1], nil
			if err := checkChunk(dir, alone, chunk); err != nil {
				return err
			}
			if err := syncPath(filepath.Join(dir, file)); err != nil {
				return diskFault(err)
			}
			if err := seal(dir, task); err != nil {
				return err
			}
			return diskFault(os.Rename(dir, final))
		})
	}
	args := plan.Growing(chunk.Args, file)
	fromStart := plan.WithoutSeek(args)
	err := run(args, len(fromStart) < len(args))
	if errors.Is(err, errLost) {
		at("")
		err = run(fromStart, false)
	}
	return err
}

// firstAlone reports whether the smallest rung of a ladder's first chunk is made before
// the others, for a first viewer: not where one chunk is most of the film.
func firstAlone(ladder plan.Ladder) bool {
	return len(ladder.Rungs) > 1 && len(ladder.Chunks) > 2 && ladder.Timeline.At(ladder.Chunks[0].To) <= longestFirst
}

const longestFirst = 15 * time.Second

// smallest is the rung of a ladder that has the fewest pixels.
func smallest(ladder plan.Ladder) int {
	least := 0
	for i, r := range ladder.Rungs {
		if l := ladder.Rungs[least]; r.Width*r.Height < l.Width*l.Height {
			least = i
		}
	}
	return least
}

// dropMade removes the rungs of a chunk that were made alone.
func (w *Worker) dropMade(id string, encode job.Task) error {
	var t chunkTask
	if !strings.HasPrefix(encode.Name, "chunk/") || json.Unmarshal(encode.Payload, &t) != nil {
		return nil
	}
	made, err := filepath.Glob(filepath.Join(w.folder(id), fmt.Sprintf("rung-%d-%d-*", t.Ladder, t.Chunk)))
	for _, dir := range made {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// withoutMade returns the arguments of a chunk's process without the rungs that were
// made alone.
func (w *Worker) withoutMade(args []string, id string, l, c int, ladder plan.Ladder) []string {
	made := map[string]bool{}
	for r, rung := range ladder.Rungs {
		if _, err := os.Stat(w.rungFolder(id, l, c, r)); err == nil {
			made[rung.File] = true
		}
	}
	if len(made) == 0 {
		return args
	}
	return plan.Only(args, func(file string) bool { return !made[file] })
}

// takeMade puts the rungs that were made alone in the place of those that a chunk's
// process made in dir. One that is not what was made any more is removed: errDamaged.
func (w *Worker) takeMade(dir, id string, l, c int, ladder plan.Ladder) error {
	for r, rung := range ladder.Rungs {
		made := w.rungFolder(id, l, c, r)
		from, to := filepath.Join(made, rung.File), filepath.Join(dir, rung.File)
		if _, err := os.Stat(made); err != nil {
			continue
		}
		if !sealed(made, rungTask(id, l, c, r)) {
			return errors.Join(errDamaged, os.RemoveAll(made))
		}
		if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := os.Link(from, to); err != nil {
			return diskFault(err)
		}
	}
	return nil
}
