// Package receipt says what a job was and what it took: facts of its sources, what
// was healed in them, the ladder, what its outputs are, the work, the time, and what
// the same outputs would cost by the minute elsewhere.
//
// The record of a job flows in, a document flows out. The package is pure: it reads
// its arguments and the price list that is part of it, and nothing else. Every number
// was measured by who did the work; here numbers are only put together.
package receipt

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/plan"
)

// Receipt is the document, version 1. Members are only added to it.
type Receipt struct {
	Version  int        `json:"version"`
	Job      string     `json:"job"`
	Status   job.Status `json:"status"`
	Queue    string     `json:"queue"`
	Priority int        `json:"priority"`
	Template string     `json:"template,omitempty"`
	Error    *Error     `json:"error,omitempty"`
	Inputs   []Input    `json:"inputs"`
	Healed   []Note     `json:"healed"`   // what was wrong with the sources, or other than a stream has it, and was made right
	Warnings []Note     `json:"warnings"` // all others of the job
	Ladders  []Ladder   `json:"ladders"`  // empty until the job is complete, as are the next two
	Outputs  []Output   `json:"outputs"`
	Check    *Check     `json:"check,omitempty"`
	Work     Work       `json:"work"`
	Time     Time       `json:"time"`
	Price    *Price     `json:"price,omitempty"` // of a job that is complete
}

// Error is why a job failed.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Note is a warning of the job, by its code.
type Note struct {
	Code    int    `json:"code"`
	What    string `json:"what,omitempty"` // of what was healed: one word for the code
	Message string `json:"message"`
}

// Input is one input of the job.
type Input struct {
	URI             string        `json:"uri"`
	Container       string        `json:"container"` // ffmpeg's name of the demuxer
	Bytes           int64         `json:"bytes"`
	DurationSeconds float64       `json:"durationSeconds"` // the container's claim; 0 is unknown
	Timecode        string        `json:"timecode,omitempty"`
	Video           []VideoStream `json:"video"`
	Audio           []AudioStream `json:"audio"`
	Other           int           `json:"otherStreams"`
}

// VideoStream is one video stream of an input.
type VideoStream struct {
	Codec       string      `json:"codec"`
	Profile     string      `json:"profile,omitempty"`
	Width       int         `json:"width"` // coded pixels, before rotation and aspect
	Height      int         `json:"height"`
	PixelAspect string      `json:"pixelAspect,omitempty"`
	PixelFormat string      `json:"pixelFormat,omitempty"`
	BitDepth    int         `json:"bitDepth,omitempty"`
	FrameRate   string      `json:"frameRate"`   // the grid that timestamps lie on
	AverageRate string      `json:"averageRate"` // frames by time
	Rotation    int         `json:"rotation"`    // degrees clockwise to show it upright
	Mirrored    bool        `json:"mirrored,omitempty"`
	Interlaced  bool        `json:"interlaced"`
	Color       media.Color `json:"color"`
	BitrateBPS  int64       `json:"bitrateBps,omitempty"`
}

// AudioStream is one audio stream of an input.
type AudioStream struct {
	Codec      string `json:"codec"`
	SampleRate int    `json:"sampleRate"`
	Channels   int    `json:"channels"`
	Layout     string `json:"layout,omitempty"`
	Language   string `json:"language,omitempty"`
	BitrateBPS int64  `json:"bitrateBps,omitempty"`
}

// Ladder is what was decided of encodes that share a frame grid.
type Ladder struct {
	FrameRate    string `json:"frameRate"`
	Frames       int64  `json:"frames"`
	DurationInMs int64  `json:"durationInMs"`
	Segments     int    `json:"segments"`
	Chunks       int    `json:"chunks"`
	Rungs        []Rung `json:"rungs"`
}

// Rung is one video encode of a ladder. The encode is made once, whatever outputs
// show it.
type Rung struct {
	Width        int      `json:"width"`
	Height       int      `json:"height"`
	FrameRate    string   `json:"frameRate"`
	MaxBitrate   int64    `json:"maxBitrate,omitempty"` // bits a second; 0 is no cap
	BufferBits   int64    `json:"bufferBits,omitempty"`
	Copied       bool     `json:"copied,omitempty"` // its pictures are the source's, not encoded again
	EncodedBytes int64    `json:"encodedBytes"`     // of its pictures, without any container
	Quality      *Quality `json:"quality,omitempty"`
}

// Ladders lists the ladders of a plan.
func Ladders(p *plan.Plan) []Ladder {
	var out []Ladder
	for _, l := range p.Ladders {
		ladder := Ladder{
			FrameRate: l.Timeline.FrameRate.String(), Frames: l.Timeline.Frames, DurationInMs: l.Timeline.Duration().Milliseconds(),
			Segments: l.Timeline.Segments(), Chunks: len(l.Chunks), Rungs: []Rung{},
		}
		for _, r := range l.Rungs {
			ladder.Rungs = append(ladder.Rungs, Rung{Width: r.Width, Height: r.Height, FrameRate: r.FrameRate.String(), MaxBitrate: r.MaxBitrate, BufferBits: r.BufferBits, Copied: r.Copied != nil})
		}
		out = append(out, ladder)
	}
	return out
}

// Work is what the job took. CPU is that of media processes, user and system, as the
// kernel counted it.
type Work struct {
	Chunks           int          `json:"chunks"`
	Retries          int          `json:"retries"` // tasks that were tried again
	CPUSeconds       float64      `json:"cpuSeconds"`
	WastedCPUSeconds float64      `json:"wastedCpuSeconds"` // of attempts that failed or were given back
	Tasks            []TaskWork   `json:"tasks"`
	Workers          []WorkerWork `json:"workers"`
}

// TaskWork sums up the tasks of a kind: probe, audio, chunk, finish.
type TaskWork struct {
	Kind             string  `json:"kind"`
	Tasks            int     `json:"tasks"`
	Done             int     `json:"done"`
	Attempts         int     `json:"attempts"`
	Failures         int     `json:"failures"`
	GivenBack        int     `json:"givenBack"` // attempts that a graceful stop ended
	Lost             int     `json:"lost"`      // attempts that ended without a word, or run: what they took is not known
	Processes        int     `json:"processes"`
	CPUSeconds       float64 `json:"cpuSeconds"`
	WastedCPUSeconds float64 `json:"wastedCpuSeconds"`
	WallSeconds      float64 `json:"wallSeconds"` // sum over the tasks, side by side or not
}

// WorkerWork is what one worker did.
type WorkerWork struct {
	Name       string  `json:"name"`
	Tasks      int     `json:"tasks"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

// Time is when the job went from one stage to the next. What has not come is absent.
type Time struct {
	Submitted     *time.Time `json:"submitted,omitempty"`
	Started       *time.Time `json:"started,omitempty"`
	Finished      *time.Time `json:"finished,omitempty"`
	QueuedSeconds float64    `json:"queuedSeconds"` // from submission to start
	ProbeSeconds  float64    `json:"probeSeconds"`
	EncodeSeconds float64    `json:"encodeSeconds"`
	FinishSeconds float64    `json:"finishSeconds"` // packing, publishing, reading back
	TotalSeconds  float64    `json:"totalSeconds"`  // from submission to the end, or to now
}

// Details is what tasks told about a job, as far as it is read here; see worker.Details.
type Details struct {
	Inputs []struct {
		URI    string       `json:"uri"`
		Source media.Source `json:"source"`
	} `json:"inputs"`
	Ladders []Ladder  `json:"ladders"`
	Receipt *ReadBack `json:"receipt"`
}

// New returns the receipt of a job as of now. Its Work is that of the job's record,
// see job.Coordinator.Record.
func New(j job.Job, now time.Time) (*Receipt, error) {
	out := &Receipt{
		Version: 1, Job: j.ID, Status: j.Status, Queue: j.Queue, Priority: j.Priority, Template: j.Template,
		Inputs: []Input{}, Healed: []Note{}, Warnings: []Note{}, Ladders: []Ladder{}, Outputs: []Output{}, Time: times(j, now),
	}
	if j.Status == job.Error {
		out.Error = &Error{j.ErrorCode, j.ErrorMessage}
	}
	for _, w := range j.Warnings {
		if what := healed(w.Code); what != "" {
			out.Healed = append(out.Healed, Note{w.Code, what, w.Message})
		} else {
			out.Warnings = append(out.Warnings, Note{w.Code, "", w.Message})
		}
	}
	for name, doc := range map[string]json.RawMessage{"inputs": j.Input, "outputs": j.Details} {
		var d Details
		if len(doc) == 0 {
			continue
		}
		if err := json.Unmarshal(doc, &d); err != nil {
			return nil, fmt.Errorf("read what is known of the %s of job %s: %w", name, j.ID, err)
		}
		for _, in := range d.Inputs {
			out.Inputs = append(out.Inputs, input(in.URI, in.Source))
		}
		out.Ladders = append(out.Ladders, d.Ladders...)
		if r := d.Receipt; r != nil {
			out.Check, out.Outputs = &r.Check, append(out.Outputs, r.Outputs...)
		}
	}
	if j.Work != nil {
		out.Work = work(*j.Work)
	}
	out.Work.Retries = j.RetryCount
	settings, err := request(j.Request)
	if err != nil {
		return nil, err
	}
	settings.encoders(out.Outputs)
	out.Healed = append(out.Healed, settings.turned(out.Inputs)...)
	if len(out.Outputs) > 0 {
		out.Price = price(out.Outputs)
	}
	return out, nil
}

// request reads the settings of a job.
func request(doc json.RawMessage) (asked, error) {
	var r struct {
		Settings json.RawMessage `json:"settings"`
	}
	if len(doc) == 0 {
		return asked{}, nil
	}
	if err := json.Unmarshal(doc, &r); err != nil || len(r.Settings) == 0 {
		return asked{}, err
	}
	s, err := plan.ParseSettings(r.Settings)
	return asked{s}, err
}

// asked are the settings of a job.
type asked struct{ plan.Settings }

// turned tells of pictures that were turned as their source says since the job asked
// for it, of which there is no warning.
func (a asked) turned(inputs []Input) []Note {
	var out []Note
	for _, in := range inputs {
		i := slices.IndexFunc(a.Inputs, func(s plan.InputSettings) bool { return s.FileInput == in.URI })
		if i < 0 || a.Inputs[i].VideoSelector.Rotate != "AUTO" {
			continue
		}
		for _, v := range in.Video {
			if v.Rotation != 0 || v.Mirrored {
				out = append(out, Note{plan.WarnRotated, healed(plan.WarnRotated), fmt.Sprintf("%s was turned by %d degrees, as it says of itself and the job asks for", in.URI, v.Rotation)})
				break
			}
		}
	}
	return out
}

// encoders notes how each output was asked to be encoded.
func (a asked) encoders(outputs []Output) {
	for i := range outputs {
		o := &outputs[i]
		if o.Video == nil || o.OutputGroup >= len(a.OutputGroups) || o.Output >= len(a.OutputGroups[o.OutputGroup].Outputs) {
			continue
		}
		s := a.OutputGroups[o.OutputGroup].Outputs[o.Output]
		if s.VideoDescription == nil {
			continue
		}
		h := s.VideoDescription.CodecSettings.H264Settings
		o.Video.RateControl, o.Video.QualityTuning = h.RateControlMode, h.QualityTuningLevel
		if o.Video.QualityTuning == "" {
			o.Video.QualityTuning = "SINGLE_PASS_HQ" // the service's default, and what is done
		}
		if h.RateControlMode == "QVBR" {
			o.Video.QVBRLevel = float64(h.QvbrSettings.QvbrQualityLevel) + h.QvbrSettings.QvbrQualityLevelFineTune
		}
	}
}

func input(uri string, s media.Source) Input {
	in := Input{
		URI: uri, Container: s.Format, Bytes: s.Size, DurationSeconds: seconds(s.Duration), Timecode: s.Timecode,
		Video: []VideoStream{}, Audio: []AudioStream{}, Other: len(s.Other),
	}
	for _, v := range s.Video {
		in.Video = append(in.Video, VideoStream{
			Codec: v.Codec, Profile: v.Profile, Width: v.Width, Height: v.Height, PixelAspect: ratio(v.SampleAspect), PixelFormat: v.PixelFormat, BitDepth: v.BitDepth,
			FrameRate: ratio(v.FrameRate), AverageRate: ratio(v.AverageRate), Rotation: v.Rotation, Mirrored: v.Mirrored, Interlaced: v.Interlaced != "",
			Color: v.Color, BitrateBPS: v.BitrateBPS,
		})
	}
	for _, a := range s.Audio {
		in.Audio = append(in.Audio, AudioStream{Codec: a.Codec, SampleRate: a.SampleRate, Channels: a.Channels, Layout: a.Layout, Language: a.Language, BitrateBPS: a.BitrateBPS})
	}
	return in
}

// ratio is "" for what is unknown.
func ratio(r media.Rational) string {
	if r.Num == 0 || r.Den == 0 {
		return ""
	}
	return r.String()
}

func work(w job.Work) Work {
	out := Work{Tasks: []TaskWork{}, Workers: []WorkerWork{}}
	for _, k := range w.Kinds {
		if k.Kind == "chunk" {
			out.Chunks = k.Tasks
		}
		out.CPUSeconds += seconds(k.CPU)
		out.WastedCPUSeconds += seconds(k.Wasted)
		out.Tasks = append(out.Tasks, TaskWork{
			Kind: k.Kind, Tasks: k.Tasks, Done: k.Done, Attempts: k.Attempts, Failures: k.Failures, GivenBack: k.Releases, Lost: k.Lost(), Processes: k.Processes,
			CPUSeconds: seconds(k.CPU), WastedCPUSeconds: seconds(k.Wasted), WallSeconds: seconds(k.Wall),
		})
	}
	out.CPUSeconds, out.WastedCPUSeconds = rounded(out.CPUSeconds), rounded(out.WastedCPUSeconds)
	for _, worker := range w.Workers {
		out.Workers = append(out.Workers, WorkerWork{worker.Name, worker.Tasks, seconds(worker.CPU)})
	}
	return out
}

func times(j job.Job, now time.Time) Time {
	end := j.Finished
	if end.IsZero() {
		end = now
	}
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	t := Time{Submitted: at(j.Created), Started: at(j.Started), Finished: at(j.Finished), TotalSeconds: seconds(end.Sub(j.Created))}
	started := j.Started
	if started.IsZero() {
		started = end
	}
	t.QueuedSeconds = seconds(started.Sub(j.Created))
	for i, m := range j.Marks {
		until := end
		if i+1 < len(j.Marks) {
			until = j.Marks[i+1].At
		}
		took := seconds(until.Sub(m.At))
		switch m.Phase {
		case "PROBING":
			t.ProbeSeconds = took
		case "TRANSCODING":
			t.EncodeSeconds = took
		case "UPLOADING":
			t.FinishSeconds = took
		}
	}
	return t
}

// seconds is a duration as JSON has it, to the millisecond.
func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond).Milliseconds()) / 1000
}
