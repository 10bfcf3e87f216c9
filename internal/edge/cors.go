package edge

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/edge/field"
	"vodwright.dev/vodwright/internal/fault"
)

// Headers of cross-origin answers that are always the same. See viewer.go for why they are shared.
var (
	anyOrigin      = []string{"*"}
	allowTrue      = []string{"true"}
	readMethods    = []string{"GET, HEAD"}
	exposeDefault  = []string{"Accept-Ranges, Age, Content-Encoding, Content-Length, Content-Range, Date, ETag, Last-Modified, Via, X-Amz-Cf-Id, X-Cache, X-Vodwright-Why"}
	varyByOrigin   = []string{"Origin, Access-Control-Request-Headers, Access-Control-Request-Method"} // as S3 sends it
	maxAgeDefault  = []string{"600"}
	emptyBody      = []string{"0"}
	preflightCache = []string{"no-store"}
)

// knownCORS is a bucket's rules, kept for a moment.
type knownCORS struct {
	rules   []CORSRule
	err     error // the rules could not be read: nothing is allowed
	expires time.Time
}

// corsRules returns the CORS rules of a bucket. While they cannot be read the
// last known ones stand; when there are none, err is set.
func (e *Edge) corsRules(ctx context.Context, bucket string, now time.Time) *knownCORS {
	e.known.mu.RLock()
	old := e.known.cors[bucket]
	e.known.mu.RUnlock()
	if old != nil && now.Before(old.expires) {
		return old
	}
	rules, err := e.cfg.Origin.CORS(ctx, bucket)
	switch {
	case err == nil:
	case fault.KindOf(err) == fault.NotFound: // no bucket: opening the object will say so
		err = nil
	case ctx.Err() != nil:
		return &knownCORS{err: err}
	default:
		e.cfg.Logger.Warn("read CORS rules", "bucket", bucket, "error", err)
		if old != nil && old.err == nil {
			rules, err = old.rules, nil
		}
	}
	known := &knownCORS{rules: rules, err: err, expires: now.Add(configLifetime)}
	e.known.mu.Lock()
	if len(e.known.cors) >= maxKnown {
		clear(e.known.cors)
	}
	e.known.cors[bucket] = known
	e.known.mu.Unlock()
	return known
}

// crossOrigin adds the CORS headers of a GET or HEAD answer, errors included: a
// player can only tell a 404 from a broken network if it may read it.
func (v *viewer) crossOrigin(b *knownBehavior) {
	known := v.edge.corsRules(v.r.Context(), b.origin.Bucket, v.now)
	if known.err != nil {
		return
	}
	if len(known.rules) == 0 {
		if b.forwardsOrigin { // the bucket was asked, and allows nobody
			return
		}
		// Sent without an Origin header too: a browser may use an answer it has
		// stored for an <img> for a later fetch.
		v.h["Access-Control-Allow-Origin"] = anyOrigin
		v.h["Access-Control-Expose-Headers"] = exposeDefault
		return
	}
	v.h["Vary"] = varyByOrigin
	origin := v.r.Header.Get("Origin")
	if origin == "" {
		return
	}
	if rule, pattern := matchRule(known.rules, origin, v.r.Method, ""); rule != nil {
		v.allow(rule, pattern, origin)
	}
}

// preflight answers a browser's OPTIONS request: 200 if the response headers
// policy or a rule of the bucket allows what it asks for, else S3's 403 (Amazon S3
// User Guide, "Testing CORS").
func (v *viewer) preflight(b *knownBehavior) error {
	origin, method := v.r.Header.Get("Origin"), v.r.Header.Get("Access-Control-Request-Method")
	if origin == "" || method == "" {
		return fault.New(fault.Invalid, "BadRequest", "Insufficient information. Origin request header needed").
			WithHint("OPTIONS answers CORS preflight requests, which carry Origin and Access-Control-Request-Method")
	}
	headers := v.r.Header.Get("Access-Control-Request-Headers")
	allowed := false
	if b.bucketCORS {
		known := v.edge.corsRules(v.r.Context(), b.origin.Bucket, v.now)
		if known.err != nil {
			return known.err
		}
		v.h["Vary"] = varyByOrigin
		// A distribution serves no other methods, whatever the bucket's rules allow.
		reads := method == http.MethodGet || method == http.MethodHead
		rule, pattern := matchRule(known.rules, origin, method, headers)
		switch {
		case reads && len(known.rules) == 0 && !b.forwardsOrigin:
			v.h["Access-Control-Allow-Origin"] = anyOrigin
			v.h["Access-Control-Allow-Methods"] = readMethods
			v.h["Access-Control-Max-Age"] = maxAgeDefault
			allowed = true
		case reads && rule != nil:
			v.allow(rule, pattern, origin)
			allowed = true
		}
	}
	if cors := b.cors(); cors != nil && cors.allows(origin, method, headers) && (cors.override || !allowed) {
		for _, name := range corsHeaders {
			delete(v.h, name)
		}
		cors.allow(v.h, origin)
		set(v.h, "Access-Control-Allow-Methods", cors.allowMethods)
		set(v.h, "Access-Control-Max-Age", cors.maxAge)
		allowed = true
	}
	if !allowed {
		return fault.New(fault.Denied, "AccessForbidden", "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec").
			WithHint("see the bucket's rules with `aws s3api get-bucket-cors`, and the behavior's response headers policy")
	}
	if headers != "" {
		v.h["Access-Control-Allow-Headers"] = []string{headers} // allowed one by one
	}
	v.h["Cache-Control"] = preflightCache
	v.h["Content-Length"] = emptyBody
	v.writeHeader(http.StatusOK)
	return nil
}

// allow adds the headers that a matching rule gives, as S3 does: a rule for every
// origin answers "*", a narrower one names the origin and allows credentials.
func (v *viewer) allow(rule *CORSRule, pattern, origin string) {
	if pattern == "*" {
		v.h["Access-Control-Allow-Origin"] = anyOrigin
	} else {
		v.h["Access-Control-Allow-Origin"] = []string{origin}
		v.h["Access-Control-Allow-Credentials"] = allowTrue
	}
	v.h["Access-Control-Allow-Methods"] = []string{strings.Join(rule.AllowedMethods, ", ")}
	if len(rule.ExposeHeaders) > 0 {
		v.h["Access-Control-Expose-Headers"] = []string{strings.Join(rule.ExposeHeaders, ", ")}
	}
	if rule.MaxAgeSeconds > 0 {
		v.h["Access-Control-Max-Age"] = []string{strconv.Itoa(rule.MaxAgeSeconds)}
	}
}

// matchRule returns the first rule that allows origin, method and every one of
// the comma-separated headers, with the pattern that origin matched; nil for none.
func matchRule(rules []CORSRule, origin, method, headers string) (rule *CORSRule, pattern string) {
	for i := range rules {
		r := &rules[i]
		if !slices.Contains(r.AllowedMethods, method) {
			continue
		}
		at := slices.IndexFunc(r.AllowedOrigins, func(p string) bool { return field.MatchWildcard(p, origin) })
		if at >= 0 && allowsHeaders(lower(r.AllowedHeaders), headers) {
			return r, r.AllowedOrigins[at]
		}
	}
	return nil, ""
}

// allowsHeaders reports whether each of the comma-separated headers matches one of patterns, in lower case.
func allowsHeaders(patterns []string, headers string) bool {
	for name := range strings.SplitSeq(headers, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "" && !slices.ContainsFunc(patterns, func(p string) bool { return field.MatchWildcard(p, name) }) {
			return false
		}
	}
	return true
}

func lower(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = strings.ToLower(name)
	}
	return out
}
