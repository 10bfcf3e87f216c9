package catalog

import (
	"strings"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/fault"
)

const (
	maxKeyBytes = 1024 // S3 user guide, "Creating object key names"
	// maxSegmentBytes is what a file name of 255 bytes holds beside the disk engine's
	// suffix, '%' and '@' escaped. It holds in every engine, so that keys can move.
	maxSegmentBytes = 250
)

// CheckKey returns nil for a key this store takes. S3 takes more: keys that path
// cleaning in some client, proxy or browser would turn into another key are
// refused here, because they never arrive as what they are.
func CheckKey(key string) error {
	bad := func(code, why string) error {
		return fault.New(fault.Invalid, code, "key %q %s", Shortened(key), why).
			WithHint("use a key without empty, \".\" or \"..\" segments, at most 1024 bytes long, each segment at most 250")
	}
	switch {
	case key == "":
		return bad("InvalidArgument", "is empty")
	case len(key) > maxKeyBytes:
		return bad("KeyTooLongError", "is longer than 1024 bytes")
	case !utf8.ValidString(key):
		return bad("InvalidURI", "is not UTF-8")
	case strings.IndexByte(key, 0) >= 0:
		return bad("InvalidArgument", "contains a NUL byte")
	}
	segments := strings.Split(key, "/")
	for i, s := range segments {
		switch {
		case s == "" && i == 0:
			return bad("InvalidArgument", "begins with a slash")
		case s == "" && i < len(segments)-1:
			return bad("InvalidArgument", "has an empty segment")
		case s == "." || s == "..":
			return bad("InvalidArgument", "has a \""+s+"\" segment")
		case len(s)+2*(strings.Count(s, "%")+strings.Count(s, "@")) > maxSegmentBytes:
			return bad("KeyTooLongError", "has a segment longer than 250 bytes")
		}
	}
	return nil
}

// Shortened is what messages show of a name.
func Shortened(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:77], "") + "..."
	}
	return s
}
