package logs

import (
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/logs"
)

// access names what an operation is done to, as the service's authorization
// reference does: streams by their ARN, groups by the ARN of a stream without a
// name (so that "log-group:NAME:*" of a policy means both), and groups by their
// plain ARN in the operations of tags.
func (s *server) access(op string, _ *apiserver.Call, in any) []apiserver.Access {
	group := func(name *string) string { return s.arn(value(name)) + ":log-stream:" }
	either := func(name, identifier *string) string {
		if name == nil && identifier != nil {
			name = new(groupOfARN(*identifier))
		}
		return group(name)
	}
	resource := "*"
	switch in := in.(type) {
	case *wire.CreateLogGroupRequest:
		resource = group(in.LogGroupName)
	case *wire.DeleteLogGroupRequest:
		resource = group(in.LogGroupName)
	case *wire.DescribeLogGroupsRequest:
		resource = group(nil)
	case *wire.PutRetentionPolicyRequest:
		resource = group(in.LogGroupName)
	case *wire.DeleteRetentionPolicyRequest:
		resource = group(in.LogGroupName)
	case *wire.DescribeLogStreamsRequest:
		resource = either(in.LogGroupName, in.LogGroupIdentifier)
	case *wire.FilterLogEventsRequest:
		resource = either(in.LogGroupName, in.LogGroupIdentifier)
	case *wire.CreateLogStreamRequest:
		resource = group(in.LogGroupName) + value(in.LogStreamName)
	case *wire.DeleteLogStreamRequest:
		resource = group(in.LogGroupName) + value(in.LogStreamName)
	case *wire.PutLogEventsRequest:
		resource = group(in.LogGroupName) + value(in.LogStreamName)
	case *wire.GetLogEventsRequest:
		resource = either(in.LogGroupName, in.LogGroupIdentifier) + value(in.LogStreamName)
	case *wire.ListTagsForResourceRequest:
		resource = s.arn(groupOfARN(value(in.ResourceArn)))
	case *wire.TagResourceRequest:
		resource = s.arn(groupOfARN(value(in.ResourceArn)))
	case *wire.UntagResourceRequest:
		resource = s.arn(groupOfARN(value(in.ResourceArn)))
	case *wire.ListTagsLogGroupRequest:
		resource = s.arn(value(in.LogGroupName))
	case *wire.TagLogGroupRequest:
		resource = s.arn(value(in.LogGroupName))
	case *wire.UntagLogGroupRequest:
		resource = s.arn(value(in.LogGroupName))
	}
	wants := []apiserver.Access{{Action: "logs:" + op, Resource: resource}}
	if c, ok := in.(*wire.CreateLogGroupRequest); ok && len(c.Tags) > 0 {
		wants = append(wants, apiserver.Access{Action: "logs:TagResource", Resource: s.arn(value(c.LogGroupName))})
	}
	return wants
}
