package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/worker"
)

// jobService is the service principal that roles of jobs trust.
const jobService = "mediaconvert.amazonaws.com"

// jobRoles implements worker.Roles: each job reads and writes the embedded
// buckets by sessions of its role.
type jobRoles struct {
	store     *object.Store
	authority *iam.Authority
}

func (r jobRoles) Objects(ctx context.Context, role, job string) (worker.Objects, error) {
	o := &roleObjects{bucketObjects: bucketObjects{r.store}, authority: r.authority, role: role, job: job}
	return o, o.renew(ctx)
}

// roleObjects is bucketObjects with the rights of a role.
type roleObjects struct {
	bucketObjects
	authority *iam.Authority
	role, job string

	mu      sync.Mutex
	session iam.Session
}

// sessionMargin is how long before its end a session is replaced.
const sessionMargin = 5 * time.Minute

// renew makes a session. o.mu is held, or nobody else has o yet.
func (o *roleObjects) renew(ctx context.Context) error {
	session, err := o.authority.AssumeForService(ctx, o.role, jobService, o.job, time.Hour)
	if err == nil {
		o.session = session
	}
	return err
}

// may returns nil when the role may do action on an object.
func (o *roleObjects) may(ctx context.Context, action, bucket, key string) error {
	who, err := o.who(ctx)
	if err != nil {
		return err
	}
	return o.store.Authorise(ctx, who, action, bucket, key)
}

func (o *roleObjects) who(ctx context.Context) (sigv4.Identity, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Until(o.session.Expires) < sessionMargin {
		if err := o.renew(ctx); err != nil {
			if k := fault.KindOf(err); k == fault.NotFound || k == fault.Denied { // it was there and trusted when the job began
				return sigv4.Identity{}, fault.New(fault.Denied, "AccessDenied", "the role %q cannot be assumed any more: %w", o.role, err)
			}
			return sigv4.Identity{}, fmt.Errorf("renew the session of role %q: %w", o.role, err)
		}
	}
	return o.session.Identity(), nil
}

func (o *roleObjects) Snapshot(ctx context.Context, bucket, key, pin, dst string) (string, error) {
	if err := o.may(ctx, "s3:GetObject", bucket, key); err != nil {
		return "", err
	}
	return o.bucketObjects.Snapshot(ctx, bucket, key, pin, dst)
}

func (o *roleObjects) Writable(ctx context.Context, bucket, key string) error {
	if err := o.may(ctx, "s3:PutObject", bucket, key); err != nil {
		return err
	}
	return o.bucketObjects.Writable(ctx, bucket, key)
}

func (o *roleObjects) Publish(ctx context.Context, out worker.Upload) error {
	if err := o.may(ctx, "s3:PutObject", out.Bucket, out.Key); err != nil {
		return err
	}
	return o.bucketObjects.Publish(ctx, out)
}
