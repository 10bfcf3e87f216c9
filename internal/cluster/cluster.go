// Package cluster is the servers that share records: who is there, and which of them
// leads, that is, does what one must do at a time.
//
// Each server tells the records that it is there, and tries to hold the lead, a lease
// by the records' clock. The one that holds it runs what was given to it to lead; when
// it cannot renew the lease in time, that ends before another may begin. A server that
// stops gives the lead up at once; one that dies is followed within Lease.
//
// The room may touch its Store and the clock. It knows nothing of what is led.
package cluster

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
)

// Server is one of those that share records.
type Server struct {
	ID      string // unique
	Name    string // of its machine
	Version string // of the program
}

// Store is the records; *store.Store is it.
type Store interface {
	// Present tells that a server is there, and returns the others that told so within
	// a time.
	Present(ctx context.Context, me Server, within time.Duration) ([]Server, error)
	// Absent tells that a server ends, and that its leases do. Servers of which nothing
	// was heard for so long are forgotten.
	Absent(ctx context.Context, id string, forgotten time.Duration) error
	// Hold takes or renews a lease for so long, and reports whether it is the holder's:
	// nobody else has it until then.
	Hold(ctx context.Context, lease, holder string, d time.Duration) (bool, error)
}

const (
	// Lease is how long the lead lasts without being renewed.
	Lease = 4 * time.Second
	// renewEvery is how often it is renewed, and tried for.
	renewEvery = time.Second
	// margin is what a leader ends before its lease does, for what is led to stop.
	margin = time.Second
	// Gone is after how long a server counts no more that says nothing.
	Gone = 10 * time.Second
	// forgotten is when a server that says nothing is forgotten.
	forgotten = time.Hour

	leadership = "lead"
)

// Config is what a Member is made of. All but Logger is needed.
type Config struct {
	Store  Store
	Me     Server
	Logger *slog.Logger
}

// Member is this server among those that share records.
type Member struct {
	cfg Config
	log *slog.Logger
}

// New returns a Member that does nothing until Join.
func New(cfg Config) *Member {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Member{cfg: cfg, log: cfg.Logger}
}

// ID names this server among the others.
func (m *Member) ID() string { return m.cfg.Me.ID }

// Join makes the server known. Beside servers of another version it is a
// fault.Conflict: they would not understand each other's records.
func (m *Member) Join(ctx context.Context) error {
	others, err := m.cfg.Store.Present(ctx, m.cfg.Me, Gone)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Version != m.cfg.Me.Version {
			_ = m.cfg.Store.Absent(context.WithoutCancel(ctx), m.cfg.Me.ID, forgotten)
			return Other(o.Name, o.Version)
		}
	}
	return nil
}

// Other is why a server does not start: one of another version uses its records.
func Other(name, version string) error {
	return fault.New(fault.Conflict, "", "server %s, which shares these records, is of another version: %s", name, version).
		WithHint("stop all servers before the first of a new version starts; one that was killed counts for %s", Gone)
}

// Run keeps the server known, and runs lead while it leads, again and again, until ctx
// ends; then it gives the lead up. lead returns soon after its context ends; when it
// returns before, it is tried again.
func (m *Member) Run(ctx context.Context, lead func(ctx context.Context) error) error {
	defer func() {
		end, done := context.WithTimeout(context.WithoutCancel(ctx), Lease)
		defer done()
		if err := m.cfg.Store.Absent(end, m.cfg.Me.ID, forgotten); err != nil {
			m.log.WarnContext(ctx, "give up the lead", "err", err)
		}
	}()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { m.present(ctx); return nil })
	group.Go(func() error {
		for ctx.Err() == nil {
			until, held, _ := m.hold(ctx) // what fails is told by present
			if held {
				if err := m.lead(ctx, until, lead); err != nil && !errors.Is(err, context.Canceled) {
					m.log.ErrorContext(ctx, "lead", "err", err)
				}
			}
			pause(ctx, renewEvery)
		}
		return nil
	})
	return group.Wait()
}

// present tells that the server is there, until ctx ends.
func (m *Member) present(ctx context.Context) {
	for told := true; ctx.Err() == nil; pause(ctx, Gone/4) {
		try, done := context.WithTimeout(ctx, Gone/4)
		_, err := m.cfg.Store.Present(try, m.cfg.Me, Gone)
		done()
		if err != nil && told && ctx.Err() == nil {
			m.log.WarnContext(ctx, "tell the other servers that this one is there", "err", err)
		}
		told = err == nil
	}
}

// hold tries to lead, and returns until when it may.
func (m *Member) hold(ctx context.Context) (until time.Time, held bool, err error) {
	asked := time.Now() // the lease counts from later
	try, done := context.WithTimeout(ctx, renewEvery)
	defer done()
	held, err = m.cfg.Store.Hold(try, leadership, m.cfg.Me.ID, Lease)
	return asked.Add(Lease - margin), held && err == nil, err
}

// lead runs what is led for as long as the lease is renewed in time.
func (m *Member) lead(ctx context.Context, until time.Time, lead func(ctx context.Context) error) error {
	m.log.InfoContext(ctx, "this server leads")
	led, stop := context.WithCancel(ctx)
	defer stop()
	end := time.AfterFunc(time.Until(until), stop)
	defer end.Stop()
	ended := make(chan error, 1)
	go func() { ended <- lead(led) }()
	for {
		select {
		case err := <-ended:
			if ctx.Err() == nil {
				m.log.WarnContext(ctx, "this server leads no more")
			}
			return err
		case <-time.After(renewEvery):
		}
		switch later, held, err := m.hold(led); {
		case held:
			end.Reset(time.Until(later))
		case err == nil: // another has it
			stop()
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
