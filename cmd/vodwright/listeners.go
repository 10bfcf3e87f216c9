package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/edge/fastlane"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/front"
)

const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	// stopGrace is what answers under way have left when the server is told to stop:
	// less than the 10 s after which container runtimes kill.
	stopGrace = 8 * time.Second
)

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "", "cannot listen on %s: %w", address, err).
			WithHint("choose another address with --listen and --tls-listen; port 0 is any free port")
	}
	return l, nil
}

// socket is a listener that may be closed already, by the server on it.
type socket struct{ net.Listener }

func (s socket) Close() error {
	if err := s.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func portOf(l net.Listener) int {
	if l == nil {
		return 0
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// entrance is one listener: a lane for the edge's plain requests in front of an
// http.Server for everything else.
type entrance struct {
	lane   *fastlane.Lane
	server *http.Server
}

func newEntrance(listener net.Listener, door *front.Door, secure *tls.Config, log *slog.Logger) *entrance {
	return &entrance{
		lane: fastlane.New(listener, fastlane.Config{
			Handler: door.Edge, Owns: door.IsEdge, TLS: secure, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, Logger: log,
		}),
		server: &http.Server{
			Handler: fastlane.Handler(door), ConnContext: fastlane.ConnContext, TLSConfig: secure,
			ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 64 << 10,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // a broken viewer is not the operator's business
		},
	}
}

func (e *entrance) start(group *errgroup.Group) {
	group.Go(func() error { return untilShutdown(e.lane.Serve()) })
	group.Go(func() error { return untilShutdown(e.server.Serve(e.lane.Rest())) })
}

// shutdown lets answers under way end until ctx does: long downloads do not hold up the end.
func (e *entrance) shutdown(ctx context.Context) {
	_ = e.lane.Shutdown(ctx)
	if e.server.Shutdown(ctx) != nil {
		_ = e.server.Close()
	}
}

// untilShutdown drops the error by which a server says that it was shut down.
func untilShutdown(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
