package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/job/jobtest"
	"vodwright.dev/vodwright/internal/store"
)

func open(t *testing.T) *store.Store {
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

func TestStoreIsAJobStore(t *testing.T) {
	jobtest.Store(t, func(t *testing.T) job.Store { return open(t) })
}

func TestOpenRefusesNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	s, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), store.Config{Path: path})
	if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "9999") || fault.Of(err).Hint == "" {
		t.Fatalf("got %v, want a conflict that names the version and a hint", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || string(before) != string(after) {
		t.Errorf("the refused database was changed, %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := store.Open(t.Context(), store.Config{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no path: %v", err)
	}
	path := filepath.Join(t.TempDir(), "not-a-database")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), store.Config{Path: path}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is no database: %v, want an error that names it", err)
	}
	if _, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "missing", "x.db")}); err == nil {
		t.Error("a folder that does not exist was accepted")
	}
}

func TestOpenInAnOddFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%20e&f", "records.db")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the database is elsewhere: %v", err)
	}
}

func TestConcurrentReadsAndWrites(t *testing.T) {
	s := open(t)
	if err := s.EnsureQueue(t.Context(), job.Queue{Name: job.DefaultQueue, Status: job.QueueActive}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 25 {
				at := time.UnixMilli(int64(1_700_000_000_000 + w*1000 + i))
				j := job.Job{ID: fmt.Sprintf("%d-%d", at.UnixMilli(), w), Queue: job.DefaultQueue, Status: job.Submitted, Created: at, Request: []byte("{}")}
				if _, _, err := s.InsertJob(t.Context(), j, nil); err != nil {
					t.Error(err)
				}
				if _, err := s.Jobs(t.Context(), job.Filter{Limit: 20}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := s.CountJobs(t.Context(), job.DefaultQueue, job.Submitted); err != nil || n != 100 {
		t.Errorf("%d jobs, %v", n, err)
	}
}

func TestACanceledCallLeavesTheStoreUsable(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Job(ctx, "1-a"); err == nil || fault.KindOf(err) == fault.NotFound {
		t.Errorf("got %v", err)
	}
	if err := s.SetTags(ctx, "jobs/1", map[string]string{"a": "b"}); err == nil {
		t.Error("a canceled write succeeded")
	}
	if err := s.SetTags(t.Context(), "jobs/1", map[string]string{"a": "b"}); err != nil {
		t.Error(err)
	}
}

func TestTags(t *testing.T) {
	s, ctx := open(t), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.SetTags(ctx, "jobs/1", map[string]string{"a": "1", "b": "2"}))
	must(s.SetTags(ctx, "jobs/2", map[string]string{"a": "x"}))
	must(s.SetTags(ctx, "jobs/1", map[string]string{"b": "3", "": "empty"}))
	must(s.RemoveTags(ctx, "jobs/1", []string{"a", "never"}))
	got, err := s.Tags(ctx, "jobs/1")
	if err != nil || fmt.Sprint(got) != "map[:empty b:3]" {
		t.Errorf("tags %v, %v", got, err)
	}
	if got, err = s.Tags(ctx, "jobs/3"); err != nil || got == nil || len(got) != 0 {
		t.Errorf("tags of nothing: %v, %v", got, err)
	}
}

func TestTemplates(t *testing.T) {
	s, ctx := open(t), t.Context()
	at := func(i int) time.Time { return time.UnixMilli(int64(1000 + i)).UTC() }
	for i, name := range []string{"zebra", "ant", "monkey", "bee"} {
		tpl := job.Template{Name: name, Category: []string{"A", "B"}[i%2], Description: "d", Settings: []byte(`{"i":1}`), Created: at(i), Updated: at(i)}
		if err := s.CreateTemplate(ctx, tpl, map[string]string{"t": name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CreateTemplate(ctx, job.Template{Name: "ant"}, map[string]string{"t": "2"}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second template of a name: %v", err)
	}
	if got, err := s.Tags(ctx, "jobTemplates/ant"); err != nil || got["t"] != "ant" {
		t.Errorf("tags %v, %v: a refused template changed them", got, err)
	}
	list := func(f job.TemplateFilter) string {
		f.Limit = 3
		var names []string
		for {
			page, err := s.Templates(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page {
				names = append(names, p.Name)
			}
			if len(page) < f.Limit {
				return strings.Join(names, " ")
			}
			f.After, f.AfterCreated = names[len(names)-1], page[len(page)-1].Created
		}
	}
	for _, c := range []struct {
		f    job.TemplateFilter
		want string
	}{
		{job.TemplateFilter{}, "ant bee monkey zebra"},
		{job.TemplateFilter{Descending: true}, "zebra monkey bee ant"},
		{job.TemplateFilter{ByCreation: true}, "zebra ant monkey bee"},
		{job.TemplateFilter{ByCreation: true, Descending: true}, "bee monkey ant zebra"},
		{job.TemplateFilter{Category: "A"}, "monkey zebra"},
	} {
		if got := list(c.f); got != c.want {
			t.Errorf("%+v: %s, want %s", c.f, got, c.want)
		}
	}
	got, err := s.ChangeTemplate(ctx, "ant", func(tpl *job.Template) error {
		tpl.Name, tpl.Created = "other", at(99) // neither can be changed
		tpl.Description, tpl.Updated = "new", at(50)
		return nil
	})
	if err != nil || got.Name != "ant" || !got.Created.Equal(at(1)) || got.Description != "new" {
		t.Errorf("changed to %+v, %v", got, err)
	}
	if read, err := s.Template(ctx, "ant"); err != nil || fmt.Sprint(read) != fmt.Sprint(got) {
		t.Errorf("read %+v, want %+v, %v", read, got, err)
	}
	if err := s.DeleteTemplate(ctx, "ant"); err != nil {
		t.Fatal(err)
	}
	if tags, err := s.Tags(ctx, "jobTemplates/ant"); err != nil || len(tags) != 0 {
		t.Errorf("a deleted template has tags %v, %v", tags, err)
	}
	for _, err := range []error{
		s.DeleteTemplate(ctx, "ant"),
		func() error { _, err := s.Template(ctx, "ant"); return err }(),
		func() error {
			_, err := s.ChangeTemplate(ctx, "ant", func(*job.Template) error { return nil })
			return err
		}(),
	} {
		if err == nil || fault.KindOf(err) != fault.NotFound {
			t.Errorf("got %v, want not found", err)
		}
	}
}
