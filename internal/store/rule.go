package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
)

// tagsOfRule returns the name under which the tags of a rule are kept.
func tagsOfRule(name string) string { return "rule/" + name }

// codeNoResource is the event API's name of what is not there.
const codeNoResource = "ResourceNotFoundException"

func noRule(name string) error {
	return fault.New(fault.NotFound, codeNoResource, "Rule %s does not exist on EventBus default.", name)
}

// ruleDoc is the doc column of a rule: the fields without a column.
type ruleDoc struct {
	Description string `json:"description,omitempty"`
	Pattern     string `json:"pattern"`
	RoleARN     string `json:"roleArn,omitempty"`
	Disabled    bool   `json:"disabled,omitempty"`
}

func scanRule(r scanner) (event.Rule, error) {
	var (
		rule    event.Rule
		created int64
		doc     string
		d       ruleDoc
	)
	if err := r.Scan(&rule.Name, &created, &doc); err != nil {
		return rule, err
	}
	err := json.Unmarshal([]byte(doc), &d)
	rule.Created, rule.Description, rule.Pattern, rule.RoleARN, rule.Disabled = instant(created), d.Description, d.Pattern, d.RoleARN, d.Disabled
	return rule, err
}

// RulesVersion implements event.Store.
func (s *Store) RulesVersion(ctx context.Context) (int64, error) { return s.FeedPosition(ctx, "rules") }

func rulesChanged(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `UPDATE event_cursors SET position = position + 1 WHERE feed = 'rules'`)
	return err
}

// Rules implements event.Store: all of them by name, with their targets.
func (s *Store) Rules(ctx context.Context) ([]event.Rule, error) {
	rules, err := collect(ctx, s.read, func(r *sql.Rows) (event.Rule, error) { return scanRule(r) },
		`SELECT name, created_ms, doc FROM event_rules ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	at := map[string]int{}
	for i, r := range rules {
		at[r.Name] = i
	}
	type owned struct {
		rule   string
		target event.Target
	}
	targets, err := collect(ctx, s.read, func(r *sql.Rows) (o owned, err error) {
		var doc string
		if err := r.Scan(&o.rule, &doc); err != nil {
			return o, err
		}
		return o, json.Unmarshal([]byte(doc), &o.target)
	}, `SELECT rule, doc FROM event_targets ORDER BY rule, id`)
	if err != nil {
		return nil, fmt.Errorf("list targets: %w", err)
	}
	for _, o := range targets {
		if i, ok := at[o.rule]; ok { // else the rule is newer than the list
			rules[i].Targets = append(rules[i].Targets, o.target)
		}
	}
	return rules, nil
}

// Rule implements event.Store.
func (s *Store) Rule(ctx context.Context, name string) (event.Rule, error) {
	rule, err := oneRule(ctx, s.read, name)
	if err != nil {
		return event.Rule{}, fmt.Errorf("read rule %q: %w", name, err)
	}
	return rule, nil
}

func oneRule(ctx context.Context, q querier, name string) (event.Rule, error) {
	rule, err := scanRule(q.QueryRowContext(ctx, `SELECT name, created_ms, doc FROM event_rules WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return event.Rule{}, noRule(name)
	}
	if err != nil {
		return event.Rule{}, err
	}
	rule.Targets, err = collect(ctx, q, func(r *sql.Rows) (t event.Target, err error) {
		var doc string
		if err := r.Scan(&doc); err != nil {
			return t, err
		}
		return t, json.Unmarshal([]byte(doc), &t)
	}, `SELECT doc FROM event_targets WHERE rule = $1 ORDER BY id`, name)
	return rule, err
}

// PutRule implements eventbridge.Records: it makes or replaces a rule and keeps
// its targets, tags and time of creation. tags are those of a new rule.
func (s *Store) PutRule(ctx context.Context, r event.Rule, tags map[string]string) error {
	doc, err := json.Marshal(ruleDoc{r.Description, r.Pattern, r.RoleARN, r.Disabled})
	if err != nil {
		return fmt.Errorf("encode rule %q: %w", r.Name, err)
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE event_rules SET doc = $1 WHERE name = $2`, string(doc), r.Name)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return errors.Join(err, rulesChanged(ctx, tx))
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO event_rules (name, created_ms, doc) VALUES ($1,$2,$3)`, r.Name, millis(r.Created), string(doc)); err != nil {
			return err
		}
		return errors.Join(setTags(ctx, tx, tagsOfRule(r.Name), tags), rulesChanged(ctx, tx))
	})
	if err != nil {
		return fmt.Errorf("store rule %q: %w", r.Name, err)
	}
	return nil
}

// ChangeRule implements eventbridge.Records: change gets the rule with its
// targets and returns what it is to be; targets that are gone are removed.
func (s *Store) ChangeRule(ctx context.Context, name string, change func(*event.Rule) error) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := rulesChanged(ctx, tx); err != nil {
			return err
		}
		rule, err := oneRule(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := change(&rule); err != nil {
			return err
		}
		doc, err := json.Marshal(ruleDoc{rule.Description, rule.Pattern, rule.RoleARN, rule.Disabled})
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE event_rules SET doc = $1 WHERE name = $2`, string(doc), name); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM event_targets WHERE rule = $1`, name); err != nil {
			return err
		}
		for _, t := range rule.Targets {
			doc, err := json.Marshal(t)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO event_targets (rule, id, arn, doc) VALUES ($1,$2,$3,$4)`, name, t.ID, t.ARN, string(doc)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change rule %q: %w", name, err)
	}
	return nil
}

// DeleteRule implements eventbridge.Records: a rule that is not there is deleted
// already, one with targets is refused by may.
func (s *Store) DeleteRule(ctx context.Context, name string, may func(event.Rule) error) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		rule, err := oneRule(ctx, tx, name)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := may(rule); err != nil {
			return err
		}
		for _, q := range []string{`DELETE FROM event_rules WHERE name = $1`, `DELETE FROM event_targets WHERE rule = $1`} {
			if _, err := tx.ExecContext(ctx, q, name); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM tags WHERE resource = $1`, tagsOfRule(name)); err != nil {
			return err
		}
		return rulesChanged(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("delete rule %q: %w", name, err)
	}
	return nil
}

// Connections, destinations: documents by name.

// Connections implements eventbridge.Records: all by name.
func (s *Store) Connections(ctx context.Context) ([]event.Connection, error) {
	return documents[event.Connection](ctx, s, `SELECT doc FROM event_connections ORDER BY name`)
}

// Destinations implements eventbridge.Records: all by name.
func (s *Store) Destinations(ctx context.Context) ([]event.Destination, error) {
	return documents[event.Destination](ctx, s, `SELECT doc FROM event_destinations ORDER BY name`)
}

func documents[T any](ctx context.Context, s *Store, query string) ([]T, error) {
	return collect(ctx, s.read, func(r *sql.Rows) (v T, err error) {
		var doc string
		if err := r.Scan(&doc); err != nil {
			return v, err
		}
		return v, json.Unmarshal([]byte(doc), &v)
	}, query)
}

func document[T any](ctx context.Context, q querier, what, name, query string) (T, error) {
	var doc string
	var v T
	err := q.QueryRowContext(ctx, query, name).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return v, fault.New(fault.NotFound, codeNoResource, "%s '%s' does not exist.", what, name)
	}
	if err != nil {
		return v, fmt.Errorf("read %s %q: %w", what, name, err)
	}
	return v, json.Unmarshal([]byte(doc), &v)
}

const (
	queryConnection  = `SELECT doc FROM event_connections WHERE name = $1`
	queryDestination = `SELECT doc FROM event_destinations WHERE name = $1`
)

// Connection implements eventbridge.Records; one that is not there is a fault.NotFound.
func (s *Store) Connection(ctx context.Context, name string) (event.Connection, error) {
	return document[event.Connection](ctx, s.read, "Connection", name, queryConnection)
}

// Destination implements eventbridge.Records; one that is not there is a fault.NotFound.
func (s *Store) Destination(ctx context.Context, name string) (event.Destination, error) {
	return document[event.Destination](ctx, s.read, "ApiDestination", name, queryDestination)
}

// CreateConnection implements eventbridge.Records; a name that is taken is a fault.Conflict.
func (s *Store) CreateConnection(ctx context.Context, c event.Connection) error {
	doc, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return s.create(ctx, "Connection", c.Name, `INSERT INTO event_connections (name, doc) VALUES ($1,$2)`, c.Name, string(doc))
}

// CreateDestination implements eventbridge.Records; a name that is taken is a fault.Conflict.
func (s *Store) CreateDestination(ctx context.Context, d event.Destination) error {
	doc, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return s.create(ctx, "ApiDestination", d.Name, `INSERT INTO event_destinations (name, connection, doc) VALUES ($1,$2,$3)`, d.Name, d.Connection, string(doc))
}

func (s *Store) create(ctx context.Context, what, name, query string, args ...any) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if isDuplicate(err) {
		return fault.New(fault.Conflict, "ResourceAlreadyExistsException", "%s %s already exists.", what, name)
	}
	if err != nil {
		return fmt.Errorf("create %s %q: %w", what, name, err)
	}
	return nil
}

// ChangeConnection implements eventbridge.Records.
func (s *Store) ChangeConnection(ctx context.Context, name string, change func(*event.Connection) error) (event.Connection, error) {
	return changeDocument(ctx, s, "Connection", name, queryConnection, change, func(tx *sql.Tx, c event.Connection, doc string) error {
		_, err := tx.ExecContext(ctx, `UPDATE event_connections SET doc = $1 WHERE name = $2`, doc, name)
		return err
	})
}

// ChangeDestination implements eventbridge.Records.
func (s *Store) ChangeDestination(ctx context.Context, name string, change func(*event.Destination) error) (event.Destination, error) {
	return changeDocument(ctx, s, "ApiDestination", name, queryDestination, change, func(tx *sql.Tx, d event.Destination, doc string) error {
		_, err := tx.ExecContext(ctx, `UPDATE event_destinations SET doc = $1, connection = $2 WHERE name = $3`, doc, d.Connection, name)
		return err
	})
}

func changeDocument[T any](ctx context.Context, s *Store, what, name, query string, change func(*T) error, write func(*sql.Tx, T, string) error) (v T, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if v, err = document[T](ctx, tx, what, name, query); err != nil {
			return err
		}
		if err := change(&v); err != nil {
			return err
		}
		doc, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return write(tx, v, string(doc))
	})
	if err != nil {
		return v, fmt.Errorf("change %s %q: %w", what, name, err)
	}
	return v, nil
}

// DeleteConnection implements eventbridge.Records; destinations that use it are inactive then.
func (s *Store) DeleteConnection(ctx context.Context, name string) (event.Connection, error) {
	var c event.Connection
	err := s.tx(ctx, func(tx *sql.Tx) (err error) {
		if c, err = document[event.Connection](ctx, tx, "Connection", name, queryConnection); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM event_connections WHERE name = $1`, name)
		return err
	})
	if err != nil {
		return c, fmt.Errorf("delete connection %q: %w", name, err)
	}
	return c, nil
}

// DeleteDestination implements eventbridge.Records.
func (s *Store) DeleteDestination(ctx context.Context, name string) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := document[event.Destination](ctx, tx, "ApiDestination", name, queryDestination); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM event_destinations WHERE name = $1`, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete API destination %q: %w", name, err)
	}
	return nil
}
