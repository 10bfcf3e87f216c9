package ffmpeg_test

import (
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/ffmpeg"
)

// TestMeter: what processes take is counted, of those that are killed too.
func TestMeter(t *testing.T) {
	eachMode(t, func(t *testing.T, r *ffmpeg.Runner, _ bool) {
		ctx, meter := ffmpeg.Metered(t.Context())
		for range 2 {
			_, err := r.Run(ctx, ffmpeg.Command{
				Args: []string{"fake=spin", marker("meter")}, OutputDir: t.TempDir(), Limits: ffmpeg.Limits{MemoryBytes: roomy.MemoryBytes, Wall: time.Second},
			})
			if err == nil {
				t.Fatal("it ended by itself")
			}
		}
		if usage, n := meter.Total(); n != 2 || usage.CPU < 20*time.Millisecond || usage.CPU > 5*time.Second || usage.Wall < 2*time.Second {
			t.Errorf("%d processes took %+v", n, usage)
		}
	})
}
