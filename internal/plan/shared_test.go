package plan_test

import (
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/plan"
)

var allClips = flag.Bool("all-clips", false, "test chunks on every real clip next to the repository, some minutes")

// lightClips take a second or two each and have most of what real files are odd in.
var lightClips = []string{
	"prop_captions_608_708.ts", "prop_mpeg4_mp3.avi", "prop_nonzero_start.mp4", "prop_sample.flv", "prop_vp8_conformance.ivf", "prop_webcam_vfr.mov",
}

// TestRealClips does to real files, where they are present, what other tests do
// to made ones: the frames of the chunks against those of one pass.
func TestRealClips(t *testing.T) {
	dir, ok := shared("media")
	if !ok {
		t.Skip("no ../shared/media")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*_*.*"))
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "bad_") || !*allClips && !slices.Contains(lightClips, name) {
			continue
		}
		if name == "prop_eac3.ts" || name == "prop_vvc_unsupported.mp4" {
			continue // no video that can be decoded
		}
		t.Run(name, func(t *testing.T) {
			src, ix := look(t, file)
			p, err := plan.New(plan.Input{Settings: parse(t, sameSize), Files: []plan.Footage{{Source: src, Index: ix}}, JobStart: jobStart, BaseName: "clip"})
			if err != nil {
				t.Fatal(err)
			}
			timeline, rung := p.Ladders[0].Timeline, p.Ladders[0].Rungs[0]
			t.Logf("%v × %d frames, %d chunks, %v", timeline.FrameRate, timeline.Frames, len(p.Ladders[0].Chunks), p.Warnings)
			got := inChunks(t, p, file)
			v := src.Video[0]
			if v.Interlaced != "" || v.Rotation != 0 || v.Color.Transfer == "smpte2084" || v.Color.Transfer == "arib-std-b67" || rung.Width != v.Width || rung.Height != v.Height {
				return // not the decoder's picture: the count has to do
			}
			differ(t, got, onGrid(t, onePass(t, file), ix.PTS, ix.TimeBase, timeline))
		})
	}
}
