package worker

import (
	"bytes"
	"io"

	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/plan"
)

// fragmented returns an output of one track in fragmented MP4, cut by its Timeline.
func (f *finisher) fragmented(o plan.Output, made *packed) (*mp4.Fragmented, error) {
	timeline := f.plan.Ladders[o.Ladder].Timeline
	var cut *mp4.Fragmented
	var err error
	if made.video != nil {
		cut, err = mp4.CutVideo(made.video, timeline.Starts, o.Fragments.Seconds)
	} else {
		language := f.plan.Audios[o.Audios[0]].Language
		cut, err = mp4.CutAudio(made.audio[0], language, timeline.FrameRate, timeline.Starts, timeline.Frames, o.Fragments.Seconds)
	}
	if err != nil {
		return nil, err
	}
	cut.Signed, cut.KeyAlone = o.Fragments.Signed, o.Fragments.KeyAlone
	return cut, nil
}

// fragmentPacker packs segments of fragmented MP4.
type fragmentPacker struct{ cut *mp4.Fragmented }

func (p fragmentPacker) segment(out io.Writer, i int) ([]keyFrame, error) {
	_, keys, err := p.cut.WriteSegment(out, i)
	frames := make([]keyFrame, len(keys))
	for k, key := range keys {
		frames[k] = keyFrame{at: media.R(1, p.cut.Timescale()).Duration(key.Time), part: hls.ByteRange{Offset: key.Offset, Length: key.Size}}
	}
	return frames, err
}

func (p fragmentPacker) begun(out io.Writer, i int) error { return p.cut.WriteBegun(out, i) }

// heads makes the init segment of an output, and returns what goes before the
// segments where it is one file with them: the init segment and the index.
func (f *finisher) heads(group plan.OutputGroup, o plan.Output, made *packed) ([]byte, error) {
	if made.cut == nil {
		return nil, nil
	}
	var head bytes.Buffer
	n, err := made.cut.WriteInit(&head)
	if err != nil {
		return nil, err
	}
	made.init = hls.ByteRange{Length: n}
	if o.Fragments.Init != "" {
		_, err := f.file(mediaFile, group.Bucket, o.Fragments.Init, func(out io.Writer) error {
			_, err := out.Write(head.Bytes())
			return err
		})
		return nil, err
	}
	index, err := made.cut.Index()
	if err != nil {
		return nil, err
	}
	made.index = hls.ByteRange{Offset: n, Length: int64(len(index))}
	return append(head.Bytes(), index...), nil
}

// initMap returns the EXT-X-MAP of an output's segments, as playlist refers to it.
func (p *packed) initMap(o plan.Output, playlist string) hls.Map {
	switch {
	case o.Fragments == nil:
		return hls.Map{}
	case o.Fragments.Init != "":
		return hls.Map{URI: hls.RelativeURI(playlist, o.Fragments.Init)}
	}
	return hls.Map{URI: hls.RelativeURI(playlist, o.Segments[0]), Range: p.init}
}
