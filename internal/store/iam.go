package store

import (
	"context"
	"database/sql"
	"fmt"

	"vodwright.dev/vodwright/internal/iam"
)

var _ iam.Store = (*Store)(nil)

// iamColumns are those of iam_records that scanIAM takes.
const iamColumns = `kind, name, expires_ms, doc`

func scanIAM(r *sql.Rows) (iam.Record, error) {
	var out iam.Record
	var expires int64
	var doc string
	err := r.Scan(&out.Kind, &out.Key, &expires, &doc)
	out.Expires, out.Doc = instant(expires), []byte(doc)
	return out, err
}

// IAMRecords implements iam.Store.
func (s *Store) IAMRecords(ctx context.Context) ([]iam.Record, int64, error) {
	var position int64 // before the records: what changes in between is read again
	if err := s.read.QueryRowContext(ctx, `SELECT COALESCE(MAX(position), 0) FROM iam_changes`).Scan(&position); err != nil {
		return nil, 0, fmt.Errorf("read principals: %w", err)
	}
	records, err := collect(ctx, s.read, scanIAM, `SELECT `+iamColumns+` FROM iam_records ORDER BY kind, name`)
	if err != nil {
		return nil, 0, fmt.Errorf("read principals: %w", err)
	}
	return records, position, nil
}

// ChangeIAM implements iam.Store.
func (s *Store) ChangeIAM(ctx context.Context, after int64, put, remove []iam.Record) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if err := s.noteIAM(ctx, tx, after, put, remove); err != nil {
			return err
		}
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

// iamChangesKept is how many changes are kept for servers that have not seen them; who
// missed more reads everything.
const iamChangesKept = 2000

// noteIAM numbers changes for the other servers, if there are any.
func (s *Store) noteIAM(ctx context.Context, tx *sql.Tx, after int64, put, remove []iam.Record) error {
	if !s.shared {
		return nil
	}
	var position, others int64
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(position), 0), COALESCE(MAX(CASE WHEN kind <> $1 THEN position END), 0) FROM iam_changes`,
		string(iam.KindSession)).Scan(&position, &others); err != nil {
		return fmt.Errorf("number a change of principals: %w", err)
	}
	if after >= 0 && others > after {
		return iam.ErrBehind
	}
	for _, records := range [][]iam.Record{remove, put} {
		for _, r := range records {
			position++
			if _, err := tx.ExecContext(ctx, `INSERT INTO iam_changes (position, kind, name) VALUES ($1,$2,$3)`, position, string(r.Kind), r.Key); err != nil {
				return fmt.Errorf("number a change of principals: %w", err)
			}
		}
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM iam_changes WHERE position <= $1`, position-iamChangesKept)
	return err
}

// IAMChanges implements iam.Store.
func (s *Store) IAMChanges(ctx context.Context, after int64) (iam.Changes, error) {
	out := iam.Changes{Position: after}
	type change struct {
		iam.Record
		position int64
		there    bool
	}
	changes, err := collect(ctx, s.read, func(r *sql.Rows) (c change, err error) {
		var expires sql.NullInt64
		var doc sql.NullString
		err = r.Scan(&c.position, &c.Kind, &c.Key, &expires, &doc)
		c.there, c.Expires, c.Doc = doc.Valid, instant(expires.Int64), []byte(doc.String)
		return c, err
	}, `SELECT c.position, c.kind, c.name, r.expires_ms, r.doc FROM iam_changes c
		LEFT JOIN iam_records r ON r.kind = c.kind AND r.name = c.name WHERE c.position > $1 ORDER BY c.position`, after)
	if err != nil {
		return out, fmt.Errorf("read what changed of principals: %w", err)
	}
	if len(changes) == 0 {
		return out, nil
	}
	if changes[0].position != after+1 {
		out.All = true
		out.Put, out.Position, err = s.IAMRecords(ctx)
		return out, err
	}
	for _, c := range changes {
		if c.there {
			out.Put = append(out.Put, c.Record)
		} else {
			out.Removed = append(out.Removed, c.Record)
		}
	}
	out.Position = changes[len(changes)-1].position
	return out, nil
}
