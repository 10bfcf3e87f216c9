package remote

import (
	"context"
	"encoding/json"
	"time"

	"vodwright.dev/vodwright/internal/object/catalog"
)

// Index is the records of buckets and objects. Each change is one transaction, on the
// disk when it returns; functions that are passed run within it. What is not there is
// NoSuchBucket or NoSuchUpload. Whoever implements it keeps what S3 has in so many
// tables.
type Index interface {
	// Identity names these records among all.
	Identity(ctx context.Context) (string, error)
	// Setting and PutSetting keep a document by its name; nil is none.
	Setting(ctx context.Context, name string) (json.RawMessage, error)
	PutSetting(ctx context.Context, name string, doc json.RawMessage) error

	BucketRecord(ctx context.Context, name string) (*catalog.Bucket, error)
	BucketRecords(ctx context.Context) ([]*catalog.Bucket, error) // in no order
	CreateBucketRecord(ctx context.Context, b *catalog.Bucket) error
	ChangeBucketRecord(ctx context.Context, name string, change func(*catalog.Bucket) error) error
	DeleteBucketRecord(ctx context.Context, name string, now time.Time) error

	// ObjectVersion returns a version of a key, "" is the newest; nil when there is none.
	ObjectVersion(ctx context.Context, bucket, key, version string) (*catalog.Version, error)
	// ObjectVersions returns lines of a list of the bucket with that ID.
	ObjectVersions(ctx context.Context, bucketID string, w catalog.Window) ([]catalog.Listed, error)
	// VersionSequence returns the sequence of a version, "" when it is not there.
	VersionSequence(ctx context.Context, bucketID, key, version string) (string, error)
	// ChangeObject makes the change that change returns, nil is none.
	ChangeObject(ctx context.Context, bucket, key, version string, change func(*catalog.Subject) (*catalog.Change, error)) error

	CreateUploadRecord(ctx context.Context, u catalog.Upload) error
	UploadRecord(ctx context.Context, bucket, key, id string) (catalog.Upload, error)
	UploadRecords(ctx context.Context, bucket string) ([]catalog.Upload, error) // by key, then by age
	PutPartRecord(ctx context.Context, bucket, key, id string, p catalog.Part, brings []catalog.Blob) error
	PartRecords(ctx context.Context, id string) ([]catalog.Part, error) // by number
	// CompleteUploadRecord makes the change and forgets the upload, or returns the
	// version that it made before.
	CompleteUploadRecord(ctx context.Context, bucket, key, id string, change func(*catalog.Subject, catalog.Upload, []catalog.Part) (*catalog.Change, error)) (made *catalog.Version, err error)
	AbortUploadRecord(ctx context.Context, bucket, key, id string, check func(catalog.Upload) error) error

	// TakeDroppedBlobs returns blobs that nothing named any more before that time; from
	// now on nothing can name them.
	TakeDroppedBlobs(ctx context.Context, before time.Time, limit int) ([]catalog.Blob, error)
	// ForgetBlobs drops the record of blobs that were taken, and are gone.
	ForgetBlobs(ctx context.Context, ids []string) error
	// KnownBlobs returns which of the blobs there is a record of.
	KnownBlobs(ctx context.Context, ids []string) (map[string]bool, error)
}
