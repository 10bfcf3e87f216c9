package worker

import (
	"fmt"

	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/plan"
)

// together holds the streams of a group against each other: their segments begin
// together, and what is said of the bit rate counts the renditions that are played
// with a variant.
func (v *verifier) together(group plan.OutputGroup, streams []*streamCheck) error {
	first := streams[0]
	for _, s := range streams {
		if first.reel == nil && s.reel != nil {
			first = s
		}
	}
	frame := int64(0) // the longest, where there are several rates: segments are whole frames
	for _, s := range streams {
		if s.reel != nil && s.reel.rate != first.reel.rate {
			for _, rate := range []media.Rational{s.reel.rate, first.reel.rate} {
				frame = max(frame, media.Rescale(1, rate.Inverse(), first.reel.tick))
			}
		}
	}
	for _, s := range streams {
		same := len(s.starts) == len(first.starts)
		for k := 0; same && k < len(s.starts); k++ {
			off := s.starts[k] - first.starts[k]
			slack := int64(0)
			if s.reel == nil { // it holds the frames that begin in it
				slack = media.Rescale(mp4.FrameSamples, media.R(1, int64(s.main.rate)), s.main.tick) - 1
			}
			same = max(off, -off) <= slack+frame
		}
		if !same {
			return v.wrong(s.name, "segments that begin when those of the first variant do", "others")
		}
	}
	for _, s := range streams {
		for _, variant := range s.variants {
			var sound struct{ peak, average int64 } // of the heaviest rendition, bits a second
			for _, i := range variant.sounds {
				sound.peak, sound.average = max(sound.peak, streams[i].peak), max(sound.average, streams[i].average)
			}
			for _, rate := range []struct {
				name           string
				said, measured int64
			}{{"BANDWIDTH", variant.Bandwidth, s.peak + sound.peak}, {"AVERAGE-BANDWIDTH", variant.AverageBandwidth, s.average + sound.average}} {
				// Durations are known to a tick, so a short segment's rate only to a part of it;
				// segments of sound alone are as long as their frames.
				above := rate.measured / 10
				if s.reel == nil {
					above = rate.measured / 2
				}
				below := rate.measured/1000 + 1
				if s.reel == nil || variant.Audio != "" {
					below = rate.measured/20 + 1
				}
				if rate.said > 0 && (rate.said < rate.measured-below || rate.said > rate.measured+above) {
					return v.wrong(s.name, fmt.Sprintf("%s %d", rate.name, rate.measured), "%d", rate.said)
				}
			}
		}
	}
	return nil
}
