package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/object/catalog"
)

func (e *Engine) loadBuckets() error {
	root := filepath.Join(e.dir, "buckets")
	names, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	e.buckets = make(map[string]*Bucket, len(names))
	for _, n := range names {
		b := new(Bucket)
		err := readJSON(filepath.Join(root, n.Name(), "bucket.json"), b)
		if errors.Is(err, fs.ErrNotExist) {
			// Made or removed half-way: it was never acknowledged, or it was empty.
			if err := os.RemoveAll(filepath.Join(root, n.Name())); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		e.buckets[b.Name] = b
	}
	return nil
}

// CreateBucket makes a bucket. A name in use is a Conflict, BucketAlreadyOwnedByYou.
func (e *Engine) CreateBucket(name string, v Versioning, documents map[string][]byte) (*Bucket, error) {
	if err := catalog.CheckBucketName(name); err != nil {
		return nil, err
	}
	name = strings.Clone(name) // it is kept, and callers may use its memory again
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.buckets[name] != nil {
		return nil, catalog.BucketExists(name)
	}
	b := &Bucket{Name: name, ID: e.seq.Next(""), Created: time.Now().UnixMilli(), Versioning: v, Documents: documents}
	dir := e.bucketPath(name)
	err := os.RemoveAll(dir)
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "keys"), 0o755)
	}
	if err == nil {
		err = writeJSON(e.stagingPath("bucket-"+b.ID), filepath.Join(dir, "bucket.json"), b)
	}
	if err == nil {
		err = syncDir(filepath.Dir(dir))
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("create bucket %q: %w", name, diskError(err))
	}
	e.buckets[name] = b
	return b, nil
}

// Bucket returns the bucket's record; NoSuchBucket when there is none.
func (e *Engine) Bucket(name string) (*Bucket, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if b := e.buckets[name]; b != nil {
		return b, nil
	}
	return nil, catalog.NoSuchBucket(name)
}

// Buckets returns all buckets by name.
func (e *Engine) Buckets() []*Bucket {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return slices.SortedFunc(maps.Values(e.buckets), func(a, b *Bucket) int { return strings.Compare(a.Name, b.Name) })
}

// ChangeBucket stores what change makes of a copy of the bucket's record.
func (e *Engine) ChangeBucket(name string, change func(*Bucket) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.buckets[name]
	if old == nil {
		return catalog.NoSuchBucket(name)
	}
	b := *old
	b.Documents = maps.Clone(old.Documents)
	if b.Documents == nil {
		b.Documents = map[string][]byte{}
	}
	if err := change(&b); err != nil {
		return err
	}
	temp := e.stagingPath("bucket-" + e.seq.Next(""))
	if err := writeJSON(temp, filepath.Join(e.bucketPath(name), "bucket.json"), &b); err != nil {
		return fmt.Errorf("change bucket %q: %w", name, diskError(err))
	}
	e.buckets[b.Name] = &b // b.Name, not name: the map keeps the key
	return nil
}

// DeleteBucket removes an empty bucket and its unfinished uploads. A bucket with
// a version or a delete marker left is a Conflict, BucketNotEmpty.
func (e *Engine) DeleteBucket(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.buckets[name]
	if b == nil {
		return catalog.NoSuchBucket(name)
	}
	empty := true
	err := e.walk(name, "", "", func(string, string) (walkStep, error) {
		empty = false
		return walkStep{stop: true}, nil
	})
	if err != nil {
		return err
	}
	if !empty {
		return catalog.BucketNotEmpty(name)
	}
	dir, gone := e.bucketPath(name), e.stagingPath("bucket-"+e.seq.Next(""))
	// bucket.json is what makes the folder a bucket: gone with one rename.
	if err := os.Rename(dir, gone); err != nil {
		return fmt.Errorf("delete bucket %q: %w", name, err)
	}
	delete(e.buckets, name)
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return fmt.Errorf("delete bucket %q: %w", name, err)
	}
	return errors.Join(os.RemoveAll(gone), os.RemoveAll(filepath.Join(e.dir, "uploads", name)))
}
