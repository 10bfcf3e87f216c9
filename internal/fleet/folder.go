package fleet

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/worker"
)

// Folder is a depot on the server's disk: a folder a job. It implements worker.Depot
// by links where it can, as it lies beside the work folder.
type Folder struct{ dir string }

var _ worker.Depot = Folder{}

// NewFolder returns the depot in a folder, which is made when it does not exist.
func NewFolder(dir string) (Folder, error) {
	return Folder{dir}, os.MkdirAll(dir, 0o700)
}

// CheckPlace refuses places that lead out of a job's.
func CheckPlace(id, place string) error {
	ok := id != "" && !strings.ContainsAny(id, "/\\") && !strings.HasPrefix(id, ".") && place != "" && path.Clean("/"+place) == "/"+place && !strings.Contains(place, "\\")
	if !ok {
		return fault.New(fault.Invalid, "", "%q of job %q is no place in the depot", place, id)
	}
	return nil
}

// Path returns where a place is.
func (f Folder) Path(id, place string) string {
	return filepath.Join(f.dir, id, filepath.FromSlash(place))
}

// Put implements worker.Depot: the file is moved.
func (f Folder) Put(_ context.Context, id, place, file string) error {
	if err := CheckPlace(id, place); err != nil {
		return err
	}
	to := f.Path(id, place)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.Rename(file, to)
}

// Get implements worker.Depot.
func (f Folder) Get(_ context.Context, id, place, dst string) error {
	if err := CheckPlace(id, place); err != nil {
		return err
	}
	err := os.Link(f.Path(id, place), dst)
	if errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.NotFound, "", "nothing is at %s of job %s", place, id)
	}
	return err
}

// Clear implements worker.Depot.
func (f Folder) Clear(_ context.Context, id string) error {
	if err := CheckPlace(id, "x"); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(f.dir, id))
}

// Jobs returns the jobs that have left something, and nothing new for a while.
func (f Folder) Jobs(quiet time.Duration) ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > quiet {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// receive stores what comes at a place, whole or not at all.
func (f Folder) receive(id, place string, body io.Reader, size int64) error {
	if err := CheckPlace(id, place); err != nil {
		return err
	}
	to := f.Path(id, place)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(to), ".part-")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	n, err := io.Copy(part, body)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err := errors.Join(err, part.Sync(), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), to)
}
