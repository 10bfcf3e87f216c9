// Package lambda is the Lambda API over the room function: wire shapes in,
// domain records out, and the errors and the words that clients know.
//
// It authenticates and authorises through the house's functions, checks that the
// caller may pass the role that a function gets, and reads packages from buckets
// with the caller's rights. It touches HTTP and its domain, nothing else.
package lambda
