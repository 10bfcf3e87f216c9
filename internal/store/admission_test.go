package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/store"
)

// TestAdmissionAmongManyJobs: choosing the next of 100,000 queued jobs is a look at an
// index, not at the jobs. How long it takes and how long the commit is told.
func TestAdmissionAmongManyJobs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	admitted := func(n int) (choosing, whole []time.Duration) {
		s, err := store.Open(t.Context(), store.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for range n {
			began := time.Now()
			j, ok, err := s.AdmitJob(t.Context(), "q", 1<<30, func(_ job.Tx, j *job.Job) error {
				choosing = append(choosing, time.Since(began))
				j.Status, j.Stage = job.Progressing, 0
				return nil
			})
			if err != nil || !ok || j.Priority != 50 {
				t.Fatalf("admitted %+v, %v, %v", j, ok, err)
			}
			whole = append(whole, time.Since(began))
		}
		slices.Sort(choosing)
		slices.Sort(whole)
		return choosing, whole
	}
	s, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EnsureQueue(t.Context(), job.Queue{Name: "q", Status: job.QueueActive}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fill(t, path, 0, 1_000)
	few, _ := admitted(100)
	fill(t, path, 1_000, 100_000)
	many, whole := admitted(200)
	t.Logf("of 1,000 queued jobs one is chosen in %v (median); of 100,000 in %v, 99 %% in %v; with the commit in %v and %v",
		few[50], many[100], many[198], whole[100], whole[198])
	if many[100] > 20*few[50]+5*time.Millisecond {
		t.Errorf("choosing one of 1,000 jobs takes %v, of 100,000 %v", few[50], many[100])
	}
}

// fill inserts jobs as InsertJob does, in one transaction.
func fill(t *testing.T, path string, from, to int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	insert, err := tx.Prepare(`INSERT INTO jobs (id, queue, submitted_to, status, priority, created_ms, version, phase, percent, stage, events, request, doc)
		VALUES ($1,'q','q','SUBMITTED',$2,$3,1,'',0,-1,0,'{"settings":{}}','{}')`)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		if _, err := insert.Exec(fmt.Sprintf("%d-%06d", 1_700_000_000_000+i, i), 50-10*(i%100/50), 1_700_000_000_000+i); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}
