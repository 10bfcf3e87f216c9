package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// The bounds of Hop.Wait, as the service has them.
const (
	MinHopWait = time.Minute
	MaxHopWait = 4320 * time.Minute
)

// WarnHop is the service's code of a job that should hop and cannot.
const WarnHop = 100000

// errPaused is why a job does not hop now: nothing hops from a paused queue.
var errPaused = errors.New("the queue of the job is paused")

// checkHops holds what Create promises of Job.Hops.
func checkHops(j Job) error {
	if len(j.Hops) > MaxHops {
		return fault.New(fault.Invalid, "BadRequestException", "/hopDestinations: Should have at most %d items", MaxHops)
	}
	for i, h := range j.Hops {
		switch {
		case h.Wait < MinHopWait || h.Wait > MaxHopWait:
			return fault.New(fault.Invalid, "BadRequestException", "/hopDestinations/%d/waitMinutes: Should be between %d and %d", i, MinHopWait/time.Minute, MaxHopWait/time.Minute)
		case h.Priority != nil && (*h.Priority < MinPriority || *h.Priority > MaxPriority):
			return fault.New(fault.Invalid, "BadRequestException", "/hopDestinations/%d/priority: Should be between %d and %d", i, MinPriority, MaxPriority)
		}
	}
	return nil
}

// hopErrands are what a new job's hops need. They commit with the job, so that a
// job hops whatever happens to the process; one that started meanwhile lets them pass.
func hopErrands(j Job) []Errand {
	var out []Errand
	for i, h := range j.Hops {
		out = append(out, Errand{Kind: HopQueue, Number: i, Due: j.Created.Add(h.Wait)})
	}
	return out
}

// hop moves a job that waited too long to another queue. A job that can start
// where it stands starts there. From a paused queue nothing hops (errPaused); into
// one, everything may. A queue that is gone is a warning of the job, which stays.
func (c *Coordinator) hop(ctx context.Context, e Errand) error {
	j, err := c.store.Job(ctx, e.Job)
	if err != nil {
		return ignoreNotFound(err)
	}
	for more := j.Status == Submitted; more; {
		if more, err = c.admitOne(ctx, j.At().Queue, c.cfg.Jobs); err != nil {
			return err
		}
	}
	moved := ""
	err = c.change(ctx, e.Job, func(tx Tx, j *Job) error {
		if j.Status != Submitted || e.Number >= len(j.Hops) {
			return ErrStale
		}
		from, to := j.At(), j.Hops[e.Number]
		if from.Queue == to.Queue {
			return ErrStale
		}
		if q, err := tx.Queue(from.Queue); err != nil {
			return err
		} else if q.Status != QueueActive {
			return errPaused
		}
		_, err := tx.Queue(to.Queue)
		if fault.Is(err, fault.NotFound) {
			return c.warn(tx, j, Warning{Code: WarnHop, Message: fmt.Sprintf(
				"Your job couldn't hop from its original submission queue to its destination queue: the queue %q does not exist.", to.Queue)})
		}
		if err != nil {
			return err
		}
		place := Place{Queue: to.Queue, Priority: from.Priority}
		if to.Priority != nil {
			place.Priority = *to.Priority
		}
		now := c.now()
		j.Place, moved = &place, to.Queue
		j.Transitions = append(j.Transitions, Transition{From: from.Queue, To: to.Queue, At: now})
		detail, err := json.Marshal(QueueHop{Queue: place.Queue, Priority: place.Priority, PreviousQueue: from.Queue, PreviousPriority: from.Priority})
		if err != nil {
			return fmt.Errorf("encode queue hop: %w", err)
		}
		return tx.Emit(Event{At: now, Kind: EventQueueHop, Detail: detail})
	})
	switch {
	case errors.Is(err, ErrStale):
		return nil
	case err != nil:
		return ignoreNotFound(err)
	case moved != "":
		c.log.InfoContext(ctx, "job hopped", "job", e.Job, "queue", moved)
		wake(c.admitWake)
	}
	return nil
}

func ignoreNotFound(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// warn adds a warning to a job and tells it, unless the job has it already.
func (c *Coordinator) warn(tx Tx, j *Job, w Warning) error {
	if slices.Contains(j.Warnings, w) {
		return nil
	}
	j.Warnings = append(j.Warnings, w)
	detail, err := json.Marshal(map[string]any{"warningCode": w.Code, "warningMessage": w.Message})
	if err != nil {
		return fmt.Errorf("encode warning event: %w", err)
	}
	return tx.Emit(Event{At: c.now(), Kind: EventNewWarning, Detail: detail})
}
