package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/worker"
)

// Protocol is the version of what is said here.
const Protocol = 1

// The verbs of calls, and what they take and give.
const (
	verbHello    = "hello"    // who → welcome
	verbClaim    = "claim"    // job.Ref → job.Task
	verbOutput   = "output"   // named → its Output
	verbComplete = "complete" // ended → nothing
	verbFail     = "fail"     // ended → nothing
	verbGiveBack = "giveback" // ended → nothing
	verbCheck    = "check"    // job.Task → nothing
	verbOver     = "over"     // IDs of jobs → those of them that are over
	verbCarries  = "carries"  // wanted → bool
	verbSource   = "source"   // source → Found
	verbWritable = "writable" // objectOf → nothing
	verbPublish  = "publish"  // publication → nothing
	verbObject   = "object"   // objectOf → Found
	verbWithdraw = "withdraw" // objectOf → nothing
	verbPut      = "put"      // placed → Link
	verbGet      = "get"      // placed → Link
)

// LedgerVerbs are those that one server at a time answers, which hands out the tasks:
// what they change is more than records.
func LedgerVerbs() []string { return []string{verbClaim, verbComplete, verbFail, verbGiveBack} }

// OtherVerbs are those that any server answers.
func OtherVerbs() []string {
	return []string{
		verbHello, verbOutput, verbCheck, verbOver, verbCarries, verbSource, verbWritable, verbPublish, verbObject, verbWithdraw, verbPut, verbGet,
	}
}

// answerTime is how long a server has for an answer: what only the records have to do
// with takes milliseconds, and who waits for a server that died waits for nothing.
func answerTime(verb string) time.Duration {
	switch verb {
	case verbSource, verbPublish, verbObject, verbWithdraw, verbWritable, verbPut, verbGet:
		return 30 * time.Second
	}
	return 4 * time.Second
}

// tellProgress is told to all servers: progressed.
const tellProgress = "progress"

// question is the envelope of a call.
type question struct {
	Protocol int             `json:"protocol"`
	Version  string          `json:"version"`
	Worker   string          `json:"worker"`
	Body     json.RawMessage `json:"body,omitempty"`
}

// answer is the envelope of what comes back.
type answer struct {
	Body  json.RawMessage `json:"body,omitempty"`
	Error *wireError      `json:"error,omitempty"`
}

// wireError is an error on its way.
type wireError struct {
	Kind    string `json:"kind"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Stale   bool   `json:"stale,omitempty"` // errors.Is job.ErrStale
}

// kinds are those that travel.
func kinds() []fault.Kind {
	return []fault.Kind{fault.Internal, fault.Invalid, fault.NotFound, fault.Conflict, fault.Denied, fault.Limit, fault.Unavailable, fault.Canceled}
}

func onWire(err error) *wireError {
	if err == nil {
		return nil
	}
	f := fault.Of(err)
	w := &wireError{Kind: f.Kind.String(), Code: f.Code, Message: f.Message, Hint: f.Hint, Stale: errors.Is(err, job.ErrStale)}
	if f.Kind == fault.Internal { // with what was being done
		w.Message = err.Error()
	}
	return w
}

func (w *wireError) err() error {
	if w == nil {
		return nil
	}
	if w.Stale {
		return job.ErrStale
	}
	f := &fault.Error{Kind: fault.Internal, Code: w.Code, Message: w.Message, Hint: w.Hint}
	for _, k := range kinds() {
		if k.String() == w.Kind {
			f.Kind = k
		}
	}
	return f
}

// CodeMismatch is the code of a fault.Conflict: worker and server are not of one version.
const CodeMismatch = "VersionMismatch"

func mismatch(worker, its, server string, protocol int) error {
	what := fmt.Sprintf("version %s", its)
	ours := fmt.Sprintf("version %s", server)
	if its == server {
		what, ours = fmt.Sprintf("protocol %d", protocol), fmt.Sprintf("protocol %d", Protocol)
	}
	return fault.New(fault.Conflict, CodeMismatch, "worker %s has %s, the server %s: they do not work together", worker, what, ours).
		WithHint("run the same vodwright on both")
}

// welcome is what a worker is told of the server.
type welcome struct {
	Version string `json:"version"`
	Base    string `json:"base,omitempty"` // of links that begin with a slash; or, at the host where the worker joined:
	Scheme  string `json:"scheme"`
	Port    int    `json:"port"`
}

type named struct {
	Job  string `json:"job"`
	Name string `json:"name"`
}

type ended struct {
	Task   job.Task    `json:"task"`
	Result *job.Result `json:"result,omitempty"`
	Error  *wireError  `json:"error,omitempty"`
}

type wanted struct {
	Job string `json:"job"`
	job.Labelled
}

type progressed struct {
	Task     job.Task     `json:"task"`
	Progress job.Progress `json:"progress"`
}

type source struct {
	Job    string `json:"job"`
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Pin    string `json:"pin,omitempty"`
}

type objectOf struct {
	Job    string `json:"job,omitempty"`
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

type publication struct {
	Place  string        `json:"place"`
	Upload worker.Upload `json:"upload"`
}

type placed struct {
	Job   string `json:"job"`
	Place string `json:"place"`
	Size  int64  `json:"size,omitempty"`
}

// Link is a URL that is good for one file, one method and some hours. One that begins
// with a slash is at the server.
type Link string

// Found is an object, and where its bytes are.
type Found struct {
	Pin  string `json:"pin,omitempty"`
	Size int64  `json:"size"`
	Link Link   `json:"link"`
}
