package cloudfront

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"reflect"
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
	Store        Store
	Authenticate apiserver.Authenticate
	Account      string // of ARNs; default 000000000000
	DomainSuffix string // of distributions' names; default cdn.localhost
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
		Code:         errorCode,
		Schema:       s.schema,
		Logger:       cfg.Logger,
		Handlers: map[string]apiserver.Handler{
			"CreateDistribution":    apiserver.Handle(s.create),
			"GetDistribution":       apiserver.Handle(s.get),
			"GetDistributionConfig": apiserver.Handle(s.getConfig),
			"ListDistributions":     apiserver.Handle(s.list),
			"UpdateDistribution":    apiserver.Handle(s.update),
			"DeleteDistribution":    apiserver.Handle(s.delete),
		},
	})
}

type server struct {
	cfg    Config
	schema *awsapi.Schema
}

// errorCode gives the code and status of an error. Codes of this API say more
// than a kind does; those of the table have a status of their own.
func errorCode(f *fault.Error) (string, int) {
	var code string
	status := f.Kind.HTTPStatus()
	switch f.Kind {
	case fault.Invalid:
		code = "InvalidArgument"
	case fault.NotFound:
		code = "NoSuchResource"
	case fault.Denied:
		code = "AccessDenied"
	case fault.Conflict:
		code = "PreconditionFailed"
	case fault.Unavailable:
		code = "ServiceUnavailable"
	case fault.Limit:
		code = "TooManyDistributions"
	default:
		code, status = "InternalError", http.StatusInternalServerError
	}
	if f.Code != "" && f.Kind != fault.Internal {
		code = f.Code
	}
	switch code {
	case "PreconditionFailed":
		status = http.StatusPreconditionFailed
	case "NoSuchOrigin":
		status = http.StatusNotFound
	}
	return code, status
}

func (s *server) create(ctx context.Context, call *apiserver.Call, in *cf.CreateDistributionRequest) (*cf.CreateDistributionResult, error) {
	d, err := s.record(call, in.DistributionConfig)
	if err != nil {
		return nil, err
	}
	for range 2 {
		have, err := s.cfg.Store.DistributionByReference(ctx, d.CallerReference)
		if err == nil {
			if d, err = s.again(have, d); err != nil {
				return nil, err
			}
			break
		}
		if fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
		now := s.cfg.Now().UTC().Truncate(time.Millisecond)
		d.ID, d.ETag, d.Created, d.Modified = newID(), newID(), now, now
		d.DomainName = strings.ToLower(d.ID) + "." + s.cfg.DomainSuffix
		if err = s.cfg.Store.CreateDistribution(ctx, d); err == nil {
			break
		}
		if fault.KindOf(err) != fault.Conflict { // else the reference was taken this moment: look again
			return nil, err
		}
		d.ID = ""
	}
	if d.ID == "" {
		return nil, fault.New(fault.Conflict, "DistributionAlreadyExists", "A distribution with the caller reference %q is being made.", d.CallerReference)
	}
	out, err := s.wire(d)
	return &cf.CreateDistributionResult{Distribution: out, ETag: &d.ETag, Location: new(call.BaseURL + "/2020-05-31/distribution/" + d.ID)}, err
}

// again answers a creation whose caller reference is taken: the same request gets
// the distribution that it made, another one a conflict.
func (s *server) again(have, want Distribution) (Distribution, error) {
	var a, b cf.DistributionConfig
	if err := json.Unmarshal(have.Config, &a); err != nil {
		return have, fmt.Errorf("read configuration of %q: %w", have.ID, err)
	}
	if err := json.Unmarshal(want.Config, &b); err != nil {
		return have, fmt.Errorf("read configuration: %w", err)
	}
	if !reflect.DeepEqual(withDefaults(a), withDefaults(b)) {
		return have, fault.New(fault.Conflict, "DistributionAlreadyExists",
			"The caller reference that you are using to create a distribution is associated with another distribution. Already exists: %s", have.ID)
	}
	return have, nil
}

// record makes the record of an accepted configuration, without ID, ETag and times.
func (s *server) record(call *apiserver.Call, in *cf.DistributionConfig) (Distribution, error) {
	if len(call.Unknown) > 0 {
		return Distribution{}, fault.New(fault.Invalid, "MalformedXML", "Unknown elements: %s", strings.Join(call.Unknown, ", "))
	}
	if err := checkConfig(s.schema, in); err != nil {
		return Distribution{}, err
	}
	origin := in.Origins.Items[0]
	bucket, err := bucketOf(value(origin.DomainName), hostOf(call.BaseURL))
	if err != nil {
		return Distribution{}, err
	}
	config, err := json.Marshal(in)
	if err != nil {
		return Distribution{}, fmt.Errorf("encode configuration: %w", err)
	}
	b := in.DefaultCacheBehavior
	return Distribution{
		Enabled: value(in.Enabled), Bucket: bucket, OriginPath: value(origin.OriginPath),
		ViewerProtocolPolicy: string(b.ViewerProtocolPolicy), DefaultRootObject: value(in.DefaultRootObject),
		TTL: ttl(b), CallerReference: value(in.CallerReference), Config: config,
	}, nil
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	if net.ParseIP(u.Hostname()) != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func (s *server) get(ctx context.Context, _ *apiserver.Call, in *cf.GetDistributionRequest) (*cf.GetDistributionResult, error) {
	d, err := s.find(ctx, value(in.Id))
	if err != nil {
		return nil, err
	}
	out, err := s.wire(d)
	return &cf.GetDistributionResult{Distribution: out, ETag: &d.ETag}, err
}

func (s *server) getConfig(ctx context.Context, _ *apiserver.Call, in *cf.GetDistributionConfigRequest) (*cf.GetDistributionConfigResult, error) {
	d, err := s.find(ctx, value(in.Id))
	if err != nil {
		return nil, err
	}
	out, err := s.wire(d)
	if err != nil {
		return nil, err
	}
	return &cf.GetDistributionConfigResult{DistributionConfig: out.DistributionConfig, ETag: &d.ETag}, nil
}

func (s *server) find(ctx context.Context, id string) (Distribution, error) {
	d, err := s.cfg.Store.Distribution(ctx, id)
	return d, notThere(err)
}

// notThere words a missing record as the service does.
func notThere(err error) error {
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return fault.New(fault.NotFound, "NoSuchDistribution", "The specified distribution does not exist.")
	}
	return err
}

func (s *server) list(ctx context.Context, _ *apiserver.Call, in *cf.ListDistributionsRequest) (*cf.ListDistributionsResult, error) {
	limit := 100
	if in.MaxItems != nil && *in.MaxItems != "" {
		n, err := strconv.Atoi(*in.MaxItems)
		if err != nil || n < 1 {
			return nil, fault.New(fault.Invalid, "InvalidArgument", "The parameter MaxItems must be a positive number.")
		}
		limit = min(n, limit)
	}
	marker := value(in.Marker)
	all, err := s.cfg.Store.Distributions(ctx, marker, limit+1)
	if err != nil {
		return nil, err
	}
	out := &cf.DistributionList{Marker: &marker, MaxItems: new(int32(limit)), IsTruncated: new(len(all) > limit), Items: []*cf.DistributionSummary{}}
	if len(all) > limit {
		all = all[:limit]
		out.NextMarker = &all[limit-1].ID
	}
	for _, d := range all {
		w, err := s.wire(d)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, summary(w, d))
	}
	out.Quantity = new(int32(len(all)))
	return &cf.ListDistributionsResult{DistributionList: out}, nil
}

func (s *server) update(ctx context.Context, call *apiserver.Call, in *cf.UpdateDistributionRequest) (*cf.UpdateDistributionResult, error) {
	next, err := s.record(call, in.DistributionConfig)
	if err != nil {
		return nil, err
	}
	d, err := s.cfg.Store.ChangeDistribution(ctx, value(in.Id), func(d *Distribution) error {
		if err := matches(in.IfMatch, d.ETag); err != nil {
			return err
		}
		if next.CallerReference != d.CallerReference {
			return fault.New(fault.Invalid, "IllegalUpdate", "The parameter CallerReference cannot be changed.")
		}
		next.ID, next.DomainName, next.Created = d.ID, d.DomainName, d.Created
		next.ETag, next.Modified = newID(), s.cfg.Now().UTC().Truncate(time.Millisecond)
		*d = next
		return nil
	})
	if err != nil {
		return nil, notThere(err)
	}
	out, err := s.wire(d)
	return &cf.UpdateDistributionResult{Distribution: out, ETag: &d.ETag}, err
}

func (s *server) delete(ctx context.Context, _ *apiserver.Call, in *cf.DeleteDistributionRequest) (*cf.DeleteDistributionOutput, error) {
	err := s.cfg.Store.DeleteDistribution(ctx, value(in.Id), func(d Distribution) error {
		if err := matches(in.IfMatch, d.ETag); err != nil {
			return err
		}
		if d.Enabled {
			return fault.New(fault.Conflict, "DistributionNotDisabled", "The distribution you are trying to delete has not been disabled.")
		}
		return nil
	})
	return &cf.DeleteDistributionOutput{}, notThere(err)
}

// matches compares an If-Match header with a version.
func matches(header *string, etag string) error {
	switch {
	case header == nil || *header == "":
		return fault.New(fault.Invalid, "InvalidIfMatchVersion", "The If-Match version is missing or not valid for the resource.")
	case strings.Trim(*header, `"`) != etag:
		return fault.New(fault.Conflict, "PreconditionFailed", "The request failed because it didn't meet the preconditions in one or more request-header fields.")
	}
	return nil
}

// wire is a distribution as the API shows it. It is deployed at once: the edge
// reads the records.
func (s *server) wire(d Distribution) (*cf.Distribution, error) {
	var config cf.DistributionConfig
	if err := json.Unmarshal(d.Config, &config); err != nil {
		return nil, fmt.Errorf("read configuration of %q: %w", d.ID, err)
	}
	return &cf.Distribution{
		Id: &d.ID, ARN: new("arn:aws:cloudfront::" + s.cfg.Account + ":distribution/" + d.ID),
		Status: new("Deployed"), LastModifiedTime: awsapi.At(d.Modified), DomainName: &d.DomainName,
		InProgressInvalidationBatches: new(int32(0)),
		ActiveTrustedSigners:          &cf.ActiveTrustedSigners{Enabled: new(false), Quantity: new(int32(0))},
		ActiveTrustedKeyGroups:        &cf.ActiveTrustedKeyGroups{Enabled: new(false), Quantity: new(int32(0))},
		AliasICPRecordals:             []*cf.AliasICPRecordal{},
		DistributionConfig:            withDefaults(config),
	}, nil
}

func summary(w *cf.Distribution, d Distribution) *cf.DistributionSummary {
	c := w.DistributionConfig
	return &cf.DistributionSummary{
		Id: w.Id, ARN: w.ARN, ETag: &d.ETag, Status: w.Status, LastModifiedTime: w.LastModifiedTime, DomainName: w.DomainName,
		Aliases: c.Aliases, Origins: c.Origins, OriginGroups: c.OriginGroups, DefaultCacheBehavior: c.DefaultCacheBehavior,
		CacheBehaviors: c.CacheBehaviors, CustomErrorResponses: c.CustomErrorResponses, Comment: c.Comment, PriceClass: c.PriceClass,
		Enabled: c.Enabled, ViewerCertificate: c.ViewerCertificate, Restrictions: c.Restrictions, WebACLId: c.WebACLId,
		HttpVersion: c.HttpVersion, IsIPV6Enabled: c.IsIPV6Enabled, Staging: c.Staging, AliasICPRecordals: w.AliasICPRecordals,
	}
}

// newID makes an identifier in the service's form: E and 13 capitals and digits.
func newID() string {
	const alphabet = "0123456789ABCDEFGHJKLMNPQRSTVWXY" // 32: no bias
	b := make([]byte, 13)
	_, _ = rand.Read(b) // never fails since Go 1.24
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return "E" + string(b)
}
