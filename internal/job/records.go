package job

import (
	"context"
	"encoding/json"
	"time"
)

// Store keeps the records of jobs. It has more methods than an interface should:
// all of them share transactions, and one conformance suite holds them together.
//
// A method that changes records returns after the change is on the disk. What is
// not there is a fault.NotFound; anything else that goes wrong is Internal.
type Store interface {
	// InsertJob stores a new job with its tags. With a token that was used for the
	// same request and has not expired it returns that job instead and false; used
	// for another request, a fault.Conflict. An ID that exists is errors.Is
	// ErrExists; a queue that does not exist, fault.NotFound. The errands are
	// posted with the job.
	InsertJob(ctx context.Context, j Job, token *Token, errands ...Errand) (Job, bool, error)
	// Job returns a job.
	Job(ctx context.Context, id string) (Job, error)
	// Jobs returns a page of jobs.
	Jobs(ctx context.Context, f Filter) ([]Job, error)
	// ChangeJob loads a job under its lock, calls change and stores what change
	// made of it, in one transaction; an error of change undoes all and is returned.
	ChangeJob(ctx context.Context, id string, change func(Tx, *Job) error) (Job, error)
	// AdmitJob picks the job of a queue that is to progress next, by priority, then
	// age, and calls change as ChangeJob does. It returns false when the queue is
	// not ACTIVE, nothing is SUBMITTED, limit jobs of the same or a higher
	// priority progress in the queue already, or as many of any as the queue's
	// ConcurrentJobs.
	AdmitJob(ctx context.Context, queue string, limit int, change func(Tx, *Job) error) (Job, bool, error)
	// SaveProgress stores percentages of jobs that progress; none falls.
	SaveProgress(ctx context.Context, percent map[string]int) error

	// ReadyTasks returns the tasks without a result of the stages at work, of one
	// job or, when job is empty, of all that progress; in the order of numbers. A
	// task that waits for its retry (it has a PublishTask errand) is not ready.
	ReadyTasks(ctx context.Context, job string) ([]Ref, error)
	// TaskWork returns what is known of the attempts of a job's tasks, which go when
	// the job is over; see Job.Work.
	TaskWork(ctx context.Context, job string) ([]TaskWork, error)
	// Output returns the Output of a finished task by its name.
	Output(ctx context.Context, job, name string) (json.RawMessage, error)

	// Errands returns up to limit errands of these kinds that are due at now, oldest
	// first, and when the next one after now is due (zero: none is known). A
	// HopQueue is not due while the queue in which its job stands is PAUSED.
	Errands(ctx context.Context, kinds []ErrandKind, now time.Time, limit int) ([]Errand, time.Time, error)
	// Settle removes an errand, unless it was posted anew since it was read. With a
	// Discard the tasks of the job go too: nothing can need them any more.
	Settle(ctx context.Context, e Errand) error
	// Postpone gives an errand that failed its next due time and one more try.
	Postpone(ctx context.Context, e Errand, due time.Time) error

	// Events returns the events of a job with numbers above after, in order; those
	// that the house was told may be gone.
	Events(ctx context.Context, job string, after int64) ([]Event, error)
	// Queues returns all queues by name.
	Queues(ctx context.Context) ([]Queue, error)
	// EnsureQueue makes a queue unless one of its name exists.
	EnsureQueue(ctx context.Context, q Queue) error
}

// Tx is what a change of a job may do besides changing the Job. It ends with the
// function it was given to.
type Tx interface {
	// AddTasks adds tasks; each has its Number, Stage and a name new to the job.
	AddTasks(tasks []Task) error
	// Task loads a task by its number.
	Task(number int) (TaskState, error)
	// TaskWork is Store.TaskWork of the job.
	TaskWork() ([]TaskWork, error)
	// SetTask stores the counters, Done, Output, Spent and Wasted of a task.
	SetTask(t TaskState) error
	// Tally counts the tasks of each stage, in the order of stages.
	Tally() ([]StageTally, error)
	// Emit appends an event; its Job and Number are filled in.
	Emit(e Event) error
	// Queue returns a queue as it is until the change is stored; a fault.NotFound
	// when there is none of the name.
	Queue(name string) (Queue, error)
	// Post adds an errand of the job, or replaces the one of its kind and number.
	Post(e Errand) error
}

// Token is a client's token with what it stands for.
type Token struct {
	Value   string
	Request string // hash of the request
	Expires time.Time
	Now     time.Time
}

// TaskState is a task with what happened to it. Starts − Failures − Releases
// deliveries ended without a word: the process or the machine died, or it runs.
type TaskState struct {
	Task
	Done     bool
	Output   json.RawMessage // of the result, when Done
	Starts   int             // deliveries that began
	Failures int             // of them, ended with an error
	Releases int             // of them, given back by a graceful stop
	Wasted   time.Duration   // CPU of attempts whose result does not count; Spent is of the one that does
}

// StageTally sums up the tasks of a stage.
type StageTally struct {
	Stage      int
	Phase      string
	Tasks      int
	Done       int
	Weight     int64
	DoneWeight int64
}

// ErrandKind says what an errand is.
type ErrandKind string

// The kinds of errands.
const (
	PublishStage ErrandKind = "stage"   // give the tasks of the stage Number to the TaskQueue
	PublishTask  ErrandKind = "task"    // give the task Number to the TaskQueue again
	HopQueue     ErrandKind = "hop"     // let the job take the hop Number, if it still waits
	Discard      ErrandKind = "discard" // the job is over: drop its tasks from the TaskQueue, then Runner.Discard
)

// Errand is something that must happen outside of the records because of a change
// in them; it commits with the change and goes when it is done. Doing it twice
// does no harm.
type Errand struct {
	Job    string
	Kind   ErrandKind
	Number int
	Due    time.Time
	Tries  int // that failed
}

// Ref names a task in the TaskQueue, with what its place in line depends on.
type Ref struct {
	Job      string
	Number   int
	Priority int // of the job
}

// Promoted is the priority of a task that goes before those of all jobs. The task is in
// the queue a second time then; the first delivery carries it.
const Promoted = MaxPriority + 1

// TaskQueue hands tasks to workers: each to one at a time, for as long as that
// one keeps its lease. Whose task goes first is what Turns says; within a job
// it is the one that was published first.
type TaskQueue interface {
	// Publish makes tasks available, and returns when they are kept. A task that
	// waits or is leased already stays as it is.
	Publish(ctx context.Context, refs []Ref) error
	// Pending returns the tasks that wait or are leased.
	Pending(ctx context.Context) ([]Ref, error)
	// Drop ends the leases of a job's tasks, whose contexts end with ErrCanceled,
	// and removes those that wait. It does not wait for the handlers.
	Drop(ctx context.Context, job string) error
	// Deliver calls handle for each task, in a goroutine of its own, at most slots
	// at a time. When ctx ends, contexts of handlers end with ErrStopped; once last is
	// closed nothing more is delivered. Deliver returns after its handlers have.
	Deliver(ctx context.Context, last <-chan struct{}, slots int, handle func(ctx context.Context, l Lease)) error
}

// Lease is the right to carry a task. The handler settles it by one call of Done
// or Release before it returns.
type Lease interface {
	Task() Ref
	// Extend keeps the lease for another LeaseTime.
	Extend() error
	// Done removes the task from the queue.
	Done(ctx context.Context) error
	// Release gives the task back for anyone to carry at once.
	Release() error
}

// LeaseTime is how long a lease lasts without Extend: how long a task of a dead
// worker waits for another. Who waits for tasks looks three times as often, so that
// it is at work again in less than ten seconds.
const LeaseTime = 6 * time.Second
