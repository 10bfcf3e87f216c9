package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
)

// atOnce is how many blobs one statement names.
const atOnce = 500

// list adds the ids and returns their placeholders.
func (a *arguments) list(ids []string) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = a.add(id)
	}
	return strings.Join(names, ",")
}

// keepBlobs notes what something new names: new blobs, and those that others name too.
func keepBlobs(ctx context.Context, tx *sql.Tx, brings []catalog.Blob, shares []string) error {
	for _, b := range brings {
		if _, err := tx.ExecContext(ctx, `INSERT INTO object_blobs (id, parts, refs, dropped_ms) VALUES ($1,$2,1,0)`, b.ID, b.Parts); err != nil {
			return err
		}
	}
	for ids := range slices.Chunk(shares, atOnce) {
		var args arguments
		res, err := tx.ExecContext(ctx, `UPDATE object_blobs SET refs = refs + 1 WHERE refs >= 0 AND id IN (`+args.list(ids)+`)`, args...)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n != int64(len(ids)) {
			return fault.New(fault.Conflict, "OperationAborted", "what is copied was deleted meanwhile")
		}
	}
	return nil
}

// releaseBlobs notes that something which named blobs went.
func releaseBlobs(ctx context.Context, tx *sql.Tx, blobs []string, now time.Time) error {
	for ids := range slices.Chunk(blobs, atOnce) {
		var args arguments
		at := args.add(millis(now))
		if _, err := tx.ExecContext(ctx, `UPDATE object_blobs SET dropped_ms = CASE WHEN refs = 1 THEN CAST(`+at+` AS BIGINT) ELSE dropped_ms END, refs = refs - 1 WHERE refs > 0 AND id IN (`+args.list(ids)+`)`, args...); err != nil {
			return err
		}
	}
	return nil
}

// TakeDroppedBlobs implements remote.Index.
func (s *Store) TakeDroppedBlobs(ctx context.Context, before time.Time, limit int) (out []catalog.Blob, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		out, err = collect(ctx, tx, func(r *sql.Rows) (catalog.Blob, error) {
			var b catalog.Blob
			return b, r.Scan(&b.ID, &b.Parts)
		}, `SELECT id, parts FROM object_blobs WHERE refs <= 0 AND dropped_ms < $1 ORDER BY dropped_ms LIMIT $2`, millis(before), limit)
		for _, b := range out {
			if err != nil {
				break
			}
			_, err = tx.ExecContext(ctx, `UPDATE object_blobs SET refs = -1 WHERE id = $1`, b.ID)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take dropped blobs: %w", err)
	}
	return out, nil
}

// ForgetBlobs implements remote.Index.
func (s *Store) ForgetBlobs(ctx context.Context, blobs []string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for ids := range slices.Chunk(blobs, atOnce) {
			var args arguments
			if _, err := tx.ExecContext(ctx, `DELETE FROM object_blobs WHERE refs < 0 AND id IN (`+args.list(ids)+`)`, args...); err != nil {
				return fmt.Errorf("forget blobs: %w", err)
			}
		}
		return nil
	})
}

// KnownBlobs implements remote.Index.
func (s *Store) KnownBlobs(ctx context.Context, blobs []string) (map[string]bool, error) {
	known := map[string]bool{}
	for ids := range slices.Chunk(blobs, atOnce) {
		var args arguments
		found, err := collect(ctx, s.read, func(r *sql.Rows) (id string, err error) {
			err = r.Scan(&id)
			return id, err
		}, `SELECT id FROM object_blobs WHERE id IN (`+args.list(ids)+`)`, args...)
		if err != nil {
			return nil, fmt.Errorf("look up blobs: %w", err)
		}
		for _, id := range found {
			known[id] = true
		}
	}
	return known, nil
}
