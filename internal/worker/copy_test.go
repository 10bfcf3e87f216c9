package worker

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/plan"
	"vodwright.dev/vodwright/internal/receipt"
)

// copying asks for HLS with a rung of the source's size and a smaller one, and an MP4 of the former.
const copying = `{"settings":{"inputs":[{"fileInput":"s3://in/clip.mp4"}],"outputGroups":[
 {"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/a/b","segmentLength":2,"minSegmentLength":0}},
  "outputs":[
   {"nameModifier":"_own","containerSettings":{"container":"M3U8"},"videoDescription":{"codecSettings":{"codec":"H_264","h264Settings":%[1]s}}},
   {"nameModifier":"_less","containerSettings":{"container":"M3U8"},"videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"H_264","h264Settings":%[1]s}}}]},
 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/c/d"}},
  "outputs":[{"containerSettings":{"container":"MP4"},"videoDescription":{"codecSettings":{"codec":"H_264","h264Settings":%[1]s}}}]}]}}`

const enough = `{"rateControlMode":"QVBR","maxBitrate":3000000,"gopSize":2,"gopSizeUnits":"SECONDS","codecProfile":"HIGH"}`

// TestVideoIsCopiedWhereItIsWhatTheOutputAsksFor: the pictures of outputs are the
// source's to the bit, beside rungs that are encoded; where anything is not as the
// output asks for it they are encoded, and the job says why.
func TestVideoIsCopiedWhereItIsWhatTheOutputAsksFor(t *testing.T) {
	encoder := "-c:v libx264 -preset veryfast -g 50 -keyint_min 50 -sc_threshold 0 -bf 3 -b_strategy 0"
	for _, c := range []struct {
		name, encoder, again, h264, why string // why it is not copied
	}{
		{name: "b-frames", encoder: encoder, h264: enough},
		{name: "more keyframes than asked for", encoder: "-c:v libx264 -preset veryfast -bf 2 -force_key_frames expr:not(mod(n,25))", h264: enough},
		{name: "parameter sets and delimiters in each picture", encoder: encoder + " -x264-params aud=1:repeat-headers=1", again: "-an -c copy -f mpegts", h264: enough},
		{name: "sound first", encoder: "-map 1:a -map 0:v -c:a aac " + encoder, h264: enough},
		{name: "long GOPs", encoder: "-c:v libx264 -preset veryfast -g 100 -keyint_min 100 -sc_threshold 0", h264: enough, why: "no closed GOP begins at 2.00 s, where a segment does"},
		{name: "open GOPs", encoder: encoder + " -x264-params open-gop=1", h264: enough, why: "no closed GOP begins"},
		{name: "too many bits", encoder: encoder + " -qp 10", h264: strings.Replace(enough, "3000000", "200000", 1), why: "more bits than a maxBitrate of 200000 allows"},
		{name: "another rate", encoder: encoder, h264: strings.Replace(enough, "{", `{"framerateControl":"SPECIFIED","framerateNumerator":30,"framerateDenominator":1,`, 1), why: "its frames are not those of 30/1 frames a second, one for one"},
		{name: "a lesser profile", encoder: encoder, h264: strings.Replace(enough, "HIGH", "MAIN", 1), why: "its profile is high, beyond main"},
		{name: "another codec", encoder: "-c:v mpeg4", h264: enough, why: "it is mpeg4, not h264"},
		{name: "constant bit rate", encoder: encoder, h264: `{"rateControlMode":"CBR","bitrate":3000000,"gopSize":2,"gopSizeUnits":"SECONDS","codecProfile":"HIGH"}`, why: "rateControlMode CBR wants it filled up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			source := filepath.Join(dir, "clip.mp4")
			media := func(args string, out string, in ...string) {
				t.Helper()
				all := append(append([]string{"-v", "error", "-y"}, in...), strings.Fields(args)...)
				if said, err := exec.Command("ffmpeg", append(all, out)...).CombinedOutput(); err != nil {
					t.Fatalf("ffmpeg %v: %v\n%s", all, err, said)
				}
			}
			first := source
			if c.again != "" {
				first = filepath.Join(dir, "first.mp4")
			}
			media(c.encoder+" -pix_fmt yuv420p -shortest", first, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=11", "-f", "lavfi", "-i", "sine=d=11")
			if c.again != "" {
				media(c.again, filepath.Join(dir, "again"), "-i", first)
				media("-c copy", source, "-i", filepath.Join(dir, "again"))
			}
			f := &folder{source: source, root: t.TempDir(), owner: map[string]string{}}
			asked := job.Job{ID: "job", Created: time.Now(), Request: fmt.Appendf(nil, copying, c.h264), UserMetadata: map[string]string{receipt.CopyKey: "auto"}}
			j, err := newWorker(t, f).LocalJob(t.Context(), asked, func(string, int) {})
			if err != nil {
				t.Fatal(err)
			}
			r, err := receipt.New(j, j.Finished)
			if err != nil {
				t.Fatal(err)
			}
			rungs := r.Ladders[0].Rungs
			if len(rungs) != 2 || rungs[0].Copied != (c.why == "") || rungs[1].Copied {
				t.Fatalf("rungs %+v; warnings %v", rungs, j.Warnings)
			}
			told := slices.IndexFunc(j.Warnings, func(w job.Warning) bool { return w.Code == plan.WarnNotCopied })
			switch {
			case (told < 0) != (c.why == ""):
				t.Fatalf("warnings %v", j.Warnings)
			case told >= 0:
				if !strings.Contains(j.Warnings[told].Message, c.why) {
					t.Errorf("warned of %q, not of %q", j.Warnings[told].Message, c.why)
				}
				return
			}
			var segments bytes.Buffer
			for _, file := range files(t, filepath.Join(f.root, "a")) {
				if strings.Contains(file, "_own_") && filepath.Ext(file) == ".ts" {
					part, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					segments.Write(part)
				}
			}
			stream := filepath.Join(dir, "all.ts")
			if err := os.WriteFile(stream, segments.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			want := frameHashes(t, source)
			for _, out := range []string{stream, filepath.Join(f.root, "c", "d.mp4")} {
				if got := frameHashes(t, out); !slices.Equal(got, want) {
					t.Errorf("%s: %d frames are not the %d of the source", filepath.Base(out), len(got), len(want))
				}
			}
			if len(want) != 275 {
				t.Fatalf("the source has %d frames", len(want))
			}
		})
	}
}

// frameHashes lists the hashes of the decoded frames of a file.
func frameHashes(t *testing.T, file string) (out []string) {
	t.Helper()
	said, err := exec.Command("ffmpeg", "-v", "error", "-i", file, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-").Output()
	if err != nil {
		t.Fatalf("decode %s: %v", file, err)
	}
	for line := range strings.Lines(string(said)) {
		if fields := strings.Split(line, ","); line[0] != '#' && len(fields) == 6 {
			out = append(out, strings.TrimSpace(fields[5]))
		}
	}
	return out
}
