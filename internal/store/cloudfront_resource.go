package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"vodwright.dev/vodwright/internal/cloudfront"
)

func scanResource(row scanner) (cloudfront.Resource, error) {
	var doc string
	if err := row.Scan(&doc); err != nil {
		return cloudfront.Resource{}, err
	}
	var r cloudfront.Resource
	if err := json.Unmarshal([]byte(doc), &r); err != nil {
		return cloudfront.Resource{}, fmt.Errorf("read record of a resource: %w", err)
	}
	return r, nil
}

// CreateResource implements cloudfront.Store.
func (s *Store) CreateResource(ctx context.Context, r cloudfront.Resource, tags map[string]string) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode record of %s %q: %w", r.Kind, r.ID, err)
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO cloudfront_resources (kind, id, name, caller_reference, created_ms, version, doc) VALUES ($1,$2,$3,$4,$5,1,$6)`,
			string(r.Kind), r.ID, r.Name, cmp.Or(r.CallerReference, r.ID), millis(r.Created), string(doc))
		if isDuplicate(err) {
			return cloudfront.Taken(r.Kind, r.Name)
		}
		if err != nil {
			return fmt.Errorf("create %s %q: %w", r.Kind, r.ID, err)
		}
		if err := setUses(ctx, tx, r.Reference(), r.Uses); err != nil {
			return err
		}
		return setTags(ctx, tx, string(r.Kind)+"/"+r.ID, tags)
	})
}

// Resource implements cloudfront.Store.
func (s *Store) Resource(ctx context.Context, what cloudfront.Reference) (cloudfront.Resource, error) {
	r, err := scanResource(s.read.QueryRowContext(ctx, `SELECT doc FROM cloudfront_resources WHERE kind = $1 AND id = $2`, string(what.Kind), what.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return r, cloudfront.NoSuch(what.Kind)
	}
	if err != nil {
		return r, fmt.Errorf("read %s %q: %w", what.Kind, what.ID, err)
	}
	return r, nil
}

// Resources implements cloudfront.Store.
func (s *Store) Resources(ctx context.Context, kind cloudfront.Kind) ([]cloudfront.Resource, error) {
	list, err := collect(ctx, s.read, func(r *sql.Rows) (cloudfront.Resource, error) { return scanResource(r) },
		`SELECT doc FROM cloudfront_resources WHERE kind = $1 ORDER BY created_ms, id`, string(kind))
	if err != nil {
		return nil, fmt.Errorf("list resources of kind %s: %w", kind, err)
	}
	return list, nil
}

// lockResource loads a resource and holds its row until tx ends.
func lockResource(ctx context.Context, tx *sql.Tx, what cloudfront.Reference) (cloudfront.Resource, error) {
	r, err := scanResource(tx.QueryRowContext(ctx, `UPDATE cloudfront_resources SET version = version + 1 WHERE kind = $1 AND id = $2 RETURNING doc`, string(what.Kind), what.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return r, cloudfront.NoSuch(what.Kind)
	}
	if err != nil {
		return r, fmt.Errorf("lock %s %q: %w", what.Kind, what.ID, err)
	}
	return r, nil
}

// ChangeResource implements cloudfront.Store. Kind, ID, CallerReference and Created stay as they are.
func (s *Store) ChangeResource(ctx context.Context, what cloudfront.Reference, change func(*cloudfront.Resource) error) (cloudfront.Resource, error) {
	var r cloudfront.Resource
	err := s.tx(ctx, func(tx *sql.Tx) error {
		was, err := lockResource(ctx, tx, what)
		if err != nil {
			return err
		}
		r = was
		if err := change(&r); err != nil {
			return err
		}
		r.Kind, r.ID, r.CallerReference, r.Created = was.Kind, was.ID, was.CallerReference, was.Created
		doc, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode record of %s %q: %w", r.Kind, r.ID, err)
		}
		_, err = tx.ExecContext(ctx, `UPDATE cloudfront_resources SET name = $1, doc = $2 WHERE kind = $3 AND id = $4`, r.Name, string(doc), string(r.Kind), r.ID)
		if isDuplicate(err) {
			return cloudfront.Taken(r.Kind, r.Name)
		}
		if err != nil {
			return fmt.Errorf("change %s %q: %w", r.Kind, r.ID, err)
		}
		return setUses(ctx, tx, r.Reference(), r.Uses)
	})
	return r, err
}

// DeleteResource implements cloudfront.Store.
func (s *Store) DeleteResource(ctx context.Context, what cloudfront.Reference, check func(cloudfront.Resource) error) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		r, err := lockResource(ctx, tx, what)
		if err != nil {
			return err
		}
		if err := check(r); err != nil {
			return err
		}
		var users int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM cloudfront_uses WHERE kind = $1 AND id = $2`, string(what.Kind), what.ID).Scan(&users); err != nil {
			return fmt.Errorf("count users of %s %q: %w", what.Kind, what.ID, err)
		}
		if users > 0 {
			return cloudfront.InUse(what.Kind)
		}
		return all(ctx, tx, fmt.Sprintf("delete %s %s", what.Kind, what.ID), []statement{
			{`DELETE FROM cloudfront_resources WHERE kind = $1 AND id = $2`, []any{string(what.Kind), what.ID}},
			{`DELETE FROM cloudfront_uses WHERE user_kind = $1 AND user_id = $2`, []any{string(what.Kind), what.ID}},
			{`DELETE FROM tags WHERE resource = $1`, []any{string(what.Kind) + "/" + what.ID}},
		})
	})
}
