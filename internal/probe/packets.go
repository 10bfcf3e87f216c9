package probe

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/limit"
	"vodwright.dev/vodwright/internal/media"
)

// frameLimit bounds an index, 8 bytes a frame; 0 does not.
type frameLimit int

// check refuses one more frame than the limit.
func (l frameLimit) check(have int) error {
	if l > 0 && have >= int(l) {
		return limit.Exceeded(limit.Frames, codeUnsupported, "the video has more than the %d frames that are allowed", int(l))
	}
	return nil
}

// noPTS marks a packet without a presentation timestamp.
const noPTS = math.MinInt64

// packetFlag holds what is known of a packet beside its time.
type packetFlag uint8

const (
	flagKey    packetFlag = 1 << iota
	flagHidden            // decoded, not shown: outside of the edit list, or a VP8 reference frame
	flagField             // as long as one field
)

// packets are the packets of one stream in decoding order.
type packets struct {
	format       string
	pts          []int64
	flags        []packetFlag
	backwards    bool  // decoding timestamps go back
	only         int   // stream whose packets these are; -1 is the one that alone is listed
	position     int64 // of the last packet that is listed, in bytes
	firstDTS     int64 // noPTS is none
	ahead        int64 // the most that they go ahead from one packet to the next
	lastDuration int64 // of the packet with the largest pts; 0 is unknown
	field        int64 // ticks below which a packet is a field, or 0
	maxPTS       int64
	lastDTS      int64
	clock        []int64 // decoding times, of a stream whose first packet has no other
	most         frameLimit
}

// formatOf is the format of a stream's file, as far as media.DemuxArgs asks for it:
// streams have PIDs in transport streams alone.
func formatOf(stream media.VideoStream) string {
	if stream.PID > 0 {
		return "mpegts"
	}
	return ""
}

// readPackets demuxes the whole file once.
func (p *Prober) readPackets(ctx context.Context, path string, stream media.VideoStream) (*packets, error) {
	list := &packets{maxPTS: noPTS, only: -1, firstDTS: noPTS, lastDTS: noPTS, most: frameLimit(p.limits.Frames)}
	if stream.Interlaced != "" && stream.AverageRate.Known() {
		// Less than two thirds of a frame is one field.
		list.field = media.Rescale(2, stream.AverageRate.Inverse(), stream.TimeBase) / 3
	}
	entries := "packet=pts,dts,duration,pos,flags"
	selected := []string{"-select_streams", strconv.Itoa(stream.Index)}
	if stream.Codec == "theora" { // an Ogg film may have another one behind it: where did its packets end?
		entries, selected = "packet=stream_index,pts,dts,duration,pos,flags", nil
		list.only = stream.Index
	}
	_, err := p.runner.RunProbe(ctx, ffmpeg.ProbeCommand{
		Args: slices.Concat(
			selected, []string{"-show_entries", entries + ":format=format_name", "-of", "compact=p=0"},
			media.DemuxArgs(formatOf(stream)), media.InputArgs(), []string{"-i", "file:" + ffmpeg.SourcePath(0)}),
		Source: path,
		Limits: ffmpeg.IndexLimits(p.limits),
		Stdout: &lineWriter{line: list.add},
	})
	return list, err
}

// add reads a line such as "pts=133200|dts=126000|duration=3600|flags=K_".
func (l *packets) add(line []byte) error {
	pts, dts, duration := int64(noPTS), int64(noPTS), int64(0)
	var flags packetFlag
	found, other := false, false
	for field := range bytes.SplitSeq(line, []byte("|")) {
		key, value, _ := bytes.Cut(field, []byte("="))
		switch string(key) {
		case "stream_index":
			other = l.only >= 0 && string(value) != strconv.Itoa(l.only)
		case "pos":
			l.position = max(l.position, timestamp(value))
		case "pts":
			pts, found = timestamp(value), true
		case "dts":
			dts = timestamp(value)
		case "duration":
			duration = max(timestamp(value), 0)
		case "flags":
			if bytes.IndexByte(value, 'K') >= 0 {
				flags |= flagKey
			}
			if bytes.IndexByte(value, 'D') >= 0 {
				flags |= flagHidden
			}
		case "format_name":
			l.format = string(value)
		}
	}
	if !found || other {
		return nil
	}
	if err := l.most.check(len(l.pts)); err != nil {
		return err
	}
	if len(l.pts) == len(l.clock) && (pts == noPTS || len(l.clock) > 0) {
		l.clock = append(l.clock, dts)
	}
	if dts != noPTS {
		if l.lastDTS == noPTS {
			l.firstDTS = dts
		} else {
			l.backwards = l.backwards || dts < l.lastDTS
			l.ahead = max(l.ahead, dts-l.lastDTS)
		}
		l.lastDTS = dts
	}
	if duration > 0 && duration < l.field {
		flags |= flagField
	}
	if pts != noPTS && pts >= l.maxPTS && flags&flagHidden == 0 {
		l.maxPTS, l.lastDuration = pts, duration
	}
	l.pts, l.flags = append(l.pts, pts), append(l.flags, flags)
	return nil
}

// leaps says whether the clock goes farAhead somewhere.
func (l *packets) leaps(base media.Rational) bool { return base.Duration(l.ahead) > farAhead }

// evenly gives the decoded frames of an AVI file, which has one packet for each
// frame and no presentation times, the times of its clock: the first frame is shown
// at once, whatever a decoder holds back, and each of the others a frame later. Where
// the clock passes over frames that were never written, they are shown when it comes
// to their packets.
func (l *packets) evenly(pts []int64, stream media.VideoStream) {
	if l.firstDTS == noPTS || len(pts) == 0 {
		return
	}
	held := max(slices.Index(l.clock, pts[0]), 0) // packets that a decoder has before it shows the first
	if late := pts[0] - l.firstDTS; late > 0 && stream.TimeBase.Duration(late) < time.Second {
		for i := range pts {
			pts[i] -= late
		}
	}
	const few = 3 // what a codec holds back, and packets that hold no frame of their own
	rate := stream.FrameRate
	if lost := len(l.pts) - len(pts); lost < -few || lost > few || !rate.Known() {
		return
	}
	frames := func(n int) int64 { return media.Rescale(int64(n), rate.Inverse(), stream.TimeBase) }
	last := len(l.clock) - 1
	clocked := false
	if last == len(l.pts)-1 && held <= few && increasing(l.clock) {
		// Packed frames have slots at the start that stand for none.
		begin := min(len(l.clock)/4, 8)
		clocked = l.lastDTS-l.firstDTS > frames(last+few) || l.lastDTS-l.clock[begin] > frames(last-begin)
	}
	for i := range pts {
		pts[i] = pts[0] + frames(i)
		if clocked {
			at := min(i+held, last)
			pts[i] = pts[0] + l.clock[at] - l.clock[held] + frames(i+held-at)
		}
	}
}

// timestamp reads a number of ticks. "N/A", and what no honest file holds, is noPTS.
func timestamp(b []byte) int64 {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n > 1<<56 || n < -1<<56 {
		return noPTS
	}
	return n
}

// pairFields hides the second field of each frame that is coded as two packets
// one field apart.
func (l *packets) pairFields() {
	for i := 0; i+1 < len(l.pts); i++ {
		if l.flags[i]&l.flags[i+1]&flagField == 0 || l.pts[i] == noPTS || l.pts[i+1] == noPTS {
			continue
		}
		if d := l.pts[i+1] - l.pts[i]; d > 0 && d < l.field {
			l.flags[i+1] |= flagHidden
			i++
		}
	}
}

// shown returns the presentation times of the first n packets, sorted. Packets
// without one are left out.
func (l *packets) shown(n int) []int64 {
	out := make([]int64, 0, n)
	for i := range n {
		if l.flags[i]&flagHidden == 0 && l.pts[i] != noPTS {
			out = append(out, l.pts[i])
		}
	}
	slices.Sort(out)
	return out
}

// keys returns the presentation times of the keyframes, sorted.
func (l *packets) keys() []int64 {
	var out []int64
	for i, f := range l.flags {
		if f&flagKey != 0 && f&flagHidden == 0 && l.pts[i] != noPTS {
			out = append(out, l.pts[i])
		}
	}
	slices.Sort(out)
	return out
}
