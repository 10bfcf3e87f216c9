// Package fastlane is a small HTTP/1.1 server for the plain part of the edge's
// traffic: GET and HEAD without a body, one after the other on a kept connection.
// Everything else it hands, connection and unread bytes together, to net/http.
//
// It exists because net/http spends more CPU on a small answer than the edge does
// on finding it (a second goroutine that reads ahead, sorted headers, timers,
// buffers on both sides): see docs/decisions/0008.
//
// In flow connections of a listener; requests for the edge's hosts go to Handler,
// whole connections to the listener that [Lane.Rest] returns, for an http.Server.
// It touches the network and a clock.
//
// What must stay true:
//
//   - A request is answered here only if every byte of its head is of the plain
//     kind that [parse] knows; what is not is handed over before any byte of it
//     counts as read. So there is one judge of odd syntax: net/http. A connection
//     that was handed over never comes back.
//   - No request with a body, an Upgrade, an Expect or more than one Host is plain.
//   - Handler sees the *http.Request that net/http would have made of the same
//     bytes, and what it writes reaches the viewer as net/http would have sent it,
//     the order of headers aside. FuzzAlike holds both together.
//   - A head has the time and the size of an http.Server's, a kept connection its
//     idle time, and nobody holds an answer for ever by not reading it; Shutdown
//     lets answers under way end.
//
// A Handler must not change or keep the request's header: a player repeats its
// headers with each request, and as long as it does they are parsed once. The
// request's context ends with the connection, not when a viewer leaves early:
// nobody reads while an answer is written.
package fastlane

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a Lane is made of. Handler and Owns are required.
type Config struct {
	Handler           http.Handler           // of the hosts that Owns
	Owns              func(host string) bool // host as the viewer sent it
	TLS               *tls.Config            // nil is plain HTTP
	ReadHeaderTimeout time.Duration          // 0 is 10 s; of TLS handshakes too
	IdleTimeout       time.Duration          // 0 is 2 min
	StallTimeout      time.Duration          // how long a viewer may leave an answer unread, unless Handler says; 0 is 5 min
	Logger            *slog.Logger           // nil logs nothing
}

// Lane serves the connections of one listener.
type Lane struct {
	cfg  Config
	rest *rest
	date atomic.Pointer[dated]

	batches sync.Pool // of *[]byte: the buffers of connections below TLS that are being written to

	inner   net.Listener
	closing atomic.Bool
	mu      sync.Mutex
	conns   map[*conn]struct{}
	idle    chan struct{} // closed and replaced when a connection ends
}

// New returns a Lane in front of a listener. It starts nothing.
func New(inner net.Listener, cfg Config) *Lane {
	if cfg.ReadHeaderTimeout <= 0 {
		cfg.ReadHeaderTimeout = 10 * time.Second
	}
	if cfg.IdleTimeout <= 0 {
		cfg.IdleTimeout = 2 * time.Minute
	}
	if cfg.StallTimeout <= 0 {
		cfg.StallTimeout = 5 * time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Lane{
		batches: sync.Pool{New: func() any { b := make([]byte, 0, batchSize); return &b }},
		cfg:     cfg, inner: inner, conns: map[*conn]struct{}{}, idle: make(chan struct{}),
		rest: &rest{conns: make(chan net.Conn), closed: make(chan struct{}), address: inner.Addr()},
	}
}

// Serve accepts connections until Shutdown, or until the listener fails. It returns
// http.ErrServerClosed after the former.
func (l *Lane) Serve() error {
	defer l.inner.Close()
	var pause time.Duration
	for {
		rwc, err := l.inner.Accept()
		if err == nil {
			pause = 0
			c := newConn(l, rwc)
			if !l.track(c) {
				_ = rwc.Close()
				return http.ErrServerClosed
			}
			go c.serve()
			continue
		}
		if l.closing.Load() {
			return http.ErrServerClosed
		}
		var temporary interface{ Temporary() bool }
		if !errors.As(err, &temporary) || !temporary.Temporary() { // too many open files, for one
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		l.cfg.Logger.Warn("accept connection", "error", err)
		time.Sleep(pause)
	}
}

func (l *Lane) track(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing.Load() {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *Lane) untrack(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	close(l.idle)
	l.idle = make(chan struct{})
}

// Shutdown stops accepting, closes idle connections and waits until ctx ends for
// the others; then it closes them. The http.Server of Rest is shut down apart.
func (l *Lane) Shutdown(ctx context.Context) error {
	l.closing.Store(true)
	l.mu.Lock()
	_ = l.inner.Close()
	for c := range l.conns {
		c.wake()
	}
	l.mu.Unlock()
	defer l.rest.Close()
	for {
		l.mu.Lock()
		left, idle := len(l.conns), l.idle
		l.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			l.mu.Lock()
			for c := range l.conns {
				_ = c.accepted.Close()
			}
			l.mu.Unlock()
			return ctx.Err()
		}
	}
}

// Rest is the listener of what is handed over. An http.Server that serves it also
// needs ConnContext and Handler below, for what TLS says about a connection.
func (l *Lane) Rest() net.Listener { return l.rest }

type rest struct {
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
	address net.Addr
}

// Accept returns the next connection that was handed over.
func (r *rest) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.closed:
		return nil, http.ErrServerClosed
	}
}

// Close makes hand-overs end: their connections are closed.
func (r *rest) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}

// Addr is the address of the listener in front.
func (r *rest) Addr() net.Addr { return r.address }

func (r *rest) hand(c net.Conn) {
	select {
	case r.conns <- c:
	case <-r.closed:
		_ = c.Close()
	}
}

// replayed is a connection with bytes that were read and belong to it still.
type replayed struct {
	net.Conn
	unread []byte
	state  *tls.ConnectionState // nil without TLS
}

// Read returns the unread bytes first.
func (r *replayed) Read(p []byte) (int, error) {
	if len(r.unread) > 0 {
		n := copy(p, r.unread)
		if r.unread = r.unread[n:]; len(r.unread) == 0 {
			r.unread = nil
		}
		return n, nil
	}
	return r.Conn.Read(p)
}

// replayedTCP keeps for net/http what it looks for in a TCP connection.
type replayedTCP struct{ replayed }

// ReadFrom is sendfile.
func (r *replayedTCP) ReadFrom(src io.Reader) (int64, error) {
	return r.Conn.(io.ReaderFrom).ReadFrom(src)
}

// CloseWrite lets a refused viewer read why.
func (r *replayedTCP) CloseWrite() error { return r.Conn.(*net.TCPConn).CloseWrite() }

type tlsKey struct{}

// ConnContext is for http.Server.ConnContext of the server behind Rest.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if r, ok := c.(*replayed); ok && r.state != nil {
		return context.WithValue(ctx, tlsKey{}, r.state)
	}
	return ctx
}

// Handler tells h of the TLS below connections that were handed over in the middle.
func Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			r.TLS, _ = r.Context().Value(tlsKey{}).(*tls.ConnectionState)
		}
		h.ServeHTTP(w, r)
	})
}

// dated is the value of Date for one second.
type dated struct {
	second int64
	text   string
}

func (l *Lane) now() (time.Time, string) {
	now := time.Now()
	if d := l.date.Load(); d != nil && d.second == now.Unix() {
		return now, d.text
	}
	d := &dated{now.Unix(), now.UTC().Format(http.TimeFormat)}
	l.date.Store(d)
	return now, d.text
}
