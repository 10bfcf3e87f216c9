package queue_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/job/jobtest"
	"vodwright.dev/vodwright/internal/queue"
)

const token = "a-token"

// openShared opens a queue that others may join, and returns where.
func openShared(t *testing.T, dir string) (q *queue.Queue, url string) {
	t.Helper()
	q, err := queue.Open(t.Context(), queue.Config{Dir: dir, Listen: "127.0.0.1:0", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return q, "nats://" + token + "@" + q.Address()
}

func join(t *testing.T, url string) *queue.Queue {
	t.Helper()
	q, err := queue.Open(t.Context(), queue.Config{URLs: []string{url}, Join: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func TestSharedQueueIsATaskQueue(t *testing.T) {
	t.Parallel()
	jobtest.SharedTaskQueue(t, func(t *testing.T) (job.TaskQueue, func() job.TaskQueue) {
		dir := t.TempDir()
		q, _ := openShared(t, dir)
		t.Cleanup(func() { q.Close() })
		return q, func() job.TaskQueue {
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			q, _ = openShared(t, dir)
			return q
		}
	})
}

// delivery carries what a queue delivers until the test ends.
func delivery(t *testing.T, q *queue.Queue, handle func(context.Context, job.Lease)) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Deliver(ctx, nil, 2, handle) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestWhoJoinedCarries(t *testing.T) {
	t.Parallel()
	q, url := openShared(t, t.TempDir())
	defer q.Close()
	if err := q.Publish(t.Context(), []job.Ref{{Job: "1-a"}}); err != nil { // before anybody is there
		t.Fatal(err)
	}
	carried := make(chan string, 9)
	canceled := make(chan error, 1)
	for range 2 {
		delivery(t, join(t, url), func(ctx context.Context, l job.Lease) {
			carried <- fmt.Sprint(l.Task().Job, l.Task().Number)
			if l.Task().Job == "2-a" {
				<-ctx.Done()
				canceled <- context.Cause(ctx)
			}
			if err := l.Done(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	if got := <-carried; got != "1-a0" {
		t.Errorf("carried %s", got)
	}
	began := time.Now()
	if err := q.Publish(t.Context(), []job.Ref{{Job: "2-a", Number: 1}}); err != nil {
		t.Fatal(err)
	}
	if got := <-carried; got != "2-a1" || time.Since(began) > time.Second {
		t.Errorf("carried %s after %v: it was not told of", got, time.Since(began))
	}
	if err := q.Drop(t.Context(), "2-a"); err != nil {
		t.Fatal(err)
	}
	if err := <-canceled; err != job.ErrCanceled {
		t.Errorf("canceled by %v", err)
	}
	if left, err := q.Pending(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// A member that is gone without a word costs less than ten seconds.
func TestTaskOfADeadMemberRunsElsewhere(t *testing.T) {
	t.Parallel()
	q, url := openShared(t, t.TempDir())
	defer q.Close()
	dead, err := queue.Open(t.Context(), queue.Config{URLs: []string{url}, Join: true})
	if err != nil {
		t.Fatal(err)
	}
	held := make(chan bool)
	var death sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	death.Go(func() {
		dead.Deliver(ctx, nil, 1, func(ctx context.Context, _ job.Lease) { close(held); <-ctx.Done() }) //nolint:errcheck // it dies
	})
	if err := q.Publish(t.Context(), []job.Ref{{Job: "1-a"}}); err != nil {
		t.Fatal(err)
	}
	<-held
	began := time.Now()
	dead.Close()
	stop()
	death.Wait()
	again := make(chan bool)
	delivery(t, join(t, url), func(_ context.Context, l job.Lease) {
		l.Done(context.Background()) //nolint:errcheck // it came
		close(again)
	})
	<-again
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it ran elsewhere after %v", took)
	}
}

func TestWhoMayNotJoin(t *testing.T) {
	t.Parallel()
	q, url := openShared(t, t.TempDir())
	defer q.Close()
	for name, c := range map[string]struct {
		config queue.Config
		kind   fault.Kind
	}{
		"another token": {queue.Config{URLs: []string{"nats://other@" + q.Address()}, Join: true}, fault.Denied},
		"no token":      {queue.Config{URLs: []string{"nats://" + q.Address()}, Join: true}, fault.Denied},
		"nobody there":  {queue.Config{URLs: []string{"nats://127.0.0.1:1"}}, fault.Unavailable},
		"a port in use": {queue.Config{Dir: t.TempDir(), Listen: q.Address()}, fault.Unavailable},
	} {
		_, err := queue.Open(t.Context(), c.config)
		if fault.KindOf(err) != c.kind || err == nil || fault.Of(err).Hint == "" {
			t.Errorf("%s: %v, want %v with a hint", name, err, c.kind)
		}
	}
	// A member can carry tasks. It can make none and drop none.
	member := join(t, url)
	ctx, done := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer done()
	if member.Publish(ctx, []job.Ref{{Job: "1-a"}}) == nil {
		t.Error("a member published")
	}
	if left, err := q.Pending(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("pending %v, %v", left, err)
	}
}

func TestCallsAreAnswered(t *testing.T) {
	t.Parallel()
	q, url := openShared(t, t.TempDir())
	defer q.Close()
	member := join(t, url)
	ctx, stop := context.WithCancel(t.Context())
	heard := make(chan string, 1)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := q.Hear(ctx, func(verb string, what []byte) { heard <- verb + " " + string(what) }); err != nil {
			t.Error(err)
		}
	})
	answer := make(chan string, 1)
	go func() { // asked before anybody answers
		out, err := member.Call(t.Context(), "greet", []byte("you"), 30*time.Second)
		answer <- fmt.Sprint(string(out), err)
	}()
	serving.Go(func() {
		err := q.Answer(ctx, func(_ context.Context, verb string, question []byte) []byte {
			return []byte(verb + " " + string(question))
		})
		if err != nil {
			t.Error(err)
		}
	})
	if got := <-answer; got != "greet you<nil>" {
		t.Errorf("answer %q", got)
	}
	for got := ""; got != "progress half"; {
		if err := member.Tell("progress", []byte("half")); err != nil {
			t.Fatal(err)
		}
		select {
		case got = <-heard:
		case <-time.After(50 * time.Millisecond):
		}
	}
	stop()
	serving.Wait()
}
