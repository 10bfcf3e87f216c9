package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/logs"
)

var _ logs.Store = (*Store)(nil)

// logEventBytes is what the service counts for an event beside its message.
const logEventBytes = 26

func noLogGroup() error {
	return fault.New(fault.NotFound, "ResourceNotFoundException", "The specified log group does not exist.")
}

func noLogStream() error {
	return fault.New(fault.NotFound, "ResourceNotFoundException", "The specified log stream does not exist.")
}

// nextID returns an id that is greater than all in a table and, because it
// follows the clock, than those that were deleted.
func nextID(ctx context.Context, q querier, table string, at time.Time) (int64, error) {
	var most int64
	if err := q.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM `+table).Scan(&most); err != nil { //nolint:gosec // a table of ours
		return 0, err
	}
	return max(most+1, at.UnixMilli()<<10), nil
}

func logGroupID(ctx context.Context, q querier, name string) (int64, error) {
	var id int64
	err := q.QueryRowContext(ctx, `SELECT id FROM log_groups WHERE name = $1`, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, noLogGroup()
	}
	return id, err
}

func logStreamID(ctx context.Context, q querier, group int64, name string) (int64, error) {
	var id int64
	err := q.QueryRowContext(ctx, `SELECT id FROM log_streams WHERE group_id = $1 AND name = $2`, group, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, noLogStream()
	}
	return id, err
}

func insertLogGroup(ctx context.Context, q querier, g logs.Group) (int64, error) {
	id, err := nextID(ctx, q, "log_groups", g.Created)
	if err != nil {
		return 0, err
	}
	_, err = q.ExecContext(ctx, `INSERT INTO log_groups (id, name, created_ms, retention_days, bytes) VALUES ($1,$2,$3,$4,0)`,
		id, g.Name, millis(g.Created), g.RetentionDays)
	if isDuplicate(err) {
		return 0, fault.New(fault.Conflict, "ResourceAlreadyExistsException", "The specified log group already exists")
	}
	return id, err
}

func insertLogStream(ctx context.Context, q querier, group int64, name string, at time.Time) (int64, error) {
	id, err := nextID(ctx, q, "log_streams", at)
	if err != nil {
		return 0, err
	}
	_, err = q.ExecContext(ctx, `INSERT INTO log_streams (id, group_id, name, created_ms, first_ms, last_ms, ingested_ms) VALUES ($1,$2,$3,$4,0,0,0)`,
		id, group, name, millis(at))
	if isDuplicate(err) {
		return 0, fault.New(fault.Conflict, "ResourceAlreadyExistsException", "The specified log stream already exists")
	}
	return id, err
}

// CreateLogGroup implements logs.Store.
func (s *Store) CreateLogGroup(ctx context.Context, g logs.Group, tags map[string]string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := insertLogGroup(ctx, tx, g); err != nil {
			return fmt.Errorf("make log group %q: %w", g.Name, err)
		}
		return setTags(ctx, tx, logs.TagsOf(g.Name), tags)
	})
}

const logGroupColumns = `name, created_ms, retention_days, bytes`

func scanLogGroup(row scanner) (logs.Group, error) {
	var g logs.Group
	var created int64
	err := row.Scan(&g.Name, &created, &g.RetentionDays, &g.StoredBytes)
	g.Created = instant(created)
	return g, err
}

// LogGroup implements logs.Store.
func (s *Store) LogGroup(ctx context.Context, name string) (logs.Group, error) {
	g, err := scanLogGroup(s.read.QueryRowContext(ctx, `SELECT `+logGroupColumns+` FROM log_groups WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return g, noLogGroup()
	}
	if err != nil {
		return g, fmt.Errorf("read log group %q: %w", name, err)
	}
	return g, nil
}

// LogGroups implements logs.Store.
func (s *Store) LogGroups(ctx context.Context, q logs.GroupQuery) ([]logs.Group, error) {
	var args arguments
	cond := []string{"name > " + args.add(q.After)}
	if q.Prefix != "" {
		cond = append(cond, "substr(name, 1, length("+args.add(q.Prefix)+")) = "+args.add(q.Prefix))
	}
	if q.Contains != "" {
		cond = append(cond, `lower(name) LIKE `+args.add("%"+likeText.Replace(strings.ToLower(q.Contains))+"%")+` ESCAPE '\'`)
	}
	query := `SELECT ` + logGroupColumns + ` FROM log_groups` + where(cond) + ` ORDER BY name LIMIT ` + args.add(q.Limit)
	out, err := collect(ctx, s.read, func(r *sql.Rows) (logs.Group, error) { return scanLogGroup(r) }, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list log groups: %w", err)
	}
	return out, nil
}

// likeText takes the meaning from the signs that LIKE knows.
var likeText = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// SetLogRetention implements logs.Store.
func (s *Store) SetLogRetention(ctx context.Context, group string, days int) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		id, err := logGroupID(ctx, tx, group)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE log_groups SET retention_days = $1 WHERE id = $2`, days, id)
		return err
	})
}

// DeleteLogGroup implements logs.Store.
func (s *Store) DeleteLogGroup(ctx context.Context, name string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		id, err := logGroupID(ctx, tx, name)
		if err != nil {
			return err
		}
		for _, statement := range []string{
			`DELETE FROM log_events WHERE group_id = $1`, `DELETE FROM log_streams WHERE group_id = $1`, `DELETE FROM log_groups WHERE id = $1`,
		} {
			if _, err := tx.ExecContext(ctx, statement, id); err != nil {
				return fmt.Errorf("delete log group %q: %w", name, err)
			}
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM tags WHERE resource = $1`, logs.TagsOf(name))
		return err
	})
}

// CreateLogStream implements logs.Store.
func (s *Store) CreateLogStream(ctx context.Context, group, stream string, at time.Time) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		id, err := logGroupID(ctx, tx, group)
		if err != nil {
			return err
		}
		_, err = insertLogStream(ctx, tx, id, stream, at)
		return err
	})
}

// DeleteLogStream implements logs.Store.
func (s *Store) DeleteLogStream(ctx context.Context, group, stream string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		g, err := logGroupID(ctx, tx, group)
		if err != nil {
			return err
		}
		id, err := logStreamID(ctx, tx, g, stream)
		if err != nil {
			return err
		}
		for _, statement := range []string{
			`UPDATE log_groups SET bytes = bytes - COALESCE((SELECT SUM(octet_length(message) + ` + fmt.Sprint(logEventBytes) + `) FROM log_events WHERE stream_id = $1), 0)
			  WHERE id = (SELECT group_id FROM log_streams WHERE id = $1)`,
			`DELETE FROM log_events WHERE stream_id = $1`, `DELETE FROM log_streams WHERE id = $1`,
		} {
			if _, err := tx.ExecContext(ctx, statement, id); err != nil {
				return fmt.Errorf("delete log stream %q: %w", stream, err)
			}
		}
		return nil
	})
}

const logStreamColumns = `name, created_ms, first_ms, last_ms, ingested_ms`

func scanLogStream(row scanner) (logs.Stream, error) {
	var t logs.Stream
	var created, first, last, ingested int64
	err := row.Scan(&t.Name, &created, &first, &last, &ingested)
	t.Created, t.First, t.Last, t.Ingested = instant(created), instant(first), instant(last), instant(ingested)
	return t, err
}

// LogStream implements logs.Store.
func (s *Store) LogStream(ctx context.Context, group, stream string) (logs.Stream, error) {
	id, err := logGroupID(ctx, s.read, group)
	if err != nil {
		return logs.Stream{}, err
	}
	t, err := scanLogStream(s.read.QueryRowContext(ctx, `SELECT `+logStreamColumns+` FROM log_streams WHERE group_id = $1 AND name = $2`, id, stream))
	if errors.Is(err, sql.ErrNoRows) {
		return t, noLogStream()
	}
	return t, err
}

// LogStreams implements logs.Store.
func (s *Store) LogStreams(ctx context.Context, group string, q logs.StreamQuery) ([]logs.Stream, error) {
	id, err := logGroupID(ctx, s.read, group)
	if err != nil {
		return nil, err
	}
	var args arguments
	cond := []string{"group_id = " + args.add(id)}
	if q.Prefix != "" {
		cond = append(cond, "substr(name, 1, length("+args.add(q.Prefix)+")) = "+args.add(q.Prefix))
	}
	sign, way := ">", ""
	if q.Descending {
		sign, way = "<", " DESC"
	}
	order := "name" + way
	if q.ByLast {
		order = "last_ms" + way + ", name" + way
	}
	switch {
	case q.After == nil:
	case q.ByLast:
		cond = append(cond, "(last_ms, name) "+sign+" ("+args.add(millis(q.After.Last))+", "+args.add(q.After.Name)+")")
	default:
		cond = append(cond, "name "+sign+" "+args.add(q.After.Name))
	}
	query := `SELECT ` + logStreamColumns + ` FROM log_streams` + where(cond) + ` ORDER BY ` + order + ` LIMIT ` + args.add(q.Limit)
	out, err := collect(ctx, s.read, func(r *sql.Rows) (logs.Stream, error) { return scanLogStream(r) }, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list log streams of %q: %w", group, err)
	}
	return out, nil
}

// AppendLog implements logs.Store.
func (s *Store) AppendLog(ctx context.Context, batches []logs.Batch) ([]error, error) {
	each := make([]error, len(batches))
	err := s.tx(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT INTO log_events (id, group_id, stream_id, at_ms, ingested_ms, message) VALUES ($1,$2,$3,$4,$5,$6)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for i, b := range batches {
			err := appendBatch(ctx, tx, insert, b)
			if fault.Is(err, fault.NotFound) { // nothing was written of it
				each[i], err = err, nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("append %d batches of log events: %w", len(batches), err)
	}
	return each, nil
}

func appendBatch(ctx context.Context, tx *sql.Tx, insert *sql.Stmt, b logs.Batch) error {
	group, err := logGroupID(ctx, tx, b.Group)
	if fault.Is(err, fault.NotFound) && b.Create {
		group, err = insertLogGroup(ctx, tx, logs.Group{Name: b.Group, Created: b.Ingested})
	}
	if err != nil {
		return err
	}
	stream, err := logStreamID(ctx, tx, group, b.Stream)
	if fault.Is(err, fault.NotFound) && b.Create {
		stream, err = insertLogStream(ctx, tx, group, b.Stream, b.Ingested)
	}
	if err != nil || len(b.Events) == 0 {
		return err
	}
	id, err := nextID(ctx, tx, "log_events", b.Ingested)
	if err != nil {
		return err
	}
	first, last, bytes := millis(b.Events[0].Time), int64(0), int64(0)
	for i, e := range b.Events {
		at := millis(e.Time)
		first, last, bytes = min(first, at), max(last, at), bytes+int64(len(e.Message))+logEventBytes
		if _, err := insert.ExecContext(ctx, id+int64(i), group, stream, at, millis(b.Ingested), e.Message); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `
		UPDATE log_streams SET ingested_ms = $1, last_ms = CASE WHEN last_ms > $2 THEN last_ms ELSE $2 END,
		  first_ms = CASE WHEN first_ms > 0 AND first_ms < $3 THEN first_ms ELSE $3 END WHERE id = $4`,
		millis(b.Ingested), last, first, stream); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE log_groups SET bytes = bytes + $1 WHERE id = $2`, bytes, group)
	return err
}

// LogEvents implements logs.Store.
func (s *Store) LogEvents(ctx context.Context, q logs.EventQuery) ([]logs.Record, error) {
	group, err := logGroupID(ctx, s.read, q.Group)
	if err != nil {
		return nil, err
	}
	var args arguments
	var cond []string
	if len(q.Streams) == 1 { // the index of streams serves it
		id, err := logStreamID(ctx, s.read, group, q.Streams[0])
		if err != nil {
			return nil, err
		}
		cond = append(cond, "e.stream_id = "+args.add(id))
	} else {
		cond = append(cond, "e.group_id = "+args.add(group))
	}
	if len(q.Streams) > 1 {
		var names []string
		for _, name := range q.Streams {
			if _, err := logStreamID(ctx, s.read, group, name); err != nil {
				return nil, err
			}
			names = append(names, args.add(name))
		}
		cond = append(cond, "s.name IN ("+strings.Join(names, ", ")+")")
	}
	if q.StreamPrefix != "" {
		cond = append(cond, "substr(s.name, 1, length("+args.add(q.StreamPrefix)+")) = "+args.add(q.StreamPrefix))
	}
	if !q.From.IsZero() {
		cond = append(cond, "e.at_ms >= "+args.add(millis(q.From)))
	}
	if !q.Until.IsZero() {
		cond = append(cond, "e.at_ms < "+args.add(millis(q.Until)))
	}
	sign, way := ">", ""
	if q.Descending {
		sign, way = "<", " DESC"
	}
	if p := q.Beyond; p != nil {
		cond = append(cond, "(e.at_ms, e.id) "+sign+" ("+args.add(millis(p.Time))+", "+args.add(p.ID)+")")
	}
	query := `SELECT e.id, s.name, e.at_ms, e.ingested_ms, e.message FROM log_events e JOIN log_streams s ON s.id = e.stream_id` +
		where(cond) + ` ORDER BY e.at_ms` + way + `, e.id` + way + ` LIMIT ` + args.add(q.Limit)
	out, err := collect(ctx, s.read, func(r *sql.Rows) (logs.Record, error) {
		var e logs.Record
		var at, ingested int64
		err := r.Scan(&e.ID, &e.Stream, &at, &ingested, &e.Message)
		e.Time, e.Ingested = instant(at), instant(ingested)
		return e, err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read log events of %q: %w", q.Group, err)
	}
	return out, nil
}

// ExpireLog implements logs.Store.
func (s *Store) ExpireLog(ctx context.Context, now time.Time, limit int) (int, error) {
	type expiry struct {
		group, before int64
	}
	groups, err := collect(ctx, s.read, func(r *sql.Rows) (expiry, error) {
		var id int64
		var days int
		err := r.Scan(&id, &days)
		return expiry{id, now.AddDate(0, 0, -days).UnixMilli()}, err
	}, `SELECT id, retention_days FROM log_groups WHERE retention_days > 0 ORDER BY id`)
	if err != nil {
		return 0, fmt.Errorf("list log groups with a retention: %w", err)
	}
	dropped := 0
	for _, g := range groups {
		var has int
		if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT id FROM log_events WHERE group_id = $1 AND at_ms < $2 LIMIT 1) old`, g.group, g.before).Scan(&has); err != nil {
			return dropped, fmt.Errorf("look for old log events: %w", err)
		}
		if has == 0 || dropped >= limit {
			continue
		}
		err := s.tx(ctx, func(tx *sql.Tx) error {
			sizes, err := collect(ctx, tx, func(r *sql.Rows) (int64, error) {
				var message string
				err := r.Scan(&message)
				return int64(len(message)), err
			}, `DELETE FROM log_events WHERE id IN (SELECT id FROM log_events WHERE group_id = $1 AND at_ms < $2 ORDER BY at_ms, id LIMIT $3) RETURNING message`,
				g.group, g.before, limit-dropped)
			if err != nil {
				return err
			}
			var bytes int64
			for _, n := range sizes {
				bytes += n + logEventBytes
			}
			dropped += len(sizes)
			_, err = tx.ExecContext(ctx, `UPDATE log_groups SET bytes = bytes - $1 WHERE id = $2`, bytes, g.group)
			return err
		})
		if err != nil {
			return dropped, fmt.Errorf("drop old log events: %w", err)
		}
	}
	return dropped, nil
}
