package edge

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
)

// decoded returns the body of a without its content encoding.
func decoded(t testing.TB, a answer) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(a.body)
	var err error
	switch e := a.Header.Get("Content-Encoding"); {
	case len(a.body) == 0 || e == "":
	case e == "gzip":
		r, err = gzip.NewReader(r)
	case e == "br":
		r = brotli.NewReader(r)
	default:
		t.Fatalf("Content-Encoding %q", e)
	}
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("decode %s: %v", a.Header.Get("Content-Encoding"), err)
	}
	return string(body)
}

func TestWhatIsCompressed(t *testing.T) {
	text := func(n int) []byte { return []byte(strings.Repeat("#EXTINF:6.000,\nv_00001.ts\n", n/26+1)[:n]) }
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	tests := []struct {
		name     string
		key      string
		body     []byte
		info     Info
		accept   string
		change   func(*Behavior)
		encoding string
	}{
		{"playlist", "v.m3u8", text(5000), Info{}, "gzip, br", nil, "br"},
		{"playlist, gzip", "v.m3u8", text(5000), Info{}, "gzip", nil, "gzip"},
		{"from a file", "v.json", text(200_000), Info{}, "br", nil, "br"},
		{"dash", "v.mpd", text(5000), Info{}, "br", nil, "br"},
		{"captions", "v.vtt", text(5000), Info{}, "gzip", nil, "gzip"},
		{"page with a charset", "p.html", text(5000), Info{}, "gzip", nil, "gzip"},
		{"smallest", "v.m3u8", text(1000), Info{}, "gzip", nil, "gzip"},
		{"too small", "v.m3u8", text(999), Info{}, "gzip", nil, ""},
		{"largest", "v.json", text(10_000_000), Info{}, "gzip", nil, "gzip"},
		{"too large", "v.json", text(10_000_001), Info{}, "gzip", nil, ""},
		{"segment", "v.ts", text(5000), Info{}, "gzip, br", nil, ""},
		{"not asked for", "v.m3u8", text(5000), Info{}, "", nil, ""},
		{"not known", "v.m3u8", text(5000), Info{}, "zstd, deflate", nil, ""},
		{"does not shrink", "v.json", noise, Info{}, "gzip, br", nil, ""},
		{"no-transform", "v.m3u8", text(5000), Info{CacheControl: "max-age=60, no-transform"}, "gzip", nil, ""},
		{"encoded already", "v.m3u8", text(5000), Info{ContentEncoding: "deflate"}, "gzip", nil, "deflate"},
		{"behavior says no", "v.m3u8", text(5000), Info{}, "gzip", func(b *Behavior) { b.Compress = false }, ""},
		{"policy knows gzip alone", "v.m3u8", text(5000), Info{}, "gzip, br", func(b *Behavior) { b.Cache.Brotli = false }, "gzip"},
		{"policy knows brotli alone", "v.m3u8", text(5000), Info{}, "gzip", func(b *Behavior) { b.Cache.Gzip = false }, ""},
		{"not cached", "v.m3u8", text(5000), Info{}, "gzip", func(b *Behavior) { b.Cache.TTL = TTL{} }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, func(c *Config) { c.MaxBytes = 128 << 20 })
			s.change(func(d *Distribution) {
				d.Behaviors[0].Compress = true
				if tt.change != nil {
					tt.change(&d.Behaviors[0])
				}
			})
			s.origin.put(t, tt.key, tt.body)
			s.origin.meta["films/"+tt.key] = tt.info
			plain := s.get("/" + tt.key)
			etag := plain.Header.Get("Etag")
			if tt.encoding == "br" || tt.encoding == "gzip" {
				etag = "W/" + etag
			}
			for range 2 {
				a := s.get("/"+tt.key, "Accept-Encoding", tt.accept)
				a.want(t, 200, "Content-Encoding", tt.encoding, "Etag", etag, "Content-Length", fmt.Sprint(len(a.body)), "Content-Type", plain.Header.Get("Content-Type"))
				if tt.encoding != "deflate" && decoded(t, a) != string(tt.body) {
					t.Error("it does not unpack to the object")
				}
				h := s.do("http", "HEAD", "/"+tt.key, "Accept-Encoding", tt.accept)
				h.want(t, 200, "Content-Encoding", tt.encoding, "Etag", etag, "Content-Length", fmt.Sprint(len(a.body)))
			}
			s.get("/"+tt.key, "Accept-Encoding", tt.accept, "If-None-Match", etag).want(t, 304, "Etag", etag, "Vary", plain.Header.Get("Vary"))
			if a := s.get("/"+tt.key, "Accept-Encoding", tt.accept, "Range", "bytes=10-19"); tt.encoding != "deflate" && string(a.body) != string(tt.body[10:20]) {
				t.Errorf("a range is the object's own bytes: %q", a.body)
			}
		})
	}
}

func TestCompressedOnce(t *testing.T) {
	s := newSite(t, nil)
	s.change(func(d *Distribution) { d.Behaviors[0].Compress = true })
	s.origin.put(t, "v.json", bytes.Repeat([]byte("0123456789abcdef"), 50_000))
	s.get("/v.json").want(t, 200, "Vary", "Accept-Encoding")
	client := s.client("h2")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 10 {
				res, err := client.Get("https://e1.cdn.localhost/v.json")
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				s.get("/v.json", "Accept-Encoding", "gzip").want(t, 200, "Content-Encoding", "gzip")
			}
		})
	}
	wg.Wait()
	o := s.edge.cache.acquire(cacheKey{"E1", "films/", "v.json", ""})
	defer s.edge.cache.release(o)
	if first := o.encoded[1].Load(); first == nil || o.encoded[0].Load() != nil {
		t.Errorf("gzip %v, brotli %v: want one encoding", first, o.encoded[0].Load())
	}
	if want := int64(objectOverhead) + int64(len(o.encoded[1].Load().bytes.data)); o.cost < want {
		t.Errorf("%d bytes are charged for, want at least %d", o.cost, want)
	}
	// A new version has encodings of its own.
	s.origin.put(t, "v.json", bytes.Repeat([]byte("fedcba9876543210"), 50_000))
	s.clock.Advance(2e9)
	if body := decoded(t, s.get("/v.json", "Accept-Encoding", "gzip")); !strings.HasPrefix(body, "fedc") {
		t.Errorf("the old version: %.16s", body)
	}
}

func TestVaryJoinsCORS(t *testing.T) {
	s := newSite(t, nil)
	s.change(func(d *Distribution) { d.Behaviors[0].Compress = true })
	s.origin.put(t, "v.m3u8", bytes.Repeat([]byte("#EXTM3U\n"), 500))
	s.origin.rules["films"] = []CORSRule{{AllowedOrigins: []string{"https://a"}, AllowedMethods: []string{"GET"}}}
	for range 2 {
		s.get("/v.m3u8", "Origin", "https://a", "Accept-Encoding", "br").want(t, 200, "Content-Encoding", "br",
			"Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method, Accept-Encoding", "Access-Control-Allow-Origin", "https://a")
	}
	if varyByOrigin[0] != "Origin, Access-Control-Request-Headers, Access-Control-Request-Method" {
		t.Error("a shared header value was changed")
	}
}
