package disk

import (
	"path/filepath"
	"strings"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/fault"
)

const (
	maxKeyBytes     = 1024 // S3 user guide, "Creating object key names"
	maxSegmentBytes = 250  // what a file name of 255 bytes holds beside our suffix
	folderMark      = "@"  // ends the name of a folder of keys
	emptyName       = "@@" // the entry of a key that ends in '/'
)

// CheckKey returns nil for a key this store takes. S3 takes more: keys that path
// cleaning in some client, proxy or browser would turn into another key are
// refused here, because they never arrive as what they are.
func CheckKey(key string) error {
	bad := func(code, why string) error {
		return fault.New(fault.Invalid, code, "key %q %s", shortened(key), why).
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
		case len(escape(s)) > maxSegmentBytes:
			return bad("KeyTooLongError", "has a segment longer than 250 bytes")
		}
	}
	return nil
}

func shortened(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:77], "") + "..."
	}
	return s
}

// CheckBucketName returns nil for a name S3 allows: 3 to 63 of a-z, 0-9, '.' and
// '-', letter or digit at both ends, not an IPv4 address, no adjacent dots.
// Source: S3 user guide, "General purpose bucket naming rules".
func CheckBucketName(name string) error {
	ok := len(name) >= 3 && len(name) <= 63 && !strings.Contains(name, "..") && !looksLikeIPv4(name)
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		edge := i == 0 || i == len(name)-1
		ok = alnum || !edge && (c == '-' || c == '.')
	}
	if !ok {
		return fault.New(fault.Invalid, "InvalidBucketName", "bucket name %q is not valid", shortened(name)).
			WithHint("3 to 63 of a-z, 0-9, '.' and '-', a letter or digit first and last")
	}
	return nil
}

func looksLikeIPv4(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return false
	}
	for _, p := range parts {
		if len(p) == 0 || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}

var escaper = strings.NewReplacer("%", "%25", "@", "%40")

func escape(segment string) string { return escaper.Replace(segment) }

var unescaper = strings.NewReplacer("%25", "%", "%40", "@")

// entryPath returns the path of key's entry below a bucket's keys folder.
func entryPath(key string) string {
	segments := strings.Split(key, "/")
	last := len(segments) - 1
	for i, s := range segments {
		switch {
		case i < last:
			segments[i] = escape(s) + folderMark
		case s == "":
			segments[i] = emptyName
		default:
			segments[i] = escape(s)
		}
	}
	return filepath.Join(segments...)
}

// nameOf returns what a name in a keys folder adds to a key: "x/" for a folder,
// "x" or "" for an entry.
func nameOf(file string) (part string, folder bool) {
	if file == emptyName {
		return "", false
	}
	if s, ok := strings.CutSuffix(file, folderMark); ok {
		return unescaper.Replace(s) + "/", true
	}
	return unescaper.Replace(file), false
}
