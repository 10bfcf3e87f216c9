package eventbridge

import (
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/events"
)

// access lists what each operation wants to do, with the resources and condition
// keys of the service authorization reference.
func (s *server) access(op string, _ *apiserver.Call, in any) []apiserver.Access {
	a := apiserver.Access{Action: "events:" + op, Resource: "*"}
	rule := func(name *string) { a.Resource = s.arn("rule/" + value(name)) }
	connection := func(name *string) { a.Resource = s.arn("connection/" + value(name)) }
	destination := func(name *string) { a.Resource = s.arn("api-destination/" + value(name)) }
	key := func(name string, values ...string) {
		if a.Keys == nil {
			a.Keys = map[string][]string{}
		}
		a.Keys[name] = values
	}
	requestTags := func(tags []*wire.Tag) {
		var names []string
		for _, t := range tags {
			if t != nil && t.Key != nil {
				key("aws:requesttag/"+strings.ToLower(*t.Key), value(t.Value))
				names = append(names, *t.Key)
			}
		}
		if names != nil {
			key("aws:tagkeys", names...)
		}
	}
	switch in := in.(type) {
	case *wire.PutRuleInput:
		rule(in.Name)
		requestTags(in.Tags)
	case *wire.DescribeRuleInput:
		rule(in.Name)
	case *wire.EnableRuleInput:
		rule(in.Name)
	case *wire.DisableRuleInput:
		rule(in.Name)
	case *wire.DeleteRuleInput:
		rule(in.Name)
	case *wire.PutTargetsInput:
		rule(in.Rule)
		var arns []string
		for _, t := range in.Targets {
			if t != nil && t.Arn != nil {
				arns = append(arns, *t.Arn)
			}
		}
		key("events:targetarn", arns...)
	case *wire.RemoveTargetsInput:
		rule(in.Rule)
	case *wire.ListTargetsByRuleInput:
		rule(in.Rule)
	case *wire.PutEventsInput:
		a.Resource = s.arn("event-bus/" + busName)
		for _, e := range in.Entries {
			if e != nil {
				key("events:source", value(e.Source))
				key("events:detail-type", value(e.DetailType))
			}
		}
		if len(in.Entries) > 1 { // each for itself
			return eachEntry(a, in)
		}
	case *wire.DescribeEventBusInput:
		a.Resource = s.arn("event-bus/" + busName)
	case *wire.TagResourceInput:
		a.Resource = value(in.ResourceARN)
		requestTags(in.Tags)
	case *wire.UntagResourceInput:
		a.Resource = value(in.ResourceARN)
		key("aws:tagkeys", in.TagKeys...)
	case *wire.ListTagsForResourceInput:
		a.Resource = value(in.ResourceARN)
	case *wire.CreateConnectionInput:
		connection(in.Name)
	case *wire.DescribeConnectionInput:
		connection(in.Name)
	case *wire.UpdateConnectionInput:
		connection(in.Name)
	case *wire.DeleteConnectionInput:
		connection(in.Name)
	case *wire.DeauthorizeConnectionInput:
		connection(in.Name)
	case *wire.CreateApiDestinationInput:
		destination(in.Name)
	case *wire.DescribeApiDestinationInput:
		destination(in.Name)
	case *wire.UpdateApiDestinationInput:
		destination(in.Name)
	case *wire.DeleteApiDestinationInput:
		destination(in.Name)
	}
	if in, ok := in.(*wire.PutRuleInput); ok && len(in.Tags) > 0 {
		return []apiserver.Access{a, {Action: "events:TagResource", Resource: a.Resource, Keys: a.Keys}}
	}
	return []apiserver.Access{a}
}

func eachEntry(a apiserver.Access, in *wire.PutEventsInput) []apiserver.Access {
	var out []apiserver.Access
	for _, e := range in.Entries {
		if e != nil {
			out = append(out, apiserver.Access{Action: a.Action, Resource: a.Resource, Keys: map[string][]string{
				"events:source": {value(e.Source)}, "events:detail-type": {value(e.DetailType)},
			}})
		}
	}
	return out
}
