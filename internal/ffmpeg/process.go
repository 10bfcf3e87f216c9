package ffmpeg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/internal/fault"
)

// process is one program to run, with everything decided.
type process struct {
	program  string
	args     []string
	sources  []string
	stdin    io.Reader
	output   string
	limits   Limits
	stdout   io.Writer
	progress func(Progress)
	reports  bool // it writes progress to descriptor 3, and stalls when that stops
	filter   int  // the descriptor that bubblewrap reads the filter of system calls from; 0 is none
	patient  bool // it stands still while others are urgent
}

// drainTime is how long the pipes may stay open after the process is reaped. In
// the sandbox the kernel closes them at once; without it, a child that left the
// process group may hold them.
const drainTime = 2 * time.Second

// The reasons of ours to kill a process.
var (
	errStalled = errors.New("no progress")
	errWall    = errors.New("wall time")
	errOutput  = errors.New("output size")
	errFiles   = errors.New("output files")
	errThreads = errors.New("processes and threads")
	errMemory  = errors.New("memory of all processes")
)

func (r *Runner) run(ctx context.Context, p process) (Usage, error) {
	if r.missing != nil {
		return Usage{}, r.missing
	}
	if err := context.Cause(ctx); err != nil {
		return Usage{}, err
	}
	if err := p.resolve(); err != nil {
		return Usage{}, err
	}
	p.filter = 0
	if r.bwrap != "" && r.filter != nil {
		if p.filter = 3; p.reports {
			p.filter = 4
		}
	}
	name, args, err := r.commandLine(p)
	if err != nil {
		return Usage{}, err
	}

	cmd := exec.Command(name, args...)
	cmd.Dir = p.output
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "AV_LOG_FORCE_NOCOLOR=1", "MALLOC_ARENA_MAX=2"}
	// A session of its own has no terminal, and is a process group that can be stopped and
	// killed. The kernel kills it when the thread that started it ends, see child.wait.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}

	var pipes pipes
	defer pipes.close()
	log := newTail(int(r.limits.LogBytes))
	if cmd.Stderr, err = pipes.read(func(f *os.File) error { _, err := io.Copy(log, f); return err }); err != nil {
		return Usage{}, err
	}
	run, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if p.stdout != nil {
		cmd.Stdout, err = pipes.read(func(f *os.File) error {
			if _, err := io.Copy(p.stdout, f); err != nil {
				err = &stdoutError{err}
				stop(err)
				return err
			}
			return nil
		})
		if err != nil {
			return Usage{}, err
		}
	}
	if p.stdin != nil {
		cmd.Stdin, err = pipes.write(func(f *os.File) error {
			_, err := io.Copy(f, p.stdin)
			if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
				return nil // it has read enough: its exit status says whether that is right
			}
			if err != nil {
				err = &stdinError{err}
				stop(err)
			}
			return err
		})
		if err != nil {
			return Usage{}, err
		}
	}
	var alive atomic.Int64 // counts the reports that showed progress
	if p.reports {
		w, err := pipes.read(func(f *os.File) error {
			return parseProgress(f, func(at Progress, advanced bool) {
				if advanced {
					alive.Add(1)
				}
				if p.progress != nil {
					p.progress(at)
				}
			})
		})
		if err != nil {
			return Usage{}, err
		}
		cmd.ExtraFiles = []*os.File{w}
	}
	if p.filter > 0 {
		filter, err := filterPipe(r.filter)
		if err != nil {
			return Usage{}, err
		}
		defer filter.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, filter)
	}

	started := time.Now()
	if urgent(ctx) {
		defer r.yard.enter()()
	}
	c := newChild(cmd, r.bwrap == "")
	if err := c.start(); err != nil {
		return Usage{}, fault.New(fault.Unavailable, "", "start %q: %w", name, err)
	}
	pipes.closeTheirs()
	if p.patient && !urgent(ctx) {
		defer r.yard.admit(c.signal)()
	}
	go p.watch(run, cmd.Process.Pid, c.exited, &alive, stop)

	select {
	case <-c.exited:
	case <-run.Done():
		c.kill()
		<-c.exited
	}
	usage := Usage{Wall: time.Since(started)}
	if c.state != nil {
		usage.CPU = max(c.state.UserTime()+c.state.SystemTime(), c.spent)
	}
	meter(ctx, usage)
	copyErr := pipes.drain(drainTime)
	strange := p.settle()
	r.log.LogAttrs(ctx, slog.LevelDebug, "media process ended", logAttrs(p, c, usage)...)

	var sink *stdoutError
	var source *stdinError
	switch cause := context.Cause(run); {
	case errors.As(copyErr, &sink):
		return usage, sink.err
	case errors.As(cause, &source):
		return usage, source.err
	case c.err != nil:
		return usage, fmt.Errorf("wait for %q: %w", filepath.Base(p.program), c.err)
	case !c.state.Success() && ctx.Err() != nil:
		return usage, context.Cause(ctx)
	case strange != "":
		return usage, fault.New(fault.Invalid, codeUnknown, "%s left something that is no file in its work folder: %s", filepath.Base(p.program), clean(strange))
	default:
		over := p.over() // it may have been over between two looks at it
		if c.state.Success() && over == nil && finished(log.String()) {
			return usage, nil
		}
		return usage, classify(failure{
			program: filepath.Base(p.program),
			killed:  cmp.Or(cause, over),
			status:  c.state.Sys().(syscall.WaitStatus),
			wrapped: r.bwrap != "",
			limits:  p.limits,
			room:    r.limits,
			probe:   p.program == r.ffprobe,
			cpu:     usage.CPU,
			log:     log.String(),
		})
	}
}

// stdoutError marks an error of the caller's Writer.
type stdoutError struct{ err error }

func (e *stdoutError) Error() string { return e.err.Error() }

// stdinError marks an error of the caller's Reader.
type stdinError struct{ err error }

func (e *stdinError) Error() string { return e.err.Error() }

// resolve makes the host paths absolute and checks what they name.
func (p *process) resolve() error {
	p.sources = slices.Clone(p.sources)
	for i, source := range p.sources {
		path, err := filepath.Abs(source)
		if err != nil {
			return fmt.Errorf("resolve %q: %w", source, err)
		}
		info, err := os.Stat(path)
		if err != nil {
			if of := (*os.PathError)(nil); errors.As(err, &of) {
				err = of.Err // the path is nobody's business
			}
			return fault.New(fault.Unavailable, codeFileOpen, "open the input: %w", err) // who has it fetched can try again
		}
		if !info.Mode().IsRegular() {
			return fault.New(fault.Invalid, codeFileOpen, "the input is not a file")
		}
		p.sources[i] = path
	}
	if p.output != "" {
		path, err := filepath.Abs(p.output)
		if err != nil {
			return fmt.Errorf("resolve %q: %w", p.output, err)
		}
		p.output = path
	}
	return nil
}

// watch ends run when a limit that the kernel does not know is exceeded.
func (p *process) watch(run context.Context, pid int, exited <-chan struct{}, alive *atomic.Int64, stop context.CancelCauseFunc) {
	wall := time.NewTimer(p.limits.Wall)
	defer wall.Stop()
	period := time.Second
	if p.reports && p.limits.Stall < 4*period {
		period = p.limits.Stall / 4
	}
	tick := time.NewTicker(max(period, time.Millisecond))
	defer tick.Stop()
	count := time.NewTicker(censusEvery)
	defer count.Stop()
	seen, since := alive.Load(), time.Now()
	for {
		select {
		case <-exited:
			return
		case <-run.Done():
			return
		case <-wall.C:
			stop(errWall)
			return
		case <-count.C:
			switch t := census(pid); {
			case t.threads > maxThreads:
				stop(errThreads)
				return
			case t.resident > p.limits.MemoryBytes:
				stop(errMemory)
				return
			}
		case <-tick.C:
			if n := alive.Load(); n != seen {
				seen, since = n, time.Now()
			} else if p.reports && time.Since(since) > p.limits.Stall {
				stop(errStalled)
				return
			}
			if err := p.over(); err != nil {
				stop(err)
				return
			}
		}
	}
}

// over says which limit what the process wrote is beyond.
func (p *process) over() error {
	if p.output == "" {
		return nil
	}
	size, files := folderSize(p.output)
	switch {
	case size > p.limits.OutputBytes:
		return errOutput
	case files > p.limits.OutputFiles:
		return errFiles
	}
	return nil
}

// settle makes what the process left safe to read and possible to remove, now that it
// is gone: it names, and removes, what is neither a file nor a folder. A link would lead
// whoever reads it to any file of the machine, a pipe would keep them waiting.
func (p *process) settle() (strange string) {
	if p.output == "" {
		return ""
	}
	_ = os.Chmod(p.output, 0o700)
	_ = filepath.WalkDir(p.output, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || path == p.output:
		case e.IsDir():
			_ = os.Chmod(path, 0o700)
		case !e.Type().IsRegular():
			strange = e.Type().String() + " " + e.Name()
			_ = os.Remove(path)
		default:
			if info, err := e.Info(); err == nil && info.Mode().Perm() != 0o600 {
				_ = os.Chmod(path, 0o600)
			}
		}
		return nil
	})
	return strange
}

// finished says whether a program that exited with 0 wrote its files to their ends:
// ffmpeg tells of an end that cannot be written in its log alone.
func finished(log string) bool {
	return !strings.Contains(log, "Error writing trailer") && !strings.Contains(log, "Error closing file")
}

// folderSize returns the bytes that the files below dir take, and at least 4 KiB
// for each, and their number.
func folderSize(dir string) (size, files int64) {
	// What vanishes meanwhile counts as nothing: the process is still at work.
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil {
			if info, err := e.Info(); err == nil {
				size += max(info.Size(), 4096)
				files++
			}
		}
		return nil
	})
	return size, files
}

// child is a started process. The fields after exited are set when it is closed.
type child struct {
	cmd    *exec.Cmd
	group  bool // children are ours to kill: there is no namespace that dies with the process
	mu     sync.Mutex
	reaped bool
	spent  time.Duration // CPU when it was killed

	exited chan struct{}
	state  *os.ProcessState
	err    error
}

func newChild(cmd *exec.Cmd, group bool) *child {
	return &child{cmd: cmd, group: group, exited: make(chan struct{})}
}

// start starts the process and returns once it runs or could not be started.
func (c *child) start() error {
	started := make(chan error)
	go c.wait(started)
	return <-started
}

// wait owns the process from its start to its end on one operating-system thread:
// the kernel sends the parent-death signal when the thread that started it ends,
// not when the program does, and the Go runtime ends threads as it likes.
func (c *child) wait(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	pid := c.cmd.Process.Pid
	// Wait for the end without reaping, so that the process group's number cannot
	// have become somebody else's when the rest of the group is killed.
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	c.mu.Lock()
	if c.group {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	c.reaped = true
	err := c.cmd.Wait()
	c.mu.Unlock()
	c.state = c.cmd.ProcessState
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.err = err
	}
	close(c.exited)
}

// signal sends a signal to the process group, the sandbox's inside included.
func (c *child) signal(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = syscall.Kill(-c.cmd.Process.Pid, s)
	}
}

// kill kills the process group. What else is inside the sandbox dies with the
// bubblewrap process that is killed here.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		c.spent = cpuOf(c.cmd.Process.Pid)
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// pipes are the pipes to and from a process, each used by a goroutine of its own.
type pipes struct {
	ours   []*os.File // ends that we read
	feed   *os.File   // the end that we write; nil is none
	theirs []*os.File
	done   []chan error
}

// read makes a pipe, starts consume on its reading end and returns the other,
// which is the process's.
func (p *pipes) read(consume func(*os.File) error) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	done := make(chan error, 1)
	p.ours, p.theirs, p.done = append(p.ours, r), append(p.theirs, w), append(p.done, done)
	go func() {
		err := consume(r)
		if err == nil {
			_, err = io.Copy(io.Discard, r) // a reader that gives up must not block the process
		}
		done <- err
	}()
	return w, nil
}

// write makes the pipe into a process, starts produce on its writing end and
// returns the other. Nobody waits for produce: what it reads may not come.
func (p *pipes) write(produce func(*os.File) error) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	p.feed, p.theirs = w, append(p.theirs, r)
	go func() {
		if produce(w) == nil {
			w.Close() // the process sees the end; on an error it is killed first
		}
	}()
	return r, nil
}

// closeTheirs closes the process's ends, which it has now.
func (p *pipes) closeTheirs() {
	for _, f := range p.theirs {
		f.Close()
	}
	p.theirs = nil
}

// drain waits until every pipe is read to its end, or breaks them off after
// limit, and returns the errors of their readers.
func (p *pipes) drain(limit time.Duration) error {
	timer := time.AfterFunc(limit, func() {
		for _, r := range p.ours {
			_ = r.SetReadDeadline(time.Now())
		}
	})
	defer timer.Stop()
	var errs []error
	for _, done := range p.done {
		if err := <-done; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			errs = append(errs, err)
		}
	}
	p.done = nil
	return errors.Join(errs...)
}

// close releases everything, whether or not the process was started.
func (p *pipes) close() {
	p.closeTheirs()
	_ = p.drain(0)
	for _, r := range p.ours {
		r.Close()
	}
	if p.feed != nil {
		p.feed.Close()
	}
}
