// Package harness is what the tests and the bench below test/ share: the built
// program and servers of it, waiting for what is to come about, a browser, npm
// packages, clips, tools, and clients of the APIs. It drives the program from
// outside, as its users do; package local runs jobs in the test's own process.
//
// What returns an error serves the bench too; what takes a testing.TB fails the test.
package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/clip"
)

// Build builds the program into a folder and returns its path.
func Build(dir string) (string, error) {
	program := filepath.Join(dir, "vodwright")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", program, "vodwright.dev/vodwright/cmd/vodwright")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return program, nil
}

// Main is what a TestMain exits with: it builds the program for the tests of a
// package, which find its path in program, and runs them.
func Main(m *testing.M, program *string) int {
	dir, err := os.MkdirTemp("", "vodwright-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		*program, err = Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Output runs a command and returns what it says on both channels. The error of
// one that fails has the end of what it said.
func Output(cmd *exec.Cmd) (stdout, stderr []byte, err error) {
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err = cmd.Run(); err != nil {
		said := e.String()
		err = fmt.Errorf("%s %s: %w\n%s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "), err, said[max(len(said)-2000, 0):])
	}
	return o.Bytes(), e.Bytes(), err
}

// Tool runs a program, which must succeed, and returns what it says.
func Tool(t testing.TB, program string, args ...string) (stdout, stderr []byte) {
	t.Helper()
	stdout, stderr, err := Output(exec.CommandContext(t.Context(), program, args...))
	if err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	return stdout, stderr
}

// Clip writes a clip that proves itself into a folder of the test and returns its path.
func Clip(t testing.TB, spec clip.Spec, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	Tool(t, "ffmpeg", spec.Args(file)...)
	return file
}

// LongClip writes a clip so many times over: it takes long to encode, not to make.
func LongClip(t testing.TB, spec clip.Spec, times int, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	Tool(t, "ffmpeg", "-v", "error", "-stream_loop", strconv.Itoa(times-1), "-i", Clip(t, spec, "once.ts"), "-c", "copy", file)
	return file
}

// Poll asks until the answer is yes, an error, or too late.
func Poll(ctx context.Context, every, limit time.Duration, what string, yes func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	deadline := time.Now().Add(limit)
	for {
		if ok, err := yes(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %s", limit, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Eventually asks until ok is true, less often the longer it takes; past the limit
// the test fails.
func Eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for pause := 10 * time.Millisecond; !ok(); pause = min(pause*5/4, 250*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		<-time.After(pause)
	}
}

// Log keeps the end of what a process prints, for others to read meanwhile.
type Log struct {
	mu   sync.Mutex
	kept []byte
}

const logSize = 256 << 10

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, p...)
	if extra := len(l.kept) - logSize; extra > 0 {
		l.kept = append(l.kept[:0], l.kept[extra:]...)
	}
	return len(p), nil
}

// Tail returns the last n bytes, or all there are.
func (l *Log) Tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.kept[max(0, len(l.kept)-n):])
}
