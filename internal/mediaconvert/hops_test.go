package mediaconvert_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"vodwright.dev/vodwright/internal/job/jobtest"
	"vodwright.dev/vodwright/internal/mediaconvert"
)

// TestSDKSeesAJobHop: from a busy queue to another one, by the template's hop
// destinations, with the clock in the test's hand.
func TestSDKSeesAJobHop(t *testing.T) {
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	c, ctx := client(serveWith(t, mediaconvert.Config{Now: now})), t.Context()
	for _, name := range []string{"busy", "free"} {
		if _, err := c.CreateQueue(ctx, &sdk.CreateQueueInput{Name: &name, ConcurrentJobs: aws.Int32(1)}); err != nil {
			t.Fatal(err)
		}
	}
	settings := sdkSettings("s3://source/endless.mp4", "s3://bucket/a")
	first, err := c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, Queue: aws.String("busy"), Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, *first.Job.Id, types.JobStatusProgressing)
	hops := []types.HopDestination{{Queue: aws.String("arn:aws:mediaconvert:us-east-1:000000000000:queues/free"), Priority: aws.Int32(-50), WaitMinutes: aws.Int32(4320)}}
	_, err = c.CreateJobTemplate(ctx, &sdk.CreateJobTemplateInput{
		Name: aws.String("hops"), HopDestinations: hops, Queue: aws.String("busy"), Priority: aws.Int32(50),
		Settings: &types.JobTemplateSettings{OutputGroups: settings.OutputGroups},
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, JobTemplate: aws.String("hops"), Settings: &types.JobSettings{Inputs: settings.Inputs}})
	if err != nil {
		t.Fatal(err)
	}
	if h := made.Job.HopDestinations; len(h) != 1 || *h[0].WaitMinutes != 4320 || *h[0].Priority != -50 || *made.Job.Priority != 50 || len(made.Job.QueueTransitions) != 0 || len(made.Job.Messages.Warning) != 1 {
		t.Errorf("job %+v, %v", made.Job, made.Job.Messages.Warning)
	}
	ahead.Store(int64(4321 * time.Minute))
	if _, err := c.UpdateQueue(ctx, &sdk.UpdateQueueInput{Name: aws.String("free"), Description: aws.String("wakes who sleeps")}); err != nil {
		t.Fatal(err)
	}
	var j *types.Job
	jobtest.Eventually(t, "the hop", func() bool {
		out, err := c.GetJob(ctx, &sdk.GetJobInput{Id: made.Job.Id})
		if err != nil {
			t.Fatal(err)
		}
		j = out.Job
		return len(j.QueueTransitions) == 1
	})
	moved := j.QueueTransitions[0]
	if !strings.HasSuffix(*moved.SourceQueue, ":queues/busy") || !strings.HasSuffix(*moved.DestinationQueue, ":queues/free") || moved.Timestamp.Sub(*j.CreatedAt) < 4320*time.Minute {
		t.Errorf("moved %+v", moved)
	}
	// The service shows where a job was submitted, and lists it there.
	if !strings.HasSuffix(*j.Queue, ":queues/busy") || *j.Priority != 50 {
		t.Errorf("queue %s, priority %d", *j.Queue, *j.Priority)
	}
	for queue, want := range map[string]int{"busy": 2, "free": 0} {
		list, err := c.ListJobs(ctx, &sdk.ListJobsInput{Queue: &queue})
		if err != nil || len(list.Jobs) != want {
			t.Errorf("%d jobs of %s, want %d, %v", len(list.Jobs), queue, want, err)
		}
	}
	waitFor(t, c, *j.Id, types.JobStatusProgressing)
}

func TestSDKIsToldOfHopsThatCannotBe(t *testing.T) {
	c, ctx := client(serve(t)), t.Context()
	if _, err := c.CreateQueue(ctx, &sdk.CreateQueueInput{Name: aws.String("q")}); err != nil {
		t.Fatal(err)
	}
	settings := sdkSettings("s3://source/clip.mp4", "s3://bucket/a")
	ten := make([]types.HopDestination, 11)
	for i := range ten {
		ten[i] = types.HopDestination{Queue: aws.String("q"), WaitMinutes: aws.Int32(int32(i + 1))}
	}
	for i, one := range []struct {
		queue *string
		hops  []types.HopDestination
		text  string
	}{
		{nil, []types.HopDestination{{Queue: aws.String("q")}}, "/hopDestinations/0: waitMinutes is a required property"},
		{nil, []types.HopDestination{{Queue: aws.String("q"), WaitMinutes: aws.Int32(0)}}, "/hopDestinations/0/waitMinutes: Should be greater than or equal to 1"},
		{nil, []types.HopDestination{{Queue: aws.String("q"), WaitMinutes: aws.Int32(4321)}}, "/hopDestinations/0/waitMinutes: Should be less than or equal to 4320"},
		{nil, []types.HopDestination{{Queue: aws.String("q"), WaitMinutes: aws.Int32(1), Priority: aws.Int32(51)}}, "/hopDestinations/0/priority: Should be less than or equal to 50"},
		{nil, []types.HopDestination{{WaitMinutes: aws.Int32(1)}}, "/hopDestinations/0: queue is a required property"},
		{nil, []types.HopDestination{{WaitMinutes: aws.Int32(1), Queue: aws.String("Default")}}, "/hopDestinations/0/queue: Should not be the queue that the job is submitted to"},
		{aws.String("q"), []types.HopDestination{{WaitMinutes: aws.Int32(1), Queue: aws.String("q")}}, "/hopDestinations/0/queue: Should not be the queue that the job is submitted to"},
		{aws.String("q"), []types.HopDestination{{WaitMinutes: aws.Int32(1)}, {WaitMinutes: aws.Int32(2), Queue: aws.String("gone")}}, "/hopDestinations/1/queue: The specified queue was not found: queueArn=arn:aws:mediaconvert:us-east-1:000000000000:queues/gone"},
		{nil, ten, "/hopDestinations: Should have at most 10 items"},
	} {
		_, err := c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, Queue: one.queue, Settings: settings, HopDestinations: one.hops})
		wantCode(t, err, "BadRequestException", one.text)
		if strings.Contains(one.text, "Minutes") || i == 8 { // what a template can be known not to mean
			_, err = c.CreateJobTemplate(ctx, &sdk.CreateJobTemplateInput{Name: aws.String(fmt.Sprint(i)), Settings: &types.JobTemplateSettings{}, HopDestinations: one.hops})
			wantCode(t, err, "BadRequestException", one.text)
		}
	}
	// The default queue stands in for one that is not named.
	if j, err := c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, Queue: aws.String("q"), Settings: settings, HopDestinations: []types.HopDestination{{WaitMinutes: aws.Int32(1)}}}); err != nil || *j.Job.HopDestinations[0].WaitMinutes != 1 {
		t.Errorf("job %+v, %v", j, err)
	}
}
