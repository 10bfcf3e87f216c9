package worker

import (
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/plan"
)

// variant makes the segments and the media playlist of one HLS output.
func (f *finisher) variant(ctx context.Context, t *tracks, group plan.OutputGroup, o plan.Output) (v hls.Variant, list *hls.MediaPlaylist, size int64, err error) {
	made, err := f.segments(ctx, t, group, o)
	if err != nil {
		return v, nil, 0, err
	}
	list = &hls.MediaPlaylist{Version: 3, MediaSequence: 1, PlaylistType: "VOD", EndList: true, IntegerDurations: group.HLS.IntegerDuration}
	for i, key := range o.Segments {
		list.Segments = append(list.Segments, hls.Segment{URI: hls.RelativeURI(o.Key, key), Duration: made.segments[i].Duration})
	}
	text, err := list.Marshal()
	if err != nil {
		return v, nil, 0, err
	}
	if err := f.playlist(mediaPlaylist, group.Bucket, o.Key, text); err != nil {
		return v, nil, 0, err
	}
	if list, err = hls.ParseMediaPlaylist(text); err != nil { // what is checked is what was written
		return v, nil, 0, err
	}
	v = hls.Variant{URI: hls.RelativeURI(group.HLS.MultivariantKey, o.Key)}
	v.Bandwidth, v.AverageBandwidth = hls.Bandwidth(made.segments)
	if made.video != nil {
		v.Codecs = append(v.Codecs, made.video.CodecString())
		v.Width, v.Height, v.FrameRate = made.video.Width, made.video.Height, made.video.FrameRate
	}
	if made.audio != nil {
		v.Codecs = append(v.Codecs, made.audio.CodecString())
	}
	return v, list, made.bytes, nil
}

// multivariant checks a group's playlists and makes the one that players open.
func (f *finisher) multivariant(group plan.OutputGroup, variants []hls.Variant, playlists []*hls.MediaPlaylist) error {
	m := &hls.MultivariantPlaylist{Version: 3, IndependentSegments: true, Variants: variants}
	text, err := m.Marshal()
	if err != nil {
		return err
	}
	if m, err = hls.ParseMultivariantPlaylist(text); err != nil {
		return err
	}
	if problems := hls.Check(m, playlists...); len(problems) > 0 {
		return fault.New(fault.Internal, "1999", "the playlists of %s are not right: %w", group.HLS.MultivariantKey, errors.Join(problems...))
	}
	return f.playlist(multivariantPlaylist, group.Bucket, group.HLS.MultivariantKey, text)
}

func (f *finisher) playlist(r rank, bucket, key string, text []byte) error {
	_, err := f.file(r, bucket, key, func(out io.Writer) error {
		_, err := out.Write(text)
		return err
	})
	return err
}

// contentType returns what a browser and a player expect of an output.
func contentType(key string) string {
	switch strings.ToLower(path.Ext(key)) {
	case ".m3u8":
		return "application/vnd.apple.mpegurl"
	case ".ts":
		return "video/mp2t"
	case ".mp4":
		return "video/mp4"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	}
	return "application/octet-stream"
}
