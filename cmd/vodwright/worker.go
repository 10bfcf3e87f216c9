package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fetch"
	"vodwright.dev/vodwright/internal/fleet"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/limit"
	"vodwright.dev/vodwright/internal/probe"
	"vodwright.dev/vodwright/internal/queue"
	"vodwright.dev/vodwright/internal/worker"
)

type workerCmd struct {
	Join        []string    `required:"" env:"VODWRIGHT_JOIN" help:"What vodwright serve --join-listen prints: nats://TOKEN@HOST:PORT; or the servers' NATS cluster, its nodes separated by commas." placeholder:"URL"`
	Concurrency int         `help:"Encoder processes side by side." default:"${cores}"`
	Work        string      `help:"Folder for the files of tasks; nothing in it outlives its job but the cache of sources." env:"VODWRIGHT_WORK" default:"vodwright-work" placeholder:"DIR"`
	Cache       limit.Bytes `help:"Sources are kept for other jobs, in so many bytes." default:"10GiB" placeholder:"SIZE"`
	Name        string      `help:"Of this worker, in logs and receipts; else the machine's." placeholder:"NAME"`
	labelFlags
	Server       string        `help:"Where this machine reaches the server's HTTP, when it is not at the host of --join: http://HOST:PORT." env:"VODWRIGHT_SERVER" placeholder:"URL"`
	Drain        time.Duration `help:"On SIGTERM, how long tasks at work may take to end before they are given back; 0 gives them back at once." env:"VODWRIGHT_DRAIN" default:"25s"`
	PrivateInput bool          `help:"Let jobs fetch https:// inputs from private and loopback addresses."`
	Verbose      bool          `short:"v" help:"Log debug messages."`
	verifyFlags
	sandboxFlags
}

func (workerCmd) Help() string {
	return `Carries tasks of a server on another machine: probes, chunks, audio, finishing. It needs the
server's NATS and HTTP ports, ffmpeg and bubblewrap; no shared disk, no database, no key.
On SIGTERM it takes no more, ends what it carries, and gives back what is not done within
--drain: others go on with that at once, no attempt is lost.

Examples:
  vodwright serve --listen 0.0.0.0:8080 --join-listen 0.0.0.0:4222     prints the URL
  vodwright worker --join nats://TOKEN@server:4222
  vodwright worker --join nats://TOKEN@server:4222 --concurrency 16 --name rack4
  vodwright worker --join nats://TOKEN@server:4222 --label news --exclusive`
}

// Run carries tasks until the program is interrupted.
func (c *workerCmd) Run(p *program) (err error) {
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	name := c.Name
	if name == "" {
		name = hostname()
	}
	log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
	if c.Exclusive && len(c.Label) == 0 {
		return fault.New(fault.Invalid, "", "--exclusive without --label: this worker would carry nothing")
	}
	if c.Concurrency < 1 {
		return fault.New(fault.Invalid, "", "--concurrency %d: a worker carries at least one task", c.Concurrency)
	}
	host, err := joinHost(c.Join)
	if err != nil {
		return err
	}
	runner, err := c.runner(p)
	if err != nil {
		return err
	}
	work, unlock, err := openWork(c.Work)
	if err != nil {
		return err
	}
	defer unlock()
	cache, err := fleet.NewCache(filepath.Join(work, "sources"), int64(c.Cache))
	if err != nil {
		return err
	}
	var client *fleet.Client
	carries := func(ctx context.Context, id string) (bool, error) { return client.Carries(ctx, id, c.labelled()) }
	tasks, err := queue.Open(p.ctx, queue.Config{URLs: c.Join, Join: true, Carries: carries, Name: name, Logger: log})
	if err != nil {
		return err
	}
	defer closing(&err, tasks)
	client = fleet.NewClient(fleet.ClientConfig{
		Line: tasks, Version: build(), Name: name, Host: host, Base: strings.TrimSuffix(c.Server, "/"), Cache: cache, Logger: log,
		HTTP: &http.Client{Transport: workerTransport()},
	})
	hello, done := context.WithTimeout(p.ctx, helloTime)
	err = client.Hello(hello)
	done()
	if err != nil {
		return err
	}
	carrier := worker.New(worker.Config{
		Dir: filepath.Join(work, "jobs"), FFmpeg: runner, Probe: probe.New(runner),
		Fetch:   fetch.New(fetch.Config{AllowPrivate: c.PrivateInput, Limits: c.Limits, Logger: log}),
		Objects: client.House(), Roles: client, Slots: c.Concurrency, Verify: c.depth(), Name: name, Logger: log,
		Depot: client.Depot(), Outputs: client.Output,
	})
	tasksOf := job.NewCarrier(job.CarrierConfig{Ledger: client, Leases: tasks, Runner: carrier, Slots: c.Concurrency, Rest: restTime, Last: p.ctx.Done(), Logger: log})
	if err := p.print(map[string]any{"joined": host, "name": name, "concurrency": c.Concurrency}, fmt.Sprintf("Vodwright %s, worker %s: joined %s, %d at once\n", version, name, host, c.Concurrency)); err != nil {
		return err
	}
	drained, enough := context.WithCancel(context.WithoutCancel(p.ctx))
	defer enough()
	context.AfterFunc(p.ctx, func() {
		log.Info("worker drains", "for", c.Drain)
		time.AfterFunc(c.Drain, enough)
	})
	group, ctx := errgroup.WithContext(drained)
	group.Go(func() error { defer enough(); return tasksOf.Run(ctx) })
	group.Go(func() error { return client.Watch(ctx) })
	group.Go(func() error { return forgetJobs(ctx, carrier, tasksOf, client, log) })
	err = group.Wait()
	if p.ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		log.Info("worker stopped")
		return nil
	}
	return err
}

// labelFlags say which jobs are carried, where some ask for workers with a label.
type labelFlags struct {
	Label     []string `help:"Carry also jobs whose userMetadata asks for this label: vodwright-workers=LABEL. May be given several times." placeholder:"LABEL"`
	Exclusive bool     `help:"Carry nothing but jobs that ask for one of the labels."`
}

func (l labelFlags) labelled() job.Labelled {
	return job.Labelled{Labels: l.Label, Exclusive: l.Exclusive}
}

// restTime is how long a worker takes no tasks after one that it could not do.
const restTime = 15 * time.Second

// helloTime is how long a server has to let a worker in.
const helloTime = 20 * time.Second

// workerTransport notices a server that is gone.
func workerTransport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	t.ResponseHeaderTimeout = time.Minute
	t.MaxIdleConnsPerHost = 16
	return t
}

// joinHost returns the host of the first URL, and refuses what is none.
func joinHost(urls []string) (string, error) {
	for i, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return "", fault.New(fault.Invalid, "", "--join: URL %d is not nats://TOKEN@HOST:PORT", i+1).
				WithHint("vodwright serve --join-listen prints it")
		}
	}
	u, err := url.Parse(urls[0])
	if err != nil {
		return "", err
	}
	return u.Hostname(), nil
}

// openWork makes the work folder, and takes its lock.
func openWork(dir string) (path string, unlock func(), err error) {
	path, unlock, err = openData(dir)
	if fault.Is(err, fault.Conflict) {
		return "", nil, fault.New(fault.Conflict, "", "another worker uses the folder %q", dir).
			WithHint("give this one a folder of its own with --work")
	}
	return path, unlock, err
}

// forgetJobs removes the files of jobs that are over.
func forgetJobs(ctx context.Context, carrier *worker.Worker, tasks *job.Carrier, client *fleet.Client, log *slog.Logger) error {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		ids, err := carrier.Jobs()
		if err == nil && len(ids) > 0 {
			ask, done := context.WithTimeout(ctx, forgetEvery)
			ids, err = client.Over(ask, ids)
			done()
			for _, id := range ids {
				if !tasks.Carries(id) {
					err = errors.Join(err, carrier.Forget(id))
				}
			}
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, os.ErrNotExist) {
			log.DebugContext(ctx, "tidy the work folder", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

const forgetEvery = 5 * time.Second
