package worker

import (
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"slices"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/mpegts"
	"vodwright.dev/vodwright/internal/plan"
)

// captures reads the JPEGs of a capture output: each decodes and has the size.
func (v *verifier) captures(ctx context.Context, group, output int, bucket string, o plan.Output) error {
	receipt := OutputReceipt{OutputGroup: group, Output: output, URI: uri(bucket, o.Key), Captures: len(o.Captures), Checks: []string{"objects", "decoded", "size"}}
	want := v.plan.Ladders[o.Ladder].Captures[o.Capture]
	for _, key := range o.Captures {
		name := objectName{bucket, key}
		err := v.object(ctx, name, func(r io.Reader) error {
			picture, err := jpeg.Decode(r)
			if err != nil {
				var format jpeg.FormatError
				if errors.As(err, &format) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
					return v.undecodable(name, "a JPEG", err)
				}
				return err
			}
			size := picture.Bounds().Size()
			if size.X != want.Width || size.Y != want.Height {
				return v.wrong(name, fmt.Sprintf("a picture of %d×%d", want.Width, want.Height), "%d×%d", size.X, size.Y)
			}
			return nil
		})
		if err != nil {
			return err
		}
		receipt.Bytes += v.written[name].Size
	}
	v.add(receipt)
	return nil
}

// undecodable is a mismatch that may come from the encode.
func (v *verifier) undecodable(name objectName, expected string, found error) error {
	return &mismatch{object: uri(name.Bucket, name.Key), expected: expected, found: fmt.Sprint(found), undecodable: true}
}

// adts reads a file of AAC frames.
func (v *verifier) adts(ctx context.Context, group, output int, name objectName, o plan.Output) error {
	var got *mpegts.Contents
	d := v.decode(ctx)
	err := v.object(ctx, name, func(r io.Reader) error {
		var err error
		got, err = mpegts.ReadPacked(io.TeeReader(r, d), false)
		return err
	})
	if undecodable(err) && !isMismatch(err) {
		err = v.wrong(name, "AAC frames", "%v", err)
	}
	_, err = d.end(err)
	if undecodable(err) && !isMismatch(err) || errors.Is(err, errEnded) {
		return v.undecodable(name, "a file that decodes", err)
	}
	if err != nil {
		return err
	}
	s, encode := got.Sound[0], v.plan.Audios[o.Audios[0]]
	samples := int64(s.Frames) * mp4.FrameSamples
	if off := samples - encode.Samples; s.SampleRate != encode.SampleRate || s.Channels != encode.Channels || max(off, -off) > 2*mp4.FrameSamples {
		return v.wrong(name, fmt.Sprintf("%d samples of %d channels at %d Hz", encode.Samples, encode.Channels, encode.SampleRate), "%d of %d at %d", samples, s.Channels, s.SampleRate)
	}
	receipt := OutputReceipt{
		OutputGroup: group, Output: output, URI: uri(name.Bucket, name.Key), Bytes: v.written[name].Size, Checks: []string{"objects", "sound"},
		DurationInMs: samples * 1000 / int64(s.SampleRate),
		Audio:        &AudioReceipt{Codec: "mp4a.40.2", SampleRate: s.SampleRate, Channels: s.Channels, Frames: int64(s.Frames)},
	}
	receipt.AverageBPS = receipt.Bytes * 8 * 1000 / max(receipt.DurationInMs, 1)
	if d != nil {
		receipt.Checks = append(receipt.Checks, "decoded")
	}
	v.add(receipt)
	return nil
}

// movie reads a progressive-download MP4: its index in front, every sample in its
// media, pictures on the frame grid, sound without a hole, all of it decodes.
func (v *verifier) movie(ctx context.Context, group, output int, name objectName, o plan.Output) error {
	var file mp4.StreamReader
	var frames int64
	var d *decoder
	var err error
	if o.Movie == nil || !o.Movie.IndexLast {
		d = v.decode(ctx)
	} else if d, err = v.decodeSpooled(ctx); err != nil {
		return err
	}
	err = v.object(ctx, name, func(r io.Reader) error {
		_, err := file.Read(io.TeeReader(r, d))
		return err
	})
	if fault.Is(err, fault.Invalid) {
		err = v.wrong(name, "an MP4 file", "%v", err)
	}
	frames, err = d.end(err)
	if undecodable(err) && !isMismatch(err) || errors.Is(err, errEnded) {
		return v.undecodable(name, "a file that decodes", err)
	}
	if err != nil {
		return err
	}
	index, first := slices.Index(file.Boxes, "moov"), slices.Index(file.Boxes, "mdat")
	if last := o.Movie != nil && o.Movie.IndexLast; file.Boxes[0] != "ftyp" || (index > first) != last {
		return v.wrong(name, "the index on its side of the media", "boxes %v", file.Boxes)
	}
	receipt := OutputReceipt{OutputGroup: group, Output: output, URI: uri(name.Bucket, name.Key), Bytes: v.written[name].Size, Checks: []string{"objects", "index"}}
	for _, t := range file.Tracks() {
		switch {
		case t.Kind == mp4.Video264 && receipt.Video == nil:
			if o.Rung < 0 {
				return v.wrong(name, "no video", "a track of it")
			}
			if receipt.Video, err = v.movieVideo(name, o, t); err != nil {
				return err
			}
			if err := v.decoded(name, receipt.Video, d, frames); err != nil {
				return err
			}
			receipt.Checks = append(receipt.Checks, "keyframes", "frames")
		case t.Kind == mp4.AudioAAC:
			track, err := v.movieSound(name, o, t)
			if err != nil {
				return err
			}
			if receipt.Audio == nil {
				receipt.Audio = track
				receipt.Checks = append(receipt.Checks, "sound")
			}
		}
	}
	if o.Rung >= 0 && receipt.Video == nil || len(o.Audios) > 0 && receipt.Audio == nil {
		return v.wrong(name, "the tracks of the output", "%d others", len(file.Tracks()))
	}
	if o.Rung >= 0 {
		receipt.DurationInMs = v.plan.Ladders[o.Ladder].Timeline.Duration().Milliseconds()
	} else if a := receipt.Audio; a != nil {
		receipt.DurationInMs = a.Frames * mp4.FrameSamples * 1000 / int64(a.SampleRate)
	}
	if receipt.DurationInMs > 0 {
		receipt.AverageBPS = receipt.Bytes * 8 * 1000 / receipt.DurationInMs
	}
	if d != nil {
		receipt.Checks = append(receipt.Checks, "decoded")
	}
	v.add(receipt)
	return nil
}

func (v *verifier) movieVideo(name objectName, o plan.Output, t *mp4.Track) (*VideoReceipt, error) {
	ladder := v.plan.Ladders[o.Ladder]
	r := &reel{rung: ladder.Rungs[o.Rung], rate: ladder.Timeline.FrameRate, tick: media.R(1, t.Timescale)}
	shots := make([]shot, len(t.Samples))
	for i, s := range t.Samples {
		shots[i] = shot{shown: s.PTS - t.MediaStart, key: s.Key, bytes: int64(s.Size)}
	}
	start, expected, found := r.segment(shots, ladder.Timeline.Frames)
	if found != "" {
		return nil, v.wrong(name, expected, "%s", found)
	}
	if start != 0 {
		return nil, v.wrong(name, "the first picture at 0", "it %d ticks later", start)
	}
	out := r.receipt(t.SPS[0])
	if out.Width != r.rung.Width || out.Height != r.rung.Height || t.Width != out.Width || t.Height != out.Height {
		return nil, v.wrong(name, fmt.Sprintf("pictures of %d×%d", r.rung.Width, r.rung.Height), "%d×%d, said to be %d×%d", out.Width, out.Height, t.Width, t.Height)
	}
	return out, nil
}

func (v *verifier) movieSound(name objectName, o plan.Output, t *mp4.Track) (*AudioReceipt, error) {
	track := &sound{tick: media.R(1, t.Timescale)}
	for _, s := range t.Samples {
		if expected, found := track.add(s.PTS-t.MediaStart, 1, t.SampleRate, t.Channels); found != "" {
			return nil, v.wrong(name, expected, "%s", found)
		}
	}
	frame := media.Rescale(mp4.FrameSamples, media.R(1, int64(t.SampleRate)), track.tick)
	if track.first > 0 || track.first < -3*frame {
		return nil, v.wrong(name, "sound that begins with the picture", "it %d ticks later", track.first)
	}
	if o.Rung >= 0 {
		timeline := v.plan.Ladders[o.Ladder].Timeline
		want := media.Rescale(timeline.Frames, timeline.FrameRate.Inverse(), track.tick)
		if end := track.end(); max(end-want, want-end) > 3*frame {
			return nil, v.wrong(name, fmt.Sprintf("sound to %v", track.tick.Duration(want)), "to %v", track.tick.Duration(end))
		}
	}
	return track.receipt(), nil
}
