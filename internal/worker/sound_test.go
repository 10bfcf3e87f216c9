package worker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// library is a folder of several sources, by their key.
type library struct {
	*folder
	sources map[string]string
}

func (l *library) Snapshot(_ context.Context, _, key, _, dst string) (string, error) {
	file, ok := l.sources[key]
	if !ok {
		return "", fault.New(fault.NotFound, "NoSuchKey", "no key %q", key)
	}
	return "1", os.Link(file, dst)
}

// tool runs a program and returns what it wrote on both its outputs.
func tool(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// soundJob runs a job of one source and returns the folder of its outputs.
func soundJob(t *testing.T, sources map[string]string, settings string) string {
	t.Helper()
	f := &library{&folder{root: t.TempDir(), owner: map[string]string{}}, sources}
	w := newWorker(t, f.folder)
	w.cfg.Objects = f
	if _, _, err := w.Local(t.Context(), "job", time.Now(), []byte(`{"settings":`+settings+`}`), func(string, int) {}); err != nil {
		t.Fatal(err)
	}
	return f.root
}

// movieOf is a job of one MP4 with audio descriptions.
func movieOf(source string, descriptions ...string) string {
	return fmt.Sprintf(`{"inputs":[{"fileInput":"s3://in/%s","audioSelectors":{"Audio Selector 1":{"defaultSelection":"DEFAULT"}}}],"outputGroups":[
 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/movie"}},
  "outputs":[{"containerSettings":{"container":"MP4"},
   "videoDescription":{"width":64,"height":36,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":100000}}},
   "audioDescriptions":[%s]}]}]}`, source, strings.Join(descriptions, ","))
}

var integratedPattern = regexp.MustCompile(`I:\s+(-?[\d.]+) LUFS`)

// loudnessOf measures a file's integrated loudness and true peak.
func loudnessOf(t *testing.T, file string) (lufs, peak float64) {
	t.Helper()
	out := tool(t, "ffmpeg", "-nostdin", "-hide_banner", "-i", file, "-map", "0:a:0", "-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-")
	m := integratedPattern.FindAllStringSubmatch(out, -1)
	p := regexp.MustCompile(`Peak:\s+(-?[\d.]+) dBFS`).FindAllStringSubmatch(out, -1)
	if len(m) == 0 || len(p) == 0 {
		t.Fatalf("no loudness in %s", out)
	}
	lufs, _ = strconv.ParseFloat(m[len(m)-1][1], 64)
	peak, _ = strconv.ParseFloat(p[len(p)-1][1], 64)
	return lufs, peak
}

// TestLoudnessIsCorrected makes sounds of other loudness than was asked for, with a
// silence that gating leaves out and peaks that a gain alone would clip, and measures
// what was published.
func TestLoudnessIsCorrected(t *testing.T) {
	dir := t.TempDir()
	noise := func(name, expr string) string {
		file := filepath.Join(dir, name)
		tool(t, "ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x36:duration=8:rate=25", "-f", "lavfi", "-i", "aevalsrc=exprs="+expr+":s=48000:d=8",
			"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le", file)
		return file
	}
	quiet := noise("quiet.mov", "0.02*sin(2*PI*400*t)+0.01*sin(2*PI*1100*t)|0.02*sin(2*PI*300*t)")
	// A click every half second, twenty times as loud as what is around it.
	peaks := noise("peaks.mov", `(0.04+0.76*lt(mod(t\,0.5)\,0.003))*sin(2*PI*997*t)`)
	paused := noise("paused.mov", `0.3*sin(2*PI*500*t)*gt(t\,4)|0.3*sin(2*PI*700*t)*gt(t\,4)`)
	for _, tt := range []struct {
		name, file, settings string
		lufs, ceiling        float64
	}{
		{"the default target", quiet, `{"algorithm":"ITU_BS_1770_3","algorithmControl":"CORRECT_AUDIO"}`, -23, 0},
		{"another target", quiet, `{"algorithm":"ITU_BS_1770_4","targetLkfs":-16}`, -16, 0},
		{"limited", peaks, `{"algorithm":"ITU_BS_1770_2","targetLkfs":-18,"truePeakLimiterThreshold":-6}`, -18, -6},
		{"turned down", paused, `{"algorithm":"ITU_BS_1770_2","targetLkfs":-31}`, -31, 0},
		// Half is silence: without a gate the whole is 3 dB quieter than its louder half.
		{"ungated", paused, `{"algorithm":"ITU_BS_1770_1"}`, -21, 0},
		{"measured only", quiet, `{"algorithm":"ITU_BS_1770_3","algorithmControl":"MEASURE_ONLY"}`, -34.1, 0},
		{"below the gate", quiet, `{"algorithm":"ITU_BS_1770_3","correctionGateLevel":-30}`, -34.1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := soundJob(t, map[string]string{"clip.mov": tt.file}, movieOf("clip.mov", `{"audioNormalizationSettings":`+tt.settings+
				`,"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":256000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}`))
			lufs, peak := loudnessOf(t, filepath.Join(root, "movie.mp4"))
			if lufs < tt.lufs-0.5 || lufs > tt.lufs+0.5 {
				t.Errorf("it has %.1f LUFS, wanted %.1f", lufs, tt.lufs)
			}
			if peak > tt.ceiling+0.5 { // the codec's own
				t.Errorf("its true peak is %.1f dB, above %.1f", peak, tt.ceiling)
			}
		})
	}
}

// bilingual is a clip of a picture and two tracks: English at 500 Hz, French at
// 900 Hz in 5.1.
func bilingual(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clip.mov")
	tool(t, "ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x36:duration=7:rate=25",
		"-f", "lavfi", "-i", "aevalsrc=0.4*sin(2*PI*500*t)|0.4*sin(2*PI*500*t):s=48000:d=7",
		"-f", "lavfi", "-i", "aevalsrc=0.4*sin(2*PI*900*t)|0.4*sin(2*PI*900*t)|0|0|0|0:s=44100:d=7:c=5.1",
		"-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra", file)
	return file
}

// hertz is the frequency of a file's left channel and how many seconds it has.
func hertz(t *testing.T, args ...string) (hz, seconds float64) {
	t.Helper()
	cmd := exec.Command("ffmpeg", append(append([]string{"-v", "error", "-nostdin"}, args...), "-af", "pan=mono|c0=c0", "-ar", "48000", "-f", "s16le", "-")...)
	var errs strings.Builder
	cmd.Stderr = &errs
	raw, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("decode %q: %v\n%s", args, err, errs.String())
	}
	crossings, n := 0, len(raw)/2
	last := int16(0)
	for i := range n {
		v := int16(raw[2*i]) | int16(raw[2*i+1])<<8
		if last < 0 && v >= 0 {
			crossings++
		}
		last = v
	}
	seconds = float64(n) / 48000
	return float64(crossings) / seconds, seconds
}

const aacOf = `{"audioSourceName":"%s","streamName":"%s","codecSettings":{"codec":"AAC","aacSettings":{"bitrate":%d,"codingMode":"CODING_MODE_%s","sampleRate":48000}}}`

// TestAudioRenditions makes a group of pictures without sound and renditions of
// every kind, and reads them as a player does: the right sound in each, for as long
// as the picture, and a playlist that says what they are.
func TestAudioRenditions(t *testing.T) {
	english, french := fmt.Sprintf(aacOf, "Audio Selector 1", "", 96000, "2_0"), fmt.Sprintf(aacOf, "Audio Selector 2", "Français", 256000, "5_1")
	video := `"videoDescription":{"width":64,"height":36,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":100000,"gopSize":1,"gopSizeUnits":"SECONDS"}}}`
	output := func(modifier, set, rest string) string {
		return fmt.Sprintf(`{"nameModifier":"%s","containerSettings":{"container":"M3U8"},"outputSettings":{"hlsSettings":{%s}},%s}`, modifier, set, rest)
	}
	settings := func(control string) string {
		return `{"inputs":[{"fileInput":"s3://in/clip.mov","audioSelectors":{"Audio Selector 1":{"tracks":[1]},"Audio Selector 2":{"tracks":[2]}}}],"outputGroups":[
 {"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/a/b","segmentLength":2,"minSegmentLength":0,"segmentControl":"` + control + `",
 "additionalManifests":[{"manifestNameModifier":"-light","selectedOutputs":["_v","_en"]}]}},"outputs":[` + strings.Join([]string{
			output("_en", `"audioGroupId":"stereo","audioTrackType":"ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT"`, `"audioDescriptions":[`+english+`]`),
			output("_v", `"audioRenditionSets":"stereo, surround, nothing"`, video),
			output("_fr", `"audioGroupId":"stereo","audioTrackType":"ALTERNATE_AUDIO_AUTO_SELECT","descriptiveVideoServiceFlag":"FLAG"`, `"audioDescriptions":[`+french+`]`),
			output("_ts", `"audioGroupId":"surround","audioOnlyContainer":"M2TS","audioTrackType":"ALTERNATE_AUDIO_NOT_AUTO_SELECT"`, `"audioDescriptions":[`+french+`]`),
			output("_only", `"audioGroupId":"stereo","audioTrackType":"AUDIO_ONLY_VARIANT_STREAM"`, `"audioDescriptions":[`+english+`]`),
		}, ",") + `]},
 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/a/file"}},"outputs":[
  {"containerSettings":{"container":"MP4"},"extension":"m4a","audioDescriptions":[` + english + `,` + french + `]},
  {"containerSettings":{"container":"RAW"},"audioDescriptions":[` + strings.Replace(french, `{`, `{"audioNormalizationSettings":{"algorithm":"ITU_BS_1770_3","algorithmControl":"MEASURE_ONLY","loudnessLogging":"LOG","peakCalculation":"TRUE_PEAK"},`, 1) + `]}]}]}`
	}
	source := bilingual(t)
	for _, control := range []string{"SEGMENTED_FILES", "SINGLE_FILE"} {
		t.Run(control, func(t *testing.T) {
			t.Parallel()
			root := soundJob(t, map[string]string{"clip.mov": source}, settings(control))
			for file, want := range map[string]float64{"b_en.m3u8": 500, "b_fr.m3u8": 900, "b_ts.m3u8": 900, "b_only.m3u8": 500, "file.m4a": 500, "file.aac": 900} {
				got, seconds := hertz(t, "-i", filepath.Join(root, "a", file))
				if got < want-3 || got > want+3 || seconds < 7-0.03 || seconds > 7+0.05 {
					t.Errorf("%s has %.1f Hz for %.3f s, wanted %.0f for 7", file, got, seconds, want)
				}
			}
			if got, _ := hertz(t, "-i", filepath.Join(root, "a", "file.m4a"), "-map", "0:a:1"); got < 897 || got > 903 {
				t.Errorf("the second track of the file has %.1f Hz", got)
			}
			streams := tool(t, "ffprobe", "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", filepath.Join(root, "a", "b_v.m3u8"))
			if !strings.Contains(streams, "video") || strings.Contains(streams, "audio") {
				t.Errorf("the video's output has %q", streams)
			}
			// A player that opens the multivariant playlist finds sound and picture at one time.
			starts := tool(t, "ffprobe", "-v", "error", "-show_entries", "stream=start_time", "-of", "csv=p=0", filepath.Join(root, "a", "b.m3u8"))
			for _, s := range strings.Fields(starts) {
				if at, err := strconv.ParseFloat(strings.Trim(s, ","), 64); err != nil || at < 2-0.022 || at > 2+0.022 {
					t.Errorf("streams start at %q", starts)
					break
				}
			}
			log, err := os.ReadFile(filepath.Join(root, "a", "file_loudness.csv"))
			if lines := strings.Split(strings.TrimSpace(string(log)), "\r\n"); err != nil || len(lines) != 2 || strings.Count(lines[0], ",") != 6 || !strings.HasPrefix(lines[1], "ITU_BS_1770_3,,-") {
				t.Errorf("the log of the loudness is %q, %v", log, err)
			}
			text, err := os.ReadFile(filepath.Join(root, "a", "b.m3u8"))
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, line := range strings.Split(string(text), "\n") {
				line = regexp.MustCompile(`BANDWIDTH=\d+`).ReplaceAllString(line, "BANDWIDTH=N")
				lines = append(lines, line)
			}
			want := `#EXTM3U
#EXT-X-VERSION:4
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="stereo",NAME="English",LANGUAGE="eng",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="b_en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="stereo",NAME="Français",LANGUAGE="fra",DEFAULT=NO,AUTOSELECT=YES,CHARACTERISTICS="public.accessibility.describes-video",CHANNELS="6",URI="b_fr.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="surround",NAME="Français",LANGUAGE="fra",DEFAULT=NO,AUTOSELECT=NO,CHANNELS="6",URI="b_ts.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=N,AVERAGE-BANDWIDTH=N,CODECS="avc1.CODEC,mp4a.40.2",RESOLUTION=64x36,FRAME-RATE=25.000,AUDIO="stereo"
b_v.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=N,AVERAGE-BANDWIDTH=N,CODECS="avc1.CODEC,mp4a.40.2",RESOLUTION=64x36,FRAME-RATE=25.000,AUDIO="surround"
b_v.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=N,AVERAGE-BANDWIDTH=N,CODECS="mp4a.40.2"
b_only.m3u8
`
			got := regexp.MustCompile(`avc1\.\w+`).ReplaceAllString(strings.Join(lines, "\n"), "avc1.CODEC")
			if got != want {
				t.Errorf("the multivariant playlist is\n%s\nwanted\n%s", got, want)
			}
		})
	}
}

// TestSoundWithNothingBeforeTheClip enters a long source where it has been silent for
// a while, without any packets: that is no reason to lose what comes after. The sound
// is of a file of its own.
func TestSoundWithNothingBeforeTheClip(t *testing.T) {
	dir := t.TempDir()
	clip, dub := filepath.Join(dir, "clip.mkv"), filepath.Join(dir, "dub.mkv")
	tool(t, "ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x36:duration=85:rate=5", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", clip)
	tool(t, "ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", "aevalsrc=0.4*sin(2*PI*700*t)|0.4*sin(2*PI*700*t):s=48000:d=85", "-af", `aselect=not(between(t\,60\,81))`, "-c:a", "pcm_s16le", dub)
	root := soundJob(t, map[string]string{"clip.mkv": clip, "dub.mkv": dub}, `{"inputs":[{"fileInput":"s3://in/clip.mkv","timecodeSource":"ZEROBASED",
  "inputClippings":[{"startTimecode":"00:01:20:00","endTimecode":"00:01:22:04"}],
  "audioSelectors":{"Audio Selector 1":{"externalAudioFileInput":"s3://in/dub.mkv"}}}],"outputGroups":[
 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/sound"}},
  "outputs":[{"containerSettings":{"container":"RAW"},"audioDescriptions":[`+fmt.Sprintf(aacOf, "Audio Selector 1", "", 96000, "2_0")+`]}]}]}`)
	file := filepath.Join(root, "sound.aac")
	for _, tt := range []struct {
		from, to string
		hz       float64
	}{{"0.1", "0.9", 0}, {"1.1", "2.9", 700}} {
		got, _ := hertz(t, "-i", file, "-ss", tt.from, "-to", tt.to)
		if got < tt.hz-5 || got > tt.hz+5 {
			t.Errorf("from %s to %s s it has %.1f Hz, wanted %.0f", tt.from, tt.to, got, tt.hz)
		}
	}
}
