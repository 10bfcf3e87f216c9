package job_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/job/jobtest"
)

// hopWorld is a world with a clock of its own, whose jobs run until they are
// canceled, one at a time in each of its queues.
type hopWorld struct {
	*world
	now atomic.Int64 // milliseconds
}

func beginHops(t *testing.T) *hopWorld {
	w := &hopWorld{}
	w.now.Store(1_700_000_000_000)
	r := &runner{run: func(ctx context.Context, _ job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
		<-ctx.Done()
		return job.Result{}, context.Cause(ctx)
	}}
	w.world = begin(t, job.Config{Runner: r, Slots: 8, Now: func() time.Time { return time.UnixMilli(w.now.Load()) }})
	for _, q := range []string{"a", "b", "c"} {
		err := w.store.CreateQueue(t.Context(), job.Queue{Name: q, Status: job.QueueActive, ConcurrentJobs: 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// pass lets minutes go by.
func (w *hopWorld) pass(minutes int) {
	w.now.Add(int64(minutes) * 60_000)
	w.jobs.QueuesChanged() // wakes who sleeps by another clock
}

func (w *hopWorld) pause(queue, status string) {
	w.t.Helper()
	if _, err := w.store.ChangeQueue(w.t.Context(), queue, func(q *job.Queue) error { q.Status = status; return nil }); err != nil {
		w.t.Fatal(err)
	}
	w.jobs.QueuesChanged()
}

// stands waits until a job stands in a queue.
func (w *hopWorld) stands(id, queue string) job.Job {
	w.t.Helper()
	jobtest.Eventually(w.t, "job "+id+" in "+queue, func() bool { j := w.get(id); return j.At().Queue == queue })
	return w.get(id)
}

// settled waits until no hop is due.
func (w *hopWorld) settled() {
	w.t.Helper()
	jobtest.Eventually(w.t, "no hop that is due", func() bool {
		due, _, err := w.store.Errands(w.t.Context(), []job.ErrandKind{job.HopQueue}, time.UnixMilli(w.now.Load()), 1)
		if err != nil {
			w.t.Fatal(err)
		}
		return len(due) == 0
	})
}

// waiting creates a job that cannot start in a: one that progresses is before it.
func (w *hopWorld) waiting(hops ...job.Hop) job.Job {
	w.t.Helper()
	first := w.create(job.Job{Queue: "a", Priority: 50})
	w.until(first.ID, job.Progressing)
	return w.create(job.Job{Queue: "a", Priority: 7, Hops: hops})
}

func TestAJobHopsWhenItWaitedTooLong(t *testing.T) {
	w := beginHops(t)
	w.pause("b", job.QueuePaused) // one may hop into a paused queue
	j := w.waiting(job.Hop{Queue: "b", Priority: new(-3), Wait: 10 * time.Minute}, job.Hop{Queue: "c", Wait: 20 * time.Minute})
	w.pass(9)
	if got := w.get(j.ID); got.Place != nil {
		t.Errorf("hopped too early: %+v", got)
	}
	w.pass(1)
	got := w.stands(j.ID, "b")
	if got.Queue != "a" || got.Priority != 7 || got.At().Priority != -3 || got.Status != job.Submitted {
		t.Errorf("after the hop: %+v", got)
	}
	w.pass(10)
	w.settled()
	if got := w.get(j.ID); got.At().Queue != "b" {
		t.Errorf("hopped from a paused queue: %+v", got.Transitions)
	}
	first := w.create(job.Job{Queue: "b", Priority: 50}) // before it in line
	w.pause("b", job.QueueActive)
	w.until(first.ID, job.Progressing)
	got = w.stands(j.ID, "c")
	w.until(j.ID, job.Progressing)
	if len(got.Transitions) != 2 || got.Transitions[1].From != "b" || got.Transitions[1].To != "c" || got.Transitions[0].At.UnixMilli() != 1_700_000_600_000 {
		t.Errorf("transitions %+v", got.Transitions)
	}
	events, err := w.store.Events(t.Context(), j.ID, 0)
	if err != nil || len(events) != 3 || events[0].Kind != job.EventQueueHop || events[2].Kind != job.EventProgressing {
		t.Fatalf("events %+v, %v", events, err)
	}
	var told job.QueueHop
	if err := json.Unmarshal(events[0].Detail, &told); err != nil || told != (job.QueueHop{Queue: "b", Priority: -3, PreviousQueue: "a", PreviousPriority: 7}) {
		t.Errorf("event %+v, %v", told, err)
	}
}

func TestAJobHopsAcrossARestart(t *testing.T) {
	w := beginHops(t)
	j := w.waiting(job.Hop{Queue: "b", Wait: 10 * time.Minute})
	w.stop()
	w.now.Add(11 * 60_000)
	w.start()
	w.stands(j.ID, "b")
	w.until(j.ID, job.Progressing)
}

func TestAJobThatCanStartDoesNotHop(t *testing.T) {
	w := beginHops(t)
	w.pause("a", job.QueuePaused)
	j := w.create(job.Job{Queue: "a", Hops: []job.Hop{{Queue: "b", Wait: time.Minute}}})
	w.pass(5)
	w.settled()
	w.pause("a", job.QueueActive)
	w.until(j.ID, job.Progressing)
	w.settled()
	if got := w.get(j.ID); got.Place != nil {
		t.Errorf("hopped: %+v", got.Transitions)
	}
}

func TestAHopToAQueueThatIsGoneIsAWarning(t *testing.T) {
	w := beginHops(t)
	j := w.waiting(job.Hop{Queue: "b", Wait: time.Minute})
	if err := w.store.DeleteQueue(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	w.pass(1)
	w.settled()
	got := w.get(j.ID)
	if len(got.Warnings) != 1 || got.Warnings[0].Code != job.WarnHop || !strings.Contains(got.Warnings[0].Message, `"b"`) || got.Place != nil {
		t.Errorf("job %+v", got)
	}
	if kinds := w.events(j.ID); !slices.Equal(kinds, []job.EventKind{job.EventNewWarning}) {
		t.Errorf("events %v", kinds)
	}
}

func TestHopsOutOfBoundsAreRefused(t *testing.T) {
	w := beginHops(t)
	for name, hops := range map[string][]job.Hop{
		"too soon":      {{Queue: "b", Wait: time.Second}},
		"too late":      {{Queue: "b", Wait: job.MaxHopWait + time.Minute}},
		"priority":      {{Queue: "b", Wait: time.Minute, Priority: new(51)}},
		"too many hops": make([]job.Hop, job.MaxHops+1),
	} {
		if _, err := w.jobs.Create(t.Context(), job.Job{Queue: "a", Hops: hops}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
