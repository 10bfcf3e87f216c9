package worker

import (
	"context"
	"encoding/json"
	"fmt"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/plan"
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
	if len(settings.Inputs) == 0 || settings.Inputs[0].FileInput == "" {
		return job.Result{}, fault.New(fault.Invalid, "1040", "/inputs/0/fileInput: the job has no input")
	}
	input := settings.Inputs[0].FileInput
	objects, err := w.objects(ctx, task.Job, first.Role)
	if err != nil {
		return job.Result{}, err
	}
	path, err := w.source(ctx, task.Job, input, func() (Objects, error) { return objects, nil }, report)
	if err != nil {
		return job.Result{}, err
	}
	source, err := w.cfg.Probe.Probe(ctx, path)
	if err != nil {
		return job.Result{}, err
	}
	var index media.FrameIndex
	if video, err := plan.SelectVideo(settings, source); err == nil { // none may be needed: plan.New decides
		if index, err = w.cfg.Probe.Index(ctx, path, video); err != nil {
			return job.Result{}, err
		}
	}
	planned, err := plan.New(plan.Input{
		Settings: settings, Source: source, Index: index,
		JobStart: first.Started, BaseName: plan.BaseName(input),
	})
	if err != nil {
		return job.Result{}, err
	}
	for _, group := range planned.Groups {
		if err := objects.Writable(ctx, group.Bucket, firstKey(group)); err != nil {
			return job.Result{}, destinationFault(err, group.Bucket)
		}
	}
	output, err := json.Marshal(probed{Input: input, Role: first.Role, Plan: *planned})
	if err != nil {
		return job.Result{}, fmt.Errorf("encode plan: %w", err)
	}
	details, err := json.Marshal(Details{Input: input, Source: &source})
	if err != nil {
		return job.Result{}, fmt.Errorf("encode source facts: %w", err)
	}
	result := job.Result{Output: output, Details: details, Next: stages(task.Job, planned)}
	for _, warning := range planned.Warnings {
		result.Warnings = append(result.Warnings, job.Warning(warning))
	}
	report(job.Progress{Done: 1, Total: 1})
	return result, nil
}

// firstKey is an object that a group will publish.
func firstKey(group plan.OutputGroup) string {
	if group.HLS != nil {
		return group.HLS.MultivariantKey
	}
	return group.Outputs[0].Key
}

// stages lists the work that a plan asks for. Audio goes first: it is one long
// process where video is many short ones.
func stages(id string, p *plan.Plan) [][]job.Task {
	var encodes []job.Task
	var total int64
	add := func(name string, weight int64, payload any) {
		doc, _ := json.Marshal(payload) // of two ints
		encodes = append(encodes, job.Task{Job: id, Name: name, Stage: 1, Phase: "TRANSCODING", Weight: max(weight, 1), Payload: doc})
		total += max(weight, 1)
	}
	for i, a := range p.Audios {
		add(audioName(i), a.Samples*25/int64(max(a.SampleRate, 1)), audioTask{i}) // as much as 25 small frames a second
	}
	for l, ladder := range p.Ladders {
		var pixels int64
		for _, r := range ladder.Rungs {
			pixels += int64(r.Width) * int64(r.Height)
		}
		for c, chunk := range ladder.Chunks {
			add(chunkName(l, c), (chunk.To-chunk.From)*(1+pixels/50_000), chunkTask{l, c})
		}
	}
	finish := job.Task{Job: id, Name: "finish", Stage: 2, Phase: "UPLOADING", Weight: max(total/50, 1)}
	return [][]job.Task{encodes, {finish}}
}
