// Package lambda holds the generated shapes and the operation table of
// the Lambda API, version 2015-03-31. It is data: internal/function
// gives it meaning.
package lambda
