package probe_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/probe"
)

func newProber(t *testing.T) *probe.Prober {
	t.Helper()
	r, err := ffmpeg.New(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return probe.New(r)
}

// generate runs ffmpeg in a folder of its own and returns the path of the file
// that is its last argument.
func generate(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), args[len(args)-1])
	args[len(args)-1] = path
	cmd := exec.Command("ffmpeg", append([]string{"-nostdin", "-v", "error", "-y"}, args...)...)
	cmd.Dir = filepath.Dir(path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %q: %v\n%s", args, err, out)
	}
	return path
}

// decoded returns the times of the frames that plain ffmpeg decodes of a stream,
// read from the start, and their time base.
func decoded(t *testing.T, path string, stream int) ([]int64, media.Rational) {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-nostdin", "-v", "quiet", "-copyts",
		"-skip_loop_filter", "all", "-skip_idct", "all", "-i", "file:"+path, "-map", "0:"+strconv.Itoa(stream),
		"-fps_mode", "passthrough", "-enc_time_base", "-1", "-vf", "scale=16:16:flags=neighbor", "-f", "framemd5", "-")
	out, err := cmd.Output()
	if err != nil {
		t.Logf("plain ffmpeg on %s: %v", path, err)
	}
	var pts []int64
	var tb media.Rational
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "#tb 0: "); ok {
			tb = media.ParseRational(value)
		}
		if fields := strings.Split(lines.Text(), ","); len(fields) == 6 && lines.Text()[0] != '#' {
			n, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			pts = append(pts, n)
		}
	}
	return pts, tb
}

// wantIndex checks that the index of the first video stream is what plain ffmpeg decodes.
func wantIndex(t *testing.T, path, problem string) media.FrameIndex {
	t.Helper()
	p := newProber(t)
	source, err := p.Probe(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if len(source.Video) == 0 {
		t.Fatal("no video")
	}
	began := time.Now()
	index, err := p.Index(t.Context(), path, source.Video[0])
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	want, tb := decoded(t, path, source.Video[0].Index)
	if index.TimeBase != tb {
		t.Errorf("time base %v, want %v", index.TimeBase, tb)
	}
	if index.Problem != problem {
		t.Errorf("problem %q, want %q", index.Problem, problem)
	}
	switch {
	case len(index.PTS) != len(want):
		t.Errorf("%d frames, decoded %d", len(index.PTS), len(want))
	case problem == "" && !slices.Equal(index.PTS, want):
		for i := range want {
			if index.PTS[i] != want[i] {
				t.Errorf("frame %d at %d, decoded at %d", i, index.PTS[i], want[i])
				break
			}
		}
	}
	for i := 1; i < len(index.PTS); i++ {
		if index.PTS[i] <= index.PTS[i-1] {
			t.Errorf("frame %d at %d is not after %d", i, index.PTS[i], index.PTS[i-1])
			break
		}
	}
	if problem == "" && (len(index.Keys) == 0 || !slices.IsSorted(index.Keys) || index.Keys[len(index.Keys)-1] >= len(index.PTS)) {
		t.Errorf("keys %v", index.Keys)
	}
	t.Logf("%d frames, %d keys, %v", len(index.PTS), len(index.Keys), took)
	return index
}

const picture = "testsrc2=s=320x180:r=25:d=4"

// cut removes the beginning of a transport stream, so that it starts in the middle of a GOP.
func cut(t *testing.T, path string, from, to float64) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, b := int(float64(len(data))*from)/188*188, int(float64(len(data))*to)
	out := filepath.Join(t.TempDir(), "cut.ts")
	if err := os.WriteFile(out, data[a:b], 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestIndexIsWhatADecoderShows(t *testing.T) {
	x264 := []string{"-f", "lavfi", "-i", picture, "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2"}
	with := func(more ...string) []string { return slices.Concat(x264, more) }
	ts := func(t *testing.T) string {
		return generate(t, with("-x264-params", "open-gop=1", "src.ts")...)
	}
	for _, c := range []struct {
		name    string
		make    func(t *testing.T) string
		frames  int
		problem string
	}{
		{"mp4 with B-frames", func(t *testing.T) string { return generate(t, with("a.mp4")...) }, 100, ""},
		{"fragmented mp4", func(t *testing.T) string {
			return generate(t, with("-movflags", "frag_keyframe+empty_moov", "a.mp4")...)
		}, 100, ""},
		{"mov", func(t *testing.T) string { return generate(t, with("a.mov")...) }, 100, ""},
		{"mkv", func(t *testing.T) string { return generate(t, with("a.mkv")...) }, 100, ""},
		{"flv", func(t *testing.T) string { return generate(t, with("a.flv")...) }, 100, ""},
		{"open GOP ts", ts, 100, ""},
		{"ts cut in a GOP", func(t *testing.T) string { return cut(t, ts(t), 0.3, 1) }, -1, ""},
		{"ts cut short", func(t *testing.T) string { return cut(t, ts(t), 0, 0.7) }, -1, ""},
		{"ts with a jump back", func(t *testing.T) string {
			a, err := os.ReadFile(ts(t))
			if err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(t.TempDir(), "twice.ts")
			if err := os.WriteFile(out, slices.Concat(a, a), 0o600); err != nil {
				t.Fatal(err)
			}
			return out
		}, 200, "timestamps go back"},
		{"interlaced ts", func(t *testing.T) string {
			return generate(t, with("-flags", "+ilme+ildct", "-x264-params", "tff=1", "a.ts")...)
		}, 100, ""},
		{"intra refresh ts", func(t *testing.T) string {
			return generate(t, with("-x264-params", "intra-refresh=1", "a.ts")...)
		}, 100, ""},
		{"edit list", func(t *testing.T) string {
			return generate(t, "-ss", "1.3", "-i", generate(t, with("a.mp4")...), "-c", "copy", "b.mp4")
		}, -1, ""},
		{"mkv cut after a keyframe", func(t *testing.T) string {
			return generate(t, "-ss", "1.3", "-i", ts(t), "-c", "copy", "b.mkv")
		}, -1, ""},
		{"mp4 that starts in a GOP", func(t *testing.T) string {
			return generate(t, "-i", cut(t, ts(t), 0.3, 1), "-c", "copy", "-copyinkf", "b.mp4")
		}, -1, ""},
		{"start at 20 s", func(t *testing.T) string {
			return generate(t, with("-output_ts_offset", "20", "a.mkv")...)
		}, 100, ""},
		{"variable rate", func(t *testing.T) string {
			return generate(t, with("-vf", "select='not(mod(n*n,7))+not(mod(n,5))'", "-fps_mode", "vfr", "a.mkv")...)
		}, -1, ""},
		{"webm vp8", func(t *testing.T) string {
			return generate(t, "-f", "lavfi", "-i", picture, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "a.webm")
		}, 100, ""},
		{"webm vp8 with hidden frames", hiddenFrames, -1, ""},
		{"webm vp9", func(t *testing.T) string {
			return generate(t, "-f", "lavfi", "-i", picture, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "a.webm")
		}, 100, ""},
		{"hevc open GOP ts", func(t *testing.T) string {
			return generate(t, "-f", "lavfi", "-i", picture, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=25:open-gop=1", "a.ts")
		}, 100, ""},
		{"mpeg2 ts", func(t *testing.T) string {
			return generate(t, "-f", "lavfi", "-i", picture, "-c:v", "mpeg2video", "-bf", "2", "a.ts")
		}, 100, ""},
		{"mpeg2 program stream", func(t *testing.T) string {
			return generate(t, "-f", "lavfi", "-i", picture, "-c:v", "mpeg2video", "-bf", "2", "a.mpg")
		}, 100, "timestamps are missing"},
		{"avi without B-frames", func(t *testing.T) string {
			return generate(t, "-f", "lavfi", "-i", picture, "-c:v", "mpeg4", "a.avi")
		}, 100, ""},
		{"avi with B-frames", func(t *testing.T) string { return generate(t, with("a.avi")...) }, 100, "timestamps are missing"},
		{"raw h264", func(t *testing.T) string { return generate(t, with("a.h264")...) }, 100, "timestamps are missing"},
		{"one frame", func(t *testing.T) string { return generate(t, with("-frames:v", "1", "a.mp4")...) }, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			index := wantIndex(t, c.make(t), c.problem)
			if c.frames >= 0 && len(index.PTS) != c.frames {
				t.Errorf("%d frames, want %d", len(index.PTS), c.frames)
			}
		})
	}
}

// hiddenFrames makes a WebM whose encoder stores reference frames that are never
// shown, and makes sure that it did.
func hiddenFrames(t *testing.T) string {
	dir := t.TempDir()
	input := []string{
		"-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=5,crop=160:90:x='20*sin(t)+40':y='10*t'", "-c:v", "libvpx", "-b:v", "300k", "-auto-alt-ref", "1",
		"-lag-in-frames", "25", "-arnr-maxframes", "7", "-arnr-strength", "5", "-arnr-type", "3", "-deadline", "good", "-cpu-used", "3", "-passlogfile", dir + "/log",
	}
	generate(t, append(slices.Clone(input), "-pass", "1", "first.webm")...)
	path := generate(t, append(slices.Clone(input), "-pass", "2", "second.webm")...)
	out, err := exec.Command("ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := strconv.Atoi(strings.TrimSpace(string(out))); n <= 125 {
		t.Fatalf("%d packets of 125 frames: none is hidden", n)
	}
	return path
}

// TestIndexOfRealFootage compares with clips from cameras, phones and studios that
// are kept beside the checkout, where they are.
func TestIndexOfRealFootage(t *testing.T) {
	// No video; no decoder; and what takes long to decode and is like another.
	left := []string{
		"prop_eac3.ts", "prop_vvc_unsupported.mp4", "prop_long_6min_1080p_lowbitrate.mp4", "prop_8k24_hevc_300ms.mp4",
		"prop_4k60_portrait.mp4", "prop_8mono_audio.mp4", "prop_1080p50_pcm.mov", "prop_nasa_hdr10_hevc.mp4", "prop_phone_320x240_60fps.mp4",
	}
	paths, err := filepath.Glob("../../../shared/media/*_*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if !strings.HasPrefix(name, "real_") && !strings.HasPrefix(name, "prop_") || slices.Contains(left, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantIndex(t, path, "")
		})
	}
}

func TestTimelineBounds(t *testing.T) {
	for _, c := range []struct {
		name string
		vf   string
		tb   string
		says string
	}{
		{"gap of ten hours", "settb=1/1000,setpts='N*40+gt(N\\,2)*36000000'", "1/1000", "gap of 10h0m0s"},
		{"a million frames a second", "settb=1/1000000,setpts='N'", "1/1000000", "more than the 1000 that are allowed"},
		{"a frame a minute", "settb=1/1000,setpts='N*60000'", "1/1000", "only 20"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := 20
			if strings.Contains(c.name, "million") {
				n = 200
			}
			path := generate(t, "-f", "lavfi", "-i", fmt.Sprintf("color=s=64x64:r=25:d=%d,%s", n, c.vf), "-frames:v", strconv.Itoa(n), "-fps_mode", "passthrough", "-enc_time_base", c.tb,
				"-c:v", "libx264", "-preset", "ultrafast", "-video_track_timescale", strings.TrimPrefix(c.tb, "1/"), "a.mp4")
			p := newProber(t)
			source, err := p.Probe(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Index(t.Context(), path, source.Video[0])
			if f := fault.Of(err); err == nil || f.Kind != fault.Limit || !strings.Contains(f.Message, c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}
