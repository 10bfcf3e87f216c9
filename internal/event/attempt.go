package event

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// attemptTimeout ends an attempt that hangs; senders have shorter ones of their own.
const attemptTimeout = 2 * time.Minute

// reportTimeout bounds how long a line of the log holds up its delivery.
const reportTimeout = 5 * time.Second

// The principals that deliver.
const (
	principalEvents = "events.amazonaws.com"
	principalS3     = "s3.amazonaws.com"
)

// retryAfter is an error of a target that says when to come again.
type retryAfter interface{ RetryAfter() time.Duration }

// logEntry is a line of the delivery log, one for each attempt.
type logEntry struct {
	Outcome    string `json:"outcome"` // DELIVERED, IGNORED, RETRY, FAILED, DEAD_LETTERED, DROPPED; JOB_FAILED
	Event      string `json:"event"`
	Kind       string `json:"kind"`
	Subject    string `json:"subject,omitempty"`
	Target     string `json:"target"`
	Attempt    int    `json:"attempt"`
	DurationMS int64  `json:"durationMs"`
	Status     int    `json:"status,omitempty"` // of a webhook
	Job        string `json:"job,omitempty"`    // that was made, or failed
	Reason     string `json:"reason,omitempty"`
	Code       string `json:"code,omitempty"`
	Error      string `json:"error,omitempty"`
	Next       string `json:"next,omitempty"`
	DeadLetter string `json:"deadLetter,omitempty"`
}

// carry makes one attempt and stores what became of it. An attempt that was cut
// short by a shutdown is as if it had not been.
func (b *Bus) carry(ctx context.Context, d Delivery) {
	if d.Failed != nil {
		b.tellFailure(ctx, d)
		return
	}
	rule, target, err := b.resolve(ctx, d)
	if ctx.Err() != nil {
		return
	}
	entry := logEntry{Event: d.EventID, Kind: d.Kind, Subject: d.Subject, Target: target.ARN, Attempt: d.Tries + 1}
	begin := b.now()
	outcome := Outcome{Delivery: d, Done: true}
	switch {
	case fault.Is(err, fault.NotFound):
		entry.Outcome, entry.Reason = "DROPPED", "the rule or its target was removed"
	case d.Dead:
		b.bury(ctx, &outcome, target, &entry)
	default:
		if err == nil {
			err = b.attempt(ctx, d, rule, target, &entry)
		}
		if err != nil && ctx.Err() != nil {
			return
		}
		if err != nil {
			b.failed(&outcome, target, err, &entry)
			if outcome.Delivery.Dead && !outcome.Done { // at once: what follows is another attempt
				outcome.Delivery.Due = b.now()
			}
		}
	}
	if d.Dead && !outcome.Done && ctx.Err() != nil {
		return
	}
	entry.DurationMS = b.now().Sub(begin).Milliseconds()
	_ = b.report(ctx, d, entry) // holds up no delivery
	b.settle(outcome)
}

// resolve finds the target as it is now.
func (b *Bus) resolve(ctx context.Context, d Delivery) (Rule, Target, error) {
	if d.Rule == "" {
		return Rule{}, Target{ID: d.Config, ARN: d.Function}, nil
	}
	rules, err := b.currentRules(ctx)
	if err != nil {
		return Rule{}, Target{}, err
	}
	find := func(r Rule) (Rule, Target, error) {
		for _, t := range r.Targets {
			if t.ID == d.TargetID {
				return r, t, nil
			}
		}
		return Rule{}, Target{}, fault.New(fault.NotFound, "", "rule %q has no target %q", r.Name, d.TargetID)
	}
	for _, r := range rules {
		if r.Name == d.Rule {
			return find(r.Rule)
		}
	}
	r, err := b.store.Rule(ctx, d.Rule) // disabled: what matched before is delivered
	if err != nil {
		return Rule{}, Target{}, err
	}
	return find(r)
}

// attempt hands the event to its target.
func (b *Bus) attempt(ctx context.Context, d Delivery, rule Rule, target Target, entry *logEntry) error {
	ctx, stop := context.WithTimeout(ctx, attemptTimeout)
	defer stop()
	entry.Outcome = "DELIVERED"
	if d.Rule == "" {
		if b.cfg.Functions == nil {
			return noTarget(target.ARN)
		}
		return b.cfg.Functions.InvokeAsync(ctx, target.ARN, d.Body, "arn:aws:s3:::"+d.Bucket, b.account, principalS3, d.Lineage)
	}
	kind := KindOf(target.ARN)
	if kind == JobTemplate {
		return b.startJob(ctx, d, target, entry)
	}
	payload, err := target.payload(rule, b.RuleARN(rule.Name), d.Body, d.Created)
	if err != nil {
		return err
	}
	switch {
	case kind == Function && b.cfg.Functions != nil:
		return b.cfg.Functions.InvokeAsync(ctx, target.ARN, payload, b.RuleARN(rule.Name), b.account, principalEvents, d.Lineage)
	case kind == APIDestination && b.cfg.Webhooks != nil:
		id := d.EventID + "." + StableID(d.Route)[:8] // one event to two targets is two messages
		entry.Status, err = b.cfg.Webhooks.Send(ctx, target.ARN, target.HTTP.of(d.Body), id, b.now(), payload)
		return err
	}
	return noTarget(target.ARN)
}

func noTarget(arn string) error {
	return fault.New(fault.Invalid, "NO_PERMISSIONS", "nothing here delivers to %q", arn)
}

// fresh is how long after an event its first attempt needs no look for a job
// that an attempt before a crash may have made.
const fresh = 30 * time.Second

func (b *Bus) startJob(ctx context.Context, d Delivery, target Target, entry *logEntry) error {
	if b.cfg.Jobs == nil {
		return noTarget(target.ARN)
	}
	var envelope struct {
		ID         string          `json:"id"`
		DetailType string          `json:"detail-type"`
		Source     string          `json:"source"`
		Account    string          `json:"account"`
		Time       time.Time       `json:"time"`
		Region     string          `json:"region"`
		Resources  []string        `json:"resources"`
		Detail     json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(d.Body, &envelope); err != nil {
		return fault.New(fault.Invalid, "", "read event: %w", err)
	}
	age := b.now().Sub(d.Created)
	answer, err := b.cfg.Jobs.Start(ctx, JobOrder{
		Rule: d.Rule, TargetID: target.ID, TemplateARN: target.ARN, RoleARN: target.RoleARN, Input: json.RawMessage(target.Input),
		Event: Event{
			ID: envelope.ID, DetailType: envelope.DetailType, Source: envelope.Source, Account: envelope.Account, Time: envelope.Time,
			Region: envelope.Region, Resources: envelope.Resources, Detail: envelope.Detail,
		},
		FirstTry: d.Tries == 0 && age < fresh, Since: d.Created,
	})
	if err != nil {
		return err
	}
	entry.Job = answer.JobID
	if answer.Ignored != "" {
		entry.Outcome, entry.Reason = "IGNORED", answer.Ignored
	}
	return nil
}

// failed decides what becomes of a delivery whose attempt failed.
func (b *Bus) failed(o *Outcome, target Target, err error, entry *logEntry) {
	d := &o.Delivery
	f := fault.Of(err)
	now := b.now()
	d.Tries++
	d.Failure = Failure{Code: f.Code, Message: err.Error(), At: now}
	if f.Kind == fault.Internal && f.Code == "" {
		d.Failure.Code = "INTERNAL_ERROR"
	}
	entry.Code, entry.Error = d.Failure.Code, d.Failure.Message
	retries, age := defaultRetries, defaultMaxAge
	if target.Retry.MaxAttempts != nil {
		retries = *target.Retry.MaxAttempts
	}
	if target.Retry.MaxAge != nil {
		age = *target.Retry.MaxAge
	}
	wait := backoff(b.cfg.Backoff, d.Tries, b.cfg.Random())
	var asked retryAfter
	if errors.As(err, &asked) {
		wait = max(wait, asked.RetryAfter())
	}
	due := now.Add(wait)
	switch {
	case !f.Kind.Retryable() && !errors.Is(err, context.DeadlineExceeded):
		d.Failure.Reason = "NotRetryable"
	case d.Tries > retries:
		d.Failure.Reason = "MaximumRetryAttempts"
	case due.Sub(d.Created) > age:
		d.Failure.Reason = "MaximumEventAgeInSeconds"
	default:
		entry.Outcome, entry.Next = "RETRY", due.Format(time.RFC3339)
		o.Done, d.Due = false, due
		return
	}
	entry.Outcome, entry.Reason = "FAILED", d.Failure.Reason
	d.Failure.Tries = d.Tries
	if target.DeadLetterARN != "" {
		o.Done, d.Dead, d.Tries = false, true, 0
	}
}

// deadLetter is what is kept of an event that could not be delivered: the
// attributes that the service gives a dead letter, and the event.
type deadLetter struct {
	ErrorCode               string          `json:"ERROR_CODE"`
	ErrorMessage            string          `json:"ERROR_MESSAGE"`
	ExhaustedRetryCondition string          `json:"EXHAUSTED_RETRY_CONDITION,omitempty"`
	RetryAttempts           int             `json:"RETRY_ATTEMPTS"`
	RuleARN                 string          `json:"RULE_ARN"`
	TargetARN               string          `json:"TARGET_ARN"`
	Event                   json.RawMessage `json:"event"`
}

// bury writes the dead letter.
func (b *Bus) bury(ctx context.Context, o *Outcome, target Target, entry *logEntry) {
	d := &o.Delivery
	entry.Outcome, entry.DeadLetter, entry.Code, entry.Error = "DEAD_LETTERED", target.DeadLetterARN, d.Failure.Code, d.Failure.Message
	letter, err := encode(deadLetter{
		ErrorCode: d.Failure.Code, ErrorMessage: d.Failure.Message, ExhaustedRetryCondition: d.Failure.Reason,
		RetryAttempts: max(d.Failure.Tries-1, 0), RuleARN: b.RuleARN(d.Rule), TargetARN: target.ARN, Event: d.Body,
	})
	if err == nil {
		err = b.handOver(ctx, d, target, letter)
	}
	if err == nil {
		return
	}
	if ctx.Err() != nil {
		o.Done = false
		return
	}
	now := b.now()
	d.Tries++
	entry.Error = "write the dead letter: " + err.Error()
	due := now.Add(backoff(b.cfg.Backoff, d.Tries, b.cfg.Random()))
	if fault.KindOf(err).Retryable() && due.Sub(d.Failure.At) < buryFor {
		entry.Outcome, entry.Next = "RETRY", due.Format(time.RFC3339)
		o.Done, d.Due = false, due
		return
	}
	entry.Outcome = "DROPPED"
}

func (b *Bus) handOver(ctx context.Context, d *Delivery, target Target, letter []byte) error {
	switch kind := KindOf(target.DeadLetterARN); {
	case kind == Bucket && b.cfg.DeadLetters != nil:
		bucket, prefix, _ := strings.Cut(strings.TrimPrefix(target.DeadLetterARN, "arn:aws:s3:::"), "/")
		if strings.HasPrefix(d.Subject, "s3://"+bucket+"/") {
			return fault.New(fault.Conflict, "", "the event is about the bucket of dead letters itself")
		}
		if prefix = strings.Trim(prefix, "/"); prefix != "" {
			prefix += "/"
		}
		return b.cfg.DeadLetters.Bury(ctx, bucket, prefix+d.Rule+"/"+d.TargetID+"/"+d.EventID+".json", letter)
	case kind == Function && b.cfg.Functions != nil:
		return b.cfg.Functions.InvokeAsync(ctx, target.DeadLetterARN, letter, b.RuleARN(d.Rule), b.account, principalEvents, d.Lineage)
	case target.DeadLetterARN == "":
		return nil // taken away meanwhile
	}
	return noTarget(target.DeadLetterARN)
}

// report writes the attempt into the delivery log. An error is logged already.
func (b *Bus) report(ctx context.Context, d Delivery, entry logEntry) error {
	group, stream := "/vodwright/events/"+d.Rule, d.TargetID
	if d.Rule == "" {
		group, stream = "/vodwright/buckets/"+d.Bucket, cmp.Or(d.Config, "notification")
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), reportTimeout)
	defer stop()
	line, err := encode(entry)
	if err == nil && b.cfg.Logs != nil {
		err = b.cfg.Logs.Append(ctx, group, strings.NewReplacer(":", "_", "*", "_").Replace(stream), []LogLine{{Time: b.now(), Message: string(line)}})
	}
	if err != nil {
		b.log.WarnContext(ctx, "write delivery log", "group", group, "err", err)
	}
	attrs := []any{"group", group, "stream", stream, "event", entry.Event, "subject", entry.Subject, "outcome", entry.Outcome}
	if entry.Error != "" {
		b.log.WarnContext(ctx, "delivery", append(attrs, "attempt", entry.Attempt, "code", entry.Code, "error", entry.Error, "next", entry.Next, "job", entry.Job)...)
		return err
	}
	b.log.DebugContext(ctx, "delivery", append(attrs, "reason", entry.Reason, "job", entry.Job)...)
	return err
}
