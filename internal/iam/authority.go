package iam

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/policy"
)

// CodeAccessDenied is the code of whatever somebody may not do.
const CodeAccessDenied = "AccessDenied"

func denied(format string, args ...any) *fault.Error {
	return fault.New(fault.Denied, CodeAccessDenied, format, args...)
}

func malformed(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, policy.CodeMalformed, format, args...)
}

// Use is the last time that an access key signed a request.
type Use struct {
	At              time.Time
	Service, Region string
}

// Authenticate says who signed a request for a service: the root key, a user or
// a session. A signature for another service is refused.
func (a *Authority) Authenticate(r *http.Request, service string) (sigv4.Identity, error) {
	now := a.now()
	release, err := a.admit(r, service)
	if err != nil {
		return sigv4.Identity{}, err
	}
	defer release()
	if service == "iam" || service == "sts" { // who asks these sees every change that was made before
		if err := a.CatchUp(r.Context()); err != nil {
			return sigv4.Identity{}, err
		}
	}
	id, err := sigv4.Verify(r, now, func(id string) (sigv4.Credential, bool) { return a.credentialNow(r.Context(), id) })
	if err != nil {
		return id, err
	}
	if service != "" && id.Service != service {
		return sigv4.Identity{}, fault.New(fault.Denied, sigv4.CodeMismatch, "Credential should be scoped to correct service: '%s'.", service)
	}
	a.used.Store(id.AccessKeyID, Use{now, id.Service, id.Region})
	return id, nil
}

// Bounds of bodies that are in memory before anybody knows whose they are: who
// knows an access key's id alone could fill the memory with packages of functions.
const (
	largeBody   = 4 << 20 // bytes
	largeBodies = 4       // at once
	largeWait   = 30 * time.Second
)

// admit lets a request with a large body in when there are few of them, until
// release is called.
func (a *Authority) admit(r *http.Request, service string) (release func(), err error) {
	if r.ContentLength >= 0 && r.ContentLength <= largeBody || sigv4.MaxBody(service) <= largeBody {
		return func() {}, nil
	}
	timer := time.NewTimer(largeWait)
	defer timer.Stop()
	select {
	case a.large <- struct{}{}:
		return func() { <-a.large }, nil
	case <-r.Context().Done():
	case <-timer.C:
	}
	return nil, fault.New(fault.Unavailable, "ServiceException", "too many large requests at once").WithHint("try again, or put the function's code in a bucket")
}

// LastUse returns when an access key signed its last request since the server started.
func (a *Authority) LastUse(accessKeyID string) (Use, bool) {
	u, ok := a.used.Load(accessKeyID)
	if !ok {
		return Use{}, false
	}
	return u.(Use), true
}

// Credential returns what a signature by an access key is checked against; false
// when there is no such key or it is not active. An expired one is returned: the
// caller tells its holder.
func (a *Authority) Credential(ctx context.Context, accessKeyID string) (sigv4.Credential, bool, error) {
	c, ok := a.credentialNow(ctx, accessKeyID)
	return c, ok, nil
}

// credentialNow is credential, and looks whether another server made the key.
func (a *Authority) credentialNow(ctx context.Context, id string) (sigv4.Credential, bool) {
	c, ok := a.credential(id)
	if !ok && a.lookAgain(ctx) {
		c, ok = a.credential(id)
	}
	return c, ok
}

func (a *Authority) credential(id string) (sigv4.Credential, bool) {
	if id == a.root.ID {
		return sigv4.Credential{Secret: a.root.Secret, ARN: RootARN, Account: AccountID}, true
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if s := a.sessions[id]; s != nil {
		return sigv4.Credential{Secret: s.SecretAccessKey, SessionToken: s.SessionToken, Expires: s.Expires, ARN: s.ARN, Account: AccountID}, true
	}
	if e := a.keys[id]; e != nil {
		if k := e.key(id); !k.Inactive {
			return sigv4.Credential{Secret: k.Secret, ARN: e.ARN(), Account: AccountID}, true
		}
	}
	return sigv4.Credential{}, false
}

// key returns the key of a user that has it.
func (e *entity) key(id string) AccessKey {
	for _, k := range e.Keys {
		if k.ID == id {
			return k
		}
	}
	return AccessKey{Inactive: true}
}

// holder is who holds an access key, and what bears on what they may do.
type holder struct {
	root    bool
	service string
	*entity          // the user, or the session's role; nil when it is no more
	session *Session // nil without
	policies
}

type policies struct {
	identity []*policy.Document
	boundary *policy.Document
	limits   []*policy.Document // of the session; nil without
}

// holderOf finds the holder of an access key.
func (a *Authority) holderOf(accessKeyID string) (holder, error) {
	if accessKeyID == a.root.ID {
		return holder{root: true}, nil
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	h := holder{}
	if s := a.sessions[accessKeyID]; s != nil {
		if a.now().After(s.Expires) {
			return h, fault.New(fault.Denied, sigv4.CodeExpired, "the security token included in the request is expired")
		}
		h.session, h.root = s, s.Kind == ""
		if e := a.principals[s.Kind][keyOf(s.Principal)]; e != nil && e.ID == s.ID {
			h.entity = e
		}
		h.limits = s.limits
		for _, arn := range s.ManagedARNs {
			if m := a.policyAt(arn); m != nil {
				h.limits = append(h.limits[:len(h.limits):len(h.limits)], m.doc)
			}
		}
		if len(s.Policies)+len(s.ManagedARNs) > 0 && h.limits == nil {
			h.limits = []*policy.Document{} // all that limited it are gone: nothing is left
		}
	} else if e := a.keys[accessKeyID]; e != nil && !e.key(accessKeyID).Inactive {
		h.entity = e
	}
	if h.entity == nil {
		if h.root {
			return h, nil
		}
		return h, fault.New(fault.Denied, sigv4.CodeUnknownKey, "The security token included in the request is invalid.")
	}
	return a.held(h), nil
}

// held gathers the policies of a user or role; the caller holds mu.
func (a *Authority) held(h holder) holder {
	h.identity = h.inline
	if len(h.Attached) > 0 {
		h.identity = make([]*policy.Document, 0, len(h.inline)+len(h.Attached))
		h.identity = append(h.identity, h.inline...)
		for _, arn := range h.Attached {
			if m := a.policyAt(arn); m != nil {
				h.identity = append(h.identity, m.doc)
			}
		}
	}
	if h.Boundary != "" {
		if m := a.policyAt(h.Boundary); m != nil {
			h.boundary = m.doc
		} else {
			h.boundary = &policy.Document{} // it bounds to nothing
		}
	}
	return h
}

// UserID is the unique id of who: AIDA… of a user, AROA…:NAME of a role's
// session, the account's of the root key.
func (a *Authority) UserID(who sigv4.Identity) string {
	h, err := a.holderOf(who.AccessKeyID)
	switch {
	case err != nil || h.root:
		return AccountID
	case h.session != nil:
		return h.session.UserID()
	}
	return h.ID
}

// Authorize says whether who may do one thing; its fault is worded as AWS words
// it. The request tells the condition keys; it may be nil.
func (a *Authority) Authorize(ctx context.Context, who sigv4.Identity, r *http.Request, access apiserver.Access) error {
	return a.decide(ctx, Question{Who: who, Request: r, Action: access.Action, Resource: access.Resource, Keys: access.Keys}, nil, false)
}

// Question is one thing that somebody, a service or the public wants to do.
type Question struct {
	Who     sigv4.Identity // zero, without a Service: the public
	Service string         // instead of Who: a service acting for itself, "cloudfront.amazonaws.com"
	Request *http.Request  // of Who; nil when the house asks
	Action  string
	// Resource is an ARN of this account, or "*".
	Resource string
	Keys     map[string][]string // condition keys of the action, names in lower case
	// Find gives those that are costly to have ready: it is asked for what a policy
	// reads and Keys lacks; nil finds nothing.
	Find policy.Keys
	// ResourcePolicy is the policy of the resource; nil: it has none.
	ResourcePolicy *policy.Document
}

// Decide says whether what is asked is allowed, by the resource's policy and who's own.
func (a *Authority) Decide(ctx context.Context, q Question) error {
	return a.decide(ctx, q, q.ResourcePolicy, false)
}

// PassRole says whether who may hand a role to a service, and whether the role
// lets the service assume it. The fault's code is NoSuchEntity when there is no
// such role, else AccessDenied; ErrUntrusted is in its chain when the trust lacks.
func (a *Authority) PassRole(ctx context.Context, who sigv4.Identity, roleARN, service string) error {
	if err := a.decide(ctx, Question{Who: who, Action: "iam:PassRole", Resource: roleARN, Keys: map[string][]string{"iam:passedtoservice": {service}}}, nil, false); err != nil {
		return err
	}
	e := a.roleAt(ctx, roleARN)
	if e == nil {
		return noSuch(KindRole, roleARN)
	}
	return a.trusts(e, service)
}

// decide is decideNow; before it refuses it looks whether another server changed that.
func (a *Authority) decide(ctx context.Context, q Question, resource *policy.Document, trust bool) error {
	err := a.decideNow(q, resource, trust)
	if err != nil && (q.Service != "" || q.Who.AccessKeyID != "") && a.lookAgain(ctx) {
		err = a.decideNow(q, resource, trust)
	}
	return err
}

// decideNow asks the evaluator, with the policies of who asks.
func (a *Authority) decideNow(q Question, resource *policy.Document, trust bool) error {
	h := holder{service: q.Service}
	if q.Service == "" && q.Who.AccessKeyID != "" {
		var err error
		if h, err = a.holderOf(q.Who.AccessKeyID); err != nil {
			return err
		}
	}
	if h.root && (resource == nil || keepsRoot(q.Action)) && h.limits == nil {
		return nil
	}
	r := policy.Request{Action: q.Action, Resource: q.Resource, ResourceAccount: AccountID, Keys: a.keysOf(&h, &q)}
	switch {
	case q.Service != "":
		r.Service = q.Service
	case q.Who.AccessKeyID != "":
		r.ARN, r.Account, r.CanonicalID = q.Who.ARN, AccountID, AccountID
		if h.session != nil && h.session.Kind == KindRole {
			r.RoleARN = h.ARN()
		}
	}
	identity := h.identity
	if h.root {
		identity = []*policy.Document{a.aws[awsAdministrator].doc}
	}
	d := policy.Evaluate(&r, policy.Policies{Identity: identity, Boundary: h.boundary, Session: h.limits, Resource: resource, Trust: trust})
	if d.Allowed {
		return nil
	}
	name := q.Resource
	if strings.HasPrefix(q.Action, "s3:") { // S3 alone puts it in quotes
		name = `"` + name + `"`
	}
	f := denied("User: %s is not authorized to perform: %s on resource: %s %s", cmp.Or(q.Service, q.Who.ARN, "anonymous"), q.Action, name, d.Reason(q.Action))
	if d.Explicit && h.entity != nil { // of the account: it may know
		return f.WithHint("statement %s of %s denies it", d.Statement, cmp.Or(d.Document, "the resource's policy"))
	}
	return f
}

// keepsRoot: a bucket policy cannot lock the account out of the bucket's policy.
func keepsRoot(action string) bool {
	return action == "s3:PutBucketPolicy" || action == "s3:GetBucketPolicy" || action == "s3:DeleteBucketPolicy"
}
