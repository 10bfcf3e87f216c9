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

// accepted lists the members of a configuration that may be given, with their
// values: nil is any value. Everything else is refused when it is not empty.
// Quantities are compared with their lists.
//
// What is accepted acts, or asks for what happens anyway, or is only shown; the
// remarks say why the latter two.
func accepted() map[string][]string {
	const origin = "Origins.Items."
	status := []string{"400", "403", "404", "405", "414", "416", "500", "501", "502", "503", "504"}
	rows := map[string][]string{
		"CallerReference":                     nil,
		"Comment":                             nil,
		"Enabled":                             nil,
		"DefaultRootObject":                   nil,
		"Aliases.Items":                       nil,
		"WebACLId":                            nil,
		"PriceClass":                          nil,        // shown: there is one edge, and every class includes it
		"IsIPV6Enabled":                       nil,        // shown: the machine's network says what it is
		"HttpVersion":                         nil,        // shown: the edge speaks what its port speaks
		"Staging":                             {"false"},  // continuous deployment is refused
		"ConnectionMode":                      {"direct"}, // what there was before there were tenants
		"Logging.Enabled":                     nil,
		"Logging.IncludeCookies":              nil,
		"Logging.Bucket":                      nil,
		"Logging.Prefix":                      nil,
		"ViewerCertificate.Certificate":       nil, // says again what ACMCertificateArn says
		"ViewerCertificate.CertificateSource": {"cloudfront", "acm"},
		"ViewerCertificate.CloudFrontDefaultCertificate": nil,
		"ViewerCertificate.ACMCertificateArn":            nil, // shown: see checkCertificate
		"ViewerCertificate.SSLSupportMethod":             {"sni-only", "vip"},
		// The edge accepts TLS 1.2 and 1.3, which satisfies each of these.
		"ViewerCertificate.MinimumProtocolVersion": {"SSLv3", "TLSv1", "TLSv1_2016", "TLSv1.1_2016", "TLSv1.2_2018", "TLSv1.2_2019", "TLSv1.2_2021", "TLSv1.2_2025"},

		"Restrictions.GeoRestriction.RestrictionType": nil, // shown, with its Items: the edge knows no viewer's country
		"Restrictions.GeoRestriction.Items":           nil,

		"CustomErrorResponses.Items.ErrorCode":          status,
		"CustomErrorResponses.Items.ResponseCode":       append([]string{"200"}, status...),
		"CustomErrorResponses.Items.ResponsePagePath":   nil,
		"CustomErrorResponses.Items.ErrorCachingMinTTL": nil,

		origin + "Id": nil, origin + "DomainName": nil, origin + "OriginPath": nil, origin + "OriginAccessControlId": nil,
		origin + "ConnectionAttempts":               {"1", "2", "3"}, // reading a bucket of this house needs one
		origin + "ConnectionTimeout":                numbers(1, 10),  // and no time
		origin + "S3OriginConfig.OriginReadTimeout": numbers(1, 120),
		origin + "OriginShield.Enabled":             nil, // many requests for an object open its origin once, shield or not
		origin + "OriginShield.OriginShieldRegion":  nil,
	}
	for _, behavior := range []string{"DefaultCacheBehavior.", "CacheBehaviors.Items."} {
		for member, values := range map[string][]string{
			"TargetOriginId": nil, "ViewerProtocolPolicy": nil, "Compress": nil,
			"CachePolicyId": nil, "OriginRequestPolicyId": nil, "ResponseHeadersPolicyId": nil,
			"MinTTL": nil, "DefaultTTL": nil, "MaxTTL": nil,
			"AllowedMethods.Items":               {"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"},
			"AllowedMethods.CachedMethods.Items": {"GET", "HEAD", "OPTIONS"},
			"ForwardedValues.QueryString":        nil, "ForwardedValues.QueryStringCacheKeys.Items": nil,
			"ForwardedValues.Headers.Items":   nil,
			"ForwardedValues.Cookies.Forward": nil, "ForwardedValues.Cookies.WhitelistedNames.Items": nil,
			"TrustedKeyGroups.Enabled": nil, "TrustedKeyGroups.Items": nil,
			"TrustedSigners.Enabled": {"false"},
			"SmoothStreaming":        {"false"},
			"GrpcConfig.Enabled":     {"false"},
		} {
			rows[behavior+member] = values
		}
	}
	rows["CacheBehaviors.Items.PathPattern"] = nil
	return rows
}

// instead says what to do where a member is refused that people come with.
func instead() map[string]string {
	const behavior, items = "DefaultCacheBehavior.", "CacheBehaviors.Items."
	out := map[string]string{
		"Origins.Items.CustomOriginConfig":                  "Custom origins are not implemented yet. For a bucket give S3OriginConfig; the aws CLI does so for --origin-domain-name BUCKET.s3.amazonaws.com.",
		"Origins.Items.VpcOriginConfig":                     "VPC origins are not implemented yet. Origins are buckets.",
		"Origins.Items.S3OriginConfig.OriginAccessIdentity": "Origin access identities are not implemented: make an origin access control and give OriginAccessControlId.",
		"Origins.Items.CustomHeaders.Items":                 "The parameter Origins.Items.CustomHeaders.Items is not implemented yet: a bucket would ignore them.",
		"OriginGroups.Items":                                "Origin groups are not implemented yet.",
		"ContinuousDeploymentPolicyId":                      "Continuous deployment is not implemented yet.",
		"ViewerCertificate.IAMCertificateId":                "Certificates of IAM are not implemented: give ACMCertificateArn or CloudFrontDefaultCertificate.",
	}
	for _, b := range []string{behavior, items} {
		out[b+"TrustedSigners.Items"] = "Trusted signers are not implemented: put public keys into a key group and give TrustedKeyGroups."
		out[b+"LambdaFunctionAssociations.Items"] = "Functions at the edge are not implemented yet."
		out[b+"FunctionAssociations.Items"] = "Functions at the edge are not implemented yet."
	}
	return out
}

func numbers(from, to int) []string {
	var out []string
	for n := from; n <= to; n++ {
		out = append(out, strconv.Itoa(n))
	}
	return out
}

// configChecker walks a configuration and collects what is wrong with it.
type configChecker struct {
	schema  *awsapi.Schema
	rows    map[string][]string
	instead map[string]string
	code    string // of the first fault
	faults  []string
}

func (c *configChecker) note(code, message string) {
	if len(c.faults) == 0 {
		c.code = code
	}
	c.faults = append(c.faults, message)
}

func (c *configChecker) members(v reflect.Value, of string) {
	for i, f := range c.schema.Fields(v.Type()) {
		c.member(v.Field(i), strings.TrimPrefix(of+"."+f.Name, "."))
	}
}

func (c *configChecker) member(v reflect.Value, of string) {
	text, instead := c.instead[of]
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil(), strings.HasSuffix(of, ".Quantity"):
	case v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct && instead:
		c.note("InvalidArgument", text)
	case v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct:
		c.members(v.Elem(), of)
	case v.Kind() == reflect.Slice && v.Len() > 0 && instead:
		c.note("InvalidArgument", text)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Pointer:
		for i := range v.Len() {
			if !c.below(of) {
				c.note("InvalidArgument", "The parameter "+of+" is not implemented yet.")
				return
			}
			c.members(v.Index(i).Elem(), of)
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			c.scalar(v.Index(i), of)
		}
	default:
		c.scalar(v, of)
	}
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
	if why, ok := c.instead[of]; ok {
		c.note("InvalidArgument", why)
		return
	}
	message := "The parameter " + of + " does not allow " + strconv.Quote(clip(text)) + " yet"
	if n := len(values); n > 0 && n <= 20 {
		message += "; it allows " + strings.Join(values, ", ")
	}
	c.note("InvalidArgument", message+".")
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

// checkConfig returns what is wrong with a configuration, as one error that lists
// it all. That what it refers to exists is checked when it is stored.
func checkConfig(schema *awsapi.Schema, in *cf.DistributionConfig) error {
	if at := inconsistent(schema, reflect.ValueOf(in), ""); at != "" {
		return fault.New(fault.Invalid, "InconsistentQuantities", "The value of %s and the number of items do not match.", at)
	}
	c := &configChecker{schema: schema, rows: accepted(), instead: instead()}
	c.members(reflect.ValueOf(in).Elem(), "")
	c.whole(in)
	for i, b := range behaviorsOf(in) {
		c.behavior(in, b, i)
	}
	if len(c.faults) > 0 {
		kind := fault.Invalid
		if c.code == "NoSuchOrigin" {
			kind = fault.NotFound
		}
		return fault.New(kind, c.code, "%s", strings.Join(c.faults, "\n"))
	}
	return nil
}

// whole checks what is not of a behavior.
func (c *configChecker) whole(in *cf.DistributionConfig) {
	const mostOrigins, mostBehaviors = 100, 75 // CloudFront's quotas
	if n := len(in.Origins.Items); n > mostOrigins {
		c.note("TooManyOrigins", "The parameter Origins has "+strconv.Itoa(n)+" items; the most is "+strconv.Itoa(mostOrigins)+".")
	}
	ids := map[string]bool{}
	for _, o := range in.Origins.Items {
		if id := value(o.Id); ids[id] || id == "" || len(id) > 128 {
			c.note("InvalidOrigin", "The Id "+strconv.Quote(clip(id))+" of an origin is empty, too long or another's too.")
		}
		ids[value(o.Id)] = true
		if p := value(o.OriginPath); p != "" && (p[0] != '/' || strings.HasSuffix(p, "/") || strings.Contains(p, "//")) {
			c.note("InvalidArgument", "The parameter OriginPath must begin with / and not end with it.")
		}
	}
	if root := value(in.DefaultRootObject); strings.HasPrefix(root, "/") || len(root) > 255 {
		c.note("InvalidDefaultRootObject", "The parameter DefaultRootObject must not begin with / and has at most 255 characters.")
	}
	if ref := value(in.CallerReference); ref == "" || len(ref) > 128 || len(value(in.Comment)) > 128 {
		c.note("InvalidArgument", "CallerReference has 1 to 128 characters, Comment at most 128.")
	}
	if in.CacheBehaviors != nil {
		if n := len(in.CacheBehaviors.Items); n > mostBehaviors {
			c.note("TooManyCacheBehaviors", "The parameter CacheBehaviors has "+strconv.Itoa(n)+" items; the most is "+strconv.Itoa(mostBehaviors)+".")
		}
		patterns := map[string]bool{}
		for _, b := range in.CacheBehaviors.Items {
			p := value(b.PathPattern)
			switch {
			case p == "" || len(p) > 255 || strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"'<>\^{}|`+"`#", r) }):
				c.note("InvalidArgument", "The parameter PathPattern "+strconv.Quote(clip(p))+" is empty, too long or has characters that no path has.")
			case patterns[strings.TrimPrefix(p, "/")]:
				c.note("InvalidArgument", "The parameter PathPattern "+strconv.Quote(p)+" is given twice.")
			}
			patterns[strings.TrimPrefix(p, "/")] = true
		}
	}
	c.errorResponses(in.CustomErrorResponses)
	if g := in.Restrictions; g != nil {
		switch kind, n := g.GeoRestriction.RestrictionType, len(g.GeoRestriction.Items); {
		case kind == cf.GeoRestrictionTypeNone && n > 0, kind != cf.GeoRestrictionTypeNone && n == 0:
			c.note("InvalidGeoRestrictionParameter", "The parameter GeoRestriction has countries with none, or a list without any.")
		}
		for _, country := range g.GeoRestriction.Items {
			if len(country) != 2 || strings.ToUpper(country) != country {
				c.note("InvalidGeoRestrictionParameter", "The parameter GeoRestriction has "+strconv.Quote(clip(country))+", which is no ISO 3166-1 alpha-2 code.")
			}
		}
	}
	if l := in.Logging; l != nil && !value(l.Enabled) && value(l.IncludeCookies) {
		c.note("InvalidArgument", "The parameter Logging IncludeCookies needs Enabled.")
	} else if l != nil && len(value(l.Prefix)) > 256 {
		c.note("InvalidArgument", "The parameter Logging Prefix has at most 256 characters.")
	}
	if id := value(in.WebACLId); id != "" {
		if _, err := webACLOf(id); err != nil {
			c.note("InvalidWebACLId", fault.Of(err).Message)
		}
	}
	c.certificate(in.ViewerCertificate)
}

func (c *configChecker) errorResponses(in *cf.CustomErrorResponses) {
	if in == nil {
		return
	}
	seen := map[int32]bool{}
	for _, e := range in.Items {
		page, status := value(e.ResponsePagePath), value(e.ResponseCode)
		switch {
		case seen[value(e.ErrorCode)]:
			c.note("InvalidArgument", "The parameter ErrorCode "+strconv.Itoa(int(*e.ErrorCode))+" is given twice.")
		case (page == "") != (status == ""):
			c.note("InvalidResponseCode", "The parameters ResponseCode and ResponsePagePath are given together or not at all.")
		case page != "" && (!strings.HasPrefix(page, "/") || len(page) > 4096):
			c.note("InvalidArgument", "The parameter ResponsePagePath must begin with /.")
		case value(e.ErrorCachingMinTTL) < 0:
			c.note("InvalidArgument", "The parameter ErrorCachingMinTTL must not be negative.")
		}
		seen[value(e.ErrorCode)] = true
	}
}

// behavior checks the i-th of the behaviors.
func (c *configChecker) behavior(in *cf.DistributionConfig, b *cf.CacheBehavior, i int) {
	of := "DefaultCacheBehavior"
	if in.CacheBehaviors != nil && i < len(in.CacheBehaviors.Items) {
		of = "CacheBehaviors.Items[" + strconv.Itoa(i) + "]"
	}
	if !slices.ContainsFunc(in.Origins.Items, func(o *cf.Origin) bool { return value(o.Id) == value(b.TargetOriginId) }) {
		c.note("NoSuchOrigin", of+".TargetOriginId "+strconv.Quote(clip(value(b.TargetOriginId)))+" is the Id of no origin.")
	}
	policy, forwarded := value(b.CachePolicyId) != "", b.ForwardedValues
	if policy && (forwarded != nil || value(b.MinTTL) != 0 || value(b.DefaultTTL) != 0 || value(b.MaxTTL) != 0) {
		c.note("InvalidArgument", "The parameter "+of+".CachePolicyId cannot be used with ForwardedValues or TTLs.")
	}
	if !policy && value(b.OriginRequestPolicyId) != "" && forwarded != nil {
		c.note("InvalidArgument", "The parameter "+of+".OriginRequestPolicyId needs a CachePolicyId.")
	}
	if !policy {
		if low, mid, high := boundsOf(b.MinTTL, b.DefaultTTL, b.MaxTTL); checkTTLs(low, mid, high) != nil {
			c.note("InvalidTTLOrder", "The parameters of "+of+" must be in the order 0 <= MinTTL <= DefaultTTL <= MaxTTL.")
		}
	}
	if m := b.AllowedMethods; m != nil {
		if !isMethodSet(m.Items, true) || m.CachedMethods != nil && !isMethodSet(m.CachedMethods.Items, false) {
			c.note("InvalidArgument", "The parameter "+of+".AllowedMethods must be GET and HEAD, or these and OPTIONS, or all seven; CachedMethods one of the first two.")
		}
	}
	if f := forwarded; f != nil {
		names := f.Cookies.WhitelistedNames != nil && len(f.Cookies.WhitelistedNames.Items) > 0
		if names != (f.Cookies.Forward == cf.ItemSelectionWhitelist) {
			c.note("InvalidForwardCookies", "The parameter "+of+".ForwardedValues has names of cookies without whitelist, or whitelist without names.")
		}
		if keys := f.QueryStringCacheKeys; keys != nil && len(keys.Items) > 0 && !value(f.QueryString) {
			c.note("InvalidQueryStringParameters", "The parameter "+of+".ForwardedValues.QueryStringCacheKeys needs QueryString.")
		}
	}
	groups := b.TrustedKeyGroups
	if groups != nil && value(groups.Enabled) != (len(groups.Items) > 0) {
		c.note("InvalidArgument", "The parameter "+of+".TrustedKeyGroups is enabled without items, or has items without being enabled.")
	}
	if value(b.OriginRequestPolicyId) == SignPlaylists && (groups == nil || !value(groups.Enabled)) {
		c.note("InvalidArgument", "The origin request policy "+signPlaylistsName+" needs TrustedKeyGroups in "+of+": without them nothing is signed.")
	}
}

// isMethodSet reports whether methods are one of the sets that the service has.
func isMethodSet(methods []cf.Method, writes bool) bool {
	has := map[cf.Method]bool{}
	for _, m := range methods {
		has[m] = true
	}
	if len(has) != len(methods) || !has[cf.MethodGet] || !has[cf.MethodHead] {
		return false
	}
	return len(has) == 2 || len(has) == 3 && has[cf.MethodOptions] || len(has) == 7 && writes
}
