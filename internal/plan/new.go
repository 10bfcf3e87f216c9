package plan

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/limit"
	"vodwright.dev/vodwright/internal/media"
)

// Input is all that a Plan is made from.
type Input struct {
	Settings Settings     // of the job, presets and template applied
	Files    []Footage    // as probed, one for each of Files(Settings)
	JobStart time.Time    // what $dt$, $d$ and $t$ stand for, everywhere
	Limits   limit.Limits // what the job may take; zero fields are the defaults
	Copy     bool         // video that outputs may show as it is, by its index, is not encoded
	Chunk    float64      // seconds that chunks last, as far as segments allow and whatever it costs; 0 is as is best
	BaseName string       // of the first input, see BaseName; "" is taken from the settings
}

// Bounds of an output's sides, in pixels.
const (
	maxPicture = 8192 // the API's bound
	minPicture = 32   // the API's bound; of what follows from a source's aspect ratio too
)

// SelectVideo returns the stream of an input that a job encodes: the one with the
// file's VideoPID, else the first that the file prefers, else the first; of those
// without a VideoPID that last a tenth of the longest at least.
func SelectVideo(f File, src media.Source) (media.VideoStream, error) {
	if len(src.Video) == 0 {
		return media.VideoStream{}, fault.New(fault.Invalid, CodeNoVideo, "the input has no video")
	}
	if f.VideoPID > 0 {
		for _, v := range src.Video {
			if int64(v.PID) == f.VideoPID {
				return v, nil
			}
		}
		return media.VideoStream{}, fault.New(fault.Invalid, CodeNoVideo, "the input has no video with PID %d", f.VideoPID)
	}
	longest := time.Duration(0)
	for _, v := range src.Video {
		longest = max(longest, v.Duration)
	}
	var films []media.VideoStream
	for _, v := range src.Video {
		if v.Duration == 0 || v.Duration >= longest/10 { // else a picture that stands for the film
			films = append(films, v)
		}
	}
	for _, v := range films {
		if v.Default {
			return v, nil
		}
	}
	return films[0], nil
}

// planner is the state of one New.
type planner struct {
	in       Input
	settings Settings
	files    []File
	sources  []*source // one an input
	followed *source   // whose rate and size outputs take that name none
	clips    []clip    // what the job shows, in order
	ladders  []*ladder
	audios   []audio
	problems problems
	warnings warnings
}

// output is an Output while it is being planned.
type output struct {
	ladder, rung, capture int // -1 is none
	audios                []int
	names                 []string // of audios
}

// New decides a job. It returns a *fault.Error: Invalid with code 1040 and a path
// for each fault of the settings, 1020 and 1030 for what a source lacks or is, 1060
// for clippings that it does not have, Limit for what is beyond the bounds. The
// same Input gives the same Plan.
func New(in Input) (*Plan, error) {
	in.Limits = in.Limits.OrDefaults()
	p := &planner{in: in, settings: in.Settings, files: Files(in.Settings)}
	if n, most := len(p.files), int(in.Limits.Inputs); len(in.Settings.Inputs) > most || n > 2*most {
		return nil, limit.Exceeded(limit.Inputs, CodeSettings, "the job has %d inputs and reads %d files, more than the %d inputs that are allowed", len(in.Settings.Inputs), n, most)
	}
	if p.in.BaseName == "" && len(in.Settings.Inputs) > 0 {
		p.in.BaseName = BaseName(in.Settings.Inputs[0].FileInput)
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
	for _, l := range p.ladders {
		l.lay(in.Chunk)
	}
	p.copies()
	if err := p.audio(outputs); err != nil {
		return nil, err
	}
	groups := p.groups(outputs)
	if err := p.problems.err(); err != nil {
		return nil, err
	}
	plan := &Plan{Files: p.files, Groups: groups, Audios: []AudioEncode{}}
	for _, l := range p.ladders {
		plan.Ladders = append(plan.Ladders, l.public())
	}
	for i, a := range p.audios {
		encode := a.public(audioFile(i))
		encode.Steady = a.steady(encode.File, in.Files)
		plan.Audios = append(plan.Audios, encode)
	}
	plan.Warnings = p.warnings.list
	return plan, nil
}

func audioFile(i int) string { return fmt.Sprintf("a%d.mp4", i) }

// look takes stock of the sources and of what the job shows of them.
func (p *planner) look() error {
	if len(p.settings.Inputs) == 0 {
		p.problems.add("/inputs", "Should have at least 1 items")
		return p.problems.err()
	}
	if len(p.in.Files) != len(p.files) {
		return fault.New(fault.Internal, "", "%d files were probed, the job has %d", len(p.in.Files), len(p.files))
	}
	several := len(p.settings.Inputs) > 1
	for i := range p.settings.Inputs {
		in := &p.settings.Inputs[i]
		before := len(p.warnings.list)
		src, err := p.source(i, in)
		if err == nil {
			var clips []clip
			clips, err = p.clippings(src)
			p.clips = append(p.clips, clips...)
			if in.ImageInserter != nil {
				src.images = p.inserts(in.ImageInserter, p.inputStart(src), src.grid.rate, fmt.Sprintf("/inputs/%d", i))
			}
		}
		if err != nil {
			return inInput(err, i, several)
		}
		for j := before; several && j < len(p.warnings.list); j++ {
			p.warnings.list[j].Message = fmt.Sprintf("input %d: %s", i+1, p.warnings.list[j].Message)
		}
		p.sources = append(p.sources, src)
	}
	follow := max(p.settings.FollowSource, 1)
	if follow > int64(len(p.sources)) {
		p.problems.add("/followSource", "the job has no input %d", follow)
		return p.problems.err()
	}
	p.followed = p.sources[follow-1]
	return p.problems.err()
}

// inInput says which of several inputs an error is about.
func inInput(err error, i int, several bool) error {
	var f *fault.Error
	if !several || !errors.As(err, &f) {
		return err
	}
	with := *f
	with.Message = fmt.Sprintf("input %d: %s", i+1, f.Message)
	return &with
}

// source looks at one input: picture, grid, origin.
func (p *planner) source(number int, in *InputSettings) (*source, error) {
	file := fileIndex(p.files, inputFile(in))
	if file < 0 {
		p.problems.add(fmt.Sprintf("/inputs/%d/fileInput", number), "the input names no file")
		return nil, p.problems.err()
	}
	footage := p.in.Files[file]
	for _, w := range footage.Mended {
		p.warnings.add(w.Code, "%s", w.Message)
	}
	if len(footage.Source.Video) == 0 && !p.seen() {
		return p.heardSource(number, file)
	}
	v, err := SelectVideo(p.files[file], footage.Source)
	if err != nil {
		return nil, err
	}
	if v.Codec == "" || v.Width <= 0 || v.Height <= 0 {
		return nil, fault.New(fault.Invalid, CodeUnsupported, "the video of the input is in a format that is not supported")
	}
	if int64(v.Width) > int64(p.in.Limits.Pixels)/int64(v.Height) {
		return nil, limit.Exceeded(limit.Pixels, CodeUnsupported, "the picture of %d×%d has more than the %d pixels that are allowed", v.Width, v.Height, p.in.Limits.Pixels)
	}
	if v.DolbyOnly {
		return nil, fault.New(fault.Invalid, CodeUnsupported, "the video of the input is Dolby Vision that other displays cannot show (profile 5)").
			WithHint("export it as HDR10, HLG or Dolby Vision of profile 8, whose base layer is one of them")
	}
	src := &source{input: number, file: file, facts: footage.Source, video: v, index: footage.Index}
	src.pic = sourcePicture(v, in, &p.warnings)
	ix := &src.index
	for i := 1; i < len(ix.PTS); i++ {
		if gap := float64(ix.PTS[i]-ix.PTS[i-1]) * ix.TimeBase.Float(); gap > p.in.Limits.Gap.Seconds() {
			return nil, limit.Exceeded(limit.Gap, CodeUnsupported, "the source has no frame for %.0f s, after its frame %d, where %v are allowed: its timestamps are broken, or it is no film", gap, i, p.in.Limits.Gap)
		}
	}
	g, err := sourceGrid(v, *ix, p.in.Limits, &p.warnings)
	if err != nil {
		return nil, err
	}
	src.whole = ix.Problem != "" || g == nil
	if g == nil {
		if g, err = claimedGrid(v, src.facts, *ix); err != nil {
			return nil, err
		}
	} else {
		src.origin = instant{g.pts[0], g.base}
	}
	if src.whole {
		why := ix.Problem
		if why == "" {
			why = "its timestamps cannot be used"
		}
		p.warnings.add(WarnOnePiece, "the source cannot be entered in the middle (%s); it is encoded in one piece, which takes longer", why)
	}
	p.warnings.tellLeaps(*ix)
	p.warnings.tellStreams(src.facts, v, *ix, p.captioned())
	p.warnings.tellCutShort(src.facts, v, *ix)
	src.grid = g
	return src, nil
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
			cut, _ := group.segments()
			switch group.OutputGroupSettings.Type {
			case "HLS_GROUP_SETTINGS", "CMAF_GROUP_SETTINGS", "DASH_ISO_GROUP_SETTINGS", "FILE_GROUP_SETTINGS":
			default:
				if segments {
					p.problems.add(path+"/outputGroupSettings/type", "%q is not supported", group.OutputGroupSettings.Type)
				}
				continue
			}
			if (cut != nil) != segments {
				continue
			}
			if len(group.Outputs) == 0 {
				p.problems.add(path+"/outputs", "Should have at least 1 items")
			}
			outputs[gi] = make([]output, len(group.Outputs))
			for oi := range group.Outputs {
				outputs[gi][oi] = p.place(group, &group.Outputs[oi], fmt.Sprintf("%s/outputs/%d", path, oi), segments)
			}
		}
	}
	return outputs
}

// place puts one output on a ladder.
func (p *planner) place(group *GroupSettings, o *OutputSettings, path string, segments bool) output {
	out := output{ladder: -1, rung: -1, capture: -1}
	d := o.VideoDescription
	if d == nil {
		out.ladder = p.placeAudio(group, o, path)
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
		if segments {
			p.problems.add(path+"/codecSettings/codec", "FRAME_CAPTURE is supported in a FILE_GROUP_SETTINGS group only")
			return out
		}
		if container != "RAW" && container != "" {
			wrong("RAW")
		}
		out.ladder = p.joined(p.followed.grid.rate, media.Rational{})
		l := p.ladders[out.ladder]
		c := p.newCapture(d, l.rate, path)
		for _, f := range c.frames {
			p.checkSize(f, path)
		}
		out.capture = l.capture(c)
		return out
	case "H_264", "":
	default:
		p.problems.add(path+"/codecSettings/codec", "%s is not supported (H_264 and FRAME_CAPTURE are)", d.CodecSettings.Codec)
		return out
	}
	if ok, usual := group.container(container); !ok {
		wrong(usual)
	}
	h := d.CodecSettings.H264Settings
	rate := p.followRate(d)
	switch h.FramerateControl {
	case "", "INITIALIZE_FROM_SOURCE":
		if h.FramerateControl == "INITIALIZE_FROM_SOURCE" || h.FramerateNumerator == 0 {
			break
		}
		fallthrough
	case "SPECIFIED":
		rate = media.R(h.FramerateNumerator, h.FramerateDenominator)
		if !rate.Known() || rate.Float() < minSteadyRate || rate.Float() > maxRate || rate.Num > math.MaxInt32 || rate.Den > math.MaxInt32 {
			p.problems.add(path+"/codecSettings/h264Settings/framerateNumerator", "framerateControl SPECIFIED needs framerateNumerator and framerateDenominator of %d to %d frames a second", minSteadyRate, maxRate)
			return out
		}
	default:
		p.problems.add(path+"/codecSettings/h264Settings/framerateControl", "%s is not supported", h.FramerateControl)
	}
	film := p.filmOf(d)
	if film.Known() && rate != palRate {
		p.problems.add(path+"/codecSettings/h264Settings/slowPal", "slowPal needs framerateControl SPECIFIED with 25 frames a second")
	}
	r := p.newRung(d, rate, path)
	for _, f := range r.frames {
		p.checkSize(f, path)
	}
	if !segments {
		out.ladder = p.joined(rate, film)
	} else {
		out.ladder = p.segmented(rate, film, p.segmentation(group, rate, path))
	}
	l := p.ladders[out.ladder]
	r.captions = p.embedded(o, r, l, strings.TrimSuffix(path, "/videoDescription"))
	out.rung = l.rung(r)
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

// followRate returns the rate of an output that names none: the source's, or that
// of the film in it where it is taken out of a telecine.
func (p *planner) followRate(d *VideoDescription) media.Rational {
	rate := p.followed.grid.rate
	if dein := d.VideoPreprocessors.Deinterlacer; dein != nil && dein.Mode == "INVERSE_TELECINE" {
		rate = media.R(rate.Num*(cycle-1), rate.Den*cycle)
	}
	return rate
}

// palRate is that of slow PAL.
var palRate = media.R(25, 1)

// filmOf returns the rate of the film that an output shows at 25 frames a second by
// showing it faster, unknown if it does not. The service ignores SlowPal for sources
// that are no films.
func (p *planner) filmOf(d *VideoDescription) media.Rational {
	if film := p.followRate(d); d.CodecSettings.H264Settings.SlowPal == "ENABLED" && (film == media.R(24, 1) || film == media.R(24000, 1001)) {
		return film
	}
	return media.Rational{}
}

// rateOf returns the rate that an output asks for.
func (p *planner) rateOf(d *VideoDescription) media.Rational {
	h := d.CodecSettings.H264Settings
	if rate := media.R(h.FramerateNumerator, h.FramerateDenominator); h.FramerateControl != "INITIALIZE_FROM_SOURCE" && rate.Known() {
		return rate
	}
	return p.followRate(d)
}

// bound refuses what would take longer than anyone wants.
func (p *planner) bound() error {
	work := 0.0
	for _, l := range p.ladders {
		seconds := float64(l.frames()) / l.rate.Float()
		if seconds > p.in.Limits.Duration.Seconds() {
			return limit.Exceeded(limit.Duration, CodeUnsupported, "the output would last %.1f hours, more than the %.6g that are allowed", seconds/3600, p.in.Limits.Duration.Hours())
		}
		if n := seconds / float64(max(l.cut.seconds, 1)); n > float64(p.in.Limits.Segments) {
			return limit.Exceeded(limit.Segments, CodeSettings, "an output would have %.0f segments, more than the %d that are allowed", n, p.in.Limits.Segments)
		}
		if l.silentPicture() {
			continue
		}
		encoded := 0.0
		for _, r := range l.rungs {
			encoded += float64(r.width) * float64(r.height) * float64(1+len(r.images)) // each image goes over every frame
		}
		for _, t := range l.takes {
			decoded := float64(t.src.pic.width) * float64(t.src.pic.height) * float64(1+len(t.src.images))
			work += encoded*float64(t.frames) + decoded*t.read()
		}
	}
	if most := float64(p.in.Limits.Work); work > most {
		return fault.New(fault.Limit, CodeUnsupported, "the job is too much work: %.3g pixels to decode and encode, more than the %.3g that are allowed", work, most).
			WithHint("split the source, or ask for smaller or fewer outputs; %s", limit.Work.Hint())
	}
	return nil
}

// audio decides the audio of every output.
func (p *planner) audio(outputs [][]output) error {
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
			for i, d := range o.AudioDescriptions {
				tracks, err := p.expand(d)
				if err != nil {
					return err
				}
				for _, track := range tracks {
					a, err := p.newAudio(track, p.ladders[out.ladder], fmt.Sprintf("%s/%d", path, i))
					if err != nil {
						return err
					}
					out.audios = append(out.audios, p.sharedAudio(a))
					out.names = append(out.names, d.StreamName)
				}
			}
			if len(out.audios) == 0 && out.rung < 0 {
				return fault.New(fault.Invalid, CodeNoAudio, "%s: the output has no video and its audio selector finds no track", path)
			}
		}
	}
	return nil
}

// sharedAudio returns the number of an equal audio encode, added if there is none.
func (p *planner) sharedAudio(a audio) int {
	for i, have := range p.audios {
		if reflect.DeepEqual(have, a) {
			return i
		}
	}
	p.audios = append(p.audios, a)
	return len(p.audios) - 1
}
