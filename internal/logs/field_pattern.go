package logs

import (
	"encoding/json"
	"strconv"
	"strings"
)

// fieldPattern is a pattern of space-delimited fields: [ip, user, ..., code = 4*].
// Each item stands for one field of the message, and an ellipsis for any number
// of them, also none.
type fieldPattern struct {
	before, after []condition // nil: any field
	open          bool        // an ellipsis is between them
}

// maxFields bounds the items of a pattern.
const maxFields = 128

// parseFieldPattern reads [ITEM, …]: an ellipsis, a name, or conditions on a name
// joined by && and ||, && first.
func parseFieldPattern(s string) (*fieldPattern, error) {
	inner, ok := strings.CutSuffix(strings.TrimPrefix(s, "["), "]")
	if !ok {
		return nil, badPattern("space-delimited fields without their closing bracket")
	}
	items, err := splitItems(inner)
	if err != nil {
		return nil, err
	}
	if len(items) > maxFields {
		return nil, badPattern("more than %d fields", maxFields)
	}
	p := &fieldPattern{}
	for _, item := range items {
		if item == "..." {
			if p.open {
				return nil, badPattern("more than one ellipsis")
			}
			p.open = true
			continue
		}
		c, err := parseField(item)
		if err != nil {
			return nil, err
		}
		if p.open {
			p.after = append(p.after, c)
		} else {
			p.before = append(p.before, c)
		}
	}
	return p, nil
}

// splitItems divides the inside of the brackets at the commas that are in no
// string and in no regular expression.
func splitItems(s string) ([]string, error) {
	var items []string
	begin, within := 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && within != 0:
			i++
		case c == within:
			within = 0
		case within == 0 && (c == '"' || c == '%'):
			within = c
		case within == 0 && c == ',':
			items = append(items, strings.TrimSpace(s[begin:i]))
			begin = i + 1
		}
	}
	if within != 0 {
		return nil, badPattern("a string or a regular expression without its end")
	}
	return append(items, strings.TrimSpace(s[begin:])), nil
}

func parseField(item string) (condition, error) {
	p := &jsonParser{rest: item}
	name := p.word()
	if name == "" {
		return nil, badPattern("a field without a name")
	}
	if p.skip(); p.rest == "" {
		return nil, nil
	}
	p.rest = item
	c, err := p.joined("||", func() (condition, error) { return p.joined("&&", p.field) })
	if err != nil {
		return nil, err
	}
	if p.skip(); p.rest != "" {
		return nil, badPattern("%q after the condition", p.rest)
	}
	return c, nil
}

// field reads one NAME SIGN VALUE.
func (p *jsonParser) field() (condition, error) {
	name := p.word()
	for _, sign := range comparisons {
		if p.take(sign) {
			return p.compare(nil, sign)
		}
	}
	return nil, badPattern("no comparison after the field %q", name)
}

func (p *fieldPattern) match(message string) bool {
	fields := splitFields(message)
	least := len(p.before) + len(p.after)
	if len(fields) < least || len(fields) > least && !p.open {
		return false
	}
	return all(p.before, fields[:len(p.before)]) && all(p.after, fields[len(fields)-len(p.after):])
}

func all(conditions []condition, fields []string) bool {
	for i, c := range conditions {
		if c == nil {
			continue
		}
		var v any = fields[i]
		if _, err := strconv.ParseFloat(fields[i], 64); err == nil {
			v = json.Number(fields[i])
		}
		if !c(v) {
			return false
		}
	}
	return true
}

// splitFields divides a message at its blanks; what is in double quotes or in
// brackets is one field, without them.
func splitFields(message string) []string {
	var fields []string
	for {
		message = strings.TrimLeft(message, " \t\r\n")
		if message == "" {
			return fields
		}
		end := ""
		switch message[0] {
		case '"':
			end = `"`
		case '[':
			end = "]"
		}
		if end != "" {
			if field, rest, ok := strings.Cut(message[1:], end); ok {
				fields, message = append(fields, field), rest
				continue
			}
		}
		n := strings.IndexAny(message, " \t\r\n")
		if n < 0 {
			n = len(message)
		}
		fields, message = append(fields, message[:n]), message[n:]
	}
}
