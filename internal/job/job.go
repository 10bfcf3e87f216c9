package job

import (
	"encoding/json"
	"slices"
	"time"
)

// DefaultQueue is the queue of jobs that name none. It is made on first start
// and cannot be missing.
const DefaultQueue = "Default"

// The bounds of a priority, inclusive, as the service has them; 0 is the default
// and the higher one goes first.
const (
	MinPriority = -50
	MaxPriority = 50
)

// Job is the record of a job. Create takes the fields of the first group and
// fills in the others. Instants are UTC with milliseconds; a zero one has not
// come yet.
type Job struct {
	Queue        string            // name of the queue it is submitted to; empty in Create means DefaultQueue
	Priority     int               // MinPriority to MaxPriority, in that queue
	Request      json.RawMessage   // what was asked, a JSON document; opaque here, written once
	Role         string            // ARN; opaque here
	Template     string            // name of the template it was made from, or empty
	UserMetadata map[string]string // as given
	Tags         map[string]string // kept with the job's resource name, see TagsOf; not read back into a Job
	Warnings     []Warning         // of the request, and later of the tasks; a code with its message is kept once
	Messages     Messages
	// Hops are the queues that the job goes to when it waits too long, in the order
	// of their waits; at most MaxHops.
	Hops []Hop
	// Labels are what the job is found by, see Match: name → values; written once
	// and not read back into a Job.
	Labels map[string][]string
	// StatusUpdateInterval is the time between two STATUS_UPDATE events; 0 means 60 s.
	StatusUpdateInterval time.Duration
	// ClientToken makes Create idempotent for Config.TokenWindow; empty is none.
	ClientToken string

	ID              string // 1515368087458-qnoxtd: milliseconds and six of [0-9a-z]
	Status          Status
	Phase           string       // PROBING, TRANSCODING or UPLOADING; empty before the first task
	Place           *Place       // where it waits or ran after it hopped; nil while it is where it was submitted, see At
	Transitions     []Transition // its hops, in order
	Stage           int          // number of the stage at work; -1 before the first
	PercentComplete int          // 0 to 100, never falls; 100 only when COMPLETE
	RetryCount      int          // tasks that were tried again
	ErrorCode       int          // the service's code when Status is ERROR: 1010 …, 1999 when nothing better is known
	ErrorMessage    string
	Input           json.RawMessage // Details of the first task: what the source is; opaque here
	Details         json.RawMessage // Details of the latest later task that had some: what the job made; opaque here
	Marks           []Mark          // when its phases began, in order
	Work            *Work           // what it took; nil until it is over, and of jobs that ended before this was kept
	Created         time.Time       // also the time of submission
	Started         time.Time       // when it was admitted
	Finished        time.Time       // when it became COMPLETE, CANCELED or ERROR
}

// Messages are sentences for the owner of a job, as the service has them.
type Messages struct {
	Info    []string `json:"info,omitempty"`
	Warning []string `json:"warning,omitempty"`
}

// Filter says which jobs a list holds. The zero Filter lists all, newest first.
type Filter struct {
	Queue     string  // name of the queue that they were submitted to; empty is any
	Status    Status  // empty is any
	Any       []Match // of which a job must meet one; empty is any job
	Ascending bool    // oldest first
	Limit     int     // how many; 0 is 20
	After     string  // ID of the last job of the page before; empty starts
}

// Match is one way in which a job meets a Filter: by one of Queue, Status or Label.
type Match struct {
	Queue  string // it was submitted to this queue
	Status Status // it is in this state
	Label  string // a label of this name has the value Text
	Text   string
	Part   bool // Text is a part of the value; empty then is a part of any
}

// Queue is the record of a queue. A PAUSED queue admits no jobs; those that
// progress go on.
type Queue struct {
	Name        string
	Status      string // ACTIVE or PAUSED
	Description string
	// ConcurrentJobs is how many jobs of the queue progress at once at most, of any
	// priority; 0 leaves it to Config.Jobs, which bounds it too.
	ConcurrentJobs int
	Created        time.Time
	Updated        time.Time
}

// MaxHops is how many queues a job may hop to.
const MaxHops = 10

// Hop is a queue that a job goes to when it is still SUBMITTED after Wait, which
// counts from its submission.
type Hop struct {
	Queue    string        `json:"queue"`
	Priority *int          `json:"priority,omitempty"` // there; nil keeps what it has
	Wait     time.Duration `json:"waitNanos"`
}

// Place is where a job stands in line.
type Place struct {
	Queue    string `json:"queue"`
	Priority int    `json:"priority"`
}

// At returns where the job stands in line now, or stood last.
func (j *Job) At() Place {
	if j.Place != nil {
		return *j.Place
	}
	return Place{j.Queue, j.Priority}
}

// Transition is a hop that happened.
type Transition struct {
	From string    `json:"from"`
	To   string    `json:"to"`
	At   time.Time `json:"at"`
}

// The states of a Queue.
const (
	QueueActive = "ACTIVE"
	QueuePaused = "PAUSED"
)

// Template is the record of a job template; names are unique.
type Template struct {
	Name        string
	Description string
	Category    string
	Settings    json.RawMessage // the template's document; opaque here
	Created     time.Time
	Updated     time.Time
}

// Preset is the record of an output preset; it has what a template has, under
// names of its own.
type Preset = Template

// WorkersKey is the key of Job.UserMetadata by which a job asks for workers that have a
// label: its value.
const WorkersKey = "vodwright-workers"

// Labelled is what a worker carries: its labels, and whether it carries nothing but
// jobs that ask for one of them.
type Labelled struct {
	Labels    []string `json:"labels,omitempty"`
	Exclusive bool     `json:"exclusive,omitempty"`
}

// Carries reports whether a worker carries a job.
func (l Labelled) Carries(j *Job) bool {
	want := j.UserMetadata[WorkersKey]
	if want == "" {
		return !l.Exclusive
	}
	return slices.Contains(l.Labels, want)
}

// TagsOf returns the name under which the tags of a job are kept: the resource
// part of its ARN. Templates have "jobTemplates/NAME", presets "presets/NAME",
// queues "queues/NAME".
func TagsOf(jobID string) string { return "jobs/" + jobID }

// FirstTask is the payload of the task of stage 0, named "probe": all that the
// Runner needs to know of the job.
type FirstTask struct {
	Job          string            `json:"job"`
	Request      json.RawMessage   `json:"request"`
	Role         string            `json:"role"`
	Queue        string            `json:"queue"`
	UserMetadata map[string]string `json:"userMetadata,omitempty"`
	Created      time.Time         `json:"created"`
	Started      time.Time         `json:"started"` // what $dt$ and its kin stand for, everywhere in the job
}
