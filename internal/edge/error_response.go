package edge

import (
	"net/http"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/edge/field"
	"vodwright.dev/vodwright/internal/fault"
)

// knownError is an origin's refusal, kept for as long as a custom error response says.
type knownError struct {
	err     error
	expires time.Time
}

// maxErrors bounds how many are kept: about as much memory as one segment.
const maxErrors = 4096

// errorResponse returns the custom error response for a status, or nil.
func (d *knownDistribution) errorResponse(status int) *ErrorResponse {
	for i := range d.ErrorResponses {
		if d.ErrorResponses[i].Status == status {
			return &d.ErrorResponses[i]
		}
	}
	return nil
}

// errorLifetime returns how long an origin's err is kept: not at all, but where
// the distribution says so for its status.
func (b *knownBehavior) errorLifetime(err error) time.Duration {
	if err == nil || len(b.dist.ErrorResponses) == 0 {
		return 0
	}
	if r := b.dist.errorResponse(statusOf(fault.Of(err))); r != nil {
		return r.TTL
	}
	return 0
}

// errorPage answers with the page of the distribution's custom error response
// for status, and reports whether there was one. The page comes by the way that
// its own path takes, without the viewer's having to be admitted there.
func (v *viewer) errorPage(status int) bool {
	if v.dist == nil || !v.dist.Enabled || v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		return false
	}
	custom := v.dist.errorResponse(status)
	if custom == nil || custom.Path == "" {
		return false
	}
	path, err := v.dist.viewerPath(custom.Path)
	if err != nil {
		return false
	}
	b := v.dist.behavior(path)
	o, _, err := v.edge.object(v.r.Context(), b, cacheKey{v.dist.ID, b.store, path, b.key.variant(v.r)})
	if err != nil {
		v.edge.cfg.Logger.Warn("serve error page", "distribution", v.dist.ID, "path", custom.Path, "error", err)
		return false
	}
	defer v.edge.cache.release(o)
	length, size := o.headers.length, o.info.Size
	var source body
	if other, at := v.edge.encodedFor(v.r.Context(), o, b.encodings&field.AcceptedEncodings(v.r.Header["Accept-Encoding"])); other != nil {
		source = body{bytes: other.bytes, close: func() {}}
		length, size = other.length, int64(len(other.bytes.data))
		v.h["Content-Encoding"] = encodingNames[at]
	} else if source, err = v.edge.openBody(v.r.Context(), o, false); err != nil {
		return false
	}
	defer source.close()
	if o.compressible && b.encodings != 0 {
		addVary(v.h, "Accept-Encoding")
	}
	if custom.ResponseStatus != 0 {
		status = custom.ResponseStatus
	}
	v.h["X-Cache"] = errorHeader
	v.h["Content-Type"] = o.headers.contentType
	v.h["Content-Length"] = length
	set(v.h, "Content-Encoding", o.headers.contentEncoding)
	set(v.h, "Content-Language", o.headers.contentLanguage)
	v.h["X-Content-Type-Options"] = nosniffHeader
	v.h["Cache-Control"] = noCacheHeader // what is missing now may be there in a second
	if o.info.CacheControl != "" {
		v.h["Cache-Control"] = o.fresh.Load().cacheControl
	}
	v.writeHeader(status)
	if v.r.Method == http.MethodGet && size > 0 {
		v.transmit(o, source, 0, size)
	}
	return true
}

// statusOf returns the HTTP status that answers f.
func statusOf(f *fault.Error) int {
	switch {
	case f.Code == "MethodNotAllowed":
		return http.StatusMethodNotAllowed
	case f.Code == "InvalidRange":
		return http.StatusRequestedRangeNotSatisfiable
	case f.Code == "PreconditionFailed":
		return http.StatusPreconditionFailed
	case f.Kind == fault.Unavailable && strings.HasSuffix(f.Code, "Timeout"):
		return http.StatusGatewayTimeout
	case f.Kind == fault.Unavailable:
		return http.StatusBadGateway
	}
	return f.Kind.HTTPStatus()
}
