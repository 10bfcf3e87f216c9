package gateway

import (
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/object/catalog"
)

// origin is what x-amz-copy-source names.
type origin struct{ bucket, key, version string }

// copySource opens what x-amz-copy-source names.
func (b *backEnd) copySource(ctx context.Context, source, owner *string, match, noneMatch *string, since, unmodified *time.Time) (Reader, catalog.Version, origin, error) {
	none := catalog.Version{}
	bucket, key, version, err := backend.ParseCopySource(text(source))
	from := origin{bucket, key, version}
	if err != nil {
		return nil, none, from, err
	}
	if text(owner) != "" && text(owner) != b.account {
		return nil, none, from, s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	r, v, err := b.engine.Open(lasting(ctx), bucket, key, version)
	if err != nil {
		return nil, none, from, b.readFault(ctx, bucket, key, version, err)
	}
	if checkRead(v, match, noneMatch, since, unmodified) != nil {
		r.Close()
		return nil, none, from, s3err.GetAPIError(s3err.ErrPreconditionFailed)
	}
	return r, v, from, nil
}

func (b *backEnd) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	var out s3response.CopyObjectOutput
	bucket, key := text(in.Bucket), text(in.Key)
	if err := b.writable(ctx, bucket, key); err != nil {
		return out, err
	}
	if in.ObjectLockMode != "" || in.ObjectLockLegalHoldStatus != "" {
		return out, notImplemented("Object Lock")
	}
	r, source, from, err := b.copySource(ctx, in.CopySource, in.ExpectedSourceBucketOwner,
		in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince)
	if err != nil {
		return out, err
	}
	defer r.Close()
	if source.Size > maxObjectBytes {
		return out, s3err.GetCopySourceObjectTooLargeErr(maxObjectBytes)
	}
	replace := in.MetadataDirective == types.MetadataDirectiveReplace
	if from == (origin{bucket, key, ""}) && !replace {
		return out, s3err.GetAPIError(s3err.ErrInvalidCopyDest)
	}
	p := source.Properties
	p.WebsiteRedirect = text(in.WebsiteRedirectLocation)
	if replace {
		p.ContentType, p.ContentEncoding, p.ContentDisposition = text(in.ContentType), text(in.ContentEncoding), text(in.ContentDisposition)
		p.ContentLanguage, p.CacheControl, p.Expires = text(in.ContentLanguage), text(in.CacheControl), text(in.Expires)
		p.Metadata = cloned(in.Metadata)
	}
	if in.TaggingDirective == types.TaggingDirectiveReplace {
		tags, err := backend.ParseObjectTags(text(in.Tagging))
		if err != nil {
			return out, err
		}
		p.Tags = cloned(tags)
	}
	if a := string(in.ChecksumAlgorithm); a != "" && (a != p.Checksum.Algorithm || p.Checksum.Type != fullObject) {
		sum, err := sumBody(&objectBody{r: r, left: source.Size}, nil, a)
		if err == nil {
			_, err = io.Copy(io.Discard, sum)
		}
		if err != nil {
			return out, b.fail(ctx, err)
		}
		p.Checksum = sum.checksum()
	}
	staged, err := b.engine.StageCopy(lasting(ctx), r, source)
	if err != nil {
		return out, b.fail(ctx, err)
	}
	defer staged.Discard()
	v, err := staged.Publish(lasting(ctx), catalog.Publish{Bucket: bucket, Key: key, Properties: p, Event: event.ObjectCreatedCopy, Request: requestOf(ctx)})
	if err != nil {
		return out, b.fail(ctx, err)
	}
	result := &s3response.CopyObjectResult{ETag: quoted(v.ETag), LastModified: ptr(v.LastModified())}
	setChecksum(result, p.Checksum)
	out.CopyObjectResult = result
	out.CopySourceVersionId = given(from.version)
	if id := b.versionID(ctx, bucket, v); id != catalog.NullVersion {
		out.VersionId = given(id)
	}
	return out, nil
}
