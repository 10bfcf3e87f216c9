package eventbridge

import (
	"context"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/events"
	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/event/pattern"
	"vodwright.dev/vodwright/internal/fault"
)

// maxTargets bounds the targets of a rule, as the service does.
const maxTargets = 5

const servicePrincipal = "events.amazonaws.com"

func (s *server) putRule(ctx context.Context, call *apiserver.Call, in *wire.PutRuleInput) (*wire.PutRuleOutput, error) {
	if err := s.onBus(in.EventBusName); err != nil {
		return nil, err
	}
	if value(in.ScheduleExpression) != "" {
		return nil, invalid("Parameter ScheduleExpression is not supported by Vodwright: rules match events")
	}
	if value(in.EventPattern) == "" {
		return nil, invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	if in.State == wire.RuleStateEnabled_With_All_Cloudtrail_Management_Events {
		return nil, invalid("State %s is not supported by Vodwright", in.State)
	}
	if _, err := pattern.Parse(*in.EventPattern); err != nil {
		return nil, err
	}
	if role := value(in.RoleArn); role != "" && s.cfg.PassRole != nil {
		if err := s.cfg.PassRole(ctx, call.Identity, role, servicePrincipal); err != nil {
			return nil, err
		}
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	r := event.Rule{
		Name: *in.Name, Description: value(in.Description), Pattern: *in.EventPattern, RoleARN: value(in.RoleArn),
		Disabled: in.State == wire.RuleStateDisabled, Created: s.now(),
	}
	if err := s.records.PutRule(ctx, r, tags); err != nil {
		return nil, err
	}
	return &wire.PutRuleOutput{RuleArn: new(s.arn("rule/" + r.Name))}, nil
}

func stateOf(r event.Rule) wire.RuleState {
	if r.Disabled {
		return wire.RuleStateDisabled
	}
	return wire.RuleStateEnabled
}

func (s *server) describeRule(ctx context.Context, _ *apiserver.Call, in *wire.DescribeRuleInput) (*wire.DescribeRuleOutput, error) {
	if err := s.onBus(in.EventBusName); err != nil {
		return nil, err
	}
	r, err := s.records.Rule(ctx, *in.Name)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeRuleOutput{
		Name: &r.Name, Arn: new(s.arn("rule/" + r.Name)), EventPattern: &r.Pattern, State: stateOf(r), Description: optional(r.Description),
		RoleArn: optional(r.RoleARN), EventBusName: new(busName), CreatedBy: &s.cfg.Account,
	}, nil
}

func (s *server) listRules(ctx context.Context, _ *apiserver.Call, in *wire.ListRulesInput) (*wire.ListRulesOutput, error) {
	if err := s.onBus(in.EventBusName); err != nil {
		return nil, err
	}
	rules, err := s.records.Rules(ctx)
	if err != nil {
		return nil, err
	}
	rules = slices.DeleteFunc(rules, func(r event.Rule) bool { return !strings.HasPrefix(r.Name, value(in.NamePrefix)) })
	out := &wire.ListRulesOutput{Rules: []*wire.Rule{}}
	rules, out.NextToken = page(rules, func(r event.Rule) string { return r.Name }, in.NextToken, in.Limit)
	for _, r := range rules {
		out.Rules = append(out.Rules, &wire.Rule{
			Name: &r.Name, Arn: new(s.arn("rule/" + r.Name)), EventPattern: &r.Pattern, State: stateOf(r), Description: optional(r.Description),
			RoleArn: optional(r.RoleARN), EventBusName: new(busName),
		})
	}
	return out, nil
}

func (s *server) enableRule(ctx context.Context, _ *apiserver.Call, in *wire.EnableRuleInput) (*wire.EnableRuleOutput, error) {
	return &wire.EnableRuleOutput{}, s.setDisabled(ctx, in.EventBusName, *in.Name, false)
}

func (s *server) disableRule(ctx context.Context, _ *apiserver.Call, in *wire.DisableRuleInput) (*wire.DisableRuleOutput, error) {
	return &wire.DisableRuleOutput{}, s.setDisabled(ctx, in.EventBusName, *in.Name, true)
}

func (s *server) setDisabled(ctx context.Context, bus *string, name string, disabled bool) error {
	if err := s.onBus(bus); err != nil {
		return err
	}
	return s.records.ChangeRule(ctx, name, func(r *event.Rule) error {
		r.Disabled = disabled
		return nil
	})
}

func (s *server) deleteRule(ctx context.Context, _ *apiserver.Call, in *wire.DeleteRuleInput) (*wire.DeleteRuleOutput, error) {
	if err := s.onBus(in.EventBusName); err != nil {
		return nil, err
	}
	return &wire.DeleteRuleOutput{}, s.records.DeleteRule(ctx, *in.Name, func(r event.Rule) error {
		if len(r.Targets) > 0 {
			return invalid("Rule can't be deleted since it has targets.")
		}
		return nil
	})
}

func (s *server) putTargets(ctx context.Context, call *apiserver.Call, in *wire.PutTargetsInput) (*wire.PutTargetsOutput, error) {
	if err := s.onBus(in.EventBusName); err != nil {
		return nil, err
	}
	targets := make([]event.Target, len(in.Targets))
	for i, w := range in.Targets {
		var err error
		if targets[i], err = s.targetOf(ctx, w); err != nil {
			return nil, err
		}
		if role := targets[i].RoleARN; role != "" && s.cfg.PassRole != nil {
			if err := s.cfg.PassRole(ctx, call.Identity, role, servicePrincipal); err != nil {
				return nil, err
			}
		}
	}
	err := s.records.ChangeRule(ctx, *in.Rule, func(r *event.Rule) error {
		for _, t := range targets {
			r.Targets = slices.DeleteFunc(r.Targets, func(have event.Target) bool { return have.ID == t.ID })
			r.Targets = append(r.Targets, t)
		}
		if len(r.Targets) > maxTargets {
			return fault.New(fault.Limit, codeLimit, "The requested resource exceeds the maximum number allowed: %d targets a rule.", maxTargets)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &wire.PutTargetsOutput{FailedEntryCount: new(int32(0)), FailedEntries: []*wire.PutTargetsResultEntry{}}, nil
}

func (s *server) removeTargets(ctx context.Context, _ *apiserver.Call, in *wire.RemoveTargetsInput) (*wire.RemoveTargetsOutput, error) {
	if err := s.onBus(in.EventBusName); err != nil {
		return nil, err
	}
	out := &wire.RemoveTargetsOutput{FailedEntryCount: new(int32(0)), FailedEntries: []*wire.RemoveTargetsResultEntry{}}
	err := s.records.ChangeRule(ctx, *in.Rule, func(r *event.Rule) error {
		r.Targets = slices.DeleteFunc(r.Targets, func(t event.Target) bool { return slices.Contains(in.Ids, t.ID) })
		return nil
	})
	return out, err
}

func (s *server) listTargetsByRule(ctx context.Context, _ *apiserver.Call, in *wire.ListTargetsByRuleInput) (*wire.ListTargetsByRuleOutput, error) {
	if err := s.onBus(in.EventBusName); err != nil {
		return nil, err
	}
	r, err := s.records.Rule(ctx, *in.Rule)
	if err != nil {
		return nil, err
	}
	out := &wire.ListTargetsByRuleOutput{Targets: []*wire.Target{}}
	r.Targets, out.NextToken = page(r.Targets, func(t event.Target) string { return t.ID }, in.NextToken, in.Limit)
	for _, t := range r.Targets {
		out.Targets = append(out.Targets, wireTarget(t))
	}
	return out, nil
}

func (s *server) listRuleNamesByTarget(ctx context.Context, _ *apiserver.Call, in *wire.ListRuleNamesByTargetInput) (*wire.ListRuleNamesByTargetOutput, error) {
	if err := s.onBus(in.EventBusName); err != nil {
		return nil, err
	}
	rules, err := s.records.Rules(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, r := range rules {
		if slices.ContainsFunc(r.Targets, func(t event.Target) bool { return t.ARN == *in.TargetArn }) {
			names = append(names, r.Name)
		}
	}
	out := &wire.ListRuleNamesByTargetOutput{}
	out.RuleNames, out.NextToken = page(names, func(n string) string { return n }, in.NextToken, in.Limit)
	return out, nil
}
