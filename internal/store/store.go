// Package store holds all SQL of the house and the migrations of its schema.
//
// Records of the domain rooms flow in and out (jobs and tasks of job, events of
// event, distributions of cloudfront …); a file a subject, a migration a
// subject. The room takes no decisions: where a rule must hold inside one
// transaction, the domain passes a function and the store runs it there.
//
// It touches one database: SQLite in a file, or PostgreSQL by a URL. Both run the
// same statements: $N placeholders, ON CONFLICT, RETURNING, row values, TEXT for
// documents, BIGINT milliseconds since 1970 UTC for instants. What only one of them
// can do is in its own file, sqlite.go or postgres.go.
//
// Invariants: a commit that returned is on the disk; there is one writer at a time
// (over all servers of a PostgreSQL), so that the order of positions is the order of
// commits; migrations only go forward and a schema newer than the program is refused.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"vodwright.dev/vodwright/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config says where the records are.
type Config struct {
	Path   string       // the SQLite file, its owner's alone; made when it does not exist
	URL    string       // of a PostgreSQL database instead: postgres://user@host/name
	Shared bool         // other servers use the PostgreSQL too, all of them with Shared
	Logger *slog.Logger // nil discards
}

// Store is the open database. It is safe for concurrent use. A method that
// changes records returns after its commit is on the disk.
//
// In this package, write through (*Store).tx and read through (*Store).read;
// every query takes its instant and its ids as arguments.
type Store struct {
	write  *sql.DB   // each transaction is the only one that writes, from its beginning
	read   *sql.DB   // connections that only read
	owner  *sql.Conn // holds the server's lock on a PostgreSQL: alone, or with others
	shared bool
	engine engine
	log    *slog.Logger
}

// engine is what differs between the databases.
type engine struct {
	dialect goose.Dialect
	schema  func(fs.FS) fs.FS                           // the migrations as the database runs them
	alone   func(ctx context.Context, tx *sql.Tx) error // makes a transaction the only one that writes
	begin   func(ctx context.Context) error             // before the schema is looked at; nil is nothing
}

// Open opens the database, makes it when it does not exist, and brings its
// schema up to date. A schema newer than the program is a fault.Conflict and
// the database is left as it was. The caller closes the Store.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{log: cfg.Logger, shared: cfg.Shared && cfg.URL != ""}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var name string // for messages
	var err error
	switch {
	case cfg.URL != "":
		if name, err = s.openPostgres(cfg.URL); err != nil {
			return nil, err
		}
	case cfg.Path != "":
		if name, err = filepath.Abs(cfg.Path); err == nil {
			err = s.openSQLite(name)
		}
		if err != nil {
			return nil, fmt.Errorf("open records %q: %w", cfg.Path, err)
		}
	default:
		return nil, fault.New(fault.Invalid, "", "open records: no path given")
	}
	if s.engine.begin != nil {
		err = s.engine.begin(ctx)
	}
	if err == nil {
		err = s.oneMigrates(ctx, func() error { return s.migrate(ctx, s.engine.schema(migrations)) })
	}
	if cfg.URL != "" {
		err = postgresFault(err, name)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open records %q: %w", name, err), s.Close())
	}
	return s, nil
}

// Close ends all connections.
func (s *Store) Close() error {
	s.disown()
	return errors.Join(s.read.Close(), s.write.Close())
}

// migrate applies the migrations that the database lacks.
func (s *Store) migrate(ctx context.Context, source fs.FS) error {
	dir, err := fs.Sub(source, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(s.engine.dialect, s.write, dir,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	all := p.ListSources()
	know := all[len(all)-1].Version
	switch {
	case have > know:
		return fault.New(fault.Conflict, "", "the records have schema version %d and this program knows versions up to %d", have, know).
			WithHint("run the newer vodwright that wrote them, or point --data at another folder")
	case have == know:
		return nil
	}
	if err := s.othersUse(ctx, have); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate schema from version %d to %d: %w", have, know, err)
	}
	s.log.InfoContext(ctx, "schema migrated", "from", have, "to", know)
	return nil
}

// tx runs fn in one write transaction and commits when fn returns nil. fn must
// not block on anything but the transaction: there is one writer.
func (s *Store) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if err := s.engine.alone(ctx, tx); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// querier is what *sql.DB and *sql.Tx share.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// collect runs a query and scans every row.
func collect[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// arguments numbers the placeholders of a statement that is put together.
type arguments []any

// add keeps v and returns its placeholder.
func (a *arguments) add(v any) string {
	*a = append(*a, v)
	return fmt.Sprintf("$%d", len(*a))
}

// where joins conditions, or returns nothing when there are none.
func where(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

// isDuplicate reports whether err is a violated primary key or unique index.
func isDuplicate(err error) bool { return sqliteDuplicate(err) || postgresDuplicate(err) }

// millis is how instants are kept; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// instant is the reverse of millis.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
