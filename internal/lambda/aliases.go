package lambda

import (
	"context"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/lambda"
	"vodwright.dev/vodwright/internal/function"
)

func (a *API) createAlias(ctx context.Context, _ *apiserver.Call, in *wire.CreateAliasInput) (*wire.CreateAliasOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	x, err := a.fns.PutAlias(ctx, name, value(in.Name), true, func(x *function.Alias) error {
		x.Version, x.Description = value(in.FunctionVersion), value(in.Description)
		if in.RoutingConfig != nil {
			x.Weights = in.RoutingConfig.AdditionalVersionWeights
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return aliasConfiguration(a.fns.ARN(name, x.Name), x), nil
}

func (a *API) updateAlias(ctx context.Context, _ *apiserver.Call, in *wire.UpdateAliasInput) (*wire.UpdateAliasOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	x, err := a.fns.PutAlias(ctx, name, value(in.Name), false, func(x *function.Alias) error {
		if err := function.CheckRevision(value(in.RevisionId), x.Revision); err != nil {
			return err
		}
		if in.FunctionVersion != nil {
			x.Version = *in.FunctionVersion
		}
		if in.Description != nil {
			x.Description = *in.Description
		}
		if in.RoutingConfig != nil {
			x.Weights = in.RoutingConfig.AdditionalVersionWeights
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return aliasConfiguration(a.fns.ARN(name, x.Name), x), nil
}

func (a *API) getAlias(ctx context.Context, _ *apiserver.Call, in *wire.GetAliasInput) (*wire.GetAliasOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	x, err := a.fns.Alias(ctx, name, value(in.Name))
	if err != nil {
		return nil, err
	}
	return aliasConfiguration(a.fns.ARN(name, x.Name), x), nil
}

func (a *API) deleteAlias(ctx context.Context, _ *apiserver.Call, in *wire.DeleteAliasInput) (*wire.DeleteAliasOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	return &wire.DeleteAliasOutput{}, a.fns.DeleteAlias(ctx, name, value(in.Name))
}

func (a *API) listAliases(ctx context.Context, _ *apiserver.Call, in *wire.ListAliasesInput) (*wire.ListAliasesOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	fn, _, err := a.fns.Get(ctx, name, "")
	if err != nil {
		return nil, err
	}
	list := []*wire.AliasConfiguration{}
	for _, x := range fn.Aliases {
		if in.FunctionVersion == nil || *in.FunctionVersion == x.Version {
			list = append(list, aliasConfiguration(a.fns.ARN(name, x.Name), x))
		}
	}
	out := &wire.ListAliasesOutput{}
	out.Aliases, out.NextMarker = pageOf(list, in.Marker, in.MaxItems, 50, func(c *wire.AliasConfiguration) string { return *c.Name })
	return out, nil
}
