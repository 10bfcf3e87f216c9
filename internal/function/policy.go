package function

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// Permission is one statement of a function's policy: what AddPermission gave.
type Permission struct {
	ID            string `json:"id"`
	Principal     string `json:"principal"` // a service, an account, an ARN or *
	Action        string `json:"action"`
	SourceARN     string `json:"sourceArn,omitempty"`
	SourceAccount string `json:"sourceAccount,omitempty"`
	Organization  string `json:"organization,omitempty"`
	Token         string `json:"token,omitempty"`
	URLAuth       string `json:"urlAuth,omitempty"`
}

type statement struct {
	ID        string                       `json:"Sid"`
	Effect    string                       `json:"Effect"`
	Principal any                          `json:"Principal"`
	Action    string                       `json:"Action"`
	Resource  string                       `json:"Resource"`
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

func (p Permission) statement(resource string) statement {
	s := statement{ID: p.ID, Effect: "Allow", Action: p.Action, Resource: resource}
	switch {
	case p.Principal == "*":
		s.Principal = "*"
	case strings.HasPrefix(p.Principal, "arn:"):
		s.Principal = map[string]string{"AWS": p.Principal}
	case len(p.Principal) == 12 && numberForm.MatchString(p.Principal):
		s.Principal = map[string]string{"AWS": "arn:aws:iam::" + p.Principal + ":root"}
	default:
		s.Principal = map[string]string{"Service": p.Principal}
	}
	condition := func(operator, key, value string) {
		if value == "" {
			return
		}
		if s.Condition == nil {
			s.Condition = map[string]map[string]string{}
		}
		if s.Condition[operator] == nil {
			s.Condition[operator] = map[string]string{}
		}
		s.Condition[operator][key] = value
	}
	condition("StringEquals", "AWS:SourceAccount", p.SourceAccount)
	condition("StringEquals", "aws:PrincipalOrgID", p.Organization)
	condition("StringEquals", "lambda:EventSourceToken", p.Token)
	condition("StringEquals", "lambda:FunctionUrlAuthType", p.URLAuth)
	condition("ArnLike", "AWS:SourceArn", p.SourceARN)
	return s
}

// Policy returns the policy document of a qualifier; nil when it has no statement.
func (f *Functions) Policy(fn Function, qualifier string) []byte {
	list := fn.Policies[policyKey(qualifier)]
	if len(list) == 0 {
		return nil
	}
	doc := struct {
		Version   string      `json:"Version"`
		ID        string      `json:"Id"`
		Statement []statement `json:"Statement"`
	}{Version: "2012-10-17", ID: "default"}
	for _, p := range list {
		doc.Statement = append(doc.Statement, p.statement(f.ARN(fn.Name, policyKey(qualifier))))
	}
	return encode(doc)
}

// policyKey is the qualifier that has a policy of its own: $LATEST has that of
// the function.
func policyKey(qualifier string) string {
	if qualifier == Latest {
		return ""
	}
	return qualifier
}

// encode writes JSON as AWS does: without escapes for HTML.
func encode(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // strings, maps and lists of them
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}

// maxPolicy is the limit of a function's policy in bytes.
const maxPolicy = 20 << 10

// AddPermission adds a statement and returns it as it is in the document.
func (f *Functions) AddPermission(ctx context.Context, name, qualifier, revision string, p Permission) ([]byte, error) {
	if _, _, err := f.Get(ctx, name, qualifier); err != nil {
		return nil, err
	}
	key := policyKey(qualifier)
	fn, err := f.Change(ctx, name, func(fn *Function) error {
		if err := CheckRevision(revision, fn.PolicyIDs[key]); err != nil {
			return err
		}
		if slices.ContainsFunc(fn.Policies[key], func(have Permission) bool { return have.ID == p.ID }) {
			return fault.New(fault.Conflict, CodeConflict, "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", p.ID)
		}
		fn.setPolicy(key, append(fn.Policies[key], p))
		if len(f.Policy(*fn, key)) > maxPolicy {
			return fault.New(fault.Limit, "PolicyLengthExceededException", "The final policy size is bigger than the limit (%d).", maxPolicy)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return encode(p.statement(f.ARN(fn.Name, key))), nil
}

func (f *Function) setPolicy(key string, list []Permission) {
	if f.Policies == nil {
		f.Policies = map[string][]Permission{}
	}
	if f.PolicyIDs == nil {
		f.PolicyIDs = map[string]string{}
	}
	f.Policies[key], f.PolicyIDs[key] = list, identifier()
	if len(list) == 0 {
		delete(f.Policies, key)
		delete(f.PolicyIDs, key)
	}
}

// RemovePermission removes a statement.
func (f *Functions) RemovePermission(ctx context.Context, name, qualifier, revision, id string) error {
	key := policyKey(qualifier)
	_, err := f.Change(ctx, name, func(fn *Function) error {
		if err := CheckRevision(revision, fn.PolicyIDs[key]); err != nil {
			return err
		}
		left := slices.DeleteFunc(slices.Clone(fn.Policies[key]), func(p Permission) bool { return p.ID == id })
		if len(left) == len(fn.Policies[key]) {
			return fault.New(fault.NotFound, CodeNotFound, "Statement %s is not found in resource policy.", id)
		}
		fn.setPolicy(key, left)
		return nil
	})
	return err
}

// permits asks whether the policy lets a service invoke the function for a source.
func (f *Functions) permits(ctx context.Context, fn Function, qualifier, service, sourceARN, sourceAccount string) error {
	arn := f.ARN(fn.Name, policyKey(qualifier))
	denied := fault.New(fault.Denied, "AccessDeniedException", "%s is not authorized to perform: lambda:InvokeFunction on resource: %s because no resource-based policy allows the lambda:InvokeFunction action", service, arn).
		WithHint("allow it: aws lambda add-permission --function-name %s --statement-id %s --action lambda:InvokeFunction --principal %s --source-arn %s", fn.Name, strings.Split(service, ".")[0], service, sourceARN)
	policy := f.Policy(fn, qualifier)
	if policy == nil {
		return denied
	}
	keys := map[string][]string{}
	if sourceARN != "" {
		keys["aws:sourcearn"] = []string{sourceARN}
	}
	if sourceAccount != "" {
		keys["aws:sourceaccount"] = []string{sourceAccount}
	}
	err := f.cfg.Policies.Permits(ctx, service, "lambda:InvokeFunction", arn, keys, policy)
	if fault.Is(err, fault.Denied) {
		return denied
	}
	return err
}
