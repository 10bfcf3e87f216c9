package lambda

import (
	"context"
	"maps"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/lambda"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function"
)

func (a *API) addPermission(ctx context.Context, _ *apiserver.Call, in *wire.AddPermissionInput) (*wire.AddPermissionOutput, error) {
	name, qualifier, err := a.parse(in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	p := function.Permission{
		ID: value(in.StatementId), Principal: value(in.Principal), Action: value(in.Action), SourceARN: value(in.SourceArn),
		SourceAccount: value(in.SourceAccount), Organization: value(in.PrincipalOrgID), Token: value(in.EventSourceToken), URLAuth: string(in.FunctionUrlAuthType),
	}
	service := strings.HasSuffix(p.Principal, ".amazonaws.com")
	account := len(p.Principal) == 12 && strings.Trim(p.Principal, "0123456789") == ""
	if !service && !account && p.Principal != "*" && !strings.HasPrefix(p.Principal, "arn:aws:iam::") && !strings.HasPrefix(p.Principal, "arn:aws:sts::") {
		return nil, invalid("The provided principal was invalid. Please check the principal and try again.").
			WithHint("it is a service such as s3.amazonaws.com, an account, or the ARN of a role or user")
	}
	s, err := a.fns.AddPermission(ctx, name, qualifier, value(in.RevisionId), p)
	if err != nil {
		return nil, err
	}
	return &wire.AddPermissionOutput{Statement: new(string(s))}, nil
}

func (a *API) removePermission(ctx context.Context, _ *apiserver.Call, in *wire.RemovePermissionInput) (*wire.RemovePermissionOutput, error) {
	name, qualifier, err := a.parse(in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return &wire.RemovePermissionOutput{}, a.fns.RemovePermission(ctx, name, qualifier, value(in.RevisionId), value(in.StatementId))
}

func (a *API) getPolicy(ctx context.Context, _ *apiserver.Call, in *wire.GetPolicyInput) (*wire.GetPolicyOutput, error) {
	name, qualifier, err := a.parse(in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	fn, _, err := a.fns.Get(ctx, name, qualifier)
	if err != nil {
		return nil, err
	}
	doc := a.fns.Policy(fn, qualifier)
	if doc == nil {
		return nil, fault.New(fault.NotFound, function.CodeNotFound, "The resource you requested does not exist.")
	}
	if qualifier == function.Latest {
		qualifier = ""
	}
	return &wire.GetPolicyOutput{Policy: new(string(doc)), RevisionId: new(fn.PolicyIDs[qualifier])}, nil
}

// tagged reads the ARN of a function that has tags.
func (a *API) tagged(resource *string) (string, error) {
	if !strings.HasPrefix(value(resource), "arn:") {
		return "", invalid("%q is not an ARN", value(resource))
	}
	return a.unqualified(resource)
}

func (a *API) listTags(ctx context.Context, _ *apiserver.Call, in *wire.ListTagsInput) (*wire.ListTagsOutput, error) {
	name, err := a.tagged(in.Resource)
	if err != nil {
		return nil, err
	}
	fn, _, err := a.fns.Get(ctx, name, "")
	tags := map[string]string{}
	maps.Copy(tags, fn.Tags)
	return &wire.ListTagsOutput{Tags: tags}, err
}

// maxTags is the limit of a resource.
const maxTags = 50

func (a *API) tagResource(ctx context.Context, _ *apiserver.Call, in *wire.TagResourceInput) (*wire.TagResourceOutput, error) {
	name, err := a.tagged(in.Resource)
	if err != nil {
		return nil, err
	}
	_, err = a.fns.Change(ctx, name, func(fn *function.Function) error {
		if fn.Tags == nil {
			fn.Tags = map[string]string{}
		}
		maps.Copy(fn.Tags, in.Tags)
		if len(fn.Tags) > maxTags {
			return invalid("a function has at most %d tags", maxTags)
		}
		return nil
	})
	return &wire.TagResourceOutput{}, err
}

func (a *API) untagResource(ctx context.Context, _ *apiserver.Call, in *wire.UntagResourceInput) (*wire.UntagResourceOutput, error) {
	name, err := a.tagged(in.Resource)
	if err != nil {
		return nil, err
	}
	_, err = a.fns.Change(ctx, name, func(fn *function.Function) error {
		for _, k := range in.TagKeys {
			delete(fn.Tags, k)
		}
		return nil
	})
	return &wire.UntagResourceOutput{}, err
}
