package mpegts_test

import (
	"testing"

	"vodwright.dev/vodwright/internal/mpegts"
)

// checkPackets reads the concatenated segments packet by packet, as an analyser does.
func checkPackets(t *testing.T, segments [][]byte, c clip, _ *mpegts.Stream) {
	t.Helper()
	counters := map[int]byte{}
	lastPCR := int64(-1)
	bytesAt := map[int]int{}
	for i, s := range segments {
		if len(s)%188 != 0 {
			t.Fatalf("segment %d is not whole packets", i)
		}
		firstVideo := true
		lastInSegment := int64(-1)
		for at := 0; at < len(s); at += 188 {
			p := s[at : at+188]
			if p[0] != 0x47 {
				t.Fatalf("segment %d: no sync byte at %d", i, at)
			}
			pid := int(p[1]&0x1f)<<8 | int(p[2])
			bytesAt[pid] += 188
			if want := []int{0, service.PMTPID}; at/188 < 2 && pid != want[at/188] {
				t.Errorf("segment %d: packet %d has PID %d", i, at/188, pid)
			}
			payload := 4
			random := false
			if p[3]&0x20 != 0 {
				length := int(p[4])
				payload = 5 + length
				if length > 183 || p[3]&0x10 != 0 && length > 182 {
					t.Fatalf("segment %d: adaptation field of %d bytes", i, length)
				}
				if length > 0 {
					random = p[5]&0x40 != 0
					if p[5]&0x80 != 0 {
						t.Errorf("segment %d: a discontinuity is indicated", i)
					}
					if p[5]&0x10 != 0 {
						pcr := int64(p[6])<<25 | int64(p[7])<<17 | int64(p[8])<<9 | int64(p[9])<<1 | int64(p[10])>>7
						if pcr <= lastPCR {
							t.Errorf("segment %d: PCR %d follows %d", i, pcr, lastPCR)
						}
						if lastInSegment >= 0 && pcr-lastInSegment > mpegts.Clock/10 {
							t.Errorf("segment %d: %d ticks without a PCR", i, pcr-lastInSegment)
						}
						lastPCR, lastInSegment = pcr, pcr
					}
				}
			}
			if p[3]&0x10 == 0 {
				continue
			}
			if last, ok := counters[pid]; ok && p[3]&15 != (last+1)&15 {
				t.Errorf("segment %d: PID %d counts %d after %d", i, pid, p[3]&15, last)
			}
			counters[pid] = p[3] & 15
			if p[1]&0x40 != 0 && pid != 0 && pid != service.PMTPID {
				pes := p[payload:]
				if len(pes) < 14 || pes[0] != 0 || pes[1] != 0 || pes[2] != 1 {
					t.Fatalf("segment %d: no PES packet starts in PID %d at %d", i, pid, at)
				}
				stamp := func(b []byte) int64 {
					return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1)
				}
				dts := stamp(pes[9:])
				if pes[7]&0x40 != 0 {
					dts = stamp(pes[14:])
				}
				if dts < lastPCR {
					t.Errorf("segment %d: PID %d decodes at %d, after the clock's %d", i, pid, dts, lastPCR)
				}
				if pid == service.VideoPID {
					if firstVideo && !random {
						t.Errorf("segment %d: no random access at its first picture", i)
					}
					firstVideo = false
				}
			}
		}
	}
	for pid, last := range counters {
		if pid != 0 && pid != service.PMTPID && last != 15 {
			t.Errorf("PID %d ends at counter %d", pid, last)
		}
	}
}
