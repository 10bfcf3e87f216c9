package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"vodwright.dev/vodwright/internal/fault"
)

// connections is how many a server has to PostgreSQL, of each kind.
const connections = 8

// connectTimeout is how long a connection may take, unless the URL says otherwise.
const connectTimeout = 5 * time.Second

// writeLock names the lock that a transaction holds while it writes. Feeds are read
// by position, so positions have to become visible in their order: one writer at a
// time gives that, as on SQLite, to all servers together.
const writeLock = 0x766f64777269

// openPostgres opens the database that a URL names and returns its name for
// messages, without the password.
func (s *Store) openPostgres(url string) (string, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil { // its text holds the URL, without the password
		return "", fault.New(fault.Invalid, "", "open records: %w", err).WithHint("give --postgres postgres://USER:PASSWORD@HOST/NAME")
	}
	name := fmt.Sprintf("%s on %s", config.Database, config.Host)
	s.engine = engine{
		dialect: goose.DialectPostgres,
		schema:  func(migrations fs.FS) fs.FS { return withoutSQLite{migrations} },
		alone: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(writeLock))
			return err
		},
	}
	s.engine.begin = func(ctx context.Context) error {
		if err := s.checkPostgres(ctx); err != nil {
			return err
		}
		return s.ownSoon(ctx)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	read := config.Copy()
	read.RuntimeParams["default_transaction_read_only"] = "on"
	s.write, s.read = stdlib.OpenDB(*config), stdlib.OpenDB(*read)
	for _, db := range []*sql.DB{s.write, s.read} {
		db.SetMaxOpenConns(connections + 1) // one holds the server's lock
		db.SetMaxIdleConns(connections)
	}
	return name, nil
}

// withoutSQLite are the migrations without the lines that only SQLite runs: those
// that rewrite what was written before there was PostgreSQL here.
type withoutSQLite struct{ fs.FS }

// Markers around such lines.
const (
	sqliteOnly = "-- SQLite only {"
	sqliteEnd  = "-- }"
)

// Open implements fs.FS.
func (w withoutSQLite) Open(name string) (fs.File, error) {
	f, err := w.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return f, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	for {
		before, rest, found := bytes.Cut(data, []byte(sqliteOnly))
		if !found {
			return &stripped{bytes.NewReader(data), info}, nil
		}
		_, after, found := bytes.Cut(rest, []byte(sqliteEnd))
		if !found {
			return nil, fmt.Errorf("read %s: %q without %q", name, sqliteOnly, sqliteEnd)
		}
		data = append(bytes.Clone(before), after...)
	}
}

// stripped is a migration without such lines.
type stripped struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f *stripped) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *stripped) Close() error               { return nil }

func postgresDuplicate(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "23505" // unique_violation
}
