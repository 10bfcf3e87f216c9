package worker

import (
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/dash"
	"vodwright.dev/vodwright/internal/hls"
)

// packFragments runs a job of one group over a clip of 150 frames, with two pictures
// and one sound: outputs of their own, or the sound in the first one.
func packFragments(t *testing.T, source, kind, group, video string, apart bool) (string, GroupDetails) {
	t.Helper()
	member, container := "cmafGroupSettings", "CMFC"
	if kind == "DASH_ISO" {
		member, container = "dashIsoGroupSettings", "MPD"
	}
	sound := `"audioDescriptions":[{"languageCodeControl":"USE_CONFIGURED","languageCode":"DEU","codecSettings":{"codec":"AAC","aacSettings":{"bitrate":64000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]`
	picture := func(name string, w, h int, more string) string {
		return fmt.Sprintf(`{"nameModifier":"%s","containerSettings":{"container":"%s"%s},
		 "videoDescription":{"width":%d,"height":%d,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000,"gopSize":1,"gopSizeUnits":"SECONDS"}}}`,
			name, container, video, w, h) + more + "}"
	}
	suffix := ""
	if strings.Contains(group, "$") { // what the names of segments have
		suffix, group = group, ""
	}
	outputs := []string{picture("_1"+suffix, 160, 90, ""), picture("_2"+suffix, 96, 54, "")}
	if apart {
		outputs = append(outputs, fmt.Sprintf(`{"nameModifier":"_a%s","containerSettings":{"container":"%s"},%s}`, suffix, container, sound))
	} else {
		outputs[0] = picture("_1"+suffix, 160, 90, ","+sound)
	}
	request := fmt.Sprintf(`{"settings":{"inputs":[{"fileInput":"s3://in/clip.mp4"}],"outputGroups":[
	 {"outputGroupSettings":{"type":"%s_GROUP_SETTINGS","%s":{"destination":"s3://out/a/b","segmentLength":2,"fragmentLength":1%s}},"outputs":[%s]}]}}`,
		kind, member, group, strings.Join(outputs, ","))
	f := &folder{source: source, root: t.TempDir(), owner: map[string]string{}}
	w := newWorker(t, f)
	documents, _, err := w.Local(t.Context(), "job", time.Now(), []byte(request), func(string, int) {})
	if err != nil {
		t.Fatal(err)
	}
	var details Details
	if err := json.Unmarshal(documents[len(documents)-1], &details); err != nil {
		t.Fatal(err)
	}
	return f.root, details.OutputGroupDetails[0]
}

// starts returns when the first packets of video and sound are shown.
func starts(t *testing.T, file string) (video, audio float64) {
	t.Helper()
	first := func(stream string) float64 {
		out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "packet=pts_time", "-of", "csv=p=0", file).Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", file, err, out)
		}
		least := math.Inf(1)
		for _, s := range strings.Fields(string(out)) {
			if at, err := strconv.ParseFloat(strings.Trim(s, ","), 64); err == nil {
				least = min(least, at)
			}
		}
		return least
	}
	return first("v:0"), first("a:0")
}

func TestCMAF(t *testing.T) {
	t.Parallel()
	source := makeClip(t)
	for _, tt := range []struct {
		name, group, output string
		apart               bool
		files               []string // some that there are
		segments            int      // files of segments
	}{
		{
			"segments", "", `,"cmfcSettings":{"iFrameOnlyManifest":"INCLUDE"}`, true,
			[]string{"b.mpd", "b.m3u8", "b_1.m3u8", "b_a.m3u8", "b_1init.cmfv", "b_1_000000003.cmfv", "b_ainit.cmfa", "b_a_000000001.cmfa", "b_1_I-Frame.m3u8"},
			9,
		},
		{"one file", `,"segmentControl":"SINGLE_FILE","mpdProfile":"ON_DEMAND_PROFILE","videoCompositionOffsets":"SIGNED"`, `,"cmfcSettings":{"iFrameOnlyManifest":"INCLUDE"}`, true, []string{"b_1.cmfv", "b_a.cmfa"}, 3},
		{"sound in an output with video", `,"writeDashManifest":"DISABLED"`, "", false, []string{"b_1_audio1init.cmfa", "b_1_audio1.m3u8"}, 9},
		{"additional", `,"writeSegmentTimelineInRepresentation":"ENABLED","additionalManifests":[{"manifestNameModifier":"-s","selectedOutputs":["_2","_a"]}]`, "", true, []string{"b-s.mpd", "b-s.m3u8"}, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root, details := packFragments(t, source, "CMAF", tt.group, tt.output, tt.apart)
			var names []string
			segments := 0
			for _, f := range files(t, root) {
				names = append(names, filepath.Base(f))
				if strings.Contains(f, ".cmf") && !strings.Contains(f, "init.") {
					segments++
				}
			}
			for _, want := range tt.files {
				if !slices.Contains(names, want) {
					t.Errorf("no %s among %v", want, names)
				}
			}
			if segments != tt.segments {
				t.Errorf("%d files of segments, not %d: %v", segments, tt.segments, names)
			}
			multi, err := hls.ParseMultivariantPlaylist([]byte(read(t, root, "a/b.m3u8")))
			if err != nil || len(multi.Variants) != 2 || len(multi.Renditions) != 1 || multi.Variants[0].Audio != "program_audio" || multi.Renditions[0].Language == "" {
				t.Fatalf("%v\n%s", err, read(t, root, "a/b.m3u8"))
			}
			if n := frames(t, filepath.Join(root, "a/b_2.m3u8")); n != 150 {
				t.Errorf("%d frames", n)
			}
			if video, audio := starts(t, filepath.Join(root, "a/b.m3u8")); !strings.Contains(tt.group, `"SIGNED"`) && (video > 0.001 || math.Abs(audio-video) > 0.001) {
				t.Errorf("video begins at %v, sound at %v", video, audio)
			}
			if tt.output != "" {
				list := mediaPlaylistOf(t, read(t, root, "a/b_1_I-Frame.m3u8"))
				if len(list.Segments) != 6 || list.Segments[0].Duration != time.Second || list.Segments[0].Map.URI == "" || len(multi.IFrames) != 2 {
					t.Errorf("I-frames:\n%s", read(t, root, "a/b_1_I-Frame.m3u8"))
				}
				if n := frames(t, filepath.Join(root, "a/b_1_I-Frame.m3u8")); n != 6 {
					t.Errorf("%d I-frames", n)
				}
			}
			want := []string{"s3://out/a/b.mpd", "s3://out/a/b.m3u8"}
			switch tt.name {
			case "sound in an output with video":
				want = want[1:]
			case "additional":
				want = []string{"s3://out/a/b.mpd", "s3://out/a/b-s.mpd", "s3://out/a/b.m3u8", "s3://out/a/b-s.m3u8"}
				small := read(t, root, "a/b-s.mpd")
				if p, err := dash.Parse([]byte(small)); err != nil || len(p.Sets) != 2 || len(p.Sets[0].Representations) != 1 || p.Sets[0].Representations[0].Width != 96 || len(p.Sets[0].Representations[0].Template.Timeline) != 1 {
					t.Errorf("%v\n%s", err, small)
				}
			}
			if details.Type != "CMAF_GROUP" || !slices.Equal(details.PlaylistFilePaths, want) || len(details.OutputDetails[0].OutputFilePaths) > 0 {
				t.Errorf("details %+v", details)
			}
			if n := len(details.OutputDetails); tt.apart && n != 3 || !tt.apart && n != 2 {
				t.Errorf("details of %d outputs", n)
			}
		})
	}
}

func TestDASH(t *testing.T) {
	t.Parallel()
	source := makeClip(t)
	for _, tt := range []struct {
		name, group string
		apart       bool
		media       string // of the first representation
		file        string
	}{
		{"segments", `,"mpdManifestBandwidthType":"MAX","minBufferTime":4000,"baseUrl":""`, true, "b_1_$Number%09d$.mp4", "b_1_000000002.mp4"},
		{"sound in an output with video", "", false, "b_1_$Number%09d$.mp4", "b_1_audio1_000000001.mp4"},
		{"numbers", "_n$Number%03$", true, "b_1_n$Number%03d$.mp4", "b_1_n002.mp4"},
		{"times", "_t$Time$_x", true, "b_1_t$Time$_x.mp4", "b_1_t20000_x.mp4"},
		{"bandwidth", "_b$Bandwidth$", true, "b_1_b200000_$Number%09d$.mp4", "b_1_b200000_000000001.mp4"},
		{"one file", `,"segmentControl":"SINGLE_FILE","mpdProfile":"ON_DEMAND_PROFILE","mpdManifestBandwidthType":"AVERAGE"`, true, "", "b_1.mp4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root, details := packFragments(t, source, "DASH_ISO", tt.group, "", tt.apart)
			text := read(t, root, "a/b.mpd")
			p, err := dash.Parse([]byte(text))
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if len(p.Sets) != 2 || len(p.Sets[0].Representations) != 2 || p.Duration != 6*time.Second || p.Sets[1].Language == "" {
				t.Fatalf("description:\n%s", text)
			}
			first := p.Sets[0].Representations[0]
			if tt.media != "" && first.Template.Media != tt.media {
				t.Errorf("media %q, not %q", first.Template.Media, tt.media)
			}
			if tt.name == "segments" && (first.Bandwidth != 200_000 || p.MinBufferTime != 4*time.Second) {
				t.Errorf("bandwidth %d, minBufferTime %v", first.Bandwidth, p.MinBufferTime)
			}
			read(t, root, "a", tt.file)
			if tt.name != "one file" { // FFmpeg reads no index of a description
				if n := frames(t, filepath.Join(root, "a/b.mpd")); n != 150 {
					t.Errorf("%d frames", n)
				}
				if video, audio := starts(t, filepath.Join(root, "a/b.mpd")); video > 0.001 || math.Abs(audio-video) > 0.001 {
					t.Errorf("video begins at %v, sound at %v", video, audio)
				}
			} else if n := frames(t, filepath.Join(root, "a/b_1.mp4")); n != 150 {
				t.Errorf("%d frames", n)
			}
			if details.Type != "DASH_ISO_GROUP" || !slices.Equal(details.PlaylistFilePaths, []string{"s3://out/a/b.mpd"}) {
				t.Errorf("details %+v", details)
			}
		})
	}
}

// TestShortTail: a last segment in which no frame of sound begins joins the one before.
func TestShortTail(t *testing.T) {
	t.Parallel()
	source := makeClip(t)
	const request = `{"settings":{"inputs":[{"fileInput":"s3://in/clip.mp4","timecodeSource":"ZEROBASED","inputClippings":[{"endTimecode":"00:00:04:00"}]}],"outputGroups":[
	 {"outputGroupSettings":{"type":"%s"},"outputs":[%s]}]}}`
	const picture = `"videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000}}}`
	const sound = `"audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":16000,"codingMode":"CODING_MODE_1_0","sampleRate":8000}}}]`
	for _, tt := range []struct{ kind, outputs, playlist string }{
		{`CMAF_GROUP_SETTINGS","cmafGroupSettings":{"destination":"s3://out/b","segmentLength":2},"_":"`, `{"nameModifier":"_1","containerSettings":{"container":"CMFC"},` + picture + `,` + sound + `}`, "b_1.m3u8"},
		{
			`HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/b","segmentLength":2,"minSegmentLength":0},"_":"`,
			`{"nameModifier":"_1","containerSettings":{"container":"M3U8"},` + picture + `},{"nameModifier":"_2","containerSettings":{"container":"M3U8"},` + sound + `}`, "b_1.m3u8",
		},
	} {
		f := &folder{source: source, root: t.TempDir(), owner: map[string]string{}}
		if _, _, err := newWorker(t, f).Local(t.Context(), "job", time.Now(), fmt.Appendf(nil, request, tt.kind, tt.outputs), func(string, int) {}); err != nil {
			t.Fatalf("%s: %v", tt.kind, err)
		}
		if list := mediaPlaylistOf(t, read(t, f.root, tt.playlist)); len(list.Segments) != 2 || list.Segments[1].Duration != 2040*time.Millisecond {
			t.Errorf("%s: %+v", tt.kind, list.Segments)
		}
	}
}
