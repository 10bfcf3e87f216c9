package iam

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// anyPosition is for changes that do not build on others.
const anyPosition = -1

// changesTried is how often a change is tried that others were faster than.
const changesTried = 10

// changing makes a change of principals or policies that builds on what there is: again
// when another server was faster.
func changing[T any](ctx context.Context, a *Authority, change func() (T, error)) (out T, err error) {
	a.change.Lock()
	defer a.change.Unlock()
	for range changesTried {
		if err := a.CatchUp(ctx); err != nil {
			return out, err
		}
		a.mu.RLock()
		a.base = a.seen
		a.mu.RUnlock()
		if out, err = change(); !errors.Is(err, ErrBehind) {
			return out, err
		}
	}
	return out, err
}

// commit keeps a change, and has it act. It is called within changing.
func (a *Authority) commit(ctx context.Context, put, remove []Record, act func()) error {
	if err := a.store.ChangeIAM(ctx, a.base, put, remove); err != nil {
		return err
	}
	if a.shared && a.CatchUp(context.WithoutCancel(ctx)) == nil {
		return nil // read back with what others changed, in order
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	act()
	return nil
}

// CatchUp reads what other servers changed in the records: when it returns nil, what
// was changed before it was called acts here too.
func (a *Authority) CatchUp(ctx context.Context) error { return a.catchUp(ctx, time.Now(), 0) }

// againPause is the least time between two looks for the sake of requests that are
// about to be refused: anybody can send those.
const againPause = 20 * time.Millisecond

// lookAgain is CatchUp for who is about to refuse, and reports whether it may have made
// a difference.
func (a *Authority) lookAgain(ctx context.Context) bool {
	if !a.shared {
		return false
	}
	err := a.catchUp(ctx, time.Now(), againPause)
	if err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "look what other servers changed", "err", err)
	}
	return err == nil
}

// catchUp reads what changed, unless somebody began to after asked.
func (a *Authority) catchUp(ctx context.Context, asked time.Time, pause time.Duration) error {
	if !a.shared {
		return nil
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	if a.began.After(asked) {
		return nil
	}
	if wait := pause - time.Since(a.began); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	began := time.Now()
	c, err := a.store.IAMChanges(ctx, a.seen)
	if err != nil {
		return err
	}
	a.apply(c)
	a.began = began
	return nil
}

// apply puts changes into memory. What cannot be read is not there: who may do nothing
// asks, who may too much does not.
func (a *Authority) apply(c Changes) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.All {
		for _, kind := range slices.Collect(maps.Keys(a.principals)) {
			a.principals[kind] = map[string]*entity{}
		}
		clear(a.policies)
		clear(a.keys)
		clear(a.sessions)
	}
	for _, r := range c.Removed {
		a.drop(r)
	}
	for _, r := range c.Put {
		a.drop(r)
		if err := a.load(r); err != nil {
			a.log.Error("read what another server changed", "kind", r.Kind, "name", r.Key, "err", err)
		}
	}
	a.seen = c.Position
}

// drop removes what a record is of; the caller holds mu.
func (a *Authority) drop(r Record) {
	switch r.Kind {
	case KindUser, KindRole:
		if e := a.principals[r.Kind][r.Key]; e != nil {
			a.unplace(e)
		}
	case KindPolicy:
		delete(a.policies, r.Key)
	case KindSession:
		delete(a.sessions, r.Key)
		a.used.Delete(r.Key)
	}
}
