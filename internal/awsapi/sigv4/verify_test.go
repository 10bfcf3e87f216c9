package sigv4_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
)

var (
	now    = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	longed = aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "s3cret/+="}
	temp   = aws.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "t3mp", SessionToken: "token/with+="}
)

func lookup(id string) (sigv4.Credential, bool) {
	switch id {
	case longed.AccessKeyID:
		return sigv4.Credential{Secret: longed.SecretAccessKey, ARN: "arn:root", Account: "000000000000"}, true
	case temp.AccessKeyID:
		return sigv4.Credential{Secret: temp.SecretAccessKey, SessionToken: temp.SessionToken, Expires: now.Add(time.Minute)}, true
	}
	return sigv4.Credential{}, false
}

const document = `{"role":"ä"}`

// request is what a server receives of a request that the SDK signed at.
func request(t *testing.T, target string, creds aws.Credentials, service string, at time.Time) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "https://127.0.0.1:8443"+target, strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Amz-Meta-Two", "  a   b ")
	sum := sha256.Sum256([]byte(document))
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	if err := signer.SignHTTP(t.Context(), creds, r, hex.EncodeToString(sum[:]), service, "eu-west-1", at); err != nil {
		t.Fatal(err)
	}
	return received(r)
}

// received moves a client's request to the server's side.
func received(r *http.Request) *http.Request {
	in := httptest.NewRequest(r.Method, r.URL.RequestURI(), nil)
	in.Header, in.Host, in.Body, in.ContentLength = r.Header.Clone(), r.URL.Host, r.Body, r.ContentLength
	return in
}

func TestWhatTheSDKSigns(t *testing.T) {
	// S3's clients write paths in one form only: everything escaped but slashes.
	notS3 := []string{
		"/a%20b/c+d?x=1&x=0&a-b=2&a=1&empty",
		"/2017-08-29/tags/arn%3Aaws%3Amediaconvert%3Aus-east-1%3A000000000000%3Ajobs%2F1-a?q=%2F%20%2B~",
	}
	for _, target := range append(notS3, "/", "/2017-08-29/jobs", "/2017-08-29/jobs?status=COMPLETE&maxResults=20", "/a%20b/c%2Bd?x=1&x=0&a-b=2&a=1&empty", "/ünicode/%E2%82%AC") {
		for _, service := range []string{"mediaconvert", "s3"} {
			if service == "s3" && slices.Contains(notS3, target) {
				continue
			}
			for _, creds := range []aws.Credentials{longed, temp} {
				id, err := sigv4.Verify(request(t, target, creds, service, now), now, lookup)
				if err != nil {
					t.Errorf("%s %s %s: %v", service, target, creds.AccessKeyID, err)
				} else if id.AccessKeyID != creds.AccessKeyID || id.Service != service || id.Region != "eu-west-1" || id.Presigned {
					t.Errorf("%s: identity %+v", target, id)
				}
			}
		}
	}
}

func TestBodyIsLeftInPlace(t *testing.T) {
	r := request(t, "/x", longed, "mediaconvert", now)
	if _, err := sigv4.Verify(r, now, lookup); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != document {
		t.Errorf("body %q, %v", body, err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		tamper func(*http.Request)
		at     time.Time // of the verification; zero is now
		code   string
	}{
		"no signature":        {func(r *http.Request) { r.Header.Del("Authorization") }, now, sigv4.CodeMissing},
		"other scheme":        {func(r *http.Request) { r.Header.Set("Authorization", "AWS a:b") }, now, sigv4.CodeIncomplete},
		"empty header":        {func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256") }, now, sigv4.CodeIncomplete},
		"other path":          {func(r *http.Request) { r.URL.Path = "/y" }, now, sigv4.CodeMismatch},
		"other query":         {func(r *http.Request) { r.URL.RawQuery = "a=2" }, now, sigv4.CodeMismatch},
		"other method":        {func(r *http.Request) { r.Method = "PUT" }, now, sigv4.CodeMismatch},
		"other host":          {func(r *http.Request) { r.Host = "evil" }, now, sigv4.CodeMismatch},
		"other signed header": {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, now, sigv4.CodeMismatch},
		"header added":        {func(r *http.Request) { r.Header.Set("X-Amz-Target", "Delete") }, now, sigv4.CodeMismatch},
		"other body":          {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{}")) }, now, sigv4.CodeMismatch},
		"unsigned body claim": {func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, now, sigv4.CodeMismatch},
		"streamed body":       {func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") }, now, sigv4.CodeMismatch},
		"unknown key": {func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "AKIAEXAMPLE", "AKIANOBODY", 1))
		}, now, sigv4.CodeUnknownKey},
		"token added":         {func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, now, sigv4.CodeUnknownKey},
		"signature not hex":   {func(r *http.Request) { r.Header.Set("Authorization", r.Header.Get("Authorization")+"zz") }, now, sigv4.CodeMismatch},
		"signature cut":       {func(r *http.Request) { a := r.Header.Get("Authorization"); r.Header.Set("Authorization", a[:len(a)-2]) }, now, sigv4.CodeMismatch},
		"too late":            {nil, now.Add(15*time.Minute + time.Second), sigv4.CodeSkewed},
		"too early":           {nil, now.Add(-15*time.Minute - time.Second), sigv4.CodeSkewed},
		"date of another day": {func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260305T050607Z") }, now, sigv4.CodeIncomplete},
		"no date":             {func(r *http.Request) { r.Header.Del("X-Amz-Date") }, now, sigv4.CodeIncomplete},
		"large body": {func(r *http.Request) {
			r.Body = io.NopCloser(bytes.NewReader(make([]byte, int(sigv4.MaxBody("mediaconvert"))+1)))
		}, now, sigv4.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, "/x?a=1", longed, "mediaconvert", now)
			if c.tamper != nil {
				c.tamper(r)
			}
			_, err := sigv4.Verify(r, c.at, lookup)
			f := fault.Of(err)
			if f == nil || f.Code != c.code || (f.Kind != fault.Denied && c.code != sigv4.CodeTooLarge) {
				t.Errorf("error %+v, want %s", f, c.code)
			}
		})
	}
	for _, at := range []time.Time{now.Add(15 * time.Minute), now.Add(-15 * time.Minute)} {
		if _, err := sigv4.Verify(request(t, "/x", longed, "mediaconvert", now), at, lookup); err != nil {
			t.Errorf("at the edge of the skew: %v", err)
		}
	}
	if _, err := sigv4.Verify(request(t, "/x", temp, "mediaconvert", now), now.Add(2*time.Minute), lookup); fault.Of(err).Code != sigv4.CodeExpired {
		t.Errorf("an expired session: %v", err)
	}
}

func TestPresigned(t *testing.T) {
	presign := func(service string, expires string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, "https://127.0.0.1:8443/bucket/a%20b.mp4?X-Amz-Expires="+expires, nil)
		if err != nil {
			t.Fatal(err)
		}
		hash := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		if service == "s3" {
			hash = "UNSIGNED-PAYLOAD"
		}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
		target, header, err := signer.PresignHTTP(t.Context(), temp, r, hash, service, "us-east-1", now)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		in := httptest.NewRequest(http.MethodGet, u.RequestURI(), nil)
		in.Host, in.Header = u.Host, header.Clone()
		in.Header.Del("Host")
		return in
	}
	for _, service := range []string{"s3", "mediaconvert"} {
		id, err := sigv4.Verify(presign(service, "60"), now.Add(59*time.Second), lookup)
		if err != nil || !id.Presigned || id.Service != service {
			t.Errorf("%s: %+v, %v", service, id, err)
		}
	}
	if _, err := sigv4.Verify(presign("s3", "30"), now.Add(31*time.Second), lookup); fault.Of(err).Code != sigv4.CodeSkewed {
		t.Errorf("expired: %v", err)
	}
	for _, bad := range []string{"0", "604801", "x", "-5", ""} {
		if _, err := sigv4.Verify(presign("s3", bad), now, lookup); fault.Of(err).Code != sigv4.CodeIncomplete {
			t.Errorf("X-Amz-Expires %q: %v", bad, err)
		}
	}
	r := presign("s3", "60")
	r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "X-Amz-Expires=60", "X-Amz-Expires=600", 1)
	if _, err := sigv4.Verify(r, now, lookup); fault.Of(err).Code != sigv4.CodeMismatch {
		t.Errorf("a longer life: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20260304/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "a=1&b", "20260304T050607Z")
	f.Add("", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A/20260304/r/s3/aws4_request&X-Amz-Expires=5&X-Amz-Date=20260304T050607Z&X-Amz-SignedHeaders=host&X-Amz-Signature=0", "")
	f.Fuzz(func(t *testing.T, auth, query, date string) {
		r := httptest.NewRequest(http.MethodPost, "/path", strings.NewReader("x"))
		r.URL.RawQuery = query
		r.Header["Authorization"], r.Header["X-Amz-Date"] = []string{auth}, []string{date}
		if _, err := sigv4.Verify(r, now, lookup); err == nil {
			t.Fatal("a signature was guessed")
		}
	})
}
