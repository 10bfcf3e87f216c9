package awsapi

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// maxFormFields bounds the fields of a request in the query protocol.
const maxFormFields = 10_000

// DecodeQuery fills the struct that v points to from the form of a request in
// the query protocol: Name=…, List.member.1=…, Struct.Member=…. Action and
// Version, which say what the request is, are not members. An error is returned
// for a form of too many or too deep fields, as a fault with the code
// MalformedQueryString.
func (s *Schema) DecodeQuery(form url.Values, v any) (Decoded, error) {
	if len(form) > maxFormFields {
		return Decoded{}, fault.New(fault.Invalid, "MalformedQueryString", "the request has more than %d fields", maxFormFields)
	}
	root := &element{}
	for name, values := range form {
		if name == "Action" || name == "Version" {
			continue
		}
		path := strings.Split(name, ".")
		if len(path) > maxXMLDepth {
			return Decoded{}, fault.New(fault.Invalid, "MalformedQueryString", "the field %s nests deeper than %d", clip(name), maxXMLDepth)
		}
		root.grow(path).text = []byte(values[0])
	}
	root.order()
	d := xmlDecoder{schema: s}
	d.members(root, reflect.ValueOf(v).Elem(), "")
	slices.Sort(d.out.Unknown)
	return d.out, nil
}

// grow returns the descendant that a field's path names, making what is missing.
// A number is the place of its element among equals: member.2 is the second.
func (e *element) grow(path []string) *element {
	if len(path) == 0 {
		return e
	}
	name, rest, place := path[0], path[1:], 0
	if len(rest) > 0 {
		if n, err := strconv.Atoi(rest[0]); err == nil && n >= 0 {
			place, rest = n, rest[1:]
		}
	}
	key := elementKey{name, place}
	child := e.byKey[key]
	if child == nil {
		child = &element{name: name, place: place}
		if e.byKey == nil {
			e.byKey = map[elementKey]*element{}
		}
		e.byKey[key] = child
		e.children = append(e.children, child)
	}
	return child.grow(rest)
}

// elementKey names a child of an element that is made of form fields.
type elementKey struct {
	name  string
	place int
}

// order sorts what grow made: fields come in no order.
func (e *element) order() {
	slices.SortFunc(e.children, func(a, b *element) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.place, b.place))
	})
	for _, c := range e.children {
		c.order()
	}
}

// EncodeQuery writes an answer of the query protocol: the members of v in the
// element wrapper ("" for an operation without an answer), and the request's id.
func (s *Schema) EncodeQuery(w io.Writer, op, wrapper, namespace, requestID string, v any) error {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xmlEncoder{schema: s, out: &b}
	e.open(op+"Response", namespace)
	if wrapper != "" {
		e.value(wrapper, "", "member", false, reflect.ValueOf(v))
	}
	e.open("ResponseMetadata", "")
	e.value("RequestId", "", "", false, reflect.ValueOf(&requestID))
	e.close("ResponseMetadata")
	e.close(op + "Response")
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write XML document: %w", err)
	}
	return nil
}
