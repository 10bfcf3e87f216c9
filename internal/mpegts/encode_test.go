package mpegts_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/mpegts"
)

// run runs a program and returns what it wrote to stdout; any other outcome ends the test.
func run(t testing.TB, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return out.String(), errs.String()
}

// clip describes generated media: a picture that flashes white for one frame about
// every second, with a beep of 40 ms at the same instant. Clips without audio move.
type clip struct {
	rate     media.Rational
	frames   int64
	starts   []int64 // first frames of segments
	chunks   []int64 // first frames of chunks
	x264     string
	movflags string
	rung     string // size
	audio    int    // Hz; 0 is no audio
	sound    string // aevalsrc expression; "" is the beep
}

// beat returns how many frames lie between flashes, and the first that is one. It
// is not frame 0: the first 20 ms of any AAC stream without its priming fade in.
func (c clip) beat() (every, first int64) {
	every = (c.rate.Num + c.rate.Den - 1) / c.rate.Den
	return every, every / 2
}

// beep is an expression of the sound.
func (c clip) beep() string {
	every, first := c.beat()
	frame := fmt.Sprintf("*%d/%d", c.rate.Den, c.rate.Num)
	return fmt.Sprintf("0.8*sin(2*PI*1000*t)*gte(t\\,%d%s)*lt(mod(t-%d%s\\,%d%s)\\,0.04)", first, frame, first, frame, every, frame)
}

func (c clip) size() string {
	if c.rung == "" {
		return "320x180"
	}
	return c.rung
}

// encode makes the chunks and the audio the way the encoder processes do, and opens them.
func (c clip) encode(t testing.TB) (*mp4.Video, *mp4.Audio) {
	t.Helper()
	dir := t.TempDir()
	every, first := c.beat()
	flash := fmt.Sprintf("testsrc2=s=%s:r=%s,format=yuv420p,drawbox=c=black:t=fill,drawbox=c=white:t=fill:enable='eq(mod(n\\,%d)\\,%d)'",
		c.size(), c.rate, every, first)
	if c.audio == 0 {
		flash = fmt.Sprintf("testsrc2=s=%s:r=%s,format=yuv420p", c.size(), c.rate)
	}
	var tracks []*mp4.Track
	for i, from := range c.chunks {
		to := c.frames
		if i+1 < len(c.chunks) {
			to = c.chunks[i+1]
		}
		var keys []string
		for _, s := range c.starts {
			if s >= from && s < to {
				keys = append(keys, fmt.Sprintf("eq(n,%d)", s-from))
			}
		}
		file := filepath.Join(dir, fmt.Sprintf("chunk%d.mp4", i))
		args := []string{
			"-v", "error", "-f", "lavfi", "-i",
			fmt.Sprintf("%s,trim=start_frame=%d:end_frame=%d,setpts=PTS-STARTPTS", flash, from, to),
			"-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p",
			"-force_key_frames", "expr:" + strings.Join(keys, "+"), "-x264-params", "scenecut=0:keyint=600:" + c.x264,
		}
		if c.movflags != "" {
			args = append(args, "-movflags", c.movflags)
		}
		run(t, "ffmpeg", append(args, file)...)
		tracks = append(tracks, open(t, file))
	}
	video, err := mp4.NewVideo(c.rate, tracks...)
	if err != nil {
		t.Fatal(err)
	}
	if c.audio == 0 {
		return video, nil
	}
	sound := c.sound
	if sound == "" {
		sound = c.beep()
	}
	samples := media.Rescale(c.frames, c.rate.Inverse(), media.R(1, int64(c.audio)))
	file := filepath.Join(dir, "audio.mp4")
	run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='%s|%s':s=%d", sound, sound, c.audio),
		"-af", fmt.Sprintf("atrim=end_sample=%d", samples), "-c:a", "aac", "-b:a", "96k", file)
	track := open(t, file)
	if track.MediaStart != 1024 {
		t.Fatalf("the encoder's priming is %d samples", track.MediaStart)
	}
	audio, err := mp4.NewAudio(track, track.MediaStart, samples)
	if err != nil {
		t.Fatal(err)
	}
	return video, audio
}

func open(t testing.TB, file string) *mp4.Track {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	track, err := mp4.ReadTrack(f, info.Size())
	if err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	return track
}

func (c clip) timeline() mpegts.Timeline {
	return mpegts.Timeline{FrameRate: c.rate, Starts: c.starts, Frames: c.frames}
}

// service is the service's default configuration.
var service = mpegts.Config{
	ProgramNumber: 1, PMTPID: 480, VideoPID: 481, Audio: []mpegts.AudioStream{{PID: 482}},
	PTSOffset: 2 * mpegts.Clock, AudioFramesPerPES: 4,
}

// newStream is a stream of video, audio, or both; nil is none.
func newStream(c mpegts.Config, t mpegts.Timeline, video *mp4.Video, audio *mp4.Audio) (*mpegts.Stream, error) {
	if audio == nil {
		c.Audio = nil
		return mpegts.NewStream(c, t, video)
	}
	return mpegts.NewStream(c, t, video, audio)
}

// pack writes every segment, last first, and returns them in order.
func pack(t testing.TB, s *mpegts.Stream) [][]byte {
	t.Helper()
	out := make([][]byte, s.Segments())
	for i := range slices.Backward(out) {
		var b bytes.Buffer
		n, err := s.WriteSegment(&b, i)
		if err != nil {
			t.Fatal(err)
		}
		if n != int64(b.Len()) {
			t.Fatalf("segment %d has %d bytes, said to be %d", i, b.Len(), n)
		}
		out[i] = b.Bytes()
	}
	return out
}

func save(t testing.TB, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
