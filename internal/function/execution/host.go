package execution

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

//go:embed bootstrap.py
var bootstrapPython string

//go:embed bootstrap.mjs
var bootstrapNode string

// CodeThrottled is the code of an invocation that found no free environment.
const CodeThrottled = "TooManyRequestsException"

// Host runs functions on this machine. It is safe for concurrent use. Its
// environments live until they are idle for long, retired, or Run ends.
type Host struct {
	cfg            Config
	machine        machine
	bwrap, prlimit string // absolute; bwrap "" is unsandboxed
	missing        error  // why there is no sandbox although one is wanted
	log            *slog.Logger

	mu      sync.Mutex
	closed  bool // nothing new is started
	ended   bool // and nothing goes on
	running int
	idle    map[string][]*environment // by key, the last used last
	active  map[*environment]bool     // that carry an invocation
	retired map[string]bool           // keys that were replaced
	ending  sync.WaitGroup
}

// New finds the programs and writes the bootstraps; it starts nothing. A missing
// bubblewrap is an error of every Invoke instead, so that a server can start and say so.
func New(cfg Config) (*Host, error) {
	h := &Host{cfg: cfg, log: cfg.Logger, idle: map[string][]*environment{}, retired: map[string]bool{}, active: map[*environment]bool{}}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.cfg.Region == "" {
		h.cfg.Region = "us-east-1"
	}
	if h.cfg.MaxEnvironments == 0 {
		h.cfg.MaxEnvironments = 100
	}
	if h.cfg.Idle == 0 {
		h.cfg.Idle = 7 * time.Minute
	}
	if h.cfg.InitTimeout == 0 {
		h.cfg.InitTimeout = 10 * time.Second
	}
	h.machine.python, h.machine.node = cfg.PythonPath, cfg.NodePath
	var err error
	if h.cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, fmt.Errorf("resolve %q: %w", cfg.Dir, err)
	}
	if h.prlimit, err = exec.LookPath("prlimit"); err != nil {
		return nil, fault.New(fault.Unavailable, "", "find prlimit: %w", err).WithHint("install it: apt-get install util-linux")
	}
	if !cfg.Unsandboxed {
		bwrap := cfg.BwrapPath
		if bwrap == "" {
			bwrap = "bwrap"
		}
		if h.bwrap, err = exec.LookPath(bwrap); err != nil {
			h.missing = fault.New(fault.Unavailable, "ServiceException", "functions are not run without a sandbox: find bwrap: %w", err).
				WithHint("install it: apt-get install bubblewrap; or serve with --unsandboxed for functions you trust")
		}
	}
	return h, h.prepare()
}

// grace is what invocations that run have when the server ends.
const grace = 2 * time.Second

// Run ends every environment when ctx ends, and returns when they are gone.
func (h *Host) Run(ctx context.Context) error {
	<-ctx.Done()
	h.mu.Lock()
	h.closed = true
	var all []*environment
	for key, list := range h.idle {
		all = append(all, list...)
		delete(h.idle, key)
	}
	h.mu.Unlock()
	for _, e := range all {
		h.retire(e)
	}
	gone := make(chan struct{})
	go func() {
		h.ending.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-time.After(grace):
		h.mu.Lock()
		h.ended = true
		for e := range h.active {
			e.process.kill()
		}
		h.mu.Unlock()
		<-gone
	}
	return ctx.Err()
}

// Concurrency is how many environments may run at once.
func (h *Host) Concurrency() int { return h.cfg.MaxEnvironments }

// Runnable says why a runtime cannot run on this machine, or nothing.
func (h *Host) Runnable(runtime string) error {
	if h.missing != nil {
		return h.missing
	}
	_, err := h.machine.interpreter(runtime)
	return err
}

// Retire ends the environments of a key: at once, or when they have carried what
// they carry. The key is not used again.
func (h *Host) Retire(key string) {
	h.mu.Lock()
	h.retired[key] = true
	old := h.idle[key]
	delete(h.idle, key)
	h.mu.Unlock()
	for _, e := range old {
		h.retire(e)
	}
}

// retire ends an environment that no invocation can reach.
func (h *Host) retire(e *environment) {
	h.ending.Add(1)
	if e.idle != nil {
		e.idle.Stop()
	}
	go func() {
		defer h.ending.Done()
		e.end()
		h.log.Debug("execution environment ended", e.attrs()...)
	}()
}

func shuttingDown() error {
	return fault.New(fault.Unavailable, "ServiceException", "the server is shutting down")
}

// admit takes note of a started environment, unless everything has ended.
func (h *Host) admit(e *environment) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return false
	}
	h.active[e] = true
	return true
}

// dismiss retires an environment that carries an invocation.
func (h *Host) dismiss(e *environment) {
	h.mu.Lock()
	delete(h.active, e)
	h.mu.Unlock()
	h.retire(e)
}

// acquire returns a warm environment, or nil when one has to be started; the
// place is the caller's either way, until release.
func (h *Host) acquire(s *Spec) (*environment, error) {
	if h.missing != nil {
		return nil, h.missing
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, shuttingDown()
	}
	if h.running >= h.cfg.MaxEnvironments {
		return nil, fault.New(fault.Unavailable, CodeThrottled, "Rate Exceeded.").WithHint("%d invocations run at once on this server", h.running)
	}
	h.running++
	h.ending.Add(1)
	for list := h.idle[s.Key]; len(list) > 0; {
		e := list[len(list)-1]
		list = list[:len(list)-1]
		h.idle[s.Key] = list
		e.idle.Stop()
		if e.alive() && (e.expires.IsZero() || time.Until(e.expires) > s.Timeout+time.Minute) {
			h.active[e] = true
			return e, nil
		}
		h.retire(e)
	}
	h.makeRoom()
	return nil, nil
}

// makeRoom ends idle environments of other functions when there are many.
func (h *Host) makeRoom() {
	idle := 0
	for _, list := range h.idle {
		idle += len(list)
	}
	for key, list := range h.idle {
		for ; h.running+idle > h.cfg.MaxEnvironments && len(list) > 0; idle-- {
			h.retire(list[0])
			list = slices.Delete(list, 0, 1)
		}
		h.idle[key] = list
	}
}

// release keeps an environment warm, or ends it.
func (h *Host) release(s *Spec, e *environment) {
	h.mu.Lock()
	h.running--
	delete(h.active, e)
	keep := e != nil && e.alive() && !h.closed && !h.retired[s.Key]
	if keep {
		e.idle = time.AfterFunc(h.cfg.Idle, func() { h.expire(e) })
		h.idle[s.Key] = append(h.idle[s.Key], e)
	}
	h.mu.Unlock()
	if e != nil && !keep {
		h.retire(e)
	}
	h.ending.Done()
}

// expire ends an environment that was idle for long, unless it was just taken.
func (h *Host) expire(e *environment) {
	h.mu.Lock()
	list := h.idle[e.spec.Key]
	at := slices.Index(list, e)
	if at >= 0 {
		h.idle[e.spec.Key] = slices.Delete(list, at, at+1)
		if len(list) == 1 {
			delete(h.idle, e.spec.Key)
		}
	}
	h.mu.Unlock()
	if at >= 0 {
		h.retire(e)
	}
}

// Invoke runs one invocation to its end. What the function does wrong is part of
// the Result; an error is a *fault.Error of what kept it from running: it was
// not started, or ctx ended before the environment was ready. An invocation that
// started runs to its end whatever becomes of ctx.
func (h *Host) Invoke(ctx context.Context, s *Spec, in Invocation) (Result, error) {
	e, err := h.acquire(s)
	if err != nil {
		return Result{}, err
	}
	defer func() { h.release(s, e) }()

	r := &run{spec: s, in: in, limit: s.Timeout}
	for {
		if e == nil {
			var failed *Result
			if e, failed, err = r.start(ctx, h); err != nil {
				return Result{}, err
			} else if failed != nil {
				return *failed, nil
			}
		}
		if result, ok := r.carry(e); ok {
			return result, nil
		}
		h.dismiss(e) // it ended while it was idle
		e = nil
	}
}

// start starts an environment and waits until it is ready. The result is of one
// that did not become so; it is in e, to be ended, all the same.
func (r *run) start(ctx context.Context, h *Host) (e *environment, failed *Result, err error) {
	for attempt := 0; ; attempt++ {
		if e, err = h.newEnvironment(ctx, r.spec); err != nil {
			return nil, nil, err
		}
		began := time.Now()
		phase, wait := "init", h.cfg.InitTimeout
		if attempt > 0 {
			phase, wait = "invoke", r.limit
		}
		err := e.awaitReady(ctx, wait)
		took := time.Since(began)
		switch {
		case err == nil && attempt == 0:
			r.init = took
			return e, nil, nil
		case err == nil:
			r.limit -= took // the second start is part of the invocation
			return e, nil, nil
		case ctx.Err() != nil:
			return e, nil, context.Cause(ctx)
		case err == errExited && h.bwrap != "" && e.process.first.Load() == 0:
			e.out.closePipe()
			return e, nil, fault.New(fault.Unavailable, "ServiceException", "the sandbox of functions does not start here: %s", strings.TrimSpace(string(e.out.takeTail()))).
				WithHint("allow user namespaces to bubblewrap, or serve with --unsandboxed for functions you trust")
		case err == errDeadline && attempt == 0: // what is slow to start gets a second chance, as in AWS
			e.process.kill()
			<-e.process.exited
			e.out.closePipe()
			e.out.add(fmt.Sprintf("INIT_REPORT Init Duration: %s ms\tPhase: init\tStatus: timeout", ms(took)))
			h.dismiss(e)
		default:
			result := r.failedInit(e, err, took, phase)
			return e, &result, nil
		}
	}
}

// run is one invocation's way to its Result.
type run struct {
	spec  *Spec
	in    Invocation
	limit time.Duration // that is left
	init  time.Duration // of a cold start
}

// failedInit is the result of an environment that did not become ready.
func (r *run) failedInit(e *environment, err error, took time.Duration, phase string) Result {
	if err == errDeadline {
		e.process.kill()
		<-e.process.exited
		e.out.closePipe()
		e.out.add("START RequestId: " + r.in.RequestID + " Version: " + r.spec.Version)
		return r.finish(e, r.timedOut(e), "timeout", "", took)
	}
	payload, kind := e.api.initFailure()
	if payload == nil {
		payload, kind = r.exited(e, err), "Runtime.ExitError"
		if strings.Contains(string(payload), "InvalidEntrypoint") {
			kind = "Runtime.InvalidEntrypoint"
		}
	}
	e.process.kill()
	<-e.process.exited
	e.out.closePipe()
	e.out.add(fmt.Sprintf("INIT_REPORT Init Duration: %s ms\tPhase: %s\tStatus: error\tError Type: %s", ms(took), phase, kind))
	e.out.add("START RequestId: " + r.in.RequestID + " Version: " + r.spec.Version)
	return r.finish(e, payload, "error", kind, took)
}

// carry runs the invocation in a ready environment. It is not ok when the
// environment had ended before it took the event.
func (r *run) carry(e *environment) (result Result, ok bool) {
	e.out.catchUp() // what it wrote while it was idle comes before
	if !e.warm {
		// What it wrote while it started belongs to its first invocation.
	} else if e.out.takeTail(); !e.alive() {
		return Result{}, false
	}
	e.out.add("START RequestId: " + r.in.RequestID + " Version: " + r.spec.Version)
	began := time.Now()
	j := &work{Invocation: r.in, deadline: began.Add(r.limit), answer: make(chan answer, 1)}
	a, err := e.carry(j)
	took := time.Since(began)
	switch {
	case err == errGone && e.warm:
		return Result{}, false
	case err == errDeadline:
		e.process.kill()
		<-e.process.exited
		e.out.closePipe()
		return r.finish(e, r.timedOut(e), "timeout", "", took), true
	case err != nil:
		return r.finish(e, r.exited(e, err), "error", "Runtime.ExitError", took), true
	}
	e.out.catchUp()
	result = r.finish(e, a.payload, "", "", took)
	if a.failed {
		result.FunctionError = "Unhandled"
	}
	return result, true
}

// timedOut logs and words that the time is over.
func (r *run) timedOut(e *environment) []byte {
	text := fmt.Sprintf("Task timed out after %.2f seconds", r.spec.Timeout.Seconds())
	e.out.add(time.Now().UTC().Format("2006-01-02T15:04:05.000Z") + " " + r.in.RequestID + " " + text)
	return errorDocument("Sandbox.Timedout", "RequestId: "+r.in.RequestID+" Error: "+text)
}

// exited logs and words that the processes ended by themselves, or for a limit.
func (r *run) exited(e *environment, err error) []byte {
	<-e.process.exited
	kind, message := "Runtime.ExitError", exitMessage(e.process.reason())
	if err == errMemory || err == errProcesses {
		message = exitMessage("signal: killed")
	}
	if !e.warm && !strings.HasPrefix(r.spec.Runtime, "python") && !strings.HasPrefix(r.spec.Runtime, "nodejs") {
		if info, err := os.Stat(filepath.Join(r.spec.CodeDir, "bootstrap")); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			kind, message = "Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
		}
	}
	if err == errMemory {
		e.host.log.Info("a function was ended: out of memory", append(e.attrs(), "limitMB", r.spec.MemoryMB)...)
	}
	text := "RequestId: " + r.in.RequestID + " Error: " + message
	e.out.closePipe()
	e.out.add(text + "\n" + kind)
	return errorDocument(kind, text)
}

// finish closes the invocation's part of the log and makes its result. A status
// is a failure of the environment, which does not go on.
func (r *run) finish(e *environment, payload []byte, status, kind string, took time.Duration) Result {
	e.measure()
	peak := min(max(int(e.peak.Load()>>20), 1), r.spec.MemoryMB)
	result := Result{Payload: payload, Duration: took, MaxMemoryMB: peak}
	report := fmt.Sprintf("REPORT RequestId: %s\tDuration: %s ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB",
		r.in.RequestID, ms(took), int(math.Ceil(float64((took+r.init).Microseconds())/1000)), r.spec.MemoryMB, peak)
	if r.init > 0 && !e.warm && status == "" {
		report += "\tInit Duration: " + ms(r.init) + " ms"
		result.Init = r.init
	}
	if status != "" {
		result.FunctionError = "Unhandled"
		report += "\tStatus: " + status
		if kind != "" {
			report += "\tError Type: " + kind
		}
	}
	e.warm = true
	e.out.add("END RequestId: " + r.in.RequestID)
	e.out.add(report)
	result.LogTail = e.out.takeTail()
	e.out.flush()
	if status != "" {
		e.process.kill()
		<-e.process.exited
	}
	return result
}

// ms writes milliseconds as the platform's log lines do.
func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }
