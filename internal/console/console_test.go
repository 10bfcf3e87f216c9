package console

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func get(t *testing.T, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestPages(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		status       int
		contentType  string
		holds        string
	}{
		{"GET", "/_/", 200, "text/html; charset=utf-8", "http://localhost:8080"},
		{"HEAD", "/_/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/_", 301, "text/html; charset=utf-8", ""},
		{"GET", "/_/player", 200, "text/html; charset=utf-8", `id="video"`},
		{"GET", "/_/player?src=http://e1.cdn.localhost:8080/v.m3u8", 200, "text/html; charset=utf-8", `id="video"`},
		{"GET", "/_/assets/hls-1.7.4.min.js", 200, "text/javascript; charset=utf-8", "Hls"},
		{"GET", "/_/assets/hls-1.7.4.LICENSE", 200, "text/plain; charset=utf-8", "Apache License"},
		{"GET", "/_/assets/console.css", 200, "text/css; charset=utf-8", ""},
		{"GET", "/_/assets/icon.svg", 200, "image/svg+xml", ""},
		{"GET", "/_/assets/landing.html", 404, "text/plain; charset=utf-8", ""}, // a template
		{"GET", "/_/assets/../console.go", 404, "text/plain; charset=utf-8", ""},
		{"GET", "/_/assets/", 404, "text/plain; charset=utf-8", ""},
		{"GET", "/_/nothing", 404, "text/plain; charset=utf-8", ""},
		{"POST", "/_/", 405, "text/plain; charset=utf-8", ""},
	} {
		w := get(t, tt.method, tt.path, "Host", "localhost:8080")
		if w.Code != tt.status || w.Header().Get("Content-Type") != tt.contentType || !strings.Contains(w.Body.String(), tt.holds) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, w.Code, w.Header().Get("Content-Type"))
		}
		for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options"} {
			if w.Header().Get(name) == "" {
				t.Errorf("%s %s: no %s", tt.method, tt.path, name)
			}
		}
	}
}

func TestAssetsAreRevalidated(t *testing.T) {
	etag := get(t, "GET", "/_/assets/player.js").Header().Get("Etag")
	if w := get(t, "GET", "/_/assets/player.js", "If-None-Match", etag); w.Code != http.StatusNotModified {
		t.Errorf("same asset: %d", w.Code)
	}
	if cc := get(t, "GET", "/_/assets/hls-1.7.4.min.js").Header().Get("Cache-Control"); !strings.Contains(cc, "immutable") {
		t.Errorf("the player library: %s", cc)
	}
}

// Every file a page refers to exists, and no page has inline code, which the policy would block.
func TestPagesReferToWhatExists(t *testing.T) {
	for _, page := range []string{"/_/", "/_/player"} {
		body := get(t, "GET", page).Body.String()
		for _, part := range strings.FieldsFunc(body, func(c rune) bool { return c == '"' || c == '\'' }) {
			if strings.HasPrefix(part, "/_/") {
				if w := get(t, "GET", part); w.Code != 200 {
					t.Errorf("%s refers to %s: %d", page, part, w.Code)
				}
			}
		}
		for _, inline := range []string{"<script>", "<style", " style=", " onclick=", " onload=", "javascript:"} {
			if strings.Contains(body, inline) {
				t.Errorf("%s holds %s", page, inline)
			}
		}
	}
}

func TestRequestsAreNotReflected(t *testing.T) {
	const evil = `"><script>alert(1)</script>`
	for _, target := range []string{
		"/_/player?src=" + url.QueryEscape(evil),
		"/_/player?src=" + url.QueryEscape("javascript:alert(1)"),
		"/_/player?src=" + url.QueryEscape("http://a/"+evil),
		"/_/?x=" + url.QueryEscape(evil),
	} {
		if w := get(t, "GET", target); strings.Contains(w.Body.String(), "alert(1)") {
			t.Errorf("%s is reflected", target)
		}
	}
	if w := get(t, "GET", "/_/", "Host", evil); strings.Contains(w.Body.String(), "<script>alert") {
		t.Error("the Host header is reflected unescaped")
	}
}

func TestPolicyNamesTheSourceAlone(t *testing.T) {
	for src, want := range map[string]string{
		"http://e1.cdn.localhost:8080/a.m3u8":         "http://e1.cdn.localhost:8080",
		"https://Video.Example.com/a.m3u8?x=1":        "https://Video.Example.com",
		"https://user:pw@v.example/a":                 "https://v.example",
		"http://127.0.0.1:9000/a.m3u8":                "http://127.0.0.1:9000",
		"http://[::1]:8080/a.m3u8":                    "http:",
		"https://bücher.example/a":                    "https:",
		"javascript:alert(1)":                         "",
		"file:///etc/passwd":                          "",
		"data:text/html,x":                            "",
		"//v.example/a":                               "",
		"http:///a":                                   "",
		"":                                            "",
		"https://v.example; script-src *":             "",
		"https://v.example;script-src%20*/":           "",
		"https://*/":                                  "https:",
		"https://v.example' 'unsafe-inline'/":         "",
		"https://" + strings.Repeat("a", 300) + ".eu": "",
	} {
		got := sourceOf(src)
		if got != want && !(want == "" && got == "https:") {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
		policy := contentSecurityPolicy(got)
		if strings.Count(policy, "script-src") != 1 || !strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %s", src, policy)
		}
	}
}

func TestEveryAssetIsKnown(t *testing.T) {
	c := Handler().(*console)
	entries, err := fs.ReadDir(assets, "assets")
	if err != nil || len(entries) != len(c.files) {
		t.Errorf("%d entries, %d files, %v", len(entries), len(c.files), err)
	}
}
