package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"vodwright.dev/vodwright/internal/fault"
)

// serverLock names the lock of the servers that use a PostgreSQL database: one alone,
// or any number that share it. A SQLite file is in a data folder, which has a lock of
// its own. migrateLock is held by the one who looks at the schema.
const (
	serverLock  = 0x766f64736572
	migrateLock = 0x766f646d6967
)

// watchEvery is how often a server looks whether it still has its lock.
const watchEvery = 2 * time.Second

// ErrTaken is why a server must end: another one uses its records, and not both share.
var ErrTaken = fault.New(fault.Conflict, "", "another server uses these records").
	WithHint("stop it, or give this one a database of its own; servers share a database when each has --postgres, --nats and --s3: see docs/SCALING.md")

// own takes the server's lock on a connection of its own.
func (s *Store) own(ctx context.Context) error {
	s.disown()
	c, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	lock := "SELECT pg_try_advisory_lock($1)"
	if s.shared {
		lock = "SELECT pg_try_advisory_lock_shared($1)"
	}
	var got bool
	err = c.QueryRowContext(ctx, lock, int64(serverLock)).Scan(&got)
	if err == nil && !got {
		err = ErrTaken
	}
	if err != nil {
		return errors.Join(err, c.Close())
	}
	s.owner = c
	return nil
}

// oneMigrates calls migrate while no other server does.
func (s *Store) oneMigrates(ctx context.Context, migrate func() error) error {
	if !s.shared {
		return migrate()
	}
	c, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrateLock)); err != nil {
		return err
	}
	err = migrate()
	_, unlock := c.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrateLock))
	return errors.Join(err, unlock)
}

// disown gives the lock up, with its connection.
func (s *Store) disown() {
	if s.owner == nil {
		return
	}
	_ = s.owner.Raw(func(any) error { return driver.ErrBadConn }) // not back into the pool
	_ = s.owner.Close()
	s.owner = nil
}

// ownSoon is own with patience: the database may not have noticed yet that the
// server before this one was killed.
func (s *Store) ownSoon(ctx context.Context) error {
	for try := 0; ; try++ {
		err := s.own(ctx)
		if !errors.Is(err, ErrTaken) || try == 10 {
			return err
		}
		select {
		case <-time.After(watchEvery / 10):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Run keeps the records to this server until ctx ends. It returns ErrTaken when
// another server took them while the database was away.
func (s *Store) Run(ctx context.Context) error {
	if s.owner == nil {
		return nil
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := s.pulse(ctx)
		switch {
		case errors.Is(err, ErrTaken):
			return err
		case err != nil && ctx.Err() == nil && !away:
			s.log.WarnContext(ctx, "waiting for the records", "err", err)
		case err == nil && away:
			s.log.InfoContext(ctx, "the records are there again")
		}
		away = err != nil
	}
}

// pulse finds out whether the lock is held, and takes it anew when its connection
// was lost.
func (s *Store) pulse(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, watchEvery)
	defer done()
	if s.owner != nil {
		if _, err := s.owner.ExecContext(ctx, "SELECT 1"); err == nil {
			return nil
		}
	}
	return s.own(ctx)
}

// Ping returns an error while the database does not answer.
func (s *Store) Ping(ctx context.Context) error { return s.read.PingContext(ctx) }

// identity is the setting that tells installations apart.
const identity = "installation"

// Identity names these records among all: a word that was made with them.
func (s *Store) Identity(ctx context.Context) (string, error) {
	mine, err := json.Marshal(rand.Text())
	if err != nil {
		return "", err
	}
	kept, err := s.Agree(ctx, identity, mine)
	if err != nil {
		return "", err
	}
	var id string
	return id, json.Unmarshal(kept, &id)
}

// Agree returns the setting of a name: mine, when there was none before.
func (s *Store) Agree(ctx context.Context, name string, mine json.RawMessage) (json.RawMessage, error) {
	var kept string
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO settings (name, doc) VALUES ($1,$2) ON CONFLICT (name) DO NOTHING`, name, string(mine)); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT doc FROM settings WHERE name = $1`, name).Scan(&kept)
	})
	if err != nil {
		return nil, fmt.Errorf("agree on setting %q: %w", name, err)
	}
	return json.RawMessage(kept), nil
}

// oldestPostgres is the oldest major version that the statements were run on.
const oldestPostgres = 15

// checkPostgres refuses a database that is too old.
func (s *Store) checkPostgres(ctx context.Context) error {
	var version int
	if err := s.read.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return err
	}
	if version/10000 < oldestPostgres {
		return fault.New(fault.Invalid, "", "PostgreSQL %d is too old", version/10000).WithHint("use PostgreSQL %d or newer", oldestPostgres)
	}
	return nil
}

// postgresFault says what keeps a server from a database.
func postgresFault(err error, name string) error {
	if err == nil || fault.Of(err).Hint != "" {
		return err
	}
	var refused *pgconn.ConnectError
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		if errors.As(err, &refused) || errors.Is(err, context.DeadlineExceeded) {
			return fault.New(fault.Unavailable, "", "PostgreSQL does not answer: records %q: %w", name, err).
				WithHint("is it running, and is its port open from here?")
		}
		return err
	}
	switch e.Code {
	case "28P01", "28000": // invalid_password, invalid_authorization_specification
		return fault.New(fault.Denied, "", "PostgreSQL refuses this user: records %q: %w", name, err).
			WithHint("give user and password in the URL: postgres://USER:PASSWORD@HOST/NAME")
	case "3D000": // invalid_catalog_name
		return fault.New(fault.NotFound, "", "the database is not there: records %q: %w", name, err).
			WithHint("make it with: createdb NAME, or CREATE DATABASE NAME OWNER USER")
	case "42501": // insufficient_privilege
		return fault.New(fault.Denied, "", "this user may not use the database as it must: records %q: %w", name, err).
			WithHint("let it make tables: ALTER DATABASE NAME OWNER TO USER, or GRANT CREATE, USAGE ON SCHEMA public TO USER")
	case "57P03", "53300": // cannot_connect_now, too_many_connections
		return fault.New(fault.Unavailable, "", "PostgreSQL is not ready: records %q: %w", name, err).
			WithHint("wait for it, or allow it more connections: a server takes up to %d", 2*connections+1)
	}
	return err
}
