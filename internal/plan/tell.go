package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/media"
)

// tellStreams warns of what a source has and no output shows. carried says that an
// output is asked to have the captions in its frames.
func (w *warnings) tellStreams(src media.Source, video media.VideoStream, ix media.FrameIndex, carried bool) {
	if len(src.Video) > 1 {
		at := slices.IndexFunc(src.Video, func(v media.VideoStream) bool { return v.Index == video.Index })
		w.add(WarnStreams, "the source has %d videos; number %d was encoded (%s, %d×%d)", len(src.Video), at+1, video.Codec, video.Width, video.Height)
	}
	var captions []string
	for _, o := range src.Other {
		if o.Kind != "subtitle" {
			continue
		}
		text := o.Codec
		if text == "" {
			text = "an unknown format"
		}
		if o.Language != "" && o.Language != "und" {
			text += " in " + o.Language
		}
		captions = append(captions, text)
	}
	if ix.Captions && !carried {
		captions = append(captions, "CEA-608/708 in its frames (captionDescriptions EMBEDDED carry them)")
	}
	if len(captions) > 0 {
		w.add(WarnCaptions, "the source has captions that no output has: %s", strings.Join(captions, ", "))
	}
}

// claims are containers whose header says how long the film is, as its writer
// meant it.
var claims = []string{"mov,", "matroska", "avi", "flv", "asf", "mxf"}

// tellCutShort warns of a video that ends well before its container says.
func (w *warnings) tellCutShort(src media.Source, video media.VideoStream, ix media.FrameIndex) {
	if len(ix.PTS) == 0 || !ix.TimeBase.Known() || len(ix.Leaps) > 0 || !slices.ContainsFunc(claims, func(c string) bool { return strings.HasPrefix(src.Format, c) }) {
		return
	}
	lasts := ix.TimeBase.Duration(ix.PTS[len(ix.PTS)-1] - ix.PTS[0] + ix.LastDuration)
	claim := video.Duration
	if claim == 0 {
		// Of the file: another stream may be the longest.
		if claim = src.Duration; claim < lasts*5/4 {
			return
		}
	}
	if claim > lasts+time.Second && claim > lasts+lasts/20 {
		w.add(WarnCutShort, "the source says that its video lasts %s, and it ends after %s: it was cut short, or its header is wrong; what is there was encoded", clock(claim), clock(lasts))
	}
}

// clock writes a time as people do: 1:02:03.5.
func clock(d time.Duration) string {
	d = d.Round(100 * time.Millisecond)
	text := fmt.Sprintf("%d:%04.1f", int(d.Minutes())%60, (d % time.Minute).Seconds())
	if d >= time.Hour {
		text = fmt.Sprintf("%d:%02d:%04.1f", int(d.Hours()), int(d.Minutes())%60, (d % time.Minute).Seconds())
	}
	return text
}
