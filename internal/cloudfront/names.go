package cloudfront

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

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
	return "", fault.New(fault.Invalid, "InvalidOrigin", "The origin %q is not a bucket.", clip(domain)).
		WithHint("buckets are named BUCKET.s3.REGION.amazonaws.com; other origins are not implemented yet")
}

// aliasesOf returns the aliases of a configuration in lower case. suffix is what
// distributions' names end with, host how the client reached the server.
func aliasesOf(in *cf.Aliases, suffix, host string) ([]string, error) {
	if in == nil {
		return nil, nil
	}
	const most = 100 // CloudFront's quota
	if len(in.Items) > most {
		return nil, fault.New(fault.Invalid, "TooManyDistributionCNAMEs", "A distribution has at most %d aliases.", most)
	}
	label := regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	var out []string
	for _, a := range in.Items {
		name := strings.ToLower(a)
		labels := strings.Split(strings.TrimPrefix(name, "*."), ".")
		if len(labels) < 2 || len(name) > 253 || !allMatch(label, labels) {
			return nil, fault.New(fault.Invalid, "InvalidArgument", "The alias %q is no domain name.", clip(a)).
				WithHint("an alias is a name as www.example.com, or *.example.com for all names one below")
		}
		if name == suffix || name == host || name == "*.localhost" || strings.HasSuffix(name, "."+suffix) || strings.HasSuffix(name, ".amazonaws.com") {
			return nil, fault.New(fault.Invalid, "InvalidArgument", "The alias %q is a name of the server itself.", clip(a))
		}
		if slices.Contains(out, name) {
			return nil, fault.New(fault.Invalid, "InvalidArgument", "The alias %q is given twice.", clip(a))
		}
		out = append(out, name)
	}
	return out, nil
}

func allMatch(re *regexp.Regexp, texts []string) bool {
	return !slices.ContainsFunc(texts, func(t string) bool { return !re.MatchString(t) })
}

// webACLOf returns the ID of a web ACL that its ARN names.
func webACLOf(arn string) (string, error) {
	m := regexp.MustCompile(`^arn:aws:wafv2:us-east-1:[0-9]{12}:global/webacl/[A-Za-z0-9_-]{1,128}/([0-9a-f-]{36})$`).FindStringSubmatch(arn)
	if m == nil {
		return "", fault.New(fault.Invalid, "InvalidWebACLId", "WebACLId %q is not the ARN of a web ACL of the scope CLOUDFRONT.", clip(arn))
	}
	return m[1], nil
}

// certificate checks a viewer certificate. Whatever it says, viewers meet the
// server's own certificates: its private authority makes one for any name, so an
// alias needs no certificate, and one of ACM may be named so that a stack made
// for AWS applies. docs/decisions/0010 has the reasons.
func (c *configChecker) certificate(v *cf.ViewerCertificate) {
	if v == nil {
		return
	}
	arn := value(v.ACMCertificateArn)
	switch {
	case arn != "" && !regexp.MustCompile(`^arn:aws:acm:us-east-1:[0-9]{12}:certificate/[0-9A-Za-z-]{1,64}$`).MatchString(arn):
		c.note("InvalidViewerCertificate", "ViewerCertificate.ACMCertificateArn "+strconv.Quote(clip(arn))+" is not the ARN of a certificate in us-east-1.")
	case arn != "" && value(v.CloudFrontDefaultCertificate):
		c.note("InvalidViewerCertificate", "ViewerCertificate has both ACMCertificateArn and CloudFrontDefaultCertificate.")
	case arn != "" && v.SSLSupportMethod == "":
		c.note("InvalidViewerCertificate", "ViewerCertificate.SSLSupportMethod is needed with ACMCertificateArn.")
	case value(v.Certificate) != "" && *v.Certificate != arn:
		c.note("InvalidViewerCertificate", "ViewerCertificate.Certificate is not what ACMCertificateArn says.")
	case v.CertificateSource == cf.CertificateSourceAcm && arn == "", v.CertificateSource == cf.CertificateSourceCloudfront && arn != "":
		c.note("InvalidViewerCertificate", "ViewerCertificate.CertificateSource is not what ACMCertificateArn says.")
	}
}

// behaviorsOf returns the behaviors of a configuration in the order in which a
// path is compared with them; the last is the default one, with the pattern "*".
func behaviorsOf(in *cf.DistributionConfig) []*cf.CacheBehavior {
	var out []*cf.CacheBehavior
	if in.CacheBehaviors != nil {
		out = append(out, in.CacheBehaviors.Items...)
	}
	d := in.DefaultCacheBehavior
	return append(out, &cf.CacheBehavior{
		PathPattern: new("*"), TargetOriginId: d.TargetOriginId, ViewerProtocolPolicy: d.ViewerProtocolPolicy,
		AllowedMethods: d.AllowedMethods, Compress: d.Compress,
		CachePolicyId: d.CachePolicyId, OriginRequestPolicyId: d.OriginRequestPolicyId, ResponseHeadersPolicyId: d.ResponseHeadersPolicyId,
		ForwardedValues: d.ForwardedValues, MinTTL: d.MinTTL, DefaultTTL: d.DefaultTTL, MaxTTL: d.MaxTTL,
		TrustedKeyGroups: d.TrustedKeyGroups, TrustedSigners: d.TrustedSigners,
		FunctionAssociations: d.FunctionAssociations, LambdaFunctionAssociations: d.LambdaFunctionAssociations,
		FieldLevelEncryptionId: d.FieldLevelEncryptionId, GrpcConfig: d.GrpcConfig, SmoothStreaming: d.SmoothStreaming,
		RealtimeLogConfigArn: d.RealtimeLogConfigArn,
	})
}

// references lists what a checked configuration refers to, each once.
func references(in *cf.DistributionConfig) []Reference {
	var out []Reference
	add := func(k Kind, id *string) {
		if r := (Reference{k, value(id)}); r.ID != "" && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	for _, o := range in.Origins.Items {
		add(KindOriginAccessControl, o.OriginAccessControlId)
	}
	for _, b := range behaviorsOf(in) {
		add(KindCachePolicy, b.CachePolicyId)
		add(KindOriginRequestPolicy, b.OriginRequestPolicyId)
		add(KindResponseHeadersPolicy, b.ResponseHeadersPolicyId)
		if b.TrustedKeyGroups != nil {
			for _, g := range b.TrustedKeyGroups.Items {
				add(KindKeyGroup, &g)
			}
		}
	}
	if acl := value(in.WebACLId); acl != "" {
		if id, err := webACLOf(acl); err == nil {
			add(KindWebACL, &id)
		}
	}
	return out
}
