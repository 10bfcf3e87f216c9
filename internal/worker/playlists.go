package worker

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/plan"
)

// hlsOutput is what the playlists of a group say of one output.
type hlsOutput struct {
	variant hls.Variant
	groups  []string           // of renditions that go with it
	list    *hls.MediaPlaylist // as it was written
	sound   *hls.Rendition     // that it is; nil is a variant
	iFrames *hls.IFrameVariant // nil is none
}

// variant makes the playlists of one HLS output.
func (f *finisher) variant(ctx context.Context, group plan.OutputGroup, o plan.Output, made packed) (out hlsOutput, err error) {
	v := hls.Variant{}
	v.Bandwidth, v.AverageBandwidth = hls.Bandwidth(made.sizes())
	if made.video != nil {
		v.Codecs = append(v.Codecs, made.video.CodecString())
		v.FrameRate, v.Width, v.Height = made.video.FrameRate, made.video.Width, made.video.Height
	}
	for _, a := range made.audio {
		if codec := a.CodecString(); !slices.Contains(v.Codecs, codec) {
			v.Codecs = append(v.Codecs, codec)
		}
	}
	out = describe(f.plan, group, o, v)
	if out.list, err = f.writeMediaPlaylist(group, o.Key, segmentList(f.plan, group, o, &made)); err != nil {
		return out, err
	}
	if o.IFrames != nil {
		i, err := f.iFrames(ctx, group, o, made)
		if err != nil {
			return out, err
		}
		if group.HLS.NoResolution {
			i.Width, i.Height = 0, 0
		}
		out.iFrames = &i
	}
	return out, nil
}

// describe returns what playlists say of an output whose media v describes.
func describe(p *plan.Plan, group plan.OutputGroup, o plan.Output, v hls.Variant) (out hlsOutput) {
	v.URI, v.NoCaptions = playlistURI(group.HLS, group.HLS.MultivariantKey, o.Key), group.HLS.NoCaptions
	if group.HLS.NoResolution {
		v.Width, v.Height = 0, 0
	}
	out.variant, out.groups = v, o.AudioGroups
	if r := o.Rendition; r != nil && !r.Variant {
		out.sound = &hls.Rendition{
			Group: r.Group, Name: r.Name, Language: r.Language, Default: r.Default, AutoSelect: r.AutoSelect,
			Channels: p.Audios[o.Audios[0]].Channels, URI: v.URI,
		}
		if r.Describes {
			out.sound.Characteristics = hls.DescribesVideo
		}
	}
	return out
}

// segmentList returns the media playlist of an output with segments.
func segmentList(p *plan.Plan, group plan.OutputGroup, o plan.Output, made *packed) *hls.MediaPlaylist {
	list := emptyList(group.HLS)
	list.TargetDuration = target(p, group)
	at, tagged := time.Duration(0), time.Duration(-1)
	for i, s := range made.segments {
		segment := hls.Segment{
			URI: hls.RelativeURI(o.Key, s.key), Range: s.part, Duration: s.duration,
			Key: playlistKey(group.HLS.Encryption, i), Map: made.initMap(o, o.Key),
		}
		if d := group.HLS.ProgramDateTime; d != nil && (tagged < 0 || at-tagged >= time.Duration(d.Period)*time.Second) {
			segment.ProgramDateTime, tagged = d.Start.Add(at), at
		}
		list.Segments = append(list.Segments, segment)
		at += s.duration
	}
	list.Version = max(hls.Version, list.RequiredVersion())
	return list
}

// emptyList returns what all media playlists of a group have.
func emptyList(h *plan.HLS) *hls.MediaPlaylist {
	return &hls.MediaPlaylist{
		MediaSequence: firstSequence, PlaylistType: "VOD", EndList: true,
		IntegerDurations: h.IntegerDuration, NearestTarget: h.NearestTarget, NoCache: h.NoCache,
	}
}

// target returns the EXT-X-TARGETDURATION that all media playlists of a group have
// (RFC 8216, 6.2.4). Segments of several frame rates are not equally long.
func target(p *plan.Plan, group plan.OutputGroup) (target int64) {
	for _, o := range group.Outputs {
		list, t := emptyList(group.HLS), p.Ladders[o.Ladder].Timeline
		for i := range t.Segments() {
			from, to := t.Segment(i)
			list.Segments = append(list.Segments, hls.Segment{Duration: t.At(to) - t.At(from)})
		}
		target = max(target, list.LeastTarget())
	}
	return target
}

// writeMediaPlaylist writes a media playlist and returns it as it was written.
func (f *finisher) writeMediaPlaylist(group plan.OutputGroup, key string, list *hls.MediaPlaylist) (*hls.MediaPlaylist, error) {
	list.Version = max(hls.Version, list.RequiredVersion())
	text, err := list.Marshal()
	if err != nil {
		return nil, err
	}
	if err := f.playlist(mediaPlaylist, group, key, text); err != nil {
		return nil, err
	}
	return hls.ParseMediaPlaylist(text) // what is checked is what was written
}

// playlistKey returns the EXT-X-KEY of segment i.
func playlistKey(e *plan.Encryption, i int) hls.Key {
	if e == nil {
		return hls.Key{}
	}
	k := hls.Key{Method: "AES-128", URI: e.URI, Format: e.Format, FormatVersions: e.FormatVersions, HasIV: e.WriteIV}
	if !e.WriteIV {
		return k
	}
	binary.BigEndian.PutUint64(k.IV[8:], uint64(firstSequence+i))
	if iv, err := hex.DecodeString(e.IV); err == nil && len(iv) == len(k.IV) {
		k.IV = [16]byte(iv)
	}
	return k
}

// playlistURI returns the URI by which a multivariant playlist refers to a media playlist.
func playlistURI(h *plan.HLS, multivariant, media string) string {
	return h.BaseURI + hls.RelativeURI(multivariant, media)
}

// multivariant checks a group's playlists and makes those that players open.
func (f *finisher) multivariant(group plan.OutputGroup, outputs []hlsOutput) error {
	h := group.HLS
	if h.MultivariantKey == "" {
		return nil
	}
	for _, a := range append(slices.Clone(h.Additional), plan.Additional{Key: h.MultivariantKey, Outputs: everyOutput(group)}) {
		m, playlists := multivariantOf(h, outputs, a.Outputs)
		text, err := m.Marshal()
		if err != nil {
			return err
		}
		if m, err = hls.ParseMultivariantPlaylist(text); err != nil {
			return err
		}
		if problems := hls.Check(m, playlists...); len(problems) > 0 {
			return fault.New(fault.Internal, "1999", "the playlists of %s are not right: %w", a.Key, errors.Join(problems...))
		}
		if err := f.playlist(multivariantPlaylist, group, a.Key, text); err != nil {
			return err
		}
	}
	return nil
}

// multivariantOf returns a multivariant playlist over some of a group's outputs, and
// the media playlists that it leads to.
func multivariantOf(h *plan.HLS, outputs []hlsOutput, chosen []int) (*hls.MultivariantPlaylist, []*hls.MediaPlaylist) {
	m := &hls.MultivariantPlaylist{Version: hls.Version, IndependentSegments: true}
	if e := h.Encryption; e != nil && e.SessionKey {
		m.SessionKeys = []hls.Key{playlistKey(e, 0)}
	}
	playlists := addOutputs(m, outputs, chosen)
	if len(m.Renditions) > 0 {
		m.Version = hls.RenditionVersion
	}
	for _, list := range playlists { // a player that cannot play them is told at once
		m.Version = max(m.Version, list.Version)
	}
	return m, playlists
}

// addOutputs adds some of a group's outputs to a multivariant playlist and returns
// the media playlists that it leads to, as hls.Check takes them. A variant that goes
// with several groups of renditions is there once for each (RFC 8216bis, 4.4.6.2.1);
// its bit rates and codecs are those of it and the heaviest of the group. Renditions
// without any variant are variants. Ones without video come last: players begin with
// the first.
func addOutputs(m *hls.MultivariantPlaylist, all []hlsOutput, chosen []int) []*hls.MediaPlaylist {
	var variants, renditions []*hls.MediaPlaylist
	groups := map[string]hls.Variant{} // what a group adds
	video := false
	for _, i := range chosen {
		video = video || all[i].sound == nil
	}
	for _, i := range chosen {
		o := all[i]
		if o.sound == nil || !video {
			continue
		}
		m.Renditions = append(m.Renditions, *o.sound)
		renditions = append(renditions, o.list)
		g := groups[o.sound.Group]
		g.Bandwidth, g.AverageBandwidth = max(g.Bandwidth, o.variant.Bandwidth), max(g.AverageBandwidth, o.variant.AverageBandwidth)
		g.Codecs = append(g.Codecs, o.variant.Codecs...)
		groups[o.sound.Group] = g
	}
	add := func(o hlsOutput, v hls.Variant) {
		m.Variants = append(m.Variants, v)
		variants = append(variants, o.list)
	}
	for _, pictures := range []bool{true, false} {
		for _, i := range chosen {
			o := all[i]
			if video && o.sound != nil || pictures != o.variant.FrameRate.Known() {
				continue
			}
			alone := true
			for _, id := range o.groups {
				g, ok := groups[id]
				if !ok {
					continue
				}
				v := o.variant
				v.Audio = id
				v.Bandwidth += g.Bandwidth
				v.AverageBandwidth += g.AverageBandwidth
				v.Codecs = slices.Clone(v.Codecs)
				for _, codec := range g.Codecs {
					if !slices.Contains(v.Codecs, codec) {
						v.Codecs = append(v.Codecs, codec)
					}
				}
				add(o, v)
				alone = false
			}
			if alone {
				add(o, o.variant)
			}
			if v := o.iFrames; v != nil {
				m.IFrames = append(m.IFrames, *v)
			}
		}
	}
	return append(variants, renditions...)
}

// playlist writes a playlist, compressed where its group has them stored so.
func (f *finisher) playlist(r rank, group plan.OutputGroup, key string, text []byte) error {
	encoding, write := stored(group, text)
	_, err := f.encodedFile(r, group.Bucket, key, encoding, write)
	return err
}

// stored returns the content encoding of a group's playlists, and what writes one in it.
func stored(group plan.OutputGroup, text []byte) (encoding string, write func(io.Writer) error) {
	plain := func(out io.Writer) error {
		_, err := out.Write(text)
		return err
	}
	if !group.HLS.Gzip {
		return "", plain
	}
	return "gzip", func(out io.Writer) error {
		z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
		if err != nil {
			return err
		}
		return errors.Join(plain(z), z.Close())
	}
}

// contentType returns what a browser and a player expect of an output.
func contentType(key string) string {
	switch strings.ToLower(path.Ext(key)) {
	case ".m3u8":
		return "application/vnd.apple.mpegurl"
	case ".mpd":
		return "application/dash+xml"
	case ".ts", ".m2ts":
		return "video/mp2t"
	case ".mp4", ".m4s", ".m4v", ".cmfv":
		return "video/mp4"
	case ".aac":
		return "audio/aac"
	case ".csv":
		return "text/csv"
	case ".m4a", ".cmfa":
		return "audio/mp4"
	case ".mov":
		return "video/quicktime"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	}
	return "application/octet-stream"
}
