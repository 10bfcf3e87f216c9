package sim

import (
	"context"
	"slices"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/job"
)

// tasks is job.TaskQueue in memory, as the real one is: a line a job, and whoever
// carries tasks chooses a line by job.Turns of its own.
type tasks struct {
	count *counts

	mu    sync.Mutex
	lines map[string]*line
	there map[job.Ref]bool // that wait or are leased
	idle  []chan struct{}
}

type line struct {
	priority int
	waiting  []job.Ref
}

func newTasks(c *counts) *tasks {
	return &tasks{count: c, lines: map[string]*line{}, there: map[job.Ref]bool{}}
}

func (q *tasks) Publish(_ context.Context, refs []job.Ref) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range refs {
		if q.there[r] {
			continue
		}
		q.there[r] = true
		l := q.lines[r.Job]
		if l == nil {
			l = &line{priority: r.Priority}
			q.lines[r.Job] = l
		}
		l.waiting = append(l.waiting, r)
		q.count.message("publish", 120)
		if n := len(q.idle); n > 0 {
			close(q.idle[n-1])
			q.idle = q.idle[:n-1]
		}
	}
	return nil
}

func (q *tasks) Pending(context.Context) ([]job.Ref, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]job.Ref, 0, len(q.there))
	for r := range q.there {
		out = append(out, r)
	}
	return out, nil
}

func (q *tasks) Drop(_ context.Context, id string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.lines[id]; l != nil {
		for _, r := range l.waiting {
			delete(q.there, r)
		}
	}
	delete(q.lines, id)
	q.count.message("drop", 200)
	return nil
}

// Deliver carries one task after the other: a process of one slot, as most are here.
func (q *tasks) Deliver(ctx context.Context, _ <-chan struct{}, _ int, handle func(context.Context, job.Lease)) error {
	var turns job.Turns
	for ctx.Err() == nil {
		ref, wait := q.take(&turns)
		if wait != nil {
			select {
			case <-wait:
			case <-ctx.Done():
			}
			continue
		}
		handle(ctx, &lease{q, ref})
	}
	return nil
}

// take leases the next task, or returns what is closed when there may be one.
func (q *tasks) take(turns *job.Turns) (job.Ref, chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	began := clock()
	lines := make([]job.Line, 0, len(q.lines))
	for id, l := range q.lines {
		if len(l.waiting) > 0 {
			lines = append(lines, job.Line{Job: id, Priority: l.priority})
		}
	}
	if len(lines) == 0 {
		wait := make(chan struct{})
		q.idle = append(q.idle, wait)
		return job.Ref{}, wait
	}
	first := lines[turns.First(lines)]
	turns.Took(first.Job)
	q.count.decision(&q.count.dispatch, clock()-began)
	l := q.lines[first.Job]
	ref := l.waiting[0]
	if l.waiting = l.waiting[1:]; len(l.waiting) == 0 {
		l.waiting = nil
	}
	q.count.message("lease", 2*150) // asked for, and delivered
	return ref, nil
}

type lease struct {
	queue *tasks
	ref   job.Ref
}

func (l *lease) Task() job.Ref { return l.ref }
func (l *lease) Extend() error { l.queue.count.message("extend", 150); return nil }

func (l *lease) Done(context.Context) error {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	delete(l.queue.there, l.ref)
	l.queue.count.message("settle", 2*100)
	return nil
}

func (l *lease) Release() error { return errNoSuch }

// counts are what the run costs the coordinator.
type counts struct {
	mu       sync.Mutex
	messages map[string]int64
	bytes    map[string]int64
	dispatch []time.Duration
	admit    []time.Duration
}

func (c *counts) message(kind string, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages[kind]++
	c.bytes[kind] += int64(bytes)
}

// decision notes how long one took. Of many every hundredth is kept.
func (c *counts) decision(of *[]time.Duration, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*of = append(*of, took)
}

func percentile(all []time.Duration, p float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Clone(all)
	slices.Sort(all)
	return all[min(len(all)-1, int(p*float64(len(all))))]
}
