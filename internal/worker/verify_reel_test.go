package worker

import (
	"math/rand/v2"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/plan"
)

// TestBufferIsEveryWindow holds the buffer against its definition: above 1 when,
// and only when, some window of n frames has more bits than n frames at MaxBitrate
// and the buffer.
func TestBufferIsEveryWindow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	over, within := 0, 0
	for range 300 {
		rung := plan.Rung{MaxBitrate: 40_000, BufferBits: 8_000}
		r := &reel{rung: rung, rate: media.R(30000, 1001), tick: media.R(1, 90_000)}
		sizes := make([]int64, 60)
		shots := make([]shot, len(sizes))
		for i := range sizes {
			sizes[i] = int64(random.IntN(310))
			shots[i] = shot{shown: media.Rescale(int64(i), r.rate.Inverse(), r.tick), key: i%10 == 0, bytes: sizes[i]}
		}
		if _, expected, found := r.segment(shots, int64(len(shots))); found != "" {
			t.Fatalf("expected %s, found %s", expected, found)
		}
		want := 0.0 // the fullest of all windows
		for i := range sizes {
			bits := 0.0
			for j := i; j < len(sizes); j++ {
				bits += float64(sizes[j] * 8)
				passed := float64(rung.MaxBitrate) * float64(j-i+1) / r.rate.Float()
				want = max(want, (bits-passed)/float64(rung.BufferBits))
			}
		}
		got := r.receipt(nil)
		const window = 6 // frames in a fifth of a second, which is how long the buffer lasts
		all, peak := int64(0), int64(0)
		for i := range sizes {
			all += sizes[i]
			if i+window <= len(sizes) {
				sum := int64(0)
				for _, n := range sizes[i : i+window] {
					sum += n
				}
				peak = max(peak, sum)
			}
		}
		if want := media.Rescale(peak*8, r.rate, media.R(window, 1)); got.Bytes != all || got.WindowPeakBPS != want || got.WindowInMs != 200 {
			t.Fatalf("%d bytes, %d bit/s in any %d ms; want %d, %d", got.Bytes, got.WindowPeakBPS, got.WindowInMs, all, want)
		}
		if diff := got.BufferPeak - want; max(diff, -diff) > 1e-6 {
			t.Fatalf("the buffer is filled to %f, want %f", got.BufferPeak, want)
		}
		if got.Keyframes != 6 || got.ShortestGOP != 10 || got.LongestGOP != 10 {
			t.Fatalf("receipt %+v", got)
		}
		if want > 1 {
			over++
		} else {
			within++
		}
	}
	if over == 0 || within == 0 {
		t.Errorf("%d over their caps, %d within: nothing is told apart", over, within)
	}
}

func TestReelTellsWhatIsWrong(t *testing.T) {
	shots := func(edit func([]shot)) []shot {
		out := make([]shot, 5)
		for i, shown := range []int64{0, 3, 1, 2, 4} { // as with B-frames
			out[i] = shot{shown: shown * 3600, key: i == 0, bytes: 100}
		}
		if edit != nil {
			edit(out)
		}
		return out
	}
	for name, tt := range map[string]struct {
		second []shot
		says   string
	}{
		"right":           {shots(nil), ""},
		"one short":       {shots(nil)[:4], "4"},
		"no keyframe":     {shots(func(s []shot) { s[0].key = false }), "another picture"},
		"shown too late":  {shots(func(s []shot) { s[4].shown += 3600 }), "0.400 s"},
		"shown at once":   {shots(func(s []shot) { s[2].shown = s[3].shown }), "0.280 s"},
		"leading picture": {shots(func(s []shot) { s[1].shown = -3600 }), "before it"},
	} {
		r := &reel{rate: media.R(25, 1), tick: media.R(1, 90_000)}
		if _, _, found := r.segment(shots(nil), 5); found != "" {
			t.Fatalf("the first segment: %s", found)
		}
		for i := range tt.second {
			tt.second[i].shown += 5 * 3600
		}
		start, _, found := r.segment(tt.second, 5)
		if (found == "") != (tt.says == "") || !strings.Contains(found, tt.says) {
			t.Errorf("%s: found %q, want %q", name, found, tt.says)
		}
		if found == "" && start != 5*3600 {
			t.Errorf("it starts at %d", start)
		}
	}
}

func TestSoundGoesOn(t *testing.T) {
	s := &sound{tick: media.R(1, 90_000)}
	for i, tt := range []struct {
		at       int64
		rate     int
		channels int
		says     string
	}{
		{180_000, 48_000, 2, ""},
		{187_680, 48_000, 2, ""},                       // four frames later
		{195_361, 48_000, 2, ""},                       // rounded
		{203_045, 48_000, 2, "it at 0.2561 s"},         // a hole of half a millisecond
		{203_040, 44_100, 2, "44100 Hz"},               //
		{203_040, 48_000, 1, "48000 Hz and 1 channel"}, //
	} {
		_, found := s.add(tt.at, 4, tt.rate, tt.channels)
		if (found == "") != (tt.says == "") || !strings.Contains(found, tt.says) {
			t.Errorf("%d: found %q, want %q", i, found, tt.says)
		}
	}
	if got := s.end(); got != 203_040 {
		t.Errorf("it ends at %d", got)
	}
}
