package code

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"vodwright.dev/vodwright/internal/fault"
)

// Package is one that is kept. Its digest is also its name.
type Package struct {
	SHA256 [sha256.Size]byte
	Size   int64 // bytes, zipped
}

// Store keeps packages below a folder. It is safe for concurrent use.
type Store struct {
	dir string

	mu       sync.Mutex
	unpacked map[string]*unpacking // by digest
	stale    map[string]bool       // not in use at the last sweep
}

// unpacking is done once for all who want the folder.
type unpacking struct {
	once sync.Once
	err  error
}

// Open opens the store. What was unpacked before is removed: it need not have
// reached the disk whole. The folder becomes its owner's alone.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open packages %q: %w", dir, err)
	}
	s := &Store{dir: dir, unpacked: map[string]*unpacking{}, stale: map[string]bool{}}
	if err := errors.Join(os.RemoveAll(s.folder("")), os.MkdirAll(s.folder(""), 0o755), os.MkdirAll(s.file(""), 0o700), os.Chmod(dir, 0o700)); err != nil {
		return nil, fmt.Errorf("open packages %q: %w", dir, err)
	}
	return s, nil
}

func (s *Store) file(name string) string   { return filepath.Join(s.dir, "packages", name) }
func (s *Store) folder(name string) string { return filepath.Join(s.dir, "unpacked", name) }

// Check says what is wrong with a package, and what it would be.
func Check(data []byte) (Package, error) {
	if _, err := read(data); err != nil {
		return Package{}, err
	}
	return Package{SHA256: sha256.Sum256(data), Size: int64(len(data))}, nil
}

// Put checks a package and keeps it. What it refuses is a fault.Invalid with
// Lambda's code, and nothing was written.
func (s *Store) Put(data []byte) (Package, error) {
	p, err := Check(data)
	if err != nil {
		return p, err
	}
	path := s.file(name(p.SHA256))
	if _, err := os.Stat(path); err == nil {
		s.keep(name(p.SHA256))
		return p, nil
	}
	tmp, err := os.CreateTemp(s.file(""), ".new-*")
	if err != nil {
		return p, fmt.Errorf("keep a package: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err == nil {
		err = syncFolder(s.file(""))
	}
	if err != nil {
		return p, fmt.Errorf("keep a package: %w", err)
	}
	return p, nil
}

// keep takes a package that is wanted again from those that were going to be swept.
func (s *Store) keep(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.stale, name)
}

func name(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:]) }

// Open opens a package's zip file.
func (s *Store) Open(sum [sha256.Size]byte) (*os.File, error) {
	f, err := os.Open(s.file(name(sum)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "ResourceNotFoundException", "the package %s is not kept any more", name(sum))
	}
	return f, err
}

// Folder returns the folder with what is in a package, unpacking it when needed.
// It is valid until the package is swept.
func (s *Store) Folder(sum [sha256.Size]byte) (string, error) {
	id := name(sum)
	s.mu.Lock()
	u := s.unpacked[id]
	if u == nil {
		u = &unpacking{}
		s.unpacked[id] = u
	}
	s.mu.Unlock()
	u.once.Do(func() { u.err = s.unpack(id) })
	if u.err != nil {
		s.mu.Lock()
		if s.unpacked[id] == u {
			delete(s.unpacked, id) // the next one tries again
		}
		s.mu.Unlock()
		return "", fmt.Errorf("unpack package %s: %w", id, u.err)
	}
	return s.folder(id), nil
}

func (s *Store) unpack(id string) (err error) {
	data, err := os.ReadFile(s.file(id))
	if err != nil {
		return err
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(s.folder(""), ".new-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	root, err := os.OpenRoot(tmp)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	// Links come last: nothing is written through one.
	for _, links := range []bool{false, true} {
		for _, f := range z.File {
			if isLink := f.Mode().Type() == fs.ModeSymlink; isLink == links {
				if err := unpackEntry(root, f); err != nil {
					return fmt.Errorf("entry %q: %w", f.Name, err)
				}
			}
		}
	}
	return os.Rename(tmp, s.folder(id))
}

func unpackEntry(root *os.Root, f *zip.File) error {
	name := path.Clean(strings.TrimSuffix(f.Name, "/"))
	if name == "." {
		return nil
	}
	if f.Mode().IsDir() || strings.HasSuffix(f.Name, "/") {
		return root.MkdirAll(name, 0o755)
	}
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if f.Mode().Type() == fs.ModeSymlink {
		target, err := linkTarget(f)
		if err != nil {
			return err
		}
		return root.Symlink(target, name)
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	// Modes are kept, readable by their owner, who is the function.
	return errors.Join(err, out.Chmod(f.Mode().Perm()|0o400), out.Close())
}

// Sweep removes the packages that were not in use at this sweep and at the one
// before it: whoever began to use or to run one in between is done.
func (s *Store) Sweep(inUse func(sum [sha256.Size]byte) bool) error {
	entries, err := os.ReadDir(s.file(""))
	if err != nil {
		return fmt.Errorf("sweep packages: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stale := map[string]bool{}
	var errs []error
	for _, e := range entries {
		id := e.Name()
		var sum [sha256.Size]byte
		if b, err := hex.DecodeString(id); err != nil || copy(sum[:], b) != len(sum) {
			continue
		}
		switch {
		case inUse(sum):
		case s.stale[id]:
			delete(s.unpacked, id)
			errs = append(errs, os.Remove(s.file(id)), os.RemoveAll(s.folder(id)))
		default:
			stale[id] = true
		}
	}
	s.stale = stale
	return errors.Join(errs...)
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
