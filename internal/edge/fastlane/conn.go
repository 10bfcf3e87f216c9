package fastlane

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is one connection in the lane. One goroutine reads, answers and reads again.
type conn struct {
	lane     *Lane
	accepted net.Conn     // the connection itself
	rwc      net.Conn     // what is read and written: a *socket, over TLS a *tls.Conn
	plain    *net.TCPConn // without TLS; nil otherwise
	raw      syscall.RawConn
	batch    *batched    // below TLS; nil otherwise
	waits    atomic.Bool // for a request to begin
	buffer   []byte
	filled   int // buffer[:filled] is read and not answered

	deadline time.Time // the one that is set for reading

	blank   http.Request // what all requests of the connection have in common
	request http.Request // the one that is answered
	url     url.URL
	lines   string // the header lines of the last request, of which header and host were made
	header  http.Header
	host    string
	owned   bool      // whether host is the edge's, as of asked
	asked   int64     // Unix seconds
	second  int64     // of began
	began   time.Time // when the last read began
	writeBy time.Time // the deadline that is set for writing; zero for none
	out     response
}

func newConn(l *Lane, accepted net.Conn) *conn {
	c := &conn{lane: l, accepted: accepted, rwc: accepted}
	if tcp, ok := accepted.(*net.TCPConn); ok {
		if s, err := newSocket(tcp); err == nil {
			c.rwc = s
			if l.cfg.TLS == nil {
				c.plain, c.raw = tcp, s.raw
			}
		}
	}
	return c
}

// wake ends the wait for a request that has not begun. A connection that is
// answering sees that the lane is closing when it is done.
func (c *conn) wake() {
	if c.waits.Load() {
		_ = c.accepted.SetReadDeadline(time.Unix(1, 0))
	}
}

const firstBuffer = 4 << 10

func (c *conn) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	handed := false
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // net/http's own value
			c.lane.cfg.Logger.Error("panic while answering a viewer", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
		cancel()
		if !handed {
			_ = c.rwc.Close()
		}
		c.lane.untrack(c)
	}()
	if c.lane.cfg.TLS != nil {
		switch c.handshake() {
		case more:
		case other:
			handed = true
			c.lane.rest.hand(c.rwc)
			return
		default:
			return
		}
	}
	c.buffer = make([]byte, firstBuffer)
	blank := http.Request{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, RemoteAddr: c.accepted.RemoteAddr().String(), TLS: c.blank.TLS, URL: &c.url,
	}
	c.blank = *blank.WithContext(ctx)
	c.out.conn, c.out.header = c, http.Header{}
	for first := true; ; first = false {
		n, v := c.next(first)
		if v == other {
			handed = true
			c.handOver()
			return
		}
		if v == more || !c.answer(n) {
			return
		}
		c.filled = copy(c.buffer, c.buffer[n:c.filled])
	}
}

// handshake negotiates TLS: more to go on here, other for a connection that
// speaks HTTP/2, plain for one that is over.
func (c *conn) handshake() verdict {
	c.batch = &batched{Conn: c.rwc}
	session := tls.Server(c.batch, c.lane.cfg.TLS)
	_ = c.rwc.SetDeadline(time.Now().Add(c.lane.cfg.ReadHeaderTimeout))
	if err := session.HandshakeContext(context.Background()); err != nil {
		// net/http tells those who speak plain HTTP here what they do wrong, then hangs up.
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
			_, _ = c.rwc.Write([]byte("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"))
		}
		return plain
	}
	_ = c.rwc.SetDeadline(time.Time{})
	c.rwc = session
	state := session.ConnectionState()
	c.blank.TLS = &state
	if state.NegotiatedProtocol != "" && state.NegotiatedProtocol != "http/1.1" {
		return other
	}
	return more
}

func looksLikeHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// enough bytes of a further request make net/http look at it at all.
const enough = 4

// next reads until the buffer begins with a whole head, which it has parsed, and
// returns its length; other for what is not plain or ends too early, more when
// the viewer is gone or has taken too long.
func (c *conn) next(first bool) (n int, v verdict) {
	began := c.filled > 0
	for {
		if !first && c.filled < enough {
			v = more
		} else if n, v = head(c.buffer[:c.filled]); v == plain {
			if !c.parse(n) {
				return 0, other
			}
			return n, plain
		} else if v == other {
			return 0, other
		}
		if c.filled == len(c.buffer) {
			c.buffer = append(c.buffer, make([]byte, len(c.buffer))...)
		}
		switch read, err := c.read(first, began); {
		case read:
		case began && err == io.EOF && (first || c.filled >= enough):
			return 0, other // net/http says what is wrong with half a head
		default:
			return 0, more
		}
		began = true
	}
}

// read reads once, for as long as a viewer may take: that of a head once it has
// begun, and for the first one of a connection, and the idle time otherwise.
func (c *conn) read(first, began bool) (bool, error) {
	now, _ := c.lane.now()
	c.began, c.second = now, now.Unix()
	switch {
	case began || first:
		// Counted from the head's first byte, or from the connection's beginning.
		if limit := now.Add(c.lane.cfg.ReadHeaderTimeout); c.deadline.IsZero() || c.deadline.After(limit) {
			c.deadline = limit
			_ = c.rwc.SetReadDeadline(limit)
		}
	case c.deadline.Sub(now) < c.lane.cfg.IdleTimeout*7/8: // setting it costs a request's tenth
		c.deadline = now.Add(c.lane.cfg.IdleTimeout)
		_ = c.rwc.SetReadDeadline(c.deadline)
	}
	if !began {
		c.waits.Store(true)
		defer c.waits.Store(false)
		if c.lane.closing.Load() {
			return false, nil
		}
	}
	n, err := c.rwc.Read(c.buffer[c.filled:])
	c.filled += n
	return n > 0, err // with bytes, an error comes again
}

// parse makes the request of the head in buffer[:n], and reports whether it is plain.
func (c *conn) parse(n int) bool {
	b := c.buffer[:n-2] // without the blank line
	end := 0
	for b[end] != '\r' { // there is one: the head ends with it
		end++
	}
	if end+1 >= len(b) || b[end+1] != '\n' {
		return false
	}
	method, target, ok := requestLine(string(b[:end]))
	if !ok || !parseTarget(&c.url, target) {
		return false
	}
	if rest := b[end+2:]; c.header == nil || string(rest) != c.lines {
		c.lines, c.header = string(rest), make(http.Header, 16)
		if c.host, ok = fields(c.lines, c.header); !ok {
			c.header = nil
			return false
		}
		c.asked = -1
	}
	if c.asked != c.second { // the answer is good for a second
		c.owned, c.asked = c.lane.cfg.Owns(c.host), c.second
	}
	if !c.owned {
		return false
	}
	c.request = c.blank
	r := &c.request
	r.Method, r.RequestURI, r.Header, r.Host = method, target, c.header, c.host
	return true
}

// answer serves the request that was parsed, whose head has n bytes, and reports
// whether the connection goes on.
func (c *conn) answer(n int) bool {
	w := &c.out
	// Counted from when the wait for this request began, which may be IdleTimeout ago.
	if idle := c.lane.cfg.IdleTimeout; c.writeBy.Sub(c.began) < idle+c.lane.cfg.StallTimeout*7/8 {
		_ = w.SetWriteDeadline(c.began.Add(idle + c.lane.cfg.StallTimeout))
	}
	w.begin(c.request.Method == http.MethodHead, n)
	c.lane.cfg.Handler.ServeHTTP(w, &c.request)
	return w.finish()
}

// handOver gives the connection with everything unread to net/http.
func (c *conn) handOver() {
	_ = c.rwc.SetDeadline(time.Time{})
	again := replayed{Conn: c.accepted, unread: c.buffer[:c.filled:c.filled], state: c.blank.TLS}
	if c.plain != nil {
		c.lane.rest.hand(&replayedTCP{again})
		return
	}
	again.Conn = c.rwc
	c.lane.rest.hand(&again)
}
