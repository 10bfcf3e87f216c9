package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

// everything is a job of a stream, a file and captures.
const everything = `{"settings":{"inputs":[{"fileInput":"s3://in/clip.mp4","audioSelectors":{"A":{"defaultSelection":"DEFAULT"}}}],"outputGroups":[
 {"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://out/a/b","segmentLength":2,"minSegmentLength":0}},
  "outputs":[
   {"nameModifier":"_1","containerSettings":{"container":"M3U8"},
    "videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000,"gopSize":1,"gopSizeUnits":"SECONDS"}}},
    "audioDescriptions":[{"audioSourceName":"A","codecSettings":{"codec":"AAC","aacSettings":{"bitrate":64000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]},
   {"nameModifier":"_2","containerSettings":{"container":"M3U8"},
    "videoDescription":{"width":96,"height":54,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":100000,"gopSize":1,"gopSizeUnits":"SECONDS"}}},
    "audioDescriptions":[{"audioSourceName":"A","codecSettings":{"codec":"AAC","aacSettings":{"bitrate":64000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]}]},
 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/a/movie"}},
  "outputs":[{"containerSettings":{"container":"MP4"},
   "videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000}}},
   "audioDescriptions":[{"audioSourceName":"A","codecSettings":{"codec":"AAC","aacSettings":{"bitrate":64000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]}]},
 {"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/a/poster"}},
  "outputs":[{"containerSettings":{"container":"RAW"},
   "videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"FRAME_CAPTURE","frameCaptureSettings":{"framerateNumerator":1,"framerateDenominator":2,"maxCaptures":10,"quality":80}}}}]}]}}`

// damaging is a folder whose bucket damages what is published.
type damaging struct {
	*folder
	key    string // whose publications are damaged
	times  int    // the first so many of them
	damage func(path string) error
	hit    int
}

func (d *damaging) Publish(ctx context.Context, up Upload) error {
	if err := d.folder.Publish(ctx, up); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if up.Key != d.key || d.hit >= d.times {
		return nil
	}
	d.hit++
	return d.damage(filepath.Join(d.root, filepath.FromSlash(up.Key)))
}

// edit returns a damage that changes a file's bytes.
func edit(fn func([]byte) []byte) func(string) error {
	return func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, fn(data), 0o600)
	}
}

func replace(old, new string) func(string) error {
	return edit(func(b []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			panic(fmt.Sprintf("%q is not in %q", old, b))
		}
		return bytes.Replace(b, []byte(old), []byte(new), 1)
	})
}

// ready is a job that is encoded and waits to be finished.
type ready struct {
	work   string // work folder
	probed json.RawMessage
	finish job.Task
}

// encoded carries a job up to its last task.
func encoded(t *testing.T, request string) ready {
	t.Helper()
	f := &folder{source: makeClip(t), root: t.TempDir(), owner: map[string]string{}}
	w := newWorker(t, f)
	first, err := json.Marshal(job.FirstTask{Job: "j", Request: json.RawMessage(request), Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	r := ready{work: w.cfg.Dir}
	stages := [][]job.Task{{{Job: "j", Name: "probe", Payload: first}}}
	for i := 0; i < len(stages); i++ {
		for _, task := range stages[i] {
			if task.Name == "finish" {
				r.finish = task
				continue
			}
			result, err := w.Run(t.Context(), task, func(context.Context, string) (json.RawMessage, error) { return r.probed, nil }, func(job.Progress) {})
			if err != nil {
				t.Fatal(err)
			}
			if task.Name == "probe" {
				r.probed = result.Output
			}
			stages = append(stages, result.Next...)
		}
	}
	return r
}

// worker returns a worker in a copy of the job's work folder.
func (r ready) worker(t *testing.T, objects Objects) *Worker {
	t.Helper()
	w := newWorker(t, nil)
	w.cfg.Objects = objects
	if err := os.CopyFS(w.cfg.Dir, os.DirFS(r.work)); err != nil {
		t.Fatal(err)
	}
	return w
}

// end finishes the job, and cleans up after it as its outcome asks.
func (r ready) end(t *testing.T, w *Worker) (*Receipt, error) {
	t.Helper()
	last := int64(-1)
	outcome := job.Complete
	result, err := w.Run(t.Context(), r.finish, func(context.Context, string) (json.RawMessage, error) { return r.probed, nil }, func(p job.Progress) {
		if p.Done <= last || p.Done > p.Total {
			t.Errorf("progress goes from %d to %d of %d: it would look stalled", last, p.Done, p.Total)
		}
		last = p.Done
	})
	var d Details
	if err != nil {
		outcome = job.Error
		if d, ok := w.cfg.Objects.(*damaging); ok && !fault.KindOf(err).Retryable() {
			if left := files(t, d.root); len(left) > 0 {
				t.Errorf("in the bucket when the error is told: %v", left)
			}
		}
	} else if err := json.Unmarshal(result.Details, &d); err != nil {
		t.Fatal(err)
	}
	if err := w.Discard(t.Context(), "j", outcome); err != nil {
		t.Error(err)
	}
	return d.Receipt, err
}

func TestWhatIsPublishedIsReadBack(t *testing.T) {
	r := encoded(t, everything)
	for _, depth := range []Depth{VerifyFull, VerifyKeyframes, VerifyStructure} {
		w := r.worker(t, &folder{root: t.TempDir(), owner: map[string]string{}})
		w.cfg.Verify = depth
		r, err := r.end(t, w)
		if err != nil {
			t.Fatal(err)
		}
		if r == nil || r.Depth != depth || r.Tries != 1 || r.Objects != 2*4+1+1+3 || len(r.Outputs) != 4 {
			t.Fatalf("%s: receipt %+v", depth, r)
		}
		for i, o := range r.Outputs {
			v := o.Video
			if o.Captures > 0 {
				continue
			}
			if v == nil || v.Frames != 150 || o.DurationInMs != 6000 || v.BufferPeak <= 0 || v.BufferPeak > 1 || v.LongestGOP > 150 || !strings.HasPrefix(v.Codec, "avc1.4d40") {
				t.Errorf("%s: output %d: %+v", depth, i, v)
			}
			if o.Audio == nil || o.Audio.SampleRate != 48000 || o.Audio.Channels != 2 || o.Bytes == 0 || o.AverageBPS == 0 {
				t.Errorf("%s: output %d: %+v", depth, i, o)
			}
			want := map[Depth]int64{VerifyFull: v.Frames, VerifyKeyframes: v.Keyframes}[depth]
			if v.FramesDecoded != want {
				t.Errorf("%s: output %d: %d frames decoded, want %d", depth, i, v.FramesDecoded, want)
			}
			if o.Segments > 0 && (v.LongestGOP != 25 || v.Keyframes != 6 || o.Segments != 3 || o.PeakBPS < o.AverageBPS) {
				t.Errorf("%s: output %d: %+v, %+v", depth, i, o, v)
			}
		}
	}
}

// TestDamageInTheBucketIsMendedOrTold damages one object when it is published:
// once, which making everything again mends, and always, which ends the job with
// an error that names the object, and leaves nothing.
func TestDamageInTheBucketIsMendedOrTold(t *testing.T) {
	r := encoded(t, everything)
	flip := edit(func(b []byte) []byte { b[len(b)/2] ^= 0x55; return b })
	for name, tt := range map[string]struct {
		key    string
		damage func(string) error
		says   string
	}{
		"a bit flips in a segment":    {"a/b_1_00002.ts", flip, ""},
		"a segment is cut short":      {"a/b_2_00003.ts", edit(func(b []byte) []byte { return b[:len(b)-188] }), "bytes"},
		"a segment is missing":        {"a/b_1_00001.ts", os.Remove, "found none"},
		"a movie is cut short":        {"a/movie.mp4", edit(func(b []byte) []byte { return b[:len(b)-1] }), "bytes"},
		"a bit flips in a movie":      {"a/movie.mp4", flip, ""},
		"a picture is empty":          {"a/poster.0000001.jpg", edit(func([]byte) []byte { return nil }), "bytes"},
		"a playlist is another":       {"a/b_1.m3u8", replace("EXTINF:2.0", "EXTINF:1.9"), ""},
		"the top leads out of bucket": {"a/b.m3u8", replace("b_2.m3u8", "//x.m3u8"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, times := range []int{1, 1000} {
				d := &damaging{folder: &folder{root: t.TempDir(), owner: map[string]string{}}, key: tt.key, times: times, damage: tt.damage}
				receipt, err := r.end(t, r.worker(t, d))
				if d.hit == 0 {
					t.Fatalf("%s was never published", tt.key)
				}
				if times == 1 {
					if err != nil || receipt.Tries != 2 {
						t.Errorf("damaged once: %+v, %v", receipt, err)
					}
					continue
				}
				got := fault.Of(err)
				if got == nil || got.Code != "1999" || got.Kind.Retryable() || !strings.Contains(got.Message, "s3://out/"+tt.key) || !strings.Contains(got.Message, tt.says) {
					t.Errorf("damaged always: %v", err)
				}
				if left := files(t, d.root); len(left) > 0 {
					t.Errorf("left in the bucket: %v", left)
				}
			}
		})
	}
}

// TestDamagedEncodeIsMadeAgain damages what an encoder left, behind its back and
// by its own hand.
func TestDamagedEncodeIsMadeAgain(t *testing.T) {
	r := encoded(t, fmt.Sprintf(request, "clip.mp4", "out"))
	scramble := edit(func(b []byte) []byte {
		for i := range min(200, len(b)/4) {
			b[len(b)/2+i] ^= byte(i*37 | 1)
		}
		return b
	})
	overrun := edit(func(b []byte) []byte { // NAL units that are longer than their samples
		at := bytes.Index(b, []byte("mdat"))
		return append(b[:at+4:at+4], append(bytes.Repeat([]byte{0xff}, len(b)/4), b[at+4+len(b)/4:]...)...)
	})
	for name, tt := range map[string]struct {
		damage func(dir string) error
		tries  int
	}{
		"on the disk": {func(dir string) error { return scramble(filepath.Join(dir, "r0.mp4")) }, 1},
		"gone":        {os.RemoveAll, 1},
		"by the encoder": {func(dir string) error {
			return errors.Join(scramble(filepath.Join(dir, "r0.mp4")), seal(dir, job.Task{Job: "j", Name: chunkName(0, 1)}))
		}, 2},
		"by the encoder, beyond packing": {func(dir string) error {
			return errors.Join(overrun(filepath.Join(dir, "r0.mp4")), seal(dir, job.Task{Job: "j", Name: chunkName(0, 1)}))
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := r.worker(t, &folder{root: t.TempDir(), owner: map[string]string{}})
			dirs, err := filepath.Glob(filepath.Join(w.folder("j"), "chunk-0-*"))
			if err != nil || len(dirs) < 2 {
				t.Fatalf("chunks: %v, %v", dirs, err)
			}
			if err := tt.damage(dirs[1]); err != nil {
				t.Fatal(err)
			}
			receipt, err := r.end(t, w)
			if err != nil {
				t.Fatal(err)
			}
			if receipt.Tries != tt.tries || receipt.Outputs[0].Video.FramesDecoded != 150 {
				t.Errorf("receipt %+v", receipt)
			}
		})
	}
}

func TestBucketThatCannotBeReadIsNoMismatch(t *testing.T) {
	r := encoded(t, fmt.Sprintf(request, "clip.mp4", "out"))
	down := fault.New(fault.Unavailable, "SlowDown", "the bucket is busy")
	_, err := r.end(t, r.worker(t, &folder{root: t.TempDir(), owner: map[string]string{}, openErr: down}))
	if !errors.Is(err, down) || !fault.KindOf(err).Retryable() {
		t.Errorf("got %v, want an error that is tried again", err)
	}
}

// wrongOutput is one object of outputs made wrong.
type wrongOutput struct {
	key  string
	edit func(content []byte, read func(key string) []byte) []byte
	says string
}

// swap returns an edit that changes a text, which has to be there.
func swap(old, new string) func([]byte, func(string) []byte) []byte {
	return func(b []byte, _ func(string) []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			return []byte(fmt.Sprintf("%q is not in %q", old, b))
		}
		return bytes.Replace(b, []byte(old), []byte(new), 1)
	}
}

// change returns an edit that changes bytes.
func change(fn func([]byte) []byte) func([]byte, func(string) []byte) []byte {
	return func(b []byte, _ func(string) []byte) []byte { return fn(b) }
}

// other returns an edit that puts the content of another object there.
func other(key string) func([]byte, func(string) []byte) []byte {
	return func(_ []byte, read func(string) []byte) []byte { return read(key) }
}

// checkFound publishes a job, makes one object after the other wrong and its
// checksum right, as if packing had done it, and has each found.
func checkFound(t *testing.T, r ready, cases map[string]wrongOutput) {
	f := &folder{root: t.TempDir(), owner: map[string]string{}}
	w := r.worker(t, f)
	p := &probed{}
	if err := json.Unmarshal(r.probed, p); err != nil {
		t.Fatal(err)
	}
	_, written, err := w.pack(t.Context(), r.finish, p, func(job.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	path := func(key string) string { return filepath.Join(f.root, filepath.FromSlash(key)) }
	read := func(key string) []byte {
		b, err := os.ReadFile(path(key))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	all := func(said contents) error {
		v := &verifier{w: w, plan: &p.Plan, written: said, steps: &stepper{report: func(job.Progress) {}}}
		_, err := v.all(t.Context())
		return err
	}
	if err := all(written); err != nil {
		t.Fatalf("before anything is wrong: %v", err)
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			before := read(tt.key)
			after := tt.edit(bytes.Clone(before), read)
			if err := os.WriteFile(path(tt.key), after, 0o600); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.WriteFile(path(tt.key), before, 0o600) }()
			said := maps.Clone(written)
			sum := &summer{w: io.Discard}
			_, _ = sum.Write(after)
			said[objectName{"out", tt.key}] = sum.content
			var wrong *mismatch
			if err := all(said); !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want a mismatch that says %q", err, tt.says)
			}
		})
	}
}

func TestWrongOutputsAreFound(t *testing.T) {
	scramble := change(func(b []byte) []byte { // the payload of packets, so that only a decoder sees it
		for at := 188 * 20; at < 188*24; at += 188 {
			for i := 100; i < 180; i++ {
				b[at+i] ^= byte(i | 1)
			}
		}
		return b
	})
	checkFound(t, encoded(t, everything), map[string]wrongOutput{
		"EXTINF":             {"a/b_1.m3u8", swap("EXTINF:2.0", "EXTINF:1.9"), "lasts"},
		"another's segment":  {"a/b_2.m3u8", swap("b_2_00003", "b_1_00003"), "to be a/b_2_00003.ts"},
		"one segment twice":  {"a/b_2.m3u8", swap("b_2_00003", "b_2_00002"), "given twice"},
		"no end":             {"a/b_2.m3u8", swap("#EXT-X-ENDLIST", ""), "ENDLIST"},
		"a variant twice":    {"a/b.m3u8", swap("b_2.m3u8", "b_1.m3u8"), "variants that the job has"},
		"a strange URI":      {"a/b.m3u8", swap("b_2.m3u8", "//x/b_2.m3u8"), "relative URIs"},
		"bandwidth":          {"a/b.m3u8", swap("AVERAGE-BANDWIDTH=", "AVERAGE-BANDWIDTH=1"), "BANDWIDTH"},
		"codecs":             {"a/b.m3u8", swap("avc1.4d40", "avc1.6440"), "CODECS"},
		"resolution":         {"a/b.m3u8", swap("=160x90", "=162x90"), "RESOLUTION"},
		"segments in a row":  {"a/b_1_00002.ts", other("a/b_1_00003.ts"), ""},
		"a rung's":           {"a/b_1_00002.ts", other("a/b_2_00002.ts"), "sequence parameter set"},
		"packets lost":       {"a/b_1_00002.ts", change(func(b []byte) []byte { return append(b[:188*9], b[188*12:]...) }), "packets are missing"},
		"pictures":           {"a/b_1_00002.ts", scramble, "decode"},
		"an index that ends": {"a/movie.mp4", swap("moov", "mooo"), ""},
		"a movie's pictures": {"a/movie.mp4", change(func(b []byte) []byte {
			for at, i := bytes.Index(b, []byte("mdat"))+60, 0; i < 300; i++ { // of the first
				b[at+i] ^= byte(i | 1)
			}
			return b
		}), "decode"},
		"not a JPEG": {"a/poster.0000001.jpg", change(func(b []byte) []byte { return b[:len(b)/2] }), "a JPEG"},
	})
}

// fragmented is a CMAF group of two rungs and sound, with playlists and a description.
const fragmented = `{"settings":{"inputs":[{"fileInput":"s3://in/clip.mp4","audioSelectors":{"A":{"defaultSelection":"DEFAULT"}}}],"outputGroups":[
 {"outputGroupSettings":{"type":"CMAF_GROUP_SETTINGS","cmafGroupSettings":{"destination":"s3://out/a/b","segmentLength":2,"fragmentLength":1,"writeSegmentTimelineInRepresentation":"ENABLED"}},
  "outputs":[
   {"nameModifier":"_1","containerSettings":{"container":"CMFC"},
    "videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000,"gopSize":1,"gopSizeUnits":"SECONDS"}}}},
   {"nameModifier":"_2","containerSettings":{"container":"CMFC"},
    "videoDescription":{"width":96,"height":54,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":100000,"gopSize":1,"gopSizeUnits":"SECONDS"}}}},
   {"nameModifier":"_a","containerSettings":{"container":"CMFC"},
    "audioDescriptions":[{"audioSourceName":"A","codecSettings":{"codec":"AAC","aacSettings":{"bitrate":64000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]}]}]}}`

func TestWrongFragmentsAreFound(t *testing.T) {
	// later moves the decoding time of a segment's first fragment.
	later := change(func(b []byte) []byte {
		at := bytes.Index(b, []byte("tfdt"))
		b[at+8+7] += 9 // the last byte of 64 bits
		return b
	})
	scramble := change(func(b []byte) []byte {
		at := bytes.Index(b, []byte("mdat")) + 60
		for i := range 200 {
			b[at+i] ^= byte(i*37 | 1)
		}
		return b
	})
	checkFound(t, encoded(t, fragmented), map[string]wrongOutput{
		"another segment":         {"a/b_1_000000002.cmfv", other("a/b_1_000000003.cmfv"), "frame 50"},
		"another rung's segment":  {"a/b_1_000000002.cmfv", other("a/b_2_000000002.cmfv"), ""},
		"another rung's init":     {"a/b_1init.cmfv", other("a/b_2init.cmfv"), ""},
		"another sound":           {"a/b_a_000000002.cmfa", other("a/b_a_000000003.cmfa"), "sound that goes on"},
		"a segment cut short":     {"a/b_1_000000002.cmfv", change(func(b []byte) []byte { return b[:len(b)-9] }), "ends"},
		"a time":                  {"a/b_1_000000002.cmfv", later, "frame"},
		"a time of sound":         {"a/b_a_000000002.cmfa", later, "sound that goes on"},
		"pictures":                {"a/b_1_000000002.cmfv", scramble, ""},
		"EXTINF":                  {"a/b_1.m3u8", swap("EXTINF:2.0", "EXTINF:1.9"), "lasts"},
		"no init segment":         {"a/b_2.m3u8", swap("b_2init", "b_3init"), "b_3init"},
		"no sound":                {"a/b.m3u8", swap("b_a.m3u8", "b_1.m3u8"), "b_a.m3u8"},
		"a description's segment": {"a/b.mpd", swap("b_1_$", "b_2_$"), "b_2_"},
		"a representation":        {"a/b.mpd", swap(`id="2"`, `id="7"`), "id"},
		"a size":                  {"a/b.mpd", swap(`width="160"`, `width="162"`), "162×90"},
		"no description":          {"a/b.mpd", swap("</MPD>", ""), "a description"},
	})
}
