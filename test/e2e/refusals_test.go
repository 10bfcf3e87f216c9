package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// request is one signed request.
type request struct {
	service, method, path string
	headers               map[string]string
	body                  []byte
	key                   aws.Credentials
}

// answer is what came back.
type answer struct {
	status int
	code   string // of the error document, in XML or JSON
	body   string
}

func (s *server) send(r request) answer {
	s.t.Helper()
	req, err := http.NewRequest(r.method, s.HTTP+r.path, bytes.NewReader(r.body))
	if err != nil {
		s.t.Fatal(err)
	}
	for k, v := range r.headers {
		req.Header.Set(k, v)
	}
	sum := sha256.Sum256(r.body)
	digest := hex.EncodeToString(sum[:])
	if r.service == "s3" {
		req.Header.Set("X-Amz-Content-Sha256", digest)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = r.service == "s3" })
	if err := signer.SignHTTP(context.Background(), r.key, req, digest, r.service, "us-east-1", time.Now()); err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, body: string(body)}
	if _, after, ok := strings.Cut(a.body, "<Code>"); ok {
		a.code, _, _ = strings.Cut(after, "</Code>")
	} else if t := resp.Header.Get("X-Amzn-Errortype"); t != "" {
		a.code = t
	}
	return a
}

// root returns the root key.
func (s *server) root() aws.Credentials {
	s.t.Helper()
	key, err := s.Key(s.t.Context())
	s.must(err)
	return key
}

// What is malformed or too large is refused before anything is done; identity_test.go
// has signatures, clocks, keys and rights.
func TestRefusalsOfDocuments(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	root := s.root()
	huge := bytes.Repeat([]byte("x"), 5<<20)
	jsonType := map[string]string{"Content-Type": "application/json"}
	xmlType := map[string]string{"Content-Type": "application/xml"}
	s.buckets("docs")
	for _, c := range []struct {
		name string
		r    request
		want string // status and code
	}{
		{"job that is no JSON", request{service: "mediaconvert", method: "POST", path: "/2017-08-29/jobs", headers: jsonType, body: []byte("{")}, "400 SerializationException"},
		{"job that is too large", request{service: "mediaconvert", method: "POST", path: "/2017-08-29/jobs", headers: jsonType, body: huge}, "413 RequestEntityTooLargeException"},
		{"distribution that is no XML", request{service: "cloudfront", method: "POST", path: "/2020-05-31/distribution", headers: xmlType, body: []byte("<a")}, "400 MalformedXML"},
		{"distribution with a document type", request{service: "cloudfront", method: "POST", path: "/2020-05-31/distribution", headers: xmlType, body: []byte(`<!DOCTYPE a [<!ENTITY x "y">]><DistributionConfig>&x;</DistributionConfig>`)}, "400 MalformedXML"},
		{"notification that is no XML", request{service: "s3", method: "PUT", path: "/docs?notification=", headers: xmlType, body: []byte("<Notif")}, "400 MalformedXML"},
		{"policy that is no JSON", request{service: "s3", method: "PUT", path: "/docs?policy=", headers: jsonType, body: []byte("{")}, "400 MalformedPolicy"},
		{"policy for another bucket", request{service: "s3", method: "PUT", path: "/docs?policy=", headers: jsonType, body: []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudfront.amazonaws.com"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::other/*"}]}`)}, "400 MalformedPolicy"},
		{"public policy under the block", request{service: "s3", method: "PUT", path: "/docs?policy=", headers: jsonType, body: []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::docs/*"}]}`)}, "403 AccessDenied"},
		{"role with a malformed trust", request{service: "iam", method: "POST", path: "/", headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: []byte("Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=" + url.QueryEscape(`{"Statement":[{"Effect":"Maybe"}]}`))}, "400 MalformedPolicyDocument"},
		{"an operation that is none", request{service: "iam", method: "POST", path: "/", headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: []byte("Action=FlyToTheMoon&Version=2010-05-08")}, "400 InvalidAction"},
		{"a target that is none", request{service: "logs", method: "POST", path: "/", headers: map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328.Fly"}, body: []byte("{}")}, "400 UnknownOperationException"},
		{"a path that climbs, in a bucket", request{service: "s3", method: "PUT", path: "/docs/a/%2e%2e/%2e%2e/b", body: []byte("x")}, "400 "},
		{"a path that climbs, in jobs", request{service: "mediaconvert", method: "GET", path: "/2017-08-29/jobs/..%2f..%2fetc"}, "404 NotFoundException"},
		{"a path that climbs, in functions", request{service: "lambda", method: "GET", path: "/2015-03-31/functions/..%2f..%2fetc"}, "400 "},
		{"an event pattern that is none", request{service: "events", method: "POST", path: "/", headers: map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSEvents.PutRule"}, body: []byte(`{"Name":"r","EventPattern":"{\"source\":\"x\"}"}`)}, "400 InvalidEventPatternException"},
	} {
		c.r.key = root
		a := s.send(c.r)
		if got := fmt.Sprintf("%d %s", a.status, a.code); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: answered %s, want %s\n%.300s", c.name, got, c.want, a.body)
		}
	}
	// An old CLI prints nothing of a bucket without objects.
	if out, _, err := s.tryAWS("s3api", "list-objects-v2", "--bucket", "docs"); err != nil || bytes.Contains(out, []byte("Key\"")) {
		t.Errorf("refused requests left %s, %v", out, err)
	}
}

// Packages that reach out of their folder, or grow without end, are refused whole.
func TestRefusalsOfFunctionCode(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.aws(nil, "iam", "create-role", "--role-name", "fn", "--assume-role-policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	s.aws(nil, "iam", "create-role", "--role-name", "other", "--assume-role-policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"mediaconvert.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	entry := func(name string, mode os.FileMode, data []byte) []byte {
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	fine := entry("handler.py", 0o644, []byte("def handler(e, c): return 1\n"))
	for name, c := range map[string]struct {
		code []byte
		role string
	}{
		"climbing":     {entry("../../evil.py", 0o644, []byte("x")), "fn"},
		"absolute":     {entry("/etc/evil.py", 0o644, []byte("x")), "fn"},
		"link-out":     {entry("handler.py", os.ModeSymlink|0o777, []byte("/etc/passwd")), "fn"},
		"bomb":         {entry("handler.py", 0o644, make([]byte, 300<<20)), "fn"},
		"not-a-zip":    {[]byte("PK not really"), "fn"},
		"not-trusted":  {fine, "other"},
		"no-such-role": {fine, "nobody"},
	} {
		body, err := json.Marshal(map[string]any{
			"FunctionName": name, "Runtime": "python3.11", "Handler": "handler.handler", "Role": "arn:aws:iam::000000000000:role/" + c.role,
			"Code": map[string]string{"ZipFile": base64.StdEncoding.EncodeToString(c.code)},
		})
		if err != nil {
			t.Fatal(err)
		}
		a := s.send(request{service: "lambda", method: "POST", path: "/2015-03-31/functions", body: body, key: s.root(), headers: map[string]string{"Content-Type": "application/json"}})
		if a.status != 400 || a.code != "InvalidParameterValueException" {
			t.Errorf("%s: answered %d %q, want 400 InvalidParameterValueException\n%.300s", name, a.status, a.code, a.body)
		}
	}
	var list struct{ Functions []any }
	s.aws(&list, "lambda", "list-functions")
	if len(list.Functions) > 0 {
		t.Errorf("refused packages left functions: %v", list.Functions)
	}
	for _, folder := range []string{"packages", "unpacked"} {
		left, err := os.ReadDir(filepath.Join(s.data, "functions", folder))
		if err != nil || len(left) > 0 {
			t.Errorf("refused packages left files in %s: %v %v", folder, left, err)
		}
	}
}
