package cloudfront

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

func (s *server) create(ctx context.Context, call *apiserver.Call, in *cf.CreateDistributionRequest) (*cf.CreateDistributionResult, error) {
	out, etag, err := s.make(ctx, call, in.DistributionConfig, nil)
	if err != nil {
		return nil, err
	}
	return &cf.CreateDistributionResult{Distribution: out, ETag: etag, Location: location(call, "distribution/"+*out.Id)}, nil
}

func (s *server) createWithTags(ctx context.Context, call *apiserver.Call, in *cf.CreateDistributionWithTagsRequest) (*cf.CreateDistributionWithTagsResult, error) {
	tags, err := tagsOf(in.DistributionConfigWithTags.Tags)
	if err != nil {
		return nil, err
	}
	out, etag, err := s.make(ctx, call, in.DistributionConfigWithTags.DistributionConfig, tags)
	if err != nil {
		return nil, err
	}
	return &cf.CreateDistributionWithTagsResult{Distribution: out, ETag: etag, Location: location(call, "distribution/"+*out.Id)}, nil
}

// make stores a new distribution, or finds the one that the same request made before.
func (s *server) make(ctx context.Context, call *apiserver.Call, config *cf.DistributionConfig, tags map[string]string) (*cf.Distribution, *string, error) {
	d, err := s.record(call, config)
	if err != nil {
		return nil, nil, err
	}
	if err := s.logBucketIsThere(ctx, d.LogBucket); err != nil {
		return nil, nil, err
	}
	for range 2 {
		have, err := s.cfg.Store.DistributionByReference(ctx, d.CallerReference)
		if err == nil {
			if d, err = s.again(have, d); err != nil {
				return nil, nil, err
			}
			break
		}
		if !fault.Is(err, fault.NotFound) {
			return nil, nil, err
		}
		now := s.now()
		d.ID, d.ETag, d.Created, d.Modified = newID("E"), newETag(), now, now
		d.DomainName = strings.ToLower(d.ID) + "." + s.cfg.DomainSuffix
		if err = s.cfg.Store.CreateDistribution(ctx, d, tags); err == nil {
			break
		}
		if fault.Of(err).Code != wordsOf(KindDistribution).taken { // else the reference was taken this moment: look again
			return nil, nil, err
		}
		d.ID = ""
	}
	if d.ID == "" {
		return nil, nil, fault.New(fault.Conflict, "DistributionAlreadyExists", "A distribution with the caller reference %q is being made.", d.CallerReference)
	}
	s.told(d.ID)
	out, err := s.wire(ctx, d)
	return out, &d.ETag, err
}

// told lets the edge see a change now, not within a second.
func (s *server) told(distribution string) {
	if s.cfg.Edge != nil {
		s.cfg.Edge.Forget(distribution)
	}
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
	if err := known(call); err != nil {
		return Distribution{}, err
	}
	if err := checkConfig(s.schema, in); err != nil {
		return Distribution{}, err
	}
	d := Distribution{Enabled: value(in.Enabled), CallerReference: value(in.CallerReference), Buckets: map[string]string{}, Uses: references(in)}
	host := hostOf(call.BaseURL)
	for _, o := range in.Origins.Items {
		bucket, err := bucketOf(value(o.DomainName), host)
		if err != nil {
			return Distribution{}, err
		}
		d.Buckets[value(o.Id)] = bucket
	}
	if l := in.Logging; l != nil && value(l.Enabled) {
		bucket, err := bucketOf(value(l.Bucket), host)
		if err != nil {
			return Distribution{}, fault.New(fault.Invalid, "InvalidArgument", "The parameter Logging Bucket does not refer to a valid S3 bucket: %q", value(l.Bucket)).
				WithHint("buckets for logs are named BUCKET.s3.amazonaws.com")
		}
		d.LogBucket = bucket
	}
	var err error
	if d.Aliases, err = aliasesOf(in.Aliases, s.cfg.DomainSuffix, host); err != nil {
		return Distribution{}, err
	}
	if d.Config, err = json.Marshal(in); err != nil {
		return Distribution{}, fmt.Errorf("encode configuration: %w", err)
	}
	return d, nil
}

// logBucketIsThere refuses a log that could not be written.
func (s *server) logBucketIsThere(ctx context.Context, bucket string) error {
	if bucket == "" || s.cfg.LogBucket == nil {
		return nil
	}
	err := s.cfg.LogBucket(ctx, bucket)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Invalid, "InvalidArgument", "The S3 bucket that you specified for CloudFront logs doesn't exist: %s", bucket)
	}
	return err
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil || net.ParseIP(u.Hostname()) != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func (s *server) get(ctx context.Context, _ *apiserver.Call, in *cf.GetDistributionRequest) (*cf.GetDistributionResult, error) {
	d, err := s.cfg.Store.Distribution(ctx, value(in.Id))
	if err != nil {
		return nil, err
	}
	out, err := s.wire(ctx, d)
	return &cf.GetDistributionResult{Distribution: out, ETag: &d.ETag}, err
}

func (s *server) getConfig(ctx context.Context, _ *apiserver.Call, in *cf.GetDistributionConfigRequest) (*cf.GetDistributionConfigResult, error) {
	d, err := s.cfg.Store.Distribution(ctx, value(in.Id))
	if err != nil {
		return nil, err
	}
	config, err := configOf(d)
	return &cf.GetDistributionConfigResult{DistributionConfig: config, ETag: &d.ETag}, err
}

func (s *server) update(ctx context.Context, call *apiserver.Call, in *cf.UpdateDistributionRequest) (*cf.UpdateDistributionResult, error) {
	next, err := s.record(call, in.DistributionConfig)
	if err != nil {
		return nil, err
	}
	was, err := s.cfg.Store.Distribution(ctx, value(in.Id))
	if err != nil {
		return nil, err
	}
	if next.LogBucket != was.LogBucket {
		if err := s.logBucketIsThere(ctx, next.LogBucket); err != nil {
			return nil, err
		}
	}
	d, err := s.cfg.Store.ChangeDistribution(ctx, value(in.Id), func(d *Distribution) error {
		if err := matches(in.IfMatch, d.ETag); err != nil {
			return err
		}
		if next.CallerReference != d.CallerReference {
			return fault.New(fault.Invalid, "IllegalUpdate", "The parameter CallerReference cannot be changed.")
		}
		next.ID, next.DomainName, next.Created = d.ID, d.DomainName, d.Created
		next.ETag, next.Modified = newETag(), s.now()
		*d = next
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.told(d.ID)
	out, err := s.wire(ctx, d)
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
	if err == nil {
		s.told(value(in.Id))
	}
	return &cf.DeleteDistributionOutput{}, err
}

func configOf(d Distribution) (*cf.DistributionConfig, error) {
	var config cf.DistributionConfig
	if err := json.Unmarshal(d.Config, &config); err != nil {
		return nil, fmt.Errorf("read configuration of %q: %w", d.ID, err)
	}
	return withDefaults(config), nil
}

// wire is a distribution as the API shows it. It is deployed at once: the edge
// reads the records.
func (s *server) wire(ctx context.Context, d Distribution) (*cf.Distribution, error) {
	config, err := configOf(d)
	if err != nil {
		return nil, err
	}
	active, err := s.activeKeyGroups(ctx, d)
	if err != nil {
		return nil, err
	}
	out := &cf.Distribution{
		Id: &d.ID, ARN: new(s.arn(Reference{KindDistribution, d.ID})),
		Status: new("Deployed"), LastModifiedTime: awsapi.At(d.Modified), DomainName: &d.DomainName,
		InProgressInvalidationBatches: new(int32(0)),
		ActiveTrustedSigners:          &cf.ActiveTrustedSigners{Enabled: new(false), Quantity: new(int32(0))},
		ActiveTrustedKeyGroups:        active,
		AliasICPRecordals:             recordals(d),
		DistributionConfig:            config,
	}
	return out, nil
}

// recordals says for each alias that no registration is needed: that is a matter of China's regions.
func recordals(d Distribution) []*cf.AliasICPRecordal {
	out := []*cf.AliasICPRecordal{}
	for _, a := range d.Aliases {
		out = append(out, &cf.AliasICPRecordal{CNAME: &a, ICPRecordalStatus: cf.ICPRecordalStatusApproved})
	}
	return out
}

// activeKeyGroups lists the key groups that a distribution trusts with their keys.
func (s *server) activeKeyGroups(ctx context.Context, d Distribution) (*cf.ActiveTrustedKeyGroups, error) {
	out := &cf.ActiveTrustedKeyGroups{Enabled: new(false), Quantity: new(int32(0))}
	for _, use := range d.Uses {
		if use.Kind != KindKeyGroup {
			continue
		}
		group, err := keyGroups().get(ctx, s.cfg.Store, &use.ID)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, &cf.KGKeyPairIds{KeyGroupId: &use.ID, KeyPairIds: &cf.KeyPairIds{
			Items: group.config.Items, Quantity: new(int32(len(group.config.Items))),
		}})
	}
	*out.Enabled, *out.Quantity = len(out.Items) > 0, int32(len(out.Items))
	return out, nil
}
