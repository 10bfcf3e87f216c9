package mpegts

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"vodwright.dev/vodwright/internal/fault"
)

// Reader reads the segments of one stream back, in order, as strictly as an
// analyser: what a player would forgive is an error too. It keeps what goes on
// from one segment to the next (continuity counters, the clock, wrapped times)
// and no more than one PES packet a stream. It is not for concurrent use.
type Reader struct {
	segments int
	tables   map[int][]byte // PID → the PAT or PMT section last seen
	pmt      int            // PID of the program map table
	streams  map[int]*readStream
	pcr      int64 // the last PCR, unwrapped; noPCR before the first
	counters map[int]byte

	contents *Contents // of the segment that is read
}

// Contents is what one segment holds. Times are in 90 kHz ticks, unwrapped: they
// go on over segments where the 33 bits of the stream begin anew.
type Contents struct {
	Bytes    int64
	Pictures []Picture // in decoding order
	Sound    []Sound   // in order, of all audio streams
}

// Picture is one picture, which is one PES packet.
type Picture struct {
	PTS, DTS   int64
	IDR        bool
	Parameters bool   // a sequence and a picture parameter set stand before its slices
	SPS        []byte // the first sequence parameter set; nil is none
	Bytes      int    // of its NAL units with their start codes, delimiter and parameter sets left out
}

// Sound is one PES packet of AAC frames.
type Sound struct {
	PID        int
	PTS        int64
	Frames     int
	SampleRate int // Hz
	Channels   int
}

// readStream is one elementary stream.
type readStream struct {
	pid, kind int
	pes       []byte // the PES packet that is gathered
	random    bool   // its first packet has the random access indicator
	begun     bool
	arrived   int64 // the clock when its last packet was read
	last      int64 // the last PTS or DTS, unwrapped; noPCR before the first
}

// NewReader returns a Reader of a stream's first segment.
func NewReader() *Reader {
	return &Reader{tables: map[int][]byte{}, streams: map[int]*readStream{}, counters: map[int]byte{}, pmt: -1, pcr: noPCR}
}

// Segment reads the next segment of the stream from src to its end. Whatever it
// returns, the Reader is no good after an error.
//
// Errors: fault.Invalid that says what is wrong and where; an error of src as it
// is, wrapped.
func (r *Reader) Segment(src io.Reader) (*Contents, error) {
	r.contents = &Contents{}
	buf := make([]byte, batchPackets*packetSize)
	for {
		n, err := io.ReadFull(src, buf)
		if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("read segment %d: %w", r.segments, err)
		}
		for b := buf[:n]; len(b) > 0; b = b[packetSize:] {
			if len(b) < packetSize {
				return nil, r.wrong("it ends %d bytes into a packet", len(b))
			}
			if err := r.packet(b[:packetSize]); err != nil {
				return nil, err
			}
			r.contents.Bytes += packetSize
		}
		if err != nil {
			break
		}
	}
	for _, s := range r.streams {
		if err := r.flush(s); err != nil {
			return nil, err
		}
	}
	if r.contents.Bytes == 0 {
		return nil, r.wrong("it is empty")
	}
	if p := r.contents.Pictures; len(p) > 0 && !(p[0].IDR && p[0].Parameters) {
		return nil, r.wrong("its first picture is not an IDR picture with its parameter sets")
	}
	r.segments++
	return r.contents, nil
}

// wrong is an error about the segment at the place that has been read to.
func (r *Reader) wrong(format string, args ...any) error {
	return fault.New(fault.Invalid, "", "at byte %d: %s", r.contents.Bytes, fmt.Sprintf(format, args...))
}

func (r *Reader) packet(b []byte) error {
	if b[0] != syncByte {
		return r.wrong("no packet begins there")
	}
	if b[1]&0x80 != 0 {
		return r.wrong("a packet is marked as damaged")
	}
	id, start := int(b[1]&0x1f)<<8|int(b[2]), b[1]&0x40 != 0
	if at := r.contents.Bytes / packetSize; at == 0 && id != 0 || at == 1 && id != r.pmt {
		return r.wrong("a segment begins with PAT and PMT, and here is PID %d", id)
	}
	if id == 0x1fff {
		return nil
	}
	payload, random := b[4:], false
	if b[3]&0x20 != 0 {
		length := int(b[4])
		if length > packetSize-5 || b[3]&0x10 != 0 && length > packetSize-6 {
			return r.wrong("an adaptation field of %d bytes", length)
		}
		if length > 0 {
			field := b[5 : 5+length]
			random = field[0]&0x40 != 0
			if field[0]&0x80 != 0 {
				return r.wrong("PID %d has a discontinuity", id)
			}
			if field[0]&0x10 != 0 && length >= 7 {
				if err := r.clock(field[1:]); err != nil {
					return err
				}
			}
		}
		payload = b[5+length:]
	}
	if b[3]&0x10 == 0 {
		return nil
	}
	counter := b[3] & 15
	if last, seen := r.counters[id]; seen && counter != (last+1)&15 {
		return r.wrong("PID %d counts %d after %d: packets are missing", id, counter, last)
	}
	r.counters[id] = counter
	if id == 0 || id == r.pmt {
		return r.table(id, start, payload)
	}
	s := r.streams[id]
	if s == nil {
		return r.wrong("PID %d is not in the program", id)
	}
	if start {
		if err := r.flush(s); err != nil {
			return err
		}
		s.begun, s.random = true, random
	}
	if !s.begun {
		return r.wrong("PID %d goes on with a PES packet of another segment", id)
	}
	s.pes = append(s.pes, payload...)
	s.arrived = r.pcr
	return nil
}

// clock reads a PCR. It has to go forward, and by no more than the standard allows.
func (r *Reader) clock(b []byte) error {
	base := int64(b[0])<<25 | int64(b[1])<<17 | int64(b[2])<<9 | int64(b[3])<<1 | int64(b[4])>>7
	pcr := unwrap(base, r.pcr)
	if r.pcr != noPCR && pcr <= r.pcr {
		return r.wrong("the clock stands at %d after %d", pcr, r.pcr)
	}
	r.pcr = pcr
	return nil
}

// unwrap returns the time nearest to last that has the 33 bits of t.
func unwrap(t, last int64) int64 {
	if last == noPCR {
		return t
	}
	const period = timeMask + 1
	d := (t - last) & timeMask
	if d >= period/2 {
		d -= period
	}
	return last + d
}

// table reads a PAT or PMT, which is one section in one packet.
func (r *Reader) table(id int, start bool, b []byte) error {
	if !start || len(b) < 1 || int(b[0])+4 > len(b) {
		return r.wrong("PID %d has a table that does not begin where it should", id)
	}
	b = b[1+int(b[0]):]
	length := int(b[1]&0x0f)<<8 | int(b[2]) + 3
	if length < 12 || length > len(b) {
		return r.wrong("PID %d has a table of %d bytes", id, length)
	}
	b = b[:length]
	if crc32(b[:length-4]) != binary.BigEndian.Uint32(b[length-4:]) {
		return r.wrong("the checksum of the table in PID %d is wrong", id)
	}
	if bytes.Equal(r.tables[id], b) {
		return nil
	}
	if r.tables[id] != nil {
		return r.wrong("the table in PID %d changes", id)
	}
	r.tables[id] = bytes.Clone(b)
	body := b[8 : length-4]
	if id == 0 {
		if len(body) != 4 {
			return r.wrong("the program association table has %d bytes of programs, not one program", len(body))
		}
		r.pmt = int(body[2]&0x1f)<<8 | int(body[3])
		return nil
	}
	if len(body) < 4 || int(body[2]&0x0f)<<8|int(body[3]) > len(body)-4 {
		return r.wrong("the program map table ends too early")
	}
	for body = body[4+(int(body[2]&0x0f)<<8|int(body[3])):]; len(body) > 0; {
		if len(body) < 5 || int(body[3]&0x0f)<<8|int(body[4]) > len(body)-5 {
			return r.wrong("the program map table ends too early")
		}
		s := &readStream{kind: int(body[0]), pid: int(body[1]&0x1f)<<8 | int(body[2]), last: noPCR}
		r.streams[s.pid] = s
		body = body[5+(int(body[3]&0x0f)<<8|int(body[4])):]
	}
	if len(r.streams) == 0 {
		return r.wrong("the program has no streams")
	}
	return nil
}

// flush takes the PES packet that was gathered.
func (r *Reader) flush(s *readStream) error {
	if !s.begun {
		return nil
	}
	b := s.pes
	s.pes, s.begun = s.pes[:0], false
	if len(b) < 9 || b[0] != 0 || b[1] != 0 || b[2] != 1 || len(b) < 9+int(b[8]) {
		return r.wrong("PID %d does not hold PES packets", s.pid)
	}
	if length := int(b[4])<<8 | int(b[5]); length != 0 && length != len(b)-6 {
		return r.wrong("PID %d: a PES packet of %d bytes says that it has %d", s.pid, len(b)-6, length)
	}
	flags, header, data := b[7], b[9:9+int(b[8])], b[9+int(b[8]):]
	if flags&0x80 == 0 || len(header) < 5 || flags&0x40 != 0 && len(header) < 10 {
		return r.wrong("PID %d: a PES packet has no time", s.pid)
	}
	dts := stamp(header)
	if flags&0x40 != 0 {
		dts = stamp(header[5:])
	}
	dts = unwrap(dts, max(s.last, r.pcr))
	pts := unwrap(stamp(header), dts)
	switch {
	case s.last != noPCR && dts <= s.last:
		return r.wrong("PID %d is decoded at %d after %d", s.pid, dts, s.last)
	case pts < dts:
		return r.wrong("PID %d: what is decoded at %d is shown before, at %d", s.pid, dts, pts)
	case s.arrived != noPCR && dts < s.arrived-maxPCRGap:
		return r.wrong("PID %d is decoded at %d, long before its packets arrive at %d", s.pid, dts, s.arrived)
	}
	s.last = dts
	switch s.kind {
	case streamTypeH264:
		return r.picture(s, data, pts, dts)
	case streamTypeADTS:
		return r.sound(s, data, pts)
	}
	return nil
}

func stamp(b []byte) int64 {
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1)
}

// picture reads the NAL units of one picture.
func (r *Reader) picture(s *readStream, b []byte, pts, dts int64) error {
	p := Picture{PTS: pts, DTS: dts}
	var delimiters, slices, pps int
	for unit := range nalUnits(b) {
		switch kind := unit[0] & 0x1f; {
		case unit[0]&0x80 != 0:
			return r.wrong("PID %d: a NAL unit is damaged", s.pid)
		case kind == nalAUD:
			delimiters++
			continue
		case kind == nalSPS:
			if p.SPS == nil {
				p.SPS = bytes.Clone(unit)
			}
			continue
		case kind == nalPPS:
			pps++
			continue
		case kind >= 1 && kind <= nalIDR:
			if slices == 0 {
				p.Parameters = p.SPS != nil && pps > 0
			}
			slices++
			p.IDR = p.IDR || kind == nalIDR
		}
		p.Bytes += len(unit) + 4
	}
	switch {
	case delimiters != 1:
		return r.wrong("PID %d: %d access unit delimiters in a PES packet", s.pid, delimiters)
	case slices == 0:
		return r.wrong("PID %d: a PES packet holds no picture", s.pid)
	case p.IDR && !s.random:
		return r.wrong("PID %d: an IDR picture is not marked for random access", s.pid)
	}
	r.contents.Pictures = append(r.contents.Pictures, p)
	return nil
}

// nalUnits yields the NAL units of an Annex B byte stream, none of them empty.
func nalUnits(b []byte) func(yield func([]byte) bool) {
	code := []byte{0, 0, 1}
	return func(yield func([]byte) bool) {
		at := bytes.Index(b, code)
		for at >= 0 {
			b = b[at+3:]
			at = bytes.Index(b, code)
			unit := b
			if at >= 0 {
				unit = b[:at]
			}
			unit = bytes.TrimRight(unit, "\x00") // zero_byte and trailing_zero_8bits
			if len(unit) > 0 && !yield(unit) {
				return
			}
		}
	}
}

// sound reads the ADTS frames of a PES packet (ISO/IEC 14496-3, 1.A.2).
func (r *Reader) sound(s *readStream, b []byte, pts int64) error {
	out := Sound{PID: s.pid, PTS: pts}
	for len(b) > 0 {
		if len(b) < 7 || b[0] != 0xff || b[1]&0xf6 != 0xf0 {
			return r.wrong("PID %d: no AAC frame begins where the one before ended", s.pid)
		}
		length := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5])>>5
		rate, channels := int(b[2]>>2&15), int(b[2]&1)<<2|int(b[3]>>6)
		if length < 7 || length > len(b) {
			return r.wrong("PID %d: an AAC frame of %d bytes where %d are left", s.pid, length, len(b))
		}
		if rate >= len(adtsRates) {
			return r.wrong("PID %d: AAC with sampling frequency index %d", s.pid, rate)
		}
		if out.Frames > 0 && (out.SampleRate != adtsRates[rate] || out.Channels != channels) {
			return r.wrong("PID %d: the sound changes its rate or channels", s.pid)
		}
		out.SampleRate, out.Channels = adtsRates[rate], channels
		out.Frames++
		b = b[length:]
	}
	if out.Frames == 0 {
		return r.wrong("PID %d: a PES packet without sound", s.pid)
	}
	r.contents.Sound = append(r.contents.Sound, out)
	return nil
}

// adtsRates is sampling_frequency_index (ISO/IEC 14496-3, table 1.18).
var adtsRates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
