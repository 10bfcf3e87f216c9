package players

import (
	"flag"
	"math"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"vodwright.dev/vodwright/test/harness"
)

// sideBySide is how many streams are encoded, played or read at once: they mostly wait.
const sideBySide = 8

var program string // built by TestMain

func TestMain(m *testing.M) {
	flag.Parse()
	parallel := flag.Lookup("test.parallel")
	if n, err := strconv.Atoi(parallel.Value.String()); err == nil && n < sideBySide {
		_ = flag.Set("test.parallel", strconv.Itoa(sideBySide))
	}
	os.Exit(harness.Main(m, &program))
}

// TestPackagings encodes each packaging once and hands it to everyone who can judge it.
func TestPackagings(t *testing.T) {
	clips := t.TempDir()
	s := startServer(t, source{name: "first", rate: plain.rate, seconds: 1}.make(t, clips))
	s.putKey(t)
	installed := harness.Packages(t, "players", "testdata")
	b := newBrowser(t, installed)
	inputs := map[string]func() string{}
	for _, p := range packagings() {
		if inputs[p.source.name] == nil {
			inputs[p.source.name] = sync.OnceValue(func() string { return s.upload(t, p.source.make(t, clips)) })
		}
	}
	for _, p := range packagings() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s.encode(t, p, inputs[p.source.name]())
			t.Run("files", func(t *testing.T) {
				t.Parallel()
				p.checkFiles(t, s.fetch(t, p.name+"/"), installed)
			})
			if path.Ext(p.open) == ".m3u8" && len(p.voices) > 1 {
				t.Run("console", func(t *testing.T) {
					t.Parallel()
					b.console(t, s.page+"?src="+url.QueryEscape(s.edge+"/"+p.name+"/"+p.open), p)
				})
			}
			for _, player := range p.players() {
				t.Run(player, func(t *testing.T) {
					t.Parallel()
					checkReport(t, p, player, b.play(t, player, s.edge+"/"+p.name+"/"+escape(p.open), p))
				})
			}
		})
	}
}

// checkFiles hands what was published to parsers and tools.
func (p packaging) checkFiles(t *testing.T, dir, modules string) {
	t.Helper()
	switch path.Ext(p.open) {
	case ".mp4":
		checkMP4(t, p, filepath.Join(dir, p.open))
	case ".m3u8":
		checkPlaylists(t, dir, modules)
		m := readMultivariant(t, filepath.Join(dir, p.open))
		checkMultivariant(t, p, m)
		uris := map[string]bool{}
		for _, v := range m.variants {
			uris[v.uri] = true
		}
		for _, g := range m.media {
			uris[g.attributes["URI"]] = true
		}
		for uri := range uris {
			if list := readMedia(t, filepath.Join(filepath.Dir(m.file), unescape(t, uri))); filepath.Ext(list.segments[0].file) == ".ts" {
				checkMPEGTS(t, list)
			}
		}
	}
}

// players are those that play what a packaging is opened by.
func (p packaging) players() []string {
	all := map[string][]string{
		".m3u8": {"hls.js", "shaka", "video.js"},
		".mpd":  {"shaka", "video.js"},
		".mp4":  {"native", "shaka", "video.js"},
	}[path.Ext(p.open)]
	if p.only == nil {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !slices.Contains(p.only, name) })
}

// checkReport compares what a player showed with what the packaging has to have.
func checkReport(t *testing.T, p packaging, player string, r report) {
	t.Helper()
	if r.Failure != "" {
		t.Errorf("%s\n%s", r.Failure, r.Log[max(0, len(r.Log)-1500):])
	}
	for _, e := range r.Errors {
		t.Errorf("%s met an error: %s", player, e)
	}
	if len(r.Errors) > 0 {
		t.Logf("%s", r.Log[max(0, len(r.Log)-3000):])
	}
	if t.Failed() {
		return
	}
	frame := 1 / p.source.rate.Float()
	frames := int(p.source.frames()) - p.start
	if want := float64(frames) * frame; math.Abs(r.Duration-want) > 0.1 {
		t.Errorf("it lasts %.3f s, want %.3f", r.Duration, want)
	}
	if len(p.voices) > 0 && r.Sound == 0 {
		t.Error("no sound was decoded")
	}
	if len(p.heights) > 0 {
		checkPictures(t, p, r, frames)
	}
	// A single voice need not be listed; several have to be, each under its name.
	if len(p.voices) > 1 && len(r.Voices) != len(p.voices) {
		t.Errorf("%d voices, want %d: %+v", len(r.Voices), len(p.voices), r.Voices)
	}
	for _, v := range r.Voices {
		if len(p.voices) > 1 && !slices.ContainsFunc(p.voices, func(w voice) bool {
			return w.tone == v.Tone && (w.name == v.Name || v.Name == "") && strings.HasPrefix(v.Language, w.language)
		}) {
			t.Errorf("voice %q (%s) has the tone %g Hz, want one of %+v", v.Name, v.Language, v.Tone, p.voices)
		}
	}
	if len(r.Texts) != len(p.texts) {
		t.Errorf("%d texts were shown, want %d: %+v", len(r.Texts), len(p.texts), r.Texts)
	}
}

func checkPictures(t *testing.T, p packaging, r report, frames int) {
	t.Helper()
	// A player that is short of time begins a few frames late, one that moves a little at
	// the start decodes some twice.
	if r.Frames < frames-frames/30 || r.Frames > frames*5/4+10 {
		t.Errorf("%d frames were decoded from start to end, the source has %d", r.Frames, frames)
	}
	if r.Shown < 10 {
		t.Errorf("%d of %d frames were shown", r.Shown, frames)
	}
	for _, w := range r.Wrong {
		t.Errorf("at %.3f s frame %d was shown, %d is due", w.At, w.Sees, w.Want)
	}
	for _, s := range r.Seeks {
		// A paused player shows a picture for as long as its decoding took; at the
		// seams of MPEG-TS segments with B-frames that is not quite a picture's time.
		if d := s.Sees - s.Want; d < -1 || d > 1 {
			t.Errorf("seeking to %.3f s shows frame %d, want %d", s.At, s.Sees, s.Want)
		}
	}
	if len(p.heights) > 1 {
		var got []int
		for _, v := range r.Variants {
			got = append(got, v.Shows)
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(p.heights))
		if !slices.Equal(slices.Compact(got), want) {
			t.Errorf("variants of heights %v were shown, want %v", got, want)
		}
	}
}
