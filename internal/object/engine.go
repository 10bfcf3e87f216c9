package object

import (
	"context"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/object/catalog"
	"vodwright.dev/vodwright/internal/object/disk"
	"vodwright.dev/vodwright/internal/object/gateway"
	"vodwright.dev/vodwright/internal/object/remote"
)

// engine is what keeps the buckets, for S3's requests and for the house.
type engine interface {
	gateway.Engine
	// StageFile begins an object with a regular file, which it may move away. The caller
	// must not write to the file again.
	StageFile(ctx context.Context, path string) (gateway.Staged, error)
	// Expire is Delete by a rule of the bucket's lifecycle configuration; check also
	// sees whether the version is the key's newest.
	Expire(ctx context.Context, bucket, key, version string, check func(v *catalog.Version, latest bool) error) (catalog.Deleted, error)
	// Snapshot makes dst, an absolute path that must not exist, a file with the bytes of
	// a version that nobody writes to.
	Snapshot(ctx context.Context, bucket, key, version, dst string) (catalog.Version, error)
	// Ping returns an error while the bytes cannot be reached.
	Ping(ctx context.Context) error
	// Run hands over events and tidies up until ctx ends.
	Run(ctx context.Context) error
	// Close is called after Run returned and requests ended.
	Close() error
}

// diskEngine is the disk's engine, which needs no context.
type diskEngine struct{ *disk.Engine }

// External is where in an external S3 the bytes are; ParseExternal reads it.
type External = remote.External

// Index is the records of buckets and objects whose bytes are there.
type Index = remote.Index

// ParseExternal reads http(s)://KEY:SECRET@HOST/BUCKET/PREFIX or s3://BUCKET/PREFIX.
func ParseExternal(text string) (External, error) { return remote.ParseExternal(text) }

func openEngine(ctx context.Context, cfg Config) (engine, error) {
	if cfg.External != nil {
		e, err := remote.Open(ctx, remote.Config{External: *cfg.External, Index: cfg.Index, Dir: cfg.Dir, Logger: cfg.Logger})
		if err != nil {
			return nil, err
		}
		return remoteEngine{e}, nil
	}
	e, err := disk.Open(ctx, disk.Config{Dir: cfg.Dir, Events: cfg.Events, Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	return diskEngine{e}, nil
}

// Ping has nothing to ask.
func (diskEngine) Ping(context.Context) error { return nil }

func (e diskEngine) CreateBucket(_ context.Context, name string, v catalog.Versioning, documents map[string][]byte) (*catalog.Bucket, error) {
	return e.Engine.CreateBucket(name, v, documents)
}

func (e diskEngine) Bucket(_ context.Context, name string) (*catalog.Bucket, error) {
	return e.Engine.Bucket(name)
}

func (e diskEngine) Buckets(context.Context) ([]*catalog.Bucket, error) {
	return e.Engine.Buckets(), nil
}

func (e diskEngine) ChangeBucket(_ context.Context, name string, change func(*catalog.Bucket) error) error {
	return e.Engine.ChangeBucket(name, change)
}

func (e diskEngine) DeleteBucket(_ context.Context, name string) error {
	return e.Engine.DeleteBucket(name)
}

func (e diskEngine) Stat(_ context.Context, bucket, key, version string) (catalog.Version, error) {
	return e.Engine.Stat(bucket, key, version)
}

func (e diskEngine) Open(_ context.Context, bucket, key, version string) (gateway.Reader, catalog.Version, error) {
	r, err := e.Engine.Open(bucket, key, version)
	if err != nil {
		return nil, r.Version, err
	}
	return r, r.Version, nil
}

func (e diskEngine) List(_ context.Context, bucket string, in catalog.ListInput) (catalog.Page, error) {
	return e.Engine.List(bucket, in)
}

func (e diskEngine) ListVersions(_ context.Context, bucket string, in catalog.ListInput) (catalog.Page, error) {
	return e.Engine.ListVersions(bucket, in)
}

func (e diskEngine) Stage(context.Context) (gateway.Staged, error) { return e.staged(e.Engine.Stage()) }

func (e diskEngine) StageFile(_ context.Context, path string) (gateway.Staged, error) {
	return e.staged(e.Engine.StageFile(path))
}

func (e diskEngine) StageCopy(_ context.Context, source gateway.Reader, _ catalog.Version) (gateway.Staged, error) {
	return e.staged(e.Engine.StageCopy(source.(*disk.Reader)))
}

func (diskEngine) staged(s *disk.Staged, err error) (gateway.Staged, error) {
	if err != nil {
		return nil, err
	}
	return diskStaged{s}, nil
}

func (e diskEngine) Delete(_ context.Context, by event.Request, bucket, key, version string, check func(*catalog.Version) error) (catalog.Deleted, error) {
	return e.DeleteFor(by, bucket, key, version, check)
}

func (e diskEngine) Expire(_ context.Context, bucket, key, version string, check func(*catalog.Version, bool) error) (catalog.Deleted, error) {
	return e.Engine.Expire(bucket, key, version, check)
}

func (e diskEngine) SetTags(_ context.Context, bucket, key, version string, tags map[string]string) error {
	return e.Engine.SetTags(bucket, key, version, tags)
}

func (e diskEngine) CreateUpload(_ context.Context, bucket, key string, props catalog.Properties) (catalog.Upload, error) {
	return e.Engine.CreateUpload(bucket, key, props)
}

func (e diskEngine) UploadRecord(_ context.Context, bucket, key, id string) (catalog.Upload, error) {
	return e.Engine.UploadRecord(bucket, key, id)
}

func (e diskEngine) Upload(_ context.Context, bucket, key, id string) (catalog.Upload, []catalog.Part, error) {
	return e.Engine.Upload(bucket, key, id)
}

func (e diskEngine) Uploads(_ context.Context, bucket string) ([]catalog.Upload, error) {
	return e.Engine.Uploads(bucket)
}

func (e diskEngine) CompleteUpload(_ context.Context, bucket, key, id string, choose func(catalog.Upload, []catalog.Part) (catalog.Completion, error)) (catalog.Version, bool, error) {
	return e.Engine.CompleteUpload(bucket, key, id, choose)
}

func (e diskEngine) AbortUpload(_ context.Context, bucket, key, id string, check func(catalog.Upload) error) error {
	return e.Engine.AbortUpload(bucket, key, id, check)
}

// diskStaged is what the disk stages, likewise.
type diskStaged struct{ *disk.Staged }

func (s diskStaged) Publish(_ context.Context, p catalog.Publish) (catalog.Version, error) {
	return s.Staged.Publish(p)
}

func (s diskStaged) PutPart(_ context.Context, bucket, key, id string, number int, sum catalog.Checksum) (catalog.Part, error) {
	return s.Staged.PutPart(bucket, key, id, number, sum)
}

// remoteEngine is the engine over an external S3.
type remoteEngine struct{ *remote.Engine }

func (e remoteEngine) Open(ctx context.Context, bucket, key, version string) (gateway.Reader, catalog.Version, error) {
	r, v, err := e.Engine.Open(ctx, bucket, key, version)
	if err != nil {
		return nil, v, err
	}
	return r, v, nil
}

func (e remoteEngine) Stage(ctx context.Context) (gateway.Staged, error) {
	return e.staged(e.Engine.Stage(ctx))
}

func (e remoteEngine) StageFile(ctx context.Context, path string) (gateway.Staged, error) {
	return e.staged(e.Engine.StageFile(ctx, path))
}

func (e remoteEngine) StageCopy(ctx context.Context, _ gateway.Reader, of catalog.Version) (gateway.Staged, error) {
	return e.staged(e.Engine.StageCopy(ctx, of))
}

func (remoteEngine) staged(s *remote.Staged, err error) (gateway.Staged, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
