package jobtest

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// hops holds that a job keeps where it was submitted and stands in line where it is.
func hops(t *testing.T, s job.Store) {
	for name, status := range map[string]string{"a": job.QueueActive, "b": job.QueuePaused} {
		if err := s.EnsureQueue(t.Context(), job.Queue{Name: name, Status: status, Created: epoch}); err != nil {
			t.Fatal(err)
		}
	}
	j := newJob(1)
	j.Queue, j.Priority = "a", 7
	j.Hops = []job.Hop{{Queue: "b", Priority: new(-50), Wait: time.Minute}}
	due := j.Created.Add(time.Minute)
	if _, _, err := s.InsertJob(t.Context(), j, nil, job.Errand{Kind: job.HopQueue, Due: due}); err != nil {
		t.Fatal(err)
	}
	errands := func(now time.Time) ([]job.Errand, time.Time) {
		t.Helper()
		list, next, err := s.Errands(t.Context(), []job.ErrandKind{job.HopQueue}, now, 10)
		if err != nil {
			t.Fatal(err)
		}
		return list, next
	}
	if list, next := errands(epoch); len(list) != 0 || !next.Equal(due) {
		t.Errorf("before its time: %v, %v", list, next)
	}
	if list, _ := errands(due); len(list) != 1 || list[0].Job != j.ID {
		t.Errorf("when it is due: %v", list)
	}
	got := change(t, s, j.ID, func(tx job.Tx, j *job.Job) error {
		if q, err := tx.Queue("b"); err != nil || q.Status != job.QueuePaused {
			t.Errorf("queue %+v, %v", q, err)
		}
		_, err := tx.Queue("c")
		wantKind(t, err, fault.NotFound)
		j.Place = &job.Place{Queue: "b", Priority: -50}
		j.Transitions = append(j.Transitions, job.Transition{From: "a", To: "b", At: due})
		return tx.Emit(job.Event{At: due, Kind: job.EventQueueHop, Detail: json.RawMessage("{}")})
	})
	read := get(t, s, j.ID)
	if read.Queue != "a" || read.Priority != 7 || read.At() != (job.Place{Queue: "b", Priority: -50}) || !slices.Equal(read.Transitions, got.Transitions) || len(read.Hops) != 1 || *read.Hops[0].Priority != -50 {
		t.Errorf("read %+v", read)
	}
	if list, _ := errands(due); len(list) != 0 {
		t.Errorf("from a paused queue: %v", list)
	}
	for queue, want := range map[string]int{"a": 1, "b": 0} {
		list, err := s.Jobs(t.Context(), job.Filter{Queue: queue, Limit: 9})
		if err != nil || len(list) != want {
			t.Errorf("%d jobs submitted to %s, want %d: %v", len(list), queue, want, err)
		}
	}
	admit := func(queue string) bool {
		_, ok, err := s.AdmitJob(t.Context(), queue, 10, func(job.Tx, *job.Job) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if admit("a") || admit("b") {
		t.Error("admitted from the queue that it left, or from a paused one")
	}
}

// labels holds that jobs are found by any of several matches.
func labels(t *testing.T, s job.Store) {
	if err := s.EnsureQueue(t.Context(), job.Queue{Name: "other", Status: job.QueueActive}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i, l := range []map[string][]string{
		{"fileInput": {"s3://in/100%_a.mp4", "s3://in/b.mp4"}, "videoCodec": {"H_264", "H_264"}},
		{"fileInput": {"s3://in/100xxa.mp4"}, "videoCodec": {"FRAME_CAPTURE"}},
		nil,
	} {
		j := newJob(i)
		j.Labels = l
		if i == 2 {
			j.Queue, j.Status = "other", job.Complete
		}
		insert(t, s, j)
		ids = append(ids, j.ID)
	}
	file := func(text string) job.Match { return job.Match{Label: "fileInput", Text: text, Part: true} }
	for name, c := range map[string]struct {
		any  []job.Match
		want []string
	}{
		"a part":              {[]job.Match{file("in/")}, ids[:2]},
		"no pattern":          {[]job.Match{file("100%_a")}, ids[:1]},
		"the case counts":     {[]job.Match{file("B.MP4")}, nil},
		"any input":           {[]job.Match{file("")}, ids[:2]},
		"the whole":           {[]job.Match{{Label: "videoCodec", Text: "H_264"}}, ids[:1]},
		"not a part of whole": {[]job.Match{{Label: "videoCodec", Text: "H_"}}, nil},
		"one of several":      {[]job.Match{{Label: "videoCodec", Text: "FRAME_CAPTURE"}, {Queue: "other"}}, ids[1:]},
		"a state":             {[]job.Match{{Status: job.Complete}}, ids[2:]},
	} {
		list, err := s.Jobs(t.Context(), job.Filter{Any: c.any, Ascending: true, Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, j := range list {
			got = append(got, j.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: found %v, want %v", name, got, c.want)
		}
	}
}
