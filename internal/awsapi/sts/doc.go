// Package sts holds the generated shapes and the operation table of
// the STS API, version 2011-06-15. It is data: internal/iam
// gives it meaning.
package sts
