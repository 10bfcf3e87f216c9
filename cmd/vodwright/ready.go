package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// readyPath is where a server says whether it can serve, and what it waits for.
const readyPath = "/_/ready"

// readiness is what readyPath answers: with 200 when nothing is waited for, else 503.
type readiness struct {
	Ready bool   `json:"ready"`
	Waits string `json:"waitsFor,omitempty"` // PostgreSQL, NATS or the external S3
	Error string `json:"error,omitempty"`
}

func (r readiness) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !r.Ready {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r)
}

// ready answers readyPath.
func (h *house) ready(w http.ResponseWriter, r *http.Request) {
	ctx, done := context.WithTimeout(r.Context(), 2*time.Second)
	defer done()
	out := readiness{Ready: true}
	if err := h.records.Ping(ctx); err != nil {
		out = readiness{Waits: "the records", Error: err.Error()}
		if h.flags.Postgres != "" {
			out.Waits = "PostgreSQL"
		}
	} else if !h.tasks.Connected() {
		out = readiness{Waits: "NATS", Error: "the connection is lost"}
	} else if err := h.buckets.Ping(ctx); err != nil {
		out = readiness{Waits: externalName, Error: err.Error()}
	}
	out.write(w)
}

// waiting answers on a listener while the server waits for what it needs: by 503, with
// what that is.
type waiting struct {
	server *http.Server
	served chan struct{}

	mu  sync.Mutex
	now readiness
}

// kept is a listener that outlives the server on it.
type kept struct{ *net.TCPListener }

// Close ends Accept, and nothing else.
func (k kept) Close() error { return k.SetDeadline(time.Unix(1, 0)) }

// wait begins to answer.
func wait(l net.Listener) *waiting {
	w := &waiting{served: make(chan struct{}), now: readiness{Waits: "the start"}}
	w.server = &http.Server{ReadHeaderTimeout: readHeaderTimeout, Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w.mu.Lock()
		now := w.now
		w.mu.Unlock()
		rw.Header().Set("Connection", "close")
		now.write(rw)
	})}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		close(w.served)
		return w
	}
	go func() {
		defer close(w.served)
		_ = w.server.Serve(kept{tcp})
		_ = tcp.SetDeadline(time.Time{})
	}()
	return w
}

// end leaves the listener to the server.
func (w *waiting) end() error {
	ctx, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	if w.server.Shutdown(ctx) != nil {
		_ = w.server.Close()
	}
	<-w.served
	return nil
}

func (w *waiting) says(r readiness) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = r
}

// await tries open until it succeeds, while what it needs is unavailable and there is
// time.
func (h *house) await(ctx context.Context, what string, open func() error) error {
	deadline := time.Now().Add(h.flags.Wait)
	for told := false; ; told = true {
		err := open()
		if err == nil {
			h.waiting.says(readiness{Waits: "the start"})
			return nil
		}
		if !errors.Is(err, context.Canceled) && !fault.Is(err, fault.Unavailable) || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		if !told {
			h.log.WarnContext(ctx, "waiting for "+what, "err", err)
		}
		h.waiting.says(readiness{Waits: what, Error: err.Error()})
		select {
		case <-time.After(awaitEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const awaitEvery = 500 * time.Millisecond
