package edge

import (
	"strings"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/fault"
)

// viewerPath returns the path, without its leading slash, under which behaviors
// and the cache know what a viewer asks for: the root object's for "/". urlPath
// has been percent-decoded once by net/http ("+" stays "+"), which is all that is
// ever done to it: there is no cleaning, so that no two paths name one key.
func (d *knownDistribution) viewerPath(urlPath string) (string, error) {
	path := strings.TrimPrefix(urlPath, "/")
	if path == "" {
		if path = d.DefaultRootObject; path == "" {
			return "", fault.New(fault.NotFound, "NoSuchKey", "There is nothing at the root of this distribution").
				WithHint("name an object in the URL, or set the distribution's DefaultRootObject")
		}
	}
	switch {
	case len(path) > maxKey:
		return "", keyTooLong(len(path))
	case !utf8.ValidString(path) || strings.IndexByte(path, 0) >= 0:
		return "", fault.New(fault.Invalid, "InvalidURI", "The path is not valid UTF-8 text").
			WithHint("percent-encode the key's UTF-8 bytes")
	}
	return path, checkSegments(path)
}

const maxKey = 1024 // S3's limit

func keyTooLong(n int) error {
	return fault.New(fault.Invalid, "KeyTooLongError", "Your key is too long: %d bytes, at most %d", n, maxKey)
}

// checkSegments refuses the keys that a path-cleaning origin would take for another key.
func checkSegments(key string) error {
	for rest, more := key, true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		switch {
		case segment == "." || segment == "..":
			return fault.New(fault.Invalid, "InvalidURI", "The path has a %q segment", segment).
				WithHint("write the object's key as it is in the bucket")
		case segment == "" && more: // "a//b"; a final slash is a legitimate key
			return fault.New(fault.NotFound, "NoSuchKey", "The specified key does not exist: it has an empty segment (//)").
				WithHint("write the object's key as it is in the bucket")
		}
	}
	return nil
}
