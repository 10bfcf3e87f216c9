package lambda

import (
	"reflect"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/lambda"
)

// access names what an operation is done to, as the service's authorization
// reference does: the function, with its qualifier where one is given. A name
// that is none is left to the operation to refuse.
func (a *API) access(op string, _ *apiserver.Call, in any) []apiserver.Access {
	action, resource := op, "*"
	keys := map[string][]string{}
	switch in := in.(type) {
	case *wire.CreateFunctionInput:
		resource = a.arnOf(in.FunctionName, nil)
	case *wire.ListFunctionsInput, *wire.GetAccountSettingsInput, *wire.ListEventSourceMappingsInput, *wire.ListLayersInput:
	case *wire.InvokeInput:
		action, resource = "InvokeFunction", a.arnOf(in.FunctionName, in.Qualifier)
	case *wire.AddPermissionInput:
		resource = a.arnOf(in.FunctionName, in.Qualifier)
		keys["lambda:principal"] = []string{value(in.Principal)}
	case *wire.ListTagsInput:
		resource = value(in.Resource)
	case *wire.TagResourceInput:
		resource = value(in.Resource)
	case *wire.UntagResourceInput:
		resource = value(in.Resource)
	default:
		v := reflect.Indirect(reflect.ValueOf(in))
		name, _ := member(v, "FunctionName").(*string)
		qualifier, _ := member(v, "Qualifier").(*string)
		resource = a.arnOf(name, qualifier)
	}
	wants := []apiserver.Access{{Action: "lambda:" + action, Resource: resource, Keys: keys}}
	if c, ok := in.(*wire.CreateFunctionInput); ok && len(c.Tags) > 0 {
		wants = append(wants, apiserver.Access{Action: "lambda:TagResource", Resource: resource})
	}
	return wants
}

func member(v reflect.Value, name string) any {
	if f := v.FieldByName(name); f.IsValid() {
		return f.Interface()
	}
	return nil
}

func (a *API) arnOf(name, qualifier *string) string {
	n, q, err := a.parse(name, qualifier)
	if err != nil {
		return "*"
	}
	return a.fns.ARN(n, q)
}
