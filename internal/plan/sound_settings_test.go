package plan_test

import (
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/plan"
)

// TestOffsetMovesSound asserts where beeps are that were at whole seconds.
func TestOffsetMovesSound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.mov")
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=64x36:duration=4:rate=25", "-f", "lavfi", "-i", `aevalsrc=exprs=0.7*sin(2*PI*1000*t)*lt(mod(t\,1)\,0.05):d=4:s=48000`,
		"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le", file)
	for offset, want := range map[int][]float64{250: {0.25, 1.25, 2.25, 3.25}, -300: {0.7, 1.7, 2.7}, -1000: {0, 1, 2}} {
		p := newPlan(t, withAudio([]string{fmt.Sprintf(`{"fileInput": "a", "audioSelectors": {"Audio Selector 1": {"offset": %d}}}`, offset)}, aac("", "1_0", "")), file)
		got := beeps(samplesOf(t, encodedAudio(t, p, []string{file})[0]), 48000)
		if len(got) != len(want) {
			t.Errorf("moved by %d ms: beeps at %.3f, want %.3f", offset, got, want)
			continue
		}
		for i := range got {
			if math.Abs(got[i]-want[i]) > 0.002 {
				t.Errorf("moved by %d ms: beeps at %.3f, want %.3f", offset, got, want)
				break
			}
		}
	}
}

// TestSelectionIsOfEachInput stitches inputs with other tracks: a description takes
// of each what its selector there says, by default or not at all; a dynamic selector
// makes as many tracks as the input with the most has.
func TestSelectionIsOfEachInput(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "1.mov"), filepath.Join(dir, "2.mov")
	codec := []string{"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le"}
	video := []string{"-f", "lavfi", "-i", "testsrc2=size=64x36:duration=1:rate=25"}
	ffmpeg(t, slices.Concat(video, track(1, "mono", 3), track(1, "stereo", 4, 5), []string{"-map", "0", "-map", "1", "-map", "2"}, codec, []string{"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=spa", one})...)
	ffmpeg(t, slices.Concat(video, track(1, "stereo", 6, 7), codec, []string{two})...)
	inputs := []string{
		`{"fileInput": "1", "audioSelectors": {"Audio Selector 1": {"tracks": [1]}, "Audio Selector 2": {"tracks": [2]}}, "dynamicAudioSelectors": {"All": {"selectorType": "ALL_TRACKS"}, "Spanish": {"selectorType": "LANGUAGE_CODE", "languageCode": "SPA"}}}`,
		`{"fileInput": "2", "audioSelectors": {"Audio Selector 1": {"defaultSelection": "DEFAULT"}}, "dynamicAudioSelectors": {"All": {}}}`,
		`{"fileInput": "2", "audioSelectors": {"Audio Selector 1": {}}}`,
	}
	settings := withAudio(inputs, aac("Audio Selector 2", "2_0", ""), aac("All", "2_0", ""), aac("Spanish", "2_0", ""))
	files := []string{one, two}
	p, err := joinedPlan(t, settings, files...)
	if err != nil {
		t.Fatal(err)
	}
	encoded := encodedAudio(t, p, files)
	var got []string
	for _, n := range p.Groups[0].Outputs[0].Audios {
		a := p.Audios[n]
		var takes []string
		for i := range 3 {
			takes = append(takes, heard(t, a, encoded[n], float64(i)+0.1, float64(i)+0.9, 3, 4, 5, 6, 7))
		}
		got = append(got, a.Language+": "+strings.Join(takes, " / "))
	}
	want := []string{
		"spa: 4@0.50 | 5@0.50 / 6@0.50 | 7@0.50 /  | ",
		"eng: 3@0.50 | 3@0.50 / 6@0.50 | 7@0.50 /  | ",
		"spa: 4@0.50 | 5@0.50 /  |  /  | ",
		"spa: 4@0.50 | 5@0.50 / 6@0.50 | 7@0.50 /  | ", // the second input has the name of neither, and a default
	}
	if !slices.Equal(got, want) {
		t.Errorf("heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestCodingModes asserts channels, codec and bit rate of what each setting makes.
func TestCodingModes(t *testing.T) {
	dir := t.TempDir()
	video := []string{"-f", "lavfi", "-i", "testsrc2=size=64x36:duration=3:rate=25"}
	codec := []string{"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le"}
	sources := map[string]string{}
	for name, tones := range map[string][]int{"mono": {3}, "stereo": {3, 4}, "5.1": {3, 4, 5, 6, 7, 8}} {
		sources[name] = filepath.Join(dir, name+".mov")
		ffmpeg(t, slices.Concat(video, track(3, name, tones...), codec, []string{sources[name]})...)
	}
	for _, test := range []struct {
		source, settings string
		channels         int
		profile          string
		bps              float64 // 0 is not asked for
		rate             int
		want             string
		warns            bool
	}{
		{"5.1", `"codingMode": "CODING_MODE_AUTO"`, 6, "LC", 0, 48000, "3@0.50 | 4@0.50 | 5@0.50 |  | 7@0.50 | 8@0.50", false},
		{"mono", `"codingMode": "CODING_MODE_AUTO"`, 1, "LC", 0, 48000, "3@0.50", false},
		{"stereo", `"codingMode": "CODING_MODE_1_1", "bitrate": 128000`, 2, "LC", 0, 48000, "3@0.50 | 4@0.50", false},
		{"5.1", `"codingMode": "CODING_MODE_2_0"`, 2, "LC", 0, 48000, "3@0.20 5@0.15 7@0.15 | 4@0.20 5@0.15 8@0.15", false},
		{"5.1", `"codingMode": "CODING_MODE_1_0"`, 1, "LC", 0, 48000, "3@0.10 4@0.10 5@0.15 7@0.05 8@0.05", false},
		{"stereo", `"codingMode": "CODING_MODE_5_1"`, 6, "LC", 0, 48000, "3@0.50 | 4@0.50 |  |  |  | ", false},
		{"mono", `"codingMode": "CODING_MODE_5_1"`, 6, "LC", 0, 48000, " |  | 3@0.50 |  |  | ", false},
		{"stereo", `"codingMode": "CODING_MODE_1_0"`, 1, "LC", 0, 48000, "3@0.25 4@0.25", false},
		{"stereo", `"codingMode": "CODING_MODE_2_0", "bitrate": 64000, "sampleRate": 22050`, 2, "LC", 0, 22050, "3@0.50 | 4@0.50", false},
		{"stereo", `"codingMode": "CODING_MODE_2_0", "specification": "MPEG2", "bitrate": 96000`, 2, "LC", 0, 48000, "3@0.50 | 4@0.50", false},
		{"stereo", `"codingMode": "CODING_MODE_2_0", "codecProfile": "HEV1", "bitrate": 64000`, 2, "LC", 96000, 48000, "3@0.50 | 4@0.50", true},
		{"stereo", `"codingMode": "CODING_MODE_2_0", "codecProfile": "HEV2", "bitrate": 128000`, 2, "LC", 128000, 48000, "3@0.50 | 4@0.50", false},
		{"stereo", `"codingMode": "CODING_MODE_2_0", "rateControlMode": "VBR", "vbrQuality": "HIGH"`, 2, "LC", 192000, 48000, "3@0.50 | 4@0.50", false},
	} {
		t.Run(test.source+" "+test.settings, func(t *testing.T) {
			t.Parallel()
			settings := withAudio([]string{`{"fileInput": "a", "audioSelectors": {"Audio Selector 1": {}}}`}, `{"codecSettings": {"codec": "AAC", "aacSettings": {`+test.settings+`}}}`)
			p := newPlan(t, settings, sources[test.source])
			a := p.Audios[0]
			if a.Channels != test.channels || a.SampleRate != test.rate || test.bps != 0 && float64(a.BitrateBPS) != test.bps {
				t.Errorf("%d channels, %d Hz, %d bit/s", a.Channels, a.SampleRate, a.BitrateBPS)
			}
			if raised := slices.ContainsFunc(p.Warnings, func(w plan.Warning) bool { return strings.Contains(w.Message, "AAC-LC") }); raised != test.warns {
				t.Errorf("warnings are %v", p.Warnings)
			}
			file := encodedAudio(t, p, []string{sources[test.source]})[0]
			out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name,profile", "-of", "csv=p=0", file).Output()
			if got := strings.TrimSpace(string(out)); err != nil || got != "aac,"+test.profile {
				t.Errorf("it is %s, %v", got, err)
			}
			if got := heard(t, a, file, 0.2, 2.8, 3, 4, 5, 6, 7, 8); got != test.want {
				t.Errorf("heard %q, want %q", got, test.want)
			}
		})
	}
}

// TestAudioDurationCorrection makes AAC whose table of times says that it lasts 2 %
// longer than its samples do. TRACK keeps the pitch, FRAME does not, and either way
// there is no hole and the end is where the table says.
func TestAudioDurationCorrection(t *testing.T) {
	dir := t.TempDir()
	plain, slow := filepath.Join(dir, "plain.mp4"), filepath.Join(dir, "slow.mp4")
	ffmpeg(t, "-f", "lavfi", "-i", "sine=frequency=1000:duration=10:sample_rate=48000", "-c:a", "aac", "-b:a", "128k", plain)
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=64x36:duration=10.2:rate=25", "-i", plain, "-map", "0", "-map", "1", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "copy",
		"-bsf:a", "setts=pts=PTS*1.02:dts=DTS*1.02", slow)
	for correction, want := range map[string]float64{"TRACK": 1000, "AUTO": 1000, "FORCE": 1000, "FRAME": 1000 / 1.02} {
		t.Run(correction, func(t *testing.T) {
			t.Parallel()
			p := newPlan(t, withAudio([]string{`{"fileInput": "a", "audioSelectors": {"Audio Selector 1": {"audioDurationCorrection": "` + correction + `"}}}`}, aac("", "1_0", "")), slow)
			samples := samplesOf(t, encodedAudio(t, p, []string{slow})[0])
			quiet, longest, crossings := 0, 0, 0
			for i := 4800; i < int(10.1*48000); i++ {
				if quiet++; math.Abs(samples[i]) > 0.02 {
					quiet = 0
				}
				longest = max(longest, quiet)
				if samples[i-1] < 0 && samples[i] >= 0 {
					crossings++
				}
			}
			if hz := float64(crossings) / (10.1 - 0.1); math.Abs(hz-want) > 4 {
				t.Errorf("the tone has %.1f Hz, want %.1f", hz, want)
			}
			if longest > 480 {
				t.Errorf("a hole of %d samples", longest)
			}
		})
	}
}
