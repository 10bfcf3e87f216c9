package cloudfront

import (
	"context"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

func keyGroups() kindOf[cf.KeyGroupConfig] {
	return kindOf[cf.KeyGroupConfig]{
		kind:  KindKeyGroup,
		newID: newUUID,
		name:  func(c *cf.KeyGroupConfig) string { return value(c.Name) },
		uses: func(c *cf.KeyGroupConfig) []Reference {
			var out []Reference
			for _, id := range c.Items {
				out = append(out, Reference{KindPublicKey, id})
			}
			return out
		},
		check: func(c *cf.KeyGroupConfig) error {
			const most = 5 // CloudFront's quota of public keys in a key group
			switch {
			case len(c.Items) == 0:
				return fault.New(fault.Invalid, "InvalidArgument", "The parameter Items needs at least one public key.")
			case len(c.Items) > most:
				return fault.New(fault.Invalid, "TooManyPublicKeysInKeyGroup", "A key group has at most %d public keys.", most)
			}
			return checkPolicyName(c.Name, c.Comment)
		},
	}
}

func keyGroup(i item[cf.KeyGroupConfig]) *cf.KeyGroup {
	return &cf.KeyGroup{Id: &i.ID, LastModifiedTime: i.modified(), KeyGroupConfig: i.config}
}

func (s *server) createKeyGroup(ctx context.Context, call *apiserver.Call, in *cf.CreateKeyGroupRequest) (*cf.CreateKeyGroupResult, error) {
	i, err := keyGroups().create(ctx, s, call, in.KeyGroupConfig)
	if err != nil {
		return nil, err
	}
	return &cf.CreateKeyGroupResult{KeyGroup: keyGroup(i), ETag: &i.ETag, Location: location(call, "key-group/"+i.ID)}, nil
}

func (s *server) getKeyGroup(ctx context.Context, _ *apiserver.Call, in *cf.GetKeyGroupRequest) (*cf.GetKeyGroupResult, error) {
	i, err := keyGroups().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetKeyGroupResult{KeyGroup: keyGroup(i), ETag: &i.ETag}, nil
}

func (s *server) getKeyGroupConfig(ctx context.Context, _ *apiserver.Call, in *cf.GetKeyGroupConfigRequest) (*cf.GetKeyGroupConfigResult, error) {
	i, err := keyGroups().get(ctx, s.cfg.Store, in.Id)
	if err != nil {
		return nil, err
	}
	return &cf.GetKeyGroupConfigResult{KeyGroupConfig: i.config, ETag: &i.ETag}, nil
}

func (s *server) updateKeyGroup(ctx context.Context, call *apiserver.Call, in *cf.UpdateKeyGroupRequest) (*cf.UpdateKeyGroupResult, error) {
	i, err := keyGroups().update(ctx, s, call, in.Id, in.IfMatch, in.KeyGroupConfig)
	if err != nil {
		return nil, err
	}
	return &cf.UpdateKeyGroupResult{KeyGroup: keyGroup(i), ETag: &i.ETag}, nil
}

func (s *server) deleteKeyGroup(ctx context.Context, _ *apiserver.Call, in *cf.DeleteKeyGroupRequest) (*cf.DeleteKeyGroupOutput, error) {
	return &cf.DeleteKeyGroupOutput{}, keyGroups().remove(ctx, s, in.Id, in.IfMatch)
}

func (s *server) listKeyGroups(ctx context.Context, _ *apiserver.Call, in *cf.ListKeyGroupsRequest) (*cf.ListKeyGroupsResult, error) {
	p, err := keyGroups().list(ctx, s, "", in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &cf.KeyGroupList{MaxItems: new(int32(p.size)), NextMarker: p.next, Quantity: new(int32(len(p.items))), Items: []*cf.KeyGroupSummary{}}
	for _, i := range p.items {
		out.Items = append(out.Items, &cf.KeyGroupSummary{KeyGroup: keyGroup(i)})
	}
	return &cf.ListKeyGroupsResult{KeyGroupList: out}, nil
}
