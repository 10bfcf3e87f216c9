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

	"vodwright.dev/vodwright/test/harness"
)

// terraform is a folder of configuration that is applied to a server.
type terraform struct {
	t   *testing.T
	dir string
	env []string
}

// newTerraform copies a configuration and initialises it. ok is false where the
// program or its provider is not installed: internal/cloudfront drives the same
// stack with the Go SDK, everywhere.
func newTerraform(s *server, from string) (tf *terraform, ok bool) {
	s.t.Helper()
	const plugins = "/opt/tf-plugins"
	if _, err := exec.LookPath("terraform"); err != nil {
		return nil, false
	}
	if _, err := os.Stat(plugins); err != nil {
		return nil, false
	}
	tf = &terraform{t: s.t, dir: s.t.TempDir()}
	if err := os.CopyFS(tf.dir, os.DirFS(from)); err != nil {
		s.t.Fatal(err)
	}
	for _, kv := range append(s.env(), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1") {
		if !strings.HasPrefix(kv, "TF_CLI_CONFIG_FILE=") && !strings.HasPrefix(kv, "AWS_CA_BUNDLE=") {
			tf.env = append(tf.env, kv)
		}
	}
	tf.run("init", "-no-color", "-plugin-dir", plugins)
	return tf, true
}

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

// TestTerraformAndTheEdge applies a stack of everything a distribution may have,
// looks at it as a viewer, changes it, and removes it.
func TestTerraformAndTheEdge(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	tf, ok := newTerraform(s, filepath.Join("testdata", "distribution"))
	if !ok {
		t.Log("terraform is not installed: internal/cloudfront does the same with the SDK")
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
	tf.apply(public)
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
	var acls struct {
		WebACLs []struct{ ARN string }
	}
	s.aws(&acls, "wafv2", "list-web-acls", "--scope", "CLOUDFRONT")
	now := time.Now()
	eventually(t, 20*time.Second, "the match is sampled", func() bool {
		var out struct {
			PopulationSize  int
			SampledRequests []struct {
				Action  string
				Request struct{ URI string }
			}
		}
		s.aws(&out, "wafv2", "get-sampled-requests", "--scope", "CLOUDFRONT", "--web-acl-arn", acls.WebACLs[0].ARN, "--rule-metric-name", "common", "--max-items", "5",
			"--time-window", "StartTime="+strconv.FormatInt(now.Add(-time.Hour).Unix(), 10)+",EndTime="+strconv.FormatInt(now.Add(time.Hour).Unix(), 10))
		return out.PopulationSize > 0 && out.SampledRequests[0].Action == "COUNT" && strings.Contains(out.SampledRequests[0].Request.URI, "script")
	})

	// Changed: the firewall blocks within a second.
	tf.apply(public, "monitor=false", "comment=changed")
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

	tf.run(append([]string{"destroy", "-auto-approve", "-no-color"}, varFlags([]string{public})...)...)
	if _, _, err := s.tryAWS("cloudfront", "get-distribution", "--id", id); err == nil {
		t.Error("the distribution is still there")
	} else if exit := new(exec.ExitError); !errors.As(err, &exit) {
		t.Error(err)
	}
}
