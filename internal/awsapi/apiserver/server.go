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
package apiserver

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

// Access is one thing that a caller wants to do.
type Access struct {
	Action   string              // "lambda:InvokeFunction"
	Resource string              // an ARN, or "*" for actions that are on no resource
	Keys     map[string][]string // condition keys of the service, names in lower case; may be nil
}

// Authorize says whether a caller may. Its error is answered to the client as it is.
type Authorize func(ctx context.Context, who sigv4.Identity, r *http.Request, a Access) error

// Config says what a Server serves. Access, Authorize, Describe and Logger may be nil.
type Config struct {
	API          awsapi.API
	Handlers     map[string]Handler // by operation name
	Authenticate Authenticate
	// Access lists what an operation with that input wants to do, all of which must
	// be allowed; nothing listed needs no permission. nil is the action of the
	// operation's name on "*". The input is decoded and not validated yet.
	Access    func(op string, call *Call, in any) []Access
	Authorize Authorize // nil allows everything
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
	router *awsapi.Router               // of the REST protocols
	byName map[string]*awsapi.Operation // of the others
	schema *awsapi.Schema
	log    *slog.Logger
}

// NewServer returns the server of an API. It panics when a handler is bound to an
// operation that the API does not have or has no shapes for: a defect of the program.
func NewServer(cfg Config) *Server {
	s := &Server{cfg: cfg, router: awsapi.NewRouter(cfg.API), byName: map[string]*awsapi.Operation{}, schema: cfg.Schema, log: cfg.Logger}
	if s.schema == nil {
		s.schema = &awsapi.Schema{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	inputs := map[string]func() any{}
	for i, op := range cfg.API.Operations {
		inputs[op.Name] = op.Input
		s.byName[op.Name] = &cfg.API.Operations[i]
	}
	for name, h := range cfg.Handlers {
		if inputs[name] == nil || reflect.TypeOf(inputs[name]()) != h.input {
			panic(fmt.Sprintf("apiserver: %s has no operation %q with that input", cfg.API.Service, name))
		}
	}
	return s
}

// Call is what a handler may know of the request besides its input.
type Call struct {
	Identity  sigv4.Identity
	Request   *http.Request // its body is consumed
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
	call := &Call{Request: r, RequestID: newRequestID(), BaseURL: baseURL(r)}
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
	op, out, err := s.carryOut(r, call)
	if err != nil {
		s.fail(w, r, call, err)
		return
	}
	s.answer(w, r, call, op, out)
}

func (s *Server) carryOut(r *http.Request, call *Call) (*awsapi.Operation, any, error) {
	var err error
	if call.Identity, err = s.cfg.Authenticate(r, s.cfg.API.SigningName); err != nil {
		return nil, nil, err
	}
	op, args, err := s.route(r)
	if err != nil {
		return nil, nil, err
	}
	h, ok := s.cfg.Handlers[op.Name]
	if !ok {
		return nil, nil, notImplemented(s.cfg.API.Service, op.Name)
	}
	in := op.Input()
	if call.Violations, err = s.decode(r, in, args, call); err != nil {
		return nil, nil, err
	}
	if err := s.authorize(r, call, op, in); err != nil {
		return nil, nil, err
	}
	call.Violations = append(call.Violations, s.schema.Validate(in)...)
	if len(call.Violations) > 0 && !h.unchecked {
		if s.cfg.Describe != nil {
			return nil, nil, s.cfg.Describe(call.Violations)
		}
		return nil, nil, Describe(call.Violations, nil)
	}
	if len(call.Unknown) > 0 {
		s.log.InfoContext(r.Context(), "unknown members skipped", "operation", op.Name, "request", call.RequestID, "members", call.Unknown)
	}
	out, err := h.call(r.Context(), call, in)
	return op, out, err
}

func (s *Server) authorize(r *http.Request, call *Call, op *awsapi.Operation, in any) error {
	if s.cfg.Authorize == nil {
		return nil
	}
	wants := []Access{{Action: s.cfg.API.SigningName + ":" + op.Name, Resource: "*"}}
	if s.cfg.Access != nil {
		wants = s.cfg.Access(op.Name, call, in)
	}
	for _, a := range wants {
		if err := s.cfg.Authorize(r.Context(), call.Identity, r, a); err != nil {
			return err
		}
	}
	return nil
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

// decode fills in from the request: labels, query, headers and document, or form.
func (s *Server) decode(r *http.Request, in any, args arguments, call *Call) ([]awsapi.Violation, error) {
	if s.cfg.API.Protocol == awsapi.Query {
		d, err := s.schema.DecodeQuery(args.form, in)
		call.Unknown = d.Unknown
		return d.Violations, err
	}
	v := reflect.ValueOf(in).Elem()
	query := r.URL.Query()
	var found []awsapi.Violation
	note := func(bad *awsapi.Violation) {
		if bad != nil {
			found = append(found, *bad)
		}
	}
	document, root, payload := in, "", false
	var blob reflect.Value // the member that is the body as it is
	for i, f := range s.schema.Fields(v.Type()) {
		fv := v.Field(i)
		switch f.Location {
		case "uri":
			note(awsapi.SetText(fv, args.labels[f.Name], "/"+f.Name))
		case "querystring":
			note(awsapi.SetQuery(fv, query, f.Name))
		case "header":
			if h := r.Header.Get(f.Name); h != "" {
				note(awsapi.SetText(fv, h, "/"+f.Name))
			}
		}
		switch {
		case f.Payload && fv.Kind() == reflect.Slice:
			blob = fv
		case f.Payload:
			payload, root = true, f.Name
			fv.Set(reflect.New(fv.Type().Elem()))
			document = fv.Interface()
		}
	}
	body, err := s.readBody(r)
	if err != nil {
		return nil, err
	}
	if blob.IsValid() {
		blob.SetBytes(body)
		return found, nil
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

func (s *Server) readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, sigv4.MaxBody(s.cfg.API.SigningName)))
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
	var blob []byte // the member that is the body as it is
	isBlob := false
	for i, f := range s.schema.Fields(v.Type()) {
		fv := v.Field(i)
		switch {
		case f.Location == "header":
			if t, ok := awsapi.Text(fv); ok {
				w.Header().Set(f.Name, t)
			}
		case f.Location == "statusCode":
			if n, ok := fv.Interface().(*int32); ok && n != nil {
				status = int(*n)
			}
		case f.Payload && fv.Kind() == reflect.Slice:
			blob, isBlob = fv.Bytes(), true
		case f.Payload:
			document, root, empty = fv.Interface(), f.Name, false
		default:
			empty = false
		}
	}
	var body bytes.Buffer
	var err error
	switch p := s.cfg.API.Protocol; {
	case isBlob:
		w.Header().Set("Content-Type", "application/json") // of the APIs served, a function's answer alone
		body.Write(blob)
	case p == awsapi.Query:
		w.Header().Set("Content-Type", "text/xml")
		err = s.schema.EncodeQuery(&body, op.Name, op.Wrapper, s.cfg.API.Namespace, call.RequestID, document)
	case p == awsapi.RESTXML && !empty:
		w.Header().Set("Content-Type", "text/xml")
		err = s.schema.EncodeXML(&body, root, s.cfg.API.Namespace, document)
	case p == awsapi.JSON:
		w.Header().Set("Content-Type", contentTypeJSON11)
		err = s.schema.EncodeJSON(&body, document)
	case p == awsapi.RESTJSON && status != http.StatusNoContent:
		w.Header().Set("Content-Type", "application/json")
		err = s.schema.EncodeJSON(&body, document)
	}
	if err != nil {
		s.fail(w, r, call, err)
		return
	}
	s.write(w, r, call, status, body.Bytes())
}

// contentTypeJSON11 is the media type of the json protocol.
const contentTypeJSON11 = "application/x-amz-json-1.1"

func (s *Server) write(w http.ResponseWriter, r *http.Request, call *Call, status int, body []byte) {
	if status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	if len(body) == 0 {
		return
	}
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
