package iam_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/policy"
	"vodwright.dev/vodwright/internal/store"
)

// house is an Authority over a real store, with a clock that tests move.
type house struct {
	*iam.Authority
	t    testing.TB
	path string
	root iam.Key
	now  time.Time
}

func newHouse(t testing.TB) *house {
	h := &house{t: t, path: filepath.Join(t.TempDir(), "records.db"), root: iam.Key{ID: "AKIAROOTROOTROOTROOT", Secret: "root"}, now: time.Now().Truncate(time.Second)}
	h.reopen()
	return h
}

// reopen is a restart.
func (h *house) reopen() {
	h.t.Helper()
	s, err := store.Open(context.Background(), store.Config{Path: h.path})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = s.Close() })
	h.Authority, err = iam.Open(context.Background(), iam.Config{Store: s, Root: h.root, Clock: func() time.Time { return h.now }})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) do(_ any, err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

const trustLambda = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}}`

func allows(action, resource string) string {
	return `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "` + action + `", "Resource": "` + resource + `"}}`
}

// user makes a user with a key and an inline policy.
func (h *house) user(name, doc string) (sigv4.Identity, iam.AccessKey) {
	h.t.Helper()
	key := iam.AccessKey{ID: "AKIA" + strings.ToUpper(name), Secret: name}
	p := iam.Principal{Kind: iam.KindUser, Name: name, Path: "/", Keys: []iam.AccessKey{key}}
	if doc != "" {
		p.Inline = map[string]string{"inline": doc}
	}
	made, err := h.Create(context.Background(), p)
	if err != nil {
		h.t.Fatal(err)
	}
	return sigv4.Identity{AccessKeyID: key.ID, ARN: made.ARN(), Account: iam.AccountID, Region: "us-east-1"}, key
}

func (h *house) role(name, trust string, docs ...string) string {
	h.t.Helper()
	p := iam.Principal{Kind: iam.KindRole, Name: name, Path: "/", MaxSession: time.Hour, Trust: trust, Inline: map[string]string{}}
	for _, d := range docs {
		p.Inline["inline"] = d
	}
	made, err := h.Create(context.Background(), p)
	if err != nil {
		h.t.Fatal(err)
	}
	return made.ARN()
}

func (h *house) may(who sigv4.Identity, action, resource string) error {
	return h.Authorize(context.Background(), who, httptest.NewRequest("GET", "/", nil), apiserver.Access{Action: action, Resource: resource})
}

func wantCode(t testing.TB, what string, err error, code string) {
	t.Helper()
	if code == "" && err != nil || code != "" && (err == nil || fault.Of(err).Code != code) {
		t.Errorf("%s: got %v, want %q", what, err, code)
	}
}

func TestChangesActAtOnce(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	anna, key := h.user("anna", "")
	wantCode(t, "no policy", h.may(anna, "mediaconvert:ListJobs", "*"), "AccessDenied")
	change := func(fn func(*iam.Principal)) {
		t.Helper()
		_, err := h.Change(ctx, iam.KindUser, "ANNA", func(p *iam.Principal) error { fn(p); return nil })
		h.do(nil, err)
	}
	change(func(p *iam.Principal) { p.Inline = map[string]string{"a": allows("mediaconvert:*", "*")} })
	wantCode(t, "inline policy", h.may(anna, "mediaconvert:ListJobs", "*"), "")
	change(func(p *iam.Principal) { p.Inline = nil })
	wantCode(t, "inline policy gone", h.may(anna, "mediaconvert:ListJobs", "*"), "AccessDenied")

	managed, err := h.CreatePolicy(ctx, iam.Policy{Name: "lists", Path: "/a/"}, allows("mediaconvert:List*", "*"))
	h.do(managed, err)
	arn := managed.ARN()
	change(func(p *iam.Principal) { p.Attached = []string{arn} })
	wantCode(t, "attached policy", h.may(anna, "mediaconvert:ListJobs", "*"), "")
	h.do(h.ChangePolicy(ctx, arn, func(p *iam.Policy) error {
		p.Versions = append(p.Versions, iam.Version{ID: "v2", Document: allows("mediaconvert:Get*", "*")})
		return nil
	}))
	wantCode(t, "a version that is not the default", h.may(anna, "mediaconvert:ListJobs", "*"), "")
	h.do(h.ChangePolicy(ctx, arn, func(p *iam.Policy) error { p.Default = "v2"; return nil }))
	wantCode(t, "the default changed", h.may(anna, "mediaconvert:ListJobs", "*"), "AccessDenied")
	wantCode(t, "the default changed", h.may(anna, "mediaconvert:GetJob", "*"), "")

	change(func(p *iam.Principal) { p.Boundary = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess" })
	if err := h.may(anna, "mediaconvert:GetJob", "*"); err == nil || !strings.HasSuffix(err.Error(), "because no permissions boundary allows the mediaconvert:GetJob action") {
		t.Errorf("boundary: %v", err)
	}
	wantCode(t, "delete of what is attached", h.DeletePolicy(ctx, arn), "DeleteConflict")
	wantCode(t, "delete of a user with policies", h.Delete(ctx, iam.KindUser, "anna"), "DeleteConflict")
	change(func(p *iam.Principal) {
		p.Attached, p.Boundary = []string{"arn:aws:iam::aws:policy/AdministratorAccess"}, ""
	})
	wantCode(t, "administrator", h.may(anna, "iam:CreateUser", "*"), "")

	h.reopen()
	wantCode(t, "after a restart", h.may(anna, "iam:CreateUser", "*"), "")
	change(func(p *iam.Principal) { p.Keys[0].Inactive = true })
	if _, ok, _ := h.Credential(ctx, key.ID); ok {
		t.Error("an inactive key has a credential")
	}
	wantCode(t, "an inactive key", h.may(anna, "iam:CreateUser", "*"), sigv4.CodeUnknownKey)
	change(func(p *iam.Principal) { p.Keys, p.Attached = nil, nil })
	h.do(nil, h.Delete(ctx, iam.KindUser, "anna"))
	wantCode(t, "a deleted user's key", h.may(anna, "iam:CreateUser", "*"), sigv4.CodeUnknownKey)
}

func TestRoot(t *testing.T) {
	h := newHouse(t)
	root := sigv4.Identity{AccessKeyID: h.root.ID, ARN: iam.RootARN}
	wantCode(t, "anything", h.may(root, "iam:CreateUser", "*"), "")
	d, err := policy.Parse(`{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}}`, policy.Resource)
	h.do(d, err)
	q := iam.Question{Who: root, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourcePolicy: d}
	wantCode(t, "a bucket that denies", h.Decide(t.Context(), q), "AccessDenied")
	q.Action = "s3:DeleteBucketPolicy"
	wantCode(t, "its policy", h.Decide(t.Context(), q), "")
}

func TestServicesAssumeRolesThatTrustThem(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	arn := h.role("fn", trustLambda, allows("s3:GetObject", "arn:aws:s3:::in/*"))
	_, err := h.AssumeForService(ctx, arn, "mediaconvert.amazonaws.com", "x", 0)
	wantCode(t, "a service that is not trusted", err, "AccessDenied")
	if !errors.Is(err, iam.ErrUntrusted) || fault.Of(err).Hint == "" {
		t.Errorf("%v does not say that trust lacks", err)
	}
	for _, none := range []string{"arn:aws:iam::000000000000:role/none", "arn:aws:iam::123456789012:role/fn", "arn:aws:iam::000000000000:role/path/fn", "fn", ""} {
		_, err = h.AssumeForService(ctx, none, "lambda.amazonaws.com", "x", 0)
		wantCode(t, "no role "+none, err, "NoSuchEntity")
	}
	s, err := h.AssumeForService(ctx, arn, "lambda.amazonaws.com", "my function", 12*time.Hour)
	h.do(s, err)
	who := s.Identity()
	if who.ARN != "arn:aws:sts::000000000000:assumed-role/fn/my-function" || !s.Expires.Equal(h.now.Add(time.Hour)) || !strings.HasPrefix(s.AccessKeyID, "ASIA") {
		t.Errorf("%+v", s)
	}
	wantCode(t, "what the role may", h.may(who, "s3:GetObject", "arn:aws:s3:::in/a"), "")
	wantCode(t, "what it may not", h.may(who, "s3:PutObject", "arn:aws:s3:::in/a"), "AccessDenied")

	h.reopen()
	wantCode(t, "after a restart", h.may(who, "s3:GetObject", "arn:aws:s3:::in/a"), "")
	c, ok, _ := h.Credential(ctx, s.AccessKeyID)
	if !ok || c.SessionToken != s.SessionToken || c.Secret != s.SecretAccessKey {
		t.Error("the session was lost")
	}
	h.now = h.now.Add(time.Hour + time.Second)
	wantCode(t, "expired", h.may(who, "s3:GetObject", "arn:aws:s3:::in/a"), sigv4.CodeExpired)

	s, err = h.AssumeForService(ctx, arn, "lambda.amazonaws.com", "again", 0)
	h.do(s, err)
	_, err = h.Change(ctx, iam.KindRole, "fn", func(p *iam.Principal) error { p.Inline = nil; return nil })
	h.do(nil, err)
	wantCode(t, "rights taken away", h.may(s.Identity(), "s3:GetObject", "arn:aws:s3:::in/a"), "AccessDenied")
	h.do(nil, h.Delete(ctx, iam.KindRole, "fn"))
	h.role("fn", trustLambda, allows("*", "*"))
	wantCode(t, "another role of the same name", h.may(s.Identity(), "s3:GetObject", "arn:aws:s3:::in/a"), sigv4.CodeUnknownKey)
}

func TestExpiredSessionsGo(t *testing.T) {
	h := newHouse(t)
	arn := h.role("fn", trustLambda)
	s, err := h.AssumeForService(t.Context(), arn, "lambda.amazonaws.com", "x", iam.MinSession)
	h.do(s, err)
	run := func() {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // Run sweeps once and ends
		h.do(nil, h.Run(ctx))
	}
	h.now = h.now.Add(time.Hour)
	run()
	if c, ok, _ := h.Credential(t.Context(), s.AccessKeyID); !ok || c.Expires.After(h.now) {
		t.Error("a session that expired lately is not told so")
	}
	h.now = h.now.Add(time.Hour)
	h.do(nil, h.Sweep(t.Context()))
	for range 2 {
		if _, ok, _ := h.Credential(t.Context(), s.AccessKeyID); ok {
			t.Error("an expired session stays")
		}
		h.reopen()
	}
}

func TestPassRole(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	role := h.role("fn", trustLambda)
	anna, _ := h.user("anna", `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/f*", "Condition": {"StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com", "mediaconvert.amazonaws.com"]}}}}`)
	otto, _ := h.user("otto", allows("lambda:*", "*"))
	wantCode(t, "may", h.PassRole(ctx, anna, role, "lambda.amazonaws.com"), "")
	wantCode(t, "to another service", h.PassRole(ctx, anna, role, "events.amazonaws.com"), "AccessDenied")
	wantCode(t, "not allowed", h.PassRole(ctx, otto, role, "lambda.amazonaws.com"), "AccessDenied")
	wantCode(t, "no such role", h.PassRole(ctx, anna, "arn:aws:iam::000000000000:role/f", "lambda.amazonaws.com"), "NoSuchEntity")
	err := h.PassRole(ctx, anna, role, "mediaconvert.amazonaws.com")
	if wantCode(t, "no trust", err, "AccessDenied"); !errors.Is(err, iam.ErrUntrusted) {
		t.Errorf("%v", err)
	}
}

func TestAssumeRole(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	may, _ := h.user("may", allows("sts:AssumeRole", "arn:aws:iam::000000000000:role/*"))
	mayNot, _ := h.user("maynot", "")
	named := `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "` + mayNot.ARN + `"}, "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "secret"}}}}`
	account := `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}}`
	byName := h.role("named", named, allows("s3:*", "*"))
	byAccount := h.role("account", account, `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::${aws:PrincipalTag/bucket}/*"}}`)
	for _, tt := range []struct {
		name string
		who  sigv4.Identity
		in   iam.Assume
		code string
	}{
		{"named, with the external id", mayNot, iam.Assume{RoleARN: byName, ExternalID: "secret"}, ""},
		{"named, without", mayNot, iam.Assume{RoleARN: byName}, "AccessDenied"},
		{"named, another", mayNot, iam.Assume{RoleARN: byName, ExternalID: "guess"}, "AccessDenied"},
		{"not named", may, iam.Assume{RoleARN: byName, ExternalID: "secret"}, "AccessDenied"},
		{"of the account, with own right", may, iam.Assume{RoleARN: byAccount}, ""},
		{"of the account, without", mayNot, iam.Assume{RoleARN: byAccount}, "AccessDenied"},
		{"none", may, iam.Assume{RoleARN: byAccount + "x"}, "AccessDenied"},
		{"too long", may, iam.Assume{RoleARN: byAccount, Duration: 2 * time.Hour}, "ValidationError"},
		{"tags without right to tag", may, iam.Assume{RoleARN: byAccount, Tags: map[string]string{"bucket": "films"}}, "AccessDenied"},
		{"malformed session policy", may, iam.Assume{RoleARN: byAccount, Policy: "{}"}, "MalformedPolicyDocument"},
		{"session policy that is not there", may, iam.Assume{RoleARN: byAccount, PolicyARNs: []string{"arn:aws:iam::aws:policy/None"}}, "MalformedPolicyDocument"},
		{"the root key", sigv4.Identity{AccessKeyID: h.root.ID, ARN: iam.RootARN}, iam.Assume{RoleARN: byAccount}, ""},
		{"the root key, not named", sigv4.Identity{AccessKeyID: h.root.ID, ARN: iam.RootARN}, iam.Assume{RoleARN: byName}, "AccessDenied"},
	} {
		tt.in.SessionName = "test"
		_, err := h.AssumeRole(ctx, tt.who, nil, tt.in)
		wantCode(t, tt.name, err, tt.code)
	}

	_, err := h.Change(ctx, iam.KindUser, "may", func(p *iam.Principal) error {
		p.Inline = map[string]string{"all": allows("sts:*", "*")}
		return nil
	})
	h.do(nil, err)
	s, err := h.AssumeRole(ctx, may, nil, iam.Assume{RoleARN: byAccount, SessionName: "t", Tags: map[string]string{"Bucket": "films"}, Policy: allows("s3:GetObject", "*")})
	h.do(s, err)
	wantCode(t, "by the session's tag", h.may(s.Identity(), "s3:GetObject", "arn:aws:s3:::films/a"), "")
	wantCode(t, "another bucket", h.may(s.Identity(), "s3:GetObject", "arn:aws:s3:::other/a"), "AccessDenied")
	if err := h.may(s.Identity(), "s3:PutObject", "arn:aws:s3:::films/a"); err == nil || !strings.Contains(err.Error(), "no session policy allows") {
		t.Errorf("beyond the session policy: %v", err)
	}
	s, err = h.AssumeRole(ctx, may, nil, iam.Assume{RoleARN: byAccount, SessionName: "t", Tags: map[string]string{"Bucket": "films"}, PolicyARNs: []string{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}})
	h.do(s, err)
	wantCode(t, "managed session policy", h.may(s.Identity(), "s3:GetObject", "arn:aws:s3:::films/a"), "")
	wantCode(t, "beyond it", h.may(s.Identity(), "s3:PutObject", "arn:aws:s3:::films/a"), "AccessDenied")
}

func TestSessionToken(t *testing.T) {
	h := newHouse(t)
	anna, _ := h.user("anna", allows("s3:*", "*"))
	s, err := h.SessionToken(t.Context(), anna, time.Hour)
	h.do(s, err)
	wantCode(t, "same rights", h.may(s.Identity(), "s3:GetObject", "*"), "")
	wantCode(t, "no more", h.may(s.Identity(), "iam:CreateUser", "*"), "AccessDenied")
	_, err = h.SessionToken(t.Context(), s.Identity(), time.Hour)
	wantCode(t, "of a session", err, "AccessDenied")
	s, err = h.SessionToken(t.Context(), sigv4.Identity{AccessKeyID: h.root.ID, ARN: iam.RootARN}, time.Hour)
	h.do(s, err)
	wantCode(t, "root's", h.may(s.Identity(), "iam:CreateUser", "*"), "")
	h.reopen()
	wantCode(t, "root's after a restart", h.may(s.Identity(), "iam:CreateUser", "*"), "")
}

func TestConditionKeysOfTheRequest(t *testing.T) {
	h := newHouse(t)
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "[::ffff:10.1.2.3]:555"
	r.Header.Set("User-Agent", "test/1")
	r.Header.Set("Referer", "https://example.com/")
	anna, _ := h.user("anna", "")
	_, err := h.Change(t.Context(), iam.KindUser, "anna", func(p *iam.Principal) error { p.Tags = map[string]string{"Team": "blue"}; return nil })
	h.do(nil, err)
	role := h.role("fn", trustLambda)
	session, err := h.AssumeForService(t.Context(), role, "lambda.amazonaws.com", "x", 0)
	h.do(session, err)
	root := sigv4.Identity{AccessKeyID: h.root.ID, ARN: iam.RootARN}
	sessionOfRoot, err := h.SessionToken(t.Context(), root, time.Hour)
	h.do(sessionOfRoot, err)
	user, err := h.Get(iam.KindUser, "anna")
	h.do(user, err)
	for _, tt := range []struct {
		who       sigv4.Identity
		condition string
		want      bool
	}{
		{anna, `{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "Bool": {"aws:SecureTransport": "false", "aws:ViaAWSService": "false", "aws:PrincipalIsAWSService": "false"}}`, true},
		{anna, `{"Bool": {"aws:SecureTransport": "true"}}`, false},
		{anna, `{"StringEquals": {"aws:username": "anna", "aws:userid": "` + user.ID + `", "aws:PrincipalType": "User", "aws:PrincipalAccount": "000000000000", "aws:PrincipalTag/team": "blue", "aws:RequestedRegion": "us-east-1", "aws:UserAgent": "test/1", "aws:Referer": "https://example.com/"}}`, true},
		{anna, `{"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::000000000000:user/anna"}}`, true},
		{anna, `{"Null": {"aws:TokenIssueTime": "true", "aws:MultiFactorAuthPresent": "true", "aws:SourceArn": "true", "aws:PrincipalTag/other": "true"}}`, true},
		{anna, `{"DateGreaterThan": {"aws:CurrentTime": "2024-01-01"}, "NumericGreaterThan": {"aws:EpochTime": "1"}}`, true},
		{session.Identity(), `{"ArnEquals": {"aws:PrincipalArn": "` + role + `"}, "StringEquals": {"aws:PrincipalType": "AssumedRole"}, "StringLike": {"aws:userid": "AROA*:x"}, "Null": {"aws:username": "true"}, "Bool": {"aws:MultiFactorAuthPresent": "false"}, "DateLessThanEquals": {"aws:TokenIssueTime": "2100-01-01"}}`, true},
		{sigv4.Identity{}, `{"StringEquals": {"aws:PrincipalType": "Anonymous"}, "Null": {"aws:PrincipalArn": "true", "aws:userid": "true"}}`, true},
		{root, `{"StringEquals": {"aws:PrincipalType": "Account", "aws:userid": "000000000000"}, "ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::000000000000:root"}}`, true},
		{sessionOfRoot.Identity(), `{"StringEquals": {"aws:PrincipalType": "Account"}, "Null": {"aws:TokenIssueTime": "false"}}`, true},
	} {
		// A resource that denies all but who meets the condition, and one that allows who does.
		for effect, ask := range map[string]bool{"Allow": tt.want, "Deny": !tt.want} {
			d, err := policy.Parse(`{"Version": "2012-10-17", "Statement": [{"Effect": "`+effect+`", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", "Condition": `+tt.condition+`}`+
				map[string]string{"Allow": "", "Deny": `, {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}`}[effect]+`]}`, policy.Resource)
			h.do(d, err)
			q := iam.Question{Who: tt.who, Request: r, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourcePolicy: d}
			if tt.who.ARN == iam.RootARN && effect == "Allow" {
				continue // it may anyway
			}
			if got := h.Decide(t.Context(), q) == nil; got != ask {
				t.Errorf("%s: %s of %s: %v", effect, tt.condition, tt.who.ARN, got)
			}
		}
	}
}

func TestQuotasAndReferences(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.user("anna", "")
	change := func(fn func(*iam.Principal)) error {
		_, err := h.Change(ctx, iam.KindUser, "anna", func(p *iam.Principal) error { fn(p); return nil })
		return err
	}
	wantCode(t, "inline too large", change(func(p *iam.Principal) {
		p.Inline = map[string]string{"a": allows("s3:*", "arn:aws:s3:::"+strings.Repeat("x", 2048))}
	}), "LimitExceeded")
	wantCode(t, "three keys", change(func(p *iam.Principal) { p.Keys = make([]iam.AccessKey, 3) }), "LimitExceeded")
	wantCode(t, "attached what is not", change(func(p *iam.Principal) { p.Attached = []string{"arn:aws:iam::aws:policy/None"} }), "NoSuchEntity")
	wantCode(t, "malformed", change(func(p *iam.Principal) { p.Inline = map[string]string{"a": "{"} }), "MalformedPolicyDocument")
	_, err := h.Create(ctx, iam.Principal{Kind: iam.KindUser, Name: "ANNA", Path: "/"})
	wantCode(t, "the same name", err, "EntityAlreadyExists")
	_, err = h.Create(ctx, iam.Principal{Kind: iam.KindRole, Name: "r", Path: "/", Trust: strings.Replace(trustLambda, `"Service": "lambda.amazonaws.com"`, `"AWS": "arn:aws:iam::000000000000:user/nobody"`, 1)})
	wantCode(t, "trust of nobody", err, "MalformedPolicyDocument")
	p, err := h.CreatePolicy(ctx, iam.Policy{Name: "p", Path: "/"}, allows("s3:*", "*"))
	h.do(p, err)
	_, err = h.CreatePolicy(ctx, iam.Policy{Name: "P", Path: "/x/"}, allows("s3:*", "*"))
	wantCode(t, "the same policy", err, "EntityAlreadyExists")
	_, err = h.ChangePolicy(ctx, p.ARN(), func(p *iam.Policy) error {
		for range 5 {
			p.Versions = append(p.Versions, p.Versions[0])
		}
		return nil
	})
	wantCode(t, "six versions", err, "LimitExceeded")
	wantCode(t, "delete of AWS's", h.DeletePolicy(ctx, "arn:aws:iam::aws:policy/AdministratorAccess"), "AccessDenied")
	h.do(nil, h.DeletePolicy(ctx, p.ARN()))
}

// Decisions go on while rights change; each sees one state or the other. It says
// most under the race detector.
func TestDecisionsWhileRightsChange(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	anna, _ := h.user("anna", "")
	role := h.role("fn", trustLambda, allows("s3:*", "*"))
	p, err := h.CreatePolicy(ctx, iam.Policy{Name: "p", Path: "/"}, allows("s3:Get*", "*"))
	h.do(p, err)
	arn := p.ARN()
	var changes, asks sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		asks.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := h.may(anna, "s3:GetObject", "*"); err != nil && fault.Of(err).Code != "AccessDenied" {
					t.Error(err)
				}
				s, err := h.AssumeForService(ctx, role, "lambda.amazonaws.com", "x", 0)
				if err != nil || h.may(s.Identity(), "s3:GetObject", "*") != nil {
					t.Errorf("a session: %v", err)
				}
				h.Policies()
				h.List(iam.KindUser, "/")
			}
		})
	}
	changes.Go(func() {
		for i := range 20 {
			_, err := h.Change(ctx, iam.KindUser, "anna", func(p *iam.Principal) error {
				p.Attached = nil
				if i%2 == 0 {
					p.Attached = []string{arn}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	changes.Go(func() {
		for i := range 20 {
			_, err := h.ChangePolicy(ctx, arn, func(p *iam.Policy) error {
				p.Description = strings.Repeat("x", i)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if err := h.Sweep(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	changes.Wait()
	close(done)
	asks.Wait()
	wantCode(t, "in the end", h.may(anna, "s3:GetObject", "*"), "AccessDenied")
}

func sign(t testing.TB, key iam.AccessKey, token, service string, at time.Time) *http.Request {
	r := httptest.NewRequest("POST", "http://127.0.0.1:8080/", nil)
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret, SessionToken: token}, r,
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", service, "us-east-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAuthenticate(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	anna, key := h.user("anna", "")
	s, err := h.SessionToken(ctx, anna, time.Hour)
	h.do(s, err)
	temp := iam.AccessKey{ID: s.AccessKeyID, Secret: s.SecretAccessKey}
	other, err := h.SessionToken(ctx, anna, time.Hour)
	h.do(other, err)
	for _, tt := range []struct {
		name    string
		request *http.Request
		code    string
	}{
		{"right", sign(t, key, "", "iam", h.now), ""},
		{"session", sign(t, temp, s.SessionToken, "iam", h.now), ""},
		{"wrong secret", sign(t, iam.AccessKey{ID: key.ID, Secret: "x"}, "", "iam", h.now), sigv4.CodeMismatch},
		{"unknown key", sign(t, iam.AccessKey{ID: "AKIAX", Secret: "x"}, "", "iam", h.now), sigv4.CodeUnknownKey},
		{"no token", sign(t, temp, "", "iam", h.now), sigv4.CodeUnknownKey},
		{"foreign token", sign(t, temp, other.SessionToken, "iam", h.now), sigv4.CodeUnknownKey},
		{"token of nobody", sign(t, key, s.SessionToken, "iam", h.now), sigv4.CodeUnknownKey},
		{"another service", sign(t, key, "", "s3", h.now), sigv4.CodeMismatch},
		{"slow clock", sign(t, key, "", "iam", h.now.Add(-16*time.Minute)), sigv4.CodeSkewed},
		{"fast clock", sign(t, key, "", "iam", h.now.Add(16*time.Minute)), sigv4.CodeSkewed},
		{"unsigned", httptest.NewRequest("POST", "/", nil), sigv4.CodeMissing},
	} {
		id, err := h.Authenticate(tt.request, "iam")
		if wantCode(t, tt.name, err, tt.code); err == nil && id.ARN != anna.ARN {
			t.Errorf("%s: %+v", tt.name, id)
		}
	}
	if u, ok := h.LastUse(key.ID); !ok || u.Service != "iam" || !u.At.Equal(h.now) {
		t.Errorf("last use %+v", u)
	}
	h.now = h.now.Add(2 * time.Hour)
	_, err = h.Authenticate(sign(t, temp, s.SessionToken, "iam", h.now), "iam")
	wantCode(t, "expired", err, sigv4.CodeExpired)
	h.do(h.Change(ctx, iam.KindUser, "anna", func(p *iam.Principal) error { p.Keys[0].Inactive = true; return nil }))
	_, err = h.Authenticate(sign(t, key, "", "iam", h.now), "iam")
	wantCode(t, "inactive", err, sigv4.CodeUnknownKey)
}

// Large bodies are read a few at once: before their signature is known to be wrong.
func TestLargeBodiesWait(t *testing.T) {
	h := newHouse(t)
	_, key := h.user("anna", "")
	large := func(ctx context.Context) (*http.Request, *io.PipeWriter) {
		body, w := io.Pipe()
		r := sign(t, iam.AccessKey{ID: key.ID, Secret: "x"}, "", "lambda", h.now).WithContext(ctx)
		r.Body, r.ContentLength = body, 5<<20
		return r, w
	}
	var reads []*io.PipeWriter
	done := make(chan error)
	for range 4 {
		r, w := large(t.Context())
		go func() { _, err := h.Authenticate(r, "lambda"); done <- err }()
		if _, err := w.Write([]byte("x")); err != nil { // it is being read
			t.Fatal(err)
		}
		reads = append(reads, w)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	r, _ := large(ctx)
	_, err := h.Authenticate(r, "lambda")
	wantCode(t, "a fifth", err, "ServiceException")
	_, err = h.Authenticate(sign(t, key, "", "lambda", h.now), "lambda")
	wantCode(t, "a small one", err, "")
	for _, w := range reads {
		w.Close()
		wantCode(t, "a large one", <-done, sigv4.CodeMismatch)
	}
	r, w := large(t.Context())
	w.Close()
	_, err = h.Authenticate(r, "lambda")
	wantCode(t, "one more", err, sigv4.CodeMismatch)
}

// One authorisation of a user with a managed and an inline policy, conditions and all.
func BenchmarkAuthorize(b *testing.B) {
	h := newHouse(b)
	anna, _ := h.user("anna", `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::films/*", "arn:aws:s3:::out/${aws:username}/*"]},
		{"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.0/24"]}}}]}`)
	h.do(h.Change(b.Context(), iam.KindUser, "anna", func(p *iam.Principal) error {
		p.Attached = []string{"arn:aws:iam::aws:policy/AWSElementalMediaConvertFullAccess", "arn:aws:iam::aws:policy/CloudFrontFullAccess"}
		return nil
	}))
	r := httptest.NewRequest("GET", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Authorize(b.Context(), anna, r, apiserver.Access{Action: "s3:PutObject", Resource: "arn:aws:s3:::out/anna/a.m3u8"}); err != nil {
			b.Fatal(err)
		}
	}
}
