package mp4_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
)

func TestWriteProgressive(t *testing.T) {
	tests := map[string]struct {
		rate     string
		edges    []int
		x264     string
		movflags string
		hz       int
		shift    bool
	}{
		"edit list":                {"25", []int{0, 40, 80, 110}, "bframes=3", "", 48000, false},
		"composition shift":        {"25", []int{0, 40, 80, 110}, "bframes=3", "frag_keyframe+empty_moov+default_base_moof", 48000, true},
		"29.97 fps and 44.1 kHz":   {"30000/1001", []int{0, 60, 90}, "bframes=2", "frag_keyframe", 44100, true},
		"no B-frames":              {"60", []int{0, 75}, "bframes=0", "", 48000, true},
		"23.976 fps without audio": {"24000/1001", []int{0, 48, 59}, "bframes=3", "", 0, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rate := media.ParseRational(test.rate)
			var chunks []*mp4.Track
			for i := 1; i < len(test.edges); i++ {
				chunks = append(chunks, open(t, encodeVideo(t, test.rate, test.edges[i-1], test.edges[i], test.x264, test.movflags,
					"-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")))
			}
			video, err := mp4.NewVideo(rate, chunks...)
			if err != nil {
				t.Fatal(err)
			}
			frames := int64(test.edges[len(test.edges)-1])
			movie := mp4.Movie{Video: video, CompositionShift: test.shift}
			samples := int64(0)
			if test.hz > 0 {
				samples = media.Rescale(frames, rate.Inverse(), media.R(1, int64(test.hz)))
				audio, err := mp4.NewAudio(open(t, encodeAudio(t, test.hz, int(samples), "")), 1024, samples)
				if err != nil {
					t.Fatal(err)
				}
				movie.Audio = []mp4.MovieAudio{{Audio: audio, Language: "deu"}}
			}
			file := filepath.Join(t.TempDir(), "movie.mp4")
			out, err := os.Create(file)
			if err != nil {
				t.Fatal(err)
			}
			n, err := mp4.WriteProgressive(out, movie)
			if err != nil {
				t.Fatal(err)
			}
			if info, _ := out.Stat(); info.Size() != n {
				t.Errorf("%d bytes are written, said to be %d", info.Size(), n)
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			checkMovie(t, file, rate, frames, samples, test.hz)
			if !test.shift || test.hz == 0 {
				return
			}
			seek(t, file, rate, frames)
		})
	}
}

// checkMovie asserts what a player sees: frames at their times, all samples, both from 0.
func checkMovie(t *testing.T, file string, rate media.Rational, frames, samples int64, hz int) {
	t.Helper()
	if _, errs := run(t, "ffmpeg", "-v", "warning", "-i", file, "-f", "null", "-"); errs != "" {
		t.Errorf("ffmpeg complains:\n%s", errs)
	}
	out, _ := run(t, "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0", file)
	times := strings.Fields(out)
	if int64(len(times)) != frames {
		t.Fatalf("%d frames are decoded, not %d", len(times), frames)
	}
	for k, s := range times {
		got, err := strconv.ParseFloat(strings.TrimRight(s, ","), 64)
		if want := rate.Inverse().Float() * float64(k); err != nil || math.Abs(got-want) > 2e-6 {
			t.Fatalf("frame %d is shown at %s, not %f", k, s, want)
		}
	}
	length := rate.Inverse().Float() * float64(frames)
	out, _ = run(t, "ffprobe", "-v", "error", "-show_entries", "stream=codec_type,start_time,duration,sample_aspect_ratio,color_space:stream_tags=language:format=duration", "-of", "compact", file)
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		fields := map[string]string{}
		for _, f := range strings.Split(line, "|") {
			k, v, _ := strings.Cut(f, "=")
			fields[k] = v
		}
		if d, err := strconv.ParseFloat(fields["duration"], 64); err != nil || math.Abs(d-length) > 0.001 {
			t.Errorf("duration of %s is not %f", line, length)
		}
		if s := fields["start_time"]; s != "" && s != "0.000000" {
			t.Errorf("%s does not start at 0", line)
		}
		if fields["codec_type"] == "video" && (fields["sample_aspect_ratio"] != "1:1" || fields["color_space"] != "bt709") {
			t.Errorf("video is described as %s", line)
		}
		if fields["codec_type"] == "audio" && fields["tag:language"] != "deu" {
			t.Errorf("audio is described as %s", line)
		}
	}
	if hz == 0 {
		return
	}
	pcm, _ := run(t, "ffmpeg", "-v", "error", "-i", file, "-map", "0:a", "-ac", "1", "-f", "s16le", "-")
	// ffmpeg decodes the last frame whole whatever the edit list says, its own files' too.
	if got := int64(len(pcm) / 2); got < samples || got >= samples+1024 {
		t.Errorf("%d audio samples are decoded, not %d", got, samples)
	}
	pcm = pcm[:min(len(pcm), int(2*samples))]
	checkSine(t, pcm, hz)
}

// checkSine asserts a 441 Hz sine without a step, from its first sample on and in
// the source's phase: one sample off would be an error of 0.02 RMS.
func checkSine(t *testing.T, pcm string, hz int) {
	t.Helper()
	w, sum := 2*math.Pi*441/float64(hz), 0.0
	for k := range len(pcm) / 2 {
		v := float64(int16(uint16(pcm[2*k])|uint16(pcm[2*k+1])<<8)) / 32768
		d := v - math.Sin(w*float64(k))/2
		if math.Abs(d) > 0.08 {
			t.Fatalf("sample %d is %.3f off the sine", k, d)
		}
		sum += d * d
	}
	if rms := math.Sqrt(sum / float64(len(pcm)/2)); rms > 0.015 {
		t.Errorf("the sound is %.3f RMS off the sine", rms)
	}
}

// seek asserts that the key tables are right: a seek decodes the frame asked for.
func seek(t *testing.T, file string, rate media.Rational, frames int64) {
	t.Helper()
	for _, k := range []int64{1, frames / 2, frames - 1} {
		at := rate.Inverse().Float() * (float64(k) - 0.25)
		sum := func(args ...string) string {
			out, _ := run(t, "ffmpeg", append(args, "-map", "0:v", "-frames:v", "1", "-f", "framemd5", "-")...)
			return out[strings.LastIndex(strings.TrimSpace(out), ",")+1:]
		}
		sought := sum("-v", "error", "-ss", fmt.Sprintf("%.6f", at), "-i", file)
		decoded := sum("-v", "error", "-i", file, "-vf", fmt.Sprintf("select=eq(n\\,%d)", k), "-fps_mode", "passthrough")
		if sought != decoded {
			t.Errorf("a seek to frame %d shows another", k)
		}
	}
}

// hole is a file without end; what it holds does not matter.
type hole struct{}

func (hole) ReadAt(b []byte, _ int64) (int, error) { return len(b), nil }

// TestWriteProgressiveWide asserts 64-bit offsets for a file beyond 4 GB, whose
// data is never stored.
func TestWriteProgressiveWide(t *testing.T) {
	track := open(t, encodeVideo(t, "1", 0, 12, "bframes=0:keyint=1", ""))
	const each = 400 << 20
	for i := range track.Samples {
		track.Samples[i].Offset, track.Samples[i].Size = int64(i)*each, each
	}
	track.Data = hole{}
	video, err := mp4.NewVideo(media.R(1, 1), track)
	if err != nil {
		t.Fatal(err)
	}
	head := &headKeeper{limit: 1 << 20}
	n, err := mp4.WriteProgressive(head, mp4.Movie{Video: video})
	if err != nil {
		t.Fatal(err)
	}
	got, err := mp4.ReadTrack(head, n)
	if err != nil {
		t.Fatal(err)
	}
	base := n - 12*each
	for i, s := range got.Samples {
		if s.Offset != base+int64(i)*each || s.Size != each {
			t.Errorf("sample %d is %+v", i, s)
		}
	}
	if !bytes.Contains(head.b, []byte("co64")) {
		t.Error("offsets are in 32 bits")
	}
}

// headKeeper keeps the first bytes written to it and counts the rest.
type headKeeper struct {
	b     []byte
	limit int
}

func (h *headKeeper) Write(p []byte) (int, error) {
	h.b = append(h.b, p[:min(len(p), h.limit-len(h.b))]...)
	return len(p), nil
}

func (h *headKeeper) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(h.b).ReadAt(p, at)
}

// TestNewVideoRefuses asserts that chunks which would not play as one are not joined.
func TestNewVideoRefuses(t *testing.T) {
	good := open(t, encodeVideo(t, "25", 0, 10, "bframes=2", ""))
	if _, err := mp4.NewVideo(media.R(25, 1)); err == nil {
		t.Error("no chunks are joined")
	}
	small := open(t, encodeVideo(t, "25", 0, 10, "bframes=2", "", "-s", "160x90"))
	if _, err := mp4.NewVideo(media.R(25, 1), good, small); err == nil || !strings.Contains(err.Error(), "chunk 1 is 160×90") {
		t.Errorf("chunks of two sizes are joined: %v", err)
	}
	twice := *good
	twice.Samples = append([]mp4.Sample(nil), good.Samples...)
	twice.Samples[3].PTS = twice.Samples[4].PTS
	if _, err := mp4.NewVideo(media.R(25, 1), &twice); err == nil || !strings.Contains(err.Error(), "shown at once") {
		t.Errorf("pictures shown at once are accepted: %v", err)
	}
	late := *good
	late.Samples = good.Samples[1:]
	if _, err := mp4.NewVideo(media.R(25, 1), &late); err == nil || !strings.Contains(err.Error(), "key picture") {
		t.Errorf("a chunk without a key picture is accepted: %v", err)
	}
	other := open(t, encodeVideo(t, "25", 0, 10, "bframes=2:ref=2", "", "-profile:v", "high"))
	baseline := open(t, encodeVideo(t, "25", 0, 10, "", "", "-profile:v", "baseline"))
	mixed, err := mp4.NewVideo(media.R(25, 1), other, baseline)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mp4.WriteProgressive(io.Discard, mp4.Movie{Video: mixed}); err == nil || !strings.Contains(err.Error(), "parameter sets differ") {
		t.Errorf("chunks with two parameter sets are written: %v", err)
	}
}

// TestSeveralAudioTracks asserts that each is described, that the first is the one
// that plays, and that all hold their sound.
func TestSeveralAudioTracks(t *testing.T) {
	audio, err := mp4.NewAudio(open(t, encodeAudio(t, 48000, 96000, "")), 1024, 96000)
	if err != nil {
		t.Fatal(err)
	}
	video, err := mp4.NewVideo(media.R(25, 1), open(t, encodeVideo(t, "25", 0, 50, "bframes=2", "")))
	if err != nil {
		t.Fatal(err)
	}
	tracks := []mp4.MovieAudio{{Audio: audio, Language: "eng", Name: "English"}, {Audio: audio, Language: "pt-BR"}, {Audio: audio, Language: "no such"}}
	for name, v := range map[string]*mp4.Video{"with video": video, "alone": nil} {
		file := filepath.Join(t.TempDir(), "movie.mp4")
		out, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mp4.WriteProgressive(out, mp4.Movie{Video: v, Audio: tracks}); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		got, _ := run(t, "ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream=duration_ts:stream_disposition=default:stream_tags=language,handler_name", "-of", "csv=p=0", file)
		if want := "96000,1,eng,English\n96000,0,por,SoundHandler\n96000,0,und,SoundHandler\n"; got != want {
			t.Errorf("%s: the tracks are %q, not %q", name, got, want)
		}
		if data, _ := os.ReadFile(file); !bytes.Contains(data, []byte("elng\x00\x00\x00\x00pt-BR\x00")) {
			t.Errorf("%s: the language pt-BR is not told", name)
		}
		for i := range tracks {
			pcm, errs := run(t, "ffmpeg", "-v", "warning", "-i", file, "-map", fmt.Sprintf("0:a:%d", i), "-ac", "1", "-f", "s16le", "-")
			if errs != "" {
				t.Errorf("%s: ffmpeg complains:\n%s", name, errs)
			}
			checkSine(t, pcm[:2*96000], 48000)
		}
	}
}
