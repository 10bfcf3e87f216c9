package dash_test

import (
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/dash"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

func film() *dash.Presentation {
	return &dash.Presentation{
		Profile: dash.ProfileMain, Duration: 12012 * time.Millisecond, MinBufferTime: 4 * time.Second, BaseURL: "https://cdn.example/x/",
		Sets: []dash.AdaptationSet{
			{ContentType: "video", MimeType: "video/mp4", Representations: []dash.Representation{{
				ID: "1", Bandwidth: 1_000_000, Codecs: "avc1.4d401e", Width: 640, Height: 360, PixelAspect: media.R(1, 1), FrameRate: media.R(30000, 1001),
				Template: &dash.Template{
					Media: "film_360_$Number%09d$.mp4", Initialization: "film_360init.mp4", Timescale: 30000, StartNumber: 1,
					Timeline: dash.Runs([]int64{0, 120120, 240240, 360360}),
				},
			}}},
			{ContentType: "audio", MimeType: "audio/mp4", Language: "de", Label: "A & B", Role: "main", Representations: []dash.Representation{{
				ID: "2", Bandwidth: 96_000, Codecs: "mp4a.40.2", SampleRate: 48000, Channels: 2,
				File: &dash.File{URI: "film_audio.mp4", InitTo: 699, IndexFrom: 700, IndexTo: 779, Timescale: 48000},
			}}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	text, err := film().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-main:2011" type="static" mediaPresentationDuration="PT12.012S" minBufferTime="PT4S">`,
		`<S t="0" d="120120" r="2"></S>`, `frameRate="30000/1001"`, `<Label>A &amp; B</Label>`, `indexRange="700-779"`, `<Initialization range="0-699">`,
		`media="film_360_$Number%09d$.mp4"`, `startNumber="1"`, `sar="1:1"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	p, err := dash.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if problems := p.Check(); problems != nil {
		t.Errorf("a good presentation has problems: %v", problems)
	}
	if again, err := p.Marshal(); err != nil || string(again) != string(text) {
		t.Errorf("%v:\n%s\n%s", err, text, again)
	}
	r := p.Sets[0].Representations[0].Template
	if uri := r.URI(2, 240240); uri != "film_360_000000003.mp4" || r.Segments() != 3 {
		t.Errorf("segment 2 of %d is %s", r.Segments(), uri)
	}
}

func TestTemplates(t *testing.T) {
	for media, want := range map[string]string{
		"a_$Number$.mp4": "a_8.mp4", "$Time$": "90000", "a$$b_$Number%03d$": "a$b_008", "$Other$_$Number$": "$Other$_8", "a$": "a$", "$Number%099d$x": strings.Repeat("0", 98) + "8x",
	} {
		r := &dash.Template{Media: media, StartNumber: 1}
		if got := r.URI(7, 90000); got != want {
			t.Errorf("%s is %s, not %s", media, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*dash.Presentation){
		"it lasts 0s":                     func(p *dash.Presentation) { p.Duration = 0 },
		"no adaptation sets":              func(p *dash.Presentation) { p.Sets = nil },
		"given twice":                     func(p *dash.Presentation) { p.Sets[1].Representations[0].ID = "1" },
		"bandwidth 0":                     func(p *dash.Presentation) { p.Sets[0].Representations[0].Bandwidth = 0 },
		"all segments are":                func(p *dash.Presentation) { p.Sets[0].Representations[0].Template.Media = "x.mp4" },
		"neither or both of a duration":   func(p *dash.Presentation) { p.Sets[0].Representations[0].Template.Duration = 5 },
		"the presentation 12.012s":        func(p *dash.Presentation) { p.Sets[0].Representations[0].Template.Timeline[0].Count = 2 },
		"init segment at 0-700":           func(p *dash.Presentation) { p.Sets[1].Representations[0].File.InitTo = 700 },
		"neither or both of segments and": func(p *dash.Presentation) { p.Sets[1].Representations[0].File = nil },
	} {
		p := film()
		change(p)
		found := false
		for _, err := range p.Check() {
			found = found || strings.Contains(err.Error(), want)
		}
		if !found {
			t.Errorf("%q: problems are %v", want, p.Check())
		}
	}
}

func TestParseRefuses(t *testing.T) {
	text, err := film().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ from, to, want string }{
		{`type="static"`, `type="dynamic"`, `of type "dynamic"`},
		{"PT12.012S", "12 s", "is not a duration"},
		{`d="120120"`, `d="0"`, "ticks"},
		{`r="2"`, `r="-1"`, "ticks"},
		{`d="120120"`, `d="1099511627776" r="2147483647"`, ""},
		{`700-779`, `700`, "range"},
		{"<Period", "<Period></Period><Period", "2 periods"},
		{"</MPD>", "", "unexpected EOF"},
	} {
		_, err := dash.Parse([]byte(strings.Replace(string(text), test.from, test.to, 1)))
		if test.want == "" && err == nil {
			continue
		}
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s for %s: %v", test.to, test.from, err)
		}
	}
}

// FuzzParse asserts for any text: no panic, classified errors, and that what was
// written once is read again.
func FuzzParse(f *testing.F) {
	text, err := film().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := dash.Parse(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("unclassified: %v", err)
			}
			return
		}
		p.Check()
		once, err := p.Marshal()
		if err != nil {
			return // characters that XML cannot hold
		}
		if _, err := dash.Parse(once); err != nil {
			t.Fatalf("%v:\n%s", err, once)
		}
	})
}
