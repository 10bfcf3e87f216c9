package object_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/policy"
	"vodwright.dev/vodwright/internal/store"
)

// serveEnv makes the test binary a server that can be killed; its value is the folder.
const serveEnv = "VODWRIGHT_TEST_SERVE_DIR"

// serveAtEnv is an External in JSON, when its bytes are in an external S3.
const serveAtEnv = "VODWRIGHT_TEST_SERVE_AT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveEnv); dir != "" {
		if err := serveUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func root() object.Credential {
	return object.Credential{AccessKeyID: "AKIAROOTROOTROOTROOT", SecretAccessKey: "root/secret+with=signs"}
}

func config(dir string, db *store.Store, at *object.External) object.Config {
	return object.Config{
		Dir: filepath.Join(dir, "objects"), External: at, Index: db, Root: root(), Credentials: others{}, Authority: authority{}, Functions: functions{}, Events: db,
		VirtualHostDomains: []string{"localhost", "s3.test"},
		Logger:             slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// others are the keys beside the root key, by what authority lets them.
type others struct{}

func (others) Credential(_ context.Context, id string) (object.Credential, bool, error) {
	c, ok := map[string]object.Credential{
		"ASIASESSION": {AccessKeyID: "ASIASESSION", SecretAccessKey: "session", SessionToken: "the-token", PrincipalARN: "arn:aws:sts::000000000000:assumed-role/r/s"},
		"ASIAEXPIRED": {AccessKeyID: "ASIAEXPIRED", SecretAccessKey: "expired", SessionToken: "the-token", PrincipalARN: "arn:aws:sts::000000000000:assumed-role/r/s", Expires: time.Unix(1, 0)},
		"AKIASTRANGE": {AccessKeyID: "AKIASTRANGE", SecretAccessKey: "stranger", PrincipalARN: "arn:aws:iam::000000000000:user/stranger"},
		"AKIALIMITED": {AccessKeyID: "AKIALIMITED", SecretAccessKey: "limited", PrincipalARN: "arn:aws:iam::000000000000:user/limited"},
	}[id]
	return c, ok, nil
}

// authority decides with the policy room, by policies that it makes up: the
// session may do everything, the stranger nothing, limited what it says.
type authority struct{}

func (authority) Decide(_ context.Context, q object.Question) error {
	statement := map[string]string{
		"arn:aws:sts::000000000000:assumed-role/r/s": `{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}`,
		"arn:aws:iam::000000000000:root":             `{"Effect": "Allow", "Action": "*", "Resource": "*"}`,
		"arn:aws:iam::000000000000:user/limited": `
			{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": "arn:aws:s3:::*/in/*"},
			{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringLike": {"s3:prefix": "in/*"}, "NumericLessThanEquals": {"s3:max-keys": "10"}}},
			{"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::*/in/secret*"},
			{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": {"s3:ExistingObjectTag/class": "secret"}}}`,
	}[q.Who.ARN]
	p := policy.Policies{Resource: q.Policy}
	if statement != "" {
		d, err := policy.Parse(`{"Version": "2012-10-17", "Statement": [`+statement+`]}`, policy.Identity)
		if err != nil {
			return err
		}
		p.Identity = append(p.Identity, d)
	}
	r := policy.Request{
		Principal: policy.Principal{ARN: q.Who.ARN, Account: q.Who.Account, Service: q.Service},
		Action:    q.Action, Resource: q.Resource, ResourceAccount: "000000000000", Keys: q.Keys,
	}
	if d := policy.Evaluate(&r, p); !d.Allowed {
		return fault.New(fault.Denied, "AccessDenied", "User: %s is not authorized to perform: %s on resource: %q %s", q.Who.ARN, q.Action, q.Resource, d.Reason(q.Action))
	}
	return nil
}

func (authority) CheckPrincipals(d *policy.Document) error {
	for _, arn := range d.Principals() {
		if strings.HasSuffix(arn, "/nobody") {
			return fault.New(fault.Invalid, policy.CodeMalformed, "Invalid principal in policy: %q", arn)
		}
	}
	return nil
}

// functions knows one function, which lets the bucket notified invoke it.
type functions struct{}

func (functions) Permitted(_ context.Context, functionARN, sourceARN, account, service string) error {
	if functionARN != "arn:aws:lambda:us-east-1:000000000000:function:known" {
		return fault.New(fault.NotFound, "ResourceNotFoundException", "Function not found: %s", functionARN)
	}
	if service != "s3.amazonaws.com" || sourceARN != "arn:aws:s3:::notified" || account != "000000000000" {
		return fault.New(fault.Denied, "AccessDeniedException", "%s may not invoke it for %s", service, sourceARN)
	}
	return nil
}

func serveUntilKilled(dir string) error {
	db, err := store.Open(context.Background(), store.Config{Path: filepath.Join(dir, "records.db")})
	if err != nil {
		return err
	}
	var at *object.External
	if doc := os.Getenv(serveAtEnv); doc != "" {
		at = new(object.External)
		if err := json.Unmarshal([]byte(doc), at); err != nil {
			return err
		}
	}
	s, err := object.Open(context.Background(), config(dir, db, at))
	if err != nil {
		return err
	}
	go s.Run(context.Background())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, s.Handler())
}

// house is a store behind a server, with its event log.
type house struct {
	*object.Store
	events *store.Store
	url    string
	dir    string
	at     *object.External // nil when its bytes are in dir
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return openHouse(t, t.TempDir(), nil)
}

// onBoth runs a test on a store whose bytes are in its folder, and on one whose bytes are
// in an external S3.
func onBoth(t *testing.T, test func(*testing.T, *house)) {
	t.Parallel()
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		test(t, newHouse(t))
	})
	t.Run("external", func(t *testing.T) {
		t.Parallel()
		test(t, openHouse(t, t.TempDir(), newExternal(t).bytesOf(t)))
	})
}

// newExternal is another house, with a bucket that is somebody's external S3.
func newExternal(t testing.TB) *house {
	t.Helper()
	h := newHouse(t)
	if err := h.CreateBucket(t.Context(), "external"); err != nil {
		t.Fatal(err)
	}
	return h
}

// bytesOf is where h is the external S3 of another house.
func (h *house) bytesOf(t testing.TB) *object.External {
	t.Helper()
	at, err := object.ParseExternal(h.url + "/external/some/prefix")
	if err != nil {
		t.Fatal(err)
	}
	at.AccessKeyID, at.SecretAccessKey = root().AccessKeyID, root().SecretAccessKey
	return &at
}

func openHouse(t testing.TB, dir string, at *object.External) *house {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	s, err := object.Open(t.Context(), config(dir, db, at))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		server.Close()
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &house{Store: s, events: db, url: server.URL, dir: dir, at: at}
}
