package worker

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/plan"
)

// shot is one picture as it was read back, whatever the container.
type shot struct {
	shown int64 // in ticks of the container
	key   bool
	bytes int64 // of its slices
}

// reel follows the pictures of one rung, segment by segment, in decoding order.
type reel struct {
	rung plan.Rung
	rate media.Rational
	tick media.Rational // seconds in a tick

	frames, first     int64 // so far; when frame 0 is shown
	keys, lastKey     int64
	shortest, longest int64

	// The buffer that fills with every picture and empties at MaxBitrate, in bits
	// times the frame rate's numerator; the most that was in it.
	buffer, fullest int64
	fullestAt       int64 // frame

	bytes  int64
	window []int64 // of the latest pictures, as many as windowTime holds
	at     int     // of window, where the next one goes
	inside int64   // sum of window
	peak   int64   // the most that was in a whole window
}

// windowTime is how long the buffer lasts at MaxBitrate, a second where there is none,
// and how many pictures that is.
func (r *reel) windowTime() (time.Duration, int64) {
	d := time.Second
	if r.rung.MaxBitrate > 0 && r.rung.BufferBits > 0 {
		d = time.Duration(float64(r.rung.BufferBits) / float64(r.rung.MaxBitrate) * float64(time.Second))
	}
	return d, max(1, media.Rescale(int64(d), media.R(1, int64(time.Second)), r.rate.Inverse()))
}

// count puts a picture into the window.
func (r *reel) count(bytes int64) {
	r.bytes += bytes
	_, n := r.windowTime()
	if int64(len(r.window)) < n {
		r.window = append(r.window, bytes)
	} else {
		r.inside -= r.window[r.at]
		r.window[r.at] = bytes
		r.at = (r.at + 1) % len(r.window)
	}
	if r.inside += bytes; int64(len(r.window)) == n {
		r.peak = max(r.peak, r.inside)
	}
}

// segment takes the next pictures. They must be count, begin with a keyframe, and
// be shown one after the other on the frame grid. It returns when the first is
// shown.
func (r *reel) segment(shots []shot, count int64) (start int64, expected, found string) {
	if int64(len(shots)) != count {
		return 0, fmt.Sprintf("%d pictures", count), fmt.Sprint(len(shots))
	}
	if count == 0 {
		return 0, "pictures", "none"
	}
	if !shots[0].key {
		return 0, "a keyframe with its parameter sets first", "another picture"
	}
	for i, s := range shots {
		r.count(s.bytes)
		r.fill(s.bytes, r.frames+int64(i))
	}
	order := slices.Clone(shots)
	slices.SortStableFunc(order, func(a, b shot) int { return cmp.Compare(a.shown, b.shown) })
	if order[0] != shots[0] {
		return 0, "the first picture decoded to be the first one shown", "another one before it"
	}
	if r.frames == 0 {
		r.first = order[0].shown
	}
	for i, s := range order {
		k := r.frames + int64(i)
		// Both are rounded to ticks.
		if want := r.first + media.Rescale(k, r.rate.Inverse(), r.tick); max(s.shown-want, want-s.shown) > 1 {
			return 0, fmt.Sprintf("frame %d at %s", k, r.clock(want)), r.clock(s.shown)
		}
		if s.key {
			if r.keys > 0 {
				r.gop(k - r.lastKey)
			}
			r.keys, r.lastKey = r.keys+1, k
		}
	}
	r.frames += count
	return order[0].shown, "", ""
}

func (r *reel) clock(ticks int64) string {
	return fmt.Sprintf("%.3f s", float64(ticks-r.first)*r.tick.Float())
}

func (r *reel) gop(frames int64) {
	if r.shortest == 0 || frames < r.shortest {
		r.shortest = frames
	}
	r.longest = max(r.longest, frames)
}

// fill puts a picture into the buffer. No window of n frames may hold more bits
// than the buffer and what passes at MaxBitrate in n frames.
func (r *reel) fill(bytes, frame int64) {
	if r.rung.MaxBitrate <= 0 || r.rung.BufferBits <= 0 {
		return
	}
	r.buffer = max(r.buffer+bytes*8*r.rate.Num-r.rung.MaxBitrate*r.rate.Den, 0)
	if r.buffer > r.fullest {
		r.fullest, r.fullestAt = r.buffer, frame
	}
}

// receipt closes the reel.
func (r *reel) receipt(sps []byte) *VideoReceipt {
	r.gop(r.frames - r.lastKey)
	out := &VideoReceipt{
		FrameRate: r.rate.String(), Frames: r.frames, Keyframes: r.keys, ShortestGOP: r.shortest, LongestGOP: r.longest, MaxBitrate: r.rung.MaxBitrate,
	}
	perSecond := func(bytes, frames int64) int64 {
		return media.Rescale(bytes*8, r.rate, media.R(max(frames, 1), 1))
	}
	window, n := r.windowTime()
	if r.peak == 0 { // it is shorter than a window
		r.peak, n = r.bytes, r.frames
	}
	out.Bytes, out.AverageBPS = r.bytes, perSecond(r.bytes, r.frames)
	out.WindowPeakBPS, out.WindowInMs = perSecond(r.peak, n), window.Milliseconds()
	if r.fullest > 0 {
		out.BufferPeak = float64(r.fullest) / float64(r.rate.Num) / float64(r.rung.BufferBits)
	}
	if len(sps) >= 4 {
		out.Codec = mp4.AVCCodecString(sps)
		out.Width, out.Height, _ = media.PictureSize(sps)
	}
	return out
}

// sound follows one track of AAC frames.
type sound struct {
	tick           media.Rational
	rate, channels int
	frames         int64
	first          int64 // when frame 0 begins
}

// add takes frames that begin at a time. They must go on where the ones before ended.
func (s *sound) add(at int64, frames int64, rate, channels int) (expected, found string) {
	if s.frames == 0 {
		s.first, s.rate, s.channels = at, rate, channels
	}
	if rate != s.rate || channels != s.channels {
		return fmt.Sprintf("sound of %d Hz and %d channels", s.rate, s.channels), fmt.Sprintf("%d Hz and %d channels", rate, channels)
	}
	if want := s.end(); max(at-want, want-at) > 1 {
		return fmt.Sprintf("sound that goes on at %.4f s", s.seconds(want)), fmt.Sprintf("it at %.4f s", s.seconds(at))
	}
	s.frames += frames
	return "", ""
}

func (s *sound) seconds(t int64) float64 { return float64(t-s.first) * s.tick.Float() }

// end returns when what was added ends.
func (s *sound) end() int64 {
	if s.rate == 0 {
		return s.first
	}
	return s.first + media.Rescale(s.frames*mp4.FrameSamples, media.R(1, int64(s.rate)), s.tick)
}

func (s *sound) receipt() *AudioReceipt {
	return &AudioReceipt{Codec: "mp4a.40.2", SampleRate: s.rate, Channels: s.channels, Frames: s.frames}
}
