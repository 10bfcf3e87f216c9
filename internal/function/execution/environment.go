package execution

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// environment is one process tree with its Runtime API and its log stream. It
// is used by one invocation at a time.
type environment struct {
	host    *Host
	spec    *Spec
	process *process
	api     *runtimeAPI
	out     *output
	expires time.Time // of its credentials
	warm    bool      // it has carried an invocation
	idle    *time.Timer
	peak    atomic.Int64 // bytes, the most that was measured
}

// Errors that end an invocation.
var (
	errDeadline  = errors.New("deadline")
	errExited    = errors.New("exited")
	errMemory    = errors.New("memory")
	errProcesses = errors.New("processes")
	errGone      = errors.New("gone") // before it took the event
)

// newEnvironment starts an environment. The runtime is not ready yet.
func (h *Host) newEnvironment(ctx context.Context, s *Spec) (*environment, error) {
	stream := streamName(time.Now(), s.Version)
	c, err := h.cfg.Roles.Credentials(ctx, s.Role, s.Name)
	if err != nil {
		return nil, err
	}
	argv, found, err := h.program(s)
	if err != nil {
		return nil, err
	}
	e := &environment{host: h, spec: s, expires: c.Expires}
	if e.api, err = newRuntimeAPI(h.log); err != nil {
		return nil, err
	}
	if e.out, err = newOutput(h.cfg.Logs, s.LogGroup, stream, h.log); err != nil {
		e.api.close()
		return nil, err
	}
	e.process, err = h.start(s, found, argv, h.environ(s, found, e.api.address(), stream, c), e.out.pipe)
	if err != nil {
		e.api.close()
		e.out.closePipe()
		return nil, err
	}
	if !h.admit(e) {
		e.end()
		return nil, shuttingDown()
	}
	h.log.Debug("execution environment started", "function", s.Name, "version", s.Version, "pid", e.process.cmd.Process.Pid, "stream", stream)
	return e, nil
}

// streamName names a log stream as Lambda does: 2026/11/25/[$LATEST]0123….
func streamName(now time.Time, version string) string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return now.UTC().Format("2006/01/02") + "/[" + version + "]" + hex.EncodeToString(b[:])
}

// end kills everything and returns when it is gone and its log is kept.
func (e *environment) end() {
	e.process.kill()
	<-e.process.exited
	e.api.close()
	e.out.closePipe()
	e.out.flush()
}

// alive reports whether the process has not ended.
func (e *environment) alive() bool {
	select {
	case <-e.process.exited:
		return false
	default:
		return true
	}
}

// guard measures the environment until stop is closed, and kills it when it
// takes more than it may. It returns why, on the channel, when it did.
func (e *environment) guard(stop <-chan struct{}) <-chan error {
	why := make(chan error, 1)
	go func() {
		tick := time.NewTicker(measureEvery)
		defer tick.Stop()
		limit := int64(e.spec.MemoryMB) << 20
		for {
			select {
			case <-stop:
				return
			case <-e.process.exited:
				return
			case <-tick.C:
			}
			switch u := e.measure(); {
			case u.held > limit:
				why <- errMemory
				e.process.kill()
				return
			case u.processes > maxProcesses+8: // and the sandbox's own
				why <- errProcesses
				e.process.kill()
				return
			}
		}
	}()
	return why
}

// measure measures the environment now; one that has ended takes nothing.
func (e *environment) measure() usage {
	first := int(e.process.first.Load())
	if first == 0 && e.host.bwrap != "" {
		return usage{}
	}
	u := measure(first, e.process.cmd.Process.Pid)
	e.peak.Store(max(e.peak.Load(), u.peak))
	return u
}

// awaitReady waits until the runtime asks for its first event.
func (e *environment) awaitReady(ctx context.Context, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	stop := make(chan struct{})
	defer close(stop)
	why := e.guard(stop)
	select {
	case <-e.api.asked:
		return nil
	case <-e.process.exited:
		return first(why, errExited)
	case <-timer.C:
		return errDeadline
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// first returns the reason that is there, or another one.
func first(why <-chan error, other error) error {
	select {
	case err := <-why:
		return err
	default:
		return other
	}
}

// carry hands over the invocation and waits until the runtime answered it and
// asks for the next: what it writes until then belongs to it.
func (e *environment) carry(j *work) (answer, error) {
	timer := time.NewTimer(time.Until(j.deadline))
	defer timer.Stop()
	stop := make(chan struct{})
	defer close(stop)
	why := e.guard(stop)
	select { // of an event that nobody took
	case <-e.api.asked:
	default:
	}
	select {
	case e.api.work <- j:
	case <-e.process.exited:
		return answer{}, first(why, errGone)
	case <-timer.C:
		return answer{}, errDeadline
	}
	var a answer
	select {
	case a = <-j.answer:
	case <-e.process.exited:
		select {
		case a = <-j.answer: // and then it ended
			return a, nil
		default:
			return answer{}, first(why, errExited)
		}
	case <-timer.C:
		return answer{}, errDeadline
	}
	select {
	case <-e.api.asked:
	case <-e.process.exited:
	case <-timer.C:
	}
	return a, nil
}

// prepare writes the package's folder: bootstraps, and the names of the sandbox's user.
func (h *Host) prepare() error {
	dir := h.runtimeDir()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the runtime's folder: %w", err)
	}
	for name, text := range map[string]string{
		"bootstrap.py": bootstrapPython, "bootstrap.mjs": bootstrapNode,
		"passwd": "root:x:0:0:root:/root:/bin/sh\nsbx_user1051:x:" + sandboxUID + ":" + sandboxGID + "::/tmp:/bin/sh\n",
		"group":  "root:x:0:\nsbx_user1051:x:" + sandboxGID + ":\n",
	} {
		path := filepath.Join(dir, name)
		if have, err := os.ReadFile(path); err == nil && string(have) == text {
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write the runtime's %s: %w", name, err)
		}
	}
	return nil
}

// runtimeDir is what is seen as /var/runtime.
func (h *Host) runtimeDir() string { return filepath.Join(h.cfg.Dir, "runtime") }

// attrs say in the house's log which environment it is.
func (e *environment) attrs() []any {
	return []any{slog.String("function", e.spec.Name), slog.String("stream", e.out.stream)}
}

// exitMessage words the end of a process as Lambda does.
func exitMessage(reason string) string {
	if reason == "" {
		return "Runtime exited without providing a reason"
	}
	return "Runtime exited with error: " + strings.TrimSpace(reason)
}
