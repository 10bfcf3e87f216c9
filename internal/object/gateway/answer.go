package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"syscall"

	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/auth"
)

func (g *Gateway) acquire() (*fasthttp.RequestCtx, bool) {
	c, ok := g.contexts.Get().(*fasthttp.RequestCtx)
	return c, ok
}

// answer writes what versitygw answered.
func (g *Gateway) answer(w http.ResponseWriter, r *http.Request, c *fasthttp.RequestCtx) {
	s := &c.Response
	h := w.Header()
	for k, v := range s.Header.All() {
		switch k := string(k); k {
		case "X-Amz-Request-Id", "X-Amz-Id-2", "Server", "Connection":
			// The first two come twice, in lower case too. How long the connection
			// lives is net/http's to say.
		default:
			h[k] = append(h[k], string(v)) // names as they are: clients show x-amz-meta- names as sent
		}
	}
	// A client that expects "100 Continue" and gets the answer instead, which
	// net/http gives when there is no body to read: botocore then misreads the
	// next answer on the connection.
	early := r.ContentLength == 0 && r.Header.Get("Expect") != ""
	if s.ConnectionClose() || early {
		h.Set("Connection", "close")
	}
	code := s.StatusCode()
	if code >= http.StatusBadRequest {
		g.allowOrigin(h, r)
	}
	if code == http.StatusNoContent || code == http.StatusNotModified {
		h.Del("Content-Length")
	}
	body := s.BodyStream()
	if body == nil {
		w.WriteHeader(code)
		if r.Method != http.MethodHead {
			_, _ = w.Write(s.Body())
		}
		return
	}
	defer func() { _ = s.CloseBodyStream() }()
	w.WriteHeader(code)
	if r.Method == http.MethodHead || code == http.StatusNoContent || code == http.StatusNotModified {
		return
	}
	if _, err := io.Copy(w, body); err != nil {
		gone := r.Context().Err() != nil || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
		if !gone {
			g.log.ErrorContext(r.Context(), "send object", "path", r.URL.Path, "err", err)
		}
		panic(http.ErrAbortHandler) // the client must not take what it got for the whole
	}
}

// allowOrigin adds a bucket's CORS headers to an error, which versitygw leaves
// bare: without them a page can not tell a missing segment from a dead network.
func (g *Gateway) allowOrigin(h http.Header, r *http.Request) {
	origin := r.Header.Get("Origin")
	if origin == "" || r.Method == http.MethodOptions || h.Get("Access-Control-Allow-Origin") != "" {
		return
	}
	name, _ := g.target(r)
	b, err := g.cfg.Engine.Bucket(context.WithoutCancel(r.Context()), name)
	if err != nil || b.Documents[DocumentCORS] == nil {
		return
	}
	rules, err := auth.ParseCORSOutput(b.Documents[DocumentCORS])
	if err != nil {
		return
	}
	allowed, err := rules.IsAllowed(origin, auth.CORSHTTPMethod(r.Method), nil, "")
	if err != nil {
		return
	}
	h.Set("Access-Control-Allow-Origin", allowed.Origin)
	h.Set("Access-Control-Allow-Methods", allowed.Methods)
	h.Set("Access-Control-Allow-Credentials", allowed.AllowCredentials)
	h.Add("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
	if allowed.ExposedHeaders != "" {
		h.Set("Access-Control-Expose-Headers", allowed.ExposedHeaders)
	}
}
