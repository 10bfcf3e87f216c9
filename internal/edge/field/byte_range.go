package field

import (
	"math"
	"strings"
)

// RangeKind says what to do with a Range header.
type RangeKind uint8

// The kinds.
const (
	Whole         RangeKind = iota // none, or to be ignored: 200 with the whole object
	Part                           // 206
	Unsatisfiable                  // 416
)

// ParseRange reads the value of a Range header for an object of size bytes, and
// returns the first byte and the number of bytes of a part. Only a single range
// of bytes makes a part; several, descending or malformed ones are ignored, as
// RFC 9110 §14.2 allows and CloudFront does. A well-formed range that lies wholly
// past the end (or the empty suffix "-0") is unsatisfiable.
func ParseRange(header string, size int64) (kind RangeKind, first, length int64) {
	const unit = "bytes="
	if len(header) < len(unit) || !strings.EqualFold(header[:len(unit)], unit) {
		return Whole, 0, size
	}
	spec := strings.Trim(header[len(unit):], " \t")
	from, to, ok := strings.Cut(spec, "-")
	if !ok {
		return Whole, 0, size
	}
	if from == "" {
		n, ok := Digits(to)
		switch {
		case !ok:
			return Whole, 0, size
		case n == 0 || size == 0:
			return Unsatisfiable, 0, 0
		}
		n = min(n, size)
		return Part, size - n, n
	}
	first, ok = Digits(from)
	if !ok {
		return Whole, 0, size
	}
	last := int64(math.MaxInt64)
	if to != "" {
		if last, ok = Digits(to); !ok || last < first {
			return Whole, 0, size
		}
	}
	if first >= size {
		return Unsatisfiable, 0, 0
	}
	return Part, first, min(last, size-1) - first + 1
}

// Digits reads 1*DIGIT; what does not fit is the largest int64, which is
// past the end of every object.
func Digits(s string) (n int64, ok bool) {
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
