// Command bench measures Vodwright against what people would use without it, on
// the machine it runs on: ffmpeg's one-line command for encoding, nginx for
// delivery. It drives the built program (bin/vodwright) as users do and reaches
// into no room but the one that describes test clips.
//
// Absolute figures depend on the machine and on what else it does; ratios of
// things measured in turns (A B A B …) hardly do. So every comparison is made of
// pairs within one run, shown as medians with their range, and CPU time stands
// beside wall time: of all processes, sandboxed ones included.
//
//	go run ./test/bench                       everything, about half an hour on two cores
//	go run ./test/bench -only start,memory    a part
//	go run ./test/bench -o docs/BENCHMARKS.md keep the result
//
// Markdown goes to standard output, progress to standard error. The exit code is
// 1 if something could not be measured; a target that is missed is a result.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// section is one part of the bench.
type section struct {
	name, title string
	about       string // what is measured, for people who read the figures only
	runs        int    // when -runs does not say
	run         func(context.Context, *bench, *report) error
}

var sections = []section{
	{"ladder", "Encoding a ladder", aboutLadder, 5, benchLadder},
	{"qvbr", "Quality of the QVBR levels", aboutQVBR, 1, benchQVBR},
	{"clips", "Clips right or rightly refused", aboutClips, 1, benchClips},
	{"early", "Playing while encoding", aboutEarly, 5, benchEarly},
	{"job", "Overhead of a short job", aboutJob, 9, benchJob},
	{"start", "Start to ready", aboutStart, 11, benchStart},
	{"memory", "Memory when idle", aboutMemory, 3, benchMemory},
	{"big", "A big object, up and down", aboutBig, 1, benchBig},
	{"requests", "Requests, events and functions", aboutRequests, 7, benchRequests},
	{"edge", "Delivery, beside nginx", aboutEdge, 5, benchEdge},
	{"search", "x264's parameters", aboutSearch, 2, benchSearch},
}

// long names sections that run only when they are asked for.
var long = []string{"search"}

// bench is what the sections share.
type bench struct {
	program    string  // the built vodwright
	dir        string  // scratch, removed at the end
	clip       string  // -clip
	bigGiB     float64 // -big
	runs       int     // of the section that runs
	qvbrDir    string  // -qvbr
	tuning     string  // -tuning
	candidates string  // -candidates
	early      string  // -early
	log        io.Writer
}

// logf tells whoever waits what is going on.
func (b *bench) logf(format string, args ...any) { fmt.Fprintf(b.log, format+"\n", args...) }

func main() {
	if len(os.Args) > 2 && os.Args[1] == measureCommand {
		os.Exit(measureChild(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "comma-separated sections: "+strings.Join(sectionNames(), ","))
	runs := flags.Int("runs", 0, "runs of each measure; 0 is each section's own number")
	out := flags.String("o", "", "also write the result to this file")
	b := &bench{log: stderr}
	flags.StringVar(&b.clip, "clip", os.Getenv("BENCH_CLIP"), "video of section ladder: 720p or larger, with sound, about 50 seconds; also BENCH_CLIP")
	flags.StringVar(&b.program, "program", "bin/vodwright", "the program to measure")
	flags.Float64Var(&b.bigGiB, "big", 10, "size of section big's object in GiB")
	flags.StringVar(&b.qvbrDir, "qvbr", "", "section qvbr also writes QVBR.md and qvbr.svg into this folder")
	flags.StringVar(&b.tuning, "tuning", "", "the one tuning level of section ladder: SINGLE_PASS or SINGLE_PASS_HQ")
	flags.StringVar(&b.candidates, "candidates", "test/bench/search.txt", "file of x264 presets and parameters that section search tries")
	flags.StringVar(&b.early, "early", "10s,10m,2h", "lengths of the sources of section early; two hours take 15 GB of disk for a while")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	wanted, err := choose(*only)
	if err != nil {
		return err
	}
	if b.program, err = filepath.Abs(b.program); err != nil {
		return err
	}
	if _, err := exec.LookPath(b.program); err != nil {
		return fmt.Errorf("find the program: %w (make build builds it)", err)
	}
	if b.dir, err = os.MkdirTemp("", "vodwright-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()

	r := &report{}
	if err := r.head(ctx, b); err != nil {
		return err
	}
	var failed []error
	for _, s := range wanted {
		b.runs = s.runs
		if *runs > 0 {
			b.runs = *runs
		}
		b.logf("%s: %s (%d runs)", s.name, s.title, b.runs)
		began := time.Now()
		r.section(s, b.runs)
		err := s.run(ctx, b, r)
		if ctx.Err() != nil { // what is measured by now is shown, and kept nowhere
			r.line("**Interrupted here.**")
			_, _ = stdout.Write(r.text.Bytes())
			return fmt.Errorf("interrupted in section %s", s.name)
		}
		if err != nil {
			err = fmt.Errorf("section %s: %w", s.name, err)
			r.line("**Not measured:** %v", err)
			b.logf("%v", err)
			failed = append(failed, err)
		}
		b.logf("%s: done in %.0f s", s.name, time.Since(began).Seconds())
	}
	r.targets()
	if _, err := stdout.Write(r.text.Bytes()); err != nil {
		return err
	}
	if *out != "" {
		if err := os.WriteFile(*out, r.text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

func sectionNames() []string {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}

// choose returns the sections that -only names, in their own order; "" is all but the long ones.
func choose(only string) ([]section, error) {
	if only == "" {
		return slices.DeleteFunc(slices.Clone(sections), func(s section) bool { return slices.Contains(long, s.name) }), nil
	}
	names := strings.Split(only, ",")
	for _, n := range names {
		if !slices.Contains(sectionNames(), n) {
			return nil, fmt.Errorf("there is no section %q; there are %s", n, strings.Join(sectionNames(), ", "))
		}
	}
	var out []section
	for _, s := range sections {
		if slices.Contains(names, s.name) {
			out = append(out, s)
		}
	}
	return out, nil
}
