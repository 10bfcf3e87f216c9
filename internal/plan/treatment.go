package plan

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// treatment is what is done to a source's frames before their slots are chosen:
// everything that looks at neighbours in time. A chunk decodes as many of them as
// it takes, so that a frame comes out the same wherever a chunk begins.
type treatment struct {
	match       bool   // fields are matched to the frames that they were made of
	decimate    bool   // then one frame of five, the repeated one, is dropped
	first       string // which field comes first, of matching: "tff", "bff", "auto"
	deinterlace string // filter, "" is none
	half        bool   // the filter counts in half ticks
	denoise     string // filter, "" is none
	window      int    // frames on each side that denoise looks at
	blend       bool   // frames between two of the source's are made of both
	scan        scan   // what of an interlaced output they become
}

// scan says how an output's frames are scanned; the zero one is progressive.
type scan struct {
	first    string // field that is shown first: "top" or "bottom"
	fields   bool   // the fields of a frame are of two moments
	pulldown bool   // a film's four frames become five (telecine HARD)
}

// motion is bwdif: motion adaptive, from the fields of five frames.
const (
	motion       = "bwdif=mode=send_frame:parity=auto:deint="
	motionFrames = 2 // on each side
	matchFrames  = 4 // on each side, with what decides about them
)

// blended deinterlaces by mixing each line with its neighbours.
var blended = func() string {
	var planes []string
	for i := range 3 {
		planes = append(planes, fmt.Sprintf("%dm='0 1 0 0 2 0 0 1 0':%[1]drdiv=0.25", i))
	}
	return "convolution=" + strings.Join(planes, ":")
}()

// scanOf decides how an output shows a source: as the job says, or with the field
// first that the source has first.
func (p *planner) scanOf(src *source, d *VideoDescription, rate media.Rational, path string) scan {
	h := d.CodecSettings.H264Settings
	var s scan
	switch h.InterlaceMode {
	case "", "PROGRESSIVE":
	case "TOP_FIELD", "FOLLOW_TOP_FIELD":
		s.first = "top"
	case "BOTTOM_FIELD", "FOLLOW_BOTTOM_FIELD":
		s.first = "bottom"
	default:
		p.problems.add(path+"/interlaceMode", "%s is not supported", h.InterlaceMode)
	}
	if strings.HasPrefix(h.InterlaceMode, "FOLLOW") && p.followed.pic.interlaced {
		s.first = map[string]string{"tt": "top", "tb": "top"}[p.followed.video.Interlaced]
		if s.first == "" {
			s.first = "bottom"
		}
	}
	hard := h.Telecine == "HARD"
	if s.first == "" {
		if hard {
			p.problems.add(path+"/telecine", "telecine HARD needs an interlaceMode other than PROGRESSIVE")
		}
		return s
	}
	own := src.grid.rate
	switch {
	case hard:
		if film := media.R(rate.Num*(cycle-1), rate.Den*cycle); math.Abs(film.Float()/own.Float()-1) > 0.002 || src.counted() {
			p.problems.add(path+"/telecine", "telecine HARD makes 29.97 frames a second of 23.976, not %.6g of %.6g", rate.Float(), own.Float())
		}
		s.pulldown = true
	case src.pic.interlaced:
		s.fields = d.VideoPreprocessors.Deinterlacer == nil
	case h.ScanTypeConversionMode == "INTERLACED_OPTIMIZE":
		s.fields = own == media.R(rate.Num*2, rate.Den)
	}
	if s.fields && src.counted() {
		p.problems.add(path+"/interlaceMode", "the source does not tell when its frames are shown: its fields cannot be kept")
	}
	return s
}

// span is what a branch delivers: frames at a rate, from a slot of the source's grid
// at that rate on.
type span struct {
	rate        media.Rational
	from, count int64
}

// span returns what the branch of a treatment delivers for a chunk: its frames, or
// what they are made of in the end.
func (tr treatment) span(l *ladder, t *take, c Chunk) span {
	s := span{l.slots(), t.slot(c.From), c.To - c.From}
	switch {
	case tr.scan.fields:
		return span{media.R(s.rate.Num*2, s.rate.Den), s.from * 2, s.count * 2}
	case tr.scan.pulldown: // whole cycles
		to := (s.from + s.count + cycle - 1) / cycle
		from := s.from / cycle
		return span{media.R(s.rate.Num*(cycle-1), s.rate.Den*cycle), from * (cycle - 1), (to - from) * (cycle - 1)}
	}
	return s
}

// closing returns the filters that make the chunk's frames of what the branch
// delivered, each after a comma.
func (tr treatment) closing(l *ladder, t *take, c Chunk) string {
	field := ",setfield=" + map[string]string{"top": "tff", "bottom": "bff"}[tr.scan.first]
	again := ",settb=" + l.rate.Inverse().String() + ",setpts=N"
	switch {
	case tr.scan.fields:
		return ",tinterlace=mode=interleave_" + tr.scan.first + again + field
	case tr.scan.pulldown:
		lead := t.slot(c.From) % cycle
		return fmt.Sprintf(",telecine=first_field=%s:pattern=23,trim=start_frame=%d:end_frame=%d", tr.scan.first, lead, lead+c.To-c.From) + again + field
	case tr.scan.first != "":
		return field
	}
	return ""
}

// treatmentOf decides what an output has done to the frames of a source.
func (p *planner) treatmentOf(src *source, d *VideoDescription, scan scan, path string) treatment {
	t := treatment{scan: scan}
	dein := d.VideoPreprocessors.Deinterlacer
	path += "/videoPreprocessors"
	which := "interlaced"
	if dein != nil && dein.Control == "FORCE_ALL_FRAMES" {
		which = "all"
	}
	switch {
	case dein == nil && scan.fields && src.pic.interlaced:
		t.deinterlace, t.half = strings.Replace(motion, "send_frame", "send_field", 1)+which, true
	case dein == nil:
		if src.pic.interlaced {
			t.deinterlace, t.half = motion+which, true
			p.warnings.add(WarnDeinterlaced, "the source%s is interlaced; the output is progressive", p.which(src))
		}
	case dein.Mode == "" || dein.Mode == "DEINTERLACE":
		if !strings.HasPrefix(dein.Algorithm, "BLEND") {
			t.deinterlace, t.half = motion+which, true
		} else if src.pic.interlaced || which == "all" {
			t.deinterlace = blended
		}
	case dein.Mode == "ADAPTIVE" || dein.Mode == "INVERSE_TELECINE":
		t.match, t.first, t.decimate = true, "auto", dein.Mode == "INVERSE_TELECINE"
		switch src.video.Interlaced {
		case "tt", "tb":
			t.first = "tff"
		case "bb", "bt":
			t.first = "bff"
		}
		if t.deinterlace, t.half = motion+"interlaced", true; strings.HasPrefix(dein.Algorithm, "BLEND") && !t.decimate {
			p.problems.add(path+"/deinterlacer/algorithm", "%s with mode ADAPTIVE is not supported (use INTERPOLATE)", dein.Algorithm)
		}
	default:
		p.problems.add(path+"/deinterlacer/mode", "%s is not supported", dein.Mode)
	}
	frames := int(min(src.grid.frames, math.MaxInt32))
	if n := len(src.index.PTS); n > 0 {
		frames = n
	}
	t.denoise, t.window = temporalNoise(d.VideoPreprocessors.NoiseReducer, frames)
	if in, window := inputNoise(p.settings.Inputs[src.input].InputVideo, src.video.Codec, frames); in != "" {
		t.window += window
		t.denoise = strings.TrimPrefix(t.denoise+","+in, ",")
	}
	t.blend = d.CodecSettings.H264Settings.FramerateConversionAlgorithm == "INTERPOLATE"
	if src.counted() && (t.blend || t.decimate) {
		p.problems.add(path, "the source does not tell when its frames are shown: frames can be neither interpolated nor taken out of a telecine")
	}
	return t
}

// which names a source of several.
func (p *planner) which(src *source) string {
	if len(p.sources) < 2 {
		return ""
	}
	return fmt.Sprintf(" of input %d", src.input+1)
}

// counted reports whether the source's frames are counted, since its times cannot be used.
func (s *source) counted() bool { return len(s.grid.pts) == 0 || s.index.Problem != "" }

// plain reports whether frames are taken as they are.
func (t treatment) plain() bool { return t == treatment{scan: t.scan} }

// neighbours returns how many frames on each side a frame is made of.
func (t treatment) neighbours() int {
	n := t.window
	if t.match {
		n += matchFrames
	}
	if t.half {
		n += motionFrames
	}
	return n
}

// filters returns the filters of a treatment, of frames of the size of the first.
func (t treatment) filters() []string {
	var f []string
	if t.match {
		f = append(f, "fieldmatch=order="+t.first+":combmatch=full")
	}
	if t.deinterlace != "" {
		f = append(f, t.deinterlace)
	}
	if t.denoise != "" {
		f = append(f, t.denoise)
	}
	return f
}

// maxSecondField is more ticks than the last field of a source comes after its first.
const maxSecondField = 1 << 40

// branch returns the filters that turn decoded frames into the chunk's frames:
// exactly c.To-c.From of them, numbered from 0, and the first frame of the source
// that they need. first and last are the source's frames that the chunk shows.
func (l *ladder) branch(t *take, c Chunk, tr treatment, first, last int) (filters []string, lo int) {
	sp := tr.span(l, t, c)
	src, from := t.src, sp.from // of the source's grid
	pts, tick := t.grid.pts, sp.rate.Inverse().String()
	if tr.scan.pulldown || tr.scan.fields && !tr.half {
		g := src.grid.at(sp.rate)
		first, last = g.sourceAt(sp.from), g.sourceAt(sp.from+sp.count-1)
	}
	var f []string
	if !tr.plain() {
		f = append(f, fmt.Sprintf("scale=%d:%d", src.video.Width, src.video.Height)) // broadcasts change it in mid-stream
	}
	lo = first
	switch {
	case src.counted():
		// The one chunk of a take whose times are not to be trusted.
		f = append(f, tr.filters()...)
		if count, ok := t.grid.byNumber(); ok {
			if known := len(t.grid.slots); known > 0 && (first > 0 || last < known-1) {
				f = append(f, fmt.Sprintf("setpts=N,trim=start_pts=%d:end_pts=%d", first, last+1), "settb="+tick, "setpts="+strings.ReplaceAll(count, "N", fmt.Sprintf("(N+%d)", first))+minus(from))
			} else {
				f = append(f, "settb="+tick, "setpts="+count+minus(from))
			}
		} else {
			f = append(f, "setpts=PTS-STARTPTS", "settb="+tick, "setpts=PTS"+minus(from))
		}
	case tr.decimate:
		var in []string
		in, lo = l.untelecined(t, c, tr)
		f = append(in, append(f, "settb="+tick, "setpts=PTS"+minus(from))...)
	case tr.blend:
		var in []string
		in, lo = interpolated(t, sp, tr, f)
		f = append(in, "settb="+tick, "setpts=PTS"+minus(from))
	default:
		unit := int64(1) // of timestamps, in ticks of the stream
		if !tr.plain() {
			lo = max(first-tr.neighbours(), 0)
			hi := min(last+tr.neighbours(), len(pts)-1)
			f = slices.Concat([]string{trim(pts[lo], pts[hi])}, f, tr.filters())
			if tr.half {
				unit = 2
			}
		}
		end, frames := pts[last]*unit, last-first+1
		if tr.scan.fields && tr.half { // the second field comes half a frame later
			if frames *= 2; last+1 < len(pts) {
				end = pts[last+1]*unit - 1
			} else {
				end += maxSecondField
			}
		}
		f = append(f, trim(pts[first]*unit, end), "setpts=PTS"+minus(pts[0]*unit), "settb="+tick,
			// The end of the stream is a timestamp too, with N the number of frames: it
			// is moved away from the last frame, which fps would drop if it were to end
			// in the slot where it begins.
			fmt.Sprintf("setpts=PTS%s+1000*gte(N\\,%d)", minus(from), frames))
	}
	// fps fills slots without a frame of their own, drops frames that share one,
	// and shows from slot 0 on what was shown there already; tpad and the last trim
	// make the end exact where the source's last frame stands longer.
	return append(f,
		"fps=fps="+sp.rate.String()+":start_time=0:round=near",
		"tpad=stop=-1:stop_mode=clone",
		"trim=end_frame="+strconv.FormatInt(sp.count, 10)+l.faster(sp)), lo
}

// faster returns the filters that show a film's frames at the ladder's rate, after a
// comma, if that is another. fps changes no frame: it tells the encoder, whose clock
// would tick at the film's rate.
func (l *ladder) faster(sp span) string {
	if !l.film.Known() {
		return ""
	}
	rate := l.shown(sp)
	return ",settb=" + rate.Inverse().String() + ",setpts=N,fps=" + rate.String()
}

// shown returns the rate at which the frames of a branch are shown.
func (l *ladder) shown(sp span) media.Rational {
	if !l.film.Known() {
		return sp.rate
	}
	times := media.R(sp.rate.Num*l.film.Den, sp.rate.Den*l.film.Num)
	return media.R(l.rate.Num*times.Num, l.rate.Den*times.Den)
}

// A telecine makes five frames of four; its cycles, and with them the frames that
// are dropped, are counted from the source's first frame.
const (
	cycle       = 5
	cyclesAhead = 2 // decoded before the chunk, so that what is compared is there
)

// untelecined returns the filters from decoded frames to those of a film that was
// put through a hard telecine, at times of the source.
func (l *ladder) untelecined(t *take, c Chunk, tr treatment) ([]string, int) {
	g := t.src.grid // at the source's own rate, where cycles are counted
	own := g.rate
	at := func(k int64) int64 { return media.Rescale(t.slot(k), l.slots().Inverse(), own.Inverse()) }
	from := max(at(c.From)/cycle-cyclesAhead, 0) * cycle
	to := min(at(c.To)+(cyclesAhead+1)*cycle, max(g.frames-1, 0))
	lo, hi := g.sourceAt(from), g.sourceAt(to)
	quarter := media.R(own.Den, own.Num*(cycle-1)).String() // in which the film's frames are whole numbers
	f := []string{
		trim(g.pts[lo], g.pts[hi]),
		fmt.Sprintf("scale=%d:%d", t.src.video.Width, t.src.video.Height),
		"setpts=PTS" + minus(g.pts[0]), "settb=" + own.Inverse().String(),
		fmt.Sprintf("setpts=PTS%s+1000*gte(N\\,%d)", minus(from), hi-lo+1),
		"fps=fps=" + own.String() + ":start_time=0:round=near",
	}
	f = append(f, tr.filters()...)
	f = append(f, "settb="+quarter, "decimate=cycle="+strconv.Itoa(cycle),
		"tpad=stop=2:stop_mode=clone", // the end of the stream is to come after the last frame, for fps
		fmt.Sprintf("setpts=PTS%+d", from*(cycle-1)))
	return f, lo
}

// interpolated returns the filters from decoded frames to those of the output's
// rate, each a mixture of the two frames of the source before and after it, at
// times of the source. normal are those that make all frames one size.
//
// The filter counts from its first frame, which must stand on the output's grid:
// in the middle of a source that is a frame before those that are needed, moved to
// a slot of the grid; what is made of it is dropped.
func interpolated(t *take, sp span, tr treatment, normal []string) ([]string, int) {
	pts := t.grid.pts
	unit := int64(1)
	if tr.half {
		unit = 2
	}
	slots := t.grid.base.Float() * sp.rate.Float() // a tick of the stream
	at := func(i int) float64 { return float64(pts[i]-pts[0]) * slots }
	from, to := float64(sp.from), float64(sp.from+sp.count)
	const exact = 1e-6 // doubles are, in slots
	first, _ := slices.BinarySearchFunc(pts, from, func(p int64, want float64) int {
		if float64(p-pts[0])*slots <= want-exact {
			return -1
		}
		return 1
	})
	first = max(first-2, 0) // one that is needed, and one to be moved
	last := first
	for last < len(pts)-1 && at(last) < to {
		last++
	}
	fine := common(media.R(t.grid.base.Num, t.grid.base.Den*unit), sp.rate.Inverse())
	lo, hi := max(first-tr.neighbours(), 0), min(last+tr.neighbours(), len(pts)-1)
	f := slices.Concat([]string{trim(pts[lo], pts[hi])}, normal, tr.filters(),
		[]string{trim(pts[first]*unit, pts[last]*unit), "setpts=PTS" + minus(pts[0]*unit), "settb=" + fine.String()})
	if first > 0 {
		slot := int64(math.Ceil(at(first+1)-exact)) - 1
		f = append(f, fmt.Sprintf("setpts=if(eq(N\\,0)\\,%d\\,PTS)", media.Rescale(slot, sp.rate.Inverse(), fine)))
	}
	return append(f, "framerate=fps="+sp.rate.String()+":interp_start=0:interp_end=255:flags=0"), lo
}

// common returns the longest time of which both are whole multiples; the first
// where that cannot be counted with.
func common(a, b media.Rational) media.Rational {
	den := a.Den / gcd(a.Den, b.Den) * b.Den
	if den <= 0 || den > math.MaxInt32 {
		return a
	}
	return media.R(gcd(a.Num*(den/a.Den), b.Num*(den/b.Den)), den)
}
