package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const aboutQVBR = "`vodwright convert` makes MP4 files at every QVBR level, uncapped, at 960×540 and 1280×720, of parts of film, animation and camera footage. " +
	"SSIM is over all planes, against the source scaled to the output's size; in decibels, −10·log10(1−SSIM), ten are a tenth of the distortion. " +
	"A level is two steps of x264's constant rate factor (level 7 is 23): a third more bits a level, whatever the picture."

// qvbrClip is a part of a clip that levels are measured on.
type qvbrClip struct {
	kind, file string
	from       float64 // seconds
	heights    []int
}

const (
	qvbrSeconds = 6
	qvbrLevels  = 10
)

// qvbrClips stand beside the checkout where the project is developed; others
// measure a generated clip.
var qvbrClips = []qvbrClip{
	{"film", "real_sintel_trailer_720p_52s.mp4", 16, []int{540, 720}},
	{"animation", "real_bbb_540p_27s.mp4", 8, []int{540}},
	{"camera", "real_dog_720p.mp4", 1, []int{540, 720}},
	{"phone", "real_phone_1080p_5s.mp4", 0, []int{540, 720}},
}

// qvbrPoint is what a level comes to.
type qvbrPoint struct {
	kbps, ssim float64
}

// db is SSIM as the logarithm of what is lost.
func (p qvbrPoint) db() float64 { return -10 * math.Log10(max(1-p.ssim, 1e-6)) }

// qvbrCurve is a clip at a size: a point for each level, the lowest first.
type qvbrCurve struct {
	name   string
	points []qvbrPoint
}

// benchQVBR measures bits and quality of every level. With -qvbr it also keeps a
// document and a chart in a folder.
func benchQVBR(ctx context.Context, b *bench, r *report) error {
	clips, dir := qvbrClips, filepath.Dir(realClip)
	if _, err := os.Stat(filepath.Join(dir, clips[0].file)); errors.Is(err, os.ErrNotExist) {
		dir = b.dir
		clips = []qvbrClip{{"generated", "film.mp4", 0, []int{540, 720}}}
		if err := makeFilm(ctx, filepath.Join(dir, "film.mp4")); err != nil {
			return err
		}
	}
	var curves []qvbrCurve
	for _, c := range clips {
		part := filepath.Join(b.dir, c.kind+".mkv")
		if _, _, err := output(ctx, "ffmpeg", "-y", "-nostdin", "-v", "error", "-ss", fmt.Sprint(c.from), "-t", fmt.Sprint(qvbrSeconds),
			"-i", filepath.Join(dir, c.file), "-map", "0:v:0", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", part); err != nil {
			return err
		}
		more, err := b.qvbrCurves(ctx, c, part)
		if err != nil {
			return fmt.Errorf("%s: %w", c.kind, err)
		}
		curves = append(curves, more...)
		b.logf("qvbr: %s done", c.kind)
	}
	table := qvbrTable(curves)
	r.text.WriteString(table)
	worst := math.Inf(1)
	for _, c := range curves {
		for i := 1; i < len(c.points); i++ {
			worst = min(worst, c.points[i].db()-c.points[i-1].db())
		}
	}
	r.target("qvbr: least gain of a level, dB of SSIM", fmt.Sprintf("%.2f", worst), "> 0", worst > 0)
	if b.qvbrDir == "" {
		return nil
	}
	doc := "# Quality of the QVBR levels\n\n" + qvbrIntro + "\n\n![SSIM and bitrate of each level](qvbr.svg)\n\n" + table +
		"Measured by `go run ./test/bench -only qvbr -qvbr docs`, " + fmt.Sprint(qvbrSeconds) + " seconds of each clip.\n"
	if err := os.WriteFile(filepath.Join(b.qvbrDir, "QVBR.md"), []byte(doc), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.qvbrDir, "qvbr.svg"), []byte(qvbrChart(curves)), 0o644)
}

const qvbrIntro = "A job that is encoded with `rateControlMode` QVBR names a quality level from 1 to 10, in thirds with\n" +
	"`qvbrQualityLevelFineTune`, and a `maxBitrate` that no window of the output exceeds. A level is a constant rate\n" +
	"factor of x264, 37 − 2·level, so that a level is about a third more bits and level 7 is x264's own 23; where the\n" +
	"level is left out it is 8 for outputs of 720 lines and more, else 7, after the suggestions of the service's guide.\n\n" +
	aboutQVBR

// qvbrCurves encodes a clip at all levels in one job a size, and measures them.
func (b *bench) qvbrCurves(ctx context.Context, c qvbrClip, part string) ([]qvbrCurve, error) {
	whole, err := picturesOf(ctx, part)
	if err != nil {
		return nil, err
	}
	var curves []qvbrCurve
	for _, height := range c.heights {
		size := rung{width: height * 16 / 9, height: height}
		out, job := filepath.Join(b.dir, "qvbr"), filepath.Join(b.dir, "qvbr.json")
		if err := writeJSON(job, qvbrJob(size)); err != nil {
			return nil, err
		}
		if _, err := inEmpty(out, func() (cost, error) {
			return measure(ctx, b.program, "convert", part, "-o", out, "--json", "--job", job, "--verify", "structure")
		}); err != nil {
			return nil, err
		}
		curve := qvbrCurve{name: fmt.Sprintf("%s, %s", c.kind, size.name()), points: make([]qvbrPoint, qvbrLevels)}
		errs := make([]error, qvbrLevels)
		var group sync.WaitGroup
		for level := 1; level <= qvbrLevels; level++ {
			group.Go(func() { curve.points[level-1], errs[level-1] = qvbrMeasure(ctx, out, part, level, size, whole) })
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		curves = append(curves, curve)
	}
	return curves, nil
}

func qvbrMeasure(ctx context.Context, dir, part string, level int, size rung, whole pictures) (qvbrPoint, error) {
	found, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("*_%d.mp4", level)))
	if err != nil || len(found) != 1 {
		return qvbrPoint{}, fmt.Errorf("level %d made %d files", level, len(found))
	}
	p, err := picturesOf(ctx, found[0])
	if err != nil {
		return qvbrPoint{}, err
	}
	if p.frames != whole.frames {
		return qvbrPoint{}, fmt.Errorf("level %d has %d frames of %d", level, p.frames, whole.frames)
	}
	s, err := ssim(ctx, found[0], part, size)
	if err != nil {
		return qvbrPoint{}, err
	}
	seconds, err := durationOf(ctx, found[0])
	if err != nil {
		return qvbrPoint{}, err
	}
	return qvbrPoint{kbps: float64(p.bytes) * 8 / 1000 / seconds, ssim: s}, nil
}

// durationOf returns how many seconds a file's video lasts.
func durationOf(ctx context.Context, file string) (float64, error) {
	out, _, err := output(ctx, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=duration", "-of", "csv=p=0", file)
	if err != nil {
		return 0, err
	}
	var seconds float64
	if _, err := fmt.Sscan(string(out), &seconds); err != nil || seconds <= 0 {
		return 0, fmt.Errorf("%q lasts %q", file, out)
	}
	return seconds, nil
}

// qvbrJob makes a file of every level.
func qvbrJob(size rung) map[string]any {
	type object = map[string]any
	var outputs []any
	for level := 1; level <= qvbrLevels; level++ {
		outputs = append(outputs, object{
			"nameModifier":      fmt.Sprintf("_%d", level),
			"containerSettings": object{"container": "MP4"},
			"videoDescription": object{"width": size.width, "height": size.height, "codecSettings": object{"codec": "H_264", "h264Settings": object{
				"rateControlMode": "QVBR", "qvbrSettings": object{"qvbrQualityLevel": level}, "maxBitrate": 100_000_000,
				"qualityTuningLevel": "SINGLE_PASS_HQ", "codecProfile": "HIGH",
			}}},
		})
	}
	return object{"settings": object{
		"inputs": []any{object{"fileInput": "s3://bench/clip.mkv"}},
		"outputGroups": []any{object{
			"outputGroupSettings": object{"type": "FILE_GROUP_SETTINGS", "fileGroupSettings": object{"destination": "s3://bench/"}},
			"outputs":             outputs,
		}},
	}}
}

// qvbrTable lists kbit/s and SSIM of every level.
func qvbrTable(curves []qvbrCurve) string {
	var b strings.Builder
	b.WriteString("| level | CRF |")
	for _, c := range curves {
		fmt.Fprintf(&b, " %s, kbit/s | SSIM | dB |", c.name)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|---|---|", len(curves)) + "\n")
	for level := 1; level <= qvbrLevels; level++ {
		fmt.Fprintf(&b, "| %d | %d |", level, 37-2*level)
		for _, c := range curves {
			p := c.points[level-1]
			fmt.Fprintf(&b, " %.0f | %.4f | %.1f |", p.kbps, p.ssim, p.db())
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	return b.String()
}

// qvbrChart draws quality over bitrate, a curve for each clip with a dot for each level.
func qvbrChart(curves []qvbrCurve) string {
	const width, height, left, right, top, bottom = 860, 460, 60, 190, 40, 50
	loX, hiX, loY, hiY := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, c := range curves {
		for _, p := range c.points {
			loX, hiX = min(loX, p.kbps), max(hiX, p.kbps)
			loY, hiY = min(loY, p.db()), max(hiY, p.db())
		}
	}
	loX, hiX = loX/1.1, hiX*1.1
	loY, hiY = math.Floor(loY), math.Ceil(hiY)
	x := func(kbps float64) float64 {
		return left + (width-left-right)*math.Log(kbps/loX)/math.Log(hiX/loX)
	}
	y := func(db float64) float64 { return top + (height-top-bottom)*(hiY-db)/(hiY-loY) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="22" font-size="15">Quality and bitrate of QVBR levels 1 to 10</text>`+"\n", left)
	for db := loY; db <= hiY; db += 2 {
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.0f</text>`+"\n", left, width-right, y(db), y(db), left-6, y(db)+4, db)
	}
	for _, kbps := range []float64{50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000} {
		if kbps > loX && kbps < hiX {
			fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%.0f</text>`+"\n", x(kbps), x(kbps), top, height-bottom, x(kbps), height-bottom+16, kbps)
		}
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">kbit/s</text>`+"\n", (left+width-right)/2, height-14)
	fmt.Fprintf(&b, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">SSIM, dB</text>`+"\n", (top+height-bottom)/2)
	colors := []string{"#1b6ca8", "#5aa9e6", "#c0392b", "#2e8b57", "#8fce9f", "#8e44ad", "#c39bd3"}
	for i, c := range curves {
		color := colors[i%len(colors)]
		var line []string
		for _, p := range c.points {
			line = append(line, fmt.Sprintf("%.1f,%.1f", x(p.kbps), y(p.db())))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(line, " "), color)
		for level, p := range c.points {
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%s, level %d: %.0f kbit/s, SSIM %.4f</title></circle>`+"\n", x(p.kbps), y(p.db()), color, c.name, level+1, p.kbps, p.ssim)
		}
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n", width-right+16, top+22*i, color, width-right+34, top+22*i+11, c.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
