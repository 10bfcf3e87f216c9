//lint:file-ignore SA1019 what the deprecated members of a behavior do is tested here too

package cloudfront_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"

	"vodwright.dev/vodwright/internal/cloudfront"
)

func TestWhatWouldBeIgnoredIsRefused(t *testing.T) {
	base, _ := serve(t)
	c, ctx := client(base), t.Context()
	one := func(d *types.DistributionConfig) *types.DefaultCacheBehavior { return d.DefaultCacheBehavior }
	behavior := func(pattern string) types.CacheBehavior {
		return types.CacheBehavior{PathPattern: &pattern, TargetOriginId: aws.String("o"), ViewerProtocolPolicy: "allow-all"}
	}
	for name, change := range map[string]struct {
		with   func(*types.DistributionConfig)
		code   string
		status int
		text   string
	}{
		"alias that is no name": {func(d *types.DistributionConfig) {
			d.Aliases = &types.Aliases{Quantity: aws.Int32(1), Items: []string{"x"}}
		}, "InvalidArgument", 400, "no domain name"},
		"alias of the edge's": {func(d *types.DistributionConfig) {
			d.Aliases = &types.Aliases{Quantity: aws.Int32(1), Items: []string{"e1.cdn.localhost"}}
		}, "InvalidArgument", 400, "server itself"},
		"web acl": {func(d *types.DistributionConfig) { d.WebACLId = aws.String("arn:x") }, "InvalidWebACLId", 400, "WebACLId"},
		"no such acl": {func(d *types.DistributionConfig) {
			d.WebACLId = aws.String("arn:aws:wafv2:us-east-1:000000000000:global/webacl/a/473e64fd-f30b-4765-81a0-62ad96dd167a")
		}, "InvalidWebACLId", 400, "does not exist"},
		"access":  {func(d *types.DistributionConfig) { d.Origins.Items[0].OriginAccessControlId = aws.String("E1") }, "InvalidOriginAccessControl", 400, "E1"},
		"headers": {func(d *types.DistributionConfig) { one(d).ResponseHeadersPolicyId = aws.String("x") }, "NoSuchResponseHeadersPolicy", 404, "x"},
		"request": {func(d *types.DistributionConfig) { one(d).OriginRequestPolicyId = aws.String("x") }, "NoSuchOriginRequestPolicy", 404, "x"},
		"policy":  {func(d *types.DistributionConfig) { one(d).CachePolicyId = aws.String("x") }, "NoSuchCachePolicy", 404, "x"},
		"key group": {func(d *types.DistributionConfig) {
			one(d).TrustedKeyGroups = &types.TrustedKeyGroups{Enabled: aws.Bool(true), Quantity: aws.Int32(1), Items: []string{"x"}}
		}, "TrustedKeyGroupDoesNotExist", 400, "x"},
		"key groups off": {func(d *types.DistributionConfig) {
			one(d).TrustedKeyGroups = &types.TrustedKeyGroups{Enabled: aws.Bool(false), Quantity: aws.Int32(1), Items: []string{"x"}}
		}, "InvalidArgument", 400, "TrustedKeyGroups"},
		"trusted signers": {func(d *types.DistributionConfig) {
			one(d).TrustedSigners = &types.TrustedSigners{Enabled: aws.Bool(true), Quantity: aws.Int32(1), Items: []string{"self"}}
		}, "InvalidArgument", 400, "TrustedKeyGroups"},
		"signed playlists for anybody": {func(d *types.DistributionConfig) { one(d).OriginRequestPolicyId = aws.String(cloudfront.SignPlaylists) }, "InvalidArgument", 400, "TrustedKeyGroups"},
		"lambda": {func(d *types.DistributionConfig) {
			one(d).LambdaFunctionAssociations = &types.LambdaFunctionAssociations{Quantity: aws.Int32(1), Items: []types.LambdaFunctionAssociation{{EventType: "viewer-request", LambdaFunctionARN: aws.String("arn:x")}}}
		}, "InvalidArgument", 400, "Functions at the edge"},
		"smooth streaming": {func(d *types.DistributionConfig) { one(d).SmoothStreaming = aws.Bool(true) }, "InvalidArgument", 400, "DefaultCacheBehavior.SmoothStreaming"},
		"real-time log":    {func(d *types.DistributionConfig) { one(d).RealtimeLogConfigArn = aws.String("arn:x") }, "InvalidArgument", 400, "RealtimeLogConfigArn"},
		"encryption":       {func(d *types.DistributionConfig) { one(d).FieldLevelEncryptionId = aws.String("C1") }, "InvalidArgument", 400, "FieldLevelEncryptionId"},
		"behavior twice": {func(d *types.DistributionConfig) {
			d.CacheBehaviors = &types.CacheBehaviors{Quantity: aws.Int32(2), Items: []types.CacheBehavior{behavior("a/*"), behavior("/a/*")}}
		}, "InvalidArgument", 400, "PathPattern"},
		"behavior's origin": {func(d *types.DistributionConfig) {
			b := behavior("a/*")
			b.TargetOriginId = aws.String("q")
			d.CacheBehaviors = &types.CacheBehaviors{Quantity: aws.Int32(1), Items: []types.CacheBehavior{b}}
		}, "NoSuchOrigin", 404, "CacheBehaviors.Items[0].TargetOriginId"},
		"origin twice": {func(d *types.DistributionConfig) {
			d.Origins = &types.Origins{Quantity: aws.Int32(2), Items: append(d.Origins.Items, d.Origins.Items[0])}
		}, "InvalidOrigin", 400, "another's too"},
		"origin header": {func(d *types.DistributionConfig) {
			d.Origins.Items[0].CustomHeaders = &types.CustomHeaders{Quantity: aws.Int32(1), Items: []types.OriginCustomHeader{{HeaderName: aws.String("a"), HeaderValue: aws.String("b")}}}
		}, "InvalidArgument", 400, "CustomHeaders"},
		"identity": {func(d *types.DistributionConfig) {
			d.Origins.Items[0].S3OriginConfig.OriginAccessIdentity = aws.String("origin-access-identity/cloudfront/E1")
		}, "InvalidArgument", 400, "origin access control"},
		"custom origin": {func(d *types.DistributionConfig) {
			d.Origins.Items[0].S3OriginConfig = nil
			d.Origins.Items[0].CustomOriginConfig = &types.CustomOriginConfig{HTTPPort: aws.Int32(80), HTTPSPort: aws.Int32(443), OriginProtocolPolicy: "http-only"}
		}, "InvalidArgument", 400, "Custom origins"},
		"quantity": {func(d *types.DistributionConfig) { d.Origins.Quantity = aws.Int32(3) }, "InconsistentQuantities", 400, "Origins.Quantity"},
		"host":     {func(d *types.DistributionConfig) { d.Origins.Items[0].DomainName = aws.String("www.example.com") }, "InvalidOrigin", 400, "www.example.com"},
		"website": {func(d *types.DistributionConfig) {
			d.Origins.Items[0].DomainName = aws.String("b.s3-website-us-east-1.amazonaws.com")
		}, "InvalidOrigin", 400, "s3-website"},
		"target":      {func(d *types.DistributionConfig) { one(d).TargetOriginId = aws.String("q") }, "NoSuchOrigin", 404, "TargetOriginId"},
		"root object": {func(d *types.DistributionConfig) { d.DefaultRootObject = aws.String("/index.html") }, "InvalidDefaultRootObject", 400, "DefaultRootObject"},
		"path":        {func(d *types.DistributionConfig) { d.Origins.Items[0].OriginPath = aws.String("assets/") }, "InvalidArgument", 400, "OriginPath"},
		"protocol":    {func(d *types.DistributionConfig) { one(d).ViewerProtocolPolicy = "http-only" }, "InvalidArgument", 400, "http-only is not a valid value"},
		"methods": {func(d *types.DistributionConfig) {
			one(d).AllowedMethods = &types.AllowedMethods{Quantity: aws.Int32(3), Items: []types.Method{"GET", "HEAD", "PUT"}}
		}, "InvalidArgument", 400, "AllowedMethods"},
		"ttl order": {func(d *types.DistributionConfig) {
			one(d).CachePolicyId, one(d).MinTTL, one(d).MaxTTL = nil, aws.Int64(10), aws.Int64(5)
		}, "InvalidTTLOrder", 400, "MinTTL"},
		"policy and ttl": {func(d *types.DistributionConfig) { one(d).MinTTL = aws.Int64(10) }, "InvalidArgument", 400, "CachePolicyId"},
		"cookies": {func(d *types.DistributionConfig) {
			one(d).CachePolicyId = nil
			one(d).ForwardedValues = &types.ForwardedValues{QueryString: aws.Bool(false), Cookies: &types.CookiePreference{Forward: "whitelist"}}
		}, "InvalidForwardCookies", 400, "cookies"},
		"error page": {func(d *types.DistributionConfig) {
			d.CustomErrorResponses = &types.CustomErrorResponses{Quantity: aws.Int32(1), Items: []types.CustomErrorResponse{{ErrorCode: aws.Int32(404), ResponsePagePath: aws.String("/404.html")}}}
		}, "InvalidResponseCode", 400, "ResponsePagePath"},
		"error status": {func(d *types.DistributionConfig) {
			d.CustomErrorResponses = &types.CustomErrorResponses{Quantity: aws.Int32(1), Items: []types.CustomErrorResponse{{ErrorCode: aws.Int32(418)}}}
		}, "InvalidArgument", 400, "ErrorCode"},
		"countries": {func(d *types.DistributionConfig) {
			d.Restrictions = &types.Restrictions{GeoRestriction: &types.GeoRestriction{RestrictionType: "whitelist", Quantity: aws.Int32(1), Items: []string{"Austria"}}}
		}, "InvalidGeoRestrictionParameter", 400, "Austria"},
		"log bucket": {func(d *types.DistributionConfig) {
			d.Logging = &types.LoggingConfig{Enabled: aws.Bool(true), IncludeCookies: aws.Bool(false), Bucket: aws.String("logs"), Prefix: aws.String("")}
		}, "InvalidArgument", 400, "logs"},
		"certificate": {func(d *types.DistributionConfig) {
			d.ViewerCertificate = &types.ViewerCertificate{ACMCertificateArn: aws.String("arn:aws:acm:eu-west-1:000000000000:certificate/x"), SSLSupportMethod: "sni-only"}
		}, "InvalidViewerCertificate", 400, "us-east-1"},
		"iam certificate": {func(d *types.DistributionConfig) {
			d.ViewerCertificate = &types.ViewerCertificate{IAMCertificateId: aws.String("ASCA"), SSLSupportMethod: "sni-only"}
		}, "InvalidArgument", 400, "ACMCertificateArn"},
		"TLS 1.3 alone": {func(d *types.DistributionConfig) {
			d.ViewerCertificate = &types.ViewerCertificate{CloudFrontDefaultCertificate: aws.Bool(true), MinimumProtocolVersion: "TLSv1.3_2025"}
		}, "InvalidArgument", 400, "MinimumProtocolVersion"},
		"staging": {func(d *types.DistributionConfig) { d.Staging = aws.Bool(true) }, "InvalidArgument", 400, "Staging"},
		"groups": {func(d *types.DistributionConfig) {
			d.OriginGroups = &types.OriginGroups{Quantity: aws.Int32(1), Items: []types.OriginGroup{{
				Id:               aws.String("g"),
				FailoverCriteria: &types.OriginGroupFailoverCriteria{StatusCodes: &types.StatusCodes{Quantity: aws.Int32(1), Items: []int32{500}}},
				Members:          &types.OriginGroupMembers{Quantity: aws.Int32(2), Items: []types.OriginGroupMember{{OriginId: aws.String("o")}, {OriginId: aws.String("p")}}},
			}}}
		}, "InvalidArgument", 400, "Origin groups"},
	} {
		t.Run(name, func(t *testing.T) {
			d := config(name, "bucket.s3.us-east-1.amazonaws.com")
			change.with(d)
			_, err := c.CreateDistribution(ctx, &sdk.CreateDistributionInput{DistributionConfig: d})
			wantCode(t, err, change.code, change.status, change.text)
		})
	}
	if l, err := c.ListDistributions(ctx, &sdk.ListDistributionsInput{}); err != nil || len(l.DistributionList.Items) != 0 {
		t.Errorf("refusals left %+v, %v", l, err)
	}
	_, err := c.CreateStreamingDistribution(ctx, &sdk.CreateStreamingDistributionInput{StreamingDistributionConfig: &types.StreamingDistributionConfig{
		CallerReference: aws.String("x"), Comment: aws.String(""), Enabled: aws.Bool(true), S3Origin: &types.S3Origin{DomainName: aws.String("b.s3.amazonaws.com"), OriginAccessIdentity: aws.String("")},
		TrustedSigners: &types.TrustedSigners{Enabled: aws.Bool(false), Quantity: aws.Int32(0)},
	}})
	wantCode(t, err, "NotImplementedException", 501, "CloudFront CreateStreamingDistribution is not implemented")
}

// What the older members of a behavior say is said to the edge as a cache policy.
func TestForwardedValuesAreACachePolicy(t *testing.T) {
	base, records := serve(t)
	d := config("legacy", "bucket.s3.amazonaws.com")
	b := d.DefaultCacheBehavior
	b.CachePolicyId, b.MinTTL, b.DefaultTTL, b.MaxTTL = nil, aws.Int64(1), aws.Int64(2), aws.Int64(3)
	b.ForwardedValues = &types.ForwardedValues{
		QueryString: aws.Bool(true), QueryStringCacheKeys: &types.QueryStringCacheKeys{Quantity: aws.Int32(1), Items: []string{"v"}},
		Headers: &types.Headers{Quantity: aws.Int32(1), Items: []string{"Origin"}},
		Cookies: &types.CookiePreference{Forward: "all"},
	}
	made, err := client(base).CreateDistribution(t.Context(), &sdk.CreateDistributionInput{DistributionConfig: d})
	if err != nil {
		t.Fatal(err)
	}
	r, err := records.Distribution(t.Context(), *made.Distribution.Id)
	if err != nil {
		t.Fatal(err)
	}
	deployed, err := cloudfront.Deploy(t.Context(), records, "000000000000", r)
	if err != nil {
		t.Fatal(err)
	}
	p := deployed.Behaviors[0].Cache
	low, mid, high := cloudfront.TTLs(p)
	key := p.ParametersInCacheKeyAndForwardedToOrigin
	if low != 1 || mid != 2 || high != 3 || key.QueryStringsConfig.QueryStrings.Items[0] != "v" || key.HeadersConfig.Headers.Items[0] != "Origin" || key.CookiesConfig.CookieBehavior != "all" {
		t.Errorf("policy %+v", p)
	}
}

func TestBadDocuments(t *testing.T) {
	base, _ := serve(t)
	for name, c := range map[string]struct{ body, code string }{
		"garbage":       {"<Distribution", "MalformedXML"},
		"other root":    {"<CreateDistribution/>", "MalformedXML"},
		"nothing":       {"", "InvalidArgument"},
		"entity":        {`<!DOCTYPE x [<!ENTITY a "b">]><DistributionConfig>&a;</DistributionConfig>`, "MalformedXML"},
		"deep":          {strings.Repeat("<DistributionConfig>", 1000), "MalformedXML"},
		"empty":         {"<DistributionConfig/>", "InvalidArgument"},
		"wrong type":    {"<DistributionConfig><Enabled>perhaps</Enabled></DistributionConfig>", "InvalidArgument"},
		"member twice":  {"<DistributionConfig><Comment>a</Comment><Comment>b</Comment></DistributionConfig>", "InvalidArgument"},
		"two documents": {"<DistributionConfig/><DistributionConfig/>", "MalformedXML"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodPost, base+"/2020-05-31/distribution", strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256([]byte(c.body))
			if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r, hex.EncodeToString(sum[:]), "cloudfront", "us-east-1", time.Now()); err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != 400 || !strings.Contains(string(body), "<Code>"+c.code+"</Code>") || !strings.Contains(string(body), "<RequestId>"+answer.Header.Get("X-Amzn-RequestId")) {
				t.Errorf("%s %s", answer.Status, body)
			}
		})
	}
}
