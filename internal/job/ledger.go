package job

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"

	"vodwright.dev/vodwright/internal/fault"
)

var _ Ledger = (*Coordinator)(nil)

// Claim implements Ledger.
func (c *Coordinator) Claim(ctx context.Context, r Ref) (Task, error) {
	var task Task
	ended, lost := false, false
	err := c.change(ctx, r.Job, func(tx Tx, j *Job) error {
		if j.Status != Progressing {
			ended = j.Status.Final()
			return ErrStale
		}
		t, err := tx.Task(r.Number)
		if err != nil {
			return err
		}
		if t.Done || t.Stage != j.Stage {
			return ErrStale
		}
		if t.Starts-t.Failures-t.Releases >= maxLost {
			lost = true
			return c.abort(tx, j, fault.New(fault.Internal, "", "task %q ended its worker %d times", t.Name, maxLost))
		}
		t.Starts++
		task = t.Task
		task.Attempt = t.Starts
		return tx.SetTask(t)
	})
	if err == nil && !lost {
		c.live.claim(r.Job, r.Number)
		if c.hungry() {
			wake(c.admitWake)
		}
	}
	if lost && err == nil {
		ended, err = true, ErrStale
	}
	if ended { // a publish may have come after the drop
		c.over(ctx, r.Job)
	}
	return task, err
}

// Output implements Ledger.
func (c *Coordinator) Output(ctx context.Context, job, name string) (json.RawMessage, error) {
	return c.output(ctx, job, name)
}

// Report implements Ledger.
func (c *Coordinator) Report(t Task, p Progress) { c.live.report(t, p) }

// Check implements Ledger.
func (c *Coordinator) Check(ctx context.Context, t Task) error {
	j, err := c.store.Job(ctx, t.Job)
	if err == nil && (j.Status != Progressing || j.Stage != t.Stage) {
		return ErrStale
	}
	return err
}

// GiveBack implements Ledger.
func (c *Coordinator) GiveBack(ctx context.Context, task Task) error {
	c.live.stop(task.Job, task.Number)
	return c.change(ctx, task.Job, func(tx Tx, j *Job) error {
		t, err := c.open(tx, j, task)
		if err != nil {
			return err
		}
		t.Releases, t.Wasted = t.Releases+1, t.Wasted+task.Spent.CPU
		return tx.SetTask(t)
	})
}

// open loads a task that is still to get its result.
func (c *Coordinator) open(tx Tx, j *Job, task Task) (TaskState, error) {
	if j.Status != Progressing {
		return TaskState{}, ErrStale
	}
	t, err := tx.Task(task.Number)
	if err == nil && t.Done {
		err = ErrStale
	}
	return t, err
}

// Fail implements Ledger.
func (c *Coordinator) Fail(ctx context.Context, task Task, why error) error {
	c.live.stop(task.Job, task.Number)
	over := false
	err := c.change(ctx, task.Job, func(tx Tx, j *Job) error {
		t, err := c.open(tx, j, task)
		if err != nil {
			return err
		}
		t.Failures, t.Wasted = t.Failures+1, t.Wasted+task.Spent.CPU
		if err := tx.SetTask(t); err != nil {
			return err
		}
		if fault.KindOf(why).Retryable() && t.Failures < c.cfg.MaxAttempts {
			j.RetryCount++
			wait := backoff(c.cfg.Backoff, t.Failures, rand.Float64())
			c.log.WarnContext(ctx, "task failed, to be tried again", "job", j.ID, "task", t.Name, "failures", t.Failures, "wait", wait, "err", why)
			return tx.Post(Errand{Kind: PublishTask, Number: t.Number, Due: c.now().Add(wait)})
		}
		over = true
		c.log.ErrorContext(ctx, "job failed", "job", j.ID, "task", t.Name, "failures", t.Failures, "err", why)
		return c.abort(tx, j, why)
	})
	if err != nil {
		return err
	}
	if over {
		c.over(ctx, task.Job)
	}
	wake(c.relayWake)
	return nil
}

// unknownError is the service's code for what has no better one.
const unknownError = 1999

// abort ends a job with an error.
func (c *Coordinator) abort(tx Tx, j *Job, why error) error {
	f := fault.Of(why)
	j.ErrorCode, j.ErrorMessage = unknownError, why.Error()
	if code, err := strconv.Atoi(f.Code); err == nil && code > 0 {
		j.ErrorCode = code
	}
	if f.Kind != fault.Internal { // without the chain of what was being done
		j.ErrorMessage = f.Message
		if f.Hint != "" {
			j.ErrorMessage += " (" + f.Hint + ")"
		}
	}
	detail, err := json.Marshal(map[string]any{"errorCode": j.ErrorCode, "errorMessage": j.ErrorMessage})
	if err != nil {
		return fmt.Errorf("encode error event: %w", err)
	}
	return c.end(tx, j, fail, Event{Kind: EventError, Detail: detail})
}

// discard lets the Runner clean up after a job that is over.
func (c *Coordinator) discard(ctx context.Context, j Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("discard job %s: panic: %v\n%s", j.ID, p, debug.Stack())
		}
	}()
	if err := c.cfg.Runner.Discard(ctx, j.ID, j.Status); err != nil {
		return fmt.Errorf("discard job %s: %w", j.ID, err)
	}
	return nil
}
