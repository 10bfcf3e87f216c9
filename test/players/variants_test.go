package players

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// stream is a track of a file, as ffprobe tells it.
type stream struct {
	Type      string `json:"codec_type"`
	Codec     string `json:"codec_name"`
	Profile   string `json:"profile"`
	Level     int    `json:"level"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
	FrameRate string `json:"avg_frame_rate"`
	Channels  int    `json:"channels"`
}

func probe(t *testing.T, file string) []stream {
	t.Helper()
	out, complaints := tool(t, "ffprobe", "-v", "warning", "-show_streams", "-of", "json", file)
	if complaints = meant(complaints); complaints != "" {
		t.Errorf("ffprobe %s: %s", filepath.Base(file), complaints)
	}
	var doc struct{ Streams []stream }
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Streams
}

// meant leaves out what FFmpeg says of every file of AAC frames.
func meant(complaints string) string {
	var out []string
	for line := range strings.Lines(complaints) {
		if !strings.Contains(line, "Estimating duration from bitrate") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// codec is the RFC 6381 name of a stream as a playlist has to give it.
func (s stream) codec(t *testing.T) string {
	t.Helper()
	switch s.Codec {
	case "aac":
		return map[string]string{"LC": "mp4a.40.2", "HE-AAC": "mp4a.40.5", "HE-AACv2": "mp4a.40.29"}[s.Profile]
	case "h264":
		profile := map[string]string{"Constrained Baseline": "42", "Baseline": "42", "Main": "4d", "High": "64", "High 10": "6e", "High 4:2:2": "7a"}[s.Profile]
		return fmt.Sprintf("avc1.%s%%02x", profile) + fmt.Sprintf("%02x", s.Level)
	}
	t.Fatalf("no codec string is known for %s", s.Codec)
	return ""
}

// codecMatches reports whether a CODECS entry names the stream; constraint flags may be any.
func codecMatches(entry, want string) bool {
	if before, after, flags := strings.Cut(want, "%02x"); flags {
		return len(entry) == len(before)+2+len(after) && strings.HasPrefix(strings.ToLower(entry), before) && strings.HasSuffix(strings.ToLower(entry), after)
	}
	return entry == want
}

// checkMultivariant holds a multivariant playlist against RFC 8216bis and against
// the files that it leads to.
func checkMultivariant(t *testing.T, p packaging, m multivariant) {
	t.Helper()
	if len(m.variants) == 0 {
		t.Fatal("no variants")
	}
	version, independent := 1, false
	for _, g := range m.tags {
		switch g.name {
		case "#EXT-X-VERSION":
			version, _ = strconv.Atoi(g.value)
		case "#EXT-X-INDEPENDENT-SEGMENTS":
			independent = true
		}
	}
	if !independent {
		t.Error("no EXT-X-INDEPENDENT-SEGMENTS, yet each segment decodes alone")
	}
	for _, g := range m.media {
		if strings.HasPrefix(g.attributes["INSTREAM-ID"], "SERVICE") && version < 7 {
			t.Errorf("EXT-X-VERSION %d, INSTREAM-ID of a service needs 7", version)
		}
	}
	at := filepath.Dir(m.file)
	peaks := map[string]float64{} // group → bits a second of its largest rendition
	groups := map[string][]tag{}
	sound := map[string]string{} // group → codec
	for _, g := range m.media {
		group := g.attributes["TYPE"] + " " + g.attributes["GROUP-ID"]
		for _, o := range groups[group] {
			if o.attributes["NAME"] == g.attributes["NAME"] {
				t.Errorf("group %s has two renditions %q (4.4.6.1)", group, g.attributes["NAME"])
			}
			if o.attributes["DEFAULT"] == "YES" && g.attributes["DEFAULT"] == "YES" {
				t.Errorf("group %s has two defaults (4.4.6.1)", group)
			}
		}
		groups[group] = append(groups[group], g)
		if g.attributes["DEFAULT"] == "YES" && g.attributes["AUTOSELECT"] == "NO" {
			t.Errorf("rendition %q is default and not selected by itself (4.4.6.1)", g.attributes["NAME"])
		}
		if g.attributes["URI"] == "" || g.attributes["TYPE"] != "AUDIO" {
			continue
		}
		list := readMedia(t, filepath.Join(at, filepath.FromSlash(unescape(t, g.attributes["URI"]))))
		checkMediaPlaylist(t, p, list)
		checkSegments(t, p, list)
		peaks[group] = max(peaks[group], list.peak())
		streams := probe(t, list.segments[0].file)
		if len(streams) != 1 || streams[0].Type != "audio" {
			t.Fatalf("rendition %q holds %+v", g.attributes["NAME"], streams)
		}
		sound[group] = streams[0].codec(t)
		if c := g.attributes["CHANNELS"]; c != "" && c != strconv.Itoa(streams[0].Channels) {
			t.Errorf("rendition %q: CHANNELS %s, it has %d", g.attributes["NAME"], c, streams[0].Channels)
		}
	}
	var first mediaPlaylist
	for i, v := range m.variants {
		list := readMedia(t, filepath.Join(at, filepath.FromSlash(unescape(t, v.uri))))
		checkMediaPlaylist(t, p, list)
		checkSegments(t, p, list)
		if i == 0 {
			first = list
		} else if len(list.segments) != len(first.segments) || math.Abs(list.seconds()-first.seconds()) > 0.05 {
			t.Errorf("%s has %d segments in %.3f s, %s %d in %.3f", v.uri, len(list.segments), list.seconds(), m.variants[0].uri, len(first.segments), first.seconds())
		}
		codecs := map[string]bool{}
		for _, s := range probe(t, list.segments[0].file) {
			codecs[s.codec(t)] = true
			if s.Type == "video" {
				checkVideoAttributes(t, v, s, p)
			}
		}
		peak := list.peak()
		for _, kind := range []string{"AUDIO", "SUBTITLES", "VIDEO"} {
			id, refers := v.attributes[kind]
			group := kind + " " + id
			if refers && len(groups[group]) == 0 {
				t.Errorf("%s refers to group %s, which is not there", v.uri, group)
			}
			if refers {
				peak += peaks[group]
				if c := sound[group]; c != "" {
					codecs[c] = true
				}
			}
		}
		checkCodecs(t, v, codecs)
		if b := v.number("BANDWIDTH"); b < peak*0.999 || b > peak*1.5+20000 {
			t.Errorf("%s: BANDWIDTH %.0f, its largest segment needs %.0f", v.uri, b, peak)
		}
		if a := v.number("AVERAGE-BANDWIDTH"); a > v.number("BANDWIDTH") {
			t.Errorf("%s: AVERAGE-BANDWIDTH %.0f is above BANDWIDTH", v.uri, a)
		}
	}
	for _, g := range m.iframes {
		list := readMedia(t, filepath.Join(at, filepath.FromSlash(unescape(t, g.attributes["URI"]))))
		if !list.iframes {
			t.Errorf("%s lacks EXT-X-I-FRAMES-ONLY", g.attributes["URI"])
		}
		checkMediaPlaylist(t, p, list)
		checkIFrames(t, list)
	}
}

// peak is the highest rate of a segment, in bits a second; short ones count with their neighbour.
func (p mediaPlaylist) peak() float64 {
	peak := 0.0
	for i, s := range p.segments {
		bits, seconds := float64(s.size)*8, s.seconds
		if seconds < p.target/2 && i > 0 {
			continue // 4.4.6.2: sets of segments of at least half the target duration
		}
		peak = max(peak, bits/seconds)
	}
	return peak
}

func checkVideoAttributes(t *testing.T, v variant, s stream, p packaging) {
	t.Helper()
	if want := fmt.Sprintf("%dx%d", s.Width, s.Height); v.attributes["RESOLUTION"] != want {
		t.Errorf("%s: RESOLUTION %s, the pictures are %s", v.uri, v.attributes["RESOLUTION"], want)
	}
	if got := v.number("FRAME-RATE"); math.Abs(got-p.source.rate.Float()) > 0.001 {
		t.Errorf("%s: FRAME-RATE %s, want %.3f", v.uri, v.attributes["FRAME-RATE"], p.source.rate.Float())
	}
}

func checkCodecs(t *testing.T, v variant, want map[string]bool) {
	t.Helper()
	entries := strings.Split(v.attributes["CODECS"], ",")
	for c := range want {
		if !slices.ContainsFunc(entries, func(e string) bool { return codecMatches(e, c) }) {
			t.Errorf("%s: CODECS %q lacks %s", v.uri, v.attributes["CODECS"], c)
		}
	}
	if len(entries) != len(want) {
		t.Errorf("%s: CODECS %q, it holds %v", v.uri, v.attributes["CODECS"], want)
	}
}

// checkSegments decodes each segment alone: nothing is complained of, its first
// picture is a key picture and it has as many as it lasts.
func checkSegments(t *testing.T, p packaging, list mediaPlaylist) {
	t.Helper()
	args := []string{"-nostdin", "-v", "warning"}
	for _, s := range list.segments {
		args = append(args, "-i", s.file)
	}
	sums := filepath.Join(t.TempDir(), "frames")
	for i := range list.segments {
		args = append(args, "-map", strconv.Itoa(i), "-fps_mode", "passthrough", "-f", "framecrc", sums+strconv.Itoa(i))
	}
	if _, complaints := tool(t, "ffmpeg", args...); meant(complaints) != "" {
		t.Errorf("%s: its segments decoded alone: %s", filepath.Base(list.file), complaints)
	}
	for i, s := range list.segments {
		text, err := os.ReadFile(sums + strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		video, frames := "", 0
		for _, line := range strings.Split(string(text), "\n") {
			if id, isVideo := strings.CutSuffix(line, ": video"); isVideo {
				video = strings.TrimPrefix(id, "#media_type ") + ","
			}
			if video != "" && strings.HasPrefix(line, video) {
				frames++
			}
		}
		if want := s.seconds * p.source.rate.Float(); video != "" && !s.integer && math.Abs(float64(frames)-want) > 0.1 {
			t.Errorf("%s: %d frames decode alone, it lasts %.3f s", s.uri, frames, s.seconds)
		}
	}
}

// checkIFrames decodes each entry of an I-frame playlist: one picture, an I picture.
func checkIFrames(t *testing.T, list mediaPlaylist) {
	t.Helper()
	for _, s := range list.segments {
		out, complaints := tool(t, "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pict_type,key_frame", "-of", "csv=p=0", s.file)
		if got := strings.Fields(strings.ReplaceAll(out, ",\n", "\n")); complaints != "" || len(got) != 1 || !strings.HasPrefix(got[0], "1,I") {
			t.Errorf("%s: an entry shows %q %s", filepath.Base(list.file), got, complaints)
		}
	}
}

func unescape(t *testing.T, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}
