package mpegts

import "io"

const (
	packetSize  = 188
	payloadSize = packetSize - 4
	syncByte    = 0x47

	// counterPeriod is the period of a continuity counter: a PID that sends a
	// multiple of it in every segment starts each at 0.
	counterPeriod = 16

	// batchPackets is how many packets are written at once: 64 KB.
	batchPackets = 348

	timeMask = 1<<33 - 1 // PTS, DTS and the PCR base have 33 bits
)

// packetWriter packs PES packets of several PIDs into batches for w. The first
// error stays and ends all writing.
type packetWriter struct {
	w       io.Writer
	batch   []byte // filled packets; its capacity is a whole number of packets
	written int64
	err     error
}

// next returns the bytes of the next packet, to be filled whole by the caller.
func (p *packetWriter) next() []byte {
	if len(p.batch) == cap(p.batch) {
		p.flush()
	}
	n := len(p.batch)
	p.batch = p.batch[:n+packetSize]
	return p.batch[n : n+packetSize : n+packetSize]
}

func (p *packetWriter) flush() {
	if p.err == nil && len(p.batch) > 0 {
		n, err := p.w.Write(p.batch)
		p.written += int64(n)
		p.err = err
	}
	p.batch = p.batch[:0]
}

// position returns where the next packet begins in what is written.
func (p *packetWriter) position() int64 { return p.written + int64(len(p.batch)) }

// psi writes a prepared PAT or PMT packet with its continuity counter.
func (p *packetWriter) psi(packet []byte, counter byte) {
	b := p.next()
	copy(b, packet)
	b[3] = b[3]&0xf0 | counter
}

// noPCR in place of a clock says that a packet carries none.
const noPCR = int64(-1 << 62)

// pid is the state of one elementary stream within a segment.
type pid struct {
	id      int
	packets int // with payload, so far
}

// adaptation returns how many bytes the adaptation field takes that carries what is asked for.
func adaptation(pcr int64, random bool) int {
	switch {
	case pcr != noPCR:
		return 8
	case random:
		return 2
	}
	return 0
}

// naturalPackets returns how many packets a PES packet of n bytes needs when the
// first has an adaptation field of field bytes.
func naturalPackets(n, field int) int {
	return 1 + (max(n-(payloadSize-field), 0)+payloadSize-1)/payloadSize
}

// pes writes a PES packet into exactly count packets, at least its natural number
// and at most one a byte. What is more than natural are short packets at the end.
func (p *packetWriter) pes(s *pid, data []byte, pcr int64, random bool, count int) {
	start := byte(0x40) // payload_unit_start_indicator
	field := adaptation(pcr, random)
	for ; count > 0; count-- {
		b := p.next()
		take := min(payloadSize-field, len(data)-(count-1))
		b[0], b[1], b[2] = syncByte, start|byte(s.id>>8), byte(s.id)
		counter := byte(s.packets) & (counterPeriod - 1)
		s.packets++
		if take == payloadSize {
			b[3] = 0x10 | counter
			copy(b[4:], data[:payloadSize])
			data = data[payloadSize:]
			start, field = 0, 0
			continue
		}
		b[3] = 0x30 | counter
		head := b[4 : packetSize-take]
		fillAdaptation(head, pcr, random)
		copy(b[packetSize-take:], data[:take])
		data = data[take:]
		start, field, pcr, random = 0, 0, noPCR, false
	}
}

// clock writes a packet without payload that carries only a PCR. It leaves the
// continuity counter as it is (ISO/IEC 13818-1, 2.4.3.3).
func (p *packetWriter) clock(s *pid, pcr int64) {
	b := p.next()
	b[0], b[1], b[2] = syncByte, byte(s.id>>8), byte(s.id)
	b[3] = 0x20 | byte(s.packets-1)&(counterPeriod-1)
	fillAdaptation(b[4:], pcr, false)
}

// fillAdaptation makes all of b an adaptation field.
func fillAdaptation(b []byte, pcr int64, random bool) {
	b[0] = byte(len(b) - 1)
	if len(b) == 1 {
		return
	}
	b[1] = 0
	if random {
		b[1] |= 0x40
	}
	rest := b[2:]
	if pcr != noPCR {
		b[1] |= 0x10
		base := uint64(pcr) & timeMask
		rest[0], rest[1], rest[2], rest[3] = byte(base>>25), byte(base>>17), byte(base>>9), byte(base>>1)
		rest[4], rest[5] = byte(base<<7)|0x7e, 0 // extension 0: clocks are whole 90 kHz ticks
		rest = rest[6:]
	}
	for i := range rest {
		rest[i] = 0xff
	}
}

// Stream identifiers of PES packets (ISO/IEC 13818-1, table 2-22).
const (
	streamIDAudio = 0xc0
	streamIDVideo = 0xe0
)

// appendPESHeader appends a header without its length; see setPESLength.
func appendPESHeader(b []byte, stream byte, pts, dts int64) []byte {
	flags, length := byte(0x80), byte(5)
	if pts != dts {
		flags, length = 0xc0, 10
	}
	b = append(b, 0, 0, 1, stream, 0, 0, 0x84, flags, length) // 0x84: data_alignment_indicator
	b = appendTime(b, flags>>2&0x30, pts)
	if pts != dts {
		b = appendTime(b, 0x10, dts)
	}
	return b
}

// setPESLength sets the length of a whole PES packet. Video that is too long for
// the field has length 0, which only video may have.
func setPESLength(b []byte) {
	if n := len(b) - 6; n <= 0xffff {
		b[4], b[5] = byte(n>>8), byte(n)
	}
}

func appendTime(b []byte, prefix byte, t int64) []byte {
	v := uint64(t) & timeMask
	return append(b,
		prefix|byte(v>>29)&0x0e|1,
		byte(v>>22), byte(v>>14)|1,
		byte(v>>7), byte(v<<1)|1)
}
