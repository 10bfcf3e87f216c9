// Package config is the configuration documents of buckets: notification,
// lifecycle, encryption, public access block, ownership, and what a bucket's
// policy means to the public.
//
// In: XML or JSON as a client sent it. Out: checked values, S3's errors for what
// is wrong with them, and the XML that S3 answers. What this store would not act
// on is refused by its name, never kept and ignored. The package takes arguments
// and gives results; it touches nothing.
//
// Source: S3 API reference, the data types of the Put… operations.
package config

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// namespace is S3's, which answers carry and requests need not.
const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

func malformed(err error) *fault.Error {
	e := fault.New(fault.Invalid, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	e.Cause = err
	return e
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "InvalidArgument", format, args...)
}

func invalidRequest(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "InvalidRequest", format, args...)
}

func notImplemented(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "NotImplemented", "%s not implemented", fmt.Sprintf(format, args...))
}

// parse reads a document whose root has that name.
func parse(doc []byte, root string, into any) error {
	var head struct{ XMLName xml.Name }
	if err := xml.Unmarshal(doc, &head); err != nil {
		return malformed(err)
	}
	if head.XMLName.Local != root || head.XMLName.Space != "" && head.XMLName.Space != namespace {
		return malformed(nil)
	}
	if err := xml.Unmarshal(doc, into); err != nil {
		return malformed(err)
	}
	return nil
}

// complete returns an error that names the first element of doc that value has
// not: what would be ignored is refused.
func complete(doc []byte, value any) error {
	kept, err := xml.Marshal(value)
	if err != nil {
		return malformed(err)
	}
	known := map[string]bool{}
	_, _ = findPath(kept, func(path string) bool { known[path] = true; return false })
	unknown, err := findPath(doc, func(path string) bool { return !known[path] })
	if err != nil {
		return malformed(err)
	}
	if unknown != "" {
		return notImplemented("the element %s is", unknown)
	}
	return nil
}

// findPath returns the first element, named with its parents, that is says so of.
func findPath(doc []byte, is func(path string) bool) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	var path []string
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
			if p := strings.Join(path, "/"); is(p) {
				return p, nil
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
}
