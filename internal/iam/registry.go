package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/policy"
)

// Config is what an Authority is made of. Clock and Logger may be nil.
type Config struct {
	Store  Store
	Root   Key
	Shared bool             // other servers change the Store too, see CatchUp
	Clock  func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil discards
}

// Authority knows who there is, whose a key is and what they may do. It is safe
// for concurrent use.
//
// Everything is in memory, parsed, so that a decision touches nothing else; the
// Store is read by Open, and written before a change counts. Principals and
// policies are never changed in place: a change makes new ones and puts them in
// the place of the old, and the next decision sees them. Where the Store is shared,
// what others changed is read from it, see CatchUp.
type Authority struct {
	store Store
	root  Key
	now   func() time.Time
	log   *slog.Logger
	aws   map[string]*managed // by ARN; never changes

	change sync.Mutex // one change of principals and policies at a time
	base   int64      // position on which the change at work builds; guarded by change

	shared  bool
	reading sync.Mutex // held while changes are read
	began   time.Time  // when they were read last
	seen    int64      // position up to which they are in memory; written under reading and mu

	mu         sync.RWMutex // of what follows
	principals map[Kind]map[string]*entity
	policies   map[string]*managed // by ARN; the account's own
	keys       map[string]*entity  // users by access key id
	sessions   map[string]*Session // by access key id
	used       sync.Map            // access key id: Use
	large      chan struct{}       // holds one for each large body that is read
}

// entity is a principal with its documents parsed.
type entity struct {
	*Principal
	inline []*policy.Document
	trust  *policy.Document
}

// managed is a managed policy with the document in force parsed.
type managed struct {
	*Policy
	doc *policy.Document
}

// Open returns the Authority over what the store holds.
func Open(ctx context.Context, cfg Config) (*Authority, error) {
	a := &Authority{
		large: make(chan struct{}, largeBodies),
		store: cfg.Store, root: cfg.Root, now: cfg.Clock, log: cfg.Logger, aws: awsManaged(),
		principals: map[Kind]map[string]*entity{KindUser: {}, KindRole: {}}, policies: map[string]*managed{},
		keys: map[string]*entity{}, sessions: map[string]*Session{}, shared: cfg.Shared,
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	records, position, err := cfg.Store.IAMRecords(ctx)
	if err != nil {
		return nil, fmt.Errorf("read principals: %w", err)
	}
	a.seen = position
	for _, r := range records {
		if err := a.load(r); err != nil {
			return nil, fmt.Errorf("read record of %s %q: %w", r.Kind, r.Key, err)
		}
	}
	return a, nil
}

func (a *Authority) load(r Record) error {
	switch r.Kind {
	case KindUser, KindRole:
		p := &Principal{}
		if err := json.Unmarshal(r.Doc, p); err != nil {
			return err
		}
		e, err := parsed(p)
		if err != nil {
			return err
		}
		a.place(e)
	case KindPolicy:
		p := &Policy{}
		if err := json.Unmarshal(r.Doc, p); err != nil {
			return err
		}
		m, err := parsedPolicy(p)
		if err != nil {
			return err
		}
		a.policies[p.ARN()] = m
	case KindSession:
		s := &Session{}
		if err := json.Unmarshal(r.Doc, s); err != nil {
			return err
		}
		if err := s.parse(); err != nil {
			return err
		}
		a.sessions[s.AccessKeyID] = s
	}
	return nil
}

// parsed reads a principal's documents.
func parsed(p *Principal) (*entity, error) {
	e := &entity{Principal: p}
	for _, name := range slices.Sorted(maps.Keys(p.Inline)) {
		d, err := policy.Parse(p.Inline[name], policy.Identity)
		if err != nil {
			return nil, err
		}
		d.Name = name
		e.inline = append(e.inline, d)
	}
	if p.Kind == KindRole {
		var err error
		if e.trust, err = policy.Parse(p.Trust, policy.Trust); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func parsedPolicy(p *Policy) (*managed, error) {
	d, err := policy.Parse(p.Document(), policy.Identity)
	if err != nil {
		return nil, err
	}
	d.Name = p.Name
	return &managed{p, d}, nil
}

// place puts a principal in its place. The caller holds mu, or is alone.
func (a *Authority) place(e *entity) {
	if old := a.principals[e.Kind][keyOf(e.Name)]; old != nil {
		a.unplace(old)
	}
	a.principals[e.Kind][keyOf(e.Name)] = e
	for _, k := range e.Keys {
		a.keys[k.ID] = e
	}
}

func (a *Authority) unplace(e *entity) {
	delete(a.principals[e.Kind], keyOf(e.Name))
	for _, k := range e.Keys {
		delete(a.keys, k.ID)
	}
}

// Create adds a user or a role. Its id and creation are made here.
func (a *Authority) Create(ctx context.Context, p Principal) (*Principal, error) {
	prefix, what := "AIDA", "User"
	if p.Kind == KindRole {
		prefix, what = "AROA", "Role"
	}
	p.ID, p.Created = newID(prefix), a.now().UTC().Truncate(time.Second)
	return changing(ctx, a, func() (*Principal, error) {
		if a.find(p.Kind, p.Name) != nil {
			return nil, exists(what, p.Name)
		}
		return a.save(ctx, &p, nil)
	})
}

// Change loads a user or a role, calls fn and keeps what fn made of it. When fn
// fails nothing changes.
func (a *Authority) Change(ctx context.Context, kind Kind, name string, fn func(*Principal) error) (*Principal, error) {
	return changing(ctx, a, func() (*Principal, error) {
		e := a.find(kind, name)
		if e == nil {
			return nil, noSuch(kind, name)
		}
		p := e.clone()
		if err := fn(p); err != nil {
			return nil, err
		}
		if keyOf(p.Name) != keyOf(e.Name) && a.find(kind, p.Name) != nil {
			return nil, exists("User", p.Name)
		}
		return a.save(ctx, p, e)
	})
}

// save checks a principal, keeps it and puts it in the place of old.
func (a *Authority) save(ctx context.Context, p *Principal, old *entity) (*Principal, error) {
	if err := a.check(p); err != nil {
		return nil, err
	}
	e, err := parsed(p)
	if err != nil {
		return nil, err
	}
	if e.trust != nil && (old == nil || old.Trust != p.Trust) {
		if err := a.CheckPrincipals(e.trust); err != nil {
			return nil, err
		}
	}
	r, err := record(p.Kind, keyOf(p.Name), p)
	if err != nil {
		return nil, err
	}
	var remove []Record
	if old != nil && keyOf(old.Name) != keyOf(p.Name) {
		remove = append(remove, Record{Kind: p.Kind, Key: keyOf(old.Name)})
	}
	err = a.commit(ctx, []Record{r}, remove, func() {
		if old != nil {
			a.unplace(old)
		}
		a.place(e)
	})
	if err != nil {
		return nil, fmt.Errorf("keep %s %q: %w", p.Kind, p.Name, err)
	}
	return p, nil
}

// check holds a principal against the quotas, and what it refers to must be there.
func (a *Authority) check(p *Principal) error {
	inline, quota, limit := 0, "UserPolicySize", maxUserInline
	for _, doc := range p.Inline {
		inline += size(doc)
	}
	if p.Kind == KindRole {
		quota, limit = "RolePolicySize", maxRoleInline
	}
	switch {
	case inline > limit:
		return exceeded(quota, limit)
	case size(p.Trust) > maxTrustSize:
		return exceeded("ACLSizePerRole", maxTrustSize)
	case len(p.Attached) > maxAttached:
		return exceeded("PoliciesPer"+strings.ToUpper(string(p.Kind[:1]))+string(p.Kind[1:]), maxAttached)
	case len(p.Keys) > maxKeys:
		return exceeded("AccessKeysPerUser", maxKeys)
	case len(p.Tags) > maxTags:
		return exceeded("TagsPer"+strings.ToUpper(string(p.Kind[:1]))+string(p.Kind[1:]), maxTags)
	}
	for _, arn := range append(slices.Clone(p.Attached), p.Boundary) {
		if arn != "" && a.findPolicy(arn) == nil {
			return noSuch(KindPolicy, arn).WithHint("policies that are attached must exist")
		}
	}
	return nil
}

// CheckPrincipals refuses a trust or resource policy that names users or roles of
// the account that are not there, with MalformedPolicyDocument.
func (a *Authority) CheckPrincipals(d *policy.Document) error {
	for _, arn := range d.Principals() {
		kind, name, ok := splitPrincipalARN(arn)
		if e := a.find(kind, name); ok && (e == nil || strings.HasPrefix(arn, "arn:aws:iam::") && e.ARN() != arn) {
			return malformed("Invalid principal in policy: %q:%q", "AWS", arn)
		}
	}
	return nil
}

// splitPrincipalARN returns whom an ARN of this account names; false for other
// accounts and other things.
func splitPrincipalARN(arn string) (kind Kind, name string, ok bool) {
	if rest, is := strings.CutPrefix(arn, "arn:aws:sts::"+AccountID+":assumed-role/"); is {
		name, _, _ = strings.Cut(rest, "/")
		return KindRole, name, true
	}
	rest, is := strings.CutPrefix(arn, "arn:aws:iam::"+AccountID+":")
	if !is {
		return "", "", false
	}
	what, path, _ := strings.Cut(rest, "/")
	name = path[strings.LastIndexByte(path, '/')+1:]
	return Kind(what), name, what == string(KindUser) || what == string(KindRole)
}

// Delete removes a user or a role that nothing hangs on any more.
func (a *Authority) Delete(ctx context.Context, kind Kind, name string) error {
	_, err := changing(ctx, a, func() (*entity, error) {
		e := a.find(kind, name)
		switch {
		case e == nil:
			return nil, noSuch(kind, name)
		case len(e.Attached) > 0:
			return nil, inUse("Cannot delete entity, must detach all policies first.")
		case len(e.Inline) > 0:
			return nil, inUse("Cannot delete entity, must delete policies first.")
		case len(e.Keys) > 0:
			return nil, inUse("Cannot delete entity, must delete access keys first.")
		}
		err := a.commit(ctx, nil, []Record{{Kind: kind, Key: keyOf(name)}}, func() { a.unplace(e) })
		if err != nil {
			return nil, fmt.Errorf("delete %s %q: %w", kind, name, err)
		}
		return e, nil
	})
	return err
}

func (a *Authority) find(kind Kind, name string) *entity {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.principals[kind][keyOf(name)]
}

// Get returns a user or a role. It must not be changed.
func (a *Authority) Get(kind Kind, name string) (*Principal, error) {
	if e := a.find(kind, name); e != nil {
		return e.Principal, nil
	}
	return nil, noSuch(kind, name)
}

// List returns the users or roles whose path begins with prefix, by name.
func (a *Authority) List(kind Kind, prefix string) []*Principal {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var out []*Principal
	for _, e := range a.principals[kind] {
		if strings.HasPrefix(e.Path, prefix) {
			out = append(out, e.Principal)
		}
	}
	slices.SortFunc(out, func(x, y *Principal) int { return strings.Compare(x.Name, y.Name) })
	return out
}

// UserOfKey returns the user whose access key that is.
func (a *Authority) UserOfKey(accessKeyID string) (*Principal, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if e := a.keys[accessKeyID]; e != nil {
		return e.Principal, true
	}
	return nil, false
}

// NewAccessKey makes a key that nobody has yet.
func (a *Authority) NewAccessKey() AccessKey {
	k := newAccessKey("AKIA")
	return AccessKey{ID: k.ID, Secret: k.Secret, Created: a.now().UTC().Truncate(time.Second)}
}

// Held returns a user or role by its ARN, and the policies that it has.
func (a *Authority) Held(arn string) (*Principal, policy.Policies, error) {
	kind, name, ok := splitPrincipalARN(arn)
	if !ok {
		return nil, policy.Policies{}, invalidInput("%s is not the ARN of a user or role of this account.", arn)
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	e := a.principals[kind][keyOf(name)]
	if e == nil {
		return nil, policy.Policies{}, noSuch(kind, name)
	}
	h := a.held(holder{entity: e})
	return e.Principal, policy.Policies{Identity: h.identity, Boundary: h.boundary}, nil
}
