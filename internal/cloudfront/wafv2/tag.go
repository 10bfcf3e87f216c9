package wafv2

import (
	"context"
	"maps"
	"slices"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	waf "vodwright.dev/vodwright/internal/awsapi/wafv2"
	"vodwright.dev/vodwright/internal/fault"
)

func (s *server) listTags(ctx context.Context, _ *apiserver.Call, in *waf.ListTagsForResourceRequest) (*waf.ListTagsForResourceResponse, error) {
	resource, err := s.tagged(ctx, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	tags, err := s.cfg.Store.Tags(ctx, resource)
	if err != nil {
		return nil, err
	}
	out := &waf.TagInfoForResource{ResourceARN: in.ResourceARN, TagList: []*waf.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out.TagList = append(out.TagList, &waf.Tag{Key: &k, Value: new(tags[k])})
	}
	return &waf.ListTagsForResourceResponse{TagInfoForResource: out}, nil
}

func (s *server) tag(ctx context.Context, _ *apiserver.Call, in *waf.TagResourceRequest) (*waf.TagResourceResponse, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	resource, err := s.tagged(ctx, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	have, err := s.cfg.Store.Tags(ctx, resource)
	if err != nil {
		return nil, err
	}
	if maps.Copy(have, tags); len(have) > 50 {
		return nil, fault.New(fault.Invalid, "WAFLimitsExceededException", "A resource has at most 50 tags.")
	}
	return &waf.TagResourceResponse{}, s.cfg.Store.SetTags(ctx, resource, tags)
}

func (s *server) untag(ctx context.Context, _ *apiserver.Call, in *waf.UntagResourceRequest) (*waf.UntagResourceResponse, error) {
	resource, err := s.tagged(ctx, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &waf.UntagResourceResponse{}, s.cfg.Store.RemoveTags(ctx, resource, in.TagKeys)
}
