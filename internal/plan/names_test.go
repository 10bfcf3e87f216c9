package plan_test

import (
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/plan"
)

func TestBaseName(t *testing.T) {
	for uri, want := range map[string]string{
		"s3://bucket/a/b/VANLIFE.m2ts":                "VANLIFE",
		"s3://bucket/My Film (final) 100%.mov":        "My Film (final) 100%",
		"s3://bucket/a%20b.mp4":                       "a%20b", // a key is not a URL
		"https://host/x/a%20b.c.mp4?sig=1/2.3#t":      "a b.c",
		"https://host/%2e%2e%2f":                      "input",
		"https://host":                                "input",
		"s3://bucket/.hidden":                         ".hidden",
		"s3://bucket/日本語 – ü.mkv":                     "日本語 – ü",
		"s3://bucket/no-extension":                    "no-extension",
		"s3://bucket/line\nbreak.mp4":                 "line_break",
		"/home/me/clip.mp4":                           "clip",
		"clip.mp4":                                    "clip",
		"s3://bucket/folder/":                         "input",
		"s3://bucket/$dt$.mp4":                        "$dt$", // a name, not an identifier
		"https://host/a%2Fb.mp4":                      "b",
		"":                                            "input",
		"s3://bucket/..":                              "input",
		"http://host/bad%zz.mp4":                      "bad%zz",
		strings.Repeat("x", 5) + "/" + "tail.part.ts": "tail.part",
	} {
		if got := plan.BaseName(uri); got != want {
			t.Errorf("BaseName(%q) = %q, want %q", uri, got, want)
		}
	}
}

// TestNames: the names of every object, from destinations, modifiers and inputs
// of all kinds.
func TestNames(t *testing.T) {
	one := func(destination, nameModifier, segmentModifier string) string {
		return `{"inputs": [{"fileInput": "s3://in/clip"}], "outputGroups": [{
			"outputGroupSettings": {"type": "HLS_GROUP_SETTINGS", "hlsGroupSettings": {"destination": "` + destination + `", "segmentLength": 10}},
			"outputs": [{"nameModifier": "` + nameModifier + `", "outputSettings": {"hlsSettings": {"segmentModifier": "` + segmentModifier + `"}},
				"videoDescription": {"width": 640, "height": 360, "codecSettings": {"codec": "H_264", "h264Settings": {"rateControlMode": "QVBR", "maxBitrate": 1000000}}},
				"audioDescriptions": [{"codecSettings": {"codec": "AAC", "aacSettings": {"bitrate": 96000}}}]}]}]}`
	}
	for _, test := range []struct {
		name, settings, base        string
		bucket, top, media, segment string
	}{
		{"a folder", one("s3://b/a/", "_360", ""), "clip", "b", "a/clip.m3u8", "a/clip_360.m3u8", "a/clip_360_00001.ts"},
		{"a name", one("s3://b/a/x", "_360", ""), "clip", "b", "a/x.m3u8", "a/x_360.m3u8", "a/x_360_00001.ts"},
		{"a bucket alone", one("s3://b", "_360", ""), "clip", "b", "clip.m3u8", "clip_360.m3u8", "clip_360_00001.ts"},
		{"the job's start", one("s3://b/$d$/$t$/", "_$dt$", "$dt$"), "clip", "b", "20260304/050607/clip.m3u8", "20260304/050607/clip_20260304T050607.m3u8", "20260304/050607/clip_20260304T05060720260304T050607_00001.ts"},
		{"all identifiers", one("s3://b/$fn$.$ex$/$$/x", "_$w$x$h%05$_$f$", "_$rv$_$ra$_$rc%06$_$fn$_$ex$"), "clip", "b", "clip.m3u8/$/x.m3u8", "clip.m3u8/$/x_640x00360_24.m3u8", "clip.m3u8/$/x_640x00360_24_1000_96_001096_clip_m3u8_00001.ts"},
		{"dollars that are none", one("s3://b/5$/", "_a$b", "$"), "clip", "b", "5$/clip.m3u8", "5$/clip_a$b.m3u8", "5$/clip_a$b$_00001.ts"},
		{"an odd input name", one("s3://b/a/", "_v", ""), "100% $dt$ ü?#&+'\"", "b", "a/100% $dt$ ü?#&+'\".m3u8", "a/100% $dt$ ü?#&+'\"_v.m3u8", "a/100% $dt$ ü?#&+'\"_v_00001.ts"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := plan.New(plan.Input{Settings: parse(t, test.settings), Files: []plan.Footage{{Source: sourceFacts("720p24"), Index: steadyIndex(100, 24, 24)}}, JobStart: jobStart, BaseName: test.base})
			if err != nil {
				t.Fatal(err)
			}
			g := p.Groups[0]
			if g.Bucket != test.bucket || g.HLS.MultivariantKey != test.top || g.Outputs[0].Key != test.media || g.Outputs[0].Segments[0] != test.segment {
				t.Errorf("bucket %q\n%q\n%q\n%q", g.Bucket, g.HLS.MultivariantKey, g.Outputs[0].Key, g.Outputs[0].Segments[0])
			}
		})
	}
	for name, settings := range map[string]string{
		"a parent folder":        one("s3://b/../a", "_v", ""),
		"an empty part":          one("s3://b/a//c", "_v", ""),
		"a leading slash":        one("s3://b//c", "_v", ""),
		"a dot":                  one("s3://b/./c", "_v", ""),
		"not S3":                 one("https://b/c", "_v", ""),
		"a size in a folder":     one("s3://b/$h$/c", "_v", ""),
		"an unknown identifier":  one("s3://b/c", "_$q$", ""),
		"a control character":    one("s3://b/c", `_\u0007`, ""),
		"the group's own name":   one("s3://b/c", "", ""),
		"longer than S3 permits": one("s3://b/"+strings.Repeat("x", 1020), "_v", ""),
	} {
		if p, err := plan.New(plan.Input{Settings: parse(t, settings), Files: []plan.Footage{{Source: sourceFacts("720p24"), Index: steadyIndex(100, 24, 24)}}, JobStart: jobStart, BaseName: "clip"}); err == nil {
			t.Errorf("%s: accepted as %q", name, p.Groups[0].Outputs[0].Key)
		}
	}
}
