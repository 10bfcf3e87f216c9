package mediaconvert_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mediaconvert"
	"vodwright.dev/vodwright/internal/plan"
)

var update = flag.Bool("update", false, "write goldens and docs/SETTINGS.md anew")

// check parses and checks a document, and returns what it says, a line each.
func check(t *testing.T, doc []byte) (said string, warnings []string, ok bool) {
	t.Helper()
	d, err := mediaconvert.ParseDocument(doc)
	if err != nil {
		return err.Error(), nil, false
	}
	found := mediaconvert.CheckSettings(d.Request.Settings)
	for _, w := range found.Warnings {
		warnings = append(warnings, w.Message)
	}
	for _, u := range d.Unknown {
		warnings = append(warnings, "unknown "+u)
	}
	if err := found.Err(); err != nil {
		return err.Error(), warnings, false
	}
	return "", warnings, true
}

// Every archive holds a job document and what the API answers to it.
func TestAnswersToDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d archives found (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			said, warnings, ok := check(t, archive.Files[0].Data)
			got := "accepted\n"
			if !ok {
				got = "refused\n" + said + "\n"
			}
			for _, w := range warnings {
				got += "warning: " + w + "\n"
			}
			if *update {
				archive.Files = []txtar.File{archive.Files[0], {Name: "answer", Data: []byte(got)}}
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(archive.Files[1].Data); got != want {
				t.Errorf("answer:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestSettingsDocumentIsCurrent(t *testing.T) {
	const file = "../../docs/SETTINGS.md"
	const head = `# Settings of a job, and what Vodwright does with them

Written by ` + "`go test ./internal/mediaconvert -run TestSettingsDocumentIsCurrent -update`" + `
from the table in ` + "`internal/mediaconvert/support*.go`" + `; do not edit.

*acts*: these values do what the service documents, or ask for what happens anyway.
*warns*: accepted, with a warning in the job; viewers see no difference or cannot tell.
*refused*: CreateJob answers with the member's path. *shown when not given*: the
service's default that GetJob shows; it is what happens. Every member of the public
API model has a line. Names are the wire's; ` + "`[]`" + ` is an item of a list, ` + "`{}`" + ` of a map.
Rules between members (what is required with what, names that would meet) are in
` + "`rules.go` and `names.go`" + `.

How templates, presets and a job's own settings merge is in ` + "`JOBS.md`" + `.

## Settings
`
	want := head + mediaconvert.SettingsTable() + mediaconvert.RequestTable()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code says; run this test with -update", file)
	}
}

// The table in the document has a line for every row of the code: a row whose
// path is not in the model would never be asked.
func TestEveryRowIsInTheModel(t *testing.T) {
	table := mediaconvert.SettingsTable()
	for _, path := range mediaconvert.ModelPaths() {
		if !strings.Contains(table, "`"+path+"`") && !strings.Contains(table, "`"+path+".") && !strings.Contains(table, "`"+path+"[].") && !strings.Contains(table, "`"+path+"{}.") {
			t.Errorf("the member %s of the model is not in the table", path)
		}
	}
	for _, path := range mediaconvert.MissingRequestRows() {
		t.Errorf("the member %s of a request is not in the table", path)
	}
	for _, path := range mediaconvert.RowPaths() {
		if n := strings.Count(table, "| `"+path+"` |"); n != 1 {
			t.Errorf("row %s is %d times in the table", path, n)
		}
	}
}

func TestLadderIsAccepted(t *testing.T) {
	request, warnings, err := mediaconvert.LocalRequest(nil, "s3://local/clip.mp4", "clip")
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 0 {
		t.Errorf("warnings: %v", warnings)
	}
	var doc struct{ Settings json.RawMessage }
	if err := json.Unmarshal(request, &doc); err != nil {
		t.Fatal(err)
	}
	s, err := plan.ParseSettings(doc.Settings)
	if err != nil {
		t.Fatal(err)
	}
	if s.Inputs[0].FileInput != "s3://local/clip.mp4" || len(s.OutputGroups[0].Outputs) != 3 ||
		s.OutputGroups[0].OutputGroupSettings.HLSGroupSettings.Destination != "s3://local/clip" {
		t.Errorf("request %s", request)
	}
}

// TestLocalGroups: groups of every type write into the output folder, each into its own
// where the document names none.
func TestLocalGroups(t *testing.T) {
	output := func(container string) string {
		return `"outputs": [{"nameModifier": "_1", "containerSettings": {"container": "` + container + `"}, "videoDescription": {"codecSettings": {"codec": "H_264", "h264Settings": {"maxBitrate": 500000}}}}]`
	}
	request, _, err := mediaconvert.LocalRequest([]byte(`{"outputGroups": [
	 {"outputGroupSettings": {"type": "CMAF_GROUP_SETTINGS", "cmafGroupSettings": {"destination": "s3://bucket/vod/film"}}, `+output("CMFC")+`},
	 {"outputGroupSettings": {"type": "DASH_ISO_GROUP_SETTINGS", "dashIsoGroupSettings": {}}, `+output("MPD")+`},
	 {"outputGroupSettings": {"type": "FILE_GROUP_SETTINGS", "fileGroupSettings": {}}, `+output("MP4")+`}]}`), "s3://local/clip.mp4", "clip")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Settings json.RawMessage }
	if err := json.Unmarshal(request, &doc); err != nil {
		t.Fatal(err)
	}
	s, err := plan.ParseSettings(doc.Settings)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range []string{s.OutputGroups[0].OutputGroupSettings.CMAFGroupSettings.Destination, s.OutputGroups[1].OutputGroupSettings.DASHGroupSettings.Destination, s.OutputGroups[2].OutputGroupSettings.FileGroupSettings.Destination} {
		if want := []string{"s3://local/vod/film", "s3://local/group2/clip", "s3://local/group3/clip"}[i]; got != want {
			t.Errorf("group %d writes to %s, not %s", i+1, got, want)
		}
	}
}

// Documents of the service's own samples, kept beside the project: they pass
// unchanged or name what is refused.
func TestPublishedDocuments(t *testing.T) {
	const shared = "../../../shared"
	job, err := os.ReadFile(filepath.Join(shared, "walkthrough/job.json"))
	if os.IsNotExist(err) {
		t.Log("no published documents beside the project; the archives in testdata stand for them")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	said, warnings, ok := check(t, bytes.ReplaceAll(job, []byte("<MEDIABUCKET>"), []byte("media-bucket")))
	if !ok {
		t.Errorf("the walkthrough's job is refused:\n%s", said)
	}
	t.Logf("the walkthrough's job has the warnings\n%s", strings.Join(warnings, "\n"))
	if _, _, err := mediaconvert.LocalRequest(job, "s3://local/clip.mp4", "clip"); err != nil {
		t.Errorf("the walkthrough's job without a server: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(shared, "aws-jobs/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d documents (%v)", len(files), err)
	}
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(file, "presets__") {
			doc = inTemplate(t, doc)
		}
		_, warnings, err := mediaconvert.LocalRequest(doc, "s3://local/clip.mp4", "clip")
		if err == nil {
			t.Logf("%s: accepted with %d warnings", filepath.Base(file), len(warnings))
			continue
		}
		t.Logf("%s:\n%s", filepath.Base(file), err)
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasPrefix(line, "/") || !strings.Contains(line, ": ") {
				t.Errorf("%s: %q names no member", filepath.Base(file), line)
			}
		}
	}
}

// inTemplate makes a job of a preset's settings.
func inTemplate(t *testing.T, preset []byte) []byte {
	t.Helper()
	var output map[string]any
	if err := json.Unmarshal(preset, &output); err != nil {
		t.Fatal(err)
	}
	group := map[string]any{"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": map[string]any{"SegmentLength": 6, "MinSegmentLength": 0}}
	switch output["ContainerSettings"].(map[string]any)["Container"] {
	case "MP4":
		group = map[string]any{"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": map[string]any{}}
	case "MPD":
		group = map[string]any{"Type": "DASH_ISO_GROUP_SETTINGS", "DashIsoGroupSettings": map[string]any{"SegmentLength": 6, "FragmentLength": 2}}
	}
	output["NameModifier"] = "_x"
	selectors := map[string]any{"Audio Selector 1": map[string]any{"DefaultSelection": "DEFAULT"}}
	doc, err := json.Marshal(map[string]any{
		"Inputs":       []any{map[string]any{"AudioSelectors": selectors}},
		"OutputGroups": []any{map[string]any{"Outputs": []any{output}, "OutputGroupSettings": group}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestParseDocumentTakesEveryForm(t *testing.T) {
	settings := `{"OutputGroups":[{"Name":"x"}],"Inputs":[{"FileInput":"s3://bucket/key"}]}`
	camel := `{"outputGroups":[{"name":"x"}],"inputs":[{"fileInput":"s3://bucket/key"}]}`
	for name, doc := range map[string]string{
		"settings":               settings,
		"settings, camel case":   camel,
		"request":                `{"Role":"arn:aws:iam::1:role/x","Settings":` + settings + `}`,
		"request, camel case":    `{"role":"arn:aws:iam::1:role/x","settings":` + camel + `}`,
		"answer of GetJob":       `{"Job":{"Id":"1-a","Status":"COMPLETE","Timing":{},"Settings":` + settings + `}}`,
		"exported template":      `{"Name":"t","Description":"d","Category":"c","Settings":` + settings + `}`,
		"answer for a template":  `{"jobTemplate":{"name":"t","arn":"a","type":"CUSTOM","settings":` + camel + `}}`,
		"with a byte order mark": "\xef\xbb\xbf" + settings,
	} {
		d, err := mediaconvert.ParseDocument([]byte(doc))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s := d.Request.Settings
		if len(s.Inputs) != 1 || *s.Inputs[0].FileInput != "s3://bucket/key" || *s.OutputGroups[0].Name != "x" || len(d.Unknown) != 0 {
			t.Errorf("%s: settings %+v, unknown %v", name, s, d.Unknown)
		}
	}
	for _, doc := range []string{``, `null`, `[]`, `{}`, `{"Settings":{}`, `"x"`, `{"Job":7}`, `{"Settings":3}`, `{"Settings":{"Inputs":{}}}`} {
		if d, err := mediaconvert.ParseDocument([]byte(doc)); err == nil {
			t.Errorf("%q was read as %+v", doc, d)
		}
	}
}

func FuzzParseDocument(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, err := mediaconvert.ParseDocument(doc)
		if err != nil {
			return
		}
		found := mediaconvert.CheckSettings(d.Request.Settings)
		if found.Err() != nil {
			return
		}
		request, err := json.Marshal(d.Request.Settings)
		if err != nil {
			t.Fatal(err)
		}
		settings, err := plan.ParseSettings(request)
		if err != nil {
			t.Fatalf("accepted settings that the plan cannot read: %v", err)
		}
		// Whatever was accepted is planned, or refused for what the source is.
		if _, err := plan.New(plan.Input{Settings: settings, Files: anyFootage(settings), JobStart: time.Unix(1700000000, 0)}); fault.Is(err, fault.Internal) {
			t.Fatalf("accepted settings that cannot be planned: %v", err)
		}
		again, err := mediaconvert.ParseDocument(request)
		if err != nil {
			t.Fatalf("accepted settings cannot be read back: %v", err)
		}
		if err := mediaconvert.CheckSettings(again.Request.Settings).Err(); err != nil {
			t.Fatalf("accepted settings are refused when read back: %v", err)
		}
	})
}

// anyFootage is four seconds of film for every file of a job.
func anyFootage(s plan.Settings) []plan.Footage {
	film := plan.Footage{
		Source: media.Source{
			Format: "mov,mp4,m4a,3gp,3g2,mj2", Size: 1 << 20, Duration: 4 * time.Second,
			Video: []media.VideoStream{{Codec: "h264", Width: 640, Height: 360, PixelFormat: "yuv420p", BitDepth: 8, FrameRate: media.R(25, 1), AverageRate: media.R(25, 1), TimeBase: media.R(1, 12800)}},
			Audio: []media.AudioStream{{Index: 1, Codec: "aac", SampleRate: 48000, Channels: 2, Layout: "stereo", TimeBase: media.R(1, 48000), Default: true}},
		},
		Index: media.FrameIndex{TimeBase: media.R(1, 12800)},
	}
	for i := range int64(100) {
		film.Index.PTS = append(film.Index.PTS, i*512)
		if i%25 == 0 {
			film.Index.Keys = append(film.Index.Keys, int(i))
		}
	}
	out := make([]plan.Footage, len(plan.Files(s)))
	for i := range out {
		out[i] = film
	}
	return out
}
