package edge

import (
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// The managed policies that videos need, as their values (CloudFront Developer
// Guide, "Use managed response headers policies").
func simpleCORS() *ResponseHeadersPolicy {
	return &ResponseHeadersPolicy{CORS: &CORSPolicy{AllowOrigins: []string{"*"}, AllowHeaders: []string{"*"}, AllowMethods: []string{"GET", "HEAD"}}}
}

func corsS3Origin() *OriginRequestPolicy {
	return &OriginRequestPolicy{Headers: Selector{Whitelist, []string{"origin", "access-control-request-headers", "access-control-request-method"}}}
}

func TestCORSPolicies(t *testing.T) {
	allMethods := []string{"GET", "DELETE", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
	rule := []CORSRule{{AllowedOrigins: []string{"https://a"}, AllowedMethods: []string{"GET"}, ExposeHeaders: []string{"x-from-bucket"}}}
	own := func(override bool) *ResponseHeadersPolicy {
		return &ResponseHeadersPolicy{CORS: &CORSPolicy{
			AllowOrigins: []string{"https://*.example.com", "http://localhost:*", "https://a"}, AllowMethods: []string{"GET", "PUT"}, AllowHeaders: []string{"Range", "x-play-*"},
			ExposeHeaders: []string{"Date", "X-Cache"}, AllowCredentials: true, MaxAgeSeconds: 300, Override: override,
		}}
	}
	ask := func(origin, method string, headers ...string) []string {
		h := []string{"Origin", origin, "Access-Control-Request-Method", method}
		if len(headers) > 0 {
			h = append(h, "Access-Control-Request-Headers", strings.Join(headers, ","))
		}
		return h
	}
	from := func(origin string) []string { return []string{"Origin", origin} }
	const acao, acac, acam, acah, aceh, acma = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials",
		"Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers", "Access-Control-Max-Age"
	tests := []struct {
		name    string
		reply   *ResponseHeadersPolicy
		request *OriginRequestPolicy
		rules   []CORSRule
		method  string
		header  []string
		status  int
		want    []string
	}{
		{"SimpleCORS", simpleCORS(), nil, nil, "GET", from("https://x"), 200, []string{acao, "*", acac, "", aceh, "", "Vary", ""}},
		{"SimpleCORS, no Origin", simpleCORS(), nil, nil, "GET", nil, 200, []string{acao, ""}},
		{"SimpleCORS, bucket not asked", simpleCORS(), nil, rule, "GET", from("https://a"), 200, []string{acao, "*", aceh, ""}},
		{"SimpleCORS, bucket asked and willing", simpleCORS(), corsS3Origin(), rule, "GET", from("https://a"), 200, []string{acao, "https://a", aceh, "x-from-bucket"}},
		{"SimpleCORS, bucket asked and silent", simpleCORS(), corsS3Origin(), rule, "GET", from("https://x"), 200, []string{acao, "*"}},
		{"SimpleCORS, preflight", simpleCORS(), nil, nil, "OPTIONS", ask("https://x", "GET", "range"), 200, []string{acao, "*", acam, "GET, HEAD", acah, "range"}},
		{"SimpleCORS, preflight for PUT", simpleCORS(), nil, nil, "OPTIONS", ask("https://x", "PUT"), 403, []string{acao, ""}},
		{"bucket asked alone", nil, corsS3Origin(), rule, "GET", from("https://a"), 200, []string{acao, "https://a"}},
		{"bucket asked alone, stranger", nil, corsS3Origin(), rule, "GET", from("https://x"), 200, []string{acao, ""}},
		{"bucket asked alone, no rules", nil, corsS3Origin(), nil, "GET", from("https://x"), 200, []string{acao, ""}},
		{"bucket asked alone, no rules, preflight", nil, corsS3Origin(), nil, "OPTIONS", ask("https://x", "GET"), 403, []string{acao, ""}},
		{"a policy without CORS leaves the default", &ResponseHeadersPolicy{}, nil, nil, "GET", from("https://x"), 200, []string{acao, "*"}},
		{"own", own(false), nil, nil, "GET", from("https://tv.example.com"), 200, []string{acao, "https://tv.example.com", acac, "true", aceh, "Date, X-Cache", acam, "", "Vary", "Origin"}},
		{"own, port", own(false), nil, nil, "GET", from("http://localhost:5173"), 200, []string{acao, "http://localhost:5173"}},
		{"own, stranger", own(false), nil, nil, "GET", from("https://example.com.evil"), 200, []string{acao, "", acac, "", "Vary", "Origin"}},
		{"own, preflight", own(false), nil, nil, "OPTIONS", ask("https://tv.example.com", "GET", "Range", "X-Play-Id"), 200, []string{acao, "https://tv.example.com", acac, "true", acam, "GET, PUT", acah, "Range,X-Play-Id", acma, "300"}},
		{"own, preflight, other header", own(false), nil, nil, "OPTIONS", ask("https://tv.example.com", "GET", "x-other"), 403, []string{acao, ""}},
		{"own, preflight, stranger", own(false), nil, nil, "OPTIONS", ask("https://x", "GET"), 403, []string{acao, ""}},
		{"own gives way to the bucket", own(false), corsS3Origin(), rule, "GET", from("https://a"), 200, []string{acao, "https://a", aceh, "x-from-bucket"}},
		{"own over the bucket", own(true), corsS3Origin(), rule, "GET", from("https://a"), 200, []string{acao, "https://a", acac, "true", aceh, "Date, X-Cache", acam, ""}},
		{"all methods", &ResponseHeadersPolicy{CORS: &CORSPolicy{AllowOrigins: []string{"*"}, AllowMethods: []string{"ALL"}, AllowHeaders: []string{"*"}}}, nil, nil, "OPTIONS", ask("https://x", "DELETE", "x-y"), 200, []string{acam, "GET, HEAD, OPTIONS, PUT, POST, PATCH, DELETE"}},
		{"CORS-With-Preflight", &ResponseHeadersPolicy{CORS: &CORSPolicy{AllowOrigins: []string{"*"}, AllowMethods: allMethods, AllowHeaders: []string{"*"}, ExposeHeaders: []string{"*"}}}, nil, nil, "GET", from("https://x"), 200, []string{acao, "*", aceh, "*"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			s.origin.put(t, "v.ts", pattern(100))
			s.origin.rules["films"] = tt.rules
			s.change(func(d *Distribution) {
				d.Behaviors[0].ResponseHeaders, d.Behaviors[0].OriginRequest = tt.reply, tt.request
			})
			for range 2 { // the second answer is from the cache, which holds none of it
				s.do("http", tt.method, "/v.ts", tt.header...).want(t, tt.status, tt.want...)
				s.get("/v.ts", "Origin", "https://in.between.example.com")
			}
			if tt.method == "GET" && len(tt.header) > 0 {
				s.get("/none.ts", tt.header...).want(t, 404, tt.want[:2]...)
			}
		})
	}
}

func TestResponseHeaders(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.ts", pattern(100))
	s.origin.put(t, "plain.ts", pattern(100))
	s.origin.meta["films/v.ts"] = Info{CacheControl: "max-age=7", ContentLanguage: "de"}
	header := func(name, value string, override bool) ResponseHeader { return ResponseHeader{name, value, override} }
	security := []ResponseHeader{
		header("Strict-Transport-Security", "max-age=31536000; includeSubDomains", false), header("X-Frame-Options", "SAMEORIGIN", false),
		header("X-Content-Type-Options", "nosniff", true), header("Referrer-Policy", "strict-origin-when-cross-origin", false),
		header("Content-Security-Policy", "default-src 'self'", true), header("X-XSS-Protection", "1; mode=block", false),
	}
	tests := []struct {
		name   string
		policy ResponseHeadersPolicy
		path   string
		status int
		want   []string
	}{
		{"security", ResponseHeadersPolicy{Security: security}, "/v.ts", 200, []string{
			"Strict-Transport-Security", "max-age=31536000; includeSubDomains", "X-Frame-Options", "SAMEORIGIN", "X-Content-Type-Options", "nosniff",
			"Referrer-Policy", "strict-origin-when-cross-origin", "Content-Security-Policy", "default-src 'self'", "X-Xss-Protection", "1; mode=block",
		}},
		{"security on errors", ResponseHeadersPolicy{Security: security}, "/none.ts", 404, []string{"X-Frame-Options", "SAMEORIGIN"}},
		{"custom", ResponseHeadersPolicy{Custom: []ResponseHeader{header("x-team", "video", false)}}, "/v.ts", 200, []string{"X-Team", "video", "Cache-Control", "max-age=7"}},
		{"the origin's stands", ResponseHeadersPolicy{Custom: []ResponseHeader{header("cache-control", "max-age=1", false), header("content-language", "fr", false)}}, "/v.ts", 200, []string{"Cache-Control", "max-age=7", "Content-Language", "de"}},
		{"the origin's is replaced", ResponseHeadersPolicy{Custom: []ResponseHeader{header("cache-control", "max-age=1", true), header("server", "mine", true)}}, "/v.ts", 200, []string{"Cache-Control", "max-age=1", "Server", "mine"}},
		{"the edge's own Cache-Control gives way", ResponseHeadersPolicy{Custom: []ResponseHeader{header("cache-control", "max-age=1", false)}}, "/plain.ts", 200, []string{"Cache-Control", "max-age=1"}},
		{"remove", ResponseHeadersPolicy{Remove: []string{"etag", "Last-Modified", "server", "Cache-Control"}}, "/v.ts", 200, []string{"Etag", "", "Last-Modified", "", "Server", "", "Cache-Control", ""}},
		{"remove the edge's own", ResponseHeadersPolicy{Remove: []string{"Cache-Control"}}, "/plain.ts", 200, []string{"Cache-Control", ""}},
		{"remove and set", ResponseHeadersPolicy{Remove: []string{"Content-Language"}, Custom: []ResponseHeader{header("Content-Language", "fr", false)}}, "/v.ts", 200, []string{"Content-Language", "fr"}},
		{"never the frame", ResponseHeadersPolicy{Remove: []string{"content-length", "x-cache", "Via", "X-Amz-Cf-Pop"}, Custom: []ResponseHeader{header("Content-Length", "5", true), header("Content-Range", "bytes 0-0/1", true)}}, "/v.ts", 200, []string{
			"Content-Length", "100", "Content-Range", "", "Via", "1.1 e1.cdn.localhost (Vodwright)", "X-Amz-Cf-Pop", "LOCAL1-P1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.change(func(d *Distribution) { d.Behaviors[0].ResponseHeaders = &tt.policy })
			for range 2 {
				s.get(tt.path).want(t, tt.status, tt.want...)
			}
		})
	}
	s.change(func(d *Distribution) { d.Behaviors[0].ResponseHeaders = nil })
	s.get("/v.ts").want(t, 200, "X-Frame-Options", "", "Cache-Control", "max-age=7", "Content-Language", "de", "X-Cache", xHit)
	s.change(func(d *Distribution) {
		d.Behaviors[0].ResponseHeaders = &ResponseHeadersPolicy{Security: security}
		d.Behaviors[0].ViewerProtocolPolicy = RedirectToHTTPS
	})
	s.get("/v.ts").want(t, 301, "X-Frame-Options", "SAMEORIGIN")
}

func TestServerTiming(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "v.ts", pattern(100))
	with := func(rate float64) {
		s.change(func(d *Distribution) { d.Behaviors[0].ResponseHeaders = &ResponseHeadersPolicy{ServerTiming: rate} })
	}
	with(1)
	for _, want := range []string{"cdn-cache-miss", "cdn-cache-hit"} {
		a := s.get("/v.ts")
		if got := a.Header.Get("Server-Timing"); !strings.Contains(got, want) || !strings.Contains(got, `cdn-rid;desc="`+a.Header.Get("X-Amz-Cf-Id")+`"`) || !strings.Contains(got, `cdn-pop;desc="LOCAL1-P1"`) {
			t.Errorf("Server-Timing %q: no %s, id or pop", got, want)
		}
	}
	with(0.0000001)
	s.get("/v.ts").want(t, 200, "Server-Timing", "")
	if got := s.get("/v.ts", "Pragma", "server-timing").Header.Get("Server-Timing"); !strings.Contains(got, "cdn-cache-hit") {
		t.Errorf("asked for: %q", got)
	}
	with(0)
	s.get("/v.ts", "Pragma", "server-timing").want(t, 200, "Server-Timing", "")
}

func TestCustomErrorResponses(t *testing.T) {
	s := newSite(t, nil)
	s.origin.put(t, "app/index.html", []byte("<p>the app"))
	s.origin.put(t, "errors/403.html", []byte("<p>not for you"))
	s.origin.put(t, "../pages/errors/404.html", []byte(strings.Repeat("<p>not here", 200)))
	s.origin.put(t, "v.ts", pattern(100))
	s.change(func(d *Distribution) {
		d.Origins = map[string]OriginConfig{"films": {Bucket: "films"}, "pages": {Bucket: "pages"}}
		d.ErrorResponses = []ErrorResponse{
			{Status: 403, Path: "/errors/403.html"},
			{Status: 404, TTL: time.Minute, Path: "/errors/404.html"},
			{Status: 416, Path: "/errors/none.html"},
			{Status: 502, TTL: 5 * time.Second, Path: "/app/index.html", ResponseStatus: 200},
		}
	})
	s.behave("/errors/404.html", func(b *Behavior) { b.Origin, b.Compress = "pages", true })
	s.behave("/secret/*", func(b *Behavior) { b.ViewerProtocolPolicy = HTTPSOnly })

	a := s.get("/none.ts", "Origin", "https://a", "Range", "bytes=0-1", "If-None-Match", "*")
	a.want(t, 404, "Content-Type", "text/html; charset=utf-8", "X-Cache", "Error from cloudfront", "X-Vodwright-Why", "missing-object", "Access-Control-Allow-Origin", "*", "Etag", "", "Cache-Control", "no-cache")
	if string(a.body) != strings.Repeat("<p>not here", 200) {
		t.Errorf("the page: %.40q", a.body)
	}
	if a := s.get("/none.ts", "Accept-Encoding", "br"); a.Header.Get("Content-Encoding") != "br" || decoded(t, a) != strings.Repeat("<p>not here", 200) {
		t.Errorf("the page, compressed: %v", a.Header)
	}
	if h := s.do("http", "HEAD", "/none.ts"); h.StatusCode != 404 || len(h.body) != 0 || h.Header.Get("Content-Length") != "2200" {
		t.Errorf("HEAD: %d, %s", h.StatusCode, h.Header.Get("Content-Length"))
	}
	if a := s.get("/secret/x"); a.StatusCode != 403 || string(a.body) != "<p>not for you" || a.Header.Get("X-Vodwright-Why") != "viewer-protocol" {
		t.Errorf("the edge's own refusal: %d %s", a.StatusCode, a.body)
	}
	s.get("/v.ts", "Range", "bytes=500-").want(t, 416, "Content-Type", "application/xml", "Content-Range", "bytes */100") // its page is missing

	// Kept for as long as it says, and no longer.
	s.origin.put(t, "none.ts", pattern(10))
	s.get("/none.ts").want(t, 404)
	s.clock.Advance(59 * time.Second)
	s.get("/none.ts").want(t, 404)
	s.clock.Advance(time.Second)
	s.get("/none.ts").want(t, 200)

	s.get("/app/index.html").want(t, 200, "X-Cache", xMiss)
	s.origin.setDown(fault.New(fault.Unavailable, "", "down"))
	a = s.get("/app/route/42")
	if a.want(t, 200, "X-Cache", "Error from cloudfront"); string(a.body) != "<p>the app" {
		t.Errorf("page of another status: %q", a.body)
	}
	s.origin.setDown(nil)
	s.origin.put(t, "app/route/42", []byte("there"))
	if a := s.get("/app/route/42"); string(a.body) != "<p>the app" {
		t.Errorf("within five seconds: %q", a.body)
	}
	s.clock.Advance(5 * time.Second)
	if a := s.get("/app/route/42"); string(a.body) != "there" {
		t.Errorf("after five seconds: %q", a.body)
	}
	// A cached object that the policy forbids meanwhile is refused, and the error kept only if asked for.
	s.get("/v.ts").want(t, 200)
	s.origin.setDown(fault.New(fault.Denied, "AccessDenied", "no"))
	s.clock.Advance(2 * time.Second)
	s.get("/v.ts").want(t, 403, "X-Vodwright-Why", "origin-access")
	s.origin.setDown(nil)
	s.get("/v.ts").want(t, 200)
}
