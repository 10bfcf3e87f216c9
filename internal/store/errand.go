package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/job"
)

// Errands implements job.Store.
func (s *Store) Errands(ctx context.Context, kinds []job.ErrandKind, now time.Time, limit int) ([]job.Errand, time.Time, error) {
	var (
		args arguments
		in   []string
	)
	for _, k := range kinds {
		in = append(in, args.add(k))
	}
	kind := `kind IN (` + strings.Join(in, ",") + `)`
	at := args.add(millis(now))
	going := ` AND NOT (kind = '` + string(job.HopQueue) + `' AND EXISTS (SELECT 1 FROM jobs j JOIN queues q ON q.name = j.queue
		WHERE j.id = outbox.job_id AND j.status = 'SUBMITTED' AND q.status = '` + job.QueuePaused + `'))`
	var next sql.NullInt64
	if err := s.read.QueryRowContext(ctx, `SELECT min(due_ms) FROM outbox WHERE `+kind+` AND due_ms > `+at, args...).Scan(&next); err != nil {
		return nil, time.Time{}, fmt.Errorf("read outbox: %w", err)
	}
	errands, err := collect(ctx, s.read, func(r *sql.Rows) (job.Errand, error) {
		var (
			e   job.Errand
			due int64
		)
		err := r.Scan(&e.Job, &e.Kind, &e.Number, &due, &e.Tries)
		e.Due = instant(due)
		return e, err
	}, `SELECT job_id, kind, number, due_ms, tries FROM outbox WHERE `+kind+` AND due_ms <= `+at+going+
		` ORDER BY due_ms, job_id, number LIMIT `+args.add(limit), args...)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read outbox: %w", err)
	}
	return errands, instant(next.Int64), nil
}

// Settle implements job.Store.
func (s *Store) Settle(ctx context.Context, e job.Errand) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM outbox WHERE job_id=$1 AND kind=$2 AND number=$3 AND due_ms=$4 AND tries=$5`,
			e.Job, e.Kind, e.Number, millis(e.Due), e.Tries); err != nil || e.Kind != job.Discard {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM outbox WHERE job_id = $1`, e.Job); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM tasks WHERE job_id = $1`, e.Job)
		return err
	})
	if err != nil {
		return fmt.Errorf("settle errand %s of job %s: %w", e.Kind, e.Job, err)
	}
	return nil
}

// Postpone implements job.Store.
func (s *Store) Postpone(ctx context.Context, e job.Errand, due time.Time) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE outbox SET due_ms=$1, tries=tries+1 WHERE job_id=$2 AND kind=$3 AND number=$4 AND due_ms=$5 AND tries=$6`,
			millis(due), e.Job, e.Kind, e.Number, millis(e.Due), e.Tries)
		return err
	})
	if err != nil {
		return fmt.Errorf("postpone errand %s of job %s: %w", e.Kind, e.Job, err)
	}
	return nil
}
