package logs

import (
	"regexp"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// Pattern is a filter pattern of CloudWatch Logs ("Filter pattern syntax" of its
// user guide): words that a message must have, "a phrase", -words that it must
// not have, ?words of which it must have one, %regular expressions%, or
// conditions on JSON messages: { $.level = "error" && $.code >= 500 }, or on
// space-delimited fields: [ip, user, ..., code = 5*]. As the service has it,
// ?words count for nothing beside other words.
type Pattern struct {
	all, none, any []term
	json           condition
	fields         *fieldPattern
}

// term is a word, a phrase or a regular expression.
type term struct {
	text string
	re   *regexp.Regexp
}

func (t term) in(message string) bool {
	if t.re != nil {
		return t.re.MatchString(message)
	}
	return strings.Contains(message, t.text)
}

// maxPattern is the service's bound of a pattern's length.
const maxPattern = 1024

func badPattern(format string, args ...any) error {
	return fault.New(fault.Invalid, "InvalidParameterException", "Invalid filter pattern: "+format, args...)
}

// ParsePattern reads a filter pattern; an empty one matches everything.
func ParsePattern(s string) (*Pattern, error) {
	if len(s) > maxPattern {
		return nil, badPattern("longer than %d characters", maxPattern)
	}
	s = strings.TrimSpace(s)
	p := &Pattern{}
	switch {
	case strings.HasPrefix(s, "{"):
		var err error
		p.json, err = parseJSONPattern(s)
		return p, err
	case strings.HasPrefix(s, "["):
		var err error
		p.fields, err = parseFieldPattern(s)
		return p, err
	}
	for s != "" {
		into := &p.all
		switch s[0] {
		case '-':
			into, s = &p.none, s[1:]
		case '?':
			into, s = &p.any, s[1:]
		}
		var t term
		var err error
		if t, s, err = nextTerm(s); err != nil {
			return nil, err
		}
		*into = append(*into, t)
		s = strings.TrimSpace(s)
	}
	if len(p.all)+len(p.none) > 0 {
		p.any = nil
	}
	return p, nil
}

// nextTerm takes a term from the beginning of s.
func nextTerm(s string) (term, string, error) {
	if s == "" {
		return term{}, "", badPattern("a sign without a word")
	}
	switch s[0] {
	case '"':
		text, rest, ok := quoted(s)
		if !ok || text == "" {
			return term{}, "", badPattern("a phrase without its end")
		}
		return term{text: text}, rest, nil
	case '%':
		text, rest, ok := strings.Cut(s[1:], "%")
		if !ok {
			return term{}, "", badPattern("a regular expression without its end")
		}
		re, err := regexp.Compile(text)
		if err != nil {
			return term{}, "", badPattern("%v", err)
		}
		return term{re: re}, rest, nil
	}
	end := strings.IndexAny(s, " \t\r\n")
	if end < 0 {
		end = len(s)
	}
	word := s[:end]
	if word == "" {
		return term{}, "", badPattern("a sign without a word")
	}
	if strings.ContainsFunc(word, func(r rune) bool { return r < 0x80 && !strings.ContainsRune(wordSigns, r) }) {
		return term{}, "", badPattern("the word %q has characters that need double quotes", word)
	}
	return term{text: word}, s[end:], nil
}

// wordSigns are the ASCII characters of words without quotes.
const wordSigns = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/*-$#@"

// quoted takes a string in double quotes from the beginning of s; a backslash
// takes the meaning from a quote or a backslash.
func quoted(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

// Match reports whether a message has what the pattern asks for.
func (p *Pattern) Match(message string) bool {
	if p.json != nil {
		return matchJSON(p.json, message)
	}
	if p.fields != nil {
		return p.fields.match(message)
	}
	for _, t := range p.all {
		if !t.in(message) {
			return false
		}
	}
	for _, t := range p.none {
		if t.in(message) {
			return false
		}
	}
	for _, t := range p.any {
		if t.in(message) {
			return true
		}
	}
	return len(p.any) == 0
}
