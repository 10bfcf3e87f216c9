package plan

import (
	"fmt"
	"math"
	"strings"
)

// matrix says what channels are made of: row o holds the linear gain of each input
// channel in output channel o.
type matrix [][]float64

// Bounds of RemixSettings, in dB. The least is nothing at all.
const (
	muteDB    = -60
	loudestDB = 6
)

// remixMatrix reads RemixSettings; nil where they map nothing.
func remixMatrix(r RemixSettings, path string, problems *problems) matrix {
	rows := r.ChannelMapping.OutputChannels
	if len(rows) == 0 {
		if r.ChannelsIn != 0 || r.ChannelsOut != 0 {
			problems.add(path, "channelMapping is a required property")
		}
		return nil
	}
	if r.ChannelsOut != 0 && r.ChannelsOut != int64(len(rows)) {
		problems.add(path+"/channelMapping/outputChannels", "channelsOut is %d and %d channels are mapped", r.ChannelsOut, len(rows))
	}
	in := r.ChannelsIn
	for _, row := range rows {
		if r.ChannelsIn == 0 {
			in = max(in, int64(len(row.InputChannels)), int64(len(row.InputChannelsFineTune)))
		}
	}
	if in > 64 || len(rows) > 64 {
		problems.add(path, "Should be at most 64 channels")
		return nil
	}
	out := make(matrix, len(rows))
	for o, row := range rows {
		here := fmt.Sprintf("%s/channelMapping/outputChannels/%d", path, o)
		gains := row.InputChannels
		if len(row.InputChannelsFineTune) > 0 {
			if len(gains) > 0 {
				problems.add(here, "inputChannels and inputChannelsFineTune do not go together")
			}
			gains = row.InputChannelsFineTune
		}
		if int64(len(gains)) != in {
			problems.add(here, "channelsIn is %d and %d input channels have a value", in, len(gains))
		}
		out[o] = make([]float64, in)
		for i, dB := range gains {
			if dB < muteDB || dB > loudestDB {
				problems.add(fmt.Sprintf("%s/inputChannels/%d", here, i), "Should be between %d and %d", muteDB, loudestDB)
			}
			if int64(i) < in && dB > muteDB {
				out[o][i] = math.Pow(10, math.Round(dB*1000)/1000/20)
			}
		}
	}
	return out
}

// identity passes n channels on.
func identity(n int) matrix {
	m := make(matrix, n)
	for i := range m {
		m[i] = make([]float64, n)
		m[i][i] = 1
	}
	return m
}

// in is how many channels go in.
func (m matrix) in() int {
	if len(m) == 0 {
		return 0
	}
	return len(m[0])
}

// columns returns the part of m that n input channels from first on go through. Ones
// that m has not are not heard.
func (m matrix) columns(first, n int) matrix {
	out := make(matrix, len(m))
	for o, row := range m {
		out[o] = make([]float64, n)
		for i := range n {
			if first+i < len(row) {
				out[o][i] = row[first+i]
			}
		}
	}
	return out
}

// times returns the matrix that does by, then m.
func (m matrix) times(by matrix) matrix {
	out := make(matrix, len(m))
	for o, row := range m {
		out[o] = make([]float64, by.in())
		for k, gain := range row {
			for i := range out[o] {
				if gain != 0 && k < len(by) {
					out[o][i] += gain * by[k][i]
				}
			}
		}
	}
	return out
}

// layouts are ffmpeg's names of the channel layouts that sound has on its way.
var layouts = map[int]string{1: "mono", 2: "stereo", 6: "5.1"}

// heard returns how many of n channels without a layout of their own are heard: the
// channels of several tracks are one, two or, in their usual order (left, right,
// centre, low frequencies, left and right surround), six.
func heard(n int) int {
	switch {
	case n >= 6:
		return 6
	case n >= 2:
		return 2
	}
	return 1
}

// filter is the pan filter that does m.
func (m matrix) filter() string {
	var b strings.Builder
	b.WriteString("pan=" + layouts[len(m)])
	for o, row := range m {
		sep := ""
		fmt.Fprintf(&b, "|c%d=", o)
		for i, gain := range row {
			if gain == 0 {
				continue
			}
			fmt.Fprintf(&b, "%s%.6g*c%d", sep, gain, i)
			sep = "+"
		}
		if sep == "" {
			b.WriteString("0*c0")
		}
	}
	return b.String()
}

// mixed is what one stream gives to a sound of width channels. Without gains it is
// converted by its own layout.
type mixed struct {
	of    int // pick
	at    int // stream of the pick
	gains matrix
}

// width returns how many channels picks have for a sound that is not remixed.
func width(picks []pick) int {
	if lone(picks) {
		return picks[0].streams[0].Channels
	}
	n := 0
	for _, pk := range picks {
		n += pk.channels()
	}
	if n == 0 {
		return 0
	}
	return heard(n)
}

// lone reports whether picks are one stream as it is, with a channel layout of its own.
func lone(picks []pick) bool {
	if len(picks) != 1 || len(picks[0].streams) != 1 || picks[0].remix != nil {
		return false
	}
	s := picks[0].streams[0]
	return s.Layout != "" || s.Channels <= 2
}

// channels is how many channels a pick has, remixed.
func (pk *pick) channels() int {
	if pk.remix != nil {
		return len(pk.remix)
	}
	n := 0
	for _, s := range pk.streams {
		n += max(s.Channels, 1)
	}
	return n
}

// mix says how the streams of picks are summed to a sound of out channels, by the
// remix of the output where there is one, and how many channels the sum has.
func (p *planner) mix(picks []pick, remix matrix, out int) (streams []mixed, sum int) {
	total := 0
	for i := range picks {
		total += picks[i].channels()
	}
	if remix == nil && lone(picks) {
		m := mixed{}
		if total == 1 && out == 2 {
			m.gains = matrix{{1}, {1}} // as loud as it was
		}
		return []mixed{m}, out
	}
	sum = len(remix)
	if remix == nil {
		sum = heard(total)
		remix = identity(total)[:sum]
		if total > sum {
			p.warnings.add(WarnChannels, "the audio selector has %d channels, of which the first %d are heard; remixSettings choose others", total, sum)
		}
	} else if remix.in() > total {
		p.warnings.add(WarnChannels, "remixSettings name %d channels and the source has %d; the others are silent", remix.in(), total)
	}
	first := 0
	for i := range picks {
		pk := &picks[i]
		m := remix.columns(first, pk.channels())
		if pk.remix != nil {
			m = m.times(pk.remix)
		}
		first += pk.channels()
		at, have := 0, 0
		for j, s := range pk.streams {
			n := max(s.Channels, 1)
			streams = append(streams, mixed{of: i, at: j, gains: m.columns(at, n)})
			at += n
			have += n
		}
		if pk.remix.in() > have {
			p.warnings.add(WarnChannels, "remixSettings of an audio selector name %d channels and the source has %d; the others are silent", pk.remix.in(), have)
		}
	}
	return streams, sum
}
