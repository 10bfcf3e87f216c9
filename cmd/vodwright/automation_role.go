package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
)

// roleARN names the role that is made for an automation.
func roleARN(name string) string {
	return "arn:aws:iam::" + iam.AccountID + ":role/" + automationRolePrefix + name
}

// statement is one statement of a policy.
type statement struct {
	Effect    string
	Principal map[string][]string `json:",omitempty"`
	Action    []string
	Resource  []string                  `json:",omitempty"`
	Condition map[string]map[string]any `json:",omitempty"`
}

func policy(statements ...statement) string {
	doc, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err) // strings
	}
	return string(doc)
}

// roleExists refuses a role that is not there, with which every job would fail. A
// caller who may not look is believed.
func (a automator) roleExists(ctx context.Context, arn string) error {
	if arn == "" {
		return nil
	}
	_, name, ok := strings.Cut(arn, ":role/")
	if !ok {
		return fault.New(fault.Invalid, "", "%q is no ARN of a role", arn).WithHint("arn:aws:iam::%s:role/NAME, as aws iam list-roles shows it", iam.AccountID)
	}
	err := a.client.iamCall(ctx, "GetRole", url.Values{"RoleName": {name[strings.LastIndexByte(name, '/')+1:]}})
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.New(fault.NotFound, "", "there is no role %s", arn).WithHint("aws iam list-roles shows what is there; without --role one is made")
	case err != nil && !fault.Is(err, fault.Denied):
		return fmt.Errorf("look for role %s: %w", arn, err)
	}
	return nil
}

// ensureRole makes the role in which events make jobs, which is also the jobs' own
// unless another is ordered, and gives it the rights that they need.
func (a automator) ensureRole(ctx context.Context, o automationOrder, destination string) (string, error) {
	name := automationRolePrefix + o.name
	arn := roleARN(o.name)
	trust := policy(statement{Effect: "Allow", Action: []string{"sts:AssumeRole"}, Principal: map[string][]string{
		"Service": {"events.amazonaws.com", "mediaconvert.amazonaws.com"},
	}})
	rights := []statement{
		{Effect: "Allow", Action: []string{"mediaconvert:CreateJob", "mediaconvert:GetJobTemplate"}, Resource: []string{"*"}},
		{Effect: "Allow", Action: []string{"iam:PassRole"}, Resource: []string{cmp.Or(o.role, arn)}},
	}
	if o.role == "" {
		rights = append(rights,
			statement{Effect: "Allow", Action: []string{"s3:GetObject", "s3:GetObjectVersion"}, Resource: []string{"arn:aws:s3:::" + o.source + "/*"}},
			statement{Effect: "Allow", Action: []string{"s3:PutObject"}, Resource: []string{"arn:aws:s3:::" + destination + "/*"}},
			statement{Effect: "Allow", Action: []string{"s3:ListBucket", "s3:GetBucketLocation"}, Resource: []string{"arn:aws:s3:::" + o.source, "arn:aws:s3:::" + destination}},
		)
	}
	err := a.client.iamCall(ctx, "CreateRole", url.Values{
		"RoleName": {name}, "AssumeRolePolicyDocument": {trust}, "Description": {"Jobs of the automation " + o.name},
	})
	if err != nil && !fault.Is(err, fault.Conflict) {
		return "", fmt.Errorf("make role %q: %w", name, err)
	}
	err = a.client.iamCall(ctx, "PutRolePolicy", url.Values{"RoleName": {name}, "PolicyName": {"automation"}, "PolicyDocument": {policy(rights...)}})
	if err != nil {
		return "", fmt.Errorf("give role %q its rights: %w", name, err)
	}
	return arn, nil
}

// inUse reports whether a job that is not over has the role.
func (a automator) inUse(ctx context.Context, role string) (bool, error) {
	for _, status := range []string{"SUBMITTED", "PROGRESSING"} {
		for token := ""; ; {
			var page struct {
				Jobs []struct {
					Role string `json:"role"`
				} `json:"jobs"`
				NextToken string `json:"nextToken"`
			}
			if err := a.client.jobsCall(ctx, "GET", "/jobs?maxResults=20&status="+status+"&nextToken="+url.QueryEscape(token), nil, &page); err != nil {
				return false, fmt.Errorf("look for jobs of role %s: %w", role, err)
			}
			for _, j := range page.Jobs {
				if j.Role == role {
					return true, nil
				}
			}
			if token = page.NextToken; token == "" {
				break
			}
		}
	}
	return false, nil
}
