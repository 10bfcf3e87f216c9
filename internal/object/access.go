package object

import (
	"context"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/object/gateway"
)

// Question is what an Authority is asked: may this caller do that?
type Question = gateway.Question

// Authority decides what callers may do. It is safe for concurrent use.
type Authority = gateway.Authority

// Functions says which functions a bucket may notify. It is safe for concurrent use.
type Functions = gateway.Functions

// Authorise returns nil when who may do action ("s3:GetObject") on a key, or on
// the bucket with key "". It decides as for a signed request: the caller's own
// policies, the bucket's, its block of the public. The zero who is the public.
// Errors: AccessDenied, NoSuchBucket.
func (s *Store) Authorise(ctx context.Context, who sigv4.Identity, action, bucket, key string) error {
	return s.gateway.Authorise(ctx, gateway.Caller{Who: who}, action, bucket, key)
}

// MayService is Authorise for an AWS service that acts for a resource of the
// account: "cloudfront.amazonaws.com" for the distribution with that ARN. Only the
// bucket's policy can allow it.
func (s *Store) MayService(ctx context.Context, service, sourceARN, action, bucket, key string) error {
	return s.gateway.Authorise(ctx, gateway.Caller{Service: service, SourceARN: sourceARN}, action, bucket, key)
}

// Notifications returns who is to be told of what happens in a bucket, in the
// order of its configuration. Errors: NoSuchBucket.
func (s *Store) Notifications(ctx context.Context, bucket string) ([]event.Notification, error) {
	return s.gateway.Notifications(ctx, bucket)
}
