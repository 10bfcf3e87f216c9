package job

import (
	"encoding/json"
	"time"
)

// EventKind is the status of a job-state event, as EventBridge has them.
type EventKind string

// The kinds, with the members of their Detail.
const (
	EventProgressing      EventKind = "PROGRESSING"       // {}
	EventInputInformation EventKind = "INPUT_INFORMATION" // {"input": Job.Input}
	EventStatusUpdate     EventKind = "STATUS_UPDATE"     // StatusUpdate
	EventNewWarning       EventKind = "NEW_WARNING"       // {"warningCode", "warningMessage"}
	EventQueueHop         EventKind = "QUEUE_HOP"         // QueueHop
	EventComplete         EventKind = "COMPLETE"          // {"details": Job.Details, "warnings": Job.Warnings}
	EventCanceled         EventKind = "CANCELED"          // {}
	EventError            EventKind = "ERROR"             // {"errorCode", "errorMessage"}
)

// Event is one thing that happened to a job. It commits together with the change
// that it tells, and the events of a job have consecutive numbers from 1.
type Event struct {
	Job    string
	Number int64 // set by the Store
	At     time.Time
	Kind   EventKind
	Detail json.RawMessage
}

// StatusUpdate is the detail of a STATUS_UPDATE event.
type StatusUpdate struct {
	JobPercentComplete int                      `json:"jobPercentComplete"`
	CurrentPhase       string                   `json:"currentPhase"`
	RetryCount         int                      `json:"retryCount"`
	PhaseProgress      map[string]PhaseProgress `json:"phaseProgress"`
}

// QueueHop is the detail of a QUEUE_HOP event. Queues are by name.
type QueueHop struct {
	Queue            string `json:"queue"`
	Priority         int    `json:"priority"`
	PreviousQueue    string `json:"previousQueue"`
	PreviousPriority int    `json:"previousPriority"`
}

// PhaseProgress is how far a phase of a job is.
type PhaseProgress struct {
	Status          string `json:"status"`          // PENDING, PROGRESSING or COMPLETE
	PercentComplete int    `json:"percentComplete"` // 0 to 100
}
