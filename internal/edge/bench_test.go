package edge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// discard is a ResponseWriter that keeps its header map and throws bodies away.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkHit is the edge alone: what it adds to net/http for an object it has.
func BenchmarkHit(b *testing.B) {
	for name, size := range map[string]int{"playlist2KiB": 2 << 10, "segment1MiB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			s := newSite(b, nil)
			s.origin.put(b, "v.ts", pattern(size))
			r := httptest.NewRequest("GET", "http://e1.cdn.localhost:8080/v.ts", nil)
			r.Header.Set("Origin", "http://localhost:8080")
			w := &discard{h: http.Header{}}
			s.edge.ServeHTTP(w, r)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				s.edge.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkPolicies is a hit where a behavior has everything: five behaviors before
// it, a cache key of headers, queries and cookies, compression, CORS and security headers.
func BenchmarkPolicies(b *testing.B) {
	s := newSite(b, nil)
	s.origin.put(b, "v.m3u8", pattern(2<<10))
	for _, p := range []string{"a/*", "b/*.ts", "*.mpd", "private/*/x", "?"} {
		s.behave(p, func(*Behavior) {})
	}
	s.change(func(d *Distribution) {
		b := &d.Behaviors[len(d.Behaviors)-1]
		b.Compress, b.ResponseHeaders = true, simpleCORS()
		b.ResponseHeaders.Security = []ResponseHeader{{"Strict-Transport-Security", "max-age=31536000", true}, {"X-Frame-Options", "DENY", false}}
		b.Cache.Headers, b.Cache.QueryStrings, b.Cache.Cookies = Selector{Whitelist, []string{"Accept-Language"}}, Selector{Whitelist, []string{"v"}}, Selector{Whitelist, []string{"tier"}}
	})
	r := httptest.NewRequest("GET", "http://e1.cdn.localhost:8080/v.m3u8?v=1&utm=2", nil)
	for name, value := range map[string]string{"Origin": "http://localhost:8080", "Accept-Encoding": "gzip, deflate, br", "Accept-Language": "de", "Cookie": "a=1; tier=2"} {
		r.Header.Set(name, value)
	}
	w := &discard{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		s.edge.ServeHTTP(w, r)
	}
}

// BenchmarkOwns is what a request that is not the edge's pays for aliases.
func BenchmarkOwns(b *testing.B) {
	s := newSite(b, nil)
	s.change(func(d *Distribution) { d.Aliases = []string{"video.example.com", "*.tv.example"} })
	b.ReportAllocs()
	for b.Loop() {
		if s.edge.Owns("bucket.s3.us-east-1.amazonaws.com:8443") {
			b.Fatal("it is not")
		}
	}
}

// A hit with the policies that videos have is to cost the collector next to nothing.
func TestHitAllocatesLittle(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.ts", pattern(2<<10))
	s.change(func(d *Distribution) {
		d.Behaviors[0].Compress, d.Behaviors[0].ResponseHeaders = true, simpleCORS()
	})
	r := httptest.NewRequest("GET", "http://e1.cdn.localhost:8080/v.ts", nil)
	r.Header.Set("Origin", "http://localhost:8080")
	r.Header.Set("Accept-Encoding", "gzip, br")
	w := &discard{h: http.Header{}}
	if n := testing.AllocsPerRun(1000, func() {
		clear(w.h)
		s.edge.ServeHTTP(w, r)
	}); n > 2 { // the request's id; the headers' slices
		t.Errorf("%v allocations a request, want 2", n)
	}
}

// BenchmarkServe is a whole server on loopback, client and all, one connection a goroutine.
func BenchmarkServe(b *testing.B) {
	for _, kind := range []string{"http", "https"} {
		for name, size := range map[string]int{"playlist2KiB": 2 << 10, "segment1MiB": 1 << 20} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				s := newSite(b, nil)
				s.origin.put(b, "v.ts", pattern(size))
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					server := s.plain
					if kind == "https" {
						server = s.secure
					}
					conn, err := net.Dial("tcp", server.Listener.Addr().String())
					if err != nil {
						b.Error(err)
						return
					}
					if kind == "https" {
						conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
					}
					defer conn.Close()
					from := bufio.NewReaderSize(conn, 64<<10)
					for pb.Next() {
						fmt.Fprint(conn, "GET /v.ts HTTP/1.1\r\nHost: e1.cdn.localhost\r\n\r\n")
						res, err := http.ReadResponse(from, nil)
						if err != nil {
							b.Error(err)
							return
						}
						if n, err := io.Copy(io.Discard, res.Body); n != int64(size) || err != nil {
							b.Errorf("%d bytes, %v", n, err)
							return
						}
					}
				})
			})
		}
	}
}
