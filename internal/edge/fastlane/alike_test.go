package fastlane

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// script is a connection whose viewer has said all it will say.
type script struct {
	in   *bytes.Reader
	step int // bytes a read gives at most

	mu     sync.Mutex
	out    bytes.Buffer
	closed chan struct{}
	once   sync.Once
}

func (s *script) Read(p []byte) (int, error) {
	if len(p) > s.step {
		p = p[:s.step]
	}
	return s.in.Read(p)
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *script) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *script) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// one is a listener of one connection.
type one struct {
	conn   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newOne(c net.Conn) *one {
	l := &one{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conn <- c
	return l
}

func (l *one) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *one) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *one) Addr() net.Addr { return &net.TCPAddr{} }

// tell answers with everything that it was told, in a way that depends on the path.
func tell(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q %s %q path=%q raw=%q query=%q force=%v len=%d te=%v close=%v from=%s tls=%v\n", r.Method, r.RequestURI, r.Proto, r.Host,
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.URL.ForceQuery, r.ContentLength, r.TransferEncoding, r.Close, r.RemoteAddr, r.TLS != nil)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&b, "%s: %q\n", name, r.Header[name])
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	fmt.Fprintf(&b, "body %q %v\n", body, err != nil)
	text := b.String()
	h := w.Header()
	h.Set("X-Method", r.Method)
	h.Set("Content-Type", "text/plain")
	h["X-Many"] = []string{"a", "b\r\nEvil: yes", " c "}
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "304"):
		w.WriteHeader(http.StatusNotModified)
		return
	case strings.HasSuffix(path, "404"):
		h.Set("Content-Length", strconv.Itoa(len(text)))
		w.WriteHeader(http.StatusNotFound)
	case strings.HasSuffix(path, "abort"):
		panic(http.ErrAbortHandler)
	case strings.HasSuffix(path, "large"):
		text = strings.Repeat(text, 1+40_000/len(text))
		fallthrough
	default:
		h.Set("Content-Length", strconv.Itoa(len(text)))
	}
	half := len(text) / 2
	_, _ = io.WriteString(w, text[:half])
	_, _ = io.WriteString(w, text[half:])
}

func owns(host string) bool { return strings.HasPrefix(host, "e") }

// direct is what net/http says to input.
func direct(input []byte) []byte {
	s := &script{in: bytes.NewReader(input), step: 1 << 20, closed: make(chan struct{})}
	l := newOne(s)
	server := &http.Server{Handler: http.HandlerFunc(tell), MaxHeaderBytes: 64 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(l)
	<-s.closed
	server.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Bytes()
}

// through is what a lane with net/http behind it says to input.
func through(t testing.TB, input []byte, step int) []byte {
	s := &script{in: bytes.NewReader(input), step: step, closed: make(chan struct{})}
	lane := New(newOne(s), Config{Handler: http.HandlerFunc(tell), Owns: owns})
	server := &http.Server{Handler: Handler(http.HandlerFunc(tell)), ConnContext: ConnContext, MaxHeaderBytes: 64 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	go lane.Serve()
	go server.Serve(lane.Rest())
	<-s.closed
	if err := lane.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	server.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Bytes()
}

// sorted puts the header lines of every answer in order and leaves the date out.
func sorted(out []byte) string {
	var b strings.Builder
	for len(out) > 0 {
		head, rest, ok := bytes.Cut(out, []byte("\r\n\r\n"))
		if !ok {
			b.Write(out)
			break
		}
		lines := strings.Split(string(head), "\r\n")
		isHead, length := false, -1
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Date: ") })
		for _, l := range lines {
			if l == "X-Method: HEAD" || strings.HasPrefix(l, "HTTP/1.1 304") {
				isHead = true
			}
			if v, ok := strings.CutPrefix(l, "Content-Length: "); ok {
				length, _ = strconv.Atoi(v)
			}
		}
		slices.Sort(lines[1:])
		b.WriteString(strings.Join(lines, "\n") + "\n\n")
		if isHead {
			length = 0
		}
		if length < 0 || length > len(rest) {
			length = len(rest)
		}
		b.Write(rest[:length])
		out = rest[length:]
	}
	return b.String()
}

var heads = []string{
	"GET / HTTP/1.1\r\nHost: e\r\n\r\n",
	"GET /a/b.ts?x=1&y=%20 HTTP/1.1\r\nHost: e1.cdn.localhost:8080\r\nUser-Agent: a b\r\nAccept: */*\r\nrange: bytes=0-1\r\nConnection: Keep-Alive\r\n\r\n",
	"HEAD /x HTTP/1.1\r\nHost: e\r\n\r\nGET /304 HTTP/1.1\r\nHost: e\r\n\r\nGET /404 HTTP/1.1\r\nHost: e\r\n\r\nGET /large HTTP/1.1\r\nHost: e\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\nX: 1\r\n\r\nGET /x HTTP/1.1\r\nHost: e\r\nX: 1\r\n\r\nGET /y HTTP/1.1\r\nHost: e\r\nX: 2\r\n\r\nGET /y HTTP/1.1\r\nHost: other\r\nX: 2\r\n\r\nGET /z HTTP/1.1\r\nHost: e\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\n\r\nPOST /x HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\n\r\nhelloGET /x HTTP/1.1\r\nHost: e\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\n\r\nhelloGET /x HTTP/1.1\r\nHost: e\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: e\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\nHost: e\r\n\r\n", "GET /x HTTP/1.1\r\nHost:\r\n\r\n", "GET /x HTTP/1.1\r\n\r\n", "GET /x HTTP/1.1\r\nHost : e\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\n folded: x\r\n\r\n", "GET /x HTTP/1.1\r\nHost: e\r\nX: a\x00b\r\n\r\n", "GET /x HTTP/1.1\r\nHost: e\r\nX:\t a \t\r\nX: b\r\nx: c\r\n\r\n",
	"GET /x HTTP/1.1\nHost: e\n\n", "GET /x HTTP/1.1\r\nHost: e\nX: y\r\n\r\n", "\r\nGET /x HTTP/1.1\r\nHost: e\r\n\r\n", "GET  /x HTTP/1.1\r\nHost: e\r\n\r\n", "GET /x y HTTP/1.1\r\nHost: e\r\n\r\n",
	"GET /x HTTP/1.0\r\nHost: e\r\n\r\n", "GET /x HTTP/1.0\r\nHost: e\r\nConnection: keep-alive\r\n\r\n", "GET /x HTTP/2.0\r\nHost: e\r\n\r\n", "GET /x\r\nHost: e\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"GET http://e/x HTTP/1.1\r\nHost: e\r\n\r\n", "GET //e/x HTTP/1.1\r\nHost: e\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: e\r\n\r\n", "GET /a%2fb%20c HTTP/1.1\r\nHost: e\r\n\r\n", "GET /a? HTTP/1.1\r\nHost: e\r\n\r\n",
	"GET /a?b?c#d HTTP/1.1\r\nHost: e\r\n\r\n", "GET /a#d HTTP/1.1\r\nHost: e\r\n\r\n", "GET /\xc3\xa9 HTTP/1.1\r\nHost: e\r\n\r\n", "GET /a:b'(c)*!;,d@=+$&~ HTTP/1.1\r\nHost: e\r\n\r\n", "GET /a\"<>\\^`{|}[] HTTP/1.1\r\nHost: e\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\nGET /x HTTP/1.1\r\nHost: e\r\n\r\n", "GET /x HTTP/1.1\r\nHost: e\r\nConnection: keep-alive, close\r\n\r\n", "GET /x HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "GET /x HTTP/1.1\r\nHost: e\r\nPragma: no-cache\r\n\r\n", "GET /x HTTP/1.1\r\nHost: e\r\nTrailer: x\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: e\r\n\r\n", "get /x HTTP/1.1\r\nHost: e\r\n\r\n", "GETX /x HTTP/1.1\r\nHost: e\r\n\r\n", "GET /abort HTTP/1.1\r\nHost: e\r\n\r\nGET /x HTTP/1.1\r\nHost: e\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\n\r\nGET /x HTT", "GET /x HTTP/1.1\r\nHost: e\r\nX: unfinished", "GET /x HTTP/1.1\r\nHost: e/x\r\n\r\n", "GET /x HTTP/1.1\r\nHost: [e::1]:80\r\n\r\n", "GET /x HTTP/1.1\r\n: e\r\nHost: e\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\n\r\n\r\nGET /x HTTP/1.1\r\nHost: e\r\n\r\n", "GET /x HTTP/1.1 \r\nHost: e\r\n\r\n", "GET /x HTTP/1.1\r\r\nHost: e\r\n\r\n", "\x16\x03\x01\x00\x00", "",
	"GET /x HTTP/1.1\r\nHost: e\r\nX: \x80\r\n\r\n", "GET /x HTTP/1.1\r\nhost: e\r\nCOOKIE: a\r\ncookie: b\r\nsec-ch-ua: \"x\"\r\n\r\n", "GET /x HTTP/1.1\r\nHost: e\r\nX:\r\n\r\n", "HEAD /404 HTTP/1.1\r\nHost: e\r\n\r\nHEAD /304 HTTP/1.1\r\nHost: e\r\n\r\n",
	"GET /x HTTP/1.1\r\nHost: e\r\nTE: trailers\r\n\r\n", "GET /x HTTP/1.1\r\nHost: e\r\nKeep-Alive: 300\r\n\r\n",
}

// FuzzAlike says that nobody can tell a lane with net/http behind it from net/http
// alone, whatever they send, in pieces of whatever size.
func FuzzAlike(f *testing.F) {
	for i, h := range heads {
		f.Add([]byte(h), 1+i*7)
	}
	f.Add([]byte("GET /x HTTP/1.1\r\nHost: e\r\nX: "+strings.Repeat("y", 20<<10)+"\r\n\r\n"), 1000)
	f.Add([]byte("GET /"+strings.Repeat("y", 90<<10)+" HTTP/1.1\r\nHost: e\r\n\r\n"), 1000)
	f.Add([]byte("GET /x HTTP/1.1\r\nHost: e\r\n"+strings.Repeat("X: y\r\n", 400)+"\r\n"), 1000)
	f.Fuzz(func(t *testing.T, input []byte, step int) {
		want := sorted(direct(input))
		for _, step := range []int{1 << 20, max(step, 1)} {
			if step == 1 && len(input) > 1<<12 {
				continue
			}
			if got := sorted(through(t, input, step)); got != want {
				t.Fatalf("%q\nthrough the lane, %d bytes at a time:\n%s\nwithout:\n%s", input, step, got, want)
			}
		}
	})
}
