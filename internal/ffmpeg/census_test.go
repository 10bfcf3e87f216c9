package ffmpeg_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
)

// A process that starts others is held to what it may have together with them.
func TestProcessesAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		script     string
		bytes      int64
		says, hint string
	}{
		"a fork bomb":     {"while :; do sleep 3600 & done", 64 << 30, "processes and threads", ""},
		"memory of seven": {"while :; do for i in 1 2 3 4 5 6 7; do tail /dev/zero & done; wait; done", 256 << 20, "need more memory than the 256MiB they are given", "--limit-encode-memory"},
	} {
		for _, bare := range []bool{false, true} {
			t.Run(name+map[bool]string{false: " in the sandbox", true: ""}[bare], func(t *testing.T) {
				program := filepath.Join(t.TempDir(), marker("census"))
				if err := os.WriteFile(program, []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
				r, err := ffmpeg.New(ffmpeg.Config{FFmpegPath: program, Unsandboxed: bare})
				if err != nil {
					t.Fatal(err)
				}
				_, err = r.Run(t.Context(), ffmpeg.Command{Limits: ffmpeg.Limits{MemoryBytes: c.bytes}})
				f := fault.Of(err)
				told := err != nil && f.Kind == fault.Limit && strings.Contains(f.Message, c.says) && strings.Contains(f.Hint, c.hint)
				if !told && (c.hint != "" || err == nil || os.Geteuid() == 0) { // the kernel refuses others the 1,025th
					t.Errorf("%v (%+v)", err, f)
				}
				wantGone(t, filepath.Base(program))
			})
		}
	}
}
