package job

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
)

// Config is what a Coordinator is made of. Store, Tasks and Runner are needed;
// the zero value of anything else means its default.
type Config struct {
	Store  Store
	Tasks  TaskQueue
	Runner Runner
	Logger *slog.Logger // nil discards

	Slots        int               // tasks carried at once by this process; default: the number of cores; negative: none
	Jobs         int               // jobs that progress at once in a queue, see Store.AdmitJob; default: Slots, at least 4; more where there is work for more
	MaxAttempts  int               // failed attempts of a task that end its job; default 3
	Backoff      time.Duration     // before the first retry; doubles up to a minute, ±20 %; default 1 s
	StallTimeout time.Duration     // without progress, after which a task is stopped and tried again; default 10 min
	TokenWindow  time.Duration     // for how long a ClientToken stands for its job; default 1 min, as the service has it
	Defaults     map[string]string // of FirstTask.UserMetadata, for jobs that do not have them
	Shared       bool              // other processes have coordinators over the same Store; one at a time is in Run
	Now          func() time.Time  // default time.Now
	Random       io.Reader         // of job IDs; default crypto/rand
}

// Limits that nobody needs to set.
const (
	// maxLost ends a job whose task ended its worker without a word so many times:
	// one that kills the process must not do so for ever, while a machine that
	// lost power some times has done nothing wrong.
	maxLost = 10
	// stallTimeout is the last resort: who starts processes or transfers knows
	// sooner when they hang, and looking at a long source tells nothing for minutes.
	stallTimeout = 10 * time.Minute
	// progressEvery is how often progress is stored while it changes.
	progressEvery = time.Second
	// reconcileEvery is how often the TaskQueue is compared with the records
	// while jobs progress.
	reconcileEvery = time.Minute
	// watchEvery is how often a job that another process may change is read for who
	// watches it.
	watchEvery = 250 * time.Millisecond
	// statusUpdateEvery is the interval of a job that names none.
	statusUpdateEvery = time.Minute
	maxTokenLength    = 64
	defaultPage       = 20
)

// Coordinator is the one who moves jobs: it admits them, hands their tasks to the
// Runner through the TaskQueue, goes from stage to stage, retries, cancels and
// ends them. It is safe for concurrent use. Create, Get, List and Cancel work
// whether Run runs or not; nothing progresses without it. Of several over one Store,
// one runs: it alone is the Ledger of those who carry tasks, and knows what the others
// did when it is told by Wake.
type Coordinator struct {
	cfg   Config
	store Store
	tasks TaskQueue
	log   *slog.Logger
	live  *progressBoard

	admitWake chan struct{} // there may be something to admit
	relayWake chan struct{} // there may be something to publish
	sweepWake chan struct{} // there may be something to discard
	hopWake   chan struct{} // a job may have to hop

	// commits is held from a change of a job until the board shows it, so that the
	// board shows changes in the order they were committed.
	commits sync.Mutex

	elastic bool // more jobs than cfg.Jobs may progress, see hungry
	round   int  // of the queues, in which admission goes; the admission's own

	carrier *Carrier // of the tasks that this process carries
}

// New returns a Coordinator that does nothing until Run. A Config that lacks
// what it needs is a programming error and answered with fault.Internal.
func New(cfg Config) (*Coordinator, error) {
	if cfg.Store == nil || cfg.Tasks == nil || cfg.Runner == nil {
		return nil, fault.New(fault.Internal, "", "make a job coordinator: it needs a store, a task queue and a runner")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Slots == 0 {
		cfg.Slots = runtime.NumCPU()
	}
	elastic := cfg.Jobs == 0
	orDefault(&cfg.Jobs, max(4, cfg.Slots))
	orDefault(&cfg.MaxAttempts, 3)
	orDefault(&cfg.Backoff, time.Second)
	orDefault(&cfg.StallTimeout, stallTimeout)
	orDefault(&cfg.TokenWindow, time.Minute)
	c := &Coordinator{
		cfg: cfg, store: cfg.Store, tasks: cfg.Tasks, log: cfg.Logger,
		elastic:   elastic,
		live:      newProgressBoard(),
		admitWake: make(chan struct{}, 1),
		relayWake: make(chan struct{}, 1),
		sweepWake: make(chan struct{}, 1),
		hopWake:   make(chan struct{}, 1),
	}
	c.carrier = NewCarrier(CarrierConfig{
		Ledger: c, Leases: cfg.Tasks, Runner: cfg.Runner, Slots: cfg.Slots, StallTimeout: cfg.StallTimeout, Logger: cfg.Logger,
		Left: func(Ref) { // errands may have waited for it
			wake(c.relayWake)
			wake(c.sweepWake)
		},
	})
	return c, nil
}

func orDefault[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Run carries jobs until ctx ends; then it gives back what it carries, without
// spending an attempt, and returns nil when every Runner has returned. An error
// means that it could not start. It goes on at once where an earlier process
// stopped or was killed. It may be called again when it has returned.
func (c *Coordinator) Run(ctx context.Context) error {
	c.live.clear() // of what another process did since
	defer c.live.clear()
	if err := c.ensureDefaultQueue(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { c.reconcileLoop(ctx); return nil })
	g.Go(func() error { c.relayLoop(ctx, c.relayWake, PublishStage, PublishTask); return nil })
	g.Go(func() error { c.relayLoop(ctx, c.sweepWake, Discard); return nil })
	g.Go(func() error { c.relayLoop(ctx, c.hopWake, HopQueue); return nil })
	g.Go(func() error { c.admitLoop(ctx); return nil })
	g.Go(func() error { c.progressLoop(ctx); return nil })
	g.Go(func() error { return c.carrier.Run(ctx) })
	err := g.Wait()
	c.saveProgress(context.WithoutCancel(ctx))
	return err
}

func (c *Coordinator) ensureDefaultQueue(ctx context.Context) error {
	now := c.now()
	return c.store.EnsureQueue(ctx, Queue{Name: DefaultQueue, Status: QueueActive, Created: now, Updated: now})
}

// now returns the instant in the precision of the records.
func (c *Coordinator) now() time.Time { return c.cfg.Now().UTC().Truncate(time.Millisecond) }

// Create submits a job and returns its record. The job and all that follows from
// it are on the disk when Create returns. With a ClientToken that was used within
// the window it returns the job of then, or a fault.Conflict when that was asked
// for differently. A queue that does not exist is a fault.NotFound, a priority or
// token out of bounds a fault.Invalid.
func (c *Coordinator) Create(ctx context.Context, j Job) (Job, error) {
	if j.Priority < MinPriority || j.Priority > MaxPriority {
		return Job{}, fault.New(fault.Invalid, "BadRequestException", "/priority: %d is not between %d and %d", j.Priority, MinPriority, MaxPriority)
	}
	if len(j.ClientToken) > maxTokenLength {
		return Job{}, fault.New(fault.Invalid, "BadRequestException", "/clientRequestToken: longer than %d characters", maxTokenLength)
	}
	if err := checkHops(j); err != nil {
		return Job{}, err
	}
	if j.StatusUpdateInterval < 0 {
		return Job{}, fault.New(fault.Invalid, "BadRequestException", "/statusUpdateInterval: negative")
	}
	if len(j.Request) == 0 {
		j.Request = json.RawMessage("null")
	}
	if !json.Valid(j.Request) {
		return Job{}, fault.New(fault.Invalid, "BadRequestException", "the request is not a JSON document")
	}
	if j.Queue == "" {
		j.Queue = DefaultQueue
	}
	if j.Queue == DefaultQueue {
		if err := c.ensureDefaultQueue(ctx); err != nil { // Create may come before Run
			return Job{}, fmt.Errorf("create job: %w", err)
		}
	}
	now := c.now()
	var token *Token
	if j.ClientToken != "" {
		token = &Token{Value: j.ClientToken, Request: requestHash(j), Expires: now.Add(c.cfg.TokenWindow), Now: now}
	}
	j.Status, j.Phase, j.Stage, j.PercentComplete, j.RetryCount = Submitted, "", -1, 0, 0
	j.ErrorCode, j.ErrorMessage, j.Input, j.Details = 0, "", nil, nil
	j.Marks, j.Work = nil, nil
	j.Place, j.Transitions = nil, nil
	j.Created, j.Started, j.Finished = now, time.Time{}, time.Time{}
	for range 5 { // an ID taken by a job of the same millisecond: one in two thousand million
		id, err := newID(now, c.cfg.Random)
		if err != nil {
			return Job{}, fmt.Errorf("create job: %w", err)
		}
		j.ID = id
		stored, fresh, err := c.store.InsertJob(ctx, j, token, hopErrands(j)...)
		if errors.Is(err, ErrExists) {
			continue
		}
		if err != nil {
			return Job{}, fmt.Errorf("create job: %w", err)
		}
		if fresh {
			c.log.InfoContext(ctx, "job submitted", "job", id, "queue", j.Queue, "priority", j.Priority)
			wake(c.admitWake)
			wake(c.hopWake)
		}
		return stored, nil
	}
	return Job{}, fault.New(fault.Internal, "", "create job: no free job ID found")
}

// Get returns a job, with the progress of this moment if it is carried here. An
// ID that is not there is a fault.NotFound.
func (c *Coordinator) Get(ctx context.Context, id string) (Job, error) {
	j, err := c.store.Job(ctx, id)
	if err != nil {
		return Job{}, err
	}
	return c.live.overlay(j), nil
}

// List returns a page of jobs. The page after it is asked for with the ID of its
// last job; a page shorter than the limit is the last one.
func (c *Coordinator) List(ctx context.Context, f Filter) ([]Job, error) {
	if f.Status != "" && !f.Status.Valid() {
		return nil, fault.New(fault.Invalid, "BadRequestException", "/status: %q is not a state of jobs", f.Status)
	}
	if f.Limit <= 0 {
		f.Limit = defaultPage
	}
	if _, err := CreatedOf(f.After); f.After != "" && err != nil {
		return nil, fault.New(fault.Invalid, "BadRequestException", "/nextToken: not a token of an earlier answer")
	}
	jobs, err := c.store.Jobs(ctx, f)
	if err != nil {
		return nil, err
	}
	for i := range jobs {
		jobs[i] = c.live.overlay(jobs[i])
	}
	return jobs, nil
}

// Cancel ends a job that is not over: it is CANCELED in the records when Cancel
// returns, and its tasks have been told to stop; what they left behind goes soon
// after. A job that is over is a fault.Conflict, one that is not there a
// fault.NotFound.
func (c *Coordinator) Cancel(ctx context.Context, id string) error {
	err := c.change(ctx, id, func(tx Tx, j *Job) error {
		return c.end(tx, j, cancel, Event{Kind: EventCanceled, Detail: json.RawMessage("{}")})
	})
	if err != nil {
		return err
	}
	c.log.InfoContext(ctx, "job canceled", "job", id)
	c.over(ctx, id)
	return nil
}

// Promote moves tasks of a job, by their numbers, before all others that wait, of any
// job. Those that are at work or done stay as they are.
func (c *Coordinator) Promote(ctx context.Context, id string, tasks ...int) error {
	refs := make([]Ref, len(tasks))
	for i, n := range tasks {
		refs[i] = Ref{Job: id, Number: n, Priority: Promoted}
	}
	return c.tasks.Publish(ctx, refs)
}

// QueuesChanged makes the coordinator look at the queues again: one may be ACTIVE
// now, or admit more jobs.
func (c *Coordinator) QueuesChanged() {
	wake(c.admitWake)
	wake(c.hopWake)
}

// Wake makes the coordinator look at all there is to do: another process may have
// added to it.
func (c *Coordinator) Wake() {
	wake(c.relayWake)
	wake(c.sweepWake)
	c.QueuesChanged()
}

// change changes a job in the records and then on the board.
func (c *Coordinator) change(ctx context.Context, id string, fn func(Tx, *Job) error) error {
	c.commits.Lock()
	defer c.commits.Unlock()
	var stages []StageTally
	j, err := c.store.ChangeJob(ctx, id, func(tx Tx, j *Job) error {
		err := fn(tx, j)
		if err == nil && j.Status == Progressing {
			stages, err = tx.Tally()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case j.Status.Final():
		c.live.finish(j)
	case j.Status == Submitted: // it hopped; the board holds those that progress
		c.live.moved(j)
	default:
		c.live.show(j, stages)
	}
	return nil
}

// end moves a job to a final state within a change of it.
func (c *Coordinator) end(tx Tx, j *Job, why cause, e Event) error {
	if err := j.move(why); err != nil {
		return err
	}
	tasks, err := tx.TaskWork()
	if err != nil {
		return err
	}
	j.Finished, j.Work = c.now(), Sum(tasks)
	e.At = j.Finished
	if err := tx.Emit(e); err != nil {
		return err
	}
	return tx.Post(Errand{Kind: Discard, Due: j.Finished})
}

// over does at once what a job that just ended needs. The Discard errand does it
// again, so that nothing is lost with this process.
func (c *Coordinator) over(ctx context.Context, id string) {
	if err := c.tasks.Drop(context.WithoutCancel(ctx), id); err != nil {
		c.log.WarnContext(ctx, "drop tasks of a job that is over", "job", id, "err", err)
	}
	wake(c.sweepWake)
	wake(c.admitWake)
}

// Watch returns a channel that gets the job now, whenever its state, phase or
// percentage changes in this process (or, a moment later, in another that shares the
// Store), and when it is over; then, or when ctx
// ends, it is closed. A slow receiver misses steps, never the last one.
func (c *Coordinator) Watch(ctx context.Context, id string) (<-chan Job, error) {
	w := c.live.watch(id) // before the read, so that no change falls between
	j, err := c.store.Job(ctx, id)
	if err != nil {
		c.live.unwatch(id, w)
		return nil, err
	}
	out := make(chan Job)
	go func() {
		defer close(out)
		defer c.live.unwatch(id, w)
		last := c.live.overlay(j)
		pending := true
		var look <-chan time.Time // at what other processes did
		if c.cfg.Shared {
			tick := time.NewTicker(watchEvery)
			defer tick.Stop()
			look = tick.C
		}
		for {
			send := out
			if !pending {
				send = nil
			}
			select {
			case send <- last:
				pending = false
				if last.Status.Final() {
					return
				}
			case next := <-w:
				if !last.Status.Final() {
					last, pending = next, true
				}
			case <-look:
				next, err := c.Get(ctx, id)
				if err == nil && !last.Status.Final() && differs(last, next) {
					last, pending = next, true
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// differs reports whether a watcher is told of a job once more.
func differs(a, b Job) bool {
	return a.Status != b.Status || a.Phase != b.Phase || a.Stage != b.Stage || a.PercentComplete != b.PercentComplete
}

// requestHash says whether two jobs ask for the same.
func requestHash(j Job) string {
	doc, err := json.Marshal([]any{j.Queue, j.Priority, j.Hops, j.Request, j.Role, j.Template, j.UserMetadata, j.Tags, j.StatusUpdateInterval})
	if err != nil {
		panic(err) // strings, numbers and a document that was found valid
	}
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])
}

// wake tells the reader of ch to look again, without waiting for it.
func wake(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
