package function

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function/execution"
)

// record is what a destination gets (Lambda developer guide, "Configuring
// destinations for asynchronous invocation").
type record struct {
	Version        string    `json:"version"`
	Timestamp      string    `json:"timestamp"`
	RequestContext about     `json:"requestContext"`
	Request        any       `json:"requestPayload"`
	Response       *response `json:"responseContext,omitempty"`
	Answer         any       `json:"responsePayload,omitempty"`
}

type about struct {
	RequestID   string `json:"requestId"`
	FunctionARN string `json:"functionArn"`
	Condition   string `json:"condition"`
	Count       int    `json:"approximateInvokeCount"`
}

type response struct {
	Status   int    `json:"statusCode"`
	Version  string `json:"executedVersion"`
	Function string `json:"functionError,omitempty"`
}

// milliseconds is the form of the instants in records.
const milliseconds = "2006-01-02T15:04:05.000Z"

// finish ends the handling of an event: it is gone, or on its way to its targets.
func (f *Functions) finish(ctx context.Context, e Event, fn Function, v Version, how Async, condition string, a *Answer) error {
	var targets []string
	for _, t := range map[bool][]string{true: {how.OnSuccess}, false: {how.OnFailure, v.DeadLetter}}[condition == conditionSuccess] {
		if t != "" && !slices.Contains(targets, t) {
			targets = append(targets, t)
		}
	}
	if condition != conditionSuccess {
		f.log.WarnContext(ctx, "an event failed", "function", fn.Name, "request", e.ID, "condition", condition, "targets", targets)
	}
	if len(targets) == 0 {
		return f.cfg.Queue.DeleteEvent(ctx, e.ID)
	}
	qualifier := e.Qualifier
	if qualifier == "" {
		qualifier = Latest
	}
	now := f.cfg.Now().UTC()
	r := record{
		Version: "1.0", Timestamp: now.Format(milliseconds), Request: json.RawMessage(e.Payload),
		RequestContext: about{RequestID: e.ID, FunctionARN: f.ARN(fn.Name, qualifier), Condition: condition, Count: e.Failures},
	}
	if a != nil {
		if condition == conditionSuccess {
			r.RequestContext.Count++
		}
		r.Response = &response{Status: 200, Version: a.Version, Function: a.FunctionError}
		if json.Valid(a.Payload) {
			r.Answer = json.RawMessage(a.Payload)
		} else {
			r.Answer = string(a.Payload)
		}
	}
	e.Outcome = &Outcome{Condition: condition, Record: encode(r), Targets: targets, Role: v.Role, ARN: f.ARN(fn.Name, qualifier), At: now}
	e.Waits, e.Due = 0, now
	if err := f.cfg.Queue.UpdateEvent(ctx, e); err != nil {
		return err
	}
	return f.deliver(ctx, e)
}

// deliver takes an outcome to the targets that do not have it yet.
func (f *Functions) deliver(ctx context.Context, e Event) error {
	o := e.Outcome
	var left []string
	var last error
	for _, t := range o.Targets {
		if err := f.deliverTo(ctx, e, t); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			left, last = append(left, t), fmt.Errorf("deliver to %s: %w", t, err)
		}
	}
	if len(left) == 0 {
		return f.cfg.Queue.DeleteEvent(ctx, e.ID)
	}
	now := f.cfg.Now()
	over := now.Sub(o.At) > deliverFor
	if e.Waits == 0 || over {
		f.log.WarnContext(ctx, "the record of an event is not delivered", "function", e.Function, "request", e.ID, "err", last, "givenUp", over)
		if fn, v, err := f.Get(ctx, e.Function, e.Qualifier); err == nil {
			text := "is tried again"
			if over {
				text = "is given up"
			}
			f.tell(ctx, fn, v, fmt.Sprintf("RequestId: %s the delivery of its record (%s) %s: %v", e.ID, o.Condition, text, last))
		}
	}
	if over {
		return f.cfg.Queue.DeleteEvent(ctx, e.ID)
	}
	o.Targets = left
	e.Waits++
	e.Due = now.Add(backoff(e.Waits))
	return f.cfg.Queue.UpdateEvent(ctx, e)
}

func (f *Functions) deliverTo(ctx context.Context, e Event, arn string) error {
	o := e.Outcome
	lineage := readLineage(e.Trace).next(f.ARN(e.Function, "")).String()
	switch kind, name := target(arn); kind {
	case "lambda":
		to, qualifier, err := f.Parse(name, "")
		if err != nil {
			return err
		}
		if err := f.cfg.Targets.MayInvoke(ctx, o.Role, f.ARN(to, qualifier)); err != nil {
			return err
		}
		if _, _, err := f.Get(ctx, to, qualifier); err != nil {
			return err
		}
		// The same id each time: delivered twice, it is queued once.
		_, err = f.enqueue(ctx, Request{Name: to, Qualifier: qualifier, Payload: o.Record, RequestID: derived(e.ID + arn), Trace: lineage})
		return err
	case "s3":
		key := fmt.Sprintf("aws/lambda/async/%s/%s/%s-%s", e.Function, o.At.Format("2006/01/02"), o.At.Format("2006-01-02T15.04.05"), derived(e.ID+arn))
		return f.cfg.Targets.PutObject(ctx, o.Role, name, key, o.Record, lineage)
	case "events":
		result := "Failure"
		if o.Condition == conditionSuccess {
			result = "Success"
		}
		return f.cfg.Targets.PutEvent(ctx, o.Role, BusEvent{
			ID: derived(e.ID + arn), Bus: name, Source: "lambda", DetailType: "Lambda Function Invocation Result - " + result,
			Resources: []string{arn, o.ARN}, Detail: o.Record, Lineage: lineage,
		})
	}
	return fault.New(fault.Invalid, CodeInvalid, "the target %s cannot be delivered to", arn)
}

// derived makes a UUID of a text, always the same.
func derived(text string) string {
	b := sha256.Sum256([]byte(text))
	b[6], b[8] = b[6]&0x0f|0x50, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// tell writes a line of the house into a function's log.
func (f *Functions) tell(ctx context.Context, fn Function, v Version, message string) {
	now := f.cfg.Now()
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	err := f.cfg.Logs.Append(ctx, fn.LogGroup(v), now.UTC().Format("2006/01/02")+"/[async]", []execution.LogEvent{{Time: now, Message: message}})
	if err != nil {
		f.log.WarnContext(ctx, "a line of a function's log is lost", "function", fn.Name, "err", err)
	}
}
