package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

type templateDoc struct {
	Description string          `json:"description,omitempty"`
	Settings    json.RawMessage `json:"settings,omitempty"`
}

const templateColumns = `name, category, created_ms, updated_ms, doc`

func scanTemplate(row scanner) (job.Template, error) {
	var (
		t                job.Template
		created, updated int64
		doc              string
		d                templateDoc
	)
	if err := row.Scan(&t.Name, &t.Category, &created, &updated, &doc); err != nil {
		return job.Template{}, err
	}
	if err := json.Unmarshal([]byte(doc), &d); err != nil {
		return job.Template{}, fmt.Errorf("read record of job template %q: %w", t.Name, err)
	}
	t.Created, t.Updated = instant(created), instant(updated)
	t.Description, t.Settings = d.Description, d.Settings
	return t, nil
}

func encodeTemplate(t job.Template) (string, error) {
	doc, err := json.Marshal(templateDoc{Description: t.Description, Settings: t.Settings})
	if err != nil {
		return "", fmt.Errorf("encode record of job template %q: %w", t.Name, err)
	}
	return string(doc), nil
}

// shelf is where templates of one kind are kept: job templates and output
// presets have the same records in tables of their own.
type shelf struct {
	table string
	noun  string // of messages
	tags  string // before the name, where tags are kept
}

func templateShelf() shelf { return shelf{"job_templates", "job template", "jobTemplates/"} }

func presetShelf() shelf { return shelf{"presets", "preset", "presets/"} }

func (h shelf) missing(name string) error {
	return fault.New(fault.NotFound, "NotFoundException", "the %s %q does not exist", h.noun, name)
}

// CreateTemplate stores a new template with its tags; a name that is taken is a
// fault.Conflict. Created and Updated are the caller's.
func (s *Store) CreateTemplate(ctx context.Context, t job.Template, tags map[string]string) error {
	return s.createOn(ctx, templateShelf(), t, tags)
}

// Template returns a template, or a fault.NotFound.
func (s *Store) Template(ctx context.Context, name string) (job.Template, error) {
	return s.oneOf(ctx, templateShelf(), name)
}

// Templates returns a page of templates.
func (s *Store) Templates(ctx context.Context, f job.TemplateFilter) ([]job.Template, error) {
	return s.pageOf(ctx, templateShelf(), f)
}

// ChangeTemplate loads a template, calls change and stores what change made of
// it, in one transaction. Name and Created stay as they are. A template that is
// not there is a fault.NotFound; an error of change undoes all and is returned.
func (s *Store) ChangeTemplate(ctx context.Context, name string, change func(*job.Template) error) (job.Template, error) {
	return s.changeOn(ctx, templateShelf(), name, change)
}

// DeleteTemplate removes a template and its tags; one that is not there is a fault.NotFound.
func (s *Store) DeleteTemplate(ctx context.Context, name string) error {
	return s.deleteFrom(ctx, templateShelf(), name)
}

// CreatePreset is CreateTemplate of presets.
func (s *Store) CreatePreset(ctx context.Context, p job.Preset, tags map[string]string) error {
	return s.createOn(ctx, presetShelf(), p, tags)
}

// Preset is Template of presets.
func (s *Store) Preset(ctx context.Context, name string) (job.Preset, error) {
	return s.oneOf(ctx, presetShelf(), name)
}

// Presets is Templates of presets.
func (s *Store) Presets(ctx context.Context, f job.TemplateFilter) ([]job.Preset, error) {
	return s.pageOf(ctx, presetShelf(), f)
}

// ChangePreset is ChangeTemplate of presets.
func (s *Store) ChangePreset(ctx context.Context, name string, change func(*job.Preset) error) (job.Preset, error) {
	return s.changeOn(ctx, presetShelf(), name, change)
}

// DeletePreset is DeleteTemplate of presets.
func (s *Store) DeletePreset(ctx context.Context, name string) error {
	return s.deleteFrom(ctx, presetShelf(), name)
}

func (s *Store) createOn(ctx context.Context, h shelf, t job.Template, tags map[string]string) error {
	doc, err := encodeTemplate(t)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO `+h.table+` (`+templateColumns+`) VALUES ($1,$2,$3,$4,$5)`,
			t.Name, t.Category, millis(t.Created), millis(t.Updated), doc)
		if isDuplicate(err) {
			return fault.New(fault.Conflict, "ConflictException", "the %s %q exists already", h.noun, t.Name)
		}
		if err != nil {
			return fmt.Errorf("create %s %q: %w", h.noun, t.Name, err)
		}
		return setTags(ctx, tx, h.tags+t.Name, tags)
	})
}

func (s *Store) oneOf(ctx context.Context, h shelf, name string) (job.Template, error) {
	t, err := scanTemplate(s.read.QueryRowContext(ctx, `SELECT `+templateColumns+` FROM `+h.table+` WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return job.Template{}, h.missing(name)
	}
	if err != nil {
		return job.Template{}, fmt.Errorf("read %s %q: %w", h.noun, name, err)
	}
	return t, nil
}

func (s *Store) pageOf(ctx context.Context, h shelf, f job.TemplateFilter) ([]job.Template, error) {
	var (
		cond []string
		args arguments
	)
	if f.Category != "" {
		cond = append(cond, "category = "+args.add(f.Category))
	}
	compare, direction := ">", " ASC"
	if f.Descending {
		compare, direction = "<", " DESC"
	}
	order := "name" + direction
	if f.ByCreation {
		order = "created_ms" + direction + ", name" + direction
	}
	switch {
	case f.After == "":
	case f.ByCreation:
		cond = append(cond, "(created_ms, name) "+compare+" ("+args.add(millis(f.AfterCreated))+", "+args.add(f.After)+")")
	default:
		cond = append(cond, "name "+compare+" "+args.add(f.After))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 20
	}
	templates, err := collect(ctx, s.read, func(r *sql.Rows) (job.Template, error) { return scanTemplate(r) },
		`SELECT `+templateColumns+` FROM `+h.table+``+where(cond)+` ORDER BY `+order+` LIMIT `+args.add(limit), args...)
	if err != nil {
		return nil, fmt.Errorf("list %ss: %w", h.noun, err)
	}
	return templates, nil
}

func (s *Store) changeOn(ctx context.Context, h shelf, name string, change func(*job.Template) error) (job.Template, error) {
	var t job.Template
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var err error
		t, err = scanTemplate(tx.QueryRowContext(ctx, `UPDATE `+h.table+` SET name = name WHERE name = $1 RETURNING `+templateColumns, name))
		if errors.Is(err, sql.ErrNoRows) {
			return h.missing(name)
		}
		if err != nil {
			return fmt.Errorf("change %s %q: %w", h.noun, name, err)
		}
		created := t.Created
		if err := change(&t); err != nil {
			return err
		}
		t.Name, t.Created = name, created
		doc, err := encodeTemplate(t)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE `+h.table+` SET category=$1, updated_ms=$2, doc=$3 WHERE name=$4`,
			t.Category, millis(t.Updated), doc, name)
		return err
	})
	return t, err
}

func (s *Store) deleteFrom(ctx context.Context, h shelf, name string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM `+h.table+` WHERE name = $1`, name)
		if err != nil {
			return fmt.Errorf("delete %s %q: %w", h.noun, name, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, h.missing(name))
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM tags WHERE resource = $1`, h.tags+name)
		return err
	})
}
