package awsapi

import (
	"net/url"
	"strings"
)

// Router finds the operation that a request names. It is made once and safe
// for concurrent use.
type Router struct{ routes []route }

type route struct {
	op    *Operation
	path  []string // elements; "{name}" and "{name+}" are labels
	query url.Values
}

// NewRouter returns the router of an API's operations.
func NewRouter(api API) *Router {
	r := &Router{}
	for i := range api.Operations {
		op := &api.Operations[i]
		path, query, _ := strings.Cut(op.URI, "?")
		q, err := url.ParseQuery(query)
		if err != nil {
			q = nil // a model with such a URI routes by path alone
		}
		r.routes = append(r.routes, route{op, strings.Split(path, "/"), q})
	}
	return r
}

// Match returns the operation of a request and the values of its labels,
// unescaped; nil when there is none. escapedPath is the path as it came over the
// wire, so that %2F within a label (an ARN) does not divide it. A literal
// element is preferred over a label, a URI with a query over one without.
func (r *Router) Match(method, escapedPath string, query url.Values) (*Operation, map[string]string) {
	elements := strings.Split(escapedPath, "/")
	var best *route
	var labels map[string]string
	bestRank := -1
	for i := range r.routes {
		rt := &r.routes[i]
		if rt.op.Method != method {
			continue
		}
		got, rank, ok := rt.match(elements, query)
		if ok && rank > bestRank {
			best, labels, bestRank = rt, got, rank
		}
	}
	if best == nil {
		return nil, nil
	}
	return best.op, labels
}

func (rt *route) match(elements []string, query url.Values) (labels map[string]string, rank int, ok bool) {
	labels = map[string]string{}
	for i, p := range rt.path {
		if i >= len(elements) {
			return nil, 0, false
		}
		name, isLabel := strings.CutPrefix(p, "{")
		if !isLabel {
			if elements[i] != p {
				return nil, 0, false
			}
			rank += 2
			continue
		}
		name = strings.TrimSuffix(name, "}")
		value := elements[i]
		greedy := strings.HasSuffix(name, "+")
		last := i == len(rt.path)-1
		// An ARN with bare slashes is one label where the label ends the URI: some
		// clients do not escape them.
		if last && (greedy || strings.HasPrefix(value, "arn:") || strings.HasPrefix(value, "arn%3A")) {
			value = strings.Join(elements[i:], "/")
			elements = elements[:i+1]
		}
		text, err := url.PathUnescape(value)
		if err != nil || text == "" {
			return nil, 0, false
		}
		labels[strings.TrimSuffix(name, "+")] = text
	}
	if len(elements) != len(rt.path) {
		return nil, 0, false
	}
	for k, want := range rt.query {
		if !query.Has(k) || (want[0] != "" && query.Get(k) != want[0]) {
			return nil, 0, false
		}
		rank++
	}
	return labels, rank, true
}
