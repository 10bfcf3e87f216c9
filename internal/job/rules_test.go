package job

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

func TestTransitions(t *testing.T) {
	allowed := map[Status]map[cause]Status{
		Submitted:   {admit: Progressing, cancel: Canceled},
		Progressing: {cancel: Canceled, finish: Complete, fail: Error},
	}
	for _, from := range []Status{Submitted, Progressing, Complete, Canceled, Error} {
		if !from.Valid() || from.Final() != (allowed[from] == nil) {
			t.Errorf("%s: valid %v, final %v", from, from.Valid(), from.Final())
		}
		for _, why := range []cause{admit, cancel, finish, fail} {
			j := Job{ID: "1-a", Status: from}
			err := j.move(why)
			if to, ok := allowed[from][why]; ok {
				if err != nil || j.Status != to {
					t.Errorf("%s of a job that is %s: %s, %v; want %s", why, from, j.Status, err, to)
				}
				continue
			}
			if err == nil || fault.KindOf(err) != fault.Conflict || j.Status != from {
				t.Errorf("%s of a job that is %s: %s, %v; want a conflict", why, from, j.Status, err)
			}
		}
	}
	if Status("").Valid() || Status("complete").Valid() {
		t.Error("what is no state is valid")
	}
}

func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		failures int
		jitter   float64
		want     time.Duration
	}{
		{1, 0.5, time.Second},
		{1, 0, 800 * time.Millisecond},
		{1, 1, 1200 * time.Millisecond},
		{2, 0.5, 2 * time.Second},
		{6, 0.5, 32 * time.Second},
		{7, 0.5, time.Minute},
		{1000, 0.5, time.Minute},
		{1000, 1, 72 * time.Second},
	} {
		if got := backoff(time.Second, c.failures, c.jitter); got.Round(time.Millisecond) != c.want {
			t.Errorf("backoff after %d failures with jitter %v: %s, want %s", c.failures, c.jitter, got, c.want)
		}
	}
	if got := backoff(1, 1, 0); got < time.Millisecond { // or a retry would have the due time of the try before
		t.Errorf("backoff %s", got)
	}
}

func TestIDs(t *testing.T) {
	now := time.UnixMilli(1515368087458)
	// Bytes from 252 on are passed over: they would favour the first letters.
	id, err := newID(now, bytes.NewReader([]byte{0, 35, 36, 255, 251, 252, 9, 10, 0, 0, 0, 0}))
	if err != nil || id != "1515368087458-0z0z9a" {
		t.Errorf("ID %q, %v", id, err)
	}
	if at, err := CreatedOf(id); err != nil || !at.Equal(now) {
		t.Errorf("created %v, %v", at, err)
	}
	if _, err := newID(now, bytes.NewReader(nil)); err == nil {
		t.Error("an ID without randomness")
	}
	for _, bad := range []string{"", "-", "1", "1-", "-1-a", "x-abcdef", "99999999999999999999-a"} {
		if _, err := CreatedOf(bad); err == nil {
			t.Errorf("%q passed as an ID", bad)
		}
	}
}

func TestPhases(t *testing.T) {
	l := liveJob{job: Job{Stage: 2}, running: map[int]runningTask{
		9: {stage: 2, weight: 50, told: Progress{Done: 1, Total: 2}},
		8: {stage: 2, weight: 50, told: Progress{Done: 1}}, // of an unknown total
	}, stages: []StageTally{
		{Stage: 0, Phase: "PROBING", Tasks: 1, Done: 1},
		{Stage: 1, Phase: "TRANSCODING", Tasks: 2, Done: 2, Weight: 100, DoneWeight: 100},
		{Stage: 2, Phase: "TRANSCODING", Tasks: 2, Weight: 100},
		{Stage: 3, Phase: "UPLOADING", Tasks: 1},
	}}
	want := map[string]PhaseProgress{
		"PROBING": {"COMPLETE", 100}, "TRANSCODING": {"PROGRESSING", 62}, "UPLOADING": {"PENDING", 0},
	}
	if got := l.phases(); !reflect.DeepEqual(got, want) {
		t.Errorf("phases %v, want %v", got, want)
	}
	if got := l.percent(); got != 62 {
		t.Errorf("%d percent", got)
	}
	l.stages[3].Done, l.stages[2].Done, l.stages[2].DoneWeight = 1, 2, 100
	if got := l.percent(); got != 99 {
		t.Errorf("%d percent of a job that is not over", got)
	}
}
