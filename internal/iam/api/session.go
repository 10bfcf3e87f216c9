package api

import (
	"context"
	"time"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sts"
	"vodwright.dev/vodwright/internal/iam"
)

func (s *server) sessions() map[string]apiserver.Handler {
	return map[string]apiserver.Handler{
		"GetCallerIdentity": apiserver.Handle(func(_ context.Context, call *apiserver.Call, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
			account, id := iam.AccountID, s.UserID(call.Identity)
			return &sts.GetCallerIdentityOutput{Account: &account, Arn: &call.Identity.ARN, UserId: &id}, nil
		}),
		"AssumeRole": apiserver.Handle(s.assumeRole),
		"GetSessionToken": apiserver.Handle(func(ctx context.Context, call *apiserver.Call, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
			d := 12 * time.Hour
			if in.DurationSeconds != nil {
				d = time.Duration(*in.DurationSeconds) * time.Second
			}
			if call.Identity.ARN == iam.RootARN { // as AWS bounds it
				d = min(d, time.Hour)
			}
			session, err := s.SessionToken(ctx, call.Identity, d)
			if err != nil {
				return nil, err
			}
			return &sts.GetSessionTokenOutput{Credentials: credentials(session)}, nil
		}),
	}
}

func credentials(s iam.Session) *sts.Credentials {
	return &sts.Credentials{AccessKeyId: &s.AccessKeyID, SecretAccessKey: &s.SecretAccessKey, SessionToken: &s.SessionToken, Expiration: awsapi.At(s.Expires)}
}

func (s *server) assumeRole(ctx context.Context, call *apiserver.Call, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	a := iam.Assume{RoleARN: *in.RoleArn, SessionName: *in.RoleSessionName, ExternalID: text(in.ExternalId), Policy: text(in.Policy), Tags: map[string]string{}}
	if in.DurationSeconds != nil {
		a.Duration = time.Duration(*in.DurationSeconds) * time.Second
	}
	for _, p := range in.PolicyArns {
		a.PolicyARNs = append(a.PolicyARNs, text(p.Arn))
	}
	for _, t := range in.Tags {
		a.Tags[text(t.Key)] = text(t.Value)
	}
	if in.SerialNumber != nil || in.TokenCode != nil || len(in.ProvidedContexts) > 0 || in.SourceIdentity != nil || len(in.TransitiveTagKeys) > 0 {
		return nil, invalid("AssumeRole takes no SerialNumber, TokenCode, ProvidedContexts, SourceIdentity or TransitiveTagKeys here.")
	}
	session, err := s.AssumeRole(ctx, call.Identity, call.Request, a)
	if err != nil {
		return nil, err
	}
	id, packed := session.UserID(), int32(6)
	out := &sts.AssumeRoleOutput{Credentials: credentials(session), AssumedRoleUser: &sts.AssumedRoleUser{Arn: &session.ARN, AssumedRoleId: &id}}
	if in.Policy != nil || len(in.PolicyArns) > 0 || len(in.Tags) > 0 {
		out.PackedPolicySize = &packed
	}
	return out, nil
}
