package execution

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// work is one invocation on its way through an environment.
type work struct {
	Invocation
	deadline time.Time
	answer   chan answer // one
}

// answer is what the runtime says of an invocation.
type answer struct {
	payload []byte
	failed  bool
}

// runtimeAPI is the Runtime API of one environment (Lambda developer guide,
// "Using the Lambda runtime API"), on a port of its own on the loopback: its
// sandbox shares the network.
type runtimeAPI struct {
	listener net.Listener
	server   *http.Server

	work  chan *work    // to the runtime
	asked chan struct{} // the runtime asks for its next event; holds one

	mu        sync.Mutex
	current   *work
	initError []byte
	initType  string
}

func newRuntimeAPI(log *slog.Logger) (*runtimeAPI, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the runtime: %w", err)
	}
	a := &runtimeAPI{listener: l, work: make(chan *work), asked: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", a.next)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { a.respond(w, r, false) })
	mux.HandleFunc("POST "+base+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { a.respond(w, r, true) })
	mux.HandleFunc("POST "+base+"init/error", a.failInit)
	a.server = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	go func() { _ = a.server.Serve(l) }()
	return a, nil
}

func (a *runtimeAPI) address() string { return a.listener.Addr().String() }

func (a *runtimeAPI) close() { _ = a.server.Close() }

func (a *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	select {
	case a.asked <- struct{}{}:
	default:
	}
	var j *work
	select {
	case j = <-a.work:
	case <-r.Context().Done():
		return
	}
	a.mu.Lock()
	a.current = j
	a.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(j.Payload)))
	h.Set("Lambda-Runtime-Aws-Request-Id", j.RequestID)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(j.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", j.FunctionARN)
	h.Set("Lambda-Runtime-Trace-Id", j.Trace)
	if j.ClientContext != "" {
		h.Set("Lambda-Runtime-Client-Context", j.ClientContext)
	}
	_, _ = w.Write(j.Payload)
}

// take ends the current invocation when it is the named one.
func (a *runtimeAPI) take(id string) *work {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil || a.current.RequestID != id {
		return nil
	}
	j := a.current
	a.current = nil
	return j
}

func (a *runtimeAPI) respond(w http.ResponseWriter, r *http.Request, failed bool) {
	// A streamed response arrives in chunks and is answered whole; what went
	// wrong on the way is in its trailers.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "the body cannot be read")
		return
	}
	j := a.take(r.PathValue("id"))
	if j == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	if tooLarge != nil {
		message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload)
		j.answer <- answer{payload: errorDocument("Function.ResponseSizeTooLarge", message), failed: true}
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", message)
		return
	}
	if kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" && !failed {
		failed, body = true, errorDocument(kind, "the response stream ended with an error")
	}
	j.answer <- answer{payload: body, failed: failed}
	accept(w)
}

func (a *runtimeAPI) failInit(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the error is too large")
		return
	}
	kind := r.Header.Get("Lambda-Runtime-Function-Error-Type")
	if name, err := url.QueryUnescape(kind); err == nil {
		kind = name
	}
	a.mu.Lock()
	a.initError, a.initType = body, kind
	a.mu.Unlock()
	accept(w)
}

// initFailure returns what the runtime reported of its start, if it did.
func (a *runtimeAPI) initFailure() (payload []byte, kind string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.initError, strings.TrimSpace(a.initType)
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(errorDocument(kind, message))
}

// errorDocument is an error as runtimes and Lambda itself report it.
func errorDocument(kind, message string) []byte {
	doc, _ := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{kind, message})
	return doc
}
