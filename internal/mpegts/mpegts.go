// Package mpegts writes MPEG-2 transport stream segments for HLS.
//
// What flows in: pictures and AAC frames as byte ranges of encoders' files, with
// exact times. What flows out: segments, each written without knowledge of any
// other, in any order and in parallel, whose concatenation is one conformant
// stream. [Muxer] packs one [Segment]; [Stream] cuts the segments of a timeline
// from the tables of the mp4 room.
//
// Invariants of every segment:
//
//   - It starts with PAT and PMT, then an IDR picture with its parameter sets.
//   - The packets of each elementary stream number a multiple of 16, so that every
//     segment starts at continuity counter 0 and the next one goes on where it
//     ends. PAT and PMT, one packet each, count by the segment's index.
//   - No PES packet spans two segments. Times are on one axis over all segments,
//     computed from frame and sample numbers, never summed.
//   - The PCR is in the first packet of each picture, never more than 100 ms apart
//     within a segment, a constant delay ahead of the picture's decoding time.
//
// The package is pure: it touches only its arguments. Specifications: ISO/IEC
// 13818-1 (systems), ITU-T H.264 annex B, ISO/IEC 14496-3 (ADTS), RFC 8216 3.2.
package mpegts

import (
	"io"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// Clock is the resolution of PTS and DTS: ticks a second.
const Clock = 90_000

// DefaultAudioFramesPerPES is how many AAC frames share a PES packet when the
// configuration does not say: 85 ms at 48 kHz.
const DefaultAudioFramesPerPES = 4

// DefaultPCRDelay is 100 ms: long enough for every picture at 10 frames a second
// and more to arrive before it is decoded, short enough to keep audio of usual
// bit rates within the decoder's buffer (ISO/IEC 13818-1, 2.4.2.6).
const DefaultPCRDelay = Clock / 10

// Config is what stays the same for all segments of a stream.
type Config struct {
	TransportStreamID int // 0–65535

	ProgramNumber int // 1–65535
	PMTPID        int // packet identifiers: 16–8190, distinct
	VideoPID      int

	// PATEvery and PMTEvery are how often the tables stand in a segment, in 90 kHz
	// ticks, beside its start; 0 is there alone.
	PATEvery, PMTEvery int64

	// PTSOffset is added to every PTS and DTS, in 90 kHz ticks, 0 or more. The
	// service's default is two seconds.
	PTSOffset int64

	// AudioFramesPerPES is how many AAC frames share a PES packet; 0 is
	// DefaultAudioFramesPerPES. A PES packet never exceeds 65,535 bytes.
	AudioFramesPerPES int

	// PCRDelay is by how many 90 kHz ticks the clock is behind the decoding time of
	// the unit that carries it; 0 is DefaultPCRDelay. It must not be shorter than
	// a picture, or in a stream without video than an audio PES packet.
	PCRDelay int64

	// Video says that segments hold H.264, Audio which streams of AAC they hold. At
	// least one is needed.
	Video bool
	Audio []AudioStream
}

// AudioStream is what stays the same for a stream of AAC.
type AudioStream struct {
	PID    int
	Config []byte // AudioSpecificConfig of AAC-LC
	MPEG2  bool   // it is MPEG-2 AAC

	// Language is the ISO 639-2 code declared for the audio. It comes from source
	// files: anything but three letters declares none.
	Language string
	Type     byte // audio_type (table 2-60): 1 clean effects, 2 for the hearing, 3 for the visually impaired
}

// Unit is one picture, or one AAC frame, as it lies in an encoder's file.
type Unit struct {
	PTS, DTS int64 // 90 kHz ticks from the start of the presentation, without PTSOffset; may be negative
	Key      bool  // picture: an IDR picture; ignored for audio
	Format   *Format
	Data     io.ReaderAt // holds the unit
	Offset   int64       // of the unit in Data
	Size     int         // bytes, at least 1
}

// Format is how pictures of one encode are written in their file.
type Format struct {
	NALLengthSize int      // bytes before each NAL unit: 1, 2 or 4
	Parameters    [][]byte // SPS and PPS NAL units, in the order in which they precede each IDR picture
}

// Segment is what WriteSegment packs. Units are in decoding order.
type Segment struct {
	Index int // place in the stream, from 0
	Video []Unit
	Audio [][]Unit // as Config.Audio
	// From and To are when the segment is shown, as PTS counts, Before how many PATs and
	// PMTs the segments before it have; of streams whose tables stand within segments.
	From, To int64
	Before   [2]int64

	// Begun writes no more than what is sure before all pictures are there: up to the
	// first picture that is not, and to picture number Sure.
	Begun bool
	Sure  int

	End int64 // when the next segment's first unit is decoded, as DTS counts: the clock is kept until then; 0 ends it with the last unit
}

// most is the number of pictures that are written at most, -1 for all.
func (s *Segment) most() int {
	if s.Begun {
		return s.Sure
	}
	return -1
}

// mostAudio is how many streams of audio the one packet of a PMT has room for.
const mostAudio = 14

// validate reports every fault of the configuration in one error.
func (c Config) validate() error {
	var faults []string
	add := func(bad bool, text string) {
		if bad {
			faults = append(faults, text)
		}
	}
	pid := func(p int) bool { return p >= 16 && p <= 8190 }
	add(c.TransportStreamID < 0 || c.TransportStreamID > 65535, "transportStreamId must be 0 to 65535")
	add(c.ProgramNumber < 1 || c.ProgramNumber > 65535, "programNumber must be 1 to 65535")
	add(!pid(c.PMTPID), "pmtPid must be 16 to 8190")
	add(c.Video && !pid(c.VideoPID), "videoPid must be 16 to 8190")
	taken := map[int]bool{c.PMTPID: true}
	same := c.Video && c.PMTPID == c.VideoPID
	if c.Video {
		taken[c.VideoPID] = true
	}
	for _, a := range c.Audio {
		add(!pid(a.PID), "audioPid must be 16 to 8190")
		add(len(a.Config) < 2, "audio needs its configuration")
		same = same || taken[a.PID]
		taken[a.PID] = true
	}
	add(same, "packet identifiers must differ")
	add(len(c.Audio) > mostAudio, "a stream has at most 14 of audio")
	add(c.PATEvery < 0 || c.PMTEvery < 0, "the tables' intervals must not be negative")
	add(c.PTSOffset < 0, "ptsOffset must not be negative")
	add(c.PCRDelay < 0, "the PCR delay must not be negative")
	add(c.AudioFramesPerPES < 0, "audioFramesPerPes must not be negative")
	add(!c.Video && len(c.Audio) == 0, "a stream needs video or audio")
	if len(faults) > 0 {
		return fault.New(fault.Invalid, "", "MPEG-TS: %s", strings.Join(faults, "; "))
	}
	return nil
}
