package cloudfront

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

// Config is what the control plane is made of. Store and Authenticate are needed.
type Config struct {
	Store Store
	Edge  Edge // nil: nobody needs to be told
	// LogBucket looks for the bucket of an access log; a fault.NotFound is told to the
	// caller. nil: every bucket is there.
	LogBucket    func(ctx context.Context, bucket string) error
	Authenticate apiserver.Authenticate
	Authorize    apiserver.Authorize // nil allows everything
	Account      string              // of ARNs; default 000000000000
	DomainSuffix string              // of distributions' names; default cdn.localhost
	Logger       *slog.Logger
	Now          func() time.Time // default time.Now
}

// NewHandler returns the handler of the CloudFront API, safe for concurrent use.
func NewHandler(cfg Config) http.Handler {
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.DomainSuffix == "" {
		cfg.DomainSuffix = "cdn.localhost"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &server{cfg: cfg, schema: &awsapi.Schema{}}
	return apiserver.NewServer(apiserver.Config{
		API:          cf.API(),
		Authenticate: cfg.Authenticate,
		Authorize:    cfg.Authorize,
		Access:       s.access,
		Code:         errorCode,
		Schema:       s.schema,
		Logger:       cfg.Logger,
		Handlers: map[string]apiserver.Handler{
			"CreateDistribution":         apiserver.Handle(s.create),
			"CreateDistributionWithTags": apiserver.Handle(s.createWithTags),
			"GetDistribution":            apiserver.Handle(s.get),
			"GetDistributionConfig":      apiserver.Handle(s.getConfig),
			"UpdateDistribution":         apiserver.Handle(s.update),
			"DeleteDistribution":         apiserver.Handle(s.delete),

			"ListDistributions":                          apiserver.Handle(s.list),
			"ListDistributionsByCachePolicyId":           apiserver.Handle(s.listByCachePolicy),
			"ListDistributionsByOriginRequestPolicyId":   apiserver.Handle(s.listByOriginRequestPolicy),
			"ListDistributionsByResponseHeadersPolicyId": apiserver.Handle(s.listByResponseHeadersPolicy),
			"ListDistributionsByKeyGroup":                apiserver.Handle(s.listByKeyGroup),
			"ListDistributionsByWebACLId":                apiserver.Handle(s.listByWebACL),

			"ListTagsForResource": apiserver.Handle(s.listTags),
			"TagResource":         apiserver.Handle(s.tag),
			"UntagResource":       apiserver.Handle(s.untag),

			"CreateOriginAccessControl":    apiserver.Handle(s.createOriginAccessControl),
			"GetOriginAccessControl":       apiserver.Handle(s.getOriginAccessControl),
			"GetOriginAccessControlConfig": apiserver.Handle(s.getOriginAccessControlConfig),
			"UpdateOriginAccessControl":    apiserver.Handle(s.updateOriginAccessControl),
			"DeleteOriginAccessControl":    apiserver.Handle(s.deleteOriginAccessControl),
			"ListOriginAccessControls":     apiserver.Handle(s.listOriginAccessControls),

			"CreateCachePolicy":    apiserver.Handle(s.createCachePolicy),
			"GetCachePolicy":       apiserver.Handle(s.getCachePolicy),
			"GetCachePolicyConfig": apiserver.Handle(s.getCachePolicyConfig),
			"UpdateCachePolicy":    apiserver.Handle(s.updateCachePolicy),
			"DeleteCachePolicy":    apiserver.Handle(s.deleteCachePolicy),
			"ListCachePolicies":    apiserver.Handle(s.listCachePolicies),

			"CreateOriginRequestPolicy":    apiserver.Handle(s.createOriginRequestPolicy),
			"GetOriginRequestPolicy":       apiserver.Handle(s.getOriginRequestPolicy),
			"GetOriginRequestPolicyConfig": apiserver.Handle(s.getOriginRequestPolicyConfig),
			"UpdateOriginRequestPolicy":    apiserver.Handle(s.updateOriginRequestPolicy),
			"DeleteOriginRequestPolicy":    apiserver.Handle(s.deleteOriginRequestPolicy),
			"ListOriginRequestPolicies":    apiserver.Handle(s.listOriginRequestPolicies),

			"CreateResponseHeadersPolicy":    apiserver.Handle(s.createResponseHeadersPolicy),
			"GetResponseHeadersPolicy":       apiserver.Handle(s.getResponseHeadersPolicy),
			"GetResponseHeadersPolicyConfig": apiserver.Handle(s.getResponseHeadersPolicyConfig),
			"UpdateResponseHeadersPolicy":    apiserver.Handle(s.updateResponseHeadersPolicy),
			"DeleteResponseHeadersPolicy":    apiserver.Handle(s.deleteResponseHeadersPolicy),
			"ListResponseHeadersPolicies":    apiserver.Handle(s.listResponseHeadersPolicies),

			"CreatePublicKey":    apiserver.Handle(s.createPublicKey),
			"GetPublicKey":       apiserver.Handle(s.getPublicKey),
			"GetPublicKeyConfig": apiserver.Handle(s.getPublicKeyConfig),
			"UpdatePublicKey":    apiserver.Handle(s.updatePublicKey),
			"DeletePublicKey":    apiserver.Handle(s.deletePublicKey),
			"ListPublicKeys":     apiserver.Handle(s.listPublicKeys),

			"CreateKeyGroup":    apiserver.Handle(s.createKeyGroup),
			"GetKeyGroup":       apiserver.Handle(s.getKeyGroup),
			"GetKeyGroupConfig": apiserver.Handle(s.getKeyGroupConfig),
			"UpdateKeyGroup":    apiserver.Handle(s.updateKeyGroup),
			"DeleteKeyGroup":    apiserver.Handle(s.deleteKeyGroup),
			"ListKeyGroups":     apiserver.Handle(s.listKeyGroups),

			"CreateInvalidation": apiserver.Handle(s.createInvalidation),
			"GetInvalidation":    apiserver.Handle(s.getInvalidation),
			"ListInvalidations":  apiserver.Handle(s.listInvalidations),
		},
	})
}

type server struct {
	cfg    Config
	schema *awsapi.Schema
}

// now is the instant of a change, as precise as records and answers are.
func (s *server) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

func (s *server) arn(r Reference) string { return arnOf(s.cfg.Account, r) }

func arnOf(account string, r Reference) string {
	return "arn:aws:cloudfront::" + account + ":" + string(r.Kind) + "/" + r.ID
}

// location is the URL of a resource that was made.
func location(call *apiserver.Call, path string) *string {
	return new(call.BaseURL + "/2020-05-31/" + path)
}

// known refuses a document with members that the API has not: they would be ignored.
func known(call *apiserver.Call) error {
	if len(call.Unknown) > 0 {
		return fault.New(fault.Invalid, "MalformedXML", "Unknown elements: %s", strings.Join(call.Unknown, ", "))
	}
	return nil
}

// matches compares an If-Match header with a version.
func matches(header *string, etag string) error {
	switch {
	case value(header) == "":
		return fault.New(fault.Invalid, "InvalidIfMatchVersion", "The If-Match version is missing or not valid for the resource.")
	case strings.Trim(*header, `"`) != etag:
		return fault.New(fault.Conflict, "PreconditionFailed", "The request failed because it didn't meet the preconditions in one or more request-header fields.")
	}
	return nil
}

// pageSize reads MaxItems.
func pageSize(maxItems *string) (int, error) {
	const most = 100
	if value(maxItems) == "" {
		return most, nil
	}
	n, err := strconv.Atoi(*maxItems)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Invalid, "InvalidArgument", "The parameter MaxItems must be a positive number.")
	}
	return min(n, most), nil
}

// listed is one page of a list in memory.
type listed[T any] struct {
	items     []T
	size      int
	marker    string
	next      *string // marker of the next page; nil ends
	truncated bool
}

// page cuts the page after marker, the ID of the last item of the page before.
func page[T any](all []T, id func(T) string, marker, maxItems *string) (listed[T], error) {
	size, err := pageSize(maxItems)
	if err != nil {
		return listed[T]{}, err
	}
	p := listed[T]{size: size, marker: value(marker)}
	start := 0
	if p.marker != "" {
		start = len(all)
		for i, v := range all {
			if id(v) == p.marker {
				start = i + 1
			}
		}
	}
	p.items = all[start:]
	if len(p.items) > size {
		p.items = p.items[:size]
		p.next, p.truncated = new(id(p.items[size-1])), true
	}
	return p, nil
}

// newID makes an identifier in the service's form: a letter and 13 capitals and digits.
func newID(letter string) string {
	const alphabet = "0123456789ABCDEFGHJKLMNPQRSTVWXY" // 32: no bias
	b := make([]byte, 13)
	_, _ = rand.Read(b) // never fails since Go 1.24
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return letter + string(b)
}

func newETag() string { return newID("E") }

// newUUID makes the identifier of a policy or a key group.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
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
