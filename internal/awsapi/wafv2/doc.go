// Package wafv2 holds the generated shapes and the operation table of
// the WAFV2 API, version 2019-07-29. It is data: internal/cloudfront
// gives it meaning.
package wafv2
