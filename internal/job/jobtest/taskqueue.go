package jobtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/job"
)

// patience is how long the suites wait for what should take milliseconds.
const patience = 20 * time.Second

// Eventually polls until ok returns true, and fails the test when it does not.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// TaskQueue is the suite of job.TaskQueue. open returns an empty queue that ends
// with the test; reopen ends it as a process does that is killed, and opens what
// it left.
func TaskQueue(t *testing.T, open func(t *testing.T) (q job.TaskQueue, reopen func() job.TaskQueue)) {
	taskQueue(t, open)
	t.Run("what was not done survives, and leases do not", func(t *testing.T) {
		q, reopen := open(t)
		again, took := survives(t, q, reopen)
		if took > job.LeaseTime/2 {
			t.Errorf("delivery after a restart took %s: it waited for leases of a dead process", took)
		}
		if !slices.Equal(again, refs("1-a", 3, 5)[1:]) {
			t.Errorf("delivered %v", again)
		}
	})
}

// SharedTaskQueue is the suite of a job.TaskQueue whose leases others may hold: they
// outlive who reopens it.
func SharedTaskQueue(t *testing.T, open func(t *testing.T) (q job.TaskQueue, reopen func() job.TaskQueue)) {
	taskQueue(t, open)
	t.Run("what was not done survives, and leases run out", func(t *testing.T) {
		q, reopen := open(t)
		again, took := survives(t, q, reopen)
		if took > job.LeaseTime*3/2 {
			t.Errorf("delivery after a restart took %s", took)
		}
		if !slices.Equal(again[:2], refs("1-a", 3, 5)[3:]) {
			t.Errorf("delivered %v: those that nobody had go first", again)
		}
	})
}

func taskQueue(t *testing.T, open func(t *testing.T) (q job.TaskQueue, reopen func() job.TaskQueue)) {
	with := func(name string, test func(t *testing.T, q job.TaskQueue, reopen func() job.TaskQueue)) {
		t.Run(name, func(t *testing.T) {
			q, reopen := open(t)
			test(t, q, reopen)
		})
	}
	with("each task is delivered once", deliveredOnce)
	with("the order is by turns, then number", deliveryOrder)
	with("publishing twice does nothing", publishTwice)
	with("a task that was done can be published again", publishAgain)
	with("a released task comes again", releasedAgain)
	with("slots bound what runs", slotsBound)
	with("a drop ends leases and removes what waits", drop)
	with("the end of Deliver ends leases and waits", endOfDeliver)
	with("what is carried ends after the last was delivered", lastOfDeliver)
	with("a new task is delivered while others wait for nothing", wakes)
}

// deliver runs Deliver until the test ends or stop is called; stop waits for it.
func deliver(t *testing.T, q job.TaskQueue, slots int, handle func(context.Context, job.Lease)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := q.Deliver(ctx, nil, slots, handle); err != nil {
			t.Error(err)
		}
	}()
	stop = func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("Deliver does not end")
		}
	}
	t.Cleanup(stop)
	return stop
}

// log notes refs from many goroutines.
type log struct {
	mu   sync.Mutex
	refs []job.Ref
}

func (l *log) add(r job.Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refs = append(l.refs, r)
}

func (l *log) all() []job.Ref {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.refs)
}

func publish(t *testing.T, q job.TaskQueue, refs ...job.Ref) {
	t.Helper()
	if err := q.Publish(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
}

func refs(id string, priority, n int) []job.Ref {
	var all []job.Ref
	for i := range n {
		all = append(all, job.Ref{Job: id, Number: i, Priority: priority})
	}
	return all
}

func pending(t *testing.T, q job.TaskQueue) int {
	t.Helper()
	p, err := q.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(p)
}

func done(t *testing.T, l job.Lease) {
	if err := l.Done(context.Background()); err != nil {
		t.Error(err)
	}
}

func deliveredOnce(t *testing.T, q job.TaskQueue, _ func() job.TaskQueue) {
	const n = 600 // more than are published at once
	var got log
	deliver(t, q, 4, func(_ context.Context, l job.Lease) { got.add(l.Task()); done(t, l) })
	publish(t, q, refs("1-a", 0, n)...)
	Eventually(t, "delivery", func() bool { return len(got.all()) >= n })
	Eventually(t, "empty queue", func() bool { return pending(t, q) == 0 })
	all := got.all()
	slices.SortFunc(all, func(a, b job.Ref) int { return a.Number - b.Number })
	if !slices.Equal(all, refs("1-a", 0, n)) {
		t.Errorf("%d deliveries of %d tasks", len(all), n)
	}
}

func deliveryOrder(t *testing.T, q job.TaskQueue, _ func() job.TaskQueue) {
	publish(t, q, refs("3-a", 0, 2)...)
	publish(t, q, refs("1-a", -50, 2)...)
	publish(t, q, refs("2-a", 0, 2)...)
	publish(t, q, refs("4-a", 1, 2)...)
	publish(t, q, refs("5-a", 50, 12)...)
	want := slices.Concat(refs("5-a", 50, 12), refs("4-a", 1, 2),
		refs("2-a", 0, 1), refs("3-a", 0, 1), refs("2-a", 0, 2)[1:], refs("3-a", 0, 2)[1:], refs("1-a", -50, 2))
	p, err := q.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range want {
		if !slices.Contains(p, r) {
			t.Errorf("%+v is not pending", r)
		}
	}
	var got log
	deliver(t, q, 1, func(_ context.Context, l job.Lease) { got.add(l.Task()); done(t, l) })
	Eventually(t, "delivery", func() bool { return len(got.all()) == len(want) })
	if all := got.all(); !slices.Equal(all, want) {
		t.Errorf("delivered %v\nwant      %v", all, want)
	}
}

func publishTwice(t *testing.T, q job.TaskQueue, _ func() job.TaskQueue) {
	publish(t, q, refs("1-a", 0, 3)...)
	publish(t, q, refs("1-a", 0, 4)...)
	if n := pending(t, q); n != 4 {
		t.Errorf("%d tasks pending, want 4", n)
	}
	var got log
	hold := make(chan struct{})
	deliver(t, q, 8, func(_ context.Context, l job.Lease) { got.add(l.Task()); <-hold; done(t, l) })
	Eventually(t, "delivery", func() bool { return len(got.all()) == 4 })
	publish(t, q, refs("1-a", 0, 4)...) // all are leased
	close(hold)
	Eventually(t, "empty queue", func() bool { return pending(t, q) == 0 })
	if n := len(got.all()); n != 4 {
		t.Errorf("%d deliveries of 4 tasks", n)
	}
}

func publishAgain(t *testing.T, q job.TaskQueue, _ func() job.TaskQueue) {
	var got log
	settled := make(chan struct{})
	deliver(t, q, 2, func(_ context.Context, l job.Lease) { got.add(l.Task()); done(t, l); settled <- struct{}{} })
	for i := range 50 { // at once: a window of time must not swallow it
		publish(t, q, job.Ref{Job: "1-a"})
		select {
		case <-settled:
		case <-time.After(patience):
			t.Fatalf("publication %d was not delivered", i)
		}
	}
}

func releasedAgain(t *testing.T, q job.TaskQueue, _ func() job.TaskQueue) {
	var got log
	deliver(t, q, 1, func(_ context.Context, l job.Lease) {
		got.add(l.Task())
		if len(got.all()) < 4 {
			if err := l.Release(); err != nil {
				t.Error(err)
			}
			return
		}
		done(t, l)
	})
	publish(t, q, job.Ref{Job: "1-a", Number: 7})
	Eventually(t, "empty queue", func() bool { return pending(t, q) == 0 })
	if n := len(got.all()); n != 4 {
		t.Errorf("%d deliveries, want 4", n)
	}
}

func slotsBound(t *testing.T, q job.TaskQueue, _ func() job.TaskQueue) {
	var (
		mu         sync.Mutex
		now, most  int
		deliveries log
	)
	deliver(t, q, 3, func(_ context.Context, l job.Lease) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		done(t, l)
		deliveries.add(l.Task())
	})
	publish(t, q, refs("1-a", 0, 40)...)
	Eventually(t, "delivery", func() bool { return len(deliveries.all()) == 40 })
	if most != 3 {
		t.Errorf("%d handlers at once, want 3", most)
	}
}

func drop(t *testing.T, q job.TaskQueue, _ func() job.TaskQueue) {
	var started, other log
	causes := make(chan error, 10)
	deliver(t, q, 2, func(ctx context.Context, l job.Lease) {
		if l.Task().Job == "2-b" {
			other.add(l.Task())
			done(t, l)
			return
		}
		started.add(l.Task())
		select {
		case <-ctx.Done():
			causes <- context.Cause(ctx)
		case <-time.After(patience):
			causes <- errors.New("never canceled")
		}
		done(t, l)
	})
	publish(t, q, refs("1-a", 0, 10)...)
	publish(t, q, refs("2-b", 0, 2)...)
	Eventually(t, "start", func() bool { return len(started.all()) == 2 })
	if err := q.Drop(t.Context(), "1-a"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if cause := <-causes; !errors.Is(cause, job.ErrCanceled) {
			t.Errorf("cause %v, want ErrCanceled", cause)
		}
	}
	Eventually(t, "the other job's tasks", func() bool { return len(other.all()) == 2 })
	Eventually(t, "empty queue", func() bool { return pending(t, q) == 0 })
	if n := len(started.all()); n != 2 {
		t.Errorf("%d tasks of the dropped job started, want 2", n)
	}
	if err := q.Drop(t.Context(), "1-a"); err != nil {
		t.Errorf("second drop: %v", err)
	}
	if err := q.Drop(t.Context(), "9-never"); err != nil {
		t.Errorf("drop of a job without tasks: %v", err)
	}
	publish(t, q, job.Ref{Job: "1-a", Number: 99}) // a job can come back
	Eventually(t, "a task after the drop", func() bool { return len(started.all()) == 3 })
	if err := q.Drop(t.Context(), "1-a"); err != nil {
		t.Fatal(err)
	}
}

func endOfDeliver(t *testing.T, q job.TaskQueue, _ func() job.TaskQueue) {
	var (
		started log
		ended   log
	)
	stop := deliver(t, q, 2, func(ctx context.Context, l job.Lease) {
		started.add(l.Task())
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, job.ErrStopped) {
			t.Errorf("cause %v, want ErrStopped", cause)
		}
		if err := l.Release(); err != nil {
			t.Error(err)
		}
		ended.add(l.Task())
	})
	publish(t, q, refs("1-a", 0, 5)...)
	Eventually(t, "start", func() bool { return len(started.all()) == 2 })
	stop()
	if n := len(ended.all()); n != 2 {
		t.Errorf("Deliver returned before its handlers: %d ended", n)
	}
	if n := pending(t, q); n != 5 {
		t.Errorf("%d tasks pending, want 5", n)
	}
	var again log
	deliver(t, q, 1, func(_ context.Context, l job.Lease) { again.add(l.Task()); done(t, l) })
	Eventually(t, "delivery by the next", func() bool { return len(again.all()) == 5 })
}

func lastOfDeliver(t *testing.T, q job.TaskQueue, _ func() job.TaskQueue) {
	var started log
	last, finish, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- q.Deliver(t.Context(), last, 2, func(ctx context.Context, l job.Lease) {
			started.add(l.Task())
			<-finish
			if ctx.Err() != nil {
				t.Errorf("the handler was told to end: %v", context.Cause(ctx))
			}
			done(t, l)
		})
	}()
	publish(t, q, refs("1-a", 0, 5)...)
	Eventually(t, "start", func() bool { return len(started.all()) == 2 })
	close(last)
	close(finish)
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Deliver does not end")
	}
	if n := len(started.all()); n != 2 {
		t.Errorf("%d tasks were delivered, want 2", n)
	}
	if n := pending(t, q); n != 3 {
		t.Errorf("%d tasks pending, want 3", n)
	}
}

// survives holds that a restart delivers what was not done, and returns it.
func survives(t *testing.T, q job.TaskQueue, reopen func() job.TaskQueue) (delivered []job.Ref, took time.Duration) {
	var started log
	stop := deliver(t, q, 2, func(ctx context.Context, l job.Lease) {
		started.add(l.Task())
		if l.Task().Number == 0 {
			done(t, l)
			return
		}
		<-ctx.Done() // killed: no word about the lease
	})
	publish(t, q, refs("1-a", 3, 5)...)
	Eventually(t, "start", func() bool { return len(started.all()) == 3 })
	stop()
	q = reopen()
	if n := pending(t, q); n != 4 {
		t.Errorf("%d tasks pending after a restart, want 4", n)
	}
	began := time.Now()
	var again log
	deliver(t, q, 1, func(_ context.Context, l job.Lease) { again.add(l.Task()); done(t, l) })
	Eventually(t, "delivery after a restart", func() bool { return len(again.all()) == 4 })
	return again.all(), time.Since(began)
}

func wakes(t *testing.T, q job.TaskQueue, _ func() job.TaskQueue) {
	var got log
	deliver(t, q, 2, func(_ context.Context, l job.Lease) { got.add(l.Task()); done(t, l) })
	for i := range 20 {
		id := fmt.Sprintf("%d-a", i)
		publish(t, q, job.Ref{Job: id})
		Eventually(t, "delivery", func() bool { return len(got.all()) == i+1 })
		if i%2 == 0 {
			if err := q.Drop(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
}
