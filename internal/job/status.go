package job

import "vodwright.dev/vodwright/internal/fault"

// Status is a job's state, spelled as MediaConvert spells it.
type Status string

// The states. Only transitions moves a job from one to another:
//
//	from         cause   to           who moves it, and when
//	SUBMITTED    admit   PROGRESSING  admission: the job is the first of its queue by priority, then age, and there is room
//	SUBMITTED    cancel  CANCELED     the user
//	PROGRESSING  cancel  CANCELED     the user; running tasks end within a second
//	PROGRESSING  finish  COMPLETE     whoever stores the last result of the last stage
//	PROGRESSING  fail    ERROR        whoever carried a task that failed for good
//
// COMPLETE, CANCELED and ERROR are final. A job that is SUBMITTED cannot fail:
// nothing was done for it yet.
const (
	Submitted   Status = "SUBMITTED"
	Progressing Status = "PROGRESSING"
	Complete    Status = "COMPLETE"
	Canceled    Status = "CANCELED"
	Error       Status = "ERROR"
)

// Final reports whether a job in this state will never change it again.
func (s Status) Final() bool { return s == Complete || s == Canceled || s == Error }

// Valid reports whether s is one of the states.
func (s Status) Valid() bool { return s == Submitted || s == Progressing || s.Final() }

// cause is why a job changes its state.
type cause string

const (
	admit  cause = "admit"
	cancel cause = "cancel"
	finish cause = "finish"
	fail   cause = "fail"
)

// transitions is the table in the comment of the states.
func transitions(from Status, why cause) (Status, bool) {
	switch {
	case from == Submitted && why == admit:
		return Progressing, true
	case from == Submitted && why == cancel, from == Progressing && why == cancel:
		return Canceled, true
	case from == Progressing && why == finish:
		return Complete, true
	case from == Progressing && why == fail:
		return Error, true
	}
	return from, false
}

// move changes the state of j, or returns a fault.Conflict that names both.
func (j *Job) move(why cause) error {
	to, ok := transitions(j.Status, why)
	if !ok {
		return fault.New(fault.Conflict, "ConflictException", "cannot %s job %s: it is %s", why, j.ID, j.Status)
	}
	j.Status = to
	return nil
}
