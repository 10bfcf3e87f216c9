package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"vodwright.dev/vodwright/internal/event"
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
			res, err := tx.ExecContext(ctx, `
				INSERT INTO object_created (sequencer, position, bucket, object_key, version_id, size, etag, name, created_ms)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
				ON CONFLICT (sequencer) DO NOTHING`,
				e.Sequencer, position+1, e.Bucket, e.Key, e.VersionID, e.Size, e.ETag, string(e.Name), e.Time.UnixMilli())
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
		SELECT position, sequencer, bucket, object_key, version_id, size, etag, name, created_ms
		FROM object_created WHERE position > $1 ORDER BY position LIMIT $2`, after, limit)
	if err != nil {
		return nil, after, fmt.Errorf("read object events: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e event.ObjectEvent
		var name string
		var ms int64
		if err := rows.Scan(&after, &e.Sequencer, &e.Bucket, &e.Key, &e.VersionID, &e.Size, &e.ETag, &name, &ms); err != nil {
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
