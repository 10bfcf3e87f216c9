package plan_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/plan"
)

// channelsOf decodes an audio file to the samples of each channel.
func channelsOf(t *testing.T, file string, channels int) [][]float64 {
	t.Helper()
	raw := ffmpeg(t, "-i", file, "-c:a", "pcm_f32le", "-f", "f32le", "-")
	out := make([][]float64, channels)
	for i := 0; i+4 <= len(raw); i += 4 {
		c := i / 4 % channels
		out[c] = append(out[c], float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[i:]))))
	}
	return out
}

// level returns the amplitude of a sine of hz in samples (Goertzel).
func level(samples []float64, rate int, hz float64) float64 {
	w := 2 * math.Pi * hz / float64(rate)
	var s1, s2 float64
	for _, x := range samples {
		s1, s2 = x+2*math.Cos(w)*s1-s2, s1
	}
	re, im := s1-s2*math.Cos(w), s2*math.Sin(w)
	return 2 * math.Hypot(re, im) / float64(len(samples))
}

// heard writes which of the tones, in hundreds of Hz, each channel of an encode
// has, and how loud: "L: 3@0.50 5@0.25 | R: ".
func heard(t *testing.T, encode plan.AudioEncode, file string, from, to float64, tones ...int) string {
	t.Helper()
	var out []string
	for _, samples := range channelsOf(t, file, encode.Channels) {
		samples = samples[int(from*float64(encode.SampleRate)):int(to*float64(encode.SampleRate))]
		var list []string
		for _, tone := range tones {
			if l := level(samples, encode.SampleRate, float64(tone)*100); l > 0.02 {
				list = append(list, fmt.Sprintf("%d@%.2f", tone, math.Round(20*l)/20))
			}
		}
		out = append(out, strings.Join(list, " "))
	}
	return strings.Join(out, " | ")
}

// tone is a sine of so many hundreds of Hz.
func tone(hundreds int, amplitude float64) string {
	return fmt.Sprintf("%g*sin(2*PI*%d*t)", amplitude, hundreds*100)
}

// track is the input of ffmpeg that is a track with a tone in each channel.
func track(seconds float64, layout string, tones ...int) []string {
	var exprs []string
	for _, n := range tones {
		exprs = append(exprs, tone(n, 0.5))
	}
	return []string{"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc=exprs=%s:c=%s:s=48000:d=%g", strings.Join(exprs, "|"), layout, seconds)}
}

// withAudio is a job of inputs and one output with audio descriptions.
func withAudio(inputs []string, descriptions ...string) string {
	return fmt.Sprintf(`{"inputs": [%s], "outputGroups": [{
	"outputGroupSettings": {"type": "FILE_GROUP_SETTINGS", "fileGroupSettings": {"destination": "s3://out/"}},
	"outputs": [{"containerSettings": {"container": "MP4"},
		"videoDescription": {"codecSettings": {"codec": "H_264", "h264Settings": {"rateControlMode": "QVBR", "maxBitrate": 1000000}}},
		"audioDescriptions": [%s]}]}]}`, strings.Join(inputs, ","), strings.Join(descriptions, ","))
}

// aac is an audio description of a source and a coding mode, with more members.
func aac(source, mode, more string) string {
	if more != "" {
		more = ", " + more
	}
	return fmt.Sprintf(`{"audioSourceName": %q, "codecSettings": {"codec": "AAC", "aacSettings": {"bitrate": 256000, "codingMode": "CODING_MODE_%s"}}%s}`, source, mode, more)
}

// encodedAudio runs the audio encodes of a job of several files and returns their files.
func encodedAudio(t *testing.T, p *plan.Plan, files []string) []string {
	t.Helper()
	dir := t.TempDir()
	var out []string
	for _, a := range p.Audios {
		runFiles(t, a.Args, filesOf(a.Files, files), dir)
		out = append(out, filepath.Join(dir, a.File))
	}
	return out
}

// TestSelectors gives every channel of every track a tone of its own and asks each
// kind of selector for some: what is heard tells what was selected.
func TestSelectors(t *testing.T) {
	dir := t.TempDir()
	video := []string{"-f", "lavfi", "-i", "testsrc2=size=64x36:duration=2:rate=25"}
	codec := []string{"-c:v", "libx264", "-preset", "ultrafast"}
	maps := func(n int) (list []string) {
		for i := range n + 1 {
			list = append(list, "-map", fmt.Sprint(i))
		}
		return list
	}
	mov, ts, monos, wav := filepath.Join(dir, "a.mov"), filepath.Join(dir, "a.ts"), filepath.Join(dir, "monos.mov"), filepath.Join(dir, "dub.wav")
	ffmpeg(t, slices.Concat(video, track(2, "stereo", 3, 4), track(2, "stereo", 5, 6), track(2, "mono", 7), track(2, "mono", 8), maps(4), codec,
		[]string{"-c:a", "pcm_s16le", "-c:a:2", "aac", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra", "-metadata:s:a:2", "language=ger", "-metadata:s:a:3", "language=ger", mov})...)
	ffmpeg(t, slices.Concat(video, track(2, "stereo", 3, 4), track(2, "stereo", 5, 6), maps(2), codec,
		[]string{"-c:a", "mp2", "-b:a", "256k", "-streamid", "0:300", "-streamid", "1:400", "-streamid", "2:500", "-output_ts_offset", "100", "-metadata:s:a:1", "language=fre", ts})...)
	var eight []string
	for i := range 8 {
		eight = append(eight, track(2, "mono", 3+i)...)
	}
	ffmpeg(t, slices.Concat(video, eight, maps(8), codec, []string{"-c:a", "pcm_s16le", monos})...)
	ffmpeg(t, append(track(2, "stereo", 11, 12), wav)...)
	files := map[string]string{"mov": mov, "ts": ts, "monos": monos, "dub.wav": wav}

	stereo, surround := "2_0", "5_1"
	remix := func(rows ...string) string {
		return fmt.Sprintf(`"remixSettings": {"channelsIn": %d, "channelsOut": %d, "channelMapping": {"outputChannels": [%s]}}`,
			strings.Count(rows[0], ",")+1, len(rows), `{"inputChannels": [`+strings.Join(rows, `]}, {"inputChannels": [`)+`]}`)
	}
	for _, test := range []struct {
		name, file string
		more       string // of the input
		mode       string
		desc       string // of the description
		want       string
	}{
		{"a track", "mov", `"audioSelectors": {"Audio Selector 1": {"tracks": [2]}}`, stereo, "", "5@0.50 | 6@0.50"},
		{"two tracks are one", "mov", `"audioSelectors": {"Audio Selector 1": {"selectorType": "TRACK", "tracks": [4, 3]}}`, stereo, "", "8@0.50 | 7@0.50"},
		{"mono in both", "mov", `"audioSelectors": {"Audio Selector 1": {"tracks": [3]}}`, stereo, "", "7@0.50 | 7@0.50"},
		{"a stream", "mov", `"audioSelectors": {"Audio Selector 1": {"selectorType": "STREAM", "streams": [3]}}`, stereo, "", "5@0.50 | 6@0.50"},
		{"a language", "mov", `"audioSelectors": {"Audio Selector 1": {"selectorType": "LANGUAGE_CODE", "languageCode": "FRA"}}`, stereo, "", "5@0.50 | 6@0.50"},
		{"a language of two tracks", "mov", `"audioSelectors": {"Audio Selector 1": {"selectorType": "LANGUAGE_CODE", "customLanguageCode": "deu"}}`, stereo, "", "7@0.50 | 8@0.50"},
		{"all PCM", "mov", `"audioSelectors": {"Audio Selector 1": {"selectorType": "ALL_PCM"}}`, stereo, "", "3@0.50 | 4@0.50"},
		{"all PCM, remixed", "mov", `"audioSelectors": {"Audio Selector 1": {"selectorType": "ALL_PCM"}}`, stereo, remix("-60,-60,-60,-60,0", "-60,-60,0,-60,-60"), "8@0.50 | 5@0.50"},
		{"a PID", "ts", `"audioSelectors": {"Audio Selector 1": {"selectorType": "PID", "pids": [500]}}`, stereo, "", "5@0.50 | 6@0.50"},
		{"two PIDs", "ts", `"audioSelectors": {"Audio Selector 1": {"selectorType": "PID", "pids": [500, 400]}}`, stereo, remix("0,-60,-60,-60", "-60,-60,0,-60"), "5@0.50 | 3@0.50"},
		{"eight tracks", "monos", `"audioSelectors": {"Audio Selector 1": {"tracks": [1,2,3,4,5,6,7,8]}}`, surround, "", "3@0.50 | 4@0.50 | 5@0.50 |  | 7@0.50 | 8@0.50"},
		{"the last two of eight", "monos", `"audioSelectors": {"Audio Selector 1": {"tracks": [1,2,3,4,5,6,7,8], "remixSettings": {"channelsIn": 8, "channelsOut": 2, "channelMapping": {"outputChannels": [{"inputChannels": [-60,-60,-60,-60,-60,-60,0,-60]}, {"inputChannelsFineTune": [-60,-60,-60,-60,-60,-60,-60,-6.0206]}]}}}}`, stereo, "", "9@0.50 | 10@0.25"},
		{"remixed twice", "monos", `"audioSelectors": {"Audio Selector 1": {"tracks": [1,2,3,4], "remixSettings": {"channelsIn": 4, "channelsOut": 2, "channelMapping": {"outputChannels": [{"inputChannels": [0,-60,0,-60]}, {"inputChannels": [-60,0,-60,0]}]}}}}`, stereo, remix("-60,0", "-6,-60"), "4@0.50 6@0.50 | 3@0.25 5@0.25"},
		{"a group", "mov", `"audioSelectors": {"Audio Selector 1": {"tracks": [3]}, "Audio Selector 2": {"externalAudioFileInput": "dub.wav"}}, "audioSelectorGroups": {"Audio Selector Group 1": {"audioSelectorNames": ["Audio Selector 2", "Audio Selector 1"]}}`, stereo, remix("-60,0,-60", "-60,-60,0"), "12@0.50 | 7@0.50"},
		{"the default selector", "mov", `"audioSelectors": {"Audio Selector 4": {"tracks": [1]}, "Audio Selector 7": {"tracks": [2], "defaultSelection": "DEFAULT"}}`, stereo, "", "5@0.50 | 6@0.50"},
		{"no such selector", "mov", `"audioSelectors": {"Audio Selector 4": {"tracks": [1]}}`, stereo, "", " | "},
		{"an external file", "mov", `"audioSelectors": {"Audio Selector 1": {"externalAudioFileInput": "dub.wav"}}`, stereo, "", "11@0.50 | 12@0.50"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			input := fmt.Sprintf(`{"fileInput": %q, %s}`, test.file, test.more)
			settings := withAudio([]string{input}, aac("Audio Selector 1", test.mode, test.desc))
			if strings.Contains(test.more, "Audio Selector Group") {
				settings = withAudio([]string{input}, aac("Audio Selector Group 1", test.mode, test.desc))
			}
			var list []string
			for _, f := range plan.Files(parse(t, settings)) {
				list = append(list, files[f.URI])
			}
			p, err := joinedPlan(t, settings, list...)
			if err != nil {
				t.Fatal(err)
			}
			encoded := encodedAudio(t, p, list)
			if got := heard(t, p.Audios[0], encoded[0], 0.2, 1.8, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12); got != test.want {
				t.Errorf("heard %q, want %q", got, test.want)
			}
		})
	}
}
