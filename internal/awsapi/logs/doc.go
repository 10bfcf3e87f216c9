// Package logs holds the generated shapes and the operation table of
// the CloudWatch Logs API, version 2014-03-28. It is data: internal/logs
// gives it meaning.
package logs
