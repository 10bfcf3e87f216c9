// Package console is what the server shows people in a browser, under /_/: a page
// that says what this server is and how to use it, and a player for its streams.
//
// Nothing flows in but the request's own Host and query; out come embedded files.
// The room touches no domain room: pages that show data call the public APIs from
// the browser. Everything is vendored and embedded, there is no build step.
//
// The pages may not become a way into a user's browser: nothing from a request is
// written into HTML without escaping, no script is inline, and a content security
// policy allows scripts from here alone and media from the edge's hosts and the
// one host that the player's src names.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

// edgeHosts are the hosts of distributions in the embedded set-up, with any port.
const edgeHosts = "http://*.cdn.localhost:* https://*.cdn.localhost:*"

// Handler returns the handler of /_/. It is safe for concurrent use.
func Handler() http.Handler {
	c := &console{files: map[string]file{}, started: time.Now()}
	for _, entry := range read(fs.ReadDir(assets, "assets")) {
		c.add(entry.Name())
	}
	c.landing = template.Must(template.ParseFS(assets, "assets/landing.html"))
	return c
}

type console struct {
	files   map[string]file // by name
	landing *template.Template
	started time.Time
}

type file struct {
	data         []byte
	contentType  string
	etag         string
	cacheControl string
}

// read unwraps results of the embedded file system, which cannot fail.
func read[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (c *console) add(name string) {
	data := read(assets.ReadFile("assets/" + name))
	sum := sha256.Sum256(data)
	f := file{data: data, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, cacheControl: "no-cache"}
	switch path.Ext(name) {
	case ".html":
		f.contentType = "text/html; charset=utf-8"
	case ".css":
		f.contentType = "text/css; charset=utf-8"
	case ".js":
		f.contentType = "text/javascript; charset=utf-8"
	case ".svg":
		f.contentType = "image/svg+xml"
	default: // licences
		f.contentType = "text/plain; charset=utf-8"
	}
	if strings.HasPrefix(name, "hls-") { // the version is in the name
		f.cacheControl = "public, max-age=31536000, immutable"
	}
	c.files[name] = f
}

// ServeHTTP answers /_/, /_/player and /_/assets/….
func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Content-Security-Policy", contentSecurityPolicy(""))
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "This page can only be read.", http.StatusMethodNotAllowed)
		return
	}
	switch r.URL.Path {
	case "/_":
		http.Redirect(w, r, "/_/", http.StatusMovedPermanently)
	case "/_/":
		c.serveLanding(w, r)
	case "/_/player":
		h.Set("Content-Security-Policy", contentSecurityPolicy(sourceOf(r.URL.Query().Get("src"))))
		c.serve(w, r, "player.html")
	default:
		name, ok := strings.CutPrefix(r.URL.Path, "/_/assets/")
		if _, exists := c.files[name]; !ok || !exists || path.Ext(name) == ".html" {
			http.Error(w, "There is no such page. The console begins at /_/.", http.StatusNotFound)
			return
		}
		c.serve(w, r, name)
	}
}

func (c *console) serve(w http.ResponseWriter, r *http.Request, name string) {
	f := c.files[name]
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.cacheControl)
	h.Set("Etag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
}

func (c *console) serveLanding(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	var page bytes.Buffer
	err := c.landing.Execute(&page, struct{ Endpoint, Suffix string }{
		Endpoint: scheme + "://" + r.Host,
		Suffix:   "<id>.cdn.localhost" + portOf(r.Host),
	})
	if err != nil {
		http.Error(w, fmt.Sprintf("The page could not be made: %v", err), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	if r.Method != http.MethodHead {
		_, _ = w.Write(page.Bytes())
	}
}

func portOf(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[i:]
	}
	return ""
}

// contentSecurityPolicy returns the policy of a page that may besides read media from source.
func contentSecurityPolicy(source string) string {
	media := "'self' " + edgeHosts
	if source != "" {
		media += " " + source
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self' data:",
		"media-src blob: " + media,
		"connect-src " + media,
		"worker-src blob:", // hls.js transmuxes in one
		"form-action 'self'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

// sourceOf returns the CSP source that allows the host of src: its origin, or its
// whole scheme where a policy cannot name the host (IPv6, other scripts than
// Latin), or "" if src is nothing that the player plays. Only characters that
// mean nothing in a policy come through.
func sourceOf(src string) string {
	u, err := url.Parse(src)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || len(u.Host) > 260 {
		return ""
	}
	for _, c := range u.Hostname() {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_') {
			return u.Scheme + ":"
		}
	}
	port := u.Port() // digits alone, url.Parse sees to it
	if port != "" {
		port = ":" + port
	}
	return u.Scheme + "://" + u.Hostname() + port
}
