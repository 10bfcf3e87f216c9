package hostile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/test/harness/local"
)

// canary is what no file may reach: a text, a magenta film, a server.
type canary struct {
	text, movie string // paths
	url         string
	secret      []byte
	calls       atomic.Int64
}

func newCanary(t *testing.T) *canary {
	t.Helper()
	dir, err := os.MkdirTemp("", "canary-") // a path without a character that a script would have to escape
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &canary{text: filepath.Join(dir, "secret.txt"), movie: filepath.Join(dir, "secret.ts"), secret: []byte("TOP-SECRET-CANARY-LINE")}
	if err := os.WriteFile(c.text, bytes.Repeat(append(c.secret, '\n'), 100), 0o644); err != nil {
		t.Fatal(err)
	}
	args := words("-nostdin -v error -f lavfi -i color=magenta:s=160x90:r=25:d=2 -c:v libx264 -preset ultrafast -pix_fmt yuv420p")
	if out, err := exec.Command("ffmpeg", append(args, c.movie)...).CombinedOutput(); err != nil {
		t.Fatalf("make the canary: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c.calls.Add(1)
			conn.Close()
		}
	}()
	c.url = "http://" + listener.Addr().String()
	return c
}

const outputs = `[
 {"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/a/b","segmentLength":10,"minSegmentLength":0}},
  "outputs":[{"nameModifier":"_1","containerSettings":{"container":"M3U8"},
   "videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000,"qualityTuningLevel":"SINGLE_PASS"}}},
   "audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":64000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]}]},
 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/f/b"}},
  "outputs":[{"nameModifier":"_p","containerSettings":{"container":"RAW"},
   "videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"FRAME_CAPTURE","frameCaptureSettings":{"framerateNumerator":1,"framerateDenominator":1,"maxCaptures":5,"quality":80}}}}]}]`

// bound is how long a job of one of these files may take on a busy machine. None
// of them is worth minutes; what takes them is an attack that works.
const bound = 3 * time.Minute

// refusals are the codes that a source is refused with, as the service lists them.
var refusals = []string{"1010", "1020", "1021", "1030", "1040", "1056", "1075", "1076", "1091", "1092"}

// machine runs jobs as a server would.
type machine struct {
	*local.Machine
	canary *canary
}

func newMachine(t *testing.T, c *canary) *machine {
	t.Helper()
	return &machine{local.New(t, 2), c}
}

// try runs a whole job of a file and holds what comes of it against the rules.
func (m *machine) try(t *testing.T, f file) {
	t.Helper()
	m.run(t, f, map[string]any{
		"inputs": []any{map[string]any{"fileInput": "s3://in/" + f.name, "audioSelectors": map[string]any{"Audio Selector 1": map[string]any{"defaultSelection": "DEFAULT"}}}}, "outputGroups": json.RawMessage(outputs),
	})
}

// run runs a whole job that reads a file, and others beside it.
func (m *machine) run(t *testing.T, f file, settings map[string]any, beside ...file) {
	t.Helper()
	sources := map[string]string{}
	for i, each := range append(beside, f) {
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := os.WriteFile(path, each.content, 0o600); err != nil {
			t.Fatal(err)
		}
		sources[each.name] = path
	}
	ctx, stop := context.WithTimeout(t.Context(), bound)
	defer stop()
	r := m.Run(ctx, t, settings, sources)

	if ctx.Err() != nil {
		t.Errorf("it takes longer than %v", bound)
	}
	if n := m.canary.calls.Load(); n > 0 {
		t.Errorf("the canary's server was called %d times by now", n)
	}
	if len(r.Work) > 0 {
		t.Errorf("left in the work folder: %v", r.Work)
	}
	if r.Err != nil {
		m.checkRefusal(t, f, r.Err)
		if left := r.Files(t); len(left) > 0 {
			t.Errorf("left in the bucket after an error: %v", left)
		}
		t.Logf("%v: refused, %s %v", r.Took, fault.Of(r.Err).Code, r.Err)
		return
	}
	frames := m.checkStream(t, r)
	t.Logf("%v: plays, %d frames, %d warnings", r.Took, frames, len(r.Warnings))
	if f.want == refused {
		t.Errorf("it plays, %d frames, and was to be refused: %v", frames, r.Warnings)
	}
	if f.frames > 0 && frames != f.frames {
		t.Errorf("%d frames, want %d", frames, f.frames)
	}
}

func (m *machine) checkRefusal(t *testing.T, f file, err error) {
	t.Helper()
	e := fault.Of(err)
	if f.want == plays {
		t.Errorf("refused with %s: %v", e.Code, err)
	}
	// A limit that was hit is told by its kind: memory and time have no code of their own.
	if !slices.Contains(refusals, e.Code) && e.Kind != fault.Limit || e.Kind.Retryable() || e.Message == "" {
		t.Errorf("refused as %s with code %q: %v", e.Kind, e.Code, err)
	}
	text := err.Error() + e.Hint
	if bytes.Contains([]byte(text), m.canary.secret) || strings.Contains(text, filepath.Dir(m.canary.text)) || len(text) > 2000 || strings.ContainsAny(text, "\x1b\x00") {
		t.Errorf("the error tells %q", text)
	}
}

// checkStream decodes what was published, looks for the canary in it, and returns
// the number of frames.
func (m *machine) checkStream(t *testing.T, r local.Result) int {
	t.Helper()
	for _, file := range r.Files(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, m.canary.secret) {
			t.Errorf("%s holds the canary", file)
		}
	}
	list, err := os.ReadFile(filepath.Join(r.Dir, "a", "b_1.m3u8"))
	if err != nil {
		t.Fatal(err)
	}
	var stream []byte
	seconds := 0.0
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSpace(line)
		if length, ok := strings.CutPrefix(line, "#EXTINF:"); ok {
			var s float64
			if _, err := fmt.Sscanf(length, "%g", &s); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			seconds += s
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(r.Dir, "a", line))
		if err != nil {
			t.Errorf("segment %q: %v", line, err)
		}
		stream = append(stream, data...)
	}
	// Each frame as one pixel: the canary's film would be magenta.
	cmd := exec.Command("ffmpeg", words("-nostdin -v error -xerror -f mpegts -i - -map 0:v:0 -fps_mode passthrough -enc_time_base -1 -vf scale=1:1:flags=area,format=rgb24 -f rawvideo -")...)
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stream), &complaints
	pixels, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Errorf("the stream does not decode: %v\n%s", err, complaints.String())
	}
	for i := 0; i+3 <= len(pixels); i += 3 {
		if r, g, b := pixels[i], pixels[i+1], pixels[i+2]; r > 200 && b > 200 && g < 60 {
			t.Errorf("frame %d shows the canary's film", i/3)
			break
		}
	}
	if len(pixels) == 0 || seconds <= 0 {
		t.Errorf("%d frames in %.3f s", len(pixels)/3, seconds)
	}
	return len(pixels) / 3
}

func TestHostileFiles(t *testing.T) {
	c := newCanary(t)
	m := newMachine(t, c)
	files := (&corpus{t: t, dir: t.TempDir(), canary: c}).files()
	t.Run("job", func(t *testing.T) {
		for _, f := range files {
			t.Run(strings.ToValidUTF8(f.name, "?"), func(t *testing.T) {
				t.Parallel()
				m.try(t, f)
			})
		}
	})
	if n := c.calls.Load(); n > 0 {
		t.Errorf("the canary's server was called %d times", n)
	}
}

// TestWorkplaceCorpus runs the corpus that is kept beside the checkout, where it is.
func TestWorkplaceCorpus(t *testing.T) {
	script, err := filepath.Abs("../../../shared/media/make_hostile.sh")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(script); err != nil {
		return
	}
	c := newCanary(t)
	m := newMachine(t, c)
	dir := t.TempDir()
	out, failed := exec.Command("bash", script, dir, c.text, c.url).CombinedOutput()
	files := map[string][]byte{}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files[filepath.Base(path)], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if failed != nil && len(files) < 50 {
		t.Fatalf("make the corpus: %v\n%s", failed, out)
	}
	t.Run("job", func(t *testing.T) {
		for name, data := range files {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := file{name: name, content: data}
				if strings.HasPrefix(f.name, "good") {
					f.want, f.frames = plays, 100
				}
				m.try(t, f)
			})
		}
	})
}
