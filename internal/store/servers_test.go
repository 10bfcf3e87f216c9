package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/cluster"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/store"
)

// sharing opens an empty PostgreSQL several times, at once.
func sharing(t *testing.T, servers int) []*store.Store {
	t.Helper()
	url := database(t)
	out, errs := make([]*store.Store, servers), make([]error, servers)
	var all sync.WaitGroup
	for i := range servers {
		all.Go(func() { out[i], errs[i] = store.Open(context.Background(), store.Config{URL: url, Shared: true}) })
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("server %d: %v", i, err)
		}
		t.Cleanup(func() { _ = out[i].Close() })
	}
	if _, err := store.Open(t.Context(), store.Config{URL: url}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a server that does not share: %v", err)
	}
	return out
}

// What one server changes of users acts on the other: keys, rights, and that they are
// gone; changes of one user on two servers are both kept.
func TestServersShareUsers(t *testing.T) {
	records := sharing(t, 2)
	both := make([]*iam.Authority, 2)
	for i, s := range records {
		var err error
		if both[i], err = iam.Open(t.Context(), iam.Config{Store: s, Shared: true}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, here, there := t.Context(), both[0], both[1]
	if _, err := here.Create(ctx, iam.Principal{Kind: iam.KindUser, Name: "ann", Path: "/"}); err != nil {
		t.Fatal(err)
	}
	key := here.NewAccessKey()
	if _, err := here.Change(ctx, iam.KindUser, "ann", func(p *iam.Principal) error { p.Keys = append(p.Keys, key); return nil }); err != nil {
		t.Fatal(err)
	}
	c, ok, err := there.Credential(ctx, key.ID)
	if !ok || err != nil || c.Secret != key.Secret {
		t.Fatalf("the key on the other server: %v, %v", ok, err)
	}
	if _, err := there.Create(ctx, iam.Principal{Kind: iam.KindUser, Name: "Ann", Path: "/"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a user that the other server made: %v", err)
	}
	var changes sync.WaitGroup
	for i, a := range both {
		for n := range 10 {
			changes.Go(func() {
				tag := fmt.Sprintf("%d-%d", i, n)
				if _, err := a.Change(ctx, iam.KindUser, "ann", func(p *iam.Principal) error {
					if p.Tags == nil {
						p.Tags = map[string]string{}
					}
					p.Tags[tag] = "x"
					return nil
				}); err != nil {
					t.Errorf("change %s: %v", tag, err)
				}
			})
		}
	}
	changes.Wait()
	for i, a := range both {
		if err := a.CatchUp(ctx); err != nil {
			t.Fatal(err)
		}
		if p, err := a.Get(iam.KindUser, "ann"); err != nil || len(p.Tags) != 20 {
			t.Errorf("server %d: %v, %v", i, p, err)
		}
	}
	if _, err := there.Change(ctx, iam.KindUser, "ann", func(p *iam.Principal) error { p.Keys = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := here.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := here.Credential(ctx, key.ID); ok {
		t.Error("a key that was deleted is good on the other server")
	}
	if err := here.Delete(ctx, iam.KindUser, "ann"); err != nil {
		t.Fatal(err)
	}
	if err := there.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := there.Get(iam.KindUser, "ann"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a user that was deleted, on the other server: %v", err)
	}
	// More than is kept of changes: everything is read again.
	many := make([]iam.Record, 2100)
	for i := range many {
		many[i] = iam.Record{Kind: iam.KindUser, Key: fmt.Sprint(i)}
	}
	if err := records[0].ChangeIAM(ctx, -1, nil, many); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Create(ctx, iam.Principal{Kind: iam.KindUser, Name: "ben", Path: "/"}); err != nil {
		t.Fatal(err)
	}
	if err := there.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := there.Get(iam.KindUser, "ben"); err != nil {
		t.Errorf("a user after many changes: %v", err)
	}
}

// One of three servers leads; another does when it stops, and within the lease when it
// dies. No two lead at once.
func TestOneServerLeads(t *testing.T) {
	var leading atomic.Int32
	began := make(chan int, 10)
	stops, dies := make([]context.CancelFunc, 3), make([]chan struct{}, 3)
	var all sync.WaitGroup
	records := sharing(t, 3)
	for i, s := range records {
		ctx, stop := context.WithCancel(t.Context())
		stops[i], dies[i] = stop, make(chan struct{})
		var from cluster.Store = mortal{s, dies[i]}
		m := cluster.New(cluster.Config{Store: from, Me: cluster.Server{ID: fmt.Sprint(i), Name: "host", Version: "1"}})
		if err := m.Join(ctx); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			_ = m.Run(ctx, func(ctx context.Context) error {
				if n := leading.Add(1); n != 1 {
					t.Errorf("%d lead", n)
				}
				began <- i
				<-ctx.Done()
				leading.Add(-1)
				return nil
			})
		})
	}
	defer all.Wait()
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	next := func(what string) int {
		select {
		case i := <-began:
			return i
		case <-time.After(30 * time.Second):
			t.Fatalf("nobody leads %s", what)
			return 0
		}
	}
	first := next("at first")
	other := cluster.New(cluster.Config{Store: records[0], Me: cluster.Server{ID: "x", Name: "host", Version: "2"}})
	if err := other.Join(t.Context()); !fault.Is(err, fault.Conflict) {
		t.Errorf("a server of another version: %v", err)
	}
	if err := records[0].OthersUse(t.Context(), 13); !fault.Is(err, fault.Conflict) {
		t.Errorf("a schema that servers work with may change: %v", err)
	}
	stops[first]()
	second := next("after the first has stopped")
	close(dies[second])
	if third := next("after the second has died"); third == first || third == second {
		t.Errorf("server %d leads after %d and %d", third, first, second)
	}
}

// mortal is a store that nothing reaches any more once it died.
type mortal struct {
	*store.Store
	died chan struct{}
}

func (m mortal) Hold(ctx context.Context, lease, holder string, d time.Duration) (bool, error) {
	select {
	case <-m.died:
		<-ctx.Done()
		return false, ctx.Err()
	default:
		return m.Store.Hold(ctx, lease, holder, d)
	}
}

// Runs of a function count on all servers together, and not those of one that died.
func TestServersShareConcurrency(t *testing.T) {
	records := sharing(t, 2)
	var both []store.Running
	for i, s := range records {
		both = append(both, store.Running{Store: s, Server: fmt.Sprint(i), Within: time.Minute})
		if _, err := s.Present(t.Context(), cluster.Server{ID: fmt.Sprint(i)}, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	enter := func(r store.Running, run string) bool {
		t.Helper()
		ok, err := r.EnterFunction(t.Context(), "f", run, 2)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !enter(both[0], "a") || !enter(both[1], "b") || enter(both[0], "c") || enter(both[1], "d") {
		t.Error("of two runs at once there are none, or three")
	}
	if err := both[1].LeaveFunction(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if !enter(both[0], "c") || enter(both[1], "d") {
		t.Error("one run that ended makes room for none, or two")
	}
	if err := records[0].Absent(t.Context(), "0", time.Hour); err != nil {
		t.Fatal(err)
	}
	if !enter(both[1], "d") {
		t.Error("runs of a server that is gone count")
	}
}
