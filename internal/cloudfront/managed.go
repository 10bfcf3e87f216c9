package cloudfront

import (
	"slices"

	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
)

// SignPlaylists is the ID of the managed origin request policy by which a behavior
// asks for playlists whose URLs are signed as the playlist's own was: signed HLS
// for players that keep no cookies. It is ours; docs/decisions/0009 says why it is a
// policy. What it sends to the origin is what Managed-CORS-S3Origin does.
const SignPlaylists = "b5e1a2c0-564f-4457-8000-5369676e6564"

const signPlaylistsName = "Vodwright-SignPlaylists"

// IsManaged reports whether a reference is to a resource that the service brings
// along: it is no record of the Store.
func IsManaged(r Reference) bool {
	switch r.Kind {
	case KindCachePolicy:
		_, ok := cachePolicies().isManaged(r.ID)
		return ok
	case KindOriginRequestPolicy:
		_, ok := originRequestPolicies().isManaged(r.ID)
		return ok
	case KindResponseHeadersPolicy:
		_, ok := responseHeadersPolicies().isManaged(r.ID)
		return ok
	}
	return false
}

// The managed policies of the Developer Guide, "Use managed cache policies" and
// the pages beside it. Those that Amplify's hosting alone uses are left out.

const cachingOptimized = "658327ea-f89d-4fab-a63d-7e88639e58f6"

func managedCachePolicies() []managedConfig[cf.CachePolicyConfig] {
	const day, year = 86400, 31536000
	policy := func(id, name, comment string, low, mid, high int64, gzip, brotli bool, headers, cookies, queries []string) managedConfig[cf.CachePolicyConfig] {
		key := &cf.ParametersInCacheKeyAndForwardedToOrigin{
			EnableAcceptEncodingGzip: &gzip, EnableAcceptEncodingBrotli: &brotli,
			HeadersConfig:      &cf.CachePolicyHeadersConfig{HeaderBehavior: cf.CachePolicyHeaderBehaviorNone},
			CookiesConfig:      &cf.CachePolicyCookiesConfig{CookieBehavior: cf.CachePolicyCookieBehaviorNone},
			QueryStringsConfig: &cf.CachePolicyQueryStringsConfig{QueryStringBehavior: cf.CachePolicyQueryStringBehaviorNone},
		}
		if headers != nil {
			key.HeadersConfig = &cf.CachePolicyHeadersConfig{HeaderBehavior: cf.CachePolicyHeaderBehaviorWhitelist, Headers: headerNames(headers...)}
		}
		if cookies != nil {
			key.CookiesConfig.CookieBehavior = cf.CachePolicyCookieBehaviorAll
		}
		switch {
		case slices.Equal(queries, []string{"*"}):
			key.QueryStringsConfig.QueryStringBehavior = cf.CachePolicyQueryStringBehaviorAll
		case queries != nil:
			key.QueryStringsConfig = &cf.CachePolicyQueryStringsConfig{QueryStringBehavior: cf.CachePolicyQueryStringBehaviorWhitelist, QueryStrings: &cf.QueryStringNames{Items: queries, Quantity: new(int32(len(queries)))}}
		}
		return managedConfig[cf.CachePolicyConfig]{id, &cf.CachePolicyConfig{
			Name: &name, Comment: &comment, MinTTL: &low, DefaultTTL: &mid, MaxTTL: &high, ParametersInCacheKeyAndForwardedToOrigin: key,
		}}
	}
	all := []string{"*"}
	override := []string{"host", "origin", "x-http-method", "x-http-method-override", "x-method-override"}
	return []managedConfig[cf.CachePolicyConfig]{
		policy(cachingOptimized, "Managed-CachingOptimized", "Long lifetimes, compression, nothing of the request in the cache key", 1, day, year, true, true, nil, nil, nil),
		policy("b2884449-e4de-46a7-ac36-70bc7f1ddd6d", "Managed-CachingOptimizedForUncompressedObjects", "As CachingOptimized, without compression", 1, day, year, false, false, nil, nil, nil),
		policy("4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "Managed-CachingDisabled", "Nothing is cached", 0, 0, 0, false, false, nil, nil, nil),
		policy("08627262-05a9-4f76-9ded-b50ca2e3a84f", "Managed-Elemental-MediaPackage", "For origins that are MediaPackage endpoints", 0, day, year, true, false, []string{"origin"}, nil, []string{"aws.manifestfilter", "start", "end", "m"}),
		policy("2e54312d-136d-493c-8eb9-b001f22f67d2", "Managed-Amplify", "For origins that are Amplify web apps", 2, 2, 600, true, true, []string{"authorization", "CloudFront-Viewer-Country", "host"}, all, all),
		policy("83da9c7e-98b4-4e11-a168-04f0df8e2c65", "UseOriginCacheControlHeaders", "Lifetimes are those of the origin's Cache-Control", 0, 0, year, true, true, override, all, nil),
		policy("4cc15a8a-d715-48a4-82b8-cc0b614638fe", "UseOriginCacheControlHeaders-QueryStrings", "As UseOriginCacheControlHeaders, with query strings in the cache key", 0, 0, year, true, true, override, all, all),
	}
}

func headerNames(names ...string) *cf.Headers {
	return &cf.Headers{Items: names, Quantity: new(int32(len(names)))}
}

func managedOriginRequestPolicies() []managedConfig[cf.OriginRequestPolicyConfig] {
	policy := func(id, name, comment string, behavior cf.OriginRequestPolicyHeaderBehavior, headers []string, cookies cf.OriginRequestPolicyCookieBehavior, queries cf.OriginRequestPolicyQueryStringBehavior) managedConfig[cf.OriginRequestPolicyConfig] {
		c := &cf.OriginRequestPolicyConfig{
			Name: &name, Comment: &comment,
			HeadersConfig:      &cf.OriginRequestPolicyHeadersConfig{HeaderBehavior: behavior},
			CookiesConfig:      &cf.OriginRequestPolicyCookiesConfig{CookieBehavior: cookies},
			QueryStringsConfig: &cf.OriginRequestPolicyQueryStringsConfig{QueryStringBehavior: queries},
		}
		if headers != nil {
			c.HeadersConfig.Headers = headerNames(headers...)
		}
		return managedConfig[cf.OriginRequestPolicyConfig]{id, c}
	}
	const list, viewer, except = cf.OriginRequestPolicyHeaderBehaviorWhitelist, cf.OriginRequestPolicyHeaderBehaviorAllviewer, cf.OriginRequestPolicyHeaderBehaviorAllexcept
	const noCookies, allCookies = cf.OriginRequestPolicyCookieBehaviorNone, cf.OriginRequestPolicyCookieBehaviorAll
	const noQueries, allQueries = cf.OriginRequestPolicyQueryStringBehaviorNone, cf.OriginRequestPolicyQueryStringBehaviorAll
	return []managedConfig[cf.OriginRequestPolicyConfig]{
		policy("acba4595-bd28-49b8-b9fe-13317c0390fa", "Managed-UserAgentRefererHeaders", "Policy to send User-Agent and Referer", list, []string{"user-agent", "referer"}, noCookies, noQueries),
		policy("59781a5b-3903-41f3-afcb-af62929ccde1", "Managed-CORS-CustomOrigin", "Policy for CORS with an origin that is a server", list, []string{"origin"}, noCookies, noQueries),
		policy("88a5eaf4-2fd4-4709-b370-b4c650ea3fcf", "Managed-CORS-S3Origin", "Policy for CORS with an origin that is a bucket", list, []string{"origin", "access-control-request-headers", "access-control-request-method"}, noCookies, noQueries),
		policy("216adef6-5c7f-47e4-b989-5492eafa07d3", "Managed-AllViewer", "Policy to send everything of the viewer's request", viewer, nil, allCookies, allQueries),
		policy("b689b0a8-53d0-40ab-baf2-68738e2966ac", "Managed-AllViewerExceptHostHeader", "Policy to send everything of the viewer's request but Host", except, []string{"host"}, allCookies, allQueries),
		policy("775133bc-15f2-49f9-abea-afb2e0bf67d2", "Managed-Elemental-MediaTailor-PersonalizedManifests", "Policy for origins that are MediaTailor endpoints", list, []string{"origin", "access-control-request-headers", "access-control-request-method", "user-agent", "x-forwarded-for"}, noCookies, allQueries),
		policy("33f36d7e-f396-46d9-90e0-52428a34d9dc", "Managed-AllViewerAndCloudFrontHeaders-2022-06", "Policy to send everything of the viewer's request and what the edge knows of the viewer",
			cf.OriginRequestPolicyHeaderBehaviorAllviewerandwhitelistcloudfront, []string{
				"CloudFront-Forwarded-Proto", "CloudFront-Is-Android-Viewer", "CloudFront-Is-Desktop-Viewer", "CloudFront-Is-IOS-Viewer", "CloudFront-Is-Mobile-Viewer",
				"CloudFront-Is-SmartTV-Viewer", "CloudFront-Is-Tablet-Viewer", "CloudFront-Viewer-Address", "CloudFront-Viewer-ASN", "CloudFront-Viewer-City",
				"CloudFront-Viewer-Country", "CloudFront-Viewer-Country-Name", "CloudFront-Viewer-Country-Region", "CloudFront-Viewer-Country-Region-Name",
				"CloudFront-Viewer-Http-Version", "CloudFront-Viewer-Latitude", "CloudFront-Viewer-Longitude", "CloudFront-Viewer-Metro-Code",
				"CloudFront-Viewer-Postal-Code", "CloudFront-Viewer-Time-Zone", "CloudFront-Viewer-TLS",
			}, allCookies, allQueries),
		policy("bf0718e1-ba1e-49d1-88b1-f726733018ae", "Managed-HostHeaderOnly", "Policy to send Host", list, []string{"host"}, noCookies, noQueries),
		policy(SignPlaylists, signPlaylistsName, "Vodwright's own: as Managed-CORS-S3Origin, and every URL in a playlist is signed as the playlist's was", list, []string{"origin", "access-control-request-headers", "access-control-request-method"}, noCookies, noQueries),
	}
}

func managedResponseHeadersPolicies() []managedConfig[cf.ResponseHeadersPolicyConfig] {
	list := func(n ...string) ([]string, *int32) { return n, new(int32(len(n))) }
	cors := func(methods []cf.ResponseHeadersPolicyAccessControlAllowMethodsValues, expose bool) *cf.ResponseHeadersPolicyCorsConfig {
		c := &cf.ResponseHeadersPolicyCorsConfig{
			AccessControlAllowOrigins: new(cf.ResponseHeadersPolicyAccessControlAllowOrigins), AccessControlAllowHeaders: new(cf.ResponseHeadersPolicyAccessControlAllowHeaders),
			AccessControlAllowMethods:     &cf.ResponseHeadersPolicyAccessControlAllowMethods{Items: methods, Quantity: new(int32(len(methods)))},
			AccessControlAllowCredentials: new(false), OriginOverride: new(false),
		}
		c.AccessControlAllowOrigins.Items, c.AccessControlAllowOrigins.Quantity = list("*")
		c.AccessControlAllowHeaders.Items, c.AccessControlAllowHeaders.Quantity = list("*")
		if expose {
			c.AccessControlExposeHeaders = new(cf.ResponseHeadersPolicyAccessControlExposeHeaders)
			c.AccessControlExposeHeaders.Items, c.AccessControlExposeHeaders.Quantity = list("*")
		}
		return c
	}
	type method = cf.ResponseHeadersPolicyAccessControlAllowMethodsValues
	simple := func() *cf.ResponseHeadersPolicyCorsConfig { return cors([]method{"HEAD", "GET"}, false) }
	preflight := func() *cf.ResponseHeadersPolicyCorsConfig {
		return cors([]method{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"}, true)
	}
	security := func() *cf.ResponseHeadersPolicySecurityHeadersConfig {
		return &cf.ResponseHeadersPolicySecurityHeadersConfig{
			XSSProtection:           &cf.ResponseHeadersPolicyXSSProtection{Override: new(false), Protection: new(true), ModeBlock: new(true)},
			FrameOptions:            &cf.ResponseHeadersPolicyFrameOptions{Override: new(false), FrameOption: cf.FrameOptionsListSameorigin},
			ReferrerPolicy:          &cf.ResponseHeadersPolicyReferrerPolicy{Override: new(false), ReferrerPolicy: cf.ReferrerPolicyListStrict_Origin_When_Cross_Origin},
			ContentTypeOptions:      &cf.ResponseHeadersPolicyContentTypeOptions{Override: new(true)},
			StrictTransportSecurity: &cf.ResponseHeadersPolicyStrictTransportSecurity{Override: new(false), IncludeSubdomains: new(false), Preload: new(false), AccessControlMaxAgeSec: new(int32(31536000))},
		}
	}
	policy := func(id, name, comment string, c *cf.ResponseHeadersPolicyCorsConfig, s *cf.ResponseHeadersPolicySecurityHeadersConfig) managedConfig[cf.ResponseHeadersPolicyConfig] {
		return managedConfig[cf.ResponseHeadersPolicyConfig]{id, &cf.ResponseHeadersPolicyConfig{Name: &name, Comment: &comment, CorsConfig: c, SecurityHeadersConfig: s}}
	}
	return []managedConfig[cf.ResponseHeadersPolicyConfig]{
		policy("60669652-455b-4ae9-85a4-c4c02393f86c", "Managed-SimpleCORS", "Allows simple CORS requests from any origin", simple(), nil),
		policy("67f7725c-6f97-4210-82d7-5512b31e9d03", "Managed-SecurityHeadersPolicy", "Adds a set of security headers to every answer", nil, security()),
		policy("e61eb60c-9c35-4d20-a928-2b84e02af89c", "Managed-CORS-and-SecurityHeadersPolicy", "Allows simple CORS requests from any origin and adds security headers", simple(), security()),
		policy("5cc3b908-e619-4b99-88e5-2cf7f45965bd", "Managed-CORS-With-Preflight", "Allows CORS requests from any origin, preflight requests included", preflight(), nil),
		policy("eaab4381-ed33-4a86-88ca-d9558dc6cd63", "Managed-CORS-with-preflight-and-SecurityHeadersPolicy", "Allows CORS requests from any origin, preflight requests included, and adds security headers", preflight(), security()),
	}
}
