package iam

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/policy"
)

// CreatePolicy adds a managed policy whose first version is doc.
func (a *Authority) CreatePolicy(ctx context.Context, p Policy, doc string) (*Policy, error) {
	now := a.now().UTC().Truncate(time.Second)
	p.ID, p.Created, p.Updated = newID("ANPA"), now, now
	p.Versions, p.Default, p.Next = []Version{{ID: "v1", Document: doc, Created: now}}, "v1", 2
	return changing(ctx, a, func() (*Policy, error) {
		if slices.ContainsFunc(a.Policies(), func(q *Policy) bool { return !q.AWS && strings.EqualFold(q.Name, p.Name) }) {
			return nil, exists("A policy called "+p.Name, p.Name)
		}
		return a.savePolicy(ctx, &p)
	})
}

// ChangePolicy loads a managed policy of the account, calls fn and keeps what fn made of it.
func (a *Authority) ChangePolicy(ctx context.Context, arn string, fn func(*Policy) error) (*Policy, error) {
	return changing(ctx, a, func() (*Policy, error) {
		m := a.findPolicy(arn)
		if m == nil {
			return nil, noSuch(KindPolicy, arn)
		}
		if m.AWS {
			return nil, denied("Policies that come with the service cannot be changed: %s", arn)
		}
		p := m.clone()
		if err := fn(p); err != nil {
			return nil, err
		}
		p.Updated = a.now().UTC().Truncate(time.Second)
		return a.savePolicy(ctx, p)
	})
}

func (a *Authority) savePolicy(ctx context.Context, p *Policy) (*Policy, error) {
	switch {
	case len(p.Versions) > maxVersions:
		return nil, exceeded("VersionsPerPolicy", maxVersions)
	case len(p.Tags) > maxTags:
		return nil, exceeded("TagsPerPolicy", maxTags)
	}
	for _, v := range p.Versions {
		if size(v.Document) > maxManagedSize {
			return nil, exceeded("PolicySize", maxManagedSize)
		}
		if _, err := policy.Parse(v.Document, policy.Identity); err != nil {
			return nil, err
		}
	}
	m, err := parsedPolicy(p)
	if err != nil {
		return nil, err
	}
	r, err := record(KindPolicy, p.ARN(), p)
	if err != nil {
		return nil, err
	}
	if err := a.commit(ctx, []Record{r}, nil, func() { a.policies[p.ARN()] = m }); err != nil {
		return nil, fmt.Errorf("keep policy %q: %w", p.Name, err)
	}
	return p, nil
}

// DeletePolicy removes a managed policy that is not attached and has one version.
func (a *Authority) DeletePolicy(ctx context.Context, arn string) error {
	_, err := changing(ctx, a, func() (*Policy, error) {
		m := a.findPolicy(arn)
		switch {
		case m == nil:
			return nil, noSuch(KindPolicy, arn)
		case m.AWS:
			return nil, denied("Policies that come with the service cannot be deleted: %s", arn)
		case len(m.Versions) > 1:
			return nil, inUse("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		attached, bounds := a.Uses(arn)
		if len(attached)+len(bounds) > 0 {
			return nil, inUse("Cannot delete a policy attached to entities.")
		}
		if err := a.commit(ctx, nil, []Record{{Kind: KindPolicy, Key: arn}}, func() { delete(a.policies, arn) }); err != nil {
			return nil, fmt.Errorf("delete policy %q: %w", arn, err)
		}
		return m.Policy, nil
	})
	return err
}

func (a *Authority) findPolicy(arn string) *managed {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.policyAt(arn)
}

// policyAt finds a managed policy; the caller holds mu.
func (a *Authority) policyAt(arn string) *managed {
	if m := a.aws[arn]; m != nil {
		return m
	}
	return a.policies[arn]
}

// Policy returns a managed policy. It must not be changed.
func (a *Authority) Policy(arn string) (*Policy, error) {
	if m := a.findPolicy(arn); m != nil {
		return m.Policy, nil
	}
	return nil, noSuch(KindPolicy, arn)
}

// Policies returns all managed policies, by ARN.
func (a *Authority) Policies() []*Policy {
	a.mu.RLock()
	defer a.mu.RUnlock()
	out := make([]*Policy, 0, len(a.aws)+len(a.policies))
	for _, from := range []map[string]*managed{a.aws, a.policies} {
		for _, m := range from {
			out = append(out, m.Policy)
		}
	}
	slices.SortFunc(out, func(x, y *Policy) int { return strings.Compare(x.ARN(), y.ARN()) })
	return out
}

// Uses returns the users and roles that a managed policy is attached to, and
// those whose boundary it is.
func (a *Authority) Uses(arn string) (attached, bounds []*Principal) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, kind := range []Kind{KindUser, KindRole} {
		for _, e := range a.principals[kind] {
			if slices.Contains(e.Attached, arn) {
				attached = append(attached, e.Principal)
			}
			if e.Boundary == arn {
				bounds = append(bounds, e.Principal)
			}
		}
	}
	byName := func(x, y *Principal) int {
		return cmp.Or(strings.Compare(string(x.Kind), string(y.Kind)), strings.Compare(x.Name, y.Name))
	}
	slices.SortFunc(attached, byName)
	slices.SortFunc(bounds, byName)
	return attached, bounds
}

// NewVersion makes the next version of a policy, which is about to change.
func (a *Authority) NewVersion(p *Policy, doc string) Version {
	v := Version{ID: fmt.Sprintf("v%d", p.Next), Document: doc, Created: a.now().UTC().Truncate(time.Second)}
	p.Next++
	return v
}
