package awsapi

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// Decoded is what a decoder has to say beside the shape it filled. Paths are
// JSON pointers of wire names.
type Decoded struct {
	Violations []Violation // members of the wrong type, or given twice; the shape lacks their values
	Unknown    []string    // members that the model has not; they were skipped
}

// DecodeJSON fills the struct that v points to from a JSON document. Members
// may be named as the wire names them (camelCase) or as the console's exports do
// (PascalCase). A null member is an absent one. An error is returned for text
// that is no JSON object at all, as a fault with the code SerializationException.
func (s *Schema) DecodeJSON(data []byte, v any) (Decoded, error) {
	if err := wellFormed(data); err != nil {
		return Decoded{}, err
	}
	d := jsonDecoder{schema: s, tokens: json.NewDecoder(bytes.NewReader(data))}
	d.tokens.UseNumber()
	err := d.value(reflect.ValueOf(v).Elem(), "")
	slices.Sort(d.out.Unknown)
	return d.out, err
}

// wellFormed refuses what is not exactly one JSON object, and says where.
func wellFormed(data []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	if err == nil && len(raw) > 0 && bytes.TrimLeft(raw, " \t\r\n")[0] != '{' {
		err = errors.New("the document is not an object")
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		err = fmt.Errorf("%w at byte %d, line %d", err, syntax.Offset, line)
	}
	if err != nil {
		return fault.New(fault.Invalid, "SerializationException", "parse JSON document: %w", err)
	}
	return nil
}

type jsonDecoder struct {
	schema *Schema
	tokens *json.Decoder
	out    Decoded
}

func (d *jsonDecoder) bad(path, what string) {
	d.out.Violations = append(d.out.Violations, Violation{path, "Should be " + what})
}

// value reads the next value of the document into v. It returns errors of the
// token stream only, which wellFormed has made impossible.
func (d *jsonDecoder) value(v reflect.Value, path string) error {
	tok, err := d.tokens.Token()
	if err != nil {
		return fmt.Errorf("read JSON token: %w", err)
	}
	if tok == nil {
		return nil
	}
	target := v
	if v.Kind() == reflect.Pointer {
		target = reflect.New(v.Type().Elem()).Elem()
	}
	ok := false
	switch {
	case tok == json.Delim('{') && target.Kind() == reflect.Struct && !isText(target.Type()):
		ok, err = true, d.object(target, path)
	case tok == json.Delim('{') && target.Kind() == reflect.Map:
		ok, err = true, d.dictionary(target, path)
	case tok == json.Delim('[') && target.Kind() == reflect.Slice && !isBlob(target.Type()):
		ok, err = true, d.list(target, path)
	case tok == json.Delim('{') || tok == json.Delim('['):
		err = d.skip()
	default:
		ok = setScalar(target, tok)
	}
	if err != nil {
		return err
	}
	if !ok {
		d.bad(path, kindName(target.Type()))
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(target.Addr())
	}
	return nil
}

func (d *jsonDecoder) object(v reflect.Value, path string) error {
	fields := d.schema.Fields(v.Type())
	seen := make([]bool, len(fields))
	for d.tokens.More() {
		tok, err := d.tokens.Token()
		if err != nil {
			return fmt.Errorf("read JSON token: %w", err)
		}
		name := tok.(string)
		i := slices.IndexFunc(fields, func(f Field) bool {
			return f.Location == "" && (f.Name == name || f.GoName == name)
		})
		if i < 0 {
			d.out.Unknown = append(d.out.Unknown, path+"/"+escapePointer(clip(name)))
			var raw json.RawMessage
			if err := d.tokens.Decode(&raw); err != nil {
				return fmt.Errorf("skip JSON member: %w", err)
			}
			continue
		}
		at := path + "/" + fields[i].Name
		if seen[i] {
			d.out.Violations = append(d.out.Violations, Violation{at, "is given twice"})
		}
		seen[i] = true
		if err := d.value(v.Field(i), at); err != nil {
			return err
		}
	}
	return d.end()
}

// maxItems bounds the items of a list or a map, each of which may become a structure a
// thousand times its size. It is the most that any operation takes (PutLogEvents).
const maxItems = 10_000

// tooMany notes that a list or map has more items, and passes over them.
func (d *jsonDecoder) tooMany(path string) error {
	d.out.Violations = append(d.out.Violations, Violation{path, fmt.Sprintf("Should have at most %d items", maxItems)})
	return d.skip()
}

func (d *jsonDecoder) dictionary(v reflect.Value, path string) error {
	v.Set(reflect.MakeMap(v.Type()))
	for d.tokens.More() {
		if v.Len() == maxItems {
			return d.tooMany(path)
		}
		tok, err := d.tokens.Token()
		if err != nil {
			return fmt.Errorf("read JSON token: %w", err)
		}
		key := reflect.ValueOf(tok)
		at := path + "/" + escapePointer(clip(key.String()))
		if v.MapIndex(key).IsValid() {
			d.out.Violations = append(d.out.Violations, Violation{at, "is given twice"})
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if err := d.element(e, at); err != nil {
			return err
		}
		v.SetMapIndex(key, e)
	}
	return d.end()
}

func (d *jsonDecoder) list(v reflect.Value, path string) error {
	v.Set(reflect.MakeSlice(v.Type(), 0, 4))
	for i := 0; d.tokens.More(); i++ {
		if i == maxItems {
			return d.tooMany(path)
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if err := d.element(e, path+"/"+strconv.Itoa(i)); err != nil {
			return err
		}
		v.Set(reflect.Append(v, e))
	}
	return d.end()
}

// element reads an item, of which a structure is never left nil: code that walks
// a decoded document need not ask.
func (d *jsonDecoder) element(e reflect.Value, path string) error {
	before := len(d.out.Violations)
	if err := d.value(e, path); err != nil {
		return err
	}
	if e.Kind() == reflect.Pointer && e.IsNil() {
		e.Set(reflect.New(e.Type().Elem()))
		if len(d.out.Violations) == before {
			d.bad(path, kindName(e.Type().Elem()))
		}
	}
	return nil
}

// end reads the delimiter that closes an object or list.
func (d *jsonDecoder) end() error {
	if _, err := d.tokens.Token(); err != nil {
		return fmt.Errorf("read JSON token: %w", err)
	}
	return nil
}

// skip reads the rest of an object or list whose opening was read.
func (d *jsonDecoder) skip() error {
	for depth := 1; depth > 0; {
		tok, err := d.tokens.Token()
		if err != nil {
			return fmt.Errorf("skip JSON value: %w", err)
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

// setScalar sets v from a token of JSON and reports whether it fits.
func setScalar(v reflect.Value, tok json.Token) bool {
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		switch tok := tok.(type) {
		case json.Number:
			return t.UnmarshalText([]byte(tok)) == nil
		case string:
			return t.UnmarshalText([]byte(tok)) == nil
		}
		return false
	}
	switch tok := tok.(type) {
	case string:
		if v.Kind() == reflect.String {
			v.SetString(tok)
			return true
		}
		return setBlob(v, tok)
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(tok)
			return true
		}
	case json.Number:
		return setNumber(v, string(tok))
	}
	return false
}

func setBlob(v reflect.Value, s string) bool {
	if !isBlob(v.Type()) {
		return false
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil {
		return false
	}
	v.SetBytes(b)
	return true
}

// setNumber accepts 90 and 90.0 for an integer: exports and Python's Decimal write the latter.
func setNumber(v reflect.Value, s string) bool {
	switch {
	case v.CanInt():
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
				return false
			}
			n = int64(f)
		}
		if v.OverflowInt(n) {
			return false
		}
		v.SetInt(n)
		return true
	case v.CanFloat():
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return false
		}
		v.SetFloat(f)
		return true
	}
	return false
}

func kindName(t reflect.Type) string {
	switch {
	case isText(t):
		return "a timestamp"
	case isBlob(t):
		return "a base64 string"
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "a list"
	case reflect.Int32:
		return "an integer of 32 bits"
	case reflect.Int64:
		return "an integer"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "a boolean"
	}
	return "a string"
}

// EncodeJSON writes the document members of a shape, with a final newline.
func (s *Schema) EncodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode JSON document: %w", err)
	}
	return nil
}
