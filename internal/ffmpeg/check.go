package ffmpeg

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// Report is what Check found out.
type Report struct {
	FFmpegVersion  string // such as "5.1.9-0+deb12u1"
	FFprobeVersion string
	Sandboxed      bool   // bubblewrap made its namespaces and ran ffmpeg inside
	SandboxProblem string // why not, one line; "" when Sandboxed
}

// checkTime bounds Check as a whole.
const checkTime = 20 * time.Second

// neededEncoders are the encoders without which no job can be done.
var neededEncoders = []string{"libx264", "aac", "mjpeg"}

// Check runs the programs once, at the same time: their versions, the encoders
// that are needed, and whether the sandbox works here. A program that does not
// run or lacks an encoder is an error; a sandbox that does not work is told in
// the Report, and makes every Run fail.
func (r *Runner) Check(ctx context.Context) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	bare := *r // the programs themselves are checked outside of the sandbox
	bare.bwrap, bare.missing = "", nil

	var report Report
	var errs [3]error
	var wait sync.WaitGroup
	wait.Go(func() { report.FFmpegVersion, errs[0] = bare.version(ctx, r.ffmpeg) })
	wait.Go(func() { report.FFprobeVersion, errs[1] = bare.version(ctx, r.ffprobe) })
	wait.Go(func() { errs[2] = bare.checkEncoders(ctx) })
	wait.Go(func() { report.SandboxProblem = r.sandboxProblem(ctx) })
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return report, err
		}
	}
	report.Sandboxed = report.SandboxProblem == ""
	return report, nil
}

func (r *Runner) version(ctx context.Context, program string) (string, error) {
	out, err := r.output(ctx, program, "-version")
	if err != nil {
		return "", err
	}
	// "ffmpeg version 5.1.9-0+deb12u1 Copyright (c) …"
	if words := strings.Fields(out); len(words) > 2 && words[1] == "version" {
		return words[2], nil
	}
	return "", fault.New(fault.Unavailable, "", "check %s: it does not tell its version", program)
}

func (r *Runner) checkEncoders(ctx context.Context) error {
	out, err := r.output(ctx, r.ffmpeg, "-hide_banner", "-loglevel", "error", "-encoders")
	if err != nil {
		return err
	}
	missing := slices.Clone(neededEncoders)
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) > 1 {
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == words[1] })
		}
	}
	if len(missing) > 0 {
		return fault.New(fault.Unavailable, "", "check %s: it lacks %s", r.ffmpeg, strings.Join(missing, ", ")).
			WithHint("install an ffmpeg that is built with libx264")
	}
	return nil
}

// HasFilter reports whether ffmpeg has a filter of this name.
func (r *Runner) HasFilter(ctx context.Context, name string) (bool, error) {
	out, err := r.output(ctx, r.ffmpeg, "-hide_banner", "-loglevel", "error", "-filters")
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) > 1 && words[1] == name {
			return true, nil
		}
	}
	return false, nil
}

func (r *Runner) sandboxProblem(ctx context.Context) string {
	if r.missing != nil {
		return r.missing.Error()
	}
	if r.bwrap == "" {
		return "switched off"
	}
	if _, err := r.output(ctx, r.ffmpeg, "-version"); err != nil {
		return err.Error()
	}
	return ""
}

// output runs a program that reads no file and returns the beginning of what it prints.
func (r *Runner) output(ctx context.Context, program string, args ...string) (string, error) {
	var out bytes.Buffer
	_, err := r.run(ctx, process{
		program: program,
		args:    args,
		limits:  Limits{FileBytes: 1 << 20, Wall: checkTime, CPU: checkTime}.or(encodeLimits(r.limits)),
		stdout:  &out,
	})
	if err != nil {
		return "", fmt.Errorf("check %s: %w", program, err)
	}
	return out.String(), nil
}
