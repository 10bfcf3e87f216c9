package cloudfront

import (
	"reflect"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	cf "vodwright.dev/vodwright/internal/awsapi/cloudfront"
)

// access lists what an operation wants to do, as the Service Authorization
// Reference has it: most operations name one resource by its Id; a creation and a
// list are on every resource of their kind or on none; public keys and key groups
// have no ARNs.
func (s *server) access(op string, call *apiserver.Call, in any) []apiserver.Access {
	one := func(action string, r Reference) apiserver.Access {
		return apiserver.Access{Action: "cloudfront:" + action, Resource: s.arn(r)}
	}
	switch in := in.(type) {
	case *cf.CreateDistributionRequest:
		return append([]apiserver.Access{one(op, Reference{KindDistribution, "*"})}, logAccess(call, in.DistributionConfig)...)
	case *cf.UpdateDistributionRequest:
		return append([]apiserver.Access{one(op, Reference{KindDistribution, value(in.Id)})}, logAccess(call, in.DistributionConfig)...)
	case *cf.CreateDistributionWithTagsRequest:
		keys := requestTags(in)
		made, tagged := one("CreateDistribution", Reference{KindDistribution, "*"}), one("TagResource", Reference{KindDistribution, "*"})
		made.Keys, tagged.Keys = keys, keys
		if in.DistributionConfigWithTags == nil {
			return []apiserver.Access{made, tagged}
		}
		return append([]apiserver.Access{made, tagged}, logAccess(call, in.DistributionConfigWithTags.DistributionConfig)...)
	case *cf.CreateInvalidationRequest:
		return []apiserver.Access{one(op, Reference{KindDistribution, value(in.DistributionId)})}
	case *cf.GetInvalidationRequest:
		return []apiserver.Access{one(op, Reference{KindDistribution, value(in.DistributionId)})}
	case *cf.ListInvalidationsRequest:
		return []apiserver.Access{one(op, Reference{KindDistribution, value(in.DistributionId)})}
	case *cf.ListTagsForResourceRequest:
		return []apiserver.Access{{Action: "cloudfront:" + op, Resource: value(in.Resource)}}
	case *cf.TagResourceRequest:
		return []apiserver.Access{{Action: "cloudfront:" + op, Resource: value(in.Resource), Keys: tagKeys(in.Tags)}}
	case *cf.UntagResourceRequest:
		return []apiserver.Access{{Action: "cloudfront:" + op, Resource: value(in.Resource)}}
	}
	// What names a resource does so in a member called Id.
	if kind, ok := kindOfOperation(op); ok {
		if id := reflect.ValueOf(in).Elem().FieldByName("Id"); id.IsValid() {
			if text, ok := id.Interface().(*string); ok && value(text) != "" {
				return []apiserver.Access{one(op, Reference{kind, *text})}
			}
		}
	}
	return []apiserver.Access{{Action: "cloudfront:" + op, Resource: "*"}}
}

// logAccess is what having a log written into a bucket takes ("Permissions required
// to configure standard logging" in the Developer Guide): the edge writes it with
// nobody's rights, so whoever asks must be somebody who may say who writes there.
func logAccess(call *apiserver.Call, in *cf.DistributionConfig) []apiserver.Access {
	if in == nil || in.Logging == nil || !value(in.Logging.Enabled) {
		return nil
	}
	bucket, err := bucketOf(value(in.Logging.Bucket), hostOf(call.BaseURL))
	if err != nil {
		return nil // refused a moment later
	}
	resource := "arn:aws:s3:::" + bucket
	return []apiserver.Access{{Action: "s3:GetBucketAcl", Resource: resource}, {Action: "s3:PutBucketAcl", Resource: resource}}
}

// kindOfOperation returns the kind of resource that an operation on one resource has in its name.
func kindOfOperation(op string) (Kind, bool) {
	for name, kind := range map[string]Kind{
		"Distribution": KindDistribution, "OriginAccessControl": KindOriginAccessControl, "CachePolicy": KindCachePolicy,
		"OriginRequestPolicy": KindOriginRequestPolicy, "ResponseHeadersPolicy": KindResponseHeadersPolicy,
	} {
		rest, ok := strings.CutSuffix(strings.TrimSuffix(op, "Config"), name)
		if ok && (rest == "Get" || rest == "Update" || rest == "Delete") {
			return kind, true
		}
	}
	return "", false
}

func requestTags(in *cf.CreateDistributionWithTagsRequest) map[string][]string {
	if in.DistributionConfigWithTags == nil {
		return nil
	}
	return tagKeys(in.DistributionConfigWithTags.Tags)
}

// tagKeys are the condition keys of a request that brings tags.
func tagKeys(tags *cf.Tags) map[string][]string {
	if tags == nil {
		return nil
	}
	keys := map[string][]string{}
	for _, t := range tags.Items {
		if t == nil {
			continue
		}
		keys["aws:requesttag/"+strings.ToLower(value(t.Key))] = []string{value(t.Value)}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], value(t.Key))
	}
	return keys
}
