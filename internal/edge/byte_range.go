package edge

import (
	"math"
	"strings"
)

// rangeKind says what to do with a Range header.
type rangeKind uint8

const (
	rangeWhole         rangeKind = iota // none, or to be ignored: 200 with the whole object
	rangePart                           // 206
	rangeUnsatisfiable                  // 416
)

// parseRange reads the value of a Range header for an object of size bytes, and
// returns the first byte and the number of bytes of a part. Only a single range
// of bytes makes a part; several, descending or malformed ones are ignored, as
// RFC 9110 §14.2 allows and CloudFront does. A well-formed range that lies wholly
// past the end (or the empty suffix "-0") is unsatisfiable.
func parseRange(header string, size int64) (kind rangeKind, first, length int64) {
	const unit = "bytes="
	if len(header) < len(unit) || !strings.EqualFold(header[:len(unit)], unit) {
		return rangeWhole, 0, size
	}
	spec := strings.Trim(header[len(unit):], " \t")
	from, to, ok := strings.Cut(spec, "-")
	if !ok {
		return rangeWhole, 0, size
	}
	if from == "" {
		n, ok := parseDigits(to)
		switch {
		case !ok:
			return rangeWhole, 0, size
		case n == 0 || size == 0:
			return rangeUnsatisfiable, 0, 0
		}
		n = min(n, size)
		return rangePart, size - n, n
	}
	first, ok = parseDigits(from)
	if !ok {
		return rangeWhole, 0, size
	}
	last := int64(math.MaxInt64)
	if to != "" {
		if last, ok = parseDigits(to); !ok || last < first {
			return rangeWhole, 0, size
		}
	}
	if first >= size {
		return rangeUnsatisfiable, 0, 0
	}
	return rangePart, first, min(last, size-1) - first + 1
}

// parseDigits reads 1*DIGIT; what does not fit is the largest int64, which is
// past the end of every object.
func parseDigits(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		digit := int64(c - '0')
		if n > (math.MaxInt64-digit)/10 {
			n = math.MaxInt64 // and stays there; the digits left are only checked
			continue
		}
		n = n*10 + digit
	}
	return n, true
}
