package cloudfront_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/smithy-go"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/cloudfront"
	"vodwright.dev/vodwright/internal/store"
)

const (
	keyID  = "AKIATESTTESTTESTTEST"
	secret = "secret/with+odd=characters"
)

func serve(t *testing.T) (string, *store.Store) {
	t.Helper()
	records, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(cloudfront.NewHandler(cloudfront.Config{Store: records, Authenticate: func(r *http.Request, _ string) (sigv4.Identity, error) {
		return sigv4.Verify(r, time.Now(), func(id string) (sigv4.Credential, bool) {
			return sigv4.Credential{Secret: secret}, id == keyID
		})
	}}))
	t.Cleanup(func() {
		web.Close()
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	})
	return web.URL, records
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
	if err != nil || record.Bucket != "vod.streams" || record.OriginPath != "/assets" || record.ViewerProtocolPolicy != "redirect-to-https" ||
		record.DefaultRootObject != "index.html" || !record.Enabled || record.ID != *d.Id || record.TTL != nil {
		t.Errorf("record %+v, %v", record, err)
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
	if record, err = records.Distribution(ctx, *d.Id); err != nil || record.Enabled || record.ViewerProtocolPolicy != "https-only" {
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

func TestWhatWouldBeIgnoredIsRefused(t *testing.T) {
	base, _ := serve(t)
	c, ctx := client(base), t.Context()
	for name, change := range map[string]struct {
		with func(*types.DistributionConfig)
		code string
		text string
	}{
		"alias": {func(d *types.DistributionConfig) {
			d.Aliases = &types.Aliases{Quantity: aws.Int32(1), Items: []string{"x.example"}}
		}, "InvalidArgument", "Aliases.Items"},
		"web acl":     {func(d *types.DistributionConfig) { d.WebACLId = aws.String("arn:x") }, "InvalidArgument", "WebACLId"},
		"compression": {func(d *types.DistributionConfig) { d.DefaultCacheBehavior.Compress = aws.Bool(true) }, "InvalidArgument", "DefaultCacheBehavior.Compress"},
		"access":      {func(d *types.DistributionConfig) { d.Origins.Items[0].OriginAccessControlId = aws.String("E1") }, "InvalidArgument", "Origins.Items.OriginAccessControlId"},
		"headers":     {func(d *types.DistributionConfig) { d.DefaultCacheBehavior.ResponseHeadersPolicyId = aws.String("x") }, "InvalidArgument", "ResponseHeadersPolicyId"},
		"policy":      {func(d *types.DistributionConfig) { d.DefaultCacheBehavior.CachePolicyId = aws.String("x") }, "InvalidArgument", "CachePolicyId"},
		"behaviors": {func(d *types.DistributionConfig) {
			d.CacheBehaviors = &types.CacheBehaviors{Quantity: aws.Int32(1), Items: []types.CacheBehavior{{PathPattern: aws.String("*"), TargetOriginId: aws.String("o"), ViewerProtocolPolicy: "allow-all"}}}
		}, "InvalidArgument", "CacheBehaviors.Items"},
		"two origins": {func(d *types.DistributionConfig) {
			d.Origins = &types.Origins{Quantity: aws.Int32(2), Items: append(d.Origins.Items, types.Origin{Id: aws.String("p"), DomainName: aws.String("p.s3.amazonaws.com")})}
		}, "InvalidArgument", "Origins has 2 items"},
		"quantity": {func(d *types.DistributionConfig) { d.Origins.Quantity = aws.Int32(3) }, "InvalidArgument", "Origins.Quantity"},
		"custom":   {func(d *types.DistributionConfig) { d.Origins.Items[0].DomainName = aws.String("www.example.com") }, "InvalidOrigin", "www.example.com"},
		"website": {func(d *types.DistributionConfig) {
			d.Origins.Items[0].DomainName = aws.String("b.s3-website-us-east-1.amazonaws.com")
		}, "InvalidOrigin", "s3-website"},
		"target":      {func(d *types.DistributionConfig) { d.DefaultCacheBehavior.TargetOriginId = aws.String("q") }, "NoSuchOrigin", "TargetOriginId"},
		"root object": {func(d *types.DistributionConfig) { d.DefaultRootObject = aws.String("/index.html") }, "InvalidDefaultRootObject", "DefaultRootObject"},
		"path":        {func(d *types.DistributionConfig) { d.Origins.Items[0].OriginPath = aws.String("assets/") }, "InvalidArgument", "OriginPath"},
		"protocol":    {func(d *types.DistributionConfig) { d.DefaultCacheBehavior.ViewerProtocolPolicy = "http-only" }, "InvalidArgument", "http-only is not a valid value"},
		"ttl order": {func(d *types.DistributionConfig) {
			d.DefaultCacheBehavior.CachePolicyId, d.DefaultCacheBehavior.MinTTL, d.DefaultCacheBehavior.MaxTTL = nil, aws.Int64(10), aws.Int64(5)
		}, "InvalidTTLOrder", "MinTTL"},
	} {
		t.Run(name, func(t *testing.T) {
			d := config(name, "bucket.s3.us-east-1.amazonaws.com")
			change.with(d)
			_, err := c.CreateDistribution(ctx, &sdk.CreateDistributionInput{DistributionConfig: d})
			status := 400
			if change.code == "NoSuchOrigin" {
				status = 404
			}
			wantCode(t, err, change.code, status, change.text)
		})
	}
	_, err := c.CreateInvalidation(ctx, &sdk.CreateInvalidationInput{DistributionId: aws.String("E1"), InvalidationBatch: &types.InvalidationBatch{
		CallerReference: aws.String("x"), Paths: &types.Paths{Quantity: aws.Int32(1), Items: []string{"/*"}},
	}})
	wantCode(t, err, "NotImplementedException", 501, "CloudFront CreateInvalidation is not implemented")
	_, err = c.CreateDistributionWithTags(ctx, &sdk.CreateDistributionWithTagsInput{DistributionConfigWithTags: &types.DistributionConfigWithTags{
		DistributionConfig: config("t", "b.s3.amazonaws.com"), Tags: &types.Tags{},
	}})
	wantCode(t, err, "NotImplementedException", 501, "CreateDistributionWithTags")
}

func TestTTLsOfABehaviorAreKept(t *testing.T) {
	base, records := serve(t)
	d := config("ttl", "bucket.s3.amazonaws.com")
	b := d.DefaultCacheBehavior
	b.CachePolicyId, b.MinTTL, b.DefaultTTL, b.MaxTTL = nil, aws.Int64(1), aws.Int64(2), aws.Int64(3)
	made, err := client(base).CreateDistribution(t.Context(), &sdk.CreateDistributionInput{DistributionConfig: d})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := records.Distribution(t.Context(), *made.Distribution.Id); err != nil || *r.TTL != (cloudfront.TTL{Min: 1, Default: 2, Max: 3}) {
		t.Errorf("record %+v, %v", r.TTL, err)
	}
}

func TestCLIMakesADistribution(t *testing.T) {
	base, _ := serve(t)
	run := func(args ...string) (string, error) {
		cmd := exec.Command("aws", append([]string{"--endpoint-url", base, "--output", "text", "cloudfront"}, args...)...)
		cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+keyID, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_DEFAULT_REGION=us-east-1",
			"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=")
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
}

func TestBadDocuments(t *testing.T) {
	base, _ := serve(t)
	for name, c := range map[string]struct{ body, code string }{
		"garbage":       {"<Distribution", "MalformedXML"},
		"other root":    {"<CreateDistribution/>", "MalformedXML"},
		"nothing":       {"", "InvalidArgument"},
		"entity":        {`<!DOCTYPE x [<!ENTITY a "b">]><DistributionConfig>&a;</DistributionConfig>`, "MalformedXML"},
		"deep":          {strings.Repeat("<DistributionConfig>", 1000), "MalformedXML"},
		"empty":         {"<DistributionConfig/>", "InvalidArgument"},
		"wrong type":    {"<DistributionConfig><Enabled>perhaps</Enabled></DistributionConfig>", "InvalidArgument"},
		"member twice":  {"<DistributionConfig><Comment>a</Comment><Comment>b</Comment></DistributionConfig>", "InvalidArgument"},
		"two documents": {"<DistributionConfig/><DistributionConfig/>", "MalformedXML"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodPost, base+"/2020-05-31/distribution", strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256([]byte(c.body))
			if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r, hex.EncodeToString(sum[:]), "cloudfront", "us-east-1", time.Now()); err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != 400 || !strings.Contains(string(body), "<Code>"+c.code+"</Code>") || !strings.Contains(string(body), "<RequestId>"+answer.Header.Get("X-Amzn-RequestId")) {
				t.Errorf("%s %s", answer.Status, body)
			}
		})
	}
}
