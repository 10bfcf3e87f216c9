package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/worker"
)

// Buckets is what a Desk needs of the server's buckets and its depot. Methods that
// take a Job act with the rights of its role, and only while it is at work.
type Buckets interface {
	// Source finds what a pin names, or what the object holds now.
	Source(ctx context.Context, j job.Job, bucket, key, pin string) (Found, error)
	// Writable returns an error if the job cannot publish there.
	Writable(ctx context.Context, j job.Job, bucket, key string) error
	// Publish moves what is at a place of the job's depot into a bucket.
	Publish(ctx context.Context, j job.Job, place string, up worker.Upload) error
	// Object finds an object that a job at work has published.
	Object(ctx context.Context, bucket, key string) (Found, error)
	// Withdraw removes an object if the job published what it holds now.
	Withdraw(ctx context.Context, id, bucket, key string) error
	// Put and Get give links to places of a job's depot. Of a place where nothing is
	// Get is a fault.NotFound.
	Put(ctx context.Context, id, place string, size int64) (Link, error)
	Get(ctx context.Context, id, place string) (Link, error)
}

// DeskConfig is what a Desk is made of; all of it is needed.
type DeskConfig struct {
	Version string
	Ledger  job.Ledger
	Job     func(ctx context.Context, id string) (job.Job, error)
	Buckets Buckets
	Base    string // of the server's own links: http://HOST:PORT; "" is where a worker joined, with this scheme and port
	Scheme  string
	Port    int
	// Several says that other servers answer too: links name this one, at Base. A
	// worker that cannot follow one asks for another, which a server gives that is there.
	Several bool
	Logger  *slog.Logger
}

// Desk answers workers. It is safe for concurrent use.
type Desk struct {
	cfg DeskConfig

	mu      sync.Mutex
	refused map[string]bool // workers that were refused, by name and version: told once
}

// NewDesk returns a Desk.
func NewDesk(cfg DeskConfig) *Desk {
	return &Desk{cfg: cfg, refused: map[string]bool{}}
}

// Answer answers a call; see queue.Answer.
func (d *Desk) Answer(ctx context.Context, verb string, asked []byte) []byte {
	var out answer
	body, err := d.answer(ctx, verb, asked)
	if err == nil && body != nil {
		out.Body, err = json.Marshal(body)
	}
	out.Error = onWire(err)
	doc, err := json.Marshal(out)
	if err != nil {
		d.cfg.Logger.ErrorContext(ctx, "answer a worker", "verb", verb, "err", err)
	}
	return doc
}

// Hear takes what workers tell; see queue.Hear.
func (d *Desk) Hear(verb string, told []byte) {
	var q question
	var p progressed
	if verb == tellProgress && json.Unmarshal(told, &q) == nil && d.same(q) && json.Unmarshal(q.Body, &p) == nil {
		d.cfg.Ledger.Report(p.Task, p.Progress)
	}
}

func (d *Desk) same(q question) bool { return q.Protocol == Protocol && q.Version == d.cfg.Version }

// take reads the body of a question.
func take[T any](q question) (T, error) {
	var in T
	if err := json.Unmarshal(q.Body, &in); err != nil {
		return in, fault.New(fault.Invalid, "", "read what worker %s asks: %w", q.Worker, err)
	}
	return in, nil
}

func (d *Desk) answer(ctx context.Context, verb string, asked []byte) (body any, err error) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Logger.ErrorContext(ctx, "answering a worker panicked", "verb", verb, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("answer %s: panic: %v", verb, p)
		}
	}()
	var q question
	if err := json.Unmarshal(asked, &q); err != nil {
		return nil, fault.New(fault.Invalid, "", "read a call: %w", err)
	}
	if !d.same(q) {
		err := mismatch(q.Worker, q.Version, d.cfg.Version, q.Protocol)
		d.mu.Lock()
		told := d.refused[q.Worker+" "+q.Version]
		d.refused[q.Worker+" "+q.Version] = true
		d.mu.Unlock()
		if !told {
			d.cfg.Logger.WarnContext(ctx, "worker refused", "worker", q.Worker, "err", err, "hint", fault.Of(err).Hint)
		}
		return nil, err
	}
	switch verb {
	case verbHello:
		d.cfg.Logger.InfoContext(ctx, "worker joined", "worker", q.Worker, "version", q.Version)
		return welcome{Version: d.cfg.Version, Base: d.cfg.Base, Scheme: d.cfg.Scheme, Port: d.cfg.Port}, nil
	case verbClaim:
		in, err := take[job.Ref](q)
		if err != nil {
			return nil, err
		}
		return d.cfg.Ledger.Claim(ctx, in)
	case verbOutput:
		in, err := take[named](q)
		if err != nil {
			return nil, err
		}
		return d.cfg.Ledger.Output(ctx, in.Job, in.Name)
	case verbComplete, verbFail, verbGiveBack:
		in, err := take[ended](q)
		if err != nil {
			return nil, err
		}
		return nil, d.end(ctx, verb, in)
	case verbCheck:
		in, err := take[job.Task](q)
		if err != nil {
			return nil, err
		}
		return nil, d.cfg.Ledger.Check(ctx, in)
	case verbOver:
		in, err := take[[]string](q)
		if err != nil {
			return nil, err
		}
		return d.over(ctx, in)
	case verbCarries:
		in, err := take[wanted](q)
		if err != nil {
			return nil, err
		}
		j, err := d.cfg.Job(ctx, in.Job)
		return in.Carries(&j), err
	}
	body, err = d.bytes(ctx, verb, q)
	switch out := body.(type) {
	case Found:
		out.Link = d.link(out.Link)
		return out, err
	case Link:
		return d.link(out), err
	}
	return body, err
}

// link is a link as workers are given it.
func (d *Desk) link(l Link) Link {
	if d.cfg.Several && strings.HasPrefix(string(l), "/") {
		return Link(d.cfg.Base) + l
	}
	return l
}

func (d *Desk) end(ctx context.Context, verb string, in ended) error {
	switch verb {
	case verbComplete:
		if in.Result == nil {
			return fault.New(fault.Invalid, "", "task %q has no result", in.Task.Name)
		}
		return d.cfg.Ledger.Complete(ctx, in.Task, *in.Result)
	case verbFail:
		return d.cfg.Ledger.Fail(ctx, in.Task, in.Error.err())
	}
	return d.cfg.Ledger.GiveBack(ctx, in.Task)
}

// over returns which jobs are over.
func (d *Desk) over(ctx context.Context, ids []string) ([]string, error) {
	out := []string{}
	for _, id := range ids {
		j, err := d.cfg.Job(ctx, id)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
		if err != nil || j.Status.Final() {
			out = append(out, id)
		}
	}
	return out, nil
}

// atWork returns a job that is at work.
func (d *Desk) atWork(ctx context.Context, id string) (job.Job, error) {
	j, err := d.cfg.Job(ctx, id)
	if err == nil && j.Status != job.Progressing {
		err = job.ErrStale
	}
	return j, err
}

// bytes answers what is asked of buckets and the depot.
func (d *Desk) bytes(ctx context.Context, verb string, q question) (any, error) {
	b := d.cfg.Buckets
	switch verb {
	case verbSource:
		in, err := take[source](q)
		if err != nil {
			return nil, err
		}
		j, err := d.atWork(ctx, in.Job)
		if err != nil {
			return nil, err
		}
		return b.Source(ctx, j, in.Bucket, in.Key, in.Pin)
	case verbPublish:
		in, err := take[publication](q)
		if err != nil {
			return nil, err
		}
		return nil, d.publish(ctx, in)
	case verbObject, verbWithdraw, verbWritable:
		in, err := take[objectOf](q)
		if err != nil {
			return nil, err
		}
		switch verb {
		case verbObject:
			return b.Object(ctx, in.Bucket, in.Key)
		case verbWithdraw:
			return nil, b.Withdraw(ctx, in.Job, in.Bucket, in.Key)
		}
		j, err := d.atWork(ctx, in.Job)
		if err != nil {
			return nil, err
		}
		return nil, b.Writable(ctx, j, in.Bucket, in.Key)
	case verbPut, verbGet:
		in, err := take[placed](q)
		if err != nil {
			return nil, err
		}
		if err := CheckPlace(in.Job, in.Place); err != nil {
			return nil, err
		}
		if _, err := d.atWork(ctx, in.Job); err != nil {
			return nil, err
		}
		if verb == verbPut {
			return b.Put(ctx, in.Job, in.Place, in.Size)
		}
		return b.Get(ctx, in.Job, in.Place)
	}
	return nil, fault.New(fault.Invalid, "", "no verb %q", verb)
}

// publish publishes, and withdraws at once if the job ended meanwhile: whoever
// discarded it may have been too early to see this object.
func (d *Desk) publish(ctx context.Context, in publication) error {
	if err := CheckPlace(in.Upload.Job, in.Place); err != nil {
		return err
	}
	j, err := d.atWork(ctx, in.Upload.Job)
	if err != nil {
		return err
	}
	in.Upload.File = ""
	if err := d.cfg.Buckets.Publish(ctx, j, in.Place, in.Upload); err != nil {
		return err
	}
	if now, err := d.cfg.Job(ctx, j.ID); err != nil || now.Status == job.Progressing || now.Status == job.Complete {
		return err
	}
	if err := d.cfg.Buckets.Withdraw(ctx, j.ID, in.Upload.Bucket, in.Upload.Key); err != nil {
		return err
	}
	return job.ErrStale
}
