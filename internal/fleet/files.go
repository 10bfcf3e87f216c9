package fleet

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// Files are files that all servers reach. What is not there is a fault.NotFound.
type Files interface {
	// Put keeps a file of this machine, whole or not at all.
	Put(ctx context.Context, name, path string) error
	// Get makes dst, which does not exist, a copy of a file.
	Get(ctx context.Context, name, dst string) error
	Open(ctx context.Context, name string) (io.ReadSeekCloser, error)
	// Remove removes the files whose names begin with a prefix.
	Remove(ctx context.Context, prefix string) error
	// Folders returns the first parts of the names below a folder, which ends with a slash.
	Folders(ctx context.Context, folder string) ([]string, error)
}

// Elsewhere is a depot in files that all servers reach.
type Elsewhere struct {
	files Files
	dir   string // of what is on its way
}

var _ Shelf = Elsewhere{}

// NewElsewhere returns the depot in files; dir, for what is on its way, is made empty.
func NewElsewhere(files Files, dir string) (Elsewhere, error) {
	if err := os.RemoveAll(dir); err != nil {
		return Elsewhere{}, err
	}
	return Elsewhere{files, dir}, os.MkdirAll(dir, 0o700)
}

const elsewhere = "depot/"

func nameOf(id, place string) string { return elsewhere + id + "/" + place }

// found says of which place a fault.NotFound is.
func found(err error, id, place string) error {
	if fault.Is(err, fault.NotFound) {
		return nothingAt(id, place)
	}
	return err
}

// Put implements worker.Depot. The file stays.
func (e Elsewhere) Put(ctx context.Context, id, place, file string) error {
	if err := CheckPlace(id, place); err != nil {
		return err
	}
	return e.files.Put(ctx, nameOf(id, place), file)
}

// Get implements worker.Depot.
func (e Elsewhere) Get(ctx context.Context, id, place, dst string) error {
	if err := CheckPlace(id, place); err != nil {
		return err
	}
	return found(e.files.Get(ctx, nameOf(id, place), dst), id, place)
}

// Clear implements worker.Depot.
func (e Elsewhere) Clear(ctx context.Context, id string) error {
	if err := CheckPlace(id, "x"); err != nil {
		return err
	}
	return e.files.Remove(ctx, nameOf(id, ""))
}

// Open implements Shelf.
func (e Elsewhere) Open(ctx context.Context, id, place string) (io.ReadSeekCloser, error) {
	if err := CheckPlace(id, place); err != nil {
		return nil, err
	}
	in, err := e.files.Open(ctx, nameOf(id, place))
	return in, found(err, id, place)
}

// Receive implements Shelf.
func (e Elsewhere) Receive(ctx context.Context, id, place string, body io.Reader, size int64) error {
	if err := CheckPlace(id, place); err != nil {
		return err
	}
	part, err := receive(e.dir, body, size)
	if err != nil {
		return err
	}
	defer os.Remove(part)
	return e.files.Put(ctx, nameOf(id, place), part)
}

// Take implements Shelf.
func (e Elsewhere) Take(ctx context.Context, id, place string) (string, func(), error) {
	if err := CheckPlace(id, place); err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp(e.dir, "take-")
	if err != nil {
		return "", nil, err
	}
	done := func() { _ = os.RemoveAll(dir) }
	file := filepath.Join(dir, "file")
	if err := e.files.Get(ctx, nameOf(id, place), file); err != nil {
		done()
		return "", nil, found(err, id, place)
	}
	return file, done, nil
}

// Jobs implements Shelf; how long a job has left nothing is not known here.
func (e Elsewhere) Jobs(ctx context.Context, _ time.Duration) ([]string, error) {
	return e.files.Folders(ctx, elsewhere)
}
