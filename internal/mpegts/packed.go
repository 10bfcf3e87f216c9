package mpegts

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
)

// timestampOwner names the ID3 frame with the time of a packed audio segment's
// first sample (RFC 8216, 3.4).
const timestampOwner = "com.apple.streaming.transportStreamTimestamp"

// timestampTag is the length of the ID3 tag before each packed segment.
const timestampTag = 10 + 10 + len(timestampOwner) + 1 + 8

// WritePackedSegment writes segment i of a stream of one audio track as packed
// audio: an ID3 tag with the time at which it begins, then ADTS frames. It returns
// the number of bytes written.
func (s *Stream) WritePackedSegment(w io.Writer, i int) (int64, error) {
	if i < 0 || i >= s.Segments() || s.video != nil || len(s.audio) != 1 {
		return 0, fault.New(fault.Internal, "", "packed audio: segment %d of %d, %d audio tracks", i, s.Segments(), len(s.audio))
	}
	units := s.Segment(i).Audio[0]
	if len(units) == 0 {
		return 0, fault.New(fault.Internal, "", "packed audio: segment %d has no sound", i)
	}
	cfg := s.muxer.cfg
	tag := appendTimestampTag(nil, max(units[0].PTS+cfg.PTSOffset, 0))
	n, err := w.Write(tag)
	written := int64(n)
	if err != nil {
		return written, fmt.Errorf("pack segment %d: %w", i, err)
	}
	m, err := writeADTS(w, cfg.Audio[0], units)
	return written + m, err
}

// appendTimestampTag appends an ID3 2.4 tag of one PRIV frame.
func appendTimestampTag(b []byte, pts int64) []byte {
	synchsafe := func(n int) []byte {
		return []byte{byte(n >> 21 & 0x7f), byte(n >> 14 & 0x7f), byte(n >> 7 & 0x7f), byte(n & 0x7f)}
	}
	b = append(b, "ID3\x04\x00\x00"...)
	b = append(b, synchsafe(timestampTag-10)...)
	b = append(b, "PRIV"...)
	b = append(b, synchsafe(timestampTag-20)...)
	b = append(b, 0, 0)
	b = append(append(b, timestampOwner...), 0)
	return binary.BigEndian.AppendUint64(b, uint64(pts)&(1<<33-1))
}

// writeADTS writes frames, each with its header.
func writeADTS(w io.Writer, stream AudioStream, units []Unit) (written int64, err error) {
	var b []byte
	for _, u := range units {
		size := adtsHeader + u.Size
		if size > maxADTSFrame {
			return written, fault.New(fault.Invalid, "", "an AAC frame of %d bytes is too long for ADTS", u.Size)
		}
		b = slices.Grow(b[:0], size)
		b = appendADTS(b, stream.Config, stream.MPEG2, size)[:size]
		if err := readUnit(u, b[adtsHeader:]); err != nil {
			return written, err
		}
		n, err := w.Write(b)
		written += int64(n)
		if err != nil {
			return written, fmt.Errorf("write AAC frame: %w", err)
		}
	}
	return written, nil
}

// WriteADTS writes a whole track as a file of AAC frames with ADTS headers, from the
// frame that begins nearest to its first sample: the encoder's priming has no way to
// be told in such a file.
func WriteADTS(w io.Writer, audio *mp4.Audio, mpeg2 bool) (int64, error) {
	s := &Stream{timeline: Timeline{FrameRate: media.R(1, 1), Starts: []int64{0}, Frames: 1}}
	first := s.audioFrame(audio, 0)
	end := min(ceilDiv(audio.Samples+audio.Priming, mp4.FrameSamples), int64(audio.Frames()))
	var units []Unit
	for i := first; i < int(end); i++ {
		data, f := audio.Frame(i)
		units = append(units, Unit{Data: data, Offset: f.Offset, Size: int(f.Size)})
	}
	return writeADTS(w, AudioStream{Config: audio.Track.AudioConfig, MPEG2: mpeg2}, units)
}

// ReadPacked reads a packed audio segment, as strictly as a Reader does. Without tag
// it is a file of AAC frames, whose Sound begins at 0.
//
// Errors: fault.Invalid that says what is wrong and where; an error of src as it is,
// wrapped.
func ReadPacked(src io.Reader, tag bool) (*Contents, error) {
	r := bufio.NewReaderSize(src, 64<<10)
	out := &Contents{Sound: []Sound{{}}}
	s := &out.Sound[0]
	wrong := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "", "at byte %d: %s", out.Bytes, fmt.Sprintf(format, args...))
	}
	take := func(b []byte) error {
		n, err := io.ReadFull(r, b)
		if err == io.EOF && n == 0 {
			return io.EOF
		}
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return wrong("it ends in the middle")
		}
		if err != nil {
			return fmt.Errorf("read packed audio: %w", err)
		}
		out.Bytes += int64(n)
		return nil
	}
	if tag {
		b := make([]byte, timestampTag)
		if err := take(b); err == io.EOF {
			return nil, wrong("it is empty")
		} else if err != nil {
			return nil, err
		}
		s.PTS = int64(binary.BigEndian.Uint64(b[timestampTag-8:]))
		if !slices.Equal(b, appendTimestampTag(nil, s.PTS)) {
			return nil, wrong("it does not begin with the tag that tells its time")
		}
	}
	body := make([]byte, maxADTSFrame)
	for {
		b := body[:adtsHeader]
		if err := take(b); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		if string(b[:3]) == "ID3" && tag { // the next segment, in one file with this one
			if err := take(body[adtsHeader:timestampTag]); err != nil {
				return nil, wrong("it ends in the middle")
			}
			if at := int64(binary.BigEndian.Uint64(body[timestampTag-8 : timestampTag])); !slices.Equal(body[:timestampTag], appendTimestampTag(nil, at)) {
				return nil, wrong("a tag that tells no time")
			}
			continue
		}
		length := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
		rate, channels := int(b[2]>>2&0xf), int(b[2]&1)<<2|int(b[3]>>6)
		if b[0] != 0xff || b[1]&0xf7 != 0xf1 || b[2]>>6 != 1 || rate >= len(adtsRates) || length <= adtsHeader || channels == 0 {
			return nil, wrong("no AAC-LC frame begins there")
		}
		if s.Frames > 0 && (adtsRates[rate] != s.SampleRate || channels != s.Channels) {
			return nil, wrong("another sampling rate or number of channels")
		}
		s.SampleRate, s.Channels = adtsRates[rate], channels
		s.Frames++
		if err := take(body[:length-adtsHeader]); err == io.EOF {
			return nil, wrong("it ends in the middle")
		} else if err != nil {
			return nil, err
		}
	}
	if s.Frames == 0 {
		return nil, wrong("it has no sound")
	}
	return out, nil
}
