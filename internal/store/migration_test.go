package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/store"
)

// TestJobsOfBeforeAreFound: those of a database of version 9, by queue and label.
func TestJobsOfBeforeAreFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	const insert = `INSERT INTO jobs (id, queue, status, priority, created_ms, version, phase, percent, stage, events, request, doc) VALUES ($1,'q','COMPLETE',3,$2,1,'',100,2,4,$3,'{}')`
	for _, j := range [][]any{
		{"1-aaaaaa", 1, `{"settings":{"inputs":[{"fileInput":"s3://in/a.mp4"},{"fileInput":"s3://in/a.mp4"}],"outputGroups":[{"outputs":[
			{"videoDescription":{"codecSettings":{"codec":"H_264"}},"audioDescriptions":[{"codecSettings":{"codec":"AAC"}},{}]},{"preset":"p"}]},{}]}}`},
		{"2-aaaaaa", 2, `null`},
	} {
		if _, err := db.Exec(insert, j...); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, f := range []job.Filter{
		{Queue: "q", Any: []job.Match{{Label: "fileInput", Text: "a.mp4", Part: true}}},
		{Any: []job.Match{{Label: "videoCodec", Text: "H_264"}}},
		{Any: []job.Match{{Label: "audioCodec", Text: "AAC"}}},
	} {
		f.Limit = 9
		if list, err := s.Jobs(t.Context(), f); err != nil || len(list) != 1 || list[0].ID != "1-aaaaaa" || list[0].Queue != "q" || list[0].Place != nil || list[0].Priority != 3 {
			t.Errorf("%+v: %+v, %v", f, list, err)
		}
	}
	if list, err := s.Jobs(t.Context(), job.Filter{Queue: "q", Limit: 9}); err != nil || len(list) != 2 {
		t.Errorf("%d jobs, %v", len(list), err)
	}
}
