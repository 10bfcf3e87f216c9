package lambda

import (
	"context"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/lambda"
	"vodwright.dev/vodwright/internal/function"
	"vodwright.dev/vodwright/internal/function/code"
)

func (a *API) putConcurrency(ctx context.Context, _ *apiserver.Call, in *wire.PutFunctionConcurrencyInput) (*wire.PutFunctionConcurrencyOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	want := int(value(in.ReservedConcurrentExecutions))
	fn, err := a.fns.Reserve(ctx, name, &want)
	if err != nil {
		return nil, err
	}
	return &wire.PutFunctionConcurrencyOutput{ReservedConcurrentExecutions: new(int32(*fn.Reserved))}, nil
}

func (a *API) getConcurrency(ctx context.Context, _ *apiserver.Call, in *wire.GetFunctionConcurrencyInput) (*wire.GetFunctionConcurrencyOutput, error) {
	fn, _, _, err := a.get(ctx, in.FunctionName, nil)
	out := &wire.GetFunctionConcurrencyOutput{}
	if fn.Reserved != nil {
		out.ReservedConcurrentExecutions = new(int32(*fn.Reserved))
	}
	return out, err
}

func (a *API) deleteConcurrency(ctx context.Context, _ *apiserver.Call, in *wire.DeleteFunctionConcurrencyInput) (*wire.DeleteFunctionConcurrencyOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	_, err = a.fns.Reserve(ctx, name, nil)
	return &wire.DeleteFunctionConcurrencyOutput{}, err
}

func (a *API) putRecursion(ctx context.Context, _ *apiserver.Call, in *wire.PutFunctionRecursionConfigInput) (*wire.PutFunctionRecursionConfigOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	_, err = a.fns.Change(ctx, name, func(fn *function.Function) error {
		fn.AllowRecursion = in.RecursiveLoop == wire.RecursiveLoopAllow
		return nil
	})
	return &wire.PutFunctionRecursionConfigOutput{RecursiveLoop: in.RecursiveLoop}, err
}

func (a *API) getRecursion(ctx context.Context, _ *apiserver.Call, in *wire.GetFunctionRecursionConfigInput) (*wire.GetFunctionRecursionConfigOutput, error) {
	fn, _, _, err := a.get(ctx, in.FunctionName, nil)
	out := &wire.GetFunctionRecursionConfigOutput{RecursiveLoop: wire.RecursiveLoopTerminate}
	if fn.AllowRecursion {
		out.RecursiveLoop = wire.RecursiveLoopAllow
	}
	return out, err
}

func (a *API) getCodeSigning(ctx context.Context, _ *apiserver.Call, in *wire.GetFunctionCodeSigningConfigInput) (*wire.GetFunctionCodeSigningConfigOutput, error) {
	fn, _, _, err := a.get(ctx, in.FunctionName, nil)
	return &wire.GetFunctionCodeSigningConfigOutput{FunctionName: &fn.Name, CodeSigningConfigArn: new("")}, err
}

func (a *API) getRuntimeManagement(ctx context.Context, _ *apiserver.Call, in *wire.GetRuntimeManagementConfigInput) (*wire.GetRuntimeManagementConfigOutput, error) {
	_, c, _, err := a.get(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return &wire.GetRuntimeManagementConfigOutput{FunctionArn: c.FunctionArn, UpdateRuntimeOn: wire.UpdateRuntimeOnAuto}, nil
}

func (a *API) getAccountSettings(ctx context.Context, _ *apiserver.Call, _ *wire.GetAccountSettingsInput) (*wire.GetAccountSettingsOutput, error) {
	u, err := a.fns.Usage(ctx)
	if err != nil {
		return nil, err
	}
	return &wire.GetAccountSettingsOutput{
		AccountLimit: &wire.AccountLimit{
			TotalCodeSize: new(int64(function.MaxCode)), CodeSizeUnzipped: new(int64(code.MaxUnzipped)), CodeSizeZipped: new(int64(maxDirect)),
			ConcurrentExecutions: new(int32(u.Concurrency)), UnreservedConcurrentExecutions: new(int32(u.Unreserved)),
		},
		AccountUsage: &wire.AccountUsage{TotalCodeSize: &u.CodeSize, FunctionCount: new(int64(u.Functions))},
	}, nil
}

func (a *API) listEventSourceMappings(context.Context, *apiserver.Call, *wire.ListEventSourceMappingsInput) (*wire.ListEventSourceMappingsOutput, error) {
	return &wire.ListEventSourceMappingsOutput{EventSourceMappings: []*wire.EventSourceMappingConfiguration{}}, nil
}

func (a *API) listLayers(context.Context, *apiserver.Call, *wire.ListLayersInput) (*wire.ListLayersOutput, error) {
	return &wire.ListLayersOutput{Layers: []*wire.LayersListItem{}}, nil
}
