package harness

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// FreeAddress is one of this machine that something can listen on, again and again.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Postgres is a PostgreSQL of a test, which may end it and start it again.
type Postgres struct {
	URL string // of an empty database
	dir string
}

// StartPostgres makes a PostgreSQL with one database, and starts it.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	p := &Postgres{dir: dir, URL: "postgres://postgres@/records?host=" + dir}
	t.Cleanup(func() {
		_ = p.command("pg_ctl", "-D", dir+"/data", "-m", "immediate", "stop").Run()
		_ = os.RemoveAll(dir)
	})
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	p.run(t, "initdb", "-D", dir+"/data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
	p.Start(t)
	p.run(t, "createdb", "-h", dir, "-U", "postgres", "records")
	return p
}

// Start starts it; it listens on a socket in its folder alone.
func (p *Postgres) Start(t testing.TB) {
	t.Helper()
	p.run(t, "pg_ctl", "-D", p.dir+"/data", "-w", "-l", p.dir+"/log", "-o", "-c listen_addresses= -c unix_socket_directories="+p.dir, "start")
}

// Crash ends it as a power cut would, but for what is on the disk.
func (p *Postgres) Crash(t testing.TB) {
	t.Helper()
	p.run(t, "pg_ctl", "-D", p.dir+"/data", "-m", "immediate", "stop")
}

func (p *Postgres) run(t testing.TB, name string, args ...string) {
	t.Helper()
	// Not by its output: the server that it starts keeps that open.
	said := filepath.Join(p.dir, "said")
	f, err := os.Create(said)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := p.command(name, args...)
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Run(); err != nil {
		out, _ := os.ReadFile(said)
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// command is one of PostgreSQL's, run by its user where this one is root, which it
// refuses to be.
func (p *Postgres) command(name string, args ...string) *exec.Cmd {
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

// NATS is a cluster of a test, which may kill its nodes and start them again.
type NATS struct {
	URLs    []string
	program string
	dir     string
	routes  []string
	nodes   []*exec.Cmd
}

// StartNATS builds and starts a cluster of so many nodes.
func StartNATS(t testing.TB, nodes int) *NATS {
	t.Helper()
	n := &NATS{dir: t.TempDir(), nodes: make([]*exec.Cmd, nodes)}
	n.program = filepath.Join(n.dir, "natsnode")
	build := exec.Command("go", "build", "-o", n.program, "vodwright.dev/vodwright/test/natsnode")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build natsnode: %v\n%s", err, out)
	}
	for range nodes {
		n.URLs, n.routes = append(n.URLs, "nats://"+FreeAddress(t)), append(n.routes, FreeAddress(t))
	}
	for i := range nodes {
		n.Start(t, i)
	}
	t.Cleanup(func() {
		for i := range nodes {
			n.Kill(i)
		}
	})
	return n
}

// Start starts a node.
func (n *NATS) Start(t testing.TB, node int) {
	t.Helper()
	port := func(address string) string { return address[strings.LastIndex(address, ":")+1:] }
	args := []string{"-name", fmt.Sprintf("n%d", node), "-dir", filepath.Join(n.dir, strconv.Itoa(node)), "-port", port(n.URLs[node])}
	if len(n.nodes) > 1 {
		args = append(args, "-cluster", port(n.routes[node]), "-routes", strings.Join(n.routes, ","))
	}
	cmd := exec.Command(n.program, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.nodes[node] = cmd
	Eventually(t, 20*time.Second, "a NATS node answers", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(n.URLs[node], "nats://"))
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

// Kill kills a node.
func (n *NATS) Kill(node int) {
	if cmd := n.nodes[node]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		n.nodes[node] = nil
	}
}
