package cloudfront

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

// The managed cache policies whose rules the edge follows.
const (
	cachingOptimized = "658327ea-f89d-4fab-a63d-7e88639e58f6"
	cachingDisabled  = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
)

// accepted lists the members of a configuration that may be given, with their
// values: nil is any value. Everything else is refused when it is not empty.
// Quantities are compared with their lists, whatever they count.
func accepted() map[string][]string {
	const origin, behavior = "Origins.Items.", "DefaultCacheBehavior."
	return map[string][]string{
		"CallerReference":   nil,
		"Comment":           nil,
		"Enabled":           nil,
		"DefaultRootObject": nil,
		"PriceClass":        nil, // there is one edge; every class includes it
		"IsIPV6Enabled":     nil, // the machine's network says what it is
		"HttpVersion":       {"http2"},
		"Staging":           {"false"},
		"ConnectionMode":    {"direct"},
		"Logging.Enabled":   {"false"}, "Logging.IncludeCookies": {"false"},
		"Restrictions.GeoRestriction.RestrictionType":    {"none"},
		"ViewerCertificate.CloudFrontDefaultCertificate": {"true"},
		"ViewerCertificate.MinimumProtocolVersion":       {"TLSv1"},
		"ViewerCertificate.SSLSupportMethod":             {"vip"},
		"ViewerCertificate.CertificateSource":            {"cloudfront"},

		origin + "Id": nil, origin + "DomainName": nil, origin + "OriginPath": nil,
		origin + "ConnectionAttempts":               {"3"},
		origin + "ConnectionTimeout":                {"10"},
		origin + "OriginShield.Enabled":             {"false"},
		origin + "S3OriginConfig.OriginReadTimeout": {"30"},

		behavior + "TargetOriginId": nil, behavior + "ViewerProtocolPolicy": nil,
		behavior + "MinTTL": nil, behavior + "DefaultTTL": nil, behavior + "MaxTTL": nil,
		behavior + "CachePolicyId":                      {cachingOptimized, cachingDisabled},
		behavior + "AllowedMethods.Items":               {"GET", "HEAD", "OPTIONS"},
		behavior + "AllowedMethods.CachedMethods.Items": {"GET", "HEAD"},
		behavior + "Compress":                           {"false"},
		behavior + "SmoothStreaming":                    {"false"},
		behavior + "GrpcConfig.Enabled":                 {"false"},
		behavior + "ForwardedValues.QueryString":        {"false"},
		behavior + "ForwardedValues.Cookies.Forward":    {"none"},
		behavior + "TrustedSigners.Enabled":             {"false"},
		behavior + "TrustedKeyGroups.Enabled":           {"false"},
	}
}

// configChecker walks a configuration and collects what is wrong with it.
type configChecker struct {
	schema *awsapi.Schema
	rows   map[string][]string
	faults []string
}

func (c *configChecker) members(v reflect.Value, of string) {
	for i, f := range c.schema.Fields(v.Type()) {
		fv := v.Field(i)
		c.member(fv, strings.TrimPrefix(of+"."+f.Name, "."), v)
	}
}

func (c *configChecker) member(v reflect.Value, of string, parent reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
		return
	case of == "Origins.Items.CustomOriginConfig":
		c.faults = append(c.faults, "Custom origins are not implemented yet. For a bucket give S3OriginConfig; the aws CLI does so for --origin-domain-name BUCKET.s3.amazonaws.com.")
		return
	case v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct:
		c.members(v.Elem(), of)
		return
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Pointer:
		for i := range v.Len() {
			if !c.below(of) {
				c.faults = append(c.faults, "The parameter "+of+" is not implemented yet.")
				return
			}
			c.members(v.Index(i).Elem(), of)
		}
		return
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			c.scalar(v.Index(i), of)
		}
		return
	case strings.HasSuffix(of, ".Quantity"):
		if items := parent.FieldByName("Items"); items.IsValid() && items.Len() != int(v.Elem().Int()) {
			c.faults = append(c.faults, "The value of "+of+" and the number of items do not match.")
		}
		return
	}
	c.scalar(v, of)
}

// below reports whether rows name members below a path.
func (c *configChecker) below(of string) bool {
	for r := range c.rows {
		if strings.HasPrefix(r, of+".") {
			return true
		}
	}
	return false
}

func (c *configChecker) scalar(v reflect.Value, of string) {
	text, there := awsapi.Text(v)
	if !there || text == "" {
		return
	}
	values, known := c.rows[of]
	if known && (values == nil || slices.Contains(values, text)) {
		return
	}
	if !known && (text == "false" || text == "0") {
		return // switches something off that is not there
	}
	message := "The parameter " + of + " does not allow " + strconv.Quote(text) + " yet"
	if len(values) > 0 {
		message += "; it allows " + strings.Join(values, ", ")
	}
	c.faults = append(c.faults, message+".")
}

// check returns what is wrong with a configuration, as one error that lists it all.
func checkConfig(schema *awsapi.Schema, in *cf.DistributionConfig) error {
	c := &configChecker{schema: schema, rows: accepted()}
	c.members(reflect.ValueOf(in).Elem(), "")
	code := "InvalidArgument"
	note := func(as, message string) {
		if len(c.faults) == 0 {
			code = as
		}
		c.faults = append(c.faults, message)
	}
	if n := len(in.Origins.Items); n != 1 {
		note("InvalidArgument", "The parameter Origins has "+strconv.Itoa(n)+" items; one is what is implemented yet.")
	}
	for _, o := range in.Origins.Items {
		if value(o.Id) != value(in.DefaultCacheBehavior.TargetOriginId) {
			note("NoSuchOrigin", "DefaultCacheBehavior.TargetOriginId "+strconv.Quote(value(in.DefaultCacheBehavior.TargetOriginId))+" is the Id of no origin.")
		}
		if p := value(o.OriginPath); p != "" && (p[0] != '/' || strings.HasSuffix(p, "/") || strings.Contains(p, "//")) {
			note("InvalidArgument", "The parameter OriginPath must begin with / and not end with it.")
		}
	}
	if strings.HasPrefix(value(in.DefaultRootObject), "/") {
		note("InvalidDefaultRootObject", "The parameter DefaultRootObject must not begin with /.")
	}
	if len(value(in.CallerReference)) > 128 || len(value(in.Comment)) > 128 {
		note("InvalidArgument", "CallerReference and Comment have at most 128 characters.")
	}
	b := in.DefaultCacheBehavior
	if low, mid, high := ttlOf(b); low < 0 || low > mid || mid > high {
		note("InvalidTTLOrder", "The parameters must be in the order 0 <= MinTTL <= DefaultTTL <= MaxTTL.")
	}
	if value(b.CachePolicyId) != "" && (b.ForwardedValues != nil || b.MinTTL != nil || b.DefaultTTL != nil || b.MaxTTL != nil) {
		note("InvalidArgument", "The parameter CachePolicyId cannot be used with ForwardedValues or TTLs.")
	}
	if len(c.faults) > 0 {
		return fault.New(fault.Invalid, code, "%s", strings.Join(c.faults, "\n"))
	}
	return nil
}

// ttlOf returns the TTLs of a behavior; those that are not given have the service's defaults.
func ttlOf(b *cf.DefaultCacheBehavior) (low, mid, high int64) {
	low, mid, high = value(b.MinTTL), 86400, 31536000
	if b.DefaultTTL != nil {
		mid = *b.DefaultTTL
	} else {
		mid = max(mid, low)
	}
	if b.MaxTTL != nil {
		high = *b.MaxTTL
	} else {
		high = max(high, mid)
	}
	return low, mid, high
}

// ttl returns what the edge is to do; nil is CachingOptimized.
func ttl(b *cf.DefaultCacheBehavior) *TTL {
	switch {
	case value(b.CachePolicyId) == cachingDisabled:
		return &TTL{}
	case b.ForwardedValues == nil && b.MinTTL == nil && b.DefaultTTL == nil && b.MaxTTL == nil:
		return nil
	}
	low, mid, high := ttlOf(b)
	return &TTL{low, mid, high}
}

// bucketOf returns the bucket that an origin's domain names: bucket.s3.amazonaws.com,
// with a region or without, or the bucket below a name of this server.
func bucketOf(domain, host string) (string, error) {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if rest, ok := strings.CutSuffix(domain, ".amazonaws.com"); ok {
		for _, mark := range []string{".s3.dualstack.", ".s3.", ".s3-"} {
			if i := strings.LastIndex(rest, mark); i > 0 && !strings.ContainsAny(rest[i+len(mark):], ".") && !strings.HasPrefix(rest[i:], ".s3-website") {
				return rest[:i], nil
			}
		}
		if bucket, ok := strings.CutSuffix(rest, ".s3"); ok && bucket != "" {
			return bucket, nil
		}
	}
	for _, own := range []string{host, "s3.localhost", "localhost"} {
		if bucket, ok := strings.CutSuffix(domain, "."+own); ok && own != "" && bucket != "" {
			return bucket, nil
		}
	}
	return "", fault.New(fault.Invalid, "InvalidOrigin", "The origin %q is not a bucket.", domain).
		WithHint("buckets are named BUCKET.s3.REGION.amazonaws.com; other origins are not implemented yet")
}

// withDefaults adds the blocks that the service always answers, empty where
// nothing was given: clients compare them with what they hold.
func withDefaults(in cf.DistributionConfig) *cf.DistributionConfig {
	zero := new(int32(0))
	set(&in.Aliases, &cf.Aliases{Quantity: zero, Items: []string{}})
	set(&in.CacheBehaviors, &cf.CacheBehaviors{Quantity: zero})
	set(&in.CustomErrorResponses, &cf.CustomErrorResponses{Quantity: zero})
	set(&in.OriginGroups, &cf.OriginGroups{Quantity: zero})
	set(&in.Logging, &cf.LoggingConfig{Enabled: new(false), IncludeCookies: new(false), Bucket: new(""), Prefix: new("")})
	set(&in.Restrictions, &cf.Restrictions{GeoRestriction: &cf.GeoRestriction{RestrictionType: cf.GeoRestrictionTypeNone, Quantity: zero}})
	set(&in.ViewerCertificate, &cf.ViewerCertificate{
		CloudFrontDefaultCertificate: new(true), SSLSupportMethod: cf.SSLSupportMethodVip,
		MinimumProtocolVersion: cf.MinimumProtocolVersionTlsv1, CertificateSource: cf.CertificateSourceCloudfront,
	})
	set(&in.DefaultRootObject, new(""))
	set(&in.WebACLId, new(""))
	set(&in.ContinuousDeploymentPolicyId, new(""))
	set(&in.IsIPV6Enabled, new(false))
	set(&in.Staging, new(false))
	if in.PriceClass == "" {
		in.PriceClass = cf.PriceClassPriceclass_All
	}
	if in.HttpVersion == "" {
		in.HttpVersion = cf.HttpVersionHttp2
	}
	for _, o := range in.Origins.Items {
		set(&o.OriginPath, new(""))
		set(&o.CustomHeaders, &cf.CustomHeaders{Quantity: zero})
		set(&o.S3OriginConfig, &cf.S3OriginConfig{OriginAccessIdentity: new("")})
		set(&o.ConnectionAttempts, new(int32(3)))
		set(&o.ConnectionTimeout, new(int32(10)))
		set(&o.OriginShield, &cf.OriginShield{Enabled: new(false)})
		set(&o.OriginAccessControlId, new(""))
	}
	b := in.DefaultCacheBehavior
	get := []cf.Method{cf.MethodHead, cf.MethodGet}
	set(&b.AllowedMethods, &cf.AllowedMethods{Quantity: new(int32(2)), Items: get})
	set(&b.AllowedMethods.CachedMethods, &cf.CachedMethods{Quantity: new(int32(2)), Items: get})
	set(&b.TrustedSigners, &cf.TrustedSigners{Enabled: new(false), Quantity: zero})
	set(&b.TrustedKeyGroups, &cf.TrustedKeyGroups{Enabled: new(false), Quantity: zero})
	set(&b.LambdaFunctionAssociations, &cf.LambdaFunctionAssociations{Quantity: zero})
	set(&b.FunctionAssociations, &cf.FunctionAssociations{Quantity: zero})
	set(&b.FieldLevelEncryptionId, new(""))
	set(&b.SmoothStreaming, new(false))
	set(&b.Compress, new(false))
	set(&b.GrpcConfig, &cf.GrpcConfig{Enabled: new(false)})
	return &in
}

func set[T any](member **T, to *T) {
	if *member == nil {
		*member = to
	}
}

// value returns what p points to, or its type's zero.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
