package job

import (
	"context"
	"encoding/json"
	"errors"

	"vodwright.dev/vodwright/internal/fault"
)

// Task is one unit of a job's work: the unit of leasing, retry and crash
// recovery. What it does is opaque to this room; the Runner knows.
type Task struct {
	Job     string          `json:"job"`
	Number  int             `json:"number"`         // order within the job, from 0; set by this room
	Name    string          `json:"name"`           // unique within the job: "probe", "chunk/0/12", "audio/0", "finish"
	Stage   int             `json:"stage"`          // tasks of a stage start when every task of the stage before has its result; set by this room
	Phase   string          `json:"phase"`          // PROBING, TRANSCODING or UPLOADING while tasks of the stage run
	Weight  int64           `json:"weight"`         // share of the job's progress, any unit, same unit across the job
	Payload json.RawMessage `json:"payload"`        // for the Runner
	Attempt int             `json:"attempt"`        // 1 on the first delivery, and another number on each; set by this room
	Spent   Spent           `json:"spent,omitzero"` // what the attempt took, when it is over; set by this room
}

// Result is what a task hands back. A task may run twice; its first stored
// Result counts and every other is dropped.
type Result struct {
	Output json.RawMessage `json:"output,omitempty"` // for tasks of later stages, see Outputs
	// Next adds stages to the job, the first of them being stage 1. Only the first
	// task of a job (stage 0) may set it: it knows the rest of the work once it has
	// looked at the source. Job, Number, Stage and Attempt of the tasks are filled in.
	Next [][]Task `json:"next,omitempty"`
	// Warnings and Details are merged into the job's record as soon as the result is stored.
	Warnings []Warning `json:"warnings,omitempty"`
	// Details are opaque. Those of the first task say what the source is
	// (Job.Input), the last ones of later tasks what the job made (Job.Details).
	Details json.RawMessage `json:"details,omitempty"`
	// Spent is what the attempt took, as far as the Runner knows; told with an error too.
	Spent Spent `json:"spent,omitzero"`
}

// Warning is a fact about a job that its owner should know, by the service's code.
type Warning struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Progress is what a running task tells, at any rate it likes; the queue throttles.
// A task whose Done does not advance for Config.StallTimeout is stopped and tried again.
type Progress struct {
	Done  int64 `json:"done"`  // of Total
	Total int64 `json:"total"` // same unit as Done
}

// Runner carries tasks out. Run must be safe to call again after a crash at any
// instant, must stop every process it started before it returns, and returns
// context.Cause(ctx) promptly when ctx ends: ErrCanceled when the job is over,
// ErrStopped for a shutdown, ErrStalled when the task made no progress.
//
// An error whose fault.Kind is Retryable is retried with backoff up to the
// task's attempts; any other ends the job with the error's Code and Message.
type Runner interface {
	Run(ctx context.Context, task Task, outputs Outputs, report func(Progress)) (Result, error)
	// Discard removes everything that tasks of a job left behind (scratch files,
	// half-published objects). The job is over in any way; Discard may run twice.
	Discard(ctx context.Context, job string, outcome Status) error
}

// Why the context of a Run ends.
var (
	ErrCanceled = errors.New("the job is over")
	ErrStopped  = errors.New("the worker is shutting down")
	ErrStalled  = fault.New(fault.Unavailable, "", "the task made no progress")
)

// ErrExists is what Store.InsertJob returns for an ID that is taken.
var ErrExists = errors.New("a job of this ID exists")

// Outputs reads the stored Output of a finished task of the same job by its name,
// and the job's own record as RecordOutput.
type Outputs func(ctx context.Context, name string) (json.RawMessage, error)
