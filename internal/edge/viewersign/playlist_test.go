package viewersign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/cloudfront/sign"

	"vodwright.dev/vodwright/internal/hls"
)

// opened is a playlist's request and grant, by one kind of policy.
type opened struct {
	v       *Verifier
	keys    map[string]crypto.PublicKey
	request *Request
	grant   *Grant
}

func open(t testing.TB, secret, url string, policy *sign.Policy) *opened {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &opened{v: New([]byte(secret)), keys: map[string]crypto.PublicKey{"KEY1": key.Public()}}
	signer := sign.NewURLSigner("KEY1", key)
	if policy == nil {
		url, err = signer.Sign(url, now.Add(time.Hour))
	} else {
		url, err = signer.SignWithPolicy(url, policy)
	}
	if err != nil {
		t.Fatal(err)
	}
	o.request = request(t, url, "")
	if o.grant, err = o.v.Admit(o.request, o.keys, true); err != nil {
		t.Fatal(err)
	}
	return o
}

const everyURI = "#EXTM3U\r\n" +
	"#EXT-X-VERSION:7\n" +
	"# a comment with URI=\"x.ts\"\n" +
	"#EXT-X-INDEPENDENT-SEGMENTS\n" +
	`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="URI=,x",URI="audio/en.m3u8",DEFAULT=YES` + "\n" +
	`#EXT-X-KEY:METHOD=AES-128,URI="key.bin?v=1",IV=0x00` + "\n" +
	`#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://key",KEYFORMAT="com.apple.streamingkeydelivery"` + "\n" +
	`#EXT-X-KEY:METHOD=AES-128,URI="data:text/plain;base64,AAAA"` + "\n" +
	`#EXT-X-MAP:URI="init.mp4",BYTERANGE="720@0"` + "\n" +
	`#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="/films/a/iframes.m3u8"` + "\n" +
	`#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1.4d401f,mp4a.40.2"` + "\n" +
	"360p.m3u8\n" +
	"#EXTINF:4.0,title, URI=\"no\"\n" +
	"seg 1.ts?x=1#t\n" +
	"../b/c.ts\n" +
	"https://elsewhere.example/x.ts\n" +
	"//elsewhere.example/x.ts\n" +
	"https://e1.cdn.localhost/films/a/abs.ts\n" +
	"already.ts?Key-Pair-Id=X&Signature=Y&Expires=1\n" +
	"{$base}.ts\n" +
	"\n" +
	"#EXT-X-ENDLIST"

func TestEveryURIIsSigned(t *testing.T) {
	for name, policy := range map[string]*sign.Policy{"canned": nil, "custom": sign.NewCannedPolicy("https://e1.cdn.localhost/films/a/*", now.Add(time.Hour))} {
		o := open(t, "secret", "https://e1.cdn.localhost/films/a/index.m3u8", policy)
		got := string(o.v.Playlist(o.request, o.grant, []byte(everyURI)))
		query := regexp.MustCompile(`(Vodwright-Token=[A-Za-z0-9_-]+|Policy=[^"&]+&Signature=[^"&]+&Key-Pair-Id=KEY1)`)
		kinds := map[string]bool{}
		text := query.ReplaceAllStringFunc(got, func(q string) string {
			kinds[q] = true
			return "Q"
		})
		want := strings.NewReplacer(
			`"audio/en.m3u8"`, `"audio/en.m3u8?Q"`, `"key.bin?v=1"`, `"key.bin?v=1&Q"`, `"init.mp4"`, `"init.mp4?Q"`, `iframes.m3u8"`, `iframes.m3u8?Q"`,
			"360p.m3u8\n", "360p.m3u8?Q\n", "seg 1.ts?x=1#t", "seg 1.ts?x=1&Q#t", "../b/c.ts", "../b/c.ts?Q", "abs.ts", "abs.ts?Q", "{$base}.ts", "{$base}.ts?Q",
		).Replace(everyURI)
		if text != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, text, want)
		}
		if want := map[string]int{"canned": 9, "custom": 2}[name]; len(kinds) != want { // a token for each path, or the policy and one outside
			t.Errorf("%s: %d queries: %v", name, len(kinds), kinds)
		}
	}
}

func TestPlayersGetIn(t *testing.T) {
	text := []byte("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.000,\na_00001.ts\n#EXTINF:4.000,\n../b/b%20x'(1).ts?v=1\n#EXTINF:4.000,\nv/360p.m3u8\n#EXTINF:4.000,\n{$part}/x.ts\n#EXT-X-ENDLIST\n")
	ip := sign.NewCannedPolicy("https://e1.cdn.localhost/films/a/index.m3u8", now.Add(time.Hour))
	ip.Statements[0].Condition.IPAddress = &sign.IPAddress{SourceIP: "10.1.0.0/16"}
	for name, policy := range map[string]*sign.Policy{"canned": nil, "custom for all": sign.NewCannedPolicy("https://e1.*", now.Add(time.Hour)), "custom for one": ip} {
		t.Run(name, func(t *testing.T) {
			o := open(t, "secret", "https://e1.cdn.localhost/films/a/index.m3u8", policy)
			playlist, err := hls.ParseMediaPlaylist(o.v.Playlist(o.request, o.grant, text))
			if err != nil {
				t.Fatal(err)
			}
			admit := func(uri string, change func(*Request)) string {
				r := request(t, strings.ReplaceAll("https://e1.cdn.localhost/films/a/"+uri, "a/../", ""), "")
				if change != nil {
					change(r)
				}
				_, err := o.v.Admit(r, o.keys, true)
				return outcome(err)
			}
			for _, s := range playlist.Segments {
				if got := admit(s.URI, nil); got != "ok" {
					t.Errorf("%s: %s", s.URI, got)
				}
				if got := admit(s.URI, func(r *Request) { r.Now = now.Add(time.Hour) }); got != "AccessDenied" {
					t.Errorf("%s after the date: %s", s.URI, got)
				}
			}
			if name == "custom for all" {
				return
			}
			inside, outside, variable := playlist.Segments[0].URI, playlist.Segments[1].URI, playlist.Segments[3].URI
			for what, got := range map[string]string{
				"spelled otherwise":        admit(strings.Replace(inside, "a_", "%61_", 1), nil),
				"and outside":              admit(strings.Replace(outside, "'(1)", "%27%281%29", 1), nil),
				"what a variable is":       admit(strings.Replace(variable, "{$part}", "y/z", 1), nil),
				"with a query of its own":  admit(inside+"&v=1", nil),
				"the one outside, as well": admit(outside, nil),
			} {
				if got != "ok" {
					t.Errorf("%s: %s", what, got)
				}
			}
			for what, got := range map[string]string{
				"another outside":       admit(strings.Replace(outside, "x'", "y'", 1), nil),
				"another in the folder": admit(strings.Replace(inside, "00001", "00002", 1), nil),
				"below the folder":      admit("x/y/"+inside, nil),
				"above the folder":      admit("", func(r *Request) { r.Path = "/films/a_00001.ts"; _, r.RawQuery, _ = strings.Cut(variable, "?") }),
				"through dots":          admit("", func(r *Request) { r.Path = "/films/a/../c.ts"; _, r.RawQuery, _ = strings.Cut(variable, "?") }),
				"through escaped dots":  admit("", func(r *Request) { r.Path = "/films/a/%2e%2e%2fc.ts"; _, r.RawQuery, _ = strings.Cut(variable, "?") }),
				"other distribution":    admit(inside, func(r *Request) { r.Distribution = "E2" }),
				"altered":               admit(strings.Replace(inside, "Token=AQ", "Token=AR", 1), nil),
				"longer":                admit(inside+"A", nil),
			} {
				if got != "AccessDenied" {
					t.Errorf("%s: %s", what, got)
				}
			}
			if got := admit(inside, func(r *Request) { r.Client = netip.MustParseAddr("10.2.0.1") }); (got == "AccessDenied") != (name == "custom for one") {
				t.Errorf("from another address: %s", got)
			}
			if _, err := o.v.Admit(request(t, "https://e1.cdn.localhost/films/a/"+inside, ""), o.keys, false); outcome(err) != "MissingKey" {
				t.Errorf("where playlists are not signed: %v", err)
			}
			if _, err := New([]byte("other")).Admit(request(t, "https://e1.cdn.localhost/films/a/"+inside, ""), o.keys, true); outcome(err) != "AccessDenied" {
				t.Errorf("another server's secret: %v", err)
			}
			if _, err := o.v.Admit(request(t, "https://e1.cdn.localhost/films/a/"+inside, ""), nil, true); outcome(err) != "AccessDenied" {
				t.Errorf("the key is trusted no more: %v", err)
			}
			// A playlist that was admitted by a token hands it on.
			_, query, _ := strings.Cut(playlist.Segments[2].URI, "?")
			r := request(t, "https://e1.cdn.localhost/films/a/v/360p.m3u8?"+query, "")
			g, err := o.v.Admit(r, o.keys, true)
			if err != nil {
				t.Fatal(err)
			}
			child, err := hls.ParseMediaPlaylist(o.v.Playlist(r, g, text))
			if err != nil {
				t.Fatal(err)
			}
			if got := admit("v/"+child.Segments[0].URI, nil); got != "ok" {
				t.Errorf("a grandchild: %s", got)
			}
		})
	}
}

// FuzzPlaylist says that signing only ever adds queries: without them the text is what it was.
func FuzzPlaylist(f *testing.F) {
	f.Add([]byte(everyURI))
	f.Add([]byte("#EXT-X-KEY:URI=\"a\",URI=\"b\n#EXT-X-MAP:URI=\"\",X=\"\"\",Y\n?\n#\n"))
	canned := open(f, "secret", "https://e1.cdn.localhost/films/a/index.m3u8", nil)
	custom := open(f, "secret", "https://e1.cdn.localhost/films/a/index.m3u8", sign.NewCannedPolicy("https://e1.cdn.localhost/*", now.Add(time.Hour)))
	added := regexp.MustCompile(`[?&]?(Vodwright-Token=[A-Za-z0-9_-]{40,}|Policy=[^"&\s]{20,}&Signature=[^"&\s]{20,}&Key-Pair-Id=KEY1)`)
	f.Fuzz(func(t *testing.T, text []byte) {
		if added.Match(text) {
			return
		}
		for _, o := range []*opened{canned, custom} {
			got := o.v.Playlist(o.request, o.grant, text)
			if bytes.Count(got, []byte("\n")) != bytes.Count(text, []byte("\n")) || bytes.Count(got, []byte(`"`)) != bytes.Count(text, []byte(`"`)) {
				t.Fatalf("lines or quotes changed:\n%q\n%q", text, got)
			}
			// "x?" and "x&" lose nothing to the added query but may lend it their end.
			if back := added.ReplaceAll(got, nil); len(back) > len(text) || !bytes.Equal(bytes.ReplaceAll(bytes.ReplaceAll(back, []byte("?"), nil), []byte("&"), nil), bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("?"), nil), []byte("&"), nil)) {
				t.Fatalf("more than queries changed:\n%q\n%q", text, got)
			}
		}
	})
}
