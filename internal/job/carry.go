package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// errStale is why a change is not made: what it was to change has moved on.
var errStale = errors.New("the task is not to be carried any more")

// settleTime bounds the writes that a shutdown must still make.
const settleTime = 10 * time.Second

// carry takes one leased task through the Runner and stores what came of it.
// Whatever is stored is stored before the lease is settled: killed in between,
// the task is delivered again and found done.
func (c *Coordinator) carry(ctx context.Context, lease Lease) {
	ref := lease.Task()
	if !c.enter(ref) {
		c.settle(ctx, lease) // a second delivery while the first one runs here
		return
	}
	defer c.leave(ref)

	task, err := c.claim(ctx, ref)
	switch {
	case err != nil && (errors.Is(err, errStale) || fault.KindOf(err) == fault.NotFound):
		c.settle(ctx, lease)
		return
	case err != nil:
		if ctx.Err() == nil {
			c.log.ErrorContext(ctx, "claim task", "job", ref.Job, "task", ref.Number, "err", err)
			sleep(ctx, retryLoops)
		}
		c.release(ctx, lease)
		return
	}
	log := c.log.With("job", task.Job, "task", task.Name, "attempt", task.Attempt)
	log.DebugContext(ctx, "task started")
	began := time.Now()
	result, err := c.attempt(ctx, lease, task)
	task.Spent = result.Spent
	task.Spent.Wall = time.Since(began)
	c.live.stop(task.Job, task.Number)

	// From here on ctx may be over and the outcome must be stored all the same.
	save, done := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer done()
	if err == nil {
		err = c.complete(save, task, result)
		if err == nil || errors.Is(err, errStale) {
			log.DebugContext(ctx, "task done", "took", time.Since(began), "stale", err != nil)
			c.settle(save, lease)
			return
		}
		err = fmt.Errorf("store result of task %q: %w", task.Name, err)
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrCanceled):
		log.DebugContext(ctx, "task canceled")
		c.settle(save, lease)
		return
	case cause != nil: // a shutdown
		log.DebugContext(ctx, "task given back")
		err := c.giveBack(save, task)
		if err != nil && !errors.Is(err, errStale) {
			log.WarnContext(ctx, "give task back", "err", err)
		}
		c.release(save, lease)
		return
	}
	if err := c.fault(save, task, err); err != nil && !errors.Is(err, errStale) {
		log.ErrorContext(ctx, "store failure of task", "err", err)
		sleep(ctx, retryLoops)
		c.release(save, lease)
		return
	}
	c.settle(save, lease)
}

// enter notes that a task is carried here, unless it is already.
func (c *Coordinator) enter(r Ref) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.carried[r.Job][r.Number] {
		return false
	}
	if c.carried[r.Job] == nil {
		c.carried[r.Job] = map[int]bool{}
	}
	c.carried[r.Job][r.Number] = true
	return true
}

// leave is the reverse of enter. Errands may have waited for it.
func (c *Coordinator) leave(r Ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.carried[r.Job], r.Number)
	if len(c.carried[r.Job]) == 0 {
		delete(c.carried, r.Job)
	}
	wake(c.relayWake)
	wake(c.sweepWake)
}

func (c *Coordinator) settle(ctx context.Context, lease Lease) {
	if err := lease.Done(ctx); err != nil { // it comes again and is found settled
		c.log.WarnContext(ctx, "settle task in the queue", "job", lease.Task().Job, "task", lease.Task().Number, "err", err)
	}
}

func (c *Coordinator) release(ctx context.Context, lease Lease) {
	if err := lease.Release(); err != nil { // its lease ends by itself
		c.log.WarnContext(ctx, "give task back to the queue", "job", lease.Task().Job, "task", lease.Task().Number, "err", err)
	}
}

// claim counts the start of a task and loads it, if it is still to be carried.
func (c *Coordinator) claim(ctx context.Context, r Ref) (Task, error) {
	var task Task
	ended, lost := false, false
	err := c.change(ctx, r.Job, func(tx Tx, j *Job) error {
		if j.Status != Progressing {
			ended = j.Status.Final()
			return errStale
		}
		t, err := tx.Task(r.Number)
		if err != nil {
			return err
		}
		if t.Done || t.Stage != j.Stage {
			return errStale
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
	if lost && err == nil {
		ended, err = true, errStale
	}
	if ended { // a publish may have come after the drop
		c.over(ctx, r.Job)
	}
	return task, err
}

// attempt runs a task and keeps its lease while it makes progress.
func (c *Coordinator) attempt(ctx context.Context, lease Lease, task Task) (result Result, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	pulse := &pulse{at: time.Now(), done: -1}
	go c.keep(ctx, lease, pulse, stop)
	defer func() {
		if p := recover(); p != nil {
			c.log.ErrorContext(ctx, "runner panicked", "job", task.Job, "task", task.Name, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("run task %q: panic: %v", task.Name, p)
		}
		if err != nil && errors.Is(context.Cause(ctx), ErrStalled) {
			err = fault.New(fault.Unavailable, "", "task %q made no progress for %s", task.Name, c.cfg.StallTimeout)
		}
	}()
	outputs := func(ctx context.Context, name string) (json.RawMessage, error) {
		return c.output(ctx, task.Job, name)
	}
	return c.cfg.Runner.Run(ctx, task, outputs, func(p Progress) {
		if pulse.beat(p) {
			c.live.report(task, p)
		}
	})
}

// pulse is when a task has last made progress.
type pulse struct {
	mu   sync.Mutex
	at   time.Time
	done int64
}

// beat takes what a task told and reports whether that is progress.
func (p *pulse) beat(told Progress) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if told.Done <= p.done {
		return false
	}
	p.at, p.done = time.Now(), told.Done
	return true
}

func (p *pulse) silence() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.at)
}

// keep extends the lease until ctx ends or the task stalls.
func (c *Coordinator) keep(ctx context.Context, lease Lease, p *pulse, stop context.CancelCauseFunc) {
	extended := time.Now()
	for {
		if !sleep(ctx, min(LeaseTime/3, c.cfg.StallTimeout/4)) {
			return
		}
		if p.silence() > c.cfg.StallTimeout {
			stop(ErrStalled)
			return
		}
		if time.Since(extended) < LeaseTime/4 {
			continue
		}
		extended = time.Now()
		if err := lease.Extend(); err != nil && ctx.Err() == nil {
			c.log.WarnContext(ctx, "extend lease", "job", lease.Task().Job, "task", lease.Task().Number, "err", err)
		}
	}
}

// giveBack undoes the start of a task that a shutdown interrupted.
func (c *Coordinator) giveBack(ctx context.Context, task Task) error {
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
		return TaskState{}, errStale
	}
	t, err := tx.Task(task.Number)
	if err == nil && t.Done {
		err = errStale
	}
	return t, err
}

// fault stores that a task failed: it is tried again later, or the job ends.
func (c *Coordinator) fault(ctx context.Context, task Task, why error) error {
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
