package plan_test

import (
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/plan"
)

// sameSize is a job whose output has the source's size and rate, in segments of
// one second: nothing but the choice of frames is between source and encoder.
const sameSize = `{"inputs": [{"fileInput": "s3://in/clip"}], "outputGroups": [{
	"outputGroupSettings": {"type": "HLS_GROUP_SETTINGS", "hlsGroupSettings": {"destination": "s3://out/", "segmentLength": 1}},
	"outputs": [{"nameModifier": "_v", "containerSettings": {"container": "M3U8"}, "videoDescription": {"codecSettings": {"codec": "H_264",
		"h264Settings": {"rateControlMode": "QVBR", "maxBitrate": 1000000}}}}]}]}`

// withoutEncoder replaces the encoders of a chunk's process by checksums of the
// frames that they would have been given.
func withoutEncoder(args []string) []string {
	var out []string
	for len(args) > 0 {
		n := len(args)
		if i := slices.Index(args[1:], "-map"); i >= 0 {
			n = i + 1
		}
		part := args[:n]
		args = args[n:]
		if last := part[len(part)-1]; part[0] == "-map" && strings.HasSuffix(last, ".mp4") {
			part = []string{"-map", part[1], "-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "framemd5", last}
		}
		out = append(out, part...)
	}
	return out
}

// withoutEncoderRaw replaces the encoders by the frames that they would have been given.
func withoutEncoderRaw(args []string) []string {
	args = withoutEncoder(args)
	for i, a := range args {
		if a == "framemd5" {
			args[i] = "rawvideo"
		}
	}
	return args
}

// sums returns the frames of a framemd5 file, by checksum. Encoders get them one a
// tick of their clock.
func sums(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if pts := strings.TrimSpace(strings.Split(line, ",")[2]); pts != strconv.Itoa(n) {
			t.Errorf("%s: frame %d comes at tick %s", filepath.Base(file), n, pts)
			break
		}
		n++
	}
	return sumsOf(b)
}

func sumsOf(b []byte) []string {
	var out []string
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "#") {
			out = append(out, strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:]))
		}
	}
	return out
}

// inChunks runs every chunk of the plan's first ladder up to its encoders and
// returns the frames they are given, of rung 0, one chunk after the other. It
// checks that each chunk has the frames that it promises.
func inChunks(t *testing.T, p *plan.Plan, file string) []string {
	t.Helper()
	var all []string
	for i, c := range p.Ladders[0].Chunks {
		dir := t.TempDir()
		runPlanned(t, withoutEncoder(c.Args), file, dir)
		got := sums(t, filepath.Join(dir, "r0.mp4"))
		if int64(len(got)) != c.To-c.From {
			t.Errorf("chunk %d has %d frames, not %d", i, len(got), c.To-c.From)
		}
		all = append(all, got...)
		trace, err := os.Stat(filepath.Join(dir, plan.DecodedFile))
		if err != nil {
			t.Fatal(err)
		}
		if n := trace.Size() / plan.DecodedFrameBytes; n != c.SourceFrames {
			t.Errorf("chunk %d (frames %d to %d) used %d frames of the source, not %d", i, c.From, c.To, n, c.SourceFrames)
		}
	}
	return all
}

// onePass returns the frames that a decoder makes of a file from its start.
func onePass(t *testing.T, file string) []string {
	t.Helper()
	return sumsOf(ffmpeg(t, "-copyts", "-noautorotate", "-i", file, "-map", "0:v:0", "-vf", "scale=out_range=tv,format=yuv420p", "-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "framemd5", "-"))
}

func differ(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	t.Errorf("%d frames, want %d; the first difference is at frame %d", len(got), len(want), at)
}

func rational(s string) media.Rational { return media.ParseRational(s) }

// TestChunksHaveTheFramesOfOnePass is the promise on which everything rests:
// frames of a steady source come out of the chunks' decoders one to one.
func TestChunksHaveTheFramesOfOnePass(t *testing.T) {
	x264 := func(params string) []string {
		return []string{"-c:v", "libx264", "-preset", "ultrafast", "-x264-params", params}
	}
	gops := "keyint=60:min-keyint=10:bframes=3:b-adapt=0:b-pyramid=normal"
	open := gops + ":open-gop=1:ref=4:bframes=5"
	for _, test := range []struct {
		name, rate, file string
		codec            []string
	}{
		{"mp4 with B-frames", "25", "a.mp4", x264(gops)},
		{"mp4 with open GOPs", "30000/1001", "a.mp4", x264(open)},
		{"mp4 in fragments", "25", "a.mp4", append(x264(gops), "-movflags", "frag_keyframe+empty_moov")},
		{"matroska in milliseconds", "24000/1001", "a.mkv", x264(gops)},
		{"matroska with open GOPs", "50", "a.mkv", x264(open)},
		{"webm", "30000/1001", "a.webm", []string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "70", "-auto-alt-ref", "1", "-lag-in-frames", "10", "-b:v", "200k"}},
		{"transport stream with open GOPs", "30000/1001", "a.ts", x264(open)},
		{"transport stream that starts late", "60000/1001", "a.ts", append(x264(gops), "-output_ts_offset", "40000")},
		{"transport stream of MPEG-2", "25", "a.ts", []string{"-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-b:v", "800k"}},
		{"12.5 frames a second", "25/2", "a.mp4", x264(gops)},
		{"an odd rate", "179/6", "a.mp4", x264(gops)},
		{"an odd rate in milliseconds", "179/6", "a.mkv", x264(gops)},
		{"hevc with open GOPs", "25", "a.mp4", []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=50:min-keyint=50:open-gop=1:bframes=4"}},
		{"flash video", "25", "a.flv", x264(gops)},
		{"avi", "25", "a.avi", []string{"-c:v", "mpeg4", "-g", "40", "-b:v", "500k"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), test.file)
			ffmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", "testsrc2=size=96x54:duration=13:rate=" + test.rate, "-pix_fmt", "yuv420p"}, test.codec, []string{file})...)
			p := newPlan(t, sameSize, file)
			ladder := p.Ladders[0]
			want := onePass(t, file)
			if ladder.Timeline.FrameRate != rational(test.rate) {
				t.Errorf("frame rate %v, want %s", ladder.Timeline.FrameRate, test.rate)
			}
			if len(ladder.Chunks) < 3 {
				t.Errorf("%d chunks: the edges are not tested", len(ladder.Chunks))
			}
			if len(p.Warnings) > 0 {
				t.Errorf("warnings of a clean source: %v", p.Warnings)
			}
			differ(t, inChunks(t, p, file), want)
		})
	}
}

// onGrid returns which frames a constant rate shows of frames with given times,
// counted from the first: in slot k the last one that rounds to k or before.
func onGrid(t *testing.T, frames []string, pts []int64, base media.Rational, timeline plan.Timeline) []string {
	t.Helper()
	if len(frames) != len(pts) {
		t.Fatalf("%d frames decoded, %d in the index", len(frames), len(pts))
	}
	out := make([]string, timeline.Frames)
	ticks := new(big.Rat).Mul(big.NewRat(base.Num, base.Den), big.NewRat(timeline.FrameRate.Num, timeline.FrameRate.Den)) // slots a tick
	slot := func(pts int64) float64 {                                                                                     // exact, ties up
		r := new(big.Rat).Mul(ticks, new(big.Rat).SetInt64(2*pts))
		r.Add(r, big.NewRat(1, 1)).Quo(r, big.NewRat(2, 1))
		n, _ := new(big.Float).SetInt(new(big.Int).Div(r.Num(), r.Denom())).Float64()
		return n
	}
	next, shown := 0, ""
	for k := range out {
		for next < len(pts) && slot(pts[next]-pts[0]) <= float64(k) {
			shown = frames[next]
			next++
		}
		out[k] = shown
	}
	return out
}

// TestIrregularSources puts what is not one to one on a grid, in chunks, and
// compares with the definition of that grid.
func TestIrregularSources(t *testing.T) {
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "keyint=60:bframes=3:b-adapt=0:b-pyramid=normal"}
	source := func(rate string, more ...string) []string {
		return append([]string{"-f", "lavfi", "-i", "testsrc2=size=128x72:duration=13:rate=" + rate + ",format=yuv420p"}, more...)
	}
	for _, test := range []struct {
		name, file string
		make       []string
		rate       string // the grid expected
		settings   string
		warning    int
		chunks     int // at least; 0 is 3
	}{
		{
			name: "a phone's variable rate", file: "a.mp4", rate: "30/1", warning: plan.WarnVariableRate,
			// Thirty a second with jitter of a third of a frame, and one in six frames missing.
			make: source("30", slices.Concat([]string{"-vf", "select=gt(mod(n*n\\,7)\\,0),settb=1/600,setpts=PTS+2*sin(N*1.7)", "-fps_mode", "vfr", "-enc_time_base", "1/600"}, x264)...),
		},
		{
			name: "lost frames", file: "a.mkv", rate: "25/1", warning: plan.WarnFramesRepeated,
			make: source("25", slices.Concat([]string{"-vf", "select=not(between(n\\,99\\,103)+eq(n\\,151)+between(n\\,220\\,240))", "-fps_mode", "vfr"}, x264)...),
		},
		{
			name: "a slide show", file: "a.mp4", rate: "10/1", warning: plan.WarnVariableRate,
			make: source("1/3", append([]string{"-g", "1"}, x264...)...),
		},
		{
			name: "more frames asked for", file: "a.mp4", rate: "30000/1001",
			make:     source("24000/1001", x264...),
			settings: strings.Replace(sameSize, `"maxBitrate"`, `"framerateControl": "SPECIFIED", "framerateNumerator": 30000, "framerateDenominator": 1001, "maxBitrate"`, 1),
		},
		{
			name: "fewer frames asked for", file: "a.ts", rate: "25/1",
			make:     source("60", x264...),
			settings: strings.Replace(sameSize, `"maxBitrate"`, `"framerateControl": "SPECIFIED", "framerateNumerator": 25, "framerateDenominator": 1, "maxBitrate"`, 1),
		},
		{
			name: "high speed", file: "a.mp4", rate: "120/1", warning: plan.WarnFrameRate, chunks: 1,
			make: source("240", append([]string{"-t", "2"}, x264...)...),
		},
		{
			name: "a program stream with few timestamps", file: "a.mpg", rate: "25/1", warning: plan.WarnOnePiece, chunks: 1,
			make: source("25", "-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-b:v", "800k"),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), test.file)
			ffmpeg(t, append(test.make, file)...)
			if test.settings == "" {
				test.settings = sameSize
			}
			p := newPlan(t, test.settings, file)
			timeline := p.Ladders[0].Timeline
			if timeline.FrameRate != rational(test.rate) {
				t.Errorf("frame rate %v, want %s", timeline.FrameRate, test.rate)
			}
			if n := len(p.Ladders[0].Chunks); n < max(test.chunks, 3) && test.chunks == 0 {
				t.Errorf("%d chunks: the edges are not tested", n)
			}
			if test.warning != 0 && !slices.ContainsFunc(p.Warnings, func(w plan.Warning) bool { return w.Code == test.warning }) {
				t.Errorf("no warning %d in %v", test.warning, p.Warnings)
			}
			_, ix := look(t, file)
			differ(t, inChunks(t, p, file), onGrid(t, onePass(t, file), ix.PTS, ix.TimeBase, timeline))
		})
	}
}
