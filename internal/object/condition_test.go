package object_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"vodwright.dev/vodwright/internal/object"
)

// Each condition of a bucket's policy sees the request it is about: the stranger
// may what the policy allows on a condition, and nothing else.
func TestConditionsSeeTheRequest(t *testing.T) { onBoth(t, testConditionsSeeTheRequest) }

func testConditionsSeeTheRequest(t *testing.T, h *house) {
	ctx := t.Context()
	const b = "conditions"
	if err := h.CreateBucket(ctx, b); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Put(ctx, b, "k", object.PutInput{Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	root, stranger := sdk(h.url, ""), as(h, "AKIASTRANGE", "stranger", "")
	status := func(method, target string, header ...string) int {
		req, err := http.NewRequest(method, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	presigned := func() string {
		signed, err := s3.NewPresignClient(stranger).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: p(b), Key: p("k")})
		if err != nil {
			t.Fatal(err)
		}
		return signed.URL
	}
	old := func() string { // SigV2
		expires := fmt.Sprint(time.Now().Add(time.Hour).Unix())
		m := hmac.New(sha1.New, []byte("stranger"))
		m.Write([]byte("GET\n\n\n" + expires + "\n/" + b + "/k"))
		q := url.Values{"AWSAccessKeyId": {"AKIASTRANGE"}, "Expires": {expires}, "Signature": {base64.StdEncoding.EncodeToString(m.Sum(nil))}}
		return h.url + "/" + b + "/k?" + q.Encode()
	}
	get := func() bool {
		_, err := stranger.GetObject(ctx, &s3.GetObjectInput{Bucket: p(b), Key: p("k")})
		return err == nil
	}
	version := func(id string) func() bool {
		return func() bool {
			_, err := stranger.GetObject(ctx, &s3.GetObjectInput{Bucket: p(b), Key: p("k"), VersionId: &id})
			return err == nil
		}
	}
	list := func(in s3.ListObjectsV2Input) func() bool {
		return func() bool {
			in.Bucket = p(b)
			_, err := stranger.ListObjectsV2(ctx, &in)
			return err == nil
		}
	}
	put := func(tags string) func() bool {
		return func() bool {
			_, err := stranger.PutObject(ctx, &s3.PutObjectInput{Bucket: p(b), Key: p("new"), Body: bytes.NewReader(nil), Tagging: &tags})
			return err == nil
		}
	}
	url := func(make func() string, header ...string) func() bool {
		return func() bool { return status(http.MethodGet, make(), header...) == http.StatusOK }
	}
	for _, c := range []struct {
		condition string
		yes, no   func() bool
	}{
		{`"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}`, get, nil},
		{`"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}`, nil, get},
		{`"Bool": {"aws:SecureTransport": "true"}`, nil, get},
		{`"StringLike": {"aws:UserAgent": "aws-sdk-go*"}`, get, url(presigned, "User-Agent", "curl")},
		{`"StringLike": {"aws:Referer": "https://page/*"}`, url(presigned, "Referer", "https://page/1"), get},
		{`"StringEquals": {"s3:authType": "REST-QUERY-STRING"}`, url(presigned), get},
		{`"StringEquals": {"s3:authType": "REST-HEADER"}`, get, url(presigned)},
		{`"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}`, url(presigned), url(old)},
		{`"StringEquals": {"s3:signatureversion": "AWS"}`, url(old), url(presigned)},
		{`"NumericLessThan": {"s3:signatureAge": "600000"}`, url(presigned), url(old)},
		{`"NumericLessThan": {"s3:signatureAge": "-600000"}`, nil, url(presigned)},
		{`"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}`, get, nil},
		{`"StringEquals": {"s3:VersionId": "null"}`, version("null"), version("01ARZ3NDEKTSV4RRFFQ69G5FAV")},
		{`"StringEquals": {"s3:prefix": "a", "s3:delimiter": "/"}`, list(s3.ListObjectsV2Input{Prefix: p("a"), Delimiter: p("/")}), list(s3.ListObjectsV2Input{Prefix: p("a")})},
		{`"NumericLessThanEquals": {"s3:max-keys": "5"}`, list(s3.ListObjectsV2Input{MaxKeys: p(int32(5))}), list(s3.ListObjectsV2Input{MaxKeys: p(int32(6))})},
		{`"StringEquals": {"s3:RequestObjectTag/team": "video"}`, put("team=video&x=y"), put("team=audio")},
		{`"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["team"]}`, put("team=audio"), put("team=video&x=y")},
	} {
		policy := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:user/stranger"},
			"Action": "s3:*", "Resource": ["arn:aws:s3:::` + b + `", "arn:aws:s3:::` + b + `/*"], "Condition": {` + c.condition + `}}]}`
		if _, err := root.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: p(b), Policy: &policy}); err != nil {
			t.Fatalf("%s: %v", c.condition, err)
		}
		if c.yes != nil && !c.yes() {
			t.Errorf("%s: denied", c.condition)
		}
		if c.no != nil && c.no() {
			t.Errorf("%s: allowed", c.condition)
		}
	}

	// The anonymous: what a public policy opens, and each key of a deletion.
	if _, err := root.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: p(b)}); err != nil {
		t.Fatal(err)
	}
	policy := `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": "arn:aws:s3:::` + b + `/open/*"},
		{"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::` + b + `", "Condition": {"StringLike": {"s3:prefix": "open/*"}}}]}`
	if _, err := root.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: p(b), Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		request string
		want    int
	}{
		{"PUT /open/a", 200},
		{"GET /open/a", 200},
		{"HEAD /open/a", 200},
		{"GET /k", 403},
		{"PUT /k", 403},
		{"DELETE /k", 403},
		{"GET ?prefix=open/", 200},
		{"GET ?prefix=", 403},
		{"GET ?list-type=2&prefix=open/", 200},
		{"GET ?policy", 403},
		{"GET ?acl", 403},
		{"POST /open/a?uploads", 403},
	} {
		method, target, _ := strings.Cut(c.request, " ")
		if got := status(method, h.url+"/"+b+target); got != c.want {
			t.Errorf("anonymous %s: %d, want %d", c.request, got, c.want)
		}
	}
	body := `<Delete><Object><Key>open/a</Key></Object><Object><Key>k</Key></Object></Delete>`
	req, _ := http.NewRequest(http.MethodPost, h.url+"/"+b+"?delete", strings.NewReader(body))
	req.Header.Set("Content-Md5", md5Base64(body))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer bytes.Buffer
	answer.ReadFrom(res.Body)
	if s := answer.String(); !strings.Contains(s, "<Deleted><Key>open/a</Key></Deleted>") || !strings.Contains(s, "<Code>AccessDenied</Code>") {
		t.Errorf("anonymous deletion: %d %s", res.StatusCode, s)
	}
	if _, err := h.Stat(ctx, b, "k", ""); err != nil {
		t.Errorf("what was not open is gone: %v", err)
	}
}

func md5Base64(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}
