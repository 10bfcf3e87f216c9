package worker

import (
	"io"

	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/mpegts"
	"vodwright.dev/vodwright/internal/plan"
)

// transportStream returns an MPEG-TS output, cut by its Timeline.
func (f *finisher) transportStream(o plan.Output, video *mp4.Video, audio []*mp4.Audio) (*mpegts.Stream, error) {
	config := mpegts.Config{
		TransportStreamID: o.MPEGTS.TransportStreamID,
		ProgramNumber:     o.MPEGTS.ProgramNumber, PMTPID: o.MPEGTS.PMTPID, VideoPID: o.MPEGTS.VideoPID,
		PATEvery: o.MPEGTS.PATInterval * mpegts.Clock / 1000, PMTEvery: o.MPEGTS.PMTInterval * mpegts.Clock / 1000,
		PTSOffset: o.MPEGTS.PTSOffset, AudioFramesPerPES: o.MPEGTS.AudioFramesPerPES,
	}
	for i := range audio {
		encode := f.plan.Audios[o.Audios[i]]
		config.Audio = append(config.Audio, mpegts.AudioStream{
			PID: o.MPEGTS.AudioPIDs[i], Language: encode.Language, Type: byte(encode.Type), MPEG2: encode.MPEG2,
		})
	}
	return mpegts.NewStream(config, mpegts.Timeline(f.plan.Ladders[o.Ladder].Timeline), video, audio...)
}

// tsPacker packs MPEG-2 transport stream segments.
type tsPacker struct{ stream *mpegts.Stream }

func (p tsPacker) segment(out io.Writer, i int) ([]keyFrame, error) {
	_, keys, err := p.stream.IndexSegment(out, i)
	frames := make([]keyFrame, len(keys))
	for k, key := range keys {
		frames[k] = keyFrame{at: media.R(1, mpegts.Clock).Duration(key.PTS), part: hls.ByteRange{Offset: key.Offset, Length: key.Size}}
	}
	return frames, err
}

func (p tsPacker) begun(out io.Writer, i int) error { return p.stream.WriteBegun(out, i) }
