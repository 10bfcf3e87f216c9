package iam

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/policy"
)

// awsAdministrator is what the root key may do, too.
const awsAdministrator = "arn:aws:iam::aws:policy/AdministratorAccess"

// awsManaged makes the managed policies that come with the service: those that
// whoever works with video on AWS attaches. They allow what AWS's of the same
// name allow as far as the house has the service.
func awsManaged() map[string]*managed {
	const readOnly = `"s3:Get*", "s3:List*", "s3:Describe*", "mediaconvert:Get*", "mediaconvert:List*", "mediaconvert:Describe*", "mediaconvert:SearchJobs", "cloudfront:Get*", "cloudfront:List*", "cloudfront:Describe*", ` +
		`"lambda:Get*", "lambda:List*", "logs:Describe*", "logs:Get*", "logs:FilterLogEvents", "logs:List*", "events:Describe*", "events:List*", "events:TestEventPattern", "iam:Get*", "iam:List*", "iam:Simulate*", "sts:Get*", "wafv2:Get*", "wafv2:List*", "wafv2:Describe*", "wafv2:CheckCapacity"`
	out := map[string]*managed{}
	for _, p := range []struct{ path, name, actions, more string }{
		{"/", "AdministratorAccess", `"*"`, ""},
		{"/", "ReadOnlyAccess", readOnly, ""},
		{"/", "PowerUserAccess", "", `{"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"}, {"Effect": "Allow", "Action": ["iam:ListRoles", "iam:CreateServiceLinkedRole"], "Resource": "*"}`},
		{"/", "IAMFullAccess", `"iam:*"`, ""},
		{"/", "IAMReadOnlyAccess", `"iam:Get*", "iam:List*", "iam:Simulate*", "iam:GenerateCredentialReport"`, ""},
		{"/", "AmazonS3FullAccess", `"s3:*", "s3-object-lambda:*"`, ""},
		{"/", "AmazonS3ReadOnlyAccess", `"s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*"`, ""},
		{"/", "AWSElementalMediaConvertFullAccess", `"mediaconvert:*", "s3:ListAllMyBuckets", "s3:ListBucket"`, passRole("mediaconvert.amazonaws.com")},
		{"/", "AWSElementalMediaConvertReadOnly", `"mediaconvert:Get*", "mediaconvert:List*", "mediaconvert:DescribeEndpoints", "s3:ListAllMyBuckets", "s3:ListBucket"`, ""},
		{"/", "AWSLambda_FullAccess", `"lambda:*", "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListRoles"`, passRole("lambda.amazonaws.com")},
		{"/", "AWSLambda_ReadOnlyAccess", `"lambda:Get*", "lambda:List*", "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListRoles"`, ""},
		{"/", "AWSLambdaExecute", `"logs:*"`, `{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::*"}`},
		{"/service-role/", "AWSLambdaBasicExecutionRole", `"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"`, ""},
		{"/service-role/", "AWSLambdaRole", `"lambda:InvokeFunction"`, ""},
		{"/", "CloudWatchLogsFullAccess", `"logs:*"`, ""},
		{"/", "CloudWatchLogsReadOnlyAccess", `"logs:Describe*", "logs:Get*", "logs:List*", "logs:FilterLogEvents"`, ""},
		{"/", "CloudFrontFullAccess", `"cloudfront:*", "s3:ListAllMyBuckets", "wafv2:ListWebACLs", "wafv2:GetWebACL"`, ""},
		{"/", "CloudFrontReadOnlyAccess", `"cloudfront:Get*", "cloudfront:List*", "cloudfront:Describe*", "wafv2:ListWebACLs", "wafv2:GetWebACL"`, ""},
		{"/", "AmazonEventBridgeFullAccess", `"events:*"`, passRole("events.amazonaws.com")},
		{"/", "AmazonEventBridgeReadOnlyAccess", `"events:Describe*", "events:List*", "events:TestEventPattern"`, ""},
		{"/", "AWSWAFFullAccess", `"wafv2:*"`, ""},
	} {
		var statements []string
		if p.actions != "" {
			statements = append(statements, `{"Effect": "Allow", "Action": [`+p.actions+`], "Resource": "*"}`)
		}
		if p.more != "" {
			statements = append(statements, p.more)
		}
		m := awsPolicy(p.path, p.name, `{"Version": "2012-10-17", "Statement": [`+strings.Join(statements, ", ")+`]}`)
		out[m.ARN()] = m
	}
	return out
}

func passRole(service string) string {
	return `{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringLike": {"iam:PassedToService": "` + service + `"}}}`
}

// awsPolicy makes one of them. Its id is made from its name, so that it stays.
func awsPolicy(path, name, text string) *managed {
	doc, err := policy.Parse(text, policy.Identity)
	if err != nil {
		panic(err) // a defect of the program
	}
	doc.Name = name
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	sum := sha256.Sum256([]byte(name))
	id := "ANPA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
	p := &Policy{
		Name: name, Path: path, ID: id, Created: at, Updated: at, AWS: true,
		Versions: []Version{{ID: "v1", Document: text, Created: at}}, Default: "v1", Next: 2,
	}
	return &managed{p, doc}
}
