// Package early plays jobs that are not done: what a planned job will publish can be
// had from here while it is encoded.
//
// Requests for objects that a bucket does not have flow in; objects, as they will be
// published to the byte, flow out: playlists at once, for they follow from the plan,
// segments as soon as they are encoded. A request for one that is not encoded waits,
// has what it needs made before anything else, the rung that it asks for first, and
// moves the rest of its chunk to the front of the queue.
//
// What a job promises and how it is made is a [Film], which the worker room implements.
// Early knows jobs' states and tasks and nothing of video, HTTP or buckets; who may
// read an object is for its caller to decide, before it asks. It keeps no files: a
// restarted server finds jobs that progress in the records.
//
// A segment that takes long to encode is served while it is: its first bytes, once it is
// sure that no others will be published.
//
// Invariants: nothing is served of a job that failed or was canceled once that is known
// here, and who waits for it is told at once; an object that was served once is the
// same until the job is over, the multivariant playlist aside, whose bandwidths are
// estimates until they can be measured.
package early

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// Config is what an Early is made of. All fields but Logger are required.
type Config struct {
	Jobs   Jobs
	Films  Films
	Slots  int // needs met at once, two at least, beside the tasks that workers carry
	Logger *slog.Logger
}

// Info describes an object.
type Info struct {
	Size                               int64
	ETag, ContentType, ContentEncoding string
	LastModified                       time.Time
}

// Early serves what jobs promise. It is safe for concurrent use.
type Early struct {
	cfg     Config
	adopt   chan *film    // whose job is to be followed
	stopped chan struct{} // closed when Run ends

	mu     sync.Mutex
	free   int              // of the slots
	queue  []turn           // of needs that wait for a slot, the latest last
	films  map[string]*film // by job; nil is one that is not to be played early
	listed time.Time        // when the jobs were last listed
	coming []job.Job        // those of them that were not planned yet
}

// leastSlots lets sound be made beside a picture, and a small rung beside a large one.
const leastSlots = 2

// turn is a need that waits for a slot.
type turn struct {
	need  Need
	given chan struct{} // closed when it has it
}

// New returns an Early that does nothing until Run.
func New(cfg Config) *Early {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Early{cfg: cfg, free: max(cfg.Slots, leastSlots), adopt: make(chan *film), stopped: make(chan struct{}), films: map[string]*film{}}
}

// film is a Film of a job that progresses.
type film struct {
	Film
	id    string
	began time.Time
	begun chan struct{} // closed when what a first viewer needs was made, or could not be
	ended chan struct{} // closed when the job is over
	how   job.Job       // what it was then

	mu    sync.Mutex
	grown chan struct{} // closed and replaced when there is more to make objects of
	needs map[Need]*meeting
	made  map[[2]string]Info
}

// meeting is what was done about a need.
type meeting struct {
	tries   int
	pending bool // or met, or given up
}

// mostTries is how often a need is tried to be met: a process that was killed has done
// nothing wrong, and who waits for it has its beginning.
const mostTries = 3

// Run follows the jobs whose films are played, until ctx ends.
func (e *Early) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	defer close(e.stopped)
	for {
		select {
		case f := <-e.adopt:
			all.Go(func() { e.follow(ctx, f, &all) })
		case <-ctx.Done():
			return nil
		}
	}
}

// follow tells who waits for a film that something of its job is done, and forgets it
// when the job is over. It has what a first viewer needs made.
func (e *Early) follow(ctx context.Context, f *film, all *sync.WaitGroup) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var first sync.WaitGroup
	for _, n := range f.First(ctx) {
		if f.claim(n) {
			first.Go(func() { e.meet(ctx, f, n) })
		}
	}
	all.Go(func() {
		first.Wait()
		close(f.begun)
	})
	go func() {
		<-f.ended
		stop()
	}()
	for ctx.Err() == nil {
		changes, err := e.cfg.Jobs.Watch(ctx, f.id)
		if err != nil {
			if fault.KindOf(err) == fault.NotFound || ctx.Err() != nil {
				e.end(f, job.Job{})
				return
			}
			e.cfg.Logger.WarnContext(ctx, "follow job", "job", f.id, "err", err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			continue
		}
		e.watch(ctx, f, changes)
	}
}

// elsewhere is how often what other processes did is looked for: no change tells of it.
const elsewhere = time.Second

func (e *Early) watch(ctx context.Context, f *film, changes <-chan job.Job) {
	tick := time.NewTicker(elsewhere)
	defer tick.Stop()
	for {
		select {
		case j, ok := <-changes:
			if !ok {
				return
			}
			if j.Status.Final() {
				e.end(f, j)
				return
			}
			f.tell()
		case <-tick.C:
			f.tell()
		}
	}
}

func (e *Early) end(f *film, how job.Job) {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-f.ended:
		return
	default:
	}
	f.how = how
	close(f.ended)
	delete(e.films, f.id)
}

// tell wakes who waits for more of the film.
func (f *film) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.grown)
	f.grown = make(chan struct{})
}

// Planned makes the film of a job known that was planned just now, and waits a moment
// until what a first viewer needs is made: to store the plan of a long film, and to queue
// its tasks, takes the time of a core that is the encoder's. A film is found without, when
// it is first asked for.
func (e *Early) Planned(ctx context.Context, id string) {
	ctx, stop := context.WithTimeout(ctx, beginTime)
	defer stop()
	f, err := e.load(ctx, job.Job{ID: id, Started: time.Now()})
	if err != nil && ctx.Err() == nil {
		e.cfg.Logger.WarnContext(ctx, "read the plan of a job", "job", id, "err", err)
	}
	if f == nil {
		return
	}
	select {
	case <-f.begun:
	case <-f.ended:
	case <-ctx.Done():
	}
}

// beginTime bounds how long a job waits for its first viewer's needs.
const beginTime = 2 * time.Second

// load makes the film of a job known.
func (e *Early) load(ctx context.Context, j job.Job) (*film, error) {
	e.mu.Lock()
	f, known := e.films[j.ID]
	e.mu.Unlock()
	if known {
		return f, nil
	}
	made, err := e.cfg.Films.Film(ctx, j.ID, func(ctx context.Context, name string) (json.RawMessage, error) {
		return e.cfg.Jobs.Output(ctx, j.ID, name)
	})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	if f, known = e.films[j.ID]; known {
		e.mu.Unlock()
		return f, nil
	}
	if made == nil {
		e.films[j.ID] = nil
		e.mu.Unlock()
		return nil, nil
	}
	f = &film{
		Film: made, id: j.ID, began: j.Started.Truncate(time.Second), begun: make(chan struct{}), ended: make(chan struct{}),
		grown: make(chan struct{}), needs: map[Need]*meeting{}, made: map[[2]string]Info{},
	}
	e.films[j.ID] = f
	e.mu.Unlock()
	select {
	case e.adopt <- f:
		return f, nil
	case <-ctx.Done():
		e.end(f, job.Job{})
		return nil, ctx.Err()
	}
}

// listEvery is how often jobs are listed for the sake of objects that nobody promises.
const listEvery = 100 * time.Millisecond

// find returns the film that promises an object, or nil. A playlist of a job that is
// being planned is waited for, until ctx ends. An unknown object costs a look at the jobs
// that progress, ten times a second at most.
func (e *Early) find(ctx context.Context, bucket, key string) (*film, error) {
	for {
		f, err := e.look(ctx, bucket, key)
		if f != nil || err != nil || !e.foreseen(bucket, key) {
			return f, err
		}
		select {
		case <-time.After(planEvery):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// planEvery is how often a plan that is waited for is looked for.
const planEvery = 10 * time.Millisecond

// foreseen reports whether a job that is not planned yet may promise a playlist.
func (e *Early) foreseen(bucket, key string) bool {
	e.mu.Lock()
	coming := e.coming
	e.mu.Unlock()
	return slices.ContainsFunc(coming, func(j job.Job) bool { return e.cfg.Films.Foresees(j, bucket, key) })
}

func (e *Early) look(ctx context.Context, bucket, key string) (*film, error) {
	if f := e.promised(bucket, key); f != nil {
		return f, nil
	}
	e.mu.Lock()
	due := time.Since(e.listed) > listEvery
	if due {
		e.listed = time.Now()
	}
	e.mu.Unlock()
	if !due {
		return nil, nil
	}
	jobs, err := e.cfg.Jobs.List(ctx, job.Filter{Status: job.Progressing, Limit: mostJobs})
	if err != nil {
		return nil, err
	}
	progress := map[string]bool{}
	var coming []job.Job
	for _, j := range jobs {
		progress[j.ID] = true
		if j.Stage < 1 {
			coming = append(coming, j)
			continue
		}
		if _, err := e.load(ctx, j); err != nil {
			e.cfg.Logger.WarnContext(ctx, "read the plan of a job", "job", j.ID, "err", err)
		}
	}
	e.mu.Lock()
	e.coming = coming
	for id, f := range e.films { // those that are not followed
		if f == nil && !progress[id] {
			delete(e.films, id)
		}
	}
	e.mu.Unlock()
	return e.promised(bucket, key), nil
}

// mostJobs bounds how many jobs that progress are looked at.
const mostJobs = 100

func (e *Early) promised(bucket, key string) *film {
	e.mu.Lock()
	defer e.mu.Unlock()
	var newest *film
	for _, f := range e.films { // of two jobs that write the same, the later one
		if f != nil && f.Promises(bucket, key) && (newest == nil || f.id > newest.id) {
			newest = f
		}
	}
	return newest
}

// Promised reports whether a job that progresses will write the object, and Open has it.
func (e *Early) Promised(ctx context.Context, bucket, key string) bool {
	f, err := e.find(ctx, bucket, key)
	if err != nil && ctx.Err() == nil {
		e.cfg.Logger.WarnContext(ctx, "look for a job that writes an object", "bucket", bucket, "key", key, "err", err)
	}
	return f != nil
}

// Open returns an object that a job promises, waiting for its beginning until ctx ends.
// One that is not whole yet has a negative Size and no ETag, and is read as it is made;
// what cannot be had of it within a while is an error. Nobody promises the object, or
// its job failed: a fault.NotFound.
func (e *Early) Open(ctx context.Context, bucket, key string) (Info, io.ReadSeekCloser, error) {
	f, err := e.find(ctx, bucket, key)
	if err != nil {
		return Info{}, nil, err
	}
	if f == nil {
		return Info{}, nil, fault.New(fault.NotFound, "NoSuchKey", "The specified key does not exist.")
	}
	o, whole, err := e.await(ctx, f, bucket, key, 0)
	if err != nil {
		return Info{}, nil, err
	}
	if whole {
		return f.keep(bucket, key, o), held{bytes.NewReader(o.Body)}, nil
	}
	info := Info{Size: -1, ContentType: o.ContentType, ContentEncoding: o.ContentEncoding, LastModified: f.began}
	return info, &growing{early: e, film: f, bucket: bucket, key: key, have: o.Body, closed: make(chan struct{})}, nil
}

// await returns an object that is whole, or of which more than some bytes are sure.
func (e *Early) await(ctx context.Context, f *film, bucket, key string, more int) (o Object, whole bool, err error) {
	for {
		f.mu.Lock()
		grown := f.grown
		f.mu.Unlock()
		o, err := f.Make(ctx, bucket, key)
		var not *NotYet
		switch {
		case f.over() != nil:
			return Object{}, false, f.over()
		case err == nil:
			return o, true, nil
		case !errors.As(err, &not):
			return Object{}, false, err
		}
		e.want(f, not.Needs)
		if len(not.Have) > more {
			o.Body = not.Have
			return o, false, nil
		}
		select {
		case <-grown:
		case <-f.ended:
			return Object{}, false, f.over()
		case <-ctx.Done():
			return Object{}, false, context.Cause(ctx)
		}
	}
}

// over returns what is told of a film whose job is over, nil while it is not.
func (f *film) over() error {
	select {
	case <-f.ended:
	default:
		return nil
	}
	if f.how.Status == job.Complete {
		return fault.New(fault.Unavailable, "ServiceUnavailable", "The object is being published").WithHint("ask again")
	}
	return fault.New(fault.NotFound, "NoSuchKey", "The specified key does not exist: job %s, which would have written it, is %s", f.id, f.how.Status)
}

// keep notes what an object is.
func (f *film) keep(bucket, key string, o Object) Info {
	sum := md5.Sum(o.Body)
	info := Info{Size: int64(len(o.Body)), ETag: `"` + hex.EncodeToString(sum[:]) + `"`, ContentType: o.ContentType, ContentEncoding: o.ContentEncoding, LastModified: f.began}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made[[2]string{bucket, key}] = info
	return info
}

// Stat returns what Open would of the whole object, without the bytes.
func (e *Early) Stat(ctx context.Context, bucket, key string) (Info, error) {
	if f := e.promised(bucket, key); f != nil {
		f.mu.Lock()
		info, ok := f.made[[2]string{bucket, key}]
		f.mu.Unlock()
		if ok && f.over() == nil {
			return info, nil
		}
	}
	f, err := e.find(ctx, bucket, key)
	if err != nil {
		return Info{}, err
	}
	if f == nil {
		return Info{}, fault.New(fault.NotFound, "NoSuchKey", "The specified key does not exist.")
	}
	o, _, err := e.await(ctx, f, bucket, key, math.MaxInt)
	if err != nil {
		return Info{}, err
	}
	return f.keep(bucket, key, o), nil
}

// want has needs met, and what follows them moved to the front with them.
func (e *Early) want(f *film, needs []Need) {
	var tasks []int
	for _, n := range needs {
		if !f.claim(n) {
			continue
		}
		tasks = append(tasks, f.Number(n.Task))
		for _, next := range f.After(n) {
			tasks = append(tasks, f.Number(next.Task))
		}
		go func() {
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			go func() {
				defer stop()
				select {
				case <-f.ended:
				case <-e.stopped:
				case <-ctx.Done():
				}
			}()
			e.meet(ctx, f, n)
		}()
	}
	if len(tasks) == 0 {
		return
	}
	go func() {
		ctx, stop := context.WithTimeout(context.Background(), promoteTime)
		defer stop()
		if err := e.cfg.Jobs.Promote(ctx, f.id, tasks...); err != nil && f.over() == nil {
			e.cfg.Logger.Warn("move tasks to the front", "job", f.id, "err", err)
		}
	}()
}

// promoteTime bounds what moving tasks takes.
const promoteTime = 10 * time.Second

// claim reports whether nobody meets a need or did: it is the caller's to meet.
func (f *film) claim(n Need) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.needs[n]
	if m == nil {
		m = &meeting{}
		f.needs[n] = m
	}
	if m.pending {
		return false
	}
	m.tries++
	m.pending = true
	return true
}

// failed notes that a need was not met: who wants it tries again, for some times.
func (f *film) failed(n Need) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.needs[n]; m.tries < mostTries {
		m.pending = false
	}
}

// meet meets a need. Where that fails, who waits for it tries again, and then the job's
// own task says why, or succeeds.
func (e *Early) meet(ctx context.Context, f *film, n Need) {
	if !e.enter(ctx, n) {
		return
	}
	defer e.leave()
	began := time.Now()
	err := f.Obtain(ctx, n, f.tell)
	if err != nil && ctx.Err() == nil {
		e.cfg.Logger.WarnContext(ctx, "encode for a viewer", "job", f.id, "task", n.Task, "rung", n.Rung, "err", err)
		f.failed(n)
	}
	e.cfg.Logger.DebugContext(ctx, "encoded for a viewer", "job", f.id, "task", n.Task, "rung", n.Rung, "took", time.Since(began))
	f.tell()
}

// enter waits for a slot, and reports whether it got one before ctx ended. Sound goes
// first, for every rung waits for it, then what was asked for last: who asked before has
// waited longer, and may have gone elsewhere since.
func (e *Early) enter(ctx context.Context, n Need) bool {
	e.mu.Lock()
	if e.free > 0 {
		e.free--
		e.mu.Unlock()
		return true
	}
	t := turn{n, make(chan struct{})}
	e.queue = append(e.queue, t)
	e.mu.Unlock()
	select {
	case <-t.given:
		return true
	case <-ctx.Done():
	}
	e.mu.Lock()
	at := slices.IndexFunc(e.queue, func(o turn) bool { return o.given == t.given })
	if at >= 0 {
		e.queue = slices.Delete(e.queue, at, at+1)
	}
	e.mu.Unlock()
	if at < 0 { // it was given meanwhile
		e.leave()
	}
	return false
}

// leave gives the slot to the next one.
func (e *Early) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) == 0 {
		e.free++
		return
	}
	at := len(e.queue) - 1
	if sound := slices.IndexFunc(e.queue, func(o turn) bool { return o.need.Rung < 0 }); sound >= 0 {
		at = sound
	}
	close(e.queue[at].given)
	e.queue = slices.Delete(e.queue, at, at+1)
}
