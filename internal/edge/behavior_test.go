package edge

import (
	"fmt"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
)

// behave gives the site one behavior more before its default, for pattern.
func (s *site) behave(pattern string, f func(*Behavior)) {
	s.change(func(d *Distribution) {
		b := d.Behaviors[len(d.Behaviors)-1]
		b.Pattern = pattern
		f(&b)
		last := len(d.Behaviors) - 1
		d.Behaviors = append(d.Behaviors[:last:last], b, d.Behaviors[last])
	})
}

func TestFirstMatchingBehaviorDecides(t *testing.T) {
	s := newSite(t, nil)
	for _, key := range []string{"a/v.m3u8", "a/v.ts", "b/v.m3u8", "v.ts", "index.html", "%.ts"} {
		s.origin.put(t, key, pattern(10))
	}
	says := func(name string) func(*Behavior) {
		return func(b *Behavior) {
			b.ResponseHeaders = &ResponseHeadersPolicy{Custom: []ResponseHeader{{Name: "x-behavior", Value: name}}}
		}
	}
	s.behave("/a/*", says("folder"))
	s.behave("*.m3u8", says("playlists"))
	s.behave("index.html", says("page"))
	s.behave("a/v.ts", says("too late"))
	s.change(func(d *Distribution) { d.DefaultRootObject = "index.html" })
	for path, want := range map[string]string{
		"/a/v.m3u8": "folder", "/a/v.ts": "folder", "/b/v.m3u8": "playlists", "/v.ts": "", "/": "page", "/index.html": "page",
		"/%61/v.ts": "folder", "/a%2Fv.ts": "folder", "/v%2Ets": "", "/b/v.m3u8?x=/a/": "playlists", "/%25.ts": "",
	} {
		s.get(path).want(t, 200, "X-Behavior", want)
	}
	// What names no key meets no weaker behavior on the way out either.
	for _, path := range []string{"/./a/v.ts", "/x/../a/v.ts", "//a/v.ts"} {
		if a := s.get(path); a.StatusCode != 400 && a.StatusCode != 404 {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
}

func TestEachBehaviorHasItsOrigin(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.ts", []byte("films"))
	s.origin.put(t, "../posters/2026/v.jpg", []byte("posters"))
	s.origin.put(t, "../posters/2026/p/v.ts", []byte("prefixed"))
	s.change(func(d *Distribution) {
		d.Origins = map[string]OriginConfig{"films": {Bucket: "films"}, "posters": {Bucket: "posters", Path: "/2026/"}}
	})
	s.behave("*.jpg", func(b *Behavior) { b.Origin = "posters" })
	s.behave("p/*", func(b *Behavior) { b.Origin = "posters" })
	s.behave("nowhere/*", func(b *Behavior) { b.Origin = "gone" })
	for path, want := range map[string]string{"/v.ts": "films", "/v.jpg": "posters", "/p/v.ts": "prefixed"} {
		for range 2 {
			if a := s.get(path); string(a.body) != want {
				t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
			}
		}
	}
	s.get("/nowhere/x").want(t, 404, "X-Vodwright-Why", "distribution")
}

func TestMethodsPerBehavior(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.ts", pattern(10))
	preflight := []string{"Origin", "https://a", "Access-Control-Request-Method", "GET"}
	tests := []struct {
		methods []string
		want    map[string]int
	}{
		{nil, map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 200, "PUT": 403, "POST": 403, "PATCH": 403, "DELETE": 403, "BREW": 405}},
		{[]string{"GET", "HEAD"}, map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 403, "PUT": 403, "BREW": 405}},
		{[]string{"HEAD", "GET", "OPTIONS"}, map[string]int{"OPTIONS": 200, "DELETE": 403}},
		{
			[]string{"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"},
			map[string]int{"GET": 200, "OPTIONS": 200, "PUT": 405, "POST": 405, "PATCH": 405, "DELETE": 405},
		},
	}
	for _, tt := range tests {
		s.change(func(d *Distribution) { d.Behaviors[0].AllowedMethods = tt.methods })
		for method, status := range tt.want {
			why := ""
			if status != 200 {
				why = "method"
			}
			s.do("http", method, "/v.ts", preflight...).want(t, status, "X-Vodwright-Why", why)
		}
	}
}

func TestWhySaysWhichLayerRefused(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.ts", pattern(10))
	s.behave("https/*", func(b *Behavior) { b.ViewerProtocolPolicy = HTTPSOnly })
	why := func(what string, a answer, status int, layer string) {
		t.Helper()
		if a.StatusCode != status || a.Header.Get("X-Vodwright-Why") != layer || strings.Contains(string(a.body), "films") {
			t.Errorf("%s: %d %q, want %d %q: %s", what, a.StatusCode, a.Header.Get("X-Vodwright-Why"), status, layer, a.body)
		}
	}
	why("served", s.get("/v.ts"), 200, "")
	why("host", s.get("/v.ts", "Host", "no.cdn.localhost"), 404, "distribution")
	why("http", s.get("/https/v.ts"), 403, "viewer-protocol")
	why("method", s.do("http", "POST", "/v.ts"), 403, "method")
	why("path", s.get("/../v.ts"), 400, "path")
	why("missing", s.get("/w.ts"), 404, "missing-object")
	why("root", s.get("/"), 404, "missing-object")
	why("range", s.get("/v.ts", "Range", "bytes=99-"), 416, "request")
	why("preflight", s.do("http", "OPTIONS", "/v.ts", "Origin", "https://a", "Access-Control-Request-Method", "PUT"), 403, "cors")
	s.origin.setDown(fault.New(fault.Denied, "AccessDenied", "the policy of films denies it"))
	why("policy", s.get("/w.ts"), 403, "origin-access")
	s.origin.setDown(fault.New(fault.Unavailable, "", "films is down"))
	why("down", s.get("/w.ts"), 502, "origin")
	s.origin.setDown(nil)
	s.change(func(d *Distribution) { d.Enabled = false })
	why("disabled", s.get("/v.ts"), 403, "distribution")
}

func TestAliases(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.ts", pattern(10))
	if s.edge.Owns("video.example.com:8443") {
		t.Error("owned before there is such an alias")
	}
	s.change(func(d *Distribution) { d.Aliases = []string{"video.example.com", "*.tv.example"} })
	for _, host := range []string{"video.example.com", "Video.Example.COM:443", "a.tv.example", "b.a.tv.example"} {
		if !s.edge.Owns(host) {
			t.Errorf("%s is not taken for the edge's", host)
		}
		s.get("/v.ts", "Host", host).want(t, 200, "Via", "1.1 e1.cdn.localhost (Vodwright)")
	}
	for _, host := range []string{"example.com", "x.video.example.com", "tv.example", ".tv.example", "xtv.example", "s3.amazonaws.com", "localhost:8080"} {
		if s.edge.Owns(host) {
			t.Errorf("%s is taken for the edge's", host)
		}
	}
	// The cache is one for all names, and a redirect stays with the viewer's.
	s.get("/v.ts").want(t, 200, "X-Cache", "Hit from cloudfront")
	s.change(func(d *Distribution) { d.Behaviors[0].ViewerProtocolPolicy = RedirectToHTTPS })
	s.get("/v.ts", "Host", "video.example.com").want(t, 301, "Location", "https://video.example.com:8443/v.ts")
	s.change(func(d *Distribution) { d.Aliases = nil })
	if s.edge.Owns("video.example.com") {
		t.Error("still owned after the alias is gone")
	}
	s.get("/v.ts", "Host", "video.example.com").want(t, 404, "X-Vodwright-Why", "distribution")
}

func TestForgetActsAtOnce(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.ts", pattern(10))
	s.get("/v.ts").want(t, 200)
	for i := range 5 {
		s.change(func(d *Distribution) {
			d.Behaviors[0].ResponseHeaders = &ResponseHeadersPolicy{Custom: []ResponseHeader{{Name: "X-Version", Value: fmt.Sprint(i)}}}
		})
		s.get("/v.ts").want(t, 200, "X-Version", fmt.Sprint(i), "X-Cache", "Hit from cloudfront")
	}
}
