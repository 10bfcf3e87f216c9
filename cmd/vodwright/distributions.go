package main

import (
	"context"
	"math"
	"strconv"
	"time"

	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/cloudfront"
	"vodwright.dev/vodwright/internal/cloudfront/wafv2"
	"vodwright.dev/vodwright/internal/edge"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/store"
)

// distributions implements edge.Distributions over the records: it says in the
// edge's words what a configuration says in the API's.
type distributions struct{ records *store.Store }

func (d distributions) ByHost(ctx context.Context, host string) (edge.Distribution, error) {
	var missing error
	for range 2 {
		found, err := d.records.DistributionByDomain(ctx, host)
		if err != nil {
			return edge.Distribution{}, err
		}
		deployed, err := cloudfront.Deploy(ctx, d.records, iam.AccountID, found)
		if err == nil {
			return edgeDistribution(deployed)
		}
		if !fault.Is(err, fault.NotFound) {
			return edge.Distribution{}, err
		}
		missing = err // the configuration changed while it was read, and what it referred to was deleted: once more
	}
	return edge.Distribution{}, fault.New(fault.Unavailable, "", "distribution at %q: %w", host, missing)
}

func (d distributions) Aliases(ctx context.Context) (map[string]string, error) {
	return d.records.DistributionAliases(ctx)
}

func edgeDistribution(d cloudfront.Deployed) (edge.Distribution, error) {
	out := edge.Distribution{
		ID: d.ID, ARN: d.ARN, Enabled: d.Enabled, Aliases: d.Aliases, DefaultRootObject: value(d.Config.DefaultRootObject),
		Origins: map[string]edge.OriginConfig{},
	}
	for id, o := range d.Origins {
		out.Origins[id] = edge.OriginConfig{Bucket: o.Bucket, Path: o.Path, Signed: o.Signed}
	}
	for _, b := range d.Behaviors {
		out.Behaviors = append(out.Behaviors, edgeBehavior(b))
	}
	for _, e := range d.Config.CustomErrorResponses.Items {
		status, _ := strconv.Atoi(value(e.ResponseCode)) // "" is 0, that of the error
		out.ErrorResponses = append(out.ErrorResponses, edge.ErrorResponse{
			Status: int(value(e.ErrorCode)), TTL: seconds(value(e.ErrorCachingMinTTL)), Path: value(e.ResponsePagePath), ResponseStatus: status,
		})
	}
	if d.WebACL != nil {
		mode, err := wafv2.Mode(d.WebACL)
		if err != nil {
			return out, err
		}
		out.Firewall, out.WebACL = edge.FirewallMode(mode), value(d.Config.WebACLId)
	}
	if d.LogBucket != "" {
		out.AccessLog = &edge.AccessLog{Bucket: d.LogBucket, Prefix: value(d.Config.Logging.Prefix), Cookies: value(d.Config.Logging.IncludeCookies)}
	}
	return out, nil
}

func edgeBehavior(b cloudfront.DeployedBehavior) edge.Behavior {
	out := edge.Behavior{
		Pattern: value(b.PathPattern), Origin: value(b.TargetOriginId), ViewerProtocolPolicy: edge.ViewerProtocolPolicy(b.ViewerProtocolPolicy),
		AllowedMethods: texts(b.AllowedMethods.Items), CachedMethods: texts(b.AllowedMethods.CachedMethods.Items), Compress: value(b.Compress),
		Cache: edgeCache(b.Cache), TrustedKeys: b.TrustedKeys, SignPlaylists: b.SignPlaylists,
	}
	if p := b.OriginRequest; p != nil {
		out.OriginRequest = &edge.OriginRequestPolicy{
			Headers:      selector(p.HeadersConfig.HeaderBehavior, headerItems(p.HeadersConfig.Headers)),
			Cookies:      selector(p.CookiesConfig.CookieBehavior, cookieItems(p.CookiesConfig.Cookies)),
			QueryStrings: selector(p.QueryStringsConfig.QueryStringBehavior, queryItems(p.QueryStringsConfig.QueryStrings)),
		}
	}
	if p := b.ResponseHeaders; p != nil {
		out.ResponseHeaders = edgeResponseHeaders(p)
	}
	return out
}

func edgeCache(p *cf.CachePolicyConfig) edge.CachePolicy {
	low, mid, high := cloudfront.TTLs(p)
	out := edge.CachePolicy{TTL: edge.TTL{Min: seconds(low), Default: seconds(mid), Max: seconds(high)}}
	if k := p.ParametersInCacheKeyAndForwardedToOrigin; k != nil {
		out.Gzip, out.Brotli = value(k.EnableAcceptEncodingGzip), value(k.EnableAcceptEncodingBrotli)
		out.Headers = selector(k.HeadersConfig.HeaderBehavior, headerItems(k.HeadersConfig.Headers))
		out.Cookies = selector(k.CookiesConfig.CookieBehavior, cookieItems(k.CookiesConfig.Cookies))
		out.QueryStrings = selector(k.QueryStringsConfig.QueryStringBehavior, queryItems(k.QueryStringsConfig.QueryStrings))
	}
	return out
}

// selector says a policy's behavior in the edge's words.
func selector[B ~string](behavior B, names []string) edge.Selector {
	switch behavior {
	case "none", "":
		return edge.Selector{}
	case "allViewer":
		return edge.Selector{Kind: edge.All}
	case "allViewerAndWhitelistCloudFront": // what the edge itself knows of a viewer means nothing to a bucket
		return edge.Selector{Kind: edge.All}
	}
	return edge.Selector{Kind: edge.SelectorKind(behavior), Names: names}
}

func headerItems(h *cf.Headers) []string {
	if h == nil {
		return nil
	}
	return h.Items
}

func cookieItems(c *cf.CookieNames) []string {
	if c == nil {
		return nil
	}
	return c.Items
}

func queryItems(q *cf.QueryStringNames) []string {
	if q == nil {
		return nil
	}
	return q.Items
}

func edgeResponseHeaders(p *cf.ResponseHeadersPolicyConfig) *edge.ResponseHeadersPolicy {
	out := &edge.ResponseHeadersPolicy{Security: securityHeaders(p.SecurityHeadersConfig)}
	if c := p.CorsConfig; c != nil {
		out.CORS = &edge.CORSPolicy{
			AllowOrigins: c.AccessControlAllowOrigins.Items, AllowMethods: texts(c.AccessControlAllowMethods.Items), AllowHeaders: c.AccessControlAllowHeaders.Items,
			AllowCredentials: value(c.AccessControlAllowCredentials), MaxAgeSeconds: int(value(c.AccessControlMaxAgeSec)), Override: value(c.OriginOverride),
		}
		if e := c.AccessControlExposeHeaders; e != nil {
			out.CORS.ExposeHeaders = e.Items
		}
	}
	if c := p.CustomHeadersConfig; c != nil {
		for _, h := range c.Items {
			out.Custom = append(out.Custom, edge.ResponseHeader{Name: value(h.Header), Value: value(h.Value), Override: value(h.Override)})
		}
	}
	if r := p.RemoveHeadersConfig; r != nil {
		for _, h := range r.Items {
			out.Remove = append(out.Remove, value(h.Header))
		}
	}
	if t := p.ServerTimingHeadersConfig; t != nil && value(t.Enabled) {
		out.ServerTiming = value(t.SamplingRate) / 100
	}
	return out
}

// securityHeaders writes the headers that a policy describes member by member.
func securityHeaders(s *cf.ResponseHeadersPolicySecurityHeadersConfig) []edge.ResponseHeader {
	var out []edge.ResponseHeader
	if s == nil {
		return nil
	}
	add := func(name, text string, override *bool) {
		out = append(out, edge.ResponseHeader{Name: name, Value: text, Override: value(override)})
	}
	if h := s.StrictTransportSecurity; h != nil {
		text := "max-age=" + strconv.Itoa(int(value(h.AccessControlMaxAgeSec)))
		if value(h.IncludeSubdomains) {
			text += "; includeSubDomains"
		}
		if value(h.Preload) {
			text += "; preload"
		}
		add("Strict-Transport-Security", text, h.Override)
	}
	if h := s.ContentTypeOptions; h != nil {
		add("X-Content-Type-Options", "nosniff", h.Override)
	}
	if h := s.FrameOptions; h != nil {
		add("X-Frame-Options", string(h.FrameOption), h.Override)
	}
	if h := s.ReferrerPolicy; h != nil {
		add("Referrer-Policy", string(h.ReferrerPolicy), h.Override)
	}
	if h := s.ContentSecurityPolicy; h != nil {
		add("Content-Security-Policy", value(h.ContentSecurityPolicy), h.Override)
	}
	if h := s.XSSProtection; h != nil {
		text := "0"
		if value(h.Protection) {
			text = "1"
			if value(h.ModeBlock) {
				text += "; mode=block"
			}
			if uri := value(h.ReportUri); uri != "" {
				text += "; report=" + uri
			}
		}
		add("X-XSS-Protection", text, h.Override)
	}
	return out
}

// texts are the words of an enumeration.
func texts[E ~string](list []E) []string {
	var out []string
	for _, e := range list {
		out = append(out, string(e))
	}
	return out
}

// value returns what p points to, or its type's zero.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func seconds(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Second))) * time.Second
}
