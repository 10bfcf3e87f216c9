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
	Description    string `json:"description,omitempty"`
	ConcurrentJobs int    `json:"concurrentJobs,omitempty"`
	UpdatedMS      int64  `json:"updatedMs,omitempty"`
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
	q.Created, q.Updated, q.Description, q.ConcurrentJobs = instant(created), instant(d.UpdatedMS), d.Description, d.ConcurrentJobs
	return q, nil
}

func encodeQueue(q job.Queue) (string, error) {
	doc, err := json.Marshal(queueDoc{Description: q.Description, ConcurrentJobs: q.ConcurrentJobs, UpdatedMS: millis(q.Updated)})
	if err != nil {
		return "", fmt.Errorf("encode record of queue %q: %w", q.Name, err)
	}
	return string(doc), nil
}

func noQueue(name string) error {
	return fault.New(fault.NotFound, "NotFoundException", "the queue %q does not exist", name)
}

// queueTags is where the tags of a queue are kept.
func queueTags(name string) string { return "queues/" + name }

// EnsureQueue implements job.Store.
func (s *Store) EnsureQueue(ctx context.Context, q job.Queue) error {
	if _, err := s.Queue(ctx, q.Name); err == nil || fault.KindOf(err) != fault.NotFound {
		return err
	}
	doc, err := encodeQueue(q)
	if err != nil {
		return err
	}
	_, err = s.write.ExecContext(ctx, `INSERT INTO queues (name, status, created_ms, version, doc) VALUES ($1,$2,$3,1,$4) ON CONFLICT (name) DO NOTHING`,
		q.Name, q.Status, millis(q.Created), doc)
	if err != nil {
		return fmt.Errorf("make queue %q: %w", q.Name, err)
	}
	return nil
}

// Queue returns a queue, or a fault.NotFound.
func (s *Store) Queue(ctx context.Context, name string) (job.Queue, error) {
	q, err := scanQueue(s.read.QueryRowContext(ctx, `SELECT `+queueColumns+` FROM queues WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return job.Queue{}, noQueue(name)
	}
	if err != nil {
		return job.Queue{}, fmt.Errorf("read queue %q: %w", name, err)
	}
	return q, nil
}

// CreateQueue stores a new queue with its tags; a name that is taken is a fault.Conflict.
func (s *Store) CreateQueue(ctx context.Context, q job.Queue, tags map[string]string) error {
	doc, err := encodeQueue(q)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO queues (name, status, created_ms, version, doc) VALUES ($1,$2,$3,1,$4)`, q.Name, q.Status, millis(q.Created), doc)
		if isDuplicate(err) {
			return fault.New(fault.Conflict, "ConflictException", "the queue %q exists already", q.Name)
		}
		if err != nil {
			return fmt.Errorf("create queue %q: %w", q.Name, err)
		}
		return setTags(ctx, tx, queueTags(q.Name), tags)
	})
}

// ChangeQueue loads a queue, calls change and stores what change made of it, in
// one transaction. Name and Created stay as they are. A queue that is not there
// is a fault.NotFound; an error of change undoes all and is returned.
func (s *Store) ChangeQueue(ctx context.Context, name string, change func(*job.Queue) error) (job.Queue, error) {
	var q job.Queue
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var err error
		q, err = scanQueue(tx.QueryRowContext(ctx, `UPDATE queues SET version = version + 1 WHERE name = $1 RETURNING `+queueColumns, name))
		if errors.Is(err, sql.ErrNoRows) {
			return noQueue(name)
		}
		if err != nil {
			return fmt.Errorf("change queue %q: %w", name, err)
		}
		created := q.Created
		if err := change(&q); err != nil {
			return err
		}
		q.Name, q.Created = name, created
		doc, err := encodeQueue(q)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE queues SET status = $1, doc = $2 WHERE name = $3`, q.Status, doc, name)
		return err
	})
	return q, err
}

// DeleteQueue removes a queue with its tags. While jobs of it wait or progress it
// is a fault.Conflict; jobs that are over keep its name.
func (s *Store) DeleteQueue(ctx context.Context, name string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM queues WHERE name = $1`, name)
		if err != nil {
			return fmt.Errorf("delete queue %q: %w", name, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, noQueue(name))
		}
		var jobs int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM jobs WHERE queue = $1 AND status IN ('SUBMITTED', 'PROGRESSING')`, name).Scan(&jobs); err != nil {
			return fmt.Errorf("count jobs of queue %q: %w", name, err)
		}
		if jobs > 0 {
			return fault.New(fault.Conflict, "ConflictException", "the queue %q has %d jobs that are not over", name, jobs).
				WithHint("cancel them or wait for their end")
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM tags WHERE resource = $1`, queueTags(name))
		return err
	})
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
