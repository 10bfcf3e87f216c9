package gateway

import (
	"context"
	"io"
	"os"

	"github.com/valyala/fasthttp"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/object/catalog"
)

// Engine keeps buckets and objects: what a change acknowledged is durable, whole, and
// seen by every read that begins after it, on whichever server. Errors a caller can act
// on are *fault.Error with S3's codes. It is safe for concurrent use. It has as many
// methods as S3 has kinds of things to keep.
type Engine interface {
	// CreateBucket makes a bucket; a name in use is BucketAlreadyOwnedByYou.
	CreateBucket(ctx context.Context, name string, v catalog.Versioning, documents map[string][]byte) (*catalog.Bucket, error)
	// Bucket returns a bucket's record; NoSuchBucket when there is none.
	Bucket(ctx context.Context, name string) (*catalog.Bucket, error)
	// Buckets returns all buckets by name.
	Buckets(ctx context.Context) ([]*catalog.Bucket, error)
	// ChangeBucket stores what change makes of a copy of the bucket's record.
	ChangeBucket(ctx context.Context, name string, change func(*catalog.Bucket) error) error
	// DeleteBucket removes an empty bucket and its unfinished uploads; else BucketNotEmpty.
	DeleteBucket(ctx context.Context, name string) error

	// Stat returns a version of a key, "" is the newest; beside an error, the delete
	// marker that caused it.
	Stat(ctx context.Context, bucket, key, version string) (catalog.Version, error)
	// Open is Stat, and opens the version's bytes. The caller closes the Reader.
	Open(ctx context.Context, bucket, key, version string) (Reader, catalog.Version, error)
	// List returns a page of keys whose newest version is no delete marker.
	List(ctx context.Context, bucket string, in catalog.ListInput) (catalog.Page, error)
	// ListVersions returns a page of all versions and delete markers.
	ListVersions(ctx context.Context, bucket string, in catalog.ListInput) (catalog.Page, error)

	// Stage begins an object or a part; ctx is for the time until it ends.
	Stage(ctx context.Context) (Staged, error)
	// StageCopy begins an object with the bytes of a version, which has the source's ETag.
	StageCopy(ctx context.Context, source Reader, of catalog.Version) (Staged, error)
	// Delete removes a version for good, or, with version "", hides the key behind a
	// delete marker (removes it in a bucket without versioning). What does not exist is
	// deleted already. check, when set, sees the version that goes or is hidden, where
	// nothing else can change it; its error ends the deletion.
	Delete(ctx context.Context, by event.Request, bucket, key, version string, check func(*catalog.Version) error) (catalog.Deleted, error)
	// SetTags replaces the tags of a version; "" is the newest.
	SetTags(ctx context.Context, bucket, key, version string, tags map[string]string) error

	// CreateUpload begins a multipart upload of a key.
	CreateUpload(ctx context.Context, bucket, key string, props catalog.Properties) (catalog.Upload, error)
	// UploadRecord returns an upload without its parts; NoSuchUpload when there is none.
	UploadRecord(ctx context.Context, bucket, key, id string) (catalog.Upload, error)
	// Upload returns an upload and its parts, by number.
	Upload(ctx context.Context, bucket, key, id string) (catalog.Upload, []catalog.Part, error)
	// Uploads returns a bucket's unfinished uploads by key, then by age.
	Uploads(ctx context.Context, bucket string) ([]catalog.Upload, error)
	// CompleteUpload makes an upload's parts the newest version of its key, once. One
	// that was completed before gives the version it made, while that exists, and
	// repeated. choose sees the upload where nothing else can change it.
	CompleteUpload(ctx context.Context, bucket, key, id string, choose func(catalog.Upload, []catalog.Part) (catalog.Completion, error)) (v catalog.Version, repeated bool, err error)
	// AbortUpload removes an upload and its parts.
	AbortUpload(ctx context.Context, bucket, key, id string, check func(catalog.Upload) error) error
}

// Staged are bytes on their way to become an object or a part. It ends with exactly
// one of Publish, PutPart and Discard; Discard may follow the others. Not for
// concurrent use.
type Staged interface {
	io.Writer
	// Size returns the bytes so far.
	Size() int64
	// Publish makes the bytes the newest version of a key. When it returns, the version
	// is durable, visible, and its event is certain.
	Publish(ctx context.Context, p catalog.Publish) (catalog.Version, error)
	// PutPart stores the bytes as a part, in place of one with that number.
	PutPart(ctx context.Context, bucket, key, id string, number int, sum catalog.Checksum) (catalog.Part, error)
	// Discard lets go of the bytes if nothing has taken them.
	Discard()
}

// Reader reads one version's bytes, which stay what they are whatever happens to the
// key. ReadAt is safe for concurrent use, the rest is not.
type Reader interface {
	io.ReadSeekCloser
	io.ReaderAt
	// File returns the file that holds the bytes and nothing else, or nil where there is
	// none on this machine.
	File() *os.File
	// Begin says that WriteRange with these arguments comes next. Its error is told
	// before anything is answered.
	Begin(off, n int64) error
	// WriteRange writes n bytes from off to w, by sendfile or copy_file_range where w
	// can. It moves the position of File.
	WriteRange(w io.Writer, off, n int64) (int64, error)
}

// requestKey finds the context of the HTTP request in that of fasthttp, whose memory
// serves the next request as soon as this one is answered.
type requestKey struct{}

// lasting returns the context to hand on for a request.
func lasting(ctx context.Context) context.Context {
	c, ok := ctx.(*fasthttp.RequestCtx)
	if !ok {
		return ctx
	}
	if of, ok := c.UserValue(requestKey{}).(context.Context); ok {
		return of
	}
	return context.Background()
}
