package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"vodwright.dev/vodwright/internal/object/catalog"
	"vodwright.dev/vodwright/internal/object/remote"
)

var _ remote.Index = (*Store)(nil)

// bucketRecord returns a bucket; NoSuchBucket when there is none.
func bucketRecord(ctx context.Context, q querier, name string) (*catalog.Bucket, error) {
	var doc string
	err := q.QueryRowContext(ctx, `SELECT doc FROM bucket_records WHERE name = $1`, name).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, catalog.NoSuchBucket(name)
	}
	b := new(catalog.Bucket)
	if err == nil {
		err = json.Unmarshal([]byte(doc), b)
	}
	if err != nil {
		return nil, fmt.Errorf("read bucket %q: %w", name, err)
	}
	return b, nil
}

// BucketRecord implements remote.Index.
func (s *Store) BucketRecord(ctx context.Context, name string) (*catalog.Bucket, error) {
	return bucketRecord(ctx, s.read, name)
}

// BucketRecords implements remote.Index.
func (s *Store) BucketRecords(ctx context.Context) ([]*catalog.Bucket, error) {
	all, err := collect(ctx, s.read, func(r *sql.Rows) (*catalog.Bucket, error) {
		var doc string
		if err := r.Scan(&doc); err != nil {
			return nil, err
		}
		b := new(catalog.Bucket)
		return b, json.Unmarshal([]byte(doc), b)
	}, `SELECT doc FROM bucket_records`)
	if err != nil {
		return nil, fmt.Errorf("read buckets: %w", err)
	}
	return all, nil
}

// CreateBucketRecord implements remote.Index.
func (s *Store) CreateBucketRecord(ctx context.Context, b *catalog.Bucket) error {
	doc, err := json.Marshal(b)
	if err != nil {
		return err
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO bucket_records (name, id, doc) VALUES ($1,$2,$3)`, b.Name, b.ID, string(doc))
		return err
	})
	if isDuplicate(err) {
		return catalog.BucketExists(b.Name)
	}
	if err != nil {
		return fmt.Errorf("create bucket %q: %w", b.Name, err)
	}
	return nil
}

// ChangeBucketRecord implements remote.Index.
func (s *Store) ChangeBucketRecord(ctx context.Context, name string, change func(*catalog.Bucket) error) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		b, err := bucketRecord(ctx, tx, name)
		if err != nil {
			return err
		}
		b.Documents = maps.Clone(b.Documents)
		if b.Documents == nil {
			b.Documents = map[string][]byte{}
		}
		if err := change(b); err != nil {
			return err
		}
		doc, err := json.Marshal(b)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE bucket_records SET doc = $1 WHERE name = $2`, string(doc), name); err != nil {
			return fmt.Errorf("change bucket %q: %w", name, err)
		}
		return nil
	})
}

// DeleteBucketRecord implements remote.Index.
func (s *Store) DeleteBucketRecord(ctx context.Context, name string, now time.Time) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		b, err := bucketRecord(ctx, tx, name)
		if err != nil {
			return err
		}
		var one int
		err = tx.QueryRowContext(ctx, `SELECT 1 FROM object_versions WHERE bucket_id = $1 LIMIT 1`, b.ID).Scan(&one)
		if err == nil {
			return catalog.BucketNotEmpty(name)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("delete bucket %q: %w", name, err)
		}
		uploads, err := uploadRecords(ctx, tx, b.ID)
		for _, u := range uploads {
			if err == nil {
				err = dropUpload(ctx, tx, u.ID, nil, now)
			}
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM bucket_records WHERE name = $1`, name)
		}
		if err != nil {
			return fmt.Errorf("delete bucket %q: %w", name, err)
		}
		return nil
	})
}
