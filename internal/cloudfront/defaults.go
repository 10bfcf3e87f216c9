package cloudfront

import (
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
)

// withDefaults adds the blocks that the service always answers, empty where
// nothing was given: clients compare them with what they hold. What in points to
// is changed.
func withDefaults(in cf.DistributionConfig) *cf.DistributionConfig {
	zero := func() *int32 { return new(int32(0)) }
	set(&in.Aliases, &cf.Aliases{Quantity: zero(), Items: []string{}})
	set(&in.CacheBehaviors, &cf.CacheBehaviors{Quantity: zero()})
	set(&in.CustomErrorResponses, &cf.CustomErrorResponses{Quantity: zero()})
	set(&in.OriginGroups, &cf.OriginGroups{Quantity: zero()})
	set(&in.Logging, &cf.LoggingConfig{Enabled: new(false), IncludeCookies: new(false), Bucket: new(""), Prefix: new("")})
	set(&in.Restrictions, &cf.Restrictions{GeoRestriction: &cf.GeoRestriction{RestrictionType: cf.GeoRestrictionTypeNone, Quantity: zero()}})
	in.ViewerCertificate = certificateWithDefaults(in.ViewerCertificate)
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
	for _, e := range in.CustomErrorResponses.Items {
		set(&e.ResponseCode, new(""))
		set(&e.ResponsePagePath, new(""))
		set(&e.ErrorCachingMinTTL, new(int64(10)))
	}
	for _, o := range in.Origins.Items {
		set(&o.OriginPath, new(""))
		set(&o.CustomHeaders, &cf.CustomHeaders{Quantity: zero()})
		set(&o.S3OriginConfig, &cf.S3OriginConfig{OriginAccessIdentity: new("")})
		set(&o.ConnectionAttempts, new(int32(3)))
		set(&o.ConnectionTimeout, new(int32(10)))
		set(&o.OriginShield, &cf.OriginShield{Enabled: new(false)})
		set(&o.OriginAccessControlId, new(""))
	}
	d := in.DefaultCacheBehavior
	behaviorDefaults(&d.AllowedMethods, &d.TrustedSigners, &d.TrustedKeyGroups, &d.LambdaFunctionAssociations, &d.FunctionAssociations, &d.GrpcConfig, &d.ForwardedValues)
	set(&d.FieldLevelEncryptionId, new(""))
	set(&d.SmoothStreaming, new(false))
	set(&d.Compress, new(false))
	for _, b := range in.CacheBehaviors.Items {
		behaviorDefaults(&b.AllowedMethods, &b.TrustedSigners, &b.TrustedKeyGroups, &b.LambdaFunctionAssociations, &b.FunctionAssociations, &b.GrpcConfig, &b.ForwardedValues)
		set(&b.FieldLevelEncryptionId, new(""))
		set(&b.SmoothStreaming, new(false))
		set(&b.Compress, new(false))
	}
	return &in
}

// behaviorDefaults adds the blocks of a behavior, which the default one and the
// others have alike.
func behaviorDefaults(methods **cf.AllowedMethods, signers **cf.TrustedSigners, groups **cf.TrustedKeyGroups, lambdas **cf.LambdaFunctionAssociations, functions **cf.FunctionAssociations, grpc **cf.GrpcConfig, forwarded **cf.ForwardedValues) {
	zero := func() *int32 { return new(int32(0)) }
	get := func() []cf.Method { return []cf.Method{cf.MethodHead, cf.MethodGet} }
	set(methods, &cf.AllowedMethods{Quantity: new(int32(2)), Items: get()})
	set(&(*methods).CachedMethods, &cf.CachedMethods{Quantity: new(int32(2)), Items: get()})
	set(signers, &cf.TrustedSigners{Enabled: new(false), Quantity: zero()})
	set(groups, &cf.TrustedKeyGroups{Enabled: new(false), Quantity: zero()})
	set(lambdas, &cf.LambdaFunctionAssociations{Quantity: zero()})
	set(functions, &cf.FunctionAssociations{Quantity: zero()})
	set(grpc, &cf.GrpcConfig{Enabled: new(false)})
	if f := *forwarded; f != nil {
		set(&f.Headers, &cf.Headers{Quantity: zero()})
		set(&f.QueryStringCacheKeys, &cf.QueryStringCacheKeys{Quantity: zero()})
	}
}

func certificateWithDefaults(v *cf.ViewerCertificate) *cf.ViewerCertificate {
	if v == nil {
		v = &cf.ViewerCertificate{}
	}
	if arn := value(v.ACMCertificateArn); arn != "" {
		set(&v.CloudFrontDefaultCertificate, new(false))
		set(&v.Certificate, new(arn))
		v.CertificateSource = cf.CertificateSourceAcm
		if v.MinimumProtocolVersion == "" {
			v.MinimumProtocolVersion = cf.MinimumProtocolVersionTlsv1
		}
		return v
	}
	v.CloudFrontDefaultCertificate = new(true)
	v.CertificateSource = cf.CertificateSourceCloudfront
	if v.SSLSupportMethod == "" {
		v.SSLSupportMethod = cf.SSLSupportMethodVip
	}
	if v.MinimumProtocolVersion == "" {
		v.MinimumProtocolVersion = cf.MinimumProtocolVersionTlsv1
	}
	return v
}
