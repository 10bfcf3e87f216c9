package edge

import (
	"strings"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/fault"
)

// objectKey returns the key of the bucket that a viewer's path names. path has
// been percent-decoded once by net/http ("+" stays "+"), which is all that is
// ever done to it: there is no cleaning, so that no two paths name one key.
func objectKey(d *knownDistribution, path string) (string, error) {
	key := strings.TrimPrefix(path, "/")
	if key == "" {
		key = strings.TrimPrefix(d.DefaultRootObject, "/")
		if key == "" {
			return "", fault.New(fault.NotFound, "NoSuchKey", "There is nothing at the root of this distribution").
				WithHint("name an object in the URL, or set the distribution's DefaultRootObject")
		}
	}
	if prefix := strings.Trim(d.OriginPath, "/"); prefix != "" {
		key = prefix + "/" + key
	}
	switch {
	case len(key) > 1024: // S3's limit
		return "", fault.New(fault.Invalid, "KeyTooLongError", "Your key is too long: %d bytes, at most 1024", len(key))
	case !utf8.ValidString(key) || strings.IndexByte(key, 0) >= 0:
		return "", fault.New(fault.Invalid, "InvalidURI", "The path is not valid UTF-8 text").
			WithHint("percent-encode the key's UTF-8 bytes")
	}
	if err := checkSegments(key); err != nil {
		return "", err
	}
	return key, nil
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
