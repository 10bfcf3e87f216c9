package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"vodwright.dev/vodwright/internal/fault"
)

const (
	callSubject = "rpc."  // + verb: one server answers
	tellSubject = "tell." // + verb: every server hears
	servers     = "servers"
	callPause   = 250 * time.Millisecond
	// drainTime is how long calls that came before the end may take to be read.
	drainTime = 2 * time.Second
)

// Call asks any server and returns its answer. While none is there it waits, until
// ctx ends; when one does not answer within so long another is asked: it may have done
// what it was asked.
func (q *Queue) Call(ctx context.Context, verb string, question []byte, within time.Duration) ([]byte, error) {
	for {
		try, done := context.WithTimeout(ctx, within)
		m, err := q.conn.RequestWithContext(try, callSubject+verb, question)
		done()
		switch {
		case err == nil:
			return m.Data, nil
		case ctx.Err() != nil:
			return nil, fault.New(fault.Unavailable, "", "no server answers: %w", context.Cause(ctx))
		case errors.Is(err, nats.ErrMaxPayload):
			return nil, fault.New(fault.Limit, "", "%s is too large for NATS: %d bytes", verb, len(question)).
				WithHint("raise max_payload of the NATS servers to 8MB")
		}
		select {
		case <-time.After(callPause):
		case <-ctx.Done():
		}
	}
}

// Tell tells all servers something that may get lost.
func (q *Queue) Tell(verb string, what []byte) error { return q.conn.Publish(tellSubject+verb, what) }

// Answer answers calls of some verbs, none: of all, side by side, until ctx ends. What
// answer returns is sent back. Of several processes that answer a verb one gets each call.
func (q *Queue) Answer(ctx context.Context, answer func(ctx context.Context, verb string, question []byte) []byte, verbs ...string) error {
	if len(verbs) == 0 {
		verbs = []string{"*"}
	}
	var calls sync.WaitGroup
	defer calls.Wait()
	under := context.WithoutCancel(ctx) // what was asked is done
	var all []*nats.Subscription
	drained := make(chan string, len(verbs))
	for _, verb := range verbs {
		sub, err := q.conn.QueueSubscribe(callSubject+verb, servers, func(m *nats.Msg) {
			calls.Go(func() {
				if err := m.Respond(answer(under, strings.TrimPrefix(m.Subject, callSubject), m.Data)); err != nil && ctx.Err() == nil {
					q.log.WarnContext(ctx, "answer a worker", "subject", m.Subject, "err", err)
				}
			})
		})
		if err != nil {
			return fmt.Errorf("subscribe to calls: %w", err)
		}
		sub.SetClosedHandler(func(subject string) { drained <- subject })
		all = append(all, sub)
	}
	<-ctx.Done()
	var errs []error
	for _, sub := range all {
		errs = append(errs, sub.Drain())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	patience := time.After(drainTime)
	for range all {
		select {
		case <-drained:
		case <-patience:
			return nil
		}
	}
	return nil
}

// Hear hears what is told, until ctx ends.
func (q *Queue) Hear(ctx context.Context, hear func(verb string, what []byte)) error {
	told, err := q.conn.Subscribe(tellSubject+"*", func(m *nats.Msg) { hear(strings.TrimPrefix(m.Subject, tellSubject), m.Data) })
	if err != nil {
		return fmt.Errorf("subscribe to what is told: %w", err)
	}
	<-ctx.Done()
	return told.Unsubscribe()
}

// Connected reports whether the connection to NATS stands.
func (q *Queue) Connected() bool { return q.conn.IsConnected() }
