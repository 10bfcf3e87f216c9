package main

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/cluster"
	"vodwright.dev/vodwright/internal/edge"
	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fleet"
	"vodwright.dev/vodwright/internal/function"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/store"
	"vodwright.dev/vodwright/internal/tlsca"
)

// shared reports whether any number of servers may use what this one does: whatever
// outlives it is elsewhere.
func (c *serveCmd) shared() bool { return c.Postgres != "" && len(c.Nats) > 0 && c.S3 != "" }

// What servers tell each other, with nothing but its name: each looks in the records
// then. It may get lost; all look once a second anyway.
const (
	tellChanged   = "changed"
	changedWork   = "work"   // for the one that leads: jobs, events, deliveries
	changedPeople = "people" // users, roles, policies
	changedEdge   = "edge"   // invalidations
)

// lookEvery is how often a server looks what others did, of which nobody told it.
const (
	lookEvery = time.Second
	lookPause = 20 * time.Millisecond
)

// joinServers makes this server one of those that share the records, and takes over
// what they agreed on.
func (h *house) joinServers(ctx context.Context) error {
	if !h.flags.shared() {
		return nil
	}
	h.member = cluster.New(cluster.Config{Store: h.records, Me: cluster.Server{ID: rand.Text(), Name: hostname(), Version: build()}, Logger: h.log})
	if err := h.member.Join(ctx); err != nil {
		return err
	}
	mine, err := json.Marshal(h.root)
	if err != nil {
		return err
	}
	kept, err := h.records.Agree(ctx, "root key", mine)
	if err != nil {
		return err
	}
	var root iam.Key
	if err := json.Unmarshal(kept, &root); err != nil {
		return err
	}
	if root != h.root {
		h.root = root
		return iam.ReplaceRoot(h.data, root)
	}
	return nil
}

// openCertificates opens the private authority, which servers that share records share
// too: a client that trusts one trusts all.
func (h *house) openCertificates(ctx context.Context) (err error) {
	if h.secure == nil {
		return nil
	}
	dir := filepath.Join(h.data, "tls")
	if h.ca, err = tlsca.Open(dir); err != nil || h.member == nil {
		return err
	}
	mine, err := h.ca.Export()
	if err != nil {
		return err
	}
	kept, err := h.records.Agree(ctx, "certificate authority", mine)
	if err != nil {
		return err
	}
	h.ca, err = tlsca.Import(dir, kept)
	return err
}

// secretOf is one of the secrets that follow from the root key: the same on all servers.
func secretOf(root iam.Key, what string) (out [32]byte, err error) {
	secret, err := hkdf.Key(sha256.New, []byte(root.Secret), nil, what, len(out))
	copy(out[:], secret)
	return out, err
}

// changed tells the other servers that there is something new in the records.
func (h *house) changed(what string) {
	if h.member == nil || h.tasks == nil || what == changedWork && h.leads.Load() {
		return
	}
	if err := h.tasks.Tell(tellChanged, []byte(what)); err != nil {
		h.log.Debug("tell the other servers of a change", "err", err)
	}
}

// sharedIAM implements iam.Store; as the others do, it tells the other servers of changes.
type sharedIAM struct {
	*store.Store
	changed func(string)
}

// ChangeIAM implements iam.Store.
func (s sharedIAM) ChangeIAM(ctx context.Context, after int64, put, remove []iam.Record) error {
	err := s.Store.ChangeIAM(ctx, after, put, remove)
	if err == nil {
		s.changed(changedPeople)
	}
	return err
}

// sharedEvents implements event.Store.
type sharedEvents struct {
	*store.Store
	changed func(string)
}

func (s sharedEvents) Advance(ctx context.Context, feed string, position int64, deliveries []event.Delivery) error {
	err := s.Store.Advance(ctx, feed, position, deliveries)
	if err == nil && feed == "" {
		s.changed(changedWork)
	}
	return err
}

// sharedQueue implements function.Queue.
type sharedQueue struct {
	*store.Store
	changed func(string)
}

func (s sharedQueue) InsertEvent(ctx context.Context, e function.Event) error {
	err := s.Store.InsertEvent(ctx, e)
	if err == nil {
		s.changed(changedWork)
	}
	return err
}

// edges implements cloudfront.Edge for the edges of all servers.
type edges struct {
	*edge.Edge
	changed func(string)
}

func (e edges) Invalidate(id string, paths []string) {
	e.Edge.Invalidate(id, paths)
	e.changed(changedEdge)
}

// runShared runs what a server does beside others: it leads when it is its turn, and
// looks what the others did. The lead ends after the tasks that are carried here have
// been given back: to whom, if not to a leader.
func (h *house) runShared(ctx context.Context, group *errgroup.Group) {
	leading, end := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		defer end()
		err := h.carrier.Run(ctx)
		<-ctx.Done()
		return err
	})
	group.Go(func() error { return h.member.Run(leading, h.lead) })
	group.Go(func() error { return h.tasks.Answer(ctx, h.desk.Answer, fleet.OtherVerbs()...) })
	people, caches := make(chan struct{}, 1), make(chan struct{}, 1)
	group.Go(func() error {
		return h.tasks.Hear(leading, func(verb string, what []byte) {
			if verb != tellChanged {
				return
			}
			switch string(what) {
			case changedWork:
				nudge(h.work)
			case changedPeople:
				nudge(people)
			case changedEdge:
				nudge(caches)
			}
		})
	})
	group.Go(func() error {
		return h.look(ctx, people, "what others changed of users and roles", h.authority.CatchUp)
	})
	position := int64(-1)
	group.Go(func() error {
		return h.look(ctx, caches, "invalidations", func(ctx context.Context) error {
			list, last, err := h.records.InvalidationsAfter(ctx, position)
			for _, i := range list {
				h.edge.Invalidate(i.Distribution, i.Decoded())
			}
			position = last
			return err
		})
	})
	group.Go(func() error { return h.forgetWork(ctx) })
}

// lead does what one server at a time does, until ctx ends.
func (h *house) lead(ctx context.Context) error {
	h.leads.Store(true)
	defer h.leads.Store(false)
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range h.alone() {
		group.Go(func() error { return run(ctx) })
	}
	group.Go(func() error { return h.tasks.Answer(ctx, h.desk.Answer, fleet.LedgerVerbs()...) })
	group.Go(func() error {
		return h.look(ctx, h.work, "what others left to do", func(ctx context.Context) error {
			h.jobs.Wake()
			h.functions.Look()
			h.bus.Look(ctx)
			return nil
		})
	})
	return group.Wait()
}

// alone is what runs on one server at a time.
func (h *house) alone() []func(context.Context) error {
	out := []func(context.Context) error{h.buckets.Run, h.authority.Run, h.jobs.Run, h.bus.Run, h.functions.Run}
	if h.desk != nil {
		out = append(out, h.sweepDepot)
	}
	return out
}

// look calls see whenever it is told to, though not more often than lookPause, and
// every lookEvery, until ctx ends.
func (h *house) look(ctx context.Context, told <-chan struct{}, what string, see func(context.Context) error) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failed := false
	for {
		err := see(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			h.log.WarnContext(ctx, "look for "+what, "err", err)
		}
		failed = err != nil
		select {
		case <-time.After(lookPause):
		case <-ctx.Done():
		}
		select {
		case <-told:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// forgetWork removes the files of jobs that are over from this machine.
func (h *house) forgetWork(ctx context.Context) error {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		ids, err := h.films.Jobs()
		for _, id := range ids {
			j, e := h.records.Job(ctx, id)
			if e == nil && !j.Status.Final() || e != nil && !fault.Is(e, fault.NotFound) || h.carrier.Carries(id) {
				continue
			}
			err = errors.Join(err, h.films.Forget(id))
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, os.ErrNotExist) {
			h.log.DebugContext(ctx, "tidy the work folder", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ledger is where tasks that are carried here are booked: at the server that leads.
func (h *house) ledger() job.Ledger {
	return fleet.NewClient(fleet.ClientConfig{Line: h.tasks, Version: build(), Name: hostname(), Logger: h.log})
}

func nudge(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
