package awsapi

import (
	"bytes"
	"encoding"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"

	"vodwright.dev/vodwright/internal/fault"
)

// maxXMLDepth bounds how deep elements may nest. The deepest known document
// (a distribution's cache behaviours) has eight levels.
const maxXMLDepth = 64

// element is one parsed XML element, or what the fields of a form make of one.
type element struct {
	name     string
	attrs    []xml.Attr
	text     []byte
	children []*element

	place int // among equals, of a form
	byKey map[elementKey]*element
}

// DecodeXML fills the struct that v points to from an XML document, whose root
// element must be called root unless root is "". An error is returned for text
// that is no XML document, as a fault with the code MalformedXML.
func (s *Schema) DecodeXML(data []byte, root string, v any) (Decoded, error) {
	e, err := parseXML(data)
	if err == nil && root != "" && e.name != root {
		err = fmt.Errorf("the root element is %s, not %s", clip(e.name), root)
	}
	if err != nil {
		return Decoded{}, fault.New(fault.Invalid, "MalformedXML", "parse XML document: %w", err)
	}
	d := xmlDecoder{schema: s}
	d.value(e, reflect.ValueOf(v).Elem(), "member", "")
	return d.out, nil
}

func parseXML(data []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	var open []*element
	var root *element
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			if root == nil {
				return nil, errors.New("there is no root element")
			}
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.Directive:
			return nil, errors.New("a document type declaration is not accepted")
		case xml.StartElement:
			e := &element{name: t.Name.Local, attrs: slices.Clone(t.Attr)}
			switch {
			case len(open) == maxXMLDepth:
				return nil, fmt.Errorf("elements nest deeper than %d", maxXMLDepth)
			case len(open) > 0:
				top := open[len(open)-1]
				top.children = append(top.children, e)
			case root != nil:
				return nil, errors.New("there are two root elements")
			default:
				root = e
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				top := open[len(open)-1]
				top.text = append(top.text, t...)
			}
		}
	}
}

type xmlDecoder struct {
	schema *Schema
	out    Decoded
}

func (d *xmlDecoder) value(e *element, v reflect.Value, item, path string) {
	target := v
	if v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct && !isText(v.Type().Elem()) {
		v.Set(reflect.New(v.Type().Elem()))
		target = v.Elem()
	}
	switch {
	case target.Kind() == reflect.Struct && !isText(target.Type()):
		d.members(e, target, path)
	case target.Kind() == reflect.Slice && !isBlob(target.Type()):
		target.Set(reflect.MakeSlice(target.Type(), 0, len(e.children)))
		for i, c := range e.children {
			if c.name != item {
				d.out.Unknown = append(d.out.Unknown, path+"/"+clip(c.name))
				continue
			}
			d.item(c, target, path+"/"+strconv.Itoa(i))
		}
	default:
		if bad := SetText(v, string(e.text), path); bad != nil {
			d.out.Violations = append(d.out.Violations, *bad)
		}
	}
}

func (d *xmlDecoder) members(e *element, v reflect.Value, path string) {
	fields := d.schema.Fields(v.Type())
	seen := make([]bool, len(fields))
	for _, c := range e.children {
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == c.name && f.Location == "" && !f.attr })
		at := path + "/" + clip(c.name)
		switch {
		case i < 0:
			d.out.Unknown = append(d.out.Unknown, at)
		case fields[i].flat:
			d.item(c, v.Field(i), at)
		case seen[i]:
			d.out.Violations = append(d.out.Violations, Violation{at, "is given twice"})
		default:
			seen[i] = true
			d.value(c, v.Field(i), fields[i].item, at)
		}
	}
	for i, f := range fields {
		for _, a := range e.attrs {
			if f.attr && a.Name.Local == f.Name {
				if bad := SetText(v.Field(i), a.Value, path+"/"+f.Name); bad != nil {
					d.out.Violations = append(d.out.Violations, *bad)
				}
			}
		}
	}
}

func (d *xmlDecoder) item(c *element, list reflect.Value, path string) {
	e := reflect.New(list.Type().Elem()).Elem()
	d.value(c, e, "member", path)
	list.Set(reflect.Append(list, e))
}

// EncodeXML writes the document members of a shape as an element called root in
// the given namespace ("" for none), after the XML declaration. Empty lists get
// their element: clients read a missing one as a missing member.
func (s *Schema) EncodeXML(w io.Writer, root, namespace string, v any) error {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xmlEncoder{schema: s, out: &b}
	e.value(root, namespace, "member", false, reflect.ValueOf(v))
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write XML document: %w", err)
	}
	return nil
}

type xmlEncoder struct {
	schema *Schema
	out    *bytes.Buffer
}

func (x *xmlEncoder) open(name, namespace string) {
	x.out.WriteByte('<')
	x.out.WriteString(name)
	if namespace != "" {
		x.out.WriteString(` xmlns="`)
		x.escape(namespace)
		x.out.WriteByte('"')
	}
	x.out.WriteByte('>')
}

func (x *xmlEncoder) close(name string) {
	x.out.WriteString("</")
	x.out.WriteString(name)
	x.out.WriteByte('>')
}

// escape cannot fail: a bytes.Buffer takes everything.
func (x *xmlEncoder) escape(s string) { _ = xml.EscapeText(x.out, []byte(s)) }

func (x *xmlEncoder) value(name, namespace, item string, flat bool, v reflect.Value) {
	if absent(v) && v.Kind() != reflect.String {
		return
	}
	e := v
	if e.Kind() == reflect.Pointer {
		e = e.Elem()
	}
	_, text := e.Interface().(encoding.TextMarshaler)
	switch {
	case e.Kind() == reflect.Struct && !text:
		x.open(name, namespace)
		for i, f := range x.schema.Fields(e.Type()) {
			if f.Location == "" && !f.attr {
				x.value(f.Name, "", f.item, f.flat, e.Field(i))
			}
		}
		x.close(name)
	case e.Kind() == reflect.Slice && !isBlob(e.Type()) && flat:
		for i := range e.Len() {
			x.value(name, "", "member", false, e.Index(i))
		}
	case e.Kind() == reflect.Slice && !isBlob(e.Type()):
		x.open(name, namespace)
		for i := range e.Len() {
			x.value(item, "", "member", false, e.Index(i))
		}
		x.close(name)
	case e.Kind() == reflect.Map:
		x.open(name, namespace)
		for _, k := range sortedKeys(e) {
			x.open("entry", "")
			x.value("key", "", "", false, k)
			v := reflect.New(e.Type().Elem()) // behind a pointer, so that a zero is there
			v.Elem().Set(e.MapIndex(k))
			x.value("value", "", "member", false, v)
			x.close("entry")
		}
		x.close(name)
	default:
		// An absent enumeration or an empty list item is written only when it is an item or a pointer.
		t, there := Text(v)
		if there || v.Kind() == reflect.Pointer {
			x.open(name, namespace)
			x.escape(t)
			x.close(name)
		}
	}
}
