package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/limit"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/receipt"
)

// probe gets the source, looks at it and plans the job.
func (w *Worker) probe(ctx context.Context, task job.Task, report func(job.Progress)) (job.Result, error) {
	var first job.FirstTask
	if err := json.Unmarshal(task.Payload, &first); err != nil {
		return job.Result{}, fmt.Errorf("decode job request: %w", err)
	}
	var request struct {
		Settings json.RawMessage `json:"settings"`
	}
	if err := json.Unmarshal(first.Request, &request); err != nil {
		return job.Result{}, fmt.Errorf("decode job request: %w", err)
	}
	settings, err := plan.ParseSettings(request.Settings)
	if err != nil {
		return job.Result{}, err
	}
	if len(settings.Inputs) == 0 {
		return job.Result{}, fault.New(fault.Invalid, "1040", "/inputs: the job has no input")
	}
	wishes, err := receipt.ParseWishes(first.UserMetadata)
	if err != nil {
		return job.Result{}, err
	}
	objects, err := w.objects(ctx, task.Job, first.Role)
	if err != nil {
		return job.Result{}, err
	}
	files := plan.Files(settings)
	if most := int(w.cfg.FFmpeg.Limits().Inputs); len(files) > 2*most { // before anything is fetched
		return job.Result{}, limit.Exceeded(limit.Inputs, "1040", "the job reads %d files, more than twice the %d inputs that are allowed", len(files), most)
	}
	footage, pins, err := w.lookAll(ctx, task.Job, files, objects, wishes.Copy, report)
	if err != nil {
		return job.Result{}, err
	}
	planned, err := plan.New(plan.Input{Settings: settings, Files: footage, JobStart: first.Started, Limits: w.cfg.FFmpeg.Limits(), Copy: wishes.Copy, Chunk: w.cfg.Chunk})
	if err != nil {
		return job.Result{}, err
	}
	for _, group := range planned.Groups {
		if err := objects.Writable(ctx, group.Bucket, firstKey(group)); err != nil {
			return job.Result{}, destinationFault(err, group.Bucket)
		}
	}
	p := probed{Role: first.Role, Pins: pins, Plan: *planned, Wishes: wishes, Late: first.UserMetadata[EarlyMember] == "off" || w.cfg.Late}
	output, err := json.Marshal(p)
	if err != nil {
		return job.Result{}, fmt.Errorf("encode plan: %w", err)
	}
	w.mu.Lock()
	w.fresh[task.Job] = &p
	w.mu.Unlock()
	details, err := json.Marshal(inputDetails(files, footage))
	if err != nil {
		return job.Result{}, fmt.Errorf("encode source facts: %w", err)
	}
	result := job.Result{Output: output, Details: details, Next: stages(task.Job, planned)}
	for _, warning := range planned.Warnings {
		result.Warnings = append(result.Warnings, job.Warning(warning))
	}
	if wishes.VMAF {
		there, err := w.vmafThere(ctx)
		if err != nil {
			return job.Result{}, err
		}
		if !there {
			result.Warnings = append(result.Warnings, job.Warning{Code: receipt.WarnQuality, Message: "VMAF was asked for and is not measured: the ffmpeg of this machine has no libvmaf"})
		}
	}
	report(job.Progress{Done: 1, Total: 1})
	return result, nil
}

// lookAll looks at all files of a job, some at a time, and returns what they are and
// their pins. Of several errors the one of the first file is told.
func (w *Worker) lookAll(ctx context.Context, id string, files []plan.File, objects Objects, coded bool, report func(job.Progress)) ([]plan.Footage, []string, error) {
	footage, pins, errs := make([]plan.Footage, len(files)), make([]string, len(files)), make([]error, len(files))
	var mu sync.Mutex
	done := make([]int64, len(files)) // thousandths of each file
	pool, pctx := errgroup.WithContext(ctx)
	pool.SetLimit(max(w.cfg.Slots, 1))
	for i, file := range files {
		pool.Go(func() error {
			if pctx.Err() != nil {
				return nil
			}
			part := func(p job.Progress) {
				mu.Lock()
				defer mu.Unlock()
				if p.Total <= 0 {
					return
				}
				done[i] = 1000 * min(p.Done, p.Total) / p.Total
				sum := int64(0)
				for _, n := range done {
					sum += n
				}
				report(job.Progress{Done: sum, Total: 1000 * int64(len(files))})
			}
			var err error
			if footage[i], pins[i], err = w.look(pctx, id, i, file, objects, coded, part); err != nil && pctx.Err() == nil {
				errs[i] = err // of its own, not of the file that ended the others
			}
			return err
		})
	}
	err := pool.Wait()
	for i, e := range errs {
		if e != nil && !errors.Is(e, context.Canceled) {
			return nil, nil, ofFile(e, files[i], len(files))
		}
	}
	return footage, pins, err
}

// look gets a file and finds out what it is, and if asked how its video is coded.
func (w *Worker) look(ctx context.Context, id string, n int, file plan.File, objects Objects, coded bool, report func(job.Progress)) (f plan.Footage, pin string, err error) {
	path, pin, err := w.source(ctx, id, n, file.URI, "", func() (Objects, error) { return objects, nil }, report)
	if err != nil {
		return plan.Footage{}, "", err
	}
	if file.Kind == plan.FileImage {
		f.Source, err = w.cfg.Probe.Image(ctx, path)
		return f, pin, err
	}
	health, err := healedOf(path)
	if err != nil {
		return f, pin, err
	}
	f.Mended = health.Warnings
	if f.Source, err = w.cfg.Probe.Probe(ctx, path); err != nil {
		return f, pin, err
	}
	if health.join(&f.Source); file.Kind != plan.FileInput {
		return f, pin, nil
	}
	if video, err := plan.SelectVideo(file, f.Source); err == nil { // none may be needed: plan.New decides
		if f.Index, err = w.cfg.Probe.Index(ctx, path, video); err != nil {
			return f, pin, err
		}
		if coded {
			if f.Index.Coded, err = w.cfg.Probe.Coded(path, f.Source, video, f.Index); err != nil {
				return f, pin, err
			}
		}
	}
	if len(f.Source.Video) == 0 {
		return f, pin, w.cfg.Probe.Sound(ctx, path, &f.Source)
	}
	return f, pin, nil
}

// ofFile says which of several files an error is about.
func ofFile(err error, file plan.File, several int) error {
	var f *fault.Error
	if several < 2 || !errors.As(err, &f) {
		return err
	}
	with := *f
	with.Message = fmt.Sprintf("%s %s: %s", file.Kind, file.URI, f.Message)
	return &with
}

// firstKey is an object that a group will publish.
func firstKey(group plan.OutputGroup) string {
	o := group.Outputs[0]
	switch {
	case group.HLS != nil && group.HLS.MultivariantKey != "":
		return group.HLS.MultivariantKey
	case group.DASH != nil:
		return group.DASH.Key
	case len(o.Segments) > 0:
		return o.Segments[0]
	case len(o.Captures) > 0:
		return o.Captures[0]
	}
	return o.Key
}

// stages lists the work that a plan asks for, in the order of the film: what is seen
// and heard first is made first. Sound that is one long process goes before all of it.
func stages(id string, p *plan.Plan) [][]job.Task {
	type timed struct {
		job.Task
		at time.Duration
	}
	var encodes []timed
	var total int64
	add := func(name string, at time.Duration, weight int64, payload any) {
		doc, _ := json.Marshal(payload) // of ints
		encodes = append(encodes, timed{job.Task{Job: id, Name: name, Stage: 1, Phase: "TRANSCODING", Weight: max(weight, 1), Payload: doc}, at})
		total += max(weight, 1)
	}
	for i, a := range p.Audios {
		hz := int64(max(a.SampleRate, 1)) // weighs as much as 25 small frames a second
		if len(a.Pieces) == 0 {
			add(audioName(i), -1, a.Samples*25/hz, audioTask{Audio: i})
		}
		for k, piece := range a.Pieces {
			add(pieceName(i, k), media.R(mp4.FrameSamples, hz).Duration(piece.From), (piece.To-piece.From)*mp4.FrameSamples*25/hz, audioTask{i, k})
		}
	}
	for l, ladder := range p.Ladders {
		var pixels int64
		for _, r := range ladder.Rungs {
			if r.Copied == nil {
				pixels += int64(r.Width) * int64(r.Height)
			}
		}
		for c, chunk := range ladder.Chunks {
			add(chunkName(l, c), ladder.Timeline.At(chunk.From), (chunk.To-chunk.From)*(1+pixels/50_000), chunkTask{l, c})
		}
	}
	slices.SortStableFunc(encodes, func(a, b timed) int { return cmp.Compare(a.at, b.at) })
	tasks := make([]job.Task, len(encodes))
	for i, e := range encodes {
		tasks[i] = e.Task
	}
	finish := job.Task{Job: id, Name: "finish", Stage: 2, Phase: "UPLOADING", Weight: max(total/50, 1)}
	return [][]job.Task{tasks, {finish}}
}
