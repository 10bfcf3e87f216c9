package gateway

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/versity/versitygw/s3err"

	"vodwright.dev/vodwright/internal/fault"
)

// The session of a deleted role signs well and is refused by the decision.
func TestNameOfAnUnknownKey(t *testing.T) {
	err := asS3(t.Context(), slog.New(slog.DiscardHandler), fault.New(fault.Denied, "InvalidClientTokenId", "The security token included in the request is invalid."))
	var known s3err.S3Error
	if !errors.As(err, &known) || known.BaseError().Code != "InvalidAccessKeyId" || known.StatusCode() != 403 {
		t.Errorf("got %v", err)
	}
}
