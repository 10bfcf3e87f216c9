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

// Shelf is a depot as servers keep it.
type Shelf interface {
	worker.Depot
	// Open opens what is at a place, else it is a fault.NotFound.
	Open(ctx context.Context, id, place string) (io.ReadSeekCloser, error)
	// Receive stores what comes at a place, whole or not at all.
	Receive(ctx context.Context, id, place string, body io.Reader, size int64) error
	// Take gives a local file with what is at a place, which may be moved away, until
	// done is called.
	Take(ctx context.Context, id, place string) (file string, done func(), err error)
	// Jobs returns the jobs that have left something, and nothing new for a while.
	Jobs(ctx context.Context, quiet time.Duration) ([]string, error)
}

var _ Shelf = Folder{}

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

// path returns where a place is.
func (f Folder) path(id, place string) string {
	return filepath.Join(f.dir, id, filepath.FromSlash(place))
}

// Put implements worker.Depot: the file is moved.
func (f Folder) Put(_ context.Context, id, place, file string) error {
	if err := CheckPlace(id, place); err != nil {
		return err
	}
	to := f.path(id, place)
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
	err := os.Link(f.path(id, place), dst)
	if errors.Is(err, os.ErrNotExist) {
		return nothingAt(id, place)
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
func (f Folder) Jobs(_ context.Context, quiet time.Duration) ([]string, error) {
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

// Open implements Shelf.
func (f Folder) Open(_ context.Context, id, place string) (io.ReadSeekCloser, error) {
	if err := CheckPlace(id, place); err != nil {
		return nil, err
	}
	in, err := os.Open(f.path(id, place))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nothingAt(id, place)
	}
	return in, err
}

// Take implements Shelf: it is the file itself.
func (f Folder) Take(_ context.Context, id, place string) (string, func(), error) {
	file := f.path(id, place)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return "", nil, nothingAt(id, place)
	}
	return file, func() {}, nil
}

func nothingAt(id, place string) error {
	return fault.New(fault.NotFound, "", "nothing is at %s of job %s", place, id)
}

// Receive implements Shelf.
func (f Folder) Receive(_ context.Context, id, place string, body io.Reader, size int64) error {
	if err := CheckPlace(id, place); err != nil {
		return err
	}
	to := f.path(id, place)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	part, err := receive(filepath.Dir(to), body, size)
	if err != nil {
		return err
	}
	return errors.Join(os.Rename(part, to), removed(part))
}

// removed removes a file that may be gone.
func removed(file string) error {
	if err := os.Remove(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// receive makes a new file in dir of what comes.
func receive(dir string, body io.Reader, size int64) (file string, err error) {
	part, err := os.CreateTemp(dir, ".part-")
	if err != nil {
		return "", err
	}
	n, err := io.Copy(part, body)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err = errors.Join(err, part.Sync(), part.Close()); err != nil {
		return "", errors.Join(err, os.Remove(part.Name()))
	}
	return part.Name(), nil
}
