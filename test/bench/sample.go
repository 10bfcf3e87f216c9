package main

import (
	"fmt"
	"slices"
	"time"
)

// sample is a measure's values, in the order they were taken.
type sample []float64

// seconds adds a duration in seconds.
func (s *sample) seconds(d time.Duration) { *s = append(*s, d.Seconds()) }

// milliseconds adds a duration in milliseconds.
func (s *sample) milliseconds(d time.Duration) { *s = append(*s, float64(d)/float64(time.Millisecond)) }

// median is the middle value, or the mean of the two in the middle; 0 of none.
func (s sample) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	mid := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[mid-1] + sorted[mid]) / 2
	}
	return sorted[mid]
}

// over returns the ratios of values measured in turns: s first, other second.
func (s sample) over(other sample) sample {
	out := make(sample, min(len(s), len(other)))
	for i := range out {
		out[i] = s[i] / other[i]
	}
	return out
}

// minus returns the differences of values measured in turns.
func (s sample) minus(other sample) sample {
	out := make(sample, min(len(s), len(other)))
	for i := range out {
		out[i] = s[i] - other[i]
	}
	return out
}

// show gives median and range, each by format, which is for one number.
func (s sample) show(format string) string {
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.median(), slices.Min(s), slices.Max(s))
}
