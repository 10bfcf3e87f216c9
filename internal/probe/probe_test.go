package probe_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

const tone = "sine=f=440:d=1:r=48000"

func TestProbeFacts(t *testing.T) {
	p := newProber(t)

	path := generate(t, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30000/1001:d=1", "-f", "lavfi", "-i", tone,
		"-c:v", "libx264", "-preset", "ultrafast", "-flags", "+ilme+ildct", "-x264-params", "tff=1", "-bf", "0",
		"-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
		"-c:a", "aac", "-ac", "2", "-b:a", "96k", "-metadata:s:a:0", "language=deu", "-streamid", "0:0x1e1", "-streamid", "1:0x1e2", "a.ts")
	got, err := p.Probe(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Format != "mpegts" || got.Size == 0 || got.Duration < time.Second || got.Duration > 1200*time.Millisecond || len(got.Video) != 1 || len(got.Audio) != 1 {
		t.Fatalf("%+v", got)
	}
	audio := got.Audio[0]
	if audio.Duration < 900*time.Millisecond || got.Video[0].Duration < 900*time.Millisecond || got.Video[0].Level == 0 {
		t.Errorf("%+v", got)
	}
	audio.BitrateBPS, audio.StartPTS, audio.Duration = 0, 0, 0
	if want := (media.AudioStream{
		Index: 1, PID: 0x1e2, Codec: "aac", SampleRate: 48000, Channels: 2, Layout: "stereo", Language: "deu", TimeBase: media.R(1, 90000),
	}); !reflect.DeepEqual(audio, want) {
		t.Errorf("audio\n%+v, want\n%+v", audio, want)
	}
	if want := (media.VideoStream{
		Index: 0, PID: 0x1e1, Codec: "h264", Profile: "Constrained Baseline", Width: 320, Height: 180, PixelFormat: "yuv420p", BitDepth: 8,
		SampleAspect: media.R(1, 1), FrameRate: media.R(30000, 1001), AverageRate: media.R(30000, 1001), TimeBase: media.R(1, 90000), Interlaced: "tt",
		Color: media.Color{Range: "tv", Matrix: "bt709", Primaries: "bt709", Transfer: "bt709"},
	}); !sameVideo(got.Video[0], want) {
		t.Errorf("video\n%+v, want\n%+v", got.Video[0], want)
	}
}

// sameVideo compares without what the encoder is free to choose.
func sameVideo(got, want media.VideoStream) bool {
	got.Profile, want.Profile, got.BitrateBPS, want.BitrateBPS = "", "", 0, 0
	got.Level, want.Level, got.Duration, want.Duration = 0, 0, 0, 0
	got.FrameRate, want.FrameRate = media.Rational{}, media.Rational{} // of interlaced video it may be the fields'
	return reflect.DeepEqual(got, want)
}

func TestProbeRotation(t *testing.T) {
	p := newProber(t)
	upright := generate(t, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=0.4", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv422p10le", "-vf", "setsar=4/3", "a.mp4")
	// The metadata says how far a player turns the picture counterclockwise.
	for turn, want := range map[string]int{"0": 0, "90": 270, "180": 180, "270": 90} {
		path := generate(t, "-i", upright, "-c", "copy", "-metadata:s:v:0", "rotate="+turn, "b.mp4")
		got, err := p.Probe(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		v := got.Video[0]
		// What plain ffmpeg makes of it is the truth: it turns clockwise by our number.
		if rotate := v.Rotation; rotate != want && rotate != (360-want)%360 || v.SampleAspect != media.R(4, 3) || v.BitDepth != 10 || v.Width != 320 {
			t.Errorf("rotate=%s: %+v", turn, v)
		}
		wantUpright(t, path, v)
	}
}

// wantUpright checks the direction of a rotation: turning the undecorated picture
// clockwise by it gives what plain ffmpeg shows.
func wantUpright(t *testing.T, path string, v media.VideoStream) {
	t.Helper()
	turn := map[int]string{0: "null", 90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}[v.Rotation]
	one := func(args ...string) string {
		out := generate(t, append(args, "-frames:v", "1", "-f", "framemd5", "a.md5")...)
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		return lines[len(lines)-1]
	}
	shown, turned := one("-i", path), one("-noautorotate", "-i", path, "-vf", turn)
	if shown != turned {
		t.Errorf("turned clockwise by %d: %s, ffmpeg shows %s", v.Rotation, turned, shown)
	}
}

func TestProbeSortsStreams(t *testing.T) {
	p := newProber(t)
	cover := generate(t, "-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", "cover.png")
	subtitles := filepath.Join(t.TempDir(), "a.srt")
	if err := os.WriteFile(subtitles, []byte("1\n00:00:00,000 --> 00:00:01,000\nhello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	song := generate(t, "-f", "lavfi", "-i", tone, "-i", cover, "-i", subtitles, "-map", "0", "-map", "1", "-map", "2",
		"-c:a", "aac", "-ac", "1", "-c:v", "copy", "-c:s", "mov_text", "-disposition:v:0", "attached_pic", "a.mp4")
	got, err := p.Probe(t.Context(), song)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Video) != 0 || len(got.Audio) != 1 || !got.Audio[0].Default || got.Audio[0].PID != 0 ||
		!reflect.DeepEqual(got.Other, []media.OtherStream{
			{Index: 1, Kind: "subtitle", Codec: "mov_text", Language: "und", Duration: time.Second}, {Index: 2, Kind: "video", Codec: "png", Duration: time.Second},
		}) {
		t.Errorf("%+v", got)
	}

	captions := generate(t, "-i", subtitles, "-c:s", "mov_text", "a.mp4")
	_, err = p.Probe(t.Context(), captions)
	wantFault(t, err, fault.Invalid, "1030", "no video and no audio")
}

func wantFault(t *testing.T, err error, kind fault.Kind, code, says string) {
	t.Helper()
	f := fault.Of(err)
	if err == nil || f.Kind != kind || f.Code != code || !strings.Contains(f.Message, says) {
		t.Errorf("%+v, want %v %s with %q", f, kind, code, says)
	}
}

func TestProbeRefuses(t *testing.T) {
	p := newProber(t)
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "input")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	many := []string{"-f", "lavfi", "-i", "sine=d=0.1:r=8000"}
	for range media.MaxStreams + 6 {
		many = append(many, "-map", "0")
	}
	clip := generate(t, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=0.4", "-c:v", "libx264", "-preset", "ultrafast", "a.mp4")
	for _, c := range []struct {
		name string
		path string
		kind fault.Kind
		code string
		says string
	}{
		{"empty", write(""), fault.Invalid, "1010", "empty"},
		{"text", write(strings.Repeat("some words\n", 1000)), fault.Invalid, "1010", "not a media file"},
		{"zeros", write(string(make([]byte, 188*100))), fault.Invalid, "1010", "not a media file"},
		{"playlist", write("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n"), fault.Invalid, "1030", "not a supported media container"},
		{"picture", generate(t, "-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1", "a.png"), fault.Invalid, "1030", "not a supported media container"},
		{"cut in the index", write(read(t, clip)[:200]), fault.Invalid, "1010", "moov"},
		{"encrypted", generate(t, "-i", clip, "-c", "copy", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", strings.Repeat("76", 16), "-encryption_kid", strings.Repeat("a7", 16), "e.mp4"), fault.Invalid, "1091", "encrypted"},
		{"many streams", generate(t, append(many, "-c:a", "pcm_s16le", "a.mkv")...), fault.Limit, "1030", "too many streams"},
		{"larger than 8K", generate(t, "-f", "lavfi", "-i", "color=s=8704x8704:r=1", "-frames:v", "1", "-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "a.mp4"), fault.Limit, "1030", "larger than allowed"},
		{"not there", filepath.Join(t.TempDir(), "none"), fault.NotFound, "1056", ""},
		{"a folder", t.TempDir(), fault.Invalid, "1056", "not a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := p.Probe(t.Context(), c.path)
			wantFault(t, err, c.kind, c.code, c.says)
		})
	}

	why := errors.New("the user canceled")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := p.Probe(ctx, clip); !errors.Is(err, why) {
		t.Errorf("canceled: %v", err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestProbeOfBrokenFootage checks broken files that are kept beside the checkout, where they are.
func TestProbeOfBrokenFootage(t *testing.T) {
	p := newProber(t)
	for _, c := range []struct {
		name  string
		video int // streams
		audio int
		code  string // of Probe, or of Index
	}{
		{"bad_empty.flv", 0, 0, "1010"},
		{"bad_ios_broken.mp4", 0, 0, "1010"},
		{"bad_invalid_userdata.mp4", 1, 1, "1020"},
		{"bad_zero_frame.ts", 0, 1, ""},
		{"bad_missing_stsd.mp4", 1, 0, ""},
		{"bad_no_timescale.mp4", 1, 0, ""},
		{"prop_vvc_unsupported.mp4", 0, 0, "1030"},
		{"prop_eac3.ts", 0, 1, ""},
	} {
		path := filepath.Join("../../../shared/media", c.name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		got, err := p.Probe(t.Context(), path)
		if err == nil && (len(got.Video) != c.video || len(got.Audio) != c.audio) {
			t.Errorf("%s: %+v", c.name, got)
		}
		if err == nil && len(got.Video) > 0 {
			_, err = p.Index(t.Context(), path, got.Video[0])
		}
		if code := ""; err != nil || c.code != "" {
			if err != nil {
				code = fault.Of(err).Code
			}
			if code != c.code {
				t.Errorf("%s: %v (%s), want %s", c.name, err, code, c.code)
			}
		}
	}
}
