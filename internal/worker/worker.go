// Package worker carries out the tasks of encoding jobs: it takes a task from
// the queue through the rooms that know how (fetch, probe, plan, ffmpeg, mp4,
// mpegts, hls, object) and hands back its result. It implements job.Runner.
//
// A job has one "probe" task, then its "audio/A" and "chunk/L/C" tasks side by
// side, then "finish". Every task leaves its files in the job's work folder,
// whole and on disk, before it returns, and in the Depot if there is one; a task
// that runs again after a crash finds finished files and keeps them. Nothing is visible in a destination
// bucket before "finish", which publishes segments first and the multivariant
// playlist last, then reads all of it back and makes it once more if it is not right.
//
// It touches its work folder and, through Objects and Depot, buckets. It starts no process
// itself (ffmpeg does) and keeps no state that a restart needs beyond that folder.
package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fetch"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/probe"
	"vodwright.dev/vodwright/internal/receipt"
)

// Objects is where sources come from and where outputs go.
type Objects interface {
	// Snapshot makes dst, which does not exist, a local copy of an object that
	// later writes to the object do not change: of what pin names, or of what it
	// holds now when pin is empty. It returns the pin that names what dst holds. A
	// pin whose bytes are gone is a fault.Conflict.
	Snapshot(ctx context.Context, bucket, key, pin, dst string) (string, error)
	// Writable returns an error if an output cannot be published to bucket as key.
	Writable(ctx context.Context, bucket, key string) error
	// Publish stores one output durably. Publishing the same output of the same
	// job again changes nothing.
	Publish(ctx context.Context, out Upload) error
	// Open reads what an object holds now, and tells its size. One that is not there
	// is a fault.NotFound. The caller closes it.
	Open(ctx context.Context, bucket, key string) (io.ReadCloser, int64, error)
	// Withdraw removes the object if job published what it holds now.
	Withdraw(ctx context.Context, job, bucket, key string) error
}

// Roles gives jobs the rights of their roles, and nothing more.
type Roles interface {
	// Objects returns the buckets as a role may use them on behalf of a job, with a
	// session that is new and is renewed for as long as they are in use. A role that
	// is not there is a fault.NotFound, one that does not trust the service a
	// fault.Denied, what is no role's ARN a fault.Invalid. What the role may not do
	// is a fault.Denied of the method that would do it.
	Objects(ctx context.Context, role, job string) (Objects, error)
}

// Upload is one output object.
type Upload struct {
	Job         string // who publishes
	Bucket, Key string
	File        string // local path of the content; may be moved away
	ContentType string

	ContentEncoding string // of the content as it is in File; "" is none
}

// Config is what a Worker needs. Every field is required unless it says otherwise.
type Config struct {
	Dir     string // absolute path of the work folder, on one file system with the embedded buckets if there are any
	FFmpeg  *ffmpeg.Runner
	Probe   *probe.Prober
	Fetch   *fetch.Fetcher
	Objects Objects // with the rights of the house: to withdraw, to read back what was published, and for all where there are no Roles
	Roles   Roles   // nil where jobs have no roles: without a server
	Slots   int     // how many tasks the caller runs at once; finish packs with as many goroutines
	Name    string  // of this worker, in receipts; "" is none
	Late    bool    // jobs are not played before they are done
	Chunk   float64 // see plan.Input
	Verify  Depth   // how much of what was published is decoded; "" is VerifyFull
	// Depot has what tasks leave behind for workers that do not share Dir; nil where
	// all do. Outputs then reads the stored Output of a task of a job, a
	// fault.NotFound until it is done.
	Depot   Depot
	Outputs func(ctx context.Context, id, task string) (json.RawMessage, error)
	Logger  *slog.Logger // nil discards
}

// Worker implements job.Runner. It is safe for concurrent use.
type Worker struct {
	cfg Config

	results results

	decoders chan struct{} // held by who reads an output back: Slots at once, of all jobs

	mu     sync.Mutex
	probed map[string]*probed // by job: what later tasks need, read once
	prints map[string]string  // of the sources that are here, by path: how they were when they came; guarded by mu
	fresh  map[string]*probed // by job: what was planned here just now, and may not be stored yet
	rungs  map[rungKey]*rungMaking
	sounds map[taskKey]*soundMaking
}

// New returns a Worker. It starts nothing.
func New(cfg Config) *Worker {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Verify == "" {
		cfg.Verify = VerifyFull
	}
	w := &Worker{cfg: cfg, decoders: make(chan struct{}, max(cfg.Slots, 1)), probed: map[string]*probed{}, prints: map[string]string{}, fresh: map[string]*probed{}, rungs: map[rungKey]*rungMaking{}, sounds: map[taskKey]*soundMaking{}}
	w.results = localResults{cfg.Dir}
	if cfg.Depot != nil {
		w.results = sharedResults{localResults{cfg.Dir}, cfg.Depot, cfg.Outputs}
	}
	return w
}

// probed is the Output of the probe task: all that later tasks know of the job.
type probed struct {
	Role string    `json:"role,omitempty"`
	Pins []string  `json:"pins"` // of the plan's files: what was looked at
	Plan plan.Plan `json:"plan"`
	Late bool      `json:"late,omitempty"` // it is not played before it is done

	Wishes receipt.Wishes `json:"wishes,omitzero"` // for the job's receipt
}

// pin returns the pin of a file of the plan.
func (p *probed) pin(n int) string {
	if n >= len(p.Pins) { // of a job that an earlier version planned
		return ""
	}
	return p.Pins[n]
}

// Run implements job.Runner.
func (w *Worker) Run(ctx context.Context, task job.Task, outputs job.Outputs, report func(job.Progress)) (job.Result, error) {
	ctx, meter := ffmpeg.Metered(ctx)
	result, err := w.run(ctx, task, outputs, report)
	usage, processes := meter.Total()
	result.Spent = job.Spent{Worker: w.cfg.Name, CPU: usage.CPU, Processes: processes}
	return result, err
}

func (w *Worker) run(ctx context.Context, task job.Task, outputs job.Outputs, report func(job.Progress)) (job.Result, error) {
	kind, _, _ := strings.Cut(task.Name, "/")
	if kind == "probe" {
		return w.probe(ctx, task, report)
	}
	p, err := w.load(ctx, task.Job, outputs)
	if err != nil {
		return job.Result{}, err
	}
	switch kind {
	case "chunk":
		return w.chunk(ctx, task, p, report)
	case "audio":
		return w.audio(ctx, task, p, report)
	case "finish":
		return w.finish(ctx, task, p, outputs, report)
	}
	return job.Result{}, fault.New(fault.Internal, "", "task %q of job %s is of no known kind", task.Name, task.Job)
}

// load returns the job's probe output, from memory or from the stored result.
func (w *Worker) load(ctx context.Context, id string, outputs job.Outputs) (*probed, error) {
	w.mu.Lock()
	p := w.probed[id]
	w.mu.Unlock()
	if p != nil {
		return p, nil
	}
	doc, err := outputs(ctx, "probe")
	if err != nil {
		return nil, fmt.Errorf("read plan of job %s: %w", id, err)
	}
	p = new(probed)
	if err := json.Unmarshal(doc, p); err != nil {
		return nil, fmt.Errorf("decode plan of job %s: %w", id, err)
	}
	w.mu.Lock()
	w.probed[id] = p
	delete(w.fresh, id)
	w.mu.Unlock()
	return p, nil
}

// Discard implements job.Runner: it withdraws what an unfinished job published
// and removes its work folder.
func (w *Worker) Discard(ctx context.Context, id string, outcome job.Status) error {
	if outcome != job.Complete {
		if err := w.withdraw(ctx, id); err != nil {
			return err
		}
	}
	w.mu.Lock()
	delete(w.probed, id)
	maps.DeleteFunc(w.prints, func(path, _ string) bool { return filepath.Dir(path) == w.folder(id) })
	delete(w.fresh, id)
	w.mu.Unlock()
	if err := os.RemoveAll(w.folder(id)); err != nil {
		return fmt.Errorf("remove work folder of job %s: %w", id, err)
	}
	if w.cfg.Depot != nil {
		if err := w.cfg.Depot.Clear(ctx, id); err != nil {
			return fmt.Errorf("clear what tasks of job %s left: %w", id, err)
		}
	}
	return nil
}

// Jobs returns the jobs that something is here of.
func (w *Worker) Jobs() ([]string, error) {
	entries, err := os.ReadDir(w.cfg.Dir)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Name()
	}
	return ids, nil
}

// Forget removes what is here of a job that is over, and that someone else discards.
func (w *Worker) Forget(id string) error {
	w.mu.Lock()
	delete(w.probed, id)
	maps.DeleteFunc(w.prints, func(path, _ string) bool { return filepath.Dir(path) == w.folder(id) })
	delete(w.fresh, id)
	w.mu.Unlock()
	return os.RemoveAll(w.folder(id))
}

// withdraw removes every object that the job published. The intent was written
// to the work folder before the first of them, so a crash forgets none.
func (w *Worker) withdraw(ctx context.Context, id string) error {
	doc, err := w.published(ctx, id)
	if os.IsNotExist(err) || fault.Is(err, fault.NotFound) {
		return nil // publishing never began
	}
	if err != nil {
		return fmt.Errorf("read what job %s published: %w", id, err)
	}
	var keys []objectName
	if err := json.Unmarshal(doc, &keys); err != nil {
		return fmt.Errorf("read what job %s published: %w", id, err)
	}
	for i := len(keys) - 1; i >= 0; i-- { // playlists first: nothing half-visible
		if err := w.cfg.Objects.Withdraw(ctx, id, keys[i].Bucket, keys[i].Key); err != nil {
			return fmt.Errorf("withdraw %s/%s: %w", keys[i].Bucket, keys[i].Key, err)
		}
	}
	return nil
}

// published reads what intend wrote.
func (w *Worker) published(ctx context.Context, id string) ([]byte, error) {
	doc, err := os.ReadFile(w.publishingFile(id))
	if !os.IsNotExist(err) || w.cfg.Depot == nil {
		return doc, err
	}
	if err := os.MkdirAll(w.folder(id), 0o700); err != nil { // no task may have run here
		return nil, diskFault(err)
	}
	dir, err := os.MkdirTemp(w.folder(id), "get-")
	if err != nil {
		return nil, diskFault(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, publishingName)
	if err := w.cfg.Depot.Get(ctx, id, publishingName, file); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// intend writes down what a job is about to publish, so that it is withdrawn after
// any crash, by anyone.
func (w *Worker) intend(ctx context.Context, id string, names []objectName) error {
	doc, err := json.Marshal(names)
	if err != nil {
		return err
	}
	if err := writeFile(w.publishingFile(id), doc); err != nil {
		return err
	}
	if err := syncPath(w.folder(id)); err != nil {
		return diskFault(err)
	}
	if w.cfg.Depot == nil {
		return nil
	}
	left := filepath.Join(w.folder(id), "left-"+publishingName) // the depot may take it away
	if err := writeFile(left, doc); err != nil {
		return err
	}
	defer os.Remove(left)
	return w.cfg.Depot.Put(ctx, id, publishingName, left)
}

const publishingName = "publishing.json"

type objectName struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

func (w *Worker) folder(id string) string { return filepath.Join(w.cfg.Dir, id) }

func (w *Worker) publishingFile(id string) string {
	return filepath.Join(w.folder(id), publishingName)
}

// attempt makes an empty folder for one try of a task, beside the place where
// its finished files go.
func (w *Worker) attempt(id, task string) (string, error) {
	if err := os.MkdirAll(w.folder(id), 0o700); err != nil {
		return "", diskFault(err)
	}
	if err := withinQuota(w.folder(id), w.cfg.FFmpeg.Limits().WorkBytes); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(w.folder(id), "try-"+flat(task)+"-")
	if err != nil {
		return "", diskFault(err)
	}
	return dir, nil
}
