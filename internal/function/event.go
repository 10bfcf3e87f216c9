package function

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// Event is an asynchronous invocation that waits: for its function, or, once
// Outcome is set, for the delivery of what became of it.
//
//	queued ──▶ handled, no target: gone
//	queued ──▶ failed: queued again, after 1 and 2 minutes, and after throttling 1 s to 5 minutes
//	queued ──▶ handled, or failed in the end: Outcome ──▶ delivered: gone
type Event struct {
	ID        string // the request id of every attempt
	Function  string
	Qualifier string
	Payload   []byte
	Trace     string // of the caller: its lineage
	Created   time.Time
	Due       time.Time
	Failures  int      // attempts that the function failed
	Waits     int      // attempts that did not reach the function, or deliveries that failed
	Outcome   *Outcome // nil while it is queued
}

// Outcome is what became of an event, on its way to targets.
type Outcome struct {
	Condition string          `json:"condition"`
	Record    json.RawMessage `json:"record"`
	Targets   []string        `json:"targets"` // ARNs that do not have it yet
	Role      string          `json:"role"`    // the function's
	ARN       string          `json:"arn"`     // of the function, with its qualifier
	At        time.Time       `json:"at"`
}

// Conditions of an outcome. The first four are Lambda's words.
const (
	conditionSuccess   = "Success"
	conditionExhausted = "RetriesExhausted"
	conditionAge       = "EventAgeExceeded"
	conditionZero      = "ZeroReservedConcurrency"
	conditionRecursive = "RecursiveLoopDetected"
)

// Bounds of waiting.
const (
	defaultMaxAge  = 6 * time.Hour
	defaultRetries = 2
	maxBackoff     = 5 * time.Minute
	deliverFor     = 6 * time.Hour // then the record is given up, which the log tells
)

// backoff is what a platform's failure waits: 1 s, doubling, to 5 minutes.
func backoff(times int) time.Duration {
	if times > 9 {
		return maxBackoff
	}
	return min(time.Second<<max(times-1, 0), maxBackoff)
}

// Enqueue queues an asynchronous invocation and returns its request id once it
// is on the disk.
func (f *Functions) Enqueue(ctx context.Context, r Request) (string, error) {
	body, err := payload(r.Payload, MaxEvent)
	if err != nil {
		return "", err
	}
	if _, _, err := f.Get(ctx, r.Name, r.Qualifier); err != nil {
		return "", err
	}
	r.Payload = body
	return f.enqueue(ctx, r)
}

func (f *Functions) enqueue(ctx context.Context, r Request) (string, error) {
	if r.RequestID == "" {
		r.RequestID = identifier()
	}
	now := f.cfg.Now()
	err := f.cfg.Queue.InsertEvent(ctx, Event{
		ID: r.RequestID, Function: r.Name, Qualifier: r.Qualifier, Payload: r.Payload, Trace: strings.ToValidUTF8(r.Trace, ""), Created: now, Due: now,
	})
	if err != nil {
		return "", err
	}
	f.look()
	return r.RequestID, nil
}

// Look makes Run look for events: another process may have queued some.
func (f *Functions) Look() { f.look() }

// look wakes the dispatcher.
func (f *Functions) look() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// InvokeAsync queues an event for a function on behalf of a service, and returns
// once it is on the disk. The function's policy must allow the service (such as
// s3.amazonaws.com) to invoke it for the source: else it is a fault.Denied, and a
// fault.NotFound when there is no such function. lineage is the X-Amzn-Trace-Id
// of the request that made the event happen, as it was; "" when there was none.
func (f *Functions) InvokeAsync(ctx context.Context, functionARN string, body []byte, sourceARN, sourceAccount, servicePrincipal, lineage string) error {
	name, qualifier, err := f.Parse(functionARN, "")
	if err != nil {
		return err
	}
	fn, _, err := f.Get(ctx, name, qualifier)
	if err != nil {
		return err
	}
	if err := f.permits(ctx, fn, qualifier, servicePrincipal, sourceARN, sourceAccount); err != nil {
		return err
	}
	if body, err = payload(body, MaxEvent); err != nil {
		return err
	}
	_, err = f.enqueue(ctx, Request{Name: name, Qualifier: qualifier, Payload: body, Trace: lineage})
	return err
}

// Permitted says what InvokeAsync would: whether a service may invoke a
// function for a source. A bucket's notification configuration is checked so.
func (f *Functions) Permitted(ctx context.Context, functionARN, sourceARN, sourceAccount, servicePrincipal string) error {
	name, qualifier, err := f.Parse(functionARN, "")
	if err != nil {
		return err
	}
	fn, _, err := f.Get(ctx, name, qualifier)
	if err != nil {
		return err
	}
	return f.permits(ctx, fn, qualifier, servicePrincipal, sourceARN, sourceAccount)
}

// handle does for an event what is to be done now, and keeps what came of it.
// An error is one of the store, or the end of ctx: the event stays as it is.
func (f *Functions) handle(ctx context.Context, e Event) error {
	if e.Outcome != nil {
		return f.deliver(ctx, e)
	}
	fn, v, err := f.Get(ctx, e.Function, e.Qualifier)
	if fault.Is(err, fault.NotFound) {
		f.log.WarnContext(ctx, "an event is dropped: its function is gone", "function", e.Function, "qualifier", e.Qualifier, "request", e.ID)
		return f.cfg.Queue.DeleteEvent(ctx, e.ID)
	}
	if err != nil {
		return err
	}
	how, _ := fn.AsyncOf(e.Qualifier)
	age := defaultMaxAge
	if how.MaxAge != nil {
		age = time.Duration(*how.MaxAge) * time.Second
	}
	end := e.Created.Add(age)
	l := readLineage(e.Trace)
	switch {
	case l.count(f.ARN(fn.Name, "")) >= maxRounds && !fn.AllowRecursion:
		f.tell(ctx, fn, v, "RequestId: "+e.ID+" not invoked: the function calls itself in a loop, through other functions or buckets. "+
			"Allow it with: aws lambda put-function-recursion-config --function-name "+fn.Name+" --recursive-loop Allow")
		return f.finish(ctx, e, fn, v, how, conditionRecursive, nil)
	case fn.Reserved != nil && *fn.Reserved == 0:
		return f.finish(ctx, e, fn, v, how, conditionZero, nil)
	case !f.cfg.Now().Before(end):
		return f.finish(ctx, e, fn, v, how, conditionAge, nil)
	}
	answer, err := f.run(ctx, fn, Request{Name: fn.Name, Qualifier: e.Qualifier, Payload: e.Payload, RequestID: e.ID}, l)
	if ctx.Err() != nil {
		return context.Cause(ctx) // what was killed now runs again after the restart
	}
	switch {
	case err != nil:
		f.log.DebugContext(ctx, "an event waits", "function", fn.Name, "request", e.ID, "err", err)
		e.Waits++
		e.Due = f.cfg.Now().Add(backoff(e.Waits))
	case answer.FunctionError == "":
		return f.finish(ctx, e, fn, v, how, conditionSuccess, &answer)
	default:
		e.Failures++
		retries := defaultRetries
		if how.MaxRetries != nil {
			retries = *how.MaxRetries
		}
		if e.Failures > retries {
			return f.finish(ctx, e, fn, v, how, conditionExhausted, &answer)
		}
		e.Due = f.cfg.Now().Add(f.cfg.RetryDelays[min(e.Failures, len(f.cfg.RetryDelays))-1])
	}
	if e.Due.After(end) {
		e.Due = end
	}
	return f.cfg.Queue.UpdateEvent(ctx, e)
}
