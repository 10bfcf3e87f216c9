package store

import (
	"context"
	"database/sql"
	"fmt"

	"vodwright.dev/vodwright/internal/job"
)

func (t *jobTx) TaskWork() ([]job.TaskWork, error) { return taskWork(t.ctx, t.tx, t.job) }

// TaskWork implements job.Store.
func (s *Store) TaskWork(ctx context.Context, id string) ([]job.TaskWork, error) {
	return taskWork(ctx, s.read, id)
}

func taskWork(ctx context.Context, q querier, id string) ([]job.TaskWork, error) {
	tasks, err := collect(ctx, q, func(r *sql.Rows) (w job.TaskWork, err error) {
		return w, r.Scan(&w.Name, &w.Done, &w.Starts, &w.Failures, &w.Releases, &w.Spent.Worker, &w.Spent.CPU, &w.Spent.Wall, &w.Spent.Processes, &w.Wasted)
	}, `SELECT name, done, starts, failures, releases, worker, cpu_ns, wall_ns, processes, wasted_ns FROM tasks WHERE job_id = $1 ORDER BY number`, id)
	if err != nil {
		return nil, fmt.Errorf("read what tasks of job %q took: %w", id, err)
	}
	return tasks, nil
}
