package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vodwright.dev/vodwright/internal/early"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/job"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/plan"
)

// EarlyMember is the member of a job's user metadata that says whether the job is
// played while it is encoded: "off" is not.
const EarlyMember = "vodwright-early"

// promise is an object that a job will publish and that can be made before it is done.
type promise struct {
	group, output int // output -1 is a multivariant playlist
	segment       int // initSegment, listSegment, or the number of a segment
	outputs       []int
}

const (
	initSegment = -1
	listSegment = -2
)

// film is what can be made of a job's outputs while it is encoded. It implements
// early.Film.
//
// It makes the playlists and segments of HLS groups whose segments are objects of their
// own. What is known only once all is encoded is not promised: DASH descriptions,
// playlists of I-frames, byte ranges, files that are not segments.
type film struct {
	w        *Worker
	id       string
	probed   *probed
	plan     *plan.Plan
	promises map[objectName]promise
	numbers  map[string]int // of tasks, by name
}

// Film implements early.Films.
func (w *Worker) Film(ctx context.Context, id string, outputs job.Outputs) (early.Film, error) {
	w.mu.Lock()
	p := w.fresh[id] // it is the one that is being stored, or would be the same
	w.mu.Unlock()
	var err error
	if p == nil {
		p, err = w.load(ctx, id, outputs)
	}
	if err != nil || p.Late {
		return nil, err
	}
	f := &film{w: w, id: id, probed: p, plan: &p.Plan, promises: map[objectName]promise{}, numbers: map[string]int{}}
	for i, t := range stages(id, f.plan)[0] {
		f.numbers[t.Name] = i + 1 // behind the probe
	}
	for g, group := range p.Plan.Groups {
		if group.HLS == nil {
			continue
		}
		var able []int
		for i, o := range group.Outputs {
			if len(o.Segments) < p.Plan.Ladders[o.Ladder].Timeline.Segments() || o.Fragments != nil && o.Fragments.Init == "" {
				continue
			}
			able = append(able, i)
			for s, key := range o.Segments {
				f.promises[objectName{group.Bucket, key}] = promise{group: g, output: i, segment: s}
			}
			if o.Fragments != nil {
				f.promises[objectName{group.Bucket, o.Fragments.Init}] = promise{group: g, output: i, segment: initSegment}
			}
			if o.Key != "" {
				f.promises[objectName{group.Bucket, o.Key}] = promise{group: g, output: i, segment: listSegment}
			}
		}
		if group.HLS.MultivariantKey == "" || len(able) == 0 {
			continue
		}
		for _, a := range append([]plan.Additional{{Key: group.HLS.MultivariantKey, Outputs: everyOutput(group)}}, group.HLS.Additional...) {
			if chosen := both(a.Outputs, able); len(chosen) > 0 {
				f.promises[objectName{group.Bucket, a.Key}] = promise{group: g, output: -1, outputs: chosen}
			}
		}
	}
	if len(f.promises) == 0 {
		return nil, nil
	}
	return f, nil
}

// Foresees implements early.Films.
func (w *Worker) Foresees(j job.Job, bucket, key string) bool {
	if w.cfg.Late || j.UserMetadata[EarlyMember] == "off" {
		return false
	}
	var request struct {
		Settings json.RawMessage `json:"settings"`
	}
	if json.Unmarshal(j.Request, &request) != nil {
		return false
	}
	settings, err := plan.ParseSettings(request.Settings)
	return err == nil && settings.Playlists(bucket, key)
}

// both returns what is in two increasing lists.
func both(a, b []int) (out []int) {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				out = append(out, x)
			}
		}
	}
	return out
}

// Promises implements early.Film.
func (f *film) Promises(bucket, key string) bool {
	_, ok := f.promises[objectName{bucket, key}]
	return ok
}

// Make implements early.Film.
func (f *film) Make(ctx context.Context, bucket, key string) (early.Object, error) {
	p, ok := f.promises[objectName{bucket, key}]
	if !ok {
		return early.Object{}, fault.New(fault.NotFound, "NoSuchKey", "job %s does not write %q", f.id, key)
	}
	group := f.plan.Groups[p.group]
	out := early.Object{ContentType: contentType(key)}
	switch {
	case p.output < 0:
		m, _ := multivariantOf(group.HLS, f.variants(group), p.outputs)
		text, err := m.Marshal()
		if err != nil {
			return out, err
		}
		return f.list(out, group, text)
	case p.segment == listSegment:
		text, err := segmentList(f.plan, group, group.Outputs[p.output], f.outline(group.Outputs[p.output])).Marshal()
		if err != nil {
			return out, err
		}
		return f.list(out, group, text)
	}
	var err error
	out.Body, err = f.segment(ctx, group, group.Outputs[p.output], p.segment)
	return out, err
}

// list returns a playlist as it will be stored.
func (f *film) list(out early.Object, group plan.OutputGroup, text []byte) (early.Object, error) {
	encoding, write := stored(group, text)
	var body bytes.Buffer
	err := write(&body)
	out.Body, out.ContentEncoding = body.Bytes(), encoding
	return out, err
}

// outline is what is known of an output's segments before they are encoded.
func (f *film) outline(o plan.Output) *packed {
	timeline := f.plan.Ladders[o.Ladder].Timeline
	out := &packed{segments: make([]packedSegment, timeline.Segments())}
	for i := range out.segments {
		from, to := timeline.Segment(i)
		out.segments[i] = packedSegment{key: o.Segments[i], duration: timeline.At(to) - timeline.At(from)}
	}
	return out
}

// variants is what a multivariant playlist says of a group's outputs. What cannot be
// measured yet is what the outputs may have at most.
func (f *film) variants(group plan.OutputGroup) []hlsOutput {
	out := make([]hlsOutput, len(group.Outputs))
	for i, o := range group.Outputs {
		v := hls.Variant{}
		bits := int64(0)
		if o.Rung >= 0 {
			r := f.plan.Ladders[o.Ladder].Rungs[o.Rung]
			v.Codecs = append(v.Codecs, r.Codec)
			v.FrameRate, v.Width, v.Height = r.FrameRate, r.Width, r.Height
			if bits = r.MaxBitrate; bits == 0 { // a tenth of a bit a pixel
				bits = int64(float64(r.Width*r.Height) * r.FrameRate.Float() / 10)
			}
		}
		for _, a := range o.Audios {
			bits += f.plan.Audios[a].BitrateBPS
			if codec := "mp4a.40.2"; len(v.Codecs) == 0 || v.Codecs[len(v.Codecs)-1] != codec {
				v.Codecs = append(v.Codecs, codec)
			}
		}
		v.Bandwidth, v.AverageBandwidth = bits*11/10, bits
		out[i] = describe(f.plan, group, o, v)
		out[i].list = segmentList(f.plan, group, o, f.outline(o))
	}
	return out
}

// segment makes a segment, or the init segment, of an output.
func (f *film) segment(ctx context.Context, group plan.OutputGroup, o plan.Output, i int) ([]byte, error) {
	t := f.w.openTracks(ctx, f.id, f.plan)
	defer t.close()
	t.alone = func(l, c, r int) string {
		if dir := f.w.rungFolder(f.id, l, c, r); exists(dir) {
			return dir
		}
		return f.w.growing(f.id, l, c, r)
	}
	timeline := f.plan.Ladders[o.Ladder].Timeline
	from, to := timeline.Segment(max(i, 0))
	if i == initSegment { // any picture tells the parameters, and any sound
		to = from + 1
	}
	var not early.NotYet
	var made packed
	var err error
	for _, a := range o.Audios {
		sound, err := t.soundFrom(a, timeline, from, to, &not)
		if err != nil {
			return nil, err
		}
		made.audio = append(made.audio, sound)
	}
	heard := len(not.Needs) == 0
	if o.Rung >= 0 {
		if made.video, err = t.videoFrom(o.Ladder, o.Rung, from, to, &not); err != nil {
			return nil, err
		}
	}
	whole := len(not.Needs) == 0
	if !whole && (!heard || made.video == nil || i == initSegment) {
		return nil, &not
	}
	fin := &finisher{w: f.w, job: f.id, plan: f.plan}
	pack, err := fin.packer(group, o, &made)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	switch {
	case !whole:
		if err := pack.begun(&out, i); err != nil {
			return nil, err
		}
		not.Have = out.Bytes()
		return nil, &not
	case i == initSegment:
		_, err = made.cut.WriteInit(&out)
	default:
		_, err = pack.segment(&out, i)
	}
	if errors.Is(err, mp4.ErrAbsent) {
		return nil, fault.New(fault.Internal, "1999", "segment %d needs more than was found: %w", i, err)
	}
	return out.Bytes(), err
}

// First implements early.Film: what the first segment of each group's smallest picture
// needs, and of the sound beside it.
func (f *film) First(ctx context.Context) []early.Need {
	var out []early.Need
	for _, group := range f.plan.Groups {
		if group.HLS == nil {
			continue
		}
		least, at, sound := 0, -1, -1
		for i, o := range group.Outputs {
			if o.Rung < 0 {
				if sound < 0 {
					sound = i
				}
				continue
			}
			if r := f.plan.Ladders[o.Ladder].Rungs[o.Rung]; at < 0 || r.Width*r.Height < least {
				least, at = r.Width*r.Height, i
			}
		}
		if at < 0 || !firstAlone(f.plan.Ladders[group.Outputs[at].Ladder]) {
			continue
		}
		for _, i := range []int{at, sound} {
			if i < 0 {
				continue
			}
			var not *early.NotYet
			if _, err := f.segment(ctx, group, group.Outputs[i], 0); errors.As(err, &not) {
				out = append(out, not.Needs...)
			}
		}
	}
	return out
}

// After implements early.Film: the next chunk, the next piece of sound.
func (f *film) After(n early.Need) []early.Need {
	kind, rest, _ := strings.Cut(n.Task, "/")
	var of, at int
	if _, err := fmt.Sscanf(rest, "%d/%d", &of, &at); err != nil {
		return nil
	}
	switch {
	case kind == "chunk" && at+1 < len(f.plan.Ladders[of].Chunks):
		return []early.Need{{Task: chunkName(of, at+1), Rung: n.Rung}}
	case kind == "audio" && at+1 < len(f.plan.Audios[of].Pieces):
		return []early.Need{{Task: pieceName(of, at+1), Rung: -1}}
	}
	return nil
}

// Obtain implements early.Film.
func (f *film) Obtain(ctx context.Context, n early.Need, grown func()) error {
	kind, rest, _ := strings.Cut(n.Task, "/")
	var of, at int
	fields, _ := fmt.Sscanf(rest, "%d/%d", &of, &at)
	task := job.Task{Job: f.id, Name: n.Task, Stage: 1}
	switch {
	case kind == "chunk" && fields == 2 && n.Rung >= 0:
		return f.w.rung(ctx, f.probed, f.id, of, at, n.Rung, grown)
	case kind == "audio" && fields == 2:
		task.Payload, _ = json.Marshal(audioTask{of, at})
		_, err := f.w.audio(ffmpeg.Urgently(ctx), task, f.probed, func(job.Progress) {})
		return err
	}
	return nil // sound in one piece is a task's, which is at work from the start
}

// Number implements early.Film.
func (f *film) Number(task string) int { return f.numbers[task] }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func need(not *early.NotYet, n early.Need) {
	for _, have := range not.Needs {
		if have == n {
			return
		}
	}
	not.Needs = append(not.Needs, n)
}

// videoFrom returns a rung of which the frames [from, to) are there, as far as it is
// known; what is missing is noted. Nil is a rung of which not even their beginning is.
func (t *tracks) videoFrom(ladder, rung int, from, to int64, not *early.NotYet) (*mp4.Video, error) {
	l := t.plan.Ladders[ladder]
	var chunks []*mp4.Track
	begun := false
	for i, c := range l.Chunks {
		length := c.To - c.From
		if c.To <= from || c.From >= to {
			chunks = append(chunks, mp4.Absent(length))
			continue
		}
		track, err := t.chunk(ladder, i, rung)
		if err != nil {
			return nil, err
		}
		have := int64(0)
		if track != nil {
			have = int64(len(track.Samples))
			chunks = append(chunks, track)
		}
		if have < min(to, c.To)-c.From || have > length {
			need(not, early.Need{Task: chunkName(ladder, i), Rung: rung})
		}
		if c.From <= from {
			begun = c.From+have > from
		}
		if have < length {
			chunks = append(chunks, mp4.Absent(length-have))
		}
	}
	if !begun {
		return nil, nil
	}
	return mp4.NewVideo(l.Timeline.FrameRate, chunks...)
}

// chunk returns a rung's file of a chunk: of the chunk's task where it is done, else
// of one that was made alone or is being made. Nil is none.
func (t *tracks) chunk(ladder, chunk, rung int) (*mp4.Track, error) {
	file := t.plan.Ladders[ladder].Rungs[rung].File
	track, err := t.open(chunkName(ladder, chunk), file)
	if err == nil || !fault.Is(err, fault.NotFound) {
		return track, err
	}
	dir := t.alone(ladder, chunk, rung)
	if dir == "" {
		return nil, nil
	}
	f, info, err := openMade(filepath.Join(dir, file))
	if err != nil {
		return nil, nil // it was moved to its place just now, or has not begun
	}
	t.files = append(t.files, func() { _ = f.Close() })
	return mp4.ReadGrowing(f, info.Size())
}

// soundFrom returns an audio encode of which what is heard while the frames [from, to)
// of a timeline are shown is there.
func (t *tracks) soundFrom(i int, timeline plan.Timeline, from, to int64, not *early.NotYet) (*mp4.Audio, error) {
	encode := t.plan.Audios[i]
	if len(encode.Pieces) == 0 {
		track, err := t.open(audioName(i), encode.File)
		if fault.Is(err, fault.NotFound) {
			need(not, early.Need{Task: audioName(i), Rung: -1})
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return mp4.NewAudio(track, encode.Priming, encode.Samples)
	}
	hz := int64(encode.SampleRate)
	first := mp4.FrameAt(from, timeline.FrameRate, hz, encode.Priming, encode.Samples)
	last := mp4.FrameAt(to, timeline.FrameRate, hz, encode.Priming, encode.Samples)
	last = max(last, first+1)
	pieces := make([]mp4.AudioPiece, len(encode.Pieces))
	missing := false
	for k, p := range encode.Pieces {
		pieces[k] = mp4.AudioPiece{Skip: int(p.Skip), From: int(p.From), To: int(p.To)}
		if p.To <= first || p.From >= last {
			continue
		}
		track, err := t.open(pieceName(i, k), encode.File)
		switch {
		case fault.Is(err, fault.NotFound):
			need(not, early.Need{Task: pieceName(i, k), Rung: -1})
			missing = true
		case err != nil:
			return nil, err
		}
		pieces[k].Track = track
	}
	if missing {
		return nil, nil
	}
	return mp4.NewAudioOf(pieces, encode.Priming, encode.Samples)
}
