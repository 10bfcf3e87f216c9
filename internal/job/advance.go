package job

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"vodwright.dev/vodwright/internal/fault"
)

// Complete implements Ledger: it stores the result of a task, once, and moves the
// job on: later tasks come, the next stage starts, or the job is COMPLETE. A result
// that comes second or after the job ended is ErrStale. A result that breaks the
// Runner's contract ends the job.
func (c *Coordinator) Complete(ctx context.Context, task Task, r Result) error {
	c.live.stop(task.Job, task.Number)
	if broken := check(task, r); broken != nil {
		return c.Fail(ctx, task, broken)
	}
	over := false
	err := c.change(ctx, task.Job, func(tx Tx, j *Job) error {
		t, err := c.open(tx, j, task)
		if err != nil {
			return err
		}
		t.Done, t.Output, t.Spent = true, r.Output, task.Spent
		if err := tx.SetTask(t); err != nil {
			return err
		}
		if err := c.merge(tx, j, t.Task, r); err != nil {
			return err
		}
		over, err = c.advance(tx, j)
		return err
	})
	if err != nil {
		return err
	}
	if over {
		c.log.InfoContext(ctx, "job complete", "job", task.Job)
		c.over(ctx, task.Job)
	}
	wake(c.relayWake)
	return nil
}

// check returns how a result breaks the Runner's contract, as an error that no
// retry can help.
func check(task Task, r Result) error {
	broken := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "", "task %q gave a wrong result: "+format, append([]any{task.Name}, args...)...)
	}
	if task.Stage != 0 && len(r.Next) > 0 {
		return broken("only the first task may add stages")
	}
	for name, doc := range map[string]json.RawMessage{"output": r.Output, "details": r.Details} {
		if len(doc) > 0 && !json.Valid(doc) {
			return broken("its %s is not JSON", name)
		}
	}
	seen := map[string]bool{task.Name: true}
	for _, stage := range r.Next {
		for _, t := range stage {
			switch {
			case t.Name == "" || seen[t.Name]:
				return broken("the task name %q is empty or not unique", t.Name)
			case t.Weight < 0:
				return broken("task %q has a negative weight", t.Name)
			case len(t.Payload) > 0 && !json.Valid(t.Payload):
				return broken("the payload of task %q is not JSON", t.Name)
			}
			seen[t.Name] = true
		}
	}
	return nil
}

// merge takes what a result says about the job over into its record.
func (c *Coordinator) merge(tx Tx, j *Job, t Task, r Result) error {
	now := c.now()
	for _, w := range r.Warnings {
		if err := c.warn(tx, j, w); err != nil {
			return err
		}
	}
	switch {
	case len(r.Details) == 0:
	case t.Stage > 0:
		j.Details = r.Details
	default:
		j.Input = r.Details
		detail, err := json.Marshal(map[string]any{"input": r.Details})
		if err != nil {
			return fmt.Errorf("encode input event: %w", err)
		}
		if err := tx.Emit(Event{At: now, Kind: EventInputInformation, Detail: detail}); err != nil {
			return err
		}
	}
	return tx.AddTasks(number(t, r.Next))
}

// number makes tasks of what the first task said: each gets its place.
func number(first Task, stages [][]Task) []Task {
	var all []Task
	stage := first.Stage
	for _, tasks := range stages {
		if len(tasks) == 0 {
			continue // nothing to wait for
		}
		stage++
		for _, t := range tasks {
			t.Job, t.Number, t.Stage, t.Attempt = first.Job, first.Number+1+len(all), stage, 0
			if len(t.Payload) == 0 {
				t.Payload = json.RawMessage("null")
			}
			all = append(all, t)
		}
	}
	return all
}

// advance moves the job to the first stage that is not done, or to its end.
func (c *Coordinator) advance(tx Tx, j *Job) (over bool, err error) {
	stages, err := tx.Tally()
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(stages, func(s StageTally) bool { return s.Done < s.Tasks })
	if at < 0 {
		j.PercentComplete = 100
		detail, err := json.Marshal(map[string]any{"details": j.Details, "warnings": j.Warnings})
		if err != nil {
			return false, fmt.Errorf("encode complete event: %w", err)
		}
		return true, c.end(tx, j, finish, Event{Kind: EventComplete, Detail: detail})
	}
	l := liveJob{stages: stages}
	j.PercentComplete = max(j.PercentComplete, l.percent())
	if stages[at].Stage == j.Stage {
		return false, nil
	}
	j.Stage = stages[at].Stage
	if stages[at].Phase != "" {
		j.mark(stages[at].Phase, c.now())
	}
	return false, tx.Post(Errand{Kind: PublishStage, Number: j.Stage, Due: c.now()})
}
