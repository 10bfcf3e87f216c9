package hls_test

import (
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/hls"
)

const withRenditions = `#EXTM3U
#EXT-X-VERSION:4
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="eng",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Tell, me",DEFAULT=NO,AUTOSELECT=NO,CHARACTERISTICS="public.accessibility.describes-video",URI="d.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="avc1.4d401e,mp4a.40.2",RESOLUTION=64x36,AUDIO="a"
v.m3u8
`

func TestRenditionsComeBackAsWritten(t *testing.T) {
	// What is not audio is passed over.
	text := strings.Replace(withRenditions, "#EXT-X-STREAM-INF", "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"x\",URI=\"s.m3u8\"\n#EXT-X-STREAM-INF", 1)
	p, err := hls.ParseMultivariantPlaylist([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Marshal()
	if err != nil || string(got) != withRenditions {
		t.Errorf("it comes back as\n%s%v", got, err)
	}
	for _, bad := range []string{
		`TYPE=AUDIO,GROUP-ID="a"`, `TYPE=AUDIO,NAME="a"`, `GROUP-ID="a",NAME="a"`, `TYPE="AUDIO",GROUP-ID="a",NAME="a"`,
		`TYPE=AUDIO,GROUP-ID=a,NAME="a"`, `TYPE=AUDIO,GROUP-ID="a",NAME="a",DEFAULT=yes`, `TYPE=AUDIO,GROUP-ID="a",NAME="a",CHANNELS="x"`,
	} {
		if _, err := hls.ParseMultivariantPlaylist([]byte("#EXTM3U\n#EXT-X-MEDIA:" + bad + "\n")); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	p.Renditions[0].Name = `a"b`
	if _, err := p.Marshal(); err == nil {
		t.Error("a name with a quote is written")
	}
}

func TestRenditionsAreChecked(t *testing.T) {
	for name, test := range map[string]struct{ old, new, want string }{
		"right":             {"", "", ""},
		"a name twice":      {`NAME="Tell, me"`, `NAME="English"`, "given twice"},
		"two defaults":      {`DEFAULT=NO,AUTOSELECT=NO`, `DEFAULT=YES,AUTOSELECT=YES`, "DEFAULT=YES"},
		"default, unchosen": {`DEFAULT=YES,AUTOSELECT=YES`, `DEFAULT=YES,AUTOSELECT=NO`, "AUTOSELECT=NO"},
		"no such group":     {`AUDIO="a"`, `AUDIO="b"`, "no rendition of group"},
	} {
		p, err := hls.ParseMultivariantPlaylist([]byte(strings.Replace(withRenditions, test.old, test.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		list := func(uri string) *hls.MediaPlaylist {
			l, err := hls.ParseMediaPlaylist([]byte("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:2,\n" + uri + "\n#EXT-X-ENDLIST\n"))
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		problems := hls.Check(p, list("v.ts"), list("en.aac"), list("d.aac"))
		if (len(problems) == 0) != (test.want == "") || len(problems) > 0 && !strings.Contains(problems[0].Error(), test.want) {
			t.Errorf("%s: %v", name, problems)
		}
	}
}
