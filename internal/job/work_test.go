package job_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// TestWorkOfAJob: what failed attempts took is counted apart, and the record has it
// while the job runs and after its tasks are gone.
func TestWorkOfAJob(t *testing.T) {
	var seen job.Work
	r := &runner{run: func(ctx context.Context, task job.Task, outputs job.Outputs, _ func(job.Progress)) (job.Result, error) {
		spent := job.Spent{Worker: "here", CPU: time.Second, Processes: 2}
		switch {
		case task.Name == "probe":
			result := chunks(3)
			result.Spent = spent
			return result, nil
		case task.Name == "chunk/1" && task.Attempt < 3:
			return job.Result{Spent: job.Spent{CPU: 7 * time.Second}}, fault.New(fault.Unavailable, "", "not now")
		case task.Name == "finish":
			var j job.Job
			doc, err := outputs(ctx, job.RecordOutput)
			if err == nil {
				err = json.Unmarshal(doc, &j)
			}
			if err != nil {
				return job.Result{}, err
			}
			seen = *j.Work
		}
		return job.Result{Spent: spent}, nil
	}}
	w := begin(t, job.Config{Runner: r, Backoff: time.Millisecond})
	j := w.until(w.create(job.Job{}).ID, job.Complete)
	var names []string
	for i, m := range j.Marks {
		names = append(names, m.Phase)
		if m.At.Before(j.Started) || m.At.After(j.Finished) || i > 0 && m.At.Before(j.Marks[i-1].At) {
			t.Errorf("%s began at %v of %v to %v", m.Phase, m.At, j.Started, j.Finished)
		}
	}
	if !slices.Equal(names, []string{"PROBING", "TRANSCODING", "UPLOADING"}) {
		t.Errorf("phases %v", names)
	}
	for _, c := range []struct {
		work   *job.Work
		finish int
	}{{&seen, 0}, {j.Work, 1}} {
		for i, want := range []job.KindWork{
			{Kind: "chunk", Tasks: 3, Done: 3, Attempts: 5, Failures: 2, CPU: 3 * time.Second, Wasted: 14 * time.Second, Processes: 6},
			{Kind: "finish", Tasks: 1, Done: c.finish, Attempts: 1, CPU: time.Duration(c.finish) * time.Second, Processes: 2 * c.finish},
			{Kind: "probe", Tasks: 1, Done: 1, Attempts: 1, CPU: time.Second, Processes: 2},
		} {
			if len(c.work.Kinds) != 3 {
				t.Fatalf("%+v", c.work)
			}
			got := c.work.Kinds[i]
			if (got.Wall > 0) != (got.Done > 0) || got.Wall > time.Minute {
				t.Errorf("%s took %v", got.Kind, got.Wall)
			}
			if got.Wall = 0; got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		if n := 4 + c.finish; len(c.work.Workers) != 1 || c.work.Workers[0] != (job.WorkerWork{Name: "here", Tasks: n, CPU: time.Duration(n) * time.Second}) {
			t.Errorf("workers %+v", c.work.Workers)
		}
	}
	if again, err := w.jobs.Record(t.Context(), j.ID); err != nil || again.Work == nil || again.RetryCount != 2 {
		t.Errorf("%+v, %v", again, err)
	}
}
