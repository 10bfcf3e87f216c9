package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"vodwright.dev/vodwright/internal/object/catalog"
)

func (b *backEnd) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	var out s3response.InitiateMultipartUploadResult
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
	u, err := b.engine.CreateUpload(lasting(ctx), bucket, key, catalog.Properties{
		ContentType: text(in.ContentType), ContentEncoding: text(in.ContentEncoding), ContentDisposition: text(in.ContentDisposition),
		ContentLanguage: text(in.ContentLanguage), CacheControl: text(in.CacheControl), Expires: text(in.Expires),
		WebsiteRedirect: text(in.WebsiteRedirectLocation), Metadata: cloned(in.Metadata), Tags: cloned(tags),
		Checksum: catalog.Checksum{Algorithm: strings.Clone(string(in.ChecksumAlgorithm)), Type: strings.Clone(string(in.ChecksumType))},
	})
	if err != nil {
		return out, b.fail(ctx, err)
	}
	return s3response.InitiateMultipartUploadResult{Bucket: bucket, Key: key, UploadId: u.ID}, nil
}

func (b *backEnd) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	bucket, key, id := text(in.Bucket), text(in.Key), text(in.UploadId)
	u, err := b.engine.UploadRecord(lasting(ctx), bucket, key, id)
	if err != nil {
		return nil, b.uploadFault(ctx, id, err)
	}
	asked := u.Properties.Checksum
	sums := givenChecksums(*in)
	sum, err := sumBody(in.Body, sums, asked.Algorithm)
	if err != nil {
		return nil, b.fail(ctx, err)
	}
	told := sum.trailing || len(sums) > 0
	if asked.Type == composite && !told {
		return nil, s3err.GetChecksumTypeMismatchErr(types.ChecksumAlgorithm(asked.Algorithm), "null")
	}
	if asked.Algorithm != "" && sum.algorithm != asked.Algorithm {
		return nil, s3err.GetChecksumTypeMismatchErr(types.ChecksumAlgorithm(asked.Algorithm), types.ChecksumAlgorithm(sum.algorithm))
	}
	// A client that asked for no checksum may still send some: they are checked,
	// and the part is kept with the one that the whole object will have.
	keep := sum
	if asked.Algorithm == "" && sum.algorithm != crc64NVME {
		if keep, err = sumBody(struct{ io.Reader }{sum}, nil, crc64NVME); err != nil {
			return nil, b.fail(ctx, err)
		}
	}
	staged, err := b.receive(ctx, keep)
	if err != nil {
		return nil, b.fail(ctx, err)
	}
	defer staged.Discard()
	p, err := staged.PutPart(lasting(ctx), bucket, key, id, int(*in.PartNumber), keep.checksum())
	if err != nil {
		return nil, b.uploadFault(ctx, id, err)
	}
	out := &s3.UploadPartOutput{ETag: quoted(p.ETag)}
	if asked.Algorithm != "" || told {
		setChecksum(out, sum.checksum())
	}
	return out, nil
}

func (b *backEnd) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput) (s3response.CopyPartResult, error) {
	var out s3response.CopyPartResult
	bucket, key, id := text(in.Bucket), text(in.Key), text(in.UploadId)
	u, err := b.engine.UploadRecord(lasting(ctx), bucket, key, id)
	if err != nil {
		return out, b.uploadFault(ctx, id, err)
	}
	r, source, from, err := b.copySource(ctx, in.CopySource, in.ExpectedSourceBucketOwner,
		in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince)
	if err != nil {
		return out, err
	}
	defer r.Close()
	off, n, err := backend.ParseCopySourceRange(source.Size, text(in.CopySourceRange))
	if err != nil {
		return out, err
	}
	if n > maxObjectBytes {
		return out, s3err.GetCopySourceObjectTooLargeErr(maxObjectBytes)
	}
	asked := u.Properties.Checksum
	sum, err := sumBody(&objectBody{r: r, off: off, left: n}, nil, asked.Algorithm)
	if err != nil {
		return out, b.fail(ctx, err)
	}
	staged, err := b.receive(ctx, sum)
	if err != nil {
		return out, b.fail(ctx, err)
	}
	defer staged.Discard()
	p, err := staged.PutPart(lasting(ctx), bucket, key, id, int(*in.PartNumber), sum.checksum())
	if err != nil {
		return out, b.uploadFault(ctx, id, err)
	}
	out = s3response.CopyPartResult{ETag: quoted(p.ETag), LastModified: p.LastModified(), CopySourceVersionId: from.version}
	if asked.Algorithm != "" {
		setChecksum(&out, p.Checksum)
	}
	return out, nil
}

func (b *backEnd) uploadFault(ctx context.Context, id string, err error) error {
	err = b.fail(ctx, err)
	if e, ok := err.(s3err.S3Error); ok && e.BaseError().Code == "NoSuchUpload" {
		return s3err.GetNoSuchUploadErr(id)
	}
	return err
}

func (b *backEnd) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) error {
	err := b.engine.AbortUpload(lasting(ctx), text(in.Bucket), text(in.Key), text(in.UploadId), func(u catalog.Upload) error {
		if t := in.IfMatchInitiatedTime; t != nil && t.Unix() != u.InitiatedAt().Unix() {
			return s3err.GetPreconditionFailedErr(s3err.ConditionIfMatchInitiatedTime)
		}
		return nil
	})
	if err != nil {
		return b.uploadFault(ctx, text(in.UploadId), err)
	}
	return nil
}

func (b *backEnd) ListParts(ctx context.Context, in *s3.ListPartsInput) (s3response.ListPartsResult, error) {
	var out s3response.ListPartsResult
	bucket, key, id := text(in.Bucket), text(in.Key), text(in.UploadId)
	after := 0
	if m := text(in.PartNumberMarker); m != "" {
		var err error
		if after, err = strconv.Atoi(m); err != nil {
			return out, s3err.GetInvalidArgMaxLimiter("part-number-marker", m)
		}
	}
	u, parts, err := b.engine.Upload(lasting(ctx), bucket, key, id)
	if err != nil {
		return out, b.uploadFault(ctx, id, err)
	}
	owner := s3response.Owner{ID: b.account}
	out = s3response.ListPartsResult{
		Bucket: bucket, Key: key, UploadID: id, MaxParts: int(*in.MaxParts), PartNumberMarker: after, StorageClass: types.StorageClassStandard,
		Owner: owner, Initiator: s3response.Initiator(owner),
		ChecksumAlgorithm: types.ChecksumAlgorithm(u.Properties.Checksum.Algorithm), ChecksumType: types.ChecksumType(u.Properties.Checksum.Type),
	}
	for _, p := range parts {
		if p.Number <= after {
			continue
		}
		if len(out.Parts) == out.MaxParts {
			out.IsTruncated = true
			break
		}
		part := s3response.Part{PartNumber: p.Number, ETag: *quoted(p.ETag), Size: p.Size, LastModified: p.LastModified()}
		if u.Properties.Checksum.Algorithm != "" {
			setChecksum(&part, p.Checksum)
		}
		out.Parts = append(out.Parts, part)
		out.NextPartNumberMarker = p.Number
	}
	return out, nil
}

func (b *backEnd) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	bucket, key, id := text(in.Bucket), text(in.Key), text(in.UploadId)
	fail := func(err error) (s3response.CompleteMultipartUploadResult, string, error) {
		return s3response.CompleteMultipartUploadResult{}, "", b.uploadFault(ctx, id, err)
	}
	if in.MultipartUpload == nil {
		return fail(s3err.GetAPIError(s3err.ErrMalformedXML))
	}
	v, _, err := b.engine.CompleteUpload(lasting(ctx), bucket, key, id, func(u catalog.Upload, have []catalog.Part) (catalog.Completion, error) {
		c, err := choose(in, u, have)
		if err == nil {
			c.Check = writeCheck(in.IfMatch, in.IfNoneMatch)
		}
		c.Request = requestOf(ctx)
		return c, err
	})
	if err != nil {
		return fail(err)
	}
	out := s3response.CompleteMultipartUploadResult{Bucket: &bucket, Key: &key, ETag: quoted(v.ETag)}
	setChecksum(&out, v.Properties.Checksum)
	version := b.versionID(ctx, bucket, v)
	if version == catalog.NullVersion {
		version = ""
	}
	return out, version, nil
}

// choose checks the client's list of parts against what is there.
func choose(in *s3.CompleteMultipartUploadInput, u catalog.Upload, have []catalog.Part) (catalog.Completion, error) {
	var c catalog.Completion
	asked := u.Properties.Checksum
	if in.ChecksumType != "" && asked.Type != string(in.ChecksumType) {
		was := types.ChecksumType(asked.Type)
		if was == "" {
			was = "null"
		}
		return c, s3err.GetChecksumTypeMismatchOnMpErr(was)
	}
	byNumber := make(map[int]catalog.Part, len(have))
	for _, p := range have {
		byNumber[p.Number] = p
	}
	list := in.MultipartUpload.Parts
	for i, want := range list {
		switch {
		case want.PartNumber == nil || want.ETag == nil:
			return c, s3err.GetAPIError(s3err.ErrMalformedXML)
		case *want.PartNumber < 1:
			return c, s3err.GetInvalidArgumentErr(s3err.InvalidArgCompleteMpPartNumber, fmt.Sprint(*want.PartNumber))
		case i > 0 && *want.PartNumber <= *list[i-1].PartNumber:
			return c, s3err.GetAPIError(s3err.ErrInvalidPartOrder)
		}
	}
	total := int64(0)
	for i, want := range list {
		number, etag := *want.PartNumber, strings.Trim(*want.ETag, `"`)
		p, ok := byNumber[int(number)]
		if !ok || !strings.EqualFold(p.ETag, etag) {
			return c, s3err.GetInvalidPartErr(u.ID, number, etag)
		}
		if i < len(list)-1 && p.Size < backend.MinPartSize {
			return c, s3err.GetEntityTooSmallErr(p.Size, backend.MinPartSize)
		}
		if err := checkPartSum(asked, want, p, u.ID); err != nil {
			return c, err
		}
		total += p.Size
		c.Parts = append(c.Parts, p)
	}
	if in.MpuObjectSize != nil && *in.MpuObjectSize != total {
		return c, s3err.GetIncorrectMpObjectSizeErr(total, *in.MpuObjectSize)
	}
	etag, err := backend.ComputeMultipartETagFromPartETags(list)
	if err != nil {
		return c, err
	}
	c.ETag = strings.Trim(etag, `"`)
	if c.Checksum, err = combine(asked, c.Parts); err != nil {
		return c, err
	}
	for _, g := range givenChecksums(*in) {
		value := g.Value
		if c.Checksum.Type == composite && !strings.Contains(value, "-") {
			value += "-" + itoa(len(list))
		}
		if asked.Algorithm != "" && g.Algorithm == asked.Algorithm && value != c.Checksum.Value {
			return c, s3err.GetChecksumBadDigestErr(types.ChecksumAlgorithm(g.Algorithm))
		}
	}
	return c, nil
}

// checkPartSum checks the checksum that the client's list gives for a part.
func checkPartSum(asked catalog.Checksum, want types.CompletedPart, p catalog.Part, upload string) error {
	sums := givenChecksums(want)
	switch {
	case len(sums) > 1:
		return s3err.GetInvalidArgumentErr(s3err.InvalidArgChecksumPart, sums[1].Value)
	case len(sums) == 0 && asked.Type == composite:
		return s3err.APIError{Code: "InvalidRequest", HTTPStatusCode: http.StatusBadRequest, Description: fmt.Sprintf(
			"The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.",
			strings.ToLower(asked.Algorithm), p.Number)}
	case len(sums) == 0 || asked.Algorithm == "" && sums[0].Algorithm != p.Checksum.Algorithm:
		return nil // of an algorithm that was not asked for, and checked when the part came
	}
	if !utils.IsValidChecksum(sums[0].Value, types.ChecksumAlgorithm(sums[0].Algorithm)) {
		return s3err.GetInvalidArgumentErr(s3err.InvalidArgChecksumPart, sums[0].Value)
	}
	if sums[0].Algorithm != p.Checksum.Algorithm || sums[0].Value != p.Checksum.Value {
		return s3err.GetInvalidPartErr(upload, *want.PartNumber, *want.ETag)
	}
	return nil
}
