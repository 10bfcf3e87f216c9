package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// store keeps records in memory: job.Store without a disk, so that what is counted is
// the scheduler. What no simulated job needs (tokens, hops, lists) is refused.
type store struct {
	mu     sync.Mutex
	jobs   map[string]*record
	queues map[string]*queueRecord
	names  []string
	errand []job.Errand
}

type record struct {
	job   job.Job
	tasks []job.TaskState
	tally []job.StageTally
}

type queueRecord struct {
	queue   job.Queue
	waiting []*record // by priority, then age
	running map[string]*record
}

var (
	_         job.Store = (*store)(nil)
	errNoSuch           = errors.New("the simulated records have no such thing")
)

func newStore() *store {
	return &store{jobs: map[string]*record{}, queues: map[string]*queueRecord{}}
}

func (s *store) InsertJob(_ context.Context, j job.Job, token *job.Token, errands ...job.Errand) (job.Job, bool, error) {
	if token != nil || len(errands) > 0 {
		return job.Job{}, false, errNoSuch
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[j.Queue]
	if q == nil {
		return job.Job{}, false, errNoSuch
	}
	if s.jobs[j.ID] != nil {
		return job.Job{}, false, job.ErrExists
	}
	r := &record{job: j}
	s.jobs[j.ID] = r
	i, _ := slices.BinarySearchFunc(q.waiting, r, func(a, b *record) int {
		return cmp.Or(cmp.Compare(b.job.Priority, a.job.Priority), cmp.Compare(a.job.ID, b.job.ID))
	})
	q.waiting = slices.Insert(q.waiting, i, r)
	return j, true, nil
}

func (s *store) Job(_ context.Context, id string) (job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.jobs[id]
	if r == nil {
		return job.Job{}, fault.New(fault.NotFound, "", "no job %s", id)
	}
	return r.job, nil
}

func (s *store) Jobs(context.Context, job.Filter) ([]job.Job, error) { return nil, errNoSuch }

func (s *store) ChangeJob(_ context.Context, id string, change func(job.Tx, *job.Job) error) (job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.jobs[id]
	if r == nil {
		return job.Job{}, fault.New(fault.NotFound, "", "no job %s", id)
	}
	return s.change(r, change)
}

func (s *store) change(r *record, change func(job.Tx, *job.Job) error) (job.Job, error) {
	j := r.job
	if err := change(&tx{s, r}, &j); err != nil {
		return job.Job{}, err
	}
	r.job = j
	if j.Status.Final() {
		delete(s.queues[j.Queue].running, j.ID)
	}
	return j, nil
}

func (s *store) AdmitJob(_ context.Context, queue string, limit int, change func(job.Tx, *job.Job) error) (job.Job, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[queue]
	if q == nil || len(q.waiting) == 0 {
		return job.Job{}, false, nil
	}
	next := q.waiting[0]
	before := 0
	for _, r := range q.running {
		if r.job.Priority >= next.job.Priority {
			before++
		}
	}
	if before >= limit || q.queue.ConcurrentJobs > 0 && len(q.running) >= q.queue.ConcurrentJobs {
		return job.Job{}, false, nil
	}
	q.waiting = q.waiting[1:]
	q.running[next.job.ID] = next
	j, err := s.change(next, change)
	return j, err == nil, err
}

func (s *store) SaveProgress(context.Context, map[string]int) error { return nil }

func (s *store) TaskWork(context.Context, string) ([]job.TaskWork, error) { return nil, nil }

func (s *store) ReadyTasks(_ context.Context, id string) ([]job.Ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []job.Ref
	add := func(r *record) {
		for _, t := range r.tasks {
			if !t.Done && t.Stage == r.job.Stage {
				out = append(out, job.Ref{Job: r.job.ID, Number: t.Number, Priority: r.job.Priority})
			}
		}
	}
	if id != "" {
		if r := s.jobs[id]; r != nil && r.job.Status == job.Progressing {
			add(r)
		}
		return out, nil
	}
	for _, name := range s.names {
		for _, r := range s.queues[name].running {
			add(r)
		}
	}
	return out, nil
}

func (s *store) Output(context.Context, string, string) (json.RawMessage, error) { return nil, nil }

func (s *store) Errands(_ context.Context, kinds []job.ErrandKind, now time.Time, limit int) ([]job.Errand, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []job.Errand
	var next time.Time
	for _, e := range s.errand {
		switch {
		case !slices.Contains(kinds, e.Kind):
		case e.Due.After(now):
			if next.IsZero() || e.Due.Before(next) {
				next = e.Due
			}
		case len(due) < limit:
			due = append(due, e)
		}
	}
	return due, next, nil
}

func (s *store) Settle(_ context.Context, e job.Errand) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errand = slices.DeleteFunc(s.errand, func(x job.Errand) bool { return x.Job == e.Job && x.Kind == e.Kind && x.Number == e.Number })
	if r := s.jobs[e.Job]; e.Kind == job.Discard && r != nil {
		r.tasks, r.tally = nil, nil
	}
	return nil
}

func (s *store) Postpone(context.Context, job.Errand, time.Time) error { return errNoSuch }

func (s *store) Events(context.Context, string, int64) ([]job.Event, error) { return nil, nil }

func (s *store) Queues(context.Context) ([]job.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []job.Queue
	for _, name := range s.names {
		out = append(out, s.queues[name].queue)
	}
	return out, nil
}

func (s *store) EnsureQueue(_ context.Context, q job.Queue) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queues[q.Name] == nil {
		s.queues[q.Name] = &queueRecord{queue: q, running: map[string]*record{}}
		s.names = append(s.names, q.Name)
		slices.Sort(s.names)
	}
	return nil
}

// tx is a change of a record; the store is locked.
type tx struct {
	s *store
	r *record
}

func (t *tx) AddTasks(tasks []job.Task) error {
	for _, k := range tasks {
		for len(t.r.tally) <= k.Stage {
			t.r.tally = append(t.r.tally, job.StageTally{Stage: len(t.r.tally)})
		}
		s := &t.r.tally[k.Stage]
		s.Phase, s.Tasks, s.Weight = k.Phase, s.Tasks+1, s.Weight+k.Weight
		t.r.tasks = append(t.r.tasks, job.TaskState{Task: k})
	}
	return nil
}

func (t *tx) Task(n int) (job.TaskState, error) {
	if n >= len(t.r.tasks) {
		return job.TaskState{}, fault.New(fault.NotFound, "", "no task %d", n)
	}
	return t.r.tasks[n], nil
}

func (t *tx) SetTask(k job.TaskState) error {
	if k.Done && !t.r.tasks[k.Number].Done {
		s := &t.r.tally[k.Stage]
		s.Done, s.DoneWeight = s.Done+1, s.DoneWeight+k.Weight
	}
	t.r.tasks[k.Number] = k
	return nil
}

func (t *tx) TaskWork() ([]job.TaskWork, error) { return nil, nil }
func (t *tx) Tally() ([]job.StageTally, error)  { return slices.Clone(t.r.tally), nil }
func (t *tx) Emit(job.Event) error              { return nil }
func (t *tx) Queue(string) (job.Queue, error)   { return job.Queue{}, errNoSuch }

func (t *tx) Post(e job.Errand) error {
	e.Job = t.r.job.ID
	t.s.errand = append(t.s.errand, e)
	return nil
}
