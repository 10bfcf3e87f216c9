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

// request is one request as a client would send it, with what is wrong about it.
type request struct {
	service, method, path string
	headers               map[string]string
	body                  []byte
	key                   aws.Credentials
	at                    time.Time           // of the signature; zero is now
	spoil                 func(*http.Request) // after signing
	unsigned              bool
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
	if !r.unsigned {
		sum := sha256.Sum256(r.body)
		digest := hex.EncodeToString(sum[:])
		if r.service == "s3" {
			req.Header.Set("X-Amz-Content-Sha256", digest)
		}
		at := r.at
		if at.IsZero() {
			at = time.Now()
		}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = r.service == "s3" })
		if err := signer.SignHTTP(context.Background(), r.key, req, digest, r.service, "us-east-1", at); err != nil {
			s.t.Fatal(err)
		}
	}
	if r.spoil != nil {
		r.spoil(req)
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
	var vars map[string]string
	if err := json.Unmarshal(s.vodwright("env", "--data", s.data, "--json"), &vars); err != nil {
		s.t.Fatal(err)
	}
	return aws.Credentials{AccessKeyID: vars["AWS_ACCESS_KEY_ID"], SecretAccessKey: vars["AWS_SECRET_ACCESS_KEY"]}
}

// reads is a harmless request to every service.
func reads() map[string]request {
	query := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	target := func(t string) map[string]string {
		return map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": t}
	}
	return map[string]request{
		"s3":           {service: "s3", method: "GET", path: "/"},
		"mediaconvert": {service: "mediaconvert", method: "GET", path: "/2017-08-29/jobs"},
		"cloudfront":   {service: "cloudfront", method: "GET", path: "/2020-05-31/distribution"},
		"lambda":       {service: "lambda", method: "GET", path: "/2015-03-31/functions"},
		"iam":          {service: "iam", method: "POST", path: "/", headers: query, body: []byte("Action=ListRoles&Version=2010-05-08")},
		"sts":          {service: "sts", method: "POST", path: "/", headers: query, body: []byte("Action=GetCallerIdentity&Version=2011-06-15")},
		"logs":         {service: "logs", method: "POST", path: "/", headers: target("Logs_20140328.DescribeLogGroups"), body: []byte("{}")},
		"events":       {service: "events", method: "POST", path: "/", headers: target("AWSEvents.ListRules"), body: []byte("{}")},
		"wafv2":        {service: "wafv2", method: "POST", path: "/", headers: target("AWSWAF_20190729.ListWebACLs"), body: []byte(`{"Scope":"CLOUDFRONT"}`)},
	}
}

// Every service refuses a request whose signature, time or key is not right, and
// one whose caller has no permission, with the codes that AWS's SDKs know.
func TestRefusalsOfEveryService(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	root := s.root()
	var user struct {
		AccessKey struct{ AccessKeyID, SecretAccessKey string }
	}
	s.aws(nil, "iam", "create-user", "--user-name", "nobody")
	s.aws(&user, "iam", "create-access-key", "--user-name", "nobody")
	nobody := aws.Credentials{AccessKeyID: user.AccessKey.AccessKeyID, SecretAccessKey: user.AccessKey.SecretAccessKey}

	spoilSignature := func(r *http.Request) {
		a := r.Header.Get("Authorization")
		last := a[len(a)-1]
		r.Header.Set("Authorization", a[:len(a)-1]+string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", last)+1)%16]))
	}
	cases := []struct {
		name  string
		wrong func(r request) request
		codes string // any of
		free  string // services that need no permission
	}{
		{"wrong signature", func(r request) request { r.spoil = spoilSignature; return r }, "SignatureDoesNotMatch InvalidSignatureException", ""},
		{"wrong secret", func(r request) request { r.key.SecretAccessKey += "x"; return r }, "SignatureDoesNotMatch InvalidSignatureException", ""},
		{"clock behind", func(r request) request { r.at = time.Now().Add(-16 * time.Minute); return r }, "RequestTimeTooSkewed InvalidSignatureException SignatureDoesNotMatch RequestExpired", ""},
		{"clock ahead", func(r request) request { r.at = time.Now().Add(16 * time.Minute); return r }, "RequestTimeTooSkewed InvalidSignatureException SignatureDoesNotMatch RequestExpired", ""},
		{"unknown key", func(r request) request { r.key.AccessKeyID = "AKIAAAAAAAAAAAAAAAAA"; return r }, "InvalidAccessKeyId InvalidClientTokenId UnrecognizedClientException", ""},
		{"foreign token", func(r request) request { r.key.SessionToken = "stolen"; return r }, "InvalidToken InvalidClientTokenId UnrecognizedClientException", ""},
		{"no permission", func(r request) request { r.key = nobody; return r }, "AccessDenied AccessDeniedException", "sts"},
	}
	for service, r := range reads() {
		r.key = root
		if a := s.send(r); a.status != 200 {
			t.Errorf("%s: a right request is answered %d: %s", service, a.status, a.body)
		}
		for _, c := range cases {
			a := s.send(c.wrong(r))
			if c.free == service {
				if a.status != 200 {
					t.Errorf("%s, %s: answered %d %s, needs no permission", service, c.name, a.status, a.body)
				}
				continue
			}
			if (a.status != 403 && a.status != 400) || !strings.Contains(" "+c.codes+" ", " "+a.code+" ") {
				t.Errorf("%s, %s: answered %d %q, want 403 and one of %s\n%s", service, c.name, a.status, a.code, c.codes, a.body)
			}
		}
	}
}

// What is malformed or too large is refused by every service before anything is done.
func TestRefusalsOfDocuments(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	root := s.root()
	huge := bytes.Repeat([]byte("x"), 5<<20)
	for service, r := range reads() {
		r.key = root
		if service == "s3" || service == "lambda" || service == "cloudfront" || service == "mediaconvert" {
			continue // below, by their own documents
		}
		big := r
		big.body = huge
		if a := s.send(big); a.status != 413 && a.status != 400 {
			t.Errorf("%s: a body of 5 MiB is answered %d %.200s", service, a.status, a.body)
		}
		if service != "iam" && service != "sts" {
			bad := r
			bad.body = []byte(`{"a":`)
			if a := s.send(bad); a.status != 400 || a.code != "SerializationException" {
				t.Errorf("%s: broken JSON is answered %d %q", service, a.status, a.code)
			}
		}
	}
	jsonType := map[string]string{"Content-Type": "application/json"}
	xmlType := map[string]string{"Content-Type": "application/xml"}
	s.aws(nil, "s3api", "create-bucket", "--bucket", "docs")
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
	var list struct{ Contents []any }
	s.aws(&list, "s3api", "list-objects-v2", "--bucket", "docs")
	if len(list.Contents) > 0 {
		t.Errorf("refused requests left %v", list.Contents)
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
