package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
)

// Reader reads one version's bytes, which stay what they are for an hour after the
// version went. Read and Seek are not for concurrent use; ReadAt is.
type Reader struct {
	name string // for messages
	size int64
	ends []int64 // offset after each segment
	// fetch opens n bytes of a segment from off, until the Reader is closed.
	fetch func(segment int, off, n int64) (io.ReadCloser, error)
	stop  context.CancelFunc
	at    int64 // of Read

	mu   sync.Mutex // guards the stream
	body io.ReadCloser
	from int64 // where the stream stands
	to   int64 // where it ends
}

// Open opens a version of a key; "" is the newest. The caller closes the Reader.
func (e *Engine) Open(ctx context.Context, bucket, key, version string) (*Reader, catalog.Version, error) {
	v, err := e.Stat(ctx, bucket, key, version)
	if err != nil {
		return nil, v, err
	}
	return e.reader(ctx, bucket+"/"+key, v), v, nil
}

// reader returns a reader that outlives ctx: who opens for one request may read for many.
func (e *Engine) reader(ctx context.Context, name string, v catalog.Version) *Reader {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &Reader{name: name, size: v.Size, stop: stop}
	var end int64
	for _, s := range v.Segments {
		end += s.Size
		r.ends = append(r.ends, end)
	}
	r.fetch = func(segment int, off, n int64) (io.ReadCloser, error) {
		return e.bytes.get(ctx, blobName(v.Segments[segment].Blob), off, n)
	}
	return r
}

// blobName is where a segment is below the prefix.
func blobName(blob string) string { return "blobs/" + blob }

// File returns nil: the bytes are elsewhere.
func (r *Reader) File() *os.File { return nil }

// Close ends the stream.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
	return r.drop()
}

// drop closes the stream, with mu held.
func (r *Reader) drop() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}

// open has a stream stand at off, with mu held; of n bytes, if the segment has as many.
func (r *Reader) open(off, n int64) error {
	if r.body != nil && r.from == off {
		return nil
	}
	_ = r.drop()
	i := sort.Search(len(r.ends), func(i int) bool { return r.ends[i] > off })
	if i == len(r.ends) {
		return io.ErrUnexpectedEOF
	}
	start := int64(0)
	if i > 0 {
		start = r.ends[i-1]
	}
	n = min(n, r.ends[i]-off)
	body, err := r.fetch(i, off-start, n)
	if err != nil {
		return fmt.Errorf("read %q: %w", r.name, err)
	}
	r.body, r.from, r.to = body, off, off+n
	return nil
}

// breaks is how often in a row a stream may break without a byte.
const breaks = 5

// next reads some bytes at off, of which n are wanted in a row. A stream that breaks is
// taken up where it broke.
func (r *Reader) next(p []byte, off, n int64) (int, error) {
	for broken := 0; ; broken++ {
		if err := r.open(off, n); err != nil {
			return 0, err
		}
		got, err := r.body.Read(p[:min(int64(len(p)), r.to-r.from)])
		r.from += int64(got)
		if r.from == r.to || err != nil {
			_ = r.drop()
		}
		if got > 0 {
			return got, nil
		}
		if err != nil && broken == breaks {
			return 0, fault.New(fault.Unavailable, "SlowDown", "read %q: the external S3 breaks off: %w", r.name, err)
		}
	}
}

// Begin opens the stream that WriteRange will read.
func (r *Reader) Begin(off, n int64) error {
	if n == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open(off, n)
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.at >= r.size {
		return 0, io.EOF
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.next(p, r.at, r.size-r.at)
	r.at += int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	r.at = offset
	return offset, nil
}

// ReadAt implements io.ReaderAt. Reads in a row are one stream.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for n < len(p) {
		if off >= r.size {
			return n, io.EOF
		}
		m, err := r.next(p[n:], off, r.size-off)
		n, off = n+m, off+int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// copyBytes is how much is handed on at once.
const copyBytes = 256 << 10

// WriteRange writes n bytes from off to w.
func (r *Reader) WriteRange(w io.Writer, off, n int64) (written int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	buffer := make([]byte, min(n, copyBytes))
	for written < n {
		m, err := r.next(buffer[:min(n-written, copyBytes)], off+written, n-written)
		if err != nil {
			return written, err
		}
		k, err := w.Write(buffer[:m])
		written += int64(k)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

const (
	fetchBytes = partBytes // of a snapshot, at once
	fetchers   = 4         // side by side
)

// Snapshot makes dst, which must not exist, a file with the bytes of a version, and
// returns the version.
func (e *Engine) Snapshot(ctx context.Context, bucket, key, version, dst string) (catalog.Version, error) {
	if !filepath.IsAbs(dst) {
		return catalog.Version{}, fault.New(fault.Invalid, "", "snapshot to %q: the path is not absolute", dst)
	}
	v, err := e.Stat(ctx, bucket, key, version)
	if err != nil {
		return catalog.Version{}, err
	}
	f, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return catalog.Version{}, fmt.Errorf("snapshot to %q: %w", dst, err)
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(fetchers)
	for off := int64(0); off < v.Size; off += fetchBytes {
		group.Go(func() error {
			r := e.reader(within, bucket+"/"+key, v)
			defer context.AfterFunc(within, r.stop)()
			defer r.Close()
			_, err := r.WriteRange(io.NewOffsetWriter(f, off), off, min(fetchBytes, v.Size-off))
			return err
		})
	}
	if err = errors.Join(group.Wait(), f.Close()); err != nil {
		os.Remove(dst)
		return catalog.Version{}, fmt.Errorf("snapshot to %q: %w", dst, err)
	}
	return v, nil
}
