package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vodwright.dev/vodwright/internal/job"
)

const (
	// fetchWait is how long a message that is known to wait may take to come.
	fetchWait = 250 * time.Millisecond
	// sweepEvery is how often lines are asked while nothing is known to wait: the
	// end of a lease tells nobody. Without lines nothing is asked.
	sweepEvery = job.LeaseTime / 3
)

// lease is one delivered message.
type lease struct {
	queue  *Queue
	ref    job.Ref
	msg    jetstream.Msg
	cancel context.CancelCauseFunc
}

// Task implements job.Lease.
func (l *lease) Task() job.Ref { return l.ref }

// Extend implements job.Lease.
func (l *lease) Extend() error { return l.msg.InProgress() }

// Done implements job.Lease.
func (l *lease) Done(ctx context.Context) error {
	if !l.queue.has(l.ref) {
		return nil
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer done()
	err := l.msg.DoubleAck(ctx)
	// Who would answer is gone with the line of a dropped job, which may be back.
	if err == nil || errors.Is(err, nats.ErrNoResponders) || !l.queue.has(l.ref) {
		return nil
	}
	return fmt.Errorf("settle task %d of job %s: %w", l.ref.Number, l.ref.Job, err)
}

// Release implements job.Lease.
func (l *lease) Release() error {
	if err := l.msg.Nak(); err != nil {
		return fmt.Errorf("release task %d of job %s: %w", l.ref.Number, l.ref.Job, err)
	}
	l.queue.waits(l.ref)
	l.queue.wake()
	l.queue.announce([]job.Ref{l.ref})
	return nil
}

// find returns the index of a task's line, or -1. q.mu is held.
func (q *Queue) find(r job.Ref) int {
	rank := rankOf(r.Priority)
	return slices.IndexFunc(q.lines, func(l *line) bool { return l.job == r.Job && l.rank == rank })
}

func (q *Queue) has(r job.Ref) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.find(r) >= 0
}

// Deliver implements job.TaskQueue.
func (q *Queue) Deliver(ctx context.Context, last <-chan struct{}, slots int, handle func(context.Context, job.Lease)) error {
	take, enough := context.WithCancel(ctx)
	var handlers sync.WaitGroup
	defer handlers.Wait()
	handlers.Go(func() {
		select {
		case <-last:
		case <-take.Done():
		}
		enough()
	})
	defer enough()
	free := make(chan struct{}, slots)
	sweep := q.shared // nobody told of what was there before
	for {
		select {
		case free <- struct{}{}:
		case <-take.Done():
			return nil
		}
		msg, ref, ok := q.next(take, sweep)
		sweep = false
		if !ok {
			return nil
		}
		run, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		l := &lease{queue: q, ref: ref, msg: msg, cancel: cancel}
		q.hold(l)
		stopped := context.AfterFunc(ctx, func() { cancel(job.ErrStopped) })
		handlers.Go(func() {
			defer func() {
				stopped()
				cancel(nil)
				q.letGo(l)
				<-free
			}()
			handle(run, l)
		})
	}
}

// next waits for the next message of the first line that has one.
func (q *Queue) next(ctx context.Context, sweep bool) (jetstream.Msg, job.Ref, bool) {
	for ctx.Err() == nil {
		if sweep && q.shared {
			if err := q.refresh(ctx); err != nil && ctx.Err() == nil {
				q.log.WarnContext(ctx, "look which tasks wait", "err", err)
			}
		}
		lines := q.byTurn()
		for _, l := range lines {
			if !q.carries(ctx, l) {
				continue
			}
			if msg, ref, ok := q.fetch(ctx, l, sweep); ok {
				q.mu.Lock()
				q.turns.Took(l.job)
				q.mu.Unlock()
				return msg, ref, true
			}
		}
		sweep = q.pause(ctx, q.shared || len(lines) > 0)
	}
	return nil, job.Ref{}, false
}

// carries reports whether the tasks of a line are delivered here.
func (q *Queue) carries(ctx context.Context, l *line) bool {
	if q.carry == nil {
		return true
	}
	q.mu.Lock()
	asked, foreign := l.asked, l.foreign
	q.mu.Unlock()
	if asked {
		return !foreign
	}
	yes, err := q.carry(ctx, l.job)
	if err != nil {
		if ctx.Err() == nil {
			q.log.DebugContext(ctx, "ask whether to carry", "job", l.job, "err", err)
		}
		return false // asked again when something waits, or soon
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	l.asked, l.foreign = true, !yes
	return yes
}

// byTurn returns the lines in the order in which they are to be asked.
func (q *Queue) byTurn() []*line {
	q.mu.Lock()
	defer q.mu.Unlock()
	order, of := make([]job.Line, len(q.lines)), make(map[string]*line, len(q.lines))
	for i, l := range q.lines {
		order[i] = job.Line{Job: l.job, Priority: priorityOf(l.rank), Running: len(q.leases[l.job])}
		of[l.name()] = l
	}
	q.turns.Order(order)
	lines := make([]*line, len(order))
	for i, o := range order {
		lines[i] = of[rankOf(o.Priority)+"_"+o.Job]
	}
	return lines
}

// pause waits until something may be waiting, and reports whether nobody said so.
func (q *Queue) pause(ctx context.Context, lines bool) bool {
	var alarm <-chan time.Time
	if lines {
		t := time.NewTimer(sweepEvery)
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-q.woken:
	case <-ctx.Done():
	case <-alarm:
		return true
	}
	return false
}

// fetch takes one message of a line, if it has one.
func (q *Queue) fetch(ctx context.Context, l *line, sweep bool) (jetstream.Msg, job.Ref, bool) {
	q.mu.Lock()
	waiting, consumer := l.waiting, l.consumer
	q.mu.Unlock()
	if consumer == nil && (waiting > 0 || sweep) {
		var err error
		if consumer, err = q.consumer(ctx, l); err != nil {
			if ctx.Err() == nil {
				q.log.WarnContext(ctx, "ask for tasks", "job", l.job, "err", err)
			}
			return nil, job.Ref{}, false
		}
		q.mu.Lock()
		l.consumer = consumer
		q.mu.Unlock()
	}
	var (
		batch jetstream.MessageBatch
		err   error
	)
	switch {
	case waiting > 0: // a consumer may learn of a message after its publisher
		batch, err = consumer.Fetch(1, jetstream.FetchMaxWait(fetchWait))
	case sweep:
		batch, err = consumer.FetchNoWait(1)
	default:
		return nil, job.Ref{}, false
	}
	if err != nil {
		q.log.WarnContext(ctx, "fetch task", "job", l.job, "err", err)
		return nil, job.Ref{}, false
	}
	msg := <-batch.Messages()
	q.mu.Lock()
	defer q.mu.Unlock()
	if msg == nil {
		if err := batch.Error(); err != nil && q.shared {
			l.consumer = nil // it may be gone with the node that had it; it is made again if there are messages
			q.log.DebugContext(ctx, "fetch task", "job", l.job, "err", err)
		} else if err != nil && slices.Contains(q.lines, l) && !errors.Is(err, jetstream.ErrConsumerDeleted) {
			q.log.WarnContext(ctx, "fetch task", "job", l.job, "err", err)
		}
		l.waiting = max(0, l.waiting-waiting) // the count was wrong; a sweep finds what it missed
		return nil, job.Ref{}, false
	}
	l.waiting = max(0, l.waiting-1)
	if meta, err := msg.Metadata(); err == nil && q.shared { // others publish and carry too
		l.waiting = max(l.waiting, int(meta.NumPending))
	}
	ref, err := refOf(msg.Subject())
	if err != nil {
		q.log.ErrorContext(ctx, "drop a message that is no task", "subject", msg.Subject(), "err", err)
		msg.Term() //nolint:errcheck // comes again and is dropped again
		return nil, job.Ref{}, false
	}
	return msg, ref, true
}

// hold notes a lease, so that a cancel finds it.
func (q *Queue) hold(l *lease) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.leases[l.ref.Job] == nil {
		q.leases[l.ref.Job] = map[*lease]struct{}{}
	}
	q.leases[l.ref.Job][l] = struct{}{}
}

func (q *Queue) letGo(l *lease) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.leases[l.ref.Job], l)
	if len(q.leases[l.ref.Job]) == 0 {
		delete(q.leases, l.ref.Job)
	}
}

// cancelLeases ends the leases of a job that is over.
func (q *Queue) cancelLeases(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for l := range q.leases[id] {
		l.cancel(job.ErrCanceled)
	}
}
