package cloudfront

import (
	"context"
	"maps"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

// mostTags is the service's quota.
const mostTags = 50

func tagsOf(in *cf.Tags) (map[string]string, error) {
	out := map[string]string{}
	if in == nil {
		return out, nil
	}
	for _, t := range in.Items {
		key := value(t.Key)
		if _, twice := out[key]; twice || strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, fault.New(fault.Invalid, "InvalidTagging", "The tag %q is given twice or begins with aws:.", clip(key))
		}
		out[key] = value(t.Value)
	}
	if len(out) > mostTags {
		return nil, fault.New(fault.Invalid, "InvalidTagging", "A resource has at most %d tags.", mostTags)
	}
	return out, nil
}

// tagged returns the resource that an ARN names: a distribution that exists.
func (s *server) tagged(ctx context.Context, arn *string) (string, error) {
	id, ok := strings.CutPrefix(value(arn), s.arn(Reference{Kind: KindDistribution}))
	if !ok {
		return "", fault.New(fault.NotFound, "NoSuchResource", "A resource that was specified is not valid: %s", clip(value(arn))).
			WithHint("distributions have tags here")
	}
	if _, err := s.cfg.Store.Distribution(ctx, id); err != nil {
		if fault.Is(err, fault.NotFound) {
			return "", fault.New(fault.NotFound, "NoSuchResource", "The specified resource does not exist: %s", clip(value(arn)))
		}
		return "", err
	}
	return string(KindDistribution) + "/" + id, nil
}

func (s *server) listTags(ctx context.Context, _ *apiserver.Call, in *cf.ListTagsForResourceRequest) (*cf.ListTagsForResourceResult, error) {
	resource, err := s.tagged(ctx, in.Resource)
	if err != nil {
		return nil, err
	}
	tags, err := s.cfg.Store.Tags(ctx, resource)
	if err != nil {
		return nil, err
	}
	out := &cf.Tags{Items: []*cf.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out.Items = append(out.Items, &cf.Tag{Key: &k, Value: new(tags[k])})
	}
	return &cf.ListTagsForResourceResult{Tags: out}, nil
}

func (s *server) tag(ctx context.Context, call *apiserver.Call, in *cf.TagResourceRequest) (*cf.TagResourceOutput, error) {
	if err := known(call); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	resource, err := s.tagged(ctx, in.Resource)
	if err != nil {
		return nil, err
	}
	have, err := s.cfg.Store.Tags(ctx, resource)
	if err != nil {
		return nil, err
	}
	maps.Copy(have, tags)
	if len(have) > mostTags {
		return nil, fault.New(fault.Invalid, "InvalidTagging", "A resource has at most %d tags.", mostTags)
	}
	return &cf.TagResourceOutput{}, s.cfg.Store.SetTags(ctx, resource, tags)
}

func (s *server) untag(ctx context.Context, _ *apiserver.Call, in *cf.UntagResourceRequest) (*cf.UntagResourceOutput, error) {
	resource, err := s.tagged(ctx, in.Resource)
	if err != nil {
		return nil, err
	}
	return &cf.UntagResourceOutput{}, s.cfg.Store.RemoveTags(ctx, resource, in.TagKeys.Items)
}
