package remote

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
)

const (
	// partBytes is how large the objects of a blob are: large enough that a request each
	// costs little, small enough to be sent again when one fails.
	partBytes = 32 << 20
	// memoryBytes of a part are kept in memory, more in a file without a name.
	memoryBytes = 256 << 10
	// sending is how many parts of one blob are under way beside the one that comes in.
	sending = 2
	// begun is how long a write may take from its beginning to its end; see the package's
	// invariants.
	begun = 12 * time.Hour
)

// Staged are bytes on their way: parts go to the external S3 as they fill. It ends with
// exactly one of Publish, PutPart and Discard; Discard may follow. Not for concurrent use.
type Staged struct {
	e     *Engine
	id    string
	since time.Time
	md5   hash.Hash
	size  int64
	etag  string // known from its beginning for a copy; else when all is written

	source   *os.File // of which nothing is read yet; nil when the bytes are written
	part     *part    // that fills; nil between parts
	parts    int      // that were sent or are being sent
	send     func(n int, p *part)
	sent     func() error // waits for them
	broken   func() error // an error that ended them
	segments []catalog.Segment
	shares   []string // blobs of another version, whose bytes these are
	taken    bool     // something names the blob, or may
}

// part is bytes of a blob that are sent as one object.
type part struct {
	memory bytes.Buffer
	file   *os.File // what the memory is too small for; it has no name
	size   int64
	md5    hash.Hash
	crc    uint32 // CRC-32C
}

// Stage begins a new blob, that ends with ctx.
func (e *Engine) Stage(ctx context.Context) (*Staged, error) {
	s := &Staged{e: e, id: e.seq.Next(""), since: time.Now(), md5: md5.New()}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(sending)
	s.send = func(n int, p *part) {
		group.Go(func() error {
			defer p.close()
			return e.bytes.put(within, blobName(partName(s.id, n)), p.reader(), p.size, p.md5.Sum(nil))
		})
	}
	s.sent = group.Wait
	s.broken = func() error { return context.Cause(within) }
	return s, nil
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // made once, by crc32

func partName(id string, n int) string { return id + "/" + strconv.Itoa(n) }

func (p *part) reader() io.ReadSeeker {
	if p.file != nil {
		return io.NewSectionReader(p.file, 0, p.size)
	}
	return bytes.NewReader(p.memory.Bytes())
}

func (p *part) close() {
	if p.file != nil {
		p.file.Close()
		p.file = nil
	}
}

func (p *part) write(dir string, b []byte) error {
	p.md5.Write(b)
	p.crc = crc32.Update(p.crc, castagnoli(), b)
	p.size += int64(len(b))
	if p.file == nil && p.memory.Len()+len(b) <= memoryBytes {
		p.memory.Write(b)
		return nil
	}
	if p.file == nil {
		f, err := os.CreateTemp(dir, "part-")
		if err != nil {
			return err
		}
		p.file = f
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
		if _, err := f.Write(p.memory.Bytes()); err != nil {
			return spaceFault(err)
		}
		p.memory = bytes.Buffer{}
	}
	_, err := p.file.Write(b)
	return spaceFault(err)
}

// spaceFault gives a full disk its meaning.
func spaceFault(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fault.New(fault.Unavailable, "InsufficientStorage", "there is no space left for objects on their way: %w", err).
			WithHint("free some space on the disk of the data folder")
	}
	return err
}

// Write appends to the blob.
func (s *Staged) Write(b []byte) (int, error) {
	s.md5.Write(b)
	s.size += int64(len(b))
	for rest := b; len(rest) > 0; {
		if s.part == nil {
			s.part = &part{md5: md5.New()}
		}
		n := min(int64(len(rest)), partBytes-s.part.size)
		if err := s.part.write(s.e.dir, rest[:n]); err != nil {
			return len(b) - len(rest), err
		}
		rest = rest[n:]
		if s.part.size == partBytes {
			if err := s.flush(); err != nil {
				return len(b) - len(rest), err
			}
		}
	}
	return len(b), nil
}

// flush sends the part that filled, when there is room for another on the way.
func (s *Staged) flush() error {
	if s.part == nil {
		return nil
	}
	if err := s.broken(); err != nil {
		return err
	}
	if time.Since(s.since) > begun {
		return fault.New(fault.Invalid, "RequestTimeout", "the write takes longer than %s", begun)
	}
	s.parts++
	s.segments = append(s.segments, catalog.Segment{Blob: partName(s.id, s.parts), Size: s.part.size, CRC32C: s.part.crc})
	p := s.part
	s.part = nil
	s.send(s.parts, p)
	return nil
}

// Size returns the bytes so far.
func (s *Staged) Size() int64 { return s.size }

// seal waits until all of the blob is in the external S3.
func (s *Staged) seal() error {
	if s.etag != "" {
		return nil
	}
	if f := s.source; f != nil {
		s.source = nil
		_, err := io.Copy(s, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	if err := errors.Join(s.flush(), s.sent()); err != nil {
		return err
	}
	s.etag = hex.EncodeToString(s.md5.Sum(nil))
	return nil
}

// brings returns the blob, when it is one.
func (s *Staged) brings() []catalog.Blob {
	if s.parts == 0 {
		return nil // empty, or a copy
	}
	return []catalog.Blob{{ID: s.id, Parts: s.parts}}
}

// discardTime is how long Discard tries to remove what was sent: the sweep finds the rest.
const discardTime = 5 * time.Second

// Discard removes the bytes if nothing has taken them.
func (s *Staged) Discard() {
	if s.source != nil {
		s.source.Close()
		s.source = nil
	}
	if s.part != nil {
		s.part.close()
		s.part = nil
	}
	if s.etag == "" {
		_ = s.sent()
	}
	if s.taken || s.parts == 0 {
		return
	}
	s.taken = true
	ctx, done := context.WithTimeout(context.Background(), discardTime)
	defer done()
	_ = s.e.removeBlob(ctx, catalog.Blob{ID: s.id, Parts: s.parts})
}

// StageFile begins a blob with a regular file, which is read when the blob is stored.
func (e *Engine) StageFile(ctx context.Context, path string) (*Staged, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, "", "store file %q: it is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := e.Stage(ctx)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.source = f
	return s, nil
}

// there returns the current version of a key if p would keep it in place of the source
// file: nothing is sent then.
func (s *Staged) there(ctx context.Context, p catalog.Publish) (*catalog.Version, error) {
	if s.source == nil || p.Unless == nil || p.Check != nil {
		return nil, nil
	}
	current, err := s.e.index.ObjectVersion(ctx, p.Bucket, p.Key, "")
	if err != nil || current == nil || current.Marker {
		return nil, err
	}
	sum := md5.New()
	size, err := io.Copy(sum, s.source)
	if err == nil {
		_, err = s.source.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, err
	}
	next := catalog.Version{Size: size, ETag: hex.EncodeToString(sum.Sum(nil)), Properties: p.Properties}
	if !p.Unless(&next, current) {
		return nil, nil
	}
	return current, nil
}

// StageCopy begins an object with the bytes of a version: the same blobs, so that the
// copy costs nothing. Its ETag is the source's.
func (e *Engine) StageCopy(_ context.Context, of catalog.Version) (*Staged, error) {
	return &Staged{e: e, size: of.Size, etag: of.ETag, segments: of.Segments, shares: of.Blobs()}, nil
}

// Publish makes the bytes the newest version of a key.
func (s *Staged) Publish(ctx context.Context, p catalog.Publish) (catalog.Version, error) {
	if err := catalog.CheckKey(p.Key); err != nil {
		return catalog.Version{}, err
	}
	if v, err := s.there(ctx, p); err != nil || v != nil {
		if err != nil {
			return catalog.Version{}, err
		}
		return *v, nil
	}
	if err := s.seal(); err != nil {
		return catalog.Version{}, err
	}
	v := catalog.Version{Size: s.size, ETag: s.etag, Segments: s.segments, Properties: p.Properties}
	var out catalog.Version
	refused := false
	err := s.e.index.ChangeObject(ctx, p.Bucket, p.Key, "", func(of *catalog.Subject) (*catalog.Change, error) {
		c, kept, err := s.e.publishing(p, v, of)
		if refused = c == nil; refused {
			if kept != nil {
				out = *kept
			}
			return nil, err
		}
		c.Brings, c.Shares = s.brings(), s.shares
		out = *c.Put
		return c, nil
	})
	// A commit that failed may have happened: then the sweep decides.
	s.taken = !refused
	return out, err
}

// publishing returns the change that publishes v, or the version that is kept instead.
func (e *Engine) publishing(p catalog.Publish, v catalog.Version, of *catalog.Subject) (c *catalog.Change, kept *catalog.Version, err error) {
	current := of.Current()
	if p.Check != nil {
		if err := p.Check(current); err != nil {
			return nil, nil, err
		}
	}
	if p.Unless != nil && current != nil && p.Unless(&v, current) {
		return nil, current, nil
	}
	e.stamp(&v, of)
	return &catalog.Change{Put: &v, Event: p.EventOf(of.Bucket, v)}, nil, nil
}

// PutPart stores the bytes as a part of an upload, in place of one with that number.
func (s *Staged) PutPart(ctx context.Context, bucket, key, id string, number int, sum catalog.Checksum) (catalog.Part, error) {
	if err := s.seal(); err != nil {
		return catalog.Part{}, err
	}
	p := catalog.Part{Number: number, Size: s.size, ETag: s.etag, Modified: time.Now().UnixMilli(), Checksum: sum, Segments: s.segments}
	err := s.e.index.PutPartRecord(ctx, bucket, key, id, p, s.brings())
	s.taken = !fault.Is(err, fault.NotFound)
	return p, err
}

// CreateUpload begins a multipart upload of a key.
func (e *Engine) CreateUpload(ctx context.Context, bucket, key string, props catalog.Properties) (catalog.Upload, error) {
	if err := catalog.CheckKey(key); err != nil {
		return catalog.Upload{}, err
	}
	u := catalog.Upload{ID: e.seq.Next(""), Bucket: bucket, Key: key, Initiated: time.Now().UnixMilli(), Properties: props}
	return u, e.index.CreateUploadRecord(ctx, u)
}

// UploadRecord returns an upload without its parts; NoSuchUpload when there is none.
func (e *Engine) UploadRecord(ctx context.Context, bucket, key, id string) (catalog.Upload, error) {
	return e.index.UploadRecord(ctx, bucket, key, id)
}

// Upload returns an upload and its parts, by number.
func (e *Engine) Upload(ctx context.Context, bucket, key, id string) (catalog.Upload, []catalog.Part, error) {
	u, err := e.index.UploadRecord(ctx, bucket, key, id)
	if err != nil {
		return u, nil, err
	}
	parts, err := e.index.PartRecords(ctx, id)
	return u, parts, err
}

// Uploads returns a bucket's unfinished uploads by key, then by age.
func (e *Engine) Uploads(ctx context.Context, bucket string) ([]catalog.Upload, error) {
	return e.index.UploadRecords(ctx, bucket)
}

// CompleteUpload makes an upload's parts the newest version of its key, once. No bytes
// are copied: the parts' blobs become the version's.
func (e *Engine) CompleteUpload(ctx context.Context, bucket, key, id string, choose func(catalog.Upload, []catalog.Part) (catalog.Completion, error)) (v catalog.Version, repeated bool, err error) {
	if err := catalog.CheckKey(key); err != nil {
		return v, false, err
	}
	made, err := e.index.CompleteUploadRecord(ctx, bucket, key, id, func(of *catalog.Subject, u catalog.Upload, parts []catalog.Part) (*catalog.Change, error) {
		c, err := choose(u, parts)
		if err != nil {
			return nil, err
		}
		next := catalog.Version{ETag: c.ETag, UploadID: id, Properties: u.Properties}
		next.Properties.Checksum = c.Checksum
		for _, p := range c.Parts {
			next.Size += p.Size
			next.Segments = append(next.Segments, p.Segments...)
			next.PartSizes = append(next.PartSizes, p.Size)
		}
		p := catalog.Publish{Bucket: bucket, Key: key, Event: event.ObjectCreatedCompleteMultipartUpload, Check: c.Check, Request: c.Request}
		change, _, err := e.publishing(p, next, of)
		if err == nil {
			v = *change.Put
		}
		return change, err
	})
	if err != nil {
		return catalog.Version{}, false, err
	}
	if made != nil {
		return *made, true, nil
	}
	return v, false, nil
}

// AbortUpload removes an upload and its parts.
func (e *Engine) AbortUpload(ctx context.Context, bucket, key, id string, check func(catalog.Upload) error) error {
	return e.index.AbortUploadRecord(ctx, bucket, key, id, check)
}

// removeBlob removes a blob's objects.
func (e *Engine) removeBlob(ctx context.Context, b catalog.Blob) error {
	for n := 1; n <= b.Parts; n++ {
		if err := e.bytes.remove(ctx, blobName(partName(b.ID, n))); err != nil {
			return fmt.Errorf("remove blob %s: %w", b.ID, err)
		}
	}
	return nil
}
