package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vodwright.dev/vodwright/internal/cluster"
	"vodwright.dev/vodwright/internal/function"
)

var _ cluster.Store = (*Store)(nil)

// now is the instant by the database's clock, in milliseconds: servers whose clocks
// differ agree on it. SQLite has one server.
const now = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`

// serversSince is the version of the schema that has a table of servers.
const serversSince = 13

// othersUse refuses to change a schema that servers of another version work with.
func (s *Store) othersUse(ctx context.Context, have int64) error {
	if !s.shared || have < serversSince {
		return nil
	}
	var name, version string
	err := s.write.QueryRowContext(ctx, `SELECT name, version FROM servers WHERE seen_ms > `+now+` - $1 LIMIT 1`, cluster.Gone.Milliseconds()).Scan(&name, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look which servers there are: %w", err)
	}
	return cluster.Other(name, version)
}

// Present implements cluster.Store.
func (s *Store) Present(ctx context.Context, me cluster.Server, within time.Duration) ([]cluster.Server, error) {
	if _, err := s.write.ExecContext(ctx, `INSERT INTO servers (id, name, version, seen_ms) VALUES ($1,$2,$3,`+now+`)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version, seen_ms = excluded.seen_ms`, me.ID, me.Name, me.Version); err != nil {
		return nil, fmt.Errorf("tell that a server is there: %w", err)
	}
	others, err := collect(ctx, s.read, func(r *sql.Rows) (o cluster.Server, err error) { return o, r.Scan(&o.ID, &o.Name, &o.Version) },
		`SELECT id, name, version FROM servers WHERE id <> $1 AND seen_ms > `+now+` - $2 ORDER BY id`, me.ID, within.Milliseconds())
	if err != nil {
		return nil, fmt.Errorf("look which servers there are: %w", err)
	}
	return others, nil
}

// Absent implements cluster.Store.
func (s *Store) Absent(ctx context.Context, id string, forgotten time.Duration) error {
	_, err := s.write.ExecContext(ctx, `DELETE FROM servers WHERE id = $1 OR seen_ms < `+now+` - $2`, id, forgotten.Milliseconds())
	if err == nil {
		_, err = s.write.ExecContext(ctx, `DELETE FROM leases WHERE holder = $1`, id)
	}
	if err != nil {
		return fmt.Errorf("tell that a server ends: %w", err)
	}
	return nil
}

// Running counts the runs of functions on servers that share these records, for one of
// them.
type Running struct {
	*Store
	Server string        // its ID
	Within time.Duration // of a server that has not told so long that it is there nothing runs
}

var _ function.Running = Running{}

// EnterFunction implements function.Running.
func (r Running) EnterFunction(ctx context.Context, function, run string, limit int) (entered bool, err error) {
	err = r.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM function_runs WHERE function = $1 AND server NOT IN (SELECT id FROM servers WHERE seen_ms > `+now+` - $2)`,
			function, r.Within.Milliseconds()); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO function_runs (run, function, server)
			SELECT $1,$2,$3 FROM (SELECT count(*) AS n FROM function_runs WHERE function = $2) there WHERE n < $4`, run, function, r.Server, limit)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		entered = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("count a run of function %q: %w", function, err)
	}
	return entered, nil
}

// LeaveFunction implements function.Running.
func (r Running) LeaveFunction(ctx context.Context, run string) error {
	if _, err := r.write.ExecContext(ctx, `DELETE FROM function_runs WHERE run = $1`, run); err != nil {
		return fmt.Errorf("count a run of a function: %w", err)
	}
	return nil
}

// Hold implements cluster.Store.
func (s *Store) Hold(ctx context.Context, lease, holder string, d time.Duration) (bool, error) {
	res, err := s.write.ExecContext(ctx, `INSERT INTO leases (name, holder, until_ms) VALUES ($1,$2,`+now+` + $3)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms
		WHERE leases.holder = excluded.holder OR leases.until_ms <= `+now, lease, holder, d.Milliseconds())
	if err != nil {
		return false, fmt.Errorf("hold %q: %w", lease, err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}
