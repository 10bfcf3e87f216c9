package mediaconvert_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/mediaconvert"
	"vodwright.dev/vodwright/internal/plan"
)

var block = regexp.MustCompile("(?s)```json (template|preset|job|result)(?: (\\S+))?\n(.*?)```")

// TestTheDocumentsExamples runs the merges that docs/JOBS.md shows.
func TestTheDocumentsExamples(t *testing.T) {
	doc, err := os.ReadFile("../../docs/JOBS.md")
	if err != nil {
		t.Fatal(err)
	}
	base := serve(t)
	examples := strings.Split(string(doc), "\n### Example: ")[1:]
	if len(examples) < 4 {
		t.Fatalf("%d examples", len(examples))
	}
	for i, example := range examples {
		title, text, _ := strings.Cut(example, "\n")
		text, _, _ = strings.Cut(text, "\n## ")
		t.Run(title, func(t *testing.T) {
			template := fmt.Sprint("example ", i)
			var own, want json.RawMessage
			for _, m := range block.FindAllStringSubmatch(text, -1) {
				switch settings := json.RawMessage(m[3]); m[1] {
				case "preset":
					request(t, base, "POST", "/2017-08-29/presets", marshal(t, map[string]any{"name": m[2], "settings": settings}))
				case "template":
					request(t, base, "POST", "/2017-08-29/jobTemplates", marshal(t, map[string]any{"name": template, "settings": settings}))
				case "job":
					own = settings
				case "result":
					want = settings
				}
			}
			var made, got mc.GetJobResponse
			answer := request(t, base, "POST", "/2017-08-29/jobs", marshal(t, map[string]any{"role": *role, "jobTemplate": template, "settings": own}))
			if err := json.Unmarshal(answer, &made); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(request(t, base, "GET", "/2017-08-29/jobs/"+*made.Job.Id, nil), &got); err != nil {
				t.Fatal(err)
			}
			expected := settingsOf(t, string(want))
			mediaconvert.FillAll(expected)
			if !reflect.DeepEqual(got.Job.Settings, expected) || !reflect.DeepEqual(made.Job.Settings, expected) {
				t.Errorf("the job has\n%s\nwant\n%s", marshal(t, got.Job.Settings), marshal(t, expected))
			}
		})
	}
}

// TestTheDocumentsWarnings holds the table of warnings against the code.
func TestTheDocumentsWarnings(t *testing.T) {
	doc, err := os.ReadFile("../../docs/JOBS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "\n## Warnings of jobs\n")
	for _, code := range []int{
		job.WarnHop, plan.WarnSilenceAdded, plan.WarnAudioDropped, plan.WarnNoAudio, plan.WarnUpscaled, plan.WarnRotated, plan.WarnVariableRate, plan.WarnFrameRate,
		plan.WarnFramesRepeated, plan.WarnDeinterlaced, plan.WarnToneMapped, plan.WarnOnePiece, plan.WarnChannels, plan.WarnSetting, plan.WarnClipping,
	} {
		if !strings.Contains(table, fmt.Sprint(code)) {
			t.Errorf("warning %d is not in the document", code)
		}
	}
}

// TestSystemPresets: those that are here are shown as the service's, cannot be
// changed, and make a job.
func TestSystemPresets(t *testing.T) {
	c, ctx := client(serve(t)), t.Context()
	var names []string
	for pages := sdk.NewListPresetsPaginator(c, &sdk.ListPresetsInput{ListBy: types.PresetListBySystem, MaxResults: aws.Int32(3)}); pages.HasMorePages(); {
		p, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range p.Presets {
			names = append(names, *one.Name)
		}
	}
	if len(names) != 8 || names[3] != "System-Ott_Hls_Ts_Avc_Aac_16x9_1920x1080p_8.5Mbps" {
		t.Fatalf("presets %v", names)
	}
	p, err := c.GetPreset(ctx, &sdk.GetPresetInput{Name: &names[0]})
	if err != nil || p.Preset.Type != types.TypeSystem || *p.Preset.Settings.VideoDescription.Width != 1280 {
		t.Fatalf("preset %+v, %v", p, err)
	}
	_, err = c.DeletePreset(ctx, &sdk.DeletePresetInput{Name: &names[0]})
	wantCode(t, err, "BadRequestException", "system preset")
	_, err = c.UpdatePreset(ctx, &sdk.UpdatePresetInput{Name: &names[0], Description: aws.String("mine")})
	wantCode(t, err, "BadRequestException", "system preset")
	settings := sdkSettings("s3://source/clip.mp4", "s3://bucket/a")
	settings.OutputGroups[0].Outputs = nil
	for i := range names {
		settings.OutputGroups[0].Outputs = append(settings.OutputGroups[0].Outputs, types.Output{Preset: &names[i], NameModifier: aws.String(fmt.Sprint("_", i))})
	}
	j, err := c.CreateJob(ctx, &sdk.CreateJobInput{Role: role, Settings: settings})
	if err != nil || *j.Job.Settings.OutputGroups[0].Outputs[7].VideoDescription.CodecSettings.H264Settings.Bitrate != 3_500_000 || len(j.Job.Messages.Warning) != 0 {
		t.Errorf("job %+v, %v", j, err)
	}
}
