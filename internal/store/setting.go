package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// Setting returns a document of which there is one, by its name; nil when it was
// never set.
func (s *Store) Setting(ctx context.Context, name string) (json.RawMessage, error) {
	var doc string
	err := s.read.QueryRowContext(ctx, `SELECT doc FROM settings WHERE name = $1`, name).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read setting %q: %w", name, err)
	}
	return json.RawMessage(doc), nil
}

// PutSetting sets a document, or removes it when doc is nil.
func (s *Store) PutSetting(ctx context.Context, name string, doc json.RawMessage) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		var err error
		if doc == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM settings WHERE name = $1`, name)
		} else {
			_, err = tx.ExecContext(ctx, `INSERT INTO settings (name, doc) VALUES ($1,$2) ON CONFLICT (name) DO UPDATE SET doc = excluded.doc`, name, string(doc))
		}
		if err != nil {
			return fmt.Errorf("write setting %q: %w", name, err)
		}
		return nil
	})
}
