package wafv2

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	waf "vodwright.dev/vodwright/internal/awsapi/wafv2"
	"vodwright.dev/vodwright/internal/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

// Logged is a line of a distribution's firewall log, in AWS WAF's log format.
type Logged struct {
	Time time.Time
	Text string
}

// Log reads up to limit lines of a distribution's firewall log, oldest first; a
// distribution without a log has none. Each line is a request that rules matched.
type Log func(ctx context.Context, distribution string, from, until time.Time, limit int) ([]Logged, error)

// mostSampled is how many requests of a time window the service looks at.
const mostSampled = 5000

// entry is what a sample takes from a line of the log.
type entry struct {
	Timestamp     int64  `json:"timestamp"` // Unix milliseconds
	Action        string `json:"action"`
	RuleGroupList []struct {
		NonTerminatingMatchingRules []matched `json:"nonTerminatingMatchingRules"`
		TerminatingRule             *matched  `json:"terminatingRule"`
		RuleGroupID                 string    `json:"ruleGroupId"`
	} `json:"ruleGroupList"`
	NonTerminatingMatchingRules []matched `json:"nonTerminatingMatchingRules"`
	HTTPRequest                 struct {
		ClientIP    string `json:"clientIp"`
		Country     string `json:"country"`
		URI         string `json:"uri"`
		Args        string `json:"args"`
		HTTPVersion string `json:"httpVersion"`
		HTTPMethod  string `json:"httpMethod"`
		Headers     []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"headers"`
	} `json:"httpRequest"`
	Labels []struct {
		Name string `json:"name"`
	} `json:"labels"`
}

type matched struct {
	RuleID string `json:"ruleId"`
	Action string `json:"action"`
}

// sampled answers from the log what the rules of a web ACL matched. Every managed
// group turns on the same rules here, so each rule's metric shows all matches; the
// web ACL's own metric is of requests that nothing matched, which are not kept.
func (s *server) sampled(ctx context.Context, _ *apiserver.Call, in *waf.GetSampledRequestsRequest) (*waf.GetSampledRequestsResponse, error) {
	if err := global(in.Scope); err != nil {
		return nil, err
	}
	name, id, ok := s.named(value(in.WebAclArn))
	if !ok {
		return nil, cloudfront.NoSuch(cloudfront.KindWebACL)
	}
	r, err := s.find(ctx, name, id)
	if err != nil {
		return nil, err
	}
	d, err := read(r.Config)
	if err != nil {
		return nil, err
	}
	out := &waf.GetSampledRequestsResponse{SampledRequests: []*waf.SampledHTTPRequest{}, PopulationSize: new(int64(0)), TimeWindow: in.TimeWindow}
	metric := value(in.RuleMetricName)
	if metric == value(d.VisibilityConfig.MetricName) {
		return out, nil
	}
	known := false
	for _, rule := range d.Rules {
		known = known || value(rule.VisibilityConfig.MetricName) == metric
	}
	if !known {
		return nil, fault.New(fault.NotFound, "WAFNonexistentItemException", "The web ACL has no rule with the metric %q.", metric)
	}
	distributions, err := s.cfg.Store.Distributions(ctx, r.Reference(), "", mostWebACLs)
	if err != nil {
		return nil, err
	}
	for _, distribution := range distributions {
		lines, err := s.cfg.Log(ctx, distribution.ID, in.TimeWindow.StartTime.Time, in.TimeWindow.EndTime.Time, mostSampled-int(*out.PopulationSize))
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			*out.PopulationSize++
			if len(out.SampledRequests) == int(*in.MaxItems) {
				continue
			}
			sample, err := sampleOf(line)
			if err != nil {
				return nil, err
			}
			out.SampledRequests = append(out.SampledRequests, sample)
		}
		if *out.PopulationSize >= mostSampled {
			break
		}
	}
	return out, nil
}

func sampleOf(line Logged) (*waf.SampledHTTPRequest, error) {
	var e entry
	if err := json.Unmarshal([]byte(line.Text), &e); err != nil {
		return nil, fmt.Errorf("read the firewall's log: %w", err)
	}
	h := e.HTTPRequest
	request := &waf.HTTPRequest{ClientIP: &h.ClientIP, Country: &h.Country, HTTPVersion: &h.HTTPVersion, Method: &h.HTTPMethod, URI: &h.URI, Headers: []*waf.HTTPHeader{}}
	if h.Args != "" {
		request.URI = new(h.URI + "?" + h.Args)
	}
	for _, f := range h.Headers {
		request.Headers = append(request.Headers, &waf.HTTPHeader{Name: &f.Name, Value: &f.Value})
	}
	out := &waf.SampledHTTPRequest{Request: request, Weight: new(int64(1)), Timestamp: awsapi.At(line.Time), Action: &e.Action, Labels: []*waf.Label{}}
	if e.Action == "ALLOW" && len(e.NonTerminatingMatchingRules) > 0 {
		out.Action, out.OverriddenAction = new("COUNT"), new("BLOCK")
	}
	for _, l := range e.Labels {
		out.Labels = append(out.Labels, &waf.Label{Name: &l.Name})
	}
	for _, g := range e.RuleGroupList {
		rules := g.NonTerminatingMatchingRules
		if g.TerminatingRule != nil {
			rules = []matched{*g.TerminatingRule}
		}
		if len(rules) > 0 {
			rule, _, _ := strings.Cut(rules[0].RuleID, " ")
			out.RuleNameWithinRuleGroup = new(g.RuleGroupID + "#" + rule)
		}
	}
	return out, nil
}
