package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// errandsAtOnce bounds how many errands are read together.
const errandsAtOnce = 100

// relayLoop runs errands of some kinds when they are due, and sleeps until the
// next one. Publishing and discarding have a loop each: a slow Discard must not
// keep tasks of other jobs from workers.
func (c *Coordinator) relayLoop(ctx context.Context, woken <-chan struct{}, kinds ...ErrandKind) {
	for ctx.Err() == nil {
		next, err := c.relay(ctx, kinds)
		if err != nil && ctx.Err() == nil {
			c.log.ErrorContext(ctx, "read errands", "err", err)
			next = c.now().Add(retryLoops)
		}
		var alarm <-chan time.Time
		var timer *time.Timer
		if !next.IsZero() {
			timer = time.NewTimer(next.Sub(c.now()))
			alarm = timer.C
		}
		select {
		case <-alarm:
		case <-woken:
		case <-ctx.Done():
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// relay runs what is due and returns when to look again.
func (c *Coordinator) relay(ctx context.Context, kinds []ErrandKind) (time.Time, error) {
	for {
		errands, next, err := c.store.Errands(ctx, kinds, c.now(), errandsAtOnce)
		if err != nil {
			return time.Time{}, err
		}
		moved := false // or the same errands would be read for ever
		for _, e := range errands {
			if c.blocked(e) {
				continue // until its tasks end; each that does wakes the relay
			}
			moved = true
			err := c.run(ctx, e)
			if errors.Is(err, errPaused) {
				continue // it is not due any more until the queue goes on
			}
			if ctx.Err() != nil {
				return time.Time{}, ctx.Err()
			}
			if err == nil {
				err = c.store.Settle(ctx, e)
			}
			if err == nil {
				continue
			}
			due := c.now().Add(backoff(c.cfg.Backoff, e.Tries+1, 0.5))
			c.log.WarnContext(ctx, "errand failed", "job", e.Job, "errand", e.Kind, "tries", e.Tries+1, "again", due, "err", err)
			if err := c.store.Postpone(ctx, e, due); err != nil {
				return time.Time{}, err
			}
		}
		if !moved {
			return next, nil
		}
	}
}

// blocked reports whether an errand must wait for tasks that are carried here:
// nothing is discarded under a running task, and a task is not published again
// before its failed attempt has left the queue.
func (c *Coordinator) blocked(e Errand) bool {
	switch e.Kind {
	case Discard:
		return c.carrier.Carries(e.Job)
	case PublishTask:
		return c.carrier.carries(Ref{Job: e.Job, Number: e.Number})
	}
	return false
}

// run does one errand.
func (c *Coordinator) run(ctx context.Context, e Errand) error {
	switch e.Kind {
	case PublishStage:
		refs, err := c.store.ReadyTasks(ctx, e.Job)
		if err != nil {
			return err
		}
		return c.tasks.Publish(ctx, refs)
	case PublishTask:
		j, err := c.store.Job(ctx, e.Job)
		if err != nil {
			return err
		}
		if j.Status != Progressing {
			return nil
		}
		return c.tasks.Publish(ctx, []Ref{{Job: e.Job, Number: e.Number, Priority: j.At().Priority}})
	case HopQueue:
		return c.hop(ctx, e)
	case Discard:
		if err := c.tasks.Drop(ctx, e.Job); err != nil {
			return err
		}
		j, err := c.store.Job(ctx, e.Job)
		if err != nil {
			return err
		}
		c.live.finish(j) // it may have ended in another process
		return c.discard(ctx, j)
	}
	return fmt.Errorf("run errand of job %s: unknown kind %q", e.Job, e.Kind)
}

// reconcileLoop compares the TaskQueue with the records at the start and then
// every minute.
func (c *Coordinator) reconcileLoop(ctx context.Context) {
	for ctx.Err() == nil {
		pause := reconcileEvery
		if err := c.reconcile(ctx); err != nil && ctx.Err() == nil {
			c.log.ErrorContext(ctx, "compare the task queue with the records", "err", err)
			pause = retryLoops
		}
		sleep(ctx, pause)
	}
}

// reconcile publishes the ready tasks that the TaskQueue lacks, and drops those
// of jobs that do not progress. What has an errand is left to it.
func (c *Coordinator) reconcile(ctx context.Context) error {
	ready, err := c.store.ReadyTasks(ctx, "") // before Pending: a task that ends in between is published and found done
	if err != nil {
		return err
	}
	pending, err := c.tasks.Pending(ctx)
	if err != nil {
		return err
	}
	progress := map[string]bool{}
	for _, r := range ready {
		progress[r.Job] = true
	}
	for _, r := range pending {
		if progress[r.Job] {
			continue
		}
		progress[r.Job] = true // once a job
		j, err := c.store.Job(ctx, r.Job)
		if err == nil && !j.Status.Final() {
			continue // it went on while we looked
		}
		if err := c.tasks.Drop(ctx, r.Job); err != nil {
			return err
		}
	}
	have := map[Ref]bool{}
	for _, r := range pending {
		have[r] = true
	}
	ready = slices.DeleteFunc(ready, func(r Ref) bool { return have[r] })
	return c.tasks.Publish(ctx, ready)
}
