package store_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/event"
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
		if err := s.AppendObjectEvents(t.Context(), events); err != nil {
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
