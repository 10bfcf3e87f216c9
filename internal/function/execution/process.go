package execution

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/internal/fault"
)

// process is the started tree of one environment. The fields after exited are
// set when it is closed.
type process struct {
	cmd   *exec.Cmd
	first atomic.Int64 // the process id of the sandbox's process 1, once it is known

	mu     sync.Mutex
	reaped bool

	exited chan struct{}
	state  *os.ProcessState
}

// start starts the function's program with its output going to out.
func (h *Host) start(s *Spec, i interpreter, argv []string, vars map[string]string, out *os.File) (*process, error) {
	p := &process{exited: make(chan struct{})}
	inner := append(h.limits(s), argv...)
	var give, info *os.File // the child's ends
	var take, options *os.File
	if h.bwrap == "" {
		p.cmd = exec.Command(inner[0], inner[1:]...)
		p.cmd.Dir = s.CodeDir
		p.cmd.Env = make([]string, 0, len(vars))
		for k, v := range vars {
			p.cmd.Env = append(p.cmd.Env, k+"="+v)
		}
	} else {
		var err error
		if give, options, err = os.Pipe(); err != nil {
			return nil, fmt.Errorf("make a pipe: %w", err)
		}
		if take, info, err = os.Pipe(); err != nil {
			return nil, errors.Join(fmt.Errorf("make a pipe: %w", err), give.Close(), options.Close())
		}
		p.cmd = exec.Command(h.bwrap, append([]string{"--args", "3", "--info-fd", "4", "--"}, inner...)...)
		p.cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
		p.cmd.ExtraFiles = []*os.File{give, info}
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	// The kernel kills it when the thread that started it ends, see wait.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	started := make(chan error)
	go p.wait(started)
	err := <-started
	if h.bwrap == "" {
		return p, startFault(err)
	}
	give.Close()
	info.Close()
	if err != nil {
		take.Close()
		options.Close()
		return nil, startFault(err)
	}
	go func() { // a pipe holds less than the options may be
		_, _ = io.WriteString(options, strings.Join(h.sandboxArgs(s, i, vars), "\x00")+"\x00")
		options.Close()
	}()
	go func() {
		defer take.Close()
		var about struct {
			PID int `json:"child-pid"`
		}
		if json.NewDecoder(take).Decode(&about) == nil && about.PID > 0 {
			p.first.Store(int64(about.PID))
		}
	}()
	return p, nil
}

func startFault(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Unavailable, "ServiceException", "start the function's process: %w", err)
}

// wait owns the process from its start to its end on one operating-system
// thread: the kernel sends the parent-death signal when the thread that started
// it ends, not when the program does, and the Go runtime ends threads as it likes.
func (p *process) wait(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	pid := p.cmd.Process.Pid
	// Wait for the end without reaping, so that the process group's number cannot
	// have become somebody else's when the rest of the group is killed.
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	p.mu.Lock()
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	p.reaped = true
	_ = p.cmd.Wait() // what it returns is in the state
	p.mu.Unlock()
	p.state = p.cmd.ProcessState
	close(p.exited)
}

// kill kills the whole tree. What is in the sandbox dies with bubblewrap.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// reason words how the process ended, as Lambda does: "exit status 1",
// "signal: killed", or "" for a process that ended well. It is known once exited is closed.
func (p *process) reason() string {
	if p.state == nil {
		return "unknown"
	}
	status, _ := p.state.Sys().(syscall.WaitStatus)
	signal := status.Signal()
	switch {
	case status.Signaled():
	case status.ExitStatus() > 128 && status.ExitStatus() < 160: // bubblewrap and shells tell a signal so
		signal = syscall.Signal(status.ExitStatus() - 128)
	case status.ExitStatus() == 0:
		return ""
	default:
		return "exit status " + strconv.Itoa(status.ExitStatus())
	}
	return "signal: " + signal.String()
}
