package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// Queries of jobs are kept for a day, and the newest maxQueries of them.
const (
	queryTime  = 24 * time.Hour
	maxQueries = 1000
)

// PutQuery keeps a query of jobs under an ID of its own.
func (s *Store) PutQuery(ctx context.Context, id string, created time.Time, doc json.RawMessage) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO job_queries (id, created_ms, doc) VALUES ($1,$2,$3)`, id, millis(created), string(doc)); err != nil {
			return fmt.Errorf("keep query %q: %w", id, err)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM job_queries WHERE created_ms <= $1
			OR id NOT IN (SELECT id FROM job_queries ORDER BY created_ms DESC, id DESC LIMIT $2)`, millis(created.Add(-queryTime)), maxQueries); err != nil {
			return fmt.Errorf("forget old queries: %w", err)
		}
		return nil
	})
}

// Query returns a query of jobs; one that is not there, or too old at now, is a
// fault.NotFound.
func (s *Store) Query(ctx context.Context, id string, now time.Time) (json.RawMessage, error) {
	var doc string
	err := s.read.QueryRowContext(ctx, `SELECT doc FROM job_queries WHERE id = $1 AND created_ms > $2`, id, millis(now.Add(-queryTime))).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "NotFoundException", "the jobs query %q does not exist", id).
			WithHint("queries are kept for %s", queryTime)
	}
	if err != nil {
		return nil, fmt.Errorf("read query %q: %w", id, err)
	}
	return json.RawMessage(doc), nil
}
