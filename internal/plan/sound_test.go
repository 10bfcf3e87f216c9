package plan_test

import (
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"vodwright.dev/vodwright/internal/plan"
)

// withSound is a job that makes one rung and one audio encode.
const withSound = `{"inputs": [{"fileInput": "s3://in/clip", "audioSelectors": {"Audio Selector 1": {"defaultSelection": "DEFAULT"}}}], "outputGroups": [{
	"outputGroupSettings": {"type": "HLS_GROUP_SETTINGS", "hlsGroupSettings": {"destination": "s3://out/", "segmentLength": 2}},
	"outputs": [{"nameModifier": "_v", "containerSettings": {"container": "M3U8"},
		"videoDescription": {"codecSettings": {"codec": "H_264", "h264Settings": {"rateControlMode": "QVBR", "maxBitrate": 1000000}}},
		"audioDescriptions": [{"codecSettings": {"codec": "AAC", "aacSettings": {"bitrate": 128000}}}]}]}]}`

// samplesOf decodes an audio file to mono samples, from its first shown one.
func samplesOf(t *testing.T, file string) []float64 {
	t.Helper()
	raw := ffmpeg(t, "-i", file, "-ac", "1", "-f", "s16le", "-")
	out := make([]float64, len(raw)/2)
	for i := range out {
		out[i] = float64(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768
	}
	return out
}

// beeps returns when sound sets in after silence, in seconds.
func beeps(samples []float64, rate int) []float64 {
	var out []float64
	quiet := rate // samples since the last sound
	for i, s := range samples {
		if math.Abs(s) < 0.1 {
			quiet++
			continue
		}
		if quiet > rate/4 {
			out = append(out, float64(i)/float64(rate))
		}
		quiet = 0
	}
	return out
}

// TestSoundIsWhereThePictureIs makes clips with a beep a second and asks for the
// beeps' times in the encode, counted from the first frame.
func TestSoundIsWhereThePictureIs(t *testing.T) {
	video := []string{"-f", "lavfi", "-i", "testsrc2=size=64x36:duration=6:rate=25"}
	tone := "aevalsrc=exprs=0.7*sin(2*PI*1000*t)*lt(mod(t\\,1)\\,0.05)"
	codecs := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "25"}
	pcm := append(slices.Clone(codecs), "-c:a", "pcm_s16le")
	aac := append(slices.Clone(codecs), "-c:a", "aac")
	every := func(from, step, to float64) (out []float64) {
		for t := from; t < to; t += step {
			out = append(out, t)
		}
		return out
	}
	for _, test := range []struct {
		name, file string
		args       []string
		want       []float64
		warning    int
	}{
		{"in step", "a.mov", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=6:s=48000"}, pcm), every(0, 1, 6), 0},
		{"another sampling rate", "a.mkv", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=6:s=44100"}, pcm), every(0, 1, 6), 0},
		{"AAC with priming", "a.mp4", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=6:s=44100"}, aac), every(0, 1, 6), 0},
		{"AAC in a transport stream", "a.ts", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=6:s=48000"}, aac), every(0, 1, 6), 0},
		{"late", "a.mkv", slices.Concat(video, []string{"-itsoffset", "0.5", "-f", "lavfi", "-i", tone + ":d=6:s=48000"}, pcm), every(0.5, 1, 6), plan.WarnSilenceAdded},
		{"early", "a.ts", slices.Concat([]string{"-itsoffset", "0.4"}, video, []string{"-f", "lavfi", "-i", tone + ":d=7:s=48000"}, codecs, []string{"-c:a", "mp2", "-b:a", "192k"}), every(0.6, 1, 6), plan.WarnAudioDropped},
		{"far from zero", "a.ts", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=6:s=48000"}, codecs, []string{"-c:a", "mp2", "-b:a", "192k", "-output_ts_offset", "5000"}), every(0, 1, 6), 0},
		{"with a hole", "a.mkv", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=6:s=48000"}, []string{"-af", "aselect=not(between(t\\,2.6\\,3.4))"}, pcm), []float64{0, 1, 2, 4, 5}, 0},
		{"by a slow clock", "a.mkv", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=6:s=48000"}, []string{"-af", "asetpts=PTS*1.004"}, pcm), every(0, 1.004, 6), 0},
		{"too short", "a.mkv", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=2.5:s=48000"}, pcm), every(0, 1, 2.5), 0},
		{"too long", "a.mkv", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=9:s=48000"}, pcm), every(0, 1, 6), 0},
		{"5.1", "a.mkv", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=6:s=48000,pan=5.1|FC=c0"}, pcm), every(0, 1, 6), 0},
		{"mono", "a.mkv", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=6:s=8000"}, pcm), every(0, 1, 6), 0},
		{"over before it begins", "a.mkv", slices.Concat(video, []string{"-itsoffset", "20", "-f", "lavfi", "-i", tone + ":d=2:s=48000"}, pcm), nil, 0},
		{"with a leap of an hour", "a.mkv", slices.Concat(video, []string{"-f", "lavfi", "-i", tone + ":d=6:s=48000"}, []string{"-af", "asetpts=PTS+3600/TB*gte(T\\,2.6)"}, pcm), []float64{0, 1, 2}, 0},
		{"none", "a.mkv", slices.Concat(video, codecs), nil, plan.WarnNoAudio},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, test.file)
			ffmpeg(t, append(test.args, file)...)
			p := newPlan(t, withSound, file)
			if test.warning != 0 && !slices.ContainsFunc(p.Warnings, func(w plan.Warning) bool { return w.Code == test.warning }) {
				t.Errorf("no warning %d in %v", test.warning, p.Warnings)
			}
			a := p.Audios[0]
			runPlanned(t, a.Args, file, dir)
			encoded := filepath.Join(dir, a.File)
			packets, _ := packetsOf(t, encoded)
			if n := int64(len(packets)) * 1024; n < a.Samples+a.Priming || n >= a.Samples+a.Priming+2*1024 {
				t.Errorf("%d samples encoded, want %d and %d of priming", n, a.Samples, a.Priming)
			}
			if a.Samples != 6*48000 {
				t.Errorf("%d samples planned, want %d", a.Samples, 6*48000)
			}
			got := beeps(samplesOf(t, encoded), a.SampleRate)
			if len(got) != len(test.want) {
				t.Fatalf("beeps at %.3f, want %.3f", got, test.want)
			}
			for i := range got {
				if math.Abs(got[i]-test.want[i]) > 0.016 {
					t.Errorf("beeps at %.3f, want %.3f", got, test.want)
					break
				}
			}
		})
	}
}
