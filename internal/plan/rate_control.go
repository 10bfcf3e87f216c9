package plan

import (
	"math"
	"strconv"

	"vodwright.dev/vodwright/internal/media"
)

// rateControl is how many bits a rung may have.
type rateControl struct {
	crf     string  // constant quality, "" is by bitrate
	bitrate int64   // bits a second, of CBR and VBR
	max     int64   // bits a second; 0 is uncapped
	buffer  int64   // bits, the window that the output as a whole honours; 0 with no cap
	fill    float64 // of the buffer where the output begins
	average int64   // bits a second of the whole output at most; 0 is not bounded
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

func newRateControl(h H264Settings, height int, rate media.Rational, path string, p *problems) rateControl {
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
		if rc.average = h.QvbrSettings.MaxAverageBitrate; rc.average > 0 && h.QualityTuningLevel != "MULTI_PASS_HQ" {
			p.add(path+"/qvbrSettings/maxAverageBitrate", "maxAverageBitrate needs qualityTuningLevel MULTI_PASS_HQ")
		}
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
		} else if least := float64(rc.max) / rate.Float(); float64(rc.buffer) < least {
			p.add(path+"/hrdBufferSize", "a buffer of %d bits holds less than a frame's share of the bitrate, %.0f bits", rc.buffer, math.Ceil(least))
		}
		rc.fill = 0.9
		if f := h.HrdBufferInitialFillPercentage; f != nil {
			rc.fill = float64(min(max(*f, 5), 100)) / 100 // the first frame needs something
		}
	}
	return rc
}

// initialFill is how full x264 takes its buffer to be where a chunk begins.
const initialFill = 0.4

// vbv returns what x264 is told in a chunk of this many seconds so that the whole
// output honours its cap across chunk edges, although no encoder knows what its
// neighbour does. first and last say which end of the output the chunk is at.
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
// than R on average. The last chunk is never a whole one in the middle, and the
// first only in windows that begin with it, which may begin with a full buffer.
//
// A chunk pays for what it begins with. That is at least 0.3 seconds of the rate,
// for its IDR, but no more than three quarters of all its bits, and not much more
// than a tenth of them where it is long. Where that is little, the buffer is made
// smaller with it: x264 saves bits while its buffer is emptier than it likes.
func (rc rateControl) vbv(seconds float64, several, first, last bool) (rate, buffer int64, fill float64) {
	r, b := float64(rc.max), float64(rc.buffer)
	if several {
		b /= 1 + initialFill
	}
	bounded := rc.average > 0 // no chunk has more than the average: nor has the whole
	if bounded {
		r = min(r, float64(rc.average))
	}
	switch {
	case bounded:
	case first:
		return int64(r), int64(b), rc.fill
	case last:
		return int64(r), int64(b), initialFill
	}
	begin := min(initialFill*b, min(max(0.1, 0.3/seconds), 0.75)*r*seconds)
	b = min(b, max(begin/initialFill, r/2))
	return int64(r - begin/seconds), int64(b), floor(begin / b)
}

// floor rounds a fullness down to what arguments show of it.
func floor(f float64) float64 { return math.Floor(f*1e6) / 1e6 }
