package iam

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestRootKeyIsMadeOnceAndPrivate(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadRoot(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("ReadRoot of an empty folder: %v, want not-exist", err)
	}
	keys := make([]Key, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = OpenRoot(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] || len(k.ID) != 20 || len(k.Secret) != 40 {
			t.Fatalf("keys differ or have the wrong form: %v", keys)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "root-key.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, err %v; want 0600", info.Mode(), err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".root-key-*"))
	if len(left) != 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

func TestDamagedRootKeyIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "root-key.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRoot(dir); err == nil {
		t.Fatal("a damaged key file was accepted")
	}
}
