// Package store holds all SQL of the house and the migrations of its schema.
//
// Records of the domain rooms flow in and out (jobs and tasks of job, events of
// event, distributions of cloudfront …); a file a subject, a migration a
// subject. The room takes no decisions: where a rule must hold inside one
// transaction, the domain passes a function and the store runs it there.
//
// It touches one database: SQLite in a file now. Statements are written so that
// PostgreSQL runs them unchanged: $N placeholders, ON CONFLICT, RETURNING, row
// values, TEXT for documents, BIGINT milliseconds since 1970 UTC for instants,
// and a row lock taken by an UPDATE instead of SELECT … FOR UPDATE.
//
// Invariants: a commit that returned is on the disk (WAL, synchronous FULL);
// there is one writer at a time; migrations only go forward and a schema newer
// than the program is refused.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"vodwright.dev/vodwright/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// readers is how many connections serve reads beside the one writer: lists and
// gets of the API go on while a commit waits for the disk. The spike measured
// four; more bring nothing on SQLite.
const readers = 4

// Config says where the records are.
type Config struct {
	Path   string       // the SQLite file, its owner's alone; made when it does not exist
	Logger *slog.Logger // nil discards
}

// Store is the open database. It is safe for concurrent use. A method that
// changes records returns after its commit is on the disk.
//
// In this package, write through (*Store).tx and read through (*Store).read;
// every query takes its instant and its ids as arguments.
type Store struct {
	write *sql.DB // one connection; BEGIN IMMEDIATE, so that a transaction never fails half-way for a lock
	read  *sql.DB // query_only connections
	log   *slog.Logger
}

// Open opens the database, makes it when it does not exist, and brings its
// schema up to date. A schema newer than the program is a fault.Conflict and
// the database is left as it was. The caller closes the Store.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Path == "" {
		return nil, fault.New(fault.Invalid, "", "open records: no path given")
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("open records %q: %w", cfg.Path, err)
	}
	if err := private(path); err != nil {
		return nil, fmt.Errorf("open records %q: %w", path, err)
	}
	s := &Store{log: log}
	if s.write, err = openSQLite(path, 1, ""); err != nil {
		return nil, fmt.Errorf("open records %q: %w", path, err)
	}
	if s.read, err = openSQLite(path, readers, "&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(fmt.Errorf("open records %q: %w", path, err), s.write.Close())
	}
	if err := s.migrate(ctx, migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("open records %q: %w", path, err), s.Close())
	}
	return s, nil
}

// Close ends all connections; the write-ahead log is folded into the database.
func (s *Store) Close() error {
	return errors.Join(s.read.Close(), s.write.Close())
}

// private makes the file if need be and keeps others from reading it: secrets of
// access keys are in it. SQLite gives the files beside it the same mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

func openSQLite(path string, conns int, extra string) (*sql.DB, error) {
	dsn := (&url.URL{Scheme: "file", Path: path}).String() +
		"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)" +
		"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=cache_size(-4096)" + extra
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxLifetime(0)
	return db, nil
}

// migrate applies the migrations that the database lacks.
func (s *Store) migrate(ctx context.Context, source fs.FS) error {
	dir, err := fs.Sub(source, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, s.write, dir,
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
func isDuplicate(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) &&
		(e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE)
}

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
