package awsapi

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Validate checks everything the model says of a decoded shape and returns all
// violations, in the order of the shape. v is a pointer to a generated struct.
func (s *Schema) Validate(v any) []Violation {
	c := checker{schema: s}
	c.value(reflect.ValueOf(v), "")
	return c.found
}

type checker struct {
	schema *Schema
	found  []Violation
}

func (c *checker) add(path, format string, args ...any) {
	c.found = append(c.found, Violation{path, fmt.Sprintf(format, args...)})
}

func (c *checker) value(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c.value(v.Elem(), path)
		}
	case reflect.Slice:
		if !isBlob(v.Type()) {
			for i := range v.Len() {
				c.value(v.Index(i), path+"/"+strconv.Itoa(i))
			}
		}
	case reflect.Map:
		for _, k := range sortedKeys(v) {
			c.value(v.MapIndex(k), path+"/"+escapePointer(k.String()))
		}
	case reflect.String:
		if e, ok := v.Interface().(Enumeration); ok && v.String() != "" {
			if values := e.Values(); !slices.Contains(values, v.String()) {
				c.add(path, "%s is not a valid value. Valid values: [%s]", clip(v.String()), strings.Join(values, ", "))
			}
		}
	case reflect.Struct:
		c.members(v, path)
	}
}

func (c *checker) members(v reflect.Value, path string) {
	for i, f := range c.schema.Fields(v.Type()) {
		fv := v.Field(i)
		if absent(fv) {
			if f.Required {
				c.add(path, "%s is a required property", f.Name)
			}
			continue
		}
		at := path + "/" + f.Name
		if f.Payload || (f.Location != "" && path == "") {
			at = path
			if f.Location != "" {
				at = "/" + f.Name
			}
		}
		c.bounded(fv, at, f.value, f.pattern)
		if fv.Kind() == reflect.Slice && !isBlob(fv.Type()) {
			for j := range fv.Len() {
				c.bounded(fv.Index(j), at+"/"+strconv.Itoa(j), f.itemBounds, f.itemPattern)
			}
		}
		c.value(fv, at)
	}
}

// absent reports whether a member was not given. An empty list or map was given.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsNil()
	}
	return v.IsZero()
}

func (c *checker) bounded(v reflect.Value, path string, b bounds, pattern string) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	var n float64
	lower, upper := "Should be greater than or equal to %s", "Should be less than or equal to %s"
	switch {
	case v.CanInt():
		n = float64(v.Int())
	case v.CanFloat():
		n = v.Float()
	case v.Kind() == reflect.String:
		n = float64(utf8.RuneCountInString(v.String()))
		lower, upper = "Should be at least %s characters long", "Should be at most %s characters long"
		if pattern != "" && !c.schema.compiled(pattern).MatchString(v.String()) {
			c.add(path, "%s Should match the pattern %s", strconv.Quote(clip(v.String())), pattern)
		}
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Map:
		n = float64(v.Len())
		lower, upper = "Should have at least %s items", "Should have at most %s items"
	default:
		return
	}
	if b.hasMin && n < b.min {
		c.add(path, lower, strconv.FormatFloat(b.min, 'f', -1, 64))
	}
	if b.hasMax && n > b.max {
		c.add(path, upper, strconv.FormatFloat(b.max, 'f', -1, 64))
	}
}

// clip bounds what a message repeats of a document.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// escapePointer escapes a map key as RFC 6901 has it.
func escapePointer(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
