package plan

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// rung is everything that decides a video encode but its chunks. Outputs with deeply
// equal rungs on one ladder share one encode.
type rung struct {
	width   int // of the output
	height  int
	frames  []frame // how the picture of each input becomes the output's
	colors  space   // of the output
	rate    rateControl
	gop     int64 // frames between keyframes at most; 0 until the Timeline is known
	profile string
	level   string // "" is the lowest that holds
	options string // x264-params: what the tuning level and the job's own words add
}

// rateControl is how many bits a rung may have.
type rateControl struct {
	crf     string // constant quality, "" is by bitrate
	bitrate int64  // bits a second, of CBR and VBR
	max     int64  // bits a second; 0 is uncapped
	buffer  int64  // bits, the window that the output as a whole honours; 0 with no cap
}

// videoBPS is what $rv$ stands for.
func (r rateControl) videoBPS() int64 {
	if r.crf == "" {
		return r.bitrate
	}
	return r.max
}

// crf maps QVBR's quality levels to x264's constant rate factor: two steps a
// level, so that a level is a third of the bits, with 7, the level of most
// published jobs, on 23, the factor that x264 itself takes for good. Levels come
// in thirds.
func crf(level int64, fine float64) string {
	thirds := math.Round(fine * 3)
	quality := float64(level) + thirds/3
	return strconv.FormatFloat(math.Round((37-2*quality)*100)/100, 'f', -1, 64)
}

// autoQuality is QVBR's level where the job leaves it out, after the table of
// suggestions in the user guide.
func autoQuality(height int) int64 {
	if height >= 720 {
		return 8
	}
	return 7
}

// tuning holds x264's settings for QualityTuningLevel, on top of its preset
// medium. Measured on 52 s of film in three rungs against that preset as ffmpeg
// runs it (High profile, three B-frames), at equal size:
//
//   - SINGLE_PASS takes about 0.75 of its CPU time and is within 0.001 of its
//     SSIM: a shorter lookahead, one reference frame and a cheaper subpixel search,
//     for which variance-adaptive quantisation (aq-mode 2) makes up.
//   - SINGLE_PASS_HQ, the service's default, has medium's search and lookahead with
//     two references and the better quantisation: within 0.0005, in less time still
//     than medium takes.
//   - MULTI_PASS_HQ is meant to take about twice the time. It is one pass too: with
//     a lookahead of 60 frames a second pass has little to add to constant quality.
var tuning = map[string][]string{
	"SINGLE_PASS":    {"rc-lookahead=20", "ref=1", "subme=6", "aq-mode=2"},
	"SINGLE_PASS_HQ": {"rc-lookahead=40", "ref=2", "subme=7", "aq-mode=2"},
	"MULTI_PASS_HQ":  {"rc-lookahead=60", "ref=5", "subme=9", "me=umh", "b-adapt=2", "direct=auto", "trellis=2", "aq-mode=2"},
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
	r := rung{frames: framesFor(d, par, false, pl, video), colors: follow.pic.target(), gop: gopFrames(h, rate)}
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
	refuse("interlaceMode", h.InterlaceMode, "PROGRESSIVE")
	refuse("slowPal", h.SlowPal, "DISABLED")
	refuse("telecine", h.Telecine, "NONE")
	refuse("framerateConversionAlgorithm", h.FramerateConversionAlgorithm, "DUPLICATE_DROP")

	r.rate = newRateControl(h, r.height, path, p)
	switch h.CodecProfile {
	case "BASELINE":
		r.profile = "baseline"
	case "", "MAIN":
		r.profile = "main"
	case "HIGH":
		r.profile = "high"
	default:
		p.add(path+"/codecProfile", "%s is not supported: outputs are 8-bit 4:2:0", h.CodecProfile)
	}
	if level, ok := strings.CutPrefix(h.CodecLevel, "LEVEL_"); ok {
		r.level = strings.Replace(level, "_", ".", 1)
	}

	quality := h.QualityTuningLevel
	if quality == "" {
		quality = "SINGLE_PASS_HQ"
	}
	options, ok := tuning[quality]
	if !ok {
		p.add(path+"/qualityTuningLevel", "%s is not supported", quality)
	}
	options = append([]string(nil), options...)
	set := func(name, value string) {
		for i, o := range options {
			if strings.HasPrefix(o, name+"=") {
				options[i] = name + "=" + value
				return
			}
		}
		options = append(options, name+"="+value)
	}
	if n := h.NumberReferenceFrames; n > 0 {
		// A maximum: the tuning level may use fewer, which saves time and no bits to speak of.
		for _, o := range options {
			if ref, ok := strings.CutPrefix(o, "ref="); ok {
				if have, _ := strconv.ParseInt(ref, 10, 64); n < have {
					set("ref", strconv.FormatInt(n, 10))
				}
				break
			}
		}
	}
	if r.profile != "baseline" {
		if n := h.NumberBFramesBetweenReferenceFrames; n != nil {
			set("bframes", strconv.FormatInt(min(max(*n, 0), 7), 10))
		}
		if h.DynamicSubGop == "STATIC" {
			set("b-adapt", "0")
		}
		if h.GopBReference == "DISABLED" {
			set("b-pyramid", "none")
		}
		if h.EntropyEncoding == "CAVLC" {
			set("cabac", "0")
		}
	}
	if h.SceneChangeDetect == "DISABLED" {
		set("scenecut", "0")
	}
	if h.Slices > 1 {
		set("slices", strconv.FormatInt(min(h.Slices, 32), 10))
	}
	strength := map[string]string{"LOW": "0.6", "MEDIUM": "0.8", "HIGHER": "1.2", "MAX": "1.4"}
	switch {
	case h.AdaptiveQuantization == "OFF",
		h.AdaptiveQuantization != "" && h.AdaptiveQuantization != "AUTO" && h.SpatialAdaptiveQuantization == "DISABLED":
		set("aq-mode", "0")
	case strength[h.AdaptiveQuantization] != "":
		set("aq-strength", strength[h.AdaptiveQuantization])
	}
	r.options = strings.Join(options, ":")
	for i, src := range pl.sources {
		if pic := src.pic; pic.smallerThan(r.frames[i]) {
			w.add(WarnUpscaled, "the output of %d×%d is larger than the source's picture of %d×%d", r.width, r.height, pic.width, pic.height)
		}
	}
	return r
}

func newRateControl(h H264Settings, height int, path string, p *problems) rateControl {
	var rc rateControl
	mode := h.RateControlMode
	switch {
	case mode == "" && h.MaxBitrate > 0 && h.Bitrate == 0:
		mode = "QVBR"
	case mode == "":
		mode = "VBR"
	}
	switch mode {
	case "QVBR":
		if h.MaxBitrate <= 0 {
			p.add(path+"/maxBitrate", "maxBitrate is required with rateControlMode QVBR")
		}
		level, fine := h.QvbrSettings.QvbrQualityLevel, h.QvbrSettings.QvbrQualityLevelFineTune
		if level == 0 {
			level, fine = autoQuality(height), 0
		}
		rc.crf, rc.max = crf(min(max(level, 1), 10), min(max(fine, 0), 1)), h.MaxBitrate
	case "VBR", "CBR":
		if h.Bitrate <= 0 {
			p.add(path+"/bitrate", "bitrate is required with rateControlMode %s", mode)
		}
		rc.bitrate, rc.max = h.Bitrate, h.MaxBitrate
		if mode == "CBR" {
			rc.max = h.Bitrate
		}
		if rc.max > 0 && rc.max < rc.bitrate {
			p.add(path+"/maxBitrate", "maxBitrate %d is less than bitrate %d", rc.max, rc.bitrate)
		}
	default:
		p.add(path+"/rateControlMode", "%s is not supported", mode)
	}
	if rc.max > 0 {
		if rc.buffer = h.HrdBufferSize; rc.buffer == 0 {
			rc.buffer = 2 * rc.max
		}
	}
	return rc
}

// initialFill is how full x264 takes its buffer to be where a chunk begins.
const initialFill = 0.4

// vbv returns what x264 is told in a chunk of this many seconds so that the whole
// output honours its cap across chunk edges, although no encoder knows what its
// neighbour does. several says that the output has other chunks, last that none
// follows this one.
//
// Let the output promise at most R·w+B bits in any window of w seconds. An
// encoder with rate r, buffer b and initial fullness f·b promises, within its
// chunk, at most r·w+b in any window, and at most r·w+f·b in one that begins
// where the chunk begins. A window over several chunks is the end of one, whole
// ones, and the beginning of one: with r+f·b/t ≤ R for the whole ones (of t
// seconds), it holds at most
//
//	(r·w₁+b) + R·w₂ + (r·w₃+f·b)  ≤  R·w + b·(1+f)
//
// so b = B/(1+initialFill), f ≤ initialFill and r = R−f·b/t keep the promise. It
// follows too that no whole chunk, and so no segment that is a chunk, has more
// than R on average. The last chunk is never a whole one in the middle.
func (rc rateControl) vbv(seconds float64, several, last bool) (rate, buffer int64, fill float64) {
	r, b := float64(rc.max), float64(rc.buffer)
	if !several {
		return int64(r), int64(b), initialFill
	}
	b /= 1 + initialFill
	fill = initialFill
	if !last {
		// Never less than three quarters of the rate: a buffer that is long for its
		// chunk would leave little else. Then it begins emptier.
		if most := r / 4 * seconds / b; fill > most {
			fill = math.Floor(most*1000) / 1000
		}
		r -= fill * b / seconds
	}
	return int64(r), int64(b), fill
}

// encoderArgs returns the options of one chunk's encoder for the rung.
func (r rung) encoderArgs(l *ladder, c Chunk) []string {
	several := len(l.chunks) > 1
	args := []string{"-c:v", "libx264", "-preset", "medium", "-profile:v", r.profile, "-threads", strconv.Itoa(l.encoderThreads(c))}
	level := r.level
	if level == "" {
		level = levelOf(r.width, r.height, l.rate, keptPictures(r.options), r.profile == "high", r.rate.max, r.rate.buffer)
	}
	args = append(args, "-level:v", level)
	if r.rate.crf != "" {
		args = append(args, "-crf", r.rate.crf)
	} else {
		args = append(args, "-b:v", strconv.FormatInt(r.rate.bitrate, 10))
	}
	params := r.options
	if r.rate.max > 0 {
		rate, buffer, fill := r.rate.vbv(float64(c.To-c.From)/l.rate.Float(), several, c.To == l.timeline.Frames)
		args = append(args, "-maxrate", strconv.FormatInt(rate, 10), "-bufsize", strconv.FormatInt(buffer, 10))
		params += fmt.Sprintf(":vbv-init=%g", fill)
	}
	// Keyframes come from the Timeline alone, at the same frames in every rung, and
	// every one is an IDR with a closed GOP. A scene change gets an I frame that is
	// none: with the smallest GOP beyond reach x264 never makes it a keyframe.
	// stitchable keeps content out of the parameter sets, so that all chunks share them.
	params += ":keyint=infinite:min-keyint=536870912:open-gop=0:stitchable=1"
	return append(args,
		"-x264-params", params, "-forced-idr", "1", "-force_key_frames", "expr:"+keyframes(l.timeline, c, r.gop),
		"-a53cc", "0", "-bsf:v", "filter_units=remove_types=6", // x264's settings and captions: no part of a segment
	)
}

// keyframes returns the expression that is 1 for frames of the chunk, n counting
// from its first, that begin a GOP: at its start, at every segment, and every gop
// frames from there.
func keyframes(t Timeline, c Chunk, gop int64) string {
	var terms []string
	next, _ := slices.BinarySearch(t.Starts, c.From+1)
	for from := c.From; from < c.To; {
		to := c.To
		if next < len(t.Starts) && t.Starts[next] < c.To {
			to = t.Starts[next]
			next++
		}
		a, b := from-c.From, to-c.From
		if gop >= b-a {
			terms = append(terms, fmt.Sprintf("eq(n,%d)", a))
		} else {
			terms = append(terms, fmt.Sprintf("gte(n,%d)*lt(n,%d)*not(mod(n-%d,%d))", a, b, a, gop))
		}
		from = to
	}
	return strings.Join(terms, "+")
}
