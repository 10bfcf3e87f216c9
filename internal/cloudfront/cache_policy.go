package cloudfront

import (
	"context"
	"regexp"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

func cachePolicies() kindOf[cf.CachePolicyConfig] {
	return kindOf[cf.CachePolicyConfig]{
		kind:    KindCachePolicy,
		newID:   newUUID,
		name:    func(c *cf.CachePolicyConfig) string { return value(c.Name) },
		check:   checkCachePolicy,
		managed: managedCachePolicies,
	}
}

func checkCachePolicy(c *cf.CachePolicyConfig) error {
	if err := checkPolicyName(c.Name, c.Comment); err != nil {
		return err
	}
	low, mid, high := boundsOf(c.MinTTL, c.DefaultTTL, c.MaxTTL)
	if err := checkTTLs(low, mid, high); err != nil {
		return err
	}
	p := c.ParametersInCacheKeyAndForwardedToOrigin
	if p == nil {
		return nil
	}
	if high == 0 && (p.HeadersConfig.HeaderBehavior != cf.CachePolicyHeaderBehaviorNone || p.CookiesConfig.CookieBehavior != cf.CachePolicyCookieBehaviorNone ||
		p.QueryStringsConfig.QueryStringBehavior != cf.CachePolicyQueryStringBehaviorNone || value(p.EnableAcceptEncodingGzip) || value(p.EnableAcceptEncodingBrotli)) {
		return fault.New(fault.Invalid, "InvalidArgument", "The parameters in the cache key are not allowed when caching is disabled (MaxTTL 0).")
	}
	var headers, cookies, queries []string
	if p.HeadersConfig.Headers != nil {
		headers = p.HeadersConfig.Headers.Items
	}
	if p.CookiesConfig.Cookies != nil {
		cookies = p.CookiesConfig.Cookies.Items
	}
	if p.QueryStringsConfig.QueryStrings != nil {
		queries = p.QueryStringsConfig.QueryStrings.Items
	}
	return firstOf(
		checkSelector("Headers", string(p.HeadersConfig.HeaderBehavior), headers),
		checkSelector("Cookies", string(p.CookiesConfig.CookieBehavior), cookies),
		checkSelector("QueryStrings", string(p.QueryStringsConfig.QueryStringBehavior), queries),
	)
}

// boundsOf returns the TTLs of a cache policy or a behavior; those that are not given have the service's defaults.
func boundsOf(minTTL, defaultTTL, maxTTL *int64) (low, mid, high int64) {
	const day, year = 86400, 31536000
	low = value(minTTL)
	if mid = max(day, low); defaultTTL != nil {
		mid = *defaultTTL
	}
	if high = max(year, mid); maxTTL != nil {
		high = *maxTTL
	}
	if defaultTTL == nil && maxTTL != nil {
		mid = max(low, min(mid, high))
	}
	return low, mid, high
}

// TTLs returns the TTLs of a cache policy in seconds, with the service's defaults.
func TTLs(p *cf.CachePolicyConfig) (low, mid, high int64) {
	return boundsOf(p.MinTTL, p.DefaultTTL, p.MaxTTL)
}

func checkTTLs(low, mid, high int64) error {
	const most = 3153600000 // a hundred years
	if low < 0 || low > mid || mid > high || high > most {
		return fault.New(fault.Invalid, "InvalidArgument", "The parameters must be in the order 0 <= MinTTL <= DefaultTTL <= MaxTTL <= %d.", int64(most))
	}
	return nil
}

func checkPolicyName(name, comment *string) error {
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`).MatchString(value(name)) {
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter Name must have 1 to 128 letters, digits, - and _.")
	}
	if len(value(comment)) > 128 {
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter Comment must have at most 128 characters.")
	}
	return nil
}

// checkSelector checks what a behavior of a policy selects: some behaviors need names, the others have none.
func checkSelector(member, behavior string, names []string) error {
	needs := behavior == "whitelist" || behavior == "allExcept" || behavior == "allViewerAndWhitelistCloudFront"
	switch {
	case needs && len(names) == 0:
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter %s needs at least one item with the behavior %s.", member, behavior)
	case !needs && len(names) > 0:
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter %s has items, which the behavior %s does not use.", member, behavior)
	case len(names) > 100:
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter %s has more than 100 items.", member)
	}
	for _, n := range names {
		if n == "" || len(n) > 256 {
			return fault.New(fault.Invalid, "InvalidArgument", "The parameter %s has a name that is empty or longer than 256 characters.", member)
		}
		if member == "Headers" && !isToken(n) {
			return fault.New(fault.Invalid, "InvalidArgument", "The parameter Headers has %q, which is no header's name.", n)
		}
	}
	return nil
}

// isToken reports whether s may be the name of a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$").MatchString(s)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func cachePolicy(i item[cf.CachePolicyConfig]) *cf.CachePolicy {
	return &cf.CachePolicy{Id: &i.ID, LastModifiedTime: i.modified(), CachePolicyConfig: i.config}
}

func (s *server) createCachePolicy(ctx context.Context, call *apiserver.Call, in *cf.CreateCachePolicyRequest) (*cf.CreateCachePolicyResult, error) {
	i, err := cachePolicies().create(ctx, s, call, in.CachePolicyConfig)
	if err != nil {
		return nil, err
	}
	return &cf.CreateCachePolicyResult{CachePolicy: cachePolicy(i), ETag: &i.ETag, Location: location(call, "cache-policy/"+i.ID)}, nil
}

func (s *server) getCachePolicy(ctx context.Context, _ *apiserver.Call, in *cf.GetCachePolicyRequest) (*cf.GetCachePolicyResult, error) {
	i, err := cachePolicies().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetCachePolicyResult{CachePolicy: cachePolicy(i), ETag: &i.ETag}, nil
}

func (s *server) getCachePolicyConfig(ctx context.Context, _ *apiserver.Call, in *cf.GetCachePolicyConfigRequest) (*cf.GetCachePolicyConfigResult, error) {
	i, err := cachePolicies().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetCachePolicyConfigResult{CachePolicyConfig: i.config, ETag: &i.ETag}, nil
}

func (s *server) updateCachePolicy(ctx context.Context, call *apiserver.Call, in *cf.UpdateCachePolicyRequest) (*cf.UpdateCachePolicyResult, error) {
	i, err := cachePolicies().update(ctx, s, call, in.Id, in.IfMatch, in.CachePolicyConfig)
	if err != nil {
		return nil, err
	}
	return &cf.UpdateCachePolicyResult{CachePolicy: cachePolicy(i), ETag: &i.ETag}, nil
}

func (s *server) deleteCachePolicy(ctx context.Context, _ *apiserver.Call, in *cf.DeleteCachePolicyRequest) (*cf.DeleteCachePolicyOutput, error) {
	return &cf.DeleteCachePolicyOutput{}, cachePolicies().remove(ctx, s, in.Id, in.IfMatch)
}

func (s *server) listCachePolicies(ctx context.Context, _ *apiserver.Call, in *cf.ListCachePoliciesRequest) (*cf.ListCachePoliciesResult, error) {
	p, err := cachePolicies().list(ctx, s, string(in.Type), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &cf.CachePolicyList{MaxItems: new(int32(p.size)), NextMarker: p.next, Quantity: new(int32(len(p.items))), Items: []*cf.CachePolicySummary{}}
	for _, i := range p.items {
		out.Items = append(out.Items, &cf.CachePolicySummary{Type: cf.CachePolicyType(i.typeOf()), CachePolicy: cachePolicy(i)})
	}
	return &cf.ListCachePoliciesResult{CachePolicyList: out}, nil
}
