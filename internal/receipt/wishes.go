package receipt

import (
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// Names in a job's userMetadata by which it asks for what the service has no words
// for. Clients of the service can set them with what they have.
const (
	BesideKey  = "vodwright-receipt" // JSON: written beside the outputs, too
	QualityKey = "vodwright-quality" // SSIM, VMAF or both with a comma: measured of every rung
	CopyKey    = "vodwright-copy"    // AUTO: video that is as an output asks for it is copied, not encoded
)

// Wishes is what a job asks for.
type Wishes struct {
	Beside bool `json:"beside,omitempty"`
	SSIM   bool `json:"ssim,omitempty"`
	VMAF   bool `json:"vmaf,omitempty"`
	Copy   bool `json:"copy,omitempty"`
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
	switch v := metadata[CopyKey]; strings.ToUpper(v) {
	case "", "NONE":
	case "AUTO":
		w.Copy = true
	default:
		return w, fault.New(fault.Invalid, "", "/userMetadata/%s: %q is neither AUTO nor NONE", CopyKey, v)
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
