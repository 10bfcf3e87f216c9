package receipt

import (
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// Names in a job's userMetadata by which it asks for more of its receipt. Clients of
// the service can set them with what they have.
const (
	BesideKey  = "vodwright-receipt" // JSON: written beside the outputs, too
	QualityKey = "vodwright-quality" // SSIM, VMAF or both with a comma: measured of every rung
)

// Wishes is what a job asks for.
type Wishes struct {
	Beside bool `json:"beside,omitempty"`
	SSIM   bool `json:"ssim,omitempty"`
	VMAF   bool `json:"vmaf,omitempty"`
}

// ParseWishes reads a job's userMetadata. A value that is not one of those above is a
// fault.Invalid.
func ParseWishes(metadata map[string]string) (Wishes, error) {
	var w Wishes
	switch v := metadata[BesideKey]; strings.ToUpper(v) {
	case "", "NONE":
	case "JSON":
		w.Beside = true
	default:
		return w, fault.New(fault.Invalid, "", "/userMetadata/%s: %q is neither JSON nor NONE", BesideKey, v)
	}
	for _, v := range strings.Split(metadata[QualityKey], ",") {
		switch strings.ToUpper(strings.TrimSpace(v)) {
		case "", "NONE":
		case "SSIM":
			w.SSIM = true
		case "VMAF":
			w.VMAF = true
		default:
			return w, fault.New(fault.Invalid, "", "/userMetadata/%s: %q is none of SSIM, VMAF and NONE", QualityKey, v)
		}
	}
	return w, nil
}
