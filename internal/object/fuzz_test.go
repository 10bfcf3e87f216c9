package object_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// FuzzRequests sends signed requests with any path, query, headers and body to the
// whole of S3: documents of multipart uploads, deletions, tags, policies and rules,
// forms, ranges, copies. Each is answered, never with a fault of ours.
func FuzzRequests(f *testing.F) {
	h := newHouse(f)
	if err := h.CreateBucket(f.Context(), "fuzz"); err != nil {
		f.Fatal(err)
	}
	handler := h.Handler()
	const form = "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--b\r\nContent-Disposition: form-data; name=\"AWSAccessKeyId\"\r\n\r\nAKIAROOTROOTROOTROOT\r\n--b\r\n" +
		"Content-Disposition: form-data; name=\"policy\"\r\n\r\neyJ9\r\n--b\r\nContent-Disposition: form-data; name=\"signature\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../x\"\r\n\r\nfilm\r\n--b--\r\n"
	for _, seed := range []struct{ method, target, header, body string }{
		{"PUT", "/fuzz/k", "X-Amz-Meta-A: b", "film"},
		{"GET", "/fuzz/k", "Range: bytes=0-1", ""},
		{"GET", "/fuzz/k", "Range: bytes=-9223372036854775808", ""},
		{"GET", "/fuzz/k?partNumber=1", "If-None-Match: *", ""},
		{"GET", "/fuzz?list-type=2&max-keys=2147483648&prefix=%00&delimiter=%2F&continuation-token=x", "", ""},
		{"GET", "/fuzz?versions&key-marker=%FF&version-id-marker=x", "", ""},
		{"POST", "/fuzz/k?uploads", "", ""},
		{"POST", "/fuzz/k?uploadId=01ARZ3NDEKTSV4RRFFQ69G5FAV", "", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"x\"</ETag></Part></CompleteMultipartUpload>"},
		{"POST", "/fuzz/k?uploadId=x", "", strings.Repeat("<a>", 2000)},
		{"PUT", "/fuzz/k?partNumber=10001&uploadId=../x", "Content-Md5: x", "part"},
		{"POST", "/fuzz?delete", "Content-Md5: 1B2M2Y8AsgTpgAmY7PhCfg==", "<Delete><Object><Key>../k</Key></Object><Quiet>maybe</Quiet></Delete>"},
		{"PUT", "/fuzz/k?tagging", "Content-Md5: x", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"},
		{"PUT", "/fuzz?policy", "", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::fuzz/*"}]}`},
		{"PUT", "/fuzz?notification", "", "<NotificationConfiguration><CloudFunctionConfiguration><CloudFunction>x</CloudFunction><Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration></NotificationConfiguration>"},
		{"PUT", "/fuzz?lifecycle", "", "<LifecycleConfiguration><Rule><Status>Enabled</Status><Expiration><Days>-1</Days></Expiration></Rule></LifecycleConfiguration>"},
		{"PUT", "/fuzz?cors", "", "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>"},
		{"PUT", "/fuzz?versioning", "", "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><VersioningConfiguration><Status>&a;</Status></VersioningConfiguration>"},
		{"PUT", "/fuzz/copy", "X-Amz-Copy-Source: /fuzz/k?versionId=%zz", ""},
		{"PUT", "/fuzz/copy", "X-Amz-Copy-Source-Range: bytes=1-0", ""},
		{"POST", "/fuzz", "Content-Type: multipart/form-data; boundary=b", form},
		{"POST", "/fuzz", "Content-Type: multipart/form-data; boundary=\"\"", form},
		{"PUT", "/fuzz/k", "Content-Encoding: aws-chunked", "4;chunk-signature=x\r\nfilm\r\n0\r\n\r\n"},
		{"PUT", "/fuzz/k", "X-Amz-Checksum-Crc32: AAAAAA==", "film"},
		{"GET", "/fuzz/%2e%2e/x", "", ""},
		{"POST", "/fuzz/k?select&select-type=2", "", "<SelectObjectContentRequest/>"},
		{"PUT", "/new-bucket", "", "<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint></CreateBucketConfiguration>"},
	} {
		f.Add(seed.method, seed.target, seed.header, []byte(seed.body))
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	key := awssdk.Credentials{AccessKeyID: root().AccessKeyID, SecretAccessKey: root().SecretAccessKey}
	f.Fuzz(func(t *testing.T, method, target, header string, body []byte) {
		if !strings.HasPrefix(target, "/") || method == "CONNECT" {
			return
		}
		req, err := http.NewRequest(method, "http://localhost"+target, bytes.NewReader(body))
		if err != nil {
			return // nothing that a client could send
		}
		if name, value, ok := strings.Cut(header, ": "); ok && !strings.ContainsAny(header, "\r\n\x00") && name != "" && !strings.ContainsAny(name, " \t") {
			req.Header.Set(name, value)
		}
		req.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		if err := signer.SignHTTP(t.Context(), key, req, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now()); err != nil {
			return
		}
		req.RequestURI = req.URL.RequestURI()
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, req)
		if answer.Code >= 500 && answer.Code != http.StatusNotImplemented {
			t.Fatalf("%s %q with %q: %d\n%.500s", method, target, header, answer.Code, answer.Body)
		}
	})
}
