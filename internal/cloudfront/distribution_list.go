package cloudfront

import (
	"context"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
)

func (s *server) list(ctx context.Context, _ *apiserver.Call, in *cf.ListDistributionsRequest) (*cf.ListDistributionsResult, error) {
	p, err := s.distributions(ctx, Reference{}, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &cf.DistributionList{
		Marker: &p.marker, MaxItems: new(int32(p.size)), IsTruncated: &p.truncated, NextMarker: p.next,
		Quantity: new(int32(len(p.items))), Items: []*cf.DistributionSummary{},
	}
	for _, d := range p.items {
		config, err := configOf(d)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, s.summary(d, config))
	}
	return &cf.ListDistributionsResult{DistributionList: out}, nil
}

// distributions reads a page of those that refer to uses, or of all if that is zero.
func (s *server) distributions(ctx context.Context, uses Reference, marker, maxItems *string) (listed[Distribution], error) {
	size, err := pageSize(maxItems)
	if err != nil {
		return listed[Distribution]{}, err
	}
	all, err := s.cfg.Store.Distributions(ctx, uses, value(marker), size+1)
	if err != nil {
		return listed[Distribution]{}, err
	}
	p := listed[Distribution]{items: all, size: size, marker: value(marker)}
	if len(all) > size {
		p.items, p.truncated, p.next = all[:size], true, &all[size-1].ID
	}
	return p, nil
}

func (s *server) summary(d Distribution, c *cf.DistributionConfig) *cf.DistributionSummary {
	return &cf.DistributionSummary{
		Id: &d.ID, ARN: new(s.arn(Reference{KindDistribution, d.ID})), ETag: &d.ETag, Status: new("Deployed"),
		LastModifiedTime: awsapi.At(d.Modified), DomainName: &d.DomainName,
		Aliases: c.Aliases, Origins: c.Origins, OriginGroups: c.OriginGroups, DefaultCacheBehavior: c.DefaultCacheBehavior,
		CacheBehaviors: c.CacheBehaviors, CustomErrorResponses: c.CustomErrorResponses, Comment: c.Comment, PriceClass: c.PriceClass,
		Enabled: c.Enabled, ViewerCertificate: c.ViewerCertificate, Restrictions: c.Restrictions, WebACLId: c.WebACLId,
		HttpVersion: c.HttpVersion, IsIPV6Enabled: c.IsIPV6Enabled, Staging: c.Staging, AliasICPRecordals: recordals(d),
	}
}

// idsUsing lists the IDs of the distributions that refer to a resource, which must exist.
func (s *server) idsUsing(ctx context.Context, what Reference, marker, maxItems *string) (*cf.DistributionIdList, error) {
	if !IsManaged(what) {
		if _, err := s.cfg.Store.Resource(ctx, what); err != nil {
			return nil, err
		}
	}
	p, err := s.distributions(ctx, what, marker, maxItems)
	if err != nil {
		return nil, err
	}
	out := &cf.DistributionIdList{
		Marker: &p.marker, MaxItems: new(int32(p.size)), IsTruncated: &p.truncated, NextMarker: p.next,
		Quantity: new(int32(len(p.items))), Items: []string{},
	}
	for _, d := range p.items {
		out.Items = append(out.Items, d.ID)
	}
	return out, nil
}

func (s *server) listByCachePolicy(ctx context.Context, _ *apiserver.Call, in *cf.ListDistributionsByCachePolicyIdRequest) (*cf.ListDistributionsByCachePolicyIdResult, error) {
	l, err := s.idsUsing(ctx, Reference{KindCachePolicy, value(in.CachePolicyId)}, in.Marker, in.MaxItems)
	return &cf.ListDistributionsByCachePolicyIdResult{DistributionIdList: l}, err
}

func (s *server) listByOriginRequestPolicy(ctx context.Context, _ *apiserver.Call, in *cf.ListDistributionsByOriginRequestPolicyIdRequest) (*cf.ListDistributionsByOriginRequestPolicyIdResult, error) {
	l, err := s.idsUsing(ctx, Reference{KindOriginRequestPolicy, value(in.OriginRequestPolicyId)}, in.Marker, in.MaxItems)
	return &cf.ListDistributionsByOriginRequestPolicyIdResult{DistributionIdList: l}, err
}

func (s *server) listByResponseHeadersPolicy(ctx context.Context, _ *apiserver.Call, in *cf.ListDistributionsByResponseHeadersPolicyIdRequest) (*cf.ListDistributionsByResponseHeadersPolicyIdResult, error) {
	l, err := s.idsUsing(ctx, Reference{KindResponseHeadersPolicy, value(in.ResponseHeadersPolicyId)}, in.Marker, in.MaxItems)
	return &cf.ListDistributionsByResponseHeadersPolicyIdResult{DistributionIdList: l}, err
}

func (s *server) listByKeyGroup(ctx context.Context, _ *apiserver.Call, in *cf.ListDistributionsByKeyGroupRequest) (*cf.ListDistributionsByKeyGroupResult, error) {
	l, err := s.idsUsing(ctx, Reference{KindKeyGroup, value(in.KeyGroupId)}, in.Marker, in.MaxItems)
	return &cf.ListDistributionsByKeyGroupResult{DistributionIdList: l}, err
}

func (s *server) listByWebACL(ctx context.Context, _ *apiserver.Call, in *cf.ListDistributionsByWebACLIdRequest) (*cf.ListDistributionsByWebACLIdResult, error) {
	id, err := webACLOf(value(in.WebACLId))
	if err != nil {
		return nil, err
	}
	p, err := s.distributions(ctx, Reference{KindWebACL, id}, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &cf.DistributionList{
		Marker: &p.marker, MaxItems: new(int32(p.size)), IsTruncated: &p.truncated, NextMarker: p.next,
		Quantity: new(int32(len(p.items))), Items: []*cf.DistributionSummary{},
	}
	for _, d := range p.items {
		config, err := configOf(d)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, s.summary(d, config))
	}
	return &cf.ListDistributionsByWebACLIdResult{DistributionList: out}, nil
}
