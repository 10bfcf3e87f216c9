package plan_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/plan"
)

// dice makes numbers of a fuzzer's bytes, 0 when they are used up.
type dice struct{ bytes []byte }

func (d *dice) n(limit int) int {
	if len(d.bytes) == 0 || limit <= 1 {
		return 0
	}
	v := int(d.bytes[0])
	d.bytes = d.bytes[1:]
	if limit > 256 && len(d.bytes) > 0 {
		v = v<<8 | int(d.bytes[0])
		d.bytes = d.bytes[1:]
	}
	return v % limit
}

func pick[T any](d *dice, of ...T) T { return of[d.n(len(of))] }

// clip makes a source that an honest or a lying file could be.
func (d *dice) clip() (media.Source, media.FrameIndex) {
	rate := pick(d, media.R(24, 1), media.R(30000, 1001), media.R(0, 0), media.R(1000000, 1), media.R(25, 2), media.R(90000, 3749), media.R(math.MaxInt64, 1), media.R(1, 1000))
	base := pick(d, media.R(1, 12800), media.R(1, 1000), media.R(1, 90000), media.R(1001, 30000), media.R(1, 1), media.R(1, 1_000_000_000), media.Rational{})
	ix := media.FrameIndex{TimeBase: base, LastDuration: int64(d.n(70000)), Problem: pick(d, "", "", "", "timestamps are missing")}
	at := pick(d, int64(0), -5000, 1<<33, 1<<60)
	steps := []int64{int64(d.n(4000)), int64(d.n(4000)), int64(d.n(1 << 16))}
	frames := d.n(1500)
	gop := d.n(300) + 1
	for i := range frames {
		ix.PTS = append(ix.PTS, at)
		at += steps[0] + 1
		if i%7 == 3 {
			at += steps[1]
		}
		if i == 100 && gop%4 == 0 {
			at += steps[2] * 100
		}
		if i%gop == 0 {
			ix.Keys = append(ix.Keys, i+d.n(2))
		}
	}
	src := media.Source{Format: pick(d, "mov,mp4,m4a,3gp,3g2,mj2", "mpegts", "matroska,webm", "avi"), Duration: time.Duration(d.n(100000)) * time.Millisecond}
	if d.n(20) != 0 {
		src.Video = []media.VideoStream{{
			Index: d.n(3), Codec: "h264", Width: pick(d, 1280, 1, 320, 4097, 8192, 720), Height: pick(d, 720, 1, 181, 2160, 576),
			SampleAspect: pick(d, media.R(1, 1), media.Rational{}, media.R(16, 11), media.R(1, 1<<40)),
			FrameRate:    rate, AverageRate: pick(d, rate, media.R(25, 1)), TimeBase: base,
			Rotation: pick(d, 0, 90, 180, 270), Interlaced: pick(d, "", "tt", "bb"),
			Color: media.Color{Transfer: pick(d, "", "smpte2084", "bt709"), Matrix: pick(d, "", "bt709", "gbr", "bt2020nc")},
		}}
	}
	for i := range d.n(3) {
		src.Audio = append(src.Audio, media.AudioStream{Index: i + 3, Channels: pick(d, 2, 1, 6, 0), SampleRate: 48000, TimeBase: base, StartPTS: int64(d.n(100000)), Language: pick(d, "", "eng", "ger")})
	}
	return src, ix
}

func (d *dice) settings() string {
	video := func() map[string]any {
		v := map[string]any{"scalingBehavior": pick(d, "DEFAULT", "FIT", "FILL", "STRETCH_TO_OUTPUT", "FIT_NO_UPSCALE")}
		if w := pick(d, 0, 640, 321, 1920, 32, 8192); w > 0 {
			v["width"] = w
		}
		if h := pick(d, 0, 360, 181, 1080, 32, 8192); h > 0 {
			v["height"] = h
		}
		area := func() map[string]any {
			return map[string]any{"x": pick(d, 0, 0, 2, 3, 1<<31-1), "y": pick(d, 0, 0, 2, 1<<31-1), "width": pick(d, 32, 64, 2, 1, 1<<31-1), "height": pick(d, 32, 18, 2, 0, 1<<31-1)}
		}
		if d.n(6) == 1 {
			v["crop"] = area()
		}
		if d.n(6) == 1 {
			v["position"] = area()
		}
		if d.n(4) == 1 {
			v["sharpness"] = d.n(101)
			v["videoPreprocessors"] = pick(d,
				map[string]any{"deinterlacer": map[string]any{"mode": pick(d, "DEINTERLACE", "ADAPTIVE", "INVERSE_TELECINE", "x"), "algorithm": pick(d, "INTERPOLATE", "BLEND"), "control": pick(d, "NORMAL", "FORCE_ALL_FRAMES")}},
				map[string]any{"noiseReducer": map[string]any{"filter": pick(d, "TEMPORAL", "SPATIAL", "MEAN", "x"), "filterSettings": map[string]any{"strength": d.n(300)}, "temporalFilterSettings": map[string]any{"speed": d.n(9) - 3, "strength": d.n(300)}}},
				map[string]any{"colorCorrector": map[string]any{"brightness": d.n(101), "hue": d.n(500) - 250, "colorSpaceConversion": pick(d, "NONE", "FORCE_601", "FORCE_HDR10"), "hdrToSdrToneMapper": pick(d, "", "VIBRANT")}},
			)
		}
		return v
	}
	h264 := func() map[string]any {
		v := video()
		h := map[string]any{
			"rateControlMode": pick(d, "QVBR", "VBR", "CBR", ""), "maxBitrate": pick(d, 1000000, 1000000, 1000000, 1000), "bitrate": pick(d, 500000, 500000, 500),
			"gopSize": pick(d, 90.0, 0, 1, 0.5, 1e300), "gopSizeUnits": pick(d, "FRAMES", "SECONDS", "AUTO"),
			"numberReferenceFrames": d.n(8), "slices": d.n(40), "framerateConversionAlgorithm": pick(d, "DUPLICATE_DROP", "INTERPOLATE"),
			"codecProfile": pick(d, "MAIN", "HIGH_422_10BIT", "BASELINE", "HIGH"), "codecLevel": pick(d, "AUTO", "AUTO", "LEVEL_1", "LEVEL_5_2"), "hrdBufferSize": pick(d, 0, 0, 1, 1152000000),
		}
		if d.n(4) == 1 {
			h["interlaceMode"], h["telecine"] = pick(d, "PROGRESSIVE", "TOP_FIELD", "FOLLOW_BOTTOM_FIELD"), pick(d, "NONE", "HARD")
			h["scanTypeConversionMode"], h["slowPal"] = pick(d, "INTERLACED", "INTERLACED_OPTIMIZE"), pick(d, "DISABLED", "ENABLED")
		}
		if d.n(3) == 0 {
			h["framerateControl"], h["framerateNumerator"], h["framerateDenominator"] = "SPECIFIED", pick(d, 25, 30000, 60, 119, 24000), pick(d, 1, 1001)
		}
		v["codecSettings"] = map[string]any{"codec": "H_264", "h264Settings": h}
		return v
	}
	sound := []any{map[string]any{"codecSettings": map[string]any{"codec": "AAC", "aacSettings": map[string]any{"codingMode": pick(d, "CODING_MODE_2_0", "CODING_MODE_5_1", "CODING_MODE_1_0", "CODING_MODE_AUTO"), "sampleRate": pick(d, 48000, 44100, 1)}}}}
	var groups []any
	for g := range 1 + d.n(3) {
		var outputs []any
		switch d.n(3) {
		case 0, 1:
			for o := range 1 + d.n(3) {
				out := map[string]any{"nameModifier": fmt.Sprintf("_%d", o), "videoDescription": h264(), "containerSettings": map[string]any{"container": "M3U8"}}
				if d.n(2) == 0 {
					out["audioDescriptions"] = sound
				}
				outputs = append(outputs, out)
			}
			kind := pick(d, "HLS", "HLS", "CMAF", "DASH_ISO")
			if kind != "HLS" {
				for _, o := range outputs {
					o.(map[string]any)["containerSettings"] = map[string]any{"container": pick(d, "CMFC", "")}
				}
			}
			groups = append(groups, map[string]any{"outputs": outputs, "outputGroupSettings": map[string]any{"type": kind + "_GROUP_SETTINGS", map[string]string{"HLS": "hlsGroupSettings", "CMAF": "cmafGroupSettings", "DASH_ISO": "dashIsoGroupSettings"}[kind]: map[string]any{
				"destination": fmt.Sprintf("s3://b/%d/", g), "segmentLength": pick(d, 0, 1, 2, 10, 1<<31-1), "segmentLengthControl": pick(d, "", "EXACT", "GOP_MULTIPLE", "MATCH"), "minSegmentLength": d.n(20),
				"segmentControl": pick(d, "SEGMENTED_FILES", "SINGLE_FILE"), "segmentsPerSubdirectory": d.n(5), "minFinalSegmentLength": d.n(3),
			}}})
		case 2:
			v := video()
			v["codecSettings"] = map[string]any{"codec": "FRAME_CAPTURE", "frameCaptureSettings": map[string]any{"framerateNumerator": pick(d, 1, 0, 30000, 1<<31-1), "framerateDenominator": pick(d, 5, 0, 1001, 1<<31-1), "maxCaptures": d.n(1000), "quality": d.n(101)}}
			groups = append(groups, map[string]any{"outputGroupSettings": map[string]any{"type": "FILE_GROUP_SETTINGS", "fileGroupSettings": map[string]any{"destination": fmt.Sprintf("s3://b/f%d", g)}}, "outputs": []any{
				map[string]any{"containerSettings": map[string]any{"container": "MP4"}, "videoDescription": h264()},
				map[string]any{"containerSettings": map[string]any{"container": "RAW"}, "videoDescription": v},
			}})
		}
	}
	doc, _ := json.Marshal(map[string]any{"outputGroups": groups, "inputs": []any{map[string]any{"fileInput": "s3://b/c.mp4", "videoSelector": map[string]any{"rotate": pick(d, "", "AUTO", "DEGREES_90", "DEGREE_0")}}}})
	return string(doc)
}

// FuzzNew plans anything for anything. What comes out is an error with a kind, or
// a plan that holds what it promises.
func FuzzNew(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("a film of some length, in a container"))
	for i := range 40 {
		seed := make([]byte, 80)
		for k := range seed {
			seed[k] = byte(i*37 + k*k*11 + k*i)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &dice{b}
		src, ix := d.clip()
		settings := parse(t, d.settings())
		in := plan.Input{Settings: settings, Files: []plan.Footage{{Source: src, Index: ix}}, JobStart: jobStart}
		p, err := plan.New(in)
		if err != nil {
			var e *fault.Error
			if !errors.As(err, &e) || e.Kind == fault.Internal || e.Code == "" || e.Message == "" {
				t.Fatalf("error without kind, code or message: %#v", err)
			}
			return
		}
		again, err := plan.New(in)
		if err != nil {
			t.Fatal(err)
		}
		first, _ := json.Marshal(p)
		second, _ := json.Marshal(again)
		if string(first) != string(second) {
			t.Fatal("the same input gives two plans")
		}
		checkPlan(t, p)
	})
}

func checkPlan(t *testing.T, p *plan.Plan) {
	t.Helper()
	for l, ladder := range p.Ladders {
		line := ladder.Timeline
		if !line.FrameRate.Known() || line.FrameRate.Float() > 120 || line.Frames < 1 || len(line.Starts) == 0 || line.Starts[0] != 0 {
			t.Fatalf("ladder %d: timeline %v, %d frames, %d segments", l, line.FrameRate, line.Frames, len(line.Starts))
		}
		for i := range line.Starts {
			if from, to := line.Segment(i); from >= to {
				t.Fatalf("ladder %d: segment %d is %d to %d", l, i, from, to)
			}
		}
		frame := int64(0)
		for c, chunk := range ladder.Chunks {
			if chunk.From != frame || chunk.To <= chunk.From {
				t.Fatalf("ladder %d: chunk %d is %+v, expected from frame %d", l, c, chunk, frame)
			}
			if frame = chunk.To; chunk.SourceFrames < 0 || len(chunk.Args) == 0 || len(chunk.Files) == 0 {
				t.Fatalf("ladder %d: chunk %d is %+v", l, c, chunk)
			}
		}
		if frame != line.Frames {
			t.Fatalf("ladder %d: chunks end at frame %d of %d", l, frame, line.Frames)
		}
		for r, rung := range ladder.Rungs {
			if rung.Width < 2 || rung.Height < 2 || rung.Width%2+rung.Height%2 != 0 || rung.MaxBitrate > 0 && rung.BufferBits < 0 {
				t.Fatalf("ladder %d: rung %d is %+v", l, r, rung)
			}
		}
		for c, capture := range ladder.Captures {
			if len(capture.Frames) == 0 || capture.Frames[0] != 0 || !slices.IsSorted(capture.Frames) || len(slices.Compact(slices.Clone(capture.Frames))) != len(capture.Frames) || capture.Frames[len(capture.Frames)-1] >= line.Frames {
				t.Fatalf("ladder %d: capture %d has frames %v of %d", l, c, capture.Frames, line.Frames)
			}
		}
	}
	names := map[string]bool{}
	for _, group := range p.Groups {
		var keys []string
		if group.HLS != nil {
			keys = append(keys, group.HLS.MultivariantKey)
		}
		if group.DASH != nil {
			keys = append(keys, group.DASH.Key)
		}
		for _, o := range group.Outputs {
			ladder := p.Ladders[o.Ladder]
			for _, i := range o.Audios {
				a := p.Audios[i]
				if seconds := ladder.Timeline.Duration().Seconds(); math.Abs(float64(a.Samples)/float64(a.SampleRate)-seconds) > 1/float64(a.SampleRate)+1e-6 {
					t.Fatalf("%d samples for %v s", a.Samples, seconds)
				}
			}
			switch {
			case o.Capture >= 0:
				if len(o.Captures) != len(ladder.Captures[o.Capture].Frames) || o.Key != o.Captures[len(o.Captures)-1] {
					t.Fatalf("capture output %+v", o)
				}
				keys = append(keys, o.Captures...)
				continue
			case o.Segments != nil && len(o.Segments) != len(ladder.Timeline.Starts) && len(o.Segments) != 1, o.Rung >= len(ladder.Rungs), o.Rung < 0 && len(o.Audios) == 0:
				t.Fatalf("output %+v", o)
			}
			if o.Key != "" {
				keys = append(keys, o.Key)
			}
			if f := o.Fragments; f != nil && f.Init != "" {
				keys = append(keys, f.Init)
			}
			keys = append(keys, o.Segments...)
		}
		for _, key := range keys {
			if names[group.Bucket+"/"+key] {
				t.Fatalf("%s is written twice", key)
			}
			names[group.Bucket+"/"+key] = true
		}
	}
}
