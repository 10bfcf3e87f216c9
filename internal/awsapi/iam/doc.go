// Package iam holds the generated shapes and the operation table of
// the IAM API, version 2010-05-08. It is data: internal/iam
// gives it meaning.
package iam
