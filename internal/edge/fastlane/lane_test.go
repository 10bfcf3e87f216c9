package fastlane

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// site is a lane with net/http behind it, on real sockets.
type site struct {
	lane   *Lane
	server *http.Server
	addr   string
	rest   atomic.Int64 // requests that came through net/http
	done   chan error
}

func newSite(t testing.TB, h http.Handler, config *tls.Config, change func(*Config)) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{addr: l.Addr().String(), done: make(chan error, 2)}
	cfg := Config{Handler: h, Owns: func(string) bool { return true }, TLS: config}
	if change != nil {
		change(&cfg)
	}
	s.lane = New(l, cfg)
	s.server = &http.Server{TLSConfig: config, ConnContext: ConnContext, Handler: Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.rest.Add(1)
		h.ServeHTTP(w, r)
	}))}
	go func() { s.done <- s.lane.Serve() }()
	go func() { s.done <- s.server.Serve(s.lane.Rest()) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.lane.Shutdown(ctx); err != nil {
			t.Errorf("shut down the lane: %v", err)
		}
		s.server.Close()
		for range 2 {
			if err := <-s.done; !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("serve: %v", err)
			}
		}
	})
	return s
}

func certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2", "http/1.1"}}
}

// file answers with a file, as the edge does.
func file(t testing.TB, size int) (http.Handler, []byte) {
	t.Helper()
	data := make([]byte, size)
	_, _ = rand.Read(data)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Tls", fmt.Sprint(r.TLS != nil))
		w.Header().Set("Content-Length", fmt.Sprint(size))
		w.Header().Set("Content-Type", "video/mp2t")
		switch sender, ok := w.(interface {
			CanSendFile() bool
			SendFile(*os.File, int64, int64) (int64, error)
		}); {
		case r.URL.Path == "/lies": // promises more than it has
			w.Header().Set("Content-Length", fmt.Sprint(size+1))
			_, _ = w.Write(data)
		case r.URL.Path == "/short" && ok:
			w.Header().Set("Content-Length", fmt.Sprint(size+10))
			if _, err := sender.SendFile(f, 0, int64(size+10)); sender.CanSendFile() && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("send more than there is: %v", err)
			}
		case r.URL.Path == "/copy":
			own, err := os.Open(path)
			if err != nil {
				t.Error(err)
			}
			defer own.Close()
			_, _ = io.Copy(w, &io.LimitedReader{R: own, N: int64(size)})
		case r.URL.Path == "/twice":
			_, _ = w.Write(data[:size/2])
			_, _ = w.Write(data[size/2:])
		case ok && sender.CanSendFile():
			for at := int64(0); at < int64(size); {
				n, err := sender.SendFile(f, at, min(100_000, int64(size)-at))
				if at += n; err != nil {
					return
				}
			}
		default:
			_, _ = w.Write(data)
		}
	}), data
}

func TestBodiesArriveWhole(t *testing.T) {
	for _, size := range []int{0, 1, 2000, 16 << 10, 16<<10 - 150, 100_000, 3 << 20} {
		h, data := file(t, size)
		for _, kind := range []string{"http", "https", "h2"} {
			t.Run(fmt.Sprintf("%s/%d", kind, size), func(t *testing.T) {
				var config *tls.Config
				if kind != "http" {
					config = certificate(t)
				}
				s := newSite(t, h, config, nil)
				transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: kind == "h2", DisableCompression: true}
				defer transport.CloseIdleConnections()
				client := &http.Client{Transport: transport}
				base := map[string]string{"http": "http://", "https": "https://", "h2": "https://"}[kind] + s.addr
				for _, path := range []string{"/", "/copy", "/twice", "/"} {
					res, err := client.Get(base + path)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil || !bytes.Equal(body, data) || res.Header.Get("X-Tls") != fmt.Sprint(kind != "http") || res.Header.Get("Date") == "" {
						t.Fatalf("%s: %d bytes, %v, %v", path, len(body), err, res.Header)
					}
				}
				if n := s.rest.Load(); (n == 0) != (kind != "h2") {
					t.Errorf("%d requests through net/http", n)
				}
				// A request with a body ends the lane's part of a connection, nothing else.
				for range 2 {
					res, err := client.Post(base+"/", "text/plain", strings.NewReader("hello"))
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil || !bytes.Equal(body, data) || res.Header.Get("X-Tls") != fmt.Sprint(kind != "http") {
						t.Fatalf("POST: %d bytes, %v, %v", len(body), err, res.Header)
					}
				}
				if res, err := client.Head(base); err != nil || res.ContentLength != int64(size) {
					t.Errorf("HEAD: %v %v", res, err)
				}
				for _, path := range []string{"/lies", "/short"} {
					if path == "/short" && kind != "http" {
						continue
					}
					res, err := client.Get(base + path)
					if err == nil {
						_, err = io.ReadAll(res.Body)
						res.Body.Close()
					}
					if err == nil {
						t.Errorf("%s: a body that is not whole looks like one", path)
					}
				}
			})
		}
	}
}

func TestSlowAndIdleViewersAreCut(t *testing.T) {
	h, _ := file(t, 10)
	for _, config := range []*tls.Config{nil, certificate(t)} {
		s := newSite(t, h, config, func(c *Config) { c.ReadHeaderTimeout, c.IdleTimeout = 50*time.Millisecond, 150*time.Millisecond })
		for name, say := range map[string]string{"silent": "", "half a head": "GET / HTTP/1.1\r\nHos", "idle": "GET / HTTP/1.1\r\nHost: e\r\n\r\n"} {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			if config != nil && name != "silent" { // a silent one says no hello either
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
			}
			fmt.Fprint(conn, say)
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %v", name, err)
			}
			conn.Close()
		}
	}
}

func TestViewersWhoDoNotReadAreCut(t *testing.T) {
	h, _ := file(t, 60_000)
	for _, config := range []*tls.Config{nil, certificate(t)} {
		s := newSite(t, h, config, func(c *Config) { c.IdleTimeout, c.StallTimeout = 100*time.Millisecond, 200*time.Millisecond })
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		if config != nil {
			conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		}
		// It asks and asks, and is cut off when nothing of it is read any more.
		_ = conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
		for {
			if _, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: e\r\n\r\n"); err != nil {
				break
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a viewer who never reads is kept")
		}
		conn.Close()
	}
}

func TestShutdownLetsAnswersEnd(t *testing.T) {
	began, finish := make(chan struct{}), make(chan struct{})
	s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(began)
			<-finish
		}
		w.Header().Set("Content-Length", "2")
		_, _ = io.WriteString(w, "ok")
	}), nil, nil)
	idle, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(idle, "GET / HTTP/1.1\r\nHost: e\r\n\r\n")
	reader := bufio.NewReader(idle)
	if _, err := http.ReadResponse(reader, nil); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(busy, "GET /slow HTTP/1.1\r\nHost: e\r\n\r\n")
	<-began
	ended := make(chan error)
	go func() { ended <- s.lane.Shutdown(context.Background()) }()
	if _, err := io.ReadAll(reader); err != nil { // the idle one is closed while the other goes on
		t.Error(err)
	}
	select {
	case <-ended:
		t.Error("shut down before the answer under way was given")
	default:
	}
	close(finish)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	answer, err := io.ReadAll(busy)
	if err != nil || !strings.HasSuffix(string(answer), "\r\n\r\nok") || !strings.Contains(string(answer), "Connection: close\r\n") {
		t.Errorf("%q %v", answer, err)
	}
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("still listening")
	}
}

func TestShutdownDoesNotWaitForEver(t *testing.T) {
	h, _ := file(t, 8<<20)
	s := newSite(t, h, nil, nil)
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: e\r\n\r\n")
	if _, err := conn.Read(make([]byte, 100)); err != nil { // it has begun, and nobody reads on
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.lane.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestPanicsEndTheirConnectionOnly(t *testing.T) {
	s := newSite(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/abort" {
			panic(http.ErrAbortHandler)
		}
		panic("a defect")
	}), nil, nil)
	for _, path := range []string{"/abort", "/x"} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: e\r\n\r\n", path)
		if out, err := io.ReadAll(conn); err != nil || len(out) != 0 {
			t.Errorf("%q %v", out, err)
		}
	}
}

func TestPlainHTTPOnTheTLSPortIsTold(t *testing.T) {
	h, _ := file(t, 10)
	s := newSite(t, h, certificate(t), nil)
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: e\r\n\r\n")
	if out, err := io.ReadAll(conn); err != nil || !strings.Contains(string(out), "400 Bad Request") {
		t.Errorf("%q %v", out, err)
	}
}

func TestAnAnswerAllocatesLittle(t *testing.T) {
	body := make([]byte, 2048)
	length := []string{"2048"}
	s := &script{in: bytes.NewReader(nil), step: 1 << 20, closed: make(chan struct{})}
	lane := New(newOne(s), Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Length"] = length
		_, _ = w.Write(body)
	}), Owns: owns})
	c := newConn(lane, s)
	c.buffer = []byte("GET /films/540p.m3u8?x=1 HTTP/1.1\r\nHost: e\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")
	c.filled = len(c.buffer)
	c.out.conn, c.out.header = c, http.Header{}
	n := testing.AllocsPerRun(1000, func() {
		s.out.Reset()
		if n, v := c.next(false); v != plain || n != c.filled || !c.answer(n) {
			t.Fatal(n, v)
		}
	})
	if n > 1 { // the request line's text
		t.Errorf("%v allocations an answer", n)
	}
}
