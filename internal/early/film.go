package early

import (
	"context"
	"encoding/json"
	"fmt"

	"vodwright.dev/vodwright/internal/job"
)

// Object is an object of a job as it will be published.
type Object struct {
	Body                         []byte
	ContentType, ContentEncoding string
}

// Need is something of a job's work that has to be done before an object can be made.
type Need struct {
	Task string // that does it
	Rung int    // of a chunk, the one that is needed; -1 is all of the task
}

// NotYet is the error of an object that cannot be made until its needs are met.
type NotYet struct {
	Needs []Need
	Have  []byte // what it is sure to begin with
}

func (e *NotYet) Error() string { return fmt.Sprintf("not encoded yet: %v", e.Needs) }

// Film is what a planned job will publish and what it is made of. Implementations are
// safe for concurrent use.
type Film interface {
	// Promises reports whether the job will publish the object and Make can make it.
	Promises(bucket, key string) bool
	// Make makes an object of what has been encoded. The error is a *NotYet while that
	// is not enough; the object is then as it will be but for its Body.
	Make(ctx context.Context, bucket, key string) (Object, error)
	// Obtain does what is needed, beside the job's tasks, unless it is done. It calls
	// grown when there is more to make objects of before it returns.
	Obtain(ctx context.Context, n Need, grown func()) error
	// First are the needs of the first segment that a player asks for.
	First(ctx context.Context) []Need
	// Number is a task's number within the job.
	Number(task string) int
	// After are the needs that follow a need in the film.
	After(n Need) []Need
}

// Films returns what a job promises: nil if it is not to be played early. The job has
// been planned.
type Films interface {
	Film(ctx context.Context, id string, outputs job.Outputs) (Film, error)
	// Foresees reports whether the film of a job that is not planned yet may promise a
	// playlist.
	Foresees(j job.Job, bucket, key string) bool
}

// Jobs is what Early has to know of jobs. *job.Coordinator implements it.
type Jobs interface {
	List(ctx context.Context, f job.Filter) ([]job.Job, error)
	Watch(ctx context.Context, id string) (<-chan job.Job, error)
	Output(ctx context.Context, id, task string) (json.RawMessage, error)
	Promote(ctx context.Context, id string, tasks ...int) error
}
