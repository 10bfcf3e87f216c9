package edge

import (
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/edge/viewersign"
	"vodwright.dev/vodwright/internal/fault"
)

// Header values that never change are shared slices: net/http only reads them.
var (
	popHeader         = []string{"LOCAL1-P1"} // CloudFront: an airport code, a number, a cache's name
	serverHeader      = []string{"Vodwright"}
	nosniffHeader     = []string{"nosniff"}
	acceptBytesHeader = []string{"bytes"}
	hitHeader         = []string{"Hit from cloudfront"}
	missHeader        = []string{"Miss from cloudfront"}
	refreshHitHeader  = []string{"RefreshHit from cloudfront"}
	errorHeader       = []string{"Error from cloudfront"}
	noCacheHeader     = []string{"no-cache"}
)

// viewer is one request on its way through the edge.
type viewer struct {
	edge     *Edge
	w        http.ResponseWriter
	r        *http.Request
	h        http.Header // of the response
	now      time.Time
	dist     *knownDistribution // nil until it is known
	behavior *knownBehavior     // likewise
	path     string             // as behaviors and the cache know it
	// signed and grant say by what the viewer was admitted; nil where anybody is.
	signed *viewersign.Request
	grant  *viewersign.Grant

	// What came of it, for the access log.
	status    int // 0: nothing was sent
	result    result
	sent      int64
	cut       bool // the body was not sent whole
	firstByte time.Time

	scratch *scratch
}

// scratch holds the one-element slices of headers that differ by request, so
// that they cost one allocation together. It is apart from the viewer, which then
// needs none.
type scratch struct{ id, age, via, length, contentRange [1]string }

// result is how a request was answered, as an access log tells it.
type result string

const (
	resultHit        result = "Hit"
	resultRefreshHit result = "RefreshHit"
	resultMiss       result = "Miss"
	resultRedirect   result = "Redirect"
	resultError      result = "Error"
)

// serve answers the request or returns the error to answer with.
func (v *viewer) serve() error {
	host := hostName(v.r.Host)
	d, err := v.edge.distribution(v.r.Context(), host, v.now)
	if err != nil {
		v.h["Access-Control-Allow-Origin"] = anyOrigin // a page may read why its stream does not play
		return refuse(layerDistribution, err)
	}
	v.dist = d
	v.scratch.via[0] = d.via
	v.h["Via"] = v.scratch.via[:]
	path, pathErr := d.viewerPath(v.r.URL.Path)
	b := d.behavior(path)
	v.path, v.behavior = path, b
	// Before anything can go wrong or be redirected: browsers hide answers without CORS headers.
	if v.r.Method != http.MethodOptions && b.bucketCORS {
		v.crossOrigin(b)
	}
	if !d.Enabled {
		return refuse(layerDistribution, fault.New(fault.Denied, "AccessDenied", "The distribution %s is disabled", d.ID).
			WithHint("enable it with `aws cloudfront update-distribution` (Enabled: true)"))
	}
	if d.Firewall != FirewallOff {
		if err := v.inspect(); err != nil {
			return refuse(layerFirewall, err)
		}
	}
	if v.r.TLS == nil && b.ViewerProtocolPolicy != AllowAll {
		if b.ViewerProtocolPolicy == RedirectToHTTPS {
			v.redirect(host)
			return nil
		}
		return refuse(layerViewerProtocol, fault.New(fault.Denied, "AccessDenied", "This distribution answers over HTTPS only").
			WithHint("use https:// and the TLS port, or set ViewerProtocolPolicy to allow-all or redirect-to-https"))
	}
	switch method := v.r.Method; {
	case method == http.MethodGet || method == http.MethodHead:
	case !b.allows(method):
		return refuse(layerMethod, v.methodRefused(method))
	case method == http.MethodOptions:
		return refuse(layerCORS, v.preflight(b))
	default:
		v.h["Allow"] = oneValue(b.allow)
		return refuse(layerMethod, fault.New(fault.Invalid, "MethodNotAllowed", "The method %s is allowed here, but the edge only reads from buckets", method).
			WithHint("write to the bucket through the S3 API, not through the distribution"))
	}
	if pathErr != nil {
		if fault.KindOf(pathErr) == fault.NotFound {
			return refuse(layerMissing, pathErr)
		}
		return refuse(layerPath, pathErr)
	}
	if err := v.admit(b); err != nil {
		return refuse(layerSignature, err)
	}
	if b.origin.Bucket == "" {
		return refuse(layerDistribution, fault.New(fault.NotFound, "NoSuchOrigin", "The distribution has no origin for this path").
			WithHint("the behavior's TargetOriginId must name one of the distribution's origins"))
	}

	return v.deliver(b, cacheKey{d.ID, b.store, path, b.key.variant(v.r)})
}

// deliver finds the object and sends it.
func (v *viewer) deliver(b *knownBehavior, k cacheKey) error {
	obj, how, err := v.edge.object(v.r.Context(), b, k)
	if err != nil {
		return originFault(err, v.r.URL.Path)
	}
	defer v.edge.cache.release(obj)
	if obj.info.Size < 0 {
		if sent, err := v.respondGrowing(obj, how); sent || err != nil {
			return err
		}
		return v.deliver(b, k)
	}
	if v.rewritesPlaylists(b) && isHLS(obj.info.ContentType) {
		return v.respondSigned(obj, how)
	}
	return v.respond(obj, how)
}

// methodRefused says that the behavior does not allow the request's method.
func (v *viewer) methodRefused(method string) error {
	if knownMethod(method) {
		return fault.New(fault.Denied, "AccessDenied", "This distribution is not configured to allow the HTTP request method that was used for this request. The distribution supports only cachable requests").
			WithHint("this path allows %s; write to the bucket through the S3 API, not through the distribution", v.behavior.allow)
	}
	v.h["Allow"] = oneValue(v.behavior.allow)
	return fault.New(fault.Invalid, "MethodNotAllowed", "The method %.20q is not allowed here", method)
}

// knownMethod reports whether CloudFront knows the method at all.
func knownMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// writeHeader sends the status and the headers, after the behavior's response
// headers policy. Every answer goes through here.
func (v *viewer) writeHeader(status int) {
	if v.behavior != nil && v.behavior.reply != nil {
		v.behavior.reply.apply(v)
	}
	v.status = status
	if v.dist != nil && v.dist.AccessLog != nil {
		v.firstByte = v.edge.cfg.Clock()
	}
	v.w.WriteHeader(status)
}

// finish tells the access log.
func (v *viewer) finish() {
	if v.dist == nil || v.dist.AccessLog == nil {
		return
	}
	v.edge.note(record{
		distribution: v.dist, writer: v.w, request: v.r, header: v.h, id: v.scratch.id[0], status: v.status, bytes: v.sent,
		began: v.now, firstByte: v.firstByte.Sub(v.now), took: v.edge.cfg.Clock().Sub(v.now), result: v.result, whole: !v.cut && v.status != 0,
	})
}

// redirect sends the viewer to the same URL over HTTPS: 301 for GET and HEAD,
// 307 otherwise (CloudFront Developer Guide, "Viewer protocol policy").
func (v *viewer) redirect(host string) {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p := v.edge.cfg.TLSPort; p != 0 && p != 443 {
		host += ":" + strconv.Itoa(p)
	}
	status := http.StatusTemporaryRedirect
	if v.r.Method == http.MethodGet || v.r.Method == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	path := v.r.URL.EscapedPath()
	if !strings.HasPrefix(path, "/") { // "OPTIONS *"
		path = "/"
	}
	if q := v.r.URL.RawQuery; q != "" {
		path += "?" + q
	}
	v.h["Location"] = []string{"https://" + host + path}
	v.result = resultRedirect
	v.h["X-Cache"] = []string{"Redirect from cloudfront"}
	v.h["Content-Length"] = emptyBody
	v.writeHeader(status)
}

// hostName returns the host of a Host header in lower case, without port and final dot.
func hostName(host string) string {
	if strings.HasPrefix(host, "[") || strings.LastIndexByte(host, ':') >= 0 {
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// requestID returns 56 characters that name a request, in CloudFront's form.
// They only need to be unlikely to repeat; nothing secret hangs on them.
func requestID() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b [56]byte
	for i := 0; i < 54; {
		for bits, n := rand.Uint64(), 0; n < 10 && i < 54; n++ {
			b[i] = alphabet[bits&63]
			bits >>= 6
			i++
		}
	}
	b[54], b[55] = '=', '='
	return string(b[:])
}
