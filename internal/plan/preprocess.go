package plan

import (
	"fmt"
	"strings"
)

// temporalNoise returns the filter of NoiseReducer TEMPORAL: each frame is averaged
// with its neighbours where they are alike, which has a beginning and an end, as a
// recursive filter has not. window is how many frames on each side it looks at; the
// source has frames.
func temporalNoise(n *NoiseReducer, frames int) (filter string, window int) {
	if n == nil || n.Filter != "TEMPORAL" {
		return "", 0
	}
	s := n.TemporalFilterSettings
	size := map[int64]int{-1: 13, 0: 9, 1: 7}[s.Speed] // frames; the fewer, the faster
	if size == 0 {
		size = 5
	}
	return averaged(float64(s.Strength)*(1+0.25*float64(s.AggressiveMode)), size, frames)
}

// averaged is adaptive temporal averaging over size frames. Strength goes from 0 to
// 16 and beyond; 4 is ffmpeg's own. The filter never ends where a source has fewer
// frames than half of those, and averages five at least.
func averaged(strength float64, size, frames int) (filter string, window int) {
	if frames < size/2 {
		size = 2*frames + 1
	}
	if size < 5 {
		return "", 0 // a frame alone is its own average
	}
	a := min(0.004+0.004*strength, 0.15)
	var planes []string
	for i := range 3 {
		planes = append(planes, fmt.Sprintf("%da=%.4g:%[1]db=%.4[3]g", i, a, 2*a))
	}
	return fmt.Sprintf("atadenoise=s=%d:%s", size, strings.Join(planes, ":")), size / 2
}

// inputNoise returns the filters of an input: AUTO leaves it to us whether what is
// enabled is done, and we do it to the codecs that the service does it to.
func inputNoise(in InputVideo, codec string, frames int) (filter string, window int) {
	if in.FilterEnable == "DISABLE" {
		return "", 0
	}
	old := codec == "mpeg2video" || codec == "mpeg1video" || codec == "rawvideo"
	modern := codec == "h264" || codec == "hevc"
	force := in.FilterEnable == "FORCE"
	strength := float64(min(max(in.FilterStrength, -5), 5))
	var f []string
	if in.DeblockFilter == "ENABLED" && (force || old) {
		f = append(f, fmt.Sprintf("deblock=filter=strong:block=8:alpha=%.3g:beta=0.05:gamma=0.05:delta=0.05", 0.12+0.02*strength))
	}
	if in.DenoiseFilter == "ENABLED" && (force || old || modern) {
		if average, n := averaged(6+strength, 9, frames); n > 0 {
			f, window = append(f, average), n
		}
	}
	return strings.Join(f, ","), window
}

// spatial returns the filters that reduce noise within a picture of the output's
// size, "" if there are none. Strength 0 is the weakest, not nothing.
func (n *NoiseReducer) spatial() string {
	if n == nil {
		return ""
	}
	s := min(max(n.FilterSettings.Strength, 0), 3)
	switch n.Filter {
	case "BILATERAL": // neighbours count less the more they differ
		return fmt.Sprintf("bilateral=sigmaS=%d:sigmaR=%.2f:planes=7", s+1, 0.03*float64(s+1))
	case "MEAN":
		return convolved(3, []int64{1, 1, 1, 1, 0, 1, 1, 1, 1}, []int64{8, 4, 2, 1}[s])
	case "GAUSSIAN":
		return convolved(3, []int64{1, 2, 1, 2, 0, 2, 1, 2, 1}, []int64{28, 16, 8, 4}[s])
	case "LANCZOS":
		row := []int64{-1, 9, 16, 9, -1}
		var m []int64
		for _, a := range row {
			for _, b := range row {
				m = append(m, a*b)
			}
		}
		return convolved(5, m, []int64{4096, 2048, 1024, 256}[s])
	case "SHARPEN":
		return convolved(3, []int64{0, -1, 0, -1, 0, -1, 0, -1, 0}, []int64{20, 14, 10, 8}[s])
	case "CONSERVE": // samples are clipped to the extremes of their neighbours
		return fmt.Sprintf("removegrain=m0=%d:m1=%[1]d:m2=%[1]d", s+1)
	case "SPATIAL": // in the frequency domain
		f := n.SpatialFilterSettings
		out := fmt.Sprintf("vaguedenoiser=threshold=%.3g:nsteps=%d", 0.5+0.5*float64(f.Strength), 6-min(max(f.Speed, -2), 3))
		return out + sharpened([]float64{0, 0.3, 0.6, 1}[min(max(f.PostFilterSharpenStrength, 0), 3)])
	case "TEMPORAL":
		if t := n.TemporalFilterSettings; t.PostTemporalSharpening == "ENABLED" {
			amount := map[string]float64{"MEDIUM": 0.6, "HIGH": 1}[t.PostTemporalSharpeningStrength]
			return strings.TrimPrefix(sharpened(max(amount, 0.3)), ",")
		}
	}
	return ""
}

// sharpened returns an unsharp mask, with a comma before it.
func sharpened(amount float64) string {
	if amount == 0 {
		return ""
	}
	return fmt.Sprintf(",unsharp=lx=5:ly=5:la=%g:cx=3:cy=3:ca=0", amount)
}

// convolved returns a convolution by a matrix of size×size with this number in its
// middle, that keeps the mean.
func convolved(size int, matrix []int64, middle int64) string {
	matrix = append([]int64(nil), matrix...)
	matrix[size*size/2] = middle
	sum := int64(0)
	for _, n := range matrix {
		sum += n
	}
	text := strings.Trim(fmt.Sprint(matrix), "[]")
	var planes []string
	for i := range 3 {
		planes = append(planes, fmt.Sprintf("%dm='%s':%[1]drdiv=%.9[3]g", i, text, 1/float64(sum)))
	}
	return "convolution=" + strings.Join(planes, ":")
}

// correct returns the filters that change the picture's tone and hue, "" if there
// are none: contrast around the middle, then brightness by up to half of the range.
func (c *ColorCorrector) correct() string {
	if c == nil {
		return ""
	}
	part := func(n int64) float64 { // 0 to 2, 1 is no change
		if n == 0 {
			n = 50
		}
		return float64(n) / 50
	}
	var f []string
	if contrast, light := part(c.Contrast), part(c.Brightness); contrast != 1 || light != 1 {
		f = append(f, fmt.Sprintf("lutyuv=y='clip(minval+(maxval-minval)*(((val-minval)/(maxval-minval)-0.5)*%.4g+0.5+%.4g),minval,maxval)'", contrast, (light-1)/2))
	}
	if saturation := part(c.Saturation); saturation != 1 || c.Hue != 0 {
		f = append(f, fmt.Sprintf("hue=h=%d:s=%.4g", c.Hue, saturation))
	}
	return strings.Join(f, ",")
}

// look is how an output shows colours: what of the source's light it keeps.
type look struct {
	target  space
	vibrant bool // HDR is mapped brighter, with less of what is very bright
	clip    bool // full range is clipped to limited range, not squeezed
}

// outputLook decides the colours of an output: those of the source that it
// follows, or what ColorCorrector says.
func (p *planner) outputLook(d *VideoDescription, path string) look {
	l := look{target: p.followed.pic.target()}
	c := d.VideoPreprocessors.ColorCorrector
	if c == nil {
		return l
	}
	path += "/videoPreprocessors/colorCorrector"
	switch c.ColorSpaceConversion {
	case "", "NONE":
	case "FORCE_601":
		l.target = inputSpaces["REC_601"]
	case "FORCE_709":
		l.target = inputSpaces["REC_709"]
	default:
		p.problems.add(path+"/colorSpaceConversion", "%s is not supported: outputs are SDR (use FORCE_601 or FORCE_709)", c.ColorSpaceConversion)
	}
	l.vibrant = c.HdrToSdrToneMapper == "VIBRANT"
	if l.clip = c.SampleRangeConversion == "LIMITED_RANGE_CLIP"; !l.clip && c.ClipLimits != nil {
		p.problems.add(path+"/clipLimits", "clipLimits need sampleRangeConversion LIMITED_RANGE_CLIP")
	}
	return l
}

// clipped returns the filter that holds samples within limited range, or the limits
// given for it, "" if there is none.
func (c *ColorCorrector) clipped() string {
	if c == nil || c.SampleRangeConversion != "LIMITED_RANGE_CLIP" {
		return ""
	}
	lo, hi := "minval", "maxval"
	if l := c.ClipLimits; l != nil {
		// Limits count in 10 bits; minval is 64 there.
		if l.MinimumYUV != nil {
			lo = fmt.Sprintf("(%d*minval/64)", min(max(*l.MinimumYUV, 0), 128))
		}
		if l.MaximumYUV != nil {
			hi = fmt.Sprintf("(%d*minval/64)", min(max(*l.MaximumYUV, 920), 1023))
		}
	}
	return fmt.Sprintf("lutyuv=y='clip(val,%s,%s)':u='clip(val,%[1]s,%[2]s)':v='clip(val,%[1]s,%[2]s)'", lo, hi)
}

// after returns the filters of an output's preprocessors that look at one picture
// at a time, each followed by a comma.
func (v VideoPreprocessors) after() string {
	out := ""
	for _, f := range []string{v.NoiseReducer.spatial(), v.ColorCorrector.correct(), v.ColorCorrector.clipped()} {
		if f != "" {
			out += f + ","
		}
	}
	return out
}
