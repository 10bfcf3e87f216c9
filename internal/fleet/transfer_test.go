package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// direct is a Line to a Desk in this process.
type direct struct{ desk *Desk }

func (d direct) Call(ctx context.Context, verb string, question []byte, _ time.Duration) ([]byte, error) {
	return d.desk.Answer(ctx, verb, question), nil
}

func (d direct) Tell(verb string, what []byte) error { d.desk.Hear(verb, what); return nil }

// buckets has one object, and a depot behind a door.
type buckets struct {
	Buckets
	door   *Door
	depot  Folder
	object []byte
}

func (b buckets) Source(context.Context, job.Job, string, string, string) (Found, error) {
	return Found{Pin: "v1/e1", Size: int64(len(b.object)), Link: b.door.Object("in", "a b.mp4", "v1", "e1")}, nil
}

func (b buckets) Put(_ context.Context, id, place string, size int64) (Link, error) {
	return b.door.Put(id, place, size), nil
}

func (b buckets) Get(_ context.Context, id, place string) (Link, error) {
	return b.door.Get(id, place), nil
}

// seekable is an object that is open.
type seekable struct{ *bytes.Reader }

func (seekable) Close() error { return nil }

// fixture is a desk and a client of it, with a server of links that breaks off as told.
func fixture(t *testing.T, status job.Status) (*Client, buckets, *int) {
	t.Helper()
	depot, err := NewFolder(filepath.Join(t.TempDir(), "depot"))
	if err != nil {
		t.Fatal(err)
	}
	object := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	door := NewDoor(DoorConfig{Secret: []byte("s"), Depot: depot, Logger: slog.New(slog.DiscardHandler), Open: func(_ context.Context, bucket, key, version, etag string) (io.ReadSeekCloser, error) {
		if bucket != "in" || key != "a b.mp4" || version != "v1" {
			return nil, fault.New(fault.NotFound, "", "nothing")
		}
		if etag != "e1" {
			return nil, fault.New(fault.Conflict, "", "it was overwritten")
		}
		return seekable{bytes.NewReader(object)}, nil
	}})
	breaks := new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if *breaks > 0 && r.Method == http.MethodGet {
			*breaks--
			w = &breaking{ResponseWriter: w, left: 300_000}
		}
		door.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b := buckets{door: door, depot: depot, object: object}
	desk := NewDesk(DeskConfig{
		Version: "v", Buckets: b, Logger: slog.New(slog.DiscardHandler),
		Job: func(_ context.Context, id string) (job.Job, error) { return job.Job{ID: id, Status: status}, nil },
	})
	return NewClient(ClientConfig{Line: direct{desk}, Version: "v", Name: "w", Base: server.URL}), b, breaks
}

// breaking breaks an answer off.
type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return b.ResponseWriter.Write(p)
}

func TestDownloadsGoOnWhereTheyBroke(t *testing.T) {
	c, b, breaks := fixture(t, job.Progressing)
	*breaks = 3
	cache, err := NewCache(filepath.Join(t.TempDir(), "cache"), int64(len(b.object))+10)
	if err != nil {
		t.Fatal(err)
	}
	c.cfg.Cache = cache
	objects, err := c.Objects(t.Context(), "role", "1-a")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"first", "cached"} {
		pin, err := objects.Snapshot(t.Context(), "in", "a b.mp4", "", filepath.Join(dir, name))
		if err != nil || pin != "v1/e1" {
			t.Fatalf("%s: %q, %v", name, pin, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, b.object) {
			t.Errorf("%s: %d bytes, want %d, %v", name, len(got), len(b.object), err)
		}
		*breaks = 1000 // the cache needs no server
	}
	small := filepath.Join(dir, "small")
	if err := os.WriteFile(small, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	cache.Put("another", small)
	if cache.Get("in/a b.mp4/v1/e1", filepath.Join(dir, "gone")) || !cache.Get("another", filepath.Join(dir, "kept")) {
		t.Error("what was used longest ago makes room")
	}
}

func TestDepotByLinks(t *testing.T) {
	c, b, _ := fixture(t, job.Progressing)
	file := filepath.Join(t.TempDir(), "file")
	for _, content := range []string{"some bytes", ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.Depot().Put(t.Context(), "1-a", "chunk-0-0/try/r0.mp4", file); err != nil {
			t.Fatal(err)
		}
		dst := filepath.Join(t.TempDir(), "dst")
		if err := c.Depot().Get(t.Context(), "1-a", "chunk-0-0/try/r0.mp4", dst); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(dst); err != nil || string(got) != content {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := c.Depot().Get(t.Context(), "1-a", "nothing", filepath.Join(t.TempDir(), "dst")); !fault.Is(err, fault.NotFound) {
		t.Errorf("a place where nothing is: %v", err)
	}
	for _, place := range []string{"../2-b/x", "/etc/passwd", "a/../../x", "", "a//b", `a\b`} {
		if err := c.Depot().Put(t.Context(), "1-a", place, file); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", place, err)
		}
	}
	if err := c.Depot().Put(t.Context(), "..", "x", file); !fault.Is(err, fault.Invalid) {
		t.Errorf("a job that is none: %v", err)
	}
	if left, err := b.depot.Jobs(t.Context(), 0); err != nil || len(left) != 1 {
		t.Errorf("jobs %v, %v", left, err)
	}
}

func TestLinksAreGoodForOneThing(t *testing.T) {
	c, b, _ := fixture(t, job.Progressing)
	link := string(b.door.Put("1-a", "x", 4))
	for name, l := range map[string]string{
		"another job":    strings.Replace(link, "job=1-a", "job=2-a", 1),
		"another place":  strings.Replace(link, "place=x", "place=y", 1),
		"another size":   strings.Replace(link, "size=4", "size=5", 1),
		"a later end":    strings.Replace(link, "expires=1", "expires=2", 1),
		"no signature":   link[:strings.Index(link, "&signature=")],
		"another method": string(b.door.Get("1-a", "x")),
		"an object":      strings.Replace(string(b.door.Object("in", "k", "v", "e")), "key=k", "key=other", 1),
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, c.base+l, strings.NewReader("1234"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", name, answer.Status)
		}
	}
}

// A worker may do nothing for a job that is over, and one of another version nothing.
func TestWhoIsRefused(t *testing.T) {
	c, _, _ := fixture(t, job.Canceled)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	objects, err := c.Objects(t.Context(), "role", "1-a")
	if err != nil {
		t.Fatal(err)
	}
	_, read := objects.Snapshot(t.Context(), "in", "a b.mp4", "", file+".dst")
	for name, err := range map[string]error{
		"put": c.Depot().Put(t.Context(), "1-a", "x", file), "get": c.Depot().Get(t.Context(), "1-a", "x", file+".got"),
		"source": read, "writable": objects.Writable(t.Context(), "out", "k"),
	} {
		if !errors.Is(err, job.ErrStale) {
			t.Errorf("%s of a job that is over: %v", name, err)
		}
	}
	c.cfg.Version = "other"
	if err := c.Hello(t.Context()); fault.Of(err).Code != CodeMismatch || fault.Of(err).Hint == "" {
		t.Errorf("another version: %v", err)
	}
	if err := c.Watch(t.Context()); fault.Of(err).Code != CodeMismatch {
		t.Errorf("the worker is told %v", err)
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	for _, k := range kinds() {
		in := fault.New(k, "1010", "what").WithHint("do")
		doc, err := json.Marshal(onWire(in))
		if err != nil {
			t.Fatal(err)
		}
		var w wireError
		if err := json.Unmarshal(doc, &w); err != nil {
			t.Fatal(err)
		}
		if got := fault.Of(w.err()); got.Kind != k || got.Code != "1010" || got.Message != "what" || got.Hint != "do" {
			t.Errorf("%v came as %+v", k, got)
		}
	}
}
