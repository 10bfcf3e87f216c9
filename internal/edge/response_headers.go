package edge

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/edge/field"
)

// replyPlan is a response headers policy, ready to be applied to answers.
type replyPlan struct {
	remove       []string
	set, fill    []headerField // over the origin's, and where it sent none
	cors         *corsPlan     // nil: the policy says nothing of it
	timing       float64
	cacheControl bool // the policy decides about Cache-Control: the edge adds none of its own
}

// headerField is a header with its values as net/http takes them.
type headerField struct {
	name   string
	values []string
}

// corsPlan is the CORS part. Headers that are always the same are made once.
type corsPlan struct {
	origins, methods, headers      []string
	anyOrigin, anyMethod, override bool
	allowMethods, expose, maxAge   []string
	credentials                    bool
}

func planReply(p *ResponseHeadersPolicy) *replyPlan {
	if p == nil {
		return nil
	}
	plan := &replyPlan{timing: p.ServerTiming}
	for _, name := range p.Remove {
		if name = http.CanonicalHeaderKey(name); !framing(name) {
			plan.remove = append(plan.remove, name)
		}
	}
	for _, h := range slices.Concat(p.Security, p.Custom) {
		added := headerField{http.CanonicalHeaderKey(h.Name), []string{h.Value}}
		switch {
		case framing(added.name):
		case h.Override:
			plan.set = append(plan.set, added)
		default:
			plan.fill = append(plan.fill, added)
		}
		plan.cacheControl = plan.cacheControl || added.name == "Cache-Control"
	}
	plan.cacheControl = plan.cacheControl || slices.Contains(plan.remove, "Cache-Control")
	if c := p.CORS; c != nil {
		plan.cors = &corsPlan{
			origins: c.AllowOrigins, methods: c.AllowMethods, override: c.Override, credentials: c.AllowCredentials,
			anyOrigin: slices.Contains(c.AllowOrigins, "*"), anyMethod: slices.Contains(c.AllowMethods, "ALL"),
		}
		for _, name := range c.AllowHeaders {
			plan.cors.headers = append(plan.cors.headers, strings.ToLower(name))
		}
		methods := c.AllowMethods
		if plan.cors.anyMethod {
			methods = []string{"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"}
		}
		plan.cors.allowMethods = oneValue(strings.Join(methods, ", "))
		plan.cors.expose = oneValue(strings.Join(c.ExposeHeaders, ", "))
		if c.MaxAgeSeconds > 0 {
			plan.cors.maxAge = oneValue(strconv.Itoa(c.MaxAgeSeconds))
		}
	}
	return plan
}

// framing reports whether a header frames the message or names the edge's own
// doings: no policy may change those.
func framing(name string) bool {
	switch name {
	case "Content-Length", "Content-Encoding", "Content-Range", "Transfer-Encoding", "Connection", "Keep-Alive", "Trailer", "Upgrade", "Via", "X-Cache":
		return true
	}
	return strings.HasPrefix(name, "X-Amz-Cf-")
}

// apply changes the headers of an answer that is about to be sent.
func (p *replyPlan) apply(v *viewer) {
	for _, name := range p.remove {
		delete(v.h, name)
	}
	if p.cors != nil && v.r.Method != http.MethodOptions { // a preflight has been answered by the policy already
		if origin := v.r.Header.Get("Origin"); origin != "" {
			p.cors.apply(v.h, origin)
		}
	}
	for _, f := range p.set {
		v.h[f.name] = f.values
	}
	for _, f := range p.fill {
		if _, sent := v.h[f.name]; !sent {
			v.h[f.name] = f.values
		}
	}
	if p.timing > 0 && (p.timing >= 1 || rand.Float64() < p.timing) || p.timing > 0 && v.r.Header.Get("Pragma") == "server-timing" {
		v.h["Server-Timing"] = []string{v.serverTiming()}
	}
}

// corsHeaders are those that make up a CORS answer.
var corsHeaders = []string{
	"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods",
	"Access-Control-Allow-Headers", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
}

// apply adds the headers for a request from origin. Where the origin server sent
// any CORS header, its answer stands whole, or with Override is replaced whole
// (CloudFront Developer Guide, "CORS headers", "Origin override").
func (c *corsPlan) apply(h http.Header, origin string) {
	for _, name := range corsHeaders {
		if _, sent := h[name]; sent {
			if !c.override {
				return
			}
			delete(h, name)
		}
	}
	c.allow(h, origin)
}

// allow adds what every answer to a page on origin has, if it is allowed any.
func (c *corsPlan) allow(h http.Header, origin string) {
	if c.anyOrigin {
		h["Access-Control-Allow-Origin"] = anyOrigin
	} else {
		addVary(h, "Origin")
		if !c.allowsOrigin(origin) {
			return
		}
		h["Access-Control-Allow-Origin"] = []string{origin}
	}
	if c.credentials {
		h["Access-Control-Allow-Credentials"] = allowTrue
	}
	set(h, "Access-Control-Expose-Headers", c.expose)
}

func (c *corsPlan) allowsOrigin(origin string) bool {
	return c.anyOrigin || slices.ContainsFunc(c.origins, func(p string) bool { return field.MatchPattern(p, origin) })
}

// allows reports whether the policy lets a page on origin send method with headers.
func (c *corsPlan) allows(origin, method, headers string) bool {
	if !c.allowsOrigin(origin) || !c.anyMethod && !slices.Contains(c.methods, method) {
		return false
	}
	return allowsHeaders(c.headers, headers)
}

// addVary adds a name to Vary without touching shared values.
func addVary(h http.Header, name string) {
	old := strings.Join(h["Vary"], ", ")
	for have := range strings.SplitSeq(old, ",") {
		if strings.EqualFold(strings.TrimSpace(have), name) {
			return
		}
	}
	if old != "" {
		name = old + ", " + name
	}
	h["Vary"] = []string{name}
}

// serverTiming tells how the answer came about, in CloudFront's form.
func (v *viewer) serverTiming() string {
	took := strconv.FormatInt(int64(v.edge.cfg.Clock().Sub(v.now)/time.Millisecond), 10)
	var b strings.Builder
	switch v.result {
	case resultHit:
		b.WriteString(`cdn-cache-hit`)
	case resultRefreshHit:
		b.WriteString(`cdn-upstream-layer;desc="EDGE",cdn-upstream-fbl;dur=` + took + `,cdn-cache-refresh`)
	default:
		b.WriteString(`cdn-upstream-layer;desc="EDGE",cdn-upstream-fbl;dur=` + took + `,cdn-cache-miss`)
	}
	b.WriteString(`,cdn-pop;desc="` + popHeader[0] + `",cdn-rid;desc="` + v.scratch.id[0] + `"`)
	if v.result == resultHit {
		b.WriteString(`,cdn-hit-layer;desc="EDGE"`)
	}
	return b.String() + `,cdn-downstream-fbl;dur=` + took
}
