package pattern

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// CodeInvalid is the service's name of a pattern that is none.
const CodeInvalid = "InvalidEventPatternException"

// maxAlternatives bounds what the $or of a pattern multiply to, as the service does.
const maxAlternatives = 1000

// Pattern is a compiled event pattern, safe for concurrent use.
type Pattern struct{ root *node }

// node is what one object of the event must satisfy.
type node struct {
	fields []field
	ors    [][]*node // of each, one must be satisfied by the same object
}

// field is what one member must satisfy: one of its tests, or a node below it.
type field struct {
	name  string
	path  string // of member names, joined by NUL
	tests []test
	below *node
}

// Parse compiles a pattern. Its error is Invalid with CodeInvalid and says what
// is wrong where.
func Parse(text string) (*Pattern, error) {
	v, err := decode([]byte(text))
	if err != nil {
		return nil, invalid("it is not JSON: %v", err)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, invalid("Filter is not an object")
	}
	alternatives := 1
	root, err := compile(object, "", &alternatives)
	if err != nil {
		return nil, err
	}
	return &Pattern{root}, nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, CodeInvalid, "Event pattern is not valid. Reason: "+format, args...)
}

// decode reads one JSON document and keeps the text of numbers.
func decode(doc []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is more after the document")
	}
	return v, nil
}

func compile(object map[string]any, path string, alternatives *int) (*node, error) {
	if len(object) == 0 {
		return nil, invalid("Empty objects are not allowed%s", at(path))
	}
	n := &node{}
	for name, v := range object {
		here := join(path, name)
		switch v := v.(type) {
		case map[string]any:
			below, err := compile(v, here, alternatives)
			if err != nil {
				return nil, err
			}
			n.fields = append(n.fields, field{name: name, path: here, below: below})
		case []any:
			if name == "$or" {
				or, err := compileOr(v, path, alternatives)
				if err != nil {
					return nil, err
				}
				n.ors = append(n.ors, or)
				continue
			}
			tests, err := compileTests(v, here)
			if err != nil {
				return nil, err
			}
			n.fields = append(n.fields, field{name: name, path: here, tests: tests})
		default:
			return nil, invalid("%q must be an object or an array%s", name, at(path))
		}
	}
	slices.SortFunc(n.fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return n, nil
}

func compileOr(list []any, path string, alternatives *int) ([]*node, error) {
	if len(list) < 2 {
		return nil, invalid("$or needs an array of at least two objects%s", at(path))
	}
	if *alternatives *= len(list); *alternatives > maxAlternatives {
		return nil, invalid("$or has more than %d combinations", maxAlternatives)
	}
	var out []*node
	for _, v := range list {
		object, ok := v.(map[string]any)
		if !ok {
			return nil, invalid("$or needs an array of at least two objects%s", at(path))
		}
		n, err := compile(object, path, alternatives)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "\x00" + name
}

// at says where in a pattern something is.
func at(path string) string {
	if path == "" {
		return ""
	}
	return " at " + strings.ReplaceAll(path, "\x00", ".")
}

// Event is an event to match. It is not safe for concurrent use.
type Event struct {
	root  any
	paths map[string]bool // of all leaves; made when the first exists test asks
}

// ParseEvent reads an event, a JSON object.
func ParseEvent(doc []byte) (*Event, error) {
	v, err := decode(doc)
	if err != nil {
		return nil, fmt.Errorf("parse event: %w", err)
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, fmt.Errorf("parse event: it is not an object")
	}
	return &Event{root: v}, nil
}

// has reports whether the event has a leaf at a path, in any element of its arrays.
func (e *Event) has(path string) bool {
	if e.paths == nil {
		e.paths = map[string]bool{}
		e.note(e.root, "")
	}
	return e.paths[path]
}

func (e *Event) note(v any, path string) {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			e.note(below, join(path, name))
		}
	case []any:
		for _, item := range v {
			e.note(item, path)
		}
	default:
		e.paths[path] = true
	}
}

// Match reports whether the event matches.
func (p *Pattern) Match(e *Event) bool { return e.object(p.root, e.root) }

// object matches a node with a value: an object, one element of an array, or
// nothing, which satisfies those who ask that nothing is there.
func (e *Event) object(n *node, v any) bool {
	if list, ok := v.([]any); ok {
		return slices.ContainsFunc(list, func(item any) bool { return e.object(n, item) })
	}
	object, _ := v.(map[string]any)
	for _, f := range n.fields {
		below, present := object[f.name]
		if f.below != nil {
			if !e.object(f.below, below) {
				return false
			}
		} else if !e.leaf(f, below, present) {
			return false
		}
	}
	for _, or := range n.ors {
		if !slices.ContainsFunc(or, func(n *node) bool { return e.object(n, v) }) {
			return false
		}
	}
	return true
}

func (e *Event) leaf(f field, v any, present bool) bool {
	for _, t := range f.tests {
		if t.absent {
			if !e.has(f.path) {
				return true
			}
		} else if present && someLeaf(v, t.match) {
			return true
		}
	}
	return false
}

// someLeaf reports whether a value, or one in an array of them, is a leaf that matches.
func someLeaf(v any, match func(any) bool) bool {
	switch v := v.(type) {
	case map[string]any:
		return false
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return someLeaf(item, match) })
	}
	return match(v)
}
