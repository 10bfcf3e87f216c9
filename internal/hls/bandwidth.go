package hls

import (
	"math"
	"math/bits"
	"time"
)

// SegmentSize is a segment's weight.
type SegmentSize struct {
	Bytes    int64
	Duration time.Duration
}

// Bandwidth returns BANDWIDTH and AVERAGE-BANDWIDTH of a variant in bits a
// second, rounded up, as RFC 8216, 4.3.4.2 measures them: the peak is the largest
// bit rate of any contiguous set of segments that lasts between 0.5 and 1.5 times
// the target duration (or of all of them, when no set does), the average is that
// of all segments together. No segments give 0.
func Bandwidth(segments []SegmentSize) (peak, average int64) {
	var total SegmentSize
	var longest time.Duration
	for _, s := range segments {
		total.Bytes += s.Bytes
		total.Duration += s.Duration
		longest = max(longest, s.Duration)
	}
	average = rate(total)
	target := (longest + time.Second - 1) / time.Second * time.Second
	for i := range segments {
		var set SegmentSize
		for _, s := range segments[i:] {
			set.Bytes += s.Bytes
			set.Duration += s.Duration
			if set.Duration > target+target/2 {
				break
			}
			if set.Duration >= target/2 {
				peak = max(peak, rate(set))
			}
		}
	}
	return max(peak, average), average
}

// rate returns bits a second, rounded up, saturated.
func rate(s SegmentSize) int64 {
	if s.Duration <= 0 || s.Bytes <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(s.Bytes), 8*uint64(time.Second))
	lo, carry := bits.Add64(lo, uint64(s.Duration)-1, 0)
	hi += carry
	if hi >= uint64(s.Duration) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(s.Duration))
	return int64(min(q, math.MaxInt64))
}
