package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
)

// roleSessions gives services credentials of roles, and keeps them for a while:
// each is a record. What a role may do is read at every request; that it no longer
// trusts the service is noticed when its credentials are renewed.
type roleSessions struct {
	authority *iam.Authority

	mu   sync.Mutex
	kept map[string]keptSession // by role and service
}

type keptSession struct {
	credentials aws.Credentials
	renew       time.Time
}

const (
	serviceSession = time.Hour
	renewSession   = 10 * time.Minute
)

// assume implements roleKeys.
func (r *roleSessions) assume(ctx context.Context, roleARN, service, session string) (aws.Credentials, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := service + " " + roleARN
	if k, ok := r.kept[key]; ok && time.Now().Before(k.renew) {
		return k.credentials, nil
	}
	s, err := r.authority.AssumeForService(ctx, roleARN, service, session, serviceSession)
	if err != nil {
		return aws.Credentials{}, err
	}
	if r.kept == nil {
		r.kept = map[string]keptSession{}
	}
	c := aws.Credentials{AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey, SessionToken: s.SessionToken}
	r.kept[key] = keptSession{c, time.Now().Add(renewSession)}
	return c, nil
}

// passRole is what a role is asked for that somebody gives to a rule or a target.
func (r *roleSessions) passRole(ctx context.Context, who sigv4.Identity, role, service string) error {
	err := r.authority.PassRole(ctx, who, role, service)
	if errors.Is(err, iam.ErrUntrusted) || fault.Is(err, fault.NotFound) {
		return fault.New(fault.Invalid, "ValidationException", "Provided role '%s' cannot be assumed by principal '%s'.", role, service).
			WithHint("the role has to be there, and its trust policy has to name the service")
	}
	return err
}

// forget drops what is kept of a role: a request with it was denied.
func (r *roleSessions) forget(roleARN, service string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.kept, service+" "+roleARN)
}
