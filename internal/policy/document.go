// Package policy decides who may do what: IAM's policy documents, read and evaluated.
//
// Documents flow in as JSON and out as *Document; a Request and the Policies
// that bear on it flow in and a Decision flows out, which says what allowed or
// denied it. The package knows the language (elements, both versions, wildcards,
// variables, condition operators) and the order of evaluation (explicit deny,
// resource policy, identity policies within boundary and session policy, trust);
// who has which policies is the iam room's to know.
//
// The package is pure. Documents are hostile: their size is bounded, parsing
// does not recurse, matching never goes exponential. Everything that does not
// depend on a request is computed when a document is parsed, so that a decision
// takes microseconds; keep parsed documents.
//
// Specification: "Policies and permissions in IAM" of the IAM user guide, its
// policy reference and its "Policy evaluation logic".
package policy

import "strings"

// Kind says where a document is attached, and so which elements it must have and must not have.
type Kind uint8

// The kinds of documents.
const (
	Identity Kind = iota // of a user, role or session, a boundary: no Principal
	Resource             // of a bucket, a function: Principal and Resource
	Trust                // of a role: Principal, no Resource
)

// The versions of the language; a document without Version has the older one.
const (
	version2008 = "2008-10-17" // without variables
	version2012 = "2012-10-17"
)

// MaxBytes bounds the documents that Parse reads.
const MaxBytes = 131072

// Document is a parsed policy. It is immutable and safe for concurrent use.
type Document struct {
	// Name is how a Decision calls the document. Whoever keeps the document sets it
	// before sharing it.
	Name       string
	id         string
	version    string
	statements []statement
}

// ID is the document's Id element, or "".
func (d *Document) ID() string { return d.id }

// Statements is how many statements the document has.
func (d *Document) Statements() int { return len(d.statements) }

// Keys lists the condition keys and variables that the document reads, in lower case, each once.
func (d *Document) Keys() []string {
	seen := map[string]bool{}
	var out []string
	add := func(key string) {
		if !seen[key] {
			seen[key] = true
			out = append(out, key)
		}
	}
	variables := func(t template) {
		for _, k := range t.tokens {
			if k.kind == variable {
				add(k.text)
			}
		}
	}
	for i := range d.statements {
		s := &d.statements[i]
		for _, r := range s.resources {
			for _, part := range r.arn {
				variables(part)
			}
		}
		for _, c := range s.conditions {
			add(c.key)
			for _, o := range c.operands {
				switch o := o.(type) {
				case textOperand:
					variables(o.template)
				case template:
					variables(o)
				case wholeARN:
					variables(o.template)
				case *arnOperand:
					for _, part := range o.arnTemplate {
						variables(part)
					}
				}
			}
		}
	}
	return out
}

// Principals lists the ARNs and account ids that the document names under AWS
// in its Principal elements, "*" apart.
func (d *Document) Principals() []string {
	var out []string
	for i := range d.statements {
		p := d.statements[i].principals
		out = append(append(out, p.arns...), p.accounts...)
	}
	return out
}

// statement is one rule. Of each pair (Action and NotAction, …) a document has
// one; not… says that it is the second.
type statement struct {
	sid          string
	label        string // the Sid, or "#2" for the second without one
	deny         bool
	notAction    bool
	notResource  bool
	notPrincipal bool
	actions      []pattern // over lower case
	resources    []resource
	principals   principals
	conditions   []condition
}

// resource is one value of Resource or NotResource.
type resource struct {
	everything bool // "*"
	never      bool // an ARN with parts missing in a resource policy matches nothing
	arn        arnTemplate
}

// question is a Request with what evaluation needs of it, computed once.
type question struct {
	*Request
	action string // in lower case
	arn    [arnParts]string
	isARN  bool
}

func (r *Request) question() question {
	q := question{Request: r, action: strings.ToLower(r.Action)}
	q.arn, q.isARN = splitARN(r.Resource)
	return q
}

// covers reports whether the statement speaks of the request: action, resource and conditions.
func (s *statement) covers(q *question) bool {
	if s.namesAction(q) == s.notAction || s.resources != nil && !s.coversResource(q) {
		return false
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(q.Keys) {
			return false
		}
	}
	return true
}

func (s *statement) namesAction(q *question) bool {
	for _, a := range s.actions {
		if a.match(q.action) {
			return true
		}
	}
	return false
}

// coversResource: an ARN with a variable that has no value covers nothing, under NotResource too.
func (s *statement) coversResource(q *question) bool {
	named := false
	for i := range s.resources {
		r := &s.resources[i]
		switch {
		case r.everything:
			named = true
		case r.never:
		case q.isARN:
			matched, ok := r.arn.match(q.arn, q.Keys)
			if !ok && s.notResource {
				return false
			}
			named = named || matched
		}
	}
	return named != s.notResource
}
