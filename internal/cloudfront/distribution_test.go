package cloudfront_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/smithy-go"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/cloudfront"
	"vodwright.dev/vodwright/internal/cloudfront/wafv2"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/front"
	"vodwright.dev/vodwright/internal/store"
)

const (
	keyID  = "AKIATESTTESTTESTTEST"
	secret = "secret/with+odd=characters"
)

func serve(t *testing.T) (string, *store.Store) {
	t.Helper()
	base, records, _ := serveFor(t, nil)
	return base, records
}

// serveFor starts the APIs as the front door has them, over real records.
func serveFor(t *testing.T, authorize apiserver.Authorize) (string, *store.Store, *told) {
	t.Helper()
	records, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	authenticate := func(r *http.Request, _ string) (sigv4.Identity, error) {
		return sigv4.Verify(r, time.Now(), func(id string) (sigv4.Credential, bool) {
			return sigv4.Credential{Secret: secret}, id == keyID
		})
	}
	edge := &told{}
	web := httptest.NewServer(&front.Door{Services: map[string]http.Handler{
		"cloudfront": cloudfront.NewHandler(cloudfront.Config{Store: records, Edge: edge, LogBucket: logBucket, Authenticate: authenticate, Authorize: authorize}),
		"wafv2":      wafv2.NewHandler(wafv2.Config{Store: records, Forget: edge.Forget, Authenticate: authenticate, Authorize: authorize}),
	}, S3: http.NotFoundHandler(), Edge: http.NotFoundHandler(), IsEdge: func(string) bool { return false }, Console: http.NotFoundHandler()})
	t.Cleanup(func() {
		web.Close()
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	})
	return web.URL, records, edge
}

func logBucket(_ context.Context, bucket string) error {
	if bucket != "logs" {
		return fault.New(fault.NotFound, "NoSuchBucket", "there is no bucket %q", bucket)
	}
	return nil
}

// told notes what the edge is told.
type told struct {
	mu          sync.Mutex
	invalidated []string
	forgotten   []string
}

func (e *told) Invalidate(id string, paths []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.invalidated = append(e.invalidated, paths...)
}

func (e *told) Forget(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgotten = append(e.forgotten, id)
}

func client(base string) *sdk.Client {
	return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &base, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, nil
	})})
}

func config(reference, domain string) *types.DistributionConfig {
	return &types.DistributionConfig{
		CallerReference: &reference, Comment: aws.String("<streams> & more"), Enabled: aws.Bool(true), DefaultRootObject: aws.String("index.html"),
		PriceClass: types.PriceClassPriceClass100,
		Origins: &types.Origins{Quantity: aws.Int32(1), Items: []types.Origin{{
			Id: aws.String("o"), DomainName: &domain, OriginPath: aws.String("/assets"),
			S3OriginConfig: &types.S3OriginConfig{OriginAccessIdentity: aws.String("")},
		}}},
		DefaultCacheBehavior: &types.DefaultCacheBehavior{
			TargetOriginId: aws.String("o"), ViewerProtocolPolicy: types.ViewerProtocolPolicyRedirectToHttps,
			CachePolicyId: aws.String("658327ea-f89d-4fab-a63d-7e88639e58f6"),
		},
	}
}

func wantCode(t *testing.T, err error, code string, status int, texts ...string) {
	t.Helper()
	var api smithy.APIError
	var web interface{ HTTPStatusCode() int }
	if !errors.As(err, &api) || api.ErrorCode() != code || !errors.As(err, &web) || web.HTTPStatusCode() != status {
		t.Errorf("error %v, want %s with status %d", err, code, status)
		return
	}
	for _, text := range texts {
		if !strings.Contains(api.ErrorMessage(), text) {
			t.Errorf("message %q lacks %q", api.ErrorMessage(), text)
		}
	}
}

func TestLifeOfADistribution(t *testing.T) {
	base, records := serve(t)
	c, ctx := client(base), t.Context()
	made, err := c.CreateDistribution(ctx, &sdk.CreateDistributionInput{DistributionConfig: config("ref-1", "vod.streams.s3.eu-west-1.amazonaws.com")})
	if err != nil {
		t.Fatal(err)
	}
	d := made.Distribution
	if *d.DomainName != strings.ToLower(*d.Id)+".cdn.localhost" || *d.Status != "Deployed" || *made.ETag == "" ||
		*d.ARN != "arn:aws:cloudfront::000000000000:distribution/"+*d.Id || !strings.HasSuffix(*made.Location, "/2020-05-31/distribution/"+*d.Id) {
		t.Errorf("distribution %+v", d)
	}
	record, err := records.DistributionByDomain(ctx, *d.DomainName)
	if err != nil || record.Buckets["o"] != "vod.streams" || !record.Enabled || record.ID != *d.Id ||
		!slices.Equal(record.Uses, []cloudfront.Reference{{Kind: cloudfront.KindCachePolicy, ID: "658327ea-f89d-4fab-a63d-7e88639e58f6"}}) {
		t.Errorf("record %+v, %v", record, err)
	}
	deployed, err := cloudfront.Deploy(ctx, records, "000000000000", record)
	if o := deployed.Origins["o"]; err != nil || o != (cloudfront.DeployedOrigin{Bucket: "vod.streams", Path: "/assets"}) || len(deployed.Behaviors) != 1 || *deployed.Behaviors[0].Cache.MinTTL != 1 {
		t.Errorf("deployed %+v, %v", deployed, err)
	}

	again, err := c.CreateDistribution(ctx, &sdk.CreateDistributionInput{DistributionConfig: config("ref-1", "vod.streams.s3.eu-west-1.amazonaws.com")})
	if err != nil || *again.Distribution.Id != *d.Id {
		t.Errorf("the same request again: %+v, %v", again, err)
	}
	_, err = c.CreateDistribution(ctx, &sdk.CreateDistributionInput{DistributionConfig: config("ref-1", "other.s3.amazonaws.com")})
	wantCode(t, err, "DistributionAlreadyExists", 409, *d.Id)

	// A client reads the configuration, changes a member and writes all of it back.
	read, err := c.GetDistributionConfig(ctx, &sdk.GetDistributionConfigInput{Id: d.Id})
	if err != nil || *read.DistributionConfig.Comment != "<streams> & more" || *read.DistributionConfig.Aliases.Quantity != 0 {
		t.Fatalf("configuration %+v, %v", read, err)
	}
	next := read.DistributionConfig
	next.Enabled = aws.Bool(false)
	next.DefaultCacheBehavior.ViewerProtocolPolicy = types.ViewerProtocolPolicyHttpsOnly
	_, err = c.UpdateDistribution(ctx, &sdk.UpdateDistributionInput{Id: d.Id, DistributionConfig: next})
	wantCode(t, err, "InvalidIfMatchVersion", 400)
	_, err = c.UpdateDistribution(ctx, &sdk.UpdateDistributionInput{Id: d.Id, DistributionConfig: next, IfMatch: aws.String("E0000000000000")})
	wantCode(t, err, "PreconditionFailed", 412)
	_, err = c.DeleteDistribution(ctx, &sdk.DeleteDistributionInput{Id: d.Id, IfMatch: read.ETag})
	wantCode(t, err, "DistributionNotDisabled", 409)
	updated, err := c.UpdateDistribution(ctx, &sdk.UpdateDistributionInput{Id: d.Id, DistributionConfig: next, IfMatch: read.ETag})
	if err != nil || *updated.ETag == *read.ETag || *updated.Distribution.DistributionConfig.Enabled || *updated.Distribution.DomainName != *d.DomainName {
		t.Fatalf("update %+v, %v", updated, err)
	}
	next.CallerReference = aws.String("other")
	_, err = c.UpdateDistribution(ctx, &sdk.UpdateDistributionInput{Id: d.Id, DistributionConfig: next, IfMatch: updated.ETag})
	wantCode(t, err, "IllegalUpdate", 400)
	if record, err = records.Distribution(ctx, *d.Id); err != nil || record.Enabled || !strings.Contains(string(record.Config), `"https-only"`) {
		t.Errorf("record %+v, %v", record, err)
	}
	if got, err := c.GetDistribution(ctx, &sdk.GetDistributionInput{Id: d.Id}); err != nil || *got.ETag != *updated.ETag {
		t.Errorf("get %+v, %v", got, err)
	}
	if _, err := c.DeleteDistribution(ctx, &sdk.DeleteDistributionInput{Id: d.Id, IfMatch: updated.ETag}); err != nil {
		t.Error(err)
	}
	_, err = c.GetDistribution(ctx, &sdk.GetDistributionInput{Id: d.Id})
	wantCode(t, err, "NoSuchDistribution", 404)
	_, err = c.DeleteDistribution(ctx, &sdk.DeleteDistributionInput{Id: d.Id, IfMatch: updated.ETag})
	wantCode(t, err, "NoSuchDistribution", 404)
}

func TestListsInPages(t *testing.T) {
	base, _ := serve(t)
	c, ctx := client(base), t.Context()
	if l, err := c.ListDistributions(ctx, &sdk.ListDistributionsInput{}); err != nil || *l.DistributionList.Quantity != 0 || *l.DistributionList.IsTruncated {
		t.Errorf("empty list %+v, %v", l, err)
	}
	for _, ref := range []string{"a", "b", "c"} {
		if _, err := c.CreateDistribution(ctx, &sdk.CreateDistributionInput{DistributionConfig: config(ref, ref+"-bucket.s3.amazonaws.com")}); err != nil {
			t.Fatal(err)
		}
	}
	var origins []string
	pages := sdk.NewListDistributionsPaginator(c, &sdk.ListDistributionsInput{MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range p.DistributionList.Items {
			origins = append(origins, *d.Origins.Items[0].DomainName)
		}
	}
	if strings.Join(origins, " ") != "a-bucket.s3.amazonaws.com b-bucket.s3.amazonaws.com c-bucket.s3.amazonaws.com" {
		t.Errorf("origins %v", origins)
	}
}

func environment(base string) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(e, "TF_") {
			env = append(env, e)
		}
	}
	return append(env, "AWS_ACCESS_KEY_ID="+keyID, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_DEFAULT_REGION=us-east-1", "AWS_ENDPOINT_URL="+base,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1")
}

func TestCLIMakesADistribution(t *testing.T) {
	base, _ := serve(t)
	run := func(args ...string) (string, error) {
		cmd := exec.Command("aws", append([]string{"--endpoint-url", base, "--output", "text", "cloudfront"}, args...)...)
		cmd.Env = environment(base)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	id, err := run("create-distribution", "--origin-domain-name", "vod-streams.s3.amazonaws.com", "--query", "Distribution.Id")
	if err != nil || !strings.HasPrefix(id, "E") {
		t.Fatalf("%v: %s", err, id)
	}
	// The CLI reads the configuration, changes it and sends it whole with If-Match.
	if out, err := run("update-distribution", "--id", id, "--default-root-object", "index.html", "--query", "Distribution.DistributionConfig.DefaultRootObject"); err != nil || out != "index.html" {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := run("list-distributions", "--query", "DistributionList.Items[].Id"); err != nil || out != id {
		t.Errorf("%v: %s", err, out)
	}
	// An invalidation, and the waiter that waits for it.
	made, err := run("create-invalidation", "--distribution-id", id, "--paths", "/index.html", "/assets/*", "--query", "Invalidation.Id")
	if err != nil || !strings.HasPrefix(made, "I") {
		t.Fatalf("%v: %s", err, made)
	}
	if out, err := run("wait", "invalidation-completed", "--distribution-id", id, "--id", made); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := run("list-invalidations", "--distribution-id", id, "--query", "InvalidationList.Items[].Id"); err != nil || out != made {
		t.Errorf("%v: %s", err, out)
	}
	// Disabled, deployed, deleted.
	read, err := run("get-distribution-config", "--id", id, "--query", "DistributionConfig", "--output", "json")
	if err != nil {
		t.Fatalf("%v: %s", err, read)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(read), &doc); err != nil {
		t.Fatal(err)
	}
	doc["Enabled"] = false
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	was, err := run("get-distribution", "--id", id, "--query", "ETag")
	if err != nil {
		t.Fatalf("%v: %s", err, was)
	}
	etag, err := run("update-distribution", "--id", id, "--if-match", was, "--distribution-config", string(text), "--query", "ETag")
	if err != nil {
		t.Fatalf("%v: %s", err, etag)
	}
	if out, err := run("wait", "distribution-deployed", "--id", id); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := run("delete-distribution", "--id", id, "--if-match", etag); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
