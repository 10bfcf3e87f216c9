package store_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/store"
)

func TestDeliveriesOfALaneGoOneAfterTheOther(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.UnixMilli(1700000000000).UTC()
	one := func(route, lane, id string) event.Delivery {
		return event.Delivery{Route: route, Lane: route + lane, Due: now, Letter: event.Letter{EventID: id, Body: []byte("{}"), Created: now}}
	}
	advance := func(position int64, list ...event.Delivery) {
		t.Helper()
		if err := s.Advance(t.Context(), "f", position, list); err != nil {
			t.Fatal(err)
		}
	}
	due := func(route string, at time.Time, want string) []event.Delivery {
		t.Helper()
		list, next, err := s.DueDeliveries(t.Context(), route, at, 10)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, d := range list {
			got += d.EventID + " "
		}
		if !next.IsZero() {
			got += fmt.Sprint(next.Sub(now))
		}
		if got != want {
			t.Errorf("due: %q, want %q", got, want)
		}
		return list
	}
	settle := func(d event.Delivery, done bool) {
		t.Helper()
		if err := s.SettleDeliveries(t.Context(), []event.Outcome{{Delivery: d, Done: done}}); err != nil {
			t.Fatal(err)
		}
	}
	advance(3, one("r", "x", "1"), one("r", "x", "2"), one("r", "y", "3"), one("q", "x", "4"))
	if p, err := s.FeedPosition(t.Context(), "f"); err != nil || p != 3 {
		t.Errorf("position %d, %v", p, err)
	}
	first := due("r", now, "1 3 ")
	due("q", now, "4 ")
	retry := first[0]
	retry.Tries, retry.Due, retry.Failure = 1, now.Add(time.Second), event.Failure{Code: "c", Message: "m"}
	settle(retry, false)
	advance(4, one("r", "x", "5"))
	due("r", now, "3 1s") // 2 and 5 wait behind 1
	later := due("r", now.Add(time.Second), "3 1 ")
	if d := later[1]; d.Tries != 1 || d.Failure.Code != "c" {
		t.Errorf("%+v", d)
	}
	settle(later[1], true)
	settle(later[0], true)
	next := due("r", now, "2 ")
	settle(next[0], true)
	settle(due("r", now, "5 ")[0], true)
	due("r", now, "")
	if routes, err := s.DeliveryRoutes(t.Context()); err != nil || fmt.Sprint(routes) != "[q]" {
		t.Errorf("routes %v, %v", routes, err)
	}
}

// BenchmarkDueDeliveries reads from a route where ten thousand wait behind others.
func BenchmarkDueDeliveries(b *testing.B) {
	s, err := store.Open(b.Context(), store.Config{Path: filepath.Join(b.TempDir(), "records.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	now := time.UnixMilli(1700000000000).UTC()
	var list []event.Delivery
	for i := range 10000 {
		list = append(list, event.Delivery{Route: "r", Lane: fmt.Sprint(i % 4), Due: now, Letter: event.Letter{Body: []byte("{}")}})
	}
	if err := s.Advance(b.Context(), "f", 1, list); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if got, _, err := s.DueDeliveries(b.Context(), "r", now, 16); err != nil || len(got) != 4 {
			b.Fatal(len(got), err)
		}
	}
}
