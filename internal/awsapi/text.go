package awsapi

import (
	"encoding"
	"encoding/base64"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// SetText sets a member that travels as text: a label of the URI, a query
// parameter, a header, an XML element. path names it in the violation that is
// returned when s does not fit, else nil.
func SetText(v reflect.Value, s, path string) *Violation {
	target := v
	if v.Kind() == reflect.Pointer {
		target = reflect.New(v.Type().Elem()).Elem()
	}
	ok := false
	if t, is := target.Addr().Interface().(encoding.TextUnmarshaler); is {
		ok = t.UnmarshalText([]byte(strings.TrimSpace(s))) == nil
	} else {
		switch target.Kind() {
		case reflect.String:
			target.SetString(s)
			ok = true
		case reflect.Bool:
			b, err := strconv.ParseBool(strings.TrimSpace(s))
			target.SetBool(b)
			ok = err == nil
		case reflect.Slice:
			ok = setBlob(target, s)
		default:
			ok = setNumber(target, strings.TrimSpace(s))
		}
	}
	if !ok {
		return &Violation{path, "Should be " + kindName(target.Type())}
	}
	if v.Kind() == reflect.Pointer {
		v.Set(target.Addr())
	}
	return nil
}

// SetQuery sets a member from the query parameter of its name, if given: a list
// from each occurrence, a map from all parameters.
func SetQuery(v reflect.Value, query url.Values, name string) *Violation {
	switch {
	case v.Kind() == reflect.Slice && !isBlob(v.Type()):
		for _, s := range query[name] {
			e := reflect.New(v.Type().Elem()).Elem()
			if bad := SetText(e, s, "/"+name); bad != nil {
				return bad
			}
			v.Set(reflect.Append(v, e))
		}
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for k := range query {
			v.SetMapIndex(reflect.ValueOf(k), reflect.ValueOf(query.Get(k)))
		}
	case query.Has(name):
		return SetText(v, query.Get(name), "/"+name)
	}
	return nil
}

// Text returns a member as text, and whether it is there at all.
func Text(v reflect.Value) (string, bool) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "", false
		}
		v = v.Elem()
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return string(b), err == nil
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), v.String() != ""
	case reflect.Slice:
		return base64.StdEncoding.EncodeToString(v.Bytes()), !v.IsNil()
	}
	return fmt.Sprint(v.Interface()), true
}
