package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/job/jobtest"
	"vodwright.dev/vodwright/internal/queue"
	"vodwright.dev/vodwright/internal/store"
)

// runner is a scripted job.Runner that notes what it was asked.
type runner struct {
	run     func(ctx context.Context, t job.Task, outputs job.Outputs, report func(job.Progress)) (job.Result, error)
	discard func(id string, outcome job.Status) error

	mu       sync.Mutex
	runs     []job.Task
	discards []string // "ID STATUS" of those that succeeded
}

func (r *runner) Run(ctx context.Context, t job.Task, outputs job.Outputs, report func(job.Progress)) (job.Result, error) {
	r.mu.Lock()
	r.runs = append(r.runs, t)
	r.mu.Unlock()
	return r.run(ctx, t, outputs, report)
}

func (r *runner) Discard(_ context.Context, id string, outcome job.Status) error {
	if r.discard != nil {
		if err := r.discard(id, outcome); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discards = append(r.discards, id+" "+string(outcome))
	return nil
}

// names returns the names of the tasks that ran, in the order they started.
func (r *runner) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, t := range r.runs {
		names = append(names, t.Name)
	}
	return names
}

func (r *runner) discarded() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.discards)
}

// chunks is what a probe answers: n chunks, then one finish.
func chunks(n int) job.Result {
	var stage []job.Task
	for i := range n {
		stage = append(stage, job.Task{Name: fmt.Sprintf("chunk/%d", i), Phase: "TRANSCODING", Weight: 10})
	}
	return job.Result{Next: [][]job.Task{stage, {{Name: "finish", Phase: "UPLOADING", Weight: 10}}}}
}

// world is a server in small: records, queue, coordinator.
type world struct {
	t      testing.TB
	dir    string
	config job.Config
	store  *store.Store
	queue  *queue.Queue
	jobs   *job.Coordinator
	cancel context.CancelFunc
	ended  chan error
}

// begin starts a world whose coordinator has the config, but for its store and queue.
func begin(t testing.TB, config job.Config) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), config: config}
	w.start()
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	w.t.Helper()
	var err error
	w.store, err = store.Open(context.Background(), store.Config{Path: filepath.Join(w.dir, "records.db")})
	if err != nil {
		w.t.Fatal(err)
	}
	w.queue, err = queue.Open(context.Background(), queue.Config{Dir: filepath.Join(w.dir, "queue")})
	if err != nil {
		w.t.Fatal(err)
	}
	c := w.config
	c.Store, c.Tasks = w.store, w.queue
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(testWriter{w.t}, &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	if w.jobs, err = job.New(c); err != nil {
		w.t.Fatal(err)
	}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	w.ended = make(chan error, 1)
	jobs := w.jobs
	go func() { w.ended <- jobs.Run(ctx) }()
}

// stop ends the world as a signal does.
func (w *world) stop() {
	w.t.Helper()
	if w.cancel == nil {
		return
	}
	w.cancel()
	w.cancel = nil
	began := time.Now()
	if err := <-w.ended; err != nil {
		w.t.Errorf("Run: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		w.t.Errorf("a graceful stop took %s", took)
	}
	if err := errors.Join(w.queue.Close(), w.store.Close()); err != nil {
		w.t.Errorf("close: %v", err)
	}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) { w.t.Logf("%s", p); return len(p), nil }

func (w *world) create(j job.Job) job.Job {
	w.t.Helper()
	j, err := w.jobs.Create(w.t.Context(), j)
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

func (w *world) get(id string) job.Job {
	w.t.Helper()
	j, err := w.jobs.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

// until waits until a job is in a state and, when that is a final one, cleaned up.
func (w *world) until(id string, status job.Status) job.Job {
	w.t.Helper()
	var j job.Job
	jobtest.Eventually(w.t, "job "+id+" "+string(status), func() bool {
		j = w.get(id)
		if j.Status.Final() && j.Status != status {
			w.t.Fatalf("job is %s: %d %s", j.Status, j.ErrorCode, j.ErrorMessage)
		}
		return j.Status == status
	})
	if status.Final() {
		w.clean()
	}
	return j
}

// clean waits until nothing is left to do outside of the records.
func (w *world) clean() {
	w.t.Helper()
	jobtest.Eventually(w.t, "empty outbox", func() bool {
		due, next, err := w.store.Errands(w.t.Context(), []job.ErrandKind{job.PublishStage, job.PublishTask, job.Discard}, time.Now(), 1)
		if err != nil {
			w.t.Fatal(err)
		}
		return len(due) == 0 && next.IsZero()
	})
}

// events returns the kinds of a job's events.
func (w *world) events(id string) []job.EventKind {
	w.t.Helper()
	events, err := w.store.Events(w.t.Context(), id, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	var kinds []job.EventKind
	for i, e := range events {
		if e.Number != int64(i+1) {
			w.t.Errorf("event %d has number %d", i+1, e.Number)
		}
		if !json.Valid(e.Detail) {
			w.t.Errorf("event %s has no JSON detail: %q", e.Kind, e.Detail)
		}
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// quiet is a log for tests that would fill pages.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
