package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/fault"
)

// CodeMalformed is the code of Parse's errors.
const CodeMalformed = "MalformedPolicyDocument"

// Parse reads a document and checks it whole: its JSON, its elements, and that
// each value is of its operator's type. Its error, of kind Invalid and code
// MalformedPolicyDocument, says where and in AWS's words what is wrong.
func Parse(text string, kind Kind) (*Document, error) {
	if len(text) > MaxBytes {
		return nil, fault.New(fault.Invalid, CodeMalformed, "The policy document is larger than %d bytes.", MaxBytes)
	}
	if !utf8.ValidString(text) {
		return nil, fault.New(fault.Invalid, CodeMalformed, "The policy document is not UTF-8.")
	}
	r := &reader{text: text, dec: json.NewDecoder(strings.NewReader(text)), kind: kind}
	r.dec.UseNumber()
	d, err := r.document()
	if err != nil {
		return nil, fault.New(fault.Invalid, CodeMalformed, "%w", err)
	}
	return d, nil
}

// reader walks a document token by token, so that an element that comes twice,
// nests too deep or has no business there is seen where it stands.
type reader struct {
	text      string
	dec       *json.Decoder
	kind      Kind
	variables bool // of the document's version
}

func (r *reader) syntax() error {
	read := r.text[:min(int(r.dec.InputOffset()), len(r.text))]
	line := strings.Count(read, "\n") + 1
	column := utf8.RuneCountInString(read[strings.LastIndexByte(read, '\n')+1:]) + 1
	return at("", "Syntax error at position (%d,%d).", line, column)
}

func at(where, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	if where == "" {
		return fmt.Errorf("%s", message)
	}
	return fmt.Errorf("%s: %s", where, message)
}

// token returns the next token that is a value: strings, numbers and booleans as text.
func (r *reader) token() (text string, delim json.Delim, err error) {
	t, err := r.dec.Token()
	if err != nil {
		return "", 0, r.syntax()
	}
	switch t := t.(type) {
	case json.Delim:
		return "", t, nil
	case string:
		return t, 0, nil
	case json.Number, bool:
		return fmt.Sprint(t), 0, nil
	}
	return "", 0, r.syntax() // null
}

// members reads an object's members. The name's case does not count, and a name comes once.
func (r *reader) members(where string, each func(name string) error) error {
	seen := map[string]bool{}
	for r.dec.More() {
		name, delim, err := r.token()
		if err != nil {
			return err
		}
		if delim != 0 {
			return r.syntax()
		}
		if seen[strings.ToLower(name)] {
			return at(where, "The element %q must not come twice.", name)
		}
		seen[strings.ToLower(name)] = true
		if err := each(name); err != nil {
			return err
		}
	}
	_, _, err := r.token() // the brace
	return err
}

// object reads an object.
func (r *reader) object(where string, each func(name string) error) error {
	_, delim, err := r.token()
	if err != nil {
		return err
	}
	if delim != '{' {
		return at(where, "Syntax errors in policy: an object is required.")
	}
	return r.members(where, each)
}

// string reads one string.
func (r *reader) string(where string) (string, error) {
	s, delim, err := r.token()
	if err == nil && delim != 0 {
		err = at(where, "Syntax errors in policy: a string is required.")
	}
	return s, err
}

// strings reads a string or a list of strings.
func (r *reader) strings(where string) ([]string, error) {
	s, delim, err := r.token()
	if err != nil {
		return nil, err
	}
	switch delim {
	case 0:
		return []string{s}, nil
	case '[':
	default:
		return nil, at(where, "Syntax errors in policy: a string or a list of strings is required.")
	}
	out := []string{}
	for r.dec.More() {
		s, err := r.string(fmt.Sprintf("%s[%d]", where, len(out)))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	_, _, err = r.token() // the bracket
	return out, err
}

func (r *reader) document() (*Document, error) {
	// The version says how statements are read, and may stand behind them.
	version, err := r.findVersion()
	if err != nil {
		return nil, err
	}
	d := &Document{version: version}
	r.variables = version == version2012
	found := false
	err = r.object("", func(name string) error {
		var err error
		switch strings.ToLower(name) {
		case "version":
			_, err = r.string(name)
		case "id":
			d.id, err = r.string(name)
		case "statement":
			found = true
			d.statements, err = r.statements()
		default:
			err = at("", "Syntax errors in policy: a policy has no element %q.", name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return nil, r.syntax()
	}
	if !found || len(d.statements) == 0 {
		return nil, at("", "Syntax errors in policy: a policy must contain at least one statement.")
	}
	return d, nil
}

// findVersion reads the document's top once ahead.
func (r *reader) findVersion() (string, error) {
	var top map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader([]byte(r.text)))
	if err := dec.Decode(&top); err != nil {
		// The same error again, with its place, if it is one of syntax.
		return version2008, nil //nolint:nilerr // document finds it
	}
	for name, raw := range top {
		if !strings.EqualFold(name, "version") {
			continue
		}
		var version string
		if json.Unmarshal(raw, &version) != nil || version != version2008 && version != version2012 {
			return "", at("Version", "The policy must contain a valid version string: %s or %s.", version2012, version2008)
		}
		return version, nil
	}
	return version2008, nil
}

func (r *reader) statements() ([]statement, error) {
	_, delim, err := r.token()
	if err != nil {
		return nil, err
	}
	var out []statement
	sids := map[string]bool{}
	one := func(where string) error {
		s, err := r.statement(where)
		if err != nil {
			return err
		}
		if s.label = s.sid; s.sid == "" {
			s.label = fmt.Sprintf("#%d", len(out)+1)
		} else if sids[s.sid] {
			return at(where+".Sid", "Statement IDs (SID) in a single policy must be unique.")
		}
		sids[s.sid] = true
		out = append(out, s)
		return nil
	}
	switch delim {
	case '{':
		err := one("Statement")
		return out, err
	case '[':
	default:
		return nil, at("Statement", "Syntax errors in policy: an object or a list of objects is required.")
	}
	for r.dec.More() {
		where := fmt.Sprintf("Statement[%d]", len(out))
		if _, delim, err := r.token(); err != nil {
			return nil, err
		} else if delim != '{' {
			return nil, at(where, "Syntax errors in policy: an object is required.")
		}
		if err := one(where); err != nil {
			return nil, err
		}
	}
	_, _, err = r.token() // the bracket
	return out, err
}

// element is a list of strings that a statement may have.
type element struct {
	values []string
	there  bool
}

// raw is a statement as it was written.
type raw struct {
	effect                                   string
	action, notAction, resource, notResource element
	principal, notPrincipal                  principals
	hasPrincipal, hasNotPrincipal            bool
}

// statement reads a statement after its opening brace.
func (r *reader) statement(where string) (statement, error) {
	var s statement
	var w raw
	list := func(name string, e *element) (err error) {
		e.there = true
		e.values, err = r.strings(where + "." + name)
		return err
	}
	err := r.members(where, func(name string) (err error) {
		switch strings.ToLower(name) {
		case "sid":
			s.sid, err = r.string(where + ".Sid")
		case "effect":
			w.effect, err = r.string(where + ".Effect")
		case "action":
			err = list("Action", &w.action)
		case "notaction":
			err = list("NotAction", &w.notAction)
		case "resource":
			err = list("Resource", &w.resource)
		case "notresource":
			err = list("NotResource", &w.notResource)
		case "principal":
			w.hasPrincipal = true
			w.principal, err = r.principals(where + ".Principal")
		case "notprincipal":
			w.hasNotPrincipal = true
			w.notPrincipal, err = r.principals(where + ".NotPrincipal")
		case "condition":
			s.conditions, err = r.conditions(where + ".Condition")
		default:
			err = at(where, "Syntax errors in policy: a statement has no element %q.", name)
		}
		return err
	})
	if err != nil {
		return s, err
	}
	if err := r.check(where, &w); err != nil {
		return s, err
	}
	s.deny = w.effect == "Deny"
	s.notAction, s.notResource, s.notPrincipal = w.notAction.there, w.notResource.there, w.hasNotPrincipal
	s.principals = w.principal
	if s.notPrincipal {
		s.principals = w.notPrincipal
	}
	if r.kind == Identity && !sidPattern.MatchString(s.sid) {
		return s, at(where+".Sid", "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
	}
	if s.actions, err = actions(where, w.action, w.notAction); err != nil {
		return s, err
	}
	s.resources, err = r.resources(where, w.resource, w.notResource)
	return s, err
}

// check holds the elements against the kind of the document.
func (r *reader) check(where string, w *raw) error {
	switch {
	case w.effect == "":
		return at(where, "Missing required field Effect.")
	case w.effect != "Allow" && w.effect != "Deny":
		return at(where+".Effect", "Invalid effect %q: it must be Allow or Deny.", w.effect)
	case w.action.there && w.notAction.there:
		return at(where, "Syntax errors in policy: Action and NotAction exclude each other.")
	case len(w.action.values)+len(w.notAction.values) == 0:
		return at(where, "Policy statement must contain actions.")
	case r.kind == Identity && (w.hasPrincipal || w.hasNotPrincipal):
		return at(where, "Policy document should not specify a principal.")
	case r.kind != Identity && w.hasPrincipal && w.hasNotPrincipal:
		return at(where, "Syntax errors in policy: Principal and NotPrincipal exclude each other.")
	case r.kind != Identity && !w.hasPrincipal && !w.hasNotPrincipal:
		return at(where, "Missing required field Principal.")
	case r.kind == Trust && (w.resource.there || w.notResource.there):
		return at(where, "Has prohibited field Resource.")
	case r.kind != Trust && w.resource.there && w.notResource.there:
		return at(where, "Syntax errors in policy: Resource and NotResource exclude each other.")
	case r.kind != Trust && len(w.resource.values)+len(w.notResource.values) == 0:
		return at(where, "Policy statement must contain resources.")
	}
	return nil
}

var sidPattern = regexp.MustCompile(`^[0-9A-Za-z]*$`)

// vendorPattern is the service of an action, and the action's name.
var vendorPattern = regexp.MustCompile(`^([a-z0-9-]+|\*):[a-z0-9*?]+$`)

func actions(where string, a, not element) ([]pattern, error) {
	where += ".Action"
	if not.there {
		a, where = not, strings.TrimSuffix(where, "Action")+"NotAction"
	}
	var out []pattern
	for _, text := range a.values {
		folded := strings.ToLower(text)
		if folded != "*" && !vendorPattern.MatchString(folded) {
			if !strings.Contains(folded, ":") {
				return nil, at(where, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: %q", text)
			}
			return nil, at(where, "The action %q is not valid.", text)
		}
		out = append(out, compile(folded, true, false).pattern)
	}
	return out, nil
}

func (r *reader) resources(where string, a, not element) ([]resource, error) {
	where += ".Resource"
	if not.there {
		a, where = not, strings.TrimSuffix(where, "Resource")+"NotResource"
	}
	var out []resource
	for _, text := range a.values {
		if text == "*" {
			out = append(out, resource{everything: true})
			continue
		}
		if !strings.HasPrefix(text, "arn:") {
			return nil, at(where, "Resource %s must be in ARN format or \"*\".", text)
		}
		one := resource{}
		var parts int
		one.arn, parts = compileARN(text, r.variables)
		for i := parts; i < arnParts; i++ { // the parts that lack may be anything
			one.arn[i] = compile("*", true, false)
		}
		one.never = parts < arnParts && r.kind == Resource && !strings.Contains(text, "*")
		out = append(out, one)
	}
	return out, nil
}
