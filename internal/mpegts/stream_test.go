package mpegts_test

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/mpegts"
)

func TestStreamPlaysWhole(t *testing.T) {
	tests := map[string]clip{
		"25 fps, B-frames, plain MP4": {
			rate: media.R(25, 1), frames: 160, starts: []int64{0, 50, 100, 150}, chunks: []int64{0, 100},
			x264: "bframes=3:b-pyramid=normal", audio: 48000,
		},
		"29.97 fps, fragmented, 44.1 kHz": {
			rate: media.R(30000, 1001), frames: 150, starts: []int64{0, 60, 120}, chunks: []int64{0, 60, 120},
			x264: "bframes=2", movflags: "frag_keyframe+empty_moov+default_base_moof", audio: 44100,
		},
		"60 fps, no B-frames, hybrid fragments": {
			rate: media.R(60, 1), frames: 150, starts: []int64{0, 60, 120}, chunks: []int64{0, 120},
			x264: "bframes=0", movflags: "frag_keyframe", audio: 48000,
		},
		"12.5 fps, empty_moov with edit list": {
			rate: media.R(25, 2), frames: 40, starts: []int64{0, 13, 26, 39}, chunks: []int64{0, 26},
			x264: "bframes=3", movflags: "frag_keyframe+empty_moov+delay_moov", audio: 32000,
		},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			video, audio := c.encode(t)
			stream, err := newStream(service, c.timeline(), video, audio)
			if err != nil {
				t.Fatal(err)
			}
			segments := pack(t, stream)
			file := save(t, "all.ts", bytes.Join(segments, nil))

			if _, errs := run(t, "ffmpeg", "-v", "warning", "-i", file, "-f", "null", "-"); errs != "" {
				t.Errorf("ffmpeg complains:\n%s", errs)
			}
			checkPackets(t, segments, c, stream)
			checkVideoTimes(t, file, c)
			checkAudioTimes(t, file, c)
			checkSync(t, file, c)
			for i, s := range segments {
				checkSegmentAlone(t, s, c, i)
			}
			checkPlaylists(t, segments, c, video, audio)
		})
	}
}

// checkVideoTimes asserts that every frame is decoded, shown at exactly its time.
func checkVideoTimes(t *testing.T, file string, c clip) {
	t.Helper()
	out, _ := run(t, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts", "-of", "csv=p=0", file)
	lines := strings.Fields(out)
	if int64(len(lines)) != c.frames {
		t.Errorf("%d frames are decoded, not %d", len(lines), c.frames)
	}
	for k, line := range lines {
		got, err := strconv.ParseInt(strings.TrimRight(line, ","), 10, 64)
		want := service.PTSOffset + media.Rescale(int64(k), c.rate.Inverse(), media.R(1, mpegts.Clock))
		if err != nil || got != want {
			t.Fatalf("frame %d is shown at %s, not %d", k, line, want)
		}
	}
	out, _ = run(t, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts,dts", "-of", "csv=p=0", file)
	last := int64(math.MinInt64)
	for i, line := range strings.Fields(out) {
		var pts, dts int64
		if _, err := fmt.Sscanf(line, "%d,%d", &pts, &dts); err != nil {
			t.Fatalf("packet %q: %v", line, err)
		}
		if i == 0 && dts != pts { // else hls.js finds a hole at the start
			t.Errorf("the first picture is decoded at %d and shown at %d", dts, pts)
		}
		if dts <= last || pts < dts {
			t.Fatalf("a packet with PTS %d and DTS %d follows DTS %d", pts, dts, last)
		}
		last = dts
	}
}

// checkAudioTimes asserts that audio begins with the video and has no step: each
// packet follows the one before by its samples.
func checkAudioTimes(t *testing.T, file string, c clip) {
	t.Helper()
	out, _ := run(t, "ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", "packet=pts", "-of", "csv=p=0", file)
	lines := strings.Fields(out)
	for k, line := range lines {
		got, err := strconv.ParseInt(strings.TrimRight(line, ","), 10, 64)
		want := service.PTSOffset + media.Rescale(int64(k)*1024, media.R(1, int64(c.audio)), media.R(1, mpegts.Clock))
		if err != nil || got < want-1 || got > want+1 { // the demuxer splits PES packets and rounds within them
			t.Fatalf("audio frame %d is at %s, not %d", k, line, want)
		}
	}
	length := float64(c.frames) * float64(c.rate.Den) / float64(c.rate.Num)
	if got := float64(len(lines)) * 1024 / float64(c.audio); got < length || got > length+1024/float64(c.audio) {
		t.Errorf("audio lasts %.3f s, video %.3f s", got, length)
	}
}

// checkSync asserts that flashes and beeps coincide.
func checkSync(t *testing.T, file string, c clip) {
	t.Helper()
	pixels, _ := run(t, "ffmpeg", "-v", "error", "-i", file, "-map", "0:v", "-vf", "scale=2:2:flags=area,format=gray", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
	pcm, _ := run(t, "ffmpeg", "-v", "error", "-i", file, "-map", "0:a", "-ac", "1", "-f", "s16le", "-")
	var flashes, beeps []float64
	for k := 0; k+4 <= len(pixels); k += 4 {
		if pixels[k] > 128 {
			flashes = append(flashes, float64(int64(k/4)*c.rate.Den)/float64(c.rate.Num))
		}
	}
	quiet := c.audio // samples since the last loud one; silence at the start counts
	for k := 0; k+2 <= len(pcm); k += 2 {
		v := int16(uint16(pcm[k]) | uint16(pcm[k+1])<<8)
		if v > 4000 || v < -4000 {
			if quiet > c.audio/4 {
				beeps = append(beeps, float64(k/2)/float64(c.audio))
			}
			quiet = 0
		} else {
			quiet++
		}
	}
	if len(flashes) < 2 || len(flashes) != len(beeps) {
		t.Fatalf("%d flashes and %d beeps", len(flashes), len(beeps))
	}
	for i := range flashes {
		if d := beeps[i] - flashes[i]; math.Abs(d) > 0.005 {
			t.Errorf("beep %d comes %.1f ms after its flash", i, d*1000)
		}
	}
}

// checkPlaylists asserts that the segments behind playlists play as one stream.
func checkPlaylists(t *testing.T, segments [][]byte, c clip, video *mp4.Video, audio *mp4.Audio) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte, err error) {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	list := &hls.MediaPlaylist{Version: hls.Version, MediaSequence: 1, PlaylistType: "VOD", EndList: true}
	var sizes []hls.SegmentSize
	for i, s := range segments {
		to := c.frames
		if i+1 < len(c.starts) {
			to = c.starts[i+1]
		}
		frame := c.rate.Inverse()
		name := fmt.Sprintf("my clip #1_%05d.ts", i+1)
		write(name, s, nil)
		size := hls.SegmentSize{Bytes: int64(len(s)), Duration: frame.Duration(to) - frame.Duration(c.starts[i])}
		sizes = append(sizes, size)
		list.Segments = append(list.Segments, hls.Segment{URI: hls.RelativeURI("my clip.m3u8", name), Duration: size.Duration})
	}
	text, err := list.Marshal()
	write("my clip.m3u8", text, err)
	peak, average := hls.Bandwidth(sizes)
	multi := &hls.MultivariantPlaylist{Version: hls.Version, IndependentSegments: true, Variants: []hls.Variant{{
		URI: hls.RelativeURI("index.m3u8", "my clip.m3u8"), Bandwidth: peak, AverageBandwidth: average,
		Codecs: []string{video.CodecString(), audio.CodecString()}, Width: video.Width, Height: video.Height, FrameRate: c.rate,
	}}}
	text, err = multi.Marshal()
	write("index.m3u8", text, err)
	if list, err = hls.ParseMediaPlaylist(mustRead(t, filepath.Join(dir, "my clip.m3u8"))); err != nil {
		t.Fatal(err)
	}
	if problems := hls.Check(multi, list); problems != nil {
		t.Errorf("playlists have problems: %v", problems)
	}
	// ffmpeg's reader does not decode percent-encoding of files; a web server does.
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	out, errs := run(t, "ffprobe", "-v", "warning", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames:format=duration", "-of", "csv=p=0", server.URL+"/index.m3u8")
	if errs != "" || !strings.Contains(out, fmt.Sprintf("%d\n", c.frames)) {
		t.Errorf("the stream has %q, not %d frames\n%s", out, c.frames, errs)
	}
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// checkSegmentAlone asserts that a segment decodes by itself, whole.
func checkSegmentAlone(t *testing.T, segment []byte, c clip, i int) {
	t.Helper()
	to := c.frames
	if i+1 < len(c.starts) {
		to = c.starts[i+1]
	}
	file := save(t, "segment.ts", segment)
	out, errs := run(t, "ffprobe", "-v", "warning", "-select_streams", "v:0", "-show_entries", "frame=pict_type,key_frame", "-of", "csv=p=0", file)
	lines := strings.Fields(out)
	if errs != "" || int64(len(lines)) != to-c.starts[i] {
		t.Errorf("segment %d alone: %d frames, not %d\n%s", i, len(lines), to-c.starts[i], errs)
	}
	if len(lines) > 0 && !strings.HasPrefix(lines[0], "1,I") {
		t.Errorf("segment %d begins with %q", i, lines[0])
	}
}
