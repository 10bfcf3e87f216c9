package lambda

import (
	"context"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/lambda"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function"
)

func (a *API) putEventInvokeConfig(ctx context.Context, _ *apiserver.Call, in *wire.PutFunctionEventInvokeConfigInput) (*wire.PutFunctionEventInvokeConfigOutput, error) {
	return a.setEventInvokeConfig(ctx, in.FunctionName, in.Qualifier, in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig, false)
}

func (a *API) updateEventInvokeConfig(ctx context.Context, _ *apiserver.Call, in *wire.UpdateFunctionEventInvokeConfigInput) (*wire.UpdateFunctionEventInvokeConfigOutput, error) {
	return a.setEventInvokeConfig(ctx, in.FunctionName, in.Qualifier, in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig, true)
}

// qualified reads a name whose configuration for events is meant.
func (a *API) qualified(ctx context.Context, name, qualifier *string) (fn function.Function, key string, err error) {
	n, q, err := a.parse(name, qualifier)
	if err != nil {
		return fn, "", err
	}
	if q == "" {
		q = function.Latest
	}
	fn, _, err = a.fns.Get(ctx, n, q)
	return fn, q, err
}

func (a *API) setEventInvokeConfig(ctx context.Context, name, qualifier *string, retries, age *int32, to *wire.DestinationConfig, merge bool) (*wire.FunctionEventInvokeConfig, error) {
	fn, key, err := a.qualified(ctx, name, qualifier)
	if err != nil {
		return nil, err
	}
	var onSuccess, onFailure *string
	if to != nil && to.OnSuccess != nil {
		onSuccess = to.OnSuccess.Destination
	}
	if to != nil && to.OnFailure != nil {
		onFailure = to.OnFailure.Destination
	}
	for _, arn := range []*string{onSuccess, onFailure} {
		if value(arn) != "" {
			if err := function.CheckTarget(*arn); err != nil {
				return nil, err
			}
		}
	}
	changed, err := a.fns.Change(ctx, fn.Name, func(fn *function.Function) error {
		have, was := fn.AsyncOf(key)
		if merge && !was {
			return noEventInvokeConfig(a.fns.ARN(fn.Name, key))
		}
		if !merge {
			have = function.Async{}
		}
		if retries != nil {
			have.MaxRetries = new(int(*retries))
		}
		if age != nil {
			have.MaxAge = new(int(*age))
		}
		if onSuccess != nil {
			have.OnSuccess = *onSuccess
		}
		if onFailure != nil {
			have.OnFailure = *onFailure
		}
		have.Modified = a.cfg.Now().UTC()
		if fn.Async == nil {
			fn.Async = map[string]function.Async{}
		}
		fn.Async[key] = have
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a.eventInvokeConfig(changed, key), nil
}

func noEventInvokeConfig(arn string) error {
	return fault.New(fault.NotFound, function.CodeNotFound, "The function %s doesn't have an EventInvokeConfig", arn)
}

func (a *API) eventInvokeConfig(fn function.Function, key string) *wire.FunctionEventInvokeConfig {
	have := fn.Async[key]
	c := &wire.FunctionEventInvokeConfig{
		FunctionArn: new(a.fns.ARN(fn.Name, key)), LastModified: &awsapi.Timestamp{Time: have.Modified},
		DestinationConfig: &wire.DestinationConfig{OnSuccess: &wire.OnSuccess{Destination: optional(have.OnSuccess)}, OnFailure: &wire.OnFailure{Destination: optional(have.OnFailure)}},
	}
	if have.MaxRetries != nil {
		c.MaximumRetryAttempts = new(int32(*have.MaxRetries))
	}
	if have.MaxAge != nil {
		c.MaximumEventAgeInSeconds = new(int32(*have.MaxAge))
	}
	return c
}

func (a *API) getEventInvokeConfig(ctx context.Context, _ *apiserver.Call, in *wire.GetFunctionEventInvokeConfigInput) (*wire.GetFunctionEventInvokeConfigOutput, error) {
	fn, key, err := a.qualified(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if _, ok := fn.AsyncOf(key); !ok {
		return nil, noEventInvokeConfig(a.fns.ARN(fn.Name, key))
	}
	return a.eventInvokeConfig(fn, key), nil
}

func (a *API) deleteEventInvokeConfig(ctx context.Context, _ *apiserver.Call, in *wire.DeleteFunctionEventInvokeConfigInput) (*wire.DeleteFunctionEventInvokeConfigOutput, error) {
	fn, key, err := a.qualified(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	_, err = a.fns.Change(ctx, fn.Name, func(fn *function.Function) error {
		if _, ok := fn.AsyncOf(key); !ok {
			return noEventInvokeConfig(a.fns.ARN(fn.Name, key))
		}
		delete(fn.Async, key)
		return nil
	})
	return &wire.DeleteFunctionEventInvokeConfigOutput{}, err
}

func (a *API) listEventInvokeConfigs(ctx context.Context, _ *apiserver.Call, in *wire.ListFunctionEventInvokeConfigsInput) (*wire.ListFunctionEventInvokeConfigsOutput, error) {
	name, err := a.unqualified(in.FunctionName)
	if err != nil {
		return nil, err
	}
	fn, _, err := a.fns.Get(ctx, name, "")
	if err != nil {
		return nil, err
	}
	list := []*wire.FunctionEventInvokeConfig{}
	for _, key := range fn.AsyncQualifiers() {
		list = append(list, a.eventInvokeConfig(fn, key))
	}
	out := &wire.ListFunctionEventInvokeConfigsOutput{}
	out.FunctionEventInvokeConfigs, out.NextMarker = pageOf(list, in.Marker, in.MaxItems, 50, func(c *wire.FunctionEventInvokeConfig) string { return *c.FunctionArn })
	return out, nil
}
