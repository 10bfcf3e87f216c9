package mediaconvert

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
)

// CodeBadRequest is the service's code of an invalid request.
const CodeBadRequest = "BadRequestException"

// Findings is what a check of settings found.
type Findings struct {
	Faults   []awsapi.Violation // the job cannot run; paths are below settings
	Warnings []job.Warning      // the job can run and its owner should know
}

// Err returns all faults as one error in the service's wording, or nil.
func (f Findings) Err() error {
	if len(f.Faults) == 0 {
		return nil
	}
	return describe(f.Faults)
}

func (f *Findings) fault(path, format string, args ...any) {
	f.Faults = append(f.Faults, awsapi.Violation{Path: path, Message: fmt.Sprintf(format, args...)})
}

// CheckSettings checks the settings of a job that is to run: everything that the
// public model, the service and this house's support table say of them. It has no
// effect on s, needs no server, and is safe for concurrent use.
func CheckSettings(s *mc.JobSettings) Findings {
	return newChecker(&awsapi.Schema{}).settings(s)
}

// checker applies the model, the support table and the rules to settings.
type checker struct {
	schema *awsapi.Schema
	rows   map[string]row
	within map[string]bool // paths of structures that have rows below them
}

func newChecker(schema *awsapi.Schema) *checker {
	c := &checker{schema: schema, rows: map[string]row{}, within: map[string]bool{}}
	for _, r := range supportRows() {
		c.rows[r.path] = r
		for p := r.path; ; {
			i := strings.LastIndexAny(p, ".")
			if i < 0 {
				break
			}
			p = p[:i]
			c.within[strings.TrimSuffix(strings.TrimSuffix(p, "[]"), "{}")] = true
		}
	}
	return c
}

func (c *checker) settings(s *mc.JobSettings) Findings {
	f := Findings{Faults: c.schema.Validate(s)}
	w := walk{checker: c, found: &f, warned: map[string]int{}, faulted: map[string]bool{}}
	for _, v := range f.Faults {
		w.faulted[v.Path] = true
	}
	w.members(reflect.ValueOf(s).Elem(), "", "")
	checkRules(s, &f)
	slices.SortStableFunc(f.Faults, func(a, b awsapi.Violation) int { return comparePaths(a.Path, b.Path) })
	f.Faults = slices.CompactFunc(f.Faults, func(a, b awsapi.Violation) bool { return a == b })
	return f
}

// walk visits every member that a document gives and asks the table about it.
type walk struct {
	*checker
	found  *Findings
	warned map[string]int // text of a warning → its place in found.Warnings
	// faulted holds paths that the model refuses: one fault a member is enough.
	faulted map[string]bool
}

// members visits a structure. at is its JSON pointer, of the table's form of it.
func (w *walk) members(v reflect.Value, at, of string) {
	for i, f := range w.schema.Fields(v.Type()) {
		fv := v.Field(i)
		if fv.IsZero() || (fv.Kind() == reflect.Slice || fv.Kind() == reflect.Map) && fv.Len() == 0 {
			continue // absent, or an empty list: neutral for every member of the model
		}
		w.member(fv, at+"/"+f.Name, strings.TrimPrefix(of+"."+f.Name, "."))
	}
}

func (w *walk) member(v reflect.Value, at, of string) {
	row, hasRow := w.rows[of]
	if !hasRow && !w.within[of] {
		w.refuse(v, at, of, "")
		return
	}
	if hasRow {
		w.judge(v, at, of, row)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		w.members(v.Elem(), at, of)
	case reflect.Slice:
		for i := range v.Len() {
			w.members(v.Index(i).Elem(), at+"/"+strconv.Itoa(i), of+"[]")
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
		for _, k := range keys {
			w.members(v.MapIndex(k).Elem(), at+"/"+k.String(), of+"{}")
		}
	}
}

// judge decides about a member by its row. Of a list of values each is judged.
func (w *walk) judge(v reflect.Value, at, of string, r row) {
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			w.judge(v.Index(i), at+"/"+strconv.Itoa(i), of, r)
		}
		return
	}
	v = reflect.Indirect(v)
	switch {
	case r.acts.has(v):
	case r.warns.has(v):
		w.warn(at, strings.TrimSpace(shown(v)+" "+r.instead))
	default:
		w.refuse(v, at, of, cmp.Or(r.hint, r.acts.accepted()))
	}
}

func (w *walk) refuse(v reflect.Value, at, of, hint string) {
	if w.faulted[at] {
		return
	}
	text := shown(reflect.Indirect(v))
	if text == "" {
		text = of[strings.LastIndex(of, ".")+1:]
	}
	text += " is not implemented yet"
	if hint != "" {
		text += " (" + hint + ")"
	}
	w.found.fault(at, "%s", text)
}

// warn records one warning a text: a ladder repeats its settings in every rung.
func (w *walk) warn(at, text string) {
	name := at[strings.LastIndex(at, "/")+1:]
	key := name + " " + text
	if i, ok := w.warned[key]; ok {
		m := &w.found.Warnings[i].Message
		if !strings.HasSuffix(*m, "and elsewhere)") {
			*m = strings.TrimSuffix(*m, ")") + " and elsewhere)"
		}
		return
	}
	w.warned[key] = len(w.found.Warnings)
	w.found.Warnings = append(w.found.Warnings, job.Warning{Code: plan.WarnSetting, Message: fmt.Sprintf("%s %s (%s)", name, text, at)})
}

// shown is a scalar as messages show it, "" for a structure.
func shown(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.String:
		if s := v.String(); len(s) > 80 {
			return strings.ToValidUTF8(s[:80], "") + "…"
		}
		return v.String()
	case v.CanInt(), v.CanFloat(), v.Kind() == reflect.Bool:
		return fmt.Sprint(v.Interface())
	}
	return ""
}

// comparePaths orders JSON pointers as a reader of the document meets them, with
// list items in the order of their numbers.
func comparePaths(a, b string) int {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range min(len(as), len(bs)) {
		n, err1 := strconv.Atoi(as[i])
		m, err2 := strconv.Atoi(bs[i])
		if err1 == nil && err2 == nil {
			if n != m {
				return cmp.Compare(n, m)
			}
			continue
		}
		if c := cmp.Compare(as[i], bs[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}

// describe words violations as the service does: a line each, paths below settings.
func describe(violations []awsapi.Violation) *fault.Error {
	const most = 200 // a hostile document has any number of faults
	more := len(violations) - most
	violations = violations[:min(len(violations), most)]
	lines := make([]string, len(violations))
	for i, v := range violations {
		if rest, ok := strings.CutPrefix(v.Path, "/settings"); ok && (rest == "" || rest[0] == '/') {
			v.Path = rest
		}
		lines[i] = v.String()
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return fault.New(fault.Invalid, CodeBadRequest, "%s", strings.Join(lines, "\n"))
}
