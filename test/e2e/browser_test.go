package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"vodwright.dev/vodwright/test/harness"
)

// pollJS evaluates a JavaScript expression until it is true.
func pollJS(t *testing.T, ctx context.Context, what, expression string) {
	t.Helper()
	eventually(t, 3*time.Minute, what, func() bool {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return ok
	})
}

func runJS(t *testing.T, ctx context.Context, script string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script+";true")); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
}

// playInBrowser opens the player page and asserts that pictures advance, that
// seeking and switching rungs work, and that hls.js has nothing to complain about.
func playInBrowser(t *testing.T, p harness.Published, s stream) {
	ctx, stop := context.WithTimeout(harness.Browser(t), 8*time.Minute)
	defer stop()
	if err := chromedp.Do(ctx, chromedp.Navigate(p.PlayerURL)); err != nil {
		t.Fatal(err)
	}
	const video = `document.querySelector('video')`
	pollJS(t, ctx, "the page has a player", video+` !== null && !!window.vodwright && !!window.vodwright.hls`)
	runJS(t, ctx, video+`.muted = true; `+video+`.play().catch(e => window.vodwright.errors.push(String(e)))`)
	pollJS(t, ctx, "frames are shown", video+`.getVideoPlaybackQuality().totalVideoFrames > 20 && `+video+`.currentTime > 0.5`)

	duration, err := chromedp.Run(ctx, chromedp.Evaluate[float64](video+`.duration`))
	if err != nil {
		t.Fatal(err)
	}
	var want float64
	for _, seg := range s.variants[0].segments {
		want += seg.seconds
	}
	if d := duration - want; d > 0.6 || d < -0.6 {
		t.Errorf("the browser sees %.2f s, the playlist has %.2f s", duration, want)
	}
	for _, at := range []float64{duration * 0.8, duration * 0.3, duration - 2} {
		runJS(t, ctx, fmt.Sprintf(video+`.currentTime = %f; window.before = %s.getVideoPlaybackQuality().totalVideoFrames; `+video+`.play()`, at, video))
		pollJS(t, ctx, fmt.Sprintf("frames advance after seeking to %.1f", at),
			fmt.Sprintf(video+`.currentTime > %f && %s.getVideoPlaybackQuality().totalVideoFrames > window.before + 5`, at+0.2, video))
	}
	for level := range s.variants {
		// From near the start each time: at the end there is nothing to switch to.
		runJS(t, ctx, fmt.Sprintf(`%s.currentTime = 1; window.vodwright.hls.currentLevel = %d; %s.play()`, video, level, video))
		pollJS(t, ctx, fmt.Sprintf("rung %d is shown", level), fmt.Sprintf(
			`%s.videoHeight === window.vodwright.hls.levels[%d].height && !%s.seeking && %s.readyState >= 3`, video, level, video, video))
	}
	if errors := playerErrors(t, ctx); errors != "[]" {
		t.Errorf("the player met errors: %s", errors)
	}
}

// playerErrors returns what the player complained of, as JSON, without what it says
// on a busy machine: that it waits for data, or asks for it again.
func playerErrors(t *testing.T, ctx context.Context) string {
	t.Helper()
	errors, err := chromedp.Run(ctx, chromedp.Evaluate[string](`JSON.stringify(window.vodwright.errors.filter(
		(e) => e.fatal !== false || !/^bufferStalled|^bufferNudge|^fragLoadTimeOut/.test(e.details) && e.code !== 504))`))
	if err != nil {
		t.Fatal(err)
	}
	return errors
}
