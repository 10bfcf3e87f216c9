package iam

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/policy"
)

// Session is a temporary key: of a role that somebody or a service assumed, or
// of a user or the root key that asked for one. It is kept until some time after
// it expired, so that it goes on after a restart, and that whoever still uses it
// hears that it expired rather than that it never was.
type Session struct {
	AccessKeyID     string    `json:"accessKeyId"` // begins with ASIA
	SecretAccessKey string    `json:"secretAccessKey"`
	SessionToken    string    `json:"sessionToken"`
	ARN             string    `json:"arn"` // arn:aws:sts::ACCOUNT:assumed-role/ROLE/NAME, or the user's own
	Issued          time.Time `json:"issued"`
	Expires         time.Time `json:"expires"`

	Kind      Kind              `json:"kind"` // role, or user; "" is the root key's
	Principal string            `json:"principal,omitempty"`
	ID        string            `json:"id,omitempty"` // of the principal: one made anew under its name is another
	Name      string            `json:"name,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	// Policies limit the session: documents as given, and ARNs of managed policies.
	Policies    []string `json:"policies,omitempty"`
	ManagedARNs []string `json:"managedArns,omitempty"`
	Service     string   `json:"service,omitempty"` // that assumed the role

	limits []*policy.Document // Policies, parsed
}

// lingering is how long a session is kept after it expired.
const lingering = time.Hour

// Identity is who the holder of the session is.
func (s Session) Identity() sigv4.Identity {
	return sigv4.Identity{AccessKeyID: s.AccessKeyID, ARN: s.ARN, Account: AccountID}
}

// UserID is the unique id that AWS gives the holder: ROLEID:NAME.
func (s Session) UserID() string {
	switch s.Kind {
	case KindRole:
		return s.ID + ":" + s.Name
	case KindUser:
		return s.ID
	}
	return AccountID
}

func (s *Session) parse() error {
	s.limits = nil
	for _, text := range s.Policies {
		d, err := policy.Parse(text, policy.Identity)
		if err != nil {
			return err
		}
		d.Name = "session policy"
		s.limits = append(s.limits, d)
	}
	return nil
}

// The bounds of how long a session may be asked for.
const (
	MinSession     = 15 * time.Minute
	DefaultSession = time.Hour
	maxChained     = time.Hour // of a role's session that a role's session assumes
)

// Assume is what somebody asks who wants to be a role for a while.
type Assume struct {
	RoleARN     string
	SessionName string
	Duration    time.Duration // 0: an hour, or as much as the role allows
	ExternalID  string
	Policy      string // a session policy; "" is none
	PolicyARNs  []string
	Tags        map[string]string
}

// AssumeRole makes a session of a role for who, if the role's trust policy and
// who's own policies let them.
func (a *Authority) AssumeRole(ctx context.Context, who sigv4.Identity, r *http.Request, in Assume) (Session, error) {
	e := a.roleAt(ctx, in.RoleARN)
	q := Question{Who: who, Request: r, Action: "sts:AssumeRole", Resource: in.RoleARN, Keys: map[string][]string{"sts:rolesessionname": {in.SessionName}}}
	if in.ExternalID != "" {
		q.Keys["sts:externalid"] = []string{in.ExternalID}
	}
	tagKeys(q.Keys, in.Tags)
	if e == nil { // AWS does not tell whether the role exists
		return Session{}, denied("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", who.ARN, in.RoleARN)
	}
	if err := a.decide(ctx, q, e.trust, true); err != nil {
		return Session{}, err
	}
	if len(in.Tags) > 0 {
		q.Action = "sts:TagSession"
		if err := a.decide(ctx, q, e.trust, true); err != nil {
			return Session{}, err
		}
	}
	longest := e.MaxSession
	if s, ok := a.sessionOf(who.AccessKeyID); ok && s.Kind == KindRole {
		if longest = maxChained; in.Duration > longest {
			return Session{}, fault.New(fault.Invalid, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
		}
	}
	if in.Duration > longest {
		return Session{}, fault.New(fault.Invalid, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	s := a.sessionFor(e, in.SessionName, in.Duration)
	s.Tags, s.ManagedARNs = in.Tags, in.PolicyARNs
	if in.Policy != "" {
		s.Policies = []string{in.Policy}
		if size(in.Policy) > maxUserInline {
			return Session{}, fault.New(fault.Invalid, "PackedPolicyTooLarge", "The session policy is larger than %d characters", maxUserInline)
		}
	}
	for _, arn := range in.PolicyARNs {
		if a.findPolicy(arn) == nil {
			return Session{}, malformed("The policy %s does not exist", arn)
		}
	}
	return s, a.keep(ctx, &s)
}

// AssumeForService makes a session of a role for a service of the house, if the
// role's trust policy names it. d is at most the role's longest session; 0 is an
// hour. The fault's code is NoSuchEntity when there is no such role, AccessDenied
// (ErrUntrusted in its chain) when it does not trust the service.
func (a *Authority) AssumeForService(ctx context.Context, roleARN, service, sessionName string, d time.Duration) (Session, error) {
	e := a.roleAt(ctx, roleARN)
	if e == nil {
		return Session{}, noSuch(KindRole, roleARN)
	}
	if err := a.trusts(e, service); err != nil {
		return Session{}, err
	}
	s := a.sessionFor(e, sessionNames.ReplaceAllString(sessionName, "-"), min(d, e.MaxSession))
	s.Service = service
	return s, a.keep(ctx, &s)
}

// sessionNames are the characters that no session's name has.
var sessionNames = regexp.MustCompile(`[^\w+=,.@-]`)

// ErrUntrusted is in the chain of faults about roles that do not trust a service.
var ErrUntrusted = errors.New("the role's trust policy does not name the service")

// trusts reports whether a role lets a service assume it.
func (a *Authority) trusts(e *entity, service string) error {
	r := &policy.Request{
		Principal: policy.Principal{Service: service}, Action: "sts:AssumeRole", Resource: e.ARN(), ResourceAccount: AccountID,
		Keys: a.keysOf(&holder{service: service}, &Question{Keys: map[string][]string{"aws:sourceaccount": {AccountID}}}),
	}
	if d := policy.Evaluate(r, policy.Policies{Resource: e.trust, Trust: true}); !d.Allowed {
		return denied("The role %s cannot be assumed by %s: %w", e.ARN(), service, ErrUntrusted).
			WithHint("add a statement to the role's trust policy that allows sts:AssumeRole to the Service %s", service)
	}
	return nil
}

// roleAt finds a role by its whole ARN.
func (a *Authority) roleAt(ctx context.Context, arn string) *entity {
	kind, name, ok := splitPrincipalARN(arn)
	if !ok || kind != KindRole {
		return nil
	}
	e := a.find(KindRole, name)
	if e == nil && a.lookAgain(ctx) {
		e = a.find(KindRole, name)
	}
	if e != nil && e.ARN() == arn {
		return e
	}
	return nil
}

func (a *Authority) sessionFor(e *entity, name string, d time.Duration) Session {
	if d <= 0 {
		d = min(DefaultSession, e.MaxSession)
	}
	s := a.newSession(d)
	s.Kind, s.Principal, s.ID, s.Name = KindRole, e.Name, e.ID, name
	s.ARN = "arn:aws:sts::" + AccountID + ":assumed-role/" + e.Name + "/" + name
	return s
}

func (a *Authority) newSession(d time.Duration) Session {
	key, now := newAccessKey("ASIA"), a.now().UTC()
	return Session{
		AccessKeyID: key.ID, SecretAccessKey: key.Secret,
		SessionToken: "IQoJ" + random(252, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
		Issued:       now, Expires: now.Add(d).Truncate(time.Second),
	}
}

// SessionToken makes a session of the user or the root key that asks: the same
// rights, for a while.
func (a *Authority) SessionToken(ctx context.Context, who sigv4.Identity, d time.Duration) (Session, error) {
	s := a.newSession(d)
	s.ARN = who.ARN
	if who.AccessKeyID != a.root.ID {
		user, ok := a.UserOfKey(who.AccessKeyID)
		if !ok {
			return Session{}, denied("Cannot call GetSessionToken with session credentials")
		}
		s.Kind, s.Principal, s.ID = KindUser, user.Name, user.ID
	}
	return s, a.keep(ctx, &s)
}

func (a *Authority) keep(ctx context.Context, s *Session) error {
	if err := s.parse(); err != nil {
		return err
	}
	r, err := record(KindSession, s.AccessKeyID, s)
	if err != nil {
		return err
	}
	r.Expires = s.Expires.Add(lingering)
	if err := a.store.ChangeIAM(ctx, anyPosition, []Record{r}, nil); err != nil {
		return fmt.Errorf("keep session of %q: %w", s.ARN, err)
	}
	kept := *s
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions[s.AccessKeyID] = &kept
	return nil
}

func (a *Authority) sessionOf(accessKeyID string) (Session, bool) {
	if !strings.HasPrefix(accessKeyID, "ASIA") {
		return Session{}, false
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if s := a.sessions[accessKeyID]; s != nil {
		return *s, true
	}
	return Session{}, false
}

// sweeping is how often expired sessions are looked for.
const sweeping = 10 * time.Minute

// Run forgets sessions a while after they expired, until ctx ends.
func (a *Authority) Run(ctx context.Context) error {
	tick := time.NewTicker(sweeping)
	defer tick.Stop()
	for {
		if err := a.sweep(ctx); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "forget expired sessions", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *Authority) sweep(ctx context.Context) error {
	now := a.now()
	var gone []Record
	a.mu.RLock()
	for id, s := range a.sessions {
		if now.After(s.Expires.Add(lingering)) {
			gone = append(gone, Record{Kind: KindSession, Key: id})
		}
	}
	a.mu.RUnlock()
	if len(gone) == 0 {
		return nil
	}
	if err := a.store.ChangeIAM(ctx, anyPosition, nil, gone); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range gone {
		delete(a.sessions, r.Key)
		a.used.Delete(r.Key)
	}
	return nil
}
