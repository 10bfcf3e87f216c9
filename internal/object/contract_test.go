package object_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clientEnv is the environment of a client that talks to the house as root.
func clientEnv(t *testing.T, h *house) []string {
	t.Helper()
	cors := filepath.Join(t.TempDir(), "cors.json")
	// The walkthrough's file.
	rules := `[{"AllowedHeaders": ["*"], "AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposeHeaders": [], "MaxAgeSeconds": 3000}]`
	if err := os.WriteFile(cors, []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(),
		"AWS_ENDPOINT_URL="+h.url, "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID="+root().AccessKeyID, "AWS_SECRET_ACCESS_KEY="+root().SecretAccessKey,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "CORS_FILE="+cors)
}

func TestBoto3(t *testing.T) {
	t.Parallel()
	testBoto3(t, newHouse(t))
}

func testBoto3(t *testing.T, h *house) {
	cmd := exec.Command("python3", "testdata/contract.py")
	cmd.Env = clientEnv(t, h)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	checkEvents(t, h)
}

// aws runs one command of the aws CLI and returns what it printed.
type aws struct {
	t        *testing.T
	env      []string
	dir      string
	endpoint string
}

func (a aws) run(args ...string) string {
	a.t.Helper()
	// Debian 12's CLI does not know AWS_ENDPOINT_URL.
	cmd := exec.Command("aws", append([]string{"--endpoint-url", a.endpoint}, args...)...)
	cmd.Env, cmd.Dir = a.env, a.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		a.t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestAWSCLI(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	cli := aws{t, clientEnv(t, h), t.TempDir(), h.url}
	big := make([]byte, 17<<20) // three parts
	for i := range big {
		big[i] = byte(i * 7 >> 3)
	}
	os.MkdirAll(filepath.Join(cli.dir, "tree/sub"), 0o755)
	for name, content := range map[string][]byte{"big.bin": big, "tree/a b+.txt": []byte("a"), "tree/sub/é.txt": []byte("b"), "tree/empty": nil} {
		if err := os.WriteFile(filepath.Join(cli.dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cli.run("s3", "mb", "s3://cli-bucket")
	cli.run("s3", "cp", "big.bin", "s3://cli-bucket/in/big.bin")
	cli.run("s3", "cp", "s3://cli-bucket/in/big.bin", "s3://cli-bucket/copy.bin")
	cli.run("s3", "cp", "s3://cli-bucket/copy.bin", "back.bin")
	if back, err := os.ReadFile(filepath.Join(cli.dir, "back.bin")); err != nil || string(back) != string(big) {
		t.Errorf("what came back differs: %d bytes, %v", len(back), err)
	}
	cli.run("s3", "sync", "tree", "s3://cli-bucket/tree")
	list := cli.run("s3", "ls", "--recursive", "s3://cli-bucket")
	for _, key := range []string{"in/big.bin", "copy.bin", "tree/a b+.txt", "tree/sub/é.txt", "tree/empty"} {
		if !strings.Contains(list, key) {
			t.Errorf("%q is not listed in\n%s", key, list)
		}
	}
	if out := cli.run("s3", "sync", "tree", "s3://cli-bucket/tree"); out != "" {
		t.Errorf("a second sync did %s", out)
	}
	cli.run("s3api", "put-bucket-cors", "--bucket", "cli-bucket", "--cors-configuration", `{"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}`)
	url := strings.TrimSpace(cli.run("s3", "presign", "s3://cli-bucket/tree/a b+.txt"))
	if got := httpGet(t, url); got != "a" {
		t.Errorf("presigned URL gave %q", got)
	}
	cli.run("s3", "rm", "--recursive", "s3://cli-bucket")

	// The configuration of the walkthrough and of Terraform's resources.
	set := func(command string, args ...string) string {
		return cli.run(append([]string{"s3api", command, "--bucket", "cli-bucket"}, args...)...)
	}
	distribution := `{"Version": "2012-10-17", "Statement": [{"Sid": "AllowCloudFrontServicePrincipal", "Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"},
		"Action": "s3:GetObject", "Resource": "arn:aws:s3:::cli-bucket/*", "Condition": {"StringEquals": {"AWS:SourceArn": "arn:aws:cloudfront::000000000000:distribution/E1"}}}]}`
	set("put-bucket-policy", "--policy", distribution)
	set("put-public-access-block", "--public-access-block-configuration", "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true")
	set("put-bucket-notification-configuration", "--skip-destination-validation", "--notification-configuration",
		`{"LambdaFunctionConfigurations": [{"LambdaFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f", "Events": ["s3:ObjectCreated:*"]}], "EventBridgeConfiguration": {}}`)
	set("put-bucket-encryption", "--server-side-encryption-configuration", `{"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}`)
	set("put-bucket-lifecycle-configuration", "--lifecycle-configuration", `{"Rules": [{"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}]}`)
	for command, want := range map[string]string{
		"get-bucket-policy":                     "AllowCloudFrontServicePrincipal",
		"get-bucket-policy-status":              `"IsPublic": false`,
		"get-public-access-block":               `"RestrictPublicBuckets": true`,
		"get-bucket-notification-configuration": "function:f",
		"get-bucket-encryption":                 "AES256",
		"get-bucket-lifecycle-configuration":    `"Prefix": "logs/"`,
		"get-bucket-acl":                        "FULL_CONTROL",
		"get-bucket-ownership-controls":         "BucketOwnerEnforced",
		"get-bucket-request-payment":            "BucketOwner",
	} {
		if out := set(command); !strings.Contains(out, want) {
			t.Errorf("%s gives %s, want %s", command, out, want)
		}
	}
	cli.run("s3", "rb", "s3://cli-bucket")
	checkEvents(t, h)
}

// The JavaScript SDK at these versions, the newest that run on Debian 12's Node.js 18,
// installed once below test/.cache.
const jsPackages = `{"private": true, "dependencies": {
	"@aws-sdk/client-s3": "3.750.0", "@aws-sdk/lib-storage": "3.750.0", "@aws-sdk/s3-request-presigner": "3.750.0"}}`

func jsModules(t *testing.T) string {
	t.Helper()
	cache, err := filepath.Abs("../../test/.cache")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, fmt.Sprintf("js-sdk-%.8x", sha256.Sum256([]byte(jsPackages))))
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
		return dir
	}
	temp := dir + fmt.Sprintf(".%d", os.Getpid())
	defer os.RemoveAll(temp)
	if err := os.MkdirAll(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(temp, "package.json"), []byte(jsPackages), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
	cmd.Dir = temp
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("install the JavaScript SDK: %v\n%s", err, out)
	}
	if err := os.Rename(temp, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestJavaScriptSDK(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dir := jsModules(t)
	script, err := os.ReadFile("testdata/contract.mjs")
	if err != nil {
		t.Fatal(err)
	}
	// Node finds packages from where the script is.
	path := filepath.Join(dir, fmt.Sprintf("contract-%d.mjs", os.Getpid()))
	if err := os.WriteFile(path, script, 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	cmd := exec.Command("node", path)
	cmd.Env = clientEnv(t, h)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
