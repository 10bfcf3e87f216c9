package worker

import (
	"context"
	"fmt"
	"io"
	"time"

	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/mpegts"
	"vodwright.dev/vodwright/internal/plan"
)

// iFrames makes the playlist of an output's I-frames: parts of its segments, or
// files of one picture each. Each is shown until the next one.
func (f *finisher) iFrames(ctx context.Context, group plan.OutputGroup, o plan.Output, made packed) (hls.IFrameVariant, error) {
	v := hls.IFrameVariant{
		URI:    playlistURI(group.HLS, group.HLS.MultivariantKey, o.IFrames.Key),
		Codecs: []string{made.video.CodecString()}, Width: made.video.Width, Height: made.video.Height,
	}
	list := emptyList(group.HLS)
	list.IFramesOnly = true
	var starts []time.Duration
	var err error
	if o.IFrames.Segment == "" {
		for _, s := range made.segments {
			for _, k := range s.frames {
				starts = append(starts, k.at)
				list.Segments = append(list.Segments, hls.Segment{URI: hls.RelativeURI(o.IFrames.Key, s.key), Range: k.part})
			}
		}
		tables := made.initMap(o, o.IFrames.Key)
		if made.cut == nil { // the tables of any segment are those of all
			tables = hls.Map{URI: list.Segments[0].URI, Range: hls.ByteRange{Length: mpegts.TablesSize}}
		}
		for i := range list.Segments {
			list.Segments[i].Map = tables
		}
	} else if starts, err = f.iFrameFiles(ctx, group, o, made, list); err != nil {
		return v, err
	}
	sizes := make([]hls.SegmentSize, len(starts))
	end := f.plan.Ladders[o.Ladder].Timeline.Duration()
	for i := range starts {
		next := end
		if i+1 < len(starts) {
			next = starts[i+1]
		}
		s := &list.Segments[i]
		s.Duration = next - starts[i]
		sizes[i] = hls.SegmentSize{Bytes: s.Range.Length, Duration: s.Duration}
		if o.IFrames.Segment != "" { // a whole file: the range only told its size
			s.Range = hls.ByteRange{}
		}
	}
	v.Bandwidth, v.AverageBandwidth = hls.Bandwidth(sizes)
	_, err = f.writeMediaPlaylist(group, o.IFrames.Key, list)
	return v, err
}

// iFrameFiles makes a file of each I-frame. A segment's Range is the whole file.
func (f *finisher) iFrameFiles(ctx context.Context, group plan.OutputGroup, o plan.Output, made packed, list *hls.MediaPlaylist) (starts []time.Duration, err error) {
	stream, err := f.transportStream(o, made.video, nil)
	if err != nil {
		return nil, err
	}
	timeline := f.plan.Ladders[o.Ladder].Timeline
	for i, frame := range made.video.Keys() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		key := fmt.Sprintf(o.IFrames.Segment, i+1)
		var p packer = picturePacker{stream, frame}
		if e := group.HLS.Encryption; e != nil {
			if p, err = encrypted(p, e); err != nil {
				return nil, err
			}
		}
		n, err := f.file(mediaFile, group.Bucket, key, func(out io.Writer) error {
			_, err := p.segment(out, i)
			return err
		})
		if err != nil {
			return nil, err
		}
		starts = append(starts, timeline.At(frame))
		list.Segments = append(list.Segments, hls.Segment{
			URI: hls.RelativeURI(o.IFrames.Key, key), Range: hls.ByteRange{Length: n}, Key: playlistKey(group.HLS.Encryption, i),
		})
	}
	return starts, nil
}

// picturePacker packs one picture, whatever the number of the segment.
type picturePacker struct {
	stream *mpegts.Stream
	frame  int64
}

func (p picturePacker) segment(out io.Writer, i int) ([]keyFrame, error) {
	_, err := p.stream.WriteKeyPicture(out, i, p.frame)
	return nil, err
}

func (p picturePacker) begun(io.Writer, int) error { return nil }
