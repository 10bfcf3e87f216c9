package cloudfront

import (
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"slices"

	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
)

// Deployed is a distribution with everything that its configuration refers to:
// what the edge is made to do.
type Deployed struct {
	ID, ARN    string
	DomainName string
	Enabled    bool
	Aliases    []string
	Config     *cf.DistributionConfig // with the service's defaults
	Origins    map[string]DeployedOrigin
	LogBucket  string // "" is no access log
	Behaviors  []DeployedBehavior
	WebACL     json.RawMessage // the configuration of the web ACL, in the shape of the WAFv2 API; nil is none
}

// DeployedOrigin is an origin of a distribution.
type DeployedOrigin struct {
	Bucket, Path string
	Signed       bool // through an origin access control that signs
}

// DeployedBehavior is a behavior whose policies are resolved. The last of a
// distribution is the default one, with the pattern "*".
type DeployedBehavior struct {
	*cf.CacheBehavior
	Cache           *cf.CachePolicyConfig // made of ForwardedValues and TTLs where these were given
	OriginRequest   *cf.OriginRequestPolicyConfig
	ResponseHeaders *cf.ResponseHeadersPolicyConfig
	TrustedKeys     map[string]crypto.PublicKey // by ID of the public key; nil is that anybody may ask
	SignPlaylists   bool
}

// Deploy resolves a distribution. account is that of ARNs.
func Deploy(ctx context.Context, store Resources, account string, d Distribution) (Deployed, error) {
	config, err := configOf(d)
	if err != nil {
		return Deployed{}, err
	}
	out := Deployed{
		ID: d.ID, ARN: arnOf(account, Reference{KindDistribution, d.ID}), DomainName: d.DomainName, Enabled: d.Enabled, Aliases: d.Aliases,
		Config: config, LogBucket: d.LogBucket, Origins: map[string]DeployedOrigin{},
	}
	for _, o := range config.Origins.Items {
		origin := DeployedOrigin{Bucket: d.Buckets[value(o.Id)], Path: value(o.OriginPath)}
		if origin.Bucket == "" { // a record from before there were several origins
			if origin.Bucket, err = bucketOf(value(o.DomainName), ""); err != nil {
				return Deployed{}, err
			}
		}
		if id := value(o.OriginAccessControlId); id != "" {
			control, err := originAccessControls().get(ctx, store, &id)
			if err != nil {
				return Deployed{}, err
			}
			// No viewer's Authorization header reaches a bucket, so no-override signs always.
			origin.Signed = control.config.SigningBehavior != cf.OriginAccessControlSigningBehaviorsNever
		}
		out.Origins[value(o.Id)] = origin
	}
	for _, b := range behaviorsOf(config) {
		behavior, err := deploy(ctx, store, b)
		if err != nil {
			return Deployed{}, fmt.Errorf("deploy behavior %q of %q: %w", value(b.PathPattern), d.ID, err)
		}
		out.Behaviors = append(out.Behaviors, behavior)
	}
	for _, use := range d.Uses {
		if use.Kind == KindWebACL {
			acl, err := store.Resource(ctx, use)
			if err != nil {
				return Deployed{}, err
			}
			out.WebACL = acl.Config
		}
	}
	return out, nil
}

// deploy resolves one behavior.
func deploy(ctx context.Context, store Resources, b *cf.CacheBehavior) (DeployedBehavior, error) {
	out := DeployedBehavior{CacheBehavior: b, SignPlaylists: value(b.OriginRequestPolicyId) == SignPlaylists}
	switch id := value(b.CachePolicyId); {
	case id != "":
		policy, err := cachePolicies().get(ctx, store, &id)
		if err != nil {
			return out, err
		}
		out.Cache = policy.config
	case b.ForwardedValues == nil && b.MinTTL == nil && b.DefaultTTL == nil && b.MaxTTL == nil:
		policy, err := cachePolicies().get(ctx, store, new(cachingOptimized))
		if err != nil {
			return out, err
		}
		out.Cache = policy.config
	default:
		out.Cache = legacyPolicy(b)
	}
	if id := b.OriginRequestPolicyId; value(id) != "" {
		policy, err := originRequestPolicies().get(ctx, store, id)
		if err != nil {
			return out, err
		}
		out.OriginRequest = policy.config
	}
	if id := b.ResponseHeadersPolicyId; value(id) != "" {
		policy, err := responseHeadersPolicies().get(ctx, store, id)
		if err != nil {
			return out, err
		}
		out.ResponseHeaders = policy.config
	}
	if b.TrustedKeyGroups == nil || !value(b.TrustedKeyGroups.Enabled) {
		return out, nil
	}
	out.TrustedKeys = map[string]crypto.PublicKey{}
	for _, id := range b.TrustedKeyGroups.Items {
		group, err := keyGroups().get(ctx, store, &id)
		if err != nil {
			return out, err
		}
		for _, id := range group.config.Items {
			key, err := publicKeys().get(ctx, store, &id)
			if err != nil {
				return out, err
			}
			if out.TrustedKeys[id], err = parseKey(value(key.config.EncodedKey)); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// legacyPolicy says with a cache policy what the older members of a behavior say:
// what is forwarded is in the cache key, and forwarding all headers is not to cache.
func legacyPolicy(b *cf.CacheBehavior) *cf.CachePolicyConfig {
	low, mid, high := boundsOf(b.MinTTL, b.DefaultTTL, b.MaxTTL)
	key := &cf.ParametersInCacheKeyAndForwardedToOrigin{
		EnableAcceptEncodingGzip: new(true), EnableAcceptEncodingBrotli: new(false),
		HeadersConfig:      &cf.CachePolicyHeadersConfig{HeaderBehavior: cf.CachePolicyHeaderBehaviorNone},
		CookiesConfig:      &cf.CachePolicyCookiesConfig{CookieBehavior: cf.CachePolicyCookieBehaviorNone},
		QueryStringsConfig: &cf.CachePolicyQueryStringsConfig{QueryStringBehavior: cf.CachePolicyQueryStringBehaviorNone},
	}
	if f := b.ForwardedValues; f != nil {
		if h := f.Headers; h != nil && slices.Contains(h.Items, "*") {
			low, mid, high = 0, 0, 0
		} else if h != nil && len(h.Items) > 0 {
			key.HeadersConfig = &cf.CachePolicyHeadersConfig{HeaderBehavior: cf.CachePolicyHeaderBehaviorWhitelist, Headers: h}
		}
		key.CookiesConfig = &cf.CachePolicyCookiesConfig{CookieBehavior: cf.CachePolicyCookieBehavior(f.Cookies.Forward), Cookies: f.Cookies.WhitelistedNames}
		if value(f.QueryString) {
			key.QueryStringsConfig.QueryStringBehavior = cf.CachePolicyQueryStringBehaviorAll
			if names := f.QueryStringCacheKeys; names != nil && len(names.Items) > 0 {
				key.QueryStringsConfig = &cf.CachePolicyQueryStringsConfig{
					QueryStringBehavior: cf.CachePolicyQueryStringBehaviorWhitelist,
					QueryStrings:        &cf.QueryStringNames{Items: names.Items, Quantity: names.Quantity},
				}
			}
		}
	}
	return &cf.CachePolicyConfig{MinTTL: &low, DefaultTTL: &mid, MaxTTL: &high, ParametersInCacheKeyAndForwardedToOrigin: key}
}
