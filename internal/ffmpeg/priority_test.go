package ffmpeg_test

import (
	"context"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/ffmpeg"
)

// states returns the states of the processes with marker (proc_pid_stat(5)): "T" is
// one that is stopped.
func states(t *testing.T, marker string) (out []string) {
	t.Helper()
	for _, p := range processesWith(t, marker) {
		stat, err := os.ReadFile(strings.TrimSuffix(p[:strings.Index(p, ":")], "cmdline") + "stat")
		if m := regexp.MustCompile(`\) (.)`).FindSubmatch(stat); err == nil && m != nil {
			out = append(out, string(m[1]))
		}
	}
	return out
}

// TestPatientProcessesStandStillForUrgentOnes: while an urgent process runs the patient
// ones are stopped, those that start meanwhile too; then they go on, and end as ever.
func TestPatientProcessesStandStillForUrgentOnes(t *testing.T) {
	for _, sandboxed := range []bool{true, false} {
		t.Run(map[bool]string{true: "sandboxed", false: "bare"}[sandboxed], func(t *testing.T) {
			r, err := ffmpeg.New(ffmpeg.Config{FFmpegPath: called(t, fakeName), Unsandboxed: !sandboxed})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 64)
			begin := func(ctx context.Context, mode, m string, patient bool) {
				go func() {
					_, err := r.Run(ctx, ffmpeg.Command{Args: []string{"fake=" + mode, m}, OutputDir: t.TempDir(), Limits: roomy, Patient: patient})
					ended <- err
				}()
			}
			until := func(what string, is func() bool) {
				t.Helper()
				for deadline := time.Now().Add(20 * time.Second); !is(); <-time.After(5 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("not within 20 s: %s", what)
					}
				}
			}
			stands := func(m string) func() bool {
				return func() bool {
					s := states(t, m)
					return len(s) > 0 && !slices.ContainsFunc(s, func(c string) bool { return c != "T" })
				}
			}
			runs := func(m string) func() bool {
				return func() bool { s := states(t, m); return len(s) > 0 && !slices.Contains(s, "T") }
			}
			early, late, other := marker("early"), marker("late"), marker("other")
			begin(ctx, "spin", early, true)
			begin(ctx, "spin", other, false)
			until("the first ones run", func() bool { return runs(early)() && runs(other)() })
			urgent, over := context.WithCancel(ffmpeg.Urgently(ctx))
			n := 0
			for range (runtime.NumCPU() + 1) / 2 {
				begin(urgent, "hang", marker("urgent"), true)
				n++
			}
			until("the patient one stands still", stands(early))
			begin(ctx, "spin", late, true)
			n++
			until("the one that starts meanwhile, too", stands(late))
			if !runs(other)() {
				t.Error("one that is not patient stands still")
			}
			over()
			until("they go on", func() bool { return runs(early)() && runs(late)() })
			cancel()
			for range n + 2 {
				<-ended
			}
			wantGone(t, early)
			wantGone(t, late)
		})
	}
}
