package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// ErrStale is why a task is not to be carried, or its result not stored: it has a
// result, or its job is over or in another stage.
var ErrStale = errors.New("the task is not to be carried any more")

// Ledger is what who carries tasks writes to the records: a Coordinator, or the way
// to one on another machine. What it returned is stored.
type Ledger interface {
	// Claim counts the start of a task and returns it. ErrStale and a fault.NotFound
	// mean that it is not to be carried.
	Claim(ctx context.Context, r Ref) (Task, error)
	// Output returns the Output of a finished task by its name.
	Output(ctx context.Context, job, name string) (json.RawMessage, error)
	// Complete stores the result of a task, once; one that comes second is ErrStale.
	Complete(ctx context.Context, t Task, r Result) error
	// Fail stores that a task failed: it is tried again later, or the job ends.
	Fail(ctx context.Context, t Task, why error) error
	// GiveBack undoes the start of a task that a shutdown interrupted.
	GiveBack(ctx context.Context, t Task) error
	// Report tells how far a task is, at once or a little later; it may be lost.
	Report(t Task, p Progress)
	// Check returns ErrStale when a task that is being carried is not to be: who
	// carries it may have missed that its job ended.
	Check(ctx context.Context, t Task) error
}

// Leases hands tasks to who carries them; see TaskQueue.
type Leases interface {
	Deliver(ctx context.Context, last <-chan struct{}, slots int, handle func(ctx context.Context, l Lease)) error
}

// CarrierConfig is what a Carrier is made of. Ledger, Leases and Runner are needed.
type CarrierConfig struct {
	Ledger       Ledger
	Leases       Leases
	Runner       Runner
	Slots        int             // tasks carried at once; none when it is not positive
	StallTimeout time.Duration   // see Config
	Last         <-chan struct{} // closed when no more tasks are to be taken; nil never is
	// Rest is how long no task is taken after one that failed for a reason that is not the
	// job's, such as a full disk: others may do better. 0 where there are no others.
	Rest   time.Duration
	Left   func(Ref)    // told after each task that was carried; nil for nobody
	Logger *slog.Logger // nil discards
}

// Carrier takes leased tasks through a Runner and stores what came of them. It is
// safe for concurrent use.
type Carrier struct {
	cfg CarrierConfig
	log *slog.Logger

	mu      sync.Mutex
	carried map[string]map[int]bool // job → numbers of its tasks
	rests   time.Time               // until when no task is taken
}

// NewCarrier returns a Carrier that does nothing until Run.
func NewCarrier(cfg CarrierConfig) *Carrier {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	orDefault(&cfg.StallTimeout, stallTimeout)
	return &Carrier{cfg: cfg, log: cfg.Logger, carried: map[string]map[int]bool{}}
}

// Run carries tasks until ctx ends; then it gives back what it carries, without
// spending an attempt, and returns when every Runner has returned. Once Last is closed
// it takes no more, and returns when what it carries is done.
func (c *Carrier) Run(ctx context.Context) error {
	if c.cfg.Slots <= 0 {
		return nil
	}
	return c.cfg.Leases.Deliver(ctx, c.cfg.Last, c.cfg.Slots, c.carry)
}

// Carries reports whether a task of a job is carried here.
func (c *Carrier) Carries(job string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.carried[job]) > 0
}

// carries reports whether this task is carried here.
func (c *Carrier) carries(r Ref) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.carried[r.Job][r.Number]
}

// settleTime bounds the writes that a shutdown must still make.
const settleTime = 10 * time.Second

// carry takes one leased task through the Runner and stores what came of it.
// Whatever is stored is stored before the lease is settled: killed in between,
// the task is delivered again and found done.
func (c *Carrier) carry(ctx context.Context, lease Lease) {
	ref := lease.Task()
	if rest := c.rest(); rest > 0 {
		c.release(ctx, lease)
		select {
		case <-ctx.Done():
		case <-c.cfg.Last:
		case <-time.After(rest):
		}
		return
	}
	if !c.enter(ref) {
		c.double(ctx, lease)
		return
	}
	defer c.leave(ref)

	task, err := c.cfg.Ledger.Claim(ctx, ref)
	switch {
	case err != nil && (errors.Is(err, ErrStale) || fault.KindOf(err) == fault.NotFound):
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

	// From here on ctx may be over and the outcome must be stored all the same.
	save, done := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer done()
	if err == nil {
		err = c.cfg.Ledger.Complete(save, task, result)
		if err == nil || errors.Is(err, ErrStale) {
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
		err := c.cfg.Ledger.GiveBack(save, task)
		if err != nil && !errors.Is(err, ErrStale) {
			log.WarnContext(ctx, "give task back", "err", err)
		}
		c.release(save, lease)
		return
	}
	if fault.KindOf(err) == fault.Unavailable && c.cfg.Rest > 0 {
		log.WarnContext(ctx, "no tasks are taken for a while", "for", c.cfg.Rest, "err", err)
		c.mu.Lock()
		c.rests = time.Now().Add(c.cfg.Rest)
		c.mu.Unlock()
	}
	if err := c.cfg.Ledger.Fail(save, task, err); err != nil && !errors.Is(err, ErrStale) {
		log.ErrorContext(ctx, "store failure of task", "err", err)
		sleep(ctx, retryLoops)
		c.release(save, lease)
		return
	}
	c.settle(save, lease)
}

// rest returns for how long no task is to be taken.
func (c *Carrier) rest() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Until(c.rests)
}

// enter notes that a task is carried here, unless it is already.
func (c *Carrier) enter(r Ref) bool {
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
func (c *Carrier) leave(r Ref) {
	c.mu.Lock()
	delete(c.carried[r.Job], r.Number)
	if len(c.carried[r.Job]) == 0 {
		delete(c.carried, r.Job)
	}
	c.mu.Unlock()
	if c.cfg.Left != nil {
		c.cfg.Left(r)
	}
}

// double holds a task that was delivered again while it is carried here: its lease
// had run out unnoticed. It must not go to others before the first has ended, nor
// be gone from the queue if that does not store a result.
func (c *Carrier) double(ctx context.Context, lease Lease) {
	for c.carries(lease.Task()) && ctx.Err() == nil {
		if err := lease.Extend(); err != nil {
			c.log.WarnContext(ctx, "extend lease", "job", lease.Task().Job, "task", lease.Task().Number, "err", err)
		}
		sleep(ctx, LeaseTime/4)
	}
	c.release(context.WithoutCancel(ctx), lease)
}

func (c *Carrier) settle(ctx context.Context, lease Lease) {
	if err := lease.Done(ctx); err != nil { // it comes again and is found settled
		c.log.WarnContext(ctx, "settle task in the queue", "job", lease.Task().Job, "task", lease.Task().Number, "err", err)
	}
}

func (c *Carrier) release(ctx context.Context, lease Lease) {
	if err := lease.Release(); err != nil { // its lease ends by itself
		c.log.WarnContext(ctx, "give task back to the queue", "job", lease.Task().Job, "task", lease.Task().Number, "err", err)
	}
}

// attempt runs a task and keeps its lease while it makes progress.
func (c *Carrier) attempt(ctx context.Context, lease Lease, task Task) (result Result, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	pulse := &pulse{at: time.Now(), done: -1}
	go c.keep(ctx, lease, task, pulse, stop)
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
		return c.cfg.Ledger.Output(ctx, task.Job, name)
	}
	return c.cfg.Runner.Run(ctx, task, outputs, func(p Progress) {
		if pulse.beat(p) {
			c.cfg.Ledger.Report(task, p)
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
func (c *Carrier) keep(ctx context.Context, lease Lease, task Task, p *pulse, stop context.CancelCauseFunc) {
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
		if err := c.cfg.Ledger.Check(ctx, task); errors.Is(err, ErrStale) {
			stop(ErrCanceled)
			return
		}
	}
}
