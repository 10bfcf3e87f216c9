// Package corpus makes clips of every kind that users send, and tells whether a
// job made of one what it should: every frame of the output is held against the
// frame of the source that belongs there, every beep against its flash, or the
// refusal against the code that it should have.
//
// Clips that are generated carry a counter in each frame (package clip), so what
// belongs where is known without any decoder's opinion. Real clips are compared
// with a plain decode of the whole source. Nothing of the project but the
// description of test clips is used for it: a job goes in as a file and comes back
// as a folder.
package corpus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/test/harness"
)

// Clip is a file of the corpus and what is to come of it.
type Clip struct {
	Name string // of the file; its extension is the container's
	Want Want
	// Quick clips have in a second or two most of what clips are odd in.
	Quick bool
	make  func(k *Kitchen, out string) error
}

// Want is what a job is to make of a clip. The zero value says that the output has
// the frames of a plain decode, whatever they are.
type Want struct {
	Code    string  // of the refusal, several with "|" between them; "" is an output
	Warning []int   // codes that are to be among the job's warnings
	Clean   bool    // no warning at all
	Shows   []int   // the counter of each frame of the output; nil is not known
	Near    int     // by how much a counter may be off
	Rate    string  // frames a second of the output; "" is not known
	Aspect  float64 // of the picture as it is shown; 0 is the source's
	Beeps   bool    // each flash comes with its beep
	Unsure  []Span  // seconds of the output in which beeps do not count
	Mute    []Span  // seconds of the output in which there is no beep
	Seconds float64 // of the output; 0 is not known
	Caption string  // that the frames carry, and those of the output too
	Sound   bool    // an output of sound alone is asked for
	Decoded bool    // Shows is what a plain decode of the clip shows, frame after frame
	Rough   bool    // parts cannot be decoded: frames may be missing, those that are there are in their place
	Flash   int     // a flash is every so many frames; 0 is 25
}

// Span is a time from one second to another.
type Span struct{ From, To float64 }

func mute(from, to float64) []Span { return []Span{{from, to}} }

// Kitchen makes clips in a folder of its own.
type Kitchen struct {
	ctx context.Context
	dir string

	clip string // that is being made
	n    int
}

// NewKitchen returns one that works in dir.
func NewKitchen(ctx context.Context, dir string) *Kitchen { return &Kitchen{ctx: ctx, dir: dir} }

// Make makes a clip and returns its path.
func (k *Kitchen) Make(c Clip) (string, error) {
	k.clip = c.Name
	out := filepath.Join(k.dir, c.Name)
	if err := c.make(k, out); err != nil {
		return "", fmt.Errorf("make %s: %w", c.Name, err)
	}
	return out, nil
}

// Source describes the pictures and the sound that generated clips are made of.
func source(rate string, seconds int) clip.Spec {
	return clip.Spec{Width: 160, Height: 96, FrameRate: media.ParseRational(rate), Seconds: seconds}
}

// temp returns a new path with this extension.
func (k *Kitchen) temp(extension string) string {
	k.n++
	return filepath.Join(k.dir, fmt.Sprintf("part-%d-of-%s.%s", k.n, k.clip, extension))
}

func (k *Kitchen) ffmpeg(args ...string) error { return run(k.ctx, "ffmpeg", args...) }

func run(ctx context.Context, program string, args ...string) error {
	_, err := output(ctx, program, args...)
	return err
}

func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	if program == "ffmpeg" {
		args = append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-y"}, args...)
	}
	out, _, err := harness.Output(exec.CommandContext(ctx, program, args...))
	return out, err
}

// encoded returns a recipe: these pictures and sound, coded with these arguments.
func encoded(s clip.Spec, args ...string) func(*Kitchen, string) error {
	return func(k *Kitchen, out string) error {
		return k.ffmpeg(slices.Concat(s.Input(), args, []string{out})...)
	}
}

// Outcome is what came of a job.
type Outcome struct {
	Code     string // of the error; "" if there is none
	Message  string
	Hint     string
	Warnings []Warning
	Dir      string // of the outputs
}

// Warning is one warning of a job.
type Warning struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Settings of the jobs that clips are given to: a stream with segments of two
// seconds, and the same as one file.
const Settings = `{"inputs":[{"audioSelectors":{"Audio Selector 1":{"defaultSelection":"DEFAULT"}}}],"outputGroups":[
 {"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/stream","segmentLength":2,"minSegmentLength":0}},
  "outputs":[{"nameModifier":"_v","containerSettings":{"container":"M3U8"},"videoDescription":` + video + `,"audioDescriptions":[` + sound + `]}]},
 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/whole"}},
  "outputs":[{"nameModifier":"_v","containerSettings":{"container":"MP4"},"videoDescription":` + video + `,"audioDescriptions":[` + sound + `]}]}]}`

const (
	video = `{"height":96,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":5000000,"qvbrSettings":{"qvbrQualityLevel":10},"qualityTuningLevel":"SINGLE_PASS"}}}`
	sound = `{"audioSourceName":"Audio Selector 1","codecSettings":{"codec":"AAC","aacSettings":{"bitrate":96000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}`
)

// SoundSettings are those of a job whose only output is sound.
const SoundSettings = `{"inputs":[{"audioSelectors":{"Audio Selector 1":{"defaultSelection":"DEFAULT"}}}],"outputGroups":[
 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/whole"}},
  "outputs":[{"nameModifier":"_v","containerSettings":{"container":"MP4"},"audioDescriptions":[` + sound + `]}]}]}`

// SettingsOf returns those of a clip's job.
func SettingsOf(want Want) string {
	switch {
	case want.Sound:
		return SoundSettings
	case want.Caption != "":
		return strings.NewReplacer(
			`"inputs":[{`, `"inputs":[{"captionSelectors":{"Captions 1":{"sourceSettings":{"sourceType":"EMBEDDED"}}},`,
			`"audioDescriptions":`, `"captionDescriptions":[{"captionSelectorName":"Captions 1","destinationSettings":{"destinationType":"EMBEDDED"}}],"audioDescriptions":`,
		).Replace(Settings)
	}
	return Settings
}

// Convert gives a clip to the program at path and returns what came of it.
func Convert(ctx context.Context, path, file, dir string, want Want) (Outcome, error) {
	settings := SettingsOf(want)
	cmd := exec.CommandContext(ctx, path, "convert", "--json", "--job", "-", "-o", dir, file)
	var out, log bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(settings), &out, &log
	err := cmd.Run()
	o := Outcome{Dir: dir}
	var exit *exec.ExitError
	switch {
	case err == nil:
		var answer struct{ Warnings []Warning }
		if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
			return o, fmt.Errorf("decode the answer of convert: %w", err)
		}
		o.Warnings = answer.Warnings
		return o, nil
	case errors.As(err, &exit):
		line := bytes.TrimSpace(log.Bytes())
		line = line[bytes.LastIndexByte(line, '\n')+1:]
		var answer struct {
			Error struct{ Code, Kind, Message, Hint string }
		}
		if err := json.Unmarshal(line, &answer); err != nil {
			return o, fmt.Errorf("convert: %w\n%s", exit, log.Bytes())
		}
		o.Code, o.Message, o.Hint = answer.Error.Code, answer.Error.Message, answer.Error.Hint
		if o.Code == "" {
			o.Code = answer.Error.Kind
		}
		return o, nil
	}
	return o, err
}

// Real lists the clips of a folder, with what is to come of those that are no
// usable media by the nature of the file.
func Real(dir string) ([]Clip, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []Clip
	for _, e := range entries {
		switch ext := filepath.Ext(e.Name()); {
		case e.IsDir(), ext == ".tsv", ext == ".md", ext == ".sh", ext == ".txt", ext == ".json":
			continue
		}
		out = append(out, Clip{Name: e.Name(), Want: known[e.Name()], Quick: slices.Contains(quickReal, e.Name())})
	}
	return out, nil
}

// quickReal are real clips that take a second or two each.
var quickReal = []string{
	"prop_captions_608_708.ts", "prop_mpeg4_mp3.avi", "prop_nonzero_start.mp4", "prop_sample.flv", "prop_vp8_conformance.ivf", "prop_webcam_vfr.mov",
	"prop_h263_amr.3gp", "prop_mpeg1_weird_sar.mpg", "prop_odd_321x241_444.mp4", "prop_fragmented.mp4",
	"real_bbb_480p_51audio_12s.mp4", "real_nasa_launch_renpy.webm", "real_phone_1080p_5s.mp4", "real_car_768x432_12.5fps_20s.mp4",
	"bad_empty.flv", "bad_ios_broken.mp4", "bad_zero_frame.ts", "bad_missing_stsd.mp4",
}

// known are real clips that are to be refused, and why.
var known = map[string]Want{
	"prop_eac3.ts":             {Code: "1020"}, // sound alone
	"prop_vvc_unsupported.mp4": {Code: "1030"},
	"bad_no_timescale.mp4":     {Rough: true, Warning: []int{900050}}, // bits are wrong in it
	"bad_empty.flv":            {Code: "1010|1030|1076"},
	"bad_ios_broken.mp4":       {Code: "1010"}, // no index
	"bad_zero_frame.ts":        {Code: "1020|1030|1075"},
	"bad_invalid_userdata.mp4": {Code: "1010|1020|1030|1075|1076"},
}

func (w Want) flash() int {
	if w.Flash > 0 {
		return w.Flash
	}
	return 25
}
