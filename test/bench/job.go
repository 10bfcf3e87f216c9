package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"vodwright.dev/vodwright/internal/clip"
)

const (
	aboutJob = "A running server encodes a 1-second 720p clip from a bucket into the same three rungs, in turns with the bare ffmpeg command on the same clip: " +
		"from CreateJob being sent to COMPLETE being seen (asked every 5 ms), less the command's wall time, is what records, queue, probe, sandbox, checks and publishing cost."
	overheadLimit = 400 // ms
)

// shortClip makes a clip of one second.
func (b *bench) shortClip(ctx context.Context) (string, error) {
	path := filepath.Join(b.dir, "second.mp4")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if _, _, err := output(ctx, "ffmpeg", clip.Spec{Width: 1280, Height: 720, Seconds: 1}.Args(path)...); err != nil {
		return "", fmt.Errorf("make a clip of one second: %w", err)
	}
	return path, nil
}

// prepareJob uploads the short clip and returns a function that encodes it, into
// another folder each time.
func (b *bench) prepareJob(ctx context.Context, s *server) (func() (time.Duration, error), error) {
	path, err := b.shortClip(ctx)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := s.makeBucket(ctx, "bench-in"); err != nil {
		return nil, err
	}
	if err := s.makeBucket(ctx, "bench-out"); err != nil {
		return nil, err
	}
	if err := s.put(ctx, "bench-in", "second.mp4", data); err != nil {
		return nil, err
	}
	role, err := s.makeRole(ctx, "bench-encode", "mediaconvert.amazonaws.com",
		`{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::bench-in/*","arn:aws:s3:::bench-out/*"]}`)
	if err != nil {
		return nil, err
	}
	n := 0
	return func() (time.Duration, error) {
		n++
		document := jobDocument(hd720, "s3://bench-in/second.mp4", fmt.Sprintf("s3://bench-out/%d/second", n), "SINGLE_PASS")
		document["role"] = role
		return s.runJob(ctx, document)
	}, nil
}

func benchJob(ctx context.Context, b *bench, r *report) (err error) {
	path, err := b.shortClip(ctx)
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, filepath.Join(b.dir, "job-data"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	encode, err := b.prepareJob(ctx, s)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "job-bare")
	bare := func() (cost, error) {
		return inEmpty(dir, func() (cost, error) {
			return measure(ctx, "ffmpeg", hd720.oneLiner(path, dir, "", []float64{defaultCRF, defaultCRF, defaultCRF})...)
		})
	}
	var job, command, commandCPU sample
	for i := range b.runs + 1 {
		a, err := encode()
		if err != nil {
			return err
		}
		z, err := bare()
		if err != nil {
			return err
		}
		if i == 0 {
			continue // caches
		}
		job.milliseconds(a)
		command.milliseconds(z.Wall)
		commandCPU.milliseconds(z.CPU)
		b.logf("job: run %d: %d and %d ms", i, a.Milliseconds(), z.Wall.Milliseconds())
	}
	overhead := job.minus(command)
	r.table(
		[]string{"", "ms"},
		[]string{"job, CreateJob to COMPLETE", job.show("%.0f")},
		[]string{"bare command, wall", command.show("%.0f")},
		[]string{"bare command, CPU", commandCPU.show("%.0f")},
		[]string{"overhead", overhead.show("%.0f")},
	)
	r.atMost("overhead of a 1-second job", overhead.median(), overheadLimit, "%.0f ms")
	return nil
}
