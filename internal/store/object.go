package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/object/catalog"
)

// scanVersion reads a version's document; nil where there is none.
func scanVersion(row *sql.Row) (*catalog.Version, error) {
	var doc string
	if err := row.Scan(&doc); errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	v := new(catalog.Version)
	return v, json.Unmarshal([]byte(doc), v)
}

// objectVersion returns a version of a key, "" is the newest; nil when there is none.
func objectVersion(ctx context.Context, q querier, bucketID, key, version string) (*catalog.Version, error) {
	if version == "" {
		return scanVersion(q.QueryRowContext(ctx, `SELECT doc FROM object_versions WHERE bucket_id = $1 AND object_key = $2 AND latest = 1`, bucketID, []byte(key)))
	}
	return scanVersion(q.QueryRowContext(ctx, `SELECT doc FROM object_versions WHERE bucket_id = $1 AND object_key = $2 AND version_id = $3`, bucketID, []byte(key), version))
}

// ObjectVersion implements remote.Index.
func (s *Store) ObjectVersion(ctx context.Context, bucket, key, version string) (*catalog.Version, error) {
	which, args := `v.latest = 1`, []any{bucket, []byte(key)}
	if version != "" {
		which, args = `v.version_id = $3`, append(args, version)
	}
	var doc sql.NullString
	err := s.read.QueryRowContext(ctx, `SELECT v.doc FROM bucket_records b
		LEFT JOIN object_versions v ON v.bucket_id = b.id AND v.object_key = $2 AND `+which+` WHERE b.name = $1`, args...).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, catalog.NoSuchBucket(bucket)
	}
	if err != nil || !doc.Valid {
		return nil, wrap(err, "read version of %q in bucket %q", key, bucket)
	}
	v := new(catalog.Version)
	return v, wrap(json.Unmarshal([]byte(doc.String), v), "read version of %q in bucket %q", key, bucket)
}

// wrap says what failed, when something did.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// VersionSequence implements remote.Index.
func (s *Store) VersionSequence(ctx context.Context, bucketID, key, version string) (string, error) {
	var sequence string
	err := s.read.QueryRowContext(ctx, `SELECT sequence FROM object_versions WHERE bucket_id = $1 AND object_key = $2 AND version_id = $3`, bucketID, []byte(key), version).Scan(&sequence)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read version of %q: %w", key, err)
	}
	return sequence, nil
}

// ObjectVersions implements remote.Index.
func (s *Store) ObjectVersions(ctx context.Context, bucketID string, w catalog.Window) ([]catalog.Listed, error) {
	var args arguments
	query := `SELECT object_key, latest, doc FROM object_versions WHERE bucket_id = ` + args.add(bucketID)
	if w.Latest {
		query += ` AND latest = 1 AND marker = 0`
	}
	switch {
	case w.Before != "":
		query += ` AND object_key = ` + args.add([]byte(w.From)) + ` AND sequence < ` + args.add(w.Before)
	case w.Past && w.From >= w.Prefix:
		query += ` AND object_key > ` + args.add([]byte(w.From))
	default:
		query += ` AND object_key >= ` + args.add([]byte(max(w.From, w.Prefix)))
	}
	if end := catalog.Successor(w.Prefix); end != nil {
		query += ` AND object_key < ` + args.add(end)
	}
	query += ` ORDER BY object_key, sequence DESC LIMIT ` + args.add(w.Max)
	lines, err := collect(ctx, s.read, func(r *sql.Rows) (catalog.Listed, error) {
		var key []byte
		var latest int64
		var doc string
		var out catalog.Listed
		if err := r.Scan(&key, &latest, &doc); err != nil {
			return out, err
		}
		out.Key, out.Latest = string(key), latest == 1
		return out, json.Unmarshal([]byte(doc), &out.Version)
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	return lines, nil
}

// ChangeObject implements remote.Index.
func (s *Store) ChangeObject(ctx context.Context, bucket, key, version string, change func(*catalog.Subject) (*catalog.Change, error)) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		subject, err := subjectOf(ctx, tx, bucket, key, version)
		if err != nil {
			return err
		}
		c, err := change(subject)
		if err != nil || c == nil {
			return err
		}
		if err := applyChange(ctx, tx, subject.Bucket.ID, key, c); err != nil {
			return fmt.Errorf("change %q in bucket %q: %w", key, bucket, err)
		}
		return nil
	})
}

func subjectOf(ctx context.Context, tx *sql.Tx, bucket, key, version string) (*catalog.Subject, error) {
	b, err := bucketRecord(ctx, tx, bucket)
	if err != nil {
		return nil, err
	}
	out := &catalog.Subject{Bucket: b}
	if out.Latest, err = objectVersion(ctx, tx, b.ID, key, ""); err != nil {
		return nil, fmt.Errorf("read version of %q in bucket %q: %w", key, bucket, err)
	}
	if out.Found = out.Latest; version != "" && (out.Latest == nil || out.Latest.ID != version) {
		if out.Found, err = objectVersion(ctx, tx, b.ID, key, version); err != nil {
			return nil, fmt.Errorf("read version of %q in bucket %q: %w", key, bucket, err)
		}
	}
	return out, nil
}

func applyChange(ctx context.Context, tx *sql.Tx, bucketID, key string, c *catalog.Change) error {
	now := time.Now()
	if c.Remove != nil {
		if err := removeVersion(ctx, tx, bucketID, key, c.Remove, now); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE object_versions SET latest = 1 WHERE bucket_id = $1 AND object_key = $2
			AND sequence = (SELECT MAX(sequence) FROM object_versions WHERE bucket_id = $1 AND object_key = $2)`, bucketID, []byte(key)); err != nil {
			return err
		}
	}
	if v := c.Replace; v != nil {
		doc, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE object_versions SET doc = $1 WHERE bucket_id = $2 AND object_key = $3 AND sequence = $4`,
			string(doc), bucketID, []byte(key), v.Sequence); err != nil {
			return err
		}
	}
	if c.Put != nil {
		if err := putVersion(ctx, tx, bucketID, key, c, now); err != nil {
			return err
		}
	}
	if c.Event == nil {
		return nil
	}
	position, err := appendObjectEvents(ctx, tx, []event.ObjectEvent{*c.Event})
	if err != nil {
		return err
	}
	return releaseObjectEvents(ctx, tx, position) // nothing hands it over again
}

func putVersion(ctx context.Context, tx *sql.Tx, bucketID, key string, c *catalog.Change, now time.Time) error {
	v := c.Put
	if err := keepBlobs(ctx, tx, c.Brings, c.Shares); err != nil {
		return err
	}
	old, err := objectVersion(ctx, tx, bucketID, key, v.ID)
	if err == nil && old != nil {
		err = removeVersion(ctx, tx, bucketID, key, old, now)
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE object_versions SET latest = 0 WHERE bucket_id = $1 AND object_key = $2 AND latest = 1`, bucketID, []byte(key))
	}
	if err != nil {
		return err
	}
	doc, err := json.Marshal(v)
	if err != nil {
		return err
	}
	marker := 0
	if v.Marker {
		marker = 1
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO object_versions (bucket_id, object_key, sequence, version_id, latest, marker, upload_id, doc)
		VALUES ($1,$2,$3,$4,1,$5,$6,$7)`, bucketID, []byte(key), v.Sequence, v.ID, marker, v.UploadID, string(doc))
	return err
}

func removeVersion(ctx context.Context, tx *sql.Tx, bucketID, key string, v *catalog.Version, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM object_versions WHERE bucket_id = $1 AND object_key = $2 AND sequence = $3`, bucketID, []byte(key), v.Sequence); err != nil {
		return err
	}
	return releaseBlobs(ctx, tx, v.Blobs(), now)
}
