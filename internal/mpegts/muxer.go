package mpegts

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/mp4"
)

// Muxer packs segments. It is safe for concurrent use.
type Muxer struct {
	cfg      Config
	pat, pmt []byte
	scratch  sync.Pool // *scratch
}

// scratch is the memory that one WriteSegment needs: the largest picture seen and a batch of packets.
type scratch struct {
	pes   []byte
	raw   []byte
	batch []byte
}

// NewMuxer returns a muxer, or a fault.Invalid that names everything wrong with c.
func NewMuxer(c Config) (*Muxer, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.AudioFramesPerPES == 0 {
		c.AudioFramesPerPES = DefaultAudioFramesPerPES
	}
	if c.PCRDelay == 0 {
		c.PCRDelay = DefaultPCRDelay
	}
	m := &Muxer{cfg: c, pat: patPacket(c), pmt: pmtPacket(c)}
	m.scratch.New = func() any { return &scratch{batch: make([]byte, 0, batchPackets*packetSize)} }
	return m, nil
}

// WriteSegment writes one segment to w and returns the number of bytes written.
// It reads the units' data as it goes and keeps no more than one picture.
//
// Errors: fault.Invalid for units that are not what they claim to be (a NAL unit
// longer than its picture, a segment that starts without an IDR picture); an
// error of a reader or of w as it is, wrapped.
func (m *Muxer) WriteSegment(w io.Writer, seg Segment) (int64, error) {
	n, _, err := m.writeSegment(w, seg)
	return n, err
}

func (m *Muxer) writeSegment(w io.Writer, seg Segment) (n int64, keys []KeyPicture, err error) {
	if len(seg.Video) > 0 && !m.cfg.Video || len(seg.Audio) > len(m.cfg.Audio) {
		return 0, nil, fault.New(fault.Invalid, "", "MPEG-TS: segment %d has a stream that the program has not", seg.Index)
	}
	mem := m.scratch.Get().(*scratch)
	defer m.scratch.Put(mem)
	s := segmentWriter{
		Muxer: m,
		mem:   mem,
		out:   packetWriter{w: w, batch: mem.batch[:0]},
		video: pid{id: m.cfg.VideoPID},
		last:  noPCR,
	}
	for _, a := range m.cfg.Audio {
		s.audio = append(s.audio, pid{id: a.PID})
	}
	s.tables = m.tables(seg)
	for i := range s.tables {
		s.repeat(&s.tables[i], seg.From, true)
	}

	groups := m.groups(seg.Audio)
	for i, u := range seg.Video {
		if i == seg.most() {
			s.out.flush()
			return s.out.written, s.keys, s.out.err
		}
		for len(groups) > 0 && groups[0].units[0].PTS <= u.DTS {
			if err := s.writeAudio(groups[0]); err != nil {
				return s.out.written, nil, err
			}
			groups = groups[1:]
		}
		err := s.writeVideo(u, i == 0, i == len(seg.Video)-1)
		if seg.Begun && errors.Is(err, mp4.ErrAbsent) {
			s.out.flush()
			return s.out.written, s.keys, s.out.err
		}
		if err != nil {
			return s.out.written, nil, err
		}
	}
	for _, g := range groups {
		if err := s.writeAudio(g); err != nil {
			return s.out.written, nil, err
		}
	}
	s.due(seg.To)
	if seg.End > 0 { // the clock stands beside the last unit too, for who reads this segment alone
		end := seg.End + s.cfg.PTSOffset - s.cfg.PCRDelay
		s.fill(&s.video, end)
		if end -= 2; end > s.last { // the next one may be a tick early
			s.out.clock(&s.video, end)
		}
	}
	s.out.flush()
	if s.out.err != nil {
		return s.out.written, nil, fmt.Errorf("write segment %d: %w", seg.Index, s.out.err)
	}
	return s.out.written, s.keys, nil
}

// segmentWriter is the state of one WriteSegment.
type segmentWriter struct {
	*Muxer
	mem   *scratch
	out   packetWriter
	video pid
	audio []pid
	last  int64 // the last PCR written
	keys  []KeyPicture

	tables [2]table
}

// clock brings the PCR to the time that the unit decoded at dts carries, with
// packets of its own where more than 100 ms would pass without one.
func (s *segmentWriter) clock(p *pid, dts int64) int64 {
	pcr := dts + s.cfg.PTSOffset - s.cfg.PCRDelay
	s.fill(p, pcr)
	s.last = pcr
	return pcr
}

// fill writes the PCRs that are due before the next one, which is to be pcr.
func (s *segmentWriter) fill(p *pid, pcr int64) {
	for s.last != noPCR && pcr-s.last > maxPCRGap {
		s.last += maxPCRGap
		s.out.clock(p, s.last)
	}
}

// maxPCRGap is the longest time between two PCRs: 100 ms (ISO/IEC 13818-1, 2.7.2).
const maxPCRGap = Clock / 10

// accessUnitDelimiter starts every picture; any kind of slice may follow.
var accessUnitDelimiter = [...]byte{0, 0, 0, 1, nalAUD, 0xf0}

// Types of NAL units (H.264, table 7-1).
const (
	nalIDR = 5
	nalSPS = 7
	nalPPS = 8
	nalAUD = 9
)

func (s *segmentWriter) writeVideo(u Unit, first, last bool) error {
	s.due(u.DTS)
	b := appendPESHeader(s.mem.pes[:0], streamIDVideo, u.PTS+s.cfg.PTSOffset, u.DTS+s.cfg.PTSOffset)
	header := len(b)
	b = append(b, accessUnitDelimiter[:]...)
	if u.Key {
		for _, p := range u.Format.Parameters {
			b = append(append(b, 0, 0, 0, 1), p...)
		}
	}
	b, idr, err := s.annexB(b, u)
	s.mem.pes = b[:0]
	if err != nil {
		return err
	}
	if first && !(idr && u.Key) {
		return fault.New(fault.Invalid, "", "MPEG-TS: a segment starts with a picture that is not IDR")
	}
	pcr := s.clock(&s.video, u.DTS)
	count := naturalPackets(len(b), adaptation(pcr, idr))
	if last {
		count += padding(s.video.packets + count)
		for len(b) < header+count-1 { // a picture of a few bytes: trailing_zero_8bits give it more
			b = append(b, 0)
		}
		s.mem.pes = b[:0]
	}
	setPESLength(b)
	if idr {
		s.keys = append(s.keys, KeyPicture{PTS: u.PTS, Offset: s.out.position(), Size: int64(count) * packetSize})
	}
	s.out.pes(&s.video, b, pcr, idr, count)
	return s.out.err
}

// padding returns how many packets make n a multiple of the counter's period.
func padding(n int) int { return (counterPeriod - n%counterPeriod) % counterPeriod }

// annexB appends the picture of u to b, each NAL unit after a start code, and
// reports whether it is an IDR picture. Access unit delimiters and parameter sets
// that Format already has are left out.
func (s *segmentWriter) annexB(b []byte, u Unit) (out []byte, idr bool, err error) {
	width := u.Format.NALLengthSize
	at := len(b)
	var raw []byte
	if width == 4 { // a start code takes the place of each length
		b = slices.Grow(b, u.Size)[:at+u.Size]
		raw = b[at:]
	} else {
		s.mem.raw = slices.Grow(s.mem.raw[:0], u.Size)[:u.Size]
		raw = s.mem.raw
		b = slices.Grow(b, 4*u.Size)
	}
	if err := readUnit(u, raw); err != nil {
		return b, false, err
	}
	b = b[:at]
	for len(raw) > 0 {
		n := -1
		if len(raw) > width {
			switch width {
			case 4:
				n = int(binary.BigEndian.Uint32(raw))
			case 2:
				n = int(binary.BigEndian.Uint16(raw))
			case 1:
				n = int(raw[0])
			}
		}
		if n <= 0 || n > len(raw)-width {
			return b, false, fault.New(fault.Invalid, "", "MPEG-TS: a NAL unit does not fit its picture")
		}
		nal := raw[width : width+n]
		raw = raw[width+n:]
		switch nal[0] & 0x1f {
		case nalAUD:
			continue
		case nalSPS, nalPPS:
			if u.Key && slices.ContainsFunc(u.Format.Parameters, func(p []byte) bool { return bytes.Equal(p, nal) }) {
				continue
			}
		case nalIDR:
			idr = true
		}
		// With width 4 this writes over bytes already read, at the same place or before it.
		b = append(append(b, 0, 0, 0, 1), nal...)
	}
	return b, idr, nil
}

// readUnit fills b with the data of u.
func readUnit(u Unit, b []byte) error {
	n, err := u.Data.ReadAt(b, u.Offset)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(b), u.Offset, err)
}
