package edge

import (
	"testing"
	"time"
)

func TestCORS(t *testing.T) {
	walkthrough := []CORSRule{{AllowedHeaders: []string{"*"}, AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}, MaxAgeSeconds: 3000}}
	narrow := []CORSRule{
		{AllowedOrigins: []string{"https://*.example.com"}, AllowedMethods: []string{"GET", "HEAD"}, AllowedHeaders: []string{"range", "x-play-*"}, ExposeHeaders: []string{"ETag", "x-amz-meta-a"}},
		{AllowedOrigins: []string{"http://localhost:8080"}, AllowedMethods: []string{"GET", "PUT"}},
	}
	const vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
	tests := []struct {
		name   string
		rules  []CORSRule
		method string
		header []string
		status int
		want   []string
	}{
		{"no rules, no origin", nil, "GET", nil, 200, []string{"Access-Control-Allow-Origin", "*", "Vary", ""}},
		{"no rules", nil, "GET", []string{"Origin", "https://a"}, 200, []string{"Access-Control-Allow-Origin", "*", "Vary", "", "Access-Control-Allow-Credentials", ""}},
		{
			"no rules, preflight", nil, "OPTIONS",
			[]string{"Origin", "https://a", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "range,x-y"},
			200,
			[]string{"Access-Control-Allow-Origin", "*", "Access-Control-Allow-Methods", "GET, HEAD", "Access-Control-Allow-Headers", "range,x-y"},
		},
		{"no rules, preflight for PUT", nil, "OPTIONS", []string{"Origin", "https://a", "Access-Control-Request-Method", "PUT"}, 403, []string{"Access-Control-Allow-Origin", ""}},
		{"walkthrough", walkthrough, "GET", []string{"Origin", "https://a"}, 200, []string{"Access-Control-Allow-Origin", "*", "Access-Control-Allow-Methods", "GET", "Access-Control-Max-Age", "3000", "Vary", vary, "Access-Control-Allow-Credentials", ""}},
		{"walkthrough, no origin", walkthrough, "GET", nil, 200, []string{"Access-Control-Allow-Origin", "", "Vary", vary}},
		{"walkthrough, HEAD is not in it", walkthrough, "HEAD", []string{"Origin", "https://a"}, 200, []string{"Access-Control-Allow-Origin", ""}},
		{
			"walkthrough, preflight", walkthrough, "OPTIONS",
			[]string{"Origin", "https://a", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "Range"},
			200,
			[]string{"Access-Control-Allow-Origin", "*", "Access-Control-Allow-Headers", "Range", "Access-Control-Max-Age", "3000"},
		},
		{
			"narrow", narrow, "GET",
			[]string{"Origin", "https://tv.example.com"},
			200,
			[]string{"Access-Control-Allow-Origin", "https://tv.example.com", "Access-Control-Allow-Credentials", "true", "Access-Control-Expose-Headers", "ETag, x-amz-meta-a", "Vary", vary},
		},
		{"narrow, second rule", narrow, "GET", []string{"Origin", "http://localhost:8080"}, 200, []string{"Access-Control-Allow-Origin", "http://localhost:8080", "Access-Control-Allow-Methods", "GET, PUT"}},
		{"narrow, stranger", narrow, "GET", []string{"Origin", "https://example.com.evil"}, 200, []string{"Access-Control-Allow-Origin", "", "Vary", vary}},
		{"narrow, stranger's preflight", narrow, "OPTIONS", []string{"Origin", "https://evil", "Access-Control-Request-Method", "GET"}, 403, []string{"Access-Control-Allow-Origin", ""}},
		{"narrow, allowed header", narrow, "OPTIONS", []string{"Origin", "https://a.example.com", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "Range, X-Play-Id"}, 200, nil},
		{"narrow, other header", narrow, "OPTIONS", []string{"Origin", "https://a.example.com", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization"}, 403, nil},
		{"a rule for PUT does not open the distribution", narrow, "OPTIONS", []string{"Origin", "http://localhost:8080", "Access-Control-Request-Method", "PUT"}, 403, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			s.origin.put(t, "v.ts", pattern(100))
			s.origin.rules["films"] = tt.rules
			// Twice: the second answer is from the cache, which holds none of it.
			for range 2 {
				s.do("http", tt.method, "/v.ts", tt.header...).want(t, tt.status, tt.want...)
			}
			s.do("http", tt.method, "/none.ts", tt.header...)
		})
	}

	t.Run("answers differ by origin, not by who came first", func(t *testing.T) {
		s := newSite(t, nil)
		s.origin.put(t, "v.ts", pattern(100))
		s.origin.rules["films"] = narrow
		for _, origin := range []string{"https://a.example.com", "", "https://b.example.com", "https://evil", "https://a.example.com"} {
			want := origin
			if origin == "https://evil" {
				want = ""
			}
			s.get("/v.ts", "Origin", origin).want(t, 200, "Access-Control-Allow-Origin", want)
		}
		s.get("/none.ts", "Origin", "https://a.example.com").want(t, 404, "Access-Control-Allow-Origin", "https://a.example.com")
		s.origin.mu.Lock()
		s.origin.rules["films"] = nil
		s.origin.mu.Unlock()
		s.clock.Advance(time.Second)
		s.get("/v.ts", "Origin", "https://evil").want(t, 200, "Access-Control-Allow-Origin", "*")
	})
}
