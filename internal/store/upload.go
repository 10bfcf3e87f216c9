package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vodwright.dev/vodwright/internal/object/catalog"
)

// CreateUploadRecord implements remote.Index.
func (s *Store) CreateUploadRecord(ctx context.Context, u catalog.Upload) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		b, err := bucketRecord(ctx, tx, u.Bucket)
		if err != nil {
			return err
		}
		u.BucketID = b.ID
		doc, err := json.Marshal(u)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO object_uploads (id, bucket_id, object_key, doc) VALUES ($1,$2,$3,$4)`, u.ID, b.ID, []byte(u.Key), string(doc)); err != nil {
			return fmt.Errorf("create upload of %q: %w", u.Key, err)
		}
		return nil
	})
}

// uploadRecord returns an upload of a key; NoSuchUpload when there is none.
func uploadRecord(ctx context.Context, q querier, bucketID, key, id string) (catalog.Upload, error) {
	var u catalog.Upload
	var doc string
	err := q.QueryRowContext(ctx, `SELECT doc FROM object_uploads WHERE id = $1 AND bucket_id = $2 AND object_key = $3`, id, bucketID, []byte(key)).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return u, catalog.NoSuchUpload(id)
	}
	if err == nil {
		err = json.Unmarshal([]byte(doc), &u)
	}
	if err != nil {
		return u, fmt.Errorf("read upload %q: %w", id, err)
	}
	return u, nil
}

// UploadRecord implements remote.Index.
func (s *Store) UploadRecord(ctx context.Context, bucket, key, id string) (catalog.Upload, error) {
	b, err := s.BucketRecord(ctx, bucket)
	if err != nil {
		return catalog.Upload{}, err
	}
	return uploadRecord(ctx, s.read, b.ID, key, id)
}

func uploadRecords(ctx context.Context, q querier, bucketID string) ([]catalog.Upload, error) {
	return collect(ctx, q, func(r *sql.Rows) (catalog.Upload, error) {
		var u catalog.Upload
		var doc string
		if err := r.Scan(&doc); err != nil {
			return u, err
		}
		return u, json.Unmarshal([]byte(doc), &u)
	}, `SELECT doc FROM object_uploads WHERE bucket_id = $1 ORDER BY object_key, id`, bucketID)
}

// UploadRecords implements remote.Index.
func (s *Store) UploadRecords(ctx context.Context, bucket string) ([]catalog.Upload, error) {
	b, err := s.BucketRecord(ctx, bucket)
	if err != nil {
		return nil, err
	}
	all, err := uploadRecords(ctx, s.read, b.ID)
	if err != nil {
		return nil, fmt.Errorf("read uploads of bucket %q: %w", bucket, err)
	}
	return all, nil
}

func partRecords(ctx context.Context, q querier, id string) ([]catalog.Part, error) {
	all, err := collect(ctx, q, func(r *sql.Rows) (catalog.Part, error) {
		var p catalog.Part
		var doc string
		if err := r.Scan(&doc); err != nil {
			return p, err
		}
		return p, json.Unmarshal([]byte(doc), &p)
	}, `SELECT doc FROM object_parts WHERE upload_id = $1 ORDER BY number`, id)
	if err != nil {
		return nil, fmt.Errorf("read parts of upload %q: %w", id, err)
	}
	return all, nil
}

// PartRecords implements remote.Index.
func (s *Store) PartRecords(ctx context.Context, id string) ([]catalog.Part, error) {
	return partRecords(ctx, s.read, id)
}

// PutPartRecord implements remote.Index.
func (s *Store) PutPartRecord(ctx context.Context, bucket, key, id string, p catalog.Part, brings []catalog.Blob) error {
	doc, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		b, err := bucketRecord(ctx, tx, bucket)
		if err != nil {
			return err
		}
		if _, err := uploadRecord(ctx, tx, b.ID, key, id); err != nil {
			return err
		}
		var old string
		err = tx.QueryRowContext(ctx, `SELECT doc FROM object_parts WHERE upload_id = $1 AND number = $2`, id, p.Number).Scan(&old)
		if err == nil {
			var was catalog.Part
			if err = json.Unmarshal([]byte(old), &was); err == nil {
				err = releaseBlobs(ctx, tx, was.Blobs(), time.Now())
			}
		} else if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		if err == nil {
			err = keepBlobs(ctx, tx, brings, nil)
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, `INSERT INTO object_parts (upload_id, number, doc) VALUES ($1,$2,$3)
				ON CONFLICT (upload_id, number) DO UPDATE SET doc = excluded.doc`, id, p.Number, string(doc))
		}
		if err != nil {
			return fmt.Errorf("store part %d of upload %q: %w", p.Number, id, err)
		}
		return nil
	})
}

// CompleteUploadRecord implements remote.Index.
func (s *Store) CompleteUploadRecord(ctx context.Context, bucket, key, id string, change func(*catalog.Subject, catalog.Upload, []catalog.Part) (*catalog.Change, error)) (made *catalog.Version, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		subject, err := subjectOf(ctx, tx, bucket, key, "")
		if err != nil {
			return err
		}
		u, err := uploadRecord(ctx, tx, subject.Bucket.ID, key, id)
		if err != nil {
			var e error
			made, e = scanVersion(tx.QueryRowContext(ctx, `SELECT doc FROM object_versions WHERE bucket_id = $1 AND object_key = $2 AND upload_id = $3`, subject.Bucket.ID, []byte(key), id))
			if e != nil || made != nil && id != "" {
				return e
			}
			return err
		}
		parts, err := partRecords(ctx, tx, id)
		if err != nil {
			return err
		}
		c, err := change(subject, u, parts)
		if err != nil {
			return err
		}
		err = applyChange(ctx, tx, subject.Bucket.ID, key, c)
		if err == nil {
			err = dropUpload(ctx, tx, id, c.Put.Blobs(), time.Now())
		}
		if err != nil {
			return fmt.Errorf("complete upload %q of %q: %w", id, key, err)
		}
		return nil
	})
	return made, err
}

// dropUpload forgets an upload, and its parts' bytes but those to keep.
func dropUpload(ctx context.Context, tx *sql.Tx, id string, keep []string, now time.Time) error {
	parts, err := partRecords(ctx, tx, id)
	if err != nil {
		return err
	}
	kept := make(map[string]bool, len(keep))
	for _, blob := range keep {
		kept[blob] = true
	}
	var gone []string
	for _, p := range parts {
		for _, blob := range p.Blobs() {
			if !kept[blob] {
				gone = append(gone, blob)
			}
		}
	}
	if err := releaseBlobs(ctx, tx, gone, now); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM object_parts WHERE upload_id = $1`, id); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM object_uploads WHERE id = $1`, id)
	return err
}

// AbortUploadRecord implements remote.Index.
func (s *Store) AbortUploadRecord(ctx context.Context, bucket, key, id string, check func(catalog.Upload) error) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		b, err := bucketRecord(ctx, tx, bucket)
		if err != nil {
			return err
		}
		u, err := uploadRecord(ctx, tx, b.ID, key, id)
		if err != nil {
			return err
		}
		if check != nil {
			if err := check(u); err != nil {
				return err
			}
		}
		if err := dropUpload(ctx, tx, id, nil, time.Now()); err != nil {
			return fmt.Errorf("abort upload %q: %w", id, err)
		}
		return nil
	})
}
