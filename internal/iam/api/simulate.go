package api

import (
	"context"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/iam"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/policy"
)

func (s *server) simulations() map[string]apiserver.Handler {
	return map[string]apiserver.Handler{
		"SimulatePrincipalPolicy": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.SimulatePrincipalPolicyInput) (*wire.SimulatePrincipalPolicyOutput, error) {
			p, held, err := s.Held(*in.PolicySourceArn)
			if err != nil {
				return nil, err
			}
			sim := simulation{
				identity: held.Identity, boundary: held.Boundary, who: policy.Principal{ARN: p.ARN(), Account: iam.AccountID},
				actions: in.ActionNames, resources: in.ResourceArns, entries: in.ContextEntries, resource: in.ResourcePolicy,
			}
			results, err := sim.run(in.PolicyInputList, in.PermissionsBoundaryPolicyInputList)
			if err != nil {
				return nil, err
			}
			out := &wire.SimulatePrincipalPolicyOutput{}
			out.EvaluationResults, out.IsTruncated = results, new(bool)
			return out, nil
		}),
		"SimulateCustomPolicy": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.SimulateCustomPolicyInput) (*wire.SimulateCustomPolicyOutput, error) {
			sim := simulation{
				who:     policy.Principal{ARN: resourceARN("user", "/", "simulated"), Account: iam.AccountID},
				actions: in.ActionNames, resources: in.ResourceArns, entries: in.ContextEntries, resource: in.ResourcePolicy,
			}
			if in.CallerArn != nil {
				sim.who.ARN = *in.CallerArn
			}
			results, err := sim.run(in.PolicyInputList, in.PermissionsBoundaryPolicyInputList)
			if err != nil {
				return nil, err
			}
			out := &wire.SimulateCustomPolicyOutput{}
			out.EvaluationResults, out.IsTruncated = results, new(bool)
			return out, nil
		}),
		"GetContextKeysForCustomPolicy": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.GetContextKeysForCustomPolicyInput) (*wire.GetContextKeysForCustomPolicyOutput, error) {
			out := &wire.GetContextKeysForCustomPolicyOutput{}
			out.ContextKeyNames = []string{}
			for _, text := range in.PolicyInputList {
				d, err := policy.Parse(text, policy.Identity)
				if err != nil {
					return nil, err
				}
				out.ContextKeyNames = append(out.ContextKeyNames, d.Keys()...)
			}
			return out, nil
		}),
	}
}

// simulation asks the evaluator what would be decided.
type simulation struct {
	who                policy.Principal
	identity           []*policy.Document
	boundary           *policy.Document
	actions, resources []string
	entries            []*wire.ContextEntry
	resource           *string
}

// run evaluates every action on every resource, with policies beside those that
// the principal has, within another boundary when one is given.
func (s *simulation) run(policies, boundaries []string) ([]*wire.EvaluationResult, error) {
	for _, text := range policies {
		d, err := policy.Parse(text, policy.Identity)
		if err != nil {
			return nil, err
		}
		d.Name = "PolicyInputList"
		s.identity = append(s.identity[:len(s.identity):len(s.identity)], d)
	}
	for _, text := range boundaries {
		d, err := policy.Parse(text, policy.Identity)
		if err != nil {
			return nil, err
		}
		s.boundary = d
	}
	p := policy.Policies{Identity: s.identity, Boundary: s.boundary}
	if s.resource != nil {
		var err error
		if p.Resource, err = policy.Parse(*s.resource, policy.Resource); err != nil {
			return nil, err
		}
	}
	keys := map[string][]string{}
	for _, e := range s.entries {
		keys[strings.ToLower(text(e.ContextKeyName))] = e.ContextKeyValues
	}
	if len(s.resources) == 0 {
		s.resources = []string{"*"}
	}
	missing := []string{}
	for _, d := range s.identity {
		for _, k := range d.Keys() {
			if _, ok := keys[k]; !ok {
				missing = append(missing, k)
			}
		}
	}
	out := []*wire.EvaluationResult{}
	for _, action := range s.actions {
		for _, resource := range s.resources {
			d := policy.Evaluate(&policy.Request{Principal: s.who, Action: action, Resource: resource, Keys: policy.Values(keys)}, p)
			r := &wire.EvaluationResult{
				EvalActionName: &action, EvalResourceName: &resource, EvalDecision: wire.PolicyEvaluationDecisionTypeImplicitdeny,
				MatchedStatements: []*wire.Statement{}, MissingContextValues: missing,
			}
			switch {
			case d.Allowed:
				r.EvalDecision = wire.PolicyEvaluationDecisionTypeAllowed
			case d.Explicit:
				r.EvalDecision = wire.PolicyEvaluationDecisionTypeExplicitdeny
			}
			if d.Document != "" {
				r.MatchedStatements = append(r.MatchedStatements, &wire.Statement{SourcePolicyId: &d.Document, SourcePolicyType: "IAM Policy"})
			}
			out = append(out, r)
		}
	}
	return out, nil
}
