package worker

import (
	"context"
	"io"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/mpegts"
	"vodwright.dev/vodwright/internal/plan"
)

// packed is what came of one output with segments.
type packed struct {
	video    *mp4.Video // nil without video
	audio    *mp4.Audio // nil without audio
	segments []hls.SegmentSize
	bytes    int64 // of all of them
}

// segments makes the media segments of one output.
func (f *finisher) segments(ctx context.Context, t *tracks, group plan.OutputGroup, o plan.Output) (made packed, err error) {
	if made.video, err = t.video(o.Ladder, o.Rung); err != nil {
		return made, err
	}
	if made.audio, err = t.audio(o); err != nil {
		return made, err
	}
	write, err := f.transportStream(o, made)
	if err != nil {
		return made, err
	}
	timeline := f.plan.Ladders[o.Ladder].Timeline
	made.segments = make([]hls.SegmentSize, len(o.Segments))
	pool, pctx := errgroup.WithContext(ctx)
	pool.SetLimit(max(f.w.cfg.Slots, 1))
	for i, key := range o.Segments {
		pool.Go(func() error {
			if pctx.Err() != nil {
				return context.Cause(pctx)
			}
			n, err := f.file(mediaFile, group.Bucket, key, func(out io.Writer) error { return write(out, i) })
			from, to := timeline.Segment(i)
			made.segments[i] = hls.SegmentSize{Bytes: n, Duration: timeline.At(to) - timeline.At(from)}
			return err
		})
	}
	if err := pool.Wait(); err != nil {
		return made, err
	}
	for _, s := range made.segments {
		made.bytes += s.Bytes
	}
	return made, nil
}

// transportStream returns what writes each segment of an MPEG-TS output.
func (f *finisher) transportStream(o plan.Output, made packed) (func(out io.Writer, segment int) error, error) {
	config := mpegts.Config{
		ProgramNumber: o.MPEGTS.ProgramNumber, PMTPID: o.MPEGTS.PMTPID, VideoPID: o.MPEGTS.VideoPID, AudioPID: o.MPEGTS.AudioPID,
		PTSOffset: o.MPEGTS.PTSOffset, AudioFramesPerPES: o.MPEGTS.AudioFramesPerPES,
	}
	if len(o.Audios) > 0 {
		config.AudioLanguage = f.plan.Audios[o.Audios[0]].Language
	}
	stream, err := mpegts.NewStream(config, mpegts.Timeline(f.plan.Ladders[o.Ladder].Timeline), made.video, made.audio)
	if err != nil {
		return nil, err
	}
	return func(out io.Writer, segment int) error {
		_, err := stream.WriteSegment(out, segment)
		return err
	}, nil
}
