package object_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/store"
)

// serveEnv makes the test binary a server that can be killed; its value is the folder.
const serveEnv = "VODWRIGHT_TEST_SERVE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveEnv); dir != "" {
		if err := serveUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func root() object.Credential {
	return object.Credential{AccessKeyID: "AKIAROOTROOTROOTROOT", SecretAccessKey: "root/secret+with=signs"}
}

func config(dir string, db *store.Store) object.Config {
	return object.Config{
		Dir: filepath.Join(dir, "objects"), Root: root(), Credentials: others{}, Events: db,
		VirtualHostDomains: []string{"localhost", "s3.test"},
		Logger:             slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// others are the keys beside the root key: an administrator's session and a
// stranger.
type others struct{}

func (others) Credential(_ context.Context, id string) (object.Credential, bool, error) {
	c, ok := map[string]object.Credential{
		"ASIASESSION": {AccessKeyID: "ASIASESSION", SecretAccessKey: "session", SessionToken: "the-token", Admin: true, PrincipalARN: "arn:aws:sts::000000000000:assumed-role/r/s"},
		"AKIASTRANGE": {AccessKeyID: "AKIASTRANGE", SecretAccessKey: "stranger", PrincipalARN: "arn:aws:iam::000000000000:user/stranger"},
	}[id]
	return c, ok, nil
}

func serveUntilKilled(dir string) error {
	db, err := store.Open(context.Background(), store.Config{Path: filepath.Join(dir, "records.db")})
	if err != nil {
		return err
	}
	s, err := object.Open(context.Background(), config(dir, db))
	if err != nil {
		return err
	}
	go s.Run(context.Background())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, s.Handler())
}

// house is a store behind a server, with its event log.
type house struct {
	*object.Store
	events *store.Store
	url    string
	dir    string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	s, err := object.Open(t.Context(), config(dir, db))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		server.Close()
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &house{Store: s, events: db, url: server.URL, dir: dir}
}
