package plan

import (
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// levels are those of H.264, the lowest first (table A-1). Units: macroblocks a
// second, macroblocks, 1,000 bits a second and 1,000 bits of the Main profile.
var levels = []struct {
	name                            string
	perSecond, frame, dpb, max, cpb int64
}{
	{"1", 1485, 99, 396, 64, 175},
	{"1.1", 3000, 396, 900, 192, 500},
	{"1.2", 6000, 396, 2376, 384, 1000},
	{"1.3", 11880, 396, 2376, 768, 2000},
	{"2", 11880, 396, 2376, 2000, 2000},
	{"2.1", 19800, 792, 4752, 4000, 4000},
	{"2.2", 20250, 1620, 8100, 4000, 4000},
	{"3", 40500, 1620, 8100, 10000, 10000},
	{"3.1", 108000, 3600, 18000, 14000, 14000},
	{"3.2", 216000, 5120, 20480, 20000, 20000},
	{"4", 245760, 8192, 32768, 20000, 25000},
	{"4.1", 245760, 8192, 32768, 50000, 62500},
	{"4.2", 522240, 8704, 34816, 50000, 62500},
	{"5", 589824, 22080, 110400, 135000, 135000},
	{"5.1", 983040, 36864, 184320, 240000, 240000},
	{"5.2", 2073600, 36864, 184320, 240000, 240000},
	{"6", 4177920, 139264, 696320, 240000, 240000},
	{"6.1", 8355840, 139264, 696320, 480000, 480000},
	{"6.2", 16711680, 139264, 696320, 800000, 800000},
}

// levelOf returns the lowest level that holds pictures of this size and rate, this
// many of them kept, and a rate and buffer in bits; 0 is no cap. x264 would choose
// it too, for each chunk by what that chunk is told: all chunks of an output must
// say the same.
func levelOf(width, height int, rate media.Rational, kept int64, high bool, max, buffer int64) string {
	w, h := int64(width+15)/16, int64(height+15)/16
	factor := int64(1000)
	if high {
		factor = 1250
	}
	for _, l := range levels {
		if w*h <= l.frame && w*w <= 8*l.frame && h*h <= 8*l.frame && w*h*kept <= l.dpb &&
			float64(w*h)*rate.Float() <= float64(l.perSecond) && max <= l.max*factor && buffer <= l.cpb*factor {
			return l.name
		}
	}
	return levels[len(levels)-1].name
}

// keptPictures returns how many pictures a decoder keeps of an encode with these
// x264 options: its references, and four for a pyramid of B-frames.
func keptPictures(options string) int64 {
	kept := int64(4)
	for o := range strings.SplitSeq(options, ":") {
		if ref, ok := strings.CutPrefix(o, "ref="); ok {
			if n, err := strconv.ParseInt(ref, 10, 64); err == nil {
				kept = max(kept, n)
			}
		}
	}
	return kept
}
