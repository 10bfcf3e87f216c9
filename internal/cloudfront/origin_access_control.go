package cloudfront

import (
	"context"
	"unicode/utf8"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

func originAccessControls() kindOf[cf.OriginAccessControlConfig] {
	return kindOf[cf.OriginAccessControlConfig]{
		kind:  KindOriginAccessControl,
		newID: func() string { return newID("E") },
		name:  func(c *cf.OriginAccessControlConfig) string { return value(c.Name) },
		check: checkOriginAccessControl,
	}
}

func checkOriginAccessControl(c *cf.OriginAccessControlConfig) error {
	switch {
	case value(c.Name) == "" || utf8.RuneCountInString(*c.Name) > 64:
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter Name must have 1 to 64 characters.")
	case utf8.RuneCountInString(value(c.Description)) > 256:
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter Description must have at most 256 characters.")
	case c.OriginAccessControlOriginType != cf.OriginAccessControlOriginTypesS3:
		return fault.New(fault.Invalid, "InvalidArgument", "The parameter OriginAccessControlOriginType does not allow %q; it allows s3.", c.OriginAccessControlOriginType).
			WithHint("origins are buckets here")
	}
	return nil
}

func originAccessControl(i item[cf.OriginAccessControlConfig]) *cf.OriginAccessControl {
	return &cf.OriginAccessControl{Id: &i.ID, OriginAccessControlConfig: i.config}
}

func (s *server) createOriginAccessControl(ctx context.Context, call *apiserver.Call, in *cf.CreateOriginAccessControlRequest) (*cf.CreateOriginAccessControlResult, error) {
	i, err := originAccessControls().create(ctx, s, call, in.OriginAccessControlConfig)
	if err != nil {
		return nil, err
	}
	return &cf.CreateOriginAccessControlResult{OriginAccessControl: originAccessControl(i), ETag: &i.ETag, Location: location(call, "origin-access-control/"+i.ID)}, nil
}

func (s *server) getOriginAccessControl(ctx context.Context, _ *apiserver.Call, in *cf.GetOriginAccessControlRequest) (*cf.GetOriginAccessControlResult, error) {
	i, err := originAccessControls().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetOriginAccessControlResult{OriginAccessControl: originAccessControl(i), ETag: &i.ETag}, nil
}

func (s *server) getOriginAccessControlConfig(ctx context.Context, _ *apiserver.Call, in *cf.GetOriginAccessControlConfigRequest) (*cf.GetOriginAccessControlConfigResult, error) {
	i, err := originAccessControls().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetOriginAccessControlConfigResult{OriginAccessControlConfig: i.config, ETag: &i.ETag}, nil
}

func (s *server) updateOriginAccessControl(ctx context.Context, call *apiserver.Call, in *cf.UpdateOriginAccessControlRequest) (*cf.UpdateOriginAccessControlResult, error) {
	i, err := originAccessControls().update(ctx, s, call, in.Id, in.IfMatch, in.OriginAccessControlConfig)
	if err != nil {
		return nil, err
	}
	return &cf.UpdateOriginAccessControlResult{OriginAccessControl: originAccessControl(i), ETag: &i.ETag}, nil
}

func (s *server) deleteOriginAccessControl(ctx context.Context, _ *apiserver.Call, in *cf.DeleteOriginAccessControlRequest) (*cf.DeleteOriginAccessControlOutput, error) {
	return &cf.DeleteOriginAccessControlOutput{}, originAccessControls().remove(ctx, s, in.Id, in.IfMatch)
}

func (s *server) listOriginAccessControls(ctx context.Context, _ *apiserver.Call, in *cf.ListOriginAccessControlsRequest) (*cf.ListOriginAccessControlsResult, error) {
	p, err := originAccessControls().list(ctx, s, "", in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &cf.OriginAccessControlList{
		Marker: &p.marker, MaxItems: new(int32(p.size)), NextMarker: p.next, IsTruncated: &p.truncated,
		Quantity: new(int32(len(p.items))), Items: []*cf.OriginAccessControlSummary{},
	}
	for _, i := range p.items {
		out.Items = append(out.Items, &cf.OriginAccessControlSummary{
			Id: &i.ID, Name: i.config.Name, Description: new(value(i.config.Description)), SigningProtocol: i.config.SigningProtocol,
			SigningBehavior: i.config.SigningBehavior, OriginAccessControlOriginType: i.config.OriginAccessControlOriginType,
		})
	}
	return &cf.ListOriginAccessControlsResult{OriginAccessControlList: out}, nil
}
