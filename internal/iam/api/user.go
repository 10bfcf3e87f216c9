package api

import (
	"context"
	"slices"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/iam"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
)

func (s *server) users() map[string]apiserver.Handler {
	return map[string]apiserver.Handler{
		"CreateUser": apiserver.Handle(s.createUser),
		"GetUser":    apiserver.Handle(s.getUser),
		"UpdateUser": apiserver.Handle(s.updateUser),
		"DeleteUser": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.DeleteUserInput) (*wire.DeleteUserOutput, error) {
			return &wire.DeleteUserOutput{}, s.Delete(ctx, iam.KindUser, *in.UserName)
		}),
		"ListUsers": apiserver.Handle(s.listUsers),

		"CreateAccessKey":      apiserver.Handle(s.createAccessKey),
		"UpdateAccessKey":      apiserver.Handle(s.updateAccessKey),
		"DeleteAccessKey":      apiserver.Handle(s.deleteAccessKey),
		"ListAccessKeys":       apiserver.Handle(s.listAccessKeys),
		"GetAccessKeyLastUsed": apiserver.Handle(s.getAccessKeyLastUsed),

		"PutUserPolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.PutUserPolicyInput) (*wire.PutUserPolicyOutput, error) {
			return &wire.PutUserPolicyOutput{}, s.putInline(ctx, iam.KindUser, in.UserName, in.PolicyName, in.PolicyDocument)
		}),
		"GetUserPolicy": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.GetUserPolicyInput) (*wire.GetUserPolicyOutput, error) {
			doc, err := s.inline(iam.KindUser, in.UserName, in.PolicyName)
			return &wire.GetUserPolicyOutput{UserName: in.UserName, PolicyName: in.PolicyName, PolicyDocument: encoded(doc)}, err
		}),
		"DeleteUserPolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.DeleteUserPolicyInput) (*wire.DeleteUserPolicyOutput, error) {
			return &wire.DeleteUserPolicyOutput{}, s.deleteInline(ctx, iam.KindUser, in.UserName, in.PolicyName)
		}),
		"ListUserPolicies": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListUserPoliciesInput) (*wire.ListUserPoliciesOutput, error) {
			p, err := s.Get(iam.KindUser, *in.UserName)
			if err != nil {
				return nil, err
			}
			out := &wire.ListUserPoliciesOutput{}
			out.PolicyNames, out.IsTruncated, out.Marker, err = page(inlineNames(p), itself, in.Marker, in.MaxItems)
			return out, err
		}),
		"AttachUserPolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.AttachUserPolicyInput) (*wire.AttachUserPolicyOutput, error) {
			return &wire.AttachUserPolicyOutput{}, s.attach(ctx, iam.KindUser, in.UserName, in.PolicyArn)
		}),
		"DetachUserPolicy": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.DetachUserPolicyInput) (*wire.DetachUserPolicyOutput, error) {
			return &wire.DetachUserPolicyOutput{}, s.detach(ctx, iam.KindUser, in.UserName, in.PolicyArn)
		}),
		"ListAttachedUserPolicies": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListAttachedUserPoliciesInput) (*wire.ListAttachedUserPoliciesOutput, error) {
			p, err := s.Get(iam.KindUser, *in.UserName)
			if err != nil {
				return nil, err
			}
			out := &wire.ListAttachedUserPoliciesOutput{}
			out.AttachedPolicies, out.IsTruncated, out.Marker, err = page(s.attachedList(p, in.PathPrefix), attachedARN, in.Marker, in.MaxItems)
			return out, err
		}),
		"PutUserPermissionsBoundary": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.PutUserPermissionsBoundaryInput) (*wire.PutUserPermissionsBoundaryOutput, error) {
			return &wire.PutUserPermissionsBoundaryOutput{}, s.bound(ctx, iam.KindUser, in.UserName, *in.PermissionsBoundary)
		}),
		"DeleteUserPermissionsBoundary": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.DeleteUserPermissionsBoundaryInput) (*wire.DeleteUserPermissionsBoundaryOutput, error) {
			return &wire.DeleteUserPermissionsBoundaryOutput{}, s.bound(ctx, iam.KindUser, in.UserName, "")
		}),
		"TagUser": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.TagUserInput) (*wire.TagUserOutput, error) {
			return &wire.TagUserOutput{}, s.tag(ctx, iam.KindUser, in.UserName, in.Tags)
		}),
		"UntagUser": apiserver.Handle(func(ctx context.Context, _ *apiserver.Call, in *wire.UntagUserInput) (*wire.UntagUserOutput, error) {
			return &wire.UntagUserOutput{}, s.untag(ctx, iam.KindUser, in.UserName, in.TagKeys)
		}),
		"ListUserTags": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListUserTagsInput) (*wire.ListUserTagsOutput, error) {
			p, err := s.Get(iam.KindUser, *in.UserName)
			if err != nil {
				return nil, err
			}
			out := &wire.ListUserTagsOutput{}
			out.Tags, out.IsTruncated, out.Marker, err = page(tagList(p.Tags), tagKey, in.Marker, in.MaxItems)
			return out, err
		}),
	}
}

func userShape(p *iam.Principal) *wire.User {
	arn := p.ARN()
	u := &wire.User{
		UserName: &p.Name, Path: &p.Path, UserId: &p.ID, Arn: &arn, CreateDate: awsapi.At(p.Created),
		PermissionsBoundary: boundaryOf(p),
	}
	if len(p.Tags) > 0 {
		u.Tags = tagList(p.Tags)
	}
	return u
}

func (s *server) createUser(ctx context.Context, _ *apiserver.Call, in *wire.CreateUserInput) (*wire.CreateUserOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	p, err := s.Create(ctx, iam.Principal{Kind: iam.KindUser, Name: *in.UserName, Path: pathOf(in.Path), Tags: tags, Boundary: text(in.PermissionsBoundary)})
	if err != nil {
		return nil, err
	}
	return &wire.CreateUserOutput{User: userShape(p)}, nil
}

func (s *server) getUser(_ context.Context, call *apiserver.Call, in *wire.GetUserInput) (*wire.GetUserOutput, error) {
	if in.UserName == nil && call.Identity.ARN == iam.RootARN {
		arn, id, name, path := iam.RootARN, iam.AccountID, "root", "/"
		return &wire.GetUserOutput{User: &wire.User{Arn: &arn, UserId: &id, UserName: &name, Path: &path, CreateDate: awsapi.At(rootCreated)}}, nil
	}
	name, err := s.own(call, in.UserName)
	if err != nil {
		return nil, err
	}
	p, err := s.Get(iam.KindUser, name)
	if err != nil {
		return nil, err
	}
	return &wire.GetUserOutput{User: userShape(p)}, nil
}

func (s *server) updateUser(ctx context.Context, _ *apiserver.Call, in *wire.UpdateUserInput) (*wire.UpdateUserOutput, error) {
	return &wire.UpdateUserOutput{}, s.change(ctx, iam.KindUser, in.UserName, func(p *iam.Principal) error {
		if in.NewUserName != nil {
			p.Name = *in.NewUserName
		}
		if in.NewPath != nil {
			p.Path = *in.NewPath
		}
		return nil
	})
}

func (s *server) listUsers(_ context.Context, _ *apiserver.Call, in *wire.ListUsersInput) (*wire.ListUsersOutput, error) {
	out := &wire.ListUsersOutput{}
	found, truncated, next, err := page(s.List(iam.KindUser, text(in.PathPrefix)), func(p *iam.Principal) string { return p.Name }, in.Marker, in.MaxItems)
	out.Users, out.IsTruncated, out.Marker = []*wire.User{}, truncated, next
	for _, p := range found {
		u := userShape(p)
		u.Tags, u.PermissionsBoundary = nil, nil // the list has not
		out.Users = append(out.Users, u)
	}
	return out, err
}

func status(k iam.AccessKey) wire.StatusType {
	if k.Inactive {
		return wire.StatusTypeInactive
	}
	return wire.StatusTypeActive
}

func (s *server) createAccessKey(ctx context.Context, call *apiserver.Call, in *wire.CreateAccessKeyInput) (*wire.CreateAccessKeyOutput, error) {
	name, err := s.own(call, in.UserName)
	if err != nil {
		return nil, err
	}
	var k iam.AccessKey
	p, err := s.Change(ctx, iam.KindUser, name, func(p *iam.Principal) error {
		k = s.NewAccessKey()
		p.Keys = append(p.Keys, k)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &wire.CreateAccessKeyOutput{AccessKey: &wire.AccessKey{
		UserName: &p.Name, AccessKeyId: &k.ID, SecretAccessKey: &k.Secret, Status: status(k), CreateDate: awsapi.At(k.Created),
	}}, nil
}

// changeKey changes one key of a user, by its place.
func (s *server) changeKey(ctx context.Context, call *apiserver.Call, user, id *string, fn func(p *iam.Principal, i int) error) error {
	name, err := s.own(call, user)
	if err != nil {
		return err
	}
	return s.change(ctx, iam.KindUser, &name, func(p *iam.Principal) error {
		i := slices.IndexFunc(p.Keys, func(k iam.AccessKey) bool { return k.ID == *id })
		if i < 0 {
			return noSuchEntity("The Access Key with id %s cannot be found.", *id)
		}
		return fn(p, i)
	})
}

func (s *server) updateAccessKey(ctx context.Context, call *apiserver.Call, in *wire.UpdateAccessKeyInput) (*wire.UpdateAccessKeyOutput, error) {
	return &wire.UpdateAccessKeyOutput{}, s.changeKey(ctx, call, in.UserName, in.AccessKeyId, func(p *iam.Principal, i int) error {
		if in.Status == wire.StatusTypeExpired {
			return fault.New(fault.Invalid, "InvalidInput", "A key is made Active or Inactive; it cannot be made to expire.")
		}
		p.Keys[i].Inactive = in.Status == wire.StatusTypeInactive
		return nil
	})
}

func (s *server) deleteAccessKey(ctx context.Context, call *apiserver.Call, in *wire.DeleteAccessKeyInput) (*wire.DeleteAccessKeyOutput, error) {
	return &wire.DeleteAccessKeyOutput{}, s.changeKey(ctx, call, in.UserName, in.AccessKeyId, func(p *iam.Principal, i int) error {
		p.Keys = slices.Delete(p.Keys, i, i+1)
		return nil
	})
}

func (s *server) listAccessKeys(_ context.Context, call *apiserver.Call, in *wire.ListAccessKeysInput) (*wire.ListAccessKeysOutput, error) {
	out := &wire.ListAccessKeysOutput{AccessKeyMetadata: []*wire.AccessKeyMetadata{}, IsTruncated: new(bool)}
	if in.UserName == nil && call.Identity.ARN == iam.RootARN {
		return out, nil // the root key is no record
	}
	name, err := s.own(call, in.UserName)
	if err != nil {
		return nil, err
	}
	p, err := s.Get(iam.KindUser, name)
	if err != nil {
		return nil, err
	}
	for _, k := range p.Keys { // never more than a page
		out.AccessKeyMetadata = append(out.AccessKeyMetadata, &wire.AccessKeyMetadata{
			UserName: &p.Name, AccessKeyId: &k.ID, Status: status(k), CreateDate: awsapi.At(k.Created),
		})
	}
	return out, nil
}

func (s *server) getAccessKeyLastUsed(_ context.Context, _ *apiserver.Call, in *wire.GetAccessKeyLastUsedInput) (*wire.GetAccessKeyLastUsedOutput, error) {
	user, ok := s.UserOfKey(*in.AccessKeyId)
	if !ok { // IAM does not tell a key that is not there from one that is another's
		return nil, fault.New(fault.Denied, iam.CodeAccessDenied, "The Access Key with id %s cannot be found.", *in.AccessKeyId)
	}
	none := "N/A"
	last := &wire.AccessKeyLastUsed{Region: &none, ServiceName: &none}
	if u, ok := s.LastUse(*in.AccessKeyId); ok {
		last = &wire.AccessKeyLastUsed{LastUsedDate: awsapi.At(u.At), Region: &u.Region, ServiceName: &u.Service}
	}
	return &wire.GetAccessKeyLastUsedOutput{UserName: &user.Name, AccessKeyLastUsed: last}, nil
}
