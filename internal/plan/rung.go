package plan

import (
	"math"

	"vodwright.dev/vodwright/internal/media"
)

// rung is everything that decides a video encode but its chunks. Outputs with deeply
// equal rungs on one ladder share one encode.
type rung struct {
	width  int // of the output
	height int
	frames []frame  // how the picture of each input becomes the output's
	first  string   // field that is shown first; "" is progressive
	look   look     // of the output
	after  string   // filters of the scaled picture
	images []insert // over the output
	clock  burnin

	treatments []treatment // of the frames of each input
	rate       rateControl
	gop        int64 // frames between keyframes at most; 0 until the Timeline is known
	profile    string
	format     string // of the encoder's pixels
	level      string
	captions   bool         // those in the frames are kept
	preset     string       // of x264
	anyProfile bool         // the job gives none
	anyLevel   bool         // likewise
	options    string       // x264-params: what the tuning level and the job's own words add
	coded      *media.Coded // the source's video, which the rung is; nil is an encode
}

// newRung reads what an output says about its video. Sizes that it leaves out are
// those of the followed source. Faults have path before them.
func (pl *planner) newRung(d *VideoDescription, rate media.Rational, path string) rung {
	h, follow, p, w := d.CodecSettings.H264Settings, pl.followed, &pl.problems, &pl.warnings
	video := path
	path += "/codecSettings/h264Settings"
	var par media.Rational
	if h.ParControl == "SPECIFIED" {
		if par = media.R(h.ParNumerator, h.ParDenominator); !par.Known() || par.Float() < 0.05 || par.Float() > 20 {
			p.add(path+"/parNumerator", "parControl SPECIFIED needs parNumerator and parDenominator of a usable ratio")
			par = media.R(1, 1)
		}
	}
	r := rung{frames: framesFor(d, par, false, pl, video), look: pl.outputLook(d, video), after: d.VideoPreprocessors.after(), gop: gopFrames(h, rate)}
	r.width, r.height = r.frames[follow.input].width, r.frames[follow.input].height
	if f := r.frames[follow.input]; !par.Known() && f.parNum == f.parDen && (follow.pic.aspect < 0.99 || follow.pic.aspect > 1.01) {
		w.add(WarnSquarePixels, "the source's pixels are %v to 1 wide, those of the output of %d×%d are square: its picture has the same shape (parControl SPECIFIED sets others)", math.Round(follow.pic.aspect*1000)/1000, f.width, f.height)
	}

	refuse := func(member, value string, allowed ...string) {
		for _, a := range append(allowed, "") {
			if value == a {
				return
			}
		}
		p.add(path+"/"+member, "%s is not supported", value)
	}
	refuse("slowPal", h.SlowPal, "DISABLED", "ENABLED")
	refuse("telecine", h.Telecine, "NONE", "HARD")
	refuse("framerateConversionAlgorithm", h.FramerateConversionAlgorithm, "DUPLICATE_DROP", "INTERPOLATE")
	if i := d.VideoPreprocessors.ImageInserter; i != nil {
		r.images = pl.inserts(i, pl.outputStart(rate), rate, video+"/videoPreprocessors")
	}
	r.clock = pl.timecodeBurnin(d, rate, video)
	for _, src := range pl.sources {
		if len(src.images) > 0 && pl.filmOf(d).Known() {
			p.add(path+"/slowPal", "slowPal with images over inputs is not supported (lay them over the output)")
		}
		r.treatments = append(r.treatments, pl.treatmentOf(src, d, pl.scanOf(src, d, rate, path), video))
	}
	r.first = r.treatments[follow.input].scan.first

	r.rate = newRateControl(h, r.height, rate, path, p)
	r.profile, r.format = profileOf(h.CodecProfile)
	r.anyProfile, r.anyLevel = h.CodecProfile == "", h.CodecLevel == "" || h.CodecLevel == "AUTO"
	r.options = r.encoder(h, rate, path, p)
	for i, src := range pl.sources {
		if pic := src.pic; pic.smallerThan(r.frames[i]) {
			w.add(WarnUpscaled, "the output of %d×%d is larger than the source's picture of %d×%d", r.width, r.height, pic.width, pic.height)
		}
	}
	return r
}
