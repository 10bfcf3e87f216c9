package gateway

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
)

func itoa(n int) string { return strconv.Itoa(n) }

// text returns a copy of what p points to: strings of a request live in memory
// that the next request uses again.
func text(p *string) string {
	if p == nil {
		return ""
	}
	return strings.Clone(*p)
}

// given returns nil for an empty string, as S3's shapes leave fields out.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func ptr[T any](v T) *T { return &v }

func quoted(etag string) *string { return ptr(`"` + etag + `"`) }

func cloned(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[strings.Clone(k)] = strings.Clone(v)
	}
	return out
}

// versionID returns what S3 shows as v's id: nothing in a bucket that never had
// versioning.
func (b *backEnd) versionID(ctx context.Context, bucket string, v catalog.Version) string {
	if v.ID != catalog.NullVersion {
		return v.ID
	}
	if k, err := b.engine.Bucket(lasting(ctx), bucket); err == nil && k.Versioning == "" {
		return ""
	}
	return v.ID
}

// writeCheck evaluates a write's preconditions on the current version.
func writeCheck(ifMatch, ifNoneMatch *string) func(*catalog.Version) error {
	if ifMatch == nil && ifNoneMatch == nil {
		return nil
	}
	m, n := ifMatch, ifNoneMatch
	return func(current *catalog.Version) error {
		etag := ""
		if current != nil {
			etag = current.ETag
		}
		return backend.EvaluateObjectPutPreconditions(etag, m, n, current != nil)
	}
}

// checkNow evaluates a write's preconditions before its body is read; they are
// evaluated again where it counts.
func (b *backEnd) checkNow(ctx context.Context, bucket, key string, check func(*catalog.Version) error) error {
	if check == nil {
		return nil
	}
	v, err := b.engine.Stat(lasting(ctx), bucket, key, "")
	if err != nil {
		if expected(err) {
			return check(nil)
		}
		return b.fail(ctx, err)
	}
	return check(&v)
}

// expected reports whether err says what there is, and not that nobody knows.
func expected(err error) bool {
	k := fault.KindOf(err)
	return k == fault.NotFound || k == fault.Invalid
}

// creation names the event of a PutObject: a form upload is one too.
func creation(ctx context.Context) event.Name {
	if c, ok := ctx.(*fasthttp.RequestCtx); ok && c.IsPost() {
		return event.ObjectCreatedPost
	}
	return event.ObjectCreatedPut
}

// whoKey finds the ARN of who asks in the context of a request.
type whoKey struct{}

// maxLineage bounds the trace header that an event keeps.
const maxLineage = 4096

// requestOf says what an event tells of the request that makes it.
func requestOf(ctx context.Context) event.Request {
	c, ok := ctx.(*fasthttp.RequestCtx)
	if !ok {
		return event.Request{}
	}
	who, _ := c.UserValue(whoKey{}).(string)
	r := event.Request{ID: string(c.Response.Header.Peek("x-amz-request-id")), Requester: who}
	if a := c.RemoteIP(); a != nil {
		r.SourceIP = a.String()
	}
	if trace := c.Request.Header.Peek("X-Amzn-Trace-Id"); len(trace) <= maxLineage {
		r.Lineage = string(trace)
	}
	return r
}

func (b *backEnd) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	var out s3response.PutObjectOutput
	bucket, key := text(in.Bucket), text(in.Key)
	if err := b.writable(ctx, bucket, key); err != nil {
		return out, err
	}
	if in.ObjectLockMode != "" || in.ObjectLockLegalHoldStatus != "" {
		return out, notImplemented("Object Lock")
	}
	tags, err := backend.ParseObjectTags(text(in.Tagging))
	if err != nil {
		return out, err
	}
	check := writeCheck(in.IfMatch, in.IfNoneMatch)
	if err := b.checkNow(ctx, bucket, key, check); err != nil {
		return out, err
	}
	body, err := sumBody(in.Body, givenChecksums(in), string(in.ChecksumAlgorithm))
	if err != nil {
		return out, b.fail(ctx, err)
	}
	staged, err := b.receive(ctx, body)
	if err != nil {
		return out, b.fail(ctx, err)
	}
	defer staged.Discard()
	v, err := staged.Publish(lasting(ctx), catalog.Publish{
		Bucket: bucket, Key: key, Event: creation(ctx), Request: requestOf(ctx), Check: check,
		Properties: catalog.Properties{
			ContentType: text(in.ContentType), ContentEncoding: text(in.ContentEncoding), ContentDisposition: text(in.ContentDisposition),
			ContentLanguage: text(in.ContentLanguage), CacheControl: text(in.CacheControl), Expires: text(in.Expires),
			WebsiteRedirect: text(in.WebsiteRedirectLocation), Metadata: cloned(in.Metadata), Tags: cloned(tags), Checksum: body.checksum(),
		},
	})
	if err != nil {
		return out, b.fail(ctx, err)
	}
	out = s3response.PutObjectOutput{ETag: *quoted(v.ETag), Size: &v.Size}
	if id := b.versionID(ctx, bucket, v); id != catalog.NullVersion {
		out.VersionID = id
	}
	setChecksum(&out, v.Properties.Checksum)
	return out, nil
}

// writable returns the error that any write of the key gives.
func (b *backEnd) writable(ctx context.Context, bucket, key string) error {
	if _, err := b.bucket(ctx, bucket); err != nil {
		return err
	}
	return b.fail(ctx, catalog.CheckKey(key))
}

// receive puts a body in a staged blob.
func (b *backEnd) receive(ctx context.Context, body io.Reader) (Staged, error) {
	staged, err := b.engine.Stage(lasting(ctx))
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(staged, body); err != nil {
		staged.Discard()
		return nil, err
	}
	return staged, nil
}

// readFault returns the protocol's error for a version that can not be read.
func (b *backEnd) readFault(ctx context.Context, bucket, key, version string, err error) error {
	if version != "" && !validVersionID(version) {
		return s3err.GetInvalidArgumentErr(s3err.InvalidArgVersionId, version)
	}
	return b.fail(ctx, err)
}

// validVersionID reports whether an id could be one of ours.
func validVersionID(id string) bool {
	if id == catalog.NullVersion {
		return true
	}
	return len(id) == 26 && strings.Trim(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == ""
}

// span is what part of an object a request asks for.
type span struct {
	off, length  int64
	contentRange *string
	parts        *int32
}

func spanOf(v catalog.Version, rng *string, part *int32) (span, error) {
	if part == nil {
		off, n, partial, err := backend.ParseObjectRange(v.Size, text(rng))
		if err != nil {
			return span{}, err
		}
		s := span{off: off, length: n}
		if partial {
			s.contentRange = ptr(fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, v.Size))
		}
		return s, nil
	}
	sizes := v.PartSizes
	if len(sizes) == 0 {
		sizes = []int64{v.Size}
	}
	if int(*part) > len(sizes) {
		return span{}, s3err.GetInvalidPartNumberRangeErr(int32(len(sizes)), *part)
	}
	s := span{length: sizes[*part-1]}
	for _, n := range sizes[:*part-1] {
		s.off += n
	}
	if len(v.PartSizes) > 0 {
		s.parts = ptr(int32(len(sizes)))
	}
	if s.length > 0 {
		s.contentRange = ptr(fmt.Sprintf("bytes %d-%d/%d", s.off, s.off+s.length-1, v.Size))
	}
	return s, nil
}

// checkRead evaluates a read's preconditions. Source: RFC 9110, section 13.2.2.
func checkRead(v catalog.Version, match, noneMatch *string, since, unmodified *time.Time) error {
	modified := v.LastModified().Truncate(time.Second) // HTTP dates have whole seconds
	switch {
	case match != nil && !namesETag(*match, v.ETag):
		return s3err.GetPreconditionFailedErr(s3err.ConditionIfMatch)
	case match == nil && unmodified != nil && modified.After(*unmodified):
		return s3err.GetPreconditionFailedErr(s3err.ConditionIfUnmodifiedSince)
	case noneMatch != nil && namesETag(*noneMatch, v.ETag),
		noneMatch == nil && since != nil && !modified.After(*since):
		return s3err.GetAPIError(s3err.ErrNotModified)
	}
	return nil
}

// namesETag reports whether an If-Match or If-None-Match list has the ETag.
func namesETag(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.Trim(strings.TrimPrefix(strings.TrimSpace(one), "W/"), `"`)
		if one == "*" || one == etag {
			return true
		}
	}
	return false
}

func tagCount(v catalog.Version) *int32 {
	if n := int32(len(v.Properties.Tags)); n > 0 {
		return &n
	}
	return nil
}

func (b *backEnd) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	bucket, key, version := text(in.Bucket), text(in.Key), text(in.VersionId)
	v, err := b.engine.Stat(lasting(ctx), bucket, key, version)
	if err != nil {
		var out *s3.HeadObjectOutput
		if v.Marker {
			out = &s3.HeadObjectOutput{DeleteMarker: ptr(true), LastModified: ptr(v.LastModified())}
		}
		return out, b.readFault(ctx, bucket, key, version, err)
	}
	if err := checkRead(v, in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince); err != nil {
		return nil, err
	}
	s, err := spanOf(v, in.Range, in.PartNumber)
	if err != nil {
		return nil, err
	}
	p := v.Properties
	out := &s3.HeadObjectOutput{
		AcceptRanges: ptr("bytes"), ContentLength: &s.length, ContentRange: s.contentRange, PartsCount: s.parts,
		ContentType: given(p.ContentType), ContentEncoding: given(p.ContentEncoding), ContentDisposition: given(p.ContentDisposition),
		ContentLanguage: given(p.ContentLanguage), CacheControl: given(p.CacheControl), ExpiresString: given(p.Expires),
		WebsiteRedirectLocation: given(p.WebsiteRedirect), ETag: quoted(v.ETag), LastModified: ptr(v.LastModified()),
		Metadata: p.Metadata, StorageClass: types.StorageClassStandard, TagCount: tagCount(v), VersionId: given(b.versionID(ctx, bucket, v)),
	}
	if in.ChecksumMode == types.ChecksumModeEnabled && s.length == v.Size {
		setChecksum(out, p.Checksum)
	}
	return out, nil
}

func (b *backEnd) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	bucket, key, version := text(in.Bucket), text(in.Key), text(in.VersionId)
	r, v, err := b.engine.Open(lasting(ctx), bucket, key, version)
	if err != nil {
		var out *s3.GetObjectOutput
		if v.Marker {
			out = &s3.GetObjectOutput{DeleteMarker: ptr(true), LastModified: ptr(v.LastModified())}
		}
		return out, b.readFault(ctx, bucket, key, version, err)
	}
	err = checkRead(v, in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince)
	var s span
	if err == nil {
		s, err = spanOf(v, in.Range, in.PartNumber)
	}
	if err == nil {
		if err = r.Begin(s.off, s.length); err != nil {
			err = b.fail(ctx, err)
		}
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	p := v.Properties
	out := &s3.GetObjectOutput{
		AcceptRanges: ptr("bytes"), ContentLength: &s.length, ContentRange: s.contentRange, PartsCount: s.parts,
		ContentType: given(p.ContentType), ContentEncoding: given(p.ContentEncoding), ContentDisposition: given(p.ContentDisposition),
		ContentLanguage: given(p.ContentLanguage), CacheControl: given(p.CacheControl), ExpiresString: given(p.Expires),
		WebsiteRedirectLocation: given(p.WebsiteRedirect), ETag: quoted(v.ETag), LastModified: ptr(v.LastModified()),
		Metadata: p.Metadata, StorageClass: types.StorageClassStandard, TagCount: tagCount(v), VersionId: given(b.versionID(ctx, bucket, v)),
		Body: &objectBody{r: r, off: s.off, left: s.length},
	}
	if in.ChecksumMode == types.ChecksumModeEnabled && s.length == v.Size {
		setChecksum(out, p.Checksum)
	}
	return out, nil
}

// objectBody is a span of an object on its way to a client.
type objectBody struct {
	r         Reader
	off, left int64
}

// WriteTo implements io.WriterTo: to a TCP connection by sendfile.
func (o *objectBody) WriteTo(w io.Writer) (int64, error) {
	n, err := o.r.WriteRange(w, o.off, o.left)
	o.off, o.left = o.off+n, o.left-n
	return n, err
}

// Read implements io.Reader, for writers that WriteTo is not asked for.
func (o *objectBody) Read(p []byte) (int, error) {
	if o.left <= 0 {
		return 0, io.EOF
	}
	n, err := o.r.ReadAt(p[:min(int64(len(p)), o.left)], o.off)
	o.off, o.left = o.off+int64(n), o.left-int64(n)
	if err == io.EOF && o.left == 0 {
		err = nil
	}
	return n, err
}

// Close implements io.Closer.
func (o *objectBody) Close() error { return o.r.Close() }

func (b *backEnd) GetObjectAttributes(ctx context.Context, in *s3.GetObjectAttributesInput) (s3response.GetObjectAttributesResponse, error) {
	bucket, key, version := text(in.Bucket), text(in.Key), text(in.VersionId)
	v, err := b.engine.Stat(lasting(ctx), bucket, key, version)
	if err != nil {
		var out s3response.GetObjectAttributesResponse
		if v.Marker {
			out.DeleteMarker = ptr(true)
		}
		return out, b.readFault(ctx, bucket, key, version, err)
	}
	sum := new(types.Checksum)
	setChecksum(sum, v.Properties.Checksum)
	out := s3response.GetObjectAttributesResponse{
		ETag: &v.ETag, ObjectSize: &v.Size, StorageClass: types.StorageClassStandard, LastModified: ptr(v.LastModified()),
		VersionId: given(b.versionID(ctx, bucket, v)), Checksum: sum,
	}
	return out, nil
}

func (b *backEnd) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	bucket, key, version := text(in.Bucket), text(in.Key), text(in.VersionId)
	if version != "" && !validVersionID(version) {
		return nil, s3err.GetInvalidArgumentErr(s3err.InvalidArgVersionId, version)
	}
	var check func(*catalog.Version) error
	if in.IfMatch != nil || in.IfMatchLastModifiedTime != nil || in.IfMatchSize != nil {
		check = func(v *catalog.Version) error {
			return backend.EvaluateObjectDeletePreconditions(v.ETag, v.LastModified(), v.Size, backend.ObjectDeletePreconditions{
				IfMatch: in.IfMatch, IfMatchLastModTime: in.IfMatchLastModifiedTime, IfMatchSize: in.IfMatchSize,
			})
		}
	}
	d, err := b.engine.Delete(lasting(ctx), requestOf(ctx), bucket, key, version, check)
	if err != nil {
		return nil, b.fail(ctx, err)
	}
	out := &s3.DeleteObjectOutput{VersionId: given(d.VersionID)}
	if d.Marker {
		out.DeleteMarker = ptr(true)
	}
	return out, nil
}

func (b *backEnd) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	var out s3response.DeleteResult
	if _, err := b.bucket(ctx, text(in.Bucket)); err != nil {
		return out, err
	}
	// Without a decision nothing is allowed.
	allow, _ := ctx.Value(allowKey{}).(func(action, key string) error)
	if allow == nil {
		return out, s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	for _, o := range in.Delete.Objects {
		action := "s3:DeleteObject"
		if text(o.VersionId) != "" {
			action = "s3:DeleteObjectVersion"
		}
		if err := allow(action, text(o.Key)); err != nil {
			out.Error = append(out.Error, s3err.ObjectDeleteError(o.Key, o.VersionId, b.fail(ctx, err)))
			continue
		}
		d, err := b.DeleteObject(ctx, &s3.DeleteObjectInput{
			Bucket: in.Bucket, Key: o.Key, VersionId: o.VersionId,
			IfMatch: o.ETag, IfMatchLastModifiedTime: o.LastModifiedTime, IfMatchSize: o.Size,
		})
		if err != nil {
			out.Error = append(out.Error, s3err.ObjectDeleteError(o.Key, o.VersionId, err))
			continue
		}
		done := types.DeletedObject{Key: o.Key, VersionId: o.VersionId, DeleteMarker: d.DeleteMarker}
		if d.DeleteMarker != nil {
			done.DeleteMarkerVersionId = d.VersionId
		}
		out.Deleted = append(out.Deleted, done)
	}
	return out, nil
}

func (b *backEnd) GetObjectTagging(ctx context.Context, bucket, key, version string) (map[string]string, error) {
	v, err := b.engine.Stat(lasting(ctx), bucket, key, version)
	if err != nil {
		return nil, b.readFault(ctx, bucket, key, version, err)
	}
	if v.Properties.Tags == nil {
		return map[string]string{}, nil
	}
	return v.Properties.Tags, nil
}

func (b *backEnd) PutObjectTagging(ctx context.Context, bucket, key, version string, tags map[string]string) error {
	err := b.engine.SetTags(lasting(ctx), strings.Clone(bucket), strings.Clone(key), strings.Clone(version), cloned(tags))
	if err != nil {
		return b.readFault(ctx, bucket, key, version, err)
	}
	return nil
}

func (b *backEnd) DeleteObjectTagging(ctx context.Context, bucket, key, version string) error {
	return b.PutObjectTagging(ctx, bucket, key, version, nil)
}

// GetObjectAcl answers for the bucket's owner: ACLs of single objects are not kept.
func (b *backEnd) GetObjectAcl(ctx context.Context, in *s3.GetObjectAclInput) (*s3.GetObjectAclOutput, error) {
	bucket, key, version := text(in.Bucket), text(in.Key), text(in.VersionId)
	if _, err := b.engine.Stat(lasting(ctx), bucket, key, version); err != nil {
		return nil, b.readFault(ctx, bucket, key, version, err)
	}
	return &s3.GetObjectAclOutput{
		Owner: &types.Owner{ID: &b.account},
		Grants: []types.Grant{{
			Grantee:    &types.Grantee{ID: &b.account, Type: types.TypeCanonicalUser},
			Permission: types.PermissionFullControl,
		}},
	}, nil
}
