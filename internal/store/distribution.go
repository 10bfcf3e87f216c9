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

func scanDistribution(row scanner) (cloudfront.Distribution, error) {
	var doc string
	if err := row.Scan(&doc); err != nil {
		return cloudfront.Distribution{}, err
	}
	var d cloudfront.Distribution
	if err := json.Unmarshal([]byte(doc), &d); err != nil {
		return cloudfront.Distribution{}, fmt.Errorf("read record of a distribution: %w", err)
	}
	return d, nil
}

func encodeDistribution(d cloudfront.Distribution) (string, error) {
	doc, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("encode record of distribution %q: %w", d.ID, err)
	}
	return string(doc), nil
}

func noDistribution(name string) error {
	return fault.New(fault.NotFound, "NoSuchDistribution", "the distribution %q does not exist", name)
}

// CreateDistribution implements cloudfront.Store.
func (s *Store) CreateDistribution(ctx context.Context, d cloudfront.Distribution) error {
	doc, err := encodeDistribution(d)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO distributions (id, domain, caller_reference, created_ms, version, doc) VALUES ($1,$2,$3,$4,1,$5)`,
			d.ID, d.DomainName, d.CallerReference, millis(d.Created), doc)
		if isDuplicate(err) {
			return fault.New(fault.Conflict, "DistributionAlreadyExists", "a distribution with the caller reference %q exists already", d.CallerReference)
		}
		if err != nil {
			return fmt.Errorf("create distribution %q: %w", d.ID, err)
		}
		return nil
	})
}

// Distribution implements cloudfront.Store.
func (s *Store) Distribution(ctx context.Context, id string) (cloudfront.Distribution, error) {
	return s.oneDistribution(ctx, `SELECT doc FROM distributions WHERE id = $1`, id)
}

// DistributionByReference implements cloudfront.Store.
func (s *Store) DistributionByReference(ctx context.Context, callerReference string) (cloudfront.Distribution, error) {
	return s.oneDistribution(ctx, `SELECT doc FROM distributions WHERE caller_reference = $1`, callerReference)
}

// DistributionByDomain returns the distribution whose DomainName is domain, in
// lower case, or a fault.NotFound. The edge asks it for every host that it meets.
func (s *Store) DistributionByDomain(ctx context.Context, domain string) (cloudfront.Distribution, error) {
	return s.oneDistribution(ctx, `SELECT doc FROM distributions WHERE domain = $1`, domain)
}

func (s *Store) oneDistribution(ctx context.Context, query, name string) (cloudfront.Distribution, error) {
	d, err := scanDistribution(s.read.QueryRowContext(ctx, query, name))
	if errors.Is(err, sql.ErrNoRows) {
		return cloudfront.Distribution{}, noDistribution(name)
	}
	if err != nil {
		return cloudfront.Distribution{}, fmt.Errorf("read distribution %q: %w", name, err)
	}
	return d, nil
}

// Distributions implements cloudfront.Store. When the distribution named by after
// is gone, the list ends there.
func (s *Store) Distributions(ctx context.Context, after string, limit int) ([]cloudfront.Distribution, error) {
	var (
		cond []string
		args arguments
	)
	if after != "" {
		cond = append(cond, "(created_ms, id) > (SELECT created_ms, id FROM distributions WHERE id = "+args.add(after)+")")
	}
	list, err := collect(ctx, s.read, func(r *sql.Rows) (cloudfront.Distribution, error) { return scanDistribution(r) },
		`SELECT doc FROM distributions`+where(cond)+` ORDER BY created_ms, id LIMIT `+args.add(limit), args...)
	if err != nil {
		return nil, fmt.Errorf("list distributions: %w", err)
	}
	return list, nil
}

// lockDistribution loads a distribution and holds its row until tx ends.
func lockDistribution(ctx context.Context, tx *sql.Tx, id string) (cloudfront.Distribution, error) {
	d, err := scanDistribution(tx.QueryRowContext(ctx, `UPDATE distributions SET version = version + 1 WHERE id = $1 RETURNING doc`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return d, noDistribution(id)
	}
	if err != nil {
		return d, fmt.Errorf("lock distribution %q: %w", id, err)
	}
	return d, nil
}

// ChangeDistribution implements cloudfront.Store. ID, DomainName, CallerReference
// and Created stay as they are.
func (s *Store) ChangeDistribution(ctx context.Context, id string, change func(*cloudfront.Distribution) error) (cloudfront.Distribution, error) {
	var d cloudfront.Distribution
	err := s.tx(ctx, func(tx *sql.Tx) error {
		was, err := lockDistribution(ctx, tx, id)
		if err != nil {
			return err
		}
		d = was
		if err := change(&d); err != nil {
			return err
		}
		d.ID, d.DomainName, d.CallerReference, d.Created = was.ID, was.DomainName, was.CallerReference, was.Created
		doc, err := encodeDistribution(d)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE distributions SET doc = $1 WHERE id = $2`, doc, id); err != nil {
			return fmt.Errorf("change distribution %q: %w", id, err)
		}
		return nil
	})
	return d, err
}

// DeleteDistribution implements cloudfront.Store.
func (s *Store) DeleteDistribution(ctx context.Context, id string, check func(cloudfront.Distribution) error) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		d, err := lockDistribution(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := check(d); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM distributions WHERE id = $1`, id); err != nil {
			return fmt.Errorf("delete distribution %q: %w", id, err)
		}
		return nil
	})
}
