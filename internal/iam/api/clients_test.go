package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	stssdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"vodwright.dev/vodwright/internal/front"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/iam/api"
	"vodwright.dev/vodwright/internal/store"
)

var root = iam.Key{ID: "AKIAROOTROOTROOTROOT", Secret: "rootrootrootrootrootrootrootrootrootroot"}

// serve serves both APIs over records of their own.
func serve(t *testing.T) string {
	t.Helper()
	records, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	authority, err := iam.Open(t.Context(), iam.Config{Store: records, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	services := map[string]http.Handler{"iam": api.NewIAM(api.Config{Authority: authority}), "sts": api.NewSTS(api.Config{Authority: authority})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := services[front.SigningName(r)]
		if h == nil {
			h = services["iam"]
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func environment(url string) []string {
	return append(os.Environ(), "ENDPOINT="+url, "AWS_ACCESS_KEY_ID="+root.ID, "AWS_SECRET_ACCESS_KEY="+root.Secret, "AWS_DEFAULT_REGION=us-east-1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "TF_CLI_CONFIG_FILE=", "AWS_CA_BUNDLE=", "TF_VAR_endpoint="+url, "CHECKPOINT_DISABLE=1")
}

func TestBoto3DrivesEveryOperation(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("python3", "testdata/drive.py")
	cmd.Env = environment(serve(t))
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "all operations answered\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCLI(t *testing.T) {
	t.Parallel()
	url := serve(t)
	run := func(args ...string) (string, error) {
		cmd := exec.Command("aws", append([]string{"--endpoint-url", url, "--output", "json"}, args...)...)
		cmd.Env = environment(url)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := run(args...)
		if err != nil {
			t.Fatalf("aws %v: %v\n%s", args, err, out)
		}
		return out
	}
	trust := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`
	var role struct {
		Role struct {
			Arn                      string
			AssumeRolePolicyDocument struct{ Version string }
		}
	}
	if err := json.Unmarshal([]byte(must("iam", "create-role", "--role-name", "fn", "--assume-role-policy-document", trust)), &role); err != nil || role.Role.Arn != "arn:aws:iam::000000000000:role/fn" || role.Role.AssumeRolePolicyDocument.Version == "" {
		t.Errorf("%+v, %v", role, err)
	}
	must("iam", "attach-role-policy", "--role-name", "fn", "--policy-arn", "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
	must("iam", "wait", "role-exists", "--role-name", "fn")
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"(EntityAlreadyExists)", []string{"iam", "create-role", "--role-name", "fn", "--assume-role-policy-document", trust}},
		{"(MalformedPolicyDocument) when calling the CreateRole operation: Syntax error at position (1,2)", []string{"iam", "create-role", "--role-name", "x", "--assume-role-policy-document", "{"}},
		{"(NoSuchEntity)", []string{"iam", "get-role", "--role-name", "none"}},
		{"(DeleteConflict)", []string{"iam", "delete-role", "--role-name", "fn"}},
		{"(AccessDenied)", []string{"sts", "assume-role", "--role-arn", role.Role.Arn, "--role-session-name", "me"}},
	} {
		if out, err := run(tt.args...); err == nil || !strings.Contains(out, tt.want) {
			t.Errorf("aws %v: %v, want %s in\n%s", tt.args, err, tt.want, out)
		}
	}
	if out := must("sts", "get-caller-identity", "--query", "Arn"); !strings.Contains(out, iam.RootARN) {
		t.Errorf("got %s", out)
	}
}

func client(url string) *sdk.Client {
	return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &url, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: root.ID, SecretAccessKey: root.Secret}, nil
	})})
}

func nothingLeft(t *testing.T, c *sdk.Client) {
	t.Helper()
	users, err := c.ListUsers(t.Context(), &sdk.ListUsersInput{})
	roles, err2 := c.ListRoles(t.Context(), &sdk.ListRolesInput{})
	policies, err3 := c.ListPolicies(t.Context(), &sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal})
	if err != nil || err2 != nil || err3 != nil || len(users.Users)+len(roles.Roles)+len(policies.Policies) > 0 {
		t.Errorf("left: %+v %+v %+v %v %v %v", users, roles, policies, err, err2, err3)
	}
}

// stepsOfTerraform calls what terraform calls for test/e2e/testdata/services.
func stepsOfTerraform(t *testing.T, url string) {
	ctx, c := t.Context(), client(url)
	ok := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	doc := func(action string) *string {
		return aws.String(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%q,"Resource":"*"}]}`, action))
	}
	ok(stssdk.New(stssdk.Options{Region: "us-east-1", BaseEndpoint: &url, Credentials: c.Options().Credentials}).GetCallerIdentity(ctx, &stssdk.GetCallerIdentityInput{}))
	policy, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("read"), Path: aws.String("/films/"), PolicyDocument: doc("s3:GetObject")})
	ok(policy, err)
	arn, name, user := policy.Policy.Arn, aws.String("worker"), aws.String("anna")
	ok(c.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, PermissionsBoundary: arn, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)}))
	ok(c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: doc("s3:PutObject")}))
	ok(c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: name, PolicyArn: arn}))
	ok(c.CreateUser(ctx, &sdk.CreateUserInput{UserName: user}))
	key, err := c.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: user})
	ok(key, err)
	got, err := c.GetRole(ctx, &sdk.GetRoleInput{RoleName: name})
	ok(got, err)
	if got.Role.PermissionsBoundary == nil || *got.Role.PermissionsBoundary.PermissionsBoundaryArn != *arn || !strings.Contains(*got.Role.AssumeRolePolicyDocument, "%22Version%22") || got.Role.CreateDate.After(time.Now().Add(time.Minute)) {
		t.Errorf("%+v", got.Role)
	}
	ok(c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: doc("s3:PutObject"), SetAsDefault: true}))
	ok(c.ListInstanceProfilesForRole(ctx, &sdk.ListInstanceProfilesForRoleInput{RoleName: name}))
	ok(c.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: name, PolicyArn: arn}))
	ok(c.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: name, PolicyName: name}))
	ok(c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: name}))
	ok(c.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")}))
	ok(c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn}))
	ok(c.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: user, AccessKeyId: key.AccessKey.AccessKeyId}))
	ok(c.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: user}))
	nothingLeft(t, c)
}

// The same steps by hand, so that they are tested where terraform is, too.
func TestStepsOfTerraform(t *testing.T) {
	t.Parallel()
	stepsOfTerraform(t, serve(t))
}
