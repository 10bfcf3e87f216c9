package api

import (
	"context"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/iam"
	"vodwright.dev/vodwright/internal/iam"
)

func (s *server) roles() map[string]apiserver.Handler {
	return map[string]apiserver.Handler{
		"CreateRole": apiserver.Handle(s.createRole),
		"GetRole": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.GetRoleInput) (*wire.GetRoleOutput, error) {
			p, err := s.Get(iam.KindRole, *in.RoleName)
			if err != nil {
				return nil, err
			}
			role := roleShape(p)
			role.RoleLastUsed = &wire.RoleLastUsed{}
			return &wire.GetRoleOutput{Role: role}, nil
		}),
		"UpdateRole": apiserver.Handle(s.updateRole),
		"UpdateRoleDescription": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.UpdateRoleDescriptionInput) (*wire.UpdateRoleDescriptionOutput, error) {
			p, err := s.Change(ctx, iam.KindRole, *in.RoleName, func(p *iam.Principal) error { p.Description = *in.Description; return nil })
			if err != nil {
				return nil, err
			}
			return &wire.UpdateRoleDescriptionOutput{Role: roleShape(p)}, nil
		}),
		"UpdateAssumeRolePolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.UpdateAssumeRolePolicyInput) (*wire.UpdateAssumeRolePolicyOutput, error) {
			return &wire.UpdateAssumeRolePolicyOutput{}, s.change(ctx, iam.KindRole, in.RoleName, func(p *iam.Principal) error {
				p.Trust = *in.PolicyDocument
				return nil
			})
		}),
		"DeleteRole": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.DeleteRoleInput) (*wire.DeleteRoleOutput, error) {
			return &wire.DeleteRoleOutput{}, s.Delete(ctx, iam.KindRole, *in.RoleName)
		}),
		"ListRoles": apiserver.Handle(s.listRoles),

		"PutRolePolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.PutRolePolicyInput) (*wire.PutRolePolicyOutput, error) {
			return &wire.PutRolePolicyOutput{}, s.putInline(ctx, iam.KindRole, in.RoleName, in.PolicyName, in.PolicyDocument)
		}),
		"GetRolePolicy": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.GetRolePolicyInput) (*wire.GetRolePolicyOutput, error) {
			doc, err := s.inline(iam.KindRole, in.RoleName, in.PolicyName)
			return &wire.GetRolePolicyOutput{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: encoded(doc)}, err
		}),
		"DeleteRolePolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.DeleteRolePolicyInput) (*wire.DeleteRolePolicyOutput, error) {
			return &wire.DeleteRolePolicyOutput{}, s.deleteInline(ctx, iam.KindRole, in.RoleName, in.PolicyName)
		}),
		"ListRolePolicies": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListRolePoliciesInput) (*wire.ListRolePoliciesOutput, error) {
			p, err := s.Get(iam.KindRole, *in.RoleName)
			if err != nil {
				return nil, err
			}
			out := &wire.ListRolePoliciesOutput{}
			out.PolicyNames, out.IsTruncated, out.Marker, err = page(inlineNames(p), itself, in.Marker, in.MaxItems)
			return out, err
		}),
		"AttachRolePolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.AttachRolePolicyInput) (*wire.AttachRolePolicyOutput, error) {
			return &wire.AttachRolePolicyOutput{}, s.attach(ctx, iam.KindRole, in.RoleName, in.PolicyArn)
		}),
		"DetachRolePolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.DetachRolePolicyInput) (*wire.DetachRolePolicyOutput, error) {
			return &wire.DetachRolePolicyOutput{}, s.detach(ctx, iam.KindRole, in.RoleName, in.PolicyArn)
		}),
		"ListAttachedRolePolicies": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListAttachedRolePoliciesInput) (*wire.ListAttachedRolePoliciesOutput, error) {
			p, err := s.Get(iam.KindRole, *in.RoleName)
			if err != nil {
				return nil, err
			}
			out := &wire.ListAttachedRolePoliciesOutput{}
			out.AttachedPolicies, out.IsTruncated, out.Marker, err = page(s.attachedList(p, in.PathPrefix), attachedARN, in.Marker, in.MaxItems)
			return out, err
		}),
		"PutRolePermissionsBoundary": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.PutRolePermissionsBoundaryInput) (*wire.PutRolePermissionsBoundaryOutput, error) {
			return &wire.PutRolePermissionsBoundaryOutput{}, s.bound(ctx, iam.KindRole, in.RoleName, *in.PermissionsBoundary)
		}),
		"DeleteRolePermissionsBoundary": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.DeleteRolePermissionsBoundaryInput) (*wire.DeleteRolePermissionsBoundaryOutput, error) {
			return &wire.DeleteRolePermissionsBoundaryOutput{}, s.bound(ctx, iam.KindRole, in.RoleName, "")
		}),
		"TagRole": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.TagRoleInput) (*wire.TagRoleOutput, error) {
			return &wire.TagRoleOutput{}, s.tag(ctx, iam.KindRole, in.RoleName, in.Tags)
		}),
		"UntagRole": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.UntagRoleInput) (*wire.UntagRoleOutput, error) {
			return &wire.UntagRoleOutput{}, s.untag(ctx, iam.KindRole, in.RoleName, in.TagKeys)
		}),
		"ListRoleTags": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListRoleTagsInput) (*wire.ListRoleTagsOutput, error) {
			p, err := s.Get(iam.KindRole, *in.RoleName)
			if err != nil {
				return nil, err
			}
			out := &wire.ListRoleTagsOutput{}
			out.Tags, out.IsTruncated, out.Marker, err = page(tagList(p.Tags), tagKey, in.Marker, in.MaxItems)
			return out, err
		}),
	}
}

func roleShape(p *iam.Principal) *wire.Role {
	arn, longest := p.ARN(), int32(p.MaxSession/time.Second)
	r := &wire.Role{
		RoleName: &p.Name, Path: &p.Path, RoleId: &p.ID, Arn: &arn, CreateDate: awsapi.At(p.Created),
		AssumeRolePolicyDocument: encoded(p.Trust), Description: optional(p.Description), MaxSessionDuration: &longest,
		PermissionsBoundary: boundaryOf(p),
	}
	if len(p.Tags) > 0 {
		r.Tags = tagList(p.Tags)
	}
	return r
}

func (s *server) createRole(ctx context.Context, _ *apiserver.Call, in *wire.CreateRoleInput) (*wire.CreateRoleOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	longest := iam.DefaultSession
	if in.MaxSessionDuration != nil {
		longest = time.Duration(*in.MaxSessionDuration) * time.Second
	}
	p, err := s.Create(ctx, iam.Principal{
		Kind: iam.KindRole, Name: *in.RoleName, Path: pathOf(in.Path), Tags: tags, Boundary: text(in.PermissionsBoundary),
		Description: text(in.Description), MaxSession: longest, Trust: *in.AssumeRolePolicyDocument,
	})
	if err != nil {
		return nil, err
	}
	return &wire.CreateRoleOutput{Role: roleShape(p)}, nil
}

// updateRole replaces both: an absent description is removed, an absent duration an hour.
func (s *server) updateRole(ctx context.Context, _ *apiserver.Call, in *wire.UpdateRoleInput) (*wire.UpdateRoleOutput, error) {
	return &wire.UpdateRoleOutput{}, s.change(ctx, iam.KindRole, in.RoleName, func(p *iam.Principal) error {
		if in.Description != nil {
			p.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			p.MaxSession = time.Duration(*in.MaxSessionDuration) * time.Second
		}
		return nil
	})
}

func (s *server) listRoles(_ context.Context, _ *apiserver.Call, in *wire.ListRolesInput) (*wire.ListRolesOutput, error) {
	out := &wire.ListRolesOutput{}
	found, truncated, next, err := page(s.List(iam.KindRole, text(in.PathPrefix)), func(p *iam.Principal) string { return p.Name }, in.Marker, in.MaxItems)
	out.Roles, out.IsTruncated, out.Marker = []*wire.Role{}, truncated, next
	for _, p := range found {
		r := roleShape(p)
		r.Tags, r.PermissionsBoundary = nil, nil // the list has not
		out.Roles = append(out.Roles, r)
	}
	return out, err
}
