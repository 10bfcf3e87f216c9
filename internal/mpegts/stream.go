package mpegts

import (
	"fmt"
	"io"
	"math/bits"
	"slices"

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
	audio    []*mp4.Audio
	formats  map[*mp4.Track]*Format

	tables [][2]int64 // PATs and PMTs before each segment

	// anchored streams decode the first picture of every segment when it is shown,
	// others that of the first segment alone: those with segments too short for it.
	anchored bool
}

// NewStream returns a stream of video, which may be nil, and of audio, as many as
// c.Audio has. It sets Video, the Config of each of Audio and, when it is 0, PCRDelay
// of c. The video must have the
// timeline's frames and an IDR picture at each start.
//
// Errors: fault.Invalid for the configuration, fault.Internal for tracks that do
// not fit the timeline.
func NewStream(c Config, t Timeline, video *mp4.Video, audio ...*mp4.Audio) (*Stream, error) {
	if len(audio) != len(c.Audio) {
		return nil, fault.New(fault.Internal, "", "MPEG-TS: %d audio tracks for %d streams", len(audio), len(c.Audio))
	}
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
		s.anchored = true
		for i := 1; i < len(t.Starts); i++ {
			s.anchored = s.anchored && t.Starts[i]-t.Starts[i-1] >= shortest(video.Reorder)
		}
	}
	c.Audio = slices.Clone(c.Audio)
	for i, a := range audio {
		c.Audio[i].Config = a.Track.AudioConfig
	}
	if c.PCRDelay == 0 {
		// A unit has arrived when the clock of the next one is reached.
		unit := media.Rescale(2, t.FrameRate.Inverse(), media.R(1, Clock))
		if video == nil {
			frames := max(int64(c.AudioFramesPerPES), DefaultAudioFramesPerPES)
			for _, a := range audio {
				unit = max(unit, frames*mp4.FrameSamples*Clock/int64(a.Track.SampleRate))
			}
		}
		c.PCRDelay = max(DefaultPCRDelay, unit)
	}
	var err error
	if s.muxer, err = NewMuxer(c); err != nil {
		return nil, err
	}
	s.tables = make([][2]int64, len(t.Starts))
	for i := 1; i < len(t.Starts); i++ {
		from, to := s.ticks(t.Starts[i-1]), s.ticks(t.Starts[i])
		for k, every := range []int64{c.PATEvery, c.PMTEvery} {
			s.tables[i][k] = s.tables[i-1][k] + 1 + slots(from, to, every)
		}
	}
	return s, nil
}

// ticks returns when frame k is shown.
func (s *Stream) ticks(k int64) int64 {
	return media.Rescale(k, s.timeline.FrameRate.Inverse(), media.R(1, Clock))
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
	for _, a := range s.audio {
		// audioFrame multiplies these; all real values leave room for years.
		hi, lo := bits.Mul64(uint64(t.FrameRate.Den), uint64(a.Track.SampleRate))
		hi2, lo2 := bits.Mul64(lo, uint64(t.Frames))
		hi3, lo3 := bits.Mul64(uint64(t.FrameRate.Num), uint64(a.Priming)+mp4.FrameSamples)
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

// WriteBegun writes what WriteSegment's bytes are sure to begin with while not all
// pictures of the segment are there. Those that are must be whole GOPs, and all of the
// sound has to be there.
func (s *Stream) WriteBegun(w io.Writer, i int) error {
	if i < 0 || i >= s.Segments() || s.video == nil {
		return fault.New(fault.Internal, "", "MPEG-TS: segment %d of %d cannot be begun", i, s.Segments())
	}
	seg := s.Segment(i)
	// When the last pictures are shown decides when those before them are decoded, see
	// decodingTimes: those half a step or more too early, and each before it one half less.
	seg.Begun, seg.Sure = true, max(len(seg.Video)-3-2*int(s.video.Reorder), 0)
	if _, err := s.muxer.WriteSegment(w, seg); err != nil {
		return fmt.Errorf("pack the beginning of segment %d: %w", i, err)
	}
	return nil
}

// Segment returns what segment i holds: the pictures of its frames, and the audio
// frames that begin while it lasts. Audio frames before the first picture (the
// encoder's priming) are left out, so that both begin at once and a player finds
// no hole at the start.
func (s *Stream) Segment(i int) Segment {
	from, to := s.timeline.segment(i)
	seg := Segment{Index: i, Before: s.tables[i]}
	seg.From, seg.To = s.ticks(from), s.ticks(to)
	if s.video != nil {
		rate, ticks := s.timeline.FrameRate.Inverse(), media.R(1, Clock)
		seg.Video = make([]Unit, 0, to-from)
		for j := from; j < to; j++ {
			seg.Video = append(seg.Video, s.picture(j))
		}
		end := media.Rescale(to, rate, ticks)
		s.decodingTimes(seg.Video, from, end)
		if seg.End = end; !s.anchored {
			seg.End = media.Rescale(to-s.video.Reorder, rate, ticks)
		}
	}
	for _, a := range s.audio {
		rate, ticks := media.R(1, int64(a.Track.SampleRate)), media.R(1, Clock)
		first, end := s.audioFrame(a, from), s.audioFrame(a, to)
		units := make([]Unit, 0, max(end-first, 0))
		for k := first; k < end; k++ {
			data, f := a.Frame(k)
			pts := media.Rescale(a.Start(k), rate, ticks)
			units = append(units, Unit{PTS: pts, DTS: pts, Data: data, Offset: f.Offset, Size: int(f.Size)})
		}
		seg.Audio = append(seg.Audio, units)
	}
	return seg
}

// picture returns the j-th picture in decoding order, without its DTS.
func (s *Stream) picture(j int64) Unit {
	p := s.video.Picture(j)
	return Unit{
		PTS:    media.Rescale(p.Frame, s.timeline.FrameRate.Inverse(), media.R(1, Clock)),
		Key:    p.Sample.Key,
		Format: s.formats[p.Chunk],
		Data:   p.Chunk.Data,
		Offset: p.Sample.Offset,
		Size:   int(p.Sample.Size),
	}
}

// decodingTimes sets the DTS of the pictures of a segment, in decoding order, that
// starts at frame from and ends at end. Decoding leads showing by Reorder pictures,
// yet the first picture is decoded when it is shown, and the lead is gained within
// one picture's time after it. Players place what they load by its lowest timestamp,
// at the start (hls.js 1.7) or wherever one seeks to (Shaka 5.2): with a lead there,
// all that follows would be shown Reorder pictures late, after a hole of as many.
func (s *Stream) decodingTimes(pictures []Unit, from, end int64) {
	lead := s.video.Reorder
	period, ticks := s.timeline.FrameRate.Inverse(), media.R(1, Clock)
	unit := media.Rescale(1, period, ticks)
	for k := range pictures {
		// Where the lead is gained, and which picture from there this is.
		at, n := from, int64(k)
		if !s.anchored { // over several segments, if need be
			at, n = 0, from+n
		}
		dts := media.Rescale(from+int64(k)-lead, period, ticks)
		if early := lead + 1 - n; n == 0 {
			// A tick before it is shown, where there is one: FFmpeg takes equal times for
			// none, and guesses.
			dts = media.Rescale(at, period, ticks)
			if lead > 0 && at > 0 {
				dts--
			}
		} else if early > 0 {
			// Most of the time is the first picture's: players show a picture for as
			// long as the next one's decoding is away.
			dts = media.Rescale(at+1, period, ticks) - early*unit/(4*(lead+1))
		}
		pictures[k].DTS = dts
	}
	last := len(pictures) - 1
	if lead == 0 || !s.anchored || from+int64(len(pictures)) == s.timeline.Frames {
		return
	}
	// The lead is lost again at the end, for the next segment begins without one.
	// Players expect it one step after the last picture, a step as long as the one
	// before: hls.js pulls what comes later forward, over the end of this segment,
	// and video.js takes that for where it ends.
	p := pictures
	p[last].DTS = min(p[last].PTS, end-unit*5/4, (end+p[last-1].PTS)/2)
	p[last-1].DTS = 2*p[last].DTS - end
	for k := last - 2; k > int(lead) && p[k].DTS > p[k+1].DTS-unit/2; k-- {
		p[k].DTS = p[k+1].DTS - unit/2
	}
}

// shortest is the least number of pictures of a segment in which a lead can be
// gained and lost again.
func shortest(lead int64) int64 { return 2*lead + 4 }

// audioFrame returns the first audio frame that begins when video frame k is
// shown or later; for the first picture the one that begins nearest to it.
func (s *Stream) audioFrame(a *mp4.Audio, k int64) int {
	t := s.timeline.FrameRate
	end := min(ceilDiv(a.Samples+a.Priming, mp4.FrameSamples), int64(a.Frames()))
	if k == 0 {
		return int(min((a.Priming+mp4.FrameSamples/2-1)/mp4.FrameSamples, end))
	}
	i := ceilDiv(k*t.Den*int64(a.Track.SampleRate)+a.Priming*t.Num, mp4.FrameSamples*t.Num)
	return int(min(i, end))
}

// ceilDiv returns a/b rounded up, for a ≥ 0 and b > 0.
func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
