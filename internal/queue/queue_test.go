package queue_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/job/jobtest"
	"vodwright.dev/vodwright/internal/queue"
)

func open(t *testing.T, dir string) *queue.Queue {
	t.Helper()
	q, err := queue.Open(t.Context(), queue.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestQueueIsATaskQueue(t *testing.T) {
	jobtest.TaskQueue(t, func(t *testing.T) (job.TaskQueue, func() job.TaskQueue) {
		dir := t.TempDir()
		q := open(t, dir)
		t.Cleanup(func() { q.Close() })
		return q, func() job.TaskQueue {
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			q = open(t, dir)
			return q
		}
	})
}

func TestOneProcessAFolder(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir)
	_, err := queue.Open(t.Context(), queue.Config{Dir: dir})
	if err == nil || fault.KindOf(err) != fault.Conflict || fault.Of(err).Hint == "" {
		t.Errorf("second open: %v, want a conflict with a hint", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir).Close()
	if _, err := queue.Open(t.Context(), queue.Config{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no folder: %v", err)
	}
}

// What is in the queue is in the records too, so that files which a crash or a
// bad disk spoiled must not keep the server from starting.
func TestSpoiledFilesAreDropped(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir)
	if err := q.Publish(t.Context(), []job.Ref{{Job: "1-a"}, {Job: "2-a"}}); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	spoiled := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" {
			return err
		}
		spoiled++
		return os.WriteFile(path, []byte("spoiled"), 0o600)
	})
	if err != nil || spoiled == 0 {
		t.Fatalf("%d files spoiled, %v", spoiled, err)
	}
	q = open(t, dir)
	defer q.Close()
	if err := q.Publish(t.Context(), []job.Ref{{Job: "1-a"}}); err != nil {
		t.Errorf("publish after spoiled files: %v", err)
	}
	got, err := q.Pending(t.Context())
	if err != nil || len(got) != 1 {
		t.Errorf("pending %v, %v", got, err)
	}
}

// Operators look at warnings: normal operation must not make any.
func TestNormalOperationWarnsOfNothing(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	for range 2 {
		q, err := queue.Open(t.Context(), queue.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}))})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(q.Publish(t.Context(), []job.Ref{{Job: "1-a"}, {Job: "2-a"}}), q.Drop(t.Context(), "1-a"), q.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("logged:\n%s", out.String())
	}
}

func BenchmarkLatency(b *testing.B) {
	q, err := queue.Open(b.Context(), queue.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	delivered := make(chan time.Time)
	ctx := b.Context()
	go q.Deliver(ctx, nil, 2, benchHandler(delivered))
	var total time.Duration
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		if err := q.Publish(ctx, []job.Ref{{Job: "1-a", Number: i}}); err != nil {
			b.Fatal(err)
		}
		total += (<-delivered).Sub(began)
	}
	b.ReportMetric(float64(total.Microseconds())/float64(b.N), "µs/delivery")
}

func benchHandler(delivered chan<- time.Time) func(context.Context, job.Lease) {
	return func(ctx context.Context, l job.Lease) {
		at := time.Now()
		l.Done(ctx) //nolint:errcheck // a benchmark
		delivered <- at
	}
}
