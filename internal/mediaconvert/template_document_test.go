package mediaconvert_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"

	"vodwright.dev/vodwright/internal/awsapi"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/mediaconvert"
)

// awsDocuments are the jobs, templates and presets of AWS's own samples.
func awsDocuments(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../../shared/aws-jobs/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d documents (%v)", len(files), err)
	}
	out := map[string][]byte{}
	for _, file := range append(files, "../../../shared/walkthrough/job.json") {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(file, "presets__") {
			doc = inTemplate(t, doc)
		}
		out[filepath.Base(file)] = doc
	}
	return out
}

func ours(t *testing.T) []byte {
	t.Helper()
	return marshal(t, mc.CreateJobTemplateRequest{
		Name: new("ours"), Description: new("a <b> & c"), Category: new("VOD"), Queue: new("Default"), Priority: new(int32(-3)),
		StatusUpdateInterval: mc.StatusUpdateIntervalSeconds_12, AccelerationSettings: &mc.AccelerationSettings{Mode: mc.AccelerationModePreferred},
		HopDestinations: []*mc.HopDestination{{WaitMinutes: new(int32(5))}}, Settings: mediaconvert.DefaultLadder(),
	})
}

// A template that is exported imports to the same, and its export is the same text.
func TestTemplatesTravel(t *testing.T) {
	base := serve(t)
	c := client(base)
	docs := awsDocuments(t)
	docs["ours"] = ours(t)
	docs["without inputs"] = []byte(`{"Name":"n","Settings":{"OutputGroups":[{"Outputs":[{"Preset":"p"}],"OutputGroupSettings":{"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"SegmentLength":6}}}]}}`)
	for name, doc := range docs {
		t.Run(name, func(t *testing.T) {
			parsed, err := mediaconvert.ParseTemplate(doc)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range parsed.Dropped {
				if !strings.HasSuffix(path, "/fileInput") && !strings.HasSuffix(path, "/FileInput") {
					t.Errorf("dropped %s", path)
				}
			}
			if len(parsed.Unknown) > 0 {
				t.Logf("unknown: %v", parsed.Unknown)
			}
			parsed.Template.Name = new("travels " + name)
			first := putTemplate(t, base, parsed.Template)
			if !strings.Contains(string(first), `"Settings": {`) || !strings.Contains(string(first), `"OutputGroupSettings": {`) || strings.Contains(string(first), `"settings"`) {
				t.Fatalf("not the console's form: %s", first)
			}
			again, err := mediaconvert.ParseTemplate(first)
			if err != nil || len(again.Unknown)+len(again.Dropped) > 0 {
				t.Fatalf("%v %v %v", again.Unknown, again.Dropped, err)
			}
			if !reflect.DeepEqual(again.Template.Settings, parsed.Template.Settings) {
				t.Errorf("imported settings differ:\n%s\n%s", marshal(t, again.Template.Settings), marshal(t, parsed.Template.Settings))
			}
			if _, err := c.DeleteJobTemplate(t.Context(), &sdk.DeleteJobTemplateInput{Name: again.Template.Name}); err != nil {
				t.Fatal(err)
			}
			if second := putTemplate(t, base, again.Template); !bytes.Equal(first, second) {
				t.Errorf("exported again:\n%s\nwas\n%s", second, first)
			}
			var camel, pascal mc.CreateJobTemplateRequest // the API takes both forms
			schema := &awsapi.Schema{}
			if _, err := schema.DecodeJSON(first, &pascal); err != nil {
				t.Fatal(err)
			}
			if _, err := schema.DecodeJSON(marshal(t, pascal), &camel); err != nil || !reflect.DeepEqual(camel, pascal) {
				t.Errorf("camelCase and PascalCase differ, %v", err)
			}
		})
	}
	if _, err := c.GetJobTemplate(t.Context(), &sdk.GetJobTemplateInput{Name: aws.String("travels ours")}); err != nil {
		t.Error(err)
	}
}

// putTemplate creates a template and returns its export.
func putTemplate(t *testing.T, base string, in mc.CreateJobTemplateRequest) []byte {
	t.Helper()
	request(t, base, "POST", "/2017-08-29/jobTemplates", marshal(t, in))
	out, err := mediaconvert.ExportAnswer(request(t, base, "GET", "/2017-08-29/jobTemplates/"+strings.ReplaceAll(*in.Name, " ", "%20"), nil))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestImportOfAJobLosesWhatIsOfTheJob(t *testing.T) {
	job := `{"Queue":"q","Role":"arn:aws:iam::1:role/x","UserMetadata":{"a":"b"},"BillingTagsSource":"JOB","Settings":{"Inputs":[{"FileInput":"s3://a/b"}],"OutputGroups":[],"What":1}}`
	for _, doc := range []string{job, `{"Job":` + job + `}`} {
		got, err := mediaconvert.ParseTemplate([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if *got.Template.Queue != "q" || got.Template.Settings.Inputs != nil || strings.Join(got.Unknown, " ") != "/settings/What" || len(got.Dropped) != 4 {
			t.Errorf("%+v", got)
		}
	}
	for _, doc := range []string{``, `[]`, `{}`, `{"Settings":3}`, `{"Settings":{"OutputGroups":[{"Outputs":{}}]}}`} {
		if _, err := mediaconvert.ParseTemplate([]byte(doc)); err == nil {
			t.Errorf("%s was accepted", doc)
		}
	}
}

// The exported file is the job_template.json of a function as the walkthrough has it.
func TestSettingsOfAPresetAreToldApart(t *testing.T) {
	for _, doc := range []string{`{"VideoDescription":{"CodecSettings":{"Codec":"H_264"}},"ContainerSettings":{"Container":"M3U8"}}`, `{"audioDescriptions":[]}`} {
		_, err := mediaconvert.ParseTemplate([]byte(doc))
		if f := fault.Of(err); f == nil || f.Kind != fault.Invalid || !strings.Contains(f.Hint, "create-preset") {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

func TestAnExportRunsAsJobTemplateJSON(t *testing.T) {
	base := serve(t)
	parsed, err := mediaconvert.ParseTemplate(ours(t))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "job_template.json")
	if err := os.WriteFile(file, putTemplate(t, base, parsed.Template), 0o600); err != nil {
		t.Fatal(err)
	}
	const script = `
import json, sys, boto3
settings = json.load(open(sys.argv[2]))["Settings"]
settings["Inputs"][0]["FileInput"] = "s3://source/clip.mp4"
settings["OutputGroups"][0]["OutputGroupSettings"]["HlsGroupSettings"]["Destination"] = "s3://bucket/assets/1/HLS/clip"
mc = boto3.client("mediaconvert", endpoint_url=sys.argv[1])
print(mc.create_job(Role="arn:aws:iam::000000000000:role/vod", UserMetadata={"assetID": "1"}, Settings=settings, StatusUpdateInterval="SECONDS_10")["Job"]["Status"])
`
	cmd := exec.Command("python3", "-c", script, base, file)
	cmd.Env = environment()
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "SUBMITTED\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

func FuzzParseTemplate(f *testing.F) {
	f.Add([]byte(`{"Settings":{"OutputGroups":[{"Outputs":[{}]}]}}`))
	f.Add([]byte(`{"jobTemplate":{"settings":{"inputs":[{}]}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		parsed, err := mediaconvert.ParseTemplate(doc)
		if err != nil {
			return
		}
		out, err := mediaconvert.ExportTemplate(&mc.JobTemplate{Name: parsed.Template.Name, Settings: parsed.Template.Settings})
		if err != nil || !json.Valid(out) {
			t.Fatalf("export: %v\n%s", err, out)
		}
		again, err := mediaconvert.ParseTemplate(out)
		if err != nil || !reflect.DeepEqual(again.Template.Settings, parsed.Template.Settings) {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
