package pattern

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// test is one item of a leaf's array. match sees leaves of the event alone.
type test struct {
	match  func(leaf any) bool
	absent bool // asks that there is nothing
}

func compileTests(list []any, path string) ([]test, error) {
	if len(list) == 0 {
		return nil, invalid("Empty arrays are not allowed%s", at(path))
	}
	var out []test
	for _, v := range list {
		t, err := compileTest(v, path)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func compileTest(v any, path string) (test, error) {
	switch v := v.(type) {
	case []any:
		return test{}, invalid("Arrays within arrays are not allowed%s", at(path))
	case map[string]any:
		if len(v) != 1 {
			return test{}, invalid("Only one key allowed in match expression%s", at(path))
		}
		for op, arg := range v {
			return compileOperator(op, arg, path)
		}
	}
	return test{match: exactly(v)}, nil
}

// exactly matches one value: strings and numbers by their text, null, true, false.
func exactly(want any) func(any) bool {
	return func(leaf any) bool { return leaf == want }
}

func compileOperator(op string, arg any, path string) (test, error) {
	switch op {
	case "exists":
		want, ok := arg.(bool)
		if !ok {
			return test{}, invalid("exists match pattern must be either true or false.%s", at(path))
		}
		if !want {
			return test{absent: true}, nil
		}
		return test{match: func(any) bool { return true }}, nil
	case "numeric":
		match, err := numeric(arg, path)
		return test{match: match}, err
	case "cidr":
		match, err := cidr(arg, path)
		return test{match: match}, err
	case "anything-but":
		match, err := anythingBut(arg, path)
		return test{match: match}, err
	case "prefix", "suffix", "equals-ignore-case", "wildcard":
		match, err := textual(op, arg, path)
		return test{match: match}, err
	}
	return test{}, invalid("Unrecognized match type %s%s", op, at(path))
}

// textual makes the operators that look at strings. prefix and suffix take a
// string or {"equals-ignore-case": string}.
func textual(op string, arg any, path string) (func(any) bool, error) {
	fold := false
	if m, ok := arg.(map[string]any); ok && len(m) == 1 && (op == "prefix" || op == "suffix") {
		if arg, ok = m["equals-ignore-case"]; ok {
			fold = true
		}
	}
	want, ok := arg.(string)
	if !ok {
		return nil, invalid("%s match pattern must be a string%s", op, at(path))
	}
	var match func(string) bool
	switch {
	case op == "wildcard":
		parts, err := wildcardParts(want, path)
		if err != nil {
			return nil, err
		}
		match = func(s string) bool { return matchWildcard(parts, s) }
	case op == "equals-ignore-case":
		match = func(s string) bool { return strings.EqualFold(s, want) }
	case want == "":
		return nil, invalid("Null %s not allowed%s", op, at(path))
	case fold && op == "prefix":
		match = func(s string) bool { return foldPrefix(s, want, false) }
	case fold:
		match = func(s string) bool { return foldPrefix(s, want, true) }
	case op == "prefix":
		match = func(s string) bool { return strings.HasPrefix(s, want) }
	default:
		match = func(s string) bool { return strings.HasSuffix(s, want) }
	}
	return func(leaf any) bool {
		s, ok := leaf.(string)
		return ok && match(s)
	}, nil
}

// foldPrefix compares as many characters of s as want has, at the begin or the
// end; characters of one case fold may differ in bytes.
func foldPrefix(s, want string, end bool) bool {
	have, n := []rune(s), len([]rune(want))
	if len(have) < n {
		return false
	}
	if end {
		return strings.EqualFold(string(have[len(have)-n:]), want)
	}
	return strings.EqualFold(string(have[:n]), want)
}

// wildcardParts divides a wildcard at its stars; \* and \\ are themselves.
func wildcardParts(text, path string) ([]string, error) {
	var parts []string
	var part strings.Builder
	star := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '*' && star:
			return nil, invalid("Consecutive wildcard characters at pos %d%s", i-1, at(path))
		case c == '*':
			star = true
			parts = append(parts, part.String())
			part.Reset()
			continue
		case c == '\\':
			if i++; i == len(text) || text[i] != '*' && text[i] != '\\' {
				return nil, invalid("Invalid escape character at pos %d%s", i-1, at(path))
			}
			part.WriteByte(text[i])
		default:
			part.WriteByte(c)
		}
		star = false
	}
	return append(parts, part.String()), nil
}

// matchWildcard finds the parts in order, the first at the begin and the last at
// the end: the earliest place of each is as good as any.
func matchWildcard(parts []string, s string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return true
}

// anythingBut matches leaves that are none of the values, or to which none of
// the operators apply.
func anythingBut(arg any, path string) (func(any) bool, error) {
	var not []func(any) bool
	switch arg := arg.(type) {
	case map[string]any:
		if len(arg) != 1 {
			return nil, invalid("Only one key allowed in match expression%s", at(path))
		}
		for op, values := range arg {
			if !slices.Contains([]string{"prefix", "suffix", "equals-ignore-case", "wildcard"}, op) {
				return nil, invalid("Unsupported anything-but pattern: %s%s", op, at(path))
			}
			list, ok := values.([]any)
			if !ok {
				list = []any{values}
			}
			for _, v := range list {
				match, err := textual(op, v, path)
				if err != nil {
					return nil, err
				}
				not = append(not, match)
			}
		}
	case []any:
		numbers := 0
		for _, v := range arg {
			switch v.(type) {
			case json.Number:
				numbers++
			case string:
			default:
				return nil, invalid("Inside anything but list, start|null|boolean is not supported.%s", at(path))
			}
			not = append(not, exactly(v))
		}
		if numbers != 0 && numbers != len(arg) {
			return nil, invalid("Inside anything but list, either all values are number or string, mixed type is not supported%s", at(path))
		}
	case string, json.Number:
		not = append(not, exactly(arg))
	default:
		return nil, invalid("Value of anything-but must be an array or single string/number value.%s", at(path))
	}
	if len(not) == 0 {
		return nil, invalid("Empty arrays are not allowed%s", at(path))
	}
	return func(leaf any) bool {
		return !slices.ContainsFunc(not, func(match func(any) bool) bool { return match(leaf) })
	}, nil
}

// maxNumber bounds the numbers of ranges, as the service does.
const maxNumber = 5e9

func numeric(arg any, path string) (func(any) bool, error) {
	list, ok := arg.([]any)
	if !ok || len(list) != 2 && len(list) != 4 {
		return nil, invalid("Value of numeric must be an array of one or two comparisons%s", at(path))
	}
	type comparison struct {
		op    string
		value float64
	}
	var all []comparison
	for i := 0; i < len(list); i += 2 {
		op, _ := list[i].(string)
		number, isNumber := list[i+1].(json.Number)
		if !slices.Contains([]string{"=", "<", "<=", ">", ">="}, op) {
			return nil, invalid("Unrecognized numeric range operator: %v%s", list[i], at(path))
		}
		if !isNumber {
			return nil, invalid("Value of %s must be numeric%s", op, at(path))
		}
		v, err := number.Float64()
		if err != nil || v > maxNumber || v < -maxNumber {
			return nil, invalid("Value must be between -5.0E9 and 5.0E9, inclusive%s", at(path))
		}
		all = append(all, comparison{op, v})
	}
	if len(all) == 2 {
		if all[0].op[0] != '>' || all[1].op[0] != '<' {
			return nil, invalid("Bad numeric range: want > or >= and then < or <=%s", at(path))
		}
		if all[0].value >= all[1].value {
			return nil, invalid("Bottom must be less than top%s", at(path))
		}
	}
	return func(leaf any) bool {
		number, ok := leaf.(json.Number)
		if !ok {
			return false
		}
		v, err := number.Float64()
		if err != nil {
			return false
		}
		for _, c := range all {
			if ok := c.op == "=" && v == c.value || c.op == "<" && v < c.value || c.op == "<=" && v <= c.value ||
				c.op == ">" && v > c.value || c.op == ">=" && v >= c.value; !ok {
				return false
			}
		}
		return true
	}, nil
}

func cidr(arg any, path string) (func(any) bool, error) {
	text, ok := arg.(string)
	if !ok {
		return nil, invalid("Value of cidr must be a string%s", at(path))
	}
	address, bits, found := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Zone() != "" {
		return nil, invalid("Malformed CIDR, %.64q is no address%s", address, at(path))
	}
	n := addr.BitLen()
	if found {
		if n, err = strconv.Atoi(bits); err != nil || n < 0 || n > addr.BitLen() {
			return nil, invalid("Malformed CIDR, mask bits must be an integer from 0 to %d%s", addr.BitLen(), at(path))
		}
	}
	block := netip.PrefixFrom(addr, n).Masked()
	return func(leaf any) bool {
		s, ok := leaf.(string)
		if !ok {
			return false
		}
		a, err := netip.ParseAddr(s)
		return err == nil && block.Contains(a)
	}, nil
}
