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

	"vodwright.dev/vodwright/internal/fault"
)

// Versioning is a bucket's versioning state, in S3's words; empty for a bucket
// that never had it.
type Versioning string

// The states. There is no way back to the empty one.
const (
	VersioningEnabled   Versioning = "Enabled"
	VersioningSuspended Versioning = "Suspended"
)

// Bucket is a bucket's record. A Bucket is never changed once handed out.
type Bucket struct {
	Name       string
	ID         string     // of this life of the name: a bucket made again has another
	Created    int64      // Unix milliseconds
	Versioning Versioning `json:",omitempty"`
	// Documents are configuration documents by name (cors, policy, acl, …),
	// opaque here.
	Documents map[string][]byte `json:",omitempty"`
}

// CreationDate returns when the bucket was made, UTC.
func (b *Bucket) CreationDate() time.Time { return time.UnixMilli(b.Created).UTC() }

func noSuchBucket(name string) *fault.Error {
	return fault.New(fault.NotFound, "NoSuchBucket", "bucket %q does not exist", shortened(name))
}

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
	if err := CheckBucketName(name); err != nil {
		return nil, err
	}
	name = strings.Clone(name) // it is kept, and callers may use its memory again
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.buckets[name] != nil {
		return nil, fault.New(fault.Conflict, "BucketAlreadyOwnedByYou", "bucket %q exists already and is yours", name)
	}
	b := &Bucket{Name: name, ID: e.seq.next("").String(), Created: time.Now().UnixMilli(), Versioning: v, Documents: documents}
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
	return nil, noSuchBucket(name)
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
		return noSuchBucket(name)
	}
	b := *old
	b.Documents = maps.Clone(old.Documents)
	if b.Documents == nil {
		b.Documents = map[string][]byte{}
	}
	if err := change(&b); err != nil {
		return err
	}
	temp := e.stagingPath("bucket-" + e.seq.next("").String())
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
		return noSuchBucket(name)
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
		return fault.New(fault.Conflict, "BucketNotEmpty", "bucket %q is not empty", name).
			WithHint("delete its objects first; in a versioned bucket every version and delete marker")
	}
	dir, gone := e.bucketPath(name), e.stagingPath("bucket-"+e.seq.next("").String())
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
