package plan_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/mpegts"
	"vodwright.dev/vodwright/internal/plan"
)

// joinedPieces runs the processes of some pieces of an encode, in an order that is
// not theirs, and decodes them joined: from sample from of the encode on.
func joinedPieces(t *testing.T, a plan.AudioEncode, file string, which []int) (samples []float64, from int64) {
	t.Helper()
	tracks := make([]mp4.AudioPiece, len(which))
	for n := len(which) - 1; n >= 0; n-- {
		p := a.Pieces[which[n]]
		dir := t.TempDir()
		runPlanned(t, p.Args, file, dir)
		for _, entry := range p.Entries {
			if info, err := os.Stat(filepath.Join(dir, entry)); err != nil || info.Size() == 0 {
				t.Errorf("piece %d was not decoded from before its beginning (%v)", which[n], err)
			}
		}
		f, err := os.Open(filepath.Join(dir, a.File))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		info, _ := f.Stat()
		track, err := mp4.ReadTrack(f, info.Size())
		if err != nil {
			t.Fatal(err)
		}
		base := a.Pieces[which[0]].From
		tracks[n] = mp4.AudioPiece{Track: track, Skip: int(p.Skip), From: int(p.From - base), To: int(p.To - base)}
	}
	last := tracks[len(tracks)-1].To
	audio, err := mp4.NewAudioOf(tracks, 0, int64(last)*mp4.FrameSamples)
	if err != nil {
		t.Fatal(err)
	}
	var adts bytes.Buffer
	if _, err := mpegts.WriteADTS(&adts, audio, false); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "joined.aac")
	write(t, path, adts.Bytes())
	// A decoder gives the block before a frame's own.
	return samplesOf(t, path), (a.Pieces[which[0]].From - 1) * mp4.FrameSamples
}

// likeness is the signal to noise ratio of b against a, in dB.
func likeness(a, b []float64) float64 {
	signal, noise := 0.0, 0.0
	for i := range min(len(a), len(b)) {
		signal += a[i] * a[i]
		noise += (a[i] - b[i]) * (a[i] - b[i])
	}
	if len(b) < len(a) || signal == 0 {
		return math.Inf(-1)
	}
	return 10 * math.Log10(signal/max(noise, 1e-12))
}

// TestPiecesOfSoundAreOneSound joins the pieces of encodes of a sine and of noise and
// holds every edge against the source: no step, no sample lost or doubled.
func TestPiecesOfSoundAreOneSound(t *testing.T) {
	picture := []string{"-f", "lavfi", "-i", "testsrc2=size=64x36:duration=47:rate=25", "-c:v", "libx264", "-preset", "ultrafast", "-g", "250"}
	for _, test := range []struct {
		name, file, sound string
		args              []string
		least             float64 // dB at every edge
		times             int     // the file is joined to itself, which leaves its sound gaps and overlaps
	}{
		{"sine", "a.mp4", "sine=frequency=441:sample_rate=48000:duration=47", []string{"-c:a", "aac", "-b:a", "256k"}, 36, 0},
		{"sine of another rate", "a.mov", "sine=frequency=441:sample_rate=44100:duration=47", []string{"-c:a", "pcm_s16le"}, 36, 0},
		{"noise", "a.mov", "anoisesrc=color=brown:seed=7:amplitude=0.4:sample_rate=48000:duration=47", []string{"-c:a", "pcm_s16le"}, 15, 0},
		{"that begins late and ends early", "a.mov", "sine=frequency=441:sample_rate=32000:duration=37,adelay=1300", []string{"-c:a", "pcm_s16le"}, 36, 0},
		{"noise in films that were joined", "a.mp4", "anoisesrc=color=brown:seed=7:amplitude=0.4:sample_rate=48000:duration=4.7", []string{"-c:a", "aac", "-b:a", "256k", "-t", "4.7"}, 13, 10},
		{"noise of another rate in films that were joined", "a.mp4", "anoisesrc=color=brown:seed=7:amplitude=0.4:sample_rate=44100:duration=4.7", []string{"-c:a", "aac", "-b:a", "256k", "-t", "4.7"}, 13, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, test.file)
			ffmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", test.sound}, picture, []string{"-map", "0:a", "-map", "1:v"}, test.args, []string{file})...)
			if test.times > 0 {
				joined := filepath.Join(dir, "joined.mp4")
				ffmpeg(t, "-stream_loop", fmt.Sprint(test.times-1), "-i", file, "-c", "copy", joined)
				file = joined
			}
			p := newPlan(t, strings.ReplaceAll(withSound, "128000", "192000"), file)
			a := p.Audios[0]
			if len(a.Pieces) != 3 || a.Args != nil {
				t.Fatalf("%d pieces, %v", len(a.Pieces), a.Args)
			}
			got, _ := joinedPieces(t, a, file, []int{0, 1, 2})
			got = got[2*mp4.FrameSamples:] // the priming, and what no decoder knows without a frame before it
			pcm := filepath.Join(dir, "reference.wav")
			ffmpeg(t, "-i", file, "-ac", "1", "-ar", fmt.Sprint(a.SampleRate), "-af", "aresample=async=1:min_hard_comp=0.015:first_pts=0,apad,atrim=end_sample="+fmt.Sprint(a.Samples), pcm)
			want := samplesOf(t, pcm)[mp4.FrameSamples:]
			if int64(len(got)) < a.Samples-mp4.FrameSamples {
				t.Fatalf("%d samples, want %d", len(got), a.Samples)
			}
			for i, piece := range a.Pieces[1:] {
				at := (piece.From-1)*mp4.FrameSamples - mp4.FrameSamples
				lo, hi := at-mp4.FrameSamples, min(at+mp4.FrameSamples, a.Samples-mp4.FrameSamples)
				if db := likeness(want[lo:hi], got[lo:hi]); db < test.least {
					t.Errorf("edge %d, at sample %d: %.1f dB", i, at, db)
				}
				mid := at + 3*48000
				t.Logf("edge %d %.1f dB, behind it %.1f dB", i, likeness(want[lo:hi], got[lo:hi]), likeness(want[mid:mid+2048], got[mid:mid+2048]))
			}
		})
	}
}

// TestSoundOfAnHourDoesNotDrift looks at pieces at the beginning, the middle and the
// end of an hour.
func TestSoundOfAnHourDoesNotDrift(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "hour.mov")
	ffmpeg(t, "-f", "lavfi", "-i", "aevalsrc=0.5*sin(2*PI*(300+37*mod(floor(t)\\,11))*t):s=11025:d=3600", "-f", "lavfi", "-i", "color=size=32x32:rate=1:duration=3600",
		"-map", "0:a", "-map", "1:v", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le", file)
	p := newPlan(t, strings.ReplaceAll(withSound, `"bitrate": 128000`, `"bitrate": 128000, "sampleRate": 48000`), file)
	a := p.Audios[0]
	n := len(a.Pieces)
	for _, which := range [][]int{{0, 1}, {n / 2, n/2 + 1}, {n - 2, n - 1}} {
		got, from := joinedPieces(t, a, file, which)
		lo, hi := from+2*mp4.FrameSamples, min(from+int64(len(got)), a.Samples)
		// The source's own samples there, from a whole second on.
		second := lo / int64(a.SampleRate)
		raw := filepath.Join(dir, "reference.wav")
		ffmpeg(t, "-ss", fmt.Sprint(max(second-1, 0)), "-t", "60", "-i", file, "-ar", fmt.Sprint(a.SampleRate), raw)
		want := samplesOf(t, raw)
		want = want[lo-max(second-1, 0)*int64(a.SampleRate):]
		want = want[:min(int64(len(want)), hi-lo)]
		if db := likeness(want, got[lo-from:]); db < 15 {
			t.Errorf("pieces %v, at sample %d: %.1f dB", which, lo, db)
		} else {
			t.Logf("pieces %v: %.1f dB", which, db)
		}
	}
}
