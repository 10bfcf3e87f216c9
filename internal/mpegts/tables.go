package mpegts

// table is a PAT or a PMT within a segment. It stands at the segment's start and at
// every multiple of an interval while the segment is shown. A multiple belongs to
// one segment alone, so that each can be written without knowledge of the others and
// counters still go on from one to the next.
type table struct {
	packet      []byte
	counter     int64
	every, next int64 // ticks; next is when the table is due
	end         int64 // of the segment
}

// tables returns the tables of a segment. Without an interval they are counted by
// the segment's index.
func (m *Muxer) tables(seg Segment) [2]table {
	out := [2]table{
		{packet: m.pat, every: m.cfg.PATEvery, end: seg.To},
		{packet: m.pmt, every: m.cfg.PMTEvery, end: seg.To},
	}
	for i := range out {
		t := &out[i]
		if t.counter = int64(seg.Index); t.every > 0 {
			t.counter = seg.Before[i]
			t.next = (seg.From/t.every + 1) * t.every
		}
	}
	return out
}

// slots returns how many multiples of an interval lie between two times, neither of
// which counts.
func slots(from, to, every int64) int64 {
	if every <= 0 || to <= from {
		return 0
	}
	return (to-1)/every - from/every
}

// due writes the tables that are due at a time.
func (s *segmentWriter) due(at int64) {
	for i := range s.tables {
		s.repeat(&s.tables[i], at, false)
	}
}

// repeat writes a table as often as it is due at a time; once in any case if must.
func (s *segmentWriter) repeat(t *table, at int64, must bool) {
	for must || t.every > 0 && t.next <= at && t.next < t.end {
		s.out.psi(t.packet, byte(t.counter)&(counterPeriod-1))
		if t.counter++; !must {
			t.next += t.every
		}
		must = false
	}
}
