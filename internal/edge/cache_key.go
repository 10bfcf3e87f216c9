package edge

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/edge/viewersign"
)

// cacheKey names an object at the edge. The bucket is part of it, so that a
// distribution given another origin serves nothing of the old one.
type cacheKey struct {
	distribution string
	store        string // the bucket, a slash and the origin's path: "films/" or "films/site/v1/"
	path         string // decoded, without a leading slash, the root object's for "/"
	variant      string // what the cache policy takes of headers, query strings and cookies
}

// object returns the bucket and the key.
func (k *cacheKey) object() (bucket, key string) {
	bucket, prefix, _ := strings.Cut(k.store, "/")
	return bucket, prefix + k.path
}

// keyPlan is what of a request belongs to the cache key beside the path.
type keyPlan struct {
	headers          []string // canonical, sorted
	queries, cookies nameSet
}

func planKey(p *CachePolicy, signed bool) keyPlan {
	plan := keyPlan{queries: newNameSet(p.QueryStrings), cookies: newNameSet(p.Cookies)}
	if p.Headers.Kind == Whitelist {
		for _, name := range p.Headers.Names {
			plan.headers = append(plan.headers, http.CanonicalHeaderKey(name))
		}
		slices.Sort(plan.headers)
		plan.headers = slices.Compact(plan.headers)
	}
	if signed { // a signature lets a viewer in; the answer does not depend on it
		plan.queries.without(signatureQueries)
		plan.cookies.without(signatureCookies)
	}
	return plan
}

// The names under which signed URLs and signed cookies carry what they prove
// (CloudFront Developer Guide, "Use signed URLs", "Use signed cookies").
var (
	signatureQueries = []string{"Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm", viewersign.ParamToken}
	signatureCookies = []string{"CloudFront-Expires", "CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id", "CloudFront-Hash-Algorithm"}
)

// variant returns the part of the cache key that headers, query strings and
// cookies make; "" when the policy takes none or the request has none. Two
// requests have the same variant only if they agree in everything the policy
// takes: values hold no line feed, which ends them here.
func (p *keyPlan) variant(r *http.Request) string {
	if p.headers == nil && (p.queries.kind == None || r.URL.RawQuery == "") && p.cookies.kind == None {
		return ""
	}
	var b strings.Builder
	for _, name := range p.headers {
		values := r.Header[name]
		switch {
		case name == "Host": // net/http keeps it apart
			values = []string{hostName(r.Host)}
		case strings.HasPrefix(name, "Cloudfront-"): // the edge's own to set; it knows none
			values = nil
		}
		for _, v := range values {
			b.WriteString("\nh")
			b.WriteString(name)
			b.WriteByte(':')
			b.WriteString(v)
		}
	}
	if p.queries.kind != None {
		p.queries.collect(&b, "\nq", r.URL.RawQuery, "&")
	}
	if p.cookies.kind != None {
		for _, line := range r.Header["Cookie"] {
			p.cookies.collect(&b, "\nc", line, ";")
		}
	}
	return b.String()
}

// nameSet decides by name; the zero one selects nothing.
type nameSet struct {
	kind  SelectorKind
	names map[string]bool
}

func newNameSet(s Selector) nameSet {
	set := nameSet{kind: s.Kind, names: map[string]bool{}}
	if s.Kind == "none" {
		set.kind = None
	}
	for _, name := range s.Names {
		set.names[name] = true
	}
	return set
}

// without takes names out of the selection, whatever its kind.
func (s *nameSet) without(names []string) {
	if s.kind == All {
		s.kind, s.names = AllExcept, map[string]bool{}
	}
	for _, name := range names {
		if s.kind == Whitelist {
			delete(s.names, name)
		} else if s.kind == AllExcept {
			s.names[name] = true
		}
	}
}

func (s *nameSet) selects(name string) bool {
	switch s.kind {
	case Whitelist:
		return s.names[name]
	case AllExcept:
		return !s.names[name]
	}
	return s.kind == All
}

// collect writes the pairs of list that are selected, each after mark, as they
// were written and in their order, as CloudFront does.
func (s *nameSet) collect(b *strings.Builder, mark, list, separator string) {
	for pair := range strings.SplitSeq(list, separator) {
		if separator == ";" {
			pair = strings.Trim(pair, " \t")
		}
		if pair == "" {
			continue
		}
		name, _, _ := strings.Cut(pair, "=")
		if separator == "&" && strings.ContainsAny(name, "%+") {
			if plain, err := url.QueryUnescape(name); err == nil {
				name = plain
			}
		}
		if s.selects(name) {
			b.WriteString(mark)
			b.WriteString(pair)
		}
	}
}
