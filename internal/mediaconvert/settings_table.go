package mediaconvert

import (
	"fmt"
	"reflect"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
)

// SettingsTable prints the support table as a Markdown document: every member of
// a job's Settings in the model's order, with what Vodwright does with it.
// Structures that are refused whole are one line. docs/SETTINGS.md is its output.
func SettingsTable() string {
	c := newChecker(&awsapi.Schema{})
	t := tableWriter{checker: c}
	t.structure(reflect.TypeFor[mc.JobSettings](), "")
	return t.b.String()
}

type tableWriter struct {
	*checker
	b strings.Builder
}

func (t *tableWriter) structure(s reflect.Type, of string) {
	for i, f := range t.schema.Fields(s) {
		t.member(s.Field(i).Type, strings.TrimPrefix(of+"."+f.Name, "."))
	}
}

func (t *tableWriter) member(m reflect.Type, of string) {
	r, hasRow := t.rows[of]
	if !hasRow && t.within[of] {
		for m.Kind() == reflect.Pointer || m.Kind() == reflect.Slice || m.Kind() == reflect.Map {
			switch m.Kind() {
			case reflect.Slice:
				of += "[]"
			case reflect.Map:
				of += "{}"
			}
			m = m.Elem()
		}
		t.structure(m, of)
		return
	}
	warns := r.warns.String()
	if r.warns.all && !r.acts.empty() {
		warns = "any other value"
	}
	if warns != "" {
		warns += ": " + r.instead
	}
	refused := ""
	if !r.acts.all && !r.warns.all {
		refused = "every other value"
		if r.acts.empty() && r.warns.empty() {
			refused = "any value"
		}
		if r.hint != "" {
			refused += ": " + r.hint
		}
	}
	fmt.Fprintf(&t.b, "| `%s` | %s | %s | %s |\n", of, r.acts, warns, refused)
}
