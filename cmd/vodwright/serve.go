package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
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
	Listen     string `help:"Address for HTTP." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	TLSListen  string `name:"tls-listen" help:"Address for HTTPS, with a private certificate authority; - is none." default:"127.0.0.1:8443" placeholder:"HOST:PORT"`
	Workers    int    `help:"Encoder processes side by side; 0 leaves all work to workers that join." default:"${cores}"`
	JoinListen string `name:"join-listen" env:"VODWRIGHT_JOIN_LISTEN" help:"Address at which workers on other machines join: see vodwright worker. Without it none can." placeholder:"HOST:PORT"`
	JoinToken  string `name:"join-token" env:"VODWRIGHT_JOIN_TOKEN" help:"What workers must have to join; else one is made, and kept in the data folder." placeholder:"TOKEN"`
	labelFlags
	Postgres string   `env:"VODWRIGHT_POSTGRES" help:"PostgreSQL that keeps the records, instead of a file in the data folder: postgres://USER:PASSWORD@HOST/NAME." placeholder:"URL"`
	Nats     []string `env:"VODWRIGHT_NATS" help:"NATS cluster that hands out the work, instead of one within: nats://USER:PASSWORD@HOST:PORT, its nodes separated by commas. Workers join it too." placeholder:"URL"`
	externalFlags
	Advertise       string        `env:"VODWRIGHT_ADVERTISE" help:"Where workers reach this server's HTTP, when they join a NATS cluster: http://HOST:PORT; else the machine's name." placeholder:"URL"`
	Wait            time.Duration `env:"VODWRIGHT_WAIT" help:"How long to wait for PostgreSQL, NATS and the external S3 at the start; until then /_/ready says which." default:"30s"`
	PrivateInput    bool          `help:"Let jobs fetch https:// inputs from private and loopback addresses."`
	PrivateWebhooks bool          `help:"Let webhooks call private and loopback addresses; loopback is allowed anyway while the server listens there only."`
	Receipts        bool          `help:"Write the receipt of every job beside its outputs, and not of those alone that ask for it."`
	Verbose         bool          `short:"v" help:"Log debug messages."`
	Early           bool          `help:"Let distributions play jobs while they are encoded." default:"true" negatable:""`
	verifyFlags
	sandboxFlags
}

func (serveCmd) Help() string {
	return `Everything the server keeps is in the data folder; remove it and nothing is left.
The first start makes a root access key there: vodwright env prints it for AWS tools.

Examples:
  vodwright serve
  vodwright serve --data /srv/vod --listen 0.0.0.0:8080 --workers 4
  vodwright serve --postgres postgres://vod:SECRET@db/vod --s3 https://s3.example.com/vod/house
  eval "$(vodwright env)" && aws s3 ls`
}

// Run serves until the program is interrupted.
func (c *serveCmd) Run(p *program) error {
	return c.serve(p, func(s *serving) error {
		out := map[string]any{"http": s.HTTP, "https": s.HTTPS, "caFile": s.CAFile, "data": s.data}
		if s.join != "" {
			out["join"] = s.join
		}
		return p.print(out, s.banner(c.Data))
	})
}

// serving is a server that answers.
type serving struct {
	endpoints
	data string // absolute
	join string // URL, with its token; "" where no worker can join
}

func (s *serving) banner(data string) string {
	text := fmt.Sprintf("Vodwright %s is ready\n  console  %s/_/\n  HTTP     %s\n", version, s.HTTP, s.HTTP)
	if s.HTTPS != "" {
		text += fmt.Sprintf("  HTTPS    %s  (certificate authority: %s)\n", s.HTTPS, s.CAFile)
	}
	if s.join != "" {
		text += fmt.Sprintf("  workers  vodwright worker --join %s\n", s.join)
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
	h := &house{flags: c, data: data, log: log}
	defer closing(&err, h) // when the servers have ended
	if err := h.open(p.ctx); err != nil {
		return err
	}
	s := &serving{endpoints: endpoints{HTTP: "http://" + h.listener.Addr().String(), PID: os.Getpid()}, data: data}
	if h.secure != nil {
		s.HTTPS, s.CAFile = "https://"+h.secure.Addr().String(), h.ca.CertPEMPath()
	}

	if len(c.Nats) > 0 {
		s.join = strings.Join(c.Nats, ",")
	} else if at := h.tasks.Address(); at != "" && h.depot != nil {
		s.join = "nats://" + h.joinToken + "@" + joinAddress(at)
	}
	group, ctx := errgroup.WithContext(p.ctx)
	h.run(ctx, group)
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
		log.Warn("media processes and functions run unsandboxed: encode only files, and call only functions, that you trust")
	case !report.Sandboxed:
		log.Error("jobs, probes and functions will be refused: nothing can be sandboxed here", "problem", report.SandboxProblem,
			"hint", "install bubblewrap and allow user namespaces, or serve with --unsandboxed for files you trust")
	default:
		log.Info("media processes are sandboxed", "ffmpeg", report.FFmpegVersion)
	}
	return nil
}

// closing closes c at the end of a function whose named error is err.
func closing(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }
