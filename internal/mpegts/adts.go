package mpegts

import (
	"cmp"
	"slices"

	"vodwright.dev/vodwright/internal/fault"
)

const (
	adtsHeader   = 7
	maxADTSFrame = 1<<13 - 1 // aac_frame_length has 13 bits

	audioPESHeader = 14 // with one time stamp
	maxAudioPES    = 0xffff + 6
)

// audioGroup is the frames of one PES packet.
type audioGroup struct {
	stream  int // of Config.Audio
	units   []Unit
	bytes   int // of the PES packet
	packets int
}

// groups lists the PES packets of all audio streams of a segment by their time.
func (m *Muxer) groups(streams [][]Unit) []audioGroup {
	var all []audioGroup
	for i, units := range streams {
		all = append(all, m.groupAudio(i, units)...)
	}
	slices.SortStableFunc(all, func(a, b audioGroup) int { return cmp.Compare(a.units[0].PTS, b.units[0].PTS) })
	return all
}

// clocked reports whether an audio stream carries the PCR: the first one of a
// program without video.
func (m *Muxer) clocked(stream int) bool { return stream == 0 && !m.cfg.Video }

// groupAudio shares the frames of a stream in a segment out to PES packets and the
// packets that the continuity counter needs to the last of them.
func (m *Muxer) groupAudio(stream int, units []Unit) []audioGroup {
	var groups []audioGroup
	pcr := noPCR
	if m.clocked(stream) {
		pcr = 0
	}
	field, total := adaptation(pcr, !m.cfg.Video), 0
	for len(units) > 0 {
		g := audioGroup{stream: stream, bytes: audioPESHeader}
		n := 0
		for n < len(units) && n < m.cfg.AudioFramesPerPES {
			size := adtsHeader + units[n].Size
			if n > 0 && g.bytes+size > maxAudioPES {
				break
			}
			g.bytes += size
			n++
		}
		g.units, units = units[:n], units[n:]
		g.packets = naturalPackets(g.bytes, field)
		total += g.packets
		groups = append(groups, g)
	}
	// First keep each PES header whole in its first packet; a segment with a few
	// bytes of audio leaves no choice but to split one.
	extra := padding(total)
	for _, header := range []int{audioPESHeader, 1} {
		for i := len(groups) - 1; i >= 0 && extra > 0; i-- {
			n := min(extra, max(groups[i].bytes-header+1-groups[i].packets, 0))
			groups[i].packets += n
			extra -= n
		}
	}
	return groups
}

// writeAudio writes one PES packet of AAC frames, each with an ADTS header.
func (s *segmentWriter) writeAudio(g audioGroup) error {
	s.due(g.units[0].PTS)
	pts := g.units[0].PTS + s.cfg.PTSOffset
	b := appendPESHeader(s.mem.pes[:0], streamIDAudio+byte(g.stream), pts, pts)
	stream := &s.cfg.Audio[g.stream]
	for _, u := range g.units {
		size := adtsHeader + u.Size
		if size > maxADTSFrame {
			return fault.New(fault.Invalid, "", "MPEG-TS: an AAC frame of %d bytes is too long for ADTS", u.Size)
		}
		b = appendADTS(b, stream.Config, stream.MPEG2, size)
		at := len(b)
		for range u.Size {
			b = append(b, 0)
		}
		if err := readUnit(u, b[at:]); err != nil {
			return err
		}
	}
	s.mem.pes = b[:0]
	setPESLength(b)
	pcr := noPCR
	p := &s.audio[g.stream]
	if s.clocked(g.stream) {
		pcr = s.clock(p, g.units[0].PTS)
	}
	s.out.pes(p, b, pcr, !s.cfg.Video, g.packets)
	return s.out.err
}

// appendADTS appends the header of an AAC-LC frame of size bytes, 7 bytes of header
// included (ISO/IEC 14496-3, 1.A.2.2), for an AudioSpecificConfig. MPEG-2 AAC has an
// ID of its own.
func appendADTS(b, config []byte, mpeg2 bool, size int) []byte {
	id := byte(0xf1) // MPEG-4, no CRC
	if mpeg2 {
		id = 0xf9
	}
	bits := uint(config[0])<<8 | uint(config[1])
	profile, rate, channels := bits>>11-1, bits>>7&0xf, bits>>3&0xf
	return append(b,
		0xff, id,
		byte(profile<<6|rate<<2|channels>>2),
		byte(channels<<6)|byte(size>>11),
		byte(size>>3),
		byte(size<<5)|0x1f, 0xfc) // buffer fullness 0x7ff: variable rate; one raw data block
}
