package policy

import (
	"strings"
	"unicode/utf8"
)

// pattern is text with wildcards, cut at its stars: any run of characters may
// stand between two pieces. Matching takes the leftmost place of each piece and
// never goes back: its time grows with the text and cannot explode.
type pattern []piece

// piece is texts with exactly one arbitrary character between each two: a
// question mark's places are the cuts.
type piece []string

// match reports whether the pattern covers the whole of s.
func (p pattern) match(s string) bool {
	if len(p) == 0 {
		return s == ""
	}
	n, ok := p[0].at(s)
	if !ok {
		return false
	}
	if len(p) == 1 {
		return n == len(s)
	}
	s = s[n:]
	for _, middle := range p[1 : len(p)-1] {
		end, ok := middle.find(s)
		if !ok {
			return false
		}
		s = s[end:]
	}
	return p[len(p)-1].ends(s)
}

// at matches the piece at the beginning of s and returns how many bytes it covers.
func (p piece) at(s string) (int, bool) {
	n := 0
	for i, text := range p {
		if i > 0 {
			_, size := utf8.DecodeRuneInString(s[n:])
			if size == 0 {
				return 0, false
			}
			n += size
		}
		if !strings.HasPrefix(s[n:], text) {
			return 0, false
		}
		n += len(text)
	}
	return n, true
}

// find returns where the leftmost match in s ends. A piece covers a fixed number
// of characters, so that the one that begins first also ends first.
func (p piece) find(s string) (end int, ok bool) {
	if len(p) == 1 {
		i := strings.Index(s, p[0])
		return i + len(p[0]), i >= 0
	}
	for from := 0; from <= len(s); {
		i := strings.Index(s[from:], p[0])
		if i < 0 {
			return 0, false
		}
		from += i
		if n, ok := p.at(s[from:]); ok {
			return from + n, true
		}
		_, size := utf8.DecodeRuneInString(s[from:])
		from += max(size, 1)
	}
	return 0, false
}

// ends matches the piece at the end of s.
func (p piece) ends(s string) bool {
	for i := len(p) - 1; i >= 0; i-- {
		rest, ok := strings.CutSuffix(s, p[i])
		if !ok {
			return false
		}
		s = rest
		if i > 0 {
			_, size := utf8.DecodeLastRuneInString(s)
			if size == 0 {
				return false
			}
			s = s[:len(s)-size]
		}
	}
	return true
}

// tokenKind says what a token of a template stands for.
type tokenKind uint8

const (
	literal  tokenKind = iota
	anyOne             // ?
	anyRun             // *
	variable           // ${key} or ${key, 'fallback'}
)

type token struct {
	kind        tokenKind
	text        string // of a literal; of a variable its key in lower case
	fallback    string
	hasFallback bool
}

// template is an element of a policy as it was written: literals, wildcards and
// policy variables. What a variable stands for is a literal, whatever characters
// it holds.
type template struct {
	tokens   []token
	variable bool    // holds variables: pattern and text are made for each request
	pattern  pattern // without variables
	text     string  // without variables: the literals
}

// compile reads an element. Without wildcards * and ? stand for themselves; with
// variables (documents of version 2012-10-17) ${…} is read.
func compile(s string, wildcards, variables bool) template {
	return templateOf(tokens(s, wildcards, variables))
}

func templateOf(ts []token) template {
	t := template{tokens: ts}
	for _, k := range ts {
		t.variable = t.variable || k.kind == variable
	}
	if !t.variable {
		t.text, _ = t.fill(nil)
		t.pattern, _ = t.expand(nil) // last: it says that both are there
	}
	return t
}

func tokens(s string, wildcards, variables bool) []token {
	var out []token
	add := func(text string) {
		if n := len(out); text != "" && n > 0 && out[n-1].kind == literal {
			out[n-1].text += text
		} else if text != "" {
			out = append(out, token{text: text})
		}
	}
	for s != "" {
		i := strings.IndexAny(s, "*?$")
		if i < 0 {
			break
		}
		add(s[:i])
		s = s[i:]
		end := strings.IndexByte(s, '}')
		switch {
		case s[0] == '$' && variables && strings.HasPrefix(s, "${") && end > 0:
			out = appendVariable(out, add, s[2:end])
			s = s[end+1:]
			continue
		case s[0] == '*' && wildcards:
			out = append(out, token{kind: anyRun})
		case s[0] == '?' && wildcards:
			out = append(out, token{kind: anyOne})
		default:
			add(s[:1])
		}
		s = s[1:]
	}
	add(s)
	return out
}

// appendVariable reads what stands between the braces: ${*}, ${?} and ${$} are
// the characters themselves.
func appendVariable(out []token, add func(string), inside string) []token {
	if inside == "*" || inside == "?" || inside == "$" {
		return append(out, token{text: inside})
	}
	name, fallback, has := strings.Cut(inside, ",")
	if fallback = strings.TrimSpace(fallback); has && len(fallback) >= 2 && fallback[0] == '\'' && fallback[len(fallback)-1] == '\'' {
		fallback = fallback[1 : len(fallback)-1]
	} else {
		has = false
	}
	return append(out, token{kind: variable, text: strings.ToLower(strings.TrimSpace(name)), fallback: fallback, hasFallback: has && fallback != ""})
}

// value is what a variable stands for in a request: false when the key is absent
// (or empty, or has several values) and there is no fallback.
func (k token) value(keys Keys) (string, bool) {
	if v := keys.get(k.text); len(v) == 1 && v[0] != "" {
		return v[0], true
	}
	return k.fallback, k.hasFallback
}

// expand returns the template as a pattern; false when a variable has no value.
func (t template) expand(keys Keys) (pattern, bool) {
	if t.pattern != nil {
		return t.pattern, true
	}
	p, last := pattern{}, piece{""}
	for _, k := range t.tokens {
		switch k.kind {
		case anyRun:
			p, last = append(p, last), piece{""}
		case anyOne:
			last = append(last, "")
		case variable:
			v, ok := k.value(keys)
			if !ok {
				return nil, false
			}
			last[len(last)-1] += v
		case literal:
			last[len(last)-1] += k.text
		}
	}
	return append(p, last), true
}

// fill returns the template as text, its wildcards apart; false when a variable has no value.
func (t template) fill(keys Keys) (string, bool) {
	if !t.variable && t.pattern != nil {
		return t.text, true
	}
	var b strings.Builder
	for _, k := range t.tokens {
		switch k.kind {
		case variable:
			v, ok := k.value(keys)
			if !ok {
				return "", false
			}
			b.WriteString(v)
		case literal:
			b.WriteString(k.text)
		case anyOne, anyRun: // compiled without wildcards
		}
	}
	return b.String(), true
}

// match reports whether the template covers s; ok is false when a variable has no value.
func (t template) match(s string, keys Keys) (matched, ok bool) {
	p, ok := t.expand(keys)
	return ok && p.match(s), ok
}

// arnParts is how many colons cut an ARN: arn:partition:service:region:account:resource.
const arnParts = 6

// arnTemplate matches ARNs part by part: no wildcard reaches over a colon but in the last.
type arnTemplate [arnParts]template

// compileARN cuts s at its colons that stand outside of variables. It returns how
// many parts there were; the parts that lack are empty.
func compileARN(s string, variables bool) (arnTemplate, int) {
	var parts [arnParts][]token
	at := 0
	for _, k := range tokens(s, true, variables) {
		for k.kind == literal && at < arnParts-1 {
			before, after, found := strings.Cut(k.text, ":")
			if !found {
				break
			}
			if before != "" {
				parts[at] = append(parts[at], token{text: before})
			}
			at++
			k.text = after
		}
		if k.kind != literal || k.text != "" {
			parts[at] = append(parts[at], k)
		}
	}
	var a arnTemplate
	for i, p := range parts {
		a[i] = templateOf(p)
	}
	return a, at + 1
}

// match reports whether the template covers an ARN; ok is false when that hangs
// on a variable that has no value.
func (a *arnTemplate) match(arn [arnParts]string, keys Keys) (matched, ok bool) {
	known := true
	for i := range a {
		matched, ok := a[i].match(arn[i], keys)
		if ok && !matched {
			return false, true
		}
		known = known && ok
	}
	return known, known
}

// splitARN cuts an ARN at its first five colons; false when it has fewer.
func splitARN(s string) (parts [arnParts]string, ok bool) {
	for i := range arnParts - 1 {
		parts[i], s, ok = strings.Cut(s, ":")
		if !ok {
			return parts, false
		}
	}
	parts[arnParts-1] = s
	return parts, true
}
