package ffmpeg

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"
)

// Paths inside the sandbox. The arguments of a command use them whether the
// process is sandboxed or not.
const (
	SourcePath = "/in/source"
	OutputDir  = "/out"
)

// Config says where the programs are. Empty paths are looked up in PATH.
type Config struct {
	FFmpegPath  string
	FFprobePath string
	BwrapPath   string
	// Unsandboxed runs media processes without bubblewrap: resource limits hold,
	// but a hostile file that takes over a decoder has the server's rights.
	Unsandboxed bool
	Logger      *slog.Logger // nil discards
}

// Report is what Check found out.
type Report struct {
	FFmpegVersion  string // "5.1.9-0+deb12u1"
	FFprobeVersion string
	Sandboxed      bool   // bubblewrap made its namespaces and ran ffmpeg inside
	SandboxProblem string // why not; "" when Sandboxed
}

// Limits bound one process. A zero field is the default of Run or RunProbe.
type Limits struct {
	MemoryBytes int64         // address space
	FileBytes   int64         // size of each file it writes
	OutputBytes int64         // size of everything below OutputDir
	CPU         time.Duration // user and system time, whole seconds
	Wall        time.Duration // from start to end
	Stall       time.Duration // without progress; of Run only
}

// Progress is how far a process has come.
type Progress struct {
	Frame   int64         // video frames written to the first output
	OutTime time.Duration // of the output
}

// Usage is what a process took, children included.
type Usage struct {
	CPU  time.Duration // user and system
	Wall time.Duration
}

// Command is one run of ffmpeg.
type Command struct {
	// Args of ffmpeg without the program's name. Every -i of SourcePath is
	// preceded by media.InputArgs; files are written below OutputDir.
	Args      []string
	Source    string // host path, seen as SourcePath, read-only; "" is no source
	OutputDir string // host path, seen as OutputDir, writable, also the working folder; "" is none
	Limits    Limits
	Progress  func(Progress) // called from one goroutine, about five times a second; nil is none
	Stdout    io.Writer      // nil discards
}

// ProbeCommand is one run of ffprobe.
type ProbeCommand struct {
	Args   []string
	Source string // host path, seen as SourcePath
	Limits Limits
	Stdout io.Writer // an error from Write kills the process and is returned
}

// Runner starts media processes. It is safe for concurrent use.
type Runner struct {
	cfg Config
}

// New finds the programs. It starts nothing: see Check.
func New(cfg Config) (*Runner, error) { return &Runner{cfg: cfg}, nil }

// Check runs the programs once: versions, the encoders that are needed and
// whether bubblewrap can make its namespaces here.
func (r *Runner) Check(ctx context.Context) (Report, error) {
	return Report{}, errors.New("not built")
}

// Run runs ffmpeg to its end.
func (r *Runner) Run(ctx context.Context, cmd Command) (Usage, error) {
	return Usage{}, errors.New("not built")
}

// RunProbe runs ffprobe to its end.
func (r *Runner) RunProbe(ctx context.Context, cmd ProbeCommand) (Usage, error) {
	return Usage{}, errors.New("not built")
}
