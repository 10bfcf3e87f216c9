package function

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function/execution"
)

// MaxEvent is the limit of the payload of an asynchronous invocation (1 MB).
const MaxEvent = 1 << 20

// Request is an invocation of a function.
type Request struct {
	Name, Qualifier string
	Payload         []byte // JSON; nothing is {}
	ClientContext   string // JSON; "" is none
	Trace           string // the caller's X-Amzn-Trace-Id; may be empty
	RequestID       string // "" makes one
}

// Answer is what a function answered.
type Answer struct {
	execution.Result
	Version string // that ran
}

// payload checks what a function is given.
func payload(given []byte, limit int) ([]byte, error) {
	if len(given) > limit {
		return nil, fault.New(fault.Limit, "RequestTooLargeException", "Request must be smaller than %d bytes for the InvokeFunction operation", limit)
	}
	if len(given) == 0 {
		return []byte("{}"), nil
	}
	if !json.Valid(given) || !utf8.Valid(given) {
		return nil, fault.New(fault.Invalid, "InvalidRequestContentException", "Could not parse request body into json: the payload is not valid JSON").
			WithHint("the aws CLI version 2 needs --cli-binary-format raw-in-base64-out for JSON text")
	}
	return given, nil
}

// Check resolves a request without running it (DryRun).
func (f *Functions) Check(ctx context.Context, r Request) (Version, error) {
	if _, err := payload(r.Payload, execution.MaxPayload); err != nil {
		return Version{}, err
	}
	_, v, err := f.Get(ctx, r.Name, r.Qualifier)
	return v, err
}

// Invoke runs a function and returns what it answered. What the function does
// wrong is in the Answer.
func (f *Functions) Invoke(ctx context.Context, r Request) (Answer, error) {
	body, err := payload(r.Payload, execution.MaxPayload)
	if err != nil {
		return Answer{}, err
	}
	fn, _, err := f.Get(ctx, r.Name, r.Qualifier)
	if err != nil {
		return Answer{}, err
	}
	l := readLineage(r.Trace)
	if l.count(f.ARN(fn.Name, "")) >= maxRounds && !fn.AllowRecursion {
		return Answer{}, fault.New(fault.Invalid, CodeRecursive, "Lambda detected the function %s being invoked in a recursive loop with other functions or buckets and stopped it", fn.Name).
			WithHint("allow it: aws lambda put-function-recursion-config --function-name %s --recursive-loop Allow", fn.Name)
	}
	r.Payload = body
	if r.RequestID == "" {
		r.RequestID = identifier()
	}
	return f.run(ctx, fn, r, l)
}

// run runs a version of a function that may run.
func (f *Functions) run(ctx context.Context, fn Function, r Request, l lineage) (Answer, error) {
	v, ok := fn.Find(r.Qualifier, rand.Float64())
	if !ok {
		return Answer{}, notFound(f.ARN(fn.Name, r.Qualifier))
	}
	leave, err := f.enter(ctx, fn, r.RequestID)
	if err != nil {
		return Answer{}, err
	}
	defer leave()
	dir, err := f.cfg.Code.Folder(ctx, v.sum())
	if err != nil {
		return Answer{}, err
	}
	result, err := f.cfg.Host.Invoke(ctx, f.spec(fn, v, dir), execution.Invocation{
		RequestID: r.RequestID, Payload: r.Payload, ClientContext: r.ClientContext,
		FunctionARN: f.ARN(fn.Name, r.Qualifier), Trace: l.next(f.ARN(fn.Name, "")).String(),
	})
	return Answer{Result: result, Version: v.Number}, err
}

func (f *Functions) spec(fn Function, v Version, dir string) *execution.Spec {
	return &execution.Spec{
		Name: fn.Name, Version: v.Number, Key: v.Key, Runtime: v.Runtime, Handler: v.Handler, CodeDir: dir, Environment: v.Environment,
		Timeout: time.Duration(v.TimeoutSeconds) * time.Second, MemoryMB: v.MemoryMB, StorageMB: v.StorageMB, Role: v.Role, LogGroup: fn.LogGroup(v),
	}
}

// LogGroup is where a version logs.
func (f *Function) LogGroup(v Version) string {
	if v.LogGroup != "" {
		return v.LogGroup
	}
	return "/aws/lambda/" + f.Name
}

// enter counts an invocation until leave is called, unless the function has no more
// concurrency.
func (f *Functions) enter(ctx context.Context, fn Function, request string) (leave func(), err error) {
	throttled := func() error {
		return fault.New(fault.Unavailable, CodeThrottled, "Rate Exceeded.").WithHint("the function's reserved concurrency is %d", *fn.Reserved)
	}
	if fn.Reserved != nil && f.cfg.Running != nil {
		run := fn.Name + " " + request + " " + identifier()
		ok, err := f.cfg.Running.EnterFunction(ctx, fn.Name, run, *fn.Reserved)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, throttled()
		}
		return func() {
			end, done := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
			defer done()
			if err := f.cfg.Running.LeaveFunction(end, run); err != nil {
				f.log.WarnContext(ctx, "an invocation counts until this server ends", "function", fn.Name, "err", err)
			}
		}, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if fn.Reserved != nil && f.running[fn.Name] >= *fn.Reserved {
		return nil, throttled()
	}
	f.running[fn.Name]++
	return func() { f.left(fn.Name) }, nil
}

// leaveTime bounds how long the end of an invocation is told.
const leaveTime = 10 * time.Second

func (f *Functions) left(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running[name]--; f.running[name] == 0 {
		delete(f.running, name)
	}
}
