package field

import (
	"net/http"
	"strings"
	"time"
)

// Verdict is the outcome of a request's preconditions.
type Verdict uint8

// The verdicts: serve it, 304, 412.
const (
	Proceed Verdict = iota
	NotModified
	PreconditionFailed
)

// Evaluate applies the preconditions of a GET or HEAD to an object, in the order
// of RFC 9110 §13.2.2.
func Evaluate(h http.Header, etag string, modified time.Time) Verdict {
	if v := h["If-Match"]; v != nil {
		if !matchesAny(v, etag, strongEqual) {
			return PreconditionFailed
		}
	} else if t, ok := date(one(h["If-Unmodified-Since"])); ok && !modified.IsZero() {
		if modified.Truncate(time.Second).After(t) {
			return PreconditionFailed
		}
	}
	if v := h["If-None-Match"]; v != nil {
		if matchesAny(v, etag, weakEqual) {
			return NotModified
		}
	} else if t, ok := date(one(h["If-Modified-Since"])); ok && !modified.IsZero() {
		if !modified.Truncate(time.Second).After(t) {
			return NotModified
		}
	}
	return Proceed
}

// RangeApplies reports whether a Range header counts, given If-Range (RFC 9110 §13.1.5).
func RangeApplies(h http.Header, etag string, modified time.Time) bool {
	v := strings.TrimSpace(one(h["If-Range"]))
	switch {
	case v == "":
		return true
	case strings.HasPrefix(v, `"`) || strings.HasPrefix(v, "W/"):
		return strongEqual(v, etag)
	}
	t, ok := date(v)
	return ok && !modified.IsZero() && modified.Truncate(time.Second).Equal(t)
}

// one is the first value of a field, "" for none: http.Header.Get without making
// the name canonical once more.
func one(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func date(v string) (time.Time, bool) {
	if v == "" {
		return time.Time{}, false
	}
	t, err := http.ParseTime(v)
	return t, err == nil
}

// matchesAny reports whether one of the entity tags in the fields, or "*", names
// the object with this etag.
func matchesAny(fields []string, etag string, equal func(a, b string) bool) bool {
	for _, list := range fields {
		for list != "" {
			var tag string
			list = strings.TrimLeft(list, " \t,")
			switch {
			case list == "":
			case list[0] == '*':
				return true
			default:
				if tag, list = cutTag(list); tag == "" {
					return false // malformed: nothing after it can be trusted
				}
				if etag != "" && equal(tag, etag) {
					return true
				}
			}
		}
	}
	return false
}

// cutTag cuts the entity tag at the start of s. Bare tags without quotes, as
// S3's clients send them, are taken up to the next comma and given quotes.
func cutTag(s string) (tag, rest string) {
	start := 0
	if strings.HasPrefix(s, "W/") {
		start = 2
	}
	if start < len(s) && s[start] == '"' {
		end := strings.IndexByte(s[start+1:], '"')
		if end < 0 {
			return "", ""
		}
		end += start + 2
		return s[:end], s[end:]
	}
	bare, rest, _ := strings.Cut(s, ",")
	if bare = strings.TrimSpace(bare); bare == "" || strings.ContainsAny(bare, "\"") {
		return "", ""
	}
	return `"` + bare + `"`, rest
}

func weakEqual(a, b string) bool {
	return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
}

func strongEqual(a, b string) bool {
	return a == b && !strings.HasPrefix(a, "W/")
}
