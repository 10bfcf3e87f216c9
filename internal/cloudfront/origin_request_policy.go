package cloudfront

import (
	"context"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
)

func originRequestPolicies() kindOf[cf.OriginRequestPolicyConfig] {
	return kindOf[cf.OriginRequestPolicyConfig]{
		kind:    KindOriginRequestPolicy,
		newID:   newUUID,
		name:    func(c *cf.OriginRequestPolicyConfig) string { return value(c.Name) },
		check:   checkOriginRequestPolicy,
		managed: managedOriginRequestPolicies,
	}
}

func checkOriginRequestPolicy(c *cf.OriginRequestPolicyConfig) error {
	var headers, cookies, queries []string
	if c.HeadersConfig.Headers != nil {
		headers = c.HeadersConfig.Headers.Items
	}
	if c.CookiesConfig.Cookies != nil {
		cookies = c.CookiesConfig.Cookies.Items
	}
	if c.QueryStringsConfig.QueryStrings != nil {
		queries = c.QueryStringsConfig.QueryStrings.Items
	}
	return firstOf(
		checkPolicyName(c.Name, c.Comment),
		checkSelector("Headers", string(c.HeadersConfig.HeaderBehavior), headers),
		checkSelector("Cookies", string(c.CookiesConfig.CookieBehavior), cookies),
		checkSelector("QueryStrings", string(c.QueryStringsConfig.QueryStringBehavior), queries),
	)
}

func originRequestPolicy(i item[cf.OriginRequestPolicyConfig]) *cf.OriginRequestPolicy {
	return &cf.OriginRequestPolicy{Id: &i.ID, LastModifiedTime: i.modified(), OriginRequestPolicyConfig: i.config}
}

func (s *server) createOriginRequestPolicy(ctx context.Context, call *apiserver.Call, in *cf.CreateOriginRequestPolicyRequest) (*cf.CreateOriginRequestPolicyResult, error) {
	i, err := originRequestPolicies().create(ctx, s, call, in.OriginRequestPolicyConfig)
	if err != nil {
		return nil, err
	}
	return &cf.CreateOriginRequestPolicyResult{OriginRequestPolicy: originRequestPolicy(i), ETag: &i.ETag, Location: location(call, "origin-request-policy/"+i.ID)}, nil
}

func (s *server) getOriginRequestPolicy(ctx context.Context, _ *apiserver.Call, in *cf.GetOriginRequestPolicyRequest) (*cf.GetOriginRequestPolicyResult, error) {
	i, err := originRequestPolicies().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetOriginRequestPolicyResult{OriginRequestPolicy: originRequestPolicy(i), ETag: &i.ETag}, nil
}

func (s *server) getOriginRequestPolicyConfig(ctx context.Context, _ *apiserver.Call, in *cf.GetOriginRequestPolicyConfigRequest) (*cf.GetOriginRequestPolicyConfigResult, error) {
	i, err := originRequestPolicies().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetOriginRequestPolicyConfigResult{OriginRequestPolicyConfig: i.config, ETag: &i.ETag}, nil
}

func (s *server) updateOriginRequestPolicy(ctx context.Context, call *apiserver.Call, in *cf.UpdateOriginRequestPolicyRequest) (*cf.UpdateOriginRequestPolicyResult, error) {
	i, err := originRequestPolicies().update(ctx, s, call, in.Id, in.IfMatch, in.OriginRequestPolicyConfig)
	if err != nil {
		return nil, err
	}
	return &cf.UpdateOriginRequestPolicyResult{OriginRequestPolicy: originRequestPolicy(i), ETag: &i.ETag}, nil
}

func (s *server) deleteOriginRequestPolicy(ctx context.Context, _ *apiserver.Call, in *cf.DeleteOriginRequestPolicyRequest) (*cf.DeleteOriginRequestPolicyOutput, error) {
	return &cf.DeleteOriginRequestPolicyOutput{}, originRequestPolicies().remove(ctx, s, in.Id, in.IfMatch)
}

func (s *server) listOriginRequestPolicies(ctx context.Context, _ *apiserver.Call, in *cf.ListOriginRequestPoliciesRequest) (*cf.ListOriginRequestPoliciesResult, error) {
	p, err := originRequestPolicies().list(ctx, s, string(in.Type), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &cf.OriginRequestPolicyList{MaxItems: new(int32(p.size)), NextMarker: p.next, Quantity: new(int32(len(p.items))), Items: []*cf.OriginRequestPolicySummary{}}
	for _, i := range p.items {
		out.Items = append(out.Items, &cf.OriginRequestPolicySummary{Type: cf.OriginRequestPolicyType(i.typeOf()), OriginRequestPolicy: originRequestPolicy(i)})
	}
	return &cf.ListOriginRequestPoliciesResult{OriginRequestPolicyList: out}, nil
}
