package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/test/harness"
)

// cost is what a command took.
type cost struct {
	Wall time.Duration // until the command itself ended
	CPU  time.Duration // user and system time of the command and all its descendants
}

// measureCommand makes this program measure another one: see measureChild.
const measureCommand = "measure-command"

// outcome is what measureChild reports.
type outcome struct {
	cost
	Exit  int  // code, or -1
	Stray bool // descendants outlived the command and were not there to be counted
}

// saidBytes is how much of what a process said is in an error.
const saidBytes = 4000

// measure runs a command to its end. A command that fails is an error with the
// end of what it said.
//
// Between us and the command stands a copy of this program that adopts orphans:
// a sandbox may end before the process that it kept, and that process's CPU time
// would then be nobody's.
func measure(ctx context.Context, program string, args ...string) (cost, error) {
	self, err := os.Executable()
	if err != nil {
		return cost{}, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return cost{}, err
	}
	defer read.Close()
	cmd := command(ctx, self, append([]string{measureCommand, program}, args...)...)
	cmd.ExtraFiles = []*os.File{write}
	said := new(harness.Log)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return cost{}, errors.Join(err, write.Close())
	}
	_ = write.Close()
	var o outcome
	decoded := json.NewDecoder(read).Decode(&o)
	err = cmd.Wait()
	name := filepath.Base(program)
	switch {
	case ctx.Err() != nil:
		return cost{}, ctx.Err()
	case err != nil || decoded != nil:
		return cost{}, fmt.Errorf("measure %s: %w\n%s", name, errors.Join(err, decoded), said.Tail(saidBytes))
	case o.Exit != 0:
		return cost{}, fmt.Errorf("%s %s: exit code %d\n%s", name, strings.Join(args, " "), o.Exit, said.Tail(saidBytes))
	case o.Stray:
		return cost{}, fmt.Errorf("%s left processes behind: its CPU time is not known", name)
	}
	return o.cost, nil
}

// measureChild is the other half of measure: it runs args, becomes the parent of
// what the command leaves behind, waits for all of it and writes an outcome to
// file descriptor 3. SIGTERM is passed on; the command has five seconds then.
func measureChild(args []string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fail(fmt.Errorf("adopt orphans: %w", err))
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return fail(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fail(err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	syscall.CloseOnExec(3)

	began := time.Now()
	pid, err := syscall.ForkExec(program, args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{null.Fd(), 1, 2}})
	if err != nil {
		return fail(fmt.Errorf("start %s: %w", program, err))
	}
	go func() {
		<-signals
		_ = syscall.Kill(pid, syscall.SIGTERM)
		time.Sleep(5 * time.Second)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}()
	o := outcome{Exit: -1}
	var ended time.Time // of the command
	for {
		var status syscall.WaitStatus
		options := 0
		if !ended.IsZero() {
			options = syscall.WNOHANG
		}
		got, err := syscall.Wait4(-1, &status, options, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil { // ECHILD: all have ended
			break
		}
		if got == pid {
			ended = time.Now()
			o.Wall = ended.Sub(began)
			if status.Exited() {
				o.Exit = status.ExitStatus()
			}
		}
		if got == 0 {
			if time.Since(ended) > 5*time.Second {
				o.Stray = true
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage); err != nil {
		return fail(err)
	}
	o.CPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	if err := json.NewEncoder(os.NewFile(3, "outcome")).Encode(o); err != nil {
		return fail(err)
	}
	return 0
}

// command makes a process that ends with ctx: by SIGTERM, ten seconds later by
// SIGKILL. It has a process group of its own, so that Ctrl-C reaches it through
// us and in our order.
func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// output runs a command and returns its standard output and error.
func output(ctx context.Context, program string, args ...string) (stdout, stderr []byte, err error) {
	return harness.Output(command(ctx, program, args...))
}

// clockTick is the unit of CPU times in /proc: USER_HZ is 100 on every
// architecture that Linux has in common with Go.
const clockTick = 10 * time.Millisecond

// cpuTime returns the CPU time that running processes have used so far, in
// steps of clockTick (proc(5), /proc/PID/stat, fields 14 and 15).
func cpuTime(pids ...int) (time.Duration, error) {
	var total time.Duration
	for _, pid := range pids {
		fields, err := statFields(pid)
		if err != nil {
			return 0, err
		}
		for _, f := range fields[11:13] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
			}
			total += time.Duration(n) * clockTick
		}
	}
	return total, nil
}

// statFields returns the fields of /proc/PID/stat from the third on, the state:
// the second, a name, may hold anything.
func statFields(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("read /proc/%d/stat: %q", pid, data)
	}
	return fields, nil
}

// children returns the processes whose parent pid is.
func children(pid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fields, err := statFields(child); err == nil && fields[1] == strconv.Itoa(pid) {
			out = append(out, child)
		}
	}
	return out, nil
}

// memory is what a process occupies, in bytes.
type memory struct {
	rss int64 // resident
	pss int64 // the same, pages shared with other processes by their part
}

// memoryOf reads /proc/PID/smaps_rollup.
func memoryOf(pid int) (memory, error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	data, err := os.ReadFile(path)
	if err != nil {
		return memory{}, err
	}
	m := memory{rss: kilobytes(string(data), "Rss"), pss: kilobytes(string(data), "Pss")}
	if m.rss == 0 {
		return memory{}, fmt.Errorf("read %s: no Rss in %q", path, data)
	}
	return m, nil
}

// residentOf returns a process's resident memory in bytes; cheap enough for ten times a second.
func residentOf(pid int) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return kilobytes(string(data), "VmRSS"), nil
}

// kilobytes finds "field:  123 kB" in text and returns bytes; 0 if it is not there.
func kilobytes(text, field string) int64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			var n int64
			_, _ = fmt.Sscan(value, &n)
			return n * 1024
		}
	}
	return 0
}
