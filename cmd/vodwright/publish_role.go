package main

import (
	"context"
	"fmt"
	"net/url"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
)

// jobRole makes the role that published jobs run with, unless it is there, gives
// it rights to read the sources and to write the streams, and returns its ARN.
// Rights that it has been given for other buckets stay.
func (c *client) jobRole(ctx context.Context, sources []string, streams string) (string, error) {
	trouble := func(err error) error {
		if fault.Is(err, fault.Denied) {
			return fault.New(fault.Denied, fault.Of(err).Code, "make the role of the jobs: %w", err).
				WithHint("give the ARN of a role that trusts %s with --role", jobService)
		}
		return fmt.Errorf("make the role of the jobs: %w", err)
	}
	trust := policy(statement{Effect: "Allow", Principal: map[string][]string{"Service": {jobService}}, Action: []string{"sts:AssumeRole"}})
	err := c.iamCall(ctx, "CreateRole", url.Values{
		"RoleName": {publishRole}, "Description": {"Jobs of vodwright publish and vodwright demo"}, "AssumeRolePolicyDocument": {trust},
	})
	if err != nil && !fault.Is(err, fault.Conflict) {
		return "", trouble(err)
	}
	put := func(name, action, bucket string) error {
		rights := policy(statement{Effect: "Allow", Action: []string{action}, Resource: []string{"arn:aws:s3:::" + bucket + "/*"}})
		return c.iamCall(ctx, "PutRolePolicy", url.Values{"RoleName": {publishRole}, "PolicyName": {name + "-" + bucket}, "PolicyDocument": {rights}})
	}
	for _, bucket := range sources {
		if err := put("read", "s3:GetObject", bucket); err != nil {
			return "", trouble(err)
		}
	}
	if err := put("write", "s3:PutObject", streams); err != nil {
		return "", trouble(err)
	}
	return "arn:aws:iam::" + iam.AccountID + ":role/" + publishRole, nil
}
