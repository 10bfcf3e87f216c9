package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/object/catalog"
)

const partSuffix = ".json"

func (e *Engine) uploadPath(bucket, id string) string {
	return filepath.Join(e.dir, "uploads", bucket, id)
}

// CreateUpload begins a multipart upload of a key.
func (e *Engine) CreateUpload(bucket, key string, props Properties) (Upload, error) {
	if err := catalog.CheckKey(key); err != nil {
		return Upload{}, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	b := e.buckets[bucket]
	if b == nil {
		return Upload{}, catalog.NoSuchBucket(bucket)
	}
	u := Upload{ID: e.seq.Next(""), Bucket: bucket, BucketID: b.ID, Key: key, Initiated: time.Now().UnixMilli(), Properties: props}
	dir := e.uploadPath(bucket, u.ID)
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = writeJSON(e.stagingPath("upload-"+u.ID), filepath.Join(dir, "upload"+partSuffix), u)
	}
	if err == nil {
		err = errors.Join(syncDir(filepath.Dir(dir)), syncDir(filepath.Join(e.dir, "uploads")))
	}
	if err != nil {
		os.RemoveAll(dir)
		return Upload{}, fmt.Errorf("create upload: %w", diskError(err))
	}
	return u, nil
}

// upload reads an upload's record; NoSuchUpload when there is none for the key.
// It takes no lock: callers hold some.
func (e *Engine) upload(bucket, key, id string) (Upload, error) {
	var u Upload
	if _, err := ulid.ParseStrict(id); err != nil {
		return u, catalog.NoSuchUpload(id)
	}
	err := readJSON(filepath.Join(e.uploadPath(bucket, id), "upload"+partSuffix), &u)
	if errors.Is(err, fs.ErrNotExist) || err == nil && u.Key != key {
		return Upload{}, catalog.NoSuchUpload(id)
	}
	return u, err
}

// parts reads an upload's parts, by number.
func (e *Engine) parts(u Upload) ([]Part, error) {
	dir := e.uploadPath(u.Bucket, u.ID)
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var out []Part
	for _, n := range names {
		number, isPart := strings.CutSuffix(n, partSuffix)
		if _, err := strconv.Atoi(number); !isPart || err != nil {
			continue
		}
		var p Part
		if err := readJSON(filepath.Join(dir, n), &p); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Part) int { return a.Number - b.Number })
	return out, nil
}

// Upload returns an upload and its parts, by number.
func (e *Engine) Upload(bucket, key, id string) (Upload, []Part, error) {
	if _, err := e.Bucket(bucket); err != nil {
		return Upload{}, nil, err
	}
	defer e.uploads.lock(id)()
	u, err := e.upload(bucket, key, id)
	if err != nil {
		return u, nil, err
	}
	parts, err := e.parts(u)
	return u, parts, err
}

// UploadRecord returns an upload without its parts.
func (e *Engine) UploadRecord(bucket, key, id string) (Upload, error) {
	if _, err := e.Bucket(bucket); err != nil {
		return Upload{}, err
	}
	return e.upload(bucket, key, id)
}

// PutPart stores the staged bytes as a part, in place of one with that number.
func (s *Staged) PutPart(bucket, key, id string, number int, sum Checksum) (Part, error) {
	etag, err := s.Seal()
	if err != nil {
		return Part{}, err
	}
	e := s.e
	defer e.uploads.lock(id)() // before mu, as CompleteUpload does
	e.mu.RLock()
	defer e.mu.RUnlock()
	if _, err := e.upload(bucket, key, id); err != nil {
		return Part{}, err
	}
	dir := e.uploadPath(bucket, id)
	record := filepath.Join(dir, strconv.Itoa(number)+partSuffix)
	var old Part
	if err := readJSON(record, &old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Part{}, err
	}
	p := Part{Number: number, Size: s.size, ETag: etag, Modified: time.Now().UnixMilli(), Checksum: sum, File: s.id}
	if err := os.Rename(e.stagingPath(s.id), filepath.Join(dir, s.id)); err != nil {
		return Part{}, diskError(err)
	}
	if err := writeJSON(e.stagingPath("part-"+s.id), record, p); err != nil {
		os.Remove(filepath.Join(dir, s.id))
		return Part{}, fmt.Errorf("store part %d: %w", number, diskError(err))
	}
	s.id = ""
	if old.File != "" {
		os.Remove(filepath.Join(dir, old.File))
	}
	return p, nil
}

// CompleteUpload makes an upload's parts the newest version of its key, once.
// choose sees the upload and its parts with the upload locked. An upload that was
// completed before gives the version it made, while that still exists, and
// repeated; else NoSuchUpload. No bytes are copied: the parts become the
// version's segments.
func (e *Engine) CompleteUpload(bucket, key, id string, choose func(Upload, []Part) (Completion, error)) (v Version, repeated bool, err error) {
	if err := catalog.CheckKey(key); err != nil {
		return Version{}, false, err
	}
	if _, err := e.Bucket(bucket); err != nil {
		return Version{}, false, err
	}
	defer e.uploads.lock(id)()
	u, err := e.upload(bucket, key, id)
	if err != nil {
		if v, ok := e.completed(bucket, key, id); ok {
			return v, true, nil
		}
		return Version{}, false, err
	}
	parts, err := e.parts(u)
	if err != nil {
		return Version{}, false, err
	}
	c, err := choose(u, parts)
	if err != nil {
		return Version{}, false, err
	}
	v = Version{ETag: c.ETag, UploadID: id, Properties: u.Properties}
	v.Properties.Checksum = c.Checksum
	for _, p := range c.Parts {
		v.Size += p.Size
		v.Segments = append(v.Segments, Segment{Blob: id + "/" + p.File, Size: p.Size})
		v.PartSizes = append(v.PartSizes, p.Size)
	}
	v, err = e.publish(Publish{Bucket: bucket, Key: key, Event: event.ObjectCreatedCompleteMultipartUpload, Check: c.Check, Request: c.Request}, v, record{Upload: id})
	if err == nil && len(v.Segments) > 1 {
		select {
		case e.joins <- toJoin{bucket, key, v.ID}:
		default: // many are waiting: a snapshot joins it
		}
	}
	return v, false, err
}

// completed finds the version that an upload made.
func (e *Engine) completed(bucket, key, id string) (Version, bool) {
	en, err := e.readEntry(bucket, key)
	if err != nil || en == nil || id == "" {
		return Version{}, false
	}
	for _, v := range en.Versions {
		if v.UploadID == id {
			return v, true
		}
	}
	return Version{}, false
}

// landUpload moves an upload's folder to the blobs and clears it of what the
// version does not name.
func (e *Engine) landUpload(r *record) error {
	to := e.blobPath(r.Upload)
	if err := renameIfThere(e.uploadPath(r.Bucket, r.Upload), to); err != nil {
		return err
	}
	if r.Entry == nil {
		return nil
	}
	keep := map[string]bool{}
	for _, v := range r.Entry.Versions {
		for _, s := range v.Segments {
			if id, part := catalog.SplitBlob(s.Blob); id == r.Upload {
				keep[part] = true
			}
		}
	}
	d, err := os.Open(to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // replayed after the version went
	}
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !keep[n] {
			if err := os.Remove(filepath.Join(to, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// AbortUpload removes an upload and its parts.
func (e *Engine) AbortUpload(bucket, key, id string, check func(Upload) error) error {
	if _, err := e.Bucket(bucket); err != nil {
		return err
	}
	defer e.uploads.lock(id)()
	u, err := e.upload(bucket, key, id)
	if err != nil {
		return err
	}
	if check != nil {
		if err := check(u); err != nil {
			return err
		}
	}
	gone := e.stagingPath("aborted-" + id)
	if err := os.Rename(e.uploadPath(bucket, id), gone); err != nil {
		return err
	}
	if err := syncDir(filepath.Join(e.dir, "uploads", bucket)); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// Uploads returns a bucket's unfinished uploads by key, then by age.
func (e *Engine) Uploads(bucket string) ([]Upload, error) {
	if _, err := e.Bucket(bucket); err != nil {
		return nil, err
	}
	names, err := os.ReadDir(filepath.Join(e.dir, "uploads", bucket))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []Upload
	for _, n := range names {
		var u Upload
		err := readJSON(filepath.Join(e.uploadPath(bucket, n.Name()), "upload"+partSuffix), &u)
		if errors.Is(err, fs.ErrNotExist) {
			continue // begun half-way, or finished meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	slices.SortStableFunc(out, func(a, b Upload) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}
