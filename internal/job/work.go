package job

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Spent is what one attempt of a task took.
type Spent struct {
	Worker    string        `json:"worker,omitempty"` // who carried it; "" is not known
	CPU       time.Duration `json:"cpuNanos"`         // of its media processes, user and system
	Wall      time.Duration `json:"wallNanos"`        // from its start to its end
	Processes int           `json:"processes"`        // media processes
}

// TaskWork is what is known of the attempts of a task.
type TaskWork struct {
	Name     string
	Done     bool
	Starts   int // as in TaskState
	Failures int
	Releases int
	Spent    Spent         // of the attempt whose result counts
	Wasted   time.Duration // CPU of the others that told
}

// Work is what a job took. Attempts that ended without a word (their process or
// machine died) are counted, and took what nobody knows.
type Work struct {
	Kinds   []KindWork   `json:"kinds"`   // by name
	Workers []WorkerWork `json:"workers"` // by name
}

// KindWork sums up the tasks of a kind: the part of their names before a slash.
type KindWork struct {
	Kind      string        `json:"kind"`
	Tasks     int           `json:"tasks"`
	Done      int           `json:"done"`
	Attempts  int           `json:"attempts"`
	Failures  int           `json:"failures"`
	Releases  int           `json:"releases"`    // attempts that a graceful stop gave back
	CPU       time.Duration `json:"cpuNanos"`    // of the attempts that count
	Wasted    time.Duration `json:"wastedNanos"` // CPU of the others
	Wall      time.Duration `json:"wallNanos"`   // sum of the attempts that count
	Processes int           `json:"processes"`
}

// Lost is how many attempts ended without a word, or run.
func (k KindWork) Lost() int { return k.Attempts - k.Done - k.Failures - k.Releases }

// WorkerWork is what one worker did that counts.
type WorkerWork struct {
	Name  string        `json:"name"`
	Tasks int           `json:"tasks"`
	CPU   time.Duration `json:"cpuNanos"`
}

// Sum adds up what the tasks of a job took.
func Sum(tasks []TaskWork) *Work {
	kinds, workers := map[string]*KindWork{}, map[string]*WorkerWork{}
	for _, t := range tasks {
		name, _, _ := strings.Cut(t.Name, "/")
		k := kinds[name]
		if k == nil {
			k = &KindWork{Kind: name}
			kinds[name] = k
		}
		k.Tasks, k.Attempts, k.Failures, k.Releases = k.Tasks+1, k.Attempts+t.Starts, k.Failures+t.Failures, k.Releases+t.Releases
		k.Wasted += t.Wasted
		if !t.Done {
			continue
		}
		k.Done, k.CPU, k.Wall, k.Processes = k.Done+1, k.CPU+t.Spent.CPU, k.Wall+t.Spent.Wall, k.Processes+t.Spent.Processes
		if t.Spent.Worker == "" {
			continue
		}
		w := workers[t.Spent.Worker]
		if w == nil {
			w = &WorkerWork{Name: t.Spent.Worker}
			workers[t.Spent.Worker] = w
		}
		w.Tasks, w.CPU = w.Tasks+1, w.CPU+t.Spent.CPU
	}
	out := &Work{Kinds: []KindWork{}, Workers: []WorkerWork{}}
	for _, k := range kinds {
		out.Kinds = append(out.Kinds, *k)
	}
	for _, w := range workers {
		out.Workers = append(out.Workers, *w)
	}
	slices.SortFunc(out.Kinds, func(a, b KindWork) int { return cmp.Compare(a.Kind, b.Kind) })
	slices.SortFunc(out.Workers, func(a, b WorkerWork) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Mark is when a phase of a job began.
type Mark struct {
	Phase string    `json:"phase"`
	At    time.Time `json:"at"`
}

// mark notes that a phase begins.
func (j *Job) mark(phase string, at time.Time) {
	j.Phase = phase
	if n := len(j.Marks); n == 0 || j.Marks[n-1].Phase != phase {
		j.Marks = append(j.Marks, Mark{phase, at})
	}
}

// Record returns a job with what it took so far, or in all when it is over. An ID
// that is not there is a fault.NotFound.
func (c *Coordinator) Record(ctx context.Context, id string) (Job, error) {
	j, err := c.Get(ctx, id)
	if err != nil || j.Work != nil {
		return j, err
	}
	tasks, err := c.store.TaskWork(ctx, id)
	if err != nil {
		return Job{}, err
	}
	j.Work = Sum(tasks)
	return j, nil
}

// RecordOutput is the name under which Outputs gives the record of the job itself,
// as Record does. No task has it.
const RecordOutput = "@record"

// output is Outputs for the tasks of a job.
func (c *Coordinator) output(ctx context.Context, id, name string) (json.RawMessage, error) {
	if name != RecordOutput {
		return c.store.Output(ctx, id, name)
	}
	j, err := c.Record(ctx, id)
	if err != nil {
		return nil, err
	}
	return json.Marshal(j)
}
