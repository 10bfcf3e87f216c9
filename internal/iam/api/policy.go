package api

import (
	"context"
	"fmt"
	"slices"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/iam"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
)

func (s *server) policies() map[string]apiserver.Handler {
	return map[string]apiserver.Handler{
		"CreatePolicy": apiserver.Handle(s.createPolicy),
		"GetPolicy": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.GetPolicyInput) (*wire.GetPolicyOutput, error) {
			p, err := s.Policy(*in.PolicyArn)
			if err != nil {
				return nil, err
			}
			return &wire.GetPolicyOutput{Policy: s.policyShape(p)}, nil
		}),
		"DeletePolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.DeletePolicyInput) (*wire.DeletePolicyOutput, error) {
			return &wire.DeletePolicyOutput{}, s.DeletePolicy(ctx, *in.PolicyArn)
		}),
		"ListPolicies":            apiserver.Handle(s.listPolicies),
		"CreatePolicyVersion":     apiserver.Handle(s.createPolicyVersion),
		"GetPolicyVersion":        apiserver.Handle(s.getPolicyVersion),
		"DeletePolicyVersion":     apiserver.Handle(s.deletePolicyVersion),
		"ListPolicyVersions":      apiserver.Handle(s.listPolicyVersions),
		"SetDefaultPolicyVersion": apiserver.Handle(s.setDefaultPolicyVersion),
		"ListEntitiesForPolicy":   apiserver.Handle(s.listEntitiesForPolicy),
		"TagPolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.TagPolicyInput) (*wire.TagPolicyOutput, error) {
			tags, err := tagsOf(in.Tags)
			if err != nil {
				return nil, err
			}
			_, err = s.ChangePolicy(ctx, *in.PolicyArn, func(p *iam.Policy) error { p.Tags = merged(p.Tags, tags); return nil })
			return &wire.TagPolicyOutput{}, err
		}),
		"UntagPolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.UntagPolicyInput) (*wire.UntagPolicyOutput, error) {
			_, err := s.ChangePolicy(ctx, *in.PolicyArn, func(p *iam.Policy) error {
				for _, k := range in.TagKeys {
					delete(p.Tags, k)
				}
				return nil
			})
			return &wire.UntagPolicyOutput{}, err
		}),
		"ListPolicyTags": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListPolicyTagsInput) (*wire.ListPolicyTagsOutput, error) {
			p, err := s.Policy(*in.PolicyArn)
			if err != nil {
				return nil, err
			}
			out := &wire.ListPolicyTagsOutput{}
			out.Tags, out.IsTruncated, out.Marker, err = page(tagList(p.Tags), tagKey, in.Marker, in.MaxItems)
			return out, err
		}),
	}
}

func (s *server) policyShape(p *iam.Policy) *wire.Policy {
	attached, bounds := s.Uses(p.ARN())
	arn, uses, limits, attachable := p.ARN(), int32(len(attached)), int32(len(bounds)), true
	out := &wire.Policy{
		PolicyName: &p.Name, PolicyId: &p.ID, Arn: &arn, Path: &p.Path, DefaultVersionId: &p.Default,
		AttachmentCount: &uses, PermissionsBoundaryUsageCount: &limits, IsAttachable: &attachable,
		Description: optional(p.Description), CreateDate: awsapi.At(p.Created), UpdateDate: awsapi.At(p.Updated),
	}
	if len(p.Tags) > 0 {
		out.Tags = tagList(p.Tags)
	}
	return out
}

func (s *server) createPolicy(ctx context.Context, _ *apiserver.Call, in *wire.CreatePolicyInput) (*wire.CreatePolicyOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	p, err := s.CreatePolicy(ctx, iam.Policy{Name: *in.PolicyName, Path: pathOf(in.Path), Description: text(in.Description), Tags: tags}, *in.PolicyDocument)
	if err != nil {
		return nil, err
	}
	return &wire.CreatePolicyOutput{Policy: s.policyShape(p)}, nil
}

func (s *server) listPolicies(_ context.Context, _ *apiserver.Call, in *wire.ListPoliciesInput) (*wire.ListPoliciesOutput, error) {
	var all []*wire.Policy
	for _, p := range s.Policies() {
		shape := s.policyShape(p)
		uses := *shape.AttachmentCount
		if in.PolicyUsageFilter == "PermissionsBoundary" {
			uses = *shape.PermissionsBoundaryUsageCount
		}
		switch {
		case in.Scope == wire.PolicyScopeTypeAws && !p.AWS, in.Scope == wire.PolicyScopeTypeLocal && p.AWS:
		case !within(p.Path, in.PathPrefix), in.OnlyAttached != nil && *in.OnlyAttached && uses == 0, in.PolicyUsageFilter != "" && uses == 0:
		default:
			shape.Tags, shape.Description = nil, nil // the list has not
			all = append(all, shape)
		}
	}
	out := &wire.ListPoliciesOutput{}
	var err error
	out.Policies, out.IsTruncated, out.Marker, err = page(all, func(p *wire.Policy) string { return *p.Arn }, in.Marker, in.MaxItems)
	return out, err
}

func versionShape(p *iam.Policy, v iam.Version) *wire.PolicyVersion {
	isDefault := v.ID == p.Default
	return &wire.PolicyVersion{VersionId: &v.ID, IsDefaultVersion: &isDefault, CreateDate: awsapi.At(v.Created)}
}

func noVersion(p *iam.Policy, id string) error {
	return noSuchEntity("Policy %s version %s does not exist or is not attachable.", p.ARN(), id)
}

func (s *server) createPolicyVersion(ctx context.Context, _ *apiserver.Call, in *wire.CreatePolicyVersionInput) (*wire.CreatePolicyVersionOutput, error) {
	var v iam.Version
	p, err := s.ChangePolicy(ctx, *in.PolicyArn, func(p *iam.Policy) error {
		v = s.NewVersion(p, *in.PolicyDocument)
		p.Versions = append(p.Versions, v)
		if in.SetAsDefault != nil && *in.SetAsDefault {
			p.Default = v.ID
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &wire.CreatePolicyVersionOutput{PolicyVersion: versionShape(p, v)}, nil
}

func (s *server) getPolicyVersion(_ context.Context, _ *apiserver.Call, in *wire.GetPolicyVersionInput) (*wire.GetPolicyVersionOutput, error) {
	p, err := s.Policy(*in.PolicyArn)
	if err != nil {
		return nil, err
	}
	for _, v := range p.Versions {
		if v.ID == *in.VersionId {
			shape := versionShape(p, v)
			shape.Document = encoded(v.Document)
			return &wire.GetPolicyVersionOutput{PolicyVersion: shape}, nil
		}
	}
	return nil, noVersion(p, *in.VersionId)
}

func (s *server) deletePolicyVersion(ctx context.Context, _ *apiserver.Call, in *wire.DeletePolicyVersionInput) (*wire.DeletePolicyVersionOutput, error) {
	_, err := s.ChangePolicy(ctx, *in.PolicyArn, func(p *iam.Policy) error {
		i := slices.IndexFunc(p.Versions, func(v iam.Version) bool { return v.ID == *in.VersionId })
		switch {
		case i < 0:
			return noVersion(p, *in.VersionId)
		case p.Default == *in.VersionId:
			return fault.New(fault.Conflict, "DeleteConflict", "Cannot delete the default version of a policy.")
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return nil
	})
	return &wire.DeletePolicyVersionOutput{}, err
}

// listPolicyVersions lists the newest first, as IAM does. There are never more than a page.
func (s *server) listPolicyVersions(_ context.Context, _ *apiserver.Call, in *wire.ListPolicyVersionsInput) (*wire.ListPolicyVersionsOutput, error) {
	p, err := s.Policy(*in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := &wire.ListPolicyVersionsOutput{Versions: []*wire.PolicyVersion{}, IsTruncated: new(bool)}
	for _, v := range slices.Backward(p.Versions) {
		out.Versions = append(out.Versions, versionShape(p, v))
	}
	return out, nil
}

func (s *server) setDefaultPolicyVersion(ctx context.Context, _ *apiserver.Call, in *wire.SetDefaultPolicyVersionInput) (*wire.SetDefaultPolicyVersionOutput, error) {
	_, err := s.ChangePolicy(ctx, *in.PolicyArn, func(p *iam.Policy) error {
		if !slices.ContainsFunc(p.Versions, func(v iam.Version) bool { return v.ID == *in.VersionId }) {
			return noVersion(p, *in.VersionId)
		}
		p.Default = *in.VersionId
		return nil
	})
	return &wire.SetDefaultPolicyVersionOutput{}, err
}

func (s *server) listEntitiesForPolicy(_ context.Context, _ *apiserver.Call, in *wire.ListEntitiesForPolicyInput) (*wire.ListEntitiesForPolicyOutput, error) {
	if _, err := s.Policy(*in.PolicyArn); err != nil {
		return nil, err
	}
	found, bounds := s.Uses(*in.PolicyArn)
	switch in.PolicyUsageFilter {
	case "PermissionsBoundary":
		found = bounds
	case "":
		for _, b := range bounds {
			if !slices.Contains(found, b) {
				found = append(found, b)
			}
		}
	}
	out := &wire.ListEntitiesForPolicyOutput{PolicyGroups: []*wire.PolicyGroup{}, PolicyRoles: []*wire.PolicyRole{}, PolicyUsers: []*wire.PolicyUser{}}
	order := func(p *iam.Principal) string { return fmt.Sprintf("%s/%s", p.Kind, p.Name) }
	slices.SortFunc(found, func(a, b *iam.Principal) int {
		if order(a) < order(b) {
			return -1
		}
		return 1
	})
	found = slices.DeleteFunc(found, func(p *iam.Principal) bool {
		return !within(p.Path, in.PathPrefix) ||
			in.EntityFilter != "" && (in.EntityFilter != wire.EntityTypeUser || p.Kind != iam.KindUser) && (in.EntityFilter != wire.EntityTypeRole || p.Kind != iam.KindRole)
	})
	var err error
	found, out.IsTruncated, out.Marker, err = page(found, order, in.Marker, in.MaxItems)
	for _, p := range found {
		if p.Kind == iam.KindRole {
			out.PolicyRoles = append(out.PolicyRoles, &wire.PolicyRole{RoleName: &p.Name, RoleId: &p.ID})
		} else {
			out.PolicyUsers = append(out.PolicyUsers, &wire.PolicyUser{UserName: &p.Name, UserId: &p.ID})
		}
	}
	return out, err
}
