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
	list    *hls.MediaPlaylist // as it was written
	iFrames *hls.IFrameVariant // nil is none
}

// variant makes the segments and the playlists of one HLS output.
func (f *finisher) variant(ctx context.Context, t *tracks, group plan.OutputGroup, o plan.Output) (out hlsOutput, size int64, err error) {
	made, err := f.segments(ctx, t, group, o)
	if err != nil || group.HLS.MultivariantKey == "" {
		return out, made.bytes, err
	}
	list := f.mediaPlaylist(group.HLS)
	at, tagged := time.Duration(0), time.Duration(-1)
	for i, s := range made.segments {
		segment := hls.Segment{
			URI: hls.RelativeURI(o.Key, s.key), Range: s.part, Duration: s.duration, Key: playlistKey(group.HLS.Encryption, i),
		}
		if d := group.HLS.ProgramDateTime; d != nil && (tagged < 0 || at-tagged >= time.Duration(d.Period)*time.Second) {
			segment.ProgramDateTime, tagged = d.Start.Add(at), at
		}
		list.Segments = append(list.Segments, segment)
		at += s.duration
	}
	if out.list, err = f.writeMediaPlaylist(group, o.Key, list); err != nil {
		return out, 0, err
	}
	v := hls.Variant{URI: playlistURI(group.HLS, group.HLS.MultivariantKey, o.Key), NoCaptions: group.HLS.NoCaptions}
	v.Bandwidth, v.AverageBandwidth = hls.Bandwidth(made.sizes())
	if made.video != nil {
		v.Codecs = append(v.Codecs, made.video.CodecString())
		v.FrameRate = made.video.FrameRate
		if !group.HLS.NoResolution {
			v.Width, v.Height = made.video.Width, made.video.Height
		}
	}
	for _, a := range made.audio {
		if codec := a.CodecString(); !slices.Contains(v.Codecs, codec) {
			v.Codecs = append(v.Codecs, codec)
		}
	}
	out.variant = v
	if o.IFrames != nil {
		i, err := f.iFrames(ctx, group, o, made)
		if err != nil {
			return out, 0, err
		}
		if group.HLS.NoResolution {
			i.Width, i.Height = 0, 0
		}
		out.iFrames = &i
	}
	return out, made.bytes, nil
}

// mediaPlaylist returns what all media playlists of a group have.
func (f *finisher) mediaPlaylist(h *plan.HLS) *hls.MediaPlaylist {
	return &hls.MediaPlaylist{
		MediaSequence: firstSequence, PlaylistType: "VOD", EndList: true,
		IntegerDurations: h.IntegerDuration, NearestTarget: h.NearestTarget, NoCache: h.NoCache,
	}
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
	all := make([]int, len(outputs))
	for i := range all {
		all[i] = i
	}
	for _, a := range append(slices.Clone(h.Additional), plan.Additional{Key: h.MultivariantKey, Outputs: all}) {
		m := &hls.MultivariantPlaylist{Version: hls.Version, IndependentSegments: true}
		if e := h.Encryption; e != nil && e.SessionKey {
			m.SessionKeys = []hls.Key{playlistKey(e, 0)}
		}
		var playlists []*hls.MediaPlaylist
		for _, i := range a.Outputs {
			m.Variants = append(m.Variants, outputs[i].variant)
			playlists = append(playlists, outputs[i].list)
			if v := outputs[i].iFrames; v != nil {
				m.IFrames = append(m.IFrames, *v)
			}
		}
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

// playlist writes a playlist, compressed where its group has them stored so.
func (f *finisher) playlist(r rank, group plan.OutputGroup, key string, text []byte) error {
	write := func(out io.Writer) error {
		_, err := out.Write(text)
		return err
	}
	if !group.HLS.Gzip {
		_, err := f.file(r, group.Bucket, key, write)
		return err
	}
	_, err := f.encodedFile(r, group.Bucket, key, "gzip", func(out io.Writer) error {
		z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
		if err != nil {
			return err
		}
		return errors.Join(write(z), z.Close())
	})
	return err
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
	case ".m4a", ".cmfa":
		return "audio/mp4"
	case ".mov":
		return "video/quicktime"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	}
	return "application/octet-stream"
}
