package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/fetch"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/mediaconvert"
	"vodwright.dev/vodwright/internal/probe"
	"vodwright.dev/vodwright/internal/receipt"
	"vodwright.dev/vodwright/internal/worker"
)

type convertCmd struct {
	File    string `arg:"" help:"Video file, or an http(s):// URL."`
	Output  string `short:"o" required:"" help:"Folder for the outputs; made when missing." placeholder:"DIR"`
	Job     string `help:"CreateJob document, or its Settings; - is standard input. Without it: HLS with 360p, 540p, 720p." placeholder:"FILE"`
	Receipt bool   `help:"Write the job's receipt beside the outputs, too."`
	Quality string `help:"Quality to measure of every rung, for the receipt: SSIM, VMAF or both with a comma." placeholder:"MEASURE"`
	Copy    bool   `help:"Copy video that is as an output asks for it, do not encode it again; a warning says why where it was."`
	Workers int    `help:"Encoder processes side by side." default:"${cores}"`
	verifyFlags
	sandboxFlags
}

func (convertCmd) Help() string {
	return `Runs a job here and now: no server, no bucket. Destinations of the job (s3://bucket/path)
become folders below DIR; its input is FILE. The same job gives the same files on a server.

Examples:
  vodwright convert talk.mov -o stream/
  vodwright convert talk.mov -o out/ --job job.json
  vodwright convert talk.mov -o out/ --json | jq .outputGroupDetails`
}

// Run converts one file.
func (c *convertCmd) Run(p *program) error {
	settings, err := c.settings(p)
	if err != nil {
		return err
	}
	out, err := filepath.Abs(c.Output)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fault.New(fault.Invalid, "", "the output folder cannot be made: %w", err)
	}
	work, err := os.MkdirTemp(out, ".vodwright-")
	if err != nil {
		return fault.New(fault.Invalid, "", "the output folder cannot be written to: %w", err)
	}
	defer os.RemoveAll(work)

	objects := folderObjects{root: out, source: c.File}
	input := c.File
	if !isURL(c.File) {
		if _, err := os.Stat(c.File); err != nil {
			return fault.New(fault.NotFound, "", "%w", err)
		}
		input = "s3://local/" + filepath.Base(c.File)
	}
	request, warnings, err := mediaconvert.LocalRequest(settings, input, strings.TrimSuffix(filepath.Base(c.File), filepath.Ext(c.File)))
	if err != nil {
		return err
	}
	metadata := map[string]string{receipt.QualityKey: c.Quality}
	if c.Receipt {
		metadata[receipt.BesideKey] = "JSON"
	}
	if c.Copy {
		metadata[receipt.CopyKey] = "AUTO"
	}
	if _, err := receipt.ParseWishes(metadata); err != nil {
		return fault.New(fault.Invalid, "", "--quality: %q is none of SSIM and VMAF", c.Quality)
	}
	runner, err := c.runner(p)
	if err != nil {
		return err
	}
	w := worker.New(worker.Config{
		Dir: work, FFmpeg: runner, Probe: probe.New(runner), Fetch: fetch.New(fetch.Config{AllowPrivate: true, Limits: c.Limits}),
		Objects: objects, Slots: c.Workers, Verify: c.depth(), Name: hostname(),
	})
	meter := newMeter(p)
	j, err := w.LocalJob(p.ctx, job.Job{ID: "convert", Created: time.Now().UTC(), Request: request, UserMetadata: metadata}, func(phase string, percent int) {
		meter.show(filepath.Base(c.File), phase, percent)
	})
	meter.close()
	if err != nil {
		if p.ctx.Err() != nil {
			return fault.New(fault.Canceled, "", "interrupted; nothing was written")
		}
		return err
	}
	warnings = append(warnings, j.Warnings...)
	j.Warnings = warnings
	result := worker.Details{}
	if err := json.Unmarshal(j.Details, &result); err != nil {
		return fmt.Errorf("decode result: %w", err)
	}
	taken, err := receipt.New(j, j.Finished)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, g := range result.OutputGroupDetails {
		for _, f := range g.PlaylistFilePaths {
			fmt.Fprintln(&text, objects.path(f))
		}
		if len(g.PlaylistFilePaths) > 0 {
			continue
		}
		for _, o := range g.OutputDetails {
			for _, f := range o.OutputFilePaths {
				fmt.Fprintln(&text, objects.path(f))
			}
		}
	}
	if !p.json {
		for _, warning := range warnings {
			fmt.Fprintf(p.stderr, "warning: %s\n", warning.Message)
		}
		fmt.Fprint(p.stderr, taken.Summary())
	}
	return p.print(map[string]any{"outputGroupDetails": result.OutputGroupDetails, "receipt": taken, "warnings": warnings, "folder": out}, text.String())
}

// settings reads --job; nil is the default ladder.
func (c *convertCmd) settings(p *program) ([]byte, error) {
	switch c.Job {
	case "":
		return nil, nil
	case "-":
		return io.ReadAll(io.LimitReader(p.stdin, 16<<20))
	}
	doc, err := os.ReadFile(c.Job)
	if err != nil {
		return nil, fault.New(fault.NotFound, "", "%w", err)
	}
	return doc, nil
}

func isURL(s string) bool { return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") }

// verifyFlags are shared by the subcommands that carry jobs.
type verifyFlags struct {
	Verify string `help:"What of each output is decoded before its job is complete: full (every frame), keyframes, structure (nothing). All is read back and checked whatever this says." enum:"full,keyframes,structure" default:"full"`
}

func (v verifyFlags) depth() worker.Depth { return worker.Depth(v.Verify) }

// sandboxFlags are shared by the subcommands that start media processes.
type sandboxFlags struct {
	Unsandboxed bool   `help:"Run media processes without bubblewrap. For files you trust."`
	Ffmpeg      string `name:"ffmpeg" help:"ffmpeg to use." placeholder:"PATH"`
	limitFlags
}

// runner makes the ffmpeg room and checks that it works here.
func (s sandboxFlags) runner(p *program) (*ffmpeg.Runner, error) {
	runner, err := ffmpeg.New(ffmpeg.Config{FFmpegPath: s.Ffmpeg, Unsandboxed: s.Unsandboxed, Limits: s.Limits})
	if err != nil {
		return nil, err
	}
	report, err := runner.Check(p.ctx)
	if err != nil {
		return nil, err
	}
	if !report.Sandboxed && !s.Unsandboxed {
		return nil, fault.New(fault.Unavailable, "", "media processes cannot be sandboxed here: %s", report.SandboxProblem).
			WithHint("install bubblewrap and allow user namespaces, or pass --unsandboxed for files you trust")
	}
	return runner, nil
}

// folderObjects implements worker.Objects over a folder: buckets are left out of
// the paths, keys become files.
type folderObjects struct {
	root   string
	source string // the input file
}

func (f folderObjects) path(uri string) string {
	_, key, _ := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	return filepath.Join(f.root, filepath.FromSlash(key))
}

// Snapshot links the input into the work folder: the file is the user's own and
// is not expected to change under a running conversion.
func (f folderObjects) Snapshot(_ context.Context, _, _, _, dst string) (string, error) {
	abs, err := filepath.Abs(f.source)
	if err != nil {
		return "", err
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return "", err
	}
	if os.Link(abs, dst) == nil {
		return "", nil
	}
	return "", os.Symlink(abs, dst)
}

// Writable reports nothing: Run made the folder.
func (f folderObjects) Writable(context.Context, string, string) error { return nil }

// Publish moves a finished file to its place.
func (f folderObjects) Publish(_ context.Context, out worker.Upload) error {
	to := filepath.Join(f.root, filepath.FromSlash(out.Key))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(out.File, 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(out.File, to)
}

// Open reads a file that this conversion wrote.
func (f folderObjects) Open(_ context.Context, _, key string) (io.ReadCloser, int64, error) {
	file, err := os.Open(filepath.Join(f.root, filepath.FromSlash(key)))
	if err != nil {
		return nil, 0, fault.New(fault.NotFound, "", "%w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// Withdraw removes a file that this conversion wrote.
func (f folderObjects) Withdraw(_ context.Context, _, _, key string) error {
	err := os.Remove(filepath.Join(f.root, filepath.FromSlash(key)))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
