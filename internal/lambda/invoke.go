package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/lambda"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function"
)

func (a *API) invoke(ctx context.Context, call *apiserver.Call, in *wire.InvokeInput) (*wire.InvokeOutput, error) {
	name, qualifier, err := a.parse(in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if in.DurableExecutionName != nil || in.TenantId != nil {
		return nil, invalid("durable executions and tenants are not available on Vodwright")
	}
	r := function.Request{Name: name, Qualifier: qualifier, Payload: in.Payload, RequestID: call.RequestID, Trace: call.Request.Header.Get("X-Amzn-Trace-Id")}
	if c := value(in.ClientContext); c != "" {
		text, err := base64.StdEncoding.DecodeString(c)
		if err != nil || !json.Valid(text) {
			return nil, fault.New(fault.Invalid, "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.")
		}
		r.ClientContext = string(compact(text))
	}
	switch in.InvocationType {
	case wire.InvocationTypeDryrun:
		v, err := a.fns.Check(ctx, r)
		return &wire.InvokeOutput{StatusCode: new(int32(http.StatusNoContent)), ExecutedVersion: &v.Number}, err
	case wire.InvocationTypeEvent:
		_, err := a.fns.Enqueue(ctx, r)
		return &wire.InvokeOutput{StatusCode: new(int32(http.StatusAccepted))}, err
	}
	answer, err := a.fns.Invoke(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &wire.InvokeOutput{
		StatusCode: new(int32(http.StatusOK)), ExecutedVersion: &answer.Version, Payload: answer.Payload, FunctionError: optional(answer.FunctionError),
	}
	if in.LogType == wire.LogTypeTail {
		out.LogResult = new(base64.StdEncoding.EncodeToString(answer.LogTail))
	}
	return out, nil
}

// compact puts JSON on one line, for a header.
func compact(text []byte) []byte {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return text
	}
	out, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return out
}

func (a *API) invokeAsync(ctx context.Context, call *apiserver.Call, in *wire.InvokeAsyncInput) (*wire.InvokeAsyncOutput, error) {
	name, qualifier, err := a.parse(in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	_, err = a.fns.Enqueue(ctx, function.Request{
		Name: name, Qualifier: qualifier, Payload: in.InvokeArgs, RequestID: call.RequestID, Trace: call.Request.Header.Get("X-Amzn-Trace-Id"),
	})
	return &wire.InvokeAsyncOutput{Status: new(int32(http.StatusAccepted))}, err
}
