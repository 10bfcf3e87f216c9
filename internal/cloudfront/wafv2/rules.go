package wafv2

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	waf "vodwright.dev/vodwright/internal/awsapi/wafv2"
	"vodwright.dev/vodwright/internal/fault"
)

// managed are AWS's rule groups that the OWASP core rule set covers, with their
// capacity in web ACL capacity units ("AWS Managed Rules rule groups list" in the
// WAF Developer Guide).
func managed() map[string]int64 {
	return map[string]int64{
		"AWSManagedRulesCommonRuleSet":         700,
		"AWSManagedRulesKnownBadInputsRuleSet": 200,
		"AWSManagedRulesSQLiRuleSet":           200,
		"AWSManagedRulesLinuxRuleSet":          200,
		"AWSManagedRulesUnixRuleSet":           100,
		"AWSManagedRulesWindowsRuleSet":        200,
		"AWSManagedRulesPHPRuleSet":            100,
	}
}

func capacity(rules []*waf.Rule) int64 {
	var sum int64
	for _, r := range rules {
		if m := r.Statement.ManagedRuleGroupStatement; m != nil {
			sum += managed()[value(m.Name)]
		}
	}
	return sum
}

// The modes of a firewall, as the edge spells them.
const (
	off   = ""
	count = "count"
	block = "block"
)

// Mode returns what the record of a web ACL asks of the firewall: "count", "block",
// or "" when it has no rules.
func Mode(config json.RawMessage) (string, error) {
	d, err := read(config)
	if err != nil || len(d.Rules) == 0 {
		return off, err
	}
	if d.Rules[0].OverrideAction.Count != nil {
		return count, nil
	}
	return block, nil
}

// check returns everything that is wrong with a web ACL, or would be ignored.
// given says of members that do nothing here whether they were given.
func check(call *apiserver.Call, scope waf.Scope, d document, given map[string]bool) error {
	if err := global(scope); err != nil {
		return err
	}
	var faults []string
	note := func(ok bool, message string) {
		if !ok {
			faults = append(faults, message)
		}
	}
	note(len(call.Unknown) == 0, "Unknown members: "+strings.Join(call.Unknown, ", ")+".")
	for _, member := range slices.Sorted(maps.Keys(given)) {
		note(!given[member], "The parameter "+member+" is not implemented.")
	}
	a := d.DefaultAction
	note(a.Block == nil && a.Allow != nil, "The parameter DefaultAction allows Allow.")
	note(a.Allow == nil || a.Allow.CustomRequestHandling == nil, "The parameter DefaultAction.Allow.CustomRequestHandling is not implemented.")
	names, priorities, modes := map[string]bool{}, map[int32]bool{}, map[string]bool{}
	for _, r := range d.Rules {
		if r == nil {
			note(false, "The parameter Rules has an item that is null.")
			continue
		}
		name := value(r.Name)
		note(!names[name] && !priorities[value(r.Priority)], "The rule "+name+" has the name or the priority of another.")
		names[name], priorities[value(r.Priority)] = true, true
		faults = append(faults, checkRule(r, modes)...)
	}
	note(len(modes) < 2, "Some rules count and others do not: here the OverrideAction of all rules is Count, or of all None.")
	if len(faults) > 0 {
		return fault.New(fault.Invalid, "WAFInvalidParameterException", "%s", strings.Join(faults, "\n"))
	}
	return nil
}

// checkRule returns what is wrong with a rule, and notes its mode.
func checkRule(r *waf.Rule, modes map[string]bool) []string {
	var faults []string
	of := "The rule " + value(r.Name) + ": "
	note := func(ok bool, message string) {
		if !ok {
			faults = append(faults, of+message)
		}
	}
	note(len(r.RuleLabels) == 0, "RuleLabels is not implemented.")
	m := r.Statement.ManagedRuleGroupStatement
	if kinds := membersOf(r.Statement); m == nil || len(kinds) != 1 {
		note(false, "the statement "+strings.Join(kinds, ", ")+" is not implemented: rules are ManagedRuleGroupStatement, one each.")
		return faults
	}
	switch o := r.OverrideAction; {
	case o == nil || r.Action != nil || (o.Count == nil) == (o.None == nil):
		note(false, "a managed rule group has an OverrideAction, Count or None, and no Action.")
	case o.Count != nil:
		note(o.Count.CustomRequestHandling == nil, "CustomRequestHandling is not implemented.")
		modes[count] = true
	default:
		modes[block] = true
	}
	_, covered := managed()[value(m.Name)]
	note(covered && value(m.VendorName) == "AWS", "the rule group "+value(m.VendorName)+" "+value(m.Name)+" is not implemented; these are: "+
		strings.Join(slices.Sorted(maps.Keys(managed())), ", ")+".")
	for member, is := range map[string]bool{
		"ExcludedRules": len(m.ExcludedRules) > 0, "RuleActionOverrides": len(m.RuleActionOverrides) > 0, "ManagedRuleGroupConfigs": len(m.ManagedRuleGroupConfigs) > 0,
		"ScopeDownStatement": m.ScopeDownStatement != nil, "Version": value(m.Version) != "",
	} {
		note(!is, "ManagedRuleGroupStatement."+member+" is not implemented.")
	}
	slices.Sort(faults)
	return faults
}

// membersOf names the members of a statement that were given.
func membersOf(s *waf.Statement) []string {
	var out []string
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			out = append(out, v.Type().Field(i).Name)
		}
	}
	return out
}

func (s *server) checkCapacity(_ context.Context, call *apiserver.Call, in *waf.CheckCapacityRequest) (*waf.CheckCapacityResponse, error) {
	if err := check(call, in.Scope, document{DefaultAction: &waf.DefaultAction{Allow: &waf.AllowAction{}}, Rules: in.Rules}, nil); err != nil {
		return nil, err
	}
	return &waf.CheckCapacityResponse{Capacity: new(capacity(in.Rules))}, nil
}

func (s *server) listManagedRuleGroups(_ context.Context, _ *apiserver.Call, in *waf.ListAvailableManagedRuleGroupsRequest) (*waf.ListAvailableManagedRuleGroupsResponse, error) {
	if err := global(in.Scope); err != nil {
		return nil, err
	}
	out := &waf.ListAvailableManagedRuleGroupsResponse{ManagedRuleGroups: []*waf.ManagedRuleGroupSummary{}}
	for _, name := range slices.Sorted(maps.Keys(managed())) {
		out.ManagedRuleGroups = append(out.ManagedRuleGroups, &waf.ManagedRuleGroupSummary{
			Name: &name, VendorName: new("AWS"), VersioningSupported: new(false), Description: new("Turns on the OWASP core rule set at the edge."),
		})
	}
	return out, nil
}
