// Package fault is the one error type of Vodwright.
//
// Every error that a user, a client or an operator may see is a *fault.Error
// somewhere in its chain: a Kind (what to do about it), a Code (the name it has
// on the wire), a Message (what is wrong and where) and a Hint (what to do).
// An error without one is Internal: the user sees a request id, the operator the
// chain. The package is pure and imports nothing of the house.
package fault

import (
	"errors"
	"fmt"
	"net/http"
)

// Kind says what a caller can do about an error.
type Kind uint8

// The kinds. The zero Kind is Internal, so that an unclassified error is never
// mistaken for the caller's fault.
const (
	Internal    Kind = iota // a defect or a broken machine; worth one retry
	Invalid                 // the request or the input is wrong; a retry cannot help
	NotFound                // what was named does not exist
	Conflict                // the request does not fit the present state
	Denied                  // the caller may not do this
	Limit                   // a quota or a bound of untrusted input was exceeded
	Unavailable             // something else is down or busy; retry with backoff
	Canceled                // the user or a shutdown stopped it
)

// behaviour is the one table that maps a Kind to what programs see of it.
var behaviour = [...]struct {
	name   string
	status int // HTTP
	retry  bool
	exit   int // of the command line, documented in the README
}{
	Internal:    {"internal", http.StatusInternalServerError, true, 1},
	Invalid:     {"invalid", http.StatusBadRequest, false, 2},
	NotFound:    {"not found", http.StatusNotFound, false, 3},
	Conflict:    {"conflict", http.StatusConflict, false, 4},
	Denied:      {"denied", http.StatusForbidden, false, 5},
	Limit:       {"limit", http.StatusRequestEntityTooLarge, false, 6},
	Unavailable: {"unavailable", http.StatusServiceUnavailable, true, 7},
	Canceled:    {"canceled", 499, false, 130},
}

// String returns the kind's name in lower case.
func (k Kind) String() string { return behaviour[k].name }

// HTTPStatus returns the status a handler answers when the protocol names no other.
func (k Kind) HTTPStatus() int { return behaviour[k].status }

// Retryable reports whether trying the same thing again may succeed.
func (k Kind) Retryable() bool { return behaviour[k].retry }

// ExitCode returns the exit code of the command line, never 0.
func (k Kind) ExitCode() int { return behaviour[k].exit }

// Error is an error with its meaning. Message is a sentence without a final
// full stop; Hint, when set, is one too and says what to do.
type Error struct {
	Kind    Kind
	Code    string // the wire's name: NoSuchKey, BadRequestException, 1010; may be empty
	Message string
	Hint    string
	Cause   error
}

// New returns an Error with a formatted message; a %w operand becomes its Cause.
func New(kind Kind, code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Code: code, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// WithHint returns e with its hint set, for use at the point of creation.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Error returns the message. The hint is not part of it: the command line prints it on its own line.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Cause }

// Of returns the first *Error in err's chain. An err that has none comes back
// as Internal with err as its cause; a nil err as nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Internal, Message: err.Error(), Cause: err}
}

// KindOf returns the kind of err; an err that carries none is Internal, and so is
// nil: ask Is where err may be nil.
func KindOf(err error) Kind {
	if err == nil {
		return Internal
	}
	return Of(err).Kind
}

// Is reports whether err is an error of that kind. A nil err is of none.
func Is(err error, kind Kind) bool { return err != nil && Of(err).Kind == kind }
