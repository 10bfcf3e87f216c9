package console_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"vodwright.dev/vodwright/internal/console"
	"vodwright.dev/vodwright/internal/edge"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/tlsca"
	"vodwright.dev/vodwright/internal/waf"
)

// folder is an origin over a folder, whose subfolders are buckets, and the
// distributions that serve them: host <bucket>.cdn.localhost.
type folder string

func (f folder) ByHost(_ context.Context, host string) (edge.Distribution, error) {
	bucket, _, _ := strings.Cut(host, ".")
	d := edge.Distribution{
		ID: bucket, Enabled: bucket != "disabled", Origins: map[string]edge.OriginConfig{"o": {Bucket: bucket}},
		Behaviors: []edge.Behavior{{Pattern: "*", Origin: "o", ViewerProtocolPolicy: edge.AllowAll, Cache: edge.CachingOptimized()}},
	}
	if bucket == "signed" {
		d.Behaviors[0].TrustedKeys, d.Behaviors[0].SignPlaylists = map[string]crypto.PublicKey{"K1": signingKey().Public()}, true
		d.Firewall = edge.FirewallBlock
	}
	return d, nil
}

func (f folder) Aliases(context.Context) (map[string]string, error) { return nil, nil }

func (f folder) Open(_ context.Context, from edge.OriginRef, key string) (edge.Info, io.ReadSeekCloser, error) {
	bucket := from.Bucket
	file, err := os.Open(filepath.Join(string(f), bucket, filepath.FromSlash(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return edge.Info{}, nil, fault.New(fault.NotFound, "NoSuchKey", "no object %q", key)
	} else if err != nil {
		return edge.Info{}, nil, err
	}
	st, err := file.Stat()
	if err != nil {
		return edge.Info{}, nil, err
	}
	return edge.Info{Size: st.Size(), LastModified: st.ModTime(), ETag: fmt.Sprintf(`"%x-%x"`, st.Size(), st.ModTime().UnixNano())}, file, nil
}

func (f folder) Stat(ctx context.Context, from edge.OriginRef, key string) (edge.Info, error) {
	info, file, err := f.Open(ctx, from, key)
	if err == nil {
		file.Close()
	}
	return info, err
}

func (f folder) CORS(_ context.Context, bucket string) ([]edge.CORSRule, error) {
	if bucket == "private" { // readable by one site, which the player's page is not
		return []edge.CORSRule{{AllowedOrigins: []string{"https://tv.example"}, AllowedMethods: []string{"GET"}}}, nil
	}
	return nil, nil
}

// house is a server like the real one: the edge and the console on one port, with and without TLS.
type house struct {
	root          string
	plain, secure string // ports
	spki          string
}

func newHouse(t *testing.T) house {
	h := house{root: t.TempDir()}
	ca, err := tlsca.Open(filepath.Join(h.root, "tls"))
	if err != nil {
		t.Fatal(err)
	}
	spki := ca.LeafSPKI()
	h.spki = base64.StdEncoding.EncodeToString(spki[:])
	e, err := edge.New(edge.Config{Distributions: folder(h.root), Origin: folder(h.root), TokenSecret: []byte("secret"), Firewall: waf.New(waf.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	page := console.Handler()
	door := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.Owns(r.Host) {
			e.ServeHTTP(w, r)
			return
		}
		page.ServeHTTP(w, r)
	})
	listen := func(config *tls.Config) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: door, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second}
		if config == nil {
			go s.Serve(l)
		} else {
			go s.ServeTLS(l, "", "")
		}
		t.Cleanup(func() { s.Close() })
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return port
	}
	h.plain, h.secure = listen(nil), listen(ca.Config(nil))
	return h
}

// stream makes an HLS stream of two rungs in bucket, by ffmpeg.
func (h house) stream(t *testing.T, bucket string) {
	t.Helper()
	dir := filepath.Join(h.root, bucket)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ffmpeg", "-v", "error", "-nostdin",
		"-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=12", "-f", "lavfi", "-i", "sine=440:r=48000:d=12",
		"-filter_complex", "[0:v]split[a][b];[b]scale=160:90[c]",
		"-map", "[a]", "-map", "1:a", "-map", "[c]", "-map", "1:a",
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-pix_fmt", "yuv420p",
		"-b:v:0", "400k", "-b:v:1", "100k", "-c:a", "aac", "-b:a", "64k",
		"-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init_%v.mp4",
		"-master_pl_name", "v.m3u8", "-var_stream_map", "v:0,a:0 v:1,a:1", "-hls_segment_filename", "v_%v_%05d.m4s", "v_%v.m3u8")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
}

// browser starts Chromium and returns a context of one tab.
func (h house) browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		chromedp.Flag("ignore-certificate-errors-spki-list", h.spki))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, tab context.Context, page, src string) {
	t.Helper()
	if _, err := chromedp.Run(tab, chromedp.Navigate(page+"/_/player?src="+url.QueryEscape(src))); err != nil {
		t.Fatalf("open %s: %v", src, err)
	}
}

// until waits for a JavaScript condition of the page.
func until(t *testing.T, tab context.Context, what, condition string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		ok, err := chromedp.Run(tab, chromedp.Evaluate[bool]("Boolean("+condition+")"))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s (%s)\n%s", what, condition, state(tab))
		}
		time.Sleep(20 * time.Millisecond) // between two looks at another process
	}
}

func run(t *testing.T, tab context.Context, script string) {
	t.Helper()
	if _, err := chromedp.Run(tab, chromedp.Evaluate[chromedp.Void]("{"+script+"}")); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
}

func state(tab context.Context) string {
	out, err := chromedp.Run(tab, chromedp.Evaluate[[]byte](`({errors: vodwright.errors, events: vodwright.events.slice(-8), at: vodwright.video.currentTime,
		paused: vodwright.video.paused, ready: vodwright.video.readyState, says: document.getElementById('messages').textContent})`))
	return fmt.Sprintf("%s %v", out, err)
}

func TestPlayerPlaysSeeksAndSwitches(t *testing.T) {
	h := newHouse(t)
	h.stream(t, "films")
	tab := h.browser(t)
	for _, scheme := range []string{"http", "https"} {
		port := h.plain
		if scheme == "https" {
			port = h.secure
		}
		t.Run(scheme, func(t *testing.T) {
			open(t, tab, scheme+"://localhost:"+port, scheme+"://films.cdn.localhost:"+port+"/v.m3u8")
			until(t, tab, "the stream is known", `window.vodwright && vodwright.hls && vodwright.hls.levels.length === 2`)
			run(t, tab, `vodwright.video.muted = true; vodwright.video.play()`)
			until(t, tab, "frames advance", `vodwright.video.getVideoPlaybackQuality().totalVideoFrames > 15 && vodwright.video.currentTime > 0.5`)
			until(t, tab, "two rungs and Auto are offered", `document.getElementById('quality').options.length === 3`)

			run(t, tab, `window.before = vodwright.video.getVideoPlaybackQuality().totalVideoFrames; vodwright.video.currentTime = 7.3`)
			until(t, tab, "it plays on after a seek", `!vodwright.video.seeking && vodwright.video.currentTime > 7.6 && vodwright.video.currentTime < 12 &&
				vodwright.video.getVideoPlaybackQuality().totalVideoFrames > before + 5`)

			// Each rung in turn, from the start again.
			for _, rung := range []struct{ level, height int }{{0, 90}, {1, 180}, {0, 90}} {
				run(t, tab, fmt.Sprintf(`vodwright.video.currentTime = 1; const q = document.getElementById('quality'); q.value = '%d'; q.dispatchEvent(new Event('change'));`, rung.level))
				until(t, tab, "the rung is shown", fmt.Sprintf(`vodwright.hls.levels[%d].height === %d && vodwright.video.videoHeight === %[2]d &&
					vodwright.hls.currentLevel === %[1]d && document.getElementById('level').textContent.startsWith('%[2]dp')`, rung.level, rung.height))
			}

			run(t, tab, `document.dispatchEvent(new KeyboardEvent('keydown', {key: 'k', bubbles: true}))`)
			until(t, tab, "k pauses", `vodwright.video.paused`)
			run(t, tab, `document.dispatchEvent(new KeyboardEvent('keydown', {key: '9', bubbles: true}))`)
			until(t, tab, "9 jumps to nine tenths", `Math.abs(vodwright.video.currentTime - vodwright.video.duration * 0.9) < 0.05`)
			run(t, tab, `document.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', bubbles: true}))`)
			until(t, tab, "a is auto", `vodwright.hls.autoLevelEnabled && document.getElementById('quality').value === '-1'`)
			run(t, tab, `document.dispatchEvent(new KeyboardEvent('keydown', {key: ' ', bubbles: true}))`)
			until(t, tab, "the end is reached", `vodwright.video.ended`)

			if errs, err := chromedp.Run(tab, chromedp.Evaluate[[]any](`vodwright.errors`)); err != nil || len(errs) != 0 {
				t.Errorf("hls.js reported %v, %v", errs, err)
			}
			until(t, tab, "no message is shown", `document.getElementById('messages').hidden && !vodwright.events.some(e => e.name === 'securitypolicyviolation')`)
		})
	}
	if path := os.Getenv("VODWRIGHT_SCREENSHOT"); path != "" {
		png, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPlayerSaysWhatIsWrong(t *testing.T) {
	h := newHouse(t)
	h.stream(t, "films")
	if err := os.Rename(filepath.Join(h.root, "films"), filepath.Join(h.root, "private")); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		full := filepath.Join(h.root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("films/text.m3u8", "Dear diary")
	write("films/foreign.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nhttp://elsewhere.example/v.m3u8\n")
	write("films/hole.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nnone.ts\n#EXT-X-ENDLIST\n")
	write("films/broken.mp4", "no video")
	write("disabled/v.m3u8", "#EXTM3U\n")
	tab := h.browser(t)
	at := func(bucket string) string { return "http://" + bucket + ".cdn.localhost:" + h.plain }
	for _, tt := range []struct{ name, src, says string }{
		{"missing", at("films") + "/none%20here.m3u8", "playlist “none here.m3u8” does not exist (404)"},
		{"the edge's hint", at("films") + "/none.m3u8", "keys are case-sensitive"},
		{"disabled", at("disabled") + "/v.m3u8", "denied (403)"},
		{"CORS", at("private") + "/v.m3u8", "get-bucket-cors"},
		{"nothing listens", "http://localhost:1/v.m3u8", "Either nothing answers there"},
		{"no playlist", at("films") + "/text.m3u8", "is not an HLS playlist"},
		{"another host", at("films") + "/foreign.m3u8", "another host, elsewhere.example"},
		{"a missing segment", at("films") + "/hole.m3u8", "segment “none.ts” does not exist (404)"},
		{"no video", at("films") + "/broken.mp4", "cannot decode"},
		{"a missing file", at("films") + "/none.mp4", "“none.mp4” does not exist (404)"},
		{"a script", "javascript:document.title='owned'", "not an address the player can play"},
		{"markup", `http://a/"><img src=x onerror="document.title='owned'">.m3u8`, "could not read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			open(t, tab, "http://localhost:"+h.plain, tt.src)
			until(t, tab, "it says so: "+tt.says, fmt.Sprintf(`(() => { const m = document.getElementById('messages'); return !m.hidden && m.textContent.includes(%q); })()`, tt.says))
			until(t, tab, "nothing of the address was run", `document.title !== 'owned'`)
		})
	}
}

func TestPlayerPlaysAFile(t *testing.T) {
	h := newHouse(t)
	if err := os.MkdirAll(filepath.Join(h.root, "films"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(h.root, "films", "a film.mp4")
	if out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=20",
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-movflags", "+faststart", file).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	tab := h.browser(t)
	open(t, tab, "https://localhost:"+h.secure, "https://films.cdn.localhost:"+h.secure+"/a%20film.mp4")
	run(t, tab, `vodwright.video.muted = true; vodwright.video.play(); vodwright.video.currentTime = 15`)
	until(t, tab, "it plays after a seek", `vodwright.video.currentTime > 15.3 && vodwright.video.getVideoPlaybackQuality().totalVideoFrames > 5`)
}
