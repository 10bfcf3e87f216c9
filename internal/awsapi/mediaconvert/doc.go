// Package mediaconvert holds the generated shapes and the operation table of
// the MediaConvert API, version 2017-08-29. It is data: internal/mediaconvert
// gives it meaning.
package mediaconvert
