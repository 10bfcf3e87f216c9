package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// apiRequest is one harmless request to a service.
type apiRequest struct {
	service, method, path, target, body string
	action                              string // that it needs; "" needs none
}

// readRequests reads something from every service.
func readRequests() []apiRequest {
	return []apiRequest{
		{"s3", "GET", "/", "", "", "s3:ListAllMyBuckets"},
		{"mediaconvert", "GET", "/2017-08-29/jobs", "", "", "mediaconvert:ListJobs"},
		{"cloudfront", "GET", "/2020-05-31/distribution", "", "", "cloudfront:ListDistributions"},
		{"lambda", "GET", "/2015-03-31/functions", "", "", "lambda:ListFunctions"},
		{"logs", "POST", "/", "Logs_20140328.DescribeLogGroups", "{}", "logs:DescribeLogGroups"},
		{"events", "POST", "/", "AWSEvents.ListRules", "{}", "events:ListRules"},
		{"wafv2", "POST", "/", "AWSWAF_20190729.ListWebACLs", `{"Scope": "CLOUDFRONT"}`, "wafv2:ListWebACLs"},
		{"iam", "POST", "/", "", "Action=ListUsers&Version=2010-05-08", "iam:ListUsers"},
		{"sts", "POST", "/", "", "Action=GetCallerIdentity&Version=2011-06-15", ""},
	}
}

// sender is how requests are signed.
type sender struct {
	aws.Credentials
	base  string
	scope string    // a service other than the request's
	at    time.Time // zero: now
	none  bool      // not at all
}

var errorCodes = regexp.MustCompile(`<Code>([^<]+)</Code>`)

// send sends a request and returns its status and the error's code, "" of a success.
func (s sender) send(t *testing.T, a apiRequest) (status int, code string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), a.method, s.base+a.path, strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case a.target != "":
		req.Header.Set("X-Amz-Target", a.target)
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	case a.body != "" && a.service != "s3":
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	sum := sha256.Sum256([]byte(a.body))
	digest := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", digest)
	if !s.none {
		scope, at := a.service, time.Now()
		if s.scope != "" {
			scope = s.scope
		}
		if !s.at.IsZero() {
			at = s.at
		}
		err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = a.service == "s3" }).SignHTTP(context.Background(), s.Credentials, req, digest, scope, "us-east-1", at)
		if err != nil {
			t.Fatal(err)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	code = resp.Header.Get("X-Amzn-Errortype")
	if m := errorCodes.FindSubmatch(body); code == "" && m != nil {
		code = string(m[1])
	}
	if resp.StatusCode >= 300 && code == "" {
		t.Errorf("%s %s: %d without a code: %s", a.service, a.path, resp.StatusCode, body)
	}
	return resp.StatusCode, code
}

// jsonNames are the names that services of the JSON protocols give to refusals.
var jsonNames = map[string]string{
	"SignatureDoesNotMatch": "InvalidSignatureException", "InvalidClientTokenId": "UnrecognizedClientException",
	"AccessDenied": "AccessDeniedException", "ExpiredToken": "ExpiredTokenException",
}

// s3Names are S3's.
var s3Names = map[string]string{"InvalidClientTokenId": "InvalidAccessKeyId", "clock": "RequestTimeTooSkewed"}

func nameIn(service, code string) string {
	switch service {
	case "s3":
		if n, ok := s3Names[code]; ok {
			return n
		}
	case "mediaconvert", "lambda", "logs", "events", "wafv2":
		if code == "clock" {
			code = "SignatureDoesNotMatch"
		}
		return jsonNames[code]
	}
	if code == "clock" {
		return "SignatureDoesNotMatch"
	}
	return code
}

func policyOf(effect, action, resource string) string {
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": %q, "Action": %q, "Resource": %q}]}`, effect, action, resource)
}

// Every service refuses who did not sign well or may not, with AWS's codes, and
// serves who may.
func TestEveryServiceAuthenticatesAndAuthorises(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	nobody := s.keyOf("nobody", "")
	var temporary struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	}
	session := func() aws.Credentials {
		s.aws(&temporary, "sts", "get-session-token")
		return aws.Credentials{AccessKeyID: temporary.Credentials.AccessKeyId, SecretAccessKey: temporary.Credentials.SecretAccessKey, SessionToken: temporary.Credentials.SessionToken}
	}
	root, other := session(), session()
	with := func(c aws.Credentials, change func(*sender)) sender {
		out := sender{Credentials: c, base: s.HTTP}
		if change != nil {
			change(&out)
		}
		return out
	}
	for _, a := range readRequests() {
		t.Run(a.service, func(t *testing.T) {
			for _, tt := range []struct {
				name string
				from sender
				code string
			}{
				{"a session of the root key", with(root, nil), ""},
				{"no rights", with(nobody, nil), "AccessDenied"},
				{"wrong secret", with(nobody, func(s *sender) { s.SecretAccessKey = "x" }), "SignatureDoesNotMatch"},
				{"unknown key", with(nobody, func(s *sender) { s.AccessKeyID = "AKIANOBODYNOBODYNOBO" }), "InvalidClientTokenId"},
				{"slow clock", with(nobody, func(s *sender) { s.at = time.Now().Add(-20 * time.Minute) }), "clock"},
				{"fast clock", with(nobody, func(s *sender) { s.at = time.Now().Add(20 * time.Minute) }), "clock"},
				{"foreign token", with(root, func(s *sender) { s.SessionToken = other.SessionToken }), "InvalidClientTokenId"},
				{"no token", with(root, func(s *sender) { s.SessionToken = "" }), "InvalidClientTokenId"},
			} {
				status, code := tt.from.send(t, a)
				want := nameIn(a.service, tt.code)
				if a.action == "" && tt.code == "AccessDenied" {
					want = "" // everybody may ask who they are
				}
				if a.service == "s3" && strings.HasSuffix(tt.name, "token") {
					want = "InvalidToken"
				}
				if code != want || want == "" && status != 200 || want != "" && (status < 400 || status > 403) {
					t.Errorf("%s: %d %q, want %q", tt.name, status, code, want)
				}
			}
			if a.service != "s3" && a.service != "lambda" { // whose bodies may be large
				large := a
				large.body += strings.Repeat(" ", 5<<20)
				if status, code := with(root, nil).send(t, large); status != http.StatusRequestEntityTooLarge {
					t.Errorf("5 MiB of body: %d %s", status, code)
				}
			}
			if status, _ := with(nobody, func(s *sender) { s.none = true }).send(t, a); status < 400 || status > 405 {
				t.Errorf("unsigned: %d", status)
			}
		})
	}

	// What a policy allows is allowed at once, and nothing else.
	for _, a := range readRequests() {
		if a.action == "" {
			continue
		}
		s.allow("nobody", policyOf("Allow", a.action, "*"))
		for _, b := range readRequests() {
			status, code := with(nobody, nil).send(t, b)
			if may := b.action == a.action || b.action == ""; may != (status == 200) {
				t.Errorf("%s allowed: %s answers %d %s", a.action, b.service, status, code)
			}
		}
	}
}

// A role that a user assumes, limited by a session policy, on S3; before and after
// the server was killed.
func TestSessionsOnBuckets(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.buckets("films")
	anna := s.keyOf("anna", "")
	s.aws(nil, "iam", "create-role", "--role-name", "reader", "--assume-role-policy-document",
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:user/anna"}, "Action": "sts:AssumeRole"}]}`)
	s.aws(nil, "iam", "put-role-policy", "--role-name", "reader", "--policy-name", "all", "--policy-document", policyOf("Allow", "s3:*", "arn:aws:s3:::films/*"))
	assume := func(document string) sender {
		t.Helper()
		args := []string{"sts", "assume-role", "--role-arn", "arn:aws:iam::000000000000:role/reader", "--role-session-name", "anna"}
		if document != "" {
			args = append(args, "--policy", document)
		}
		out, err := s.awsAs(anna, args...)
		var made struct {
			Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
		}
		if err != nil || json.Unmarshal(out, &made) != nil {
			t.Fatalf("assume-role: %v\n%s", err, out)
		}
		c := made.Credentials
		return sender{Credentials: aws.Credentials{AccessKeyID: c.AccessKeyId, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, base: s.HTTP}
	}
	whole, limited := assume(""), assume(policyOf("Allow", "s3:GetObject", "arn:aws:s3:::films/open/*"))
	check := func() {
		t.Helper()
		for _, tt := range []struct {
			from         sender
			method, path string
			want         int
		}{
			{whole, "PUT", "/films/open/a", 200},
			{whole, "PUT", "/films/closed/a", 200},
			{whole, "PUT", "/other/a", 404},
			{whole, "GET", "/films?list-type=2", 403},
			{limited, "GET", "/films/open/a", 200},
			{limited, "GET", "/films/closed/a", 403},
			{limited, "PUT", "/films/open/b", 403},
			{sender{Credentials: anna, base: s.HTTP}, "GET", "/films/open/a", 403},
		} {
			if status, code := tt.from.send(t, apiRequest{service: "s3", method: tt.method, path: tt.path}); status != tt.want {
				t.Errorf("%s %s: %d %s, want %d", tt.method, tt.path, status, code, tt.want)
			}
		}
	}
	check()
	s.kill()
	s.start()
	check()
	s.aws(nil, "iam", "put-role-policy", "--role-name", "reader", "--policy-name", "no", "--policy-document", policyOf("Deny", "s3:*", "*"))
	if status, code := whole.send(t, apiRequest{service: "s3", method: "GET", path: "/films/open/a"}); status != 403 || code != "AccessDenied" {
		t.Errorf("after the role was denied: %d %s", status, code)
	}
}

// awsAs runs the aws CLI with other credentials and returns what it printed.
func (s *server) awsAs(c aws.Credentials, args ...string) ([]byte, error) {
	s.t.Helper()
	cmd := s.awsCommand(args...)
	cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+c.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+c.SecretAccessKey, "AWS_SESSION_TOKEN="+c.SessionToken)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.Bytes(), err
}
