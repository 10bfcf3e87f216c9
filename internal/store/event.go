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

// feedReleased is the cursor up to which no event of an object is handed over again.
const feedReleased = "objects released"

// AppendObjectEvents implements event.ObjectLog. Positions are given here:
// there is one writer, so that they grow without gaps in commit order. They go on
// after the feed's where every event was pruned.
func (s *Store) AppendObjectEvents(ctx context.Context, events []event.ObjectEvent) (position int64, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		position, err = appendObjectEvents(ctx, tx, events)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("append %d object events: %w", len(events), err)
	}
	return position, nil
}

func appendObjectEvents(ctx context.Context, tx *sql.Tx, events []event.ObjectEvent) (position int64, err error) {
	if err := tx.QueryRowContext(ctx, `SELECT MAX(position) FROM (SELECT COALESCE(MAX(position), 0) AS position FROM object_created
		UNION ALL SELECT position FROM event_cursors WHERE feed = $1) known`, event.FeedObjects).Scan(&position); err != nil {
		return 0, err
	}
	for _, e := range events {
		request, err := json.Marshal(e.Request)
		if err != nil {
			return 0, err
		}
		res, err := tx.ExecContext(ctx, `
			INSERT INTO object_created (sequencer, position, bucket, object_key, version_id, size, etag, name, created_ms, request)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (sequencer) DO NOTHING`,
			e.Sequencer, position+1, e.Bucket, e.Key, e.VersionID, e.Size, e.ETag, string(e.Name), e.Time.UnixMilli(), string(request))
		if err != nil {
			return 0, err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return 0, err
		}
		position += n
	}
	return position, nil
}

// ReleaseObjectEvents implements event.ObjectLog.
func (s *Store) ReleaseObjectEvents(ctx context.Context, position int64) error {
	if err := releaseObjectEvents(ctx, s.write, position); err != nil {
		return fmt.Errorf("release object events up to %d: %w", position, err)
	}
	return nil
}

func releaseObjectEvents(ctx context.Context, q querier, position int64) error {
	_, err := q.ExecContext(ctx, `INSERT INTO event_cursors (feed, position) VALUES ($1,$2)
		ON CONFLICT (feed) DO UPDATE SET position = excluded.position WHERE excluded.position > event_cursors.position`, feedReleased, position)
	return err
}

// prunings drop facts, oldest first: up to $1 of those that the feed has told.
// Events of objects stay while their journal may hand them over again, for by
// them it is known that they are no news. Events of jobs go before their jobs do:
// nothing but the feed reads them.
var prunings = map[string]string{
	event.FeedObjects: `DELETE FROM object_created WHERE position IN (SELECT position FROM object_created
		WHERE position <= (SELECT position FROM event_cursors WHERE feed = '` + event.FeedObjects + `')
		AND position <= (SELECT position FROM event_cursors WHERE feed = '` + feedReleased + `') ORDER BY position LIMIT $1)`,
	event.FeedJobs: `DELETE FROM job_events WHERE (job_id, number) IN (SELECT job_id, number FROM job_events
		WHERE position <= (SELECT position FROM event_cursors WHERE feed = '` + event.FeedJobs + `') ORDER BY position LIMIT $1)`,
}

// Prune implements event.Store; a feed that is not of the records has nothing to drop.
func (s *Store) Prune(ctx context.Context, feed string, limit int) (int, error) {
	statement, ok := prunings[feed]
	if !ok {
		return 0, nil
	}
	res, err := s.write.ExecContext(ctx, statement, limit)
	if err != nil {
		return 0, fmt.Errorf("prune feed %q: %w", feed, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("prune feed %q: %w", feed, err)
	}
	return int(n), nil
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
