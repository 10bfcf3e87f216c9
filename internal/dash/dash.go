// Package dash writes, reads and checks media presentation descriptions of MPEG-DASH.
//
// What flows in: the names, exact times and measured bit rates of segments and what
// is known of each representation. What flows out: the text of a description of a
// finished presentation, one period long, and the list of what is wrong with one
// before it is published.
//
// The package is pure: it touches only its arguments. Descriptions that are parsed
// may be hostile: a parser's work and memory grow with the text, no faster, and the
// times of a timeline are counted, not listed, until they are asked for.
//
// Specification: ISO/IEC 23009-1.
package dash

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// MediaType is the Content-Type of a description (ISO/IEC 23009-1, annex C).
const MediaType = "application/dash+xml"

// The profiles that are written.
const (
	ProfileMain     = "urn:mpeg:dash:profile:isoff-main:2011"
	ProfileOnDemand = "urn:mpeg:dash:profile:isoff-on-demand:2011"
)

// Presentation is an MPD of type static with one Period.
type Presentation struct {
	Profile       string
	Duration      time.Duration // mediaPresentationDuration, written to the millisecond, rounded up
	MinBufferTime time.Duration
	BaseURL       string // "" writes none
	Sets          []AdaptationSet
}

// AdaptationSet is representations of the same content, which players choose from.
type AdaptationSet struct {
	ContentType     string // video or audio
	MimeType        string
	Language        string // RFC 5646; "" writes none
	Label           string // for people; "" writes none
	Role            string // of urn:mpeg:dash:role:2011: main, alternate …; "" writes none
	Representations []Representation
}

// Representation is one encode of a set's content: segments by a template, or one
// file with an index.
type Representation struct {
	ID        string
	Bandwidth int64  // bits a second
	Codecs    string // RFC 6381

	Width, Height int            // pixels, of video
	PixelAspect   media.Rational // of a pixel; unknown writes none
	FrameRate     media.Rational
	SampleRate    int // Hz, of audio
	Channels      int

	Template *Template
	File     *File
}

// Template is a SegmentTemplate with numbers or times in the names.
type Template struct {
	Media          string // holds $Number$, $Number%0Nd$ or $Time$; URI with $$ for a dollar sign
	Initialization string
	Timescale      int64 // ticks a second
	StartNumber    int64
	Duration       int64 // ticks, of every segment but the last; 0 with a Timeline
	Timeline       []Run // SegmentTimeline
}

// Run is consecutive segments of the same duration: S of a SegmentTimeline.
type Run struct {
	Start    int64 // ticks, of the first
	Duration int64 // ticks, of each
	Count    int64 // segments, at least 1
}

// File is a SegmentBase: one file that holds an index of its segments (sidx).
type File struct {
	URI                        string
	InitFrom, InitTo           int64 // bytes of the init segment, the last one included
	IndexFrom, IndexTo         int64 // bytes of the index, the last one included
	Timescale, PresentationEnd int64 // of the index; PresentationEnd is not written
}

// Runs joins segments to runs: starts holds the first tick of each, and the end of
// the last.
func Runs(starts []int64) []Run {
	var out []Run
	for i := 0; i+1 < len(starts); i++ {
		d := starts[i+1] - starts[i]
		if n := len(out) - 1; n >= 0 && out[n].Duration == d {
			out[n].Count++
			continue
		}
		out = append(out, Run{Start: starts[i], Duration: d, Count: 1})
	}
	return out
}

// Segments returns how many segments a timeline has.
func (t *Template) Segments() int64 {
	n := int64(0)
	for _, r := range t.Timeline {
		n += r.Count
	}
	return n
}

// URI returns the URI of segment i, counted from 0, that begins at tick start.
func (t *Template) URI(i, start int64) string {
	return expand(t.Media, func(name string) (int64, bool) {
		switch name {
		case "Number":
			return t.StartNumber + i, true
		case "Time":
			return start, true
		}
		return 0, false
	})
}

// expand replaces identifiers of a template (ISO/IEC 23009-1, 5.3.9.4.4). One that
// is not known stays.
func expand(s string, value func(name string) (int64, bool)) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		token, after, closed := strings.Cut(rest, "$")
		if !closed {
			b.WriteString("$" + rest)
			return b.String()
		}
		name, width, _ := strings.Cut(token, "%0")
		n, err := strconv.Atoi(strings.TrimSuffix(width, "d"))
		v, known := value(name)
		switch {
		case token == "":
			b.WriteByte('$')
		case known && width != "" && err == nil && n <= 99:
			fmt.Fprintf(&b, "%0*d", n, v)
		case known:
			b.WriteString(strconv.FormatInt(v, 10))
		default:
			b.WriteString("$" + token + "$")
		}
		s = after
	}
}

// malformed is an error about a description.
func malformed(format string, args ...any) error {
	return fault.New(fault.Invalid, "", "MPD: %s", fmt.Sprintf(format, args...))
}

// Check returns what is wrong with a presentation that is to be published. Nil is
// one that players play.
func (p *Presentation) Check() []error {
	var problems []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	add(p.Duration <= 0, "it lasts %v", p.Duration)
	add(p.MinBufferTime <= 0, "minBufferTime is %v", p.MinBufferTime)
	add(len(p.Sets) == 0, "no adaptation sets")
	ids := map[string]bool{}
	for i, set := range p.Sets {
		add(set.ContentType != "video" && set.ContentType != "audio", "adaptation set %d holds %q", i, set.ContentType)
		add(len(set.Representations) == 0, "adaptation set %d has no representation", i)
		for _, r := range set.Representations {
			add(r.ID == "" || ids[r.ID], "representation %q: its id is given twice, or none", r.ID)
			ids[r.ID] = true
			add(r.Bandwidth <= 0, "representation %s: bandwidth %d", r.ID, r.Bandwidth)
			add(r.Codecs == "", "representation %s: no codecs", r.ID)
			add(set.ContentType == "video" && (r.Width <= 0 || r.Height <= 0), "representation %s: %d×%d pixels", r.ID, r.Width, r.Height)
			add(set.ContentType == "audio" && r.SampleRate <= 0, "representation %s: %d Hz", r.ID, r.SampleRate)
			add((r.Template == nil) == (r.File == nil), "representation %s: neither or both of segments and a file", r.ID)
			for _, err := range r.check(p.Duration) {
				add(true, "representation %s: %w", r.ID, err)
			}
		}
	}
	return problems
}

func (r *Representation) check(length time.Duration) []error {
	var problems []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	if f := r.File; f != nil {
		add(f.URI == "", "no BaseURL")
		add(f.InitTo < f.InitFrom || f.IndexTo < f.IndexFrom || f.IndexFrom <= f.InitTo, "init segment at %d-%d, index at %d-%d", f.InitFrom, f.InitTo, f.IndexFrom, f.IndexTo)
	}
	t := r.Template
	if t == nil {
		return problems
	}
	add(t.Timescale <= 0, "timescale %d", t.Timescale)
	add(t.Initialization == "", "no init segment")
	add(t.URI(0, 0) == t.URI(1, 1), "all segments are %s", t.URI(0, 0))
	add((t.Duration > 0) == (len(t.Timeline) > 0), "neither or both of a duration and a timeline")
	end := int64(0)
	for i, s := range t.Timeline {
		add(s.Duration <= 0 || s.Count < 1, "run %d: %d segments of %d ticks", i, s.Count, s.Duration)
		add(i > 0 && s.Start != end, "run %d begins at %d, the one before ends at %d", i, s.Start, end)
		end = s.Start + s.Duration*s.Count
	}
	if len(t.Timeline) > 0 && t.Timescale > 0 {
		// Sound ends with its last frame.
		total := media.R(1, t.Timescale).Duration(end - t.Timeline[0].Start)
		add(max(total-length, length-total) > time.Second/4, "its segments last %v, the presentation %v", total, length)
	}
	return problems
}
