package plan_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/plan"
)

// TestRealClips does to real files, where they are present, what the tests above
// do to made ones. The heavy ones are left to a run without -short.
func TestRealClips(t *testing.T) {
	dir, ok := shared("media")
	if !ok {
		t.Skip("no ../shared/media")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*_*.*"))
	for _, file := range files {
		name := filepath.Base(file)
		if !strings.HasPrefix(name, "real_") && !strings.HasPrefix(name, "prop_") {
			continue
		}
		if only := os.Getenv("ONLY"); only != "" && !strings.Contains(name, only) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			src, ix := look(t, file)
			p, err := plan.New(plan.Input{Settings: parse(t, sameSize), Source: src, Index: ix, JobStart: jobStart, BaseName: "clip"})
			if err != nil {
				t.Fatalf("%v %v", fault.KindOf(err), err)
			}
			timeline := p.Ladders[0].Timeline
			t.Logf("%v × %d frames, %d chunks, %d segments, rung %dx%d, %v", timeline.FrameRate, timeline.Frames, len(p.Ladders[0].Chunks), len(timeline.Starts), p.Ladders[0].Rungs[0].Width, p.Ladders[0].Rungs[0].Height, p.Warnings)
			got := inChunks(t, p, file)
			v := src.Video[0]
			if v.Interlaced != "" || v.Rotation != 0 || v.Color.Transfer == "smpte2084" || v.Color.Transfer == "arib-std-b67" || p.Ladders[0].Rungs[0].Width != v.Width || p.Ladders[0].Rungs[0].Height != v.Height {
				return // not the decoder's picture
			}
			if ix.Problem != "" {
				t.Log(ix.Problem)
			}
			differ(t, got, onGrid(t, onePass(t, file), ix.PTS, ix.TimeBase, timeline))
		})
	}
}
