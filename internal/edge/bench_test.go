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
