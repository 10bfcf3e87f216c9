package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object/catalog"
	"vodwright.dev/vodwright/internal/object/config"
)

// Names of the configuration documents in catalog.Bucket.Documents.
const (
	DocumentCORS      = "cors" // as the client sent it
	documentOwnership = "ownership"
	documentPolicy    = "policy" // as the client sent it
	documentTags      = "tags"   // a JSON object

	// JSON of package config's shapes.
	documentPublicAccess = "public-access-block"
	documentNotification = "notification"
	documentLifecycle    = "lifecycle"
	documentEncryption   = "encryption"
)

// backEnd is versitygw's storage interface over the engine. What it does not
// define answers NotImplemented.
type backEnd struct {
	backend.BackendUnsupported

	engine          Engine
	account, region string
	log             *slog.Logger
}

var _ backend.Backend = (*backEnd)(nil)

// String names the back end in versitygw's messages.
func (*backEnd) String() string { return "vodwright" }

func (b *backEnd) fail(ctx context.Context, err error) error { return asS3(ctx, b.log, err) }

// CreateBucket makes a bucket that is closed to the public.
func (g *Gateway) CreateBucket(ctx context.Context, name string) error {
	documents, err := newDocuments(types.ObjectOwnershipBucketOwnerEnforced)
	if err == nil {
		_, err = g.cfg.Engine.CreateBucket(ctx, name, "", documents)
	}
	return err
}

// newDocuments is the configuration of a new bucket.
func newDocuments(o types.ObjectOwnership) (map[string][]byte, error) {
	block, err := json.Marshal(config.BlockAll())
	return map[string][]byte{documentOwnership: []byte(o), documentPublicAccess: block}, err
}

// CreateBucket makes a bucket. One that is there is an error, except in us-east-1,
// where clients are used to success ("BucketAlreadyOwnedByYou" in the API reference
// of S3); but not even there when the request configures what the bucket has not,
// which would be ignored.
func (b *backEnd) CreateBucket(ctx context.Context, in *s3.CreateBucketInput, _ []byte) error {
	if in.ObjectLockEnabledForBucket != nil && *in.ObjectLockEnabledForBucket {
		return notImplemented("Object Lock")
	}
	documents, err := newDocuments(in.ObjectOwnership)
	if err != nil {
		return err
	}
	if in.CreateBucketConfiguration != nil && len(in.CreateBucketConfiguration.Tags) > 0 {
		tags, err := backend.ParseCreateBucketTags(in.CreateBucketConfiguration.Tags)
		if err != nil {
			return err
		}
		if documents[documentTags], err = json.Marshal(tags); err != nil {
			return err
		}
	}
	_, err = b.engine.CreateBucket(lasting(ctx), text(in.Bucket), "", documents)
	if fault.Is(err, fault.Conflict) && b.region == "us-east-1" && b.asItIs(ctx, text(in.Bucket), documents) {
		return nil
	}
	return b.fail(ctx, err)
}

// asItIs reports whether a bucket has all that a request to make it asks for.
func (b *backEnd) asItIs(ctx context.Context, name string, asked map[string][]byte) bool {
	k, err := b.engine.Bucket(lasting(ctx), name)
	if err != nil { // it went
		return false
	}
	if tags := asked[documentTags]; tags != nil && !bytes.Equal(tags, k.Documents[documentTags]) {
		return false
	}
	c, ok := ctx.(*fasthttp.RequestCtx)
	if !ok {
		return false
	}
	owner := c.Request.Header.Peek("X-Amz-Object-Ownership") // else the default of a new bucket
	return len(owner) == 0 || bytes.Equal(owner, k.Documents[documentOwnership])
}

func (b *backEnd) ListBuckets(ctx context.Context, in s3response.ListBucketsInput) (s3response.ListAllMyBucketsResult, error) {
	out := s3response.ListAllMyBucketsResult{Owner: s3response.CanonicalUser{ID: b.account}, Prefix: in.Prefix}
	all, err := b.engine.Buckets(lasting(ctx))
	if err != nil {
		return out, b.fail(ctx, err)
	}
	for _, k := range all {
		if !strings.HasPrefix(k.Name, in.Prefix) || k.Name <= in.ContinuationToken {
			continue
		}
		if list := out.Buckets.Bucket; in.MaxBuckets > 0 && len(list) == int(in.MaxBuckets) {
			out.ContinuationToken = list[len(list)-1].Name
			break
		}
		out.Buckets.Bucket = append(out.Buckets.Bucket, s3response.ListAllMyBucketsEntry{Name: k.Name, BucketRegion: b.region, CreationDate: k.CreationDate()})
	}
	return out, nil
}

func (b *backEnd) ListBucketsAndOwners(ctx context.Context) ([]s3response.Bucket, error) {
	var out []s3response.Bucket
	all, err := b.engine.Buckets(lasting(ctx))
	if err != nil {
		return nil, b.fail(ctx, err)
	}
	for _, k := range all {
		out = append(out, s3response.Bucket{Name: k.Name, Owner: b.account})
	}
	return out, nil
}

func (b *backEnd) HeadBucket(ctx context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	_, err := b.bucket(ctx, text(in.Bucket))
	return &s3.HeadBucketOutput{}, err
}

func (b *backEnd) DeleteBucket(ctx context.Context, name string) error {
	return b.fail(ctx, b.engine.DeleteBucket(lasting(ctx), name))
}

// bucket returns the bucket, or the protocol's error.
func (b *backEnd) bucket(ctx context.Context, name string) (*catalog.Bucket, error) {
	k, err := b.engine.Bucket(lasting(ctx), name)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, b.fail(ctx, err)
	}
	if err != nil {
		return nil, s3err.GetBucketErr(s3err.ErrNoSuchBucket, name)
	}
	return k, nil
}

// document returns one of a bucket's documents, or the error for its absence.
func (b *backEnd) document(ctx context.Context, bucket, name string, missing s3err.ErrorCode) ([]byte, error) {
	k, err := b.bucket(ctx, bucket)
	if err != nil {
		return nil, err
	}
	if d, ok := k.Documents[name]; ok {
		return d, nil
	}
	return nil, s3err.GetAPIError(missing)
}

// setDocument stores one of a bucket's documents; nil removes it.
func (b *backEnd) setDocument(ctx context.Context, bucket, name string, d []byte) error {
	return b.fail(ctx, b.engine.ChangeBucket(lasting(ctx), bucket, func(k *catalog.Bucket) error {
		if d == nil {
			delete(k.Documents, name)
		} else {
			k.Documents[name] = append([]byte(nil), d...) // the request's memory is used again
		}
		return nil
	}))
}

func (b *backEnd) GetBucketOwnershipControls(ctx context.Context, bucket string) (types.ObjectOwnership, error) {
	d, err := b.document(ctx, bucket, documentOwnership, s3err.ErrOwnershipControlsNotFound)
	return types.ObjectOwnership(d), err
}

func (b *backEnd) PutBucketOwnershipControls(ctx context.Context, bucket string, o types.ObjectOwnership) error {
	return b.setDocument(ctx, bucket, documentOwnership, []byte(o))
}

func (b *backEnd) DeleteBucketOwnershipControls(ctx context.Context, bucket string) error {
	return b.setDocument(ctx, bucket, documentOwnership, nil)
}

func (b *backEnd) GetBucketCors(ctx context.Context, bucket string) ([]byte, error) {
	return b.document(ctx, bucket, DocumentCORS, s3err.ErrNoSuchCORSConfiguration)
}

func (b *backEnd) PutBucketCors(ctx context.Context, bucket string, d []byte) error {
	return b.setDocument(ctx, bucket, DocumentCORS, d)
}

func (b *backEnd) DeleteBucketCors(ctx context.Context, bucket string) error {
	return b.setDocument(ctx, bucket, DocumentCORS, nil)
}

func (b *backEnd) GetBucketPolicy(ctx context.Context, bucket string) ([]byte, error) {
	return b.document(ctx, bucket, documentPolicy, s3err.ErrNoSuchBucketPolicy)
}

func (b *backEnd) DeleteBucketPolicy(ctx context.Context, bucket string) error {
	return b.setDocument(ctx, bucket, documentPolicy, nil)
}

func (b *backEnd) GetBucketTagging(ctx context.Context, bucket string) (map[string]string, error) {
	k, err := b.bucket(ctx, bucket)
	if err != nil {
		return nil, err
	}
	d, ok := k.Documents[documentTags]
	if !ok {
		return nil, s3err.GetBucketErr(s3err.ErrBucketTaggingNotFound, bucket)
	}
	var tags map[string]string
	return tags, b.fail(ctx, json.Unmarshal(d, &tags))
}

func (b *backEnd) PutBucketTagging(ctx context.Context, bucket string, tags map[string]string) error {
	if tags == nil {
		return b.DeleteBucketTagging(ctx, bucket)
	}
	d, err := json.Marshal(tags)
	if err != nil {
		return b.fail(ctx, err)
	}
	return b.setDocument(ctx, bucket, documentTags, d)
}

func (b *backEnd) DeleteBucketTagging(ctx context.Context, bucket string) error {
	return b.setDocument(ctx, bucket, documentTags, nil)
}

func (b *backEnd) GetBucketVersioning(ctx context.Context, bucket string) (s3response.GetBucketVersioningOutput, error) {
	var out s3response.GetBucketVersioningOutput
	k, err := b.bucket(ctx, bucket)
	if err == nil && k.Versioning != "" {
		s := types.BucketVersioningStatus(k.Versioning)
		out.Status = &s
	}
	return out, err
}

func (b *backEnd) PutBucketVersioning(ctx context.Context, bucket string, status types.BucketVersioningStatus) error {
	return b.fail(ctx, b.engine.ChangeBucket(lasting(ctx), bucket, func(k *catalog.Bucket) error {
		k.Versioning = catalog.Versioning(status)
		return nil
	}))
}

// GetObjectLockConfiguration says that no bucket has Object Lock: versitygw asks
// before every overwrite and deletion.
func (b *backEnd) GetObjectLockConfiguration(ctx context.Context, bucket string) ([]byte, error) {
	return b.document(ctx, bucket, "object-lock", s3err.ErrObjectLockConfigurationNotFound)
}
