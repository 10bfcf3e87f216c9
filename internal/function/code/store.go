package code

import (
	"archive/zip"
	"bytes"
	"context"
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

// Files are files that all servers reach; see fleet.Files, which are the same.
type Files interface {
	Put(ctx context.Context, name, path string) error
	Get(ctx context.Context, name, dst string) error
	Remove(ctx context.Context, prefix string) error
	Folders(ctx context.Context, folder string) ([]string, error)
}

// Store keeps packages below a folder, and in files that all servers reach where there
// are several. It is safe for concurrent use.
type Store struct {
	dir   string
	files Files // nil where there is one server

	mu       sync.Mutex
	unpacked map[string]*unpacking // by digest
	stale    map[string]bool       // not in use at the last sweep
	gone     map[string]bool       // likewise, of files
}

// unpacking is done once for all who want the folder.
type unpacking struct {
	once sync.Once
	err  error
}

// Open opens the store. What was unpacked before is removed: it need not have
// reached the disk whole. The folder becomes its owner's alone. files may be nil.
func Open(dir string, files Files) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open packages %q: %w", dir, err)
	}
	s := &Store{dir: dir, files: files, unpacked: map[string]*unpacking{}, stale: map[string]bool{}}
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
func (s *Store) Put(ctx context.Context, data []byte) (Package, error) {
	p, err := Check(data)
	if err != nil {
		return p, err
	}
	if err = s.put(name(p.SHA256), data); err == nil && s.files != nil {
		err = s.files.Put(ctx, kept+name(p.SHA256), s.file(name(p.SHA256)))
	}
	if err != nil {
		return p, fmt.Errorf("keep a package: %w", err)
	}
	return p, nil
}

// kept is where packages are among the files.
const kept = "functions/"

// put keeps a package in the folder.
func (s *Store) put(id string, data []byte) error {
	path := s.file(id)
	if _, err := os.Stat(path); err == nil {
		s.keep(id)
		return nil
	}
	tmp, err := os.CreateTemp(s.file(""), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err == nil {
		err = syncFolder(s.file(""))
	}
	return err
}

// have makes sure that a package is in the folder, which another server may have got.
func (s *Store) have(ctx context.Context, id string) error {
	if _, err := os.Stat(s.file(id)); s.files == nil || err == nil {
		return nil
	}
	dir, err := os.MkdirTemp(s.file(""), ".get-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	got := filepath.Join(dir, "zip")
	if err := s.files.Get(ctx, kept+id, got); err != nil {
		if fault.Is(err, fault.NotFound) {
			return nil // who looks for it says so
		}
		return err
	}
	return os.Rename(got, s.file(id))
}

// keep takes a package that is wanted again from those that were going to be swept.
func (s *Store) keep(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.stale, name)
}

func name(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:]) }

// Open opens a package's zip file.
func (s *Store) Open(ctx context.Context, sum [sha256.Size]byte) (*os.File, error) {
	if err := s.have(ctx, name(sum)); err != nil {
		return nil, fmt.Errorf("get package %s: %w", name(sum), err)
	}
	f, err := os.Open(s.file(name(sum)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "ResourceNotFoundException", "the package %s is not kept any more", name(sum))
	}
	return f, err
}

// Folder returns the folder with what is in a package, unpacking it when needed.
// It is valid until the package is swept.
func (s *Store) Folder(ctx context.Context, sum [sha256.Size]byte) (string, error) {
	id := name(sum)
	if err := s.have(ctx, id); err != nil {
		return "", fmt.Errorf("get package %s: %w", id, err)
	}
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

// SweepFiles is Sweep for the files that all servers reach: one of them does it.
func (s *Store) SweepFiles(ctx context.Context, inUse func(sum [sha256.Size]byte) bool) error {
	if s.files == nil {
		return nil
	}
	names, err := s.files.Folders(ctx, kept)
	if err != nil {
		return fmt.Errorf("sweep packages: %w", err)
	}
	gone := map[string]bool{}
	for _, n := range names {
		id, _, _ := strings.Cut(n, ".") // a large one is in parts
		sum, ok := sumOf(id)
		if !ok || inUse(sum) || gone[id] {
			continue
		}
		if !s.gone[id] {
			gone[id] = true
		} else if err := s.files.Remove(ctx, kept+id); err != nil {
			return fmt.Errorf("sweep packages: %w", err)
		}
	}
	s.gone = gone
	return nil
}

// sumOf is the reverse of name.
func sumOf(id string) (sum [sha256.Size]byte, ok bool) {
	b, err := hex.DecodeString(id)
	return sum, err == nil && copy(sum[:], b) == len(sum)
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
		sum, ok := sumOf(id)
		if !ok {
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
