package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/cloudfront"
	"vodwright.dev/vodwright/internal/cloudfront/wafv2"
	"vodwright.dev/vodwright/internal/cluster"
	"vodwright.dev/vodwright/internal/console"
	"vodwright.dev/vodwright/internal/early"
	"vodwright.dev/vodwright/internal/edge"
	"vodwright.dev/vodwright/internal/edge/accesslog"
	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/event/webhook"
	"vodwright.dev/vodwright/internal/eventbridge"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fetch"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/fleet"
	"vodwright.dev/vodwright/internal/front"
	"vodwright.dev/vodwright/internal/function"
	"vodwright.dev/vodwright/internal/function/code"
	"vodwright.dev/vodwright/internal/function/execution"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/iam/api"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/lambda"
	"vodwright.dev/vodwright/internal/logs"
	"vodwright.dev/vodwright/internal/mediaconvert"
	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/probe"
	"vodwright.dev/vodwright/internal/queue"
	"vodwright.dev/vodwright/internal/receipt"
	"vodwright.dev/vodwright/internal/store"
	"vodwright.dev/vodwright/internal/tlsca"
	"vodwright.dev/vodwright/internal/waf"
	"vodwright.dev/vodwright/internal/worker"
)

// house is the rooms of a server and how they are wired: open fills it from top
// to bottom, each step with what those before it made; run runs what lives long.
type house struct {
	flags *serveCmd
	data  string // the data folder, absolute
	log   *slog.Logger

	records *store.Store
	facts   *eventRecords
	journal *logs.Logs

	waiting *waiting // until all is open

	// Of servers that share records; nil where there is one.
	member  *cluster.Member
	carrier *job.Carrier  // of the tasks that are carried here
	work    chan struct{} // others left something for who leads
	leads   atomic.Bool   // this server does

	root      iam.Key
	authority *iam.Authority

	buckets  *object.Store
	notified *notifiedFunctions // which exist after the buckets do

	tasks     *queue.Queue
	joinToken string
	depot     fleet.Shelf // nil where nobody can join
	workDoor  *fleet.Door
	desk      *fleet.Desk // of depot

	runner *ffmpeg.Runner
	prober *probe.Prober
	films  *worker.Worker
	jobs   *job.Coordinator
	early  *early.Early
	jobAPI http.Handler

	listener, secure net.Listener // secure is nil without HTTPS
	ca               *tlsca.CA    // of secure

	functions *function.Functions
	host      *execution.Host
	lambdaAPI *lambda.API

	accessLogs *accesslog.Log
	firewall   *waf.Firewall
	edge       *edge.Edge

	roles    *roleSessions
	webhooks *webhook.Sender
	bus      *event.Bus

	closers []io.Closer // in the order in which they were opened
}

// open opens the rooms. The caller closes the house, whatever open returns.
func (h *house) open(ctx context.Context) error {
	return inOrder(
		h.openListeners,
		func() error { return h.openRecords(ctx) },
		func() error { return h.joinServers(ctx) },
		func() error { return h.openCertificates(ctx) },
		func() error { return h.openIdentity(ctx) },
		func() error { return h.openBuckets(ctx) },
		func() error { return h.openWork(ctx) },
		h.openFleet,
		h.openFunctions,
		h.openEdge,
		h.openEvents,
		func() error { return h.waiting.end() },
	)
}

// inOrder takes steps until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// opened keeps what Close closes.
func (h *house) opened(c io.Closer) { h.closers = append(h.closers, c) }

// Close closes what was opened, the last first. The rooms have ended before.
func (h *house) Close() error {
	var errs []error
	for i := len(h.closers) - 1; i >= 0; i-- {
		errs = append(errs, h.closers[i].Close())
	}
	return errors.Join(errs...)
}

func (h *house) openRecords(ctx context.Context) (err error) {
	if h.root, err = iam.OpenRoot(h.data); err != nil {
		return err
	}
	where := store.Config{Path: filepath.Join(h.data, "records.db"), URL: h.flags.Postgres, Shared: h.flags.shared(), Logger: h.log}
	if err := h.await(ctx, "PostgreSQL", func() (err error) { h.records, err = store.Open(ctx, where); return err }); err != nil {
		return err
	}
	h.opened(h.records)
	h.facts = &eventRecords{Store: h.records, changed: h.changed}
	h.journal = logs.New(logs.Config{Store: h.records, Logger: h.log})
	return nil
}

func (h *house) openIdentity(ctx context.Context) (err error) {
	if h.authority, err = iam.Open(ctx, iam.Config{Store: sharedIAM{h.records, h.changed}, Root: h.root, Shared: h.member != nil, Logger: h.log}); err != nil {
		return err
	}
	h.roles = &roleSessions{authority: h.authority}
	return nil
}

func (h *house) openBuckets(ctx context.Context) (err error) {
	h.notified = &notifiedFunctions{}
	at, err := h.flags.external()
	if err != nil {
		return err
	}
	if at == nil {
		err = refuseEmptyBuckets(ctx, h.records)
	} else {
		err = refuseHiddenBuckets(h.data)
	}
	if err != nil {
		return err
	}
	cfg := object.Config{
		Dir: filepath.Join(h.data, "buckets"), External: at, Index: h.facts, Region: region, AccountID: iam.AccountID,
		Root:        object.Credential{AccessKeyID: h.root.ID, SecretAccessKey: h.root.Secret},
		Credentials: bucketKeys{h.authority}, Authority: bucketRights{h.authority}, Functions: h.notified,
		Events: h.facts, Logger: h.log, VirtualHostDomains: []string{"localhost", "s3." + region + ".amazonaws.com", "s3.amazonaws.com"},
	}
	if at != nil {
		cfg.Dir = filepath.Join(h.data, "sending")
	}
	if err := h.await(ctx, externalName, func() (err error) { h.buckets, err = object.Open(ctx, cfg); return err }); err != nil {
		return err
	}
	h.opened(h.buckets)
	return nil
}

// openWork wires jobs and those who carry them out.
func (h *house) openWork(ctx context.Context) error {
	if h.flags.Workers < 0 {
		return fault.New(fault.Invalid, "", "--workers %d: fewer than none", h.flags.Workers)
	}
	if h.flags.Workers == 0 && h.flags.JoinListen == "" && len(h.flags.Nats) == 0 {
		return fault.New(fault.Invalid, "", "--workers 0 and nobody can join: no job would ever be encoded").
			WithHint("let workers join with --join-listen HOST:PORT")
	}
	if h.flags.JoinListen != "" && len(h.flags.Nats) > 0 {
		return fault.New(fault.Invalid, "", "--join-listen and --nats: workers join the NATS cluster").WithHint("leave --join-listen out")
	}
	owner, err := h.records.Identity(ctx)
	if err != nil {
		return err
	}
	at := queue.Config{Dir: filepath.Join(h.data, "queue"), Listen: h.flags.JoinListen, URLs: h.flags.Nats, Owner: owner, Logger: h.log}
	if at.Listen != "" || len(at.URLs) > 0 {
		if err := h.openDepot(); err != nil {
			return err
		}
		at.Token = h.joinToken
	}
	at.Carries = func(ctx context.Context, id string) (bool, error) {
		j, err := h.records.Job(ctx, id)
		return h.flags.labelled().Carries(&j), err
	}
	if err := h.await(ctx, "NATS", func() (err error) { h.tasks, err = queue.Open(ctx, at); return err }); err != nil {
		return err
	}
	tasks := h.tasks
	h.opened(tasks)
	if h.runner, err = ffmpeg.New(ffmpeg.Config{FFmpegPath: h.flags.Ffmpeg, Unsandboxed: h.flags.Unsandboxed, Limits: h.flags.Limits, Logger: h.log}); err != nil {
		return err
	}
	h.prober = probe.New(h.runner)
	carries := worker.Config{
		Dir: filepath.Join(h.data, "work"), FFmpeg: h.runner, Probe: h.prober,
		Fetch:   fetch.New(fetch.Config{AllowPrivate: h.flags.PrivateInput, Limits: h.flags.Limits, Logger: h.log}),
		Objects: bucketObjects{h.buckets}, Roles: jobRoles{h.buckets, h.authority}, Slots: h.flags.Workers, Late: !h.flags.Early, Verify: h.flags.depth(), Name: hostname(), Logger: h.log,
	}
	if h.depot != nil {
		carries.Depot, carries.Outputs = h.depot, h.records.Output
	}
	slots := h.flags.Workers
	if slots == 0 {
		slots = -1
	}
	defaults := map[string]string{}
	if h.flags.Receipts {
		defaults[receipt.BesideKey] = "JSON"
	}
	h.films = worker.New(carries)
	runner := plannedRunner{h.films, func(ctx context.Context, id string) { h.early.Planned(ctx, id) }}
	if h.member != nil {
		h.carrier = job.NewCarrier(job.CarrierConfig{Ledger: h.ledger(), Leases: tasks, Runner: runner, Slots: slots, Logger: h.log})
		h.work, slots = make(chan struct{}, 1), -1
	}
	if h.jobs, err = job.New(job.Config{Store: h.facts, Tasks: tasks, Runner: runner, Slots: slots, Defaults: defaults, Shared: h.member != nil, Logger: h.log}); err != nil {
		return err
	}
	h.early = early.New(early.Config{Jobs: h.jobs, Films: h.films, Slots: h.flags.Workers, Logger: h.log})
	waited := h.flags.Limits.OrDefaults() // someone waits for a probe
	waited.SourceBytes, waited.FetchTime = min(waited.SourceBytes, probedBytes), min(waited.FetchTime, probedTime)
	looker := newFileProber(h.buckets, fetch.New(fetch.Config{
		AllowPrivate: h.flags.PrivateInput, Logger: h.log, Limits: waited,
	}), h.prober, filepath.Join(h.data, "looks"))
	h.jobAPI = mediaconvert.NewHandler(mediaconvert.Config{Jobs: h.jobs, Records: h.records, Prober: looker, Account: iam.AccountID, Region: region, Authenticate: h.authority.Authenticate, Authorize: h.authority.Authorize, Logger: h.log})
	return nil
}

// openListeners comes before the rooms that must know where the house is reached, and
// before those that may have to wait for others.
func (h *house) openListeners() (err error) {
	if h.listener, err = listen(h.flags.Listen); err != nil {
		return err
	}
	h.opened(socket{h.listener})
	h.waiting = wait(h.listener)
	if h.flags.TLSListen == "-" || h.flags.TLSListen == "" {
		return nil
	}
	if h.secure, err = listen(h.flags.TLSListen); err != nil {
		return err
	}
	h.opened(socket{h.secure})
	return nil
}

func (h *house) openFunctions() (err error) {
	var files code.Files
	var running function.Running
	if h.member != nil {
		files, running = h.buckets.Files(), store.Running{Store: h.records, Server: h.member.ID(), Within: cluster.Gone}
	}
	h.functions, h.host, err = openFunctions(functionRooms{
		files: files, running: running,
		data: h.data, endpoint: loopback(h.listener), unsandboxed: h.flags.Unsandboxed, records: h.records, queue: sharedQueue{h.records, h.changed}, journal: h.journal,
		authority: h.authority, buckets: h.buckets, bus: &h.facts.bus, log: h.log,
	})
	if err != nil {
		return err
	}
	h.notified.Functions = h.functions
	secret, err := secretOf(h.root, "vodwright function packages")
	if err != nil {
		return err
	}
	h.lambdaAPI = lambda.New(lambda.Config{
		Secret:    secret,
		Functions: h.functions, Buckets: functionPackages{h.buckets}, Authenticate: h.authority.Authenticate, Authorize: h.authority.Authorize,
		Decide: functionPolicies{h.authority}.decide, PassRole: functionRoles{h.authority}.passRole, Account: iam.AccountID, Region: region, Logger: h.log,
	})
	return nil
}

func (h *house) openEdge() (err error) {
	h.accessLogs = accesslog.New(accesslog.Config{Dir: filepath.Join(h.data, "access-logs"), Bucket: logBuckets{h.buckets}, Logger: h.log})
	h.opened(h.accessLogs)
	h.firewall = waf.New(waf.Config{Log: firewallLog{h.journal}, Logger: h.log})
	h.edge, err = edge.New(edge.Config{
		Distributions: distributions{h.records}, Origin: earlyOrigin{bucketOrigin{h.buckets}, h.early}, DomainSuffix: edgeDomain, TLSPort: portOf(h.secure), Logger: h.log,
		TokenSecret: tokenSecret(h.root), AccessLogs: h.accessLogs, Firewall: h.firewall,
	})
	if err != nil {
		return err
	}
	h.opened(h.edge)
	return nil
}

func (h *house) openEvents() (err error) {
	h.webhooks = webhook.New(webhook.Config{Records: h.records, AllowPrivate: h.flags.PrivateWebhooks, AllowLoopback: onlyLoopback(h.listener, h.secure)})
	h.bus, err = event.NewBus(event.Config{
		Store: sharedEvents{h.records, h.changed}, Feeds: map[string]event.Feed{event.FeedObjects: objectFeed{h.records}, event.FeedJobs: jobFeed{h.records}},
		Buckets: h.buckets, Functions: h.functions, Webhooks: h.webhooks, DeadLetters: deadLetters{h.buckets}, Logs: deliveryLogs{h.journal},
		Jobs:    newAutomation(h.data, h.buckets, h.prober, jobsAPI{h.jobAPI, h.roles, h.records}),
		Account: iam.AccountID, Region: region, Logger: h.log,
	})
	if err != nil {
		return err
	}
	h.facts.bus.Store(h.bus)
	return nil
}

// own is what the server itself serves below /_/.
func (h *house) own() http.Handler {
	rest := below(readyPath, http.HandlerFunc(h.ready), below(lambda.DownloadPath, h.lambdaAPI.Downloads(), console.Handler()))
	if h.depot == nil {
		return rest
	}
	return below(fleet.DoorPath, h.workDoor, rest)
}

// openDepot makes what workers on other machines leave their files in.
func (h *house) openDepot() (err error) {
	if h.joinToken, err = joinToken(h.data, h.flags.JoinToken); err != nil {
		return err
	}
	if files := h.buckets.Files(); h.member != nil {
		h.depot, err = fleet.NewElsewhere(depotFiles{files}, filepath.Join(h.data, "arriving"))
	} else {
		h.depot, err = fleet.NewFolder(filepath.Join(h.data, "depot"))
	}
	if err != nil {
		return err
	}
	secret, err := linkSecret(h.root)
	if err != nil {
		return err
	}
	h.workDoor = fleet.NewDoor(fleet.DoorConfig{Secret: secret, Depot: h.depot, Open: openPinned(h.buckets), Logger: h.log})
	return nil
}

// door is the front door, with every service behind it.
func (h *house) door() *front.Door {
	authenticate, authorize := h.authority.Authenticate, h.authority.Authorize
	identity := api.Config{Authority: h.authority, Logger: h.log}
	return &front.Door{
		S3: h.buckets.Handler(), Edge: h.edge, IsEdge: h.edge.Owns, Console: h.own(),
		Services: map[string]http.Handler{
			"mediaconvert": h.jobAPI,
			"iam":          api.NewIAM(identity),
			"sts":          api.NewSTS(identity),
			"events": eventbridge.NewHandler(eventbridge.Config{
				Records: h.records, Bus: h.bus, CheckEndpoint: h.webhooks.Check, PassRole: h.roles.passRole, Account: iam.AccountID, Region: region, Authenticate: authenticate, Authorize: authorize, Logger: h.log,
			}),
			"lambda":     h.lambdaAPI,
			"logs":       logs.NewHandler(logs.APIConfig{Logs: h.journal, Account: iam.AccountID, Region: region, Authenticate: authenticate, Authorize: authorize, Logger: h.log}),
			"wafv2":      wafv2.NewHandler(wafv2.Config{Store: h.records, Log: firewallLines(h.records), Forget: h.edge.Forget, Account: iam.AccountID, Authenticate: authenticate, Authorize: authorize, Logger: h.log}),
			"cloudfront": cloudfront.NewHandler(cloudfront.Config{Store: h.records, Edge: edges{h.edge, h.changed}, LogBucket: h.buckets.HeadBucket, Account: iam.AccountID, DomainSuffix: edgeDomain, Authenticate: authenticate, Authorize: authorize, Logger: h.log}),
		},
	}
}

// run starts every room and opens the door, in group, until ctx ends.
func (h *house) run(ctx context.Context, group *errgroup.Group) {
	door := h.door()
	for _, run := range []func(context.Context) error{
		h.records.Run, h.accessLogs.Run, h.firewall.Run, h.early.Run, h.journal.Run, h.host.Run, h.functions.Tidy,
		func(ctx context.Context) error { return checkMedia(ctx, h.runner, h.flags.Unsandboxed, h.log) },
	} {
		group.Go(func() error { return run(ctx) })
	}
	if h.desk != nil {
		group.Go(func() error { return h.tasks.Hear(ctx, h.desk.Hear) })
	}
	if h.member != nil {
		h.runShared(ctx, group)
	} else {
		for _, run := range h.alone() {
			group.Go(func() error { return run(ctx) })
		}
		if h.desk != nil {
			group.Go(func() error { return h.tasks.Answer(ctx, h.desk.Answer) })
		}
	}
	entrances := []*entrance{newEntrance(h.listener, door, nil, h.log)}
	if h.secure != nil {
		entrances = append(entrances, newEntrance(h.secure, door, h.ca.Config(h.edge.Owns), h.log))
	}
	for _, e := range entrances {
		e.start(group)
	}
	group.Go(func() error {
		<-ctx.Done()
		end, stop := context.WithTimeout(context.Background(), stopGrace)
		defer stop()
		var ending sync.WaitGroup
		for _, e := range entrances {
			ending.Go(func() { e.shutdown(end) })
		}
		ending.Wait()
		return nil
	})
}
