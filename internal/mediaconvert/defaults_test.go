package mediaconvert_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mediaconvert"
	"vodwright.dev/vodwright/internal/plan"
)

// bareJobs are settings that give next to nothing, with the structures that
// standards are filled into.
func bareJobs() map[string]string {
	const job = `{"inputs":[{"fileInput":"s3://source/a.mp4","videoSelector":{},"audioSelectors":{"Audio Selector 1":%s}}],"outputGroups":[%s]}`
	const audio = `"audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":96000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]`
	hls := func(h264 string) string {
		return `{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://bucket/x","minSegmentLength":0}},"outputs":[{"nameModifier":"_a",
			"containerSettings":{"container":"M3U8","m3u8Settings":{}},"outputSettings":{"hlsSettings":{}},"videoDescription":{"width":640,"height":360,"codecSettings":{"codec":"H_264","h264Settings":` + h264 + `}},` + audio + `}]}`
	}
	mp4 := `{"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://bucket/y"}},"outputs":[{
		"containerSettings":{"container":"MP4","mp4Settings":{}},"videoDescription":{"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"VBR","bitrate":500000}}},` + audio + `}]}`
	fragments := func(kind, member, container string) string {
		return `{"outputGroupSettings":{"type":"` + kind + `","` + member + `":{"destination":"s3://bucket/z"}},"outputs":[{"nameModifier":"_a","containerSettings":{"container":"` + container + `"},
			"videoDescription":{"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"VBR","bitrate":500000}}},` + audio + `}]}`
	}
	return map[string]string{
		"CMAF": fmt.Sprintf(job, `{}`, fragments("CMAF_GROUP_SETTINGS", "cmafGroupSettings", "CMFC")),
		"DASH": fmt.Sprintf(job, `{}`, fragments("DASH_ISO_GROUP_SETTINGS", "dashIsoGroupSettings", "MPD")),
		"QVBR": fmt.Sprintf(job, `{}`, hls(`{"rateControlMode":"QVBR","maxBitrate":1000000}`)),
		"GOP":  fmt.Sprintf(job, `{"defaultSelection":"DEFAULT"}`, hls(`{"rateControlMode":"QVBR","maxBitrate":1000000,"gopSize":90,"gopSizeUnits":"FRAMES"}`)+","+mp4),
		"CBR":  fmt.Sprintf(job, `{"tracks":[2]}`, hls(`{"rateControlMode":"CBR","bitrate":1000000,"codecProfile":"HIGH"}`)),
		"MP4":  fmt.Sprintf(job, `{}`, mp4),
	}
}

func settingsOf(t *testing.T, doc string) *mc.JobSettings {
	t.Helper()
	s := new(mc.JobSettings)
	if err := json.Unmarshal([]byte(doc), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// planOf is the plan of settings for a source that leaves little to the settings:
// rotated, with a timecode and two languages.
func planOf(t *testing.T, s *mc.JobSettings) string {
	t.Helper()
	doc, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := plan.ParseSettings(doc)
	if err != nil {
		t.Fatal(err)
	}
	source := media.Source{
		Format: "mov,mp4,m4a,3gp,3g2,mj2", Size: 1 << 20, Duration: 20 * time.Second, Timecode: "01:00:00:00",
		Video: []media.VideoStream{{Codec: "h264", Width: 1280, Height: 720, PixelFormat: "yuv420p", BitDepth: 8, SampleAspect: media.R(4, 3), FrameRate: media.R(30000, 1001), AverageRate: media.R(30000, 1001), TimeBase: media.R(1, 30000), Rotation: 180, Color: media.Color{Range: "tv", Matrix: "bt709", Primaries: "bt709", Transfer: "bt709"}}},
		Audio: []media.AudioStream{
			{Index: 1, Codec: "aac", SampleRate: 44100, Channels: 2, Layout: "stereo", Language: "deu", TimeBase: media.R(1, 44100)},
			{Index: 2, Codec: "aac", SampleRate: 48000, Channels: 6, Layout: "5.1", Language: "eng", TimeBase: media.R(1, 48000), Default: true},
		},
	}
	index := media.FrameIndex{TimeBase: media.R(1, 30000)}
	for i := range int64(600) {
		index.PTS = append(index.PTS, i*1001)
		if i%60 == 0 {
			index.Keys = append(index.Keys, int(i))
		}
	}
	in := plan.Input{Settings: parsed, JobStart: time.Unix(1_700_000_000, 0).UTC()}
	for range plan.Files(parsed) {
		in.Files = append(in.Files, plan.Footage{Source: source, Index: index})
	}
	p, err := plan.New(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestStandardsChangeNothing: a job with what GetJob shows is encoded as without,
// and is told nothing that it was not told before.
func TestStandardsChangeNothing(t *testing.T) {
	for name, doc := range bareJobs() {
		bare := planOf(t, settingsOf(t, doc))
		told := mediaconvert.CheckSettings(settingsOf(t, doc))
		if err := told.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for path, fill := range mediaconvert.FillOne() {
			s := settingsOf(t, doc)
			fill(s)
			if got := mediaconvert.CheckSettings(s); got.Err() != nil || len(got.Warnings) != len(told.Warnings) {
				t.Errorf("%s: with %s: %v, %v", name, path, got.Err(), got.Warnings)
				continue
			}
			if got := planOf(t, s); got != bare {
				t.Errorf("%s: %s changes the plan: %s", name, path, difference(bare, got))
			}
		}
		s := settingsOf(t, doc)
		mediaconvert.FillAll(s)
		if got := planOf(t, s); got != bare {
			t.Errorf("%s: all together change the plan: %s", name, difference(bare, got))
		}
	}
}

// difference shows the first lines that are not the same.
func difference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return strings.TrimSpace(as[i]) + " → " + strings.TrimSpace(bs[i])
		}
	}
	return "one is longer"
}

// TestStandardsAreOfTheModel: each row is a member that acts, is filled where its
// structure is, and leaves alone what was given.
func TestStandardsAreOfTheModel(t *testing.T) {
	var paths []string
	for path := range mediaconvert.FillOne() {
		paths = append(paths, path)
	}
	if len(paths) < 80 {
		t.Fatalf("%d standards", len(paths))
	}
	all := &mc.JobSettings{}
	for _, doc := range bareJobs() {
		s := settingsOf(t, doc)
		mediaconvert.FillAll(s)
		all.OutputGroups = append(all.OutputGroups, s.OutputGroups...)
		all.Inputs, all.TimecodeConfig, all.AdAvailOffset = s.Inputs, s.TimecodeConfig, s.AdAvailOffset
	}
	doc, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		if name := p[strings.LastIndexByte(p, '.')+1:]; !strings.Contains(string(doc), `"`+name+`":`) {
			t.Errorf("%s is not filled in anywhere", p)
		}
	}
	if !slices.Contains(paths, "timecodeConfig.source") || *all.AdAvailOffset != 0 || all.TimecodeConfig.Source != mc.TimecodeSourceEmbedded {
		t.Errorf("%+v", all.TimecodeConfig)
	}
	given := settingsOf(t, `{"timecodeConfig":{"source":"ZEROBASED"},"inputs":[{"fileInput":"s3://source/a","videoSelector":{"rotate":"AUTO"}}]}`)
	mediaconvert.FillAll(given)
	if given.TimecodeConfig.Source != mc.TimecodeSourceZerobased || given.Inputs[0].VideoSelector.Rotate != mc.InputRotateAuto || given.Inputs[0].FilterEnable != mc.InputFilterEnableAuto {
		t.Errorf("%+v", given)
	}
}

// TestStandardsAreFilledInOnce: what is filled in is given the next time.
func TestStandardsAreFilledInOnce(t *testing.T) {
	for name, doc := range bareJobs() {
		once, twice := settingsOf(t, doc), settingsOf(t, doc)
		mediaconvert.FillAll(once)
		mediaconvert.FillAll(twice)
		mediaconvert.FillAll(twice)
		if !reflect.DeepEqual(once, twice) {
			t.Errorf("%s filled twice: %+v", name, twice)
		}
	}
}
