package worker

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// Local runs one job from its request to its end in this process, without queue
// or records: what `vodwright convert` does. show is told the phase and the
// percentage done whenever they change; it is called from one goroutine at a time.
// Whatever the outcome, the work folder is gone when Local returns.
func (w *Worker) Local(ctx context.Context, id string, start time.Time, request json.RawMessage, show func(phase string, percent int)) (details []json.RawMessage, warnings []job.Warning, err error) {
	j, err := w.LocalJob(ctx, job.Job{ID: id, Created: start, Request: request}, show)
	for _, d := range []json.RawMessage{j.Input, j.Details} {
		if d != nil && err == nil {
			details = append(details, d)
		}
	}
	return details, j.Warnings, err
}

// LocalJob is Local with the record of the job: ID, Created, Request and UserMetadata
// are its caller's, what it made and took is filled in.
func (w *Worker) LocalJob(ctx context.Context, j job.Job, show func(phase string, percent int)) (_ job.Job, err error) {
	defer func() {
		outcome := job.Complete
		if err != nil {
			outcome = job.Error
		}
		err = errors.Join(err, w.Discard(context.WithoutCancel(ctx), j.ID, outcome))
	}()
	j.Status, j.Started = job.Progressing, j.Created
	first, err := json.Marshal(job.FirstTask{Job: j.ID, Request: j.Request, UserMetadata: j.UserMetadata, Started: j.Started})
	if err != nil {
		return j, err
	}
	run := &localRun{job: j, outputs: map[string]json.RawMessage{}, done: map[string]int64{}, show: show}
	stages := [][]job.Task{{{Job: j.ID, Name: "probe", Phase: "PROBING", Weight: 1, Payload: first}}}
	for stage := 0; stage < len(stages); stage++ {
		run.begin(stages[stage])
		group, gctx := errgroup.WithContext(ctx)
		group.SetLimit(max(w.cfg.Slots, 1))
		for i, task := range stages[stage] {
			group.Go(func() error {
				if gctx.Err() != nil {
					return context.Cause(gctx)
				}
				began := time.Now()
				result, err := w.Run(gctx, task, run.output, func(p job.Progress) { run.progress(task, p) })
				if err != nil {
					return err
				}
				result.Spent.Wall = time.Since(began)
				run.end(i, task, result)
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return run.job, err
		}
		for _, task := range stages[stage] {
			run.progress(task, job.Progress{Done: 1, Total: 1})
		}
		stages, run.next = append(stages, run.next...), nil
	}
	j = run.job
	j.Status, j.Finished, j.Work = job.Complete, time.Now().UTC(), job.Sum(run.work)
	return j, nil
}

// localRun is what the tasks of one Local share.
type localRun struct {
	mu      sync.Mutex
	job     job.Job
	work    []job.TaskWork // of the stages that began
	first   int            // of work, of the stage that runs
	next    [][]job.Task   // stages that came of it
	outputs map[string]json.RawMessage
	done    map[string]int64 // weight done, by task
	total   int64
	show    func(string, int)
	phase   string
	percent int
}

// begin notes the tasks of a stage.
func (r *localRun) begin(tasks []job.Task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.job.Marks = append(r.job.Marks, job.Mark{Phase: tasks[0].Phase, At: time.Now().UTC()})
	r.first = len(r.work)
	for _, t := range tasks {
		r.work = append(r.work, job.TaskWork{Name: t.Name, Starts: 1})
	}
}

// end takes what task i of the stage gave.
func (r *localRun) end(i int, task job.Task, result job.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.work[r.first+i]
	w.Done, w.Spent = true, result.Spent
	r.outputs[task.Name] = result.Output
	r.job.Warnings = append(r.job.Warnings, result.Warnings...)
	switch {
	case result.Details == nil:
	case task.Phase == "PROBING":
		r.job.Input = result.Details
	default:
		r.job.Details = result.Details
	}
	for _, next := range result.Next {
		for _, t := range next {
			r.total += t.Weight
		}
	}
	r.next = append(r.next, result.Next...)
}

func (r *localRun) output(_ context.Context, name string) (json.RawMessage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == job.RecordOutput {
		j := r.job
		j.Work = job.Sum(r.work)
		return json.Marshal(j)
	}
	out, ok := r.outputs[name]
	if !ok {
		return nil, fault.New(fault.Internal, "", "task %q has no output", name)
	}
	return out, nil
}

func (r *localRun) progress(task job.Task, p job.Progress) {
	if p.Total <= 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[task.Name] = max(r.done[task.Name], task.Weight*min(p.Done, p.Total)/p.Total)
	var sum int64
	for name, w := range r.done {
		if name != "probe" {
			sum += w
		}
	}
	percent := 0
	if r.total > 0 {
		percent = int(sum * 100 / r.total)
	}
	if task.Phase != r.phase || percent != r.percent {
		r.phase, r.percent = task.Phase, percent
		r.show(r.phase, r.percent)
	}
}
