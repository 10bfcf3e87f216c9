package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"vodwright.dev/vodwright/internal/cloudfront"
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

// CreateDistribution implements cloudfront.Store.
func (s *Store) CreateDistribution(ctx context.Context, d cloudfront.Distribution, tags map[string]string) error {
	doc, err := encodeDistribution(d)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO distributions (id, domain, caller_reference, created_ms, version, doc) VALUES ($1,$2,$3,$4,1,$5)`,
			d.ID, d.DomainName, d.CallerReference, millis(d.Created), doc)
		if isDuplicate(err) {
			return cloudfront.Taken(cloudfront.KindDistribution, d.CallerReference)
		}
		if err != nil {
			return fmt.Errorf("create distribution %q: %w", d.ID, err)
		}
		if err := setAliases(ctx, tx, d); err != nil {
			return err
		}
		if err := setUses(ctx, tx, cloudfront.Reference{Kind: cloudfront.KindDistribution, ID: d.ID}, d.Uses); err != nil {
			return err
		}
		return setTags(ctx, tx, string(cloudfront.KindDistribution)+"/"+d.ID, tags)
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

// DistributionAliases returns the aliases of all distributions, each with the
// DomainName of its distribution.
func (s *Store) DistributionAliases(ctx context.Context) (map[string]string, error) {
	aliases := map[string]string{}
	_, err := collect(ctx, s.read, func(r *sql.Rows) (struct{}, error) {
		var alias, domain string
		err := r.Scan(&alias, &domain)
		aliases[alias] = domain
		return struct{}{}, err
	}, `SELECT a.alias, d.domain FROM distribution_aliases a JOIN distributions d ON d.id = a.distribution`)
	if err != nil {
		return nil, fmt.Errorf("list aliases: %w", err)
	}
	return aliases, nil
}

func (s *Store) oneDistribution(ctx context.Context, query, name string) (cloudfront.Distribution, error) {
	d, err := scanDistribution(s.read.QueryRowContext(ctx, query, name))
	if errors.Is(err, sql.ErrNoRows) {
		return cloudfront.Distribution{}, cloudfront.NoSuch(cloudfront.KindDistribution)
	}
	if err != nil {
		return cloudfront.Distribution{}, fmt.Errorf("read distribution %q: %w", name, err)
	}
	return d, nil
}

// Distributions implements cloudfront.Store. When the distribution named by after
// is gone, the list ends there.
func (s *Store) Distributions(ctx context.Context, uses cloudfront.Reference, after string, limit int) ([]cloudfront.Distribution, error) {
	var (
		cond []string
		args arguments
	)
	if uses != (cloudfront.Reference{}) {
		cond = append(cond, "id IN (SELECT user_id FROM cloudfront_uses WHERE user_kind = "+args.add(string(cloudfront.KindDistribution))+
			" AND kind = "+args.add(string(uses.Kind))+" AND id = "+args.add(uses.ID)+")")
	}
	if after != "" {
		cond = append(cond, "(created_ms, id) > (SELECT created_ms, id FROM distributions WHERE id = "+args.add(after)+")")
	}
	query := `SELECT doc FROM distributions` + where(cond) + ` ORDER BY created_ms, id LIMIT ` + args.add(limit)
	list, err := collect(ctx, s.read, func(r *sql.Rows) (cloudfront.Distribution, error) { return scanDistribution(r) }, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list distributions: %w", err)
	}
	return list, nil
}

// lockDistribution loads a distribution and holds its row until tx ends.
func lockDistribution(ctx context.Context, tx *sql.Tx, id string) (cloudfront.Distribution, error) {
	d, err := scanDistribution(tx.QueryRowContext(ctx, `UPDATE distributions SET version = version + 1 WHERE id = $1 RETURNING doc`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return d, cloudfront.NoSuch(cloudfront.KindDistribution)
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
		if err := setAliases(ctx, tx, d); err != nil {
			return err
		}
		return setUses(ctx, tx, cloudfront.Reference{Kind: cloudfront.KindDistribution, ID: d.ID}, d.Uses)
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
		return all(ctx, tx, "delete distribution "+id, []statement{
			{`DELETE FROM distributions WHERE id = $1`, []any{id}},
			{`DELETE FROM distribution_aliases WHERE distribution = $1`, []any{id}},
			{`DELETE FROM invalidations WHERE distribution = $1`, []any{id}},
			{`DELETE FROM cloudfront_uses WHERE user_kind = $1 AND user_id = $2`, []any{string(cloudfront.KindDistribution), id}},
			{`DELETE FROM tags WHERE resource = $1`, []any{string(cloudfront.KindDistribution) + "/" + id}},
		})
	})
}

// statement is one of several that a transaction runs in order.
type statement struct {
	query string
	args  []any
}

func all(ctx context.Context, tx *sql.Tx, what string, list []statement) error {
	for _, st := range list {
		if _, err := tx.ExecContext(ctx, st.query, st.args...); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// setAliases makes the aliases of a distribution those of its record.
func setAliases(ctx context.Context, tx *sql.Tx, d cloudfront.Distribution) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM distribution_aliases WHERE distribution = $1`, d.ID); err != nil {
		return fmt.Errorf("remove aliases of %q: %w", d.ID, err)
	}
	for _, alias := range d.Aliases {
		_, err := tx.ExecContext(ctx, `INSERT INTO distribution_aliases (alias, distribution) VALUES ($1,$2)`, alias, d.ID)
		if isDuplicate(err) {
			return cloudfront.TakenAlias(alias)
		}
		if err != nil {
			return fmt.Errorf("add alias %q: %w", alias, err)
		}
	}
	return nil
}

// setUses makes what user refers to those references; one that does not exist undoes all.
func setUses(ctx context.Context, tx *sql.Tx, user cloudfront.Reference, uses []cloudfront.Reference) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM cloudfront_uses WHERE user_kind = $1 AND user_id = $2`, string(user.Kind), user.ID); err != nil {
		return fmt.Errorf("remove references of %q: %w", user.ID, err)
	}
	for i, use := range uses {
		if slices.Contains(uses[:i], use) {
			continue
		}
		if !cloudfront.IsManaged(use) {
			var one int
			err := tx.QueryRowContext(ctx, `SELECT 1 FROM cloudfront_resources WHERE kind = $1 AND id = $2`, string(use.Kind), use.ID).Scan(&one)
			if errors.Is(err, sql.ErrNoRows) {
				return cloudfront.Missing(use)
			}
			if err != nil {
				return fmt.Errorf("look for %s %q: %w", use.Kind, use.ID, err)
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO cloudfront_uses (user_kind, user_id, kind, id) VALUES ($1,$2,$3,$4)`,
			string(user.Kind), user.ID, string(use.Kind), use.ID); err != nil {
			return fmt.Errorf("add reference to %s %q: %w", use.Kind, use.ID, err)
		}
	}
	return nil
}
