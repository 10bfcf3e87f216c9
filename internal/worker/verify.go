package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// content is what is known of an object's bytes. The checksum is CRC-32C: it is to
// find damage, and costs next to nothing.
type content struct {
	Size int64
	Sum  uint32
}

// contents is what was made, by object.
type contents map[objectName]content

// summer passes bytes on and knows what they were.
type summer struct {
	w       io.Writer
	content content
}

func (s *summer) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.content.Size += int64(n)
	s.content.Sum = crc32.Update(s.content.Sum, castagnoli(), b[:n])
	return n, err
}

// castagnoli is the table of CRC-32C, which the processor knows.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// verifyTries is how often a job's outputs are made and read back before a
// mismatch ends it: what a bad disk or a bad moment did is made again once.
const verifyTries = 2

// mismatch is what was found wrong in the buckets.
type mismatch struct {
	object          string // s3:// URI
	expected, found string
	undecodable     bool // what was encoded may be damaged, not only what was published
}

func (m *mismatch) Error() string {
	return fmt.Sprintf("%s: expected %s, found %s", m.object, m.expected, m.found)
}

// verified makes and publishes a job's outputs by pack and reads them back, as a
// player would. What does not match is withdrawn, mended and made once more; what
// then does not match ends the job.
func (w *Worker) verified(ctx context.Context, task job.Task, p *probed, outputs job.Outputs, report func(job.Progress),
	pack func(context.Context, job.Task, *probed, func(job.Progress)) (Details, contents, error),
) (job.Result, error) {
	// Made, published, read: a second try repeats it and stands still at the end.
	steps := &stepper{report: report, total: 3 * int64(countFiles(&p.Plan))}
	var wrong *mismatch
	for try := 1; ; try++ {
		seen, err := w.mend(ctx, task, p, wrong, steps)
		if err != nil {
			return job.Result{}, err
		}
		details, written, err := pack(ctx, task, p, func(job.Progress) { steps.step() })
		v := &verifier{w: w, plan: &p.Plan, dir: w.folder(task.Job), written: written, steps: steps}
		var receipt *Receipt
		packed := err == nil
		if packed {
			receipt, err = v.all(ctx)
		}
		if ctx.Err() == nil && (err == nil || !packed) { // what else is wrong comes of it
			if touched := w.untouched(ctx, task.Job, seen); touched != nil {
				err = touched
			}
		}
		if !packed && !isMismatch(err) {
			if ctx.Err() != nil || !isMade(err) || try == verifyTries {
				return job.Result{}, err
			}
			err = &mismatch{object: "what was encoded", expected: "what outputs can be made of", found: err.Error(), undecodable: true}
		}
		if err == nil {
			err = w.sourcesAsTheyCame(task.Job, p)
		}
		if err == nil {
			receipt.Tries = try
			quality, err := w.qualities(ctx, task.Job, p)
			if err != nil {
				return job.Result{}, err
			}
			details.measured(receipt, &p.Plan, quality)
			w.cfg.Logger.InfoContext(ctx, "outputs read back", "job", task.Job, "depth", receipt.Depth, "try", try, "objects", receipt.Objects, "bytes", receipt.Bytes)
			doc, err := json.Marshal(details)
			if err != nil {
				return job.Result{}, fmt.Errorf("encode details: %w", err)
			}
			result := job.Result{Details: doc, Warnings: overCap(receipt)}
			if p.Wishes.Beside {
				err = w.beside(ctx, task, p, outputs, v, result)
			}
			return result, err
		}
		if !errors.As(err, &wrong) {
			if ctx.Err() != nil {
				return job.Result{}, context.Cause(ctx)
			}
			return job.Result{}, fmt.Errorf("read back what was published: %w", err)
		}
		w.cfg.Logger.WarnContext(ctx, "published output is not right", "job", task.Job, "try", try, "err", wrong)
		if try == verifyTries {
			// Not to be tried again: it was.
			return job.Result{}, fault.New(fault.Conflict, codeUnverified, "the outputs are not right, made twice: %w", wrong).
				WithHint("nothing of them is left; look at the disk and at who else writes there, then run the job again")
		}
		if err := w.withdraw(ctx, task.Job); err != nil {
			return job.Result{}, err
		}
	}
}

// madeError marks an error of making outputs, before anything is published.
type madeError struct{ err error }

func (e *madeError) Error() string { return e.err.Error() }
func (e *madeError) Unwrap() error { return e.err }

// isMade reports whether outputs could not be made of what was encoded.
func isMade(err error) bool {
	var m *madeError
	return errors.As(err, &m) && undecodable(err)
}

// codeUnverified is the service's code for what it has no better one for.
const codeUnverified = "1999"
