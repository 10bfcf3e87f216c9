package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	fn "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// What a test needs before it comes to its point, and what it waits for, goes
// through Go's SDK: the aws CLI takes half a second of CPU for each command. The
// CLI itself does all of it in TestExamples.

// must fails the test when a step of its preparation fails.
func (s *server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// buckets makes buckets.
func (s *server) buckets(names ...string) {
	s.t.Helper()
	for _, name := range names {
		_, err := s.S3().CreateBucket(s.t.Context(), &s3.CreateBucketInput{Bucket: &name})
		s.must(err)
	}
}

// put stores an object.
func (s *server) put(bucket, key, content string) {
	s.t.Helper()
	_, err := s.S3().PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(content)})
	s.must(err)
}

// putFile stores a file as an object.
func (s *server) putFile(bucket, key, file string) {
	s.t.Helper()
	s.Put(s.t, bucket, key, file)
}

// trust is the document of a role that a service may assume.
func trust(service string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`)
}

// document is a policy of statements.
func document(statements string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)
}

// role makes a role that a service may assume, with statements of rights, and
// returns its ARN.
func (s *server) role(name, service, statements string) string {
	s.t.Helper()
	client := iam.NewFromConfig(s.Config())
	made, err := client.CreateRole(s.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: trust(service)})
	s.must(err)
	_, err = client.PutRolePolicy(s.t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("rights"), PolicyDocument: document(statements)})
	s.must(err)
	return *made.Role.Arn
}

// keyOf makes a user with a policy, unless it is "", and returns a key of it.
func (s *server) keyOf(user, policy string) aws.Credentials {
	s.t.Helper()
	client := iam.NewFromConfig(s.Config())
	_, err := client.CreateUser(s.t.Context(), &iam.CreateUserInput{UserName: &user})
	s.must(err)
	if policy != "" {
		s.allow(user, policy)
	}
	made, err := client.CreateAccessKey(s.t.Context(), &iam.CreateAccessKeyInput{UserName: &user})
	s.must(err)
	return aws.Credentials{AccessKeyID: *made.AccessKey.AccessKeyId, SecretAccessKey: *made.AccessKey.SecretAccessKey}
}

// allow replaces the policy of a user.
func (s *server) allow(user, policy string) {
	s.t.Helper()
	_, err := iam.NewFromConfig(s.Config()).PutUserPolicy(s.t.Context(), &iam.PutUserPolicyInput{UserName: &user, PolicyName: aws.String("own"), PolicyDocument: &policy})
	s.must(err)
}

// makeFunction makes a role with all rights on buckets and a Python function that
// uploads to a bucket call; "" is none.
func (s *server) makeFunction(name, code, bucket string) {
	s.t.Helper()
	roles := iam.NewFromConfig(s.Config())
	role, err := roles.CreateRole(s.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: trust("lambda.amazonaws.com")})
	s.must(err)
	for _, policy := range []string{"service-role/AWSLambdaBasicExecutionRole", "AmazonS3FullAccess"} {
		_, err := roles.AttachRolePolicy(s.t.Context(), &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: aws.String("arn:aws:iam::aws:policy/" + policy)})
		s.must(err)
	}
	archive, err := os.ReadFile(zipFile(s.t, map[string]string{"code.py": code}))
	s.must(err)
	functions := lambda.NewFromConfig(s.Config())
	made, err := functions.CreateFunction(s.t.Context(), &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: fn.RuntimePython311, Handler: aws.String("code.handler"), Timeout: aws.Int32(30), Role: role.Role.Arn,
		Code: &fn.FunctionCode{ZipFile: archive},
	})
	s.must(err)
	if bucket == "" {
		return
	}
	_, err = functions.AddPermission(s.t.Context(), &lambda.AddPermissionInput{
		FunctionName: &name, StatementId: aws.String("s3"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("s3.amazonaws.com"), SourceArn: aws.String("arn:aws:s3:::" + bucket),
	})
	s.must(err)
	_, err = s.S3().PutBucketNotificationConfiguration(s.t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: &bucket, NotificationConfiguration: &s3types.NotificationConfiguration{LambdaFunctionConfigurations: []s3types.LambdaFunctionConfiguration{
			{LambdaFunctionArn: made.FunctionArn, Events: []s3types.Event{"s3:ObjectCreated:*"}},
		}},
	})
	s.must(err)
}

// distribute puts a distribution before a bucket, which its policy opens to it
// alone, and returns its address over HTTP.
func (s *server) distribute(bucket string) string {
	s.t.Helper()
	client := cloudfront.NewFromConfig(s.Config())
	control, err := client.CreateOriginAccessControl(s.t.Context(), &cloudfront.CreateOriginAccessControlInput{OriginAccessControlConfig: &cf.OriginAccessControlConfig{
		Name: &bucket, SigningProtocol: cf.OriginAccessControlSigningProtocolsSigv4, SigningBehavior: cf.OriginAccessControlSigningBehaviorsAlways, OriginAccessControlOriginType: cf.OriginAccessControlOriginTypesS3,
	}})
	s.must(err)
	made, err := client.CreateDistribution(s.t.Context(), &cloudfront.CreateDistributionInput{DistributionConfig: &cf.DistributionConfig{
		CallerReference: &bucket, Comment: aws.String(""), Enabled: aws.Bool(true),
		Origins: &cf.Origins{Quantity: aws.Int32(1), Items: []cf.Origin{{
			Id: aws.String("o"), DomainName: aws.String(bucket + ".s3.us-east-1.amazonaws.com"), S3OriginConfig: &cf.S3OriginConfig{OriginAccessIdentity: aws.String("")}, OriginAccessControlId: control.OriginAccessControl.Id,
		}}},
		DefaultCacheBehavior: &cf.DefaultCacheBehavior{TargetOriginId: aws.String("o"), ViewerProtocolPolicy: cf.ViewerProtocolPolicyAllowAll, CachePolicyId: aws.String("658327ea-f89d-4fab-a63d-7e88639e58f6")},
	}})
	s.must(err)
	s.openTo(bucket, *made.Distribution.ARN)
	_, err = s.S3().PutPublicAccessBlock(s.t.Context(), &s3.PutPublicAccessBlockInput{Bucket: &bucket, PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{
		BlockPublicAcls: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
	}})
	s.must(err)
	return "http://" + *made.Distribution.DomainName + s.HTTP[strings.LastIndexByte(s.HTTP, ':'):]
}

// openTo lets a distribution, by its ARN, read a bucket.
func (s *server) openTo(bucket, distribution string) {
	s.t.Helper()
	_, err := s.S3().PutBucketPolicy(s.t.Context(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: document(`{"Effect": "Allow",
		"Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::` + bucket + `/*",
		"Condition": {"StringEquals": {"AWS:SourceArn": "` + distribution + `"}}}`)})
	s.must(err)
}

// template makes a job template of settings as the CLI takes them.
func (s *server) template(name, settings string) {
	s.t.Helper()
	in := mediaconvert.CreateJobTemplateInput{Name: &name, Settings: new(mc.JobTemplateSettings)}
	s.must(json.Unmarshal([]byte(settings), in.Settings))
	_, err := s.Jobs().CreateJobTemplate(s.t.Context(), &in)
	s.must(err)
}

// submit makes a job of the template that publish makes and waits for its end.
func (s *server) submit(role, settings string) jobDoc {
	s.t.Helper()
	in := mediaconvert.CreateJobInput{Role: &role, JobTemplate: aws.String("vod-hls"), Settings: new(mc.JobSettings)}
	s.must(json.Unmarshal([]byte(settings), in.Settings))
	made, err := s.Jobs().CreateJob(s.t.Context(), &in)
	s.must(err)
	return s.waitJob(*made.Job.Id, 5*time.Minute)
}

// jobsByInput lists all jobs by the object that they were made of.
func (s *server) jobsByInput() map[string][]mc.Job {
	s.t.Helper()
	out := map[string][]mc.Job{}
	pages := mediaconvert.NewListJobsPaginator(s.Jobs(), &mediaconvert.ListJobsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.t.Context())
		s.must(err)
		for _, j := range page.Jobs {
			input := aws.ToString(j.Settings.Inputs[0].FileInput)
			out[input] = append(out[input], j)
		}
	}
	return out
}

// waitJobOf waits for the job of an input, and for its end.
func (s *server) waitJobOf(input string) jobDoc {
	s.t.Helper()
	id := ""
	eventually(s.t, time.Minute, "a job of "+input, func() bool {
		for _, j := range s.jobsByInput()[input] {
			id = *j.Id
		}
		return id != ""
	})
	return s.waitJob(id, 5*time.Minute)
}

// logged reads the messages of a log group that a filter pattern chooses; none of
// a group that is not there yet.
func (s *server) logged(group, pattern string) []string {
	s.t.Helper()
	var out []string
	for token := ""; ; {
		ask := map[string]string{"logGroupName": group, "filterPattern": pattern}
		if token != "" {
			ask["nextToken"] = token
		}
		body, err := json.Marshal(ask)
		s.must(err)
		var page struct {
			Events    []struct{ Message string }
			NextToken string
		}
		err = s.CallTarget(s.t.Context(), "logs", http.MethodPost, "/", "Logs_20140328.FilterLogEvents", body, &page)
		if err != nil && !strings.Contains(err.Error(), "ResourceNotFoundException") {
			s.t.Fatalf("read %s: %v", group, err)
		}
		for _, e := range page.Events {
			out = append(out, e.Message)
		}
		if token = page.NextToken; token == "" {
			return out
		}
	}
}

// eventuallyLogged waits for a text in a log group.
func eventuallyLogged(s *server, group, text string) {
	s.t.Helper()
	eventually(s.t, time.Minute, group+" says "+text, func() bool { return strings.Contains(strings.Join(s.logged(group, ""), "\n"), text) })
}
