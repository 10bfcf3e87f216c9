package mpegts_test

import (
	"bytes"
	"testing"

	"vodwright.dev/vodwright/internal/mpegts"
)

// TestTablesWithinSegments asserts that tables stand as often as they are asked to,
// and that segments still follow each other without a jump of a counter.
func TestTablesWithinSegments(t *testing.T) {
	_, c := packed(t)
	video, audio := c.encode(t)
	config := service
	config.PATEvery, config.PMTEvery = mpegts.Clock/10, mpegts.Clock/4
	s, err := newStream(config, c.timeline(), video, audio)
	if err != nil {
		t.Fatal(err)
	}
	segments := pack(t, s)
	r := mpegts.NewReader()
	count := map[int]int{}
	for i, data := range segments {
		if _, err := r.Segment(bytes.NewReader(data)); err != nil {
			t.Fatalf("segment %d: %v", i, err)
		}
		for at := 0; at < len(data); at += 188 {
			count[int(data[at+1]&0x1f)<<8|int(data[at+2])]++
		}
	}
	// 2.5025 s: at 0, and at each multiple of the interval; the segments at 1.001 s
	// and 1.668 s begin with tables of their own.
	if pat, pmt := count[0], count[config.PMTPID]; pat != 1+25+2 || pmt != 1+10+2 {
		t.Errorf("%d PATs and %d PMTs", pat, pmt)
	}
}
