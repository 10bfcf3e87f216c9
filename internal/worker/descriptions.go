package worker

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/dash"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/plan"
)

// descriptions checks and makes the DASH descriptions of a group.
func (f *finisher) descriptions(group plan.OutputGroup, outputs []packed) error {
	d := group.DASH
	for _, a := range append(slices.Clone(d.Additional), plan.Additional{Key: d.Key, Outputs: everyOutput(group)}) {
		text, err := f.presentation(group, a, outputs).Marshal()
		if err != nil {
			return err
		}
		p, err := dash.Parse(text)
		if err != nil {
			return err
		}
		if problems := p.Check(); len(problems) > 0 {
			return fault.New(fault.Internal, "1999", "the description %s is not right: %w", a.Key, errors.Join(problems...))
		}
		_, err = f.file(multivariantPlaylist, group.Bucket, a.Key, func(out io.Writer) error {
			_, err := out.Write(text)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// everyOutput lists the outputs of a group.
func everyOutput(group plan.OutputGroup) []int {
	all := make([]int, len(group.Outputs))
	for i := range all {
		all[i] = i
	}
	return all
}

// presentation is what a description over some of a group's outputs says.
func (f *finisher) presentation(group plan.OutputGroup, a plan.Additional, outputs []packed) *dash.Presentation {
	d := group.DASH
	p := &dash.Presentation{Profile: dash.ProfileMain, BaseURL: d.BaseURI, MinBufferTime: time.Duration(d.MinBuffer) * time.Millisecond}
	if d.OnDemand {
		p.Profile = dash.ProfileOnDemand
	}
	var sets []int
	for _, i := range a.Outputs {
		o, made := group.Outputs[i], &outputs[i]
		timeline := f.plan.Ladders[o.Ladder].Timeline
		p.Duration = max(p.Duration, timeline.Duration())
		if d.MinBuffer == 0 {
			for _, s := range made.segments {
				p.MinBufferTime = max(p.MinBufferTime, s.duration)
			}
		}
		r := f.representation(group, a.Key, o, made)
		r.ID = fmt.Sprint(i + 1)
		at := slices.Index(sets, o.Fragments.Set)
		if at < 0 {
			at = len(sets)
			sets = append(sets, o.Fragments.Set)
			p.Sets = append(p.Sets, f.adaptationSet(o, made))
		}
		p.Sets[at].Representations = append(p.Sets[at].Representations, r)
	}
	// The first sound is what is heard where a viewer chooses nothing.
	sounds := 0
	for i := range p.Sets {
		if p.Sets[i].ContentType == "audio" {
			if p.Sets[i].Role = "alternate"; sounds == 0 {
				p.Sets[i].Role = "main"
			}
			sounds++
		}
	}
	return p
}

func (f *finisher) adaptationSet(o plan.Output, made *packed) dash.AdaptationSet {
	if made.video != nil {
		return dash.AdaptationSet{ContentType: "video", MimeType: "video/mp4"}
	}
	return dash.AdaptationSet{ContentType: "audio", MimeType: "audio/mp4", Language: f.plan.Audios[o.Audios[0]].Language, Label: o.AudioNames[0]}
}

func (f *finisher) representation(group plan.OutputGroup, key string, o plan.Output, made *packed) dash.Representation {
	d := group.DASH
	r := dash.Representation{}
	peak, average := hls.Bandwidth(made.sizes())
	r.Bandwidth = peak
	if v := made.video; v != nil {
		rung := f.plan.Ladders[o.Ladder].Rungs[o.Rung]
		r.Codecs, r.Width, r.Height, r.FrameRate, r.PixelAspect = v.CodecString(), v.Width, v.Height, v.FrameRate, v.PixelAspect()
		switch {
		case d.Bandwidth == "AVERAGE":
			r.Bandwidth = average
		case d.Bandwidth == "MAX" && rung.MaxBitrate > 0:
			r.Bandwidth = rung.MaxBitrate
		}
	} else {
		encode := f.plan.Audios[o.Audios[0]]
		r.Codecs, r.SampleRate, r.Channels = made.audio[0].CodecString(), encode.SampleRate, encode.Channels
	}
	if o.Fragments.Init == "" {
		r.File = &dash.File{
			URI:    hls.RelativeURI(key, o.Segments[0]),
			InitTo: made.init.Length - 1, IndexFrom: made.index.Offset, IndexTo: made.index.Offset + made.index.Length - 1,
			Timescale: made.cut.Timescale(),
		}
		return r
	}
	t := &dash.Template{
		Media:          templateURI(key, o.Fragments.Template),
		Initialization: strings.ReplaceAll(hls.RelativeURI(key, o.Fragments.Init), "$", "$$"),
		Timescale:      made.cut.Timescale(), StartNumber: 1,
	}
	timeline := f.plan.Ladders[o.Ladder].Timeline
	byTime := strings.Contains(o.Fragments.Template.Identifier, "Time")
	if length, ok := uniform(timeline); ok && !d.Timeline && !byTime {
		t.Timescale, t.Duration = timeline.FrameRate.Num, length*timeline.FrameRate.Den
	} else {
		starts := make([]int64, made.cut.Segments()+1)
		for i := range made.cut.Segments() {
			starts[i], starts[i+1] = made.cut.Times(i)
		}
		t.Timeline = dash.Runs(starts)
	}
	r.Template = t
	return r
}

// uniform reports how many frames every segment has but the last, which has less.
// Players divide the presentation by the length of a segment, in floating point: if
// nothing were left over, some (video.js 8) would ask for one segment more.
func uniform(t plan.Timeline) (frames int64, ok bool) {
	from, to := t.Segment(0)
	length := to - from
	for i := range t.Segments() {
		from, to := t.Segment(i)
		if last := i == t.Segments()-1; to-from < length != last || to-from > length {
			return 0, false
		}
	}
	return length, true
}

// templateURI returns the media attribute of a SegmentTemplate. RelativeURI leaves
// no dollar sign in what is not the identifier.
func templateURI(description string, t plan.Template) string {
	after := hls.RelativeURI("", t.After)
	return hls.RelativeURI(description, t.Before) + t.Identifier + after
}
