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
	full  string // range that the job says: "tv", "pc", or "" as the file does
	pc    bool   // the file says full range
	rgb   bool   // samples are red, green and blue
	given bool   // space was given by the job
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
func (p picture) scale(target space) string {
	out := ":out_range=tv"
	if p.color.full != "" && !p.color.rgb {
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

// light returns the filters that take a picture of even size apart to light and
// make it SDR in target. Samples come out as planar YUV 4:2:0 of 8 bits, or of 10.
func (p picture) light(target space, format string) string {
	c := p.color
	in := c.space
	if in.matrix == "" {
		in.matrix = "bt2020nc"
		if !c.hdr() {
			in.matrix = c.guessed(p.large()).matrix
		}
	}
	if in.primaries == "" {
		in.primaries = "bt2020"
		if !c.hdr() {
			in.primaries = c.guessed(p.large()).primaries
		}
	}
	full := "tv"
	if c.full == "pc" || c.full == "" && c.pc {
		full = "pc"
	}
	head := ""
	if c.rgb {
		in.matrix, full = "gbr", "pc"
		head = "format=gbrp16,"
	}
	from := fmt.Sprintf("zscale=min=%s:pin=%s:rin=%s", in.matrix, in.primaries, full)
	last := fmt.Sprintf("zscale=t=bt709:p=%s:m=%s:r=tv,format=%s", target.primaries, target.matrix, format)
	switch {
	case c.hdr():
		return head + from + fmt.Sprintf(":tin=%s:t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,%s", c.transfer, last)
	case c.transfer == "smpte428": // a gamma of 2.6, which zscale has not: turned into one of 2.2, which it has
		const gamma = "pow(val/maxval\\,2.6/2.2)*maxval"
		return head + from + ":tin=bt470m:t=bt470m:m=gbr:r=pc,format=gbrp16,lutrgb=r=" + gamma + ":g=" + gamma + ":b=" + gamma +
			fmt.Sprintf(",zscale=min=gbr:rin=pc:tin=bt470m:t=bt709:pin=%s:p=%s:m=%s:r=tv,format=%s", in.primaries, target.primaries, target.matrix, format)
	case c.transfer == "linear", c.transfer == "log100", c.transfer == "log316":
		return head + from + ":tin=" + c.transfer + strings.TrimPrefix(last, "zscale")
	}
	return head + from + ":tin=bt709" + ":" + strings.TrimPrefix(last, "zscale=")
}
