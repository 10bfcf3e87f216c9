package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/worker"
)

// Line is the way to the servers; queue.Queue is one.
type Line interface {
	// Call asks any server, and waits for one until ctx ends. After so long without an
	// answer it asks another.
	Call(ctx context.Context, verb string, question []byte, within time.Duration) ([]byte, error)
	// Tell tells all servers what may get lost.
	Tell(verb string, what []byte) error
}

// ClientConfig is what a Client is made of. Line, Version and Name are needed.
type ClientConfig struct {
	Line    Line
	Version string
	Name    string // of the worker, for logs and receipts
	Host    string // where the server was joined; its links are there
	Base    string // of the server's links instead: http://HOST:PORT; "" is as the server says, at Host
	HTTP    *http.Client
	Cache   *Cache       // of sources; nil is none
	Logger  *slog.Logger // nil discards
}

// Client is a worker's end. It is safe for concurrent use.
type Client struct {
	cfg  ClientConfig
	base string
	log  *slog.Logger

	refused chan error // a server has another version

	mu   sync.Mutex
	told map[job.Ref]time.Time // when progress was told last
}

var (
	_ job.Ledger     = (*Client)(nil)
	_ worker.Objects = objects{}
	_ worker.Roles   = (*Client)(nil)
	_ worker.Depot   = Depot{}
)

// NewClient returns a Client; Hello comes first.
func NewClient(cfg ClientConfig) *Client {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{}
	}
	return &Client{cfg: cfg, base: cfg.Base, log: cfg.Logger, refused: make(chan error, 1), told: map[job.Ref]time.Time{}}
}

// Hello asks a server to be let in. One of another version is a fault.Conflict.
func (c *Client) Hello(ctx context.Context) error {
	var w welcome
	if err := c.call(ctx, verbHello, nil, &w); err != nil {
		return err
	}
	if c.base == "" {
		c.base = w.Base
	}
	if c.base == "" {
		c.base = fmt.Sprintf("%s://%s:%d", w.Scheme, c.cfg.Host, w.Port)
	}
	return nil
}

// Watch returns when a server of another version answered, with that error, or when
// ctx ends.
func (c *Client) Watch(ctx context.Context) error {
	select {
	case err := <-c.refused:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (c *Client) wrap(body any) ([]byte, error) {
	doc, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(question{Protocol: Protocol, Version: c.cfg.Version, Worker: c.cfg.Name, Body: doc})
}

// call asks a server.
func (c *Client) call(ctx context.Context, verb string, in, out any) error {
	doc, err := c.wrap(in)
	if err != nil {
		return fmt.Errorf("ask a server to %s: %w", verb, err)
	}
	got, err := c.cfg.Line.Call(ctx, verb, doc, answerTime(verb))
	if err != nil {
		return err
	}
	var a answer
	if err := json.Unmarshal(got, &a); err != nil {
		return fmt.Errorf("read the answer to %s: %w", verb, err)
	}
	if err := a.Error.err(); err != nil {
		if fault.Of(err).Code == CodeMismatch {
			select {
			case c.refused <- err:
			default:
			}
		}
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(a.Body, out); err != nil {
		return fmt.Errorf("read the answer to %s: %w", verb, err)
	}
	return nil
}

// Claim implements job.Ledger.
func (c *Client) Claim(ctx context.Context, r job.Ref) (t job.Task, err error) {
	return t, c.call(ctx, verbClaim, r, &t)
}

// Output implements job.Ledger.
func (c *Client) Output(ctx context.Context, id, name string) (doc json.RawMessage, err error) {
	return doc, c.call(ctx, verbOutput, named{id, name}, &doc)
}

// Complete implements job.Ledger.
func (c *Client) Complete(ctx context.Context, t job.Task, r job.Result) error {
	c.forget(t)
	t.Payload = nil
	return c.call(ctx, verbComplete, ended{Task: t, Result: &r}, nil)
}

// Fail implements job.Ledger.
func (c *Client) Fail(ctx context.Context, t job.Task, why error) error {
	c.forget(t)
	t.Payload = nil
	return c.call(ctx, verbFail, ended{Task: t, Error: onWire(why)}, nil)
}

// GiveBack implements job.Ledger.
func (c *Client) GiveBack(ctx context.Context, t job.Task) error {
	c.forget(t)
	t.Payload = nil
	return c.call(ctx, verbGiveBack, ended{Task: t}, nil)
}

// Check implements job.Ledger.
func (c *Client) Check(ctx context.Context, t job.Task) error {
	t.Payload = nil
	ctx, done := context.WithTimeout(ctx, job.LeaseTime/3)
	defer done()
	return c.call(ctx, verbCheck, t, nil)
}

// tellEvery is how often progress of a task is told.
const tellEvery = 500 * time.Millisecond

// Report implements job.Ledger.
func (c *Client) Report(t job.Task, p job.Progress) {
	r := job.Ref{Job: t.Job, Number: t.Number}
	c.mu.Lock()
	due := time.Since(c.told[r]) >= tellEvery
	if due {
		c.told[r] = time.Now()
	}
	c.mu.Unlock()
	if !due {
		return
	}
	t.Payload = nil
	doc, err := c.wrap(progressed{t, p})
	if err == nil {
		err = c.cfg.Line.Tell(tellProgress, doc)
	}
	if err != nil {
		c.log.Debug("tell progress", "err", err)
	}
}

func (c *Client) forget(t job.Task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.told, job.Ref{Job: t.Job, Number: t.Number})
}

// Over returns which of these jobs are over.
func (c *Client) Over(ctx context.Context, ids []string) (over []string, err error) {
	return over, c.call(ctx, verbOver, ids, &over)
}

// Carries reports whether a worker with these labels carries a job.
func (c *Client) Carries(ctx context.Context, id string, l job.Labelled) (yes bool, err error) {
	ctx, done := context.WithTimeout(ctx, job.LeaseTime)
	defer done()
	return yes, c.call(ctx, verbCarries, wanted{id, l}, &yes)
}

// Objects implements worker.Roles. Which role a job has is the server's to know.
func (c *Client) Objects(_ context.Context, _, id string) (worker.Objects, error) {
	return objects{c, id}, nil
}

// House returns the buckets with what a worker may do there beside a job's role: read
// and withdraw what a job at work has published.
func (c *Client) House() worker.Objects { return objects{c, ""} }

// Depot returns the depot.
func (c *Client) Depot() Depot { return Depot{c} }

// objects implements worker.Objects for a job.
type objects struct {
	*Client
	id string
}

func (o objects) Snapshot(ctx context.Context, bucket, key, pin, dst string) (string, error) {
	var found Found
	find := func(ctx context.Context) (Link, error) {
		var now Found
		if err := o.call(ctx, verbSource, source{o.id, bucket, key, pin}, &now); err != nil {
			return "", err
		}
		found, pin = now, now.Pin // from here on this one
		return found.Link, nil
	}
	if _, err := find(ctx); err != nil {
		return "", err
	}
	name := bucket + "/" + key + "/" + found.Pin
	if o.cfg.Cache.Get(name, dst) {
		return found.Pin, nil
	}
	if err := o.download(ctx, find, found.Size, dst); err != nil {
		return "", fmt.Errorf("get s3://%s/%s: %w", bucket, key, err)
	}
	o.cfg.Cache.Put(name, dst)
	return found.Pin, nil
}

func (o objects) Writable(ctx context.Context, bucket, key string) error {
	return o.call(ctx, verbWritable, objectOf{o.id, bucket, key}, nil)
}

func (o objects) Publish(ctx context.Context, up worker.Upload) error {
	place := "out/" + placeName(up.Bucket, up.Key)
	if err := o.Depot().Put(ctx, up.Job, place, up.File); err != nil {
		return err
	}
	return o.call(ctx, verbPublish, publication{place, up}, nil)
}

func (o objects) Open(ctx context.Context, bucket, key string) (io.ReadCloser, int64, error) {
	var found Found
	if err := o.call(ctx, verbObject, objectOf{o.id, bucket, key}, &found); err != nil {
		return nil, 0, err
	}
	answer, err := o.get(ctx, found.Link, 0)
	if err != nil {
		return nil, 0, err
	}
	return answer.Body, found.Size, nil
}

func (o objects) Withdraw(ctx context.Context, id, bucket, key string) error {
	return o.call(ctx, verbWithdraw, objectOf{id, bucket, key}, nil)
}

// Depot implements worker.Depot.
type Depot struct{ c *Client }

// Put implements worker.Depot. The file stays.
func (d Depot) Put(ctx context.Context, id, place, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	link := func(ctx context.Context) (l Link, err error) {
		return l, d.c.call(ctx, verbPut, placed{id, place, info.Size()}, &l)
	}
	return d.c.upload(ctx, link, file, info.Size())
}

// Get implements worker.Depot.
func (d Depot) Get(ctx context.Context, id, place, dst string) error {
	link := func(ctx context.Context) (l Link, err error) {
		return l, d.c.call(ctx, verbGet, placed{Job: id, Place: place}, &l)
	}
	return d.c.download(ctx, link, -1, dst)
}

// Clear implements worker.Depot: servers clear.
func (Depot) Clear(context.Context, string) error {
	return errors.New("a worker clears no depot")
}
