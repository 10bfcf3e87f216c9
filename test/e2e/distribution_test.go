package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/test/harness"
)

// terraform is a folder of configuration that is applied to a server.
type terraform struct {
	t   *testing.T
	dir string
	env []string
}

// newTerraform makes one configuration of the walkthrough's stack, of all that a
// distribution may have, and of the other services' resources, and initialises it. ok
// is false where the program or its provider is not installed: the rooms' tests make
// the same with boto3 and the Go SDK, the examples' other programs too, everywhere.
func newTerraform(s *server) (tf *terraform, ok bool) {
	s.t.Helper()
	const plugins = "/opt/tf-plugins"
	if _, err := exec.LookPath("terraform"); err != nil {
		return nil, false
	}
	if _, err := os.Stat(plugins); err != nil {
		return nil, false
	}
	tf = &terraform{t: s.t, dir: s.t.TempDir()}
	s.must(os.WriteFile(filepath.Join(tf.dir, "main.tf"), []byte(allStacks), 0o600))
	for _, module := range []string{"distribution", "services"} {
		s.must(os.CopyFS(filepath.Join(tf.dir, module), os.DirFS(filepath.Join("testdata", module))))
	}
	s.must(os.CopyFS(filepath.Join(tf.dir, "walkthrough"), os.DirFS(filepath.Join("..", "..", "examples", "walkthrough"))))
	harness.Tool(s.t, "bash", filepath.Join(tf.dir, "walkthrough", "terraform", "package.sh"))
	for _, kv := range append(s.env(), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1") {
		if !strings.HasPrefix(kv, "TF_CLI_CONFIG_FILE=") && !strings.HasPrefix(kv, "AWS_CA_BUNDLE=") {
			tf.env = append(tf.env, kv)
		}
	}
	tf.run("init", "-no-color", "-plugin-dir", plugins)
	return tf, true
}

// allStacks is one configuration of three: what costs is Terraform's steps, not what
// is in them.
const allStacks = `
variable "public_key" { type = string }
variable "code" { type = string }
variable "changed" { default = false }
variable "monitor" { default = true }
variable "comment" { default = "streams" }
variable "caching" { default = "Managed-CachingOptimized" }
module "distribution" {
  source     = "./distribution"
  public_key = var.public_key
  monitor    = var.monitor
  comment    = var.comment
}
module "services" {
  source  = "./services"
  code    = var.code
  changed = var.changed
}
module "walkthrough" {
  source  = "./walkthrough/terraform"
  caching = var.caching
}
output "id" { value = module.distribution.id }
output "domain" { value = module.distribution.domain }
output "source_bucket" { value = module.walkthrough.source_bucket }
`

// run runs a command, which must succeed, and returns its output.
func (tf *terraform) run(args ...string) string {
	tf.t.Helper()
	out, err := tf.try(args...)
	if err != nil {
		tf.t.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (tf *terraform) try(args ...string) (string, error) {
	cmd := exec.Command("terraform", args...)
	cmd.Dir, cmd.Env = tf.dir, tf.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (tf *terraform) apply(vars ...string) {
	tf.t.Helper()
	tf.run(append([]string{"apply", "-auto-approve", "-no-color"}, varFlags(vars)...)...)
	// What was applied is what is there: the second plan is empty.
	out, err := tf.try(append([]string{"plan", "-detailed-exitcode", "-no-color"}, varFlags(vars)...)...)
	if err != nil {
		tf.t.Fatalf("the plan after the apply is not empty: %v\n%s", err, out)
	}
}

func varFlags(vars []string) []string {
	var out []string
	for _, v := range vars {
		out = append(out, "-var", v)
	}
	return out
}

func (tf *terraform) output(name string) string {
	tf.t.Helper()
	return strings.TrimSpace(tf.run("output", "-raw", name))
}

// TestTerraform applies the walkthrough's stack, one of everything a distribution may
// have and one of the other services, finds nothing to do the second time, looks at
// them as an owner and a viewer, changes them, and removes them.
func TestTerraform(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	tf, ok := newTerraform(s)
	if !ok {
		t.Log("terraform and its aws provider are not on this machine: internal/cloudfront does the same with the SDK")
		return
	}
	s.buckets("streams", "pages", "logs")
	s.put("pages", "site/index.html", "<h1>hello</h1>")
	s.put("pages", "site/errors/404.html", "<h1>not here</h1>")
	s.put("streams", "private/a.m3u8", "#EXTM3U\n")
	s.put("streams", "live/x.m3u8", "#EXTM3U\n")

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := "public_key=" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	tf.apply(public, "code="+zipFile(t, map[string]string{"app.py": "def handler(e, c): return 1\n"}))
	id := tf.output("id")
	for _, b := range []string{"streams", "pages"} {
		s.openTo(b, "arn:aws:cloudfront::000000000000:distribution/"+id)
	}

	// As viewers see it.
	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := harness.Viewer()
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	plain := "http://" + tf.output("domain") + s.HTTP[strings.LastIndexByte(s.HTTP, ':'):]
	port := s.HTTPS[strings.LastIndexByte(s.HTTPS, ':'):]
	secure := "https://" + tf.output("domain") + port
	get := func(url string, status int, header ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		if res.StatusCode != status {
			t.Errorf("GET %s: %s, want %d\n%s", url, res.Status, status, body)
		}
		return res
	}
	text := func(res *http.Response) string {
		b, _ := io.ReadAll(res.Body)
		return string(b)
	}
	if res := get(plain+"/", 301); !strings.HasPrefix(res.Header.Get("Location"), "https://") {
		t.Errorf("redirected to %q", res.Header.Get("Location"))
	}
	for _, base := range []string{secure, "https://video.example.com" + port, "https://eu.video.example.com" + port} {
		if res := get(base+"/", 200, "Origin", "https://anywhere.example"); text(res) != "<h1>hello</h1>" || res.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %v", base, res.Header)
		}
	}
	if res := get(secure+"/", 200); res.Header.Get("X-Cache") != "Hit from cloudfront" {
		t.Errorf("X-Cache %q", res.Header.Get("X-Cache"))
	}
	get(plain+"/live/x.m3u8", 200)
	get(plain+"/private/a.m3u8", 404) // https-only; the custom error response shows the page
	if res := get(secure+"/private/a.m3u8", 404); res.Header.Get("X-Vodwright-Why") != "signature" || !strings.Contains(text(res), "not here") {
		t.Errorf("%v", res.Header)
	}
	get(secure+"/nothing", 404)
	attack := secure + "/?q=" + "%3Cscript%3Ealert(1)%3C/script%3E"
	get(attack, 200)
	var acl []string // that of the distribution; the other stack has one too
	s.aws(&acl, "wafv2", "list-web-acls", "--scope", "CLOUDFRONT", "--query", "WebACLs[?Name=='edge'].ARN")
	now := time.Now()
	eventually(t, time.Minute, "the match is sampled", func() bool {
		var out struct {
			PopulationSize  int
			SampledRequests []struct {
				Action  string
				Request struct{ URI string }
			}
		}
		s.aws(&out, "wafv2", "get-sampled-requests", "--scope", "CLOUDFRONT", "--web-acl-arn", acl[0], "--rule-metric-name", "common", "--max-items", "5",
			"--time-window", "StartTime="+strconv.FormatInt(now.Add(-time.Hour).Unix(), 10)+",EndTime="+strconv.FormatInt(now.Add(time.Hour).Unix(), 10))
		return out.PopulationSize > 0 && out.SampledRequests[0].Action == "COUNT" && strings.Contains(out.SampledRequests[0].Request.URI, "script")
	})

	// An upload becomes a stream.
	bucket := tf.output("source_bucket")
	s.putFile(bucket, "inbox/terraform clip.mp4", makeClip(t, clip.Spec{Width: 320, Height: 180, Seconds: 4}, "terraform clip.mp4"))
	if j := s.waitJobOf("s3://" + bucket + "/inbox/terraform clip.mp4"); j.Job.Status != "COMPLETE" {
		t.Fatalf("the job ended %s: %s", j.Job.Status, j.Job.ErrorMessage)
	}
	eventuallyLogged(s, "/aws/lambda/walkthrough-tf-finished", "is complete")

	// Changed: the firewall blocks at once.
	changed := []string{public, "monitor=false", "comment=changed", "caching=Managed-CachingDisabled", "changed=true", "code=" + zipFile(t, map[string]string{"app.py": "def handler(e, c): return 2\n"})}
	tf.apply(changed...)
	if out, err := lambda.NewFromConfig(s.Config()).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("stack:live")}); err != nil || string(out.Payload) != "2" {
		t.Errorf("the changed function: %+v, %v", out, err)
	}
	if out, err := iam.NewFromConfig(s.Config()).ListPolicyVersions(t.Context(), &iam.ListPolicyVersionsInput{PolicyArn: aws.String("arn:aws:iam::000000000000:policy/films/read")}); err != nil || len(out.Versions) != 2 {
		t.Errorf("the changed policy: %+v, %v", out, err)
	}
	if res := get(attack, 404); res.Header.Get("X-Vodwright-Why") != "firewall" {
		t.Errorf("%v", res.Header)
	}
	var made struct{ Invalidation struct{ Id, Status string } }
	s.aws(&made, "cloudfront", "create-invalidation", "--distribution-id", id, "--paths", "/*")
	if made.Invalidation.Status != "Completed" {
		t.Errorf("invalidation %+v", made)
	}
	if res := get(secure+"/", 200); res.Header.Get("X-Cache") != "Miss from cloudfront" {
		t.Errorf("X-Cache %q after an invalidation", res.Header.Get("X-Cache"))
	}
	// It outlives a kill.
	s.kill()
	s.start()
	s.aws(nil, "cloudfront", "get-invalidation", "--distribution-id", id, "--id", made.Invalidation.Id)
	get("https://video.example.com"+port+"/", 200)

	tf.run(append([]string{"destroy", "-auto-approve", "-no-color"}, varFlags(changed)...)...)
	if _, _, err := s.tryAWS("cloudfront", "get-distribution", "--id", id); err == nil {
		t.Error("the distribution is still there")
	} else if exit := new(exec.ExitError); !errors.As(err, &exit) {
		t.Error(err)
	}
	s.nothingLeft("walkthrough-tf")
	identities := iam.NewFromConfig(s.Config())
	users, err := identities.ListUsers(t.Context(), &iam.ListUsersInput{})
	s.must(err)
	roles, err := identities.ListRoles(t.Context(), &iam.ListRolesInput{})
	s.must(err)
	functions, err := lambda.NewFromConfig(s.Config()).ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	s.must(err)
	if len(users.Users)+len(roles.Roles)+len(functions.Functions) > 0 {
		t.Errorf("left behind: %+v %+v %+v", users.Users, roles.Roles, functions.Functions)
	}
}
