package ffmpeg

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/limit"
)

// MediaConvert's error codes, as its user guide lists them.
const (
	codeOpen        = "1010" // cannot open the input
	codeNoVideo     = "1020"
	codeUnsupported = "1030" // codec or container
	codeDiskFull    = "1050"
	codeFileOpen    = "1056"
	codeDemux       = "1075"
	codeReadEnd     = "1076"
	codeEncrypted   = "1091"
	codeAudioInit   = "1092"
	codeUnknown     = "1999"
)

// failure is what is known about a process that did not succeed.
type failure struct {
	program string
	killed  error // why we killed it; nil if we did not
	status  syscall.WaitStatus
	wrapped bool // by bubblewrap, which tells of a signal as exit status 128+n
	limits  Limits
	room    limit.Limits
	probe   bool // it only looked at its source: what made it fail is in the source
	cpu     time.Duration
	log     string
}

// symptoms are what ffmpeg's log says of a failure, the most telling first: the
// first one found anywhere in the log decides. They are ffmpeg's words (5.1 to
// 7.1), lower case.
var symptoms = []struct {
	text    string
	kind    fault.Kind
	code    string
	message string
	limit   limit.Name // what raises the limit that was hit; of memory it is the process's
}{
	{"no space left on device", fault.Unavailable, codeDiskFull, "the disk is full", ""},
	{"disk quota exceeded", fault.Unavailable, codeDiskFull, "the disk quota is used up", ""},
	{"file too large", fault.Limit, codeDiskFull, "an output file became larger than allowed", limit.FileBytes},
	{"exceeds max_streams", fault.Limit, codeUnsupported, "the input has too many streams", limit.Streams}, // before "cannot allocate memory", which follows from it
	{"cannot allocate memory", fault.Limit, codeUnknown, "the input needs more memory than allowed", memory},
	{"failed to map segment", fault.Limit, codeUnknown, "the input needs more memory than allowed", memory}, // of a library
	{"std::bad_alloc", fault.Limit, codeUnknown, "the input needs more memory than allowed", memory},
	{"malloc of size", fault.Limit, codeUnknown, "the input needs more memory than allowed", memory},
	{"exceeds specified max pixel count", fault.Limit, codeUnsupported, "the picture is larger than allowed", limit.Pixels},
	{"not on whitelist", fault.Invalid, codeUnsupported, "the input is not a supported media container", ""},
	{"moov atom not found", fault.Invalid, codeOpen, "the MP4 file has no index (moov): it was cut short or its recording never finished", ""},
	{"ebml header parsing failed", fault.Invalid, codeOpen, "the Matroska file is damaged at its start", ""},
	{"encrypted", fault.Invalid, codeEncrypted, "the input is encrypted", ""},
	{"matches no streams", fault.Invalid, codeNoVideo, "the input does not have the stream that is to be encoded", ""},
	{"does not contain any stream", fault.Invalid, codeOpen, "the input has no video and no audio", ""},
	{"decoder not found", fault.Invalid, codeUnsupported, "there is no decoder for a stream of the input", ""},
	{"decoder (codec", fault.Invalid, codeUnsupported, "there is no decoder for a stream of the input", ""},
	{"could not find codec parameters", fault.Invalid, codeUnsupported, "a stream of the input has no usable header", ""},
	{"cannot find a matching stream", fault.Invalid, codeNoVideo, "the input does not have the stream that is to be encoded", ""},
	{"error while opening decoder", fault.Invalid, codeAudioInit, "a decoder could not be started", ""},
	{"unknown encoder", fault.Unavailable, codeUnknown, "this ffmpeg lacks an encoder that is needed", ""},
	{"error opening input", fault.Invalid, codeOpen, "the input cannot be opened as media", ""},
	{sourceDir + "0: invalid data found", fault.Invalid, codeOpen, "the input is not a media file, or is damaged at its start", ""},
	{sourceDir + "0: end of file", fault.Invalid, codeReadEnd, "the input ends before its first frame", ""},
	{sourceDir + "0: permission denied", fault.Denied, codeFileOpen, "the input may not be read", ""},
	{sourceDir + "0: ", fault.Invalid, codeOpen, "the input cannot be opened as media", ""},
	{"cannot determine format of input", fault.Invalid, codeDemux, "no frame of the input can be decoded", ""}, // said by a filter
	{"invalid data found when processing input", fault.Invalid, codeDemux, "the input is damaged", ""},
	{"end of file", fault.Invalid, codeReadEnd, "the input ends too early", ""},
	{"conversion failed", fault.Internal, codeUnknown, "the conversion failed", ""},
}

// memory stands for the limit of memory that the process has.
const memory limit.Name = "memory"

// classify turns a failure into the error that a user sees: our words, the
// service's code, and at most one cleaned line of the log as the cause.
func classify(f failure) *fault.Error {
	switch {
	case errors.Is(f.killed, errStalled):
		return fault.New(fault.Internal, codeUnknown, "%s made no progress for %v and was stopped", f.program, f.limits.Stall).WithHint("%s", limit.Stall.Hint())
	case errors.Is(f.killed, errWall):
		return limit.Exceeded(f.limits.Names.Wall, f.code(), "%s took longer than the %v it is given and was stopped", f.program, f.limits.Wall)
	case errors.Is(f.killed, errOutput):
		return limit.Exceeded(limit.OutputBytes, codeUnknown, "%s wrote more than the %d bytes it is given and was stopped", f.program, f.limits.OutputBytes)
	case errors.Is(f.killed, errFiles):
		return limit.Exceeded(limit.OutputFiles, codeUnknown, "%s wrote more than the %d files it is given and was stopped", f.program, f.limits.OutputFiles)
	case errors.Is(f.killed, errThreads):
		return fault.New(fault.Limit, f.code(), "%s started more than the %d processes and threads it may have and was stopped", f.program, maxThreads)
	case errors.Is(f.killed, errMemory):
		return limit.Exceeded(f.limits.Names.Memory, f.code(), "%s and what it started need more memory than the %v they are given and were stopped", f.program, limit.Bytes(f.limits.MemoryBytes))
	}
	if reason, ok := lineWith(f.log, "bwrap: "); ok && f.wrapped {
		return sandboxFault(reason)
	}
	if reason, ok := lineWith(f.log, "prlimit: "); ok {
		return fault.New(fault.Unavailable, codeUnknown, "limit a media process: %s", clean(reason))
	}

	signal, signaled := f.status.Signal(), f.status.Signaled()
	if !signaled && f.status.ExitStatus() > 128 && f.status.ExitStatus() < 128+65 {
		signal, signaled = syscall.Signal(f.status.ExitStatus()-128), true
	}
	cpuLimit := f.cpu >= f.limits.CPU-f.limits.CPU/4 // the kernel counts in ticks, and not quite as it tells
	if signaled && (signal == syscall.SIGXCPU || signal == syscall.SIGKILL && cpuLimit) {
		return limit.Exceeded(f.limits.Names.CPU, f.code(), "%s took more than the %v of processor time it is given and was stopped", f.program, f.limits.CPU)
	}
	if signaled && signal == syscall.SIGXFSZ {
		return limit.Exceeded(limit.FileBytes, codeDiskFull, "an output file became larger than the %d bytes that are allowed", f.limits.FileBytes)
	}

	lower := anySource.ReplaceAllString(strings.ToLower(f.log), sourceDir+"0:") // one row for all
	for _, s := range symptoms {
		if at := strings.Index(lower, s.text); at >= 0 {
			e := &fault.Error{Kind: s.kind, Code: s.code, Message: s.message, Cause: errors.New(clean(lineAt(f.log, at)))}
			switch s.limit {
			case "":
			case memory:
				e.Message += fmt.Sprintf(": %s", limit.Bytes(f.limits.MemoryBytes))
				e.Code, e.Hint = f.code(), f.limits.Names.Memory.Hint()
			case limit.FileBytes: // it is the process's
				e.Message += fmt.Sprintf(": %s", limit.Bytes(f.limits.FileBytes))
				e.Hint = s.limit.Hint()
			default:
				e.Message += ": " + f.room.Of(s.limit)
				e.Hint = s.limit.Hint()
			}
			return e
		}
	}
	if f.probe && (signaled && slices.Contains(crashes, signal) || !signaled) {
		// It read nothing but the source.
		return &fault.Error{Kind: fault.Invalid, Code: codeOpen, Message: "the input cannot be read as media", Cause: errors.New(clean(lastLine(f.log)))}
	}
	if signaled {
		e := fault.New(fault.Internal, codeUnknown, "%s was ended by signal %d (%v)", f.program, int(signal), signal)
		if signal == syscall.SIGKILL {
			e.Kind = fault.Unavailable
			e.Hint = "the machine may be out of memory"
		}
		return e
	}
	e := fault.New(fault.Internal, codeUnknown, "%s failed with exit status %d", f.program, f.status.ExitStatus())
	if line := clean(lastLine(f.log)); line != "" {
		e.Message += ": " + line
	}
	return e
}

// crashes are the signals of a program that its input has led astray.
var crashes = []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL}

// code is the code of a limit that has none of its own: a source that cannot even
// be looked at within bounds cannot be opened.
func (f failure) code() string {
	if f.probe || f.limits.Names.Wall == limit.IndexTime { // ffmpeg itself lists the frames of some
		return codeOpen
	}
	return codeUnknown
}

func sandboxFault(reason string) *fault.Error {
	return fault.New(fault.Unavailable, codeUnknown, "the media sandbox cannot start: %s", clean(reason)).
		WithHint("install bubblewrap 0.8 or later and allow unprivileged user namespaces; or run vodwright with --unsandboxed for files you trust")
}

// lineAt returns the line of log that byte at is in. A log whose changed form has
// another length may give a neighbouring line.
func lineAt(log string, at int) string {
	at = min(at, len(log))
	from := strings.LastIndexByte(log[:at], '\n') + 1
	line, _, _ := strings.Cut(log[from:], "\n")
	return line
}

func lineWith(log, prefix string) (string, bool) {
	for line := range strings.Lines(log) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

func lastLine(log string) string {
	log = strings.TrimRight(log, "\n \t")
	return log[strings.LastIndexByte(log, '\n')+1:]
}

var (
	component = regexp.MustCompile(`\[[^\]\n]{1,64} @ 0x[0-9a-f]+\] ?`) // [h264 @ 0x55…]
	anySource = regexp.MustCompile(sourceDir + `\d+:`)
	address   = regexp.MustCompile(`0x[0-9a-f]{6,}`)
	paths     = regexp.MustCompile(`(file:)?/[^\s:'",\]]+`)
)

// maxLine is how much of one log line is ever shown.
const maxLine = 200

// clean makes one line of a log fit to show: no paths, no addresses, no control
// characters, no more than maxLine bytes. What is in a log may come from the file.
func clean(line string) string {
	line = component.ReplaceAllString(line, "")
	line = paths.ReplaceAllStringFunc(line, func(p string) string {
		if strings.HasPrefix(strings.TrimPrefix(p, "file:"), sourceDir) {
			return "input"
		}
		return "…"
	})
	line = address.ReplaceAllString(line, "…")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(line, ""))
	if len(line) > maxLine {
		line = strings.ToValidUTF8(line[:maxLine], "") + "…"
	}
	return strings.TrimSpace(line)
}

// logAttrs are what the operator sees of every process, at debug level.
func logAttrs(p process, c *child, usage Usage) []slog.Attr {
	state := "not waited for"
	if c.state != nil {
		state = c.state.String()
	}
	return []slog.Attr{
		slog.String("program", p.program),
		slog.String("args", fmt.Sprintf("%q", p.args)),
		slog.String("state", state),
		slog.Duration("cpu", usage.CPU),
		slog.Duration("wall", usage.Wall),
	}
}
