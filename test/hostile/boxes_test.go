package hostile_test

import (
	"encoding/binary"
	"slices"
	"strings"
)

func be16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }
func be32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
func le32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// box is an MP4 box.
func box(kind string, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	return slices.Concat(be32(uint32(8+len(body))), []byte(kind), body)
}

// eachBox calls f for the boxes of a body, as far as they are whole.
func eachBox(body []byte, f func(kind string, content []byte)) {
	for len(body) >= 8 {
		n := int(binary.BigEndian.Uint32(body))
		if n < 8 || n > len(body) {
			return
		}
		f(string(body[4:8]), body[8:n])
		body = body[n:]
	}
}

// rewrite replaces the content of each box at a path such as "moov/trak/mdia/mdhd".
// The movie's index must be behind its media: offsets are left alone.
func rewrite(data []byte, path string, f func(content []byte) []byte) []byte {
	first, rest, deeper := strings.Cut(path, "/")
	var out []byte
	eachBox(data, func(kind string, content []byte) {
		switch {
		case kind == first && deeper:
			content = rewrite(content, rest, f)
		case kind == first:
			content = f(slices.Clone(content))
		}
		out = append(out, box(kind, content)...)
	})
	return out
}

// put overwrites bytes of a box's content.
func put(at int, bytes []byte) func([]byte) []byte {
	return func(content []byte) []byte {
		copy(content[at:], bytes)
		return content
	}
}

// element is an EBML element, with a size of 8 bytes.
func element(id []byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	return slices.Concat(id, be64(1<<56|uint64(len(body))), body)
}

// chunk is a RIFF chunk.
func chunk(kind string, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	out := slices.Concat([]byte(kind), le32(uint32(len(body))), body)
	if len(body)%2 == 1 {
		out = append(out, 0)
	}
	return out
}

// mpegCRC is the checksum of a section of a transport stream.
func mpegCRC(data []byte) uint32 {
	crc := uint32(0xffffffff)
	for _, b := range data {
		crc ^= uint32(b) << 24
		for range 8 {
			if crc&0x80000000 != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// section is one transport packet with a whole table section.
func section(pid int, table []byte) []byte {
	table = append(table, be32(mpegCRC(table))...)
	packet := append([]byte{0x47, 0x40 | byte(pid>>8), byte(pid), 0x10, 0}, table...)
	for len(packet) < 188 {
		packet = append(packet, 0xff)
	}
	return packet[:188]
}
