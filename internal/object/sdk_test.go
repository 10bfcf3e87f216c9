package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object"
)

// sdk returns a Go client; with a host, buckets are in the host name.
func sdk(endpoint, host string) *s3.Client {
	u, _ := url.Parse(endpoint)
	address := u.Host
	if host != "" {
		endpoint = "http://" + host + ":" + u.Port()
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: host == "", RetryMaxAttempts: 1,
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: dial}},
		Credentials: awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
			return awssdk.Credentials{AccessKeyID: root().AccessKeyID, SecretAccessKey: root().SecretAccessKey}, nil
		}),
	})
}

func httpGet(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func p[T any](v T) *T { return &v }

// codeOf returns S3's code of an SDK error.
func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestGoSDK(t *testing.T) { onBoth(t, testGoSDK) }

func testGoSDK(t *testing.T, h *house) {
	for _, host := range []string{"", "localhost", "s3.test"} {
		t.Run("host "+host, func(t *testing.T) {
			c := sdk(h.url, host)
			bucket := p("go-" + strings.ReplaceAll("x"+host, ".", "-"))
			ctx := t.Context()
			if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"plain", "a b+c/é%20.bin", "tilde~(x)*'!.bin"} {
				for _, algorithm := range []types.ChecksumAlgorithm{"", types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha256} {
					if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader("content"), ChecksumAlgorithm: algorithm, Metadata: map[string]string{"Name": "v"}}); err != nil {
						t.Fatalf("%s %s: %v", key, algorithm, err)
					}
					out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(out.Body) // the SDK checks the checksum
					if err != nil || string(got) != "content" || out.Metadata["name"] != "v" {
						t.Errorf("%s %s: %q %v %v", key, algorithm, got, out.Metadata, err)
					}
				}
				signed, err := s3.NewPresignClient(c).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key})
				if err != nil {
					t.Fatal(err)
				}
				req, _ := http.NewRequest(http.MethodGet, signed.URL, nil)
				req.Host = req.URL.Host
				req.URL.Host = strings.TrimPrefix(h.url, "http://")
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				if b, _ := io.ReadAll(res.Body); string(b) != "content" {
					t.Errorf("presigned %s: %d %s", key, res.StatusCode, b)
				}
				res.Body.Close()
			}
			if _, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: p("nope")}); codeOf(err) != "NoSuchKey" {
				t.Errorf("missing key: %v", err)
			}
			if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: p("x//y"), Body: strings.NewReader("")}); codeOf(err) != "InvalidArgument" {
				t.Errorf("unclean key: %v", err)
			}
		})
	}
	checkEvents(t, h)
}

// The same over TLS and HTTP/2, where policies see a secure transport.
func TestTLSAndHTTP2(t *testing.T) { onBoth(t, testTLSAndHTTP2) }

func testTLSAndHTTP2(t *testing.T, h *house) {
	server := httptest.NewUnstartedServer(h.Handler())
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	c := sdk(server.URL, "")
	ctx, bucket := t.Context(), p("secure")
	with := func(o *s3.Options) { o.HTTPClient = server.Client() }
	if err := h.CreateBucket(ctx, *bucket); err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("0123456789abcdef", 1<<16)
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: p("a b"), Body: strings.NewReader(body), Metadata: map[string]string{"x": "y"}}, with); err != nil {
		t.Fatal(err)
	}
	out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: p("a b")}, with)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(out.Body); err != nil || string(got) != body || out.Metadata["x"] != "y" {
		t.Errorf("%d bytes, %v, %v", len(got), out.Metadata, err)
	}
	if _, err := c.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: bucket}, with); err != nil {
		t.Fatal(err)
	}
	policy := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
		"Resource": "arn:aws:s3:::secure/*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]}`
	if _, err := c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &policy}, with); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{server.URL: "HTTP/2.0 200", h.url: "HTTP/1.1 403"} {
		res, err := server.Client().Get(url + "/secure/a%20b")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := fmt.Sprint(res.Proto, " ", res.StatusCode); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

// A document is read into memory, so that its size is bounded.
func TestDocumentsAreBounded(t *testing.T) { onBoth(t, testDocumentsAreBounded) }

func testDocumentsAreBounded(t *testing.T, h *house) {
	if err := h.CreateBucket(t.Context(), "bounded"); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"PUT /bounded?cors", "PUT /bounded/k?tagging", "POST /bounded?delete", "PUT /other", "GET /bounded/k", "POST /bounded/k?uploadId=x"} {
		method, path, _ := strings.Cut(target, " ")
		req, _ := http.NewRequest(method, h.url+path, io.LimitReader(zeros{}, 64<<20))
		req.ContentLength = 64 << 20
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue // the connection was closed on the body
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 400 || !bytes.Contains(b, []byte("MaxMessageLengthExceeded")) {
			t.Errorf("%s: %d %.200s", target, res.StatusCode, b)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// checkEvents says that the event log and the buckets tell the same story: an
// event a write, and for each current object its last.
func checkEvents(t *testing.T, h *house) {
	t.Helper()
	ctx := t.Context()
	var all []event.ObjectEvent
	deadline := time.Now().Add(10 * time.Second)
	for {
		var err error
		if all, _, err = h.events.ObjectEvents(ctx, 0, 1<<30); err != nil {
			t.Fatal(err)
		}
		last := map[string]event.ObjectEvent{}
		for _, e := range all {
			last[e.Bucket+"/"+e.Key] = e
		}
		missing := ""
		buckets, err := sdk(h.url, "").ListBuckets(ctx, &s3.ListBucketsInput{})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range buckets.Buckets {
			page, err := h.List(ctx, *b.Name, object.ListInput{Max: 100000})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Objects {
				e, ok := last[o.Bucket+"/"+o.Key]
				if deleted := e.VersionID != o.VersionID; !ok || !deleted && (`"`+e.ETag+`"` != o.ETag || e.Size != o.Size) {
					missing = fmt.Sprintf("object %+v has the event %+v", o, e)
				}
			}
		}
		if missing == "" && len(all) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d events: %s", len(all), missing)
		}
	}
}

func TestEventsNameTheirOperation(t *testing.T) { onBoth(t, testEventsNameTheirOperation) }

func testEventsNameTheirOperation(t *testing.T, h *house) {
	ctx := t.Context()
	c := sdk(h.url, "")
	bucket := p("named-events")
	if err := h.CreateBucket(ctx, *bucket); err != nil {
		t.Fatal(err)
	}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: p("a b+"), Body: strings.NewReader("12345")})
	try(err)
	_, err = c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: p("copy"), CopySource: p(*bucket + "/a%20b%2B")})
	try(err)
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: p("multi")})
	try(err)
	part, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: p("multi"), UploadId: up.UploadId, PartNumber: p(int32(1)), Body: strings.NewReader("123")})
	try(err)
	for range 3 { // the repetitions are no creations
		_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: bucket, Key: p("multi"), UploadId: up.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: p(int32(1)), ETag: part.ETag}}},
		})
		try(err)
	}
	_, err = h.Put(ctx, *bucket, "inside", object.PutInput{Body: strings.NewReader("1"), ContentType: "text/plain"})
	try(err)
	_, err = h.Put(ctx, *bucket, "inside", object.PutInput{Body: strings.NewReader("1"), ContentType: "text/plain", KeepEqual: true})
	try(err)
	try(h.Delete(ctx, *bucket, "copy", ""))
	want := "[a b+ 5 ObjectCreated:Put copy 5 ObjectCreated:Copy multi 3 ObjectCreated:CompleteMultipartUpload inside 1 ObjectCreated:Put copy 0 ObjectRemoved:Delete]"
	got, deadline := "", time.Now().Add(10*time.Second)
	for got != want && time.Now().Before(deadline) {
		all, _, err := h.events.ObjectEvents(ctx, 0, 100)
		try(err)
		var words []any
		for _, e := range all {
			words = append(words, e.Key, e.Size, string(e.Name))
		}
		got = fmt.Sprint(words)
	}
	if got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}

// TestABucketThatIsThere is made again, as in us-east-1, unless that would ignore something.
func TestABucketThatIsThere(t *testing.T) { onBoth(t, testABucketThatIsThere) }

func testABucketThatIsThere(t *testing.T, h *house) {
	c, ctx, bucket := sdk(h.url, ""), t.Context(), p("again")
	team := func(v string) *types.CreateBucketConfiguration {
		return &types.CreateBucketConfiguration{Tags: []types.Tag{{Key: p("team"), Value: &v}}}
	}
	for i, step := range []struct {
		in   s3.CreateBucketInput
		code string
	}{
		{s3.CreateBucketInput{CreateBucketConfiguration: team("a"), ObjectOwnership: types.ObjectOwnershipObjectWriter}, ""},
		{s3.CreateBucketInput{}, ""},
		{s3.CreateBucketInput{ACL: types.BucketCannedACLPrivate}, ""},
		{s3.CreateBucketInput{CreateBucketConfiguration: team("a"), ObjectOwnership: types.ObjectOwnershipObjectWriter}, ""},
		{s3.CreateBucketInput{CreateBucketConfiguration: team("b")}, "BucketAlreadyOwnedByYou"},
		{s3.CreateBucketInput{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}, "BucketAlreadyOwnedByYou"},
		{s3.CreateBucketInput{ObjectLockEnabledForBucket: p(true)}, "NotImplemented"},
		{s3.CreateBucketInput{ACL: types.BucketCannedACLPublicRead}, "InvalidBucketAclWithObjectOwnership"},
	} {
		step.in.Bucket = bucket
		out, err := c.CreateBucket(ctx, &step.in)
		if step.code == "" && (err != nil || *out.Location != "/again") || step.code != "" && codeOf(err) != step.code {
			t.Errorf("step %d: %+v, %v, want %q", i, out, err, step.code)
		}
	}
	o, err := c.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: bucket})
	if err != nil || o.OwnershipControls.Rules[0].ObjectOwnership != types.ObjectOwnershipObjectWriter {
		t.Errorf("ownership %+v, %v", o, err)
	}
	tags, err := c.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: bucket})
	if err != nil || len(tags.TagSet) != 1 || *tags.TagSet[0].Value != "a" {
		t.Errorf("tags %+v, %v", tags, err)
	}
}

func TestGoAPI(t *testing.T) { onBoth(t, testGoAPI) }

func testGoAPI(t *testing.T, h *house) {
	ctx := t.Context()
	if err := h.CreateBucket(ctx, "inside"); err != nil {
		t.Fatal(err)
	}
	code := func(err error, want string) {
		t.Helper()
		if err == nil || fault.Of(err).Code != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	code(h.CreateBucket(ctx, "inside"), "BucketAlreadyOwnedByYou")
	code(h.CreateBucket(ctx, "_"), "InvalidBucketName")
	code(h.HeadBucket(ctx, "nope"), "NoSuchBucket")
	_, err := h.Put(ctx, "inside", "a/../b", object.PutInput{Body: strings.NewReader("")})
	code(err, "InvalidArgument")
	_, err = h.Put(ctx, "inside", "short", object.PutInput{Body: strings.NewReader("abc"), Size: 4})
	code(err, "IncompleteBody")
	in := object.PutInput{Body: strings.NewReader("#EXTM3U"), ContentType: "application/vnd.apple.mpegurl", CacheControl: "no-cache", Metadata: map[string]string{"job": "1"}}
	made, err := h.Put(ctx, "inside", "out/index.m3u8", in)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := h.Stat(ctx, "inside", "out/index.m3u8", "")
	if err != nil || fmt.Sprint(stat) != fmt.Sprint(made) || stat.ContentType != in.ContentType || stat.Size != 7 || stat.Metadata["job"] != "1" {
		t.Errorf("stat %+v, put %+v, %v", stat, made, err)
	}
	r, info, err := h.Open(ctx, "inside", "out/index.m3u8", "")
	if err != nil || (r.File() == nil) != (h.at != nil) || info.ETag != stat.ETag {
		t.Fatalf("%+v, %v", info, err)
	}
	defer r.Close()
	snapshot := filepath.Join(h.dir, "snapshot")
	if _, err := h.Snapshot(ctx, "inside", "out/index.m3u8", "", snapshot); err != nil {
		t.Error(err)
	}
	if gone, err := h.DeleteIf(ctx, "inside", "out/index.m3u8", func(i object.Info) bool { return i.Metadata["job"] == "2" }); gone || err != nil {
		t.Errorf("deleted %v, %v", gone, err)
	}
	if gone, err := h.DeleteIf(ctx, "inside", "out/index.m3u8", func(i object.Info) bool { return i.Metadata["job"] == "1" }); !gone || err != nil {
		t.Errorf("deleted %v, %v", gone, err)
	}
	if gone, err := h.DeleteIf(ctx, "inside", "out/index.m3u8", func(object.Info) bool { return true }); gone || err != nil {
		t.Errorf("deleted %v, %v", gone, err)
	}
	_, err = h.Stat(ctx, "inside", "out/index.m3u8", "")
	code(err, "NoSuchKey")
	if b, err := io.ReadAll(r); string(b) != "#EXTM3U" || err != nil {
		t.Errorf("the open reader read %q, %v", b, err)
	}
	if rules, err := h.CORS(ctx, "inside"); err != nil || len(rules) != 0 {
		t.Errorf("%v, %v", rules, err)
	}
	cors := []types.CORSRule{{AllowedOrigins: []string{"https://a", "*"}, AllowedMethods: []string{"GET", "HEAD"}, AllowedHeaders: []string{"*"}, ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: p(int32(3000))}}
	if _, err := sdk(h.url, "").PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: p("inside"), CORSConfiguration: &types.CORSConfiguration{CORSRules: cors}}); err != nil {
		t.Fatal(err)
	}
	if rules, err := h.CORS(ctx, "inside"); err != nil || fmt.Sprint(rules) != "[{[https://a *] [GET HEAD] [*] [ETag] 3000}]" {
		t.Errorf("%v, %v", rules, err)
	}
}

// A client that goes away in the middle of a body leaves nothing behind.
func TestHalfAnUploadIsNoObject(t *testing.T) { onBoth(t, testHalfAnUploadIsNoObject) }

func testHalfAnUploadIsNoObject(t *testing.T, h *house) {
	ctx := t.Context()
	if err := h.CreateBucket(ctx, "halves"); err != nil {
		t.Fatal(err)
	}
	signed, err := s3.NewPresignClient(sdk(h.url, "")).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: p("halves"), Key: p("k")})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(signed.URL)
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000\r\n\r\n%s", u.RequestURI(), u.Host, strings.Repeat("x", 500000))
	conn.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(conn)
	if !bytes.Contains(answer, []byte("400")) || !bytes.Contains(answer, []byte("IncompleteBody")) {
		t.Errorf("answer %.300q", answer)
	}
	if _, err := h.Stat(ctx, "halves", "k", ""); fault.Of(err).Code != "NoSuchKey" {
		t.Errorf("stat: %v", err)
	}
	if rests, _ := filepath.Glob(filepath.Join(h.dir, "objects", "staging", "*")); len(rests) > 0 {
		t.Errorf("left in staging: %v", rests)
	}
}

func TestHostileRequestsGetClearErrors(t *testing.T) { onBoth(t, testHostileRequestsGetClearErrors) }

func testHostileRequestsGetClearErrors(t *testing.T, h *house) {
	u, _ := url.Parse(h.url)
	for _, raw := range []string{
		"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /bucket/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /..%2f..%2fetc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /bucket/../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
		"PUT /bucket/k HTTP/1.1\r\nHost: ..localhost\r\nContent-Length: 0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 nonsense\r\n\r\n",
		"GET /?AWSAccessKeyId=x&Signature=&Expires=z HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /?AWSAccessKeyId=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /bucket?delete HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
		"PUT /bucket/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /bucket?" + strings.Repeat("a", 7000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(conn, raw)
		conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		conn.Close()
		status, _, _ := strings.Cut(string(answer), "\r\n")
		if !strings.HasPrefix(status, "HTTP/1.1 4") {
			t.Errorf("%.60q: %q", raw, status)
		}
	}
	if _, err := sdk(h.url, "").ListBuckets(t.Context(), &s3.ListBucketsInput{}); err != nil {
		t.Errorf("after all that: %v", err)
	}
}
