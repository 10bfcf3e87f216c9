package mediaconvert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/smithy-go"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
)

func client(base string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &base,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, nil
		}),
	})
}

func sdkSettings(input, destination string) *types.JobSettings {
	return &types.JobSettings{
		Inputs: []types.Input{{FileInput: &input, AudioSelectors: map[string]types.AudioSelector{"Audio Selector 1": {DefaultSelection: types.AudioDefaultSelectionDefault}}}},
		OutputGroups: []types.OutputGroup{{
			OutputGroupSettings: &types.OutputGroupSettings{
				Type:             types.OutputGroupTypeHlsGroupSettings,
				HlsGroupSettings: &types.HlsGroupSettings{Destination: &destination, SegmentLength: aws.Int32(6), MinSegmentLength: aws.Int32(0)},
			},
			Outputs: []types.Output{{
				NameModifier:      aws.String("_360"),
				ContainerSettings: &types.ContainerSettings{Container: types.ContainerTypeM3u8},
				VideoDescription: &types.VideoDescription{
					Width: aws.Int32(640), Height: aws.Int32(360), Sharpness: aws.Int32(80),
					CodecSettings: &types.VideoCodecSettings{Codec: types.VideoCodecH264, H264Settings: &types.H264Settings{
						RateControlMode: types.H264RateControlModeQvbr, MaxBitrate: aws.Int32(1e6), Syntax: types.H264SyntaxRp2027,
					}},
				},
			}},
		}},
	}
}

// wantCode checks the exception that a client sees.
func wantCode(t *testing.T, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("error %v, want %s with %q", err, code, text)
	}
}

func waitFor(t *testing.T, c *sdk.Client, id string, status types.JobStatus) *types.Job {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		out, err := c.GetJob(t.Context(), &sdk.GetJobInput{Id: &id})
		if err != nil {
			t.Fatal(err)
		}
		if out.Job.Status == status {
			return out.Job
		}
		if time.Now().After(deadline) {
			t.Fatalf("job is %s, want %s", out.Job.Status, status)
		}
		select { // the API has no other way to wait
		case <-t.Context().Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

var role = aws.String("arn:aws:iam::000000000000:role/vod")

func TestSDKDrivesJobs(t *testing.T) {
	c, ctx := client(serve(t)), t.Context()
	in := &sdk.CreateJobInput{
		Role: role, Settings: sdkSettings("s3://source/clip.mp4", "s3://bucket/name"), Priority: aws.Int32(7),
		ClientRequestToken: aws.String("token-1"), UserMetadata: map[string]string{"assetID": "x y/ü"}, Tags: map[string]string{"team": "video"},
		StatusUpdateInterval: types.StatusUpdateIntervalSeconds10, AccelerationSettings: &types.AccelerationSettings{Mode: types.AccelerationModePreferred},
		BillingTagsSource: types.BillingTagsSourceQueue, SimulateReservedQueue: types.SimulateReservedQueueDisabled,
	}
	made, err := c.CreateJob(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.CreateJob(ctx, in)
	if err != nil || *again.Job.Id != *made.Job.Id {
		t.Errorf("the same token again: %v, %v", again, err)
	}
	other := *in
	other.Priority = aws.Int32(8)
	_, err = c.CreateJob(ctx, &other)
	wantCode(t, err, "ConflictException", "token")

	j := waitFor(t, c, *made.Job.Id, types.JobStatusComplete)
	if !strings.HasSuffix(*j.Arn, ":000000000000:jobs/"+*j.Id) || *j.Role != *role || *j.Priority != 7 || j.UserMetadata["assetID"] != "x y/ü" ||
		*j.JobPercentComplete != 100 || !strings.HasSuffix(*j.Queue, ":queues/Default") || j.StatusUpdateInterval != types.StatusUpdateIntervalSeconds10 {
		t.Errorf("job %+v", j)
	}
	if made.Job.AccelerationStatus != types.AccelerationStatusInProgress || j.AccelerationStatus != types.AccelerationStatusAccelerated || j.AccelerationSettings.Mode != types.AccelerationModePreferred ||
		j.BillingTagsSource != types.BillingTagsSourceQueue || *j.JobEngineVersionUsed != "2017-08-29" || *j.ClientRequestToken != "token-1" || j.ShareStatus != types.ShareStatusNotShared {
		t.Errorf("job %+v", j)
	}
	if made.Job.Timing.StartTime != nil || made.Job.Timing.FinishTime != nil {
		t.Errorf("timing of a job that waits %+v", made.Job.Timing)
	}
	if j.Timing.SubmitTime == nil || j.Timing.StartTime.Before(*j.Timing.SubmitTime) || j.Timing.FinishTime.Before(*j.Timing.StartTime) {
		t.Errorf("timing %+v", j.Timing)
	}
	if d := j.OutputGroupDetails; len(d) != 1 || *d[0].OutputDetails[0].DurationInMs != 20000 || *d[0].OutputDetails[0].VideoDetails.HeightInPx != 360 {
		t.Errorf("details %+v", d)
	}
	if len(j.Warnings) != 2 || *j.Warnings[0].Code != 240000 || len(j.Messages.Warning) != 3 || !strings.Contains(j.Messages.Warning[0], "syntax RP2027") || !strings.Contains(j.Messages.Warning[1], "accelerationSettings") {
		t.Errorf("warnings %+v, messages %+v", j.Warnings, j.Messages)
	}
	if *j.Settings.OutputGroups[0].Outputs[0].VideoDescription.Sharpness != 80 {
		t.Error("the settings of the job are not those that were given")
	}

	broken, err := c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, Settings: sdkSettings("s3://source/broken.mp4", "s3://bucket/b")})
	if err != nil {
		t.Fatal(err)
	}
	if j := waitFor(t, c, *broken.Job.Id, types.JobStatusError); *j.ErrorCode != 1020 || *j.ErrorMessage != "the source has no video" {
		t.Errorf("error %v %v", *j.ErrorCode, *j.ErrorMessage)
	}

	endless, err := c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, Settings: sdkSettings("s3://source/endless.mp4", "s3://bucket/e")})
	if err != nil {
		t.Fatal(err)
	}
	if j := waitFor(t, c, *endless.Job.Id, types.JobStatusProgressing); j.CurrentPhase != types.JobPhaseProbing {
		t.Errorf("phase %q", j.CurrentPhase)
	}
	if _, err := c.CancelJob(ctx, &sdk.CancelJobInput{Id: endless.Job.Id}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, *endless.Job.Id, types.JobStatusCanceled)
	_, err = c.CancelJob(ctx, &sdk.CancelJobInput{Id: endless.Job.Id})
	wantCode(t, err, "ConflictException", "CANCELED")
	_, err = c.GetJob(ctx, &sdk.GetJobInput{Id: aws.String("1515368087458-qnoxtd")})
	wantCode(t, err, "NotFoundException", "1515368087458-qnoxtd")
	_, err = c.CancelJob(ctx, &sdk.CancelJobInput{Id: aws.String("nonsense/../x")})
	wantCode(t, err, "NotFoundException", "")
}

func TestSDKListsJobsInPages(t *testing.T) {
	c, ctx := client(serve(t)), t.Context()
	var ids []string
	for i := range 5 {
		out, err := c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, Settings: sdkSettings("s3://source/clip.mp4", fmt.Sprintf("s3://bucket/%d", i))})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, *out.Job.Id)
	}
	for _, id := range ids {
		waitFor(t, c, id, types.JobStatusComplete)
	}
	list := func(in sdk.ListJobsInput) []string {
		t.Helper()
		var got []string
		pages := sdk.NewListJobsPaginator(c, &in)
		for pages.HasMorePages() {
			p, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Jobs) > 2 {
				t.Errorf("a page of %d", len(p.Jobs))
			}
			for _, j := range p.Jobs {
				got = append(got, *j.Id)
			}
		}
		return got
	}
	slices.Sort(ids)
	if got := list(sdk.ListJobsInput{MaxResults: aws.Int32(2), Order: types.OrderAscending, Status: types.JobStatusComplete, Queue: aws.String("Default")}); !slices.Equal(got, ids) {
		t.Errorf("ascending %v, want %v", got, ids)
	}
	slices.Reverse(ids)
	if got := list(sdk.ListJobsInput{MaxResults: aws.Int32(2), Queue: aws.String("arn:aws:mediaconvert:us-east-1:000000000000:queues/Default")}); !slices.Equal(got, ids) {
		t.Errorf("newest first %v, want %v", got, ids)
	}
	if got := list(sdk.ListJobsInput{MaxResults: aws.Int32(2), Status: types.JobStatusError}); len(got) != 0 {
		t.Errorf("jobs in error: %v", got)
	}
	_, err := c.ListJobs(ctx, &sdk.ListJobsInput{Queue: aws.String("nowhere")})
	wantCode(t, err, "NotFoundException", "nowhere")
	_, err = c.ListJobs(ctx, &sdk.ListJobsInput{MaxResults: aws.Int32(21)})
	wantCode(t, err, "BadRequestException", "/maxResults: Should be less than or equal to 20")
	_, err = c.ListJobs(ctx, &sdk.ListJobsInput{NextToken: aws.String("x")})
	wantCode(t, err, "BadRequestException", "/nextToken")
	_, err = c.ListJobs(ctx, &sdk.ListJobsInput{Status: "DONE"})
	wantCode(t, err, "BadRequestException", "DONE is not a valid value")
}

func TestSDKDrivesTemplatesQueuesAndTags(t *testing.T) {
	base := serve(t)
	c, ctx := client(base), t.Context()
	settings := sdkSettings("", "")
	settings.OutputGroups[0].OutputGroupSettings.HlsGroupSettings.Destination = nil
	template := &sdk.CreateJobTemplateInput{
		Name: aws.String("a ladder/1"), Category: aws.String("VOD"), Description: aws.String("d"), Priority: aws.Int32(3),
		Settings: &types.JobTemplateSettings{OutputGroups: settings.OutputGroups, Inputs: []types.InputTemplate{{AudioSelectors: settings.Inputs[0].AudioSelectors}}},
		Tags:     map[string]string{"k": "v"},
	}
	made, err := c.CreateJobTemplate(ctx, template)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateJobTemplate(ctx, template)
	wantCode(t, err, "ConflictException", "a ladder/1")

	got, err := c.GetJobTemplate(ctx, &sdk.GetJobTemplateInput{Name: template.Name})
	if err != nil || *got.JobTemplate.Category != "VOD" || got.JobTemplate.Type != types.TypeCustom || *got.JobTemplate.Priority != 3 {
		t.Fatalf("template %+v, %v", got, err)
	}
	updated, err := c.UpdateJobTemplate(ctx, &sdk.UpdateJobTemplateInput{Name: template.Name, Description: aws.String("new")})
	if err != nil || *updated.JobTemplate.Description != "new" || len(updated.JobTemplate.Settings.OutputGroups) != 1 {
		t.Fatalf("update %+v, %v", updated, err)
	}
	list, err := c.ListJobTemplates(ctx, &sdk.ListJobTemplatesInput{Category: aws.String("VOD")})
	if err != nil || len(list.JobTemplates) != 1 {
		t.Errorf("list %+v, %v", list, err)
	}

	// The job gives its input and its destination; everything else is the template's.
	j, err := c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, JobTemplate: made.JobTemplate.Arn, Settings: &types.JobSettings{
		Inputs: []types.Input{{FileInput: aws.String("s3://source/clip.mp4")}},
		OutputGroups: []types.OutputGroup{{OutputGroupSettings: &types.OutputGroupSettings{
			Type: types.OutputGroupTypeHlsGroupSettings, HlsGroupSettings: &types.HlsGroupSettings{Destination: aws.String("s3://bucket/x")},
		}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := j.Job.Settings
	if *j.Job.JobTemplate != *made.JobTemplate.Arn || *j.Job.Priority != 3 || *s.OutputGroups[0].Outputs[0].NameModifier != "_360" ||
		*s.OutputGroups[0].OutputGroupSettings.HlsGroupSettings.SegmentLength != 6 || len(s.Inputs[0].AudioSelectors) != 1 {
		t.Errorf("merged job %+v", j.Job)
	}
	_, err = c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, JobTemplate: aws.String("none"), Settings: &types.JobSettings{}})
	wantCode(t, err, "NotFoundException", "The specified job template was not found: jobTemplateArn=arn:aws:mediaconvert:us-east-1:000000000000:jobTemplates/none")
	_, err = c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, JobTemplate: template.Name, Settings: &types.JobSettings{}})
	wantCode(t, err, "BadRequestException", "/inputs/0: fileInput is a required property\n/outputGroups/0/outputGroupSettings/hlsGroupSettings: destination is a required property")

	for _, arn := range []*string{made.JobTemplate.Arn, j.Job.Arn, aws.String("arn:aws:mediaconvert:us-east-1:000000000000:queues/Default")} {
		if _, err := c.TagResource(ctx, &sdk.TagResourceInput{Arn: arn, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.UntagResource(ctx, &sdk.UntagResourceInput{Arn: arn, TagKeys: []string{"a", "none"}}); err != nil {
			t.Fatal(err)
		}
		tags, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{Arn: arn})
		if err != nil || tags.ResourceTags.Tags["b"] != "2" || tags.ResourceTags.Tags["a"] != "" {
			t.Errorf("tags of %s: %+v, %v", *arn, tags, err)
		}
	}
	_, err = c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{Arn: aws.String("arn:aws:mediaconvert:us-east-1:000000000000:jobs/1-a")})
	wantCode(t, err, "NotFoundException", "")
	_, err = c.TagResource(ctx, &sdk.TagResourceInput{Arn: made.JobTemplate.Arn, Tags: map[string]string{"aws:x": ""}})
	wantCode(t, err, "BadRequestException", "/tags/aws:x: Should not begin with aws:")

	if _, err := c.DeleteJobTemplate(ctx, &sdk.DeleteJobTemplateInput{Name: template.Name}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetJobTemplate(ctx, &sdk.GetJobTemplateInput{Name: template.Name})
	wantCode(t, err, "NotFoundException", "a ladder/1")

	queue, err := c.GetQueue(ctx, &sdk.GetQueueInput{Name: aws.String("Default")})
	if err != nil || queue.Queue.Status != types.QueueStatusActive || queue.Queue.Type != types.TypeSystem || queue.Queue.SubmittedJobsCount == nil {
		t.Errorf("queue %+v, %v", queue, err)
	}
	queues, err := c.ListQueues(ctx, &sdk.ListQueuesInput{MaxResults: aws.Int32(1)})
	if err != nil || len(queues.Queues) != 1 || queues.NextToken != nil {
		t.Errorf("queues %+v, %v", queues, err)
	}
	_, err = c.GetQueue(ctx, &sdk.GetQueueInput{Name: aws.String("none")})
	wantCode(t, err, "NotFoundException", "none")

	//lint:ignore SA1019 programs that were written before still ask
	ends, err := c.DescribeEndpoints(ctx, &sdk.DescribeEndpointsInput{})
	if err != nil || len(ends.Endpoints) != 1 || *ends.Endpoints[0].Url != base {
		t.Errorf("endpoints %+v, %v", ends, err)
	}
}

func TestSDKQueuesAndPresets(t *testing.T) {
	c, ctx := client(serve(t)), t.Context()
	q, err := c.CreateQueue(ctx, &sdk.CreateQueueInput{Name: aws.String("q"), ConcurrentJobs: aws.Int32(2), Status: types.QueueStatusPaused})
	if err != nil || q.Queue.Status != types.QueueStatusPaused || q.Queue.PricingPlan != types.PricingPlanOnDemand || *q.Queue.ConcurrentJobs != 2 {
		t.Fatalf("queue %+v, %v", q, err)
	}
	for _, in := range []*sdk.UpdateQueueInput{
		{Name: q.Queue.Arn, ConcurrentJobs: aws.Int32(-1)},
		{Name: q.Queue.Arn, ConcurrentJobs: aws.Int32(1001)},
		{Name: q.Queue.Arn, MaximumConcurrentFeeds: aws.Int32(1)},
		{Name: q.Queue.Arn, ReservationPlanSettings: &types.ReservationPlanSettings{Commitment: types.CommitmentOneYear, RenewalType: types.RenewalTypeExpire, ReservedSlots: aws.Int32(1)}},
	} {
		_, err := c.UpdateQueue(ctx, in)
		wantCode(t, err, "BadRequestException", "/")
	}
	u, err := c.UpdateQueue(ctx, &sdk.UpdateQueueInput{Name: q.Queue.Arn, ConcurrentJobs: aws.Int32(0), Status: types.QueueStatusActive})
	if err != nil || u.Queue.ConcurrentJobs != nil || u.Queue.Status != types.QueueStatusActive || u.Queue.LastUpdated.Before(*q.Queue.CreatedAt) {
		t.Errorf("queue %+v, %v", u, err)
	}
	if d, err := c.UpdateQueue(ctx, &sdk.UpdateQueueInput{Name: aws.String("Default"), Status: types.QueueStatusPaused}); err != nil || d.Queue.Status != types.QueueStatusPaused {
		t.Errorf("the default queue %+v, %v", d, err)
	}
	if _, err := c.DeleteQueue(ctx, &sdk.DeleteQueueInput{Name: q.Queue.Arn}); err != nil {
		t.Error(err)
	}
	_, err = c.DeleteQueue(ctx, &sdk.DeleteQueueInput{Name: aws.String("q")})
	wantCode(t, err, "NotFoundException", "q")

	p, err := c.CreatePreset(ctx, &sdk.CreatePresetInput{Name: aws.String("x y/z"), Settings: &types.PresetSettings{ContainerSettings: &types.ContainerSettings{Container: types.ContainerTypeMp4}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.GetPreset(ctx, &sdk.GetPresetInput{Name: p.Preset.Arn})
	if err != nil || *got.Preset.Name != "x y/z" || got.Preset.Settings.ContainerSettings.Container != types.ContainerTypeMp4 || got.Preset.Type != types.TypeCustom {
		t.Errorf("preset %+v, %v", got, err)
	}
	found, err := c.SearchJobs(ctx, &sdk.SearchJobsInput{InputFile: aws.String("x")})
	if err != nil || len(found.Jobs) != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestSDKIsToldWhichPresetsAreMissing: with all other problems, and without those
// that a preset would mend.
func TestSDKIsToldWhichPresetsAreMissing(t *testing.T) {
	c, ctx := client(serve(t)), t.Context()
	settings := sdkSettings("s3://input/v.mp4", "s3://output/x")
	group := &settings.OutputGroups[0]
	group.Outputs = append([]types.Output{
		{NameModifier: aws.String("_a"), Preset: aws.String("none"), VideoDescription: &types.VideoDescription{Width: aws.Int32(641)}},
		{NameModifier: aws.String("_b"), Preset: aws.String("arn:aws:mediaconvert:us-east-1:000000000000:presets/not either")},
		{NameModifier: aws.String("_c")},
	}, group.Outputs...)
	group.OutputGroupSettings.HlsGroupSettings.Destination = aws.String("s3://output/../x")
	const want = `/outputGroups/0/outputGroupSettings/hlsGroupSettings/destination: "../x" is not a clean path: no empty, "." or ".." parts
/outputGroups/0/outputs/0/preset: The specified preset "none" was not found: presetArn=arn:aws:mediaconvert:us-east-1:000000000000:presets/none
/outputGroups/0/outputs/1/preset: The specified preset "not either" was not found: presetArn=arn:aws:mediaconvert:us-east-1:000000000000:presets/not either
/outputGroups/0/outputs/2: containerSettings is a required property`
	role := aws.String("arn:aws:iam::000000000000:role/r")
	_, err := c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, Settings: settings})
	wantCode(t, err, "BadRequestException", want)
	template := &types.JobTemplateSettings{OutputGroups: settings.OutputGroups}
	if _, err := c.CreateJobTemplate(ctx, &sdk.CreateJobTemplateInput{Name: aws.String("t"), Settings: template}); err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, JobTemplate: aws.String("t"), Settings: &types.JobSettings{Inputs: settings.Inputs}})
	wantCode(t, err, "BadRequestException", want)
}

func TestSDKIsToldWhatIsNotThere(t *testing.T) {
	c, ctx := client(serve(t)), t.Context()
	began := time.Now()
	_, err := c.Probe(ctx, &sdk.ProbeInput{})
	wantCode(t, err, "NotImplementedException", "Probe")
	_, err = c.DisassociateCertificate(ctx, &sdk.DisassociateCertificateInput{Arn: aws.String("arn:aws:acm:us-east-1:1:certificate/x")})
	wantCode(t, err, "NotImplementedException", "DisassociateCertificate")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("three answers took %s: the SDK has tried again", took)
	}
}

// TestReceiptIsReadWithTheRightsOfGetJob: a signed GET beside the service's own operations.
func TestReceiptIsReadWithTheRightsOfGetJob(t *testing.T) {
	var asked []string
	url := serveTo(t, func(_ context.Context, _ sigv4.Identity, _ *http.Request, a apiserver.Access) error {
		asked = append(asked, a.Action+" "+a.Resource)
		return nil
	})
	c := client(url)
	j, err := c.CreateJob(t.Context(), &sdk.CreateJobInput{
		Role: aws.String("arn:aws:iam::000000000000:role/r"), Settings: sdkSettings("s3://bucket/a.mp4", "s3://bucket/a"),
		UserMetadata: map[string]string{"vodwright-quality": "SSIM", "vodwright-receipt": "JSON"},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := *j.Job.Id
	waitFor(t, c, id, types.JobStatusComplete)
	asked = nil
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/2017-08-29/jobs/"+id+"/receipt", nil)
	if err != nil {
		t.Fatal(err)
	}
	sign(t, request, nil)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var doc struct {
		Version     int
		Job, Status string
		Work        struct{ Tasks []struct{ Kind string } }
	}
	if err := json.NewDecoder(answer.Body).Decode(&doc); err != nil || answer.StatusCode != http.StatusOK || doc.Job != id || doc.Version != 1 || doc.Status != "COMPLETE" || len(doc.Work.Tasks) != 2 {
		t.Errorf("%s: %+v, %v", answer.Status, doc, err)
	}
	if want := "mediaconvert:GetJob arn:aws:mediaconvert:us-east-1:000000000000:jobs/" + id; len(asked) != 1 || asked[0] != want {
		t.Errorf("asked for %v, want %s", asked, want)
	}
	_, err = c.CreateJob(t.Context(), &sdk.CreateJobInput{
		Role: aws.String("arn:aws:iam::000000000000:role/r"), Settings: sdkSettings("s3://bucket/a.mp4", "s3://bucket/a"),
		UserMetadata: map[string]string{"vodwright-quality": "PSNR"},
	})
	wantCode(t, err, "BadRequestException", "/userMetadata/vodwright-quality: \"PSNR\" is none of SSIM, VMAF and NONE")
}
