package plan

import (
	"os/exec"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/media"
)

// ffmpeg parses some 100 terms in a row; a damaged recording has more gaps and leaps
// than that, and a film in one piece more segments.
func TestExpressionsOfManyTerms(t *testing.T) {
	g := &grid{}
	ix := media.FrameIndex{TimeBase: media.R(1, 1000), PTS: []int64{0}}
	starts := []int64{0}
	for i := range int64(maxSteps) {
		g.slots = append(g.slots, 2*i)
		ix.Leaps = append(ix.Leaps, media.Leap{Ticks: 10_000 + i})
		starts = append(starts, 10*(i+1)+i%2)
	}
	count, ok := g.byNumber()
	if !ok {
		t.Fatalf("%d gaps are too many", len(g.slots))
	}
	keys := keyframes(Timeline{Starts: starts}, Chunk{To: starts[len(starts)-1] + 10}, 1000)
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=s=16x16:r=25:d=0.2", "-f", "lavfi", "-i", "anullsrc=d=0.1",
		"-filter_complex", "[0]settb=1/25,setpts="+count+",showinfo[v];[1]"+overLeaps(ix)+"[a]",
		"-map", "[v]", "-force_key_frames", "expr:"+keys, "-c:v", "mpeg4", "-map", "[a]", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %.300s", err, out)
	}
	keys = keyframes(Timeline{Starts: []int64{0, 10, 20, 30, 41}}, Chunk{From: 10, To: 50}, 4)
	if want := "gte(n,0)*lt(n,20)*not(mod(mod(n-0,10),4))+gte(n,20)*lt(n,31)*not(mod(n-20,4))+gte(n,31)*lt(n,40)*not(mod(n-31,4))"; keys != want {
		t.Errorf("%s, not %s", keys, want)
	}
	if n := strings.Count(keyframes(Timeline{Starts: starts[:1]}, Chunk{To: 100}, 1000), "n"); n != 1 {
		t.Errorf("one segment has %d terms", n)
	}
}
