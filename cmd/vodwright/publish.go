package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/mediaconvert"
)

// What publish uses, and makes when it is missing.
const (
	sourceBucket = "vod-source"
	streamBucket = "vod-streams"
	ladderName   = "vod-hls"
	publishRole  = "vodwright-MediaConvert"
)

type publishCmd struct {
	dataFlag
	Videos      []string `arg:"" name:"video" help:"Video files, or http(s):// or s3:// URLs."`
	Template    string   `help:"Job template to encode with." default:"${template}" placeholder:"NAME"`
	Destination string   `help:"Bucket for the streams." default:"${streams}" placeholder:"BUCKET"`
	Role        string   `help:"ARN of the role that the jobs read and write with; default: vodwright-MediaConvert, made with rights on the buckets in use." placeholder:"ARN"`
	Priority    int      `help:"-50 to 50; higher goes first." default:"0"`
	Detach      bool     `help:"Do not wait for the encodes."`
}

func (publishCmd) Help() string {
	return `Uploads each file to bucket vod-source, encodes it with a job template (360p, 540p
and 720p HLS unless you name another) into bucket vod-streams and prints the URLs.
What is missing is made: buckets, template, distribution, and the role of the jobs,
which may read the sources and write the streams and nothing else.

The server is the one of --data, or the one AWS_ENDPOINT_URL and the AWS keys name.

Examples:
  vodwright publish holiday.mp4
  vodwright publish *.mov --json | jq -r .streamURL
  vodwright publish https://example.com/talk.mkv --template my-ladder`
}

// published is what publish prints for one video.
type published struct {
	Video     string `json:"video"`
	JobID     string `json:"jobId"`
	Status    string `json:"status"`
	StreamURL string `json:"streamURL"`
	PlayerURL string `json:"playerURL"`
}

// Run publishes every video; a failing one does not keep the others back.
func (c *publishCmd) Run(p *program) error {
	cl, err := connect(p, c.Data)
	if err != nil {
		return err
	}
	pub := &publisher{client: cl, template: c.Template, bucket: c.Destination, role: c.Role, priority: c.Priority, detach: c.Detach}
	if err := pub.prepare(p.ctx, c.Videos); err != nil {
		return err
	}
	meter := newMeter(p)
	var failed []error
	for _, video := range c.Videos {
		result, err := pub.publish(p.ctx, video, meter)
		if err != nil {
			failed = append(failed, fmt.Errorf("publish %q: %w", video, err))
			if p.ctx.Err() != nil {
				break
			}
			continue
		}
		if err := p.print(result, fmt.Sprintf("%s\n  player  %s\n  stream  %s\n", video, result.PlayerURL, result.StreamURL)); err != nil {
			return err
		}
	}
	meter.close()
	return errors.Join(failed...)
}

// publisher turns videos into streams on one server.
type publisher struct {
	client           *client
	template, bucket string
	role             string // ARN; prepare makes one when it is empty
	priority         int
	detach           bool
	settings         map[string]any // the template's, as the wire has them
	domain           string         // of the distribution that serves bucket
}

// prepare makes what is missing to publish these videos. It may run any number of times.
func (p *publisher) prepare(ctx context.Context, videos []string) error {
	for _, b := range []string{sourceBucket, p.bucket} {
		_, err := p.client.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(b)})
		var mine *types.BucketAlreadyOwnedByYou
		if err != nil && !errors.As(err, &mine) {
			return fmt.Errorf("make bucket %q: %w", b, p.client.s3Fault(err))
		}
	}
	if err := p.findTemplate(ctx); err != nil {
		return err
	}
	if p.role == "" {
		sources := []string{sourceBucket}
		for _, video := range videos {
			if rest, ok := strings.CutPrefix(video, "s3://"); ok {
				bucket, _, _ := strings.Cut(rest, "/")
				sources = append(sources, bucket)
			}
		}
		var err error
		if p.role, err = p.client.jobRole(ctx, sources, p.bucket); err != nil {
			return err
		}
	}
	return p.findDistribution(ctx)
}

func (p *publisher) findTemplate(ctx context.Context) error {
	var answer struct {
		JobTemplate struct {
			Settings map[string]any `json:"settings"`
		} `json:"jobTemplate"`
	}
	at := "/jobTemplates/" + url.PathEscape(p.template)
	err := p.client.jobsCall(ctx, "GET", at, nil, &answer)
	if fault.Is(err, fault.NotFound) && p.template == ladderName {
		doc := map[string]any{
			"name": ladderName, "description": "HLS with 360p, 540p and 720p, made by vodwright publish",
			"settings": mediaconvert.DefaultLadder(),
		}
		if err := p.client.jobsCall(ctx, "POST", "/jobTemplates", doc, nil); err != nil && !fault.Is(err, fault.Conflict) {
			return fmt.Errorf("make job template: %w", err)
		}
		err = p.client.jobsCall(ctx, "GET", at, nil, &answer)
	}
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "", "there is no job template %q", p.template).
			WithHint("aws mediaconvert list-job-templates shows what is there")
	}
	if err != nil {
		return fmt.Errorf("read job template %q: %w", p.template, err)
	}
	p.settings = answer.JobTemplate.Settings
	return nil
}

// publish uploads (files), encodes and waits.
func (p *publisher) publish(ctx context.Context, video string, meter *meter) (published, error) {
	name := slug(video)
	folder := name + "-" + shortID()
	label := path.Base(filepath.ToSlash(video))
	input := video
	if !strings.Contains(video, "://") {
		input = "s3://" + sourceBucket + "/" + folder + "/" + label
		if err := p.upload(ctx, video, sourceBucket, folder+"/"+label, func(percent int) { meter.show(label, "UPLOADING", percent) }); err != nil {
			return published{}, err
		}
	}
	destination := folder + "/" + name
	settings, err := p.jobSettings(input, destination)
	if err != nil {
		return published{}, err
	}
	var created struct {
		Job jobAnswer `json:"job"`
	}
	doc := map[string]any{
		"role": p.role, "settings": settings, "priority": p.priority, "statusUpdateInterval": "SECONDS_10",
		"userMetadata": map[string]string{"video": label}, "clientRequestToken": folder[len(folder)-8:],
	}
	if err := p.client.jobsCall(ctx, "POST", "/jobs", doc, &created); err != nil {
		return published{}, err
	}
	out := published{Video: video, JobID: created.Job.ID, Status: created.Job.Status}
	if err := p.locate(&out, destination); err != nil {
		return published{}, err
	}
	if p.detach {
		return out, nil
	}
	out.Status, err = p.wait(ctx, created.Job.ID, func(j jobAnswer) { meter.show(label, cmp.Or(j.Phase, j.Status), j.Percent) })
	return out, err
}

// locate sets where the stream of a destination's key plays.
func (p *publisher) locate(out *published, destination string) error {
	base, err := url.Parse(p.client.endpoint)
	if err != nil {
		return err
	}
	port := ""
	if base.Port() != "" {
		port = ":" + base.Port()
	}
	out.StreamURL = (&url.URL{Scheme: base.Scheme, Host: p.domain + port, Path: "/" + destination + ".m3u8"}).String()
	out.PlayerURL = p.client.endpoint + "/_/player?src=" + url.QueryEscape(out.StreamURL)
	return nil
}

type jobAnswer struct {
	ID           string `json:"id"`
	Status       string `json:"status"`
	Phase        string `json:"currentPhase"`
	Percent      int    `json:"jobPercentComplete"`
	ErrorCode    int    `json:"errorCode"`
	ErrorMessage string `json:"errorMessage"`
}

// wait follows a job to its end. An interrupt leaves the job running.
func (p *publisher) wait(ctx context.Context, id string, show func(jobAnswer)) (string, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		var answer struct {
			Job jobAnswer `json:"job"`
		}
		if err := p.client.jobsCall(ctx, "GET", "/jobs/"+id, nil, &answer); err != nil {
			return "", err
		}
		j := answer.Job
		switch j.Status {
		case "COMPLETE":
			j.Percent = 100
			show(j)
			return j.Status, nil
		case "ERROR":
			return j.Status, fault.New(fault.Invalid, fmt.Sprint(j.ErrorCode), "job %s ended with error %d: %s", id, j.ErrorCode, j.ErrorMessage)
		case "CANCELED":
			return j.Status, fault.New(fault.Canceled, "", "job %s was canceled", id)
		}
		show(j)
		select {
		case <-ctx.Done():
			return j.Status, fault.New(fault.Canceled, "", "interrupted; job %s goes on", id).
				WithHint("aws mediaconvert get-job --id %s tells how it is doing, cancel-job ends it", id)
		case <-tick.C:
		}
	}
}

func (p *publisher) upload(ctx context.Context, file, bucket, key string, show func(percent int)) error {
	f, err := os.Open(file)
	if err != nil {
		return fault.New(fault.NotFound, "", "%w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fault.New(fault.Invalid, "", "%q is not a file", file)
	}
	manager := transfermanager.New(p.client.s3, func(o *transfermanager.Options) {
		o.ObjectProgressListeners.Register(uploadListener(func(done int64) {
			show(int(done * 100 / max(info.Size(), 1)))
		}))
	})
	_, err = manager.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: f})
	if err != nil {
		return fmt.Errorf("upload: %w", p.client.s3Fault(err))
	}
	return nil
}

type uploadListener func(done int64)

// OnObjectBytesTransferred implements the transfer manager's listener.
func (l uploadListener) OnObjectBytesTransferred(_ context.Context, e *transfermanager.ObjectBytesTransferredEvent) {
	l(e.BytesTransferred)
}

// s3Fault gives an SDK error its kind.
func (c *client) s3Fault(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		kind := fault.Invalid
		if api.ErrorFault() == smithy.FaultServer {
			kind = fault.Unavailable
		}
		switch api.ErrorCode() {
		case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch":
			kind = fault.Denied
		}
		return fault.New(kind, api.ErrorCode(), "%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	return c.unreachable(err)
}

// jobSettings fills the template with this video's input and destinations.
func (p *publisher) jobSettings(input, destination string) (map[string]any, error) {
	doc, err := json.Marshal(p.settings)
	if err != nil {
		return nil, err
	}
	var settings map[string]any
	if err := json.Unmarshal(doc, &settings); err != nil {
		return nil, err
	}
	inputs, _ := settings["inputs"].([]any)
	if len(inputs) == 0 {
		inputs = []any{map[string]any{"audioSelectors": map[string]any{"Audio Selector 1": map[string]any{"defaultSelection": "DEFAULT"}}}}
		settings["inputs"] = inputs
	}
	if first, ok := inputs[0].(map[string]any); ok {
		first["fileInput"] = input
	}
	groups, _ := settings["outputGroups"].([]any)
	for i, g := range groups {
		group, _ := g.(map[string]any)
		kinds, _ := group["outputGroupSettings"].(map[string]any)
		for _, k := range []string{"hlsGroupSettings", "fileGroupSettings"} {
			if s, ok := kinds[k].(map[string]any); ok {
				at := destination
				if i > 0 { // further groups beside the first, so that names never meet
					at = path.Join(path.Dir(destination), fmt.Sprintf("group%d", i+1), path.Base(destination))
				}
				s["destination"] = "s3://" + p.bucket + "/" + at
			}
		}
	}
	return settings, nil
}

// slug makes a name for URLs from a video's: ASCII letters, digits and dashes.
func slug(video string) string {
	if u, err := url.Parse(video); err == nil && u.Scheme != "" && u.Host != "" {
		video = u.Path
	}
	base := path.Base(filepath.ToSlash(video))
	base = strings.TrimSuffix(base, path.Ext(base))
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, base)
	for strings.Contains(out, "--") {
		out = strings.ReplaceAll(out, "--", "-")
	}
	out = strings.Trim(out, "-")
	if len(out) > 60 {
		out = strings.Trim(out[:60], "-")
	}
	return cmp.Or(out, "video")
}

func shortID() string {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
