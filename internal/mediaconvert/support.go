package mediaconvert

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// row says what Vodwright does with a member of a job's settings. Its path is
// the member's wire names joined by dots, [] after a list and {} after a map.
//
// A value in acts does what the service documents, or asks for what happens
// anyway. A value in warns is accepted with a warning: viewers see no difference,
// or cannot tell; instead says what happens. Every other value is refused, hint
// says what to do. A member without a row is refused, with all below it.
type row struct {
	path    string
	acts    values
	warns   values
	instead string
	hint    string
}

// values is a set of values of a member. The zero values is empty.
type values struct {
	all    bool
	words  []string
	ranged bool
	lo, hi float64
}

func anything() values              { return values{all: true} }
func only(words ...string) values   { return values{words: words} }
func number(n float64) values       { return between(n, n) }
func between(lo, hi float64) values { return values{ranged: true, lo: lo, hi: hi} }
func (s values) empty() bool        { return !s.all && !s.ranged && len(s.words) == 0 }
func (s values) has(v reflect.Value) bool {
	switch {
	case s.all:
		return true
	case v.Kind() == reflect.String:
		return slices.Contains(s.words, v.String())
	case s.ranged && v.CanInt():
		return float64(v.Int()) >= s.lo && float64(v.Int()) <= s.hi
	case s.ranged && v.CanFloat():
		return v.Float() >= s.lo && v.Float() <= s.hi
	}
	return false
}

// String lists the set for documents.
func (s values) String() string {
	switch {
	case s.all:
		return "any value"
	case s.ranged && s.lo == s.hi:
		return strconv.FormatFloat(s.lo, 'f', -1, 64)
	case s.ranged:
		return strconv.FormatFloat(s.lo, 'f', -1, 64) + " to " + strconv.FormatFloat(s.hi, 'f', -1, 64)
	}
	return strings.Join(s.words, ", ")
}

// accepted is a hint that names the set, or "" when there is nothing to name.
func (s values) accepted() string {
	if s.all || s.empty() {
		return ""
	}
	return "accepted: " + s.String()
}

// supportRows is the whole table.
func supportRows() []row {
	return slices.Concat(jobRows(), inputRows(), groupRows(), containerRows(), videoRows(), h264Rows(), audioRows())
}

// acts and its companions make rows short to read; prefix ends in a dot or is "".
type rows struct {
	prefix string
	list   []row
}

// any takes members whose every value acts.
func (r *rows) any(names ...string) {
	for _, n := range names {
		r.list = append(r.list, row{path: r.prefix + n, acts: anything()})
	}
}

// some takes a member of which some values act.
func (r *rows) some(name string, acts values, hint string) {
	r.list = append(r.list, row{path: r.prefix + name, acts: acts, hint: hint})
}

// soft takes a member whose other values are accepted with a warning.
func (r *rows) soft(name string, acts, warns values, instead string) {
	r.list = append(r.list, row{path: r.prefix + name, acts: acts, warns: warns, instead: instead})
}

// no takes a member that is refused with a hint.
func (r *rows) no(name, hint string) {
	r.list = append(r.list, row{path: r.prefix + name, hint: hint})
}
