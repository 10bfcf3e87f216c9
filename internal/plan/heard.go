package plan

import (
	"math"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// soundTimecode is how many frames a second timecodes count in a source without video.
const soundTimecode = 25

// seen reports whether any output of the job shows a picture.
func (p *planner) seen() bool {
	for _, g := range p.settings.OutputGroups {
		for _, o := range g.Outputs {
			if o.VideoDescription != nil {
				return true
			}
		}
	}
	return false
}

// heardSource is a source that has sound alone, in a job whose outputs have sound
// alone. Its grid counts samples, and begins with the first one of any of its streams.
func (p *planner) heardSource(number, file int) (*source, error) {
	facts := p.in.Files[file].Source
	if len(facts.Audio) == 0 {
		return nil, fault.New(fault.Invalid, CodeNoAudio, "the input has neither video nor audio")
	}
	first := defaultAudio(&facts, -1)
	rate := media.R(int64(first.SampleRate), 1)
	if !rate.Known() || first.SampleRate > 1_000_000 {
		return nil, fault.New(fault.Invalid, CodeUnsupported, "the audio of the input has no sampling rate that is supported")
	}
	src := &source{input: number, file: file, facts: facts}
	start, end := math.Inf(1), math.Inf(-1)
	for _, a := range facts.Audio {
		if a.EndPTS <= a.StartPTS || !a.TimeBase.Known() {
			continue
		}
		if at := float64(a.StartPTS) * a.TimeBase.Float(); at < start {
			start, src.origin = at, instant{a.StartPTS, a.TimeBase}
		}
		end = max(end, float64(a.EndPTS)*a.TimeBase.Float())
	}
	g := &grid{rate: rate, base: first.TimeBase}
	if end > start {
		// A time base is rarely finer than a sample: what is less than half a tick over is rounding.
		g.frames = int64(math.Ceil((end-start)*rate.Float() - 0.5))
	} else {
		g.frames = media.Rescale(int64(facts.Duration), media.R(1, int64(time.Second)), rate.Inverse())
	}
	if g.frames <= 0 {
		return nil, fault.New(fault.Invalid, CodeNoAudio, "the audio of the input has no samples")
	}
	src.grid = g
	return src, nil
}
