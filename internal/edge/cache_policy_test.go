package edge

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

const (
	xHit     = "Hit from cloudfront"
	xMiss    = "Miss from cloudfront"
	xRefresh = "RefreshHit from cloudfront"
)

func TestVariant(t *testing.T) {
	some := func(names ...string) Selector { return Selector{Whitelist, names} }
	but := func(names ...string) Selector { return Selector{AllExcept, names} }
	all := Selector{Kind: All}
	tests := []struct {
		name   string
		policy CachePolicy
		signed bool
		a, b   string // URL, then headers, each after a line feed
		same   bool
	}{
		{"nothing counts", CachePolicy{}, false, "/v?a=1\nCookie: c=1\nOrigin: o", "/v?a=2\nCookie: c=2", true},
		{"none by name", CachePolicy{QueryStrings: Selector{Kind: "none"}, Cookies: Selector{Kind: "none"}}, false, "/v?a=1\nCookie: c=1", "/v", true},
		{"query, all", CachePolicy{QueryStrings: all}, false, "/v?a=1", "/v?a=2", false},
		{"query, all, order counts as in CloudFront", CachePolicy{QueryStrings: all}, false, "/v?a=1&b=2", "/v?b=2&a=1", false},
		{"query, all, no query", CachePolicy{QueryStrings: all}, false, "/v?", "/v", true},
		{"query, some, other", CachePolicy{QueryStrings: some("a")}, false, "/v?a=1&b=2", "/v?b=3&a=1", true},
		{"query, some", CachePolicy{QueryStrings: some("a")}, false, "/v?a=1", "/v?a=2", false},
		{"query, some, present or not", CachePolicy{QueryStrings: some("a")}, false, "/v?a", "/v", false},
		{"query, some, twice", CachePolicy{QueryStrings: some("a")}, false, "/v?a=1&a=2", "/v?a=1", false},
		{"query, some, escaped name", CachePolicy{QueryStrings: some("a b")}, false, "/v?a%20b=1", "/v", false},
		{"query, some, case", CachePolicy{QueryStrings: some("a")}, false, "/v?A=1", "/v", true},
		{"query, but", CachePolicy{QueryStrings: but("utm")}, false, "/v?utm=1&x=1", "/v?x=1&utm=2", true},
		{"query, but, other", CachePolicy{QueryStrings: but("utm")}, false, "/v?x=1", "/v?x=2", false},
		{"signature", CachePolicy{QueryStrings: all}, true, "/v?x=1&Expires=1&Signature=s&Key-Pair-Id=k", "/v?Policy=p&Signature=t&Key-Pair-Id=k&x=1&Vodwright-Token=v", true},
		{"signature, some", CachePolicy{QueryStrings: some("Expires", "x")}, true, "/v?x=1&Expires=1", "/v?x=1&Expires=2", true},
		{"signature, unsigned behavior", CachePolicy{QueryStrings: all}, false, "/v?Expires=1", "/v?Expires=2", false},
		{"cookies, all", CachePolicy{Cookies: all}, false, "/v\nCookie: a=1; b=2", "/v\nCookie: a=1; b=3", false},
		{"cookies, some", CachePolicy{Cookies: some("a")}, false, "/v\nCookie: a=1; b=2", "/v\nCookie: b=3;  a=1", true},
		{"cookies, two lines", CachePolicy{Cookies: some("a", "b")}, false, "/v\nCookie: a=1; b=2", "/v\nCookie: a=1\nCookie: b=2", true},
		{"cookies, but", CachePolicy{Cookies: but("a")}, false, "/v\nCookie: a=1; b=2", "/v\nCookie: a=2; b=2", true},
		{"cookies, signed", CachePolicy{Cookies: all}, true, "/v\nCookie: CloudFront-Signature=s; a=1", "/v\nCookie: a=1; CloudFront-Policy=t", true},
		{"a cookie is no query", CachePolicy{Cookies: all, QueryStrings: all}, false, "/v?a=1", "/v\nCookie: a=1", false},
		{"headers", CachePolicy{Headers: some("x-a")}, false, "/v\nX-A: 1\nX-B: 1", "/v\nX-A: 1\nX-B: 2", true},
		{"headers, other", CachePolicy{Headers: some("x-a")}, false, "/v\nX-A: 1", "/v\nX-A: 2", false},
		{"headers, empty or not there", CachePolicy{Headers: some("x-a")}, false, "/v\nX-A: ", "/v", false},
		{"headers, which one", CachePolicy{Headers: some("x-a", "x-b")}, false, "/v\nX-A: 1", "/v\nX-B: 1", false},
		{"headers, two lines", CachePolicy{Headers: some("x-a")}, false, "/v\nX-A: 1:2", "/v\nX-A: 1\nX-A: 2", false},
		{"headers, a value that looks like more", CachePolicy{Headers: some("x-a", "x-b")}, false, "/v\nX-A: 1hX-B:2", "/v\nX-A: 1\nX-B: 2", false},
		{"headers, names in any order", CachePolicy{Headers: some("x-b", "X-A", "x-a")}, false, "/v\nX-A: 1\nX-B: 2", "/v\nX-B: 2\nX-A: 1", true},
		{"host", CachePolicy{Headers: some("host")}, false, "/v\nHost: a.example", "/v\nHost: b.example", false},
		{"host's port and case", CachePolicy{Headers: some("host")}, false, "/v\nHost: a.example:80", "/v\nHost: A.example", true},
		{"a viewer cannot say what CloudFront says", CachePolicy{Headers: some("CloudFront-Viewer-Country")}, false, "/v\nCloudFront-Viewer-Country: DE", "/v", true},
	}
	request := func(text string) *http.Request {
		lines := strings.Split(text, "\n")
		r := httptest.NewRequest("GET", lines[0], nil)
		for _, line := range lines[1:] {
			name, value, _ := strings.Cut(line, ": ")
			if name == "Host" {
				r.Host = value
				continue
			}
			r.Header.Add(name, value)
		}
		return r
	}
	for _, tt := range tests {
		plan := planKey(&tt.policy, tt.signed)
		a, b := plan.variant(request(tt.a)), plan.variant(request(tt.b))
		if (a == b) != tt.same {
			t.Errorf("%s: %q and %q, same is %v", tt.name, a, b, tt.same)
		}
	}
}

func TestVariantsAreKeptApart(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.ts", pattern(10))
	s.change(func(d *Distribution) { d.Behaviors[0].Cache.QueryStrings = Selector{Whitelist, []string{"v"}} })
	for _, step := range []struct{ path, cache string }{
		{"/v.ts", xMiss}, {"/v.ts?x=1", xHit}, {"/v.ts?v=1", xMiss}, {"/v.ts?v=2", xMiss}, {"/v.ts?x=2&v=1", xHit}, {"/v.ts?v=2", xHit},
	} {
		s.get(step.path).want(t, 200, "X-Cache", step.cache)
	}
}

// What the origin's Cache-Control and a policy's lifetimes make of three
// requests: at once, after ten seconds, and after ten more with the origin down.
func TestCacheControlOnTraffic(t *testing.T) {
	zero := TTL{Max: 365 * 24 * time.Hour, Default: 24 * time.Hour}
	managed := CachingOptimized().TTL
	tests := []struct {
		name, control string
		ttl           TTL
		second, third string
		down          int // status with the origin down
	}{
		{"nothing said", "", managed, xHit, xHit, 200},
		{"long", "max-age=3600", zero, xHit, xHit, 200},
		{"short", "max-age=5", zero, xHit, xRefresh, 200},
		{"shared", "max-age=3600, s-maxage=5", zero, xHit, xRefresh, 200},
		{"no-cache", "no-cache", zero, xRefresh, xRefresh, 200},
		{"no-cache, minimum", "no-cache", managed, xHit, xRefresh, 200},
		{"no-store", "no-store", zero, xMiss, xMiss, 502},
		{"no-store and an age", "max-age=3600, no-store", zero, xMiss, xMiss, 502},
		{"no-store, minimum", "no-store", managed, xHit, xRefresh, 200},
		{"private", "private, max-age=60", zero, xMiss, xMiss, 502},
		{"private, minimum", "private, max-age=60", TTL{Min: time.Hour, Default: time.Hour, Max: time.Hour}, xHit, xHit, 200},
		{"maximum", "max-age=3600", TTL{Max: 5 * time.Second, Default: time.Second}, xHit, xRefresh, 200},
		{"default", "", TTL{Max: time.Hour, Default: 5 * time.Second}, xHit, xRefresh, 200},
		{"caching disabled", "max-age=3600", TTL{}, xMiss, xMiss, 502},
		{"stale-if-error=0", "max-age=5, stale-if-error=0", zero, xHit, xRefresh, 502},
		{"stale-if-error, fresh", "max-age=3600, stale-if-error=0", zero, xHit, xHit, 200},
		{"stale-if-error, enough", "max-age=5, stale-if-error=60", zero, xHit, xRefresh, 200},
		{"stale-if-error, too little", "max-age=5, stale-if-error=2", zero, xHit, xRefresh, 502},
		{"must-revalidate", "max-age=5, must-revalidate", zero, xHit, xRefresh, 502},
		{"proxy-revalidate, fresh", "max-age=3600, proxy-revalidate", zero, xHit, xHit, 200},
		{"stale-while-revalidate", "max-age=5, stale-while-revalidate=60", zero, xHit, xHit, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			s.origin.put(t, "v.ts", pattern(1000))
			s.origin.meta["films/v.ts"] = Info{CacheControl: tt.control}
			s.change(func(d *Distribution) { d.Behaviors[0].Cache.TTL = tt.ttl })
			want := func(cache string) {
				t.Helper()
				if a := s.get("/v.ts"); a.Header.Get("X-Cache") != cache || a.StatusCode != 200 || !bytes.Equal(a.body, pattern(1000)) {
					t.Errorf("%d %s, %d bytes; want %s", a.StatusCode, a.Header.Get("X-Cache"), len(a.body), cache)
				}
			}
			want(xMiss)
			want(tt.second)
			s.clock.Advance(10 * time.Second)
			want(tt.third)
			// A background revalidation must not count as one with the origin down.
			eventually(t, "nothing is in use", func() bool {
				s.edge.cache.mu.Lock()
				defer s.edge.cache.mu.Unlock()
				for _, o := range s.edge.cache.objects {
					if o.refs > 0 {
						return false
					}
				}
				return true
			})
			s.clock.Advance(10 * time.Second)
			s.origin.setDown(fault.New(fault.Unavailable, "", "down"))
			for range 2 { // the second time as well: nothing comes back to life
				s.get("/v.ts").want(t, tt.down)
			}
			s.origin.setDown(nil)
			s.get("/v.ts").want(t, 200)
		})
	}
}

func TestStaleWhileRevalidateBringsTheNewVersion(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.m3u8", []byte("old"))
	s.origin.meta["films/v.m3u8"] = Info{CacheControl: "max-age=5, stale-while-revalidate=60"}
	s.change(func(d *Distribution) { d.Behaviors[0].Cache.TTL.Min = 0 })
	s.get("/v.m3u8")
	s.origin.put(t, "v.m3u8", []byte("new version"))
	s.clock.Advance(10 * time.Second)
	if a := s.get("/v.m3u8"); string(a.body) != "old" {
		t.Errorf("the viewer who asks does not wait: %q", a.body)
	}
	eventually(t, "the new version is there", func() bool { return string(s.get("/v.m3u8").body) == "new version" })
}

func TestCachingDisabledAsksEachTime(t *testing.T) {
	for _, streams := range []bool{false, true} {
		s := newSite(t, nil)
		s.origin.streams = streams
		s.change(func(d *Distribution) { d.Behaviors[0].Cache = CachePolicy{} })
		for i, size := range []int{10, 100_000, 3 << 20} {
			s.origin.put(t, "v.ts", pattern(size))
			s.origin.opens.Store(0)
			for range 3 {
				a := s.get("/v.ts")
				if a.want(t, 200, "X-Cache", xMiss, "Age", ""); !bytes.Equal(a.body, pattern(size)) {
					t.Errorf("%d bytes of %d", len(a.body), size)
				}
			}
			if n := s.origin.opens.Load(); n < 3 || n > 6 {
				t.Errorf("size %d (%d): the origin was opened %d times", size, i, n)
			}
		}
		s.get("/v.ts", "Range", "bytes=5-9").want(t, 206)
		if bytes, files := s.held(); bytes != 0 || files != 0 {
			eventually(t, "nothing is kept", func() bool { bytes, files := s.held(); return bytes == 0 && files == 0 })
		}
	}
}

func TestInvalidate(t *testing.T) {
	s := newSite(t, nil)
	s.change(func(d *Distribution) {
		d.DefaultRootObject = "index.html"
		d.Origins = map[string]OriginConfig{"films": {Bucket: "films", Path: "/site"}}
		d.Behaviors[0].Cache.QueryStrings = Selector{Kind: All}
		d.Behaviors[0].Compress = true
		d.ErrorResponses = []ErrorResponse{{Status: 404, TTL: time.Hour}}
	})
	keys := []string{"index.html", "a/v.m3u8", "a/v_1.ts", "a/ü ber.ts", "b/v.m3u8", "A/v.m3u8"}
	write := func(n int) {
		for _, key := range keys {
			s.origin.put(t, "site/"+key, []byte(strings.Repeat(fmt.Sprintf("version %d ", n), 200)))
		}
	}
	gets := map[string]string{
		"/": "index.html", "/a/v.m3u8": "a/v.m3u8", "/a/v.m3u8?x=1": "a/v.m3u8", "/a/v_1.ts": "a/v_1.ts",
		"/a/%C3%BC%20ber.ts": "a/ü ber.ts", "/b/v.m3u8": "b/v.m3u8", "/A/v.m3u8": "A/v.m3u8",
	}
	tests := []struct {
		paths []string
		gone  []string // keys
	}{
		{[]string{"/a/v.m3u8"}, []string{"a/v.m3u8"}},
		{[]string{"/a/v.m3u8?x=1"}, []string{"a/v.m3u8"}},
		{[]string{"/a/*"}, []string{"a/v.m3u8", "a/v_1.ts", "a/ü ber.ts"}},
		{[]string{"/a/v*"}, []string{"a/v.m3u8", "a/v_1.ts"}},
		{[]string{"/a/%C3%BC%20ber.ts"}, []string{"a/ü ber.ts"}},
		{[]string{"/a/ü ber.ts", "b/v.m3u8"}, []string{"a/ü ber.ts", "b/v.m3u8"}},
		{[]string{"/"}, []string{"index.html"}},
		{[]string{"/index.html"}, []string{"index.html"}},
		{[]string{"/*"}, keys},
		{[]string{"*"}, keys},
		{[]string{"/a", "/a/", "/v.m3u8", "/*.m3u8", "/site/a/v.m3u8"}, nil},
	}
	for i, tt := range tests {
		s.edge.Invalidate("E1", []string{"/*"})
		write(2 * i)
		for path := range gets {
			for _, accept := range []string{"", "gzip", "br"} {
				s.get(path, "Accept-Encoding", accept).want(t, 200)
			}
		}
		write(2*i + 1)
		s.edge.Invalidate("other", []string{"/*"})
		s.edge.Invalidate("e1", tt.paths)
		for path, key := range gets {
			want := fmt.Sprintf("version %d ", 2*i)
			for _, k := range tt.gone {
				if k == key {
					want = fmt.Sprintf("version %d ", 2*i+1)
				}
			}
			for _, accept := range []string{"", "gzip", "br"} {
				if body := decoded(t, s.get(path, "Accept-Encoding", accept)); !strings.HasPrefix(body, want) {
					t.Errorf("%v: %s (%q) begins %.12q, want %q", tt.paths, path, accept, body, want)
				}
			}
		}
	}

	t.Run("errors", func(t *testing.T) {
		s.get("/late.ts").want(t, 404)
		s.origin.put(t, "site/late.ts", pattern(10))
		s.get("/late.ts").want(t, 404)
		s.edge.Invalidate("E1", []string{"/late*"})
		s.get("/late.ts").want(t, 200)
		s.get("/later.ts").want(t, 404)
		s.origin.put(t, "site/later.ts", pattern(10))
		s.edge.Purge("films", "site/later.ts")
		s.get("/later.ts").want(t, 200)
	})
}

func TestInvalidateReachesFlights(t *testing.T) {
	slow := &slowOpen{entered: make(chan struct{}, 10), release: make(chan struct{})}
	s := newSite(t, func(c *Config) {
		slow.folderOrigin = c.Origin.(*folderOrigin)
		slow.opened = make(chan struct{})
		c.Origin = slow
	})
	s.origin.put(t, "v.ts", []byte("old"))
	early := make(chan string)
	go func() { early <- string(s.get("/v.ts").body) }()
	<-slow.entered
	slow.release <- struct{}{}
	<-slow.opened // it has the old version and is about to say so
	s.origin.put(t, "v.ts", []byte("new"))
	s.edge.Invalidate("E1", []string{"/v*"})
	late := make(chan string)
	go func() { late <- string(s.get("/v.ts").body) }()
	<-slow.entered
	slow.opened <- struct{}{}
	if got := <-early; got != "old" {
		t.Errorf("who asked before: %q", got)
	}
	slow.release <- struct{}{}
	<-slow.opened
	slow.opened <- struct{}{}
	if got := <-late; got != "new" {
		t.Errorf("who asked after: %q", got)
	}
	if a := s.get("/v.ts"); string(a.body) != "new" || a.Header.Get("X-Cache") != xHit {
		t.Errorf("cached: %q, %s", a.body, a.Header.Get("X-Cache"))
	}
}

// An answer from the cache is the answer there would be without one, whatever
// was asked before: a thousand random requests, to an edge that caches by random
// policies and to one that does not.
func TestCachedAnswersAreTheUncachedOnes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 14))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	selectors := []Selector{{}, {Kind: All}, {Whitelist, []string{"a", "b"}}, {AllExcept, []string{"a"}}}
	headers := []Selector{{}, {Whitelist, []string{"Origin"}}, {Whitelist, []string{"Origin", "X-A", "Accept-Language"}}}
	for round := range 12 {
		cached := newSite(t, nil)
		cached.origin.rules["films"] = [][]CORSRule{nil, {
			{AllowedOrigins: []string{"https://*.example.com"}, AllowedMethods: []string{"GET"}, ExposeHeaders: []string{"ETag"}},
			{AllowedOrigins: []string{"https://b"}, AllowedMethods: []string{"GET", "HEAD"}},
		}}[round%2]
		fresh := newSite(t, func(c *Config) { c.Origin = cached.origin })
		for i, name := range []string{"a.m3u8", "b.ts", "c/d.json", "empty.txt", "big.mp4", "page.html"} {
			cached.origin.put(t, name, []byte(strings.Repeat(name+" ", []int{300, 20, 5000, 0, 40_000, 60}[i])))
		}
		cached.origin.meta["films/c/d.json"] = Info{CacheControl: "no-cache"}
		cached.origin.meta["films/b.ts"] = Info{CacheControl: "private"}
		policy := CachePolicy{
			TTL:     TTL{Min: time.Duration(random.IntN(2)) * time.Second, Default: time.Hour, Max: time.Hour},
			Headers: headers[random.IntN(len(headers))], QueryStrings: selectors[random.IntN(len(selectors))], Cookies: selectors[random.IntN(len(selectors))],
			Gzip: random.IntN(2) == 0, Brotli: random.IntN(2) == 0,
		}
		var reply *ResponseHeadersPolicy
		if round%3 > 0 {
			reply = &ResponseHeadersPolicy{
				CORS:   &CORSPolicy{AllowOrigins: []string{pick("*", "https://b")}, AllowMethods: []string{"GET"}, Override: round%3 == 1},
				Custom: []ResponseHeader{{Name: "X-A", Value: "1"}},
			}
		}
		for _, s := range []*site{cached, fresh} {
			s.change(func(d *Distribution) {
				b := &d.Behaviors[0]
				b.Compress, b.Cache, b.ResponseHeaders = true, policy, reply
				d.ErrorResponses = []ErrorResponse{{Status: 404, TTL: time.Hour, Path: "/page.html", ResponseStatus: 404}}
				if s == fresh {
					b.Cache.TTL = TTL{}
				}
			})
		}
		for range 100 {
			path := "/" + pick("a.m3u8", "b.ts", "c/d.json", "empty.txt", "big.mp4", "none.ts")
			if q := (url.Values{pick("a", "b", "c"): {pick("1", "2")}}); random.IntN(2) == 0 {
				path += "?" + q.Encode()
			}
			header := []string{"Accept-Encoding", pick("", "gzip", "br", "gzip, br", "identity")}
			for _, name := range []string{"Origin", "X-A", "Cookie", "Range"} {
				if random.IntN(3) == 0 {
					header = append(header, name, map[string]string{
						"Origin": pick("https://a.example.com", "https://b", "https://c"), "X-A": pick("1", "2"),
						"Cookie": pick("a=1", "b=1; c=2", "a=2; b=1"), "Range": pick("bytes=0-9", "bytes=-5", "bytes=100000-", "bytes=x"),
					}[name])
				}
			}
			method := pick("GET", "GET", "GET", "HEAD")
			got, want := cached.do("http", method, path, header...), fresh.do("http", method, path, header...)
			text := func(a answer) string {
				return strings.ReplaceAll(decoded(t, a), a.Header.Get("X-Amz-Cf-Id"), "")
			}
			if got.StatusCode != want.StatusCode || text(got) != text(want) {
				t.Fatalf("%s %s %q with %+v: %d and %d bytes from the cache, %d and %d without", method, path, header, policy, got.StatusCode, len(got.body), want.StatusCode, len(want.body))
			}
			// What names the representation differs by compression, which is for cached objects alone.
			compressed := got.Header.Get("Content-Encoding") != ""
			for name := range want.Header {
				switch name {
				case "Date", "X-Cache", "Age", "X-Amz-Cf-Id", "Cache-Control", "Vary":
					continue
				case "Etag", "Content-Length", "Accept-Ranges":
					if compressed {
						continue
					}
				}
				if g, w := got.Header.Values(name), want.Header.Values(name); strings.Join(g, "|") != strings.Join(w, "|") {
					t.Fatalf("%s %s %q with %+v: %s is %q from the cache, %q without", method, path, header, policy, name, g, w)
				}
			}
			if random.IntN(20) == 0 {
				cached.clock.Advance(time.Second)
				fresh.clock.Advance(time.Second)
			}
		}
	}
}
