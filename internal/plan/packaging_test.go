package plan_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/plan"
)

// planned makes the plan of one group of one output with video and sound over a
// source of frames at rate.
func planned(t *testing.T, kind, group, output, h264 string, rate media.Rational, frames int) *plan.Plan {
	t.Helper()
	member := map[string]string{"HLS": "hlsGroupSettings", "CMAF": "cmafGroupSettings", "DASH_ISO": "dashIsoGroupSettings", "FILE": "fileGroupSettings"}[kind]
	container := map[string]string{"HLS": "M3U8", "CMAF": "CMFC", "DASH_ISO": "MPD", "FILE": "MP4"}[kind]
	settings := fmt.Sprintf(`{"inputs":[{"fileInput":"s3://in/My Film.mov"}],"outputGroups":[{"outputGroupSettings":{"type":"%s_GROUP_SETTINGS","%s":{%s}},
	 "outputs":[{%s,"containerSettings":{"container":"%s"},"videoDescription":{"width":320,"height":180,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":1500000%s}}},
	  "audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":96000,"sampleRate":48000}}}]}]}]}`, kind, member, group, output, container, h264)
	src := sourceFacts("720p24")
	src.Video[0].FrameRate, src.Video[0].AverageRate, src.Video[0].TimeBase = rate, rate, media.R(1, 90_000)
	ix := media.FrameIndex{TimeBase: media.R(1, 90_000)}
	for i := range frames {
		ix.PTS = append(ix.PTS, media.Rescale(int64(i), rate.Inverse(), ix.TimeBase))
		if i%50 == 0 {
			ix.Keys = append(ix.Keys, i)
		}
	}
	p, err := plan.New(plan.Input{Settings: parse(t, settings), Files: []plan.Footage{{Source: src, Index: ix}}, JobStart: jobStart})
	if err != nil {
		t.Fatalf("%s, %s: %v", group, output, err)
	}
	return p
}

func TestSegmentLengths(t *testing.T) {
	ntsc := media.R(30000, 1001)
	fixed := func(num, den int) string {
		return fmt.Sprintf(`,"framerateControl":"SPECIFIED","framerateNumerator":%d,"framerateDenominator":%d`, num, den)
	}
	for _, tt := range []struct {
		group, h264 string
		rate        media.Rational
		frames      int
		want        []int64 // first frames
	}{
		{`"segmentLength":4`, "", media.R(25, 1), 250, []int64{0, 100, 200}},
		{`"segmentLength":10`, "", ntsc, 1000, []int64{0, 300, 599, 899}}, // the frames nearest to 10, 20, 30 s
		{`"segmentLength":10,"segmentLengthControl":"GOP_MULTIPLE"`, `,"gopSize":2,"gopSizeUnits":"SECONDS"`, ntsc, 1000, []int64{0, 300, 600, 900}},
		{`"segmentLength":10,"segmentLengthControl":"GOP_MULTIPLE"`, `,"gopSize":90,"gopSizeUnits":"FRAMES"`, media.R(25, 1), 600, []int64{0, 270, 540}},
		{`"segmentLength":2,"segmentLengthControl":"MATCH"`, fixed(25, 1), media.R(25, 1), 120, []int64{0, 48, 96}},
		{`"segmentLength":6,"segmentLengthControl":"MATCH"`, fixed(30000, 1001), ntsc, 1300, []int64{0, 640, 1280}},
		{`"segmentLength":6,"segmentLengthControl":"MATCH"`, fixed(24, 1), media.R(24, 1), 250, []int64{0, 128}}, // 5.33 s is nearer than 8
		{`"segmentLength":4,"minFinalSegmentLength":2.5`, "", media.R(25, 1), 250, []int64{0, 100}},
		{`"segmentLength":4,"minFinalSegmentLength":2`, "", media.R(25, 1), 250, []int64{0, 100, 200}},
		{`"segmentLength":4,"minSegmentLength":3`, "", media.R(25, 1), 250, []int64{0, 100}},
		{`"segmentLength":2,"minSegmentLength":3`, "", media.R(25, 1), 500, []int64{0, 100, 200, 300, 400}},
		{`"segmentLength":1000`, "", media.R(25, 1), 250, []int64{0}},
		{`"segmentLength":2147483647,"minSegmentLength":2147483647`, "", media.R(25, 1), 250, []int64{0}},
		{`"segmentLength":1`, "", media.R(1, 1), 5, []int64{0, 1, 2, 3, 4}},
	} {
		p := planned(t, "HLS", `"destination":"s3://out/x",`+tt.group, `"nameModifier":"_1"`, tt.h264, tt.rate, tt.frames)
		if got := p.Ladders[0].Timeline.Starts; !slices.Equal(got, tt.want) {
			t.Errorf("%s at %s: segments begin at %v, not %v", tt.group, tt.rate, got, tt.want)
		}
	}
}

// TestSegmentsOfSeveralRates plans groups whose outputs have several frame rates, from
// clips of two sources: at every rate as many segments begin, each at the frame nearest
// to where it does at the lowest rate, and each clip within a frame of its place.
func TestSegmentsOfSeveralRates(t *testing.T) {
	rates := []media.Rational{media.R(60, 1), media.R(30, 1), media.R(25, 1), media.R(30000, 1001), media.R(24000, 1001), media.R(15, 1)}
	for _, lengths := range []string{`"segmentLength":2`, `"segmentLength":1,"segmentLengthControl":"GOP_MULTIPLE"`, `"segmentLength":1,"minSegmentLength":2`} {
		for frames := 240; frames < 300; frames += 7 {
			var outputs []string
			for i, r := range rates {
				outputs = append(outputs, fmt.Sprintf(`{"nameModifier":"_%d","containerSettings":{"container":"M3U8"},"videoDescription":{"width":320,"height":180,"codecSettings":{"codec":"H_264",
				"h264Settings":{"rateControlMode":"QVBR","maxBitrate":1500000,"gopSize":20,"gopSizeUnits":"FRAMES","framerateControl":"SPECIFIED","framerateNumerator":%d,"framerateDenominator":%d}}}}`, i, r.Num, r.Den))
			}
			clips := ""
			for i := range 12 {
				clips += fmt.Sprintf(`,{"startTimecode":"00:00:0%d:03","endTimecode":"00:00:0%d:%02d"}`, i%3, i%3, 5+i)
			}
			settings := fmt.Sprintf(`{"inputs":[{"fileInput":"s3://in/a.mp4","timecodeSource":"ZEROBASED","inputClippings":[%s]},{"fileInput":"s3://in/b.mp4"}],
			"outputGroups":[{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/x",%s}},"outputs":[%s]}]}`, clips[1:], lengths, strings.Join(outputs, ","))
			src := sourceFacts("720p24")
			p, err := plan.New(plan.Input{Settings: parse(t, settings), Files: []plan.Footage{{Source: src, Index: steadyIndex(240, 24, 48)}, {Source: src, Index: steadyIndex(frames, 50, 48)}}, JobStart: jobStart})
			if err != nil {
				t.Fatal(err)
			}
			slow := p.Ladders[len(rates)-1].Timeline
			for i, l := range p.Ladders {
				line := l.Timeline
				if off := line.Duration() - slow.Duration(); max(off, -off) > slow.At(1) || len(line.Starts) != len(slow.Starts) {
					t.Fatalf("%s, %d frames: %v lasts %v in %d segments, %v %v in %d", lengths, frames, rates[i], line.Duration(), len(line.Starts), slow.FrameRate, slow.Duration(), len(slow.Starts))
				}
				for k := range line.Starts {
					if off := line.At(line.Starts[k]) - slow.At(slow.Starts[k]); max(off, -off) > line.At(1)/2+1 {
						t.Fatalf("%s, %d frames: at %v segment %d begins at %v, at %v at %v", lengths, frames, rates[i], k, line.At(line.Starts[k]), slow.FrameRate, slow.At(slow.Starts[k]))
					}
				}
				if from, to := line.Segment(len(line.Starts) - 1); to <= from {
					t.Fatalf("%s, %d frames: at %v the last segment is of frames %d to %d", lengths, frames, rates[i], from, to)
				}
			}
		}
	}
}

// TestIdentifiers puts every format identifier in every place where it may stand.
func TestIdentifiers(t *testing.T) {
	all := `$dt$_$d$_$t$_$fn$_$ex$_$$`
	output := `$rv$_$ra$_$rc$_$w$_$h$_$f$_$h%05$_$rc%08$`
	in := func(ex string) string { return "20260304T050607_20260304_050607_My Film_" + ex + "_$" }
	const outputs = "1500_96_1596_320_180_25_00180_00001596"
	rate := media.R(25, 1)

	p := planned(t, "HLS", `"segmentLength":4,"destination":"s3://out/`+all+`/"`, `"nameModifier":"_`+all+output+`","outputSettings":{"hlsSettings":{"segmentModifier":"-`+all+output+`"}}`, "", rate, 100)
	o := p.Groups[0].Outputs[0]
	folder := in("m3u8") + "/"
	if want := folder + "My Film.m3u8"; p.Groups[0].HLS.MultivariantKey != want {
		t.Errorf("playlist %q, not %q", p.Groups[0].HLS.MultivariantKey, want)
	}
	if want := folder + "My Film_" + in("m3u8") + outputs + "-" + in("m3u8") + outputs + "_00001.ts"; o.Segments[0] != want {
		t.Errorf("segment %q, not %q", o.Segments[0], want)
	}
	p = planned(t, "FILE", `"destination":"s3://out/$fn$.$ex$"`, `"nameModifier":"_`+all+output+`"`, "", rate, 100)
	if want := "My Film.mp4_" + in("mp4") + outputs + ".mp4"; p.Groups[0].Outputs[0].Key != want {
		t.Errorf("file %q, not %q", p.Groups[0].Outputs[0].Key, want)
	}
	p = planned(t, "CMAF", `"destination":"s3://out/x"`, `"nameModifier":"_`+output+`"`, "", rate, 100)
	if want := "x_" + outputs + "_000000001.cmfv"; p.Groups[0].Outputs[0].Segments[0] != want {
		t.Errorf("segment %q, not %q", p.Groups[0].Outputs[0].Segments[0], want)
	}
	p = planned(t, "DASH_ISO", `"destination":"s3://out/$d$/x","segmentLength":2`, `"nameModifier":"_$ex$_$Bandwidth$_$Number%04$_$h$"`, "", rate, 100)
	video, audio := p.Groups[0].Outputs[0], p.Groups[0].Outputs[1]
	if want := []string{"20260304/x_mpd_1596000_0001_180.mp4", "20260304/x_mpd_1596000_0002_180.mp4"}; !slices.Equal(video.Segments, want) || video.Fragments.Init != "20260304/x_mpd_1596000__180init.mp4" {
		t.Errorf("segments %q, init %q", video.Segments, video.Fragments.Init)
	}
	if got := path.Base(audio.Segments[1]); got != "x_mpd_1596000_0002_180_audio1.mp4" || audio.Part != 1 || audio.Fragments.Set != 1 {
		t.Errorf("sound %q, part %d of set %d", got, audio.Part, audio.Fragments.Set)
	}
	p = planned(t, "DASH_ISO", `"destination":"s3://out/x","segmentLength":2`, `"nameModifier":"_$Time$"`, "", rate, 100)
	video, audio = p.Groups[0].Outputs[0], p.Groups[0].Outputs[1]
	// Sound begins with the first AAC frame at 2 s or later: the 94th of 1,024 samples.
	if video.Segments[1] != "x_20000.mp4" || audio.Segments[1] != "x_96256_audio1.mp4" {
		t.Errorf("segments at 2 s: %q and %q", video.Segments[1], audio.Segments[1])
	}
}

// TestIdentifiersElsewhere: what is not an identifier, or not one there, is refused.
func TestIdentifiersElsewhere(t *testing.T) {
	for _, name := range []string{"$DT$", "$x$", "$rv$$nope$"} {
		if err := plan.CheckName(name, false); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for _, name := range []string{"$w$", "$h%04$", "$rv$", "$Number$"} {
		if err := plan.CheckName(name, true); err == nil {
			t.Errorf("%s is taken in a destination", name)
		}
	}
	for _, name := range []string{"$Number$", "$Time$", "$Bandwidth$"} {
		if err := plan.CheckName(name, false); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is taken outside of DASH: %v", name, err)
		}
	}
	if numbered, err := plan.CheckDASHName("a$Number%03$"); err != nil || !numbered {
		t.Errorf("%v %v", numbered, err)
	}
}
