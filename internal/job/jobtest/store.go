// Package jobtest holds what every implementation of job's interfaces must do,
// as tests. An implementation's own tests run a suite over itself; the suites
// touch only the interfaces.
package jobtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// epoch is the instant at which the suites' jobs begin.
var epoch = time.UnixMilli(1_700_000_000_000).UTC()

// newJob returns a job that was created so many milliseconds after epoch.
func newJob(ms int) job.Job {
	at := epoch.Add(time.Duration(ms) * time.Millisecond)
	return job.Job{
		ID: fmt.Sprintf("%d-aaaaaa", at.UnixMilli()), Queue: job.DefaultQueue, Status: job.Submitted, Stage: -1,
		Created: at, Request: json.RawMessage(`{"settings":{}}`),
	}
}

// Store is the suite of job.Store. open returns an empty store that ends with the test.
func Store(t *testing.T, open func(t *testing.T) job.Store) {
	with := func(name string, test func(t *testing.T, s job.Store)) {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			err := s.EnsureQueue(t.Context(), job.Queue{Name: job.DefaultQueue, Status: job.QueueActive, Created: epoch, Updated: epoch})
			if err != nil {
				t.Fatal(err)
			}
			test(t, s)
		})
	}
	with("a job comes back as it went in", roundTrip)
	with("what is not there is NotFound", notFound)
	with("a failed change leaves no trace", failedChange)
	with("changes of one job never overlap", serialChanges)
	with("tokens", tokens)
	with("one job for a token under concurrency", tokenRace)
	with("pages", pages)
	with("admission", admission)
	with("admission under concurrency", admissionRace)
	with("a paused queue admits nothing", pausedQueue)
	with("a queue admits as many jobs as it may", boundedQueue)
	with("tasks, results and tallies", tasks)
	with("a task waiting for its retry is not ready", retryNotReady)
	with("errands", errands)
	with("events are numbered per job", events)
	with("a job hops", hops)
	with("jobs are found by their labels", labels)
	with("progress never falls", progress)
	with("what tasks took is kept", work)
}

func insert(t *testing.T, s job.Store, j job.Job) job.Job {
	t.Helper()
	j, fresh, err := s.InsertJob(t.Context(), j, nil)
	if err != nil || !fresh {
		t.Fatalf("insert: fresh %v, %v", fresh, err)
	}
	return j
}

func get(t *testing.T, s job.Store, id string) job.Job {
	t.Helper()
	j, err := s.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func change(t *testing.T, s job.Store, id string, fn func(job.Tx, *job.Job) error) job.Job {
	t.Helper()
	j, err := s.ChangeJob(t.Context(), id, fn)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func wantKind(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Fatalf("got error %v, want one of kind %q", err, kind)
	}
}

func roundTrip(t *testing.T, s job.Store) {
	j := newJob(1)
	j.Priority, j.Role, j.Template = -50, "arn:aws:iam::1:role/r", "tpl"
	j.Request = json.RawMessage(`{"a":"ü\u0000 <&> 😀","n":12345678901234567890}`)
	j.UserMetadata = map[string]string{"ünï": "cödé"}
	j.Warnings = []job.Warning{{Code: 1, Message: "m"}}
	j.Messages = job.Messages{Info: []string{"i"}, Warning: []string{"w"}}
	j.StatusUpdateInterval, j.ClientToken = 12*time.Second, "tok"
	insert(t, s, j)
	if got := get(t, s, j.ID); !reflect.DeepEqual(got, j) {
		t.Errorf("inserted\n%+v\nread\n%+v", j, got)
	}
	want := change(t, s, j.ID, func(_ job.Tx, j *job.Job) error {
		j.Status, j.Phase, j.Stage, j.PercentComplete = job.Error, "TRANSCODING", 3, 42
		j.RetryCount, j.ErrorCode, j.ErrorMessage = 2, 1010, "bad"
		j.Input, j.Details = json.RawMessage(`{"in":1}`), json.RawMessage(`[1]`)
		j.Started, j.Finished = epoch.Add(time.Second), epoch.Add(time.Minute)
		return nil
	})
	if got := get(t, s, j.ID); !reflect.DeepEqual(got, want) || got.Details == nil {
		t.Errorf("changed to\n%+v\nread\n%+v", want, got)
	}
	if _, _, err := s.InsertJob(t.Context(), newJob(1), nil); !errors.Is(err, job.ErrExists) {
		t.Errorf("second insert of an ID: %v, want ErrExists", err)
	}
}

func notFound(t *testing.T, s job.Store) {
	_, err := s.Job(t.Context(), "1-x")
	wantKind(t, err, fault.NotFound)
	_, err = s.ChangeJob(t.Context(), "1-x", func(job.Tx, *job.Job) error { t.Error("called"); return nil })
	wantKind(t, err, fault.NotFound)
	j := newJob(1)
	j.Queue = "nowhere"
	_, _, err = s.InsertJob(t.Context(), j, nil)
	wantKind(t, err, fault.NotFound)
	_, err = s.Output(t.Context(), "1-x", "probe")
	wantKind(t, err, fault.NotFound)
	j = insert(t, s, newJob(2))
	_, err = s.ChangeJob(t.Context(), j.ID, func(tx job.Tx, _ *job.Job) error { _, err := tx.Task(7); return err })
	wantKind(t, err, fault.NotFound)
}

func failedChange(t *testing.T, s job.Store) {
	j := insert(t, s, newJob(1))
	boom := errors.New("boom")
	_, err := s.ChangeJob(t.Context(), j.ID, func(tx job.Tx, j *job.Job) error {
		j.Status, j.Stage = job.Progressing, 0
		return errors.Join(
			tx.AddTasks([]job.Task{{Name: "probe", Payload: json.RawMessage("null")}}),
			tx.Emit(job.Event{Kind: job.EventProgressing, At: epoch, Detail: json.RawMessage("{}")}),
			tx.Post(job.Errand{Kind: job.Discard, Due: epoch}), boom)
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v, want the function's error", err)
	}
	if got := get(t, s, j.ID); got.Status != job.Submitted {
		t.Errorf("status %s", got.Status)
	}
	events, err := s.Events(t.Context(), j.ID, 0)
	if err != nil || len(events) != 0 {
		t.Errorf("events %v, %v", events, err)
	}
	due, _, err := s.Errands(t.Context(), []job.ErrandKind{job.Discard}, epoch, 10)
	if err != nil || len(due) != 0 {
		t.Errorf("errands %v, %v", due, err)
	}
	change(t, s, j.ID, func(tx job.Tx, _ *job.Job) error { // the name is free
		return tx.AddTasks([]job.Task{{Name: "probe", Payload: json.RawMessage("null")}})
	})
}

func serialChanges(t *testing.T, s job.Store) {
	j := insert(t, s, newJob(1))
	const writers, each = 8, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if _, err := s.ChangeJob(t.Context(), j.ID, func(_ job.Tx, j *job.Job) error { j.RetryCount++; return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := get(t, s, j.ID); got.RetryCount != writers*each {
		t.Errorf("%d of %d changes are there", got.RetryCount, writers*each)
	}
}

func tokens(t *testing.T, s job.Store) {
	try := func(ms int, value, request string) (job.Job, bool, error) {
		j := newJob(ms)
		return s.InsertJob(t.Context(), j, &job.Token{Value: value, Request: request, Now: j.Created, Expires: j.Created.Add(time.Minute)})
	}
	first, fresh, err := try(0, "t", "r")
	if err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	again, fresh, err := try(59_999, "t", "r")
	if err != nil || fresh || again.ID != first.ID {
		t.Errorf("within the window: job %s, fresh %v, %v; want %s", again.ID, fresh, err, first.ID)
	}
	_, _, err = try(100, "t", "other")
	wantKind(t, err, fault.Conflict)
	if _, fresh, err := try(200, "u", "other"); err != nil || !fresh {
		t.Errorf("another token: %v %v", fresh, err)
	}
	if later, fresh, err := try(60_000, "t", "other"); err != nil || !fresh || later.ID == first.ID {
		t.Errorf("after the window: %v %v", fresh, err)
	}
	// A token whose job could not be stored is free.
	j := newJob(300)
	j.Queue = "nowhere"
	_, _, err = s.InsertJob(t.Context(), j, &job.Token{Value: "v", Request: "r", Now: j.Created, Expires: j.Created.Add(time.Minute)})
	wantKind(t, err, fault.NotFound)
	if _, fresh, err := try(301, "v", "r"); err != nil || !fresh {
		t.Errorf("token of a failed insert: %v %v", fresh, err)
	}
}

func tokenRace(t *testing.T, s job.Store) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		ids   = map[string]int{}
		fresh int
	)
	for i := range 16 {
		wg.Go(func() {
			j, new, err := s.InsertJob(t.Context(), newJob(i), &job.Token{Value: "t", Request: "r", Now: epoch, Expires: epoch.Add(time.Minute)})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[j.ID]++
			if new {
				fresh++
			}
		})
	}
	wg.Wait()
	all, err := s.Jobs(t.Context(), job.Filter{Limit: 100})
	if err != nil || len(all) != 1 || len(ids) != 1 || fresh != 1 {
		t.Errorf("%d jobs stored, %d answered, %d fresh, %v; want one of each", len(all), len(ids), fresh, err)
	}
}

func pages(t *testing.T, s job.Store) {
	if err := s.EnsureQueue(t.Context(), job.Queue{Name: "other", Status: job.QueueActive}); err != nil {
		t.Fatal(err)
	}
	var all []job.Job
	for i := range 57 {
		j := newJob(i / 3) // three of each millisecond
		j.ID = fmt.Sprintf("%d-%06d", j.Created.UnixMilli(), i)
		if i%2 == 1 {
			j.Queue = "other"
		}
		if i%5 == 0 {
			j.Status = job.Complete
		}
		all = append(all, insert(t, s, j))
	}
	for _, f := range []job.Filter{{}, {Queue: "other"}, {Status: job.Complete}, {Queue: "other", Status: job.Submitted}, {Status: job.Error}} {
		for _, asc := range []bool{true, false} {
			var want, got []string
			for _, j := range all {
				if (f.Queue == "" || f.Queue == j.Queue) && (f.Status == "" || f.Status == j.Status) {
					want = append(want, j.ID)
				}
			}
			if !asc {
				slices.Reverse(want)
			}
			f := f
			f.Ascending, f.Limit = asc, 7
			for {
				page, err := s.Jobs(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				for _, j := range page {
					got = append(got, j.ID)
				}
				if len(page) < f.Limit {
					break
				}
				f.After = page[len(page)-1].ID
			}
			if !slices.Equal(got, want) {
				t.Errorf("%+v:\ngot  %v\nwant %v", f, got, want)
			}
		}
	}
}

// admit lets the next job of the default queue progress and returns its ID.
func admit(t *testing.T, s job.Store, limit int) string {
	t.Helper()
	j, ok, err := s.AdmitJob(t.Context(), job.DefaultQueue, limit, func(_ job.Tx, j *job.Job) error {
		j.Status = job.Progressing
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return ""
	}
	return j.ID
}

func admission(t *testing.T, s job.Store) {
	var ids []string
	for i, priority := range []int{0, 5, -5, 5, 0} {
		j := newJob(i)
		j.Priority = priority
		ids = append(ids, insert(t, s, j).ID)
	}
	for _, want := range []string{ids[1], ids[3], ids[0], ids[4], ids[2], ""} {
		if got := admit(t, s, 10); got != want {
			t.Errorf("admitted %q, want %q", got, want)
		}
	}
	insert(t, s, newJob(10))
	if got := admit(t, s, 4); got != "" { // four of priority 0 and above progress
		t.Errorf("admitted %q over the limit", got)
	}
	urgent := newJob(11)
	urgent.Priority = 1 // two of 1 and above progress
	insert(t, s, urgent)
	if got := admit(t, s, 3); got != urgent.ID {
		t.Errorf("admitted %q, want the urgent job: less urgent ones are not in its way", got)
	}
	if got := admit(t, s, 3); got != "" {
		t.Errorf("admitted %q over the limit", got)
	}
	boom := errors.New("boom")
	_, _, err := s.AdmitJob(t.Context(), job.DefaultQueue, 100, func(job.Tx, *job.Job) error { return boom })
	if !errors.Is(err, boom) {
		t.Errorf("got %v, want the function's error", err)
	}
	if got := admit(t, s, 100); got == "" {
		t.Error("a failed admission took the job away")
	}
}

func admissionRace(t *testing.T, s job.Store) {
	for i := range 20 {
		insert(t, s, newJob(i))
	}
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got = map[string]int{}
	)
	for range 8 {
		wg.Go(func() {
			for range 4 {
				j, ok, err := s.AdmitJob(context.Background(), job.DefaultQueue, 12, func(_ job.Tx, j *job.Job) error {
					j.Status = job.Progressing
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				if ok {
					mu.Lock()
					got[j.ID]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(got) != 12 {
		t.Errorf("admitted %d jobs, want 12: %v", len(got), got)
	}
	for id, n := range got {
		if n != 1 {
			t.Errorf("admitted %s %d times", id, n)
		}
	}
}

func pausedQueue(t *testing.T, s job.Store) {
	if err := s.EnsureQueue(t.Context(), job.Queue{Name: "paused", Status: job.QueuePaused, Created: epoch}); err != nil {
		t.Fatal(err)
	}
	j := newJob(1)
	j.Queue = "paused"
	insert(t, s, j)
	_, ok, err := s.AdmitJob(t.Context(), "paused", 10, func(job.Tx, *job.Job) error { return nil })
	if ok || err != nil {
		t.Errorf("admitted %v, %v", ok, err)
	}
	queues, err := s.Queues(t.Context())
	if err != nil || len(queues) != 2 || queues[0].Name != job.DefaultQueue || queues[1].Status != job.QueuePaused {
		t.Errorf("queues %+v, %v", queues, err)
	}
	if err := s.EnsureQueue(t.Context(), job.Queue{Name: "paused", Status: job.QueueActive}); err != nil {
		t.Fatal(err)
	}
	if queues, err = s.Queues(t.Context()); err != nil || queues[1].Status != job.QueuePaused {
		t.Errorf("EnsureQueue changed a queue: %+v, %v", queues, err)
	}
}

func boundedQueue(t *testing.T, s job.Store) {
	if err := s.EnsureQueue(t.Context(), job.Queue{Name: "bounded", Status: job.QueueActive, ConcurrentJobs: 1, Created: epoch}); err != nil {
		t.Fatal(err)
	}
	for i, priority := range []int{0, 50} {
		j := newJob(i)
		j.Queue = "bounded"
		j.Priority = priority
		insert(t, s, j)
		_, ok, err := s.AdmitJob(t.Context(), "bounded", 10, func(_ job.Tx, j *job.Job) error {
			j.Status = job.Progressing
			return nil
		})
		if ok != (i == 0) || err != nil {
			t.Errorf("job %d: admitted %v, %v", i, ok, err)
		}
	}
}

// progressing inserts a job that progresses, with a probe and the given stages of tasks.
func progressing(t *testing.T, s job.Store, ms int, stages ...int) job.Job {
	t.Helper()
	j := insert(t, s, newJob(ms))
	return change(t, s, j.ID, func(tx job.Tx, j *job.Job) error {
		j.Status, j.Stage = job.Progressing, 0
		list := []job.Task{{Job: j.ID, Name: "probe", Phase: "PROBING", Payload: json.RawMessage("{}")}}
		for i, n := range stages {
			for k := range n {
				list = append(list, job.Task{
					Job: j.ID, Number: len(list), Name: fmt.Sprintf("chunk/%d/%d", i, k), Stage: i + 1,
					Phase: "TRANSCODING", Weight: 10, Payload: json.RawMessage(`{"k":1}`),
				})
			}
		}
		return tx.AddTasks(list)
	})
}

func tasks(t *testing.T, s job.Store) {
	j := progressing(t, s, 1, 1200, 1) // more than a statement holds
	other := progressing(t, s, 2, 1)
	ready, err := s.ReadyTasks(t.Context(), j.ID)
	if err != nil || !slices.Equal(ready, []job.Ref{{Job: j.ID}}) {
		t.Fatalf("ready %v, %v; want the first task", ready, err)
	}
	var tally []job.StageTally
	change(t, s, j.ID, func(tx job.Tx, j *job.Job) error {
		k, err := tx.Task(1)
		if err != nil {
			return err
		}
		want := job.TaskState{Task: job.Task{Job: j.ID, Number: 1, Name: "chunk/0/0", Stage: 1, Phase: "TRANSCODING", Weight: 10, Payload: json.RawMessage(`{"k":1}`)}}
		if !reflect.DeepEqual(k, want) {
			t.Errorf("task %+v\nwant %+v", k, want)
		}
		k.Starts, k.Failures, k.Releases, k.Done, k.Output = 3, 1, 1, true, json.RawMessage(`{"made":true}`)
		if err := tx.SetTask(k); err != nil {
			return err
		}
		if got, err := tx.Task(1); err != nil || !reflect.DeepEqual(got, k) {
			t.Errorf("stored %+v, read %+v, %v", k, got, err)
		}
		j.Stage = 1
		tally, err = tx.Tally()
		return err
	})
	want := []job.StageTally{
		{Stage: 0, Phase: "PROBING", Tasks: 1},
		{Stage: 1, Phase: "TRANSCODING", Tasks: 1200, Done: 1, Weight: 12000, DoneWeight: 10},
		{Stage: 2, Phase: "TRANSCODING", Tasks: 1, Weight: 10},
	}
	if !slices.Equal(tally, want) {
		t.Errorf("tally %+v\nwant  %+v", tally, want)
	}
	ready, err = s.ReadyTasks(t.Context(), j.ID)
	if err != nil || len(ready) != 1199 || ready[0].Number != 2 || ready[1198].Number != 1200 {
		t.Errorf("%d ready tasks, %v", len(ready), err)
	}
	if ready, err = s.ReadyTasks(t.Context(), ""); err != nil || len(ready) != 1200 || ready[1199].Job != other.ID {
		t.Errorf("%d ready tasks of all jobs, %v", len(ready), err)
	}
	out, err := s.Output(t.Context(), j.ID, "chunk/0/0")
	if err != nil || string(out) != `{"made":true}` {
		t.Errorf("output %s, %v", out, err)
	}
	_, err = s.Output(t.Context(), j.ID, "chunk/0/1")
	wantKind(t, err, fault.NotFound)
	if _, err = s.ChangeJob(t.Context(), j.ID, func(tx job.Tx, _ *job.Job) error {
		return tx.AddTasks([]job.Task{{Number: 9999, Name: "probe", Payload: json.RawMessage("{}")}})
	}); err == nil {
		t.Error("a second task of a name was added")
	}
	change(t, s, j.ID, func(_ job.Tx, j *job.Job) error { j.Status = job.Complete; return nil })
	if ready, err = s.ReadyTasks(t.Context(), j.ID); err != nil || len(ready) != 0 {
		t.Errorf("%d tasks of a job that is over are ready, %v", len(ready), err)
	}
}

func retryNotReady(t *testing.T, s job.Store) {
	j := progressing(t, s, 1)
	change(t, s, j.ID, func(tx job.Tx, _ *job.Job) error {
		return tx.Post(job.Errand{Kind: job.PublishTask, Number: 0, Due: epoch.Add(time.Hour)})
	})
	if ready, err := s.ReadyTasks(t.Context(), ""); err != nil || len(ready) != 0 {
		t.Errorf("ready %v, %v", ready, err)
	}
}

func errands(t *testing.T, s job.Store) {
	j := progressing(t, s, 1, 3)
	post := func(kind job.ErrandKind, number int, after time.Duration) {
		change(t, s, j.ID, func(tx job.Tx, _ *job.Job) error {
			return tx.Post(job.Errand{Kind: kind, Number: number, Due: epoch.Add(after)})
		})
	}
	due := func(after time.Duration, kinds ...job.ErrandKind) ([]job.Errand, time.Time) {
		t.Helper()
		e, next, err := s.Errands(t.Context(), kinds, epoch.Add(after), 10)
		if err != nil {
			t.Fatal(err)
		}
		return e, next
	}
	if e, next := due(0, job.PublishTask); len(e) != 0 || !next.IsZero() {
		t.Errorf("an empty outbox gave %v, %v", e, next)
	}
	post(job.PublishTask, 1, 2*time.Second)
	post(job.PublishTask, 2, time.Second)
	post(job.PublishStage, 1, 0)
	post(job.Discard, 0, 0)
	e, next := due(time.Second, job.PublishStage, job.PublishTask)
	want := []job.Errand{
		{Job: j.ID, Kind: job.PublishStage, Number: 1, Due: epoch},
		{Job: j.ID, Kind: job.PublishTask, Number: 2, Due: epoch.Add(time.Second)},
	}
	if !slices.Equal(e, want) || !next.Equal(epoch.Add(2*time.Second)) {
		t.Fatalf("due %+v, next %v", e, next)
	}
	// One that was posted anew since it was read is neither settled nor postponed.
	post(job.PublishTask, 2, 5*time.Second)
	if err := errors.Join(s.Settle(t.Context(), e[1]), s.Postpone(t.Context(), e[1], epoch.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if e, _ = due(5*time.Second, job.PublishTask); len(e) != 2 || e[1].Number != 2 || e[1].Tries != 0 {
		t.Fatalf("due %+v", e)
	}
	if err := s.Postpone(t.Context(), e[0], epoch.Add(9*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(t.Context(), e[1]); err != nil {
		t.Fatal(err)
	}
	e, next = due(8*time.Second, job.PublishTask)
	if len(e) != 0 || !next.Equal(epoch.Add(9*time.Second)) {
		t.Errorf("due %+v, next %v", e, next)
	}
	if e, _ = due(9*time.Second, job.PublishTask); len(e) != 1 || e[0].Tries != 1 {
		t.Errorf("due %+v", e)
	}
	// A settled discard takes all of the job's tasks and errands along.
	e, _ = due(0, job.Discard)
	if len(e) != 1 {
		t.Fatalf("due %+v", e)
	}
	if err := s.Settle(t.Context(), e[0]); err != nil {
		t.Fatal(err)
	}
	if e, next := due(time.Hour, job.Discard, job.PublishTask, job.PublishStage); len(e) != 0 || !next.IsZero() {
		t.Errorf("left %v, %v", e, next)
	}
	_, err := s.ChangeJob(t.Context(), j.ID, func(tx job.Tx, _ *job.Job) error { _, err := tx.Task(0); return err })
	wantKind(t, err, fault.NotFound)
}

func events(t *testing.T, s job.Store) {
	a, b := insert(t, s, newJob(1)), insert(t, s, newJob(2))
	for i := range 3 {
		for _, j := range []job.Job{a, b} {
			change(t, s, j.ID, func(tx job.Tx, _ *job.Job) error {
				return errors.Join(
					tx.Emit(job.Event{Kind: job.EventProgressing, At: epoch, Detail: json.RawMessage(fmt.Sprint(2 * i))}),
					tx.Emit(job.Event{Kind: job.EventStatusUpdate, At: epoch, Detail: json.RawMessage(fmt.Sprint(2*i + 1))}))
			})
		}
	}
	got, err := s.Events(t.Context(), b.ID, 2)
	if err != nil || len(got) != 4 {
		t.Fatalf("%d events, %v", len(got), err)
	}
	for i, e := range got {
		kind := []job.EventKind{job.EventProgressing, job.EventStatusUpdate}[i%2]
		want := job.Event{Job: b.ID, Number: int64(i + 3), At: epoch, Kind: kind, Detail: json.RawMessage(fmt.Sprint(i + 2))}
		if !reflect.DeepEqual(e, want) {
			t.Errorf("event %+v, want %+v", e, want)
		}
	}
}

func progress(t *testing.T, s job.Store) {
	a, b, c := progressing(t, s, 1), progressing(t, s, 2), insert(t, s, newJob(3))
	for _, p := range []int{30, 20} {
		if err := s.SaveProgress(t.Context(), map[string]int{a.ID: p, b.ID: p + 1, c.ID: p, "1-gone": p}); err != nil {
			t.Fatal(err)
		}
	}
	if x, y, z := get(t, s, a.ID), get(t, s, b.ID), get(t, s, c.ID); x.PercentComplete != 30 || y.PercentComplete != 31 || z.PercentComplete != 0 {
		t.Errorf("percentages %d, %d and %d of a submitted job", x.PercentComplete, y.PercentComplete, z.PercentComplete)
	}
}
