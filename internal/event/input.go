package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// codeValidation is the service's name of a wrong request.
const codeValidation = "ValidationException"

// Transformer makes the text that is sent from parts of the event.
type Transformer struct {
	Paths    map[string]string `json:",omitempty"` // variable → path
	Template string            // with <variable>
}

// Source of the syntax: "Amazon EventBridge input transformation" of the user guide.
const (
	varRuleARN  = "aws.events.rule-arn"
	varRuleName = "aws.events.rule-name"
	varIngested = "aws.events.event.ingestion-time"
	varEvent    = "aws.events.event"      // without its detail
	varWhole    = "aws.events.event.json" // whole
)

// Check returns what is wrong with the inputs of a target, as the service words it.
func (t Target) Check() error {
	given := 0
	for _, is := range []bool{t.Input != "", t.InputPath != "", t.Transformer != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return invalidTarget("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", t.ID)
	case t.Input != "" && !json.Valid([]byte(t.Input)):
		return invalidTarget("JSON syntax error in input for target %s", t.ID)
	case t.InputPath != "":
		if _, err := parsePath(t.InputPath); err != nil {
			return invalidTarget("Invalid InputPath for target %s: %v", t.ID, err)
		}
	case t.Transformer != nil:
		return t.Transformer.check(t.ID)
	}
	return nil
}

func invalidTarget(format string, args ...any) error {
	return fault.New(fault.Invalid, codeValidation, format, args...)
}

func (tr Transformer) check(target string) error {
	for name, path := range tr.Paths {
		if strings.HasPrefix(strings.ToLower(name), "aws.") {
			return invalidTarget("Invalid InputTransformer for target %s : variable names must not begin with AWS.", target)
		}
		if _, err := parsePath(path); err != nil {
			return invalidTarget("Invalid InputTransformer for target %s : path of %q: %v", target, name, err)
		}
	}
	sample := map[string]any{}
	var unknown string
	text := tr.fill(func(name string) (any, bool) {
		_, ok := tr.Paths[name]
		if !ok && name != varRuleARN && name != varRuleName && name != varIngested && name != varEvent && name != varWhole {
			unknown = name
		}
		return sample, true
	})
	if unknown != "" {
		return invalidTarget("Invalid InputTemplate for target %s : the variable <%s> has no path.", target, unknown)
	}
	for d := json.NewDecoder(bytes.NewReader(text)); ; { // strings may stand on several lines
		var v json.RawMessage
		err := d.Decode(&v)
		if err == nil {
			continue
		}
		if err == io.EOF {
			break
		}
		return invalidTarget("Invalid InputTemplate for target %s : it does not become a JSON document. Text needs to stand in quotation marks.", target)
	}
	return nil
}

// placeholder is a variable of a template.
var placeholder = regexp.MustCompile(`<([A-Za-z0-9_.-]+)>`)

// fill replaces the variables of the template. Within a JSON string a variable
// becomes text, elsewhere JSON; one that is not there becomes nothing, or null.
func (tr Transformer) fill(lookup func(name string) (any, bool)) []byte {
	var out bytes.Buffer
	template := tr.Template
	quoted := false
	last := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(template, -1) {
		literal := template[last:m[0]]
		quoted = quotedAfter(quoted, literal)
		out.WriteString(literal)
		last = m[1]
		v, ok := lookup(template[m[2]:m[3]])
		switch s, isText := v.(string); {
		case !quoted && !ok:
			out.WriteString("null")
		case !quoted:
			writeJSON(&out, v)
		case !ok:
		case isText:
			writeInner(&out, s)
		default:
			var b bytes.Buffer
			writeJSON(&b, v)
			writeInner(&out, b.String())
		}
	}
	out.WriteString(template[last:])
	return out.Bytes()
}

// quotedAfter tells whether a place in JSON text is within a string.
func quotedAfter(quoted bool, text string) bool {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted = !quoted
		}
	}
	return quoted
}

func writeJSON(out *bytes.Buffer, v any) {
	doc, err := encode(v)
	if err != nil {
		panic(err) // what was decoded from JSON
	}
	out.Write(doc)
}

// writeInner writes a string as it stands between quotation marks.
func writeInner(out *bytes.Buffer, s string) {
	doc, err := encode(s)
	if err != nil {
		panic(err) // a string
	}
	out.Write(doc[1 : len(doc)-1])
}

// payload is what the target gets of an event.
func (t Target) payload(rule Rule, ruleARN string, event []byte, ingested time.Time) ([]byte, error) {
	switch {
	case t.Input != "":
		return []byte(t.Input), nil
	case t.InputPath == "" && t.Transformer == nil:
		return event, nil
	}
	d := json.NewDecoder(bytes.NewReader(event))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read event: %w", err)
	}
	if t.Transformer == nil {
		v, ok := lookUp(tree, t.InputPath)
		if !ok {
			return []byte("null"), nil
		}
		return encode(v)
	}
	return t.Transformer.fill(func(name string) (any, bool) {
		switch name {
		case varRuleARN:
			return ruleARN, true
		case varRuleName:
			return rule.Name, true
		case varIngested:
			return ingested.UTC().Format(time.RFC3339), true
		case varWhole:
			return json.RawMessage(event), true
		case varEvent:
			envelope := map[string]any{}
			if all, ok := tree.(map[string]any); ok {
				for k, v := range all {
					if k != "detail" {
						envelope[k] = v
					}
				}
			}
			return envelope, true
		}
		return lookUp(tree, t.Transformer.Paths[name])
	}), nil
}

// step is one part of a path: a member's name, or an item's number.
type step struct {
	name  string
	index int // -1: a name
}

// parsePath reads the JSON paths of targets: $, $.detail.state, $.detail['a b'],
// $.resources[0].
func parsePath(path string) ([]step, error) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, fmt.Errorf("%q does not begin with $", path)
	}
	var steps []step
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "['"):
			name, after, ok := strings.Cut(rest[2:], "']")
			if !ok {
				return nil, fmt.Errorf("%q has no end of ['", path)
			}
			steps, rest = append(steps, step{name, -1}), after
		case rest[0] == '[':
			number, after, ok := strings.Cut(rest[1:], "]")
			n, err := strconv.Atoi(number)
			if !ok || err != nil || n < 0 {
				return nil, fmt.Errorf("%q has no number between [ and ]", path)
			}
			steps, rest = append(steps, step{index: n}), after
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			if end == 0 {
				return nil, fmt.Errorf("%q has an empty name", path)
			}
			steps, rest = append(steps, step{rest[1 : end+1], -1}), rest[end+1:]
		default:
			return nil, fmt.Errorf("%q goes on with neither . nor [", path)
		}
	}
	return steps, nil
}

// lookUp follows a path.
func lookUp(v any, path string) (any, bool) {
	steps, err := parsePath(path)
	if err != nil {
		return nil, false
	}
	for _, s := range steps {
		if s.index >= 0 {
			list, _ := v.([]any)
			if s.index >= len(list) {
				return nil, false
			}
			v = list[s.index]
			continue
		}
		object, _ := v.(map[string]any)
		below, ok := object[s.name]
		if !ok {
			return nil, false
		}
		v = below
	}
	return v, true
}

// of returns the part with every value that is a path, $.detail.id, replaced by
// what is there in the event: a string as it is, anything else as JSON, and
// nothing when there is nothing.
func (h *HTTPPart) of(event []byte) *HTTPPart {
	if h == nil {
		return nil
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader(event))
	d.UseNumber()
	if d.Decode(&tree) != nil {
		return h
	}
	value := func(text string) string {
		if _, err := parsePath(text); err != nil || !strings.HasPrefix(text, "$.") {
			return text
		}
		v, ok := lookUp(tree, text)
		if s, isText := v.(string); isText || !ok {
			return s
		}
		var b bytes.Buffer
		writeJSON(&b, v)
		return b.String()
	}
	out := &HTTPPart{}
	for _, v := range h.Path {
		out.Path = append(out.Path, value(v))
	}
	values := func(in map[string]string) map[string]string {
		if in == nil {
			return nil
		}
		m := make(map[string]string, len(in))
		for k, v := range in {
			m[k] = value(v)
		}
		return m
	}
	out.Header, out.Query = values(h.Header), values(h.Query)
	return out
}
