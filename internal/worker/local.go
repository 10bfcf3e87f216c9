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
	defer func() {
		outcome := job.Complete
		if err != nil {
			outcome = job.Error
		}
		err = errors.Join(err, w.Discard(context.WithoutCancel(ctx), id, outcome))
	}()
	first, err := json.Marshal(job.FirstTask{Job: id, Request: request, Started: start})
	if err != nil {
		return nil, nil, err
	}
	run := &localRun{outputs: map[string]json.RawMessage{}, done: map[string]int64{}, show: show}
	stages := [][]job.Task{{{Job: id, Name: "probe", Phase: "PROBING", Weight: 1, Payload: first}}}
	for stage := 0; stage < len(stages); stage++ {
		group, gctx := errgroup.WithContext(ctx)
		group.SetLimit(max(w.cfg.Slots, 1))
		for _, task := range stages[stage] {
			group.Go(func() error {
				if gctx.Err() != nil {
					return context.Cause(gctx)
				}
				result, err := w.Run(gctx, task, run.output, func(p job.Progress) { run.progress(task, p) })
				if err != nil {
					return err
				}
				run.mu.Lock()
				defer run.mu.Unlock()
				run.outputs[task.Name] = result.Output
				warnings = append(warnings, result.Warnings...)
				if result.Details != nil {
					details = append(details, result.Details)
				}
				for _, next := range result.Next {
					stages = append(stages, next)
					for _, t := range next {
						run.total += t.Weight
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return nil, warnings, err
		}
		for _, task := range stages[stage] {
			run.progress(task, job.Progress{Done: 1, Total: 1})
		}
	}
	return details, warnings, nil
}

// localRun is what the tasks of one Local share.
type localRun struct {
	mu      sync.Mutex
	outputs map[string]json.RawMessage
	done    map[string]int64 // weight done, by task
	total   int64
	show    func(string, int)
	phase   string
	percent int
}

func (r *localRun) output(_ context.Context, name string) (json.RawMessage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
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
