package object_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object"
)

// as returns a client that signs with another key.
func as(h *house, id, secret, token string) *s3.Client {
	c := sdk(h.url, "")
	o := c.Options()
	o.Credentials = awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
		return awssdk.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}, nil
	})
	return s3.New(o)
}

func limited(h *house) *s3.Client { return as(h, "AKIALIMITED", "limited", "") }

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	switch {
	case code == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case code != "" && (err == nil || codeOf(err) != code):
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestIdentityPoliciesDecide(t *testing.T) { onBoth(t, testIdentityPoliciesDecide) }

func testIdentityPoliciesDecide(t *testing.T, h *house) {
	ctx, b := t.Context(), p("limits")
	if err := h.CreateBucket(ctx, *b); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"in/a", "in/b", "in/secret", "out/a"} {
		if _, err := h.Put(ctx, *b, key, object.PutInput{Body: strings.NewReader(key)}); err != nil {
			t.Fatal(err)
		}
	}
	c := limited(h)
	get := func(key string) error {
		_, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: &key})
		return err
	}
	list := func(prefix string, keys int32) error {
		_, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b, Prefix: &prefix, MaxKeys: &keys})
		return err
	}
	copied := func(from, to string) error {
		_, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: &to, CopySource: p(*b + "/" + from)})
		return err
	}
	upload, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: p("in/multi")})
	if err != nil {
		t.Fatal(err)
	}
	partCopied := func(from string) error {
		_, err := c.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: b, Key: p("in/multi"), UploadId: upload.UploadId, PartNumber: p(int32(1)), CopySource: p(*b + "/" + from)})
		return err
	}
	_, acl := c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: p("in/new"), Body: strings.NewReader(""), ACL: types.ObjectCannedACLBucketOwnerFullControl})
	_, tagged := c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: p("in/new"), Body: strings.NewReader(""), Tagging: p("a=b")})
	_, version := c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: p("in/a"), VersionId: p("null")})
	_, policies := c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b})
	_, all := c.ListBuckets(ctx, &s3.ListBucketsInput{})
	_, made := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: p("limited-bucket")})
	_, attributes := c.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: b, Key: p("in/a"), ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesEtag}})
	for what, err := range map[string]error{
		"get in/a:": get("in/a"), "get in/secret:AccessDenied": get("in/secret"), "get out/a:AccessDenied": get("out/a"),
		"get in/none, may not list all:AccessDenied": get("in/none"),
		"list in/:":                    list("in/", 10),
		"list out/:AccessDenied":       list("out/", 10),
		"list many:AccessDenied":       list("in/", 11),
		"copy in/a in/c:":              copied("in/a", "in/c"),
		"copy out/a in/c:AccessDenied": copied("out/a", "in/c"),
		"copy in/a out/c:AccessDenied": copied("in/a", "out/c"),
		"part from in/a:":              partCopied("in/a"),
		"part from out/a:AccessDenied": partCopied("out/a"),
		"put with an ACL:AccessDenied": acl,
		"put with tags:AccessDenied":   tagged,
		"get a version:AccessDenied":   version,
		"get attributes:AccessDenied":  attributes,
		"get the policy:AccessDenied":  policies,
		"list buckets:AccessDenied":    all,
		"create a bucket:AccessDenied": made,
		"get of a bucket there is not:NoSuchBucket": func() error {
			_, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: p("no-such-bucket"), Key: p("in/a")})
			return err
		}(),
	} {
		what, code, _ := strings.Cut(what, ":")
		wantCode(t, what, err, code)
	}
	err = get("out/a")
	for _, part := range []string{
		`User: arn:aws:iam::000000000000:user/limited is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::limits/out/a" because no identity-based policy allows the s3:GetObject action`,
		"allow it in a policy of the caller or of the bucket",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
	// What is denied changes nothing; each key of a deletion is decided on its own.
	out, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: p("in/b")}, {Key: p("out/a")}, {Key: p("in/secret")}, {Key: p("in/a"), VersionId: p("null")},
	}}})
	if err != nil || len(out.Deleted) != 1 || *out.Deleted[0].Key != "in/b" || len(out.Errors) != 3 || *out.Errors[0].Code != "AccessDenied" {
		t.Errorf("%+v, %v", out, err)
	}
	page, err := h.List(ctx, *b, object.ListInput{})
	var keys []string
	for _, o := range page.Objects {
		keys = append(keys, o.Key)
	}
	if got := fmt.Sprint(keys); err != nil || got != "[in/a in/c in/secret out/a]" {
		t.Errorf("left: %s, %v", got, err)
	}
	// Tags of the object are known to the caller's policy.
	if _, err := sdk(h.url, "").PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: b, Key: p("in/a"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: p("class"), Value: p("secret")}}}}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "get of a tagged object", get("in/a"), "AccessDenied")
}

// raw sends bytes and returns the status and S3's error code.
func raw(t *testing.T, h *house, request string) (int, string) {
	t.Helper()
	u, _ := url.Parse(h.url)
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, request)
	conn.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(conn)
	var status int
	fmt.Sscanf(string(answer), "HTTP/1.1 %d", &status)
	_, rest, _ := strings.Cut(string(answer), "<Code>")
	code, _, _ := strings.Cut(rest, "</Code>")
	return status, code
}

// signedAt returns a signed request's head, signed at a time.
func signedAt(t *testing.T, h *house, at time.Time, method, path string, body []byte, change func(*http.Request)) string {
	t.Helper()
	sum := "UNSIGNED-PAYLOAD"
	req, err := http.NewRequest(method, h.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Content-Sha256", sum)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(t.Context(), awssdk.Credentials{AccessKeyID: root().AccessKeyID, SecretAccessKey: root().SecretAccessKey}, req, sum, "s3", "us-east-1", at); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n", method, path, req.URL.Host, len(body))
	req.Header.Write(&b)
	b.WriteString("\r\n")
	b.Write(body)
	return b.String()
}

// Each is answered with S3's status and code, and changes nothing.
func TestRefusals(t *testing.T) { onBoth(t, testRefusals) }

func testRefusals(t *testing.T, h *house) {
	ctx := t.Context()
	if err := h.CreateBucket(ctx, "refusals"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Put(ctx, "refusals", "k", object.PutInput{Body: strings.NewReader("kept")}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	presign := func(at time.Time, seconds string) string {
		req, _ := http.NewRequest("GET", h.url+"/refusals/k?X-Amz-Expires="+seconds, nil)
		signed, _, err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).PresignHTTP(ctx,
			awssdk.Credentials{AccessKeyID: root().AccessKeyID, SecretAccessKey: root().SecretAccessKey}, req, "UNSIGNED-PAYLOAD", "s3", "us-east-1", at)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(signed)
		return "GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\nConnection: close\r\n\r\n"
	}
	put := func(path, body string) string { return signedAt(t, h, now, "PUT", path, []byte(body), nil) }
	plain := func(method, path string) string {
		u, _ := url.Parse(h.url)
		return method + " " + path + " HTTP/1.1\r\nHost: " + u.Host + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	}
	for name, c := range map[string]struct {
		request string
		status  int
		code    string
	}{
		"the right request":       {signedAt(t, h, now, "GET", "/refusals/k", nil, nil), 200, ""},
		"the right presigned one": {presign(now, "60"), 200, ""},
		"wrong signature": {signedAt(t, h, now, "PUT", "/refusals/k", nil, func(r *http.Request) {
			a := r.Header.Get("Authorization")
			r.Header.Set("Authorization", a[:len(a)-4]+"0000")
		}), 403, "SignatureDoesNotMatch"},
		"another path than signed": {strings.Replace(signedAt(t, h, now, "PUT", "/refusals/k", nil, nil), "/refusals/k", "/refusals/l", 1), 403, "SignatureDoesNotMatch"},
		"skewed clock":             {signedAt(t, h, now.Add(-time.Hour), "PUT", "/refusals/k", nil, nil), 403, "RequestTimeTooSkewed"},
		"clock ahead":              {signedAt(t, h, now.Add(time.Hour), "PUT", "/refusals/k", nil, nil), 403, "RequestTimeTooSkewed"},
		"expired presigned":        {presign(now.Add(-time.Hour), "60"), 403, "AccessDenied"},
		"presigned for too long":   {presign(now, "9999999"), 400, "AuthorizationQueryParametersError"},
		"two signatures":           {strings.Replace(presign(now, "60"), "Connection:", "Authorization: AWS4-HMAC-SHA256 x\r\nConnection:", 1), 400, "InvalidArgument"},
		"foreign token":            {signedAt(t, h, now, "PUT", "/refusals/k", nil, func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "foreign") }), 400, "InvalidToken"},
		"anonymous get":            {plain("GET", "/refusals/k"), 403, "AccessDenied"},
		"anonymous list":           {plain("GET", "/refusals"), 403, "AccessDenied"},
		"anonymous put":            {plain("PUT", "/refusals/new"), 403, "AccessDenied"},
		"anonymous delete":         {plain("DELETE", "/refusals/k"), 403, "AccessDenied"},
		"anonymous policy":         {plain("PUT", "/refusals?policy"), 403, "AccessDenied"},
		"anonymous upload":         {plain("POST", "/refusals/k?uploads"), 403, "AccessDenied"},
		"two subresources":         {signedAt(t, h, now, "GET", "/refusals?acl=&policy=", nil, nil), 400, "InvalidArgument"},
		"dot segments":             {signedAt(t, h, now, "PUT", "/refusals/a/../k", nil, nil), 400, "InvalidArgument"},
		"encoded dot segments":     {signedAt(t, h, now, "PUT", "/refusals/a/%2e%2e/k", nil, nil), 400, "InvalidArgument"},
		"encoded slash":            {signedAt(t, h, now, "PUT", "/refusals%2f..%2fother/k", nil, nil), 400, "InvalidArgument"},
		"double slash":             {signedAt(t, h, now, "PUT", "/refusals//k", nil, nil), 400, "InvalidArgument"},
		"NUL":                      {signedAt(t, h, now, "PUT", "/refusals/k%00", nil, nil), 400, "InvalidArgument"},
		"overlong key":             {put("/refusals/"+strings.Repeat("a/", 600)+"a", ""), 400, "KeyTooLongError"},
		"overlong segment":         {put("/refusals/"+strings.Repeat("a", 251), ""), 400, "KeyTooLongError"},
		"bad bucket name":          {put("/Refusals", ""), 400, "InvalidBucketName"},
		"malformed policy":         {put("/refusals?policy=", `{"Version":`), 400, "MalformedPolicy"},
		"oversized policy":         {put("/refusals?policy=", `{"Id":"`+strings.Repeat("x", 21<<10)+`"}`), 400, "MalformedPolicy"},
		"malformed notification":   {put("/refusals?notification=", "<NotificationConfiguration>"), 400, "MalformedXML"},
		"malformed lifecycle":      {put("/refusals?lifecycle=", "<LifecycleConfiguration><Rule>"), 400, "MalformedXML"},
		"malformed encryption":     {put("/refusals?encryption=", "encryption"), 400, "MalformedXML"},
		"malformed block":          {put("/refusals?publicAccessBlock=", "<PublicAccessBlockConfiguration><BlockPublicAcls>perhaps</BlockPublicAcls></PublicAccessBlockConfiguration>"), 400, "MalformedXML"},
		"no document":              {put("/refusals?lifecycle=", ""), 400, "MissingRequestBodyError"},
		"oversized document":       {put("/refusals?lifecycle=", strings.Repeat(" ", 5<<20)), 400, "MaxMessageLengthExceeded"},
		"unknown subresource":      {signedAt(t, h, now, "GET", "/refusals/k?torrent=", nil, nil), 501, "NotImplemented"},
		"wrong method":             {signedAt(t, h, now, "POST", "/refusals?policy=", nil, nil), 405, "MethodNotAllowed"},
	} {
		status, code := raw(t, h, c.request)
		if status != c.status || code != c.code {
			t.Errorf("%s: %d %s, want %d %s", name, status, code, c.status, c.code)
		}
	}
	page, err := h.List(ctx, "refusals", object.ListInput{})
	if err != nil || len(page.Objects) != 1 || page.Objects[0].Key != "k" || page.Objects[0].Size != 4 {
		t.Errorf("the bucket changed: %+v, %v", page, err)
	}
}

// A form is decided by who signed it, on the key that it names.
func TestForms(t *testing.T) { onBoth(t, testForms) }

func testForms(t *testing.T, h *house) {
	ctx := t.Context()
	if err := h.CreateBucket(ctx, "forms"); err != nil {
		t.Fatal(err)
	}
	post := func(old bool, id, secret, key string, more ...string) (int, string) {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		w.WriteField("key", key)
		for i := 0; i < len(more); i += 2 {
			w.WriteField(more[i], more[i+1])
		}
		if id != "" {
			at := time.Now().UTC()
			credential := id + "/" + at.Format("20060102") + "/us-east-1/s3/aws4_request"
			conditions := fmt.Sprintf(`{"bucket": "forms"}, ["starts-with", "$key", ""], ["starts-with", "$acl", ""], {"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-credential": %q}, {"x-amz-date": %q}`, credential, at.Format("20060102T150405Z"))
			if len(more) == 0 {
				conditions = strings.Replace(conditions, `["starts-with", "$acl", ""], `, "", 1)
			}
			if old {
				conditions, _, _ = strings.Cut(conditions, `, {"x-amz-`)
			}
			document := base64.StdEncoding.EncodeToString([]byte(`{"expiration": "` + at.Add(time.Hour).Format("2006-01-02T15:04:05.000Z") + `", "conditions": [` + conditions + `]}`))
			fields := map[string]string{
				"policy": document, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": credential, "x-amz-date": at.Format("20060102T150405Z"),
				"x-amz-signature": fmt.Sprintf("%x", signature(secret, at, document)),
			}
			if old { // SigV2
				m := hmac.New(sha1.New, []byte(secret))
				m.Write([]byte(document))
				fields = map[string]string{"policy": document, "AWSAccessKeyId": id, "signature": base64.StdEncoding.EncodeToString(m.Sum(nil))}
			}
			for k, v := range fields {
				w.WriteField(k, v)
			}
		}
		f, _ := w.CreateFormFile("file", "f")
		f.Write([]byte("posted"))
		w.Close()
		res, err := http.Post(h.url+"/forms", w.FormDataContentType(), &body)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, _ := io.ReadAll(res.Body)
		_, rest, _ := strings.Cut(string(answer), "<Code>")
		code, _, _ := strings.Cut(rest, "</Code>")
		return res.StatusCode, code
	}
	for name, c := range map[string]struct {
		id, secret, key string
		more            []string
		status          int
		code            string
	}{
		"root":             {root().AccessKeyID, root().SecretAccessKey, "a", nil, 204, ""},
		"limited":          {"AKIALIMITED", "limited", "in/a", nil, 204, ""},
		"limited, outside": {"AKIALIMITED", "limited", "out/a", nil, 403, "AccessDenied"},
		"stranger":         {"AKIASTRANGE", "stranger", "in/a", nil, 403, "AccessDenied"},
		"wrong signature":  {"AKIALIMITED", "wrong", "in/a", nil, 403, "SignatureDoesNotMatch"},
		"anonymous":        {"", "", "in/a", nil, 403, "AccessDenied"},
		"public":           {root().AccessKeyID, root().SecretAccessKey, "b", []string{"acl", "public-read"}, 400, "AccessControlListNotSupported"},
		"unclean key":      {root().AccessKeyID, root().SecretAccessKey, "a/../c", nil, 400, "InvalidArgument"},
	} {
		for _, old := range []bool{false, true} {
			if status, code := post(old, c.id, c.secret, c.key, c.more...); status != c.status || code != c.code {
				t.Errorf("%s, SigV2 %t: %d %s, want %d %s", name, old, status, code, c.status, c.code)
			}
		}
	}
	if page, err := h.List(ctx, "forms", object.ListInput{}); err != nil || len(page.Objects) != 2 {
		t.Errorf("%+v, %v", page, err)
	}
}

// The edge's way in: the bucket's policy names the service and the distribution.
func TestOriginAccess(t *testing.T) { onBoth(t, testOriginAccess) }

func testOriginAccess(t *testing.T, h *house) {
	ctx := t.Context()
	if err := h.CreateBucket(ctx, "origin"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Put(ctx, "origin", "v/a.ts", object.PutInput{Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	const mine, other = "arn:aws:cloudfront::000000000000:distribution/E1", "arn:aws:cloudfront::000000000000:distribution/E2"
	may := func(service, source, key string) string {
		err := h.MayService(ctx, service, source, "s3:GetObject", "origin", key)
		if err == nil {
			return "yes"
		}
		return fault.Of(err).Code
	}
	if got := may("cloudfront.amazonaws.com", mine, "v/a.ts"); got != "AccessDenied" {
		t.Errorf("without a policy: %s", got)
	}
	// All of the public access block is on, and this is not public.
	policy := `{"Version": "2012-10-17", "Statement": [{"Sid": "AllowCloudFront", "Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"},
		"Action": "s3:GetObject", "Resource": "arn:aws:s3:::origin/v/*", "Condition": {"StringEquals": {"AWS:SourceArn": "` + mine + `"}}}]}`
	if _, err := sdk(h.url, "").PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: p("origin"), Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ service, source, key, want string }{
		{"cloudfront.amazonaws.com", mine, "v/a.ts", "yes"},
		{"cloudfront.amazonaws.com", mine, "w/a.ts", "AccessDenied"},
		{"cloudfront.amazonaws.com", other, "v/a.ts", "AccessDenied"},
		{"lambda.amazonaws.com", mine, "v/a.ts", "AccessDenied"},
	} {
		if got := may(c.service, c.source, c.key); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if err := h.MayService(ctx, "cloudfront.amazonaws.com", mine, "s3:GetObject", "none", "k"); fault.Of(err).Code != "NoSuchBucket" {
		t.Errorf("no bucket: %v", err)
	}
	// Nobody else came in with it.
	if err := h.Authorise(ctx, sigv4.Identity{}, "s3:GetObject", "origin", "v/a.ts"); err == nil {
		t.Error("the public may read")
	}
	who := sigv4.Identity{AccessKeyID: "AKIALIMITED", ARN: "arn:aws:iam::000000000000:user/limited", Account: "000000000000"}
	for key, want := range map[string]bool{"in/a": true, "out/a": false, "v/a.ts": false} {
		if err := h.Authorise(ctx, who, "s3:GetObject", "origin", key); (err == nil) != want || err != nil && fault.Of(err).Kind != fault.Denied {
			t.Errorf("limited reads %s: %v", key, err)
		}
	}
	if err := h.Authorise(ctx, sigv4.Identity{AccessKeyID: root().AccessKeyID}, "s3:PutObject", "origin", "k"); err != nil {
		t.Errorf("root: %v", err)
	}
}

// What was configured is there after a restart, and readable inside the house.
func TestSettingsSurvive(t *testing.T) { onBoth(t, testSettingsSurvive) }

func testSettingsSurvive(t *testing.T, h *house) {
	ctx := t.Context()
	if err := h.CreateBucket(ctx, "notified"); err != nil {
		t.Fatal(err)
	}
	c := sdk(h.url, "")
	if _, err := c.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: p("notified"), NotificationConfiguration: &types.NotificationConfiguration{
		EventBridgeConfiguration: &types.EventBridgeConfiguration{},
		LambdaFunctionConfigurations: []types.LambdaFunctionConfiguration{{
			LambdaFunctionArn: p("arn:aws:lambda:us-east-1:000000000000:function:known"), Events: []types.Event{"s3:ObjectCreated:*"},
			Filter: &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{{Name: "suffix", Value: p(".mp4")}}}},
		}},
	}}); err != nil {
		t.Fatal(err)
	}
	n, err := h.Notifications(ctx, "notified")
	if err != nil || len(n) != 2 || n[0].Suffix != ".mp4" || n[0].ID == "" || n[0].Events[0] != "ObjectCreated:*" || !n[1].EventBridge {
		t.Errorf("%+v, %v", n, err)
	}
	if n, err := h.Notifications(ctx, "none"); fault.Of(err).Code != "NoSuchBucket" {
		t.Errorf("%v, %v", n, err)
	}
	// Another server over a copy of the folder, as after a crash.
	dir := t.TempDir()
	if err := copyTree(h.dir+"/objects", dir+"/objects"); err != nil {
		t.Fatal(err)
	}
	again, err := object.Open(ctx, config(dir, h.events, h.at))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got, err := again.Notifications(ctx, "notified"); err != nil || fmt.Sprint(got) != fmt.Sprint(n) {
		t.Errorf("after a restart %+v, %v", got, err)
	}
}

// Lifecycle rules act, and say so in events.
func TestLifecycleSweep(t *testing.T) { onBoth(t, testLifecycleSweep) }

func testLifecycleSweep(t *testing.T, h *house) {
	ctx := t.Context()
	c := sdk(h.url, "")
	put := func(b, key, tags string) {
		t.Helper()
		in := &s3.PutObjectInput{Bucket: &b, Key: &key, Body: strings.NewReader("content")}
		if tags != "" {
			in.Tagging = &tags
		}
		if _, err := c.PutObject(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	rules := func(b string, rules ...types.LifecycleRule) {
		t.Helper()
		for i := range rules {
			rules[i].Status = types.ExpirationStatusEnabled
			if rules[i].Filter == nil {
				rules[i].Filter = &types.LifecycleRuleFilter{Prefix: p("")}
			}
		}
		if _, err := c.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: &b, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range []string{"plain", "versions"} {
		if err := h.CreateBucket(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: p("versions"), VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"logs/a", "logs/b", "out/a"} {
		put("plain", key, "")
	}
	put("plain", "out/tagged", "temporary=yes")
	rules("plain",
		types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Prefix: p("logs/")}, Expiration: &types.LifecycleExpiration{Days: p(int32(1))}},
		types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Tag: &types.Tag{Key: p("temporary"), Value: p("yes")}}, Expiration: &types.LifecycleExpiration{Days: p(int32(1))}},
		types.LifecycleRule{AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: p(int32(2))}})
	if _, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: p("plain"), Key: p("logs/multi")}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		put("versions", "k", "")
	}
	put("versions", "short", "")
	rules("versions",
		types.LifecycleRule{Expiration: &types.LifecycleExpiration{Days: p(int32(10))}},
		types.LifecycleRule{NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: p(int32(1)), NewerNoncurrentVersions: p(int32(1))}})

	now := time.Now()
	look := func() string {
		t.Helper()
		page, err := h.List(ctx, "plain", object.ListInput{})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, o := range page.Objects {
			keys = append(keys, o.Key)
		}
		up, err := c.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: p("plain")})
		if err != nil {
			t.Fatal(err)
		}
		v, err := c.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: p("versions")})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(keys, len(up.Uploads), len(v.Versions), len(v.DeleteMarkers))
	}
	for _, step := range []struct {
		days int
		want string
	}{
		{0, "[logs/a logs/b out/a out/tagged] 1 5 0"},
		{2, "[out/a] 1 3 0"},  // k keeps its newest and one before it
		{3, "[out/a] 0 3 0"},  // the upload
		{11, "[out/a] 0 3 2"}, // k and short are hidden now
	} {
		if err := h.Sweep(ctx, now.AddDate(0, 0, step.days)); err != nil {
			t.Fatal(err)
		}
		if got := look(); got != step.want {
			t.Errorf("after %d days: %s, want %s", step.days, got, step.want)
		}
	}
	want := map[string]int{"LifecycleExpiration:Delete": 5, "LifecycleExpiration:DeleteMarkerCreated": 2}
	got := map[string]int{}
	for deadline := time.Now().Add(10 * time.Second); fmt.Sprint(got) != fmt.Sprint(want) && time.Now().Before(deadline); {
		all, _, err := h.events.ObjectEvents(ctx, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		clear(got)
		for _, e := range all {
			if !e.Name.Created() {
				got[string(e.Name)]++
			}
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

// signature signs a form's policy. Source: S3 API reference, "POST policy".
func signature(secret string, at time.Time, document string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{at.Format("20060102"), "us-east-1", "s3", "aws4_request", document} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	return key
}

func copyTree(from, to string) error { return os.CopyFS(to, os.DirFS(from)) }
