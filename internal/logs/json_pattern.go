package logs

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// condition is a condition on a decoded JSON message.
type condition func(document any) bool

// comparisons are the signs of comparisons; one that begins with another comes first.
var comparisons = []string{"!=", "<=", ">=", "=", "<", ">"}

// maxNesting bounds the parentheses of a pattern.
const maxNesting = 20

// matchJSON reports whether a message is a JSON object or array that meets c.
func matchJSON(c condition, message string) bool {
	message = strings.TrimSpace(message)
	if !strings.HasPrefix(message, "{") && !strings.HasPrefix(message, "[") {
		return false
	}
	d := json.NewDecoder(strings.NewReader(message))
	d.UseNumber()
	var document any
	if d.Decode(&document) != nil {
		return false
	}
	return c(document)
}

// parseJSONPattern reads { CONDITION }: comparisons of $.members joined by && and
// ||, && first, with parentheses.
func parseJSONPattern(s string) (condition, error) {
	inner, ok := strings.CutSuffix(strings.TrimPrefix(s, "{"), "}")
	if !ok {
		return nil, badPattern("a JSON pattern without its closing brace")
	}
	p := &jsonParser{rest: inner}
	c, err := p.either(0)
	if err != nil {
		return nil, err
	}
	if p.skip(); p.rest != "" {
		return nil, badPattern("%q after the condition", p.rest)
	}
	return c, nil
}

type jsonParser struct{ rest string }

func (p *jsonParser) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take skips blanks and then a sign, if it is next.
func (p *jsonParser) take(sign string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, sign)
	if ok {
		p.rest = rest
	}
	return ok
}

// word takes the next word, up to a blank or a sign.
func (p *jsonParser) word() string {
	p.skip()
	end := strings.IndexAny(p.rest, " \t\r\n()&|=<>!")
	if end < 0 {
		end = len(p.rest)
	}
	w := p.rest[:end]
	p.rest = p.rest[end:]
	return w
}

func (p *jsonParser) either(depth int) (condition, error) {
	return p.joined("||", func() (condition, error) {
		return p.joined("&&", func() (condition, error) { return p.one(depth) })
	})
}

// joined reads conditions with a sign between them.
func (p *jsonParser) joined(sign string, next func() (condition, error)) (condition, error) {
	var parts []condition
	for {
		c, err := next()
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
		if !p.take(sign) {
			break
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	one := sign == "||"
	return func(document any) bool {
		for _, c := range parts {
			if c(document) == one {
				return one
			}
		}
		return !one
	}, nil
}

func (p *jsonParser) one(depth int) (condition, error) {
	if depth > maxNesting {
		return nil, badPattern("more than %d parentheses in each other", maxNesting)
	}
	if p.take("(") {
		c, err := p.either(depth + 1)
		if err == nil && !p.take(")") {
			err = badPattern("a parenthesis without its end")
		}
		return c, err
	}
	path, err := p.selector()
	if err != nil {
		return nil, err
	}
	for _, sign := range comparisons {
		if p.take(sign) {
			return p.compare(path, sign)
		}
	}
	switch first, second := strings.ToUpper(p.word()), strings.ToUpper(p.word()); first + " " + second {
	case "NOT EXISTS":
		return func(d any) bool { _, ok := find(d, path); return !ok }, nil
	case "IS TRUE":
		return func(d any) bool { v, _ := find(d, path); return v == true }, nil
	case "IS FALSE":
		return func(d any) bool { v, _ := find(d, path); return v == false }, nil
	case "IS NULL":
		return func(d any) bool { v, ok := find(d, path); return ok && v == nil }, nil
	default:
		return nil, badPattern("%q is no comparison", strings.TrimSpace(first+" "+second))
	}
}

// selector reads $.member["other member"][0]; $.['other member'] is the same.
func (p *jsonParser) selector() ([]any, error) {
	if !p.take("$") {
		p.skip()
		return nil, badPattern("%q where a selector ($.member) is expected", p.rest)
	}
	var path []any
	for {
		switch {
		case strings.HasPrefix(p.rest, "["), strings.HasPrefix(p.rest, ".["):
			p.rest = strings.TrimPrefix(p.rest, ".")[1:]
			if strings.HasPrefix(p.rest, "'") {
				name, rest, ok := strings.Cut(p.rest[1:], "']")
				if !ok {
					return nil, badPattern("a selector without its end")
				}
				path, p.rest = append(path, name), rest
				continue
			}
			if strings.HasPrefix(p.rest, `"`) {
				name, rest, ok := quoted(p.rest)
				if !ok || !strings.HasPrefix(rest, "]") {
					return nil, badPattern("a selector without its end")
				}
				path, p.rest = append(path, name), rest[1:]
				continue
			}
			index, rest, ok := strings.Cut(p.rest, "]")
			n, err := strconv.Atoi(index)
			if !ok || err != nil || n < 0 {
				return nil, badPattern("[%s is no place in a list", index)
			}
			path, p.rest = append(path, n), rest
		case strings.HasPrefix(p.rest, "."):
			p.rest = p.rest[1:]
			end := strings.IndexAny(p.rest, " \t\r\n()&|=<>!.[")
			if end < 0 {
				end = len(p.rest)
			}
			if end == 0 {
				return nil, badPattern("a selector without a member")
			}
			path, p.rest = append(path, p.rest[:end]), p.rest[end:]
		default:
			if len(path) == 0 {
				return nil, badPattern("a selector without a member")
			}
			return path, nil
		}
	}
}

// find returns what a selector names in a document; an empty one names all of it.
func find(document any, path []any) (any, bool) {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, ok := document.(map[string]any)
			if !ok {
				return nil, false
			}
			if document, ok = m[step]; !ok {
				return nil, false
			}
		case int:
			l, ok := document.([]any)
			if !ok || step >= len(l) {
				return nil, false
			}
			document = l[step]
		}
	}
	return document, true
}

// compare reads what a selector is compared with.
func (p *jsonParser) compare(path []any, sign string) (condition, error) {
	p.skip()
	var text string
	switch {
	case strings.HasPrefix(p.rest, `"`):
		t, rest, ok := quoted(p.rest)
		if !ok {
			return nil, badPattern("a string without its end")
		}
		text, p.rest = t, rest
	case strings.HasPrefix(p.rest, "%"):
		t, rest, ok := strings.Cut(p.rest[1:], "%")
		if !ok {
			return nil, badPattern("a regular expression without its end")
		}
		re, err := regexp.Compile(t)
		if err != nil {
			return nil, badPattern("%v", err)
		}
		p.rest = rest
		return p.equality(path, sign, re)
	default:
		if text = p.word(); text == "" {
			return nil, badPattern("nothing after %s", sign)
		}
		if number, err := strconv.ParseFloat(text, 64); err == nil {
			return numeric(path, sign, number), nil
		}
	}
	parts := strings.Split(text, "*") // * stands for anything
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	re, err := regexp.Compile(`(?s)^` + strings.Join(parts, ".*") + `$`)
	if err != nil {
		return nil, badPattern("%v", err)
	}
	return p.equality(path, sign, re)
}

func (p *jsonParser) equality(path []any, sign string, re *regexp.Regexp) (condition, error) {
	if sign != "=" && sign != "!=" {
		return nil, badPattern("%s compares numbers only", sign)
	}
	return func(d any) bool {
		v, ok := find(d, path)
		if !ok {
			return false
		}
		text := ""
		switch v := v.(type) {
		case string:
			text = v
		case json.Number:
			text = v.String()
		case bool:
			text = strconv.FormatBool(v)
		default:
			return false
		}
		return re.MatchString(text) == (sign == "=")
	}, nil
}

func numeric(path []any, sign string, number float64) condition {
	return func(d any) bool {
		v, ok := find(d, path)
		n, isNumber := v.(json.Number)
		if !ok || !isNumber {
			return len(path) == 0 && sign == "!=" // a field of words
		}
		have, err := n.Float64()
		if err != nil {
			return false
		}
		switch sign {
		case "=":
			return have == number
		case "!=":
			return have != number
		case "<":
			return have < number
		case ">":
			return have > number
		case "<=":
			return have <= number
		}
		return have >= number
	}
}
