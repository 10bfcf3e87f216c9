package awsapi

import (
	"encoding"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Schema reads the struct tags of generated shapes, each once. The zero value
// is ready; it is safe for concurrent use, and one a process is enough.
//
// A tag aws:"name,option,…" gives a member's wire name and these options:
// loc=uri|querystring|header|headers|statusCode (the member is not in the
// document), payload (the member is the whole document), req, flat and
// item=NAME (XML lists), attr (an XML attribute), min= and max= of
// a number, a string's length or a list's size, itemmin= and itemmax= of each
// item. pattern:"…" and itempattern:"…" are regular expressions of the whole text,
// as the services match them.
type Schema struct {
	fields   sync.Map // reflect.Type → []Field
	patterns sync.Map // string → *regexp.Regexp
}

// Field is one member of a generated struct, in the struct's order.
type Field struct {
	Name     string // on the wire, camelCase in JSON
	GoName   string // PascalCase, the name that exports of the console use
	Location string // "" is the document
	Payload  bool
	Required bool

	item        string // name of a list's items in XML
	flat, attr  bool
	value       bounds
	itemBounds  bounds
	pattern     string
	itemPattern string
}

type bounds struct {
	min, max       float64
	hasMin, hasMax bool
}

// Fields returns the members of struct type t, or nil when t is no struct.
func (s *Schema) Fields(t reflect.Type) []Field {
	if t.Kind() != reflect.Struct || isText(t) {
		return nil
	}
	if c, ok := s.fields.Load(t); ok {
		return c.([]Field)
	}
	fs := make([]Field, t.NumField())
	for i := range fs {
		fs[i] = readTag(t.Field(i))
	}
	s.fields.Store(t, fs)
	return fs
}

func readTag(sf reflect.StructField) Field {
	parts := strings.Split(sf.Tag.Get("aws"), ",")
	f := Field{Name: parts[0], GoName: sf.Name, item: "member", pattern: sf.Tag.Get("pattern"), itemPattern: sf.Tag.Get("itempattern")}
	for _, o := range parts[1:] {
		k, v, _ := strings.Cut(o, "=")
		switch k {
		case "loc":
			f.Location = v
		case "payload":
			f.Payload = true
		case "req":
			f.Required = true
		case "flat":
			f.flat = true
		case "attr":
			f.attr = true
		case "item":
			f.item = v
		case "min":
			f.value.min, f.value.hasMin = number(v), true
		case "max":
			f.value.max, f.value.hasMax = number(v), true
		case "itemmin":
			f.itemBounds.min, f.itemBounds.hasMin = number(v), true
		case "itemmax":
			f.itemBounds.max, f.itemBounds.hasMax = number(v), true
		}
	}
	return f
}

// number reads a bound that awsgen wrote; a tag that it did not write counts as 0.
func number(s string) float64 { f, _ := strconv.ParseFloat(s, 64); return f }

// compiled returns the regular expression of a tag; awsgen has compiled it before.
func (s *Schema) compiled(pattern string) *regexp.Regexp {
	if c, ok := s.patterns.Load(pattern); ok {
		return c.(*regexp.Regexp)
	}
	re := regexp.MustCompile(`\A(?:` + pattern + `)\z`)
	s.patterns.Store(pattern, re)
	return re
}

// isText reports whether values of t are text on the wire though t is a struct.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// isBlob reports whether t is a blob, which is text on the wire and no list.
func isBlob(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// Enumeration is implemented by every generated enumeration.
type Enumeration interface{ Values() []string }
