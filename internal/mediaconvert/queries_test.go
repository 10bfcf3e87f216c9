package mediaconvert_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// TestSDKQueriesJobs: every filter key, alone and together, in pages of both orders.
func TestSDKQueriesJobs(t *testing.T) {
	c, ctx := client(serve(t)), t.Context()
	for _, name := range []string{"one", "two"} {
		if _, err := c.CreateQueue(ctx, &sdk.CreateQueueInput{Name: &name, Status: types.QueueStatusPaused}); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string // oldest first
	create := func(queue, file string, change func(*sdk.CreateJobInput)) {
		t.Helper()
		in := &sdk.CreateJobInput{Role: role, Queue: &queue, Settings: sdkSettings("s3://source/"+file, fmt.Sprintf("s3://bucket/%d", len(ids)))}
		if change != nil {
			change(in)
		}
		out, err := c.CreateJob(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, *out.Job.Id)
	}
	create("one", "a b%.mp4", nil)
	create("two", "clip.mov", func(in *sdk.CreateJobInput) { in.JobEngineVersion = aws.String("2024-01-31") })
	create("one", "clip.mp4", func(in *sdk.CreateJobInput) {
		in.Settings.OutputGroups[0].Outputs[0].AudioDescriptions = []types.AudioDescription{{CodecSettings: &types.AudioCodecSettings{
			Codec: types.AudioCodecAac, AacSettings: &types.AacSettings{Bitrate: aws.Int32(96000), SampleRate: aws.Int32(48000), CodingMode: types.AacCodingModeCodingMode20},
		}}}
	})
	create("two", "other.mkv", func(in *sdk.CreateJobInput) { in.JobEngineVersion = aws.String("2017-08-29") })
	if _, err := c.CancelJob(ctx, &sdk.CancelJobInput{Id: &ids[3]}); err != nil {
		t.Fatal(err)
	}
	query := func(in *sdk.StartJobsQueryInput) ([]string, *string) {
		t.Helper()
		started, err := c.StartJobsQuery(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.GetJobsQueryResults(ctx, &sdk.GetJobsQueryResultsInput{Id: started.Id})
		if err != nil || out.Status != types.JobsQueryStatusComplete {
			t.Fatalf("results %+v, %v", out, err)
		}
		var got []string
		for _, j := range out.Jobs {
			got = append(got, *j.Id)
		}
		return got, out.NextToken
	}
	filter := func(key types.JobsQueryFilterKey, values ...string) types.JobsQueryFilter {
		return types.JobsQueryFilter{Key: key, Values: values}
	}
	for name, one := range map[string]struct {
		filters []types.JobsQueryFilter
		want    []int
	}{
		"all":                  {nil, []int{0, 1, 2, 3}},
		"a queue":              {[]types.JobsQueryFilter{filter("queue", "one")}, []int{0, 2}},
		"queues":               {[]types.JobsQueryFilter{filter("queue", "one", "arn:aws:mediaconvert:us-east-1:000000000000:queues/two")}, []int{0, 1, 2, 3}},
		"a state":              {[]types.JobsQueryFilter{filter("status", "CANCELED")}, []int{3}},
		"a part of a name":     {[]types.JobsQueryFilter{filter("fileInput", "clip")}, []int{1, 2}},
		"a name":               {[]types.JobsQueryFilter{filter("fileInput", "s3://source/a b%.mp4")}, []int{0}},
		"an engine asked for":  {[]types.JobsQueryFilter{filter("jobEngineVersionRequested", "2024-01-31")}, []int{1}},
		"the engine used":      {[]types.JobsQueryFilter{filter("jobEngineVersionUsed", "2017-08-29")}, []int{0, 2, 3}},
		"a codec of audio":     {[]types.JobsQueryFilter{filter("audioCodec", "AAC")}, []int{2}},
		"a codec of video":     {[]types.JobsQueryFilter{filter("videoCodec", "H_264", "VP9")}, []int{0, 1, 2, 3}},
		"none":                 {[]types.JobsQueryFilter{filter("videoCodec", "VP9")}, nil},
		"one filter or other":  {[]types.JobsQueryFilter{filter("audioCodec", "AAC"), filter("status", "CANCELED")}, []int{2, 3}},
		"nothing of that name": {[]types.JobsQueryFilter{filter("queue", "nowhere")}, nil},
	} {
		var want []string
		for _, i := range one.want {
			want = append(want, ids[i])
		}
		if got, next := query(&sdk.StartJobsQueryInput{FilterList: one.filters, Order: types.OrderAscending}); !slices.Equal(got, want) || next != nil {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		slices.Reverse(want)
		var got []string
		for token := (*string)(nil); ; {
			page, next := query(&sdk.StartJobsQueryInput{FilterList: one.filters, MaxResults: aws.Int32(1), NextToken: token})
			got = append(got, page...)
			if token = next; token == nil {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s, newest first and one by one: %v, want %v", name, got, want)
		}
	}
	for text, in := range map[string]*sdk.StartJobsQueryInput{
		"/filterList/0/values/1: DONE is not a valid value":   {FilterList: []types.JobsQueryFilter{filter("status", "ERROR", "DONE")}},
		"/filterList/0/values/0: H264 is not a valid value":   {FilterList: []types.JobsQueryFilter{filter("videoCodec", "H264")}},
		"/filterList/0: values is a required property":        {FilterList: []types.JobsQueryFilter{filter("queue")}},
		"/filterList/0: key is a required property":           {FilterList: []types.JobsQueryFilter{{Values: []string{"x"}}}},
		"/filterList/0/key: ":                                 {FilterList: []types.JobsQueryFilter{filter("codec", "x")}},
		"/nextToken: ":                                        {NextToken: aws.String("x")},
		"/maxResults: Should be less than or equal to 20":     {MaxResults: aws.Int32(21)},
		"/filterList/0/values/0: Should not be empty":         {FilterList: []types.JobsQueryFilter{filter("fileInput", "")}},
		"/filterList: Should have at most 1000 values":        {FilterList: []types.JobsQueryFilter{filter("queue", strings.Split(strings.Repeat("q ", 1000)+"q", " ")...)}},
		"/filterList/0/values/0: Should be at most 100 chara": {FilterList: []types.JobsQueryFilter{filter("fileInput", strings.Repeat("x", 101))}},
	} {
		_, err := c.StartJobsQuery(ctx, in)
		wantCode(t, err, "BadRequestException", text)
	}
	_, err := c.GetJobsQueryResults(ctx, &sdk.GetJobsQueryResultsInput{Id: aws.String("none")})
	wantCode(t, err, "NotFoundException", "none")

	search := func(in sdk.SearchJobsInput) []string {
		t.Helper()
		var got []string
		for pages := sdk.NewSearchJobsPaginator(c, &in); pages.HasMorePages(); {
			p, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range p.Jobs {
				got = append(got, *j.Id)
			}
		}
		return got
	}
	if got := search(sdk.SearchJobsInput{InputFile: aws.String("source/"), Queue: aws.String("two"), Status: types.JobStatusSubmitted, MaxResults: aws.Int32(1)}); !slices.Equal(got, ids[1:2]) {
		t.Errorf("searched for a file in a queue and a state: %v", got)
	}
	if got := search(sdk.SearchJobsInput{InputFile: aws.String("b%.mp"), Order: types.OrderAscending}); !slices.Equal(got, ids[:1]) {
		t.Errorf("searched for a file: %v", got)
	}
	_, err = c.SearchJobs(ctx, &sdk.SearchJobsInput{InputFile: aws.String(strings.Repeat("x", 301))})
	wantCode(t, err, "BadRequestException", "/inputFile: Should be at most 300 characters long")
	_, err = c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, JobEngineVersion: aws.String("newest"), Settings: sdkSettings("s3://source/a", "s3://bucket/a")})
	wantCode(t, err, "BadRequestException", `/jobEngineVersion: "newest" is not a version`)
}
