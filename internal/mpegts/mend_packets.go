package mpegts

import (
	"errors"
	"io"
)

// packetReader finds the packets of a transport stream: of 188 bytes, or of 192 or 204
// with what recorders and modulators add, and with whatever is between them.
type packetReader struct {
	r        io.Reader
	buf      []byte
	from, to int
	size     int // from one packet to the next
	ended    bool
}

// Bounds of where a stream is looked for, and of what is read at once.
const (
	mostLead   = 64 << 10
	atOnce     = 1 << 20
	inARow     = 5 // packets that make a stream
	mostPacket = 204
)

// others are files that are none, whatever is in them.
var others = []struct {
	at    int
	magic string
}{
	{4, "ftyp"},
	{4, "moov"},
	{4, "mdat"},
	{4, "wide"},
	{4, "free"},
	{4, "skip"},
	{4, "styp"},
	{0, "RIFF"},
	{0, "RF64"},
	{0, "OggS"},
	{0, "FLV"},
	{0, "fLaC"},
	{0, "ID3"},
	{0, "DKIF"},
	{0, "\x1a\x45\xdf\xa3"},
	{0, "\x30\x26\xb2\x75"},
	{0, "\x06\x0e\x2b\x34"},
	{0, "\x00\x00\x01\xba"},
}

// newPacketReader returns a reader of a stream that begins near the start of r, nil if
// there is none.
func newPacketReader(r io.Reader) (*packetReader, error) {
	p := &packetReader{r: r, buf: make([]byte, atOnce)}
	if err := p.fill(nil); err != nil {
		return nil, err
	}
	for _, kind := range others {
		if len(kind.magic) <= p.to-kind.at && string(p.buf[kind.at:kind.at+len(kind.magic)]) == kind.magic {
			return nil, nil
		}
	}
	for at := range min(mostLead, p.to) {
		for _, size := range []int{packetSize, 192, mostPacket} {
			if p.row(at, size, inARow) {
				p.from, p.size = at, size
				return p, nil
			}
		}
	}
	return nil, nil
}

// row reports whether n packets of a size follow each other at a place.
func (p *packetReader) row(at, size, n int) bool {
	for k := range n {
		if i := at + k*size; i+packetSize > p.to || p.buf[i] != syncByte {
			return false
		}
	}
	return true
}

// fill reads on, after keep, which is told that what was read before goes away.
func (p *packetReader) fill(keep func()) error {
	if p.ended {
		return io.EOF
	}
	if keep != nil {
		keep()
	}
	copy(p.buf, p.buf[p.from:p.to])
	p.from, p.to = 0, p.to-p.from
	n, err := io.ReadFull(p.r, p.buf[p.to:])
	p.to += n
	if p.ended = err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF); p.ended {
		err = nil
	}
	return err
}

// next returns the next packet, which is good until keep is called, and io.EOF behind
// the last one.
func (p *packetReader) next(keep func()) ([]byte, error) {
	for {
		for p.to-p.from < 3*mostPacket && !p.ended {
			if err := p.fill(keep); err != nil {
				return nil, err
			}
		}
		if p.to-p.from < packetSize {
			return nil, io.EOF
		}
		if at := p.from; p.buf[at] == syncByte {
			p.from = min(at+p.size, p.to)
			return p.buf[at : at+packetSize], nil
		}
		// The next one that another one follows, or that is the last.
		p.from++
		for p.to-p.from >= packetSize && !p.row(p.from, p.size, 2) && (!p.ended || p.to-p.from > mostPacket || p.buf[p.from] != syncByte) {
			if p.to-p.from < 3*mostPacket && !p.ended {
				break
			}
			p.from++
		}
	}
}

// sectionReader puts the sections of a PID together (ISO/IEC 13818-1, 2.4.4).
type sectionReader struct {
	b     []byte
	begun bool
}

// add reads a packet and calls use for every section that it completes.
func (s *sectionReader) add(packet []byte, use func([]byte)) {
	data := payload(packet)
	if len(data) == 0 {
		return
	}
	if packet[1]&0x40 != 0 {
		pointer := int(data[0])
		if data = data[1:]; pointer > len(data) {
			s.begun = false
			return
		}
		if s.begun {
			s.b = append(s.b, data[:pointer]...)
			s.take(use)
		}
		s.b, s.begun = append(s.b[:0], data[pointer:]...), true
	} else if s.begun {
		s.b = append(s.b, data...)
	}
	s.take(use)
}

// take hands on the sections that are whole.
func (s *sectionReader) take(use func([]byte)) {
	for s.begun && len(s.b) >= 3 {
		n := 3 + int(s.b[1]&0xf)<<8 + int(s.b[2])
		if s.b[0] == 0xff || n > 4*mostSection {
			s.begun = false // stuffing
			return
		}
		if len(s.b) < n {
			return
		}
		use(s.b[:n])
		s.b = append(s.b[:0], s.b[n:]...)
	}
}
