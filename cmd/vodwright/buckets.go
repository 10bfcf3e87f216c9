package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/edge"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/worker"
)

// bucketObjects implements worker.Objects over the embedded buckets.
type bucketObjects struct{ store *object.Store }

// jobMetadata marks what a job published, so that it alone can be withdrawn.
const jobMetadata = "vodwright-job"

// Snapshot's pins are the ID of a version, a slash, and its ETag.
func (b bucketObjects) Snapshot(ctx context.Context, bucket, key, pin, dst string) (string, error) {
	version, etag := unpin(pin)
	info, err := b.store.Snapshot(ctx, bucket, key, version, dst)
	if fault.Is(err, fault.NotFound) && pin != "" {
		return "", fault.New(fault.Conflict, "", "it was removed: %w", err)
	}
	if err != nil {
		return "", err
	}
	if etag != "" && info.ETag != etag {
		return "", errors.Join(fault.New(fault.Conflict, "", "it was overwritten"), os.Remove(dst))
	}
	return pinOf(info), nil
}

func pinOf(i object.Info) string { return i.VersionID + "/" + i.ETag }

func unpin(pin string) (version, etag string) {
	version, etag, _ = strings.Cut(pin, "/")
	return version, etag
}

// pinned describes what a pin names, or what is there now when it is empty.
func pinned(ctx context.Context, store *object.Store, bucket, key, pin string) (object.Info, error) {
	version, etag := unpin(pin)
	info, err := store.Stat(ctx, bucket, key, version)
	if fault.Is(err, fault.NotFound) && pin != "" {
		return info, fault.New(fault.Conflict, "", "it was removed: %w", err)
	}
	if err == nil && etag != "" && info.ETag != etag {
		return info, fault.New(fault.Conflict, "", "it was overwritten")
	}
	return info, err
}

func (b bucketObjects) Writable(ctx context.Context, bucket, _ string) error {
	return b.store.HeadBucket(ctx, bucket)
}

func (b bucketObjects) Publish(ctx context.Context, out worker.Upload) error {
	_, err := b.store.Put(ctx, out.Bucket, out.Key, object.PutInput{
		Path: out.File, ContentType: out.ContentType, ContentEncoding: out.ContentEncoding, Metadata: map[string]string{jobMetadata: out.Job}, KeepEqual: true,
	})
	return err
}

func (b bucketObjects) Open(ctx context.Context, bucket, key string) (io.ReadCloser, int64, error) {
	r, info, err := b.store.Open(ctx, bucket, key, "")
	if err != nil {
		return nil, 0, err
	}
	return r, info.Size, nil
}

func (b bucketObjects) Withdraw(ctx context.Context, job, bucket, key string) error {
	_, err := b.store.DeleteIf(ctx, bucket, key, func(i object.Info) bool { return i.Metadata[jobMetadata] == job })
	return err
}

// bucketOrigin implements edge.Origin over the embedded buckets.
type bucketOrigin struct{ store *object.Store }

func edgeInfo(i object.Info) edge.Info {
	return edge.Info{
		Size: i.Size, ETag: i.ETag, LastModified: i.LastModified, ContentType: i.ContentType, CacheControl: i.CacheControl,
		ContentEncoding: i.ContentEncoding, ContentDisposition: i.ContentDisposition, ContentLanguage: i.ContentLanguage, Expires: i.Expires,
	}
}

// admit asks the bucket's policy: for the distribution where its origin access
// control signs, else for the public.
func (b bucketOrigin) admit(ctx context.Context, from edge.OriginRef, key string) error {
	if from.Signed {
		return b.store.MayService(ctx, "cloudfront.amazonaws.com", from.Distribution, "s3:GetObject", from.Bucket, key)
	}
	return b.store.Authorise(ctx, sigv4.Identity{}, "s3:GetObject", from.Bucket, key)
}

func (b bucketOrigin) Open(ctx context.Context, from edge.OriginRef, key string) (edge.Info, io.ReadSeekCloser, error) {
	if err := b.admit(ctx, from, key); err != nil {
		return edge.Info{}, nil, err
	}
	reader, info, err := b.store.Open(ctx, from.Bucket, key, "")
	if err != nil {
		return edge.Info{}, nil, err
	}
	if file := reader.File(); file != nil {
		return edgeInfo(info), file, nil // the reader is nothing but the file
	}
	return edgeInfo(info), reader, nil
}

func (b bucketOrigin) Stat(ctx context.Context, from edge.OriginRef, key string) (edge.Info, error) {
	if err := b.admit(ctx, from, key); err != nil {
		return edge.Info{}, err
	}
	info, err := b.store.Stat(ctx, from.Bucket, key, "")
	return edgeInfo(info), err
}

func (b bucketOrigin) CORS(ctx context.Context, bucket string) ([]edge.CORSRule, error) {
	rules, err := b.store.CORS(ctx, bucket)
	out := make([]edge.CORSRule, len(rules))
	for i, r := range rules {
		out[i] = edge.CORSRule(r)
	}
	return out, err
}

// logBuckets implements accesslog.Bucket over the embedded buckets. Logs are the
// bucket owner's objects: log delivery needs no rights of a viewer or a user.
type logBuckets struct{ store *object.Store }

func (b logBuckets) PutLog(ctx context.Context, bucket, key, path string) error {
	_, err := b.store.Put(ctx, bucket, key, object.PutInput{Path: path, ContentType: "application/x-gzip"})
	return err
}
