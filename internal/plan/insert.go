package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// insert is an image that is laid over a picture for some time.
type insert struct {
	file            int // in Plan.Files
	x, y            int64
	width, height   int64 // pixels; 0 is the image's own
	opacity         float64
	start           int64          // frame of the clock, at rate, from which it is shown
	rate            media.Rational // of start
	shown           int64          // milliseconds from start to where it begins to vanish; 0 is to the end
	fadeIn, fadeOut int64          // milliseconds
}

// inserts reads an ImageInserter. Its clock begins at the timecode first, and counts
// at rate. The images come out in the order in which they are laid on each other.
func (p *planner) inserts(s *ImageInserter, first int64, rate media.Rational, path string) []insert {
	if s == nil {
		return nil
	}
	path += "/imageInserter/insertableImages"
	if len(s.InsertableImages) == 0 {
		p.problems.add(path, "Should have at least 1 items")
	}
	images := slices.Clone(s.InsertableImages)
	slices.SortStableFunc(images, func(a, b InsertableImage) int { return cmp.Compare(a.Layer, b.Layer) })
	var out []insert
	for i, image := range images {
		here := fmt.Sprintf("%s/%d", path, i)
		in := insert{
			file: fileIndex(p.files, imageFile(image)), x: image.ImageX, y: image.ImageY, width: image.Width, height: image.Height,
			opacity: 0.5, rate: rate, shown: image.Duration, fadeIn: image.FadeIn, fadeOut: image.FadeOut,
		}
		if o := image.Opacity; o != nil {
			in.opacity = float64(min(max(*o, 0), 100)) / 100
		}
		switch {
		case in.file < 0:
			p.problems.add(here+"/imageInserterInput", "the image names no file")
			continue
		case in.width > maxPicture || in.height > maxPicture:
			p.problems.add(here, "an image of %d×%d is larger than pictures can be", in.width, in.height)
			continue
		}
		if image.StartTime != "" {
			at, ok := parseTimecode(image.StartTime, frameCount(rate))
			if !ok {
				p.problems.add(here+"/startTime", "%q is not a timecode HH:MM:SS:FF at %.6g frames a second", image.StartTime, rate.Float())
				continue
			}
			in.start = at - first
		}
		out = append(out, in)
	}
	return out
}

func imageFile(image InsertableImage) File {
	return File{URI: image.ImageInserterInput, Kind: FileImage}
}

// outputStart is the timecode of the first frame of outputs at rate.
func (p *planner) outputStart(rate media.Rational) int64 {
	c := p.settings.TimecodeConfig
	base := frameCount(rate)
	switch c.Source {
	case "ZEROBASED":
	case "SPECIFIEDSTART":
		at, ok := parseTimecode(c.Start, base)
		if !ok {
			p.problems.add("/timecodeConfig/start", "%q is not a timecode HH:MM:SS:FF at %.6g frames a second", c.Start, rate.Float())
		}
		return at
	default: // EMBEDDED; that of the first frame shown, or zero where nothing is embedded
		first := p.clips[0]
		own := frameCount(first.src.grid.rate)
		if at, ok := parseTimecode(first.src.facts.Timecode, own); ok {
			at += first.from
			return at/own*base + at%own*base/own
		}
	}
	return 0
}

// images lays images over a picture.
type images struct {
	list   []insert
	clock  int64          // what the clock shows at the chunk's first frame, in frames of rate
	frames int64          // of the chunk
	rate   media.Rational // of the chunk
	matrix string         // of the picture's samples
	format string
}

// during returns the frames of the chunk, from and to, in which an image is seen,
// and whether it is as it is in all of them.
func (i images) during(in insert) (from, to int64, still bool) {
	tick := i.rate.Inverse()
	ms := func(n int64) int64 { return media.Rescale(n, media.R(1, 1000), tick) }
	start := media.Rescale(in.start, in.rate.Inverse(), tick) - i.clock
	from, to = max(start, 0), i.frames
	still = in.fadeIn == 0 || start+ms(in.fadeIn) <= from
	if in.shown > 0 {
		end := start + ms(in.shown)
		to = min(end+ms(in.fadeOut), i.frames)
		still = still && (in.fadeOut == 0 || to <= end)
	}
	return from, to, still
}

// over adds what lays the images over the picture at from, and returns where it
// comes out.
func (g *graph) over(i images, from string) string {
	overlay := map[string]string{"yuv420p": "yuv420", "yuv422p": "yuv422", "yuv420p10le": "yuv420p10", "yuv422p10le": "yuv422p10"}[i.format]
	alpha := strings.Replace(i.format, "yuv", "yuva", 1)
	for _, in := range i.list {
		begin, end, still := i.during(in)
		if begin >= end || in.opacity == 0 {
			continue
		}
		size := func(n int64, own string) string {
			if n == 0 {
				return own
			}
			return fmt.Sprint(n)
		}
		filters := fmt.Sprintf("%sformat=rgba,colorchannelmixer=aa=%g,scale=w=%s:h=%s:%s:out_color_matrix=%s:out_range=tv,format=%s",
			g.input(in.file), in.opacity, size(in.width, "iw"), size(in.height, "ih"), kernel(nil), i.matrix, alpha)
		if !still {
			// Fades count in seconds of the clock, whatever frame the chunk begins with.
			at := media.Rescale(in.start, in.rate.Inverse(), i.rate.Inverse())
			seconds := float64(at) / i.rate.Float()
			filters += fmt.Sprintf(",loop=loop=-1:size=1:start=0,settb=%s,setpts=N%+d", i.rate.Inverse(), i.clock)
			if in.fadeIn > 0 {
				filters += fmt.Sprintf(",fade=t=in:alpha=1:st=%.6f:d=%.3f", seconds, float64(in.fadeIn)/1000)
			}
			if in.shown > 0 && in.fadeOut > 0 {
				filters += fmt.Sprintf(",fade=t=out:alpha=1:st=%.6f:d=%.3f", seconds+float64(in.shown)/1000, float64(in.fadeOut)/1000)
			}
			filters += fmt.Sprintf(",setpts=N,trim=end_frame=%d", i.frames)
		}
		image, to := g.next("o"), g.next("b")
		g.chain(filters, image)
		g.chain(fmt.Sprintf("%s%soverlay=x=%d:y=%d:format=%s:enable='between(n,%d,%d)'", from, image, in.x, in.y, overlay, begin, end-1), to)
		from = to
	}
	return from
}
