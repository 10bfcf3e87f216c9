package object_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/store"
)

func TestSmokeServe(t *testing.T) {
	addr := os.Getenv("SMOKE")
	if addr == "" {
		t.Skip()
	}
	dir := os.Getenv("SMOKEDIR")
	os.MkdirAll(dir, 0o755)
	db, err := store.Open(context.Background(), store.Config{Path: filepath.Join(dir, "db")})
	if err != nil {
		t.Fatal(err)
	}
	s, err := object.Open(context.Background(), object.Config{Dir: filepath.Join(dir, "o"), Events: db,
		Root: object.Credential{AccessKeyID: "AKIAROOT", SecretAccessKey: "rootsecret"}, VirtualHostDomains: []string{"localhost", "s3.test"},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	go s.Run(context.Background())
	t.Fatal(http.ListenAndServe(addr, s.Handler()))
}
