package worker

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/mpegts"
	"vodwright.dev/vodwright/internal/plan"
)

// maxPlaylist is the most bytes that a playlist may unpack to: a million segments
// with names of the greatest length.
const maxPlaylist = 2 << 30

// playlist reads a published playlist, unpacked where it is compressed.
func (v *verifier) playlist(ctx context.Context, name objectName) (text []byte, err error) {
	err = v.object(ctx, name, func(r io.Reader) error {
		var err error
		text, err = io.ReadAll(r)
		return err
	})
	if err == nil && bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(bytes.NewReader(text))
		if err == nil {
			text, err = io.ReadAll(io.LimitReader(unpacked, maxPlaylist))
		}
		if err != nil {
			return nil, v.wrong(name, "a playlist", "damaged gzip: %v", err)
		}
	}
	return text, err
}

// target returns the object that a playlist's URI leads to.
func (v *verifier) target(from objectName, uri string) (objectName, error) {
	u, err := url.Parse(uri)
	if err != nil || u.IsAbs() || u.Host != "" || u.RawQuery != "" || u.Path == "" || u.Path[0] == '/' {
		return objectName{}, v.wrong(from, "relative URIs", "%q", uri)
	}
	return objectName{from.Bucket, path.Join(path.Dir(from.Key), u.Path)}, nil
}

// hls reads an HLS group as a player does: from its multivariant playlists on.
func (v *verifier) hls(ctx context.Context, number int, group plan.OutputGroup) error {
	streams := make([]*streamCheck, len(group.Outputs))
	h := group.HLS
	if h.MultivariantKey == "" {
		for i, o := range group.Outputs {
			streams[i] = &streamCheck{verifier: v, group: number, output: i, name: objectName{group.Bucket, o.Segments[0]}, list: v.unlisted(group, o)}
		}
	} else {
		for _, a := range append(slices.Clone(h.Additional), plan.Additional{Key: h.MultivariantKey, Outputs: everyOutput(group)}) {
			if err := v.multivariant(ctx, number, group, a, streams); err != nil {
				return err
			}
		}
	}
	return v.streams(ctx, group, streams)
}

// streams reads every output of a group, some at a time, then holds them against
// each other.
func (v *verifier) streams(ctx context.Context, group plan.OutputGroup, streams []*streamCheck) error {
	pool, pctx := errgroup.WithContext(ctx)
	for i, s := range streams {
		pool.Go(func() error {
			release, err := v.acquire(pctx)
			if err != nil {
				return err
			}
			defer release()
			return s.run(pctx, group, group.Outputs[i])
		})
	}
	if err := pool.Wait(); err != nil {
		return err
	}
	return v.together(group, streams)
}

// unlisted is what the playlist of an output without one would say. Segments in one
// file cannot be told apart then.
func (v *verifier) unlisted(group plan.OutputGroup, o plan.Output) *hls.MediaPlaylist {
	timeline := v.plan.Ladders[o.Ladder].Timeline
	list := &hls.MediaPlaylist{MediaSequence: firstSequence}
	for i, key := range o.Segments {
		from, to := timeline.Segment(i)
		if len(o.Segments) == 1 {
			to = timeline.Frames
		}
		list.Segments = append(list.Segments, hls.Segment{
			URI: hls.RelativeURI(o.Segments[0], key), Duration: timeline.At(to) - timeline.At(from), Key: playlistKey(group.HLS.Encryption, i),
		})
	}
	return list
}

// multivariant reads one multivariant playlist and the media playlists that it
// leads to, and notes in streams what has to be read of them.
func (v *verifier) multivariant(ctx context.Context, number int, group plan.OutputGroup, a plan.Additional, streams []*streamCheck) error {
	top := objectName{group.Bucket, a.Key}
	text, err := v.playlist(ctx, top)
	if err != nil {
		return err
	}
	m, err := hls.ParseMultivariantPlaylist(text)
	if err != nil {
		return v.wrong(top, "a multivariant playlist", "%v", err)
	}
	// missing holds what has to be there still.
	planned, missing, iFrames := map[string]int{}, map[string]int{}, map[string]int{}
	for _, i := range a.Outputs {
		planned[group.Outputs[i].Key], missing[group.Outputs[i].Key] = i, i
		if f := group.Outputs[i].IFrames; f != nil {
			iFrames[f.Key] = i
		}
	}
	find := func(in map[string]int, uri string) (int, objectName, error) {
		relative, ok := strings.CutPrefix(uri, group.HLS.BaseURI)
		if !ok {
			return 0, top, v.wrong(top, "URIs that begin with "+group.HLS.BaseURI, "%s", uri)
		}
		name, err := v.target(top, relative)
		if err != nil {
			return 0, top, err
		}
		i, ok := in[name.Key]
		if !ok {
			return 0, top, v.wrong(top, "variants that the job has", "one that leads to %s", name.Key)
		}
		return i, name, nil
	}
	// read reads the media playlist that a URI leads to, once.
	read := func(uri string) (*streamCheck, error) {
		output, name, err := find(planned, uri)
		if err != nil {
			return nil, err
		}
		delete(missing, name.Key)
		if streams[output] == nil {
			text, err := v.playlist(ctx, name)
			if err != nil {
				return nil, err
			}
			list, err := hls.ParseMediaPlaylist(text)
			if err != nil {
				return nil, v.wrong(name, "a media playlist", "%v", err)
			}
			streams[output] = &streamCheck{verifier: v, group: number, output: output, name: name, list: list}
		}
		return streams[output], nil
	}
	sounds := map[string][]int{} // outputs of each group of renditions, in this playlist
	for _, r := range m.Renditions {
		i, _, err := find(planned, r.URI)
		if err != nil {
			return err
		}
		sounds[r.Group] = append(sounds[r.Group], i)
	}
	var lists []*hls.MediaPlaylist
	seen := map[[2]string]bool{}
	for _, variant := range m.Variants {
		at := [2]string{variant.URI, variant.Audio}
		if seen[at] {
			return v.wrong(top, "variants that the job has", "%s twice", variant.URI)
		}
		seen[at] = true
		s, err := read(variant.URI)
		if err != nil {
			return err
		}
		s.variants = append(s.variants, toldVariant{variant, sounds[variant.Audio]})
		lists = append(lists, s.list)
	}
	for _, r := range m.Renditions {
		s, err := read(r.URI)
		if err != nil {
			return err
		}
		lists = append(lists, s.list)
	}
	for _, variant := range m.IFrames {
		_, name, err := find(iFrames, variant.URI)
		if err != nil {
			return err
		}
		delete(iFrames, name.Key)
	}
	for key := range missing {
		return v.wrong(top, "a variant or a rendition for every output", "none that leads to %s", key)
	}
	for key := range iFrames {
		return v.wrong(top, "every playlist of I-frames", "none that leads to %s", key)
	}
	if problems := hls.Check(m, lists...); len(problems) > 0 {
		return v.wrong(top, "playlists that keep RFC 8216's musts", "%v", errors.Join(problems...))
	}
	return nil
}

// toldVariant is what a multivariant playlist says of a stream.
type toldVariant struct {
	hls.Variant
	sounds []int // outputs that are the renditions of its group, in the same playlist
}

// streamCheck reads one media playlist's segments.
type streamCheck struct {
	*verifier
	group, output int
	name          objectName // of the playlist
	list          *hls.MediaPlaylist
	variants      []toldVariant // that lead to it, in one playlist each or more
	peak, average int64         // bits a second, as BANDWIDTH and AVERAGE-BANDWIDTH are measured
	byDescription bool          // list is what a DASH description says
	fragments     fragmentReader

	reel   *reel // nil without video
	sounds map[int]*sound
	main   *sound // the first
	sps    []byte
	starts []int64 // of the segments
	bytes  []int64

	iFrameList  *hls.MediaPlaylist   // nil is none
	pictures    map[string][]*iFrame // parts of segments, by object key
	tables      *iFrame
	iFrameParts []*iFrame
}

func (s *streamCheck) run(ctx context.Context, group plan.OutputGroup, o plan.Output) error {
	tick := media.R(1, mpegts.Clock)
	timeline := s.plan.Ladders[o.Ladder].Timeline
	if o.Rung >= 0 {
		s.reel = &reel{rung: s.plan.Ladders[o.Ladder].Rungs[o.Rung], rate: timeline.FrameRate, tick: tick}
	}
	s.sounds = map[int]*sound{}
	want := timeline.Segments()
	if s.byDescription || group.HLS.MultivariantKey == "" {
		want = len(o.Segments)
	}
	if len(s.list.Segments) != want {
		return s.wrong(s.name, fmt.Sprintf("%d segments", want), "%d", len(s.list.Segments))
	}
	if o.IFrames != nil {
		if err := s.iFrames(ctx, group, o); err != nil {
			return err
		}
	}
	d := s.decode(ctx)
	err := s.read(ctx, group, o, timeline, d)
	frames, err := d.end(err)
	if undecodable(err) && !isMismatch(err) || errors.Is(err, errEnded) {
		return s.undecodable(s.name, "segments that decode", err)
	}
	if err != nil {
		return err
	}
	if s.iFrameList != nil {
		if err := s.iFramesShown(objectName{group.Bucket, o.IFrames.Key}); err != nil {
			return err
		}
	}
	return s.judge(o, timeline, d, frames)
}

// read reads the segments in order, and has d decode them.
func (s *streamCheck) read(ctx context.Context, group plan.OutputGroup, o plan.Output, timeline plan.Timeline, d *decoder) error {
	stream := mpegts.NewReader()
	single := len(o.Segments) == 1
	var key *plan.Encryption
	if group.HLS != nil {
		key = group.HLS.Encryption
	}
	begin := func(name objectName, head []byte) error {
		_, err := d.Write(head)
		if err == nil {
			err = s.fragments.begin(head)
		}
		if undecodable(err) && !isMismatch(err) {
			return s.wrong(name, "an init segment", "%v", err)
		}
		return err
	}
	return s.eachSegment(ctx, s.list, key, begin, func(i int, name objectName, r io.Reader) error {
		if planned := o.Segments[min(i, len(o.Segments)-1)]; name.Key != planned {
			return s.wrong(s.name, fmt.Sprintf("segment %d to be %s", i, planned), "%s", name.Key)
		}
		var got *mpegts.Contents
		var err error
		kind := "an MPEG-TS segment"
		switch o.Format {
		case plan.FormatFMP4:
			kind = "a segment of fragmented MP4"
			got, err = s.fragments.segment(io.TeeReader(r, d))
		case plan.FormatAAC:
			kind = "a segment of packed audio"
			if got, err = mpegts.ReadPacked(io.TeeReader(r, d), true); err == nil {
				got.Sound[0].PTS += s.unwrapped(got.Sound[0].PTS)
			}
		default:
			got, err = stream.Segment(io.TeeReader(r, d))
		}
		if fault.Is(err, fault.Invalid) {
			return s.wrong(name, kind, "%v", err)
		}
		if err != nil {
			return err
		}
		from, to := timeline.Segment(i)
		if single && len(s.list.Segments) == 1 {
			to = timeline.Frames
		}
		return s.segment(name, got, to-from)
	})
}

// unwrapped returns what has to be added to a time of 33 bits for it to go on from
// the sound before.
func (s *streamCheck) unwrapped(pts int64) int64 {
	if s.main == nil {
		return 0
	}
	const period = 1 << 33
	return (s.main.end() - pts + period/2) / period * period
}

// segment checks what the next segment holds.
func (s *streamCheck) segment(name objectName, got *mpegts.Contents, frames int64) error {
	for _, a := range got.Sound {
		track := s.sounds[a.PID]
		if track == nil {
			track = &sound{tick: media.R(1, mpegts.Clock)}
			s.sounds[a.PID] = track
			if s.main == nil {
				s.main = track
			}
		}
		if expected, found := track.add(a.PTS, int64(a.Frames), a.SampleRate, a.Channels); found != "" {
			return s.wrong(name, expected, "%s", found)
		}
	}
	if s.reel == nil {
		if len(got.Pictures) > 0 {
			return s.wrong(name, "no video", "%d pictures", len(got.Pictures))
		}
		if len(got.Sound) == 0 {
			return s.wrong(name, "sound", "none")
		}
		s.starts = append(s.starts, got.Sound[0].PTS)
		return nil
	}
	shots := make([]shot, len(got.Pictures))
	for j, p := range got.Pictures {
		shots[j] = shot{shown: p.PTS, key: p.IDR, bytes: int64(p.Bytes)}
		switch {
		case p.SPS == nil:
		case s.sps == nil:
			s.sps = p.SPS
		case !bytes.Equal(s.sps, p.SPS):
			return s.wrong(name, "one sequence parameter set in all segments", "another (%x, not %x)", p.SPS, s.sps)
		}
	}
	start, expected, found := s.reel.segment(shots, frames)
	if found != "" {
		return s.wrong(name, expected, "%s", found)
	}
	s.starts = append(s.starts, start)
	return nil
}

// end returns when the last segment ends.
func (s *streamCheck) end() int64 {
	if s.reel == nil {
		return s.main.end()
	}
	return s.reel.first + media.Rescale(s.reel.frames, s.reel.rate.Inverse(), s.reel.tick)
}

// judge holds the whole stream against plan and playlists, and writes its receipt.
func (s *streamCheck) judge(o plan.Output, timeline plan.Timeline, d *decoder, decoded int64) error {
	list := s.list
	receipt := OutputReceipt{OutputGroup: s.group, Output: s.output, URI: uri(s.name.Bucket, s.name.Key), Segments: len(list.Segments)}
	tick := media.R(1, mpegts.Clock)
	var written, real, tolerance time.Duration // from the start to the end of each segment
	sizes := make([]hls.SegmentSize, len(list.Segments))
	for i, segment := range list.Segments {
		end := s.end()
		if i+1 < len(s.starts) {
			end = s.starts[i+1]
		}
		sizes[i] = hls.SegmentSize{Bytes: s.bytes[i], Duration: tick.Duration(end - s.starts[i])}
		receipt.Bytes += s.bytes[i]
		written += segment.Duration
		real += sizes[i].Duration
		tolerance = max(tolerance, s.tolerance(list, sizes[i].Duration))
		if off := max(written-real, real-written); off > tolerance {
			return s.wrong(s.name, fmt.Sprintf("segment %d to end at %v", i, real), "EXTINF that says %v", written)
		}
	}
	receipt.DurationInMs = real.Milliseconds()
	receipt.PeakBPS, receipt.AverageBPS = hls.Bandwidth(sizes)
	s.peak, s.average = receipt.PeakBPS, receipt.AverageBPS
	receipt.Checks = []string{"objects", "playlists", "segments", "durations", "bitrates"}
	if s.reel != nil {
		receipt.Video = s.reel.receipt(s.sps)
		if err := s.video(receipt.Video, d, decoded); err != nil {
			return err
		}
		receipt.Checks = append(receipt.Checks, "keyframes", "frames", "codecs")
	}
	if err := s.audio(o, &receipt, timeline); err != nil {
		return err
	}
	if d != nil {
		receipt.Checks = append(receipt.Checks, "decoded")
	}
	s.add(receipt)
	return nil
}

// tolerance is how far the end of a segment, and of those behind it, may be from
// what EXTINF says: a tick and a rounding, or half a second of a playlist in whole
// seconds, where a segment shorter than a second pushes what follows.
func (s *streamCheck) tolerance(list *hls.MediaPlaylist, length time.Duration) time.Duration {
	t := 20*time.Microsecond + tolerated(s.byDescription)
	if list.IntegerDurations {
		t += 500 * time.Millisecond
		if length < time.Second {
			t = time.Duration(len(list.Segments)) * time.Second
		}
	}
	if s.reel == nil { // segments hold the frames that begin in them
		t += media.R(mp4.FrameSamples, int64(max(s.main.rate, 1))).Duration(2)
	}
	return t
}

// video holds the pictures against what the playlist and the plan say.
func (s *streamCheck) video(got *VideoReceipt, d *decoder, decoded int64) error {
	rung := s.reel.rung
	if got.Width != rung.Width || got.Height != rung.Height {
		return s.wrong(s.name, fmt.Sprintf("pictures of %d×%d", rung.Width, rung.Height), "%d×%d", got.Width, got.Height)
	}
	for _, variant := range s.variants {
		switch {
		case variant.Width > 0 && (variant.Width != got.Width || variant.Height != got.Height):
			return s.wrong(s.name, fmt.Sprintf("RESOLUTION %dx%d", got.Width, got.Height), "%dx%d", variant.Width, variant.Height)
		case len(variant.Codecs) > 0 && !slices.Contains(variant.Codecs, got.Codec):
			return s.wrong(s.name, "CODECS with "+got.Codec, "%v", variant.Codecs)
		}
	}
	return s.decoded(s.name, got, d, decoded)
}

// decoded checks how many pictures came out of the decoder.
func (v *verifier) decoded(name objectName, got *VideoReceipt, d *decoder, frames int64) error {
	got.FramesDecoded = frames
	want := got.Frames
	if v.w.cfg.Verify == VerifyKeyframes {
		want = got.Keyframes
	}
	if d != nil && frames != want {
		return v.undecodable(name, fmt.Sprintf("%d pictures that decode", want), fmt.Errorf("%d", frames))
	}
	return nil
}

// audio holds the sound against the plan.
func (s *streamCheck) audio(o plan.Output, receipt *OutputReceipt, timeline plan.Timeline) error {
	if s.main == nil {
		if len(o.Audios) > 0 && s.reel == nil {
			return s.wrong(s.name, "sound", "none")
		}
		return nil
	}
	receipt.Audio = s.main.receipt()
	tick := s.main.tick
	frame := media.Rescale(mp4.FrameSamples, media.R(1, int64(s.main.rate)), tick)
	for pid, track := range s.sounds {
		// The last frame may hold more than is shown, and one more begin before the end.
		want := media.Rescale(timeline.Frames, timeline.FrameRate.Inverse(), tick)
		if got := track.end() - track.first; max(got-want, want-got) > 3*frame {
			return s.wrong(s.name, fmt.Sprintf("%v of sound in PID %d", tick.Duration(want), pid), "%v", tick.Duration(got))
		}
		if s.reel == nil {
			continue
		}
		off := track.first - s.reel.first
		if max(off, -off) > frame {
			return s.wrong(s.name, fmt.Sprintf("sound in PID %d to begin with the picture", pid), "it %v later", tick.Duration(off))
		}
		if track == s.main {
			receipt.StartOffset = float64(off) * tick.Float() * 1000
		}
	}
	receipt.Checks = append(receipt.Checks, "sound")
	return nil
}
