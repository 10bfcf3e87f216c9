package gateway

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"vodwright.dev/vodwright/internal/object/catalog"
)

// encoding is the encoding-type of a list, which versitygw leaves out: without
// it a key that XML can not hold breaks the list.
type encoding struct{ url bool }

func encodingOf(ctx context.Context) encoding {
	c, ok := ctx.(*fasthttp.RequestCtx)
	return encoding{url: ok && string(c.QueryArgs().Peek("encoding-type")) == "url"}
}

func (e encoding) kind() types.EncodingType {
	if e.url {
		return types.EncodingTypeUrl
	}
	return ""
}

// text returns s as it stands in the list; nil for an empty one.
func (e encoding) text(s string) *string {
	if e.url {
		s = awsPath(s)
	}
	return given(s)
}

func (e encoding) prefixes(in []string) []types.CommonPrefix {
	var out []types.CommonPrefix
	for _, p := range in {
		out = append(out, types.CommonPrefix{Prefix: e.text(p)})
	}
	return out
}

func (b *backEnd) list(ctx context.Context, e encoding, bucket string, in catalog.ListInput, owner bool) (catalog.Page, []s3response.Object, error) {
	page, err := b.engine.List(lasting(ctx), bucket, in)
	if err != nil {
		return page, nil, b.fail(ctx, err)
	}
	objects := make([]s3response.Object, 0, len(page.Items))
	for _, l := range page.Items {
		o := s3response.Object{
			Key: e.text(l.Key), ETag: quoted(l.Version.ETag), Size: ptr(l.Version.Size), LastModified: ptr(l.Version.LastModified()),
			StorageClass: types.ObjectStorageClassStandard, ChecksumType: types.ChecksumType(l.Version.Properties.Checksum.Type),
		}
		if a := l.Version.Properties.Checksum.Algorithm; a != "" {
			o.ChecksumAlgorithm = []types.ChecksumAlgorithm{types.ChecksumAlgorithm(a)}
		}
		if owner {
			o.Owner = &types.Owner{ID: &b.account}
		}
		objects = append(objects, o)
	}
	return page, objects, nil
}

func (b *backEnd) ListObjects(ctx context.Context, in *s3.ListObjectsInput) (s3response.ListObjectsResult, error) {
	e := encodingOf(ctx)
	page, objects, err := b.list(ctx, e, text(in.Bucket), catalog.ListInput{
		Prefix: text(in.Prefix), Delimiter: text(in.Delimiter), After: text(in.Marker), Max: int(*in.MaxKeys),
	}, true)
	if err != nil {
		return s3response.ListObjectsResult{}, err
	}
	out := s3response.ListObjectsResult{
		Name: ptr(text(in.Bucket)), Prefix: e.text(text(in.Prefix)), Marker: e.text(text(in.Marker)), Delimiter: e.text(text(in.Delimiter)),
		MaxKeys: in.MaxKeys, IsTruncated: &page.More, Contents: objects, CommonPrefixes: e.prefixes(page.CommonPrefixes), EncodingType: e.kind(),
	}
	if page.More {
		out.NextMarker = e.text(page.After)
	}
	return out, nil
}

func (b *backEnd) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	e := encodingOf(ctx)
	after := text(in.StartAfter)
	if t := text(in.ContinuationToken); t != "" {
		key, err := base64.RawURLEncoding.DecodeString(t)
		if err != nil {
			return s3response.ListObjectsV2Result{}, s3err.APIError{Code: "InvalidArgument", Description: "The continuation token provided is incorrect", HTTPStatusCode: 400}
		}
		after = string(key)
	}
	page, objects, err := b.list(ctx, e, text(in.Bucket), catalog.ListInput{
		Prefix: text(in.Prefix), Delimiter: text(in.Delimiter), After: after, Max: int(*in.MaxKeys),
	}, in.FetchOwner != nil && *in.FetchOwner)
	if err != nil {
		return s3response.ListObjectsV2Result{}, err
	}
	out := s3response.ListObjectsV2Result{
		Name: ptr(text(in.Bucket)), Prefix: e.text(text(in.Prefix)), StartAfter: e.text(text(in.StartAfter)), ContinuationToken: given(text(in.ContinuationToken)),
		Delimiter: e.text(text(in.Delimiter)), MaxKeys: in.MaxKeys, IsTruncated: &page.More, Contents: objects,
		CommonPrefixes: e.prefixes(page.CommonPrefixes), KeyCount: ptr(int32(len(objects) + len(page.CommonPrefixes))), EncodingType: e.kind(),
	}
	if page.More {
		out.NextContinuationToken = ptr(base64.RawURLEncoding.EncodeToString([]byte(page.After)))
	}
	return out, nil
}

func (b *backEnd) ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput) (s3response.ListVersionsResult, error) {
	e := encodingOf(ctx)
	page, err := b.engine.ListVersions(lasting(ctx), text(in.Bucket), catalog.ListInput{
		Prefix: text(in.Prefix), Delimiter: text(in.Delimiter), After: text(in.KeyMarker), AfterVersion: text(in.VersionIdMarker), Max: int(*in.MaxKeys),
	})
	if err != nil {
		return s3response.ListVersionsResult{}, b.fail(ctx, err)
	}
	out := s3response.ListVersionsResult{
		Name: ptr(text(in.Bucket)), Prefix: e.text(text(in.Prefix)), KeyMarker: e.text(text(in.KeyMarker)), VersionIdMarker: given(text(in.VersionIdMarker)),
		Delimiter: e.text(text(in.Delimiter)), MaxKeys: in.MaxKeys, IsTruncated: &page.More, CommonPrefixes: e.prefixes(page.CommonPrefixes), EncodingType: e.kind(),
	}
	for _, l := range page.Items {
		v := l.Version
		if v.Marker {
			out.DeleteMarkers = append(out.DeleteMarkers, types.DeleteMarkerEntry{
				Key: e.text(l.Key), VersionId: &v.ID, IsLatest: ptr(l.Latest), LastModified: ptr(v.LastModified()), Owner: &types.Owner{ID: &b.account},
			})
			continue
		}
		o := s3response.ObjectVersion{
			Key: e.text(l.Key), VersionId: &v.ID, IsLatest: ptr(l.Latest), LastModified: ptr(v.LastModified()), ETag: quoted(v.ETag), Size: &v.Size,
			StorageClass: types.ObjectVersionStorageClassStandard, ChecksumType: types.ChecksumType(v.Properties.Checksum.Type), Owner: &types.Owner{ID: &b.account},
		}
		if a := v.Properties.Checksum.Algorithm; a != "" {
			o.ChecksumAlgorithm = []types.ChecksumAlgorithm{types.ChecksumAlgorithm(a)}
		}
		out.Versions = append(out.Versions, o)
	}
	if page.More {
		out.NextKeyMarker, out.NextVersionIdMarker = e.text(page.After), given(page.AfterVersion)
	}
	return out, nil
}

func (b *backEnd) ListMultipartUploads(ctx context.Context, in *s3.ListMultipartUploadsInput) (s3response.ListMultipartUploadsResult, error) {
	prefix, delimiter, keyMarker, idMarker := text(in.Prefix), text(in.Delimiter), text(in.KeyMarker), text(in.UploadIdMarker)
	limit := int(*in.MaxUploads)
	out := s3response.ListMultipartUploadsResult{
		Bucket: text(in.Bucket), Prefix: prefix, Delimiter: delimiter, KeyMarker: keyMarker, UploadIDMarker: idMarker, MaxUploads: limit,
	}
	uploads, err := b.engine.Uploads(lasting(ctx), text(in.Bucket))
	if err != nil {
		return out, b.fail(ctx, err)
	}
	if limit == 0 {
		return out, nil
	}
	group := ""
	if delimiter != "" && strings.HasSuffix(keyMarker, delimiter) && strings.HasPrefix(keyMarker, prefix) {
		group = keyMarker // a common prefix ended the last page
	}
	for _, u := range uploads {
		past := u.Key > keyMarker || u.Key == keyMarker && idMarker != "" && u.ID > idMarker
		if !strings.HasPrefix(u.Key, prefix) || !past || group != "" && strings.HasPrefix(u.Key, group) {
			continue
		}
		if len(out.Uploads)+len(out.CommonPrefixes) == limit {
			out.IsTruncated = true
			return out, nil
		}
		if i := strings.Index(u.Key[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			group = u.Key[:len(prefix)+i+len(delimiter)]
			out.CommonPrefixes = append(out.CommonPrefixes, s3response.CommonPrefix{Prefix: group})
			out.NextKeyMarker, out.NextUploadIDMarker = group, ""
			continue
		}
		sum := u.Properties.Checksum
		out.Uploads = append(out.Uploads, s3response.Upload{
			Key: u.Key, UploadID: u.ID, StorageClass: types.StorageClassStandard, Initiated: u.InitiatedAt(),
			Owner: s3response.Owner{ID: b.account}, Initiator: s3response.Initiator{ID: b.account},
			ChecksumAlgorithm: types.ChecksumAlgorithm(sum.Algorithm), ChecksumType: types.ChecksumType(sum.Type),
		})
		out.NextKeyMarker, out.NextUploadIDMarker = u.Key, u.ID
	}
	return out, nil
}
