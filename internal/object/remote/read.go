package remote

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
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
	ends []int64  // offset after each segment
	sums []uint32 // of each segment, 0 is not known; nil where none is
	// fetch opens n bytes of a segment from off, until the Reader is closed.
	fetch func(segment int, off, n int64) (io.ReadCloser, error)
	stop  context.CancelFunc
	at    int64 // of Read

	mu      sync.Mutex // guards the stream
	body    io.ReadCloser
	segment int    // that it is of
	from    int64  // where the stream stands
	to      int64  // where it ends
	want    uint32 // what sum is at its end; 0 where the stream is not all of a segment
	sum     uint32
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
		r.ends, r.sums = append(r.ends, end), append(r.sums, s.CRC32C)
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
	if whole := off == start && n == r.ends[i]-start; whole && r.sums != nil {
		r.want, r.sum = r.sums[i], 0
	} else if off != r.from || i != r.segment { // else it goes on where a stream broke
		r.want = 0
	}
	r.body, r.segment, r.from, r.to = body, i, off, off+n
	return nil
}

// breaks is how often in a row a stream may break without a byte.
const breaks = 5

// next reads some bytes at off, of which n are wanted in a row. A stream that breaks is
// taken up where it broke; of one that is not what was written the end is kept back.
func (r *Reader) next(p []byte, off, n int64) (int, error) {
	for broken := 0; ; broken++ {
		if err := r.open(off, n); err != nil {
			return 0, err
		}
		got, err := r.body.Read(p[:min(int64(len(p)), r.to-r.from)])
		r.from += int64(got)
		r.sum = crc32.Update(r.sum, castagnoli(), p[:got])
		if r.from == r.to && r.want != 0 && r.sum != r.want {
			_ = r.drop()
			return 0, fault.New(fault.Unavailable, "SlowDown", "read %q: other bytes came from the external S3 than went there", r.name)
		}
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
	fetchers = 4 // of a snapshot, side by side
	fetches  = 3 // of a segment, until it is right
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
	at := int64(0)
	for _, s := range v.Segments {
		off := at
		at += s.Size
		group.Go(func() (err error) {
			for range fetches {
				if err = e.fetch(within, bucket+"/"+key, v, io.NewOffsetWriter(f, off), off, s.Size); err == nil || within.Err() != nil {
					break
				}
			}
			return err
		})
	}
	if err = errors.Join(group.Wait(), f.Close()); err != nil {
		os.Remove(dst)
		return catalog.Version{}, fmt.Errorf("snapshot to %q: %w", dst, spaceFault(err))
	}
	return v, nil
}

// fetch writes n bytes of a version from off to w, until ctx ends.
func (e *Engine) fetch(ctx context.Context, name string, v catalog.Version, w io.Writer, off, n int64) error {
	r := e.reader(ctx, name, v)
	defer r.Close()
	defer context.AfterFunc(ctx, r.stop)()
	_, err := r.WriteRange(w, off, n)
	return err
}
