package mpegts

import (
	"cmp"

	"vodwright.dev/vodwright/internal/media"
)

// Stream types of the PMT (ISO/IEC 13818-1, table 2-34).
const (
	streamTypeADTS = 0x0f
	streamTypeH264 = 0x1b
)

const languageDescriptor = 0x0a // ISO_639_language_descriptor

// patPacket returns the packet that holds the program association table. Its
// continuity counter is 0.
func patPacket(c Config) []byte {
	id := c.TransportStreamID
	section := []byte{
		0x00, 0xb0, 0,
		byte(id >> 8), byte(id), // transport_stream_id
		0xc1, 0x00, 0x00, // version 0, current, the only section
		byte(c.ProgramNumber >> 8), byte(c.ProgramNumber),
		0xe0 | byte(c.PMTPID>>8), byte(c.PMTPID),
	}
	return psiPacket(0, section)
}

// pmtPacket returns the packet that holds the program map table.
func pmtPacket(c Config) []byte {
	pcr := c.VideoPID
	if !c.Video {
		pcr = c.Audio[0].PID
	}
	section := []byte{
		0x02, 0xb0, 0,
		byte(c.ProgramNumber >> 8), byte(c.ProgramNumber),
		0xc1, 0x00, 0x00,
		0xe0 | byte(pcr>>8), byte(pcr),
		0xf0, 0x00, // no program descriptors
	}
	if c.Video {
		section = append(section, streamTypeH264, 0xe0|byte(c.VideoPID>>8), byte(c.VideoPID), 0xf0, 0)
	}
	for _, a := range c.Audio {
		section = append(section, streamTypeADTS, 0xe0|byte(a.PID>>8), byte(a.PID))
		l := cmp.Or(media.LanguageCode(a.Language), "und")
		if l == "und" && a.Type == 0 {
			section = append(section, 0xf0, 0)
			continue
		}
		section = append(section, 0xf0, 6, languageDescriptor, 4, l[0], l[1], l[2], a.Type)
	}
	return psiPacket(c.PMTPID, section)
}

// psiPacket completes a section with its length and CRC and packs it alone into a packet.
func psiPacket(pid int, section []byte) []byte {
	length := len(section) - 3 + 4
	section[1] |= byte(length >> 8)
	section[2] = byte(length)
	crc := crc32(section)
	section = append(section, byte(crc>>24), byte(crc>>16), byte(crc>>8), byte(crc))

	p := make([]byte, packetSize)
	p[0], p[1], p[2], p[3] = syncByte, 0x40|byte(pid>>8), byte(pid), 0x10
	n := 5 + copy(p[5:], section) // p[4] is pointer_field 0
	for i := n; i < packetSize; i++ {
		p[i] = 0xff
	}
	return p
}

// crc32 is CRC_32 of ISO/IEC 13818-1, annex A: polynomial 0x04c11db7, not
// reflected, not inverted. Sections are short and made once, so no table.
func crc32(b []byte) uint32 {
	crc := ^uint32(0)
	for _, v := range b {
		crc ^= uint32(v) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
