// Package job holds states, priorities, retry, cancel and progress of jobs.
package job

// Status is a job's state, spelled as MediaConvert spells it.
type Status string

// The states. Helper text and the transition table live with the state machine.
const (
	Submitted   Status = "SUBMITTED"
	Progressing Status = "PROGRESSING"
	Complete    Status = "COMPLETE"
	Canceled    Status = "CANCELED"
	Error       Status = "ERROR"
)
