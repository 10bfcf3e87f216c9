package plan

import (
	"fmt"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// burnin is a timecode that is written into the picture.
type burnin struct {
	prefix   string
	size     int64 // of the font, pixels
	position string
	start    int64          // what the clock shows at the first frame, in frames of rate
	rate     media.Rational // of the output
	drop     bool           // numbers are dropped, so that the clock keeps up with 29.97 frames a second
}

// font is where Debian's ffmpeg has brought a font with figures of one width: it
// needs fontconfig, which needs fonts-dejavu-core.
const font = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"

// timecodeBurnin reads TimecodeBurnin.
func (p *planner) timecodeBurnin(d *VideoDescription, rate media.Rational, path string) burnin {
	t := d.VideoPreprocessors.TimecodeBurnin
	if t == nil {
		return burnin{}
	}
	path += "/videoPreprocessors/timecodeBurnin"
	b := burnin{prefix: t.Prefix, size: t.FontSize, position: t.Position, start: p.outputStart(rate), rate: rate}
	if b.size == 0 {
		b.size = 16
	}
	if b.size < 10 || b.size > 48 {
		p.problems.add(path+"/fontSize", "Should be between 10 and 48")
	}
	for _, c := range t.Prefix {
		if c < 0x20 || c > 0x7e {
			p.problems.add(path+"/prefix", "%q is not a printable ASCII character", c)
			break
		}
	}
	if len(t.Prefix) > maxPrefix {
		p.problems.add(path+"/prefix", "%d characters are more than %d", len(t.Prefix), maxPrefix)
	}
	b.drop = rate == media.R(30000, 1001) && d.DropFrameTimecode != "DISABLED"
	return b
}

// maxPrefix is longer than any line of text that fits beside a timecode.
const maxPrefix = 256

// filter returns the filter that writes the timecode of a chunk's frames, after a
// comma; from is its first frame.
func (b burnin) filter(from int64) string {
	if b.size == 0 {
		return ""
	}
	const margin = 16
	x, y := "(w-tw)/2", "(h-th)/2"
	switch {
	case strings.HasSuffix(b.position, "LEFT"):
		x = fmt.Sprint(margin)
	case strings.HasSuffix(b.position, "RIGHT"):
		x = fmt.Sprintf("w-tw-%d", margin)
	}
	switch {
	case strings.HasPrefix(b.position, "MIDDLE"):
	case strings.HasPrefix(b.position, "BOTTOM"):
		y = fmt.Sprintf("h-th-%d", margin)
	default:
		y = fmt.Sprint(margin)
	}
	base := frameCount(b.rate)
	rate := b.rate
	if !b.drop { // of a clock that counts whole frames a second
		rate = media.R(base, 1)
	}
	return fmt.Sprintf(",drawtext=fontfile=%s:fontsize=%d:fontcolor=white:borderw=2:x=%s:y=%s:expansion=none:text=%s:timecode=%s:timecode_rate=%s:tc24hmax=1",
		font, b.size, x, y, escaped(b.prefix), escaped(b.shown(b.start+from)), rate)
}

// shown is the timecode of a frame of the output.
func (b burnin) shown(frame int64) string {
	base := frameCount(b.rate)
	day := base * 24 * 3600
	if b.drop {
		day -= 24 * 6 * 9 * 2 // two numbers a minute, but every tenth
	}
	frame = (frame%day + day) % day
	if !b.drop {
		return timecode(frame, base)
	}
	const ten, one = 17982, 1798 // frames in ten minutes, in one
	tens, rest := frame/ten, frame%ten
	frame += 18 * tens
	if rest >= 2 {
		frame += 2 * ((rest - 2) / one)
	}
	text := timecode(frame, base)
	return text[:8] + ";" + text[9:]
}

// escaped is a text as the value of an option in a filter graph.
func escaped(text string) string {
	for _, special := range []string{`\': `, `\'[],; `} { // of options, then of graphs
		var b strings.Builder
		for _, c := range text {
			if strings.ContainsRune(special, c) {
				b.WriteByte('\\')
			}
			b.WriteRune(c)
		}
		text = b.String()
	}
	return text
}
