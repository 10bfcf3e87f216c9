package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"vodwright.dev/vodwright/test/harness"
)

const aboutRequests = "What a request costs before its work begins. Authorisation: one decision on policies of a user and a bucket, a Go benchmark. " +
	"Creating jobs: 500 signed CreateJob requests, one after the other, into a paused queue. " +
	"Listing jobs: 1,000 jobs wait in that queue; ListJobs and SearchJobs (by a part of the input file) walk through all of them in pages of 20, one request a page, signature included. " +
	"Upload to job: from PutObject being sent to a job of it being seen at work (ListJobs, asked every 2 ms): by the built-in automation, and by a Python function of a few lines " +
	"behind the bucket's notification, warm and cold (its code is updated before each upload, so that a new process starts)."

// Targets, in microseconds and milliseconds.
const (
	authorizeLimit  = 10
	createLimit     = 10
	automationLimit = 300
	coldLimit       = 1500
	createdJobs     = 500
	listLimit       = 10
	listedJobs      = 1000
)

func benchRequests(ctx context.Context, b *bench, r *report) (err error) {
	decision, err := b.authorization(ctx)
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, filepath.Join(b.dir, "requests-data"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	role, err := s.makeRole(ctx, "bench", "mediaconvert.amazonaws.com", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	if err != nil {
		return err
	}
	created, err := s.createJobs(ctx, role)
	if err != nil {
		return err
	}
	listed, err := s.listJobs(ctx, "/2017-08-29/jobs?queue=paused&status=SUBMITTED")
	if err != nil {
		return err
	}
	searched, err := s.listJobs(ctx, "/2017-08-29/search?inputFile=none&queue=paused")
	if err != nil {
		return err
	}
	uploads, err := b.uploads(ctx, s, role)
	if err != nil {
		return err
	}
	p99 := created.percentile(0.99)
	r.table(
		[]string{"", ""},
		[]string{"one authorisation, µs", fmt.Sprintf("%.2f", decision)},
		[]string{"CreateJob, ms, median (range)", created.show("%.1f")},
		[]string{"CreateJob, ms, 99th percentile", fmt.Sprintf("%.1f", p99)},
		[]string{"ListJobs, a page of 20 of 1,000 waiting jobs, ms, median (range)", listed.show("%.1f")},
		[]string{"SearchJobs, a page of 20 of 1,000 waiting jobs, ms, median (range)", searched.show("%.1f")},
		[]string{"upload to job at work, built-in automation, ms", uploads.automation.show("%.0f")},
		[]string{"upload to job at work, Python function, warm, ms", uploads.warm.show("%.0f")},
		[]string{"upload to job at work, Python function, cold, ms", uploads.cold.show("%.0f")},
	)
	r.atMost("authorisation of one request", decision, authorizeLimit, "%.1f µs")
	r.atMost("creating a job, 99th percentile", p99, createLimit, "%.1f ms")
	r.atMost("listing 1,000 waiting jobs, a page", listed.median(), listLimit, "%.1f ms")
	r.atMost("searching 1,000 waiting jobs, a page", searched.median(), listLimit, "%.1f ms")
	r.atMost("upload to job at work, built-in automation", uploads.automation.median(), automationLimit, "%.0f ms")
	r.atMost("upload to job at work, Python function, cold", uploads.cold.median(), coldLimit, "%.0f ms")
	return nil
}

var perOperation = regexp.MustCompile(`(?m)^BenchmarkAuthorize\S*\s+\d+\s+([0-9.]+) ns/op`)

// authorization returns what one decision takes, in microseconds: the worst of the room's benchmarks.
func (b *bench) authorization(ctx context.Context) (float64, error) {
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkAuthorize", "./internal/iam").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("run the benchmark of authorisation: %w\n%s", err, out)
	}
	worst := 0.0
	for _, m := range perOperation.FindAllStringSubmatch(string(out), -1) {
		ns, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, err
		}
		worst = max(worst, ns/1000)
	}
	if worst == 0 {
		return 0, fmt.Errorf("the benchmark of authorisation printed no figure:\n%s", out)
	}
	return worst, nil
}

// makeRole makes a role that a service may assume, with one statement of rights, and returns its ARN.
func (s *server) makeRole(ctx context.Context, name, service, statement string) (string, error) {
	c := iam.NewFromConfig(s.Config())
	made, err := c.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName:                 &name,
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`),
	})
	if err != nil {
		return "", fmt.Errorf("make role %q: %w", name, err)
	}
	_, err = c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: &name, PolicyName: aws.String("rights"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + statement + `]}`),
	})
	return *made.Role.Arn, err
}

// createJobs takes the time of each of many CreateJob requests into a paused queue.
func (s *server) createJobs(ctx context.Context, role string) (sample, error) {
	queue := []byte(`{"name":"paused","status":"PAUSED"}`)
	if err := s.Call(ctx, "mediaconvert", "POST", "/2017-08-29/queues", queue, nil); err != nil {
		return nil, err
	}
	document := jobDocument(hd720, "s3://bench-in/none.mp4", "s3://bench-out/none/", "SINGLE_PASS")
	document["role"], document["queue"] = role, "paused"
	body, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	var took sample
	for i := range listedJobs {
		began := time.Now()
		if err := s.Call(ctx, "mediaconvert", "POST", "/2017-08-29/jobs", body, nil); err != nil {
			return nil, err
		}
		if i >= 10 && i < createdJobs+10 { // connections, caches; the rest is there to be listed
			took.milliseconds(time.Since(began))
		}
	}
	return took, nil
}

// listJobs takes the time of each page of a list of all jobs that wait.
func (s *server) listJobs(ctx context.Context, path string) (sample, error) {
	var took sample
	jobs := 0
	for token := ""; ; {
		var page struct {
			Jobs      []struct{} `json:"jobs"`
			NextToken string     `json:"nextToken"`
		}
		began := time.Now()
		if err := s.Call(ctx, "mediaconvert", "GET", path+"&maxResults=20&nextToken="+url.QueryEscape(token), nil, &page); err != nil {
			return nil, err
		}
		took.milliseconds(time.Since(began))
		jobs += len(page.Jobs)
		if token = page.NextToken; token == "" {
			break
		}
	}
	if jobs != listedJobs {
		return nil, fmt.Errorf("%s lists %d jobs, want %d", path, jobs, listedJobs)
	}
	return took, nil
}

// percentile returns the value that a part p of all does not exceed.
func (s sample) percentile(p float64) float64 {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

const uploadHandler = `
import json, os, pathlib, urllib.parse
import boto3
mediaconvert = boto3.client("mediaconvert")
settings = json.loads(pathlib.Path(__file__).with_name("settings.json").read_text())
def handler(event, context):
    for r in event["Records"]:
        key = urllib.parse.unquote_plus(r["s3"]["object"]["key"])
        settings["Inputs"][0]["FileInput"] = f"s3://{r['s3']['bucket']['name']}/{key}"
        mediaconvert.create_job(Role=os.environ["ROLE"], Settings=settings)
`

type uploads struct{ automation, warm, cold sample }

// uploads measures how long an uploaded clip waits for its job.
func (b *bench) uploads(ctx context.Context, s *server, role string) (u uploads, err error) {
	path, err := b.shortClip(ctx)
	if err != nil {
		return u, err
	}
	clip, err := os.ReadFile(path)
	if err != nil {
		return u, err
	}
	for _, bucket := range []string{"bench-auto", "bench-function", "bench-made"} {
		if err := s.makeBucket(ctx, bucket); err != nil {
			return u, err
		}
	}
	document := jobDocument(hd720, "s3://x/y", "s3://bench-made/jobs/", "SINGLE_PASS")
	template, err := json.Marshal(map[string]any{"name": "bench", "settings": document["settings"]})
	if err != nil {
		return u, err
	}
	template = bytes.Replace(template, []byte(`"fileInput":"s3://x/y"`), []byte(`"timecodeSource":"ZEROBASED"`), 1)
	if err := s.Call(ctx, "mediaconvert", "POST", "/2017-08-29/jobTemplates", template, nil); err != nil {
		return u, err
	}
	if out, err := exec.CommandContext(ctx, b.program, "automate", "--data", s.Data, "--source", "bench-auto", "--template", "bench", "--destination", "bench-made").CombinedOutput(); err != nil {
		return u, fmt.Errorf("set up the automation: %w\n%s", err, out)
	}
	update, err := s.makeFunction(ctx, role, document["settings"])
	if err != nil {
		return u, err
	}
	for i := range b.runs + 1 {
		automation, err := s.uploadToJob(ctx, "bench-auto", fmt.Sprintf("%d.mp4", i), clip)
		if err != nil {
			return u, fmt.Errorf("automation: %w", err)
		}
		if err := update(i); err != nil {
			return u, err
		}
		cold, err := s.uploadToJob(ctx, "bench-function", fmt.Sprintf("cold %d.mp4", i), clip)
		if err != nil {
			return u, fmt.Errorf("function, cold: %w", err)
		}
		warm, err := s.uploadToJob(ctx, "bench-function", fmt.Sprintf("warm %d.mp4", i), clip)
		if err != nil {
			return u, fmt.Errorf("function, warm: %w", err)
		}
		if i == 0 {
			continue // caches
		}
		u.automation.milliseconds(automation)
		u.cold.milliseconds(cold)
		u.warm.milliseconds(warm)
		b.logf("requests: upload %d: %d, %d (cold) and %d (warm) ms", i, automation.Milliseconds(), cold.Milliseconds(), warm.Milliseconds())
	}
	return u, nil
}

// makeFunction has bench-function's uploads start jobs by a Python function, and
// returns what gives the function new code, so that its next call starts cold.
func (s *server) makeFunction(ctx context.Context, jobRole string, settings any) (update func(n int) error, err error) {
	role, err := s.makeRole(ctx, "bench-function", "lambda.amazonaws.com",
		`{"Effect":"Allow","Action":["mediaconvert:CreateJob","iam:PassRole","logs:*"],"Resource":"*"}`)
	if err != nil {
		return nil, err
	}
	doc, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	doc = regexp.MustCompile(`"([a-z])([A-Za-z0-9]*)":`).ReplaceAllFunc(doc, func(name []byte) []byte { // as boto3 spells members
		name[1] &^= 0x20
		return name
	})
	code := func(n int) ([]byte, error) {
		var data bytes.Buffer
		z := zip.NewWriter(&data)
		for name, text := range map[string]string{"handler.py": fmt.Sprintf("# %d\n%s", n, uploadHandler), "settings.json": string(doc)} {
			w, err := z.Create(name)
			if err != nil {
				return nil, err
			}
			if _, err := w.Write([]byte(text)); err != nil {
				return nil, err
			}
		}
		err := z.Close()
		return data.Bytes(), err
	}
	first, err := code(-1)
	if err != nil {
		return nil, err
	}
	functions, name := lambda.NewFromConfig(s.Config()), "bench"
	made, err := functions.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &name, Role: &role, Runtime: types.RuntimePython311, Handler: aws.String("handler.handler"), Timeout: aws.Int32(60),
		Code: &types.FunctionCode{ZipFile: first}, Environment: &types.Environment{Variables: map[string]string{"ROLE": jobRole}},
	})
	if err != nil {
		return nil, fmt.Errorf("make function: %w", err)
	}
	if _, err := functions.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: &name, StatementId: aws.String("s3"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("s3.amazonaws.com"), SourceArn: aws.String("arn:aws:s3:::bench-function"),
	}); err != nil {
		return nil, fmt.Errorf("permit the bucket: %w", err)
	}
	if _, err := s.s3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: aws.String("bench-function"), NotificationConfiguration: &s3types.NotificationConfiguration{
			LambdaFunctionConfigurations: []s3types.LambdaFunctionConfiguration{{LambdaFunctionArn: made.FunctionArn, Events: []s3types.Event{"s3:ObjectCreated:*"}}},
		},
	}); err != nil {
		return nil, fmt.Errorf("configure notification: %w", err)
	}
	return func(n int) error {
		zipped, err := code(n)
		if err != nil {
			return err
		}
		if _, err := functions.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: &name, ZipFile: zipped}); err != nil {
			return fmt.Errorf("update function: %w", err)
		}
		return nil
	}, nil
}

// uploadToJob puts a clip and returns how long it took, from before the request was
// sent, until a job of it was at work; it returns once that job is complete.
func (s *server) uploadToJob(ctx context.Context, bucket, key string, clip []byte) (time.Duration, error) {
	began := time.Now()
	if err := s.put(ctx, bucket, key, clip); err != nil {
		return 0, err
	}
	input := "s3://" + bucket + "/" + key
	var took time.Duration
	err := harness.Poll(ctx, 2*time.Millisecond, 2*time.Minute, "the job of "+key+" ends", func() (bool, error) {
		var list struct {
			Jobs []struct {
				Status, ErrorMessage string
				Settings             struct{ Inputs []struct{ FileInput string } }
			}
		}
		if err := s.Call(ctx, "mediaconvert", "GET", "/2017-08-29/jobs?order=DESCENDING&maxResults=3", nil, &list); err != nil {
			return false, err
		}
		for _, j := range list.Jobs {
			if j.Settings.Inputs[0].FileInput != input || j.Status == "SUBMITTED" {
				continue
			}
			if took == 0 {
				took = time.Since(began)
			}
			if j.Status == "ERROR" {
				return false, fmt.Errorf("the job failed: %s", j.ErrorMessage)
			}
			return j.Status == "COMPLETE", nil
		}
		return false, nil
	})
	return took, err
}
