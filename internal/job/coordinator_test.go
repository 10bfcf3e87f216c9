package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/job/jobtest"
)

type runFunc = func(context.Context, job.Task, job.Outputs, func(job.Progress)) (job.Result, error)

func TestJobGoesThroughItsStages(t *testing.T) {
	var first job.FirstTask
	r := &runner{run: func(ctx context.Context, t job.Task, outputs job.Outputs, _ func(job.Progress)) (job.Result, error) {
		switch {
		case t.Name == "probe":
			if err := json.Unmarshal(t.Payload, &first); err != nil {
				return job.Result{}, err
			}
			r := chunks(5)
			r.Next = slices.Insert(r.Next, 1, nil) // a stage of nothing
			r.Output, r.Details = json.RawMessage(`"probed"`), json.RawMessage(`{"width":1280}`)
			r.Warnings = []job.Warning{{Code: 240000, Message: "silence"}, {Code: 240000, Message: "silence"}}
			return r, nil
		case t.Name == "finish":
			var outs []string
			for _, name := range []string{"probe", "chunk/0", "chunk/4"} {
				out, err := outputs(ctx, name)
				if err != nil {
					return job.Result{}, err
				}
				outs = append(outs, string(out))
			}
			if _, err := outputs(ctx, "finish"); fault.KindOf(err) != fault.NotFound {
				return job.Result{}, fmt.Errorf("output of an unfinished task: %v", err)
			}
			details, err := json.Marshal(outs)
			return job.Result{Details: details}, err
		}
		return job.Result{Output: json.RawMessage(fmt.Sprintf("%q", t.Name)), Warnings: []job.Warning{{Code: 240000, Message: "silence"}}}, nil
	}}
	w := begin(t, job.Config{Runner: r, Slots: 2})
	asked := job.Job{
		Request: json.RawMessage(`{"settings":{"x":1}}`), Role: "arn:role", Template: "tpl", UserMetadata: map[string]string{"k": "v"},
		Tags: map[string]string{"team": "a"}, Messages: job.Messages{Info: []string{"hello"}}, StatusUpdateInterval: 10 * time.Second,
	}
	j := w.create(asked)
	if j.Status != job.Submitted || j.Queue != job.DefaultQueue || j.Created.IsZero() || !regexp.MustCompile(`^\d{13}-[0-9a-z]{6}$`).MatchString(j.ID) {
		t.Errorf("created %+v", j)
	}
	j = w.until(j.ID, job.Complete)

	if j.PercentComplete != 100 || j.Phase != "UPLOADING" || string(j.Details) != `["\"probed\"","\"chunk/0\"","\"chunk/4\""]` || string(j.Input) != `{"width":1280}` {
		t.Errorf("job %+v\ndetails %s", j, j.Details)
	}
	if j.Created.After(j.Started) || j.Started.After(j.Finished) {
		t.Errorf("times out of order: %v %v %v", j.Created, j.Started, j.Finished)
	}
	if want := []job.Warning{{Code: 240000, Message: "silence"}}; !slices.Equal(j.Warnings, want) {
		t.Errorf("warnings %+v", j.Warnings)
	}
	wantFirst := job.FirstTask{
		Job: j.ID, Request: asked.Request, Role: asked.Role, Queue: job.DefaultQueue,
		UserMetadata: asked.UserMetadata, Created: j.Created, Started: j.Started,
	}
	if !reflect.DeepEqual(first, wantFirst) {
		t.Errorf("first task got %+v\nwant %+v", first, wantFirst)
	}
	names := r.names()
	if len(names) != 7 || names[0] != "probe" || names[6] != "finish" {
		t.Errorf("tasks ran as %v", names)
	}
	want := []job.EventKind{job.EventProgressing, job.EventNewWarning, job.EventInputInformation, job.EventComplete}
	if got := w.events(j.ID); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if got := r.discarded(); !slices.Equal(got, []string{j.ID + " COMPLETE"}) {
		t.Errorf("discarded %v", got)
	}
	if tags, err := w.store.Tags(t.Context(), job.TagsOf(j.ID)); err != nil || tags["team"] != "a" {
		t.Errorf("tags %v, %v", tags, err)
	}
	if p, err := w.queue.Pending(t.Context()); err != nil || len(p) != 0 {
		t.Errorf("left in the queue: %v, %v", p, err)
	}
}

func TestJobOfOneTask(t *testing.T) {
	r := &runner{run: func(context.Context, job.Task, job.Outputs, func(job.Progress)) (job.Result, error) {
		return job.Result{}, nil
	}}
	w := begin(t, job.Config{Runner: r})
	j := w.until(w.create(job.Job{}).ID, job.Complete)
	if j.PercentComplete != 100 || string(j.Request) != "null" {
		t.Errorf("job %+v", j)
	}
}

func TestProgressIsWeightedAndNeverFalls(t *testing.T) {
	step := make(chan struct{})
	var failed atomic.Bool
	r := &runner{run: func(_ context.Context, t job.Task, _ job.Outputs, report func(job.Progress)) (job.Result, error) {
		switch t.Name {
		case "probe":
			return job.Result{Next: [][]job.Task{
				{{Name: "chunk", Phase: "TRANSCODING", Weight: 80}}, {{Name: "finish", Phase: "UPLOADING", Weight: 20}},
			}}, nil
		case "chunk":
			for i := range int64(5) {
				report(job.Progress{Done: i, Total: 4})
				<-step
			}
			if !failed.Swap(true) {
				return job.Result{}, fault.New(fault.Unavailable, "", "again")
			}
		case "finish":
			report(job.Progress{Done: 99, Total: 10}) // a runner that counts wrong
			<-step
		}
		return job.Result{}, nil
	}}
	w := begin(t, job.Config{Runner: r, Slots: 1, Backoff: time.Millisecond})
	j := w.create(job.Job{})
	for _, want := range []int{0, 20, 40, 60, 80, 80, 80, 80, 80, 80, 99} {
		jobtest.Eventually(t, fmt.Sprintf("%d percent", want), func() bool { return w.get(j.ID).PercentComplete == want })
		if got, err := w.jobs.List(t.Context(), job.Filter{}); err != nil || got[0].PercentComplete != want {
			t.Errorf("listed at %d percent, want %d, %v", got[0].PercentComplete, want, err)
		}
		if want == 40 && !failed.Load() { // in the records as well, for whoever restarts
			jobtest.Eventually(t, "stored progress", func() bool { j, err := w.store.Job(t.Context(), j.ID); return err == nil && j.PercentComplete == want })
		}
		step <- struct{}{}
	}
	if j := w.until(j.ID, job.Complete); j.RetryCount != 1 {
		t.Errorf("retried %d times", j.RetryCount)
	}
}

func TestRetryUntilItSucceeds(t *testing.T) {
	var attempts []int
	r := &runner{run: func(_ context.Context, t job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
		attempts = append(attempts, t.Attempt)
		if len(attempts) < 3 {
			return job.Result{}, fmt.Errorf("read source: %w", fault.New(fault.Unavailable, "3450", "the server is down"))
		}
		return job.Result{}, nil
	}}
	w := begin(t, job.Config{Runner: r, Slots: 1, Backoff: time.Millisecond})
	j := w.until(w.create(job.Job{}).ID, job.Complete)
	if j.RetryCount != 2 || !slices.Equal(attempts, []int{1, 2, 3}) {
		t.Errorf("retried %d times, attempts %v", j.RetryCount, attempts)
	}
}

func TestFailureEndsTheJobWithItsReason(t *testing.T) {
	cases := map[string]struct {
		err     error
		runs    int
		code    int
		message string
	}{
		"poisoned":      {fmt.Errorf("read: %w", fault.New(fault.Unavailable, "3450", "the server is down")), 3, 3450, "the server is down"},
		"for good":      {fault.New(fault.Invalid, "1030", "the codec is not supported"), 1, 1030, "the codec is not supported"},
		"unclassified":  {errors.New("disk on fire"), 3, 1999, "disk on fire"},
		"no number":     {fault.New(fault.Denied, "NoSuchKey", "no"), 1, 1999, "no"},
		"wrapped cause": {fmt.Errorf("outer: %w", errors.New("inner")), 3, 1999, "outer: inner"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			otherEnded := make(chan error, 1)
			r := &runner{run: func(ctx context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
				switch task.Name {
				case "probe":
					return chunks(2), nil
				case "chunk/0":
					<-ctx.Done() // busy until the job is over
					otherEnded <- context.Cause(ctx)
					return job.Result{}, context.Cause(ctx)
				}
				return job.Result{}, c.err
			}}
			w := begin(t, job.Config{Runner: r, Slots: 2, Backoff: time.Millisecond})
			j := w.until(w.create(job.Job{}).ID, job.Error)
			if j.ErrorCode != c.code || j.ErrorMessage != c.message || j.RetryCount != c.runs-1 || j.Finished.IsZero() || j.PercentComplete == 100 {
				t.Errorf("job %+v", j)
			}
			if cause := <-otherEnded; !errors.Is(cause, job.ErrCanceled) {
				t.Errorf("the other task ended with %v", cause)
			}
			runs := slices.DeleteFunc(r.names(), func(n string) bool { return n != "chunk/1" })
			if len(runs) != c.runs {
				t.Errorf("ran %d times, want %d", len(runs), c.runs)
			}
			if got, want := w.events(j.ID), []job.EventKind{job.EventProgressing, job.EventError}; !slices.Equal(got, want) {
				t.Errorf("events %v", got)
			}
			if got := r.discarded(); !slices.Equal(got, []string{j.ID + " ERROR"}) {
				t.Errorf("discarded %v", got)
			}
		})
	}
}

func TestPanicIsAFailure(t *testing.T) {
	r := &runner{run: func(context.Context, job.Task, job.Outputs, func(job.Progress)) (job.Result, error) { panic("ouch") }}
	w := begin(t, job.Config{Runner: r, Backoff: time.Millisecond})
	if j := w.until(w.create(job.Job{}).ID, job.Error); !strings.Contains(j.ErrorMessage, "ouch") || j.RetryCount != 2 {
		t.Errorf("job %+v", j)
	}
}

func TestBrokenResultsEndTheJob(t *testing.T) {
	one := func(task job.Task) job.Result { return job.Result{Next: [][]job.Task{{task}}} }
	for name, result := range map[string]job.Result{
		"a name twice":       {Next: [][]job.Task{{{Name: "a"}}, {{Name: "a"}}}},
		"the first's name":   one(job.Task{Name: "probe"}),
		"no name":            one(job.Task{}),
		"negative weight":    one(job.Task{Name: "a", Weight: -1}),
		"payload not JSON":   one(job.Task{Name: "a", Payload: json.RawMessage("{")}),
		"output not JSON":    {Output: json.RawMessage("{")},
		"details not JSON":   {Details: json.RawMessage("{")},
		"stages added later": one(job.Task{Name: "later"}),
	} {
		t.Run(name, func(t *testing.T) {
			r := &runner{run: func(_ context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
				if name == "stages added later" && task.Name == "later" {
					return one(job.Task{Name: "too late"}), nil
				}
				return result, nil
			}}
			w := begin(t, job.Config{Runner: r})
			if j := w.until(w.create(job.Job{}).ID, job.Error); !strings.Contains(j.ErrorMessage, "wrong result") || j.RetryCount != 0 {
				t.Errorf("job %+v", j)
			}
		})
	}
}

func TestStalledTaskIsTriedAgain(t *testing.T) {
	r := &runner{}
	r.run = func(ctx context.Context, task job.Task, _ job.Outputs, report func(job.Progress)) (job.Result, error) {
		if task.Attempt == 1 {
			report(job.Progress{Done: 1, Total: 2})
			for { // telling the same again is no progress
				select {
				case <-ctx.Done():
					return job.Result{}, context.Cause(ctx)
				case <-time.After(10 * time.Millisecond):
					report(job.Progress{Done: 1, Total: 2})
				}
			}
		}
		for i := range int64(20) { // slower than the timeout as a whole, but moving
			report(job.Progress{Done: i, Total: 20})
			time.Sleep(40 * time.Millisecond)
		}
		return job.Result{}, nil
	}
	w := begin(t, job.Config{Runner: r, StallTimeout: 500 * time.Millisecond, Backoff: time.Millisecond})
	if j := w.until(w.create(job.Job{}).ID, job.Complete); j.RetryCount != 1 || len(r.names()) != 2 {
		t.Errorf("retried %d times", j.RetryCount)
	}
	r.run = func(ctx context.Context, _ job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
		<-ctx.Done()
		return job.Result{}, context.Cause(ctx)
	}
	if j := w.until(w.create(job.Job{}).ID, job.Error); !strings.Contains(j.ErrorMessage, `task "probe" made no progress for 500ms`) {
		t.Errorf("message %q", j.ErrorMessage)
	}
}

func TestCancelStopsTasksWithinASecond(t *testing.T) {
	running := make(chan struct{}, 2)
	ended := make(chan error, 2)
	var discardedWhileRunning atomic.Bool
	var alive atomic.Int32
	r := &runner{
		run: func(ctx context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
			if task.Name == "probe" {
				return chunks(50), nil
			}
			alive.Add(1)
			running <- struct{}{}
			<-ctx.Done()
			ended <- context.Cause(ctx)
			time.Sleep(100 * time.Millisecond) // killing processes takes a moment
			alive.Add(-1)
			return job.Result{}, context.Cause(ctx)
		},
		discard: func(string, job.Status) error {
			discardedWhileRunning.Store(alive.Load() > 0)
			return nil
		},
	}
	w := begin(t, job.Config{Runner: r, Slots: 2})
	j := w.create(job.Job{})
	<-running
	<-running
	began := time.Now()
	if err := w.jobs.Cancel(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := w.get(j.ID); got.Status != job.Canceled || got.Finished.IsZero() {
		t.Errorf("after Cancel: %+v", got)
	}
	for range 2 {
		if cause := <-ended; !errors.Is(cause, job.ErrCanceled) {
			t.Errorf("cause %v", cause)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("tasks were told after %s", took)
	}
	w.until(j.ID, job.Canceled)
	if discardedWhileRunning.Load() {
		t.Error("discarded under running tasks")
	}
	if got := r.discarded(); !slices.Equal(got, []string{j.ID + " CANCELED"}) {
		t.Errorf("discarded %v", got)
	}
	if n := len(r.names()); n != 3 {
		t.Errorf("%d tasks ran, want 3", n)
	}
	if got, want := w.events(j.ID), []job.EventKind{job.EventProgressing, job.EventCanceled}; !slices.Equal(got, want) {
		t.Errorf("events %v", got)
	}
	if err := w.jobs.Cancel(t.Context(), j.ID); fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "CANCELED") {
		t.Errorf("second cancel: %v", err)
	}
	if err := w.jobs.Cancel(t.Context(), "1-nobody"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("cancel of nothing: %v", err)
	}
}

func TestCancelBeforeTheStart(t *testing.T) {
	hold := make(chan struct{})
	r := &runner{run: func(context.Context, job.Task, job.Outputs, func(job.Progress)) (job.Result, error) {
		<-hold
		return job.Result{}, nil
	}}
	w := begin(t, job.Config{Runner: r, Slots: 1, Jobs: 1})
	first := w.create(job.Job{})
	w.until(first.ID, job.Progressing)
	second := w.create(job.Job{})
	if err := w.jobs.Cancel(t.Context(), second.ID); err != nil {
		t.Fatal(err)
	}
	close(hold)
	w.until(first.ID, job.Complete)
	j := w.until(second.ID, job.Canceled)
	if !j.Started.IsZero() || len(r.names()) != 1 {
		t.Errorf("the canceled job ran: %+v, %v", j, r.names())
	}
	if got, want := w.events(second.ID), []job.EventKind{job.EventCanceled}; !slices.Equal(got, want) {
		t.Errorf("events %v", got)
	}
}

// A result that comes after the cancel must not bring the job back.
func TestCancelWinsOverALateResult(t *testing.T) {
	running, hold := make(chan struct{}), make(chan struct{})
	r := &runner{run: func(context.Context, job.Task, job.Outputs, func(job.Progress)) (job.Result, error) {
		close(running)
		<-hold
		return job.Result{Details: json.RawMessage(`1`)}, nil
	}}
	w := begin(t, job.Config{Runner: r})
	j := w.create(job.Job{})
	<-running
	if err := w.jobs.Cancel(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	close(hold)
	if j := w.until(j.ID, job.Canceled); j.Input != nil || j.Details != nil {
		t.Errorf("the late result counted: %+v", j)
	}
}

func TestPriorityOrder(t *testing.T) {
	hold := make(chan struct{})
	var order []string
	r := &runner{run: func(_ context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
		if task.Name == "probe" {
			var f job.FirstTask
			if err := json.Unmarshal(task.Payload, &f); err != nil {
				return job.Result{}, err
			}
			if f.UserMetadata["name"] == "first" {
				<-hold
			}
			order = append(order, f.UserMetadata["name"])
		}
		return job.Result{}, nil
	}}
	w := begin(t, job.Config{Runner: r, Slots: 1, Jobs: 1})
	create := func(name string, priority int) job.Job {
		return w.create(job.Job{Priority: priority, UserMetadata: map[string]string{"name": name}})
	}
	w.until(create("first", 50).ID, job.Progressing)
	var last job.Job
	for _, j := range []struct {
		name     string
		priority int
	}{{"low", -50}, {"mid", 0}, {"mid again", 0}, {"high", 1}, {"higher", 2}} {
		j := create(j.name, j.priority)
		if j.Priority == -50 {
			last = j
		}
		jobtest.Eventually(t, "the next millisecond", func() bool { return time.Now().UnixMilli() > j.Created.UnixMilli() })
	}
	close(hold)
	w.until(last.ID, job.Complete)
	if want := []string{"first", "higher", "high", "mid", "mid again", "low"}; !slices.Equal(order, want) {
		t.Errorf("ran %q, want %q", order, want)
	}
}

// An urgent job takes the cores from a long one at the next task.
func TestUrgentJobDoesNotWaitForALongOne(t *testing.T) {
	var urgentDone atomic.Bool
	var after atomic.Int32
	started := make(chan struct{}, 100)
	r := &runner{}
	r.run = func(_ context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
		if task.Name == "probe" {
			if strings.Contains(string(task.Payload), "urgent") {
				urgentDone.Store(true)
				return job.Result{}, nil
			}
			return chunks(60), nil
		}
		started <- struct{}{}
		if !urgentDone.Load() {
			after.Add(1)
		}
		time.Sleep(20 * time.Millisecond)
		return job.Result{}, nil
	}
	w := begin(t, job.Config{Runner: r, Slots: 1, Jobs: 1})
	long := w.create(job.Job{})
	<-started
	urgent := w.create(job.Job{Priority: 10, UserMetadata: map[string]string{"urgent": ""}})
	w.until(urgent.ID, job.Complete)
	if n := after.Load(); n > 20 {
		t.Errorf("%d tasks of the long job went first", n)
	}
	if j := w.get(long.ID); j.Status != job.Progressing {
		t.Errorf("the long job is %s", j.Status)
	}
}

func TestGracefulStopSpendsNoAttempt(t *testing.T) {
	running := make(chan struct{}, 1)
	var finish atomic.Bool
	causes := make(chan error, 100)
	var run runFunc = func(ctx context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
		if finish.Load() {
			return job.Result{}, nil
		}
		running <- struct{}{}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return job.Result{}, context.Cause(ctx)
	}
	r := &runner{run: run}
	w := begin(t, job.Config{Runner: r, Slots: 1, MaxAttempts: 1})
	j := w.create(job.Job{})
	const stops = 12 // more than a task may be lost
	for range stops {
		<-running
		w.stop()
		if cause := <-causes; !errors.Is(cause, job.ErrStopped) {
			t.Errorf("cause %v, want ErrStopped", cause)
		}
		w.start()
	}
	<-running
	finish.Store(true)
	w.stop()
	w.start()
	if j := w.until(j.ID, job.Complete); j.RetryCount != 0 {
		t.Errorf("retried %d times", j.RetryCount)
	}
}

func TestTaskThatKillsItsWorkerEndsTheJob(t *testing.T) {
	hold := make(chan struct{})
	r := &runner{run: func(ctx context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return job.Result{}, context.Cause(ctx)
	}}
	w := begin(t, job.Config{Runner: r, Slots: 1})
	j := w.create(job.Job{})
	jobtest.Eventually(t, "start", func() bool { return len(r.names()) == 1 })
	if _, err := w.store.ChangeJob(t.Context(), j.ID, func(tx job.Tx, _ *job.Job) error { // as ten kills leave it
		k, err := tx.Task(0)
		if err != nil {
			return err
		}
		k.Starts += 10
		return tx.SetTask(k)
	}); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.start()
	if j := w.until(j.ID, job.Error); !strings.Contains(j.ErrorMessage, `task "probe" ended its worker 10 times`) {
		t.Errorf("message %q", j.ErrorMessage)
	}
}

func TestDiscardIsTriedUntilItSucceeds(t *testing.T) {
	var tries atomic.Int32
	var works atomic.Bool
	r := &runner{
		run: func(context.Context, job.Task, job.Outputs, func(job.Progress)) (job.Result, error) {
			return job.Result{}, nil
		},
		discard: func(string, job.Status) error {
			tries.Add(1)
			if works.Load() {
				return nil
			}
			if tries.Load() == 2 {
				panic("discard")
			}
			return errors.New("bucket away")
		},
	}
	w := begin(t, job.Config{Runner: r, Backoff: time.Millisecond})
	j := w.create(job.Job{})
	jobtest.Eventually(t, "tries", func() bool { return tries.Load() >= 4 })
	if got := w.get(j.ID); got.Status != job.Complete {
		t.Errorf("a job whose scratch cannot be removed is %s", got.Status)
	}
	w.stop()
	works.Store(true)
	w.start()
	w.clean()
	if got := r.discarded(); !slices.Equal(got, []string{j.ID + " COMPLETE"}) {
		t.Errorf("discarded %v", got)
	}
	if got, want := w.events(j.ID), []job.EventKind{job.EventProgressing, job.EventComplete}; !slices.Equal(got, want) {
		t.Errorf("events %v", got)
	}
}

func TestStatusUpdates(t *testing.T) {
	hold := make(chan struct{})
	r := &runner{run: func(_ context.Context, task job.Task, _ job.Outputs, report func(job.Progress)) (job.Result, error) {
		if task.Name == "probe" {
			return chunks(3), nil
		}
		if task.Name == "chunk/1" {
			report(job.Progress{Done: 1, Total: 2})
			<-hold
		}
		return job.Result{}, nil
	}}
	w := begin(t, job.Config{Runner: r, Slots: 2})
	j := w.create(job.Job{StatusUpdateInterval: time.Second})
	jobtest.Eventually(t, "two status updates", func() bool { return len(w.events(j.ID)) == 3 })
	close(hold)
	w.until(j.ID, job.Complete)
	events, err := w.store.Events(t.Context(), j.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	var got job.StatusUpdate
	if err := json.Unmarshal(events[1].Detail, &got); err != nil {
		t.Fatal(err)
	}
	want := job.StatusUpdate{JobPercentComplete: 62, CurrentPhase: "TRANSCODING", PhaseProgress: map[string]job.PhaseProgress{
		"PROBING": {Status: "COMPLETE", PercentComplete: 100}, "TRANSCODING": {Status: "PROGRESSING", PercentComplete: 83}, "UPLOADING": {Status: "PENDING"},
	}}
	if events[1].Kind != job.EventStatusUpdate || !reflect.DeepEqual(got, want) {
		t.Errorf("%s %+v\nwant %+v", events[1].Kind, got, want)
	}
}

func TestWatch(t *testing.T) {
	hold := make(chan struct{})
	r := &runner{run: func(_ context.Context, task job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
		if task.Name == "probe" {
			return chunks(4), nil
		}
		<-hold
		return job.Result{}, nil
	}}
	w := begin(t, job.Config{Runner: r, Slots: 1})
	j := w.create(job.Job{})
	watch, err := w.jobs.Watch(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	var last job.Job
	once := sync.OnceFunc(func() { close(hold) })
	for j := range watch {
		if j.PercentComplete < last.PercentComplete {
			t.Errorf("fell from %d to %d percent", last.PercentComplete, j.PercentComplete)
		}
		if last = j; j.Phase == "TRANSCODING" {
			once()
		}
	}
	if last.Status != job.Complete {
		t.Errorf("the last was %s", last.Status)
	}
	if watch, err = w.jobs.Watch(t.Context(), j.ID); err != nil { // over already
		t.Fatal(err)
	}
	if j, ok := <-watch; !ok || j.Status != job.Complete {
		t.Errorf("got %+v, %v", j, ok)
	}
	if _, ok := <-watch; ok {
		t.Error("not closed")
	}
	if _, err := w.jobs.Watch(t.Context(), "1-nobody"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("watching nothing: %v", err)
	}
}

func TestClientToken(t *testing.T) {
	r := &runner{run: func(context.Context, job.Task, job.Outputs, func(job.Progress)) (job.Result, error) {
		return job.Result{}, nil
	}}
	var ahead atomic.Int64
	w := begin(t, job.Config{Runner: r, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	ask := job.Job{ClientToken: "token", Request: json.RawMessage(`{"a": 1}`)}
	ids := make(chan string, 20)
	for range 20 {
		go func() {
			j, err := w.jobs.Create(context.Background(), ask)
			if err != nil {
				t.Error(err)
			}
			ids <- j.ID
		}()
	}
	first := <-ids
	for range 19 {
		if id := <-ids; id != first {
			t.Errorf("two jobs of one token: %s and %s", first, id)
		}
	}
	other := ask
	other.Request = json.RawMessage(`{"a": 2}`)
	if _, err := w.jobs.Create(t.Context(), other); fault.KindOf(err) != fault.Conflict {
		t.Errorf("the token for another request: %v", err)
	}
	other = ask
	other.Warnings = []job.Warning{{Code: 1}} // not asked, but found
	if j := w.create(other); j.ID != first {
		t.Error("warnings made another request")
	}
	w.until(first, job.Complete)
	if j := w.create(ask); j.ID != first || j.Status != job.Complete {
		t.Errorf("the token of a job that is over gave %+v", j)
	}
	ahead.Store(int64(61 * time.Second))
	if j := w.create(ask); j.ID == first {
		t.Error("the token still stands after its minute")
	}
}

func TestCreateRefuses(t *testing.T) {
	w := begin(t, job.Config{Runner: &runner{}})
	for name, c := range map[string]struct {
		j    job.Job
		kind fault.Kind
	}{
		"priority too low":  {job.Job{Priority: -51}, fault.Invalid},
		"priority too high": {job.Job{Priority: 51}, fault.Invalid},
		"no such queue":     {job.Job{Queue: "nowhere"}, fault.NotFound},
		"long token":        {job.Job{ClientToken: strings.Repeat("x", 65)}, fault.Invalid},
		"not JSON":          {job.Job{Request: json.RawMessage("{")}, fault.Invalid},
		"negative interval": {job.Job{StatusUpdateInterval: -1}, fault.Invalid},
	} {
		if _, err := w.jobs.Create(t.Context(), c.j); err == nil || fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, f := range map[string]job.Filter{"state": {Status: "LOST"}, "token": {After: "nonsense"}} {
		if _, err := w.jobs.List(t.Context(), f); err == nil || fault.KindOf(err) != fault.Invalid {
			t.Errorf("list of a bad %s: %v", name, err)
		}
	}
	if got, err := w.jobs.List(t.Context(), job.Filter{}); err != nil || len(got) != 0 {
		t.Errorf("refused jobs are there: %v, %v", got, err)
	}
}

func TestAThousandQueuedJobs(t *testing.T) {
	hold := make(chan struct{})
	r := &runner{run: func(ctx context.Context, _ job.Task, _ job.Outputs, _ func(job.Progress)) (job.Result, error) {
		select {
		case <-hold:
			return job.Result{}, nil
		case <-ctx.Done():
			return job.Result{}, context.Cause(ctx)
		}
	}}
	w := begin(t, job.Config{Runner: r, Slots: 2, Logger: quiet()})
	const n = 1000
	for range n {
		w.create(job.Job{})
	}
	seen := map[string]bool{}
	f := job.Filter{Status: job.Submitted, Queue: job.DefaultQueue}
	for {
		page, err := w.jobs.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range page {
			if seen[j.ID] {
				t.Fatalf("%s listed twice", j.ID)
			}
			seen[j.ID] = true
		}
		if len(page) < 20 {
			break
		}
		f.After = page[len(page)-1].ID
	}
	if len(seen) != n-4 {
		t.Errorf("%d jobs listed, want %d", len(seen), n-4)
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := job.New(job.Config{}); err == nil {
		t.Error("a coordinator without a store was made")
	}
}
