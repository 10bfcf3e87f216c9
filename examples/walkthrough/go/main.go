// Command go is the walkthrough with the AWS SDK for Go: buckets, roles, a
// distribution, a function (written in Go too) that turns every upload into a
// job; then an upload, and its stream.
//
//	eval "$(vodwright env)"
//	go run ./examples/walkthrough/go up VIDEO
//	go run ./examples/walkthrough/go down
//
// NAME=... (default walkthrough-go) begins the name of all that is made.
package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	mctypes "github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

const logsPolicy = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

type stack struct {
	name, source, streams string

	buckets       *s3.Client
	identities    *iam.Client
	functions     *lambda.Client
	distributions *cloudfront.Client
	jobs          *mediaconvert.Client
	tokens        *sts.Client
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	name := cmp.Or(os.Getenv("NAME"), "walkthrough-go")
	s := &stack{
		name: name, source: name + "-source", streams: name + "-streams",
		buckets:    s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		identities: iam.NewFromConfig(cfg), functions: lambda.NewFromConfig(cfg), distributions: cloudfront.NewFromConfig(cfg),
		jobs: mediaconvert.NewFromConfig(cfg), tokens: sts.NewFromConfig(cfg),
	}
	switch {
	case len(args) == 2 && args[0] == "up":
		return s.up(ctx, args[1])
	case len(args) == 1 && args[0] == "down":
		return s.down(ctx)
	}
	return errors.New("usage: go run ./examples/walkthrough/go up VIDEO | down")
}

func (s *stack) up(ctx context.Context, video string) error {
	me, err := s.tokens.GetCallerIdentity(ctx, nil)
	if err != nil {
		return err
	}
	if err := s.storage(ctx); err != nil {
		return err
	}
	transcoding, err := s.role(ctx, "transcoding", "mediaconvert.amazonaws.com", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::`+s.source+`/*"},
		{"Effect":"Allow","Action":["s3:PutObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::`+s.streams+`/*"},
		{"Effect":"Allow","Action":"s3:ListBucket","Resource":["arn:aws:s3:::`+s.source+`","arn:aws:s3:::`+s.streams+`"]}]}`)
	if err != nil {
		return err
	}
	automation, err := s.role(ctx, "automation", "lambda.amazonaws.com", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"mediaconvert:CreateJob","Resource":"*"},
		{"Effect":"Allow","Action":"iam:PassRole","Resource":"`+transcoding+`"}]}`)
	if err != nil {
		return err
	}
	if _, err := s.identities.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String(s.name + "-automation"), PolicyArn: aws.String(logsPolicy)}); err != nil {
		return err
	}
	domain, err := s.distribution(ctx)
	if err != nil {
		return err
	}
	if err := s.automate(ctx, *me.Account, automation, transcoding); err != nil {
		return err
	}

	file, err := os.Open(video)
	if err != nil {
		return err
	}
	defer file.Close()
	key := "inbox/" + filepath.Base(video)
	if _, err := s.buckets.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.source, Key: &key, Body: file}); err != nil {
		return err
	}
	fmt.Println("uploaded", key)
	job, err := s.wait(ctx, "s3://"+s.source+"/"+key)
	if err != nil {
		return err
	}
	base := strings.TrimSuffix(filepath.Base(video), filepath.Ext(video))
	return play(ctx, domain, "assets/"+job.UserMetadata["assetID"]+"/HLS/"+base+".m3u8")
}

func (s *stack) storage(ctx context.Context) error {
	for _, bucket := range []string{s.source, s.streams} {
		if _, err := s.buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			return err
		}
		on := aws.Bool(true)
		if _, err := s.buckets.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &bucket, PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{
			BlockPublicAcls: on, BlockPublicPolicy: on, IgnorePublicAcls: on, RestrictPublicBuckets: on,
		}}); err != nil {
			return err
		}
	}
	_, err := s.buckets.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &s.streams, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	})
	return err
}

func (s *stack) role(ctx context.Context, purpose, service, policy string) (string, error) {
	name := s.name + "-" + purpose
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`
	made, err := s.identities.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		return "", err
	}
	_, err = s.identities.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("rights"), PolicyDocument: &policy})
	return *made.Role.Arn, err
}

// distribution makes the distribution, lets it read the streams, and returns its domain.
func (s *stack) distribution(ctx context.Context) (string, error) {
	control, err := s.distributions.CreateOriginAccessControl(ctx, &cloudfront.CreateOriginAccessControlInput{OriginAccessControlConfig: &cftypes.OriginAccessControlConfig{
		Name: &s.name, SigningProtocol: cftypes.OriginAccessControlSigningProtocolsSigv4,
		SigningBehavior: cftypes.OriginAccessControlSigningBehaviorsAlways, OriginAccessControlOriginType: cftypes.OriginAccessControlOriginTypesS3,
	}})
	if err != nil {
		return "", err
	}
	made, err := s.distributions.CreateDistribution(ctx, &cloudfront.CreateDistributionInput{DistributionConfig: &cftypes.DistributionConfig{
		CallerReference: aws.String(s.name + strconv.FormatInt(time.Now().UnixNano(), 36)), Comment: &s.name, Enabled: aws.Bool(true),
		Origins: &cftypes.Origins{Quantity: aws.Int32(1), Items: []cftypes.Origin{{
			Id: aws.String("streams"), DomainName: aws.String(s.streams + ".s3.us-east-1.amazonaws.com"),
			OriginAccessControlId: control.OriginAccessControl.Id, S3OriginConfig: &cftypes.S3OriginConfig{OriginAccessIdentity: aws.String("")},
		}}},
		DefaultCacheBehavior: &cftypes.DefaultCacheBehavior{
			TargetOriginId: aws.String("streams"), ViewerProtocolPolicy: cftypes.ViewerProtocolPolicyHttpsOnly, Compress: aws.Bool(true),
			CachePolicyId:           aws.String("658327ea-f89d-4fab-a63d-7e88639e58f6"), // CachingOptimized
			ResponseHeadersPolicyId: aws.String("60669652-455b-4ae9-85a4-c4c02393f86c"), // SimpleCORS
		},
	}})
	if err != nil {
		return "", err
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudfront.amazonaws.com"},"Action":"s3:GetObject",
		"Resource":"arn:aws:s3:::` + s.streams + `/*","Condition":{"StringEquals":{"AWS:SourceArn":"` + *made.Distribution.ARN + `"}}}]}`
	_, err = s.buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &s.streams, Policy: &policy})
	return *made.Distribution.DomainName, err
}

// automate makes the function and has the source bucket call it.
func (s *stack) automate(ctx context.Context, account, role, transcoding string) error {
	code, err := buildHandler()
	if err != nil {
		return err
	}
	function, err := s.functions.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &s.name, Role: &role, Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Timeout: aws.Int32(120),
		Code:        &lambdatypes.FunctionCode{ZipFile: code},
		Environment: &lambdatypes.Environment{Variables: map[string]string{"DESTINATION_BUCKET": s.streams, "MEDIACONVERT_ROLE": transcoding}},
	})
	if err != nil {
		return err
	}
	if err := lambda.NewFunctionActiveV2Waiter(s.functions).Wait(ctx, &lambda.GetFunctionInput{FunctionName: &s.name}, time.Minute); err != nil {
		return err
	}
	if _, err := s.functions.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: &s.name, StatementId: aws.String("uploads"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("s3.amazonaws.com"),
		SourceArn: aws.String("arn:aws:s3:::" + s.source), SourceAccount: &account,
	}); err != nil {
		return err
	}
	_, err = s.buckets.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: &s.source, NotificationConfiguration: &s3types.NotificationConfiguration{LambdaFunctionConfigurations: []s3types.LambdaFunctionConfiguration{{
			Id: aws.String("uploads"), LambdaFunctionArn: function.FunctionArn, Events: []s3types.Event{"s3:ObjectCreated:*"},
		}}},
	})
	return err
}

// buildHandler returns the zip of the compiled handler.
func buildHandler() ([]byte, error) {
	dir, err := os.MkdirTemp("", "handler-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "vodwright.dev/vodwright/examples/walkthrough/go/handler")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build handler: %w\n%s", err, out)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var data bytes.Buffer
	z := zip.NewWriter(&data)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	err = z.Close()
	return data.Bytes(), err
}

// wait returns the finished job of a source.
func (s *stack) wait(ctx context.Context, source string) (mctypes.Job, error) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for range 600 {
		list, err := s.jobs.ListJobs(ctx, &mediaconvert.ListJobsInput{Order: mctypes.OrderDescending})
		if err != nil {
			return mctypes.Job{}, err
		}
		for _, job := range list.Jobs {
			if aws.ToString(job.Settings.Inputs[0].FileInput) != source {
				continue
			}
			switch job.Status {
			case mctypes.JobStatusComplete:
				fmt.Println("job", *job.Id, "is complete")
				return job, nil
			case mctypes.JobStatusError, mctypes.JobStatusCanceled:
				return job, fmt.Errorf("job %s ended %s: %s", *job.Id, job.Status, aws.ToString(job.ErrorMessage))
			}
		}
		<-tick.C
	}
	return mctypes.Job{}, fmt.Errorf("no finished job for %s; see: aws logs tail /aws/lambda/%s", source, s.name)
}

func (s *stack) down(ctx context.Context) error {
	var failed []error
	gone := func(_ any, err error) {
		var api smithy.APIError
		if err != nil && !(errors.As(err, &api) && (strings.HasPrefix(api.ErrorCode(), "NoSuch") || strings.HasPrefix(api.ErrorCode(), "ResourceNotFound"))) {
			failed = append(failed, err)
		}
	}
	gone(s.functions.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &s.name}))
	list, err := s.distributions.ListDistributions(ctx, nil)
	gone(list, err)
	if err == nil {
		for _, d := range list.DistributionList.Items {
			if *d.Comment == s.name {
				gone(nil, s.dismantle(ctx, *d.Id, *d.Origins.Items[0].OriginAccessControlId))
			}
		}
	}
	gone(s.identities.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: aws.String(s.name + "-automation"), PolicyArn: aws.String(logsPolicy)}))
	for _, purpose := range []string{"-transcoding", "-automation"} {
		name := s.name + purpose
		gone(s.identities.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: aws.String("rights")}))
		gone(s.identities.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name}))
	}
	for _, bucket := range []string{s.source, s.streams} {
		gone(nil, s.empty(ctx, bucket))
		gone(s.buckets.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket}))
	}
	return errors.Join(failed...)
}

// dismantle disables and deletes a distribution and its origin access control.
func (s *stack) dismantle(ctx context.Context, id, control string) error {
	got, err := s.distributions.GetDistributionConfig(ctx, &cloudfront.GetDistributionConfigInput{Id: &id})
	if err != nil {
		return err
	}
	got.DistributionConfig.Enabled = aws.Bool(false)
	off, err := s.distributions.UpdateDistribution(ctx, &cloudfront.UpdateDistributionInput{Id: &id, IfMatch: got.ETag, DistributionConfig: got.DistributionConfig})
	if err != nil {
		return err
	}
	if _, err := s.distributions.DeleteDistribution(ctx, &cloudfront.DeleteDistributionInput{Id: &id, IfMatch: off.ETag}); err != nil {
		return err
	}
	oac, err := s.distributions.GetOriginAccessControl(ctx, &cloudfront.GetOriginAccessControlInput{Id: &control})
	if err != nil {
		return err
	}
	_, err = s.distributions.DeleteOriginAccessControl(ctx, &cloudfront.DeleteOriginAccessControlInput{Id: &control, IfMatch: oac.ETag})
	return err
}

// empty removes every version of every object.
func (s *stack) empty(ctx context.Context, bucket string) error {
	pages := s3.NewListObjectVersionsPaginator(s.buckets, &s3.ListObjectVersionsInput{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		var items []s3types.ObjectIdentifier
		for _, v := range page.Versions {
			items = append(items, s3types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			items = append(items, s3types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		if len(items) == 0 {
			continue
		}
		if _, err := s.buckets.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &s3types.Delete{Objects: items, Quiet: aws.Bool(true)}}); err != nil {
			return err
		}
	}
	return nil
}
