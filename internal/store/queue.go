package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

type queueDoc struct {
	Description string `json:"description,omitempty"`
	UpdatedMS   int64  `json:"updatedMs,omitempty"`
}

const queueColumns = `name, status, created_ms, doc`

func scanQueue(row scanner) (job.Queue, error) {
	var (
		q       job.Queue
		created int64
		doc     string
		d       queueDoc
	)
	if err := row.Scan(&q.Name, &q.Status, &created, &doc); err != nil {
		return job.Queue{}, err
	}
	if err := json.Unmarshal([]byte(doc), &d); err != nil {
		return job.Queue{}, fmt.Errorf("read record of queue %q: %w", q.Name, err)
	}
	q.Created, q.Updated, q.Description = instant(created), instant(d.UpdatedMS), d.Description
	return q, nil
}

// EnsureQueue implements job.Store.
func (s *Store) EnsureQueue(ctx context.Context, q job.Queue) error {
	if _, err := s.Queue(ctx, q.Name); err == nil || fault.KindOf(err) != fault.NotFound {
		return err
	}
	doc, err := json.Marshal(queueDoc{Description: q.Description, UpdatedMS: millis(q.Updated)})
	if err != nil {
		return fmt.Errorf("encode record of queue %q: %w", q.Name, err)
	}
	_, err = s.write.ExecContext(ctx, `INSERT INTO queues (name, status, created_ms, version, doc) VALUES ($1,$2,$3,1,$4) ON CONFLICT (name) DO NOTHING`,
		q.Name, q.Status, millis(q.Created), string(doc))
	if err != nil {
		return fmt.Errorf("make queue %q: %w", q.Name, err)
	}
	return nil
}

// Queue returns a queue, or a fault.NotFound.
func (s *Store) Queue(ctx context.Context, name string) (job.Queue, error) {
	q, err := scanQueue(s.read.QueryRowContext(ctx, `SELECT `+queueColumns+` FROM queues WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return job.Queue{}, fault.New(fault.NotFound, "NotFoundException", "the queue %q does not exist", name)
	}
	if err != nil {
		return job.Queue{}, fmt.Errorf("read queue %q: %w", name, err)
	}
	return q, nil
}

// Queues implements job.Store: all queues by name.
func (s *Store) Queues(ctx context.Context) ([]job.Queue, error) {
	queues, err := collect(ctx, s.read, func(r *sql.Rows) (job.Queue, error) { return scanQueue(r) },
		`SELECT `+queueColumns+` FROM queues ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}
	return queues, nil
}

// CountJobs returns how many jobs of a queue are in a state.
func (s *Store) CountJobs(ctx context.Context, queue string, status job.Status) (int, error) {
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM jobs WHERE queue = $1 AND status = $2`, queue, status).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count jobs of queue %q: %w", queue, err)
	}
	return n, nil
}
