// Package wafv2 is the little of the WAFv2 API by which a distribution gets a
// firewall: web ACLs of the scope CLOUDFRONT whose rules are AWS's managed rule
// groups, each overridden to count (CloudFront's console: monitor mode) or not.
//
// Requests of the wire flow in; a web ACL is a resource of cloudfront's Store,
// and Mode says what one means to the edge, whose firewall applies the OWASP core
// rule set. Those managed groups are accepted that it covers; any of them turns on
// all of it. Rules of other kinds, and members that would be stored and ignored,
// are refused by name.
//
// The room may touch wire types and the Store.
package wafv2

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	waf "vodwright.dev/vodwright/internal/awsapi/wafv2"
	"vodwright.dev/vodwright/internal/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

// Store is where web ACLs are kept.
type Store interface {
	cloudfront.Resources
	cloudfront.Tags
	// Distributions returns those that refer to a web ACL; see cloudfront.Distributions.
	Distributions(ctx context.Context, uses cloudfront.Reference, after string, limit int) ([]cloudfront.Distribution, error)
}

// Config is what the API is made of. Store and Authenticate are needed.
type Config struct {
	Store        Store
	Log          Log                       // of what rules matched; nil has nothing
	Forget       func(distribution string) // told "" when a web ACL changed; nil: nobody needs to know
	Authenticate apiserver.Authenticate
	Authorize    apiserver.Authorize // nil allows everything
	Account      string              // of ARNs; default 000000000000
	Logger       *slog.Logger
	Now          func() time.Time // default time.Now
}

// NewHandler returns the handler of the WAFv2 API, safe for concurrent use.
func NewHandler(cfg Config) http.Handler {
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Forget == nil {
		cfg.Forget = func(string) {}
	}
	if cfg.Log == nil {
		cfg.Log = func(context.Context, string, time.Time, time.Time, int) ([]Logged, error) { return nil, nil }
	}
	s := &server{cfg}
	return apiserver.NewServer(apiserver.Config{
		API: waf.API(), Authenticate: cfg.Authenticate, Authorize: cfg.Authorize, Access: s.access, Code: errorCode, Logger: cfg.Logger,
		Describe: func(v []awsapi.Violation) *fault.Error { return apiserver.Describe(v, nil) },
		Handlers: map[string]apiserver.Handler{
			"CreateWebACL":                   apiserver.Handle(s.create),
			"GetWebACL":                      apiserver.Handle(s.get),
			"UpdateWebACL":                   apiserver.Handle(s.update),
			"DeleteWebACL":                   apiserver.Handle(s.delete),
			"ListWebACLs":                    apiserver.Handle(s.list),
			"CheckCapacity":                  apiserver.Handle(s.checkCapacity),
			"ListAvailableManagedRuleGroups": apiserver.Handle(s.listManagedRuleGroups),
			"GetSampledRequests":             apiserver.Handle(s.sampled),
			"ListTagsForResource":            apiserver.Handle(s.listTags),
			"TagResource":                    apiserver.Handle(s.tag),
			"UntagResource":                  apiserver.Handle(s.untag),
		},
	})
}

type server struct{ cfg Config }

// errorCode names errors as this API does, which answers 400 to all that is not its own fault.
func errorCode(f *fault.Error) (string, int) {
	code := f.Code
	switch f.Kind {
	case fault.Internal:
		return "WAFInternalErrorException", http.StatusInternalServerError
	case fault.Unavailable:
		return "WAFInternalErrorException", http.StatusServiceUnavailable
	case fault.Denied:
		if code == "" {
			code = "AccessDeniedException"
		}
	case fault.NotFound:
		if code == "" {
			code = "WAFNonexistentItemException"
		}
	default:
		if code == "" {
			code = "WAFInvalidParameterException"
		}
	}
	return code, http.StatusBadRequest
}

func (s *server) arn(name, id string) string {
	return "arn:aws:wafv2:us-east-1:" + s.cfg.Account + ":global/webacl/" + name + "/" + id
}

// named takes the name and the ID of a web ACL from its ARN.
func (s *server) named(arn string) (name, id string, ok bool) {
	rest, ok := strings.CutPrefix(arn, s.arn("", "")[:len(s.arn("", ""))-1])
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "/")
}

// access lists what an operation wants to do.
func (s *server) access(op string, _ *apiserver.Call, in any) []apiserver.Access {
	on := func(resource string) []apiserver.Access {
		return []apiserver.Access{{Action: "wafv2:" + op, Resource: resource}}
	}
	switch in := in.(type) {
	case *waf.CreateWebACLRequest:
		return on(s.arn(value(in.Name), "*"))
	case *waf.GetWebACLRequest:
		if in.ARN != nil {
			return on(*in.ARN)
		}
		return on(s.arn(value(in.Name), value(in.Id)))
	case *waf.UpdateWebACLRequest:
		return on(s.arn(value(in.Name), value(in.Id)))
	case *waf.DeleteWebACLRequest:
		return on(s.arn(value(in.Name), value(in.Id)))
	case *waf.GetSampledRequestsRequest:
		return on(value(in.WebAclArn))
	case *waf.ListTagsForResourceRequest:
		return on(value(in.ResourceARN))
	case *waf.TagResourceRequest:
		return on(value(in.ResourceARN))
	case *waf.UntagResourceRequest:
		return on(value(in.ResourceARN))
	}
	return on("*")
}

// find returns the web ACL that a name and an ID name together.
func (s *server) find(ctx context.Context, name, id string) (cloudfront.Resource, error) {
	r, err := s.cfg.Store.Resource(ctx, cloudfront.Reference{Kind: cloudfront.KindWebACL, ID: id})
	if err == nil && r.Name != name {
		err = cloudfront.NoSuch(cloudfront.KindWebACL)
	}
	return r, err
}

// global refuses the scope of load balancers and gateways.
func global(scope waf.Scope) error {
	if scope == waf.ScopeRegional {
		return fault.New(fault.Invalid, "WAFInvalidParameterException", "The scope REGIONAL is not implemented: only distributions have web ACLs here.").
			WithHint("use the scope CLOUDFRONT")
	}
	return nil
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// value returns what p points to, or its type's zero.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
