package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
)

var _ event.Store = (*Store)(nil)

// FeedPosition implements event.Store.
func (s *Store) FeedPosition(ctx context.Context, feed string) (int64, error) {
	var position int64
	err := s.read.QueryRowContext(ctx, `SELECT position FROM event_cursors WHERE feed = $1`, feed).Scan(&position)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read position of feed %q: %w", feed, err)
	}
	return position, nil
}

// Advance implements event.Store.
func (s *Store) Advance(ctx context.Context, feed string, position int64, deliveries []event.Delivery) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if feed != "" {
			res, err := tx.ExecContext(ctx, `INSERT INTO event_cursors (feed, position) VALUES ($1,$2)
				ON CONFLICT (feed) DO UPDATE SET position = excluded.position WHERE event_cursors.position < excluded.position`, feed, position)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 && len(deliveries) > 0 {
				return errors.Join(err, fault.New(fault.Conflict, "", "another process has read the feed further"))
			}
		}
		if len(deliveries) == 0 {
			return nil
		}
		var last int64
		if err := tx.QueryRowContext(ctx, `UPDATE event_cursors SET position = position + $1 WHERE feed = 'deliveries' RETURNING position`,
			len(deliveries)).Scan(&last); err != nil {
			return err
		}
		for i, d := range deliveries {
			letter, err := json.Marshal(d.Letter)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO event_deliveries (position, route, lane, held, due_ms, tries, dead, failure, letter)
				SELECT $1,$2,$3,count(*),$4,0,0,'{}',$5 FROM (SELECT 1 FROM event_deliveries WHERE lane = $3 LIMIT 1) earlier`,
				last-int64(len(deliveries))+int64(i)+1, d.Route, d.Lane, millis(d.Due), string(letter)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store %d deliveries of feed %q: %w", len(deliveries), feed, err)
	}
	return nil
}

// DeliveryRoutes implements event.Store.
func (s *Store) DeliveryRoutes(ctx context.Context) ([]string, error) {
	names, err := collect(ctx, s.read, func(r *sql.Rows) (name string, err error) { return name, r.Scan(&name) },
		`SELECT DISTINCT route FROM event_deliveries`)
	if err != nil {
		return nil, fmt.Errorf("read routes of deliveries: %w", err)
	}
	return names, nil
}

// DueDeliveries implements event.Store.
func (s *Store) DueDeliveries(ctx context.Context, route string, now time.Time, limit int) ([]event.Delivery, time.Time, error) {
	due, err := collect(ctx, s.read, func(r *sql.Rows) (event.Delivery, error) {
		d := event.Delivery{Route: route}
		var at int64
		var failure, letter string
		if err := r.Scan(&d.Position, &d.Lane, &at, &d.Tries, &d.Dead, &failure, &letter); err != nil {
			return d, err
		}
		d.Due = instant(at)
		return d, errors.Join(json.Unmarshal([]byte(failure), &d.Failure), json.Unmarshal([]byte(letter), &d.Letter))
	}, `SELECT position, lane, due_ms, tries, dead, failure, letter FROM event_deliveries
		WHERE route = $1 AND held = 0 AND due_ms <= $2 ORDER BY due_ms, position LIMIT $3`, route, millis(now), limit)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read deliveries of %q: %w", route, err)
	}
	var next sql.NullInt64
	if err := s.read.QueryRowContext(ctx, `SELECT min(due_ms) FROM event_deliveries WHERE route = $1 AND held = 0 AND due_ms > $2`,
		route, millis(now)).Scan(&next); err != nil {
		return nil, time.Time{}, fmt.Errorf("read deliveries of %q: %w", route, err)
	}
	return due, instant(next.Int64), nil
}

// SettleDeliveries implements event.Store.
func (s *Store) SettleDeliveries(ctx context.Context, outcomes []event.Outcome) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		for _, o := range outcomes {
			d := o.Delivery
			if o.Done {
				if _, err := tx.ExecContext(ctx, `DELETE FROM event_deliveries WHERE position = $1`, d.Position); err != nil {
					return err
				}
				if _, err := tx.ExecContext(ctx, `UPDATE event_deliveries SET held = 0
					WHERE position = (SELECT min(position) FROM event_deliveries WHERE lane = $1)`, d.Lane); err != nil {
					return err
				}
				continue
			}
			failure, err := json.Marshal(d.Failure)
			if err != nil {
				return err
			}
			dead := 0
			if d.Dead {
				dead = 1
			}
			if _, err := tx.ExecContext(ctx, `UPDATE event_deliveries SET due_ms=$1, tries=$2, dead=$3, failure=$4 WHERE position=$5`,
				millis(d.Due), d.Tries, dead, string(failure), d.Position); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store outcomes of %d deliveries: %w", len(outcomes), err)
	}
	return nil
}
