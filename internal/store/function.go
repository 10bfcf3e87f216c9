package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/function"
)

var (
	_ function.Records = (*Store)(nil)
	_ function.Queue   = (*Store)(nil)
)

func scanFunction(row scanner) (function.Function, error) {
	var name, doc string
	var f function.Function
	if err := row.Scan(&name, &doc); err != nil {
		return f, err
	}
	if err := json.Unmarshal([]byte(doc), &f); err != nil {
		return f, fmt.Errorf("read record of function %q: %w", name, err)
	}
	return f, nil
}

func encodeFunction(f function.Function) (string, error) {
	doc, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("encode record of function %q: %w", f.Name, err)
	}
	return string(doc), nil
}

func noFunction(name string) error {
	return fault.New(fault.NotFound, "", "the function %q does not exist", name)
}

// CreateFunction implements function.Records.
func (s *Store) CreateFunction(ctx context.Context, f function.Function) error {
	doc, err := encodeFunction(f)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO functions (name, version, doc) VALUES ($1,1,$2)`, f.Name, doc)
		if isDuplicate(err) {
			return fault.New(fault.Conflict, "", "the function %q exists", f.Name)
		}
		if err != nil {
			return fmt.Errorf("insert function %q: %w", f.Name, err)
		}
		return nil
	})
}

// Function implements function.Records.
func (s *Store) Function(ctx context.Context, name string) (function.Function, error) {
	f, err := scanFunction(s.read.QueryRowContext(ctx, `SELECT name, doc FROM functions WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return f, noFunction(name)
	}
	if err != nil {
		return f, fmt.Errorf("read function %q: %w", name, err)
	}
	return f, nil
}

// Functions implements function.Records.
func (s *Store) Functions(ctx context.Context) ([]function.Function, error) {
	all, err := collect(ctx, s.read, func(r *sql.Rows) (function.Function, error) { return scanFunction(r) },
		`SELECT name, doc FROM functions ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list functions: %w", err)
	}
	return all, nil
}

// ChangeFunction implements function.Records.
func (s *Store) ChangeFunction(ctx context.Context, name string, change func(*function.Function) error) (function.Function, error) {
	var f function.Function
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var err error
		f, err = scanFunction(tx.QueryRowContext(ctx, `UPDATE functions SET version = version + 1 WHERE name = $1 RETURNING name, doc`, name))
		if errors.Is(err, sql.ErrNoRows) {
			return noFunction(name)
		}
		if err != nil {
			return fmt.Errorf("change function %q: %w", name, err)
		}
		if err := change(&f); err != nil {
			return err
		}
		f.Name = name
		doc, err := encodeFunction(f)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE functions SET doc = $1 WHERE name = $2`, doc, name)
		return err
	})
	return f, err
}

// DeleteFunction implements function.Records. Events that wait for the function go with it.
func (s *Store) DeleteFunction(ctx context.Context, name string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM functions WHERE name = $1`, name)
		if err != nil {
			return fmt.Errorf("delete function %q: %w", name, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, noFunction(name))
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM function_events WHERE function = $1 AND outcome = ''`, name)
		return err
	})
}

const functionEventColumns = `id, function, qualifier, due_ms, created_ms, failures, waits, trace, payload, outcome`

func scanFunctionEvent(row scanner) (function.Event, error) {
	var (
		e                function.Event
		due, created     int64
		payload, outcome string
	)
	if err := row.Scan(&e.ID, &e.Function, &e.Qualifier, &due, &created, &e.Failures, &e.Waits, &e.Trace, &payload, &outcome); err != nil {
		return e, err
	}
	e.Due, e.Created, e.Payload = instant(due), instant(created), []byte(payload)
	if outcome != "" {
		if err := json.Unmarshal([]byte(outcome), &e.Outcome); err != nil {
			return e, fmt.Errorf("read outcome of event %s: %w", e.ID, err)
		}
	}
	return e, nil
}

func encodeOutcome(e function.Event) (string, error) {
	if e.Outcome == nil {
		return "", nil
	}
	doc, err := json.Marshal(e.Outcome)
	if err != nil {
		return "", fmt.Errorf("encode outcome of event %s: %w", e.ID, err)
	}
	return string(doc), nil
}

// InsertEvent implements function.Queue. An event that is there already is left as it is.
func (s *Store) InsertEvent(ctx context.Context, e function.Event) error {
	outcome, err := encodeOutcome(e)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO function_events (`+functionEventColumns+`) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) ON CONFLICT (id) DO NOTHING`,
			e.ID, e.Function, e.Qualifier, millis(e.Due), millis(e.Created), e.Failures, e.Waits, e.Trace, string(e.Payload), outcome)
		if err != nil {
			return fmt.Errorf("insert event %s of function %q: %w", e.ID, e.Function, err)
		}
		return nil
	})
}

// DueEvents implements function.Queue.
func (s *Store) DueEvents(ctx context.Context, now time.Time, limit int, without []string) ([]function.Event, error) {
	var args arguments
	cond := []string{"due_ms <= " + args.add(millis(now))}
	if len(without) > 0 {
		marks := make([]string, len(without))
		for i, name := range without {
			marks[i] = args.add(name)
		}
		cond = append(cond, "function NOT IN ("+strings.Join(marks, ",")+")")
	}
	events, err := collect(ctx, s.read, func(r *sql.Rows) (function.Event, error) { return scanFunctionEvent(r) },
		`SELECT `+functionEventColumns+` FROM function_events`+where(cond)+` ORDER BY due_ms, id LIMIT `+args.add(limit), args...)
	if err != nil {
		return nil, fmt.Errorf("list due events of functions: %w", err)
	}
	return events, nil
}

// NextEvent implements function.Queue.
func (s *Store) NextEvent(ctx context.Context, now time.Time) (time.Time, error) {
	var due sql.NullInt64
	err := s.read.QueryRowContext(ctx, `SELECT MIN(due_ms) FROM function_events WHERE due_ms > $1`, millis(now)).Scan(&due)
	if err != nil {
		return time.Time{}, fmt.Errorf("find the next event of a function: %w", err)
	}
	return instant(due.Int64), nil
}

// UpdateEvent implements function.Queue.
func (s *Store) UpdateEvent(ctx context.Context, e function.Event) error {
	outcome, err := encodeOutcome(e)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE function_events SET due_ms = $1, failures = $2, waits = $3, outcome = $4 WHERE id = $5`,
			millis(e.Due), e.Failures, e.Waits, outcome, e.ID)
		if err != nil {
			return fmt.Errorf("update event %s of function %q: %w", e.ID, e.Function, err)
		}
		return nil
	})
}

// DeleteEvent implements function.Queue.
func (s *Store) DeleteEvent(ctx context.Context, id string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM function_events WHERE id = $1`, id)
		if err != nil {
			return fmt.Errorf("delete event %s of a function: %w", id, err)
		}
		return nil
	})
}
