package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"

	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/object"
	iampolicy "vodwright.dev/vodwright/internal/policy"
)

// bucketKeys implements object.Credentials.
type bucketKeys struct{ authority *iam.Authority }

func (k bucketKeys) Credential(ctx context.Context, accessKeyID string) (object.Credential, bool, error) {
	c, ok, err := k.authority.Credential(ctx, accessKeyID)
	return object.Credential{AccessKeyID: accessKeyID, SecretAccessKey: c.Secret, SessionToken: c.SessionToken, Expires: c.Expires, PrincipalARN: c.ARN}, ok, err
}

// bucketRights implements object.Authority.
type bucketRights struct{ authority *iam.Authority }

func (r bucketRights) CheckPrincipals(d *iampolicy.Document) error {
	return r.authority.CheckPrincipals(d)
}

func (r bucketRights) Decide(ctx context.Context, q object.Question) error {
	return r.authority.Decide(ctx, iam.Question{
		Who: q.Who, Service: q.Service, Action: q.Action, Resource: q.Resource, Find: q.Keys, ResourcePolicy: q.Policy,
	})
}

// tokenSecret is what the edge makes the tokens of signed playlists with: derived
// from the root key, so that it outlives a restart without another file to keep.
func tokenSecret(root iam.Key) []byte {
	secret, err := hkdf.Key(sha256.New, []byte(root.Secret), nil, "vodwright edge tokens", 32)
	if err != nil {
		return nil // only ever for a length that cannot be made; without it there are no tokens
	}
	return secret
}
