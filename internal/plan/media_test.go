package plan_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/plan"
)

// run runs a program to its end; a missing program fails the test.
func run(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	var out, log bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, log.Bytes())
	}
	return out.Bytes()
}

func ffmpeg(t *testing.T, args ...string) []byte {
	t.Helper()
	return run(t, "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-y"}, args...)...)
}

// runPlanned runs a process of a plan on file, writing below dir.
func runPlanned(t *testing.T, args []string, file, dir string) {
	t.Helper()
	args = slices.Clone(args)
	for i, a := range args {
		if a == "file:"+plan.SourcePath {
			args[i] = "file:" + file
		}
		args[i] = strings.Replace(args[i], plan.OutputDir+"/", dir+"/", 1)
	}
	ffmpeg(t, args...)
}

// look is what the probe would say of a file, in as far as plan reads it.
func look(t *testing.T, file string) (media.Source, media.FrameIndex) {
	t.Helper()
	var doc struct {
		Format struct {
			Name     string `json:"format_name"`
			Duration string `json:"duration"`
		} `json:"format"`
		Streams []struct {
			Index      int               `json:"index"`
			Type       string            `json:"codec_type"`
			Codec      string            `json:"codec_name"`
			ID         string            `json:"id"`
			Width      int               `json:"width"`
			Height     int               `json:"height"`
			Pixel      string            `json:"pix_fmt"`
			SAR        string            `json:"sample_aspect_ratio"`
			Rate       string            `json:"r_frame_rate"`
			Average    string            `json:"avg_frame_rate"`
			Base       string            `json:"time_base"`
			Start      int64             `json:"start_pts"`
			Order      string            `json:"field_order"`
			Range      string            `json:"color_range"`
			Space      string            `json:"color_space"`
			Primaries  string            `json:"color_primaries"`
			Transfer   string            `json:"color_transfer"`
			SampleRate string            `json:"sample_rate"`
			Channels   int               `json:"channels"`
			Tags       map[string]string `json:"tags"`
			SideData   []struct {
				Rotation int `json:"rotation"`
			} `json:"side_data_list"`
			Disposition map[string]int `json:"disposition"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(run(t, "ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", file), &doc); err != nil {
		t.Fatal(err)
	}
	src := media.Source{Format: doc.Format.Name}
	if seconds, err := strconv.ParseFloat(doc.Format.Duration, 64); err == nil {
		src.Duration = time.Duration(seconds * 1e9)
	}
	for _, s := range doc.Streams {
		pid, _ := strconv.ParseInt(s.ID, 0, 32)
		switch {
		case s.Type == "video" && s.Disposition["attached_pic"] == 0:
			v := media.VideoStream{
				Index: s.Index, PID: int(pid), Codec: s.Codec, Width: s.Width, Height: s.Height, PixelFormat: s.Pixel,
				SampleAspect: media.ParseRational(s.SAR), FrameRate: media.ParseRational(s.Rate), AverageRate: media.ParseRational(s.Average),
				TimeBase: media.ParseRational(s.Base), Interlaced: s.Order,
				Color: media.Color{Range: s.Range, Matrix: s.Space, Primaries: s.Primaries, Transfer: s.Transfer},
			}
			for _, d := range s.SideData {
				if d.Rotation != 0 {
					v.Rotation = (360 - d.Rotation) % 360 // ffprobe counts anticlockwise
				}
			}
			src.Video = append(src.Video, v)
		case s.Type == "audio":
			rate, _ := strconv.Atoi(s.SampleRate)
			src.Audio = append(src.Audio, media.AudioStream{
				Index: s.Index, PID: int(pid), Codec: s.Codec, SampleRate: rate, Channels: s.Channels, Language: s.Tags["language"],
				TimeBase: media.ParseRational(s.Base), StartPTS: s.Start, Default: s.Disposition["default"] == 1,
			})
		}
	}
	var ix media.FrameIndex
	if len(src.Video) == 0 {
		return src, ix
	}
	ix.TimeBase = src.Video[0].TimeBase
	type packet struct {
		pts, duration int64
		key           bool
	}
	var packets []packet
	for line := range strings.Lines(string(run(t, "ffprobe", "-v", "error", "-select_streams", strconv.Itoa(src.Video[0].Index), "-show_entries", "packet=pts,duration,flags", "-of", "csv=p=0", file))) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) < 3 || strings.Contains(f[2], "D") {
			continue
		}
		pts, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			ix.Problem = "timestamps missing"
			continue
		}
		duration, _ := strconv.ParseInt(f[1], 10, 64)
		packets = append(packets, packet{pts, duration, strings.Contains(f[2], "K")})
	}
	slices.SortStableFunc(packets, func(a, b packet) int { return cmp.Compare(a.pts, b.pts) })
	for _, p := range packets {
		if n := len(ix.PTS); n > 0 && ix.PTS[n-1] == p.pts {
			ix.Problem = "timestamps repeated"
			continue
		}
		if p.key {
			ix.Keys = append(ix.Keys, len(ix.PTS))
		}
		ix.PTS = append(ix.PTS, p.pts)
		ix.LastDuration = p.duration
	}
	if len(ix.Keys) == 0 {
		ix.Problem = "no keyframes"
	}
	return src, ix
}

// shared returns a file of the test media next to the repository, if it is there.
func shared(name string) (string, bool) {
	path, _ := filepath.Abs(filepath.Join("..", "..", "..", "shared", name))
	_, err := os.Stat(path)
	return path, err == nil
}

var jobStart = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func newPlan(t *testing.T, settings, file string) *plan.Plan {
	t.Helper()
	s, err := plan.ParseSettings([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	src, ix := look(t, file)
	p, err := plan.New(plan.Input{Settings: s, Source: src, Index: ix, JobStart: jobStart, BaseName: plan.BaseName(file)})
	if err != nil {
		t.Fatalf("plan %s: %v", file, err)
	}
	return p
}

var _ = fmt.Sprint
