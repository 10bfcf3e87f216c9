package worker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/dash"
	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/mpegts"
	"vodwright.dev/vodwright/internal/plan"
)

// fragmentReader reads the segments of fragmented MP4 as those of a transport
// stream: with times in ticks of 90 kHz.
type fragmentReader struct {
	stream mp4.StreamReader
	tables []byte // the init segment
	read   int    // samples
}

// begin reads the init segment.
func (f *fragmentReader) begin(init []byte) error {
	f.tables = init
	if _, err := f.stream.Read(bytes.NewReader(init)); err != nil {
		return err
	}
	if n := len(f.stream.Tracks()); n != 1 {
		return fault.New(fault.Invalid, "", "MP4: %d tracks in a file of one", n)
	}
	return nil
}

// segment reads the next segment.
func (f *fragmentReader) segment(r io.Reader) (*mpegts.Contents, error) {
	n, err := f.stream.Read(r)
	if err != nil {
		return nil, err
	}
	track := f.stream.Tracks()[0]
	out := &mpegts.Contents{Bytes: n}
	tick, ticks := media.R(1, track.Timescale), media.R(1, mpegts.Clock)
	for i, s := range track.Samples[f.read:] {
		at := media.Rescale(s.PTS, tick, ticks)
		if track.Kind == mp4.AudioAAC {
			out.Sound = append(out.Sound, mpegts.Sound{PTS: at, Frames: 1, SampleRate: track.SampleRate, Channels: track.Channels})
			continue
		}
		if s.PTS < s.DTS && f.read+i == 0 {
			return nil, fault.New(fault.Invalid, "", "MP4: the first picture is shown before it is decoded")
		}
		out.Pictures = append(out.Pictures, mpegts.Picture{PTS: at, DTS: media.Rescale(s.DTS, tick, ticks), IDR: s.Key, Parameters: true, SPS: track.SPS[0], Bytes: int(s.Size)})
	}
	f.read = len(track.Samples)
	return out, nil
}

// dash reads a group with DASH descriptions as a player does. Where the group has
// HLS playlists too, the segments were read by those, and a description has to lead
// to the same.
func (v *verifier) dash(ctx context.Context, number int, group plan.OutputGroup) error {
	lists := make([]*hls.MediaPlaylist, len(group.Outputs))
	d := group.DASH
	for _, a := range append(slices.Clone(d.Additional), plan.Additional{Key: d.Key, Outputs: everyOutput(group)}) {
		if err := v.description(ctx, group, a, lists); err != nil {
			return err
		}
	}
	if group.HLS != nil {
		return nil
	}
	streams := make([]*streamCheck, len(lists))
	for i, list := range lists {
		streams[i] = &streamCheck{verifier: v, group: number, output: i, name: objectName{group.Bucket, d.Key}, list: list, byDescription: true}
	}
	return v.streams(ctx, group, streams)
}

// description reads one description, and makes of each output's representation in
// it the playlist that would say the same.
func (v *verifier) description(ctx context.Context, group plan.OutputGroup, a plan.Additional, lists []*hls.MediaPlaylist) error {
	top := objectName{group.Bucket, a.Key}
	text, err := v.playlist(ctx, top)
	if err != nil {
		return err
	}
	p, err := dash.Parse(text)
	if err != nil {
		return v.wrong(top, "a description", "%v", err)
	}
	if problems := p.Check(); len(problems) > 0 {
		return v.wrong(top, "a description that players play", "%v", problems[0])
	}
	if p.BaseURL != group.DASH.BaseURI {
		return v.wrong(top, "BaseURL "+group.DASH.BaseURI, "%s", p.BaseURL)
	}
	missing := map[int]bool{}
	for _, i := range a.Outputs {
		missing[i] = true
	}
	for _, set := range p.Sets {
		for _, r := range set.Representations {
			var at int
			if _, err := fmt.Sscan(r.ID, &at); err != nil || !missing[at-1] {
				return v.wrong(top, "representations that the job has", "one with id %s", r.ID)
			}
			delete(missing, at-1)
			o := group.Outputs[at-1]
			list, err := v.representation(top, o, &r)
			if err != nil {
				return err
			}
			if (set.ContentType == "video") != (o.Rung >= 0) {
				return v.wrong(top, "video and sound apart", "representation %s in a set of %s", r.ID, set.ContentType)
			}
			if o.Rung >= 0 {
				if rung := v.plan.Ladders[o.Ladder].Rungs[o.Rung]; r.Width != rung.Width || r.Height != rung.Height {
					return v.wrong(top, fmt.Sprintf("representation %s of %d×%d", r.ID, rung.Width, rung.Height), "%d×%d", r.Width, r.Height)
				}
			}
			lists[at-1] = list
		}
	}
	for i := range missing {
		return v.wrong(top, "a representation for every output", "none with id %d", i+1)
	}
	return nil
}

// representation returns the segments of an output as a description tells of them.
func (v *verifier) representation(top objectName, o plan.Output, r *dash.Representation) (*hls.MediaPlaylist, error) {
	timeline := v.plan.Ladders[o.Ladder].Timeline
	list := &hls.MediaPlaylist{MediaSequence: firstSequence}
	same := func(uri, key string) error {
		name, err := v.target(top, strings.ReplaceAll(uri, "$$", "$"))
		if err == nil && name.Key != key {
			err = v.wrong(top, "a URI of "+key, "one of %s", name.Key)
		}
		return err
	}
	if f := r.File; f != nil {
		if err := same(f.URI, o.Segments[0]); err != nil {
			return nil, err
		}
		// How the index divides the file is seen when it is read.
		list.Segments = []hls.Segment{{
			URI: hls.RelativeURI(top.Key, o.Segments[0]), Duration: timeline.Duration(),
			Map: hls.Map{URI: hls.RelativeURI(top.Key, o.Segments[0]), Range: hls.ByteRange{Length: f.InitTo + 1}},
		}}
		return list, nil
	}
	t := r.Template
	if err := same(t.Initialization, o.Fragments.Init); err != nil {
		return nil, err
	}
	n := t.Segments()
	if t.Duration > 0 { // as players count
		length := media.R(t.Duration, t.Timescale)
		n = int64(timeline.Duration().Seconds()/length.Float() + 1 - 1e-6)
	}
	if n != int64(timeline.Segments()) {
		return nil, v.wrong(top, fmt.Sprintf("%d segments of representation %s", timeline.Segments(), r.ID), "%d", n)
	}
	run, at := 0, int64(0)
	for i := range timeline.Segments() {
		start, length := int64(i)*t.Duration, t.Duration
		if len(t.Timeline) > 0 {
			start, length = t.Timeline[run].Start+at*t.Timeline[run].Duration, t.Timeline[run].Duration
			if at++; at == t.Timeline[run].Count {
				run, at = run+1, 0
			}
		}
		uri := t.URI(int64(i), start)
		if err := same(uri, o.Segments[i]); err != nil {
			return nil, err
		}
		end := media.R(1, t.Timescale).Duration(start + length)
		if t.Duration > 0 {
			end = min(end, timeline.Duration())
		}
		list.Segments = append(list.Segments, hls.Segment{
			URI: hls.RelativeURI(top.Key, o.Segments[i]), Duration: end - media.R(1, t.Timescale).Duration(start),
			Map: hls.Map{URI: hls.RelativeURI(top.Key, o.Fragments.Init)},
		})
	}
	return list, nil
}

// initSection returns the init segment of a playlist's segments. It reads past it
// where it is in the object of the segments, which is being read through r.
func (s *streamCheck) initSection(ctx context.Context, segment hls.Segment, name objectName, r io.Reader) (head []byte, skipped int64, err error) {
	m := segment.Map
	target, err := s.target(s.name, m.URI)
	if err != nil {
		return nil, 0, err
	}
	if target == name {
		skipped = segment.Range.Offset
		if skipped == 0 {
			skipped = m.Range.Length
		}
		if m.Range.Length <= 0 || m.Range.Offset != 0 || skipped < m.Range.Length || skipped > maxInit {
			return nil, 0, s.wrong(s.name, "an init segment before the first segment of "+name.Key, "%s before %s", m.Range, segment.Range)
		}
		all := make([]byte, skipped)
		if _, err := io.ReadFull(r, all); err != nil {
			return nil, 0, s.wrong(name, fmt.Sprintf("%d bytes before the first segment", skipped), "%v", err)
		}
		return all[:m.Range.Length], skipped, nil
	}
	if m.Range.Length != 0 {
		return nil, 0, s.wrong(s.name, "a whole init segment", "%s of one", m.Range)
	}
	err = s.object(ctx, target, func(r io.Reader) error {
		head, err = io.ReadAll(io.LimitReader(r, maxInit))
		return err
	})
	return head, 0, err
}

// maxInit is the most bytes of an init segment and an index of segments.
const maxInit = 2 << 20

// tolerated is how far the written end of a segment may be from the real one in a
// description of segments that are all as long as the first: sound is cut where its
// frames are.
func tolerated(byDescription bool) time.Duration {
	if byDescription {
		return time.Millisecond
	}
	return 0
}
