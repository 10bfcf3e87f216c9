package jobtest

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/job"
)

// work holds that what attempts of tasks took is there until the tasks are
// discarded, and what a job took after that.
func work(t *testing.T, s job.Store) {
	j := insert(t, s, newJob(1))
	tasks := []job.Task{
		{Number: 0, Name: "probe", Payload: json.RawMessage("null")},
		{Number: 1, Name: "chunk/0/0", Stage: 1, Payload: json.RawMessage("null")},
	}
	want := []job.TaskWork{
		{Name: "probe", Done: true, Starts: 1, Spent: job.Spent{Worker: "w", CPU: time.Second, Wall: 2 * time.Second, Processes: 3}},
		{Name: "chunk/0/0", Starts: 4, Failures: 2, Releases: 1, Wasted: 5*time.Hour + time.Nanosecond},
	}
	sum := &job.Work{
		Kinds: []job.KindWork{
			{Kind: "chunk", Tasks: 1, Attempts: 4, Failures: 2, Releases: 1, Wasted: 5*time.Hour + time.Nanosecond},
			{Kind: "probe", Tasks: 1, Done: 1, Attempts: 1, CPU: time.Second, Wall: 2 * time.Second, Processes: 3},
		},
		Workers: []job.WorkerWork{{Name: "w", Tasks: 1, CPU: time.Second}},
	}
	change(t, s, j.ID, func(tx job.Tx, j *job.Job) error {
		if err := tx.AddTasks(tasks); err != nil {
			return err
		}
		for i, w := range want {
			if err := tx.SetTask(job.TaskState{Task: job.Task{Number: i, Spent: w.Spent}, Done: w.Done, Starts: w.Starts, Failures: w.Failures, Releases: w.Releases, Wasted: w.Wasted}); err != nil {
				return err
			}
		}
		got, err := tx.TaskWork()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("within the change %+v", got)
		}
		state, err2 := tx.Task(1)
		if state.Wasted != want[1].Wasted {
			t.Errorf("a task wasted %v", state.Wasted)
		}
		j.Work = job.Sum(got)
		j.Marks = []job.Mark{{Phase: "PROBING", At: epoch}, {Phase: "UPLOADING", At: epoch.Add(time.Millisecond)}}
		if err == nil {
			err = err2
		}
		return err
	})
	if got, err := s.TaskWork(t.Context(), j.ID); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v", got, err)
	}
	if err := s.Settle(t.Context(), job.Errand{Job: j.ID, Kind: job.Discard}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.TaskWork(t.Context(), j.ID); err != nil || len(got) > 0 {
		t.Errorf("after the job %+v, %v", got, err)
	}
	if got := get(t, s, j.ID); !reflect.DeepEqual(got.Work, sum) || len(got.Marks) != 2 || !got.Marks[1].At.Equal(epoch.Add(time.Millisecond)) {
		t.Errorf("the job's record has %+v, %+v", got.Work, got.Marks)
	}
	if lost := sum.Kinds[0].Lost(); lost != 1 {
		t.Errorf("%d lost", lost)
	}
}
