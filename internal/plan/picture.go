package plan

import (
	"fmt"
	"math"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// picture is how a source looks once it is turned upright.
type picture struct {
	width, height int            // pixels
	aspect        float64        // of one pixel, width to height
	pixel         media.Rational // the same as the source says it, unknown where it does not
	mirror        bool           // frames are mirrored left to right, before they are turned
	turn          int            // degrees clockwise that frames are turned
	interlaced    bool
	format        string // ffmpeg's pixel format
	color         color
	alpha         bool // its transparency is shown in place of its colours
}

// frame says how the source's picture becomes an output's: cropped, scaled to
// Content, then put into Width by Height.
type frame struct {
	crop            Rectangle // of the upright picture; the zero one is all of it
	width, height   int       // of the output
	contentW        int       // of the scaled picture
	contentH        int
	x, y            int    // where it stands in the output; negative where it is larger
	kernel          string // options of the scaler
	parNum, parDen  int64  // of the output's pixels
	colorTagsHidden bool   // ColorMetadata IGNORE
}

func sourcePicture(v media.VideoStream, in *InputSettings, w *warnings) picture {
	p := picture{width: v.Width, height: v.Height, aspect: 1, format: v.PixelFormat, interlaced: interlaced(v.Interlaced)}
	if v.SampleAspect.Known() {
		if a := v.SampleAspect.Float(); a > 0.05 && a < 20 {
			p.aspect, p.pixel = a, v.SampleAspect
		}
	}
	switch rotate := in.VideoSelector.Rotate; rotate {
	case "", "AUTO":
		p.turn, p.mirror = v.Rotation, v.Mirrored
		switch {
		case rotate != "":
		case p.mirror:
			w.add(WarnRotated, "the source says that it is to be shown mirrored, and turned by %d degrees; so it was", p.turn)
		case p.turn != 0:
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
		p.width, p.height, p.aspect, p.pixel = p.height, p.width, 1/p.aspect, p.pixel.Inverse()
	}
	if in.InputScanType == "PSF" {
		p.interlaced = false
	}
	p.alpha = in.VideoSelector.AlphaBehavior == "REMAP_TO_LUMA" && transparent(v.PixelFormat)
	p.color = sourceColor(v, in.VideoSelector)
	if p.alpha {
		p.color = color{space: p.color.guessed(p.large()), full: "pc"}
	}
	if p.color.hdr() {
		w.add(WarnToneMapped, "the source is HDR (%s); the output is SDR (BT.709), tone-mapped", p.color.transfer)
	}
	return p
}

// large reports whether players assume the colours of HD where nothing is said.
func (p picture) large() bool { return p.height >= 720 || p.width >= 1280 }

// transparent reports whether a pixel format has an alpha channel.
func transparent(format string) bool {
	for _, name := range []string{"yuva", "gbrap", "rgba", "bgra", "argb", "abgr", "ya8", "ya16", "pal8"} {
		if strings.HasPrefix(format, name) {
			return true
		}
	}
	return false
}

// upright returns the filters that turn decoded frames, whatever their size, into
// the picture: broadcasts change their size in mid-stream, and most filters take
// it from the first frame.
func (p picture) upright() string {
	w, h := p.width, p.height
	if p.turn == 90 || p.turn == 270 {
		w, h = h, w
	}
	out := fmt.Sprintf("scale=%d:%d", w, h)
	if p.alpha {
		out += ",format=rgba,alphaextract,format=gray"
	}
	if p.mirror {
		out += ",hflip"
	}
	switch p.turn {
	case 90:
		out += ",transpose=clock"
	case 180:
		out += ",hflip,vflip"
	case 270:
		out += ",transpose=cclock"
	}
	return out
}

// even returns the even number next to x, the lower of two.
func even(x float64) int { return max(int(math.Ceil(x/2-0.5))*2, 2) }

// framesFor decides how the picture of each source becomes that of an output. All
// have one size: what the output leaves out is taken from the followed source.
// square says that pixels are, whatever the source's.
func framesFor(d *VideoDescription, par media.Rational, square bool, p *planner, path string) []frame {
	follow := p.followed
	if !par.Known() && !square && d.Width == 0 && d.Height == 0 && follow.pic.pixel.Known() {
		par = follow.pic.pixel
	}
	own := p.frameFor(follow, d, par, path)
	sized := *d
	sized.Width, sized.Height = int64(own.width), int64(own.height)
	switch d.ScalingBehavior {
	case "FIT", "FIT_NO_UPSCALE": // made the output smaller; the others have to fit into that
		sized.ScalingBehavior = "DEFAULT"
	}
	out := make([]frame, len(p.sources))
	for i, src := range p.sources {
		if out[i] = own; src != follow {
			out[i] = p.frameFor(src, &sized, par, path)
		}
	}
	return out
}

// frameFor decides the geometry of an output for one source, with the rectangles
// that the input and the output give; the input's win.
func (p *planner) frameFor(src *source, d *VideoDescription, par media.Rational, path string) frame {
	in := p.settings.Inputs[src.input]
	at := fmt.Sprintf("/inputs/%d", src.input)
	pic, crop := src.pic, Rectangle{}
	r, cropAt := in.Crop, at+"/crop"
	if r == nil {
		r, cropAt = d.Crop, path+"/crop"
	}
	if r != nil {
		if problem := r.outside(pic.width, pic.height); problem != "" {
			p.problems.add(cropAt, "%s of the picture of %d×%d", problem, pic.width, pic.height)
		} else if crop = *r; crop != (Rectangle{Width: int64(pic.width), Height: int64(pic.height)}) {
			pic.width, pic.height = int(r.Width), int(r.Height)
		} else {
			crop = Rectangle{}
		}
	}
	f := pic.frameFor(d, par)
	f.crop = crop
	place, placeAt := in.Position, at+"/position"
	if place == nil && d.ScalingBehavior != "STRETCH_TO_OUTPUT" {
		place, placeAt = d.Position, path+"/position"
	}
	if place == nil {
		return f
	}
	if d.Width > 0 && d.Height > 0 { // without FIT's change of it
		f.width, f.height = int(d.Width)&^1, int(d.Height)&^1
	}
	if problem := place.outside(f.width, f.height); problem != "" {
		p.problems.add(placeAt, "%s of the output of %d×%d", problem, f.width, f.height)
		return f
	}
	f.x, f.y, f.contentW, f.contentH = int(place.X), int(place.Y), int(place.Width), int(place.Height)
	return f
}

// outside says what keeps a rectangle from being an area of a picture, "" if nothing.
func (r Rectangle) outside(w, h int) string {
	switch {
	case r.Width < 2 || r.Height < 2 || r.X < 0 || r.Y < 0:
		return "the rectangle is no area"
	case (r.X|r.Y|r.Width|r.Height)&1 != 0:
		return "the rectangle's numbers should be even: it is no area"
	case r.X > int64(w)-r.Width || r.Y > int64(h)-r.Height: // no sum: numbers are the job's
		return fmt.Sprintf("the rectangle of %d×%d at %d,%d is outside", r.Width, r.Height, r.X, r.Y)
	}
	return ""
}

// frameFor decides the geometry of an output. Missing sides follow from the
// source's aspect ratio; output pixels are those of par, square if that is not
// known. ScalingBehavior as the user guide's "video scaling" pages say:
// DEFAULT fits and pads, FIT fits and makes the output smaller, FILL covers and
// crops, STRETCH_TO_OUTPUT distorts.
func (p picture) frameFor(d *VideoDescription, par media.Rational) frame {
	f := frame{parNum: 1, parDen: 1, colorTagsHidden: d.ColorMetadata == "IGNORE", kernel: kernel(d.Sharpness)}
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
		return f.centred()
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
	return f.centred()
}

// centred puts the scaled picture into the middle of the output.
func (f frame) centred() frame {
	f.x, f.y = (f.width-f.contentW)/2&^1, (f.height-f.contentH)/2&^1
	if f.contentW > f.width {
		f.x = -((f.contentW - f.width) / 2 &^ 1)
	}
	if f.contentH > f.height {
		f.y = -((f.contentH - f.height) / 2 &^ 1)
	}
	return f
}

// kernel returns the options of the scaler for a Sharpness, in six steps from a
// wide kernel to a narrow one. Fifty, which the service recommends, is ffmpeg's own
// bicubic: sharp without ringing much, and what players' and encoders' defaults are
// compared with.
func kernel(sharpness *int64) string {
	if sharpness == nil {
		return "flags=bicubic"
	}
	switch s := *sharpness; {
	case s < 9:
		return "flags=gauss:param0=2"
	case s < 25:
		return "flags=gauss:param0=3"
	case s < 42:
		return "flags=bilinear"
	case s <= 58:
		return "flags=bicubic"
	case s < 84:
		return "flags=spline"
	}
	return "flags=lanczos:param0=4"
}

// smallerThan reports whether the output shows the picture larger than the source has it.
func (p picture) smallerThan(f frame) bool {
	w, h := float64(p.width), float64(p.height)
	if f.crop.Width > 0 {
		w, h = float64(f.crop.Width), float64(f.crop.Height)
	}
	return float64(f.contentH) > h*1.02+2 && float64(f.contentW) > w*1.02+2
}

// finish returns the filters that make the output of the scaled picture.
func (f frame) finish() string {
	out := ""
	if f.contentW > f.width || f.contentH > f.height {
		out = fmt.Sprintf("crop=%d:%d:%d:%d,", min(f.contentW, f.width), min(f.contentH, f.height), max(-f.x, 0), max(-f.y, 0))
	}
	if f.contentW < f.width || f.contentH < f.height {
		out += fmt.Sprintf("pad=%d:%d:%d:%d:black,", f.width, f.height, max(f.x, 0), max(f.y, 0))
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
