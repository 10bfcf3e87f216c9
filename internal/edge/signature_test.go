package edge

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/cloudfront/sign"

	"vodwright.dev/vodwright/internal/hls"
)

const (
	signedIndex = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nv/360p.m3u8\n"
	// Long enough, once it is signed, to be compressed.
	signedMedia = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n" +
		"#EXTINF:4.000,\n360p_00001.ts\n#EXTINF:4.000,\n360p_00002.ts?v=2\n" +
		"#EXTINF:4.000,\n360p_00001.ts\n#EXTINF:4.000,\n360p_00001.ts\n#EXTINF:4.000,\n360p_00001.ts\n#EXT-X-ENDLIST\n"
)

// signedSite is a site whose every behavior trusts one key.
func signedSite(t testing.TB, playlists bool) (*site, *sign.URLSigner, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(c *Config) { c.TokenSecret = []byte("secret") })
	s.dist.d.Behaviors[0].TrustedKeys = map[string]crypto.PublicKey{"K1": key.Public()}
	s.dist.d.Behaviors[0].SignPlaylists = playlists
	s.origin.put(t, "f/index.m3u8", []byte(signedIndex))
	s.origin.put(t, "f/v/360p.m3u8", []byte(signedMedia))
	s.origin.put(t, "f/v/360p_00001.ts", pattern(5000))
	s.origin.put(t, "f/v/360p_00002.ts", pattern(7000))
	s.origin.put(t, "secret.ts", pattern(10))
	return s, sign.NewURLSigner("K1", key), key
}

// path is what a viewer requests of a signed URL.
func path(t testing.TB, url string, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(url, "http://"), "https://"), "/")
	return "/" + rest
}

func TestSignedURLs(t *testing.T) {
	s, signer, key := signedSite(t, false)
	until := s.clock.Now().Add(time.Hour)
	s.get("/f/v/360p_00001.ts").want(t, 403, "Content-Type", "application/xml", "X-Cache", "Error from cloudfront", "Access-Control-Allow-Origin", "*")
	if body := string(s.get("/f/v/360p_00001.ts").body); !strings.Contains(body, "<Code>MissingKey</Code><Message>Missing Key-Pair-Id query parameter or cookie value</Message>") {
		t.Error(body)
	}
	u, err := signer.Sign("http://e1.cdn.localhost/f/v/360p_00001.ts", until)
	canned := path(t, u, err)
	s.get(canned).want(t, 200, "X-Cache", "Miss from cloudfront", "Content-Length", "5000")
	s.do("https", "GET", canned).want(t, 403) // another scheme is another URL
	s.get(strings.Replace(canned, "00001", "00002", 1)).want(t, 403)
	u, err = signer.SignWithPolicy("http://e1.cdn.localhost/f/v/360p_00001.ts", sign.NewCannedPolicy("http*://e1.cdn.localhost/f/*", until))
	custom := path(t, u, err)
	// The signature is no part of the cache key.
	for _, kind := range []string{"http", "https", "h2"} {
		s.do(kind, "GET", custom).want(t, 200, "X-Cache", "Hit from cloudfront")
	}
	s.get(strings.Replace(custom, "/f/v/360p_00001.ts", "/secret.ts", 1)).want(t, 403)
	s.get("/f/../secret.ts"+custom[strings.Index(custom, "?"):]).want(t, 400)
	s.clock.Advance(time.Hour)
	s.get(canned).want(t, 403)
	s.get(custom).want(t, 403)

	// Keys that are trusted no more open nothing, groups without keys neither.
	s.clock.Advance(-time.Hour)
	s.dist.mu.Lock()
	s.dist.d.Behaviors = []Behavior{s.dist.d.Behaviors[0]}
	s.dist.d.Behaviors[0].TrustedKeys = map[string]crypto.PublicKey{"K2": key.Public()}
	s.dist.mu.Unlock()
	s.edge.Forget("E1")
	s.get(custom).want(t, 403)
	s.dist.mu.Lock()
	s.dist.d.Behaviors = []Behavior{s.dist.d.Behaviors[0]}
	s.dist.d.Behaviors[0].TrustedKeys = map[string]crypto.PublicKey{}
	s.dist.mu.Unlock()
	s.edge.Forget("E1")
	s.get(custom).want(t, 403)
}

func TestSignedPlaylists(t *testing.T) {
	s, signer, _ := signedSite(t, true)
	until := s.clock.Now().Add(time.Hour)
	canned, err := signer.Sign("http://e1.cdn.localhost/f/index.m3u8", until)
	a := path(t, canned, err)
	custom, err := signer.SignWithPolicy("http://e1.cdn.localhost/f/index.m3u8", sign.NewCannedPolicy("http*://e1.cdn.localhost/f/*", until))
	b := path(t, custom, err)
	for name, start := range map[string]string{"canned": a, "custom": b} {
		t.Run(name, func(t *testing.T) {
			index := s.get(start)
			index.want(t, 200, "Cache-Control", "private, no-cache", "Accept-Ranges", "none", "Content-Type", "application/vnd.apple.mpegurl",
				"Access-Control-Allow-Origin", "*", "Vary", "Accept-Encoding", "Content-Encoding", "")
			multi, err := hls.ParseMultivariantPlaylist(index.body)
			if err != nil {
				t.Fatal(err)
			}
			variant := "/f/" + multi.Variants[0].URI
			media := s.get(variant)
			media.want(t, 200)
			list, err := hls.ParseMediaPlaylist(media.body)
			if err != nil {
				t.Fatal(err)
			}
			for _, segment := range list.Segments {
				s.get("/f/v/"+segment.URI).want(t, 200, "Accept-Ranges", "bytes")
				s.get("/f/v/"+segment.URI, "Range", "bytes=0-9").want(t, 206)
			}
			s.get("/secret.ts"+variant[strings.Index(variant, "?"):]).want(t, 403)

			// Whole, revalidated, compressed, the same to HEAD.
			s.get(variant, "Range", "bytes=0-9").want(t, 200, "Content-Range", "")
			tag := media.Header.Get("Etag")
			s.get(variant, "If-None-Match", tag).want(t, 304, "Etag", tag, "Cache-Control", "private, no-cache")
			s.get(variant, "If-None-Match", `"other"`).want(t, 200)
			s.get(variant, "If-Modified-Since", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)).want(t, 200)
			s.do("http", "HEAD", variant).want(t, 200, "Content-Length", media.Header.Get("Content-Length"))
			if name == "custom" {
				zipped := s.get(variant, "Accept-Encoding", "br, gzip;q=0.5")
				zipped.want(t, 200, "Content-Encoding", "gzip", "Etag", "W/"+tag)
				r, err := gzip.NewReader(bytes.NewReader(zipped.body))
				if err != nil {
					t.Fatal(err)
				}
				if text, err := io.ReadAll(r); err != nil || !bytes.Equal(text, media.body) {
					t.Errorf("%v:\n%s", err, text)
				}
			}
			s.get(variant, "Accept-Encoding", "gzip;q=0").want(t, 200, "Content-Encoding", "")
		})
	}
	if x, y := s.get(a), s.get(b); x.Header.Get("Etag") == y.Header.Get("Etag") {
		t.Error("two viewers' playlists have one entity tag")
	}
	if n := s.origin.opens.Load(); n != 4 {
		t.Errorf("the origin was opened %d times for 4 objects", n)
	}
}

func TestViewersWithCookiesGetPlainPlaylists(t *testing.T) {
	s, signer, _ := signedSite(t, true)
	u, err := signer.SignWithPolicy("http://e1.cdn.localhost/f/index.m3u8", sign.NewCannedPolicy("http*://e1.cdn.localhost/f/*", s.clock.Now().Add(time.Hour)))
	query := path(t, u, err)
	_, query, _ = strings.Cut(query, "?")
	var cookies []string
	for pair := range strings.SplitSeq(query, "&") {
		cookies = append(cookies, "CloudFront-"+pair)
	}
	got := s.get("/f/index.m3u8", "Cookie", strings.Join(cookies, "; "))
	got.want(t, 200)
	if string(got.body) != signedIndex {
		t.Errorf("%s", got.body)
	}
	s.get("/f/v/360p_00001.ts", "Cookie", strings.Join(cookies, "; ")).want(t, 200)
	s.get("/secret.ts", "Cookie", strings.Join(cookies, "; ")).want(t, 403)
}

func TestPackedPlaylistsAreSigned(t *testing.T) {
	s, signer, _ := signedSite(t, true)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(signedMedia))
	_ = z.Close()
	s.origin.put(t, "f/z.m3u8", packed.Bytes())
	s.origin.put(t, "f/broken.m3u8", packed.Bytes()[:20])
	for _, key := range []string{"f/z.m3u8", "f/broken.m3u8"} {
		s.origin.meta["films/"+key] = Info{ContentEncoding: "gzip"}
	}
	u, err := signer.Sign("http://e1.cdn.localhost/f/z.m3u8", s.clock.Now().Add(time.Hour))
	got := s.get(path(t, u, err))
	got.want(t, 200, "Content-Encoding", "")
	if list, err := hls.ParseMediaPlaylist(got.body); err != nil || len(list.Segments) != 5 || !strings.Contains(list.Segments[1].URI, "?v=2&Vodwright-Token=") {
		t.Errorf("%v %s", err, got.body)
	}
	u, err = signer.Sign("http://e1.cdn.localhost/f/broken.m3u8", s.clock.Now().Add(time.Hour))
	s.get(path(t, u, err)).want(t, 500)
}
