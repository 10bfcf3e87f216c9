package plan_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/plan"
)

// nits are the gray patches of test films, in candelas per square metre: shadows,
// an 18 % gray card (26), faces (60), HDR's reference white (203), highlights.
var nits = []float64{1, 5, 26, 60, 100, 203, 400, 1000}

// pq is the inverse EOTF of SMPTE ST 2084.
func pq(n float64) float64 {
	y := math.Pow(n/10000, 2610.0/16384)
	return math.Pow((3424.0/4096+2413.0/128*y)/(1+2392.0/128*y), 2523.0/32)
}

// hlg is the signal of ITU-R BT.2100's HLG that a display of 1000 nits shows as n.
func hlg(n float64) float64 {
	const a = 0.17883277
	b, c := 1-4*a, 0.5-a*math.Log(4*a)
	if s := math.Pow(n/1000, 1/1.2); s > 1.0/12 {
		return a*math.Log(12*s-b) + c
	} else {
		return math.Sqrt(3 * s)
	}
}

// patches makes a film of gray patches, 32 pixels wide each, of 10 bits in BT.2020.
func patches(t *testing.T, file, format, chromaRange string, signal func(float64) float64, tags ...string) {
	t.Helper()
	width, height := 32*len(nits), 32
	var raw []byte
	line := make([]byte, 0, 2*width)
	for _, n := range nits {
		v := uint16(math.Round(64 + 876*signal(n)))
		if chromaRange == "pc" {
			v = uint16(math.Round(1023 * signal(n)))
		}
		for range 32 {
			line = binary.LittleEndian.AppendUint16(line, v)
		}
	}
	chroma := map[string]int{"yuv420p10le": width * height / 2, "yuv422p10le": width * height, "yuv444p10le": 2 * width * height}[format]
	for range 3 {
		raw = append(raw, slices.Repeat(line, height)...)
		for range chroma {
			raw = binary.LittleEndian.AppendUint16(raw, 512)
		}
	}
	in := file + ".raw"
	write(t, in, raw)
	ffmpeg(t, slices.Concat([]string{"-f", "rawvideo", "-pix_fmt", format, "-s", fmt.Sprintf("%dx%d", width, height), "-r", "25", "-color_range", chromaRange, "-i", in, "-c:v", "ffv1"}, tags, []string{file})...)
}

// TestToneMapping looks at gray patches of known light: a gray card is as bright as
// in SDR, white is white, and what is brighter is not all the same.
func TestToneMapping(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tags := func(transfer string) []string {
		return []string{"-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", transfer}
	}
	for _, test := range []struct {
		name, format, levels string
		signal               func(float64) float64
		tags                 []string
		input, video         string
		vibrant              int // how much brighter the whites are
	}{
		{"PQ", "yuv420p10le", "tv", pq, tags("smpte2084"), "", "", 0},
		{"HLG", "yuv420p10le", "tv", hlg, tags("arib-std-b67"), "", "", 0},
		{"PQ in 4:2:2", "yuv422p10le", "tv", pq, tags("smpte2084"), "", "", 0},
		{"HLG in 4:4:4", "yuv444p10le", "tv", hlg, tags("arib-std-b67"), "", "", 0},
		{"PQ of full range", "yuv420p10le", "pc", pq, append(tags("smpte2084"), "-color_range", "pc"), "", "", 0},
		{"PQ with nothing but the curve", "yuv420p10le", "tv", pq, []string{"-color_trc", "smpte2084"}, "", "", 0},
		{"PQ that says nothing", "yuv420p10le", "tv", pq, nil, `"videoSelector": {"colorSpace": "HDR10"},`, "", 0},
		{"HLG that says that it is SDR", "yuv420p10le", "tv", hlg, []string{"-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"}, `"videoSelector": {"colorSpace": "HLG_2020", "colorSpaceUsage": "FORCE"},`, "", 0},
		{"PQ with wrong metadata", "yuv420p10le", "tv", pq, tags("smpte2084"), `"videoSelector": {"colorSpace": "HDR10", "hdr10Metadata": {"maxContentLightLevel": 1, "maxFrameAverageLightLevel": 1}},`, "", 0},
		{"PQ made vibrant", "yuv420p10le", "tv", pq, tags("smpte2084"), "", `"videoPreprocessors": {"colorCorrector": {"hdrToSdrToneMapper": "VIBRANT"}},`, 6},
		{"PQ to a larger size", "yuv420p10le", "tv", pq, tags("smpte2084"), "", `"width": 512, "height": 64,`, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(dir, strings.ReplaceAll(test.name, ":", "")+".mkv")
			patches(t, file, test.format, test.levels, test.signal, test.tags...)
			p, out := oneOf(t, file, test.input, test.video)
			if got := entries(t, out, "color_range,color_space,color_transfer,color_primaries"); got != "tv,bt709,bt709,bt709" {
				t.Errorf("colour is %s", got)
			}
			if !slices.ContainsFunc(p.Warnings, func(w plan.Warning) bool { return w.Code == plan.WarnToneMapped }) {
				t.Error("no warning")
			}
			width := p.Ladders[0].Rungs[0].Width
			picture, scale := decode(t, out, 1, width), width/(32*len(nits))
			var got []int
			for i := range nits {
				c := picture.at((32*i+16)*scale, 16*scale)
				if !near(c, [3]int{c[0], c[0], c[0]}, 3) {
					t.Errorf("gray of %v nits became %v", nits[i], c)
				}
				got = append(got, c[1])
			}
			want := []int{28, 55, 108, 153, 182, 215, 236, 250}
			for i := range want {
				by := 4
				if i > 3 { // where the curve bends
					by = 9
				}
				more := 0
				if i >= 4 && i < 7 {
					more = test.vibrant
				}
				if d := got[i] - want[i] - more; d > by || d < -by {
					t.Errorf("%v nits became %d, want %d (all %v)", nits[i], got[i], want[i]+more, got)
				}
				if i > 0 && got[i] <= got[i-1] {
					t.Errorf("%v nits are as bright as %v: %v", nits[i], nits[i-1], got)
				}
			}
		})
	}
}

// TestColoursOfOneJobAreOne joins the same orange in four colour spaces.
func TestColoursOfOneJobAreOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var files []string
	inputs := []string{`{"fileInput": "0"}`, `{"fileInput": "1"}`, `{"fileInput": "2"}`}
	for name, make := range map[string][]string{
		"a709":  {"scale=out_color_matrix=bt709,format=yuv420p", "bt709", "bt709", "bt709"},
		"b601":  {"scale=out_color_matrix=bt709,format=yuv420p,zscale=min=709:pin=709:tin=709:m=170m:p=170m:t=601", "smpte170m", "smpte170m", "smpte170m"},
		"c470":  {"scale=out_color_matrix=bt709,format=yuv420p,zscale=min=709:pin=709:tin=709:m=470bg:p=bt470bg:t=709", "bt470bg", "bt470bg", "bt709"},
		"d2020": {"scale=out_color_matrix=bt709,format=yuv444p,zscale=min=709:pin=709:tin=709:m=2020_ncl:p=2020:t=709,format=yuv420p10le", "bt2020nc", "bt2020", "bt709"},
		"eP3":   {"scale=out_color_matrix=bt709,format=yuv444p,zscale=min=709:pin=709:tin=709:m=709:p=smpte432:t=709,format=yuv420p", "bt709", "smpte432", "bt709"},
		"fRGB":  {"format=gbrp", "", "", ""},
	} {
		file := filepath.Join(dir, name+".mkv")
		args := []string{"-f", "lavfi", "-i", "color=0xd08030:size=96x64:rate=25:duration=0.4", "-vf", make[0], "-c:v", "ffv1"}
		if make[1] != "" {
			args = append(args, "-colorspace", make[1], "-color_primaries", make[2], "-color_trc", make[3])
		}
		ffmpeg(t, append(args, file)...)
		files = append(files, file)
	}
	slices.Sort(files)
	for follow := range files {
		// Of the 36 ways from one to another, half: each comes in and goes out three times.
		three := []string{files[follow], files[(follow+1)%len(files)], files[(follow+3)%len(files)]}
		job := strings.Replace(withInputs(sameSize, inputs...), `{"inputs"`, `{"followSource": 1, "inputs"`, 1)
		p, err := joinedPlan(t, job, three...)
		if err != nil {
			t.Fatal(err)
		}
		tags, colors := map[string]bool{}, [][3]int{}
		for _, c := range p.Ladders[0].Chunks {
			out := t.TempDir()
			runFiles(t, c.Args, filesOf(c.Files, three), out)
			tags[entries(t, filepath.Join(out, "r0.mp4"), "color_range,color_space,color_transfer,color_primaries")] = true
			colors = append(colors, decode(t, filepath.Join(out, "r0.mp4"), 1, 96).at(40, 30))
		}
		for i, c := range colors {
			if !near(c, colors[0], 6) || len(tags) != 1 {
				t.Errorf("following %s: %s is %v, the first %v; tags %v", filepath.Base(three[0]), filepath.Base(three[i]), c, colors[0], tags)
			}
		}
	}
}
