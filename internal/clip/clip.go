// Package clip describes a test clip that proves itself: a moving picture, a
// frame counter for people, the same counter as black and white boxes for
// programs, and a flash and a beep at the start of every second.
//
// It makes the arguments of an ffmpeg run and reads counters back from decoded
// pixels; it starts nothing. The demo, the tests and the bench share it.
package clip

import (
	"fmt"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// Bits is the width of the burnt-in binary counter: clips may have 2^Bits frames.
const Bits = 16

// Spec says what clip to make. The zero value of a field takes the default named with it.
type Spec struct {
	Width, Height int            // even pixels; 1920×1080
	FrameRate     media.Rational // frames a second; 30
	Seconds       int            // 20
	Silent        bool           // no audio stream at all
	Text          bool           // also a readable counter and clock; needs fontconfig and a font
}

func (s Spec) withDefaults() Spec {
	if s.Width == 0 {
		s.Width, s.Height = 1920, 1080
	}
	if !s.FrameRate.Known() {
		s.FrameRate = media.R(30, 1)
	}
	if s.Seconds == 0 {
		s.Seconds = 20
	}
	return s
}

// Input returns the arguments that stand where -i stands: one or two generated inputs.
// Beeps are 1 kHz, 50 ms long, on the left and right, over a quiet 220 Hz tone.
func (s Spec) Input() []string {
	s = s.withDefaults()
	filters := []string{fmt.Sprintf("testsrc2=size=%dx%d:rate=%s:duration=%d", s.Width, s.Height, s.FrameRate, s.Seconds)}
	// A flash is a white frame below the counter, two frames long.
	perSecond := (s.FrameRate.Num + s.FrameRate.Den - 1) / s.FrameRate.Den
	bar := s.barHeight()
	filters = append(filters,
		fmt.Sprintf("drawbox=x=0:y=%d:w=iw:h=ih-%d:color=white:t=fill:enable='lt(mod(n,%d),2)'", bar, bar, perSecond),
		fmt.Sprintf("drawbox=x=0:y=0:w=iw:h=%d:color=black:t=fill", bar))
	for k := range Bits {
		filters = append(filters, fmt.Sprintf("drawbox=x=%d:y=0:w=%d:h=%d:color=white:t=fill:enable='mod(floor(n/%d),2)'",
			k*s.Width/Bits, (k+1)*s.Width/Bits-k*s.Width/Bits, bar, 1<<k))
	}
	if s.Text {
		filters = append(filters, fmt.Sprintf("drawtext=text='frame %%{frame_num}   %%{pts\\:hms}':fontsize=%d:x=(w-tw)/2:y=h*0.46:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=%d", s.Height/16, s.Height/60))
	}
	args := []string{"-f", "lavfi", "-i", strings.Join(filters, ",")}
	if !s.Silent {
		// The beep starts with the flash, which is a whole number of frames apart.
		period := fmt.Sprintf("%d*%d/%d", perSecond, s.FrameRate.Den, s.FrameRate.Num)
		tone := fmt.Sprintf("0.02*sin(2*PI*220*t)+0.6*sin(2*PI*1000*t)*lt(mod(t,%s),0.05)", period)
		args = append(args, "-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='%s|%s':s=48000:d=%d", tone, tone, s.Seconds))
	}
	return args
}

// Args returns a whole argument list that writes the clip as H.264 and AAC to out,
// in the container that out's extension names.
func (s Spec) Args(out string) []string {
	args := append([]string{"-y", "-v", "error"}, s.Input()...)
	args = append(args, "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p",
		"-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")
	if !s.Silent {
		args = append(args, "-c:a", "aac", "-b:a", "128k")
	}
	return append(args, out)
}

// Frames returns how many frames the clip has: those that begin within its seconds.
func (s Spec) Frames() int64 {
	s = s.withDefaults()
	return (int64(s.Seconds)*s.FrameRate.Num + s.FrameRate.Den - 1) / s.FrameRate.Den
}

func (s Spec) barHeight() int { return max(s.Height/12, 8) &^ 1 }

// CounterFilter is the ffmpeg filter that reduces any scaled copy of the clip to
// Bits×1 gray pixels, for ReadCounter. Use it with -pix_fmt gray -f rawvideo.
const CounterFilter = "crop=iw:floor(ih/12*0.5):0:floor(ih/12*0.2),scale=16:1:flags=area,format=gray"

// ReadCounter returns the frame number that Bits gray pixels show.
func ReadCounter(gray []byte) int64 {
	var n int64
	for k, v := range gray[:Bits] {
		if v > 127 {
			n |= 1 << k
		}
	}
	return n
}
