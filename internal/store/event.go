package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/job"
)

var _ event.ObjectLog = (*Store)(nil)

// AppendObjectEvents implements event.ObjectLog. Positions are given here:
// there is one writer, so that they grow without gaps in commit order.
func (s *Store) AppendObjectEvents(ctx context.Context, events []event.ObjectEvent) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var position int64
		if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(position), 0) FROM object_created`).Scan(&position); err != nil {
			return err
		}
		for _, e := range events {
			request, err := json.Marshal(e.Request)
			if err != nil {
				return err
			}
			res, err := tx.ExecContext(ctx, `
				INSERT INTO object_created (sequencer, position, bucket, object_key, version_id, size, etag, name, created_ms, request)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
				ON CONFLICT (sequencer) DO NOTHING`,
				e.Sequencer, position+1, e.Bucket, e.Key, e.VersionID, e.Size, e.ETag, string(e.Name), e.Time.UnixMilli(), string(request))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			position += n
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("append %d object events: %w", len(events), err)
	}
	return nil
}

// ObjectEvents returns at most limit events after a position (0 is before the
// first), in order, and the position of the last of them.
func (s *Store) ObjectEvents(ctx context.Context, after int64, limit int) ([]event.ObjectEvent, int64, error) {
	var out []event.ObjectEvent
	rows, err := s.read.QueryContext(ctx, `
		SELECT position, sequencer, bucket, object_key, version_id, size, etag, name, created_ms, request
		FROM object_created WHERE position > $1 ORDER BY position LIMIT $2`, after, limit)
	if err != nil {
		return nil, after, fmt.Errorf("read object events: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e event.ObjectEvent
		var name, request string
		var ms int64
		if err := rows.Scan(&after, &e.Sequencer, &e.Bucket, &e.Key, &e.VersionID, &e.Size, &e.ETag, &name, &ms, &request); err != nil {
			return nil, after, fmt.Errorf("read object events: %w", err)
		}
		if err := json.Unmarshal([]byte(request), &e.Request); err != nil {
			return nil, after, fmt.Errorf("read object events: %w", err)
		}
		e.Name, e.Time = event.Name(name), time.UnixMilli(ms).UTC()
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, after, fmt.Errorf("read object events: %w", err)
	}
	return out, after, nil
}

// JobEvents returns at most limit events of jobs after a position (0 is before
// the first), in the order in which they were committed, and the position of the
// last of them.
func (s *Store) JobEvents(ctx context.Context, after int64, limit int) ([]job.Event, int64, error) {
	events, err := collect(ctx, s.read, func(r *sql.Rows) (job.Event, error) {
		var (
			e      job.Event
			at     int64
			detail string
		)
		err := r.Scan(&after, &e.Job, &e.Number, &at, &e.Kind, &detail)
		e.At, e.Detail = instant(at), json.RawMessage(detail)
		return e, err
	}, `SELECT position, job_id, number, at_ms, kind, detail FROM job_events WHERE position > $1 ORDER BY position LIMIT $2`, after, limit)
	if err != nil {
		return nil, after, fmt.Errorf("read events of jobs: %w", err)
	}
	return events, after, nil
}
