package edge

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/edge/field"
	"vodwright.dev/vodwright/internal/fault"
)

func TestObjectArrivesWhole(t *testing.T) {
	for _, streams := range []bool{false, true} {
		// Around every threshold: nothing, inline, buffers, pieces, beyond the memory cache.
		for _, size := range []int{0, 1, 2048, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128<<10 + 3, 1 << 20, 3<<20 + 7} {
			for _, kind := range []string{"http", "https", "h2"} {
				t.Run(fmt.Sprintf("streams=%v/%d/%s", streams, size, kind), func(t *testing.T) {
					s := newSite(t, func(c *Config) { c.MaxBytes = 16 << 20 })
					s.origin.streams = streams
					data := pattern(size)
					s.origin.put(t, "a/film_720.mp4", data)
					for i, cache := range []string{"Miss from cloudfront", "Hit from cloudfront"} {
						a := s.do(kind, "GET", "/a/film_720.mp4")
						a.want(t, 200, "Content-Type", "video/mp4", "X-Cache", cache, "Accept-Ranges", "bytes",
							"X-Content-Type-Options", "nosniff", "Content-Length", fmt.Sprint(size))
						if !bytes.Equal(a.body, data) {
							t.Fatalf("request %d: body differs: %d bytes, want %d", i, len(a.body), size)
						}
					}
					if h := s.do(kind, "HEAD", "/a/film_720.mp4"); len(h.body) != 0 || h.Header.Get("Content-Length") != fmt.Sprint(size) {
						t.Errorf("HEAD: %d bytes, Content-Length %q", len(h.body), h.Header.Get("Content-Length"))
					}
					if size > 10 {
						a := s.do(kind, "GET", "/a/film_720.mp4", "Range", fmt.Sprintf("bytes=%d-", size-10))
						a.want(t, 206, "Content-Range", fmt.Sprintf("bytes %d-%d/%d", size-10, size-1, size), "Content-Length", "10")
						if !bytes.Equal(a.body, data[size-10:]) {
							t.Errorf("last ten bytes: %q, want %q", a.body, data[size-10:])
						}
					}
				})
			}
		}
	}
}

func TestHeadersOfAPlaylistAndASegment(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.m3u8", []byte("#EXTM3U\n"))
	s.origin.put(t, "v_00001.ts", pattern(1000))
	now := s.clock.Now()
	if err := os.Chtimes(filepath.Join(s.origin.root, "films", "v_00001.ts"), now, now); err != nil {
		t.Fatal(err)
	}
	a := s.get("/v.m3u8")
	a.want(t, 200, "Content-Type", "application/vnd.apple.mpegurl", "Cache-Control", "no-cache",
		"Server", "Vodwright", "Via", "1.1 e1.cdn.localhost (Vodwright)", "Age", "",
		"Access-Control-Allow-Origin", "*", "X-Amz-Cf-Pop", "LOCAL1-P1")
	if id := a.Header.Get("X-Amz-Cf-Id"); len(id) != 56 {
		t.Errorf("X-Amz-Cf-Id %q: want 56 characters", id)
	}
	if a.Header.Get("Etag") == "" || a.Header.Get("Last-Modified") == "" || a.Header.Get("Date") == "" {
		t.Errorf("no ETag, Last-Modified or Date in %v", a.Header)
	}
	s.get("/v_00001.ts").want(t, 200, "Content-Type", "video/mp2t", "Cache-Control", "public, max-age=60")
	s.clock.Advance(999 * time.Millisecond)
	s.get("/v_00001.ts").want(t, 200, "X-Cache", "Hit from cloudfront", "Age", "0")
	s.clock.Advance(100*time.Minute - 999*time.Millisecond)
	// A tenth of its age, plus the Age that browsers will subtract.
	s.get("/v_00001.ts").want(t, 200, "X-Cache", "Hit from cloudfront", "Age", "6000", "Cache-Control", "public, max-age=6600")
}

func TestTypesAndStoredMetadata(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "x.m3u8", []byte("#EXTM3U"))
	for stored, want := range map[string]string{
		"": "application/vnd.apple.mpegurl", "binary/octet-stream": "application/vnd.apple.mpegurl",
		"application/octet-stream": "application/vnd.apple.mpegurl", "application/x-mpegURL": "application/x-mpegURL",
	} {
		s.edge.Purge("films", "x.m3u8")
		s.origin.meta["films/x.m3u8"] = Info{ContentType: stored, CacheControl: "max-age=7", ContentEncoding: "br", ContentDisposition: "attachment", ContentLanguage: "de"}
		s.get("/x.m3u8").want(t, 200, "Content-Type", want, "Cache-Control", "max-age=7",
			"Content-Encoding", "br", "Content-Disposition", "attachment", "Content-Language", "de")
	}
	if got := field.ContentType("text/vnd.trolltech.linguist", "v_00001.ts"); got != "video/mp2t" {
		t.Errorf("a segment uploaded by the aws CLI: %s", got)
	}
	for name, want := range map[string]string{
		"a.TS": "video/mp2t", "a.m4s": "video/iso.segment", "a.jpg": "image/jpeg", "a.0000001.JPEG": "image/jpeg", "a.vtt": "text/vtt", "a.mpd": "application/dash+xml",
		"a": "application/octet-stream", "a.unknown": "application/octet-stream", "dir.mp4/a": "application/octet-stream",
	} {
		if got := field.ContentType("", name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestKeysAreExact(t *testing.T) {
	s := newSite(t, nil)
	keys := []string{
		"a b.ts", "a+b.ts", "ä/ö ü.m3u8", "100%.ts", "a%2Fb.ts", "q?.ts", "h#.ts", "semi;colon=1.ts", "ta\tb.ts", "emoji 🎬.ts", "quote'\".ts", "…/.hidden", "a...b/..c/d..",
	}
	escape := func(key string) string {
		var b strings.Builder
		for _, c := range []byte(key) {
			if c == '/' || c == '.' || c >= 'a' && c <= 'z' {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		return b.String()
	}
	for _, key := range keys {
		s.origin.put(t, key, []byte("I am "+key))
		a := s.get("/" + escape(key))
		if a.want(t, 200); string(a.body) != "I am "+key {
			t.Errorf("%q: got %q", key, a.body)
		}
	}
	s.origin.put(t, "plus+sign.ts", []byte("plus"))
	if a := s.get("/plus+sign.ts?x=1&v=2"); string(a.body) != "plus" {
		t.Errorf("a plus in a path is a plus: %s", a.body)
	}

	for path, status := range map[string]int{
		"/../secret": 400, "/a/../../secret": 400, "/%2e%2e/secret": 400, "/..%2fsecret": 400, "/a/./b.ts": 400, "/.": 400, "/a/..": 400,
		"//a%20b.ts": 404, "/a//b.ts": 404, "/none.ts": 404, "/A%20B.ts": 404, "/a%2520b.ts": 404, "/a%252Fb.ts": 200,
		"/%ff.ts": 400, "/nul%00.ts": 400, "/" + strings.Repeat("k", 1025): 400, "/" + strings.Repeat("k/", 500) + "k": 404, "/": 404,
	} {
		if a := s.get(path); a.StatusCode != status {
			t.Errorf("%.80s: %d, want %d: %.200s", path, a.StatusCode, status, a.body)
		}
	}
	s.change(func(d *Distribution) {
		d.DefaultRootObject = "index.html"
		d.Origins = map[string]OriginConfig{"films": {Bucket: "films", Path: "/site/v1"}}
	})
	s.origin.put(t, "site/v1/index.html", []byte("<p>"))
	s.get("/").want(t, 200, "Content-Type", "text/html; charset=utf-8")
	s.get("/..").want(t, 400)
	s.get("/a%20b.ts").want(t, 404)
}

func TestMethods(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "a.ts", pattern(10))
	for method, status := range map[string]int{"POST": 403, "PUT": 403, "PATCH": 403, "DELETE": 403, "TRACE": 405, "PROPFIND": 405, "OPTIONS": 400} {
		if a := s.do("http", method, "/a.ts"); a.StatusCode != status {
			t.Errorf("%s: %d, want %d", method, a.StatusCode, status)
		}
	}
	s.do("http", "TRACE", "/a.ts").want(t, 405, "Allow", "GET, HEAD, OPTIONS")
}

func TestViewerProtocolPolicy(t *testing.T) {
	tests := []struct {
		policy              ViewerProtocolPolicy
		port                int
		kind, method, path  string
		status              int
		location, bodyHolds string
	}{
		{AllowAll, 8443, "http", "GET", "/a.ts", 200, "", ""},
		{AllowAll, 8443, "h2", "GET", "/a.ts", 200, "", ""},
		{RedirectToHTTPS, 8443, "http", "GET", "/a%20b.ts?x=%2F", 301, "https://e1.cdn.localhost:8443/a%20b.ts?x=%2F", ""},
		{RedirectToHTTPS, 0, "http", "HEAD", "/a.ts", 301, "https://e1.cdn.localhost/a.ts", ""},
		{RedirectToHTTPS, 443, "http", "GET", "//evil.example/", 301, "https://e1.cdn.localhost//evil.example/", ""},
		{RedirectToHTTPS, 8443, "http", "POST", "/a.ts", 307, "https://e1.cdn.localhost:8443/a.ts", ""},
		{RedirectToHTTPS, 8443, "h2", "GET", "/a.ts", 200, "", ""},
		{HTTPSOnly, 8443, "http", "GET", "/a.ts", 403, "", "HTTPS only"},
		{HTTPSOnly, 8443, "https", "GET", "/a.ts", 200, "", ""},
		{"", 8443, "http", "GET", "/a.ts", 403, "", "HTTPS only"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s/%s/%s", tt.policy, tt.kind, tt.method), func(t *testing.T) {
			s := newSite(t, func(c *Config) { c.TLSPort = tt.port })
			s.change(func(d *Distribution) { d.Behaviors[0].ViewerProtocolPolicy = tt.policy })
			s.origin.put(t, "a.ts", pattern(10))
			a := s.do(tt.kind, tt.method, tt.path)
			a.want(t, tt.status, "Location", tt.location, "Access-Control-Allow-Origin", "*")
			if !strings.Contains(string(a.body), tt.bodyHolds) {
				t.Errorf("body %s does not say %q", a.body, tt.bodyHolds)
			}
		})
	}
}

func TestHostsAndDisabled(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "a.ts", pattern(10))
	for _, host := range []string{"e1.cdn.localhost", "E1.CDN.localhost:8080", "e1.cdn.localhost."} {
		if !s.edge.Owns(host) {
			t.Errorf("%s is not taken for the edge's", host)
		}
		s.get("/a.ts", "Host", host).want(t, 200)
	}
	for _, host := range []string{"localhost:8080", "cdn.localhost", ".cdn.localhost", "xcdn.localhost", "127.0.0.1", "[::1]:80", ""} {
		if s.edge.Owns(host) {
			t.Errorf("%q is taken for the edge's", host)
		}
	}
	a := s.get("/a.ts", "Host", "e2.cdn.localhost:8080")
	if a.want(t, 404, "X-Cache", "Error from cloudfront"); !strings.Contains(string(a.body), "<Code>NoSuchDistribution</Code>") || !strings.Contains(string(a.body), "e2.cdn.localhost") {
		t.Errorf("unknown host: %s", a.body)
	}
	s.change(func(d *Distribution) { d.Enabled = false })
	s.get("/a.ts").want(t, 403, "Access-Control-Allow-Origin", "*")
}

func TestErrorsAreReadableAndNotKept(t *testing.T) {
	s := newSite(t, nil)
	a := s.get("/late.m3u8", "Origin", "https://player.example")
	a.want(t, 404, "Content-Type", "application/xml", "X-Cache", "Error from cloudfront", "Access-Control-Allow-Origin", "*", "Cache-Control", "no-cache", "Etag", "", "Age", "")
	var p problem
	if err := xml.Unmarshal(a.body, &p); err != nil || p.Code != "NoSuchKey" || p.RequestID != a.Header.Get("X-Amz-Cf-Id") || p.Hint == "" || strings.Contains(string(a.body), "films") {
		t.Errorf("error document %s: %+v, %v", a.body, p, err)
	}
	s.origin.put(t, "late.m3u8", []byte("#EXTM3U"))
	s.get("/late.m3u8").want(t, 200)
	if h := s.do("http", "HEAD", "/gone.ts"); h.StatusCode != 404 || len(h.body) != 0 {
		t.Errorf("HEAD of nothing: %d, %d bytes", h.StatusCode, len(h.body))
	}
	s.origin.setDown(fault.New(fault.Unavailable, "", "dial 10.0.0.7: refused"))
	if a := s.get("/other.ts"); a.StatusCode != 502 || strings.Contains(string(a.body), "10.0.0.7") {
		t.Errorf("origin down: %d %s", a.StatusCode, a.body)
	}
	s.origin.setDown(fmt.Errorf("disk /srv/secret on fire"))
	if a := s.get("/other.ts"); a.StatusCode != 500 || strings.Contains(string(a.body), "secret") {
		t.Errorf("origin broken: %d %s", a.StatusCode, a.body)
	}
}

func TestRepublishedObjectIsSeen(t *testing.T) {
	for _, streams := range []bool{false, true} {
		s := newSite(t, nil)
		s.origin.streams = streams
		s.origin.put(t, "v_00001.ts", pattern(200_000))
		s.get("/v_00001.ts").want(t, 200, "X-Cache", "Miss from cloudfront")
		for range 5 {
			s.get("/v_00001.ts").want(t, 200, "X-Cache", "Hit from cloudfront")
		}
		if n := s.origin.opens.Load() + s.origin.stats.Load(); n != 1 {
			t.Errorf("streams=%v: six requests within a second asked the origin %d times", streams, n)
		}
		next := bytes.Repeat([]byte("new"), 70_000)
		s.origin.put(t, "v_00001.ts", next)
		if a := s.get("/v_00001.ts"); !bytes.Equal(a.body, pattern(200_000)) {
			t.Errorf("streams=%v: within the second the cached version, whole, is served", streams)
		}
		s.clock.Advance(time.Second)
		a := s.get("/v_00001.ts")
		if a.want(t, 200, "X-Cache", "Miss from cloudfront"); !bytes.Equal(a.body, next) {
			t.Errorf("streams=%v: a second later the new version is served", streams)
		}
		s.origin.put(t, "v_00001.ts", []byte("newest"))
		s.edge.Purge("films", "v_00001.ts")
		if a := s.get("/v_00001.ts"); string(a.body) != "newest" {
			t.Errorf("streams=%v: purged, yet %.20q", streams, a.body)
		}
	}
}

func TestLifetimeEndsInRevalidation(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.m3u8", []byte("#EXTM3U"))
	s.get("/v.m3u8").want(t, 200, "X-Cache", "Miss from cloudfront")
	s.clock.Advance(1500 * time.Millisecond)
	s.get("/v.m3u8").want(t, 200, "X-Cache", "RefreshHit from cloudfront", "Age", "0")
	s.get("/v.m3u8").want(t, 200, "X-Cache", "Hit from cloudfront")

	// The origin is down: what is there is served on, whatever its age.
	s.origin.setDown(fault.New(fault.Unavailable, "", "down"))
	s.clock.Advance(48 * time.Hour)
	s.get("/v.m3u8").want(t, 200, "X-Cache", "Hit from cloudfront", "Age", "172800")
	// The origin says it is gone: so it is.
	s.origin.setDown(fault.New(fault.NotFound, "NoSuchKey", "The specified key does not exist"))
	s.clock.Advance(2 * time.Second)
	s.get("/v.m3u8").want(t, 404)
	s.origin.setDown(nil)
	s.get("/v.m3u8").want(t, 200, "X-Cache", "Miss from cloudfront")
}

func TestEdgeLifetime(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	managed := TTL{Min: time.Second, Default: 24 * time.Hour, Max: 365 * 24 * time.Hour}
	tests := []struct {
		cacheControl, expires string
		playlist              bool
		ttl                   TTL
		want                  time.Duration
	}{
		{"", "", false, managed, 24 * time.Hour},
		{"", "", true, managed, time.Second},
		{"max-age=60", "", true, managed, time.Minute},
		{"public, Max-Age=60", "", false, managed, time.Minute},
		{"s-maxage=10, max-age=60", "", false, managed, 10 * time.Second},
		{"max-age=60, s-maxage=10", "", false, managed, 10 * time.Second},
		{"no-store", "", false, managed, time.Second}, // Min overrides even this
		{"private", "", false, TTL{}, 0},
		{"max-age=99999999999999999999", "", false, managed, 365 * 24 * time.Hour},
		{"max-age=junk", "", false, managed, 24 * time.Hour},
		{"", now.Add(time.Minute).Format(http.TimeFormat), false, managed, time.Minute},
		{"", "0", false, managed, time.Second},
		{"", "", false, TTL{}, 0},
		{"max-age=60", "", false, TTL{}, 0},
	}
	for _, tt := range tests {
		info := Info{CacheControl: tt.cacheControl, Expires: tt.expires}
		said := field.ParseCacheControl(tt.cacheControl)
		if got := edgeLifetime(&info, &said, tt.playlist, tt.ttl, now); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
