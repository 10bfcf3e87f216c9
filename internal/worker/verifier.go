package worker

import (
	"context"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
)

// stepper tells progress that always grows, whatever is done again: steps are
// files made, published or read, and between two of them it is alive.
type stepper struct {
	report func(job.Progress)
	total  int64 // steps

	mu          sync.Mutex
	done, beats int64
}

// beatUnit is more beats than a task can have: five a second for a fortnight.
const beatUnit = 1 << 23

func (s *stepper) add(steps, beats int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.beats = s.done+steps, s.beats+beats
	s.report(job.Progress{Done: s.done*beatUnit + s.beats, Total: max(s.total, s.done+1) * beatUnit})
}

func (s *stepper) step() { s.add(1, 0) }
func (s *stepper) beat() { s.add(0, 1) }

// verifier reads back what one pack published.
type verifier struct {
	w       *Worker
	plan    *plan.Plan
	written contents
	steps   *stepper

	mu   sync.Mutex
	read map[objectName]bool
}

// all reads everything back.
//
// Errors: a *mismatch; what is no statement about the objects as it is.
func (v *verifier) all(ctx context.Context) error {
	v.read = map[objectName]bool{}
	return v.rest(ctx)
}

// rest reads the objects that nothing else read.
func (v *verifier) rest(ctx context.Context) error {
	var names []objectName
	for name := range v.written {
		if !v.read[name] {
			names = append(names, name)
		}
	}
	pool, pctx := errgroup.WithContext(ctx)
	pool.SetLimit(8)
	for _, name := range names {
		pool.Go(func() error {
			if pctx.Err() != nil {
				return context.Cause(pctx)
			}
			return v.object(pctx, name, func(r io.Reader) error {
				_, err := io.Copy(io.Discard, r)
				return err
			})
		})
	}
	return pool.Wait()
}

// object reads a whole object through use, which stops where it likes, and holds
// it against what was written.
func (v *verifier) object(ctx context.Context, name objectName, use func(io.Reader) error) error {
	wrong := func(expected, found string, args ...any) error {
		return &mismatch{object: uri(name.Bucket, name.Key), expected: expected, found: fmt.Sprintf(found, args...), output: [2]int{-1, -1}}
	}
	want, planned := v.written[name]
	if !planned {
		return wrong("nothing that leads there", "a URI of an object that this job did not write")
	}
	r, size, err := v.w.cfg.Objects.Open(ctx, name.Bucket, name.Key)
	if fault.Is(err, fault.NotFound) {
		return wrong("the object", "none")
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", uri(name.Bucket, name.Key), err)
	}
	defer r.Close()
	if size != want.Size {
		return wrong(fmt.Sprintf("%d bytes", want.Size), "%d", size)
	}
	got := &summer{w: io.Discard}
	tee := io.TeeReader(r, got)
	if err := use(tee); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, tee); err != nil {
		return fmt.Errorf("read %s: %w", uri(name.Bucket, name.Key), err)
	}
	if got.content.Size != want.Size {
		return wrong(fmt.Sprintf("%d bytes", want.Size), "%d", got.content.Size)
	}
	if got.content.Sum != want.Sum {
		return wrong("the bytes that were written", "others (CRC-32C %08x, not %08x)", got.content.Sum, want.Sum)
	}
	v.mu.Lock()
	v.read[name] = true
	v.mu.Unlock()
	v.steps.step()
	return nil
}
