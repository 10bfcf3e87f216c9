package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"vodwright.dev/vodwright/internal/job"
)

// setLabels stores what a job is found by.
func setLabels(ctx context.Context, tx *sql.Tx, id string, labels map[string][]string) error {
	for name, values := range labels {
		for _, value := range values {
			if _, err := tx.ExecContext(ctx, `INSERT INTO job_labels (job_id, name, value) VALUES ($1,$2,$3)
				ON CONFLICT (job_id, name, value) DO NOTHING`, id, name, value); err != nil {
				return fmt.Errorf("label job %s: %w", id, err)
			}
		}
	}
	return nil
}

// anyOf is the condition that a job meets one of the matches.
func anyOf(matches []job.Match, args *arguments) string {
	var any []string
	for _, m := range matches {
		switch {
		case m.Queue != "":
			any = append(any, "submitted_to = "+args.add(m.Queue))
		case m.Status != "":
			any = append(any, "status = "+args.add(m.Status))
		default:
			value := "1 = 1"
			switch {
			case !m.Part:
				value = "l.value = " + args.add(m.Text)
			case m.Text != "": // without what has a part of it only if it has the part; LIKE is another one in each database
				value = "REPLACE(l.value, " + args.add(m.Text) + ", '') <> l.value"
			}
			any = append(any, "EXISTS (SELECT 1 FROM job_labels l WHERE l.job_id = jobs.id AND l.name = "+args.add(m.Label)+" AND "+value+")")
		}
	}
	return "(" + strings.Join(any, " OR ") + ")"
}
