package object_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/object"
)

// An SDK within a function sends its trace header on with each request: the
// events of what the function does to objects keep it, whatever way it is done.
func TestEventsKeepTheLineageOfTheirRequest(t *testing.T) {
	const trace = "Root=1-00000000-000000000000000000000001;Parent=0000000000000001;Sampled=0;Lineage=01234567:3"
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
	t.Setenv("_X_AMZN_TRACE_ID", trace)
	h := newHouse(t)
	ctx, c := t.Context(), sdk(h.url, "")
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: p("lines")})
	try(err)
	_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: p("lines"), Key: p("put"), Body: strings.NewReader("x")})
	try(err)
	_, err = c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: p("lines"), Key: p("copy"), CopySource: p("lines/put")})
	try(err)
	u, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: p("lines"), Key: p("parts")})
	try(err)
	part, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: u.Bucket, Key: u.Key, UploadId: u.UploadId, PartNumber: p(int32(1)), Body: bytes.NewReader([]byte("y"))})
	try(err)
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: u.Bucket, Key: u.Key, UploadId: u.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: p(int32(1)), ETag: part.ETag}}}})
	try(err)
	_, err = c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: p("lines"), Key: p("put")})
	try(err)
	_, err = c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: p("lines"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: p("copy")}}}})
	try(err)
	_, err = h.Put(ctx, "lines", "inside", object.PutInput{Body: strings.NewReader("z"), Lineage: trace})
	try(err)
	var all []event.ObjectEvent
	for deadline := time.Now().Add(10 * time.Second); len(all) < 6 && time.Now().Before(deadline); {
		all, _, err = h.events.ObjectEvents(ctx, 0, 100)
		try(err)
	}
	if len(all) != 6 {
		t.Fatalf("%d events", len(all))
	}
	for _, e := range all {
		if e.Request.Lineage != trace {
			t.Errorf("%s of %s has the lineage %q", e.Name, e.Key, e.Request.Lineage)
		}
		if e.Key != "inside" && (e.Request.Requester != "arn:aws:iam::000000000000:root" || e.Request.ID == "" || e.Request.SourceIP != "127.0.0.1") {
			t.Errorf("%s of %s tells of %+v", e.Name, e.Key, e.Request)
		}
	}
}
