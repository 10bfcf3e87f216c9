package dash

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/media"
)

// mpd is the document on the wire. Field names are the elements' and attributes'.
type mpd struct {
	XMLName                   xml.Name `xml:"urn:mpeg:dash:schema:mpd:2011 MPD"`
	Profiles                  string   `xml:"profiles,attr"`
	Type                      string   `xml:"type,attr"`
	MediaPresentationDuration string   `xml:"mediaPresentationDuration,attr"`
	MinBufferTime             string   `xml:"minBufferTime,attr"`
	BaseURL                   string   `xml:"BaseURL,omitempty"`
	Period                    []period `xml:"Period"`
}

type period struct {
	ID    string          `xml:"id,attr,omitempty"`
	Start string          `xml:"start,attr,omitempty"`
	Sets  []adaptationSet `xml:"AdaptationSet"`
}

type adaptationSet struct {
	ID                 int    `xml:"id,attr"`
	ContentType        string `xml:"contentType,attr,omitempty"`
	MimeType           string `xml:"mimeType,attr,omitempty"`
	Lang               string `xml:"lang,attr,omitempty"`
	SegmentAlignment   string `xml:"segmentAlignment,attr,omitempty"`
	SubsegmentAligned  string `xml:"subsegmentAlignment,attr,omitempty"`
	StartWithSAP       int    `xml:"startWithSAP,attr,omitempty"`
	SubsegmentWithSAP  int    `xml:"subsegmentStartsWithSAP,attr,omitempty"`
	BitstreamSwitching string `xml:"bitstreamSwitching,attr,omitempty"`

	Role            *descriptor      `xml:"Role"`
	Label           string           `xml:"Label,omitempty"`
	Representations []representation `xml:"Representation"`
}

type descriptor struct {
	SchemeIDURI string `xml:"schemeIdUri,attr"`
	Value       string `xml:"value,attr"`
}

type representation struct {
	ID                string `xml:"id,attr"`
	Bandwidth         int64  `xml:"bandwidth,attr"`
	Codecs            string `xml:"codecs,attr,omitempty"`
	Width             int    `xml:"width,attr,omitempty"`
	Height            int    `xml:"height,attr,omitempty"`
	SAR               string `xml:"sar,attr,omitempty"`
	FrameRate         string `xml:"frameRate,attr,omitempty"`
	AudioSamplingRate int    `xml:"audioSamplingRate,attr,omitempty"`

	Channels *descriptor      `xml:"AudioChannelConfiguration"`
	BaseURL  string           `xml:"BaseURL,omitempty"`
	Base     *segmentBase     `xml:"SegmentBase"`
	Template *segmentTemplate `xml:"SegmentTemplate"`
}

type segmentBase struct {
	Timescale      int64  `xml:"timescale,attr,omitempty"`
	IndexRange     string `xml:"indexRange,attr,omitempty"`
	IndexExact     bool   `xml:"indexRangeExact,attr,omitempty"`
	Initialization struct {
		Range string `xml:"range,attr,omitempty"`
	} `xml:"Initialization"`
}

type segmentTemplate struct {
	Timescale      int64            `xml:"timescale,attr,omitempty"`
	Media          string           `xml:"media,attr"`
	Initialization string           `xml:"initialization,attr,omitempty"`
	StartNumber    *int64           `xml:"startNumber,attr"`
	Duration       int64            `xml:"duration,attr,omitempty"`
	Timeline       *segmentTimeline `xml:"SegmentTimeline"`
}

type segmentTimeline struct {
	S []run `xml:"S"`
}

type run struct {
	T *int64 `xml:"t,attr"`
	D int64  `xml:"d,attr"`
	R int64  `xml:"r,attr,omitempty"`
}

const (
	roleScheme     = "urn:mpeg:dash:role:2011"
	channelsScheme = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
)

// Marshal returns the description's text.
func (p *Presentation) Marshal() ([]byte, error) {
	doc := mpd{
		Profiles: p.Profile, Type: "static", BaseURL: p.BaseURL,
		MediaPresentationDuration: duration(p.Duration), MinBufferTime: duration(p.MinBufferTime),
	}
	out := period{ID: "1", Start: "PT0S"}
	for i, set := range p.Sets {
		s := adaptationSet{ID: i + 1, ContentType: set.ContentType, MimeType: set.MimeType, Lang: set.Language, Label: set.Label}
		if set.Role != "" {
			s.Role = &descriptor{roleScheme, set.Role}
		}
		for _, r := range set.Representations {
			s.Representations = append(s.Representations, r.wire())
			if r.File != nil {
				s.SubsegmentAligned, s.SubsegmentWithSAP = "true", 1
			} else {
				s.SegmentAlignment, s.StartWithSAP = "true", 1
			}
		}
		out.Sets = append(out.Sets, s)
	}
	doc.Period = []period{out}
	text, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write MPD: %w", err)
	}
	return append(append([]byte(xml.Header), text...), '\n'), nil
}

func (r *Representation) wire() representation {
	out := representation{
		ID: r.ID, Bandwidth: r.Bandwidth, Codecs: r.Codecs, Width: r.Width, Height: r.Height, AudioSamplingRate: r.SampleRate,
	}
	if r.PixelAspect.Known() {
		out.SAR = fmt.Sprintf("%d:%d", r.PixelAspect.Num, r.PixelAspect.Den)
	}
	if r.FrameRate.Known() {
		out.FrameRate = r.FrameRate.String()
		if r.FrameRate.Den == 1 {
			out.FrameRate = strconv.FormatInt(r.FrameRate.Num, 10)
		}
	}
	if r.Channels > 0 {
		out.Channels = &descriptor{channelsScheme, strconv.Itoa(channelConfiguration(r.Channels))}
	}
	if f := r.File; f != nil {
		out.BaseURL = f.URI
		out.Base = &segmentBase{Timescale: f.Timescale, IndexRange: byteRange(f.IndexFrom, f.IndexTo), IndexExact: true}
		out.Base.Initialization.Range = byteRange(f.InitFrom, f.InitTo)
	}
	if t := r.Template; t != nil {
		out.Template = &segmentTemplate{Timescale: t.Timescale, Media: t.Media, Initialization: t.Initialization, Duration: t.Duration}
		if strings.Contains(t.Media, "$Number") { // FFmpeg 5.1 skips segments by it even where it stands for nothing
			number := t.StartNumber
			out.Template.StartNumber = &number
		}
		if len(t.Timeline) > 0 {
			out.Template.Timeline = &segmentTimeline{}
			for i, s := range t.Timeline {
				wire := run{D: s.Duration, R: s.Count - 1}
				if i == 0 {
					start := s.Start
					wire.T = &start
				}
				out.Template.Timeline.S = append(out.Template.Timeline.S, wire)
			}
		}
	}
	return out
}

// channelConfiguration returns the ChannelConfiguration of ISO/IEC 23001-8 for a
// number of channels.
func channelConfiguration(channels int) int {
	if channels == 8 {
		return 7
	}
	return channels
}

func byteRange(from, to int64) string { return fmt.Sprintf("%d-%d", from, to) }

// duration writes an xs:duration in seconds, to the millisecond, rounded up.
func duration(d time.Duration) string {
	ms := int64((d + time.Millisecond - 1) / time.Millisecond)
	return "PT" + strconv.FormatFloat(float64(ms)/1000, 'f', -1, 64) + "S"
}

var durationPattern = regexp.MustCompile(`^PT(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?$`)

func parseDuration(name, s string) (time.Duration, error) {
	m := durationPattern.FindStringSubmatch(s)
	if m == nil || len(s) < 4 {
		return 0, malformed("%s %q is not a duration", name, s)
	}
	number := func(s string) float64 { v, _ := strconv.ParseFloat("0"+s, 64); return v }
	return time.Duration(math.Round((number(m[1])*3600 + number(m[2])*60 + number(m[3])) * float64(time.Second))), nil
}

// Parse reads a description of a finished presentation of one period, as Marshal
// writes it: what it says at other levels, or by other means, is not looked for.
//
// Errors: fault.Invalid that says what is wrong.
func Parse(text []byte) (*Presentation, error) {
	var doc mpd
	decoder := xml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&doc); err != nil {
		return nil, malformed("%v", err)
	}
	if doc.Type != "" && doc.Type != "static" {
		return nil, malformed("it is of type %q", doc.Type)
	}
	if len(doc.Period) != 1 {
		return nil, malformed("%d periods", len(doc.Period))
	}
	p := &Presentation{Profile: doc.Profiles, BaseURL: strings.TrimSpace(doc.BaseURL)}
	var err error
	if p.Duration, err = parseDuration("mediaPresentationDuration", doc.MediaPresentationDuration); err != nil {
		return nil, err
	}
	if p.MinBufferTime, err = parseDuration("minBufferTime", doc.MinBufferTime); err != nil {
		return nil, err
	}
	for _, s := range doc.Period[0].Sets {
		set := AdaptationSet{ContentType: s.ContentType, MimeType: s.MimeType, Language: s.Lang, Label: s.Label}
		if s.Role != nil && s.Role.SchemeIDURI == roleScheme {
			set.Role = s.Role.Value
		}
		for _, r := range s.Representations {
			out, err := r.parse()
			if err != nil {
				return nil, err
			}
			set.Representations = append(set.Representations, *out)
		}
		p.Sets = append(p.Sets, set)
	}
	return p, nil
}

func (r *representation) parse() (*Representation, error) {
	out := &Representation{
		ID: r.ID, Bandwidth: r.Bandwidth, Codecs: r.Codecs, Width: r.Width, Height: r.Height, SampleRate: r.AudioSamplingRate,
		PixelAspect: media.ParseRational(strings.Replace(r.SAR, ":", "/", 1)), FrameRate: media.ParseRational(r.FrameRate),
	}
	if r.Channels != nil && r.Channels.SchemeIDURI == channelsScheme {
		n, err := strconv.Atoi(r.Channels.Value)
		if err != nil || n < 1 || n > 20 {
			return nil, malformed("representation %s: channel configuration %q", r.ID, r.Channels.Value)
		}
		if out.Channels = n; n == 7 {
			out.Channels = 8
		}
	}
	if b := r.Base; b != nil {
		f := &File{URI: strings.TrimSpace(r.BaseURL), Timescale: b.Timescale}
		for _, part := range []struct {
			text     string
			from, to *int64
		}{{b.IndexRange, &f.IndexFrom, &f.IndexTo}, {b.Initialization.Range, &f.InitFrom, &f.InitTo}} {
			from, to, ok := strings.Cut(part.text, "-")
			var err1, err2 error
			*part.from, err1 = strconv.ParseInt(from, 10, 63)
			*part.to, err2 = strconv.ParseInt(to, 10, 63)
			if !ok || err1 != nil || err2 != nil || *part.from < 0 {
				return nil, malformed("representation %s: range %q", r.ID, part.text)
			}
		}
		out.File = f
	}
	if t := r.Template; t != nil {
		out.Template = &Template{Media: t.Media, Initialization: t.Initialization, Timescale: max(t.Timescale, 1), StartNumber: 1, Duration: t.Duration}
		if t.StartNumber != nil {
			out.Template.StartNumber = *t.StartNumber
		}
		if t.Timeline != nil {
			end := int64(0)
			for _, s := range t.Timeline.S {
				if s.T != nil {
					end = *s.T
				}
				if s.D <= 0 || s.R < 0 || s.R >= 1<<31 || end < 0 || s.D > 1<<40 || end > 1<<61 {
					return nil, malformed("representation %s: a run of %d and %d segments of %d ticks at %d", r.ID, s.R, 1, s.D, end)
				}
				if s.D > (1<<62-end)/(s.R+1) {
					return nil, malformed("representation %s: its timeline is too long", r.ID)
				}
				out.Template.Timeline = append(out.Template.Timeline, Run{Start: end, Duration: s.D, Count: s.R + 1})
				end += s.D * (s.R + 1)
			}
		}
	}
	return out, nil
}
