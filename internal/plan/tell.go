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
var claims = []string{"mov,", "matroska", "avi", "flv", "asf", "mxf", "ogg", "mpegts", "mpeg"}

// tellCutShort warns of a video that ends well before its container says.
func (w *warnings) tellCutShort(src media.Source, video media.VideoStream, ix media.FrameIndex) {
	if len(ix.PTS) == 0 || !ix.TimeBase.Known() || !slices.ContainsFunc(claims, func(c string) bool { return strings.HasPrefix(src.Format, c) }) {
		return
	}
	last := ix.PTS[len(ix.PTS)-1] + ix.LastDuration
	lasts := ix.TimeBase.Duration(last - ix.PTS[0])
	if ix.Unread > src.Size/10 {
		what := "could not be read"
		if src.Format != "ogg" {
			what = "have nothing of its video, which was cut short or goes on as a stream of another kind"
		}
		w.add(WarnCutShort, "the last %d of the source's %d bytes %s; what is before them was encoded, %s", ix.Unread, src.Size, what, clock(lasts))
		return
	}
	if len(ix.Leaps) > 0 || src.Format == "mpeg" { // no clock, or no header, to hold it against
		return
	}
	claim := video.Duration
	switch {
	case strings.HasPrefix(src.Format, "matroska"):
		lasts = ix.TimeBase.Duration(last) // its times are of the end
	case claim == 0:
		claim = src.Duration
	}
	why := "it was cut short, or its header is wrong"
	if video.Duration == 0 && len(src.Audio) > 0 { // the file's own claim, which may be of its audio
		if why = "it was cut short, or its audio is longer"; claim < lasts+lasts/4 {
			return
		}
	}
	if src.Format == "mpegts" { // no header: it is when the last packets of its PID are
		why = "it was cut short, or goes on as another kind of stream"
	}
	if claim > lasts+time.Second && claim > lasts+lasts/20 {
		w.add(WarnCutShort, "the source says that it lasts %s, and its video ends after %s: %s; what is there was encoded", clock(claim), clock(lasts), why)
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
