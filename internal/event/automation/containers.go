package automation

import (
	"encoding/binary"
	"math/bits"
)

// The containers that are looked into beside ISO files, as far as it takes to
// find a video track; what is not found at once is left to the demuxers.

// EBML elements of Matroska and WebM (RFC 9559).
const (
	ebmlHeader   = 0x1A45DFA3
	mkvSegment   = 0x18538067
	mkvTracks    = 0x1654AE6B
	mkvEntry     = 0xAE
	mkvTrackType = 0x83
	mkvVideo     = 1
)

// hasMatroskaVideo finds a video track in the begin of a Matroska file.
func hasMatroskaVideo(data []byte) bool {
	found := false
	elements(data, func(id uint64, body []byte) {
		if id != mkvSegment {
			return
		}
		elements(body, func(id uint64, body []byte) {
			if id != mkvTracks {
				return
			}
			elements(body, func(id uint64, body []byte) {
				if id != mkvEntry {
					return
				}
				elements(body, func(id uint64, body []byte) {
					found = found || id == mkvTrackType && len(body) == 1 && body[0] == mkvVideo
				})
			})
		})
	})
	return found
}

// elements calls each for the elements that data holds; the last may be cut, and
// one of unknown size goes to the end.
func elements(data []byte, each func(id uint64, body []byte)) {
	for len(data) > 1 {
		idLength := bits.LeadingZeros8(data[0]) + 1
		if idLength > 4 || idLength >= len(data) {
			return
		}
		var id uint64
		for _, b := range data[:idLength] {
			id = id<<8 | uint64(b)
		}
		data = data[idLength:]
		length := bits.LeadingZeros8(data[0]) + 1
		if length > 8 || length > len(data) {
			return
		}
		size := uint64(data[0]) & (1<<(8-length) - 1)
		unknown := size == 1<<(8-length)-1
		for _, b := range data[1:length] {
			size = size<<8 | uint64(b)
			unknown = unknown && b == 0xff
		}
		data = data[length:]
		if unknown || size > uint64(len(data)) {
			size = uint64(len(data))
		}
		each(id, data[:size])
		data = data[size:]
	}
}

// The stream types of video in a program map (ISO/IEC 13818-1, table 2-34).
func videoStreamType(t byte) bool {
	switch t {
	case 0x01, 0x02, 0x10, 0x1b, 0x20, 0x24, 0x33, 0x42, 0xd2, 0xea:
		return true
	}
	return false
}

// hasTransportVideo finds a video stream in the first program map of an MPEG
// transport stream, of packets of 188 bytes, or 192 as camcorders write them.
func hasTransportVideo(data []byte) bool {
	for _, packet := range []struct{ size, skip int }{{188, 0}, {192, 4}} {
		if len(data) < 5*packet.size {
			continue
		}
		synced := true
		for i := range 5 {
			synced = synced && data[i*packet.size+packet.skip] == 0x47
		}
		if !synced {
			continue
		}
		maps := map[uint16]bool{}
		for at := 0; at+packet.size <= len(data); at += packet.size {
			p := data[at+packet.skip : at+packet.skip+188]
			if p[0] != 0x47 {
				return false
			}
			pid := binary.BigEndian.Uint16(p[1:]) & 0x1fff
			section := sectionOf(p)
			switch {
			case section == nil:
			case pid == 0 && section[0] == 0:
				for e := section[8:]; len(e) >= 4+4; e = e[4:] { // the last 4 bytes are a checksum
					maps[binary.BigEndian.Uint16(e[2:])&0x1fff] = true
				}
			case maps[pid] && section[0] == 2 && len(section) >= 16:
				info := int(binary.BigEndian.Uint16(section[10:]) & 0x0fff)
				if 12+info > len(section) {
					return false
				}
				for e := section[12+info:]; len(e) >= 5+4; {
					if videoStreamType(e[0]) {
						return true
					}
					next := 5 + int(binary.BigEndian.Uint16(e[3:])&0x0fff)
					if next > len(e) {
						return false
					}
					e = e[next:]
				}
			}
		}
	}
	return false
}

// sectionOf returns the section that begins in a packet and ends in it, with at
// least its header, or nil.
func sectionOf(p []byte) []byte {
	if p[1]&0x40 == 0 || p[3]&0x10 == 0 {
		return nil
	}
	payload := p[4:]
	if p[3]&0x20 != 0 {
		if int(payload[0])+1 >= len(payload) {
			return nil
		}
		payload = payload[1+payload[0]:]
	}
	if int(payload[0])+1+8 > len(payload) {
		return nil
	}
	section := payload[1+payload[0]:]
	n := 3 + int(binary.BigEndian.Uint16(section[1:])&0x0fff)
	if n > len(section) || n < 8 {
		return nil
	}
	return section[:n]
}
