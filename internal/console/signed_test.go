package console_test

import (
	"crypto/rand"
	"crypto/rsa"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/cloudfront/sign"
)

// signingKey is the key whose holder may give films of the bucket "signed" away.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// signedURLs are the ways to sign a stream at base, a host with its scheme.
func signedURLs(t *testing.T, base string) map[string]string {
	t.Helper()
	signer := sign.NewURLSigner("K1", signingKey())
	canned, err := signer.Sign(base+"/v.m3u8", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	custom, err := signer.SignWithPolicy(base+"/v.m3u8", sign.NewCannedPolicy(base+"/*", time.Now().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"canned": canned, "custom": custom}
}

// TestSignedStreamsPlayWithoutCookies is what a player that keeps no cookies needs:
// the one signed URL of the multivariant playlist leads to every segment, through
// the firewall in block mode.
func TestSignedStreamsPlayWithoutCookies(t *testing.T) {
	h := newHouse(t)
	h.stream(t, "signed")
	tab := h.browser(t)
	for _, scheme := range []string{"http", "https"} {
		port := map[string]string{"http": h.plain, "https": h.secure}[scheme]
		for name, url := range signedURLs(t, scheme+"://signed.cdn.localhost:"+port) {
			t.Run("hls.js/"+scheme+"/"+name, func(t *testing.T) {
				open(t, tab, scheme+"://localhost:"+port, url)
				until(t, tab, "the stream is known", `window.vodwright && vodwright.hls && vodwright.hls.levels.length === 2`)
				run(t, tab, "vodwright.video.muted = true; vodwright.video.play(); null")
				until(t, tab, "frames are shown", `vodwright.video.currentTime > 0.5 && vodwright.video.getVideoPlaybackQuality().totalVideoFrames > 5`)
				run(t, tab, "vodwright.video.currentTime = 9; null")
				until(t, tab, "frames after a seek", `vodwright.video.currentTime > 9.3`)
				until(t, tab, "no cookie is kept", `document.cookie === ''`)
			})
		}
	}
	base := "http://signed.cdn.localhost:" + h.plain
	probe := func(url string) (string, error) {
		out, err := exec.Command("ffprobe", "-v", "error", "-headers", "Host: signed.cdn.localhost:"+h.plain+"\r\n", "-count_frames", "-select_streams", "v:0",
			"-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", strings.Replace(url, "signed.cdn.localhost", "127.0.0.1", 1)).CombinedOutput()
		return string(out), err
	}
	for name, url := range signedURLs(t, base) {
		if out, err := probe(url); err != nil || !strings.Contains(out, "300") {
			t.Errorf("ffprobe, %s: %v %s", name, err, out)
		}
	}
	if out, err := probe(base + "/v.m3u8"); err == nil {
		t.Errorf("ffprobe plays without a signature: %s", out)
	}
}
