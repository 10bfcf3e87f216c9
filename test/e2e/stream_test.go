package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/clip"
)

// stream is an HLS stream fetched into a folder: what a player would have.
type stream struct {
	dir      string
	variants []variant
}

type variant struct {
	playlist      string // local path
	width, height int
	attributes    string
	segments      []segment
}

type segment struct {
	path    string
	seconds float64
}

// fetchStream downloads a multivariant playlist and all that it names.
func fetchStream(t *testing.T, url string) stream {
	t.Helper()
	s := stream{dir: t.TempDir()}
	base := url[:strings.LastIndexByte(url, '/')+1]
	save := func(name string) string {
		data := download(t, base+name)
		at := filepath.Join(s.dir, filepath.FromSlash(path.Clean("/"+name)))
		if err := os.WriteFile(at, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	return readStream(t, save(path.Base(url)), save)
}

// readStream parses a multivariant playlist; get makes each named file local.
func readStream(t *testing.T, multivariant string, get func(name string) string) stream {
	t.Helper()
	s := stream{dir: filepath.Dir(multivariant)}
	lines := readLines(t, multivariant)
	resolution := regexp.MustCompile(`RESOLUTION=(\d+)x(\d+)`)
	for i, line := range lines {
		if !strings.HasPrefix(line, "#EXT-X-STREAM-INF:") {
			continue
		}
		v := variant{attributes: line, playlist: get(lines[i+1])}
		if m := resolution.FindStringSubmatch(line); m != nil {
			v.width, _ = strconv.Atoi(m[1])
			v.height, _ = strconv.Atoi(m[2])
		}
		var seconds float64
		for _, l := range readLines(t, v.playlist) {
			if after, ok := strings.CutPrefix(l, "#EXTINF:"); ok {
				seconds, _ = strconv.ParseFloat(strings.TrimSuffix(strings.SplitN(after, ",", 2)[0], ","), 64)
			} else if l != "" && l[0] != '#' {
				v.segments = append(v.segments, segment{path: get(l), seconds: seconds})
			}
		}
		s.variants = append(s.variants, v)
	}
	if len(s.variants) == 0 {
		t.Fatalf("no variants in %s:\n%s", multivariant, strings.Join(lines, "\n"))
	}
	return s
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// checkShape asserts what every stream of ours promises, whatever its picture:
// aligned rungs, an IDR first in each segment, EXTINF true, continuous time, and
// a whole-stream decode without a warning. It returns the frames of each rung.
func checkShape(t *testing.T, s stream) (frames int) {
	t.Helper()
	first0 := make([][]packet, len(s.variants[0].segments)) // of variant 0, to compare the others with
	for vi, v := range s.variants {
		for _, attribute := range []string{"BANDWIDTH=", "AVERAGE-BANDWIDTH=", "CODECS=", "RESOLUTION=", "FRAME-RATE="} {
			if !strings.Contains(v.attributes, attribute) {
				t.Errorf("variant %d lacks %s: %s", vi, attribute, v.attributes)
			}
		}
		if len(v.segments) != len(s.variants[0].segments) {
			t.Fatalf("variant %d has %d segments, variant 0 has %d", vi, len(v.segments), len(s.variants[0].segments))
		}
		var whole bytes.Buffer
		total := 0
		next := math.NaN()
		for si, seg := range v.segments {
			data, err := os.ReadFile(seg.path)
			if err != nil {
				t.Fatal(err)
			}
			whole.Write(data)
			packets := probePackets(t, seg.path)
			if len(packets) == 0 || !packets[0].key {
				t.Fatalf("variant %d segment %d does not begin with a keyframe", vi, si)
			}
			first, last := packets[0].pts, packets[0].pts
			for _, p := range packets {
				first, last = min(first, p.pts), max(last, p.pts)
			}
			if packets[0].pts != first {
				t.Errorf("variant %d segment %d: its first picture in decoding order is shown at %.3f, after %.3f", vi, si, packets[0].pts, first)
			}
			frame := (last - first) / float64(max(len(packets)-1, 1))
			if len(packets) > 1 {
				if real := last - first + frame; math.Abs(real-seg.seconds) > 0.5 || s.exact() && math.Abs(real-seg.seconds) > 0.002 {
					t.Errorf("variant %d segment %d: EXTINF %.5f, but its pictures last %.5f", vi, si, seg.seconds, real)
				}
			}
			if !math.IsNaN(next) && len(packets) > 1 && math.Abs(first-next) > 0.002 {
				t.Errorf("variant %d segment %d begins at %.4f, the one before ended at %.4f", vi, si, first, next)
			}
			if vi == 0 {
				first0[si] = packets
			} else {
				other := first0[si]
				if len(other) != len(packets) || math.Abs(other[0].pts-packets[0].pts) > 1e-6 {
					t.Errorf("segment %d: variant %d has %d frames from %.4f, variant 0 %d from %.4f", si, vi, len(packets), packets[0].pts, len(other), other[0].pts)
				}
			}
			next = last + frame
			total += len(packets)
		}
		if vi > 0 && total != frames {
			t.Errorf("variant %d has %d frames, variant 0 has %d", vi, total, frames)
		}
		frames = total
		at := filepath.Join(s.dir, fmt.Sprintf("whole-%d.ts", vi))
		if err := os.WriteFile(at, whole.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, complaints := runFFmpeg(t, "ffmpeg", "-i", at, "-f", "null", "-"); len(complaints) > 0 {
			t.Errorf("decoding variant %d: %s", vi, complaints)
		}
	}
	return frames
}

// exact reports whether EXTINF has decimals.
func (s stream) exact() bool {
	for _, seg := range s.variants[0].segments {
		if seg.seconds != math.Trunc(seg.seconds) {
			return true
		}
	}
	return false
}

type packet struct {
	pts float64
	key bool
}

func probePackets(t *testing.T, file string) []packet {
	t.Helper()
	out, _ := runFFmpeg(t, "ffprobe", "-select_streams", "v:0", "-show_entries", "packet=pts_time,flags", "-of", "json", file)
	var doc struct {
		Packets []struct {
			PTS   string `json:"pts_time"`
			Flags string `json:"flags"`
		} `json:"packets"`
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	packets := make([]packet, len(doc.Packets))
	for i, p := range doc.Packets {
		packets[i].pts, _ = strconv.ParseFloat(p.PTS, 64)
		packets[i].key = strings.HasPrefix(p.Flags, "K")
	}
	return packets
}

// counters decodes a file and returns the frame numbers burnt into its pictures.
func counters(t *testing.T, file string) []int64 {
	t.Helper()
	gray, _ := runFFmpeg(t, "ffmpeg", "-i", file, "-map", "0:v:0", "-vf", clip.CounterFilter, "-fps_mode", "passthrough", "-f", "rawvideo", "-")
	out := make([]int64, 0, len(gray)/clip.Bits)
	for i := 0; i+clip.Bits <= len(gray); i += clip.Bits {
		out = append(out, clip.ReadCounter(gray[i:i+clip.Bits]))
	}
	return out
}

// expectCounting asserts frames 0, 1, 2 … total-1, in order, each once.
func expectCounting(t *testing.T, name string, got []int64, total int64) {
	t.Helper()
	if int64(len(got)) != total {
		t.Errorf("%s: %d frames, want %d", name, len(got), total)
	}
	for i, n := range got {
		if n != int64(i) {
			t.Errorf("%s: frame %d shows %d", name, i, n)
			return
		}
	}
}

// offsets returns how much later than its flash each beep begins, in seconds.
func offsets(t *testing.T, file string) []float64 {
	t.Helper()
	light, _ := runFFmpeg(t, "ffprobe", "-f", "lavfi", "-show_entries", "frame=pts_time:frame_tags=lavfi.signalstats.YAVG", "-of", "csv=p=0",
		"movie="+file+",crop=iw/2:ih/4:iw/4:ih/2,signalstats")
	var flashes []float64
	wasWhite := false
	for _, line := range strings.Fields(string(light)) {
		pts, avg, ok := strings.Cut(line, ",")
		if !ok {
			continue
		}
		y, _ := strconv.ParseFloat(avg, 64)
		at, _ := strconv.ParseFloat(pts, 64)
		white := y > 220
		if white && !wasWhite {
			flashes = append(flashes, at)
		}
		wasWhite = white
	}
	start, _ := runFFmpeg(t, "ffprobe", "-select_streams", "a:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0", "-read_intervals", "%+#1", file)
	audioStart, err := strconv.ParseFloat(strings.Trim(strings.Fields(string(start))[0], ","), 64)
	if err != nil {
		t.Fatalf("audio start: %v in %q", err, start)
	}
	pcm, _ := runFFmpeg(t, "ffmpeg", "-i", file, "-map", "0:a:0", "-ac", "1", "-ar", "48000", "-f", "s16le", "-")
	var beeps []float64
	quiet := 0
	for i := 0; i+1 < len(pcm); i += 2 {
		v := math.Abs(float64(int16(binary.LittleEndian.Uint16(pcm[i:]))))
		if v > 6000 {
			if quiet > 4800 || len(beeps) == 0 {
				beeps = append(beeps, audioStart+float64(i/2)/48000)
			}
			quiet = 0
		} else {
			quiet++
		}
	}
	if len(flashes) < 2 || len(beeps) < 2 {
		t.Fatalf("%s: %d flashes and %d beeps found", file, len(flashes), len(beeps))
	}
	var diffs []float64
	for _, f := range flashes {
		best := math.Inf(1)
		for _, b := range beeps {
			if math.Abs(b-f) < math.Abs(best) {
				best = b - f
			}
		}
		diffs = append(diffs, best)
	}
	return diffs
}
