package cloudfront

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

func responseHeadersPolicies() kindOf[cf.ResponseHeadersPolicyConfig] {
	return kindOf[cf.ResponseHeadersPolicyConfig]{
		kind:    KindResponseHeadersPolicy,
		newID:   newUUID,
		name:    func(c *cf.ResponseHeadersPolicyConfig) string { return value(c.Name) },
		check:   checkResponseHeadersPolicy,
		managed: managedResponseHeadersPolicies,
	}
}

func checkResponseHeadersPolicy(c *cf.ResponseHeadersPolicyConfig) error {
	if err := checkPolicyName(c.Name, c.Comment); err != nil {
		return err
	}
	if err := firstOf(checkCORS(c.CorsConfig), checkSecurityHeaders(c.SecurityHeadersConfig)); err != nil {
		return err
	}
	if custom := c.CustomHeadersConfig; custom != nil {
		seen := map[string]bool{}
		for _, h := range custom.Items {
			name := strings.ToLower(value(h.Header))
			switch {
			case !isToken(name) || seen[name]:
				return fault.New(fault.Invalid, "InvalidArgument", "The parameter CustomHeadersConfig has the header %q, which is no name or given twice.", value(h.Header))
			case keptHeader(name):
				return fault.New(fault.Invalid, "InvalidArgument", "The parameter CustomHeadersConfig has the header %q, which is the edge's own.", value(h.Header))
			case !isFieldValue(value(h.Value)):
				return fault.New(fault.Invalid, "InvalidArgument", "The parameter CustomHeadersConfig has a value for %q that no header can have.", value(h.Header))
			}
			seen[name] = true
		}
	}
	if remove := c.RemoveHeadersConfig; remove != nil {
		for _, h := range remove.Items {
			if name := strings.ToLower(value(h.Header)); !isToken(name) || keptHeader(name) {
				return fault.New(fault.Invalid, "InvalidArgument", "The parameter RemoveHeadersConfig has the header %q, which cannot be removed.", value(h.Header))
			}
		}
	}
	if t := c.ServerTimingHeadersConfig; t != nil && value(t.Enabled) && t.SamplingRate == nil {
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter SamplingRate is required when ServerTimingHeadersConfig is enabled.")
	}
	return nil
}

// keptHeader reports whether a header, in lower case, frames the message or is
// the edge's own: a policy neither sets nor removes it.
func keptHeader(name string) bool {
	switch name {
	case "connection", "content-encoding", "content-length", "content-range", "date", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
		"proxy-connection", "server", "te", "trailer", "transfer-encoding", "upgrade", "via", "warning", "x-cache":
		return name != "server"
	}
	return strings.HasPrefix(name, "x-amz-cf-") || strings.HasPrefix(name, "x-edge-") || strings.HasPrefix(name, "cloudfront-")
}

// isFieldValue reports whether s may be the value of a header (RFC 9110, section 5.5).
func isFieldValue(s string) bool {
	return len(s) <= 8<<10 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func checkCORS(c *cf.ResponseHeadersPolicyCorsConfig) error {
	if c == nil {
		return nil
	}
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter CorsConfig: %s.", fmt.Sprintf(format, args...))
	}
	origins, headers, methods := c.AccessControlAllowOrigins.Items, c.AccessControlAllowHeaders.Items, c.AccessControlAllowMethods.Items
	var expose []string
	if c.AccessControlExposeHeaders != nil {
		expose = c.AccessControlExposeHeaders.Items
	}
	if len(origins) == 0 || len(headers) == 0 || len(methods) == 0 {
		return bad("AccessControlAllowOrigins, AccessControlAllowHeaders and AccessControlAllowMethods need at least one item each")
	}
	for _, o := range origins {
		if o == "*" {
			continue
		}
		_, host, full := strings.Cut(o, "://")
		if !full {
			host = o
		}
		if host == "" || strings.ContainsAny(host, "/?#@ ") || strings.Count(host, "*") > 1 {
			return bad("%q is no origin", o)
		}
		if u, err := url.Parse("x://" + strings.ReplaceAll(host, "*", "a")); err != nil || u.Host == "" {
			return bad("%q is no origin", o)
		}
	}
	for _, h := range append(append([]string{}, headers...), expose...) {
		if h != "*" && !isToken(h) {
			return bad("%q is no header's name", h)
		}
	}
	if value(c.AccessControlAllowCredentials) {
		for _, list := range [][]string{origins, headers, expose} {
			for _, v := range list {
				if v == "*" {
					return bad("* is not allowed with AccessControlAllowCredentials")
				}
			}
		}
		for _, m := range methods {
			if m == cf.ResponseHeadersPolicyAccessControlAllowMethodsValuesAll {
				return bad("ALL is not allowed with AccessControlAllowCredentials")
			}
		}
	}
	if n := value(c.AccessControlMaxAgeSec); n < 0 {
		return bad("AccessControlMaxAgeSec must not be negative")
	}
	return nil
}

func checkSecurityHeaders(c *cf.ResponseHeadersPolicySecurityHeadersConfig) error {
	if c == nil {
		return nil
	}
	if x := c.XSSProtection; x != nil {
		if value(x.ReportUri) != "" && value(x.ModeBlock) {
			return fault.New(fault.Invalid, "InvalidArgument", "The parameter XSSProtection cannot have both ReportUri and ModeBlock.")
		}
		if !isFieldValue(value(x.ReportUri)) {
			return fault.New(fault.Invalid, "InvalidArgument", "The parameter ReportUri has characters that no header can have.")
		}
	}
	if p := c.ContentSecurityPolicy; p != nil && (value(p.ContentSecurityPolicy) == "" || !isFieldValue(*p.ContentSecurityPolicy)) {
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter ContentSecurityPolicy is empty or has characters that no header can have.")
	}
	if t := c.StrictTransportSecurity; t != nil && value(t.AccessControlMaxAgeSec) < 0 {
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter AccessControlMaxAgeSec must not be negative.")
	}
	return nil
}

func responseHeadersPolicy(i item[cf.ResponseHeadersPolicyConfig]) *cf.ResponseHeadersPolicy {
	return &cf.ResponseHeadersPolicy{Id: &i.ID, LastModifiedTime: i.modified(), ResponseHeadersPolicyConfig: i.config}
}

func (s *server) createResponseHeadersPolicy(ctx context.Context, call *apiserver.Call, in *cf.CreateResponseHeadersPolicyRequest) (*cf.CreateResponseHeadersPolicyResult, error) {
	i, err := responseHeadersPolicies().create(ctx, s, call, in.ResponseHeadersPolicyConfig)
	if err != nil {
		return nil, err
	}
	return &cf.CreateResponseHeadersPolicyResult{ResponseHeadersPolicy: responseHeadersPolicy(i), ETag: &i.ETag, Location: location(call, "response-headers-policy/"+i.ID)}, nil
}

func (s *server) getResponseHeadersPolicy(ctx context.Context, _ *apiserver.Call, in *cf.GetResponseHeadersPolicyRequest) (*cf.GetResponseHeadersPolicyResult, error) {
	i, err := responseHeadersPolicies().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetResponseHeadersPolicyResult{ResponseHeadersPolicy: responseHeadersPolicy(i), ETag: &i.ETag}, nil
}

func (s *server) getResponseHeadersPolicyConfig(ctx context.Context, _ *apiserver.Call, in *cf.GetResponseHeadersPolicyConfigRequest) (*cf.GetResponseHeadersPolicyConfigResult, error) {
	i, err := responseHeadersPolicies().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetResponseHeadersPolicyConfigResult{ResponseHeadersPolicyConfig: i.config, ETag: &i.ETag}, nil
}

func (s *server) updateResponseHeadersPolicy(ctx context.Context, call *apiserver.Call, in *cf.UpdateResponseHeadersPolicyRequest) (*cf.UpdateResponseHeadersPolicyResult, error) {
	i, err := responseHeadersPolicies().update(ctx, s, call, in.Id, in.IfMatch, in.ResponseHeadersPolicyConfig)
	if err != nil {
		return nil, err
	}
	return &cf.UpdateResponseHeadersPolicyResult{ResponseHeadersPolicy: responseHeadersPolicy(i), ETag: &i.ETag}, nil
}

func (s *server) deleteResponseHeadersPolicy(ctx context.Context, _ *apiserver.Call, in *cf.DeleteResponseHeadersPolicyRequest) (*cf.DeleteResponseHeadersPolicyOutput, error) {
	return &cf.DeleteResponseHeadersPolicyOutput{}, responseHeadersPolicies().remove(ctx, s, in.Id, in.IfMatch)
}

func (s *server) listResponseHeadersPolicies(ctx context.Context, _ *apiserver.Call, in *cf.ListResponseHeadersPoliciesRequest) (*cf.ListResponseHeadersPoliciesResult, error) {
	p, err := responseHeadersPolicies().list(ctx, s, string(in.Type), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &cf.ResponseHeadersPolicyList{MaxItems: new(int32(p.size)), NextMarker: p.next, Quantity: new(int32(len(p.items))), Items: []*cf.ResponseHeadersPolicySummary{}}
	for _, i := range p.items {
		out.Items = append(out.Items, &cf.ResponseHeadersPolicySummary{Type: cf.ResponseHeadersPolicyType(i.typeOf()), ResponseHeadersPolicy: responseHeadersPolicy(i)})
	}
	return &cf.ListResponseHeadersPoliciesResult{ResponseHeadersPolicyList: out}, nil
}
