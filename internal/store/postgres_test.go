package store_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/job/jobtest"
	"vodwright.dev/vodwright/internal/store"
)

// databases is a PostgreSQL that the tests of this package share.
type databases struct {
	dir       string
	databases int
	mu        sync.Mutex
}

var shared databases

// TestMain stops the PostgreSQL if a test started it.
func TestMain(m *testing.M) {
	code := m.Run()
	if shared.dir != "" {
		_ = pg("pg_ctl", "-D", shared.dir+"/data", "-m", "immediate", "stop").Run()
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// pg is a command of PostgreSQL's, run by its user where this one is root, which it
// refuses to be.
func pg(name string, args ...string) *exec.Cmd {
	path, err := exec.LookPath(name)
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); err != nil && len(found) > 0 {
		path = found[len(found)-1]
	}
	cmd := exec.Command(path, args...)
	if u, err := user.Lookup("postgres"); err == nil && os.Getuid() == 0 {
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	cmd.Dir = "/"
	return cmd
}

// database makes an empty PostgreSQL database and returns its URL.
func database(t *testing.T) string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	run := func(name string, args ...string) {
		t.Helper()
		cmd := pg(name, args...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out.Bytes())
		}
	}
	if shared.dir == "" {
		dir, err := os.MkdirTemp("", "pg")
		if err != nil {
			t.Fatal(err)
		}
		shared.dir = dir
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		run("initdb", "-D", dir+"/data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
		// It listens on a socket in its folder alone.
		run("pg_ctl", "-D", dir+"/data", "-w", "-l", dir+"/log", "-o", "-c listen_addresses= -c unix_socket_directories="+dir, "start")
	}
	shared.databases++
	name := fmt.Sprintf("records%d", shared.databases)
	run("createdb", "-h", shared.dir, "-U", "postgres", name)
	return fmt.Sprintf("postgres://postgres@/%s?host=%s", name, shared.dir)
}

// openPostgres opens an empty PostgreSQL.
func openPostgres(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: database(t)})
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

func TestPostgresIsAJobStore(t *testing.T) {
	jobtest.Store(t, func(t *testing.T) job.Store { return openPostgres(t) })
}

// One server uses a database; what keeps it from one is told with what to do.
func TestPostgresThatCannotBeUsed(t *testing.T) {
	url := database(t)
	first, err := store.Open(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	id, err := first.Identity(t.Context())
	if again, err2 := first.Identity(t.Context()); err != nil || err2 != nil || id == "" || again != id {
		t.Errorf("identity %q, then %q, %v, %v", id, again, err, err2)
	}
	psql := func(query string) {
		t.Helper()
		if out, err := pg("psql", "-h", shared.dir, "-U", "postgres", "-c", query, "postgres").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	psql("CREATE ROLE stranger LOGIN")
	other := database(t)
	for name, c := range map[string]struct {
		url  string
		kind fault.Kind
		says string
	}{
		"another server":  {url, fault.Conflict, "another server"},
		"nobody there":    {"postgres://postgres@127.0.0.1:1/records", fault.Unavailable, "does not answer"},
		"no database":     {"postgres://postgres@/nowhere?host=" + shared.dir, fault.NotFound, "not there"},
		"no such user":    {"postgres://nobody@/records1?host=" + shared.dir, fault.Denied, "refuses this user"},
		"missing a right": {strings.Replace(other, "postgres@", "stranger@", 1), fault.Denied, "as it must"},
		"no URL":          {"postgres://%", fault.Invalid, ""},
	} {
		_, err := store.Open(t.Context(), store.Config{URL: c.url})
		if err == nil || fault.KindOf(err) != c.kind || fault.Of(err).Hint == "" || !strings.Contains(fault.Of(err).Message, c.says) {
			t.Errorf("%s: %v, want %v %q with a hint", name, err, c.kind, c.says)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := store.Open(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatalf("after the first: %v", err)
	}
	defer second.Close()
	if got, err := second.Identity(t.Context()); err != nil || got != id {
		t.Errorf("identity %q of another opening, want %q, %v", got, id, err)
	}
}
