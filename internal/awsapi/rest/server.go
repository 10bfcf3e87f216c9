// Package rest answers HTTP requests of the rest-json and rest-xml APIs.
//
// A Server routes a request to an operation, has it authenticated, decodes and
// validates its input, calls the Handler bound to the operation and encodes what
// comes back, an output or an error, in the API's protocol. An operation of the
// API that has no Handler is answered with NotImplementedException, by its name.
//
// It touches the network through net/http only and keeps nothing between
// requests. Inputs are bounded before they are parsed; every answer carries a
// request id, and an internal error's chain goes to the log under that id.
package rest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
)

// Authenticate says who signed a request for the service of that signing name.
// Its error is answered to the client as it is.
type Authenticate func(r *http.Request, service string) (sigv4.Identity, error)

// Config says what a Server serves. Logger and Describe may be nil.
type Config struct {
	API          awsapi.API
	Handlers     map[string]Handler // by operation name
	Authenticate Authenticate
	// Describe words the violations of an input as the service does; nil lists them a line each.
	Describe func([]awsapi.Violation) *fault.Error
	// Code names an error in the service's terms, from its kind when the error has no code itself,
	// and gives its HTTP status.
	Code   func(*fault.Error) (code string, status int)
	Schema *awsapi.Schema // shared with others that read the same shapes; nil makes one
	Logger *slog.Logger
}

// Server is an http.Handler, safe for concurrent use.
type Server struct {
	cfg    Config
	router *awsapi.Router
	schema *awsapi.Schema
	log    *slog.Logger
}

// NewServer returns the server of an API. It panics when a handler is bound to an
// operation that the API does not have or has no shapes for: a defect of the program.
func NewServer(cfg Config) *Server {
	s := &Server{cfg: cfg, router: awsapi.NewRouter(cfg.API), schema: cfg.Schema, log: cfg.Logger}
	if s.schema == nil {
		s.schema = &awsapi.Schema{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	inputs := map[string]func() any{}
	for _, op := range cfg.API.Operations {
		inputs[op.Name] = op.Input
	}
	for name, h := range cfg.Handlers {
		if inputs[name] == nil || reflect.TypeOf(inputs[name]()) != h.input {
			panic(fmt.Sprintf("rest: %s has no operation %q with that input", cfg.API.Service, name))
		}
	}
	return s
}

// Call is what a handler may know of the request besides its input.
type Call struct {
	Identity  sigv4.Identity
	RequestID string
	BaseURL   string   // scheme and authority that the client reached us by
	Unknown   []string // members of the document that the API has not; skipped
	// Violations of the model; empty unless the handler was bound with HandleUnchecked.
	Violations []awsapi.Violation
}

// Handler carries out one operation.
type Handler struct {
	input     reflect.Type
	unchecked bool
	call      func(ctx context.Context, call *Call, in any) (any, error)
}

// Handle binds f to an operation whose input is *I. f sees only inputs that the model accepts.
func Handle[I, O any](f func(context.Context, *Call, *I) (*O, error)) Handler {
	return Handler{input: reflect.TypeFor[*I](), call: func(ctx context.Context, call *Call, in any) (any, error) {
		return f(ctx, call, in.(*I))
	}}
}

// HandleUnchecked is Handle for an f that reports Call.Violations itself,
// together with problems that only it can see.
func HandleUnchecked[I, O any](f func(context.Context, *Call, *I) (*O, error)) Handler {
	h := Handle(f)
	h.unchecked = true
	return h
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := &Call{RequestID: newRequestID(), BaseURL: baseURL(r)}
	w.Header().Set("X-Amzn-Requestid", call.RequestID)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.log.ErrorContext(r.Context(), "handler panicked", "request", call.RequestID, "panic", p, "stack", string(debug.Stack()))
			s.fail(w, r, call, fault.New(fault.Internal, "", "the request made the server fail"))
		}
	}()
	op, labels := s.router.Match(r.Method, r.URL.EscapedPath(), r.URL.Query())
	out, err := s.carryOut(r, call, op, labels)
	if err != nil {
		s.fail(w, r, call, err)
		return
	}
	s.answer(w, r, call, op, out)
}

func (s *Server) carryOut(r *http.Request, call *Call, op *awsapi.Operation, labels map[string]string) (any, error) {
	var err error
	if call.Identity, err = s.cfg.Authenticate(r, s.cfg.API.SigningName); err != nil {
		return nil, err
	}
	if op == nil {
		return nil, &fault.Error{
			Kind: fault.NotFound, Code: "UnknownOperationException",
			Message: fmt.Sprintf("%s has no operation for %s %s", s.cfg.API.Service, r.Method, r.URL.Path),
		}
	}
	h, ok := s.cfg.Handlers[op.Name]
	if !ok {
		return nil, notImplemented(s.cfg.API.Service, op.Name)
	}
	in := op.Input()
	if call.Violations, err = s.decode(r, in, labels, call); err != nil {
		return nil, err
	}
	call.Violations = append(call.Violations, s.schema.Validate(in)...)
	if len(call.Violations) > 0 && !h.unchecked {
		if s.cfg.Describe != nil {
			return nil, s.cfg.Describe(call.Violations)
		}
		return nil, Describe(call.Violations, nil)
	}
	if len(call.Unknown) > 0 {
		s.log.InfoContext(r.Context(), "unknown members skipped", "operation", op.Name, "request", call.RequestID, "members", call.Unknown)
	}
	return h.call(r.Context(), call, in)
}

// CodeNotImplemented is the code of operations that are not there yet. Its status
// is 501, which no AWS SDK retries.
const CodeNotImplemented = "NotImplementedException"

func notImplemented(service, op string) *fault.Error {
	return fault.New(fault.Invalid, CodeNotImplemented, "%s %s is not implemented by Vodwright yet", service, op)
}

// Describe lists violations, one a line, each path after trim, as an Invalid error without a code.
func Describe(violations []awsapi.Violation, trim func(path string) string) *fault.Error {
	lines := make([]string, len(violations))
	for i, v := range violations {
		if trim != nil {
			v.Path = trim(v.Path)
		}
		lines[i] = v.String()
	}
	return fault.New(fault.Invalid, "", "%s", strings.Join(lines, "\n"))
}

// decode fills in from the request: labels, query, headers and document.
func (s *Server) decode(r *http.Request, in any, labels map[string]string, call *Call) ([]awsapi.Violation, error) {
	v := reflect.ValueOf(in).Elem()
	query := r.URL.Query()
	var found []awsapi.Violation
	note := func(bad *awsapi.Violation) {
		if bad != nil {
			found = append(found, *bad)
		}
	}
	document, root, payload := in, "", false
	for i, f := range s.schema.Fields(v.Type()) {
		fv := v.Field(i)
		switch f.Location {
		case "uri":
			note(awsapi.SetText(fv, labels[f.Name], "/"+f.Name))
		case "querystring":
			note(awsapi.SetQuery(fv, query, f.Name))
		case "header":
			if h := r.Header.Get(f.Name); h != "" {
				note(awsapi.SetText(fv, h, "/"+f.Name))
			}
		}
		if f.Payload {
			payload, root = true, f.Name
			fv.Set(reflect.New(fv.Type().Elem()))
			document = fv.Interface()
		}
	}
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		if payload {
			return nil, fault.New(fault.Invalid, "", "the request has no document: %s is required", root)
		}
		return found, nil
	}
	var d awsapi.Decoded
	if s.cfg.API.Protocol == awsapi.RESTXML {
		d, err = s.schema.DecodeXML(body, root, document)
	} else {
		d, err = s.schema.DecodeJSON(body, document)
	}
	call.Unknown = d.Unknown
	return append(found, d.Violations...), err
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, sigv4.MaxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, fault.New(fault.Limit, sigv4.CodeTooLarge, "the request's document is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "read request body: %w", err)
	}
	return body, nil
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, call *Call, op *awsapi.Operation, out any) {
	v := reflect.Indirect(reflect.ValueOf(out))
	status, document, root, empty := op.Status, out, op.Name+"Response", true
	for i, f := range s.schema.Fields(v.Type()) {
		fv := v.Field(i)
		switch {
		case f.Location == "header":
			if t, ok := awsapi.Text(fv); ok {
				w.Header().Set(f.Name, t)
			}
		case f.Payload:
			document, root, empty = fv.Interface(), f.Name, false
		default:
			empty = false
		}
	}
	var body bytes.Buffer
	var err error
	switch {
	case s.cfg.API.Protocol == awsapi.RESTXML && !empty:
		w.Header().Set("Content-Type", "text/xml")
		err = s.schema.EncodeXML(&body, root, s.cfg.API.Namespace, document)
	case s.cfg.API.Protocol == awsapi.RESTJSON:
		w.Header().Set("Content-Type", "application/json")
		err = s.schema.EncodeJSON(&body, document)
	}
	if err != nil {
		s.fail(w, r, call, err)
		return
	}
	s.write(w, r, call, status, body.Bytes())
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, call *Call, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		s.log.DebugContext(r.Context(), "client left", "request", call.RequestID, "error", err)
	}
}

func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// baseURL is how the client reached us, without a final slash.
func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
