package store_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/store"
)

func TestObjectEventsAreKeptOnceInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	s, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	made := func(n int) event.ObjectEvent {
		return event.ObjectEvent{
			Bucket: "b", Key: "a b+/é", VersionID: "v", Size: int64(n), ETag: "e", Name: event.ObjectCreatedCopy,
			Sequencer: fmt.Sprintf("%03d", n), Time: time.UnixMilli(1700000000000 + int64(n)).UTC(),
		}
	}
	for _, batch := range [][]int{{2, 1}, {1, 3, 2}, {3}, {}, {4}} {
		var events []event.ObjectEvent
		for _, n := range batch {
			events = append(events, made(n))
		}
		if _, err := s.AppendObjectEvents(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(t.Context(), store.Config{Path: path}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got []event.ObjectEvent
	for after := int64(0); ; {
		page, last, err := s.ObjectEvents(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page...)
		if len(page) == 0 {
			break
		}
		after = last
	}
	want := []event.ObjectEvent{made(2), made(1), made(3), made(4)}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestPruningOfObjectEvents drops what was told and released, never what only one
// of the two is true of, and gives no position twice.
func TestPruningOfObjectEvents(t *testing.T) {
	s := open(t)
	add := func(want int64, sequencers ...string) {
		t.Helper()
		var events []event.ObjectEvent
		for _, n := range sequencers {
			events = append(events, event.ObjectEvent{Bucket: "b", Key: "k", Sequencer: n, Name: event.ObjectCreatedPut})
		}
		if newest, err := s.AppendObjectEvents(t.Context(), events); err != nil || newest != want {
			t.Errorf("%v: the newest is at %d, want %d, %v", sequencers, newest, want, err)
		}
	}
	prune := func(limit int, goes int, left string) {
		t.Helper()
		n, err := s.Prune(t.Context(), event.FeedObjects, limit)
		if err != nil {
			t.Fatal(err)
		}
		events, _, err := s.ObjectEvents(t.Context(), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		has := ""
		for _, e := range events {
			has += e.Sequencer
		}
		if n != goes || has != left {
			t.Errorf("%d went and %q is left, want %d and %q", n, has, goes, left)
		}
	}
	told := func(position int64) {
		t.Helper()
		if err := s.Advance(t.Context(), event.FeedObjects, position, nil); err != nil {
			t.Fatal(err)
		}
	}
	released := func(position int64) {
		t.Helper()
		if err := s.ReleaseObjectEvents(t.Context(), position); err != nil {
			t.Fatal(err)
		}
	}
	add(5, "a", "b", "c", "d", "e")
	prune(9, 0, "abcde")
	told(4)
	prune(9, 0, "abcde") // the journal may hand all over again
	add(5, "a", "e")
	released(3)
	prune(2, 2, "cde")
	prune(2, 1, "de")
	released(2) // late news takes nothing back
	released(5)
	prune(9, 1, "e") // not told yet
	told(5)
	prune(9, 1, "")
	add(6, "f")
	prune(9, 0, "f")
	if n, err := s.Prune(t.Context(), "another", 9); n != 0 || err != nil {
		t.Errorf("a feed of others: %d, %v", n, err)
	}
}

// TestPruningOfJobEvents keeps the numbers of a job's events and the positions going.
func TestPruningOfJobEvents(t *testing.T) {
	s := open(t)
	if err := s.EnsureQueue(t.Context(), job.Queue{Name: job.DefaultQueue, Status: job.QueueActive}); err != nil {
		t.Fatal(err)
	}
	j, _, err := s.InsertJob(t.Context(), job.Job{ID: "1700000000000-aaaaaa", Queue: job.DefaultQueue, Status: job.Submitted}, nil)
	if err != nil {
		t.Fatal(err)
	}
	emit := func() {
		t.Helper()
		_, err := s.ChangeJob(t.Context(), j.ID, func(tx job.Tx, _ *job.Job) error {
			return tx.Emit(job.Event{Kind: job.EventStatusUpdate, Detail: []byte("{}")})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	emit()
	emit()
	for _, step := range []struct {
		told int64
		goes int
	}{{0, 0}, {1, 1}, {1, 0}, {2, 1}} {
		if err := s.Advance(t.Context(), event.FeedJobs, step.told, nil); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Prune(t.Context(), event.FeedJobs, 9); err != nil || n != step.goes {
			t.Errorf("told %d: %d went, want %d, %v", step.told, n, step.goes, err)
		}
	}
	emit()
	if events, last, err := s.JobEvents(t.Context(), 2, 9); err != nil || len(events) != 1 || last != 3 || events[0].Number != 3 {
		t.Errorf("events %+v up to %d, %v", events, last, err)
	}
}
