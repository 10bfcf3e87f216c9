package apiserver

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/fault"
)

// arguments are the members of an input that came outside of its document.
type arguments struct {
	labels map[string]string // of the URI, in the REST protocols
	form   url.Values        // all members, in the query protocol
}

// route finds the operation that a request names: by its path in the REST
// protocols, by X-Amz-Target in the json protocol, by the Action of its form in
// the query protocol.
func (s *Server) route(r *http.Request) (*awsapi.Operation, arguments, error) {
	switch s.cfg.API.Protocol {
	case awsapi.JSON:
		target := r.Header.Get("X-Amz-Target")
		name, ok := strings.CutPrefix(target, s.cfg.API.TargetPrefix+".")
		if op := s.byName[name]; ok && op != nil {
			return op, arguments{}, nil
		}
		return nil, arguments{}, fault.New(fault.Invalid, "UnknownOperationException", "%s has no operation for the X-Amz-Target %.200q", s.cfg.API.Service, target)
	case awsapi.Query:
		form, err := s.readForm(r)
		if err != nil {
			return nil, arguments{}, err
		}
		if op := s.byName[form.Get("Action")]; op != nil {
			return op, arguments{form: form}, nil
		}
		return nil, arguments{}, fault.New(fault.Invalid, "InvalidAction", "Could not find operation %.200s for version %s", form.Get("Action"), s.cfg.API.Version)
	}
	op, labels := s.router.Match(r.Method, r.URL.EscapedPath(), r.URL.Query())
	if op == nil {
		return nil, arguments{}, &fault.Error{
			Kind: fault.NotFound, Code: "UnknownOperationException",
			Message: fmt.Sprintf("%s has no operation for %s %s", s.cfg.API.Service, r.Method, r.URL.Path),
		}
	}
	return op, arguments{labels: labels}, nil
}

// readForm returns the fields of the query and, of a POST, of the body.
func (s *Server) readForm(r *http.Request) (url.Values, error) {
	malformed := func(err error) error {
		return fault.New(fault.Invalid, "MalformedQueryString", "read the request's form: %w", err)
	}
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed(err)
	}
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Method != http.MethodPost || t != "application/x-www-form-urlencoded" {
		return form, nil
	}
	body, err := s.readBody(r)
	if err != nil {
		return nil, err
	}
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, malformed(err)
	}
	for k, v := range fields {
		form[k] = v
	}
	return form, nil
}
