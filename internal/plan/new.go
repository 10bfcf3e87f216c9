package plan

import (
	"fmt"
	"math"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// Input is all that a Plan is made from.
type Input struct {
	Settings Settings         // of the job, presets and template applied
	Source   media.Source     // as probed
	Index    media.FrameIndex // of the stream that SelectVideo returns
	JobStart time.Time        // what $dt$, $d$ and $t$ stand for, everywhere
	BaseName string           // of the first input, see BaseName; "" is taken from the settings
}

// Bounds of a job. A source may claim anything; these are told before work starts.
const (
	maxHours      = 24
	maxGapSeconds = 3600      // between two frames of a source
	maxWork       = 20e12     // pixels decoded and encoded: three hours of 2160p60 in six rungs
	maxSegments   = 1_000_000 // of one output
	maxPicture    = 8192      // pixels, either side of an output; the API's bound
	minPicture    = 32        // the API's bound; of what follows from a source's aspect ratio too
	maxObjects    = 4_000_000 // keys of a job
)

// SelectVideo returns the stream of the source that a job encodes: the one with
// the VideoSelector's PID, else the first.
func SelectVideo(s Settings, src media.Source) (media.VideoStream, error) {
	if len(src.Video) == 0 {
		return media.VideoStream{}, fault.New(fault.Invalid, CodeNoVideo, "the input has no video")
	}
	if len(s.Inputs) > 0 && s.Inputs[0].VideoSelector.Pid > 0 {
		for _, v := range src.Video {
			if int64(v.PID) == s.Inputs[0].VideoSelector.Pid {
				return v, nil
			}
		}
		return media.VideoStream{}, fault.New(fault.Invalid, CodeNoVideo, "the input has no video with PID %d", s.Inputs[0].VideoSelector.Pid)
	}
	return src.Video[0], nil
}

// planner is the state of one New.
type planner struct {
	in       Input
	settings Settings
	source   source
	grid     *grid
	origin   instant
	whole    bool // the source cannot be entered in the middle
	ladders  ladders
	audios   []audio
	problems problems
	warnings warnings
}

// output is an Output while it is being planned.
type output struct {
	ladder, rung, capture int // -1 is none
	audio                 int
}

// New decides a job. It returns a *fault.Error: Invalid with code 1040 and a path
// for each fault of the settings, 1020 and 1030 for what the source lacks or is,
// Limit for what is beyond the bounds. The same Input gives the same Plan.
func New(in Input) (*Plan, error) {
	p := &planner{in: in, settings: in.Settings}
	if p.in.BaseName == "" && len(in.Settings.Inputs) > 0 {
		p.in.BaseName = BaseName(in.Settings.Inputs[0].FileInput)
	}
	if len(in.Settings.Inputs) > 1 {
		p.problems.add("/inputs", "more than one input is not supported")
	}
	if err := p.look(); err != nil {
		return nil, err
	}
	outputs := p.video()
	if err := p.problems.err(); err != nil {
		return nil, err
	}
	if err := p.bound(); err != nil {
		return nil, err
	}
	for _, l := range p.ladders.list {
		l.lay(p.source, p.whole)
	}
	if err := p.audio(outputs); err != nil {
		return nil, err
	}
	groups := p.groups(outputs)
	if err := p.problems.err(); err != nil {
		return nil, err
	}
	plan := &Plan{Groups: groups, Audios: []AudioEncode{}}
	for _, l := range p.ladders.list {
		plan.Ladders = append(plan.Ladders, l.public(p.source))
	}
	for i, a := range p.audios {
		plan.Audios = append(plan.Audios, a.public(p.origin, audioFile(i)))
	}
	plan.Warnings = p.warnings.list
	return plan, nil
}

func audioFile(i int) string { return fmt.Sprintf("a%d.mp4", i) }

// look takes stock of the source: picture, grid, origin.
func (p *planner) look() error {
	v, err := SelectVideo(p.settings, p.in.Source)
	if err != nil {
		return err
	}
	if v.Codec == "" || v.Width <= 0 || v.Height <= 0 {
		return fault.New(fault.Invalid, CodeUnsupported, "the video of the input is in a format that is not supported")
	}
	if v.Width > media.MaxPixels/v.Height {
		return fault.New(fault.Limit, CodeUnsupported, "the picture of %d×%d is larger than 8K", v.Width, v.Height)
	}
	rotate := ""
	if len(p.settings.Inputs) > 0 {
		rotate = p.settings.Inputs[0].VideoSelector.Rotate
	}
	pic := sourcePicture(v, rotate, &p.warnings)
	p.source = source{facts: p.in.Source, video: v, index: p.in.Index, pic: pic}
	for i := 1; i < len(p.in.Index.PTS); i++ {
		if gap := float64(p.in.Index.PTS[i]-p.in.Index.PTS[i-1]) * p.in.Index.TimeBase.Float(); gap > maxGapSeconds {
			return fault.New(fault.Limit, CodeUnsupported, "the source has no frame for %.0f s, after its frame %d: its timestamps are broken, or it is no film", gap, i)
		}
	}
	g, err := sourceGrid(v, p.in.Index, &p.warnings)
	if err != nil {
		return err
	}
	p.whole = p.in.Index.Problem != "" || g == nil
	if g == nil {
		if g, err = claimedGrid(v, p.in.Source, p.in.Index); err != nil {
			return err
		}
	} else {
		p.origin = instant{g.pts[0], g.base}
	}
	if p.whole {
		why := p.in.Index.Problem
		if why == "" {
			why = "its timestamps cannot be used"
		}
		p.warnings.add(WarnOnePiece, "the source cannot be entered in the middle (%s); it is encoded in one piece, which takes longer", why)
	}
	p.grid = g
	return nil
}

// claimedGrid is the grid of a source whose frames do not tell when they are
// shown: what the container claims has to do.
func claimedGrid(v media.VideoStream, src media.Source, ix media.FrameIndex) (*grid, error) {
	g := &grid{rate: media.R(25, 1), base: v.TimeBase}
	for _, r := range []media.Rational{v.AverageRate, v.FrameRate} {
		if r.Known() && r.Float() >= minSteadyRate && r.Float() <= maxRate && r.Num <= math.MaxInt32 && r.Den <= math.MaxInt32 {
			g.rate = r
			break
		}
	}
	counted := int64(len(ix.PTS))
	g.frames = media.Rescale(int64(src.Duration), media.R(1, int64(time.Second)), g.rate.Inverse())
	if g.frames <= 0 || counted > 0 && g.frames > 2*counted {
		g.frames = counted
	}
	if g.frames <= 0 {
		return nil, fault.New(fault.Invalid, CodeNoVideo, "the video of the input has no frames")
	}
	return g, nil
}

// video puts every output on a ladder. Groups with segments come first: an output
// that is one file joins a ladder that is there anyway.
func (p *planner) video() [][]output {
	outputs := make([][]output, len(p.settings.OutputGroups))
	if len(outputs) == 0 {
		p.problems.add("/outputGroups", "the job has no output group")
	}
	for _, segments := range []bool{true, false} {
		for gi := range p.settings.OutputGroups {
			group := &p.settings.OutputGroups[gi]
			path := fmt.Sprintf("/outputGroups/%d", gi)
			hls := group.OutputGroupSettings.Type == "HLS_GROUP_SETTINGS"
			switch group.OutputGroupSettings.Type {
			case "HLS_GROUP_SETTINGS", "FILE_GROUP_SETTINGS":
			default:
				if segments {
					p.problems.add(path+"/outputGroupSettings/type", "%q is not supported", group.OutputGroupSettings.Type)
				}
				continue
			}
			if hls != segments {
				continue
			}
			if len(group.Outputs) == 0 {
				p.problems.add(path+"/outputs", "Should have at least 1 items")
			}
			outputs[gi] = make([]output, len(group.Outputs))
			for oi := range group.Outputs {
				outputs[gi][oi] = p.place(group, &group.Outputs[oi], fmt.Sprintf("%s/outputs/%d", path, oi), hls)
			}
		}
	}
	return outputs
}

// place puts one output on a ladder.
func (p *planner) place(group *GroupSettings, o *OutputSettings, path string, hls bool) output {
	out := output{ladder: -1, rung: -1, capture: -1, audio: -1}
	d := o.VideoDescription
	if d == nil {
		p.problems.add(path+"/videoDescription", "an output without video is not supported yet")
		return out
	}
	path += "/videoDescription"
	switch d.ScalingBehavior {
	case "", "DEFAULT", "STRETCH_TO_OUTPUT", "FIT", "FIT_NO_UPSCALE", "FILL":
	default:
		p.problems.add(path+"/scalingBehavior", "%s is not supported", d.ScalingBehavior)
	}
	for _, side := range []struct {
		name string
		size int64
	}{{"width", d.Width}, {"height", d.Height}} {
		if side.size != 0 && (side.size < minPicture || side.size > maxPicture) {
			p.problems.add(path+"/"+side.name, "Should be between %d and %d", minPicture, maxPicture)
			return out
		}
	}
	container := o.ContainerSettings.Container
	wrong := func(want string) {
		p.problems.add(path[:len(path)-len("/videoDescription")]+"/containerSettings/container", "%q does not hold %s (%s does)", container, d.CodecSettings.Codec, want)
	}
	switch d.CodecSettings.Codec {
	case "FRAME_CAPTURE":
		if hls {
			p.problems.add(path+"/codecSettings/codec", "FRAME_CAPTURE is not supported in an HLS group")
			return out
		}
		if container != "RAW" && container != "" {
			wrong("RAW")
		}
		out.ladder = p.ladders.joined(p.grid)
		l := p.ladders.list[out.ladder]
		c := newCapture(d, p.source.pic, l.grid.rate)
		p.checkSize(c.frame, path)
		out.capture = l.capture(c)
		return out
	case "H_264", "":
	default:
		p.problems.add(path+"/codecSettings/codec", "%s is not supported (H_264 and FRAME_CAPTURE are)", d.CodecSettings.Codec)
		return out
	}
	if hls && container != "M3U8" && container != "" {
		wrong("M3U8")
	}
	if !hls && container != "MP4" {
		wrong("MP4")
	}
	h := d.CodecSettings.H264Settings
	g := p.grid
	switch h.FramerateControl {
	case "", "INITIALIZE_FROM_SOURCE":
		if h.FramerateControl == "INITIALIZE_FROM_SOURCE" || h.FramerateNumerator == 0 {
			break
		}
		fallthrough
	case "SPECIFIED":
		rate := media.R(h.FramerateNumerator, h.FramerateDenominator)
		if !rate.Known() || rate.Float() < minSteadyRate || rate.Float() > maxRate || rate.Num > math.MaxInt32 || rate.Den > math.MaxInt32 {
			p.problems.add(path+"/codecSettings/h264Settings/framerateNumerator", "framerateControl SPECIFIED needs framerateNumerator and framerateDenominator of %d to %d frames a second", minSteadyRate, maxRate)
			return out
		}
		g = g.at(rate)
	default:
		p.problems.add(path+"/codecSettings/h264Settings/framerateControl", "%s is not supported", h.FramerateControl)
	}
	r := newRung(d, p.source.pic, g.rate, path, &p.problems, &p.warnings)
	p.checkSize(r.frame, path)
	if !hls {
		out.ladder = p.ladders.joined(g)
	} else {
		out.ladder = p.ladders.segmented(g, p.segmentation(group, r, path))
	}
	out.rung = p.ladders.list[out.ladder].rung(r)
	return out
}

func (p *planner) checkSize(f frame, path string) {
	for _, side := range []int{f.width, f.height, f.contentW, f.contentH} {
		if side < 2 || side > 2*maxPicture {
			p.problems.add(path+"/width", "the output would be %d×%d with a picture of %d×%d in it", f.width, f.height, f.contentW, f.contentH)
			return
		}
	}
}

// segmentation reads how an HLS group cuts the Timeline of an output. The whole
// group follows the GOP of its first output, so that its rungs stay aligned.
func (p *planner) segmentation(group *GroupSettings, r rung, path string) segmentation {
	s := group.OutputGroupSettings.HLSGroupSettings
	cut := segmentation{seconds: s.SegmentLength, minSeconds: max(s.MinFinalSegmentLength, float64(s.MinSegmentLength))}
	if cut.seconds <= 0 {
		cut.seconds = 10
	}
	switch s.SegmentLengthControl {
	case "", "EXACT":
	case "GOP_MULTIPLE":
		for _, o := range group.Outputs {
			if o.VideoDescription != nil {
				cut.multiple = gopFrames(o.VideoDescription.CodecSettings.H264Settings, p.rateOf(o.VideoDescription.CodecSettings.H264Settings))
				break
			}
		}
	default:
		p.problems.add(path[:len(path)-len("/videoDescription")], "segmentLengthControl %s is not supported", s.SegmentLengthControl)
	}
	return cut
}

// rateOf returns the rate that an output asks for.
func (p *planner) rateOf(h H264Settings) media.Rational {
	if rate := media.R(h.FramerateNumerator, h.FramerateDenominator); h.FramerateControl == "SPECIFIED" && rate.Known() {
		return rate
	}
	return p.grid.rate
}

// bound refuses what would take longer than anyone wants.
func (p *planner) bound() error {
	work := 0.0
	for _, l := range p.ladders.list {
		seconds := float64(l.grid.frames) / l.grid.rate.Float()
		if seconds > maxHours*3600 {
			return fault.New(fault.Limit, CodeUnsupported, "the source lasts %.1f hours; the most is %d", seconds/3600, maxHours)
		}
		if n := seconds / float64(max(l.cut.seconds, 1)); n > maxSegments {
			return fault.New(fault.Limit, CodeSettings, "an output would have %.0f segments", n)
		}
		pixels := float64(p.source.pic.width) * float64(p.source.pic.height)
		for _, r := range l.rungs {
			pixels += float64(r.frame.width) * float64(r.frame.height)
		}
		work += pixels * float64(l.grid.frames)
	}
	if work > maxWork {
		return fault.New(fault.Limit, CodeUnsupported, "the job is too much work: %.3g pixels to decode and encode, the most is %.3g", work, float64(maxWork)).
			WithHint("split the source, or ask for smaller or fewer outputs")
	}
	return nil
}

// audio decides the audio of every output.
func (p *planner) audio(outputs [][]output) error {
	var in InputSettings
	if len(p.settings.Inputs) > 0 {
		in = p.settings.Inputs[0]
	}
	for gi, group := range p.settings.OutputGroups {
		for oi, o := range group.Outputs {
			out := &outputs[gi][oi]
			path := fmt.Sprintf("/outputGroups/%d/outputs/%d/audioDescriptions", gi, oi)
			if len(o.AudioDescriptions) == 0 || out.ladder < 0 {
				continue
			}
			if out.capture >= 0 {
				p.warnings.add(WarnSetting, "%s: a frame capture has no audio", path)
				continue
			}
			if len(o.AudioDescriptions) > 1 {
				p.problems.add(path, "more than one audio track in an output is not supported yet")
				continue
			}
			a, err := newAudio(o.AudioDescriptions[0], in, p.in.Source, p.origin, p.ladders.list[out.ladder].timeline, path+"/0", &p.problems, &p.warnings)
			if err != nil {
				return err
			}
			for i, have := range p.audios {
				if have == a {
					out.audio = i
				}
			}
			if out.audio < 0 {
				p.audios = append(p.audios, a)
				out.audio = len(p.audios) - 1
			}
		}
	}
	return nil
}
