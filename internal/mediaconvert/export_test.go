package mediaconvert

import (
	"reflect"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
)

// RowPaths lists the members that the support table has rows for.
func RowPaths() []string {
	var out []string
	for _, r := range supportRows() {
		out = append(out, r.path)
	}
	return out
}

// FillOne returns for each standard a function that fills in that one alone.
func FillOne() map[string]func(*mc.JobSettings) {
	out := map[string]func(*mc.JobSettings){}
	for _, r := range standards() {
		f := newFiller(&awsapi.Schema{}, []standard{r})
		out[r.path] = f.fill
	}
	return out
}

// FillAll fills in all standards.
func FillAll(s *mc.JobSettings) { newFiller(&awsapi.Schema{}, standards()).fill(s) }

// ModelPaths lists every member of a job's settings in the public model.
func ModelPaths() []string {
	var out []string
	schema := &awsapi.Schema{}
	var members func(t reflect.Type, of string)
	members = func(t reflect.Type, of string) {
		for i, f := range schema.Fields(t) {
			at := strings.TrimPrefix(of+"."+f.Name, ".")
			out = append(out, at)
			inner := t.Field(i).Type
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
				at += map[reflect.Kind]string{reflect.Slice: "[]", reflect.Map: "{}"}[inner.Kind()]
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				members(inner, at)
			}
		}
	}
	members(reflect.TypeFor[mc.JobSettings](), "")
	return out
}

// MissingRequestRows lists members of requests without a row.
func MissingRequestRows() []string {
	_, missing := requestTable()
	return missing
}
