package plan

import (
	"fmt"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// space is a colour space in ffmpeg's names.
type space struct{ matrix, primaries, transfer string }

// color is how a source's samples map to light: what the file says, or what the
// job says of it.
type color struct {
	space
	full  string  // range that the job says: "tv", "pc", or "" as the file does
	pc    bool    // the file says full range
	rgb   bool    // samples are red, green and blue
	given bool    // space was given by the job
	peak  float64 // nits of the brightest that was graded; 0 is not known
}

// hdr reports whether samples have to be tone-mapped.
func (c color) hdr() bool { return c.transfer == "smpte2084" || c.transfer == "arib-std-b67" }

// inputSpaces are the spaces that VideoSelector.ColorSpace names.
var inputSpaces = map[string]space{
	"REC_601":   {"smpte170m", "smpte170m", "smpte170m"},
	"REC_709":   {"bt709", "bt709", "bt709"},
	"HDR10":     {"bt2020nc", "bt2020", "smpte2084"},
	"HLG_2020":  {"bt2020nc", "bt2020", "arib-std-b67"},
	"P3DCI":     {"bt709", "smpte431", "smpte428"},
	"P3D65_SDR": {"bt709", "smpte432", "smpte428"},
}

// sourceColor decides what the samples of a source are. An unmarked source has the
// colours of its size, as players assume (guessed).
func sourceColor(v media.VideoStream, s VideoSelector) color {
	said := space{known(v.Color.Matrix), known(v.Color.Primaries), known(v.Color.Transfer)}
	c := color{space: said, rgb: isRGB(v.PixelFormat), pc: v.Color.Range == "pc" || strings.HasPrefix(v.PixelFormat, "yuvj")}
	if given, ok := inputSpaces[s.ColorSpace]; ok && (s.ColorSpaceUsage != "FALLBACK" || said == space{}) {
		c.space, c.given = given, true
	}
	switch s.SampleRange {
	case "FULL_RANGE":
		c.full = "pc"
	case "LIMITED_RANGE":
		c.full = "tv"
	}
	if h := s.Hdr10Metadata; s.MaxLuminance > 0 {
		c.peak = float64(s.MaxLuminance) / 10_000
	} else if h != nil {
		c.peak = max(float64(h.MaxContentLightLevel), float64(h.MaxLuminance)/10_000)
	}
	if c.peak > 0 { // what honest metadata says
		c.peak = min(max(c.peak, 1000), 10_000)
	}
	if c.rgb {
		c.matrix = "gbr"
	} else if c.matrix == "gbr" { // of samples that are not
		c.matrix = ""
	}
	return c
}

func known(name string) string {
	switch name {
	case "unknown", "unspecified", "reserved":
		return ""
	}
	return name
}

func isRGB(format string) bool {
	for _, name := range []string{"rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr", "bayer"} {
		if strings.HasPrefix(format, name) {
			return true
		}
	}
	return false
}

// plain are the matrices and primaries of SDR video that all players know.
var plain = []string{"bt709", "smpte170m", "bt470bg"}

// guessed returns the space that samples have in an SDR output as they are. What
// is not said is what goes with the rest of it.
func (c color) guessed(large bool) space {
	s := c.space
	if !slices.Contains(plain, s.matrix) {
		switch {
		case c.rgb, c.hdr(), s.matrix != "", large:
			s.matrix = "bt709"
		default:
			s.matrix = "smpte170m"
		}
	}
	if !slices.Contains(plain, s.primaries) {
		s.primaries = s.matrix
	}
	if s.transfer != "bt709" && s.transfer != "smpte170m" {
		s.transfer = "smpte170m"
		if s.matrix == "bt709" {
			s.transfer = "bt709"
		}
	}
	return s
}

// needsLight reports whether samples have to be taken apart to light to become
// those of an SDR output in target: other primaries, another curve, a matrix that
// the scaler does not know.
func (c color) needsLight(target space) bool {
	if c.hdr() {
		return true
	}
	switch c.transfer {
	case "linear", "log100", "log316", "smpte428":
		return true
	}
	switch c.matrix {
	case "", "gbr", "bt709", "smpte170m", "bt470bg", "smpte240m", "fcc", "bt2020nc":
	default:
		return true
	}
	from := c.primaries
	if from == "" {
		from = c.guessed(target.matrix == "bt709").primaries
	}
	return from != target.primaries
}

// target returns the space of outputs that follow a source of these colours.
func (p picture) target() space {
	large := p.large()
	c := p.color
	if c.needsLight(c.guessed(large)) {
		return inputSpaces["REC_709"]
	}
	switch c.matrix {
	case "", "bt709", "smpte170m", "bt470bg":
		return c.guessed(large)
	}
	return inputSpaces["REC_709"]
}

// scale returns options of the scaler that make the samples those of target, where
// a matrix or a range does it.
func (p picture) scale(l look) string {
	target, out := l.target, ":out_range=tv"
	switch {
	case p.color.rgb:
	case l.clip: // by what follows
		out += ":in_range=tv"
	case p.color.full != "":
		out += ":in_range=" + p.color.full
	}
	own := p.color.guessed(p.large())
	matrix := own.matrix
	switch p.color.matrix {
	case "smpte240m", "fcc", "bt2020nc":
		matrix = map[string]string{"bt2020nc": "bt2020"}[p.color.matrix]
		if matrix == "" {
			matrix = p.color.matrix
		}
	case "gbr":
		return out + ":out_color_matrix=" + target.matrix
	}
	if matrix != target.matrix {
		out += ":in_color_matrix=" + matrix + ":out_color_matrix=" + target.matrix
	} else if p.color.given {
		out += ":in_color_matrix=" + matrix
	}
	return out
}

// kept returns a scaler that leaves the samples' colours as they are.
func (p picture) kept(w, h int, kernel string) string {
	out := fmt.Sprintf("scale=%d:%d:%s", max(w, 2), max(h, 2), kernel)
	if full := p.color.full; full != "" && !p.color.rgb {
		out += fmt.Sprintf(":in_range=%s:out_range=%[1]s", full)
	}
	return out
}

// Tone mapping is relative to HDR's reference white (ITU-R BT.2408), in nits. The
// curve keeps light up to a knee as it is, so that faces and what is darker look as
// they were graded, and bends what is above it towards the peak.
const (
	whiteNits    = 203
	pqPeakNits   = 2000 // films are graded for 1,000 to 4,000
	hlgPeakNits  = 1000 // the display that HLG is defined for
	detailedKnee = 0.3  // of white
	vibrantKnee  = 0.5
)

// light returns the filters that take a picture of even size apart to light and
// make it SDR. Samples come out as limited-range YUV in format.
func (p picture) light(l look, format string) string {
	c, in, target := p.color, p.color.space, l.target
	said := c.guessed(p.large())
	if c.hdr() {
		said.matrix, said.primaries = "bt2020nc", "bt2020"
	}
	if in.matrix == "" {
		in.matrix = said.matrix
	}
	if in.primaries == "" {
		in.primaries = said.primaries
	}
	full := "tv"
	if !l.clip && (c.full == "pc" || c.full == "" && c.pc) {
		full = "pc"
	}
	head := ""
	if c.rgb {
		in.matrix, full = "gbr", "pc"
		head = "format=gbrp16,"
	}
	head += fmt.Sprintf("zscale=min=%s:pin=%s:rin=%s:", in.matrix, in.primaries, full)
	last := fmt.Sprintf("t=bt709:p=%s:m=%s:r=tv,format=%s", target.primaries, target.matrix, format)
	switch {
	case c.hdr():
		knee, peak := detailedKnee, float64(hlgPeakNits)
		if c.transfer == "smpte2084" {
			if peak = c.peak; peak == 0 {
				peak = pqPeakNits
			}
			if l.vibrant { // HLG's own system is made for such displays
				knee = vibrantKnee
			}
		}
		return head + fmt.Sprintf("tin=%s:t=linear:p=%s:m=gbr:npl=%d,format=gbrpf32le,setparams=colorspace=bt709,tonemap=tonemap=mobius:param=%g:desat=1:peak=%.4g,zscale=min=gbr:pin=%[2]s:tin=linear:",
			c.transfer, target.primaries, whiteNits, knee, peak/whiteNits) + last
	case c.transfer == "smpte428": // a gamma of 2.6, which zscale has not: turned into one of 2.2, which it has
		const gamma = "'pow(val/maxval,2.6/2.2)*maxval'"
		return head + "tin=bt470m:t=bt470m:m=gbr:r=pc,format=gbrp16,lutrgb=r=" + gamma + ":g=" + gamma + ":b=" + gamma +
			fmt.Sprintf(",zscale=min=gbr:rin=pc:tin=bt470m:pin=%s:", in.primaries) + last
	case c.transfer == "linear", c.transfer == "log100", c.transfer == "log316":
		return head + "tin=" + c.transfer + ":" + last
	}
	return head + "tin=bt709:" + last
}
