package policy

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Keys finds the values of a condition key, named in lower case; none means that
// the request does not have it. A nil Keys has none.
type Keys func(name string) []string

func (k Keys) get(name string) []string {
	if k == nil {
		return nil
	}
	return k(name)
}

// Values is Keys over a map whose names are in lower case.
func Values(m map[string][]string) Keys { return func(name string) []string { return m[name] } }

// quantifier says how an operator treats a key that has several values.
type quantifier uint8

const (
	single    quantifier = iota // no prefix: the key must have one value
	forAll                      // ForAllValues: every value of the key, also none
	forAny                      // ForAnyValue: at least one value of the key
	existence                   // Null: whether the key is there
)

// condition is one key of a statement's Condition under one operator.
type condition struct {
	key        string // in lower case
	quantifier quantifier
	ifExists   bool
	negated    bool // …Not…: no operand may match
	operands   []operand
	absent     []bool // of Null: "true" wants the key absent
}

// operand is one value that a condition compares with. ok is false when the
// comparison has no meaning (a variable without value, no number where a number
// is due): then a negated condition fails too.
type operand interface {
	match(have string, keys Keys) (matched, ok bool)
}

// holds reports whether the condition is met.
func (c *condition) holds(keys Keys) bool {
	have := keys.get(c.key)
	switch c.quantifier {
	case existence:
		for _, absent := range c.absent {
			if absent == (len(have) == 0) {
				return true
			}
		}
		return false
	case forAll:
		for _, h := range have {
			if !c.met(h, keys) {
				return false
			}
		}
		return true
	case forAny:
		for _, h := range have {
			if c.met(h, keys) {
				return true
			}
		}
		return false
	}
	switch len(have) {
	case 0:
		return c.ifExists || c.negated
	case 1:
		return c.met(have[0], keys)
	}
	return false // several values need a quantifier
}

// met compares one value of the key with the operands.
func (c *condition) met(have string, keys Keys) bool {
	for _, o := range c.operands {
		switch matched, ok := o.match(have, keys); {
		case c.negated && (matched || !ok):
			return false
		case !c.negated && matched && ok:
			return true
		}
	}
	return c.negated
}

// operator says how a family of conditions reads its operands.
type operator struct {
	negated bool
	read    func(value string, variables bool) (operand, bool) // false: the value is not of the operator's type
	want    string                                             // what read reads, for the error
}

// operators by their name in lower case, from the user guide's "Condition operators".
func operatorOf(name string) (operator, bool) {
	str := func(negated bool, read func(string, bool) (operand, bool)) operator {
		return operator{negated, read, "a string"}
	}
	number := func(negated bool, f func(c int) bool) operator {
		return operator{negated, typed(parseNumber, compareNumbers, f), "a number"}
	}
	date := func(negated bool, f func(c int) bool) operator {
		return operator{negated, typed(parseDate, time.Time.Compare, f), "a date (ISO 8601 or seconds since 1970)"}
	}
	equal := func(c int) bool { return c == 0 }
	less := func(c int) bool { return c < 0 }
	atMost := func(c int) bool { return c <= 0 }
	greater := func(c int) bool { return c > 0 }
	atLeast := func(c int) bool { return c >= 0 }
	switch name {
	case "stringequals", "stringnotequals":
		return str(name == "stringnotequals", readText), true
	case "stringequalsignorecase", "stringnotequalsignorecase":
		return str(name == "stringnotequalsignorecase", readFolded), true
	case "stringlike", "stringnotlike":
		return str(name == "stringnotlike", readPattern), true
	case "arnequals", "arnlike", "arnnotequals", "arnnotlike":
		return operator{strings.HasPrefix(name, "arnnot"), readARN, "an ARN"}, true
	case "numericequals", "numericnotequals":
		return number(name == "numericnotequals", equal), true
	case "numericlessthan":
		return number(false, less), true
	case "numericlessthanequals":
		return number(false, atMost), true
	case "numericgreaterthan":
		return number(false, greater), true
	case "numericgreaterthanequals":
		return number(false, atLeast), true
	case "dateequals", "datenotequals":
		return date(name == "datenotequals", equal), true
	case "datelessthan":
		return date(false, less), true
	case "datelessthanequals":
		return date(false, atMost), true
	case "dategreaterthan":
		return date(false, greater), true
	case "dategreaterthanequals":
		return date(false, atLeast), true
	case "bool":
		return operator{false, typed(parseBool, compareBools, equal), "true or false"}, true
	case "binaryequals":
		return operator{false, typed(parseBinary, bytes.Compare, equal), "base64"}, true
	case "ipaddress", "notipaddress":
		return operator{name == "notipaddress", readNetwork, "an IP address or a CIDR block"}, true
	}
	return operator{}, false
}

// textOperand compares whole strings.
type textOperand struct {
	template
	fold bool // without regard to case
}

func (o textOperand) match(have string, keys Keys) (matched, ok bool) {
	want, ok := o.fill(keys)
	if o.fold {
		return ok && strings.EqualFold(want, have), ok
	}
	return ok && want == have, ok
}

func readText(s string, variables bool) (operand, bool) {
	return textOperand{compile(s, false, variables), false}, true
}

func readFolded(s string, variables bool) (operand, bool) {
	return textOperand{compile(s, false, variables), true}, true
}

func readPattern(s string, variables bool) (operand, bool) { return compile(s, true, variables), true }

type arnOperand struct{ arnTemplate }

func (o *arnOperand) match(have string, keys Keys) (matched, ok bool) {
	arn, ok := splitARN(have)
	if !ok {
		return false, false
	}
	return o.arnTemplate.match(arn, keys)
}

func readARN(s string, variables bool) (operand, bool) {
	a, parts := compileARN(s, variables)
	if parts == 1 && variables && strings.HasPrefix(s, "${") { // "${aws:PrincipalArn}"
		return wholeARN{compile(s, true, variables)}, true
	}
	return &arnOperand{a}, parts == arnParts
}

// wholeARN is an ARN that a variable stands for.
type wholeARN struct{ template }

func (o wholeARN) match(have string, keys Keys) (matched, ok bool) {
	if _, ok := splitARN(have); !ok {
		return false, false
	}
	return o.template.match(have, keys)
}

// typedOperand compares values of a type in which texts are written.
type typedOperand[T any] struct {
	want    T
	pending *template // a variable whose value is parsed at each request
	parse   func(string) (T, bool)
	compare func(a, b T) int
	accept  func(c int) bool
}

func (o *typedOperand[T]) match(have string, keys Keys) (matched, ok bool) {
	want := o.want
	if o.pending != nil {
		text, ok := o.pending.fill(keys)
		if !ok {
			return false, false
		}
		if want, ok = o.parse(text); !ok {
			return false, false
		}
	}
	h, ok := o.parse(have)
	return ok && o.accept(o.compare(h, want)), ok
}

func typed[T any](parse func(string) (T, bool), compare func(a, b T) int, accept func(int) bool) func(string, bool) (operand, bool) {
	return func(s string, variables bool) (operand, bool) {
		o := &typedOperand[T]{parse: parse, compare: compare, accept: accept}
		if t := compile(s, false, variables); t.variable {
			o.pending = &t
			return o, true
		}
		var ok bool
		o.want, ok = parse(s)
		return o, ok
	}
}

func parseNumber(s string) (float64, bool) {
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil && n == n // not NaN
}

func compareNumbers(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// dateLayouts are the forms of the W3C's note on ISO 8601 that the user guide
// refers to; digits alone are seconds since 1970, as large as a year or not.
var dateLayouts = [...]string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02", "2006-01"}

func parseDate(s string) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(n, 0), true
	}
	for _, l := range dateLayouts {
		if t, err := time.Parse(l, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func parseBool(s string) (value, ok bool) {
	switch {
	case strings.EqualFold(s, "true"):
		return true, true
	case strings.EqualFold(s, "false"):
		return false, true
	}
	return false, false
}

func compareBools(a, b bool) int {
	if a == b {
		return 0
	}
	return 1
}

func parseBinary(s string) ([]byte, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return b, err == nil
}

// networkOperand is a CIDR block; an address is one of its own size.
type networkOperand struct {
	network netip.Prefix
	pending *template
}

func (o *networkOperand) match(have string, keys Keys) (matched, ok bool) {
	network := o.network
	if o.pending != nil {
		text, ok := o.pending.fill(keys)
		if !ok {
			return false, false
		}
		if network, ok = parseNetwork(text); !ok {
			return false, false
		}
	}
	address, err := netip.ParseAddr(have)
	return err == nil && network.Contains(address.Unmap()), err == nil
}

func readNetwork(s string, variables bool) (operand, bool) {
	if t := compile(s, false, variables); t.variable {
		return &networkOperand{pending: &t}, true
	}
	network, ok := parseNetwork(s)
	return &networkOperand{network: network}, ok
}

func parseNetwork(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), true
}
