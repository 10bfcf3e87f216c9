package players

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"vodwright.dev/vodwright/test/harness"
)

// browser is a headless Chromium and the pages of the players. Its tabs are used
// again: opening one costs more than what is played in it.
type browser struct {
	tabs  chan context.Context
	pages string
}

// tab lends a tab; the function given back returns it.
func (b *browser) tab(t *testing.T) (ctx context.Context, done func()) {
	t.Helper()
	tab := <-b.tabs
	ctx, stop := context.WithTimeout(tab, 10*time.Minute)
	return ctx, func() {
		stop()
		b.tabs <- tab
	}
}

func newBrowser(t *testing.T, modules string) *browser {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/node_modules/", http.FileServer(http.Dir(modules)))
	mux.Handle("/", http.FileServer(http.Dir("testdata")))
	pages := httptest.NewServer(mux)
	t.Cleanup(pages.Close)
	ctx := harness.Browser(t)
	b := &browser{tabs: make(chan context.Context, sideBySide), pages: pages.URL}
	for range sideBySide {
		tab, closeTab := chromedp.NewContext(ctx)
		if err := chromedp.Do(tab); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(closeTab)
		b.tabs <- tab
	}
	return b
}

// report is what drive.js says of one stream in one player.
type report struct {
	Failure  string // what did not come about in time; empty: all did
	Duration float64
	Frames   int // decoded while it played from start to end
	Shown    int // presented of those
	Wrong    []shown
	Seeks    []shown
	Variants []struct{ Height, Shows int }
	Voices   []struct {
		Name, Language string
		Tone           float64
	}
	Texts  []struct{ Name, Language, Cue string }
	Sound  int // bytes of audio decoded
	Errors []string
	Log    string // of the player, after a failure
}

// shown is a picture: when it is due, the frame that should be seen then and the one that is.
type shown struct {
	At         float64
	Want, Sees int
}

// play opens an address in a player, in a tab of its own, and does all that a viewer can do.
func (b *browser) play(t *testing.T, player, address string, p packaging) report {
	t.Helper()
	ctx, done := b.tab(t)
	defer done()
	wanted := map[string]any{
		"rate": p.source.rate.Float(), "frames": p.source.frames(), "start": p.start,
		"heights": append([]int{}, p.heights...), "voices": len(p.voices), "texts": len(p.texts), "tones": tones(p.voices),
	}
	question, err := json.Marshal(wanted)
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(b.pages+"/page.html?player="+player)); err != nil {
		t.Fatal(err)
	}
	answer, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(`drive(%q, %s)`, address, question), chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("drive the player: %v", err)
	}
	var r report
	if err := json.Unmarshal([]byte(answer), &r); err != nil {
		t.Fatalf("report: %v in %s", err, answer)
	}
	return r
}

func tones(voices []voice) []float64 {
	out := make([]float64, len(voices))
	for i, v := range voices {
		out[i] = v.tone
	}
	return out
}

// console opens a stream in the product's own player page and chooses each voice
// there as a viewer does.
func (b *browser) console(t *testing.T, page string, p packaging) {
	t.Helper()
	ctx, done := b.tab(t)
	defer done()
	if err := chromedp.Do(ctx, chromedp.Navigate(page)); err != nil {
		t.Fatal(err)
	}
	is := func(what, expression string) {
		t.Helper()
		harness.Eventually(t, 2*time.Minute, what, func() bool {
			ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			return ok
		})
	}
	const list, video = `document.getElementById('audio')`, `document.getElementById('video')`
	is("the page offers the voices", fmt.Sprintf(`!!%[1]s && %[1]s.options.length === %[2]d && !document.getElementById('audio-field').hidden`, list, len(p.voices)))
	for i := len(p.voices) - 1; i >= 0; i-- {
		is("a voice is chosen", fmt.Sprintf(`(() => { %[1]s.value = '%[3]d'; %[1]s.dispatchEvent(new Event('change')); %[2]s.currentTime = 0.5; %[2]s.play(); return %[1]s.options[%[3]d].textContent.includes(%[4]q) })()`,
			list, video, i, p.voices[i].name))
		is("it is heard", fmt.Sprintf(`vodwright.hls.audioTrack === %d && (vodwright.events.filter((e) => e.name === 'AUDIO_TRACK_SWITCHED').pop() || {}).id === %d && !%[3]s.seeking && %[3]s.currentTime > 1`, i, i, video))
	}
	errors, err := chromedp.Run(ctx, chromedp.Evaluate[string](`JSON.stringify(vodwright.errors.filter((e) => !/^bufferStalled|^bufferNudge/.test(e.details)))`))
	if err != nil {
		t.Fatal(err)
	}
	if errors != "[]" {
		t.Errorf("the page met errors: %s", errors)
	}
}
