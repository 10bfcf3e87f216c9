package function

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/function/code"
	"vodwright.dev/vodwright/internal/function/execution"
)

// Records keeps functions. What is not there is a fault.NotFound, a name that is
// taken a fault.Conflict. What a method returned without error is on the disk.
type Records interface {
	CreateFunction(ctx context.Context, f Function) error
	Function(ctx context.Context, name string) (Function, error)
	Functions(ctx context.Context) ([]Function, error) // by name
	// ChangeFunction runs change in one transaction; an error from it changes nothing.
	ChangeFunction(ctx context.Context, name string, change func(*Function) error) (Function, error)
	DeleteFunction(ctx context.Context, name string) error
}

// Queue keeps events that wait for their function or for their delivery.
type Queue interface {
	InsertEvent(ctx context.Context, e Event) error
	// DueEvents returns the events that are due, the earliest first, without those of some functions.
	DueEvents(ctx context.Context, now time.Time, limit int, without []string) ([]Event, error)
	// NextEvent returns when the next event after now is due; zero when there is none.
	NextEvent(ctx context.Context, now time.Time) (time.Time, error)
	UpdateEvent(ctx context.Context, e Event) error
	DeleteEvent(ctx context.Context, id string) error
}

// Running counts invocations of functions on all servers, of those that have a
// reserved concurrency. Those of a server that died do not count.
type Running interface {
	// EnterFunction counts a run, unless there are so many.
	EnterFunction(ctx context.Context, function, run string, limit int) (bool, error)
	LeaveFunction(ctx context.Context, run string) error
}

// Host runs code; *execution.Host is it.
type Host interface {
	Invoke(ctx context.Context, s *execution.Spec, in execution.Invocation) (execution.Result, error)
	Retire(key string)
	Concurrency() int
}

// Policies decides what the policy of a resource grants a service.
type Policies interface {
	// Permits is nil when the policy document allows the service the action on
	// the resource; keys are condition keys, names in lower case.
	Permits(ctx context.Context, service, action, resource string, keys map[string][]string, policy []byte) error
}

// Targets are where records of finished events go, besides functions. role is
// the function's: nothing is done that it may not do.
type Targets interface {
	// MayInvoke is nil when the role may invoke the function.
	MayInvoke(ctx context.Context, role, functionARN string) error
	PutObject(ctx context.Context, role, bucket, key string, body []byte, lineage string) error
	PutEvent(ctx context.Context, role string, e BusEvent) error
}

// BusEvent is a record on its way to an event bus.
type BusEvent struct {
	ID, Bus, Source, DetailType string
	Resources                   []string
	Detail                      json.RawMessage
	Lineage                     string // X-Amzn-Trace-Id of what follows from it
}

// Config is what Functions are made of. Records, Queue, Code, Host, Policies,
// Targets and Logs are needed.
type Config struct {
	Records  Records
	Queue    Queue
	Code     *code.Store
	Host     Host
	Policies Policies
	Targets  Targets
	Logs     execution.Logs
	Running  Running // nil where there is one server

	Account string // of ARNs; default 000000000000
	Region  string // of ARNs; default us-east-1
	// RetryDelays are what an event waits after its function failed; default 1 and 2 minutes, as in AWS.
	RetryDelays []time.Duration
	// Side is how many events of one function are handled at the same time;
	// default four a core. A reservation may make it fewer.
	Side   int
	Logger *slog.Logger
	Now    func() time.Time // default time.Now
}

// Functions are the functions of this house. They are safe for concurrent use.
type Functions struct {
	cfg Config
	log *slog.Logger

	wake chan struct{} // the dispatcher looks again

	mu      sync.Mutex
	running map[string]int // invocations by function name
}

// New returns the functions. It starts nothing: events are handled while Run runs.
func New(cfg Config) *Functions {
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.RetryDelays == nil {
		cfg.RetryDelays = []time.Duration{time.Minute, 2 * time.Minute}
	}
	if cfg.Side == 0 {
		cfg.Side = 4 * runtime.NumCPU()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Functions{cfg: cfg, log: cfg.Logger, wake: make(chan struct{}, 1), running: map[string]int{}}
}

// sweepEvery is longer than an environment can go on with a package that is not
// used any more: the longest timeout and the longest idleness.
const sweepEvery = 30 * time.Minute

// Run handles events, and removes packages that no version uses from where all servers
// reach them, until ctx ends. Of several processes over the same records one at a time
// is in Run.
func (f *Functions) Run(ctx context.Context) error {
	var sweeping sync.WaitGroup
	defer sweeping.Wait()
	sweeping.Go(func() { f.sweeps(ctx, f.cfg.Code.SweepFiles) })
	return f.dispatch(ctx)
}

// Tidy removes packages that no version uses from this machine, until ctx ends.
func (f *Functions) Tidy(ctx context.Context) error {
	f.sweeps(ctx, func(_ context.Context, inUse func([32]byte) bool) error { return f.cfg.Code.Sweep(inUse) })
	return ctx.Err()
}

func (f *Functions) sweeps(ctx context.Context, sweep func(context.Context, func([32]byte) bool) error) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		used, err := f.packages(ctx)
		if err == nil {
			err = sweep(ctx, func(sum [32]byte) bool { return used[sum] })
		}
		if err != nil && ctx.Err() == nil {
			f.log.WarnContext(ctx, "packages of functions are not tidied", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// packages are those that versions use.
func (f *Functions) packages(ctx context.Context) (map[[32]byte]bool, error) {
	all, err := f.cfg.Records.Functions(ctx)
	used := map[[32]byte]bool{}
	for _, fn := range all {
		used[fn.Latest.sum()] = true
		for _, v := range fn.Published {
			used[v.sum()] = true
		}
	}
	return used, err
}

// Usage is what the account has.
type Usage struct {
	Functions   int
	CodeSize    int64 // bytes, of all versions
	Concurrency int   // the limit
	Unreserved  int   // what no function has for itself
}

// Usage counts functions, code and concurrency.
func (f *Functions) Usage(ctx context.Context) (Usage, error) {
	all, err := f.cfg.Records.Functions(ctx)
	u := Usage{Functions: len(all), Concurrency: f.cfg.Host.Concurrency()}
	u.Unreserved = u.Concurrency
	for _, fn := range all {
		u.CodeSize += fn.Latest.CodeSize
		for _, v := range fn.Published {
			u.CodeSize += v.CodeSize
		}
		if fn.Reserved != nil {
			u.Unreserved -= *fn.Reserved
		}
	}
	return u, err
}
