package corpus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"sort"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// Thumbnails are what frames are compared by.
const (
	thumbWidth  = 48
	thumbHeight = 27
	thumbBytes  = thumbWidth * thumbHeight
)

// picture is one decoded frame.
type picture struct {
	at    float64 // seconds, in the file's own clock; NaN is not known
	thumb []byte
}

// pictures decodes all frames of a stream, made small by filters and a scaler.
func pictures(ctx context.Context, file string, s *stream, filters string) ([]picture, error) {
	dir, err := os.MkdirTemp("", "corpus-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if filters != "" {
		filters += ","
	}
	graph := fmt.Sprintf("[0:%d]%sscale=%d:%d:flags=area,format=gray,split[a][b]", s.Index, filters, thumbWidth, thumbHeight)
	// What cannot be decoded is left out: the exit code does not matter, the frames do.
	_, err = output(ctx, "ffmpeg", "-copyts", "-noautorotate", "-threads", "1", "-i", file, "-filter_complex", graph,
		"-map", "[a]", "-fps_mode", "passthrough", "-f", "rawvideo", dir+"/thumbs",
		"-map", "[b]", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "framecrc", dir+"/times")
	raw, readErr := os.ReadFile(dir + "/thumbs")
	times, timesErr := os.ReadFile(dir + "/times")
	if readErr != nil || timesErr != nil || len(raw) < thumbBytes {
		return nil, errors.Join(fmt.Errorf("nothing of %s can be decoded", file), err)
	}
	var out []picture
	base := 0.0
	for line := range bytes.Lines(times) {
		if value, ok := bytes.CutPrefix(line, []byte("#tb 0: ")); ok {
			base = media.ParseRational(strings.TrimSpace(string(value))).Float()
			continue
		}
		fields := bytes.Split(line, []byte(","))
		if line[0] == '#' || len(fields) < 4 {
			continue
		}
		n := len(out)
		if (n+1)*thumbBytes > len(raw) {
			break
		}
		p := picture{at: math.NaN(), thumb: raw[n*thumbBytes : (n+1)*thumbBytes]}
		if ticks, err := strconv.ParseInt(string(bytes.TrimSpace(fields[2])), 10, 64); err == nil {
			p.at = float64(ticks) * base
		}
		out = append(out, p)
	}
	return out, nil
}

// mapped makes HDR what a player shows of it, in light: near enough for frames to be
// told apart, which a curve of gray levels is not, for what it does depends on colour.
func mapped(transfer string) string {
	switch transfer {
	case "smpte2084", "arib-std-b67":
		return "zscale=min=bt2020nc:pin=bt2020:tin=" + transfer + ":t=linear:p=bt709:m=gbr:npl=203,format=gbrpf32le,setparams=colorspace=bt709," +
			"tonemap=tonemap=mobius:param=0.3:desat=1:peak=5,zscale=min=gbr:pin=bt709:tin=linear:t=bt709:p=bt709:m=bt709:r=tv,format=yuv420p"
	}
	return ""
}

// reference decodes a source plainly and turns it upright as a player does.
func reference(ctx context.Context, file string, s *stream) ([]picture, error) {
	filters := ""
	switch s.FieldOrder {
	case "tt", "bb", "tb", "bt":
		filters = "bwdif=mode=send_frame:deint=interlaced"
	}
	if turned := map[int]string{90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}[s.turn()]; turned != "" {
		if filters != "" {
			filters += ","
		}
		filters += turned
	}
	if light := mapped(s.Transfer); light != "" {
		if filters != "" {
			filters += ","
		}
		filters += light
	}
	// A change of size in mid-stream must not end it.
	return pictures(ctx, file, s, filters)
}

// compare holds the frames and the sound of an output against the source.
func compare(ctx context.Context, file, movie string, out description, shown []picture, want Want) error {
	src, err := describe(ctx, file)
	if err != nil {
		return err
	}
	if src.video == nil {
		return errors.New("the output has video, the source none")
	}
	frames, err := reference(ctx, file, src.video)
	if err != nil {
		return err
	}
	var problems []error
	aspect := want.Aspect
	if aspect == 0 {
		aspect = src.video.aspect()
	}
	if got := out.video.aspect(); math.Abs(got/aspect-1) > 0.02 {
		problems = append(problems, fmt.Errorf("shown with an aspect ratio of %.3f, not %.3f", got, aspect))
	}
	if err := compareFrames(shown, frames, out.video.rate(), want.Rough); err != nil {
		problems = append(problems, err)
	}
	if src.audio != nil {
		start := frames[0].at
		if math.IsNaN(start) {
			start = 0
		}
		if err := compareSound(ctx, file, movie, start, want); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// compareFrames looks, for every frame of the output, which frame of the source it
// is most like, and which one is shown at that time.
func compareFrames(shown, frames []picture, rate float64, rough bool) error {
	belongs := belonging(frames, len(shown), rate)
	curve := tones(shown, frames, belongs)
	bad, first, firstLike, firstHere, firstBest := 0, -1, 0, 0.0, 0.0
	for k := range shown {
		here := difference(shown[k].thumb, frames[belongs[k]].thumb, curve)
		best, like := here, belongs[k]
		for j := max(belongs[k]-12, 0); j <= min(belongs[k]+12, len(frames)-1); j++ {
			if d := difference(shown[k].thumb, frames[j].thumb, curve); d < best {
				best, like = d, j
			}
		}
		// Encoders make a B-frame of what is beside it where little moves: ffmpeg's own
		// encode of such a film is less like its source.
		if here > best+1 && here > best*1.5 && !tied(frames, like, belongs[k], rate) || here > 16 {
			if bad++; first < 0 {
				first, firstLike, firstHere, firstBest = k, like, here, best
			}
		}
	}
	var problems []error
	if bad > 0 && !rough || bad > len(shown)/2 {
		problems = append(problems, fmt.Errorf("%d of %d frames are not those that belong there; first %d, which is like frame %d of the source (off by %.2f) and should be %d (%.2f)", bad, len(shown), first, firstLike, firstBest, belongs[first], firstHere))
	}
	last, end := belongs[len(belongs)-1], len(frames)-1
	if rest := frames[end].at - frames[last].at; last < end && !(rest*rate <= 1) { // those within a slot share it
		problems = append(problems, fmt.Errorf("the output ends with frame %d of the source, which has %d", last, len(frames)))
	}
	return errors.Join(problems...)
}

// tied says whether two frames are so near the middle between two slots that
// either may be shown: times are rounded on their way.
func tied(frames []picture, a, b int, rate float64) bool {
	middle := func(i int) bool {
		slot := (frames[i].at - frames[0].at) * rate
		return math.Abs(slot-math.Floor(slot)-0.5) < 0.02
	}
	return max(a, b)-min(a, b) == 1 && middle(max(a, b))
}

// belonging returns the frame of the source that each frame of an output shows.
// Where the source's times are of no use, frames are counted.
func belonging(frames []picture, n int, rate float64) []int {
	useful := true
	for i, f := range frames {
		if math.IsNaN(f.at) || i > 0 && (f.at <= frames[i-1].at || f.at > frames[i-1].at+600) {
			useful = false
		}
	}
	out := make([]int, n)
	next := 0
	for k := range out {
		if !useful {
			out[k] = min(k, len(frames)-1)
			continue
		}
		for next+1 < len(frames) && math.Round((frames[next+1].at-frames[0].at)*rate) <= float64(k) {
			next++
		}
		out[k] = next
	}
	return out
}

// tones returns how gray levels of the source come out: the mean of what stands in
// their place. It absorbs ranges, matrices and tone mapping.
func tones(shown, frames []picture, belongs []int) [256]float64 {
	var sum, count [256]float64
	for k := range shown {
		from, to := frames[belongs[k]].thumb, shown[k].thumb
		for i, v := range from {
			sum[v] += float64(to[i])
			count[v]++
		}
	}
	var curve [256]float64
	for v := range curve {
		curve[v] = float64(v)
		if count[v] > 0 {
			curve[v] = sum[v] / count[v]
		}
	}
	return curve
}

func difference(shown, source []byte, curve [256]float64) float64 {
	sum := 0.0
	for i, v := range source {
		sum += math.Abs(float64(shown[i]) - curve[v])
	}
	return sum / thumbBytes
}

// waves are the samples of a file's sound, mono, soundRate of them a second.
type waves struct {
	pcm []float64
	// The frames of the decoder, whose times may leave gaps between them.
	frames []soundFrame
}

// soundFrame is where a decoder's frame begins.
type soundFrame struct {
	sample int     // of waves.pcm
	at     float64 // seconds, in the file's own clock
}

// at returns when a sample is heard.
func (w *waves) at(sample int) float64 {
	n := sort.Search(len(w.frames), func(i int) bool { return w.frames[i].sample > sample })
	f := w.frames[max(n-1, 0)]
	return f.at + float64(sample-f.sample)/soundRate
}

// hear decodes the sound of a file.
func hear(ctx context.Context, file string, index int) (*waves, error) {
	dir, err := os.MkdirTemp("", "corpus-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	_, err = output(ctx, "ffmpeg", "-copyts", "-i", file, "-filter_complex",
		fmt.Sprintf("[0:%d]asplit[a][b];[a]aresample=%d,pan=mono|c0=c0,aformat=sample_fmts=flt[c]", index, soundRate),
		"-map", "[c]", "-f", "f32le", dir+"/pcm", "-map", "[b]", "-c:a", "pcm_s16le", "-f", "framecrc", dir+"/times")
	raw, readErr := os.ReadFile(dir + "/pcm")
	times, timesErr := os.ReadFile(dir + "/times")
	if readErr != nil || timesErr != nil || len(raw) < 4 {
		return nil, errors.Join(fmt.Errorf("no sound of %s can be decoded", file), err)
	}
	w := &waves{pcm: make([]float64, len(raw)/4)}
	for i := range w.pcm {
		w.pcm[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
	}
	base, seconds := 0.0, 0.0
	for line := range bytes.Lines(times) {
		if value, ok := bytes.CutPrefix(line, []byte("#tb 0: ")); ok {
			base = media.ParseRational(strings.TrimSpace(string(value))).Float()
		} else if fields := bytes.Split(line, []byte(",")); line[0] != '#' && len(fields) > 3 {
			ticks, _ := strconv.ParseInt(string(bytes.TrimSpace(fields[2])), 10, 64)
			length, _ := strconv.ParseInt(string(bytes.TrimSpace(fields[3])), 10, 64)
			w.frames = append(w.frames, soundFrame{int(math.Round(seconds * soundRate)), float64(ticks) * base})
			seconds += float64(length) * base
		}
	}
	if len(w.frames) == 0 {
		return nil, fmt.Errorf("no sound of %s can be decoded", file)
	}
	return w, nil
}

// soundRate is that of sound that is compared, in samples a second.
const soundRate = 8000
