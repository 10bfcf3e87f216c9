package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// effort is x264's preset and what is set on top of it.
type effort struct {
	preset  string
	options []string
}

// tuning holds the effort of each QualityTuningLevel. They were found by
// `go run ./test/bench -only search`, on film, animation and camera footage at equal
// size. Variance-adaptive quantisation (aq-mode 2) and bits that are spread more
// evenly over time (qcomp 0.5, with which mbtree is stronger) cost nothing, and make up
// for what is left out:
//
//   - SINGLE_PASS takes five sixths of the CPU time of preset veryfast, at its SSIM:
//     no partitions of inter blocks, the smallest search.
//   - SINGLE_PASS_HQ, the service's default, takes two thirds of the time of preset
//     medium; its SSIM was within 0.001 in the search, 0.003 lower on one camera clip since: one reference, a shorter lookahead, a
//     cheaper subpixel search, no trellis, no partitions in B-frames.
//   - MULTI_PASS_HQ is meant to take about twice the time. It is one pass too: with
//     a lookahead of 60 frames a second pass has little to add to constant quality.
var tuning = map[string]effort{
	"SINGLE_PASS":    {"veryfast", []string{"rc-lookahead=10", "ref=1", "me=dia", "subme=2", "analyse=i4x4,i8x8", "aq-mode=2", "qcomp=0.5"}},
	"SINGLE_PASS_HQ": {"medium", []string{"rc-lookahead=30", "ref=1", "subme=6", "trellis=0", "analyse=i4x4,i8x8,p8x8", "aq-mode=2", "qcomp=0.5"}},
	"MULTI_PASS_HQ":  {"medium", []string{"rc-lookahead=60", "ref=5", "subme=9", "me=umh", "b-adapt=2", "direct=auto", "trellis=2", "aq-mode=2"}},
}

// x264 is a list of x264's parameters, each name once.
type x264 []string

func (x *x264) set(name string, value any) {
	next := fmt.Sprintf("%s=%v", name, value)
	for i, o := range *x {
		if strings.HasPrefix(o, name+"=") {
			(*x)[i] = next
			return
		}
	}
	*x = append(*x, next)
}

// number returns a parameter that is a whole number, or fallback.
func (x x264) number(name string, fallback int64) int64 {
	for _, o := range x {
		if value, ok := strings.CutPrefix(o, name+"="); ok {
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				return n
			}
		}
	}
	return fallback
}

// profileOf returns x264's profile and pixels of a CodecProfile.
func profileOf(codecProfile string) (profile, format string) {
	switch codecProfile {
	case "BASELINE":
		return "baseline", "yuv420p"
	case "HIGH":
		return "high", "yuv420p"
	case "HIGH_10BIT":
		return "high10", "yuv420p10le"
	case "HIGH_422":
		return "high422", "yuv422p"
	case "HIGH_422_10BIT":
		return "high422", "yuv422p10le"
	}
	return "main", "yuv420p"
}

// fewFrames is the rate, in frames a second, below which B-frames are used only where
// a job asks for them: pictures that far apart have little in common, and a segment has
// too few for players to bear that decoding runs ahead of showing.
const fewFrames = 6

// encoder reads what H264Settings says of the encoder's tools, and decides the
// rung's level, for which profile, size and rate are known.
func (r *rung) encoder(h H264Settings, rate media.Rational, path string, p *problems) string {
	quality := h.QualityTuningLevel
	if quality == "" {
		quality = "SINGLE_PASS_HQ"
	}
	tuned, ok := tuning[quality]
	if !ok {
		p.add(path+"/qualityTuningLevel", "%s is not supported", quality)
	}
	options := x264(slices.Clone(tuned.options))
	r.preset = tuned.preset
	bframes := int64(3) // of both presets
	if r.profile == "baseline" {
		bframes = 0
	} else {
		if n := h.NumberBFramesBetweenReferenceFrames; n != nil {
			bframes = min(max(*n, 0), 7)
			options.set("bframes", bframes)
		} else if rate.Float() < fewFrames {
			bframes = 0
			options.set("bframes", bframes)
		}
		if h.DynamicSubGop == "STATIC" {
			options.set("b-adapt", 0)
		}
		if h.GopBReference == "DISABLED" {
			options.set("b-pyramid", "none")
		}
		if h.EntropyEncoding == "CAVLC" {
			options.set("cabac", 0)
		}
	}
	if h.SceneChangeDetect == "DISABLED" {
		options.set("scenecut", 0)
	}
	if rows := int64(r.height+15) / 16; h.Slices > rows {
		p.add(path+"/slices", "%d slices are more than the %d rows of macroblocks of a picture of %d×%d", h.Slices, rows, r.width, r.height)
	} else if h.Slices > 1 {
		options.set("slices", h.Slices)
	}
	quantisation(h, &options)
	switch s := h.Softness; {
	case s == 0:
	case r.profile == "baseline" || r.profile == "main":
		p.add(path+"/softness", "quantisation matrices need codecProfile HIGH")
	case s == 1 || s == 16:
		options.set("cqm", "jvt")
	default:
		options.set("cqm4", softer(4, s))
		options.set("cqm8", softer(8, s))
	}
	if r.first != "" {
		if r.profile == "baseline" {
			p.add(path+"/codecProfile", "BASELINE is progressive: interlaced outputs need MAIN or HIGH")
		}
		if r.height%4 != 0 {
			p.add(path+"/interlaceMode", "an interlaced output has a multiple of four lines, not %d", r.height)
		}
		options.set(map[string]string{"top": "tff", "bottom": "bff"}[r.first], 1)
	}
	r.references(h, &options, bframes, rate, quality, path, p)
	return strings.Join(options, ":")
}

// quantisation reads the adaptive quantisation. What AUTO chooses is the tuning
// level's; a strength turns spatial and temporal on unless they are turned off.
func quantisation(h H264Settings, options *x264) {
	strength := map[string]string{"LOW": "0.6", "MEDIUM": "0.8", "HIGHER": "1.2", "MAX": "1.4"}
	switch h.AdaptiveQuantization {
	case "", "AUTO":
		return
	case "OFF":
		options.set("aq-mode", 0)
		options.set("mbtree", 0)
		return
	}
	if h.SpatialAdaptiveQuantization == "DISABLED" {
		options.set("aq-mode", 0)
	} else if s := strength[h.AdaptiveQuantization]; s != "" {
		options.set("aq-strength", s)
	}
	if h.TemporalAdaptiveQuantization == "DISABLED" {
		options.set("mbtree", 0)
	}
}

// softer returns a quantisation matrix of size n: 16 for the lowest frequency, what
// softness says for the highest, and a plane between.
func softer(n int, softness int64) string {
	list := make([]string, 0, n*n)
	for i := range n * n {
		list = append(list, strconv.FormatInt(16+(softness-16)*int64(i/n+i%n)/int64(2*n-2), 10))
	}
	return strings.Join(list, ",")
}

// references decides how many frames the encoder refers to, and the level: the
// lowest that holds the stream, or the job's, refused where it does not.
//
// NumberReferenceFrames is kept to. The three that the service's console writes into
// every job is a maximum, but with MULTI_PASS_HQ: more than one costs a tenth of the
// time and saves no bits to speak of.
func (r *rung) references(h H264Settings, options *x264, bframes int64, rate media.Rational, quality, path string, p *problems) {
	refs := options.number("ref", 3)
	wanted := h.NumberReferenceFrames
	switch {
	case wanted <= 0:
	case quality != "MULTI_PASS_HQ" && wanted <= 3:
		refs = min(refs, wanted)
	default:
		refs = min(wanted, 16)
	}
	need := func() int64 { // frames that x264 announces, and decoders keep
		switch {
		case bframes == 0:
			return refs
		case bframes == 1 || slices.Contains(*options, "b-pyramid=none"):
			return max(refs, 2)
		}
		return max(refs, 4)
	}
	c := coded{width: r.width, height: r.height, fps: rate.Float(), profile: r.profile, rate: r.rate.cap(), buffer: r.rate.buffer, interlaced: r.first != ""}
	if h.HrdBufferSize == 0 { // ours: as large as the level has it
		c.buffer = 0
	}
	least := c
	least.references = need()
	if wanted <= 0 {
		least.references = min(need(), 4)
	}
	in, given := named(h.CodecLevel)
	if !given {
		if name := lowest(least); name != "" {
			in, _ = named("LEVEL_" + strings.Replace(name, ".", "_", 1))
		} else {
			p.add(path, "no level of H.264 holds %s", levels[len(levels)-1].beyond(least))
			return
		}
	}
	frame := int64((r.width+15)/16) * int64((r.height+15)/16)
	holds := max(min(in.buffer/frame, 16), 1)
	if wanted <= 0 || !given {
		refs = min(refs, holds)
	}
	if need() > holds && bframes > 1 && !slices.Contains(*options, "b-pyramid=none") && h.GopBReference != "ENABLED" {
		options.set("b-pyramid", "none")
	}
	c.references = need()
	if problem := in.beyond(c); problem != "" {
		p.add(path+"/codecLevel", "level %s does not hold %s", in.name, problem)
	}
	if most := int64(float64(in.coded) * 1000 * profileFactor(r.profile)); h.HrdBufferSize == 0 {
		r.rate.buffer = min(r.rate.buffer, most)
	}
	options.set("ref", refs)
	r.level = in.name
}

// encoderArgs returns the options of one chunk's encoder for the rung.
func (r rung) encoderArgs(l *ladder, c Chunk) []string {
	several := len(l.chunks) > 1
	args := []string{
		"-c:v", "libx264", "-preset", r.preset, "-pix_fmt", r.format, "-profile:v", r.profile, "-level:v", r.level,
		"-threads", strconv.Itoa(l.encoderThreads(c)),
	}
	if r.rate.crf != "" {
		args = append(args, "-crf", r.rate.crf)
	} else {
		args = append(args, "-b:v", strconv.FormatInt(r.rate.bitrate, 10))
	}
	params := r.options
	if r.rate.max > 0 {
		rate, buffer, fill := r.rate.vbv(float64(c.To-c.From)/l.rate.Float(), several, c.From == 0, c.To == l.timeline.Frames)
		args = append(args, "-maxrate", strconv.FormatInt(rate, 10), "-bufsize", strconv.FormatInt(buffer, 10))
		params += fmt.Sprintf(":vbv-init=%g", fill)
	}
	// Keyframes come from the Timeline alone, at the same frames in every rung, and
	// every one is an IDR with a closed GOP. A scene change gets an I frame that is
	// none: with the smallest GOP beyond reach x264 never makes it a keyframe.
	// stitchable keeps content out of the parameter sets, so that all chunks share them.
	params += ":keyint=infinite:min-keyint=536870912:open-gop=0:stitchable=1"
	args = append(args, "-x264-params", params, "-forced-idr", "1", "-force_key_frames", "expr:"+keyframes(l.timeline, c, r.gop))
	if r.captions {
		return append(args, "-a53cc", "1")
	}
	args = append(args, "-a53cc", "0")
	if r.first == "" { // else they tell of fields
		args = append(args, "-bsf:v", "filter_units=remove_types=6") // x264's settings: no part of a segment
	}
	return args
}

// keyframes returns the expression that is 1 for frames of the chunk, n counting
// from its first, that begin a GOP: at its start, at every segment, and every gop
// frames from there.
func keyframes(t Timeline, c Chunk, gop int64) string {
	// Segments that follow each other and last equally long are one term: a source
	// that is encoded in one piece has thousands.
	type run struct{ from, to, each int64 }
	var runs []run
	next, _ := slices.BinarySearch(t.Starts, c.From+1)
	for from := c.From; from < c.To; {
		to := c.To
		if next < len(t.Starts) && t.Starts[next] < c.To {
			to = t.Starts[next]
			next++
		}
		if last := len(runs) - 1; last >= 0 && runs[last].each == to-from {
			runs[last].to = to - c.From
		} else {
			runs = append(runs, run{from - c.From, to - c.From, to - from})
		}
		from = to
	}
	var terms []string
	for _, r := range runs {
		switch {
		case gop >= r.each && r.to-r.from == r.each:
			terms = append(terms, fmt.Sprintf("+eq(n,%d)", r.from))
		case gop >= r.each || r.each%gop == 0 || r.to-r.from == r.each:
			terms = append(terms, fmt.Sprintf("+gte(n,%d)*lt(n,%d)*not(mod(n-%d,%d))", r.from, r.to, r.from, min(gop, r.each)))
		default:
			terms = append(terms, fmt.Sprintf("+gte(n,%d)*lt(n,%d)*not(mod(mod(n-%d,%d),%d))", r.from, r.to, r.from, r.each, gop))
		}
	}
	return sum(terms)[1:]
}
