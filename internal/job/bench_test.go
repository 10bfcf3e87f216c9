package job_test

import (
	"context"
	"testing"

	"vodwright.dev/vodwright/internal/job"
)

// BenchmarkJob is what a job costs beside its work: a probe, five chunks and a
// finish that do nothing, from Create to COMPLETE.
func BenchmarkJob(b *testing.B) {
	r := &runner{run: func(_ context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
		if task.Name == "probe" {
			return chunks(5), nil
		}
		return job.Result{}, nil
	}}
	w := begin(b, job.Config{Runner: r, Logger: quiet()})
	for b.Loop() {
		j, err := w.jobs.Create(b.Context(), job.Job{})
		if err != nil {
			b.Fatal(err)
		}
		watch, err := w.jobs.Watch(b.Context(), j.ID)
		if err != nil {
			b.Fatal(err)
		}
		for j = range watch {
		}
		if j.Status != job.Complete {
			b.Fatalf("the job is %s", j.Status)
		}
	}
}
