package event

import (
	"context"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// failureLine makes the delivery that tells in a rule's log of a job that failed:
// kept with the position of the feed, it is written at least once. A rule that is
// not there, or whose target makes no jobs, made none: ok is false.
func (b *Bus) failureLine(ctx context.Context, f Fact, now time.Time) (line Delivery, ok bool, err error) {
	r, err := b.store.Rule(ctx, f.Failure.Rule)
	if fault.Is(err, fault.NotFound) {
		return Delivery{}, false, nil
	}
	if err != nil {
		return Delivery{}, false, err
	}
	for _, t := range r.Targets {
		if t.ID != f.Failure.TargetID || KindOf(t.ARN) != JobTemplate {
			continue
		}
		route := "failed/" + r.Name + "/" + t.ID // not the target's own: no job that is to be made holds it up
		return Delivery{Route: route, Lane: StableID(route, f.Failure.Job), Due: now, Letter: Letter{
			Rule: r.Name, TargetID: t.ID, Function: t.ARN, EventID: f.Event.ID, Subject: f.Failure.Input, Kind: f.Event.DetailType,
			Lineage: f.Lineage, Created: now, Failed: f.Failure,
		}}, true, nil
	}
	return Delivery{}, false, nil
}

// tellFailure writes the line, and tries again later when the log does not take it.
func (b *Bus) tellFailure(ctx context.Context, d Delivery) {
	err := b.report(ctx, d, logEntry{
		Outcome: "JOB_FAILED", Event: d.EventID, Kind: d.Kind, Subject: d.Subject, Target: d.Function, Attempt: d.Tries + 1,
		Job: d.Failed.Job, Code: d.Failed.Code, Error: d.Failed.Message,
	})
	if err != nil && ctx.Err() != nil {
		return
	}
	outcome := Outcome{Delivery: d, Done: true}
	if now := b.now(); err != nil && now.Sub(d.Created) < defaultMaxAge {
		outcome.Done = false
		outcome.Delivery.Tries++
		outcome.Delivery.Due = now.Add(backoff(b.cfg.Backoff, outcome.Delivery.Tries, b.cfg.Random()))
	}
	b.settle(outcome)
}
