// Package pattern is the language of event patterns: a pattern, as PutRule
// takes it, flows in and is compiled; events flow in as JSON documents; whether
// they match flows out.
//
// The language is EventBridge's ("Event patterns" of its user guide): exact
// values, null, prefix, suffix, equals-ignore-case, wildcard, anything-but with
// all of these, numeric, cidr, exists and $or, nested as deep as the event, with
// the fields of one element of an array of objects matched together. A number
// matches by its text, as documented: 300 is not 300.0; ranges compare values.
//
// The package is pure. Patterns are hostile: their size is the caller's bound, and
// matching takes time in proportion to pattern times event, never more.
package pattern
