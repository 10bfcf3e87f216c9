package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/versity/versitygw/s3err"

	"vodwright.dev/vodwright/internal/fault"
)

// statusOf lists the codes whose HTTP status in S3 is not their kind's.
// Source: S3 API reference, "Error responses".
func statusOf(e *fault.Error) int {
	switch e.Code {
	case "MethodNotAllowed":
		return http.StatusMethodNotAllowed
	case "InsufficientStorage":
		return http.StatusInsufficientStorage
	case "NotImplemented":
		return http.StatusNotImplemented
	}
	return e.Kind.HTTPStatus()
}

// asS3 returns err as the protocol's error; one without meaning is logged and
// becomes InternalError.
func asS3(ctx context.Context, log *slog.Logger, err error) error {
	if err == nil {
		return nil
	}
	var known s3err.S3Error
	if errors.As(err, &known) {
		return known
	}
	if strings.HasPrefix(err.Error(), "calculated negative file content-length") { // versitygw has no type for a form that ends too early
		return s3err.GetAPIError(s3err.ErrMalformedPOSTRequest)
	}
	e := fault.Of(err)
	if e.Kind == fault.Internal {
		log.ErrorContext(ctx, "S3 request failed", "err", err)
	}
	if e.Code == "" || e.Kind == fault.Internal {
		return s3err.GetAPIError(s3err.ErrInternalError)
	}
	switch e.Code { // versitygw compares these by value, or S3 names them otherwise
	case "NoSuchKey":
		return s3err.GetAPIError(s3err.ErrNoSuchKey)
	case "MethodNotAllowed":
		return s3err.GetAPIError(s3err.ErrMethodNotAllowed)
	case "InvalidClientTokenId": // the session of a role or a user that is no more
		return s3err.GetAPIError(s3err.ErrInvalidAccessKeyID)
	}
	text := e.Message
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return s3err.APIError{Code: e.Code, Description: text, HTTPStatusCode: statusOf(e)}
}

// notImplemented is S3's answer for what this store does not do.
func notImplemented(what string) error {
	return s3err.APIError{Code: "NotImplemented", Description: what + " is not implemented", HTTPStatusCode: http.StatusNotImplemented}
}
