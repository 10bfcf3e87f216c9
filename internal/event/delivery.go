package event

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// Delivery is one event on its way to one target. It is made together with the
// advance of the feed that told the event, and goes when the target has taken it
// or it has been given up.
type Delivery struct {
	Position int64 // order of making; given by the store
	// Route holds the deliveries of one target, which no other waits for.
	Route string
	// Lane is within the route: deliveries of a lane go one after the other, in
	// the order of their events (those of a job, of a key).
	Lane string
	Due  time.Time
	// Tries is how many attempts failed.
	Tries int
	// Dead is set when the target was given up and the dead letter is to be
	// written; Tries counts attempts of that then.
	Dead bool
	// Failure tells the last attempt that failed.
	Failure Failure

	Letter
}

// Letter is what does not change of a Delivery.
type Letter struct {
	Rule     string          `json:"rule,omitempty"`   // and
	TargetID string          `json:"target,omitempty"` // of a rule's target, which is read when the attempt is made; or
	Bucket   string          `json:"bucket,omitempty"` // and
	Config   string          `json:"config,omitempty"` // and
	Function string          `json:"function,omitempty"`
	EventID  string          `json:"eventId"`
	Subject  string          `json:"subject,omitempty"` // what it is about, for people: s3://bucket/key
	Kind     string          `json:"kind"`              // detail-type or the name of the object's event
	Lineage  string          `json:"lineage,omitempty"`
	Created  time.Time       `json:"created"`
	Body     json.RawMessage `json:"body"` // the event, or S3's message
	// Failed is set where the delivery is a line in the target's log that a job of
	// its making failed; there is no Body then.
	Failed *JobFailure `json:"failed,omitempty"`
}

// JobFailure tells that a job failed which a target made that is a job template.
type JobFailure struct {
	Rule     string `json:"rule"`
	TargetID string `json:"target"`
	Job      string `json:"job"`
	Input    string `json:"input,omitempty"` // s3://bucket/key
	Code     string `json:"code,omitempty"`
	Message  string `json:"message,omitempty"`
}

// MarkMetadata is the name in the UserMetadata of a job under which JobMark tells
// which target made it.
const MarkMetadata = "automation"

// JobMark names a target of a rule in its jobs: RULE/TARGET.
func JobMark(rule, targetID string) string { return rule + "/" + targetID }

// ParseJobMark reads what JobMark made; ok is false for anything else.
func ParseJobMark(mark string) (rule, targetID string, ok bool) {
	rule, targetID, ok = strings.Cut(mark, "/")
	return rule, targetID, ok && rule != "" && targetID != "" && !strings.Contains(targetID, "/")
}

// Failure is how an attempt failed.
type Failure struct {
	Code    string    `json:"code,omitempty"`
	Message string    `json:"message,omitempty"`
	Tries   int       `json:"tries,omitempty"`  // of the target, when it was given up
	Reason  string    `json:"reason,omitempty"` // why it was given up
	At      time.Time `json:"at,omitzero"`
}

// Outcome is what became of an attempt: the Delivery as it is now, or that it is done.
type Outcome struct {
	Delivery Delivery
	Done     bool
}

// Fact is an Event as a feed tells it, or an event of an object.
type Fact struct {
	Event   Event
	Object  *ObjectEvent
	Subject string // events of one subject are delivered in order; empty: of no order
	// Failure is set where the event says that a job failed which is marked as a
	// target's; anybody may mark jobs so, the Bus looks whether there is such a target.
	Failure *JobFailure
	Lineage string
}

// Feed tells what happened, in order. Facts has at most limit facts after a
// position, and the position after which to go on; what tells nothing is skipped.
type Feed interface {
	Facts(ctx context.Context, after int64, limit int) ([]Fact, int64, error)
}

// The feeds that the records hold; the rooms in which they happen append to them.
const (
	FeedObjects = "objects" // ObjectLog
	FeedJobs    = "jobs"    // events of jobs
)

// Store keeps deliveries, rules, and how far feeds are read. *store.Store is it.
// A method that changes records returns after the change is on the disk. It has
// more methods than an interface should: deliveries and positions share commits.
type Store interface {
	// FeedPosition returns how far a feed was read; 0 is nothing.
	FeedPosition(ctx context.Context, feed string) (int64, error)
	// Advance stores deliveries and how far the feed was read, both or none: a
	// fault.Conflict when it was read so far already. The deliveries of no feed ("") are
	// stored alone.
	Advance(ctx context.Context, feed string, position int64, deliveries []Delivery) error
	// Prune drops up to limit facts that a feed has told and that nothing hands
	// over again, oldest first, and returns how many.
	Prune(ctx context.Context, feed string, limit int) (int, error)
	// DeliveryRoutes lists the routes that hold deliveries.
	DeliveryRoutes(ctx context.Context) ([]string, error)
	// DueDeliveries returns up to limit deliveries of a route that are due at now,
	// the first of their lanes only, and when the next one after now is due (zero:
	// none is).
	DueDeliveries(ctx context.Context, route string, now time.Time, limit int) ([]Delivery, time.Time, error)
	// SettleDeliveries stores outcomes, all or none.
	SettleDeliveries(ctx context.Context, outcomes []Outcome) error

	// RulesVersion changes with every change of a rule or a target.
	RulesVersion(ctx context.Context) (int64, error)
	Rules(ctx context.Context) ([]Rule, error)
	// Rule is a fault.NotFound when it is not there.
	Rule(ctx context.Context, name string) (Rule, error)
}

// The service's bounds of retries, and ours of the time between two.
const (
	defaultRetries = 185
	defaultMaxAge  = 24 * time.Hour
	firstBackoff   = time.Second
	maxBackoff     = 10 * time.Minute
	// buryFor is how long a dead letter that cannot be written is tried.
	buryFor = 24 * time.Hour
)

// backoff returns how long to wait after so many failures (1 is the first):
// doubled with each, then half to all of it as jitter goes from 0 to 1.
func backoff(base time.Duration, failures int, jitter float64) time.Duration {
	d := base
	for i := 1; i < failures && d < maxBackoff; i++ {
		d *= 2
	}
	return time.Duration(float64(min(d, maxBackoff)) * (0.5 + 0.5*jitter))
}
