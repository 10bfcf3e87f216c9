package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Tags returns the tags of a resource, named by the last part of its ARN
// ("jobs/ID", "jobTemplates/NAME", "queues/NAME"); none is an empty map.
func (s *Store) Tags(ctx context.Context, resource string) (map[string]string, error) {
	tags := map[string]string{}
	_, err := collect(ctx, s.read, func(r *sql.Rows) (struct{}, error) {
		var name, value string
		err := r.Scan(&name, &value)
		tags[name] = value
		return struct{}{}, err
	}, `SELECT name, value FROM tags WHERE resource = $1`, resource)
	if err != nil {
		return nil, fmt.Errorf("read tags of %q: %w", resource, err)
	}
	return tags, nil
}

// SetTags adds tags to a resource and replaces those it has. Whether the resource
// exists is the caller's to know.
func (s *Store) SetTags(ctx context.Context, resource string, tags map[string]string) error {
	return s.tx(ctx, func(tx *sql.Tx) error { return setTags(ctx, tx, resource, tags) })
}

func setTags(ctx context.Context, tx *sql.Tx, resource string, tags map[string]string) error {
	for name, value := range tags {
		if _, err := tx.ExecContext(ctx, `INSERT INTO tags (resource, name, value) VALUES ($1,$2,$3)
			ON CONFLICT (resource, name) DO UPDATE SET value = excluded.value`, resource, name, value); err != nil {
			return fmt.Errorf("set tag %q of %q: %w", name, resource, err)
		}
	}
	return nil
}

// RemoveTags removes tags of a resource by their names; one that is not there is no error.
func (s *Store) RemoveTags(ctx context.Context, resource string, names []string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, name := range names {
			if _, err := tx.ExecContext(ctx, `DELETE FROM tags WHERE resource = $1 AND name = $2`, resource, name); err != nil {
				return fmt.Errorf("remove tag %q of %q: %w", name, resource, err)
			}
		}
		return nil
	})
}
