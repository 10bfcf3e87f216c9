package corpus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
)

// Check returns what is wrong with the outcome of a job, nil if nothing is.
func Check(ctx context.Context, file string, want Want, o Outcome) error {
	if want.Code != "" || o.Code != "" {
		if slices.Contains(strings.Split(want.Code, "|"), o.Code) {
			return nil
		}
		if o.Code == "" {
			return fmt.Errorf("not refused, though it should be with %s (warnings: %v)", want.Code, o.Warnings)
		}
		return fmt.Errorf("refused with %s: %s", o.Code, o.Message)
	}
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, code := range want.Warning {
		if !slices.ContainsFunc(o.Warnings, func(w Warning) bool { return w.Code == code }) {
			wrong("no warning %d in %v", code, o.Warnings)
		}
	}
	if want.Clean && len(o.Warnings) > 0 {
		wrong("warnings of a clean source: %v", o.Warnings)
	}
	movie := filepath.Join(o.Dir, "whole_v.mp4")
	out, err := describe(ctx, movie)
	if err != nil {
		return err
	}
	if want.Sound {
		if err := checkLength(want.Seconds, out.seconds, 0.03); err != nil {
			wrong("%w", err)
		}
		if err := compareSound(ctx, file, movie, 0, want); err != nil {
			wrong("%w", err)
		}
		return errors.Join(problems...)
	}
	shown, err := pictures(ctx, movie, out.video, "")
	if err != nil {
		return err
	}
	rate := out.video.rate()
	for i := range shown {
		if off := shown[i].at - float64(i)/rate; math.Abs(off) > 0.002 {
			wrong("frame %d of the output is shown at %.3f s, not %.3f", i, shown[i].at, float64(i)/rate)
			break
		}
	}
	length := float64(len(shown)) / rate
	if err := checkLength(want.Seconds, length, 1.5/rate); err != nil {
		wrong("%w", err)
	}
	if listed, err := playlistSeconds(filepath.Join(o.Dir, "stream_v.m3u8")); err != nil {
		wrong("%w", err)
	} else if math.Abs(listed-length) > 0.01 {
		wrong("the playlist lasts %.3f s, the file %.3f", listed, length)
	}
	if want.Rate != "" && media.ParseRational(want.Rate) != media.ParseRational(out.video.AverageRate) {
		wrong("%s frames a second, not %s", out.video.AverageRate, want.Rate)
	}
	if want.Caption != "" {
		said, err := output(ctx, "ffmpeg", "-f", "lavfi", "-i", "movie="+movie+"[out0+subcc]", "-map", "0:s", "-f", "srt", "-")
		if err != nil {
			return err
		}
		if n := strings.Count(string(said), want.Caption); n != 1 {
			wrong("the caption %q is there %d times: %s", want.Caption, n, said)
		}
	}
	if want.Shows != nil || want.Decoded {
		if err := checkCounters(ctx, file, movie, want); err != nil {
			wrong("%w", err)
		}
		if want.Aspect > 0 {
			if got := out.video.aspect(); math.Abs(got/want.Aspect-1) > 0.02 {
				wrong("shown with an aspect ratio of %.3f, not %.3f", got, want.Aspect)
			}
		}
		return errors.Join(problems...)
	}
	if err := compare(ctx, file, movie, out, shown, want); err != nil {
		wrong("%w", err)
	}
	return errors.Join(problems...)
}

func checkLength(want, got, tolerance float64) error {
	if want > 0 && math.Abs(got-want) > tolerance {
		return fmt.Errorf("lasts %.3f s, not %.3f", got, want)
	}
	return nil
}

// counters reads the counter of every frame of a film.
func counters(ctx context.Context, movie string) ([]int, error) {
	raw, err := output(ctx, "ffmpeg", "-threads", "1", "-i", movie, "-map", "0:v:0", "-vf", clip.CounterFilter, "-fps_mode", "passthrough", "-f", "rawvideo", "-")
	if err != nil {
		return nil, err
	}
	var got []int
	for i := 0; i+clip.Bits <= len(raw); i += clip.Bits {
		got = append(got, int(clip.ReadCounter(raw[i:])))
	}
	return got, nil
}

// checkCounters holds the counter of every frame of the output against what is
// wanted, and beeps against flashes.
func checkCounters(ctx context.Context, file, movie string, want Want) error {
	got, err := counters(ctx, movie)
	if err != nil {
		return err
	}
	if want.Decoded {
		if want.Shows, err = counters(ctx, file); err != nil {
			return err
		}
	}
	var problems []error
	if len(got) != len(want.Shows) {
		problems = append(problems, fmt.Errorf("%d frames, not %d", len(got), len(want.Shows)))
	}
	bad, first := 0, -1
	for i := range min(len(got), len(want.Shows)) {
		if d := got[i] - want.Shows[i]; max(d, -d) > want.Near {
			if bad++; first < 0 {
				first = i
			}
		}
	}
	if bad > 0 && !want.Rough || bad > len(want.Shows)/2 {
		to := min(first+12, len(got), len(want.Shows))
		problems = append(problems, fmt.Errorf("%d frames are not those that belong there; from %d on %v, not %v", bad, first, got[first:to], want.Shows[first:to]))
	}
	if want.Beeps {
		if err := checkBeeps(ctx, movie, got, want); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// stream is what ffprobe says of one.
type stream struct {
	Index       int    `json:"index"`
	Type        string `json:"codec_type"`
	Codec       string `json:"codec_name"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Aspect      string `json:"sample_aspect_ratio"`
	AverageRate string `json:"avg_frame_rate"`
	FieldOrder  string `json:"field_order"`
	Start       string `json:"start_time"`
	Transfer    string `json:"color_transfer"`
	Disposition struct {
		Attached int `json:"attached_pic"`
		Default  int `json:"default"`
	} `json:"disposition"`
	SideData []struct {
		Rotation *float64 `json:"rotation"`
	} `json:"side_data_list"`
}

func (s *stream) rate() float64 { return media.ParseRational(s.AverageRate).Float() }

func (s *stream) turn() int {
	for _, d := range s.SideData {
		if d.Rotation != nil && math.Abs(*d.Rotation) <= 360 {
			return (360 - int(math.Round(*d.Rotation/90))*90 + 360) % 360
		}
	}
	return 0
}

// aspect returns width to height as shown.
func (s *stream) aspect() float64 {
	a := float64(s.Width) / float64(s.Height)
	if par := media.ParseRational(s.Aspect); par.Known() && par.Float() > 0.05 && par.Float() < 20 {
		a *= par.Float()
	}
	if s.turn()%180 != 0 {
		a = 1 / a
	}
	return a
}

// description is what a file holds: its first video and its default sound.
type description struct {
	video, audio *stream
	seconds      float64
}

func describe(ctx context.Context, file string) (description, error) {
	var d description
	raw, err := output(ctx, "ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", file)
	if err != nil && len(raw) < 10 {
		return d, err
	}
	var doc struct {
		Streams []stream
		Format  struct{ Duration string }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return d, fmt.Errorf("decode ffprobe's description of %s: %w", file, err)
	}
	d.seconds, _ = strconv.ParseFloat(doc.Format.Duration, 64)
	for i := range doc.Streams {
		s := &doc.Streams[i]
		switch {
		case s.Type == "video" && s.Disposition.Attached == 0 && d.video == nil && s.Width > 0:
			d.video = s
		case s.Type == "audio" && s.Codec != "" && (d.audio == nil || d.audio.Disposition.Default == 0 && s.Disposition.Default == 1):
			d.audio = s
		}
	}
	if d.video == nil && d.audio == nil {
		return d, fmt.Errorf("%s has no video", file)
	}
	return d, nil
}

// playlistSeconds adds up what a media playlist says its segments last.
func playlistSeconds(file string) (float64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "#EXTINF:"); ok {
			number, _, _ := strings.Cut(rest, ",")
			seconds, err := strconv.ParseFloat(number, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", file, err)
			}
			sum += seconds
		}
	}
	return sum, nil
}
