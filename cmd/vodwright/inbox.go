package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"vodwright.dev/vodwright/internal/fault"
)

// inboxBucket is the bucket of the demo's automation. It is not the one that
// publish uploads to: what publish puts there has its job already.
const inboxBucket = "vod-inbox"

// inbox publishes videos by putting them in a bucket that is automated.
type inbox struct {
	*publisher
	automator
}

// prepare makes the bucket and its automation. It may run any number of times.
func (b inbox) prepare(ctx context.Context) error {
	_, err := b.s3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(inboxBucket)})
	var mine *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &mine) {
		return fmt.Errorf("make bucket %q: %w", inboxBucket, b.publisher.client.s3Fault(err))
	}
	_, err = b.make(ctx, automationOrder{name: automationName(inboxBucket, ""), source: inboxBucket, template: b.template, destination: b.bucket, named: true})
	return err
}

func (b inbox) s3() *s3.Client { return b.publisher.client.s3 }

// inboxJob is what put reads of a job.
type inboxJob struct {
	jobAnswer
	Settings struct {
		Inputs []struct {
			FileInput string `json:"fileInput"`
		} `json:"inputs"`
		OutputGroups []struct {
			Settings struct {
				HLS struct {
					Destination string `json:"destination"`
				} `json:"hlsGroupSettings"`
			} `json:"outputGroupSettings"`
		} `json:"outputGroups"`
	} `json:"settings"`
}

// put uploads a video, and follows the job that the automation makes of it.
func (b inbox) put(ctx context.Context, video string, meter *meter) (published, error) {
	label := path.Base(filepath.ToSlash(video))
	key := slug(video) + "-" + shortID() + "/" + label
	if err := b.upload(ctx, video, inboxBucket, key, func(percent int) { meter.show(label, "UPLOADING", percent) }); err != nil {
		return published{}, err
	}
	j, err := b.jobOf(ctx, "s3://"+inboxBucket+"/"+key)
	if err != nil {
		return published{}, err
	}
	out := published{Video: video, JobID: j.ID}
	destination := ""
	if len(j.Settings.OutputGroups) > 0 {
		destination = strings.TrimPrefix(j.Settings.OutputGroups[0].Settings.HLS.Destination, "s3://"+b.bucket+"/")
	}
	if err := b.locate(&out, strings.ReplaceAll(destination, "$$", "$")); err != nil {
		return published{}, err
	}
	out.Status, err = b.wait(ctx, j.ID, func(j jobAnswer) { meter.show(label, cmp.Or(j.Phase, j.Status), j.Percent) })
	return out, err
}

// jobOf waits for the job of an object, or for the delivery log to say that there is none.
func (b inbox) jobOf(ctx context.Context, input string) (inboxJob, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for round := 1; ; round++ {
		var page struct {
			Jobs []inboxJob `json:"jobs"`
		}
		if err := b.publisher.client.jobsCall(ctx, http.MethodGet, "/jobs?order=DESCENDING&maxResults=20", nil, &page); err != nil {
			return inboxJob{}, err
		}
		for _, j := range page.Jobs {
			if len(j.Settings.Inputs) > 0 && j.Settings.Inputs[0].FileInput == input {
				return j, nil
			}
		}
		if round%10 == 0 {
			if err := b.trouble(ctx, input); err != nil {
				return inboxJob{}, err
			}
		}
		select {
		case <-ctx.Done():
			return inboxJob{}, fault.New(fault.Canceled, "", "interrupted")
		case <-tick.C:
		}
	}
}

// trouble returns what the delivery log says of an object that became no job.
func (b inbox) trouble(ctx context.Context, subject string) error {
	group := "/vodwright/events/" + automationName(inboxBucket, "")
	body, err := json.Marshal(map[string]any{"logGroupName": group})
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"Logs_20140328.FilterLogEvents"}}
	answer, _, err := b.publisher.client.send(ctx, "logs", http.MethodPost, "/", header, body)
	if err != nil {
		return nil //nolint:nilerr // there is no log before the first delivery
	}
	var list struct {
		Events []struct {
			Message string `json:"message"`
		} `json:"events"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("decode delivery log: %w", err)
	}
	for _, e := range list.Events {
		var line struct{ Subject, Outcome, Reason, Error string }
		if json.Unmarshal([]byte(e.Message), &line) != nil || line.Subject != subject {
			continue
		}
		switch line.Outcome {
		case "IGNORED":
			return fault.New(fault.Invalid, "", "no job was made: %s", line.Reason)
		case "FAILED", "DROPPED":
			return fault.New(fault.Invalid, "", "no job was made: %s", cmp.Or(line.Error, line.Reason))
		}
	}
	return nil
}
