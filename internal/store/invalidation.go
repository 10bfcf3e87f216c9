package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"vodwright.dev/vodwright/internal/cloudfront"
	"vodwright.dev/vodwright/internal/fault"
)

func scanInvalidation(row scanner) (cloudfront.Invalidation, error) {
	var doc string
	if err := row.Scan(&doc); err != nil {
		return cloudfront.Invalidation{}, err
	}
	var i cloudfront.Invalidation
	if err := json.Unmarshal([]byte(doc), &i); err != nil {
		return cloudfront.Invalidation{}, fmt.Errorf("read record of an invalidation: %w", err)
	}
	return i, nil
}

// CreateInvalidation implements cloudfront.Store.
func (s *Store) CreateInvalidation(ctx context.Context, i cloudfront.Invalidation) (cloudfront.Invalidation, error) {
	doc, err := json.Marshal(i)
	if err != nil {
		return i, fmt.Errorf("encode record of invalidation %q: %w", i.ID, err)
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := lockDistribution(ctx, tx, i.Distribution); err != nil {
			return err
		}
		have, err := scanInvalidation(tx.QueryRowContext(ctx, `SELECT doc FROM invalidations WHERE distribution = $1 AND caller_reference = $2`, i.Distribution, i.CallerReference))
		if err == nil {
			i = have
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("look for invalidation %q: %w", i.CallerReference, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO invalidations (distribution, id, caller_reference, created_ms, doc, position)
			VALUES ($1,$2,$3,$4,$5,(SELECT COALESCE(MAX(position), 0) + 1 FROM invalidations))`,
			i.Distribution, i.ID, i.CallerReference, millis(i.Created), string(doc)); err != nil {
			return fmt.Errorf("create invalidation %q: %w", i.ID, err)
		}
		return nil
	})
	return i, err
}

// InvalidationsAfter returns invalidations of all distributions in the order of their
// commits, after a position, and the position of the last. Below 0 it returns none, and
// the position of the latest.
func (s *Store) InvalidationsAfter(ctx context.Context, position int64) ([]cloudfront.Invalidation, int64, error) {
	if position < 0 {
		err := s.read.QueryRowContext(ctx, `SELECT COALESCE(MAX(position), 0) FROM invalidations`).Scan(&position)
		if err != nil {
			return nil, -1, fmt.Errorf("read the latest invalidation: %w", err)
		}
		return nil, position, nil
	}
	after := position
	list, err := collect(ctx, s.read, func(r *sql.Rows) (i cloudfront.Invalidation, err error) {
		var doc string
		if err = r.Scan(&position, &doc); err == nil {
			err = json.Unmarshal([]byte(doc), &i)
		}
		return i, err
	}, `SELECT position, doc FROM invalidations WHERE position > $1 ORDER BY position LIMIT 1000`, after)
	if err != nil {
		return nil, after, fmt.Errorf("read invalidations after %d: %w", after, err)
	}
	return list, position, nil
}

// Invalidation implements cloudfront.Store.
func (s *Store) Invalidation(ctx context.Context, distribution, id string) (cloudfront.Invalidation, error) {
	i, err := scanInvalidation(s.read.QueryRowContext(ctx, `SELECT doc FROM invalidations WHERE distribution = $1 AND id = $2`, distribution, id))
	if errors.Is(err, sql.ErrNoRows) {
		return i, fault.New(fault.NotFound, "NoSuchInvalidation", "The specified invalidation does not exist.")
	}
	if err != nil {
		return i, fmt.Errorf("read invalidation %q: %w", id, err)
	}
	return i, nil
}

// Invalidations implements cloudfront.Store. When the invalidation named by after
// is gone, the list ends there.
func (s *Store) Invalidations(ctx context.Context, distribution, after string, limit int) ([]cloudfront.Invalidation, error) {
	var args arguments
	cond := []string{"distribution = " + args.add(distribution)}
	if after != "" {
		cond = append(cond, "(created_ms, id) < (SELECT created_ms, id FROM invalidations WHERE distribution = "+args.add(distribution)+" AND id = "+args.add(after)+")")
	}
	query := `SELECT doc FROM invalidations` + where(cond) + ` ORDER BY created_ms DESC, id DESC LIMIT ` + args.add(limit)
	list, err := collect(ctx, s.read, func(r *sql.Rows) (cloudfront.Invalidation, error) { return scanInvalidation(r) }, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list invalidations of %q: %w", distribution, err)
	}
	return list, nil
}
