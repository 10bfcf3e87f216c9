package mpegts

import (
	"fmt"
	"io"
	"math/bits"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
)

// Timeline is where segments begin and end: those of the plan room, to which its
// Timeline converts. Frame k is shown at k/FrameRate seconds.
type Timeline struct {
	FrameRate media.Rational // frames a second
	Starts    []int64        // first frame of each segment; Starts[0] is 0
	Frames    int64          // total; the last segment ends here
}

// segment returns the frames [from, to) of segment i.
func (t Timeline) segment(i int) (from, to int64) {
	if i+1 < len(t.Starts) {
		return t.Starts[i], t.Starts[i+1]
	}
	return t.Starts[i], t.Frames
}

// Stream is one rung, its audio, or both, cut into the segments of a Timeline. It
// is safe for concurrent use when the tracks are: segments may be written in any
// order and at the same time.
type Stream struct {
	muxer    *Muxer
	timeline Timeline
	video    *mp4.Video
	audio    *mp4.Audio
	formats  map[*mp4.Track]*Format
}

// NewStream returns a stream of video, of audio (either may be nil), or of both.
// It sets Video, AudioConfig and, when it is 0, PCRDelay of c. The video must have the
// timeline's frames and an IDR picture at each start.
//
// Errors: fault.Invalid for the configuration, fault.Internal for tracks that do
// not fit the timeline.
func NewStream(c Config, t Timeline, video *mp4.Video, audio *mp4.Audio) (*Stream, error) {
	s := &Stream{timeline: t, video: video, audio: audio}
	if err := s.checkTimeline(); err != nil {
		return nil, err
	}
	if video != nil {
		c.Video = true
		if err := s.checkVideo(); err != nil {
			return nil, err
		}
		s.collectFormats()
	}
	if audio != nil {
		c.AudioConfig = audio.Track.AudioConfig
	}
	if c.PCRDelay == 0 {
		// A unit has arrived when the clock of the next one is reached.
		unit := media.Rescale(2, t.FrameRate.Inverse(), media.R(1, Clock))
		if video == nil && audio != nil {
			frames := max(int64(c.AudioFramesPerPES), DefaultAudioFramesPerPES)
			unit = frames * mp4.FrameSamples * Clock / int64(audio.Track.SampleRate)
		}
		c.PCRDelay = max(DefaultPCRDelay, unit)
	}
	var err error
	if s.muxer, err = NewMuxer(c); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Stream) checkTimeline() error {
	t := s.timeline
	bad := !t.FrameRate.Known() || len(t.Starts) == 0 || t.Starts[0] != 0 || t.Starts[len(t.Starts)-1] >= t.Frames
	for i := 1; i < len(t.Starts) && !bad; i++ {
		bad = t.Starts[i] <= t.Starts[i-1]
	}
	if bad {
		return fault.New(fault.Internal, "", "MPEG-TS: the timeline of %d segments and %d frames is not increasing", len(t.Starts), t.Frames)
	}
	if s.audio != nil {
		// audioFrame multiplies these; all real values leave room for years.
		hi, lo := bits.Mul64(uint64(t.FrameRate.Den), uint64(s.audio.Track.SampleRate))
		hi2, lo2 := bits.Mul64(lo, uint64(t.Frames))
		hi3, lo3 := bits.Mul64(uint64(t.FrameRate.Num), uint64(s.audio.Priming)+mp4.FrameSamples)
		if hi|hi2|hi3 != 0 || lo2 > 1<<61 || lo3 > 1<<61 {
			return fault.New(fault.Internal, "", "MPEG-TS: %d frames at %s a second are too many", t.Frames, t.FrameRate)
		}
	}
	return nil
}

func (s *Stream) checkVideo() error {
	if got, want := s.video.Frames(), s.timeline.Frames; got != want {
		return fault.New(fault.Internal, "", "MPEG-TS: the video has %d frames, the timeline %d", got, want)
	}
	if s.video.FrameRate != s.timeline.FrameRate {
		return fault.New(fault.Internal, "", "MPEG-TS: the video has %s frames a second, the timeline %s", s.video.FrameRate, s.timeline.FrameRate)
	}
	for _, k := range s.timeline.Starts {
		if err := s.video.CheckStart(k); err != nil {
			return err
		}
	}
	return nil
}

// collectFormats makes one Format a chunk, all before concurrent use begins.
func (s *Stream) collectFormats() {
	s.formats = map[*mp4.Track]*Format{}
	for _, t := range s.video.Chunks() {
		f := &Format{NALLengthSize: t.NALLengthSize}
		f.Parameters = append(append(f.Parameters, t.SPS...), t.PPS...)
		s.formats[t] = f
	}
}

// Segments returns the number of segments.
func (s *Stream) Segments() int { return len(s.timeline.Starts) }

// WriteSegment writes segment i to w and returns its size in bytes.
func (s *Stream) WriteSegment(w io.Writer, i int) (int64, error) {
	if i < 0 || i >= s.Segments() {
		return 0, fault.New(fault.Internal, "", "MPEG-TS: segment %d of %d", i, s.Segments())
	}
	n, err := s.muxer.WriteSegment(w, s.Segment(i))
	if err != nil {
		return n, fmt.Errorf("pack segment %d: %w", i, err)
	}
	return n, nil
}

// Segment returns what segment i holds: the pictures of its frames, and the audio
// frames that begin while it lasts. Audio frames before the first picture (the
// encoder's priming) are left out, so that both begin at once and a player finds
// no hole at the start.
func (s *Stream) Segment(i int) Segment {
	from, to := s.timeline.segment(i)
	seg := Segment{Index: i}
	if s.video != nil {
		rate, ticks := s.timeline.FrameRate.Inverse(), media.R(1, Clock)
		seg.Video = make([]Unit, 0, to-from)
		for j := from; j < to; j++ {
			p := s.video.Picture(j)
			seg.Video = append(seg.Video, Unit{
				PTS:    media.Rescale(p.Frame, rate, ticks),
				DTS:    s.decodingTime(j),
				Key:    p.Sample.Key,
				Format: s.formats[p.Chunk],
				Data:   p.Chunk.Data,
				Offset: p.Sample.Offset,
				Size:   int(p.Sample.Size),
			})
		}
	}
	if s.audio != nil {
		rate, ticks := media.R(1, int64(s.audio.Track.SampleRate)), media.R(1, Clock)
		first, end := s.audioFrame(from), s.audioFrame(to)
		seg.Audio = make([]Unit, 0, max(end-first, 0))
		for k := first; k < end; k++ {
			f := s.audio.Track.Samples[k]
			pts := media.Rescale(s.audio.Start(k), rate, ticks)
			seg.Audio = append(seg.Audio, Unit{
				PTS: pts, DTS: pts, Data: s.audio.Track.Data, Offset: f.Offset, Size: int(f.Size),
			})
		}
	}
	return seg
}

// decodingTime returns the DTS of the j-th picture in decoding order. Decoding
// leads showing by Reorder pictures, yet the first picture is decoded when it is
// shown, and the lead is gained within one picture's time after it: players that
// start their clock at the lowest DTS (hls.js 1.7) would else find a hole of
// Reorder pictures at the start of the presentation.
func (s *Stream) decodingTime(j int64) int64 {
	rate, lead := s.timeline.FrameRate, s.video.Reorder
	if j <= lead {
		return media.Rescale(j, media.R(rate.Den, rate.Num*(lead+1)), media.R(1, Clock))
	}
	return media.Rescale(j-lead, rate.Inverse(), media.R(1, Clock))
}

// audioFrame returns the first audio frame that begins when video frame k is
// shown or later; for the first picture the one that begins nearest to it.
func (s *Stream) audioFrame(k int64) int {
	t, a := s.timeline.FrameRate, s.audio
	end := min(ceilDiv(a.Samples+a.Priming, mp4.FrameSamples), int64(a.Frames()))
	if k == 0 {
		return int(min((a.Priming+mp4.FrameSamples/2-1)/mp4.FrameSamples, end))
	}
	i := ceilDiv(k*t.Den*int64(a.Track.SampleRate)+a.Priming*t.Num, mp4.FrameSamples*t.Num)
	return int(min(i, end))
}

// ceilDiv returns a/b rounded up, for a ≥ 0 and b > 0.
func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
