package disk

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
)

// Staged are bytes on their way to become an object or a part. It ends with
// exactly one of Publish, PutPart and Discard. Not for concurrent use.
type Staged struct {
	e        *Engine
	id       string // its name in staging/, later in blobs/
	file     *os.File
	pending  []byte // the end of what was written, not in the file yet
	md5      hash.Hash
	size     int64
	segments []Segment
	etag     string
}

// Stage begins a new blob.
func (e *Engine) Stage() (*Staged, error) {
	id := e.seq.Next("")
	f, err := os.OpenFile(e.stagingPath(id), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, diskError(err)
	}
	return &Staged{e: e, id: id, file: f, md5: md5.New()}, nil
}

// writeBytes is how much is written to a file at once. The kernel's pages of a file
// are as large as the writes that made them, and sending a segment from large ones
// takes a fifth less CPU.
const writeBytes = 512 << 10

// Write appends to the blob.
func (s *Staged) Write(p []byte) (int, error) {
	s.md5.Write(p)
	s.size += int64(len(p))
	for rest := p; len(rest) > 0; {
		n := min(len(rest), writeBytes-len(s.pending))
		s.pending = append(s.pending, rest[:n]...)
		rest = rest[n:]
		if len(s.pending) == writeBytes {
			if err := s.flush(); err != nil {
				return len(p) - len(rest), err
			}
		}
	}
	return len(p), nil
}

func (s *Staged) flush() error {
	_, err := s.file.Write(s.pending)
	s.pending = s.pending[:0]
	return diskError(err)
}

// Size returns the bytes so far.
func (s *Staged) Size() int64 { return s.size }

// Seal puts the bytes on disk and returns their MD5 in hex, S3's ETag of what
// was written in one piece.
func (s *Staged) Seal() (etag string, err error) {
	if s.file != nil {
		err := s.flush()
		s.pending = nil
		err = errors.Join(err, s.file.Sync(), s.file.Close())
		s.file = nil
		if err == nil {
			err = syncDir(filepath.Join(s.e.dir, "staging"))
		}
		if err != nil {
			return "", fmt.Errorf("write blob: %w", diskError(err))
		}
		s.etag = hex.EncodeToString(s.md5.Sum(nil))
		s.segments = []Segment{{Blob: s.id, Size: s.size}}
	}
	return s.etag, nil
}

// Discard removes the bytes if nothing has taken them. It may follow Publish.
func (s *Staged) Discard() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	if s.id != "" {
		os.RemoveAll(s.e.stagingPath(s.id))
		s.id = ""
	}
}

// StageFile begins a blob with an existing regular file of the same file system,
// which moves away; without one that can be moved it copies and leaves it. The
// caller must not write to the file again.
func (e *Engine) StageFile(path string) (*Staged, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, "", "store file %q: it is not a regular file", path)
	}
	id := e.seq.Next("")
	staged := e.stagingPath(id)
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil, err
	}
	// A file with other names could be written through them.
	if st.Nlink == 1 && os.Rename(path, staged) == nil {
		f, err := os.OpenFile(staged, os.O_RDWR, 0)
		if err == nil {
			err = f.Chmod(0o644)
			s := &Staged{e: e, id: id, file: f, md5: md5.New()}
			if err == nil {
				s.size, err = io.Copy(s.md5, f)
			}
			if err == nil {
				return s, nil
			}
			f.Close()
		}
		return nil, errors.Join(err, os.Rename(staged, path))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := e.Stage()
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(s, f); err != nil {
		s.Discard()
		return nil, err
	}
	return s, nil
}

// StageCopy begins a blob with the bytes of a version that r has open: the same
// bytes on disk under another name, so that the copy costs nothing. Its ETag is
// the source's.
func (e *Engine) StageCopy(r *Reader) (*Staged, error) {
	v := r.Version
	s := &Staged{e: e, id: e.seq.Next(""), size: v.Size, etag: v.ETag}
	var err error
	if r.file != nil {
		s.segments = []Segment{{Blob: s.id, Size: v.Size}}
		err = linkOrCopy(r.file, v.Size, e.stagingPath(s.id))
	} else {
		err = os.Mkdir(e.stagingPath(s.id), 0o755)
		for i, seg := range v.Segments {
			if err != nil {
				break
			}
			part := fmt.Sprintf("%05d", i+1)
			s.segments = append(s.segments, Segment{Blob: s.id + "/" + part, Size: seg.Size})
			var f *os.File
			if f, err = r.openSegment(i); err == nil {
				err = linkOrCopy(f, seg.Size, filepath.Join(e.stagingPath(s.id), part))
				f.Close()
			}
		}
		if err == nil {
			err = syncDir(e.stagingPath(s.id))
		}
	}
	if err == nil {
		err = syncDir(filepath.Join(e.dir, "staging"))
	}
	if err != nil {
		s.Discard()
		return nil, fmt.Errorf("copy blob: %w", diskError(err))
	}
	return s, nil
}

// linkOrCopy makes path a name of f's bytes; when f has too many names or none
// left, a copy of them.
func linkOrCopy(f *os.File, size int64, path string) error {
	if linkFile(f, path) == nil {
		return nil
	}
	return copyFile(path, io.NewSectionReader(f, 0, size))
}

// copyFile puts what r gives in a new file, on disk.
func copyFile(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
	}
	return err
}

// Publish makes the staged bytes the newest version of a key. When it returns,
// the version is on disk, visible, and its event is certain.
func (s *Staged) Publish(p Publish) (Version, error) {
	if err := catalog.CheckKey(p.Key); err != nil {
		return Version{}, err
	}
	etag, err := s.Seal()
	if err != nil {
		return Version{}, err
	}
	v := Version{Size: s.size, ETag: etag, Segments: s.segments, Properties: p.Properties}
	v, err = s.e.publish(p, v, record{Land: s.id})
	if err == nil {
		s.id = ""
	}
	return v, err
}

// errKept ends a publish that is not needed.
var errKept = errors.New("kept")

func (e *Engine) publish(p Publish, v Version, r record) (Version, error) {
	var out Version
	err := e.change(p.Bucket, p.Key, func(b *Bucket, en *entry) (*record, error) {
		current := en.find("")
		if current != nil && current.Marker {
			current = nil
		}
		if p.Check != nil {
			if err := p.Check(current); err != nil {
				return nil, err
			}
		}
		if p.Unless != nil && current != nil && p.Unless(&v, current) {
			out = *current
			return nil, errKept
		}
		e.stamp(&v, b, en)
		r.Entry, r.Drop = en.with(p.Key, v)
		r.Event = e.eventOf(b, p, v)
		out = v
		return &r, nil
	})
	if errors.Is(err, errKept) {
		err = nil
		if r.Land != "" {
			os.RemoveAll(e.stagingPath(r.Land))
		}
	}
	return out, err
}

// stamp gives v its sequence, id and time, as the newest version of en.
func (e *Engine) stamp(v *Version, b *Bucket, en *entry) {
	after := ""
	if latest := en.find(""); latest != nil {
		after = latest.Sequence
	}
	v.Sequence = e.seq.Next(after)
	v.ID = NullVersion
	if b.Versioning == VersioningEnabled {
		v.ID = v.Sequence
	}
	v.Modified = time.Now().UnixMilli()
}

// change runs fn with the key locked and commits the record it returns.
func (e *Engine) change(bucket, key string, fn func(*Bucket, *entry) (*record, error)) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	b := e.buckets[bucket]
	if b == nil {
		return catalog.NoSuchBucket(bucket)
	}
	defer e.keys.lock(bucket + "\x00" + key)()
	en, err := e.readEntry(bucket, key)
	if err != nil {
		return err
	}
	r, err := fn(b, en)
	if err != nil || r == nil {
		return err
	}
	r.Bucket, r.BucketID, r.Key = bucket, b.ID, key
	return e.commit(r)
}

// eventOf returns the event that p's change of b makes with v, nil when nobody hears.
func (e *Engine) eventOf(b *Bucket, p Publish, v Version) *event.ObjectEvent {
	if e.events == nil {
		return nil
	}
	return p.EventOf(b, v)
}

// Delete removes a version for good, or, with version "", hides the key behind
// a delete marker (removes it in a bucket without versioning). What does not
// exist is deleted already. check, when set, sees the version that goes or is
// hidden with the key locked; its error ends the deletion.
func (e *Engine) Delete(bucket, key, version string, check func(*Version) error) (Deleted, error) {
	return e.DeleteFor(event.Request{}, bucket, key, version, check)
}

// DeleteFor is Delete by a request from outside, which its event tells.
func (e *Engine) DeleteFor(by event.Request, bucket, key, version string, check func(*Version) error) (Deleted, error) {
	var sees func(*Version, bool) error
	if check != nil {
		sees = func(v *Version, _ bool) error { return check(v) }
	}
	return e.remove(by, bucket, key, version, event.ObjectRemovedDelete, event.ObjectRemovedDeleteMarkerCreated, sees)
}

// Expire is Delete by a rule of the bucket's lifecycle configuration; check also
// sees whether the version is the key's newest.
func (e *Engine) Expire(bucket, key, version string, check func(v *Version, latest bool) error) (Deleted, error) {
	return e.remove(event.Request{}, bucket, key, version, event.LifecycleExpirationDelete, event.LifecycleExpirationDeleteMarkerCreated, check)
}

func (e *Engine) remove(by event.Request, bucket, key, version string, gone, hidden event.Name, check func(*Version, bool) error) (Deleted, error) {
	var out Deleted
	if err := catalog.CheckKey(key); err != nil {
		return out, err
	}
	err := e.change(bucket, key, func(b *Bucket, en *entry) (*record, error) {
		target := en.find(version)
		if target != nil && check != nil {
			if err := check(target, target == en.find("")); err != nil {
				return nil, err
			}
		}
		r := new(record)
		if version == "" && b.Versioning != "" {
			marker := Version{Marker: true}
			e.stamp(&marker, b, en)
			out = Deleted{VersionID: marker.ID, Marker: true}
			r.Entry, r.Drop = en.with(key, marker)
			r.Event = e.eventOf(b, Publish{Bucket: bucket, Key: key, Event: hidden, Request: by}, marker)
			return r, nil
		}
		if target == nil {
			out.VersionID = version
			return nil, nil
		}
		if version != "" || b.Versioning != "" {
			out = Deleted{VersionID: target.ID, Marker: target.Marker}
		}
		r.Entry, r.Drop = en.without(target.ID)
		var removal Version // its sequence and time are the event's
		e.stamp(&removal, b, en)
		removal.ID = target.ID
		r.Event = e.eventOf(b, Publish{Bucket: bucket, Key: key, Event: gone, Request: by}, removal)
		return r, nil
	})
	return out, err
}

// SetTags replaces the tags of a version; "" is the newest.
func (e *Engine) SetTags(bucket, key, version string, tags map[string]string) error {
	if err := catalog.CheckKey(key); err != nil {
		return err
	}
	return e.change(bucket, key, func(_ *Bucket, en *entry) (*record, error) {
		v := en.find(version)
		if err := catalog.Readable(bucket, key, version, v); err != nil {
			return nil, err
		}
		next := *v
		next.Properties.Tags = tags
		return &record{Entry: en.replacing(next)}, nil
	})
}
