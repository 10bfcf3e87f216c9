package plan

import (
	"testing"

	"vodwright.dev/vodwright/internal/media"
)

func TestLevels(t *testing.T) {
	for _, tt := range []struct {
		width, height int
		rate          media.Rational
		high          bool
		max, buffer   int64
		want          string
	}{
		{160, 90, media.R(25, 1), false, 0, 0, "1.1"},
		{160, 90, media.R(25, 1), false, 200_000, 400_000, "1.2"},
		{160, 90, media.R(25, 1), true, 200_000, 400_000, "1.1"}, // High has a quarter more
		{640, 360, media.R(30000, 1001), false, 1_000_000, 2_000_000, "3"},
		{1280, 720, media.R(30, 1), false, 3_000_000, 6_000_000, "3.1"},
		{1280, 720, media.R(60, 1), false, 3_000_000, 6_000_000, "3.2"},
		{1920, 1080, media.R(25, 1), true, 8_000_000, 16_000_000, "4"},
		{3840, 2160, media.R(60, 1), true, 20_000_000, 40_000_000, "5.2"},
		{7680, 4320, media.R(60, 1), true, 80_000_000, 160_000_000, "6.1"},
		{4096, 16, media.R(25, 1), false, 0, 0, "4"}, // long ones are bounded too
		{1 << 20, 16, media.R(25, 1), false, 0, 0, ""},
	} {
		profile := "main"
		if tt.high {
			profile = "high"
		}
		if got := lowest(coded{tt.width, tt.height, tt.rate.Float(), 4, profile, tt.max, tt.buffer, false}); got != tt.want {
			t.Errorf("%dx%d at %s, %d and %d bits: level %s, want %s", tt.width, tt.height, tt.rate, tt.max, tt.buffer, got, tt.want)
		}
	}
	if got := lowest(coded{1920, 1080, 25, 5, "high", 0, 0, false}); got != "5" {
		t.Errorf("five pictures of 1080p kept: level %s", got)
	}
}
