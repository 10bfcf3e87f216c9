package ffmpeg

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/limit"
)

// OutputDir is where a process inside the sandbox writes. The arguments of a command
// use it and SourcePath whether the process is sandboxed or not.
const OutputDir = "/out"

// SourcePath returns where a process inside the sandbox sees its source number i.
func SourcePath(i int) string { return sourceDir + strconv.Itoa(i) }

// sourceDir is the folder of the sources.
const sourceDir = "/in/"

// Config says where the programs are. An empty path is looked up in PATH.
type Config struct {
	FFmpegPath  string
	FFprobePath string
	BwrapPath   string
	// Unsandboxed runs media processes without bubblewrap: resource limits hold,
	// but a hostile file that takes over a decoder has the server's rights.
	Unsandboxed bool
	Limits      limit.Limits // of sources and of processes; a zero field is its default
	Logger      *slog.Logger // nil discards
}

// Progress is how far a process has come.
type Progress struct {
	Frame   int64         // video frames written to the first video output
	OutTime time.Duration // of the output that is furthest behind
}

// Usage is what a process took; of one that was killed, until then.
type Usage struct {
	CPU  time.Duration // user and system, children included
	Wall time.Duration
}

// Command is one run of ffmpeg.
type Command struct {
	// Args of ffmpeg without the program's name. Every -i of a source is preceded
	// by media.InputArgs or media.ImageArgs; files are written below OutputDir. Run
	// adds the options for logging and progress itself.
	Args    []string
	Sources []string // host paths of regular files, seen at SourcePath(0), SourcePath(1) …, read-only
	// Stdin is read by "-i pipe:0", which obeys the rule of Args too; nil is none. Its
	// error, io.EOF aside, kills the process and is returned. A Read that does not
	// return may still be under way when Run does.
	Stdin     io.Reader
	Patient   bool           // it stands still while others are urgent, see Urgently
	OutputDir string         // host path, seen as OutputDir, writable, the working folder; "" is none
	Limits    Limits         // zero fields are those of an encode
	Progress  func(Progress) // called from one goroutine, about five times a second, never after Run returned; nil is none
	Stdout    io.Writer      // an error from Write kills the process and is returned; nil discards
}

// ProbeCommand is one run of ffprobe. Its -i follows the rule of Command.Args.
type ProbeCommand struct {
	Args   []string
	Source string    // host path of a regular file, seen at SourcePath(0), read-only
	Limits Limits    // zero fields are those of a look at the headers
	Stdout io.Writer // an error from Write kills the process and is returned; nil discards
}

// Runner starts media processes. It is safe for concurrent use.
type Runner struct {
	ffmpeg, ffprobe, bwrap, prlimit string // absolute paths; bwrap "" is unsandboxed
	missing                         error  // why there is no sandbox although one is wanted
	filter                          []byte // of system calls inside the sandbox, see seccompProgram; nil is none
	limits                          limit.Limits
	log                             *slog.Logger
	yard                            *yard
}

// New finds the programs. It starts nothing, see Check. A missing ffmpeg, ffprobe
// or prlimit is an error; a missing bubblewrap is one of every Run instead, so
// that a server can start and say so. Descriptors that this process inherited are
// not inherited by those it starts from here on.
func New(cfg Config) (*Runner, error) {
	keepDescriptors()
	r := &Runner{log: cfg.Logger, limits: cfg.Limits.OrDefaults(), yard: &yard{cores: runtime.NumCPU()}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	for _, p := range []struct {
		path *string
		conf string
		name string
		pkg  string
	}{{&r.ffmpeg, cfg.FFmpegPath, "ffmpeg", "ffmpeg"}, {&r.ffprobe, cfg.FFprobePath, "ffprobe", "ffmpeg"}, {&r.prlimit, "", "prlimit", "util-linux"}} {
		path, err := lookUp(p.conf, p.name)
		if err != nil {
			return nil, fault.New(fault.Unavailable, "", "find %s: %w", p.name, err).WithHint("install it: apt-get install %s", p.pkg)
		}
		*p.path = path
	}
	if !cfg.Unsandboxed {
		path, err := lookUp(cfg.BwrapPath, "bwrap")
		if err != nil {
			r.missing = sandboxFault(fmt.Sprintf("find bwrap: %v", err))
		}
		r.bwrap, r.filter = path, filterHere()
	}
	return r, nil
}

// Limits returns the limits that the Runner holds its processes to, for those who
// bound what the processes tell.
func (r *Runner) Limits() limit.Limits { return r.limits }

func lookUp(configured, name string) (string, error) {
	if configured == "" {
		configured = name
	}
	path, err := exec.LookPath(configured)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// Run runs ffmpeg to its end and returns what it took. The process and all its
// children are gone when Run returns.
//
// When ctx ends first, the process is killed and the error is context.Cause(ctx).
// Every other error is a *fault.Error with the service's numeric code, see
// classify. An error is no statement about the files: they may be half-written.
func (r *Runner) Run(ctx context.Context, cmd Command) (Usage, error) {
	if err := checkInputs(cmd.Args, len(cmd.Sources)); err != nil {
		return Usage{}, err
	}
	return r.run(ctx, process{
		program:  r.ffmpeg,
		args:     append([]string{"-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-stats_period", "0.2", "-progress", "pipe:3"}, r.limited(cmd.Args)...),
		sources:  cmd.Sources,
		stdin:    cmd.Stdin,
		output:   cmd.OutputDir,
		limits:   cmd.Limits.or(encodeLimits(r.limits)),
		stdout:   cmd.Stdout,
		progress: cmd.Progress,
		reports:  true,
		patient:  cmd.Patient,
	})
}

// RunProbe runs ffprobe to its end, with tighter limits and without a work folder.
func (r *Runner) RunProbe(ctx context.Context, cmd ProbeCommand) (Usage, error) {
	if err := checkInputs(cmd.Args, 1); err != nil {
		return Usage{}, err
	}
	return r.run(ctx, process{
		program: r.ffprobe,
		args:    append([]string{"-hide_banner", "-loglevel", "error"}, r.limited(cmd.Args)...),
		sources: []string{cmd.Source},
		limits:  cmd.Limits.or(probeLimits(r.limits)),
		stdout:  cmd.Stdout,
	})
}
