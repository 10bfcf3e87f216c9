package plan

import (
	"fmt"
	"math"

	"vodwright.dev/vodwright/internal/media"
)

// picture is how a source looks once it is turned upright.
type picture struct {
	width, height int     // pixels
	aspect        float64 // of one pixel, width to height
	turn          int     // degrees clockwise that frames are turned
	interlaced    bool
	hdr           string // transfer function, "" for SDR
	color         media.Color
	convert       bool // samples do not fit an SDR YUV output as they are: another matrix, RGB
}

// frame says how the source's picture becomes an output's: scaled to Content,
// then padded or cropped to Width by Height.
type frame struct {
	width, height   int // of the output
	contentW        int // of the scaled picture
	contentH        int
	parNum, parDen  int64 // of the output's pixels
	colorTagsHidden bool  // ColorMetadata IGNORE
}

func sourcePicture(v media.VideoStream, in *InputSettings, w *warnings) picture {
	p := picture{width: v.Width, height: v.Height, aspect: 1, color: v.Color, interlaced: interlaced(v.Interlaced)}
	if v.SampleAspect.Known() {
		if a := v.SampleAspect.Float(); a > 0.05 && a < 20 {
			p.aspect = a
		}
	}
	switch rotate := in.VideoSelector.Rotate; rotate {
	case "", "AUTO":
		if p.turn = v.Rotation; rotate == "" && p.turn != 0 {
			w.add(WarnRotated, "the source says that it is to be shown turned by %d degrees; it was turned", p.turn)
		}
	case "DEGREES_90":
		p.turn = 90
	case "DEGREES_180":
		p.turn = 180
	case "DEGREES_270":
		p.turn = 270
	}
	if p.turn == 90 || p.turn == 270 {
		p.width, p.height, p.aspect = p.height, p.width, 1/p.aspect
	}
	if p.interlaced {
		w.add(WarnDeinterlaced, "the source is interlaced; the output is progressive")
	}
	switch v.Color.Transfer {
	case "smpte2084", "arib-std-b67":
		p.hdr = v.Color.Transfer
		w.add(WarnToneMapped, "the source is HDR (%s); the output is SDR (BT.709), tone-mapped", p.hdr)
	}
	switch v.Color.Matrix {
	case "bt709", "smpte170m", "bt470bg", "", "unknown", "unspecified", "reserved":
	default:
		p.convert = true
	}
	return p
}

// outputColor returns the tags of SDR outputs. The samples keep the source's
// matrix where that is one that players know; an unmarked source has the one of
// its size, as players assume.
func (p picture) outputColor() (matrix, primaries, transfer string) {
	switch {
	case p.hdr != "" || p.convert:
		return "bt709", "bt709", "bt709"
	case p.color.Matrix == "bt709", p.color.Matrix == "smpte170m", p.color.Matrix == "bt470bg":
		matrix = p.color.Matrix
	case p.height >= 720 || p.width >= 1280:
		matrix = "bt709"
	default:
		matrix = "smpte170m"
	}
	primaries, transfer = p.color.Primaries, p.color.Transfer
	known := map[string]bool{"bt709": true, "smpte170m": true, "bt470bg": true}
	if !known[primaries] {
		primaries = matrix
	}
	if !known[transfer] || transfer == "bt470bg" {
		transfer = map[string]string{"bt709": "bt709", "smpte170m": "smpte170m", "bt470bg": "smpte170m"}[matrix]
	}
	return matrix, primaries, transfer
}

// even returns the even number next to x, the lower of two.
func even(x float64) int { return max(int(math.Ceil(x/2-0.5))*2, 2) }

// framesFor decides how the picture of each source becomes that of an output. All
// have one size: what the output leaves out is taken from the followed source.
func framesFor(d *VideoDescription, par media.Rational, sources []*source, follow *source) []frame {
	own := follow.pic.frameFor(d, par)
	sized := *d
	sized.Width, sized.Height = int64(own.width), int64(own.height)
	switch d.ScalingBehavior {
	case "FIT", "FIT_NO_UPSCALE": // made the output smaller; the others have to fit into that
		sized.ScalingBehavior = "DEFAULT"
	}
	out := make([]frame, len(sources))
	for i, src := range sources {
		if out[i] = own; src != follow {
			out[i] = src.pic.frameFor(&sized, par)
		}
	}
	return out
}

// frameFor decides the geometry of an output. Missing sides follow from the
// source's aspect ratio; output pixels are square unless ParControl says
// otherwise. ScalingBehavior as the user guide's "video scaling" pages say:
// DEFAULT fits and pads, FIT fits and makes the output smaller, FILL covers and
// crops, STRETCH_TO_OUTPUT distorts.
func (p picture) frameFor(d *VideoDescription, par media.Rational) frame {
	f := frame{parNum: 1, parDen: 1, colorTagsHidden: d.ColorMetadata == "IGNORE"}
	if par.Known() {
		f.parNum, f.parDen = par.Num, par.Den
	}
	pixel := float64(f.parNum) / float64(f.parDen)
	// The source's aspect ratio in output pixels.
	aspect := float64(p.width) * p.aspect / float64(p.height) / pixel
	w, h := int(d.Width), int(d.Height)
	switch {
	case w == 0 && h == 0:
		w, h = even(float64(p.height)*aspect), even(float64(p.height))
	case w == 0:
		w = even(float64(h) * aspect)
	case h == 0:
		h = even(float64(w) / aspect)
	}
	w, h = w&^1, h&^1 // 4:2:0 has no odd sizes
	f.width, f.height, f.contentW, f.contentH = w, h, w, h
	if d.ScalingBehavior == "STRETCH_TO_OUTPUT" || d.Width == 0 || d.Height == 0 {
		return f
	}
	wide := aspect > float64(w)/float64(h) // than the output
	if d.ScalingBehavior == "FILL" {
		if wide {
			f.contentW = max(even(float64(h)*aspect), w)
		} else {
			f.contentH = max(even(float64(w)/aspect), h)
		}
		return f
	}
	if wide {
		f.contentH = min(even(float64(w)/aspect), h)
	} else {
		f.contentW = min(even(float64(h)*aspect), w)
	}
	// A bar of one or two lines is a rounding error, not a picture.
	if h-f.contentH <= 2 {
		f.contentH = h
	}
	if w-f.contentW <= 2 {
		f.contentW = w
	}
	switch d.ScalingBehavior {
	case "FIT":
		f.width, f.height = f.contentW, f.contentH
	case "FIT_NO_UPSCALE":
		sw, sh := even(float64(p.height)*aspect), even(float64(p.height))
		if sw <= f.contentW && sh <= f.contentH {
			f.contentW, f.contentH = sw, sh
		}
		f.width, f.height = f.contentW, f.contentH
	}
	return f
}

// smallerThan reports whether the output shows the picture larger than the source has it.
func (p picture) smallerThan(f frame) bool {
	return float64(f.contentH) > float64(p.height)*1.02+2 && float64(f.contentW) > float64(p.width)*1.02+2
}

// finish returns the filters that make the output of the scaled picture.
func (f frame) finish() string {
	out := ""
	switch {
	case f.contentW > f.width || f.contentH > f.height:
		out = fmt.Sprintf("crop=%d:%d:%d:%d,", f.width, f.height, (f.contentW-f.width)/2&^1, (f.contentH-f.height)/2&^1)
	case f.contentW < f.width || f.contentH < f.height:
		out = fmt.Sprintf("pad=%d:%d:%d:%d:black,", f.width, f.height, (f.width-f.contentW)/2&^1, (f.height-f.contentH)/2&^1)
	}
	return out + fmt.Sprintf("setsar=%d/%d", f.parNum, f.parDen)
}

// interlaced reports whether a field order is that of interlaced frames.
func interlaced(order string) bool {
	switch order {
	case "tt", "bb", "tb", "bt":
		return true
	}
	return false
}
