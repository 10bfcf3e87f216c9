package hls_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/media"
)

const multivariant = `#EXTM3U
#EXT-X-VERSION:3
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=1144000,AVERAGE-BANDWIDTH=1100000,CODECS="avc1.4d401e,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=29.970
clip_360.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3144000,AVERAGE-BANDWIDTH=3100000,CODECS="avc1.4d401f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970
clip_720.m3u8
`

const integers = `#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:11
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:10,
clip_360_00001.ts
#EXTINF:11,
clip_360_00002.ts
#EXTINF:3,
clip_360_00003.ts
#EXT-X-ENDLIST
`

const exact = `#EXTM3U
#EXT-X-VERSION:3
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-TARGETDURATION:11
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:10.010000,
clip%20one_00001.ts
#EXTINF:0.333667,a title
clip%20one_00002.ts
#EXT-X-ENDLIST
`

const iFrames = `#EXTM3U
#EXT-X-VERSION:3
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-SESSION-KEY:METHOD=AES-128,URI="https://keys.example/1",KEYFORMAT="identity",KEYFORMATVERSIONS="1/2"
#EXT-X-STREAM-INF:BANDWIDTH=1144000,AVERAGE-BANDWIDTH=1100000,CODECS="avc1.4d401e,mp4a.40.2",FRAME-RATE=29.970,CLOSED-CAPTIONS=NONE
clip_360.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=144000,AVERAGE-BANDWIDTH=100000,CODECS="avc1.4d401e",RESOLUTION=640x360,URI="clip_360_I-Frame.m3u8"
`

const ranges = `#EXTM3U
#EXT-X-VERSION:5
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-I-FRAMES-ONLY
#EXT-X-ALLOW-CACHE:NO
#EXT-X-MAP:URI="clip.ts",BYTERANGE="376@0"
#EXT-X-PROGRAM-DATE-TIME:2026-02-03T10:00:00.500Z
#EXTINF:2.000000,
#EXT-X-BYTERANGE:1880@376
clip.ts
#EXTINF:1.500000,
#EXT-X-BYTERANGE:188@4000
clip.ts
#EXT-X-ENDLIST
`

const encrypted = `#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-KEY:METHOD=AES-128,URI="key.bin",IV=0x000102030405060708090a0b0c0d0e0f
#EXTINF:2.000000,
a.ts
#EXTINF:2.000000,
b.ts
#EXT-X-KEY:METHOD=NONE
#EXTINF:2.000000,
c.ts
#EXT-X-ENDLIST
`

func TestMultivariantPlaylist(t *testing.T) {
	p := &hls.MultivariantPlaylist{
		Version:             hls.Version,
		IndependentSegments: true,
		Variants: []hls.Variant{
			{URI: "clip_360.m3u8", Bandwidth: 1144000, AverageBandwidth: 1100000, Codecs: []string{"avc1.4d401e", "mp4a.40.2"}, Width: 640, Height: 360, FrameRate: media.R(30000, 1001)},
			{URI: "clip_720.m3u8", Bandwidth: 3144000, AverageBandwidth: 3100000, Codecs: []string{"avc1.4d401f", "mp4a.40.2"}, Width: 1280, Height: 720, FrameRate: media.R(30000, 1001)},
		},
	}
	text, err := p.Marshal()
	if err != nil || string(text) != multivariant {
		t.Errorf("Marshal: %v\n%s", err, text)
	}
}

// TestRoundTrip asserts text → struct → text.
func TestRoundTrip(t *testing.T) {
	for _, want := range []string{multivariant, iFrames} {
		p, err := hls.ParseMultivariantPlaylist([]byte(want))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := p.Marshal(); err != nil || string(text) != want {
			t.Errorf("multivariant: %v\n%s", err, text)
		}
	}
	for _, want := range []string{integers, exact, ranges, encrypted} {
		p, err := hls.ParseMediaPlaylist([]byte(want))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := p.Marshal(); err != nil || string(text) != want {
			t.Errorf("media: %v\n%s", err, text)
		}
		if v := p.RequiredVersion(); v > p.Version {
			t.Errorf("needs version %d:\n%s", v, want)
		}
		crlf := strings.ReplaceAll(want, "\n", "\r\n")
		if q, err := hls.ParseMediaPlaylist([]byte(crlf)); err != nil || len(q.Segments) != len(p.Segments) {
			t.Errorf("with CRLF: %v", err)
		}
	}
}

// TestParseTolerates asserts that foreign tags, comments and blank lines do no harm.
func TestParseTolerates(t *testing.T) {
	p, err := hls.ParseMediaPlaylist([]byte("#EXTM3U\n\n# a comment\n#EXT-X-TARGETDURATION:6\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n#EXTINF:5.5\nhttps://example.com/a.ts?x=1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Segments) != 1 || p.Segments[0].Duration != 5500*time.Millisecond || p.EndList || p.Version != 0 {
		t.Errorf("parsed %+v", p)
	}
	m, err := hls.ParseMultivariantPlaylist([]byte("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x, y\"\n#EXT-X-STREAM-INF:AUDIO=\"a\",BANDWIDTH=5,CODECS=\"mp4a.40.2\"\nx.m3u8\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Variants) != 1 || m.Variants[0].Bandwidth != 5 || m.Variants[0].Codecs[0] != "mp4a.40.2" {
		t.Errorf("parsed %+v", m)
	}
}

func TestParseRefuses(t *testing.T) {
	head := "#EXTM3U\n#EXT-X-TARGETDURATION:6\n"
	for text, want := range map[string]string{
		"":                                    "line 1: it must be #EXTM3U",
		"<html>":                              "line 1: it must be #EXTM3U",
		"#EXTM3U\n#EXTINF:5,\na.ts\n":         "TARGETDURATION is missing",
		head + "a.ts\n":                       "line 3: a URI without #EXTINF",
		head + "#EXTINF:5,\n#EXTINF:5,\n":     "line 4: the segment before has no URI",
		head + "#EXTINF:5,\n":                 "the last segment has no URI",
		head + "#EXTINF:-5,\na.ts\n":          `"-5" is not a number`,
		head + "#EXTINF:1e3,\na.ts\n":         `"1e3" is not a number`,
		head + "#EXTINF:99999999999,\na.ts\n": "is not a number of seconds",
		head + "#EXT-X-TARGETDURATION:6\n":    "given twice",
		head + "#EXT-X-PLAYLIST-TYPE:LIVE\n":  `"LIVE" is neither`,
		head + "#EXT-X-VERSION:0\n":           "version 0",
		head + "#EXT-X-MEDIA-SEQUENCE:\n":     "not a decimal integer",
		multivariant:                          "this is a multivariant playlist",

		head + "#EXT-X-BYTERANGE:0@5\n#EXTINF:5,\na.ts\n":      `byte range "0@5" is none`,
		head + "#EXT-X-BYTERANGE:5@-1\n#EXTINF:5,\na.ts\n":     "not a decimal integer",
		head + "#EXT-X-MAP:BYTERANGE=\"5@1\"\n":                "has no URI",
		head + "#EXT-X-KEY:METHOD=AES-128\n":                   "a key without URI",
		head + "#EXT-X-KEY:METHOD=AES-128,URI=\"a\",IV=0x01\n": "is not 128 bits",
		head + "#EXT-X-PROGRAM-DATE-TIME:today\n":              "is not a date and time",
	} {
		_, err := hls.ParseMediaPlaylist([]byte(text))
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, not %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"#EXTM3U\nx.m3u8\n":                                                          "a URI without #EXT-X-STREAM-INF",
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n":                                   "the last variant has no URI",
		"#EXTM3U\n#EXT-X-STREAM-INF:RESOLUTION=1x1\nx\n":                             "BANDWIDTH is missing",
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,BANDWIDTH=2\nx\n":                    "given twice",
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=\"1\"\nx\n":                            "wrong type",
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"a\nx\n":                     "no closing quote",
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640\nx\n":                 `"640" is not width x height`,
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,FRAME-RATE=NaN\nx\n":                 "not a number",
		"#EXTM3U\n#EXT-X-STREAM-INF:bandwidth=1\nx\n":                                `attribute name "bandwidth"`,
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx\n": "the variant before has no URI",
		integers: "this is a media playlist",
	} {
		_, err := hls.ParseMultivariantPlaylist([]byte(text))
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, not %q", text, err, want)
		}
	}
}

// TestDurationsDoNotDrift asserts for both forms that the written ends of
// segments stay at the true ones over hours, and that the target holds.
func TestDurationsDoNotDrift(t *testing.T) {
	frame := media.R(1001, 30000)
	for _, frames := range []int64{7, 30, 72, 75, 105, 300, 360} {
		for _, whole := range []bool{true, false} {
			p := &hls.MediaPlaylist{Version: 3, IntegerDurations: whole, EndList: true, MediaSequence: 1}
			for i := range int64(7200 * 30 / frames) {
				p.Segments = append(p.Segments, hls.Segment{
					URI:      hls.RelativeURI("a.m3u8", "a"+time.Duration(i).String()),
					Duration: frame.Duration((i+1)*frames) - frame.Duration(i*frames),
				})
			}
			text, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			q, err := hls.ParseMediaPlaylist(text)
			if err != nil {
				t.Fatal(err)
			}
			if q.IntegerDurations != whole {
				t.Fatalf("%d frames: durations are in the wrong form:\n%.200s", frames, text)
			}
			tolerance, least := time.Microsecond, time.Duration(0)
			if whole {
				tolerance, least = time.Second/2, time.Second
			}
			var written, truth time.Duration
			for i, s := range q.Segments {
				written += s.Duration
				truth += p.Segments[i].Duration
				if d := written - truth; (d > tolerance || d < -tolerance) && !(whole && p.Segments[i].Duration < time.Second) {
					t.Fatalf("%d frames: segment %d ends %v off", frames, i, d)
				}
				if s.Duration < least {
					t.Fatalf("%d frames: segment %d lasts %v", frames, i, s.Duration)
				}
				if s.Duration.Round(time.Second) > time.Duration(q.TargetDuration)*time.Second {
					t.Fatalf("%d frames: segment %d lasts %v, above target %d", frames, i, s.Duration, q.TargetDuration)
				}
			}
		}
	}
}

func TestRelativeURI(t *testing.T) {
	for _, test := range []struct{ playlist, target, want string }{
		{"out/clip.m3u8", "out/clip_360.m3u8", "clip_360.m3u8"},
		{"clip.m3u8", "clip_360_00001.ts", "clip_360_00001.ts"},
		{"a/b/clip.m3u8", "a/c/x.ts", "../c/x.ts"},
		{"a/b/clip.m3u8", "x.ts", "../../x.ts"},
		{"a/clip.m3u8", "a/b/x.ts", "b/x.ts"},
		{"a/my clip.m3u8", "a/my clip 50% #1?.ts", "my%20clip%2050%25%20%231%3F.ts"},
		{"a/x.m3u8", "a/C:d+e&f=g.ts", "C%3Ad%2Be%26f%3Dg.ts"},
		{"Zürich/x.m3u8", "Zürich/Gleis 7 – früh.ts", "Gleis%207%20%E2%80%93%20fr%C3%BCh.ts"},
		{"x.m3u8", "日本.ts", "%E6%97%A5%E6%9C%AC.ts"},
		{"x.m3u8", "a\nb\".ts", "a%0Ab%22.ts"},
	} {
		if got := hls.RelativeURI(test.playlist, test.target); got != test.want {
			t.Errorf("RelativeURI(%q, %q) = %q, not %q", test.playlist, test.target, got, test.want)
		}
	}
}

func TestMarshalRefusesBrokenURI(t *testing.T) {
	p := &hls.MediaPlaylist{Segments: []hls.Segment{{URI: "a b.ts", Duration: time.Second}}}
	if _, err := p.Marshal(); err == nil {
		t.Error("a URI with a space is written")
	}
	m := &hls.MultivariantPlaylist{Variants: []hls.Variant{{URI: "a\nb", Bandwidth: 1}}}
	if _, err := m.Marshal(); err == nil {
		t.Error("a URI with a line break is written")
	}
}

func TestBandwidth(t *testing.T) {
	second := func(kb, s float64) hls.SegmentSize {
		return hls.SegmentSize{Bytes: int64(kb * 1000), Duration: time.Duration(s * float64(time.Second))}
	}
	for name, test := range map[string]struct {
		segments      []hls.SegmentSize
		peak, average int64
	}{
		"none":          {nil, 0, 0},
		"one":           {[]hls.SegmentSize{second(1250, 10)}, 1_000_000, 1_000_000},
		"equal":         {[]hls.SegmentSize{second(1250, 10), second(1250, 10)}, 1_000_000, 1_000_000},
		"peak":          {[]hls.SegmentSize{second(1250, 10), second(2500, 10), second(625, 10)}, 2_000_000, 1_166_667},
		"short last":    {[]hls.SegmentSize{second(1250, 10), second(1250, 10), second(1000, 1)}, 1_636_364, 1_333_334}, // a set of 11 s counts, one of 1 s does not
		"all too short": {[]hls.SegmentSize{second(10, 0.2)}, 400_000, 400_000},
		"rounded up":    {[]hls.SegmentSize{{Bytes: 1, Duration: 3 * time.Second}}, 3, 3},
	} {
		if peak, average := hls.Bandwidth(test.segments); peak != test.peak || average != test.average {
			t.Errorf("%s: %d and %d, not %d and %d", name, peak, average, test.peak, test.average)
		}
	}
}

func TestCheck(t *testing.T) {
	multi, err := hls.ParseMultivariantPlaylist([]byte(multivariant))
	if err != nil {
		t.Fatal(err)
	}
	read := func(text string) *hls.MediaPlaylist {
		p, err := hls.ParseMediaPlaylist([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if problems := hls.Check(multi, read(integers), read(integers)); problems != nil {
		t.Errorf("a good stream has problems: %v", problems)
	}
	for _, test := range []struct{ from, to, want string }{
		{"#EXT-X-ENDLIST\n", "", "EXT-X-ENDLIST is missing"},
		{"TARGETDURATION:11", "TARGETDURATION:10", "more than EXT-X-TARGETDURATION 10"},
		{"TARGETDURATION:11", "TARGETDURATION:12", "differs from the first variant's"},
		{"EXTINF:3,", "EXTINF:2,", "segment 2 lasts 2s"},
		{"#EXTINF:3,\nclip_360_00003.ts\n", "", "2 segments, the first variant has 3"},
		{"_00003", "_00002", "given twice"},
		{"VERSION:3", "VERSION:2", ""},
		{"#EXTINF:3,", "#EXTINF:3.5,\n#EXT-X-BYTERANGE:10@0", "version 3 has not what it uses, 4 has"},
		{"EXTINF:3,", "EXTINF:0,", "it lasts 0s"},
		{"MEDIA-SEQUENCE:1", "MEDIA-SEQUENCE:0", "EXT-X-MEDIA-SEQUENCE differs"},
	} {
		problems := hls.Check(multi, read(integers), read(strings.Replace(integers, test.from, test.to, 1)))
		found := test.want == "" && problems == nil
		for _, p := range problems {
			found = found || test.want != "" && strings.Contains(p.Error(), test.want) && strings.Contains(p.Error(), "clip_720.m3u8")
		}
		if !found {
			t.Errorf("%q for %q: problems are %v", test.to, test.from, problems)
		}
	}
	for rate, fine := range map[media.Rational]bool{media.R(30, 1): false, media.R(30000, 1001): true} {
		rates := *multi // several: boundaries may be a frame apart
		rates.Variants = slices.Clone(multi.Variants)
		rates.Variants[0].FrameRate, rates.Variants[1].FrameRate = media.R(30, 1), rate
		problems := hls.Check(&rates, read(integers), read(strings.Replace(integers, "EXTINF:3,", "EXTINF:3.033,", 1)))
		if (problems == nil) != fine {
			t.Errorf("variants of 30 and %v frames a second: problems are %v", rate, problems)
		}
	}
	if problems := hls.Check(multi, read(integers)); len(problems) == 0 {
		t.Error("a missing media playlist is no problem")
	}
	multi.Variants[0].AverageBandwidth = 2_000_000
	if problems := hls.Check(multi, read(integers), read(integers)); len(problems) != 1 {
		t.Errorf("an average above the peak: %v", problems)
	}
}

// FuzzParse asserts for any text: no panic, classified errors, and that what was
// written once is written the same again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{multivariant, integers, exact, iFrames, ranges, encrypted, "#EXTM3U\n#EXT-X-TARGETDURATION:0\n#EXTINF:0,\n \n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := hls.ParseMediaPlaylist(text)
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatalf("unclassified: %v", err)
		}
		if err == nil {
			if once, err := m.Marshal(); err == nil {
				again, err := hls.ParseMediaPlaylist(once)
				if err != nil {
					t.Fatalf("%v:\n%s", err, once)
				}
				if twice, err := again.Marshal(); err != nil || string(twice) != string(once) {
					t.Fatalf("%v:\n%s\n%s", err, once, twice)
				}
			}
		}
		v, err := hls.ParseMultivariantPlaylist(text)
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatalf("unclassified: %v", err)
		}
		if err == nil {
			hls.Check(v, &hls.MediaPlaylist{})
			if once, err := v.Marshal(); err == nil {
				again, err := hls.ParseMultivariantPlaylist(once)
				if err != nil {
					t.Fatalf("%v:\n%s", err, once)
				}
				if twice, err := again.Marshal(); err != nil || string(twice) != string(once) {
					t.Fatalf("%v:\n%s\n%s", err, once, twice)
				}
			}
		}
	})
}
