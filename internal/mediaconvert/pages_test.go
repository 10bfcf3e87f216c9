package mediaconvert_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// Each list goes on where its page before ended, also when that item is gone by then,
// and begins at no token that is not its own.
func TestPagesOfLists(t *testing.T) {
	c, ctx := client(serve(t)), t.Context()
	for _, name := range []string{"a", "b", "c"} {
		settings := &types.PresetSettings{ContainerSettings: &types.ContainerSettings{Container: types.ContainerTypeMp4}}
		if _, err := c.CreatePreset(ctx, &sdk.CreatePresetInput{Name: &name, Settings: settings}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreateQueue(ctx, &sdk.CreateQueueInput{Name: &name}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreateJobTemplate(ctx, &sdk.CreateJobTemplateInput{Name: &name, Settings: &types.JobTemplateSettings{}}); err != nil {
			t.Fatal(err)
		}
	}
	type page struct {
		first string
		token *string
		err   error
	}
	list := map[string]func(order types.Order, byCreation bool, token *string) page{
		"queues": func(order types.Order, byCreation bool, token *string) (p page) {
			in := &sdk.ListQueuesInput{MaxResults: aws.Int32(1), Order: order, NextToken: token}
			if byCreation {
				in.ListBy = types.QueueListByCreationDate
			}
			out, err := c.ListQueues(ctx, in)
			if err != nil {
				return page{err: err}
			}
			return page{*out.Queues[0].Name, out.NextToken, nil}
		},
		"jobTemplates": func(order types.Order, byCreation bool, token *string) (p page) {
			in := &sdk.ListJobTemplatesInput{MaxResults: aws.Int32(1), Order: order, NextToken: token}
			if byCreation {
				in.ListBy = types.JobTemplateListByCreationDate
			}
			out, err := c.ListJobTemplates(ctx, in)
			if err != nil {
				return page{err: err}
			}
			return page{*out.JobTemplates[0].Name, out.NextToken, nil}
		},
		"presets": func(order types.Order, byCreation bool, token *string) (p page) {
			in := &sdk.ListPresetsInput{MaxResults: aws.Int32(1), Order: order, NextToken: token}
			if byCreation {
				in.ListBy = types.PresetListByCreationDate
			}
			out, err := c.ListPresets(ctx, in)
			if err != nil {
				return page{err: err}
			}
			return page{*out.Presets[0].Name, out.NextToken, nil}
		},
	}
	tokens := map[string]*string{}
	for name, of := range list {
		for _, byCreation := range []bool{false, true} {
			var got []string
			for p := of(types.OrderDescending, byCreation, nil); ; p = of(types.OrderDescending, byCreation, p.token) {
				if p.err != nil {
					t.Fatal(p.err)
				}
				if got = append(got, p.first); p.token == nil {
					break
				}
			}
			if i := slices.Index(got, "Default"); i >= 0 { // of the queues, and made when they are first listed
				got = slices.Delete(got, i, i+1)
			}
			if strings.Join(got, "") != "cba" {
				t.Errorf("%s: %v", name, got)
			}
		}
		first := of(types.OrderDescending, false, nil)
		tokens[name] = first.token
		for _, foreign := range []*string{aws.String("c"), aws.String("Default"), aws.String("!"), aws.String("e30")} {
			wantCode(t, of(types.OrderDescending, false, foreign).err, "BadRequestException", "/nextToken")
		}
		wantCode(t, of(types.OrderAscending, false, first.token).err, "BadRequestException", "/nextToken")
		wantCode(t, of(types.OrderDescending, true, first.token).err, "BadRequestException", "/nextToken")
	}
	for name, of := range list {
		for other, token := range tokens {
			if name != other {
				wantCode(t, of(types.OrderDescending, false, token).err, "BadRequestException", "/nextToken")
			}
		}
	}
	if _, err := c.DeleteQueue(ctx, &sdk.DeleteQueueInput{Name: aws.String("c")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeletePreset(ctx, &sdk.DeletePresetInput{Name: aws.String("c")}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"queues", "presets"} {
		if p := list[name](types.OrderDescending, false, tokens[name]); p.err != nil || p.first != "b" {
			t.Errorf("%s after one that is gone: %+v", name, p)
		}
	}
}

// A document that was exported from an account of the service names its queue by an ARN
// of there.
func TestNamesOfOtherAccounts(t *testing.T) {
	c, ctx := client(serve(t)), t.Context()
	const there = "arn:aws:mediaconvert:us-west-2:111122223333:queues/"
	create := func(queue string) (*sdk.CreateJobOutput, error) {
		return c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, Queue: &queue, Settings: sdkSettings("s3://source/clip.mp4", "s3://bucket/x")})
	}
	out, err := create(there + "Default")
	if err != nil {
		t.Fatal(err)
	}
	if w := out.Job.Messages.Warning; !slices.ContainsFunc(w, func(w string) bool {
		return strings.HasPrefix(w, "queue "+there+"Default is of another account or region: "+*out.Job.Queue+" is used")
	}) {
		t.Errorf("warnings %q", w)
	}
	_, err = create(there + "theirs")
	wantCode(t, err, "NotFoundException", "The specified queue was not found")
	_, err = create("arn:aws:sqs:us-east-1:000000000000:queues/Default")
	wantCode(t, err, "NotFoundException", "The specified queue was not found")
	if out, err = create(*out.Job.Queue); err != nil || slices.ContainsFunc(out.Job.Messages.Warning, func(w string) bool { return strings.Contains(w, "another account") }) {
		t.Errorf("its own ARN: %v, %q", err, out.Job.Messages.Warning)
	}
}
