package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"vodwright.dev/vodwright/internal/fault"
)

const (
	callSubject = "rpc."  // + verb: one server answers
	tellSubject = "tell." // + verb: every server hears
	servers     = "servers"
	// callTimeout is how long one server has for an answer before another is asked.
	callTimeout = 30 * time.Second
	callPause   = 250 * time.Millisecond
)

// Call asks any server and returns its answer. While none is there it waits, until
// ctx ends; one that does not answer in time may have done what it was asked.
func (q *Queue) Call(ctx context.Context, verb string, question []byte) ([]byte, error) {
	for {
		try, done := context.WithTimeout(ctx, callTimeout)
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

// Answer answers calls, side by side, until ctx ends. What answer returns is sent back.
func (q *Queue) Answer(ctx context.Context, answer func(ctx context.Context, verb string, question []byte) []byte) error {
	calls, err := q.conn.QueueSubscribe(callSubject+"*", servers, func(m *nats.Msg) {
		go func() {
			if err := m.Respond(answer(ctx, strings.TrimPrefix(m.Subject, callSubject), m.Data)); err != nil && ctx.Err() == nil {
				q.log.WarnContext(ctx, "answer a worker", "subject", m.Subject, "err", err)
			}
		}()
	})
	if err != nil {
		return fmt.Errorf("subscribe to calls: %w", err)
	}
	<-ctx.Done()
	return calls.Drain()
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
