package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// readers is how many connections serve reads beside the one writer: lists and
// gets of the API go on while a commit waits for the disk. The spike measured
// four; more bring nothing on SQLite.
const readers = 4

// openSQLite opens a file. It has one connection that writes, in transactions that
// begin IMMEDIATE, so that none fails half-way for a lock. A commit is on the disk
// (WAL, synchronous FULL); closing folds the write-ahead log into the file.
func (s *Store) openSQLite(path string) error {
	if err := private(path); err != nil {
		return err
	}
	s.engine = engine{
		dialect: goose.DialectSQLite3,
		schema:  func(migrations fs.FS) fs.FS { return migrations },
		alone:   func(context.Context, *sql.Tx) error { return nil },
	}
	var err error
	if s.write, err = connectSQLite(path, 1, ""); err != nil {
		return err
	}
	if s.read, err = connectSQLite(path, readers, "&_pragma=query_only(1)"); err != nil {
		return errors.Join(err, s.write.Close())
	}
	return nil
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

func connectSQLite(path string, conns int, extra string) (*sql.DB, error) {
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

func sqliteDuplicate(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) &&
		(e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE)
}
