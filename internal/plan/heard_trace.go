package plan

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// period is from one second to another.
type period struct{ from, to float64 }

// Silence is a time of an encode in which no sound could be decoded, in seconds.
type Silence struct {
	From, To float64
	End      bool // of the part that it is in
}

// Bounds of what is told of silence.
const (
	heardStep    = 0.25 // seconds between the marks of a trace
	leastSilence = 1    // second
)

// ParseHeard reads the trace of a part, and returns where a second or more of the
// sound that is due was not decoded. Times that go back, and those of before and
// behind the part, are passed over.
func ParseHeard(r io.Reader, h Heard) ([]Silence, error) {
	var out []Silence
	last := h.Begins
	silent := func(from, to float64, end bool) {
		if to-from >= leastSilence+heardStep {
			out = append(out, Silence{From: h.At + from, To: h.At + to, End: end})
		}
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		_, text, found := strings.Cut(lines.Text(), "pts_time:")
		if !found {
			continue
		}
		t, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || !(t > last) { // not a number too
			continue
		}
		silent(last, min(t, h.Seconds), false)
		last = max(last, t)
	}
	silent(last, h.Seconds, true)
	return out, lines.Err()
}
