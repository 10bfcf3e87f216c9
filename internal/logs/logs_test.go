package logs_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/logs"
	"vodwright.dev/vodwright/internal/store"
)

// records opens a real store: logs are nothing without one.
func records(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestAppendMakesGroupAndStream(t *testing.T) {
	s := records(t)
	at := time.UnixMilli(1_700_000_000_123).UTC()
	l := logs.New(logs.Config{Store: s, Now: func() time.Time { return at }})
	events := []logs.Event{
		{at, "second"}, {at.Add(-time.Second), "first"}, {at, ""}, {at, "bad \xff byte"}, {at, strings.Repeat("é", logs.MaxMessage)},
	}
	if err := l.Append(t.Context(), "/aws/lambda/f", "2026/11/25/[$LATEST]0", events); err != nil {
		t.Fatal(err)
	}
	got, err := s.LogEvents(t.Context(), logs.EventQuery{Group: "/aws/lambda/f", Limit: 10})
	if err != nil || len(got) != 4 {
		t.Fatalf("%d events, %v", len(got), err)
	}
	if got[0].Message != "first" || got[1].Message != "second" || got[2].Message != "bad \uFFFD byte" || len(got[3].Message) != logs.MaxMessage {
		t.Errorf("events %.40v", got)
	}
	g, err := s.LogGroup(t.Context(), "/aws/lambda/f")
	want := int64(len("first")+len("second")+len("bad \uFFFD byte")+logs.MaxMessage) + 4*26
	if err != nil || g.StoredBytes != want || !g.Created.Equal(at) {
		t.Errorf("group %+v, %v, want %d bytes", g, err, want)
	}
	if err := s.DeleteLogStream(t.Context(), "/aws/lambda/f", "2026/11/25/[$LATEST]0"); err != nil {
		t.Fatal(err)
	}
	if g, err = s.LogGroup(t.Context(), "/aws/lambda/f"); err != nil || g.StoredBytes != 0 {
		t.Errorf("after its stream is gone: %+v, %v", g, err)
	}
}

func TestManyWritersAtOnce(t *testing.T) {
	s := records(t)
	l := logs.New(logs.Config{Store: s})
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 20 {
				if err := l.Append(t.Context(), "g", fmt.Sprint("s", w%4), []logs.Event{{time.Now(), fmt.Sprintf("%d %d", w, i)}, {time.Now(), "x"}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := s.LogEvents(t.Context(), logs.EventQuery{Group: "g", Limit: 1000})
	if err != nil || len(got) != 640 {
		t.Fatalf("%d events, %v", len(got), err)
	}
	ids := map[int64]bool{}
	last := map[string]int{}
	for _, e := range got {
		ids[e.ID] = true
		var w, i int
		if n, _ := fmt.Sscanf(e.Message, "%d %d", &w, &i); n == 2 {
			if have, ok := last[fmt.Sprint(w)]; ok && i <= have {
				t.Errorf("writer %d: %d after %d", w, i, have)
			}
			last[fmt.Sprint(w)] = i
		}
	}
	if len(ids) != 640 {
		t.Errorf("%d ids of 640 events", len(ids))
	}
}

func TestRetentionDropsWhatIsOld(t *testing.T) {
	s := records(t)
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	l := logs.New(logs.Config{Store: s, Now: func() time.Time { return now }})
	for _, group := range []string{"short", "ever"} {
		if err := l.Append(t.Context(), group, "s", []logs.Event{{now.AddDate(0, 0, -3), "old"}, {now, "new"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetLogRetention(t.Context(), "short", 1); err != nil {
		t.Fatal(err)
	}
	if err := l.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	for group, want := range map[string]int{"short": 1, "ever": 2} {
		got, err := s.LogEvents(t.Context(), logs.EventQuery{Group: group, Limit: 10})
		if err != nil || len(got) != want {
			t.Errorf("%s keeps %d, %v", group, len(got), err)
		}
	}
	if g, err := s.LogGroup(t.Context(), "short"); err != nil || g.StoredBytes != 29 {
		t.Errorf("group %+v, %v", g, err)
	}
	if err := s.SetLogRetention(t.Context(), "absent", 1); fault.KindOf(err) != fault.NotFound {
		t.Errorf("retention of nothing: %v", err)
	}
}
