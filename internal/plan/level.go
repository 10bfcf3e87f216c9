package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// level is a row of H.264's table of limits (Rec. ITU-T H.264, table A-1).
type level struct {
	name           string // as ffmpeg has it
	macroblocks    int64  // a second
	frame          int64  // macroblocks of a frame
	buffer         int64  // macroblocks of the decoded picture buffer
	bitrate, coded int64  // kbit/s and kbit, of profiles up to Main
}

// levels is table A-1, lowest first.
var levels = []level{
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

// profileFactor is how many times the bits of table A-1 a profile may have (A.3.3).
func profileFactor(profile string) float64 {
	switch profile {
	case "high":
		return 1.25
	case "high10":
		return 3
	case "high422":
		return 4
	}
	return 1
}

// coded is what a stream asks of a level.
type coded struct {
	width, height int
	fps           float64
	references    int64 // frames of the decoded picture buffer
	profile       string
	rate, buffer  int64 // bits a second and bits; 0 is not known
	interlaced    bool
}

// beyond says what of a stream a level does not hold, "" if it holds all.
func (l level) beyond(c coded) string {
	w, h := int64(c.width+15)/16, int64(c.height+15)/16
	factor := profileFactor(c.profile)
	switch {
	case c.interlaced && (l.name < "2.1" || l.name > "4.1"): // frame_mbs_only_flag, table A-4
		return "interlaced pictures"
	case w*h > l.frame || w*w > 8*l.frame || h*h > 8*l.frame:
		return fmt.Sprintf("a picture of %d×%d", c.width, c.height)
	case float64(w*h)*c.fps > float64(l.macroblocks)+0.5:
		return fmt.Sprintf("%.6g frames a second of %d×%d", c.fps, c.width, c.height)
	case c.references > min(l.buffer/(w*h), 16):
		return fmt.Sprintf("%d reference frames of %d×%d", c.references, c.width, c.height)
	case float64(c.rate) > float64(l.bitrate)*1000*factor:
		return fmt.Sprintf("%d bits a second", c.rate)
	case float64(c.buffer) > float64(l.coded)*1000*factor:
		return fmt.Sprintf("a buffer of %d bits", c.buffer)
	}
	return ""
}

// lowest returns the name of the lowest level that holds a stream; "" if none does.
func lowest(c coded) string {
	for _, l := range levels {
		if l.beyond(c) == "" {
			return l.name
		}
	}
	return ""
}

// named returns the level that CodecLevel names.
func named(codecLevel string) (level, bool) {
	name := strings.Replace(strings.TrimPrefix(codecLevel, "LEVEL_"), "_", ".", 1)
	for _, l := range levels {
		if l.name == name {
			return l, true
		}
	}
	return level{}, false
}

// codec returns the RFC 6381 name of the rung's stream: profile, constraints and level
// as x264 writes them into its parameter sets.
func (r rung) codec() string {
	if r.coded != nil {
		return r.coded.Codec
	}
	profile := map[string]string{"baseline": "42c0", "main": "4d40", "high": "6400", "high10": "6e00", "high422": "7a00"}[r.profile]
	major, minor, _ := strings.Cut(r.level, ".")
	idc, _ := strconv.Atoi(major)
	tenth, _ := strconv.Atoi(minor)
	return fmt.Sprintf("avc1.%s%02x", profile, 10*idc+tenth)
}
