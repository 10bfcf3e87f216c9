package plan_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/plan"
)

// packet is a coded frame as ffprobe shows it.
type packet struct {
	PTS, DTS, Size int64
	Key            bool
}

func packetsOf(t *testing.T, file string) (packets []packet, extradata string) {
	t.Helper()
	var doc struct {
		Packets []struct {
			PTS   int64  `json:"pts"`
			DTS   int64  `json:"dts"`
			Size  string `json:"size"`
			Flags string `json:"flags"`
		} `json:"packets"`
		Streams []struct {
			Extradata string `json:"extradata"`
		} `json:"streams"`
	}
	out := run(t, "ffprobe", "-v", "error", "-show_data", "-show_entries", "packet=pts,dts,size,flags:stream=extradata", "-of", "json", file)
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	for _, p := range doc.Packets {
		size, _ := strconv.ParseInt(p.Size, 10, 64)
		packets = append(packets, packet{p.PTS, p.DTS, size, strings.Contains(p.Flags, "K")})
	}
	return packets, doc.Streams[0].Extradata
}

// encode runs every chunk of a ladder and returns where they are.
func encode(t *testing.T, ladder plan.Ladder, file string) []string {
	t.Helper()
	var dirs []string
	for _, c := range ladder.Chunks {
		dir := t.TempDir()
		runPlanned(t, c.Args, file, dir)
		dirs = append(dirs, dir)
	}
	return dirs
}

// TestRungs encodes a ladder whose rungs differ in all that may differ and checks
// what segments need: frames, keyframes, one set of parameters, the bit budget.
func TestRungs(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.mp4")
	// Noise, which no cap is large enough for, after a quiet beginning.
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=192x108:duration=9:rate=24", "-vf", "noise=alls=60:allf=t:enable=gt(t\\,2)", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "10", "-g", "48", "-pix_fmt", "yuv420p", file)
	h264 := func(more string) string {
		return `"codecSettings": {"codec": "H_264", "h264Settings": {` + more + `}}`
	}
	output := func(name, more string) string {
		return `{"nameModifier": "` + name + `", "containerSettings": {"container": "M3U8"}, "videoDescription": {` + more + `}}`
	}
	settings := `{"inputs": [{"fileInput": "s3://in/clip"}], "outputGroups": [{"outputGroupSettings": {"type": "HLS_GROUP_SETTINGS", "hlsGroupSettings": {"destination": "s3://out/a", "segmentLength": 2}}, "outputs": [` +
		strings.Join([]string{
			output("_a", `"width": 192, "height": 108, `+h264(`"rateControlMode": "QVBR", "maxBitrate": 300000, "gopSize": 1, "gopSizeUnits": "SECONDS", "qualityTuningLevel": "SINGLE_PASS"`)),
			output("_b", `"width": 128, `+h264(`"rateControlMode": "CBR", "bitrate": 150000, "hrdBufferSize": 150000, "gopSize": 90, "codecProfile": "HIGH", "gopBReference": "ENABLED"`)),
			output("_c", `"height": 48, `+h264(`"rateControlMode": "VBR", "bitrate": 80000, "maxBitrate": 120000, "codecProfile": "BASELINE", "gopSize": 7, "gopSizeUnits": "FRAMES"`)),
		}, ",") + `]}]}`
	ladder := newPlan(t, settings, file).Ladders[0]
	if len(ladder.Chunks) < 2 {
		t.Fatalf("%d chunks: the edges are not tested", len(ladder.Chunks))
	}
	dirs := encode(t, ladder, file)
	gops := []int64{24, 48, 7}
	for r, rung := range ladder.Rungs {
		var all []packet
		parameters := ""
		for c, chunk := range ladder.Chunks {
			packets, extradata := packetsOf(t, filepath.Join(dirs[c], rung.File))
			if int64(len(packets)) != chunk.To-chunk.From {
				t.Errorf("rung %d chunk %d has %d frames, not %d", r, c, len(packets), chunk.To-chunk.From)
			}
			if parameters == "" {
				parameters = extradata
			} else if parameters != extradata {
				t.Errorf("rung %d chunk %d has other parameter sets:\n%s\n%s", r, c, extradata, parameters)
			}
			var keys, want []int64
			shown := map[int64]bool{}
			for _, p := range packets {
				shown[p.PTS*ladder.Timeline.FrameRate.Den] = true
				if p.Key {
					keys = append(keys, p.PTS)
				}
			}
			for s := range ladder.Timeline.Segments() {
				from, to := ladder.Timeline.Segment(s)
				if from < chunk.From || from >= chunk.To {
					continue
				}
				for k := from; k < to; k += gops[r] {
					want = append(want, k-chunk.From)
				}
			}
			slices.Sort(keys)
			if !slices.Equal(keys, want) {
				t.Errorf("rung %d chunk %d has keyframes %v, not %v", r, c, keys, want)
			}
			for k := range chunk.To - chunk.From {
				if !shown[k] {
					t.Errorf("rung %d chunk %d: frame %d has no timestamp of its own", r, c, k)
				}
			}
			all = append(all, packets...)
		}
		// No window of frames has more bits than the cap and the buffer allow.
		perFrame := float64(rung.MaxBitrate) / ladder.Timeline.FrameRate.Float()
		worst := 0.0
		for i := range all {
			bits := 0.0
			for j := i; j < len(all); j++ {
				bits += float64(all[j].Size * 8)
				worst = max(worst, bits-perFrame*float64(j-i+1)-float64(rung.BufferBits))
			}
		}
		if worst > 0.02*float64(rung.BufferBits) {
			t.Errorf("rung %d: a window has %.0f bits more than cap and buffer of %d allow", r, worst, rung.BufferBits)
		}
	}
	if got := fmt.Sprint(ladder.Rungs[1].Width, ladder.Rungs[1].Height, ladder.Rungs[2].Width, ladder.Rungs[2].Height); got != "128 72 86 48" {
		t.Errorf("derived sizes %s, want 128 72 86 48", got)
	}
}

// TestSharedEncodes: what is the same is encoded once, whoever asks for it.
func TestSharedEncodes(t *testing.T) {
	job, ok := shared("walkthrough/job.json")
	if !ok {
		t.Skip("no ../shared/walkthrough")
	}
	b, err := os.ReadFile(job)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(plan.Input{Settings: parse(t, string(b)), Files: []plan.Footage{{Source: sourceFacts("720p24"), Index: steadyIndex(24*52, 24, 240)}}, JobStart: jobStart})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Ladders) != 1 || len(p.Ladders[0].Rungs) != 3 || len(p.Audios) != 1 {
		t.Errorf("%d ladders, %d rungs, %d audio encodes; want 1, 3, 1", len(p.Ladders), len(p.Ladders[0].Rungs), len(p.Audios))
	}
	movie, captures := p.Groups[1].Outputs[0], p.Groups[2].Outputs[0]
	if movie.Rung != p.Groups[0].Outputs[2].Rung || !slices.Equal(movie.Audios, []int{0}) || movie.Key != "assets/VANLIFE/MP4/VANLIFE.mp4" {
		t.Errorf("the MP4 output is %+v", movie)
	}
	if captures.Key != "assets/VANLIFE/Thumbnails/VANLIFE.0000010.jpg" || len(captures.Captures) != 11 {
		t.Errorf("the capture output is %+v", captures)
	}
}
