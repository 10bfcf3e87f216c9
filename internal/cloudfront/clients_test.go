package cloudfront_test

import (
	"context"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
)

func TestBoto3(t *testing.T) {
	base, _ := serve(t)
	cmd := exec.Command("python3", "testdata/clients.py")
	cmd.Env = environment(base)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// What an operation wants to do is what the Service Authorization Reference says.
func TestAccess(t *testing.T) {
	var mu sync.Mutex
	var wants []string
	deny := false
	base, _, _ := serveFor(t, func(_ context.Context, _ sigv4.Identity, _ *http.Request, a apiserver.Access) error {
		mu.Lock()
		defer mu.Unlock()
		wants = append(wants, a.Action+" "+a.Resource)
		if deny {
			return fault.New(fault.Denied, "AccessDenied", "not you")
		}
		return nil
	})
	c, ctx := client(base), t.Context()
	const arn = "arn:aws:cloudfront::000000000000:"
	check := func(err error, want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(wants, want) {
			t.Errorf("wants %q, want %q (%v)", wants, want, err)
		}
		wants = nil
	}
	made, err := c.CreateDistributionWithTags(ctx, &sdk.CreateDistributionWithTagsInput{DistributionConfigWithTags: &types.DistributionConfigWithTags{
		DistributionConfig: config("a", "b.s3.amazonaws.com"), Tags: &types.Tags{Items: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	check(err, "cloudfront:CreateDistribution "+arn+"distribution/*", "cloudfront:TagResource "+arn+"distribution/*")
	id := made.Distribution.Id
	d := config("log", "b.s3.amazonaws.com")
	d.Logging = &types.LoggingConfig{Enabled: aws.Bool(true), IncludeCookies: aws.Bool(false), Bucket: aws.String("logs.s3.amazonaws.com"), Prefix: aws.String("")}
	_, err = c.CreateDistribution(ctx, &sdk.CreateDistributionInput{DistributionConfig: d})
	check(err, "cloudfront:CreateDistribution "+arn+"distribution/*", "s3:GetBucketAcl arn:aws:s3:::logs", "s3:PutBucketAcl arn:aws:s3:::logs")
	d.Logging.Bucket = aws.String("nowhere.s3.amazonaws.com")
	_, err = c.UpdateDistribution(ctx, &sdk.UpdateDistributionInput{Id: id, IfMatch: made.ETag, DistributionConfig: d})
	check(err, "cloudfront:UpdateDistribution "+arn+"distribution/"+*id, "s3:GetBucketAcl arn:aws:s3:::nowhere", "s3:PutBucketAcl arn:aws:s3:::nowhere")
	wantCode(t, err, "InvalidArgument", 400, "nowhere")
	_, err = c.GetDistributionConfig(ctx, &sdk.GetDistributionConfigInput{Id: id})
	check(err, "cloudfront:GetDistributionConfig "+arn+"distribution/"+*id)
	_, err = c.ListDistributions(ctx, &sdk.ListDistributionsInput{})
	check(err, "cloudfront:ListDistributions *")
	_, err = c.GetCachePolicy(ctx, &sdk.GetCachePolicyInput{Id: aws.String("x")})
	check(err, "cloudfront:GetCachePolicy "+arn+"cache-policy/x")
	_, err = c.UpdateOriginAccessControl(ctx, &sdk.UpdateOriginAccessControlInput{Id: aws.String("E1"), IfMatch: aws.String("E"), OriginAccessControlConfig: &types.OriginAccessControlConfig{
		Name: aws.String("x"), OriginAccessControlOriginType: "s3", SigningBehavior: "always", SigningProtocol: "sigv4",
	}})
	check(err, "cloudfront:UpdateOriginAccessControl "+arn+"origin-access-control/E1")
	_, err = c.GetPublicKey(ctx, &sdk.GetPublicKeyInput{Id: aws.String("K1")})
	check(err, "cloudfront:GetPublicKey *")
	_, err = c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{Resource: made.Distribution.ARN})
	check(err, "cloudfront:ListTagsForResource "+*made.Distribution.ARN)
	deny = true
	_, err = c.CreateInvalidation(ctx, &sdk.CreateInvalidationInput{DistributionId: id, InvalidationBatch: &types.InvalidationBatch{
		CallerReference: aws.String("x"), Paths: &types.Paths{Quantity: aws.Int32(1), Items: []string{"/*"}},
	}})
	check(err, "cloudfront:CreateInvalidation "+arn+"distribution/"+*id)
	wantCode(t, err, "AccessDenied", 403, "not you")
	deny = false
	if l, err := c.ListInvalidations(ctx, &sdk.ListInvalidationsInput{DistributionId: id}); err != nil || len(l.InvalidationList.Items) != 0 {
		t.Errorf("what was denied was done: %+v, %v", l, err)
	}
}
