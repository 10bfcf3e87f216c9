package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/cloudfront"
	"vodwright.dev/vodwright/internal/cloudfront/wafv2"
	"vodwright.dev/vodwright/internal/console"
	"vodwright.dev/vodwright/internal/edge"
	"vodwright.dev/vodwright/internal/edge/accesslog"
	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/event/webhook"
	"vodwright.dev/vodwright/internal/eventbridge"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fetch"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/front"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/iam/api"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/lambda"
	"vodwright.dev/vodwright/internal/logs"
	"vodwright.dev/vodwright/internal/mediaconvert"
	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/probe"
	"vodwright.dev/vodwright/internal/queue"
	"vodwright.dev/vodwright/internal/store"
	"vodwright.dev/vodwright/internal/tlsca"
	"vodwright.dev/vodwright/internal/waf"
	"vodwright.dev/vodwright/internal/worker"
)

const (
	defaultListen    = "127.0.0.1:8080"
	defaultTLSListen = "127.0.0.1:8443"
	// edgeDomain is below what every distribution has its name. Browsers send
	// *.localhost to this machine without any set-up.
	edgeDomain = "cdn.localhost"
)

type serveCmd struct {
	dataFlag
	Listen          string `help:"Address for HTTP." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	TLSListen       string `name:"tls-listen" help:"Address for HTTPS, with a private certificate authority; - is none." default:"127.0.0.1:8443" placeholder:"HOST:PORT"`
	Workers         int    `help:"Encoder processes side by side." default:"${cores}"`
	PrivateInput    bool   `help:"Let jobs fetch https:// inputs from private and loopback addresses."`
	PrivateWebhooks bool   `help:"Let webhooks call private and loopback addresses; loopback is allowed anyway while the server listens there only."`
	Verbose         bool   `short:"v" help:"Log debug messages."`
	sandboxFlags
}

func (serveCmd) Help() string {
	return `Everything the server keeps is in the data folder; remove it and nothing is left.
The first start makes a root access key there: vodwright env prints it for AWS tools.

Examples:
  vodwright serve
  vodwright serve --data /srv/vod --listen 0.0.0.0:8080 --workers 4
  eval "$(vodwright env)" && aws s3 ls`
}

// Run serves until the program is interrupted.
func (c *serveCmd) Run(p *program) error {
	return c.serve(p, func(s *serving) error {
		return p.print(map[string]any{"http": s.HTTP, "https": s.HTTPS, "caFile": s.CAFile, "data": s.data}, s.banner(c.Data))
	})
}

// serving is a server that answers.
type serving struct {
	endpoints
	data string // absolute
}

func (s *serving) banner(data string) string {
	text := fmt.Sprintf("Vodwright %s is ready\n  console  %s/_/\n  HTTP     %s\n", version, s.HTTP, s.HTTP)
	if s.HTTPS != "" {
		text += fmt.Sprintf("  HTTPS    %s  (certificate authority: %s)\n", s.HTTPS, s.CAFile)
	}
	return text + fmt.Sprintf("  data     %s\nAWS tools: eval \"$(vodwright env --data %s)\"\n", s.data, data)
}

// serve wires the rooms, runs them until ctx ends, and calls ready once everything answers.
func (c *serveCmd) serve(p *program, ready func(*serving) error) (err error) {
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))

	if p.getenv("GOGC") == "" {
		// The live heap is small; collecting it five times less often costs some
		// megabytes and saves a fifth of the edge's CPU on small answers.
		debug.SetGCPercent(400)
	}

	data, unlock, err := openData(c.Data)
	if err != nil {
		return err
	}
	defer unlock()
	key, err := iam.OpenRoot(data)
	if err != nil {
		return err
	}

	records, err := store.Open(p.ctx, store.Config{Path: filepath.Join(data, "records.db"), Logger: log})
	if err != nil {
		return err
	}
	defer closing(&err, records)
	facts := &eventRecords{Store: records}
	authority, err := iam.Open(p.ctx, iam.Config{Store: records, Root: key, Logger: log})
	if err != nil {
		return err
	}
	notified := &notifiedFunctions{} // which exist after the buckets do
	buckets, err := object.Open(p.ctx, object.Config{
		Dir: filepath.Join(data, "buckets"), Region: region, AccountID: iam.AccountID,
		Root:        object.Credential{AccessKeyID: key.ID, SecretAccessKey: key.Secret},
		Credentials: bucketKeys{authority}, Authority: bucketRights{authority}, Functions: notified,
		Events: facts, Logger: log, VirtualHostDomains: []string{"localhost", "s3." + region + ".amazonaws.com", "s3.amazonaws.com"},
	})
	if err != nil {
		return err
	}
	defer closing(&err, buckets)
	tasks, err := queue.Open(p.ctx, queue.Config{Dir: filepath.Join(data, "queue"), Logger: log})
	if err != nil {
		return err
	}
	defer closing(&err, tasks)

	runner, err := ffmpeg.New(ffmpeg.Config{FFmpegPath: c.Ffmpeg, Unsandboxed: c.Unsandboxed, Logger: log})
	if err != nil {
		return err
	}
	prober := probe.New(runner)
	carrier := worker.New(worker.Config{
		Dir: filepath.Join(data, "work"), FFmpeg: runner, Probe: prober,
		Fetch:   fetch.New(fetch.Config{AllowPrivate: c.PrivateInput, Logger: log}),
		Objects: bucketObjects{buckets}, Roles: jobRoles{buckets, authority}, Slots: c.Workers, Logger: log,
	})
	jobs, err := job.New(job.Config{Store: facts, Tasks: tasks, Runner: carrier, Slots: c.Workers, Logger: log})
	if err != nil {
		return err
	}

	journal := logs.New(logs.Config{Store: records, Logger: log})

	listener, err := listen(c.Listen)
	if err != nil {
		return err
	}
	s := &serving{endpoints: endpoints{HTTP: "http://" + listener.Addr().String(), PID: os.Getpid()}, data: data}
	var secure net.Listener
	var ca *tlsca.CA
	if c.TLSListen != "-" && c.TLSListen != "" {
		if secure, err = listen(c.TLSListen); err != nil {
			return errors.Join(err, listener.Close())
		}
		if ca, err = tlsca.Open(filepath.Join(data, "tls")); err != nil {
			return errors.Join(err, listener.Close(), secure.Close())
		}
		s.HTTPS, s.CAFile = "https://"+secure.Addr().String(), ca.CertPEMPath()
	}

	fns, host, err := openFunctions(functionRooms{
		data: data, endpoint: loopback(listener), unsandboxed: c.Unsandboxed, records: records, journal: journal, authority: authority, buckets: buckets, bus: &facts.bus, log: log,
	})
	if err != nil {
		return err
	}
	notified.Functions = fns
	lambdaAPI := lambda.New(lambda.Config{
		Functions: fns, Buckets: functionPackages{buckets}, Authenticate: authority.Authenticate, Authorize: authority.Authorize,
		Decide: functionPolicies{authority}.decide, PassRole: functionRoles{authority}.passRole, Account: iam.AccountID, Region: region, Logger: log,
	})
	accessLogs := accesslog.New(accesslog.Config{Dir: filepath.Join(data, "access-logs"), Bucket: logBuckets{buckets}, Logger: log})
	defer closing(&err, accessLogs) // when the servers have ended
	firewall := waf.New(waf.Config{Log: firewallLog{journal}, Logger: log})
	cdn, err := edge.New(edge.Config{
		Distributions: distributions{records}, Origin: bucketOrigin{buckets}, DomainSuffix: edgeDomain, TLSPort: portOf(secure), Logger: log,
		TokenSecret: tokenSecret(key), AccessLogs: accessLogs, Firewall: firewall,
	})
	if err != nil {
		return err
	}
	defer closing(&err, cdn)
	jobAPI := mediaconvert.NewHandler(mediaconvert.Config{Jobs: jobs, Records: records, Account: iam.AccountID, Region: region, Authenticate: authority.Authenticate, Authorize: authority.Authorize, Logger: log})
	roles := &roleSessions{authority: authority}
	webhooks := webhook.New(webhook.Config{Records: records, AllowPrivate: c.PrivateWebhooks, AllowLoopback: onlyLoopback(listener, secure)})
	bus, err := event.NewBus(event.Config{
		Store: records, Feeds: map[string]event.Feed{event.FeedObjects: objectFeed{records}, event.FeedJobs: jobFeed{records}},
		Buckets: buckets, Functions: fns, Webhooks: webhooks, DeadLetters: deadLetters{buckets}, Logs: deliveryLogs{journal},
		Jobs:    newAutomation(data, buckets, prober, jobsAPI{jobAPI, roles, records}),
		Account: iam.AccountID, Region: region, Logger: log,
	})
	if err != nil {
		return err
	}
	facts.bus.Store(bus)
	door := &front.Door{
		S3: buckets.Handler(), Edge: cdn, IsEdge: cdn.Owns, Console: below(lambda.DownloadPath, lambdaAPI.Downloads(), console.Handler()),
		Services: map[string]http.Handler{
			"mediaconvert": jobAPI,
			"iam":          api.NewIAM(api.Config{Authority: authority, Logger: log}),
			"sts":          api.NewSTS(api.Config{Authority: authority, Logger: log}),
			"events": eventbridge.NewHandler(eventbridge.Config{
				Records: records, Bus: bus, CheckEndpoint: webhooks.Check, PassRole: roles.passRole, Account: iam.AccountID, Region: region, Authenticate: authority.Authenticate, Authorize: authority.Authorize, Logger: log,
			}),
			"lambda":     lambdaAPI,
			"logs":       logs.NewHandler(logs.APIConfig{Logs: journal, Account: iam.AccountID, Region: region, Authenticate: authority.Authenticate, Authorize: authority.Authorize, Logger: log}),
			"wafv2":      wafv2.NewHandler(wafv2.Config{Store: records, Log: firewallLines(records), Forget: cdn.Forget, Account: iam.AccountID, Authenticate: authority.Authenticate, Authorize: authority.Authorize, Logger: log}),
			"cloudfront": cloudfront.NewHandler(cloudfront.Config{Store: records, Edge: cdn, LogBucket: buckets.HeadBucket, Account: iam.AccountID, DomainSuffix: edgeDomain, Authenticate: authority.Authenticate, Authorize: authority.Authorize, Logger: log}),
		},
	}

	group, ctx := errgroup.WithContext(p.ctx)
	group.Go(func() error { return authority.Run(ctx) })
	group.Go(func() error { return buckets.Run(ctx) })
	group.Go(func() error { return accessLogs.Run(ctx) })
	group.Go(func() error { return firewall.Run(ctx) })
	group.Go(func() error { return jobs.Run(ctx) })
	group.Go(func() error { return bus.Run(ctx) })
	group.Go(func() error { return journal.Run(ctx) })
	group.Go(func() error { return host.Run(ctx) })
	group.Go(func() error { return fns.Run(ctx) })
	group.Go(func() error { return checkMedia(ctx, runner, c.Unsandboxed, log) })
	entrances := []*entrance{newEntrance(listener, door, nil, log)}
	if secure != nil {
		entrances = append(entrances, newEntrance(secure, door, ca.Config(cdn.Owns), log))
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
	if err := writeEndpoints(data, s.endpoints); err != nil {
		log.Warn("other commands will not find this server", "err", err)
	}
	group.Go(func() error { return ready(s) })
	err = group.Wait()
	if p.ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return nil // asked to stop, and did
	}
	return err
}

// checkMedia looks once at what media processes can do here; jobs that come
// before it is done wait for the same answer.
func checkMedia(ctx context.Context, runner *ffmpeg.Runner, unsandboxed bool, log *slog.Logger) error {
	report, err := runner.Check(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		log.Error("jobs will fail: media processes do not work here", "err", err, "hint", fault.Of(err).Hint)
	case unsandboxed:
		log.Warn("media processes run unsandboxed: encode only files you trust")
	case !report.Sandboxed:
		log.Error("jobs will be refused: media processes cannot be sandboxed here", "problem", report.SandboxProblem,
			"hint", "install bubblewrap and allow user namespaces, or serve with --unsandboxed for files you trust")
	default:
		log.Info("media processes are sandboxed", "ffmpeg", report.FFmpegVersion)
	}
	return nil
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "", "cannot listen on %s: %w", address, err).
			WithHint("choose another address with --listen and --tls-listen; port 0 is any free port")
	}
	return l, nil
}

func portOf(l net.Listener) int {
	if l == nil {
		return 0
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// closing closes c at the end of a function whose named error is err.
func closing(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }
