package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/hls"
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
	dir     string // of the job
	written contents
	steps   *stepper

	mu      sync.Mutex
	read    map[objectName]bool
	receipt Receipt
}

// all reads everything back.
//
// Errors: a *mismatch; what is no statement about the objects as it is.
func (v *verifier) all(ctx context.Context) (*Receipt, error) {
	v.read = map[objectName]bool{}
	v.receipt = Receipt{}
	v.receipt.Depth = v.w.cfg.Verify
	for i, group := range v.plan.Groups {
		if err := v.outputs(ctx, i, group); err != nil {
			return nil, err
		}
	}
	if err := v.rest(ctx); err != nil {
		return nil, err
	}
	v.receipt.Objects = len(v.written)
	for _, c := range v.written {
		v.receipt.Bytes += c.Size
	}
	slices.SortFunc(v.receipt.Outputs, func(a, b OutputReceipt) int {
		return cmp.Or(cmp.Compare(a.OutputGroup, b.OutputGroup), cmp.Compare(a.Output, b.Output))
	})
	return &v.receipt, nil
}

// outputs reads the outputs of a group, as many at once as there are slots.
func (v *verifier) outputs(ctx context.Context, number int, group plan.OutputGroup) error {
	if group.HLS != nil {
		if err := v.hls(ctx, number, group); err != nil {
			return err
		}
	}
	if group.DASH != nil {
		return v.dash(ctx, number, group)
	}
	if group.HLS != nil {
		return nil
	}
	pool, pctx := errgroup.WithContext(ctx)
	for i, o := range group.Outputs {
		pool.Go(func() error {
			release, err := v.acquire(pctx)
			if err != nil {
				return err
			}
			defer release()
			if o.Capture >= 0 {
				return v.captures(pctx, number, i, group.Bucket, o)
			}
			if o.Format == plan.FormatTS {
				name := objectName{group.Bucket, o.Key}
				list := &hls.MediaPlaylist{Segments: []hls.Segment{{URI: hls.RelativeURI(o.Key, o.Key), Duration: v.plan.Ladders[o.Ladder].Timeline.Duration()}}}
				s := &streamCheck{verifier: v, group: number, output: i, name: name, list: list, byDescription: true}
				return s.run(pctx, group, o)
			}
			if o.Format == plan.FormatADTS {
				return v.adts(pctx, number, i, objectName{group.Bucket, o.Key}, o)
			}
			return v.movie(pctx, number, i, objectName{group.Bucket, o.Key}, o)
		})
	}
	return pool.Wait()
}

// acquire waits for the right to read an output.
func (v *verifier) acquire(ctx context.Context) (release func(), err error) {
	select {
	case v.w.decoders <- struct{}{}:
		return func() { <-v.w.decoders }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// add keeps the receipt of one output.
func (v *verifier) add(r OutputReceipt) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.receipt.Outputs = append(v.receipt.Outputs, r)
}

// wrong is a mismatch of one object.
func (v *verifier) wrong(name objectName, expected, found string, args ...any) error {
	return &mismatch{object: uri(name.Bucket, name.Key), expected: expected, found: fmt.Sprintf(found, args...)}
}

// isMismatch reports whether err is a statement about what was published.
func isMismatch(err error) bool {
	var m *mismatch
	return errors.As(err, &m)
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
	want, planned := v.written[name]
	if !planned {
		return v.wrong(name, "nothing that leads there", "a URI of an object that this job did not write")
	}
	r, size, err := v.w.cfg.Objects.Open(ctx, name.Bucket, name.Key)
	if fault.Is(err, fault.NotFound) {
		return v.wrong(name, "the object", "none")
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", uri(name.Bucket, name.Key), err)
	}
	defer r.Close()
	if size != want.Size {
		return v.wrong(name, fmt.Sprintf("%d bytes", want.Size), "%d", size)
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
		return v.wrong(name, fmt.Sprintf("%d bytes", want.Size), "%d", got.content.Size)
	}
	if got.content.Sum != want.Sum {
		return v.wrong(name, "the bytes that were written", "others (CRC-32C %08x, not %08x)", got.content.Sum, want.Sum)
	}
	v.mu.Lock()
	v.read[name] = true
	v.mu.Unlock()
	v.steps.step()
	return nil
}
