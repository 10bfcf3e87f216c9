package store

import (
	"context"
	"database/sql"
	"fmt"

	"vodwright.dev/vodwright/internal/iam"
)

var _ iam.Store = (*Store)(nil)

// IAMRecords implements iam.Store.
func (s *Store) IAMRecords(ctx context.Context) ([]iam.Record, error) {
	records, err := collect(ctx, s.read, func(r *sql.Rows) (iam.Record, error) {
		var out iam.Record
		var expires int64
		var doc string
		err := r.Scan(&out.Kind, &out.Key, &expires, &doc)
		out.Expires, out.Doc = instant(expires), []byte(doc)
		return out, err
	}, `SELECT kind, name, expires_ms, doc FROM iam_records ORDER BY kind, name`)
	if err != nil {
		return nil, fmt.Errorf("read principals: %w", err)
	}
	return records, nil
}

// ChangeIAM implements iam.Store.
func (s *Store) ChangeIAM(ctx context.Context, put, remove []iam.Record) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, r := range remove {
			if _, err := tx.ExecContext(ctx, `DELETE FROM iam_records WHERE kind = $1 AND name = $2`, string(r.Kind), r.Key); err != nil {
				return fmt.Errorf("remove %s %q: %w", r.Kind, r.Key, err)
			}
		}
		for _, r := range put {
			if _, err := tx.ExecContext(ctx, `INSERT INTO iam_records (kind, name, expires_ms, doc) VALUES ($1,$2,$3,$4)
				ON CONFLICT (kind, name) DO UPDATE SET expires_ms = excluded.expires_ms, doc = excluded.doc`,
				string(r.Kind), r.Key, millis(r.Expires), string(r.Doc)); err != nil {
				return fmt.Errorf("put %s %q: %w", r.Kind, r.Key, err)
			}
		}
		return nil
	})
}
