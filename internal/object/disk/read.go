package disk

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

	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
)

// Stat returns a version of a key; version "" is the newest. Beside an error,
// the delete marker that caused it is returned.
func (e *Engine) Stat(bucket, key, version string) (Version, error) {
	if _, err := e.Bucket(bucket); err != nil {
		return Version{}, err
	}
	if err := catalog.CheckKey(key); err != nil {
		return Version{}, err
	}
	en, err := e.readEntry(bucket, key)
	if err != nil {
		return Version{}, err
	}
	v := en.find(version)
	if err := catalog.Readable(bucket, key, version, v); err != nil {
		if v != nil {
			return *v, err
		}
		return Version{}, err
	}
	return *v, nil
}

// Reader reads one version's bytes, which stay what they are whatever happens to
// the key. Read and Seek are not for concurrent use; ReadAt is.
type Reader struct {
	Version Version

	e    *Engine
	file *os.File // the bytes, when they are in one file
	dir  *os.File // the folder of segments, when there are several
	ends []int64  // offset after each segment
	at   int64

	mu    sync.Mutex // guards the segment that was read last
	index int
	open  *os.File
}

// Open opens a version of a key for reading; version "" is the newest. Beside an
// error, the delete marker that caused it is returned.
func (e *Engine) Open(bucket, key, version string) (*Reader, error) {
	last := ""
	for {
		v, err := e.Stat(bucket, key, version)
		if err != nil {
			return &Reader{Version: v}, err
		}
		r, err := e.openVersion(v)
		if err == nil {
			return r, nil
		}
		// The bytes went with an overwrite or a deletion since the entry was
		// read, or moved when the segments were joined: look again. An entry
		// that has not changed lost its bytes.
		now := fmt.Sprint(v.Sequence, v.Segments)
		if !errors.Is(err, fs.ErrNotExist) || now == last {
			return &Reader{}, fmt.Errorf("open bytes of %q in %q: %w", key, bucket, err)
		}
		last = now
	}
}

func (e *Engine) openVersion(v Version) (*Reader, error) {
	r := &Reader{Version: v, e: e}
	var end int64
	for _, s := range v.Segments {
		end += s.Size
		r.ends = append(r.ends, end)
	}
	if len(v.Segments) == 1 {
		var err error
		r.file, err = os.Open(e.blobPath(v.Segments[0].Blob))
		return r, err
	}
	id := v.Blobs()[0]
	e.hold(id)
	dir, err := os.Open(e.blobPath(id))
	if err != nil {
		e.release(id)
		return nil, err
	}
	r.dir = dir
	return r, nil
}

// hold keeps a folder of segments readable until release, even when it is dropped.
func (e *Engine) hold(id string) {
	e.holdMu.Lock()
	defer e.holdMu.Unlock()
	h := e.holds[id]
	h.readers++
	e.holds[id] = h
}

func (e *Engine) release(id string) {
	e.holdMu.Lock()
	defer e.holdMu.Unlock()
	h := e.holds[id]
	if h.readers--; h.readers > 0 {
		e.holds[id] = h
		return
	}
	delete(e.holds, id)
	if h.dropped {
		os.RemoveAll(e.stagingPath("dropped-" + id))
	}
}

// dropBlob removes a blob, or moves a folder that is being read out of the way:
// staging is emptied when the engine opens, whatever happens to the readers.
func (e *Engine) dropBlob(id string) error {
	e.holdMu.Lock()
	defer e.holdMu.Unlock()
	if h, held := e.holds[id]; held {
		h.dropped = true
		e.holds[id] = h
		return renameIfThere(e.blobPath(id), e.stagingPath("dropped-"+id))
	}
	return os.RemoveAll(e.blobPath(id))
}

// File returns the file that holds the bytes and nothing else, or nil when they
// are spread over several.
func (r *Reader) File() *os.File { return r.file }

// Begin has nothing to do: the bytes are here.
func (r *Reader) Begin(int64, int64) error { return nil }

// Close closes the files.
func (r *Reader) Close() error {
	var errs []error
	for _, f := range []*os.File{r.file, r.dir, r.open} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if r.dir != nil {
		r.e.release(r.Version.Blobs()[0])
	}
	r.file, r.dir, r.open = nil, nil, nil
	return errors.Join(errs...)
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if r.file != nil {
		return r.file.Read(p)
	}
	if r.at >= r.Version.Size {
		return 0, io.EOF
	}
	n, err := r.ReadAt(p[:min(int64(len(p)), r.Version.Size-r.at)], r.at)
	r.at += int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	if r.file != nil {
		return r.file.Seek(offset, whence)
	}
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.Version.Size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	r.at = offset
	return offset, nil
}

// ReadAt implements io.ReaderAt.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if r.file != nil {
		return r.file.ReadAt(p, off)
	}
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := r.segmentAt(off); i < len(r.ends) && n < len(p); i++ {
		if r.open == nil || r.index != i {
			f, err := r.openSegment(i)
			if err != nil {
				return n, err
			}
			if r.open != nil {
				r.open.Close()
			}
			r.open, r.index = f, i
		}
		start := r.ends[i] - r.Version.Segments[i].Size
		want := p[n:min(int64(len(p)), int64(n)+r.ends[i]-off)]
		m, err := r.open.ReadAt(want, off-start)
		n, off = n+m, off+int64(m)
		if m < len(want) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// segmentAt returns the segment that holds the byte at off.
func (r *Reader) segmentAt(off int64) int {
	return sort.Search(len(r.ends), func(i int) bool { return r.ends[i] > off })
}

func (r *Reader) openSegment(i int) (*os.File, error) {
	_, part := catalog.SplitBlob(r.Version.Segments[i].Blob)
	fd, err := unix.Openat(int(r.dir.Fd()), part, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "openat", Path: r.Version.Segments[i].Blob, Err: err}
	}
	return os.NewFile(uintptr(fd), part), nil
}

// WriteRange writes n bytes from off to w, by sendfile or copy_file_range where
// w can. It moves the position of File.
func (r *Reader) WriteRange(w io.Writer, off, n int64) (written int64, err error) {
	for i := r.segmentAt(off); i < len(r.ends) && n > 0; i++ {
		start := r.ends[i] - r.Version.Segments[i].Size
		want := min(n, r.ends[i]-off)
		m, err := r.writeSegment(w, i, off-start, want)
		written, off, n = written+m, off+m, n-m
		if err != nil {
			return written, err
		}
	}
	if n > 0 {
		return written, io.ErrUnexpectedEOF
	}
	return written, nil
}

func (r *Reader) writeSegment(w io.Writer, i int, off, n int64) (int64, error) {
	f := r.file
	if f == nil {
		var err error
		if f, err = r.openSegment(i); err != nil {
			return 0, err
		}
		defer f.Close()
	}
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	m, err := io.Copy(w, &io.LimitedReader{R: f, N: n})
	if err == nil && m < n {
		err = io.ErrUnexpectedEOF
	}
	return m, err
}

// Snapshot makes dst, which must not exist, a file with the bytes of a version,
// and returns the version. On the same file system it is a hard link: the caller
// must not write to it. Changes of the object never change it.
func (e *Engine) Snapshot(ctx context.Context, bucket, key, version, dst string) (Version, error) {
	if !filepath.IsAbs(dst) {
		return Version{}, fault.New(fault.Invalid, "", "snapshot to %q: the path is not absolute", dst)
	}
	r, err := e.Open(bucket, key, version)
	if err != nil {
		return Version{}, err
	}
	defer r.Close()
	if r.file == nil {
		joined, err := e.join(ctx, bucket, key, r)
		if err != nil {
			return Version{}, err
		}
		defer joined.Close()
		r = joined
	}
	err = linkFile(r.file, dst)
	if err == nil {
		return r.Version, nil
	}
	if errors.Is(err, fs.ErrExist) {
		return Version{}, fmt.Errorf("snapshot to %q: %w", dst, err)
	}
	// Another file system, too many links, or bytes that were deleted while open.
	f, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		_, err = r.WriteRange(f, 0, r.Version.Size)
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(dst)
		}
	}
	if err != nil {
		return Version{}, fmt.Errorf("snapshot to %q: %w", dst, err)
	}
	return r.Version, nil
}

// linkFile gives an open file another name.
func linkFile(f *os.File, path string) error {
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
}

// join puts the segments of the version that r has open into one blob, once, and
// returns a reader of it. The version stays what it is in everything else.
func (e *Engine) join(ctx context.Context, bucket, key string, r *Reader) (*Reader, error) {
	v := r.Version
	defer e.uploads.lock("join " + v.Sequence)()
	if now, err := e.Open(bucket, key, v.ID); err == nil {
		if now.Version.Sequence == v.Sequence && now.file != nil {
			return now, nil // another caller joined it meanwhile
		}
		now.Close()
	}
	s, err := e.Stage()
	if err != nil {
		return nil, err
	}
	defer s.Discard()
	// Straight to the file: copy_file_range, and no need of the MD5.
	for i, seg := range v.Segments {
		n, err := r.writeSegment(s.file, i, 0, seg.Size)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("join segments of %q: %w", key, diskError(err))
		}
		s.size += n
	}
	if _, err := s.Seal(); err != nil {
		return nil, err
	}
	f, err := os.Open(e.stagingPath(s.id))
	if err != nil {
		return nil, err
	}
	next := v
	next.Segments = s.segments
	err = e.change(bucket, key, func(_ *Bucket, en *entry) (*record, error) {
		now := en.find(v.ID)
		if now == nil || now.Sequence != v.Sequence {
			return nil, nil // overwritten or deleted: the caller still gets its bytes
		}
		next.Properties = now.Properties
		return &record{Entry: en.replacing(next), Land: s.id, Drop: v.Blobs()}, nil
	})
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Reader{Version: next, e: e, file: f, ends: []int64{v.Size}}, nil
}
