package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

var _ job.Store = (*Store)(nil)

// jobDoc is what the doc column of a job holds: the fields without a column.
type jobDoc struct {
	Role                 string            `json:"role,omitempty"`
	Template             string            `json:"template,omitempty"`
	UserMetadata         map[string]string `json:"userMetadata,omitempty"`
	Warnings             []job.Warning     `json:"warnings,omitempty"`
	Messages             job.Messages      `json:"messages,omitzero"`
	StatusUpdateInterval time.Duration     `json:"statusUpdateIntervalNanos,omitempty"`
	ClientToken          string            `json:"clientToken,omitempty"`
	RetryCount           int               `json:"retryCount,omitempty"`
	ErrorCode            int               `json:"errorCode,omitempty"`
	ErrorMessage         string            `json:"errorMessage,omitempty"`
	Input                json.RawMessage   `json:"input,omitempty"`
	Details              json.RawMessage   `json:"details,omitempty"`
	Hops                 []job.Hop         `json:"hops,omitempty"`
	Transitions          []job.Transition  `json:"transitions,omitempty"`
	SubmittedPriority    *int              `json:"submittedPriority,omitempty"` // of a job that hopped; its columns say where it is
	StartedMS            int64             `json:"startedMs,omitempty"`
	FinishedMS           int64             `json:"finishedMs,omitempty"`
	Marks                []job.Mark        `json:"marks,omitempty"`
	Work                 *job.Work         `json:"work,omitempty"`
}

const jobColumns = `id, queue, submitted_to, status, priority, created_ms, phase, percent, stage, request, doc`

type scanner interface{ Scan(dest ...any) error }

func scanJob(row scanner, more ...any) (job.Job, error) {
	var (
		j            job.Job
		created      int64
		request, doc string
		d            jobDoc
	)
	var at string
	dest := append([]any{&j.ID, &at, &j.Queue, &j.Status, &j.Priority, &created, &j.Phase, &j.PercentComplete, &j.Stage, &request, &doc}, more...)
	if err := row.Scan(dest...); err != nil {
		return job.Job{}, err
	}
	if err := json.Unmarshal([]byte(doc), &d); err != nil {
		return job.Job{}, fmt.Errorf("read record of job %s: %w", j.ID, err)
	}
	j.Created, j.Started, j.Finished = instant(created), instant(d.StartedMS), instant(d.FinishedMS)
	j.Request = json.RawMessage(request)
	j.Role, j.Template, j.UserMetadata, j.ClientToken = d.Role, d.Template, d.UserMetadata, d.ClientToken
	j.Warnings, j.Messages, j.StatusUpdateInterval = d.Warnings, d.Messages, d.StatusUpdateInterval
	j.RetryCount, j.ErrorCode, j.ErrorMessage = d.RetryCount, d.ErrorCode, d.ErrorMessage
	j.Input, j.Details, j.Hops, j.Transitions = d.Input, d.Details, d.Hops, d.Transitions
	j.Marks, j.Work = d.Marks, d.Work
	if d.SubmittedPriority != nil {
		j.Place = &job.Place{Queue: at, Priority: j.Priority}
		j.Priority = *d.SubmittedPriority
	}
	return j, nil
}

func encodeJob(j job.Job) (string, error) {
	var submitted *int
	if j.Place != nil {
		submitted = &j.Priority
	}
	doc, err := json.Marshal(jobDoc{
		Hops: j.Hops, Transitions: j.Transitions, SubmittedPriority: submitted,
		Role: j.Role, Template: j.Template, UserMetadata: j.UserMetadata, ClientToken: j.ClientToken,
		Warnings: j.Warnings, Messages: j.Messages, StatusUpdateInterval: j.StatusUpdateInterval,
		RetryCount: j.RetryCount, ErrorCode: j.ErrorCode, ErrorMessage: j.ErrorMessage,
		Input: j.Input, Details: j.Details, StartedMS: millis(j.Started), FinishedMS: millis(j.Finished),
		Marks: j.Marks, Work: j.Work,
	})
	if err != nil {
		return "", fmt.Errorf("encode record of job %s: %w", j.ID, err)
	}
	return string(doc), nil
}

// InsertJob implements job.Store.
func (s *Store) InsertJob(ctx context.Context, j job.Job, token *job.Token, errands ...job.Errand) (job.Job, bool, error) {
	doc, err := encodeJob(j)
	if err != nil {
		return job.Job{}, false, err
	}
	stored, fresh := j, true
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if token != nil {
			earlier, err := useToken(ctx, tx, *token, j.ID)
			if err != nil {
				return err
			}
			if earlier != j.ID {
				fresh = false
				stored, err = oneJob(ctx, tx, earlier)
				return err
			}
		}
		var queue string
		err := tx.QueryRowContext(ctx, `SELECT name FROM queues WHERE name = $1`, j.Queue).Scan(&queue)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "NotFoundException", "the queue %q does not exist", j.Queue)
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO jobs (id, queue, submitted_to, status, priority, created_ms, version, phase, percent, stage, events, request, doc)
			VALUES ($1,$2,$3,$4,$5,$6,1,$7,$8,$9,0,$10,$11)`,
			j.ID, j.At().Queue, j.Queue, j.Status, j.At().Priority, millis(j.Created), j.Phase, j.PercentComplete, j.Stage, string(j.Request), doc)
		if isDuplicate(err) {
			return job.ErrExists
		}
		if err != nil {
			return err
		}
		t := &jobTx{ctx: ctx, tx: tx, job: j.ID}
		for _, e := range errands {
			if err := t.Post(e); err != nil {
				return err
			}
		}
		return errors.Join(setLabels(ctx, tx, j.ID, j.Labels), setTags(ctx, tx, job.TagsOf(j.ID), j.Tags))
	})
	if err != nil {
		return job.Job{}, false, fmt.Errorf("insert job %s: %w", j.ID, err)
	}
	return stored, fresh, nil
}

// useToken claims a token for a job, and returns the ID of the job that has it.
func useToken(ctx context.Context, tx *sql.Tx, t job.Token, id string) (string, error) {
	if _, err := tx.ExecContext(ctx, `DELETE FROM client_tokens WHERE expires_ms <= $1`, millis(t.Now)); err != nil {
		return "", err
	}
	// The update changes nothing: it makes RETURNING answer for a row that exists.
	var owner, request string
	err := tx.QueryRowContext(ctx, `INSERT INTO client_tokens (token, job_id, request, expires_ms) VALUES ($1,$2,$3,$4)
		ON CONFLICT (token) DO UPDATE SET token = excluded.token RETURNING job_id, request`,
		t.Value, id, t.Request, millis(t.Expires)).Scan(&owner, &request)
	if err != nil {
		return "", err
	}
	if request != t.Request {
		return "", fault.New(fault.Conflict, "ConflictException", "the client request token %q was used for another request", t.Value).
			WithHint("use a new token for each job")
	}
	return owner, nil
}

// Job implements job.Store.
func (s *Store) Job(ctx context.Context, id string) (job.Job, error) {
	return oneJob(ctx, s.read, id)
}

func oneJob(ctx context.Context, q querier, id string) (job.Job, error) {
	j, err := scanJob(q.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return job.Job{}, noJob(id)
	}
	if err != nil {
		return job.Job{}, fmt.Errorf("read job %q: %w", id, err)
	}
	return j, nil
}

func noJob(id string) error {
	return fault.New(fault.NotFound, "NotFoundException", "the job %q does not exist", id)
}

// Jobs implements job.Store.
func (s *Store) Jobs(ctx context.Context, f job.Filter) ([]job.Job, error) {
	var (
		cond []string
		args arguments
	)
	if f.Queue != "" {
		cond = append(cond, "submitted_to = "+args.add(f.Queue))
	}
	if f.Status != "" {
		cond = append(cond, "status = "+args.add(f.Status))
	}
	if len(f.Any) > 0 {
		cond = append(cond, anyOf(f.Any, &args))
	}
	compare, order := "<", "DESC"
	if f.Ascending {
		compare, order = ">", "ASC"
	}
	if f.After != "" {
		at, err := job.CreatedOf(f.After)
		if err != nil {
			return nil, fault.New(fault.Invalid, "BadRequestException", "%w", err)
		}
		cond = append(cond, "(created_ms, id) "+compare+" ("+args.add(millis(at))+", "+args.add(f.After)+")")
	}
	jobs, err := collect(ctx, s.read, func(r *sql.Rows) (job.Job, error) { return scanJob(r) },
		`SELECT `+jobColumns+` FROM jobs`+where(cond)+` ORDER BY created_ms `+order+`, id `+order+` LIMIT `+args.add(f.Limit), args...)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return jobs, nil
}

// ChangeJob implements job.Store.
func (s *Store) ChangeJob(ctx context.Context, id string, change func(job.Tx, *job.Job) error) (job.Job, error) {
	var j job.Job
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var events int64
		var err error
		j, err = scanJob(tx.QueryRowContext(ctx,
			`UPDATE jobs SET version = version + 1 WHERE id = $1 RETURNING `+jobColumns+`, events`, id), &events)
		if errors.Is(err, sql.ErrNoRows) {
			return noJob(id)
		}
		if err != nil {
			return err
		}
		return changeJob(ctx, tx, &j, events, change)
	})
	if err != nil {
		return job.Job{}, fmt.Errorf("change job %q: %w", id, err)
	}
	return j, nil
}

// changeJob calls change on a locked job and writes what it made of it.
func changeJob(ctx context.Context, tx *sql.Tx, j *job.Job, events int64, change func(job.Tx, *job.Job) error) error {
	t := &jobTx{ctx: ctx, tx: tx, job: j.ID, events: events}
	if err := change(t, j); err != nil {
		return err
	}
	doc, err := encodeJob(*j)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE jobs SET status=$1, phase=$2, percent=$3, stage=$4, events=$5, doc=$6, queue=$7, priority=$8 WHERE id=$9`,
		j.Status, j.Phase, j.PercentComplete, j.Stage, t.events, doc, j.At().Queue, j.At().Priority, j.ID)
	return err
}

// AdmitJob implements job.Store.
func (s *Store) AdmitJob(ctx context.Context, queue string, limit int, change func(job.Tx, *job.Job) error) (job.Job, bool, error) {
	var next string
	err := s.read.QueryRowContext(ctx, `SELECT id FROM jobs WHERE queue = $1 AND status = 'SUBMITTED' LIMIT 1`, queue).Scan(&next)
	if errors.Is(err, sql.ErrNoRows) { // mostly so; needs no write
		return job.Job{}, false, nil
	}
	if err != nil {
		return job.Job{}, false, fmt.Errorf("admit a job of queue %q: %w", queue, err)
	}
	var (
		j  job.Job
		ok bool
	)
	err = s.tx(ctx, func(tx *sql.Tx) error {
		q, err := scanQueue(tx.QueryRowContext(ctx, `UPDATE queues SET version = version + 1 WHERE name = $1 RETURNING `+queueColumns, queue))
		if err != nil || q.Status != job.QueueActive {
			return ignoreNoRows(err)
		}
		var events int64
		j, err = scanJob(tx.QueryRowContext(ctx, `SELECT `+jobColumns+`, events FROM jobs
			WHERE queue = $1 AND status = 'SUBMITTED' ORDER BY priority DESC, created_ms, id LIMIT 1`, queue), &events)
		if err != nil {
			return ignoreNoRows(err)
		}
		var running, before int
		if err := tx.QueryRowContext(ctx, `SELECT count(*), COALESCE(SUM(CASE WHEN priority >= $2 THEN 1 ELSE 0 END), 0)
			FROM jobs WHERE queue = $1 AND status = 'PROGRESSING'`, queue, j.At().Priority).Scan(&running, &before); err != nil {
			return err
		}
		if before >= limit || q.ConcurrentJobs > 0 && running >= q.ConcurrentJobs {
			return nil
		}
		// A cancel or a hop that locks the job alone must not slip in between.
		res, err := tx.ExecContext(ctx, `UPDATE jobs SET version = version + 1 WHERE id = $1 AND status = 'SUBMITTED' AND queue = $2`, j.ID, queue)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		ok = true
		return changeJob(ctx, tx, &j, events, change)
	})
	if err != nil {
		return job.Job{}, false, fmt.Errorf("admit a job of queue %q: %w", queue, err)
	}
	if !ok {
		return job.Job{}, false, nil
	}
	return j, true, nil
}

func ignoreNoRows(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// SaveProgress implements job.Store.
func (s *Store) SaveProgress(ctx context.Context, percent map[string]int) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		for id, p := range percent {
			if _, err := tx.ExecContext(ctx, `UPDATE jobs SET percent = $1 WHERE id = $2 AND status = 'PROGRESSING' AND percent < $3`, p, id, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store progress: %w", err)
	}
	return nil
}

// Output implements job.Store.
func (s *Store) Output(ctx context.Context, id, name string) (json.RawMessage, error) {
	var out sql.NullString
	err := s.read.QueryRowContext(ctx, `SELECT output FROM tasks WHERE job_id = $1 AND name = $2 AND done = 1`, id, name).Scan(&out)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "", "job %s has no result of a task %q", id, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read output of task %q of job %s: %w", name, id, err)
	}
	if !out.Valid {
		return nil, nil
	}
	return json.RawMessage(out.String), nil
}

// ReadyTasks implements job.Store.
func (s *Store) ReadyTasks(ctx context.Context, id string) ([]job.Ref, error) {
	var args arguments
	cond := ""
	if id != "" {
		cond = ` AND j.id = ` + args.add(id)
	}
	refs, err := collect(ctx, s.read, func(r *sql.Rows) (ref job.Ref, err error) {
		return ref, r.Scan(&ref.Job, &ref.Number, &ref.Priority)
	}, `SELECT j.id, t.number, j.priority FROM jobs j JOIN tasks t ON t.job_id = j.id AND t.stage = j.stage AND t.done = 0
		WHERE j.status = 'PROGRESSING'`+cond+`
		AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.job_id = j.id AND o.kind = 'task' AND o.number = t.number)
		ORDER BY j.priority DESC, j.id, t.number`, args...)
	if err != nil {
		return nil, fmt.Errorf("read ready tasks: %w", err)
	}
	return refs, nil
}

// Events implements job.Store.
func (s *Store) Events(ctx context.Context, id string, after int64) ([]job.Event, error) {
	events, err := collect(ctx, s.read, func(r *sql.Rows) (job.Event, error) {
		var (
			e      job.Event
			at     int64
			detail string
		)
		err := r.Scan(&e.Job, &e.Number, &at, &e.Kind, &detail)
		e.At, e.Detail = instant(at), json.RawMessage(detail)
		return e, err
	}, `SELECT job_id, number, at_ms, kind, detail FROM job_events WHERE job_id = $1 AND number > $2 ORDER BY number`, id, after)
	if err != nil {
		return nil, fmt.Errorf("read events of job %q: %w", id, err)
	}
	return events, nil
}

// jobTx is one change of one job. It lives no longer than its function call, so
// it keeps the context of that call.
type jobTx struct {
	ctx    context.Context
	tx     *sql.Tx
	job    string
	events int64
}

// taskRows is how many tasks one INSERT holds: nine arguments each, well under
// the 32,766 of SQLite and the 65,535 of PostgreSQL.
const taskRows = 500

func (t *jobTx) AddTasks(tasks []job.Task) error {
	for len(tasks) > 0 {
		n := min(len(tasks), taskRows)
		var (
			args   arguments
			values []string
		)
		for _, k := range tasks[:n] {
			values = append(values, "("+strings.Join([]string{
				args.add(t.job), args.add(k.Number), args.add(k.Name), args.add(k.Stage),
				args.add(k.Phase), args.add(k.Weight), args.add(string(k.Payload)),
			}, ",")+",0,0,0,0)")
		}
		if _, err := t.tx.ExecContext(t.ctx, `INSERT INTO tasks (job_id, number, name, stage, phase, weight, payload, done, starts, failures, releases) VALUES `+
			strings.Join(values, ","), args...); err != nil {
			return fmt.Errorf("add tasks: %w", err)
		}
		tasks = tasks[n:]
	}
	return nil
}

func (t *jobTx) Task(number int) (job.TaskState, error) {
	var (
		k       job.TaskState
		payload string
		output  sql.NullString
	)
	k.Job = t.job
	err := t.tx.QueryRowContext(t.ctx, `SELECT number, name, stage, phase, weight, payload, done, starts, failures, releases, output, wasted_ns
		FROM tasks WHERE job_id = $1 AND number = $2`, t.job, number).
		Scan(&k.Number, &k.Name, &k.Stage, &k.Phase, &k.Weight, &payload, &k.Done, &k.Starts, &k.Failures, &k.Releases, &output, &k.Wasted)
	if errors.Is(err, sql.ErrNoRows) {
		return job.TaskState{}, fault.New(fault.NotFound, "", "job %s has no task %d", t.job, number)
	}
	if err != nil {
		return job.TaskState{}, fmt.Errorf("read task %d: %w", number, err)
	}
	k.Payload = json.RawMessage(payload)
	if output.Valid {
		k.Output = json.RawMessage(output.String)
	}
	return k, nil
}

func (t *jobTx) SetTask(k job.TaskState) error {
	done := 0
	if k.Done {
		done = 1
	}
	output := sql.NullString{String: string(k.Output), Valid: k.Output != nil}
	if _, err := t.tx.ExecContext(t.ctx, `UPDATE tasks SET done=$1, starts=$2, failures=$3, releases=$4, output=$5,
		worker=$6, cpu_ns=$7, wall_ns=$8, processes=$9, wasted_ns=$10 WHERE job_id=$11 AND number=$12`,
		done, k.Starts, k.Failures, k.Releases, output, k.Spent.Worker, k.Spent.CPU, k.Spent.Wall, k.Spent.Processes, k.Wasted, t.job, k.Number); err != nil {
		return fmt.Errorf("store task %d: %w", k.Number, err)
	}
	return nil
}

func (t *jobTx) Tally() ([]job.StageTally, error) {
	stages, err := collect(t.ctx, t.tx, func(r *sql.Rows) (s job.StageTally, err error) {
		return s, r.Scan(&s.Stage, &s.Phase, &s.Tasks, &s.Done, &s.Weight, &s.DoneWeight)
	}, `SELECT stage, max(phase), count(*), sum(done), sum(weight), sum(weight * done) FROM tasks WHERE job_id = $1 GROUP BY stage ORDER BY stage`, t.job)
	if err != nil {
		return nil, fmt.Errorf("count tasks: %w", err)
	}
	return stages, nil
}

func (t *jobTx) Emit(e job.Event) error {
	t.events++
	if _, err := t.tx.ExecContext(t.ctx, `INSERT INTO job_events (job_id, number, at_ms, kind, detail, position)
		VALUES ($1,$2,$3,$4,$5,(SELECT MAX(position)+1 FROM (SELECT COALESCE(MAX(position), 0) AS position FROM job_events
			UNION ALL SELECT position FROM event_cursors WHERE feed = $6) known))`,
		t.job, t.events, millis(e.At), e.Kind, string(e.Detail), event.FeedJobs); err != nil {
		return fmt.Errorf("emit event %s: %w", e.Kind, err)
	}
	return nil
}

func (t *jobTx) Queue(name string) (job.Queue, error) {
	q, err := scanQueue(t.tx.QueryRowContext(t.ctx, `UPDATE queues SET version = version + 1 WHERE name = $1 RETURNING `+queueColumns, name))
	if errors.Is(err, sql.ErrNoRows) {
		return job.Queue{}, noQueue(name)
	}
	if err != nil {
		return job.Queue{}, fmt.Errorf("read queue %q: %w", name, err)
	}
	return q, nil
}

func (t *jobTx) Post(e job.Errand) error {
	if _, err := t.tx.ExecContext(t.ctx, `INSERT INTO outbox (job_id, kind, number, due_ms, tries) VALUES ($1,$2,$3,$4,0)
		ON CONFLICT (job_id, kind, number) DO UPDATE SET due_ms = excluded.due_ms, tries = 0`,
		t.job, e.Kind, e.Number, millis(e.Due)); err != nil {
		return fmt.Errorf("post errand %s: %w", e.Kind, err)
	}
	return nil
}
