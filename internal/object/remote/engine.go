package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
)

// Config is what an Engine is made of.
type Config struct {
	External External
	Index    Index
	Dir      string       // of what is on its way, absolute; made when missing
	Logger   *slog.Logger // nil discards
}

// Engine keeps buckets and objects. It is safe for concurrent use, also by several
// servers of the same records. Errors a caller can act on are *fault.Error with S3's
// codes.
type Engine struct {
	index  Index
	bytes  *client
	dir    string
	log    *slog.Logger
	seq    *catalog.Sequence
	sweeps sweepTimes
}

// Open looks whether the external S3 is there, can be used and is these records'. One
// that does not answer is Unavailable; what is wrong for good is Denied, NotFound or
// Conflict.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c, err := newClient(ctx, cfg.External, log)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of objects on their way: %w", err)
	}
	// Of a server that was killed just when it made one; it has the folder to itself.
	if left, err := filepath.Glob(filepath.Join(cfg.Dir, "part-*")); err == nil {
		for _, name := range left {
			_ = os.Remove(name)
		}
	}
	owner, err := cfg.Index.Identity(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.claim(ctx, owner); err != nil {
		return nil, c.openFault(err)
	}
	c.warnOfVersions(ctx)
	return &Engine{index: cfg.Index, bytes: c, dir: cfg.Dir, log: log, seq: catalog.NewSequence(), sweeps: defaultSweeps()}, nil
}

// claimName is the object that says whose bytes these are.
const claimName = "vodwright.json"

// claimed is what it holds.
type claimed struct {
	Installation string `json:"installation"`
}

// claim makes the prefix these records', or finds that it is, and uses each right that is
// needed once.
func (c *client) claim(ctx context.Context, owner string) error {
	ctx, done := context.WithTimeout(ctx, answerTime)
	defer done()
	if _, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &c.at.Bucket, Prefix: new(c.at.key("blobs/")), MaxKeys: new(int32(1))}); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	whose, err := c.whose(ctx)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if whose == "" {
		doc, err := json.Marshal(claimed{owner})
		if err != nil {
			return err
		}
		in := &s3.PutObjectInput{Bucket: &c.at.Bucket, Key: new(c.at.key(claimName)), Body: strings.NewReader(string(doc)), IfNoneMatch: new("*")}
		_, err = c.s3.PutObject(ctx, in)
		if s := statusOf(err); s == http.StatusNotImplemented || s == http.StatusBadRequest { // it knows no conditional writes
			in.IfNoneMatch, in.Body = nil, strings.NewReader(string(doc))
			_, err = c.s3.PutObject(ctx, in)
		}
		if err != nil && statusOf(err) != http.StatusPreconditionFailed && statusOf(err) != http.StatusConflict {
			return fmt.Errorf("write: %w", err)
		}
		if whose, err = c.whose(ctx); err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	if whose != owner {
		return fault.New(fault.Conflict, "", "the external S3 %s holds the objects of other records", c.at).
			WithHint("start with the records (--postgres, or the data folder) that it belongs to, or give a prefix of its own: --s3 …/%s/ANOTHER", c.at.Bucket)
	}
	try := c.at.key("try-" + catalog.NewSequence().Next(""))
	if _, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &c.at.Bucket, Key: &try, Body: strings.NewReader("")}); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.at.Bucket, Key: &try}); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}

// whose returns which records the prefix belongs to, "" when none.
func (c *client) whose(ctx context.Context) (string, error) {
	out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &c.at.Bucket, Key: new(c.at.key(claimName))})
	if statusOf(err) == http.StatusNotFound && codeOf(err) != "NoSuchBucket" {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	var doc claimed
	if err := json.NewDecoder(out.Body).Decode(&doc); err != nil {
		return "", err
	}
	return doc.Installation, nil
}

// openFault says what keeps a server from its external S3.
func (c *client) openFault(err error) error {
	var known *fault.Error
	switch status := statusOf(err); {
	case errors.As(err, &known):
		return err
	case passing(err):
		return fault.New(fault.Unavailable, "", "the external S3 does not answer: %s: %w", c.at, err).WithHint("is it running, and is its port open from here?")
	case status == http.StatusNotFound:
		return fault.New(fault.NotFound, "", "the bucket is not there: %s: %w", c.at, err).WithHint("make the bucket %s first", c.at.Bucket)
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return fault.New(fault.Denied, "", "the external S3 refuses the key: %s: %w", c.at, err).
			WithHint("the key needs s3:ListBucket on arn:aws:s3:::%s, and s3:GetObject, s3:PutObject and s3:DeleteObject on arn:aws:s3:::%s", c.at.Bucket, c.at.Bucket+"/"+c.at.key("*"))
	case status == http.StatusMovedPermanently, status == http.StatusBadRequest:
		return fault.New(fault.Invalid, "", "the external S3 cannot be used as it is told: %s: %w", c.at, err).WithHint("is --s3-region the bucket's?")
	}
	return fault.New(fault.Invalid, "", "the external S3 cannot be used: %s: %w", c.at, err)
}

// warnOfVersions tells that an external bucket keeps what is deleted.
func (c *client) warnOfVersions(ctx context.Context) {
	ctx, done := context.WithTimeout(ctx, answerTime)
	defer done()
	out, err := c.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &c.at.Bucket})
	if err == nil && out.Status == types.BucketVersioningStatusEnabled { // a key need not be allowed to ask
		c.log.Warn("the external bucket keeps versions: what is deleted goes on taking room there", "s3", c.at.String(),
			"hint", "versions are kept by Vodwright; let a lifecycle rule of that bucket expire noncurrent ones")
	}
}

// Ping returns an error while the external S3 does not answer.
func (e *Engine) Ping(ctx context.Context) error {
	_, err := e.bytes.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &e.bytes.at.Bucket, Key: new(e.bytes.at.key(claimName))})
	return err
}

// Close has nothing to do: what was acknowledged is where it belongs.
func (e *Engine) Close() error { return nil }

// CreateBucket makes a bucket; a name in use is BucketAlreadyOwnedByYou.
func (e *Engine) CreateBucket(ctx context.Context, name string, v catalog.Versioning, documents map[string][]byte) (*catalog.Bucket, error) {
	if err := catalog.CheckBucketName(name); err != nil {
		return nil, err
	}
	b := &catalog.Bucket{Name: strings.Clone(name), ID: e.seq.Next(""), Created: time.Now().UnixMilli(), Versioning: v, Documents: documents}
	if err := e.index.CreateBucketRecord(ctx, b); err != nil {
		return nil, err
	}
	return b, nil
}

// Bucket returns a bucket's record; NoSuchBucket when there is none.
func (e *Engine) Bucket(ctx context.Context, name string) (*catalog.Bucket, error) {
	return e.index.BucketRecord(ctx, name)
}

// Buckets returns all buckets by name.
func (e *Engine) Buckets(ctx context.Context) ([]*catalog.Bucket, error) {
	all, err := e.index.BucketRecords(ctx)
	catalog.SortBuckets(all)
	return all, err
}

// ChangeBucket stores what change makes of a copy of the bucket's record.
func (e *Engine) ChangeBucket(ctx context.Context, name string, change func(*catalog.Bucket) error) error {
	return e.index.ChangeBucketRecord(ctx, name, change)
}

// DeleteBucket removes an empty bucket and its unfinished uploads; else BucketNotEmpty.
func (e *Engine) DeleteBucket(ctx context.Context, name string) error {
	return e.index.DeleteBucketRecord(ctx, name, time.Now())
}

// Stat returns a version of a key, "" is the newest; beside an error, the delete marker
// that caused it.
func (e *Engine) Stat(ctx context.Context, bucket, key, version string) (catalog.Version, error) {
	if err := catalog.CheckKey(key); err != nil {
		if _, berr := e.Bucket(ctx, bucket); berr != nil {
			return catalog.Version{}, berr
		}
		return catalog.Version{}, err
	}
	v, err := e.index.ObjectVersion(ctx, bucket, key, version)
	if err != nil {
		return catalog.Version{}, err
	}
	err = catalog.Readable(bucket, key, version, v)
	if v == nil {
		return catalog.Version{}, err
	}
	return *v, err
}

// stamp gives v its sequence, id and time, as the newest version of the key.
func (e *Engine) stamp(v *catalog.Version, of *catalog.Subject) {
	after := ""
	if of.Latest != nil {
		after = of.Latest.Sequence
	}
	v.Sequence = e.seq.Next(after)
	v.ID = catalog.NullVersion
	if of.Bucket.Versioning == catalog.VersioningEnabled {
		v.ID = v.Sequence
	}
	v.Modified = time.Now().UnixMilli()
}

// Delete removes a version for good, or, with version "", hides the key behind a delete
// marker (removes it in a bucket without versioning).
func (e *Engine) Delete(ctx context.Context, by event.Request, bucket, key, version string, check func(*catalog.Version) error) (catalog.Deleted, error) {
	var sees func(*catalog.Version, bool) error
	if check != nil {
		sees = func(v *catalog.Version, _ bool) error { return check(v) }
	}
	return e.remove(ctx, by, bucket, key, version, event.ObjectRemovedDelete, event.ObjectRemovedDeleteMarkerCreated, sees)
}

// Expire is Delete by a rule of the bucket's lifecycle configuration; check also sees
// whether the version is the key's newest.
func (e *Engine) Expire(ctx context.Context, bucket, key, version string, check func(v *catalog.Version, latest bool) error) (catalog.Deleted, error) {
	return e.remove(ctx, event.Request{}, bucket, key, version, event.LifecycleExpirationDelete, event.LifecycleExpirationDeleteMarkerCreated, check)
}

func (e *Engine) remove(ctx context.Context, by event.Request, bucket, key, version string, gone, hidden event.Name, check func(*catalog.Version, bool) error) (catalog.Deleted, error) {
	var out catalog.Deleted
	if err := catalog.CheckKey(key); err != nil {
		return out, err
	}
	err := e.index.ChangeObject(ctx, bucket, key, version, func(of *catalog.Subject) (*catalog.Change, error) {
		out = catalog.Deleted{}
		target := of.Found
		if target != nil && check != nil {
			if err := check(target, target.Sequence == of.Latest.Sequence); err != nil {
				return nil, err
			}
		}
		p := catalog.Publish{Bucket: bucket, Key: key, Event: gone, Request: by}
		if version == "" && of.Bucket.Versioning != "" {
			marker := catalog.Version{Marker: true}
			e.stamp(&marker, of)
			out, p.Event = catalog.Deleted{VersionID: marker.ID, Marker: true}, hidden
			return &catalog.Change{Put: &marker, Event: p.EventOf(of.Bucket, marker)}, nil
		}
		if target == nil {
			out.VersionID = version
			return nil, nil
		}
		if version != "" || of.Bucket.Versioning != "" {
			out = catalog.Deleted{VersionID: target.ID, Marker: target.Marker}
		}
		var removal catalog.Version // its sequence and time are the event's
		e.stamp(&removal, of)
		removal.ID = target.ID
		return &catalog.Change{Remove: target, Event: p.EventOf(of.Bucket, removal)}, nil
	})
	return out, err
}

// SetTags replaces the tags of a version; "" is the newest.
func (e *Engine) SetTags(ctx context.Context, bucket, key, version string, tags map[string]string) error {
	if err := catalog.CheckKey(key); err != nil {
		return err
	}
	return e.index.ChangeObject(ctx, bucket, key, version, func(of *catalog.Subject) (*catalog.Change, error) {
		if err := catalog.Readable(bucket, key, version, of.Found); err != nil {
			return nil, err
		}
		next := *of.Found
		next.Properties.Tags = tags
		return &catalog.Change{Replace: &next}, nil
	})
}
