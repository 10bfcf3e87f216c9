// Command vodwright turns video files into web streams: one binary that stores
// (S3), encodes (MediaConvert) and delivers (CloudFront) on one machine.
//
// This folder holds arguments, environment, wiring and exit codes, a file per
// subcommand. What a subcommand does is in the rooms below internal/.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"vodwright.dev/vodwright/internal/fault"
)

// version is set by the build (-ldflags -X main.version=…).
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// program is what every subcommand may touch of the outside.
type program struct {
	ctx            context.Context // of this invocation: kong's Run methods take bindings, not contexts
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	json           bool
	dataGiven      bool // --data stands on the command line
}

type commandLine struct {
	JSON bool `name:"json" help:"Print results as JSON, for scripts; progress goes to stderr as one JSON object a line."`

	Serve    serveCmd    `cmd:"" help:"Run the server: buckets, jobs, distributions, player."`
	Worker   workerCmd   `cmd:"" help:"Carry tasks of a server on another machine."`
	Publish  publishCmd  `cmd:"" help:"Upload videos to a running server, encode them, print the stream URLs."`
	Automate automateCmd `cmd:"" help:"Turn every video put in a bucket into a job."`
	Convert  convertCmd  `cmd:"" help:"Encode a file into a folder, without a server."`
	Receipt  receiptCmd  `cmd:"" help:"Print what a job was and took: sources, outputs, work, time, what it would cost elsewhere."`
	Demo     demoCmd     `cmd:"" help:"Serve, and publish a generated clip or your own video."`
	Template templateCmd `cmd:"" help:"Import and export job templates in the AWS console's form."`
	Env      envCmd      `cmd:"" help:"Print the AWS_… settings that point AWS tools at the server."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

const description = `Vodwright turns video files into web streams: put a file in a bucket, get an
adaptive HLS stream behind a cached URL. AWS tools work by setting AWS_ENDPOINT_URL.

Examples:
  vodwright demo                          see it work: a clip, encoded and playing
  vodwright serve                         run the server in ./vodwright-data
  eval "$(vodwright env)"                 point aws, boto3, SDKs and Terraform at it
  vodwright publish holiday.mp4           upload, encode, print the player's URL
  vodwright automate --source in --template ladder --destination out
                                          every video put in a bucket becomes a stream
  vodwright convert talk.mov -o stream/   just encode, into a folder
  vodwright worker --join nats://…        add this machine's cores to a server

Exit codes: 0 done; 1 internal error; 2 wrong usage or input; 3 not found;
4 conflict; 5 denied; 6 a limit was exceeded; 7 unavailable, try again;
130 interrupted.`

// exited carries an exit code out of kong, which wants to end the process itself.
type exited int

func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	defer func() {
		if v := recover(); v != nil {
			e, ok := v.(exited)
			if !ok {
				panic(v)
			}
			code = int(e)
		}
	}()
	var cli commandLine
	parser, err := kong.New(&cli, kong.Name("vodwright"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(c int) { panic(exited(c)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.UsageOnError(), kong.Vars{"cores": fmt.Sprint(cores()), "template": ladderName, "streams": streamBucket})
	if err != nil {
		fmt.Fprintln(stderr, "vodwright:", err)
		return fault.Internal.ExitCode()
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "vodwright: %v\nhint: vodwright --help shows commands and examples\n", err)
		return fault.Invalid.ExitCode()
	}
	given := slices.ContainsFunc(parsed.Path, func(e *kong.Path) bool { return e.Flag != nil && e.Flag.Name == "data" && !e.Resolved })
	p := &program{dataGiven: given, ctx: ctx, getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr, json: cli.JSON}
	return p.report(parsed.Run(p))
}

// report prints an error as people (or scripts) should see it and returns the exit code.
func (p *program) report(err error) int {
	if err == nil {
		return 0
	}
	f := fault.Of(err)
	if f.Kind == fault.Internal && errors.Is(err, context.Canceled) && p.ctx.Err() != nil {
		f = &fault.Error{Kind: fault.Canceled, Message: "interrupted", Cause: err}
		err = f
	}
	if p.json {
		_ = json.NewEncoder(p.stderr).Encode(map[string]any{"error": map[string]string{
			"kind": f.Kind.String(), "code": f.Code, "message": err.Error(), "hint": f.Hint,
		}})
		return f.Kind.ExitCode()
	}
	fmt.Fprintf(p.stderr, "vodwright: %v\n", err)
	if f.Hint != "" {
		fmt.Fprintf(p.stderr, "hint: %s\n", f.Hint)
	}
	return f.Kind.ExitCode()
}

// print writes a result: as one JSON document with --json, else as text.
func (p *program) print(result any, text string) error {
	if p.json {
		enc := json.NewEncoder(p.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(result)
	}
	_, err := io.WriteString(p.stdout, text)
	return err
}
