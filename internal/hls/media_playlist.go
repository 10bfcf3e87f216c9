package hls

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// MediaPlaylist is a playlist of the segments of one variant. Tags that it has no
// field for are passed over when it is parsed, as RFC 8216, 6.3.1 asks of clients.
type MediaPlaylist struct {
	Version             int    // EXT-X-VERSION; 0 writes none
	IndependentSegments bool   // EXT-X-INDEPENDENT-SEGMENTS
	TargetDuration      int64  // EXT-X-TARGETDURATION in seconds; 0 writes the smallest that holds, rounded up as the service does
	MediaSequence       int64  // EXT-X-MEDIA-SEQUENCE of the first segment; the service counts from 1, as its file names do
	PlaylistType        string // EXT-X-PLAYLIST-TYPE: VOD, EVENT or "" for none
	Segments            []Segment
	EndList             bool // EXT-X-ENDLIST

	// IntegerDurations writes EXTINF in whole seconds (ManifestDurationFormat
	// INTEGER). Each boundary then is within half a second of the truth and the
	// error never adds up: what one segment was rounded off the next one gets.
	IntegerDurations bool
}

// Segment is one media segment.
type Segment struct {
	URI      string        // EXTINF's line after it: relative and percent-encoded, see RelativeURI
	Duration time.Duration // EXTINF
	Title    string        // EXTINF's title; the service writes none
}

// TargetDuration returns the EXT-X-TARGETDURATION of segments: the longest
// duration rounded up to a second (TargetDurationCompatibilityMode LEGACY).
func TargetDuration(segments []Segment) int64 {
	longest := time.Duration(0)
	for _, s := range segments {
		longest = max(longest, s.Duration)
	}
	return int64((longest + time.Second - 1) / time.Second)
}

// Marshal returns the playlist's text.
//
// Errors: fault.Internal for a URI that would not survive its line.
func (p *MediaPlaylist) Marshal() ([]byte, error) {
	b := make([]byte, 0, 256+len(p.Segments)*64)
	b = append(b, "#EXTM3U\n"...)
	if p.Version != 0 {
		b = appendTag(b, "#EXT-X-VERSION", strconv.Itoa(p.Version))
	}
	if p.IndependentSegments {
		b = append(b, "#EXT-X-INDEPENDENT-SEGMENTS\n"...)
	}
	durations, longest := p.written()
	target := p.TargetDuration
	if target == 0 {
		target = max(TargetDuration(p.Segments), longest)
	}
	b = appendTag(b, "#EXT-X-TARGETDURATION", strconv.FormatInt(target, 10))
	b = appendTag(b, "#EXT-X-MEDIA-SEQUENCE", strconv.FormatInt(p.MediaSequence, 10))
	if p.PlaylistType != "" {
		b = appendTag(b, "#EXT-X-PLAYLIST-TYPE", p.PlaylistType)
	}
	for i, s := range p.Segments {
		if err := checkURI(s.URI); err != nil {
			return nil, err
		}
		b = appendTag(b, "#EXTINF", durations[i]+","+s.Title)
		b = append(append(b, s.URI...), '\n')
	}
	if p.EndList {
		b = append(b, "#EXT-X-ENDLIST\n"...)
	}
	return b, nil
}

// written returns the durations as they are written, and the longest in whole
// seconds. Both forms round the boundaries, not the durations, so that no error
// adds up over a long playlist. A whole second is the least that an integer
// duration may be: players take a segment of none for a gap.
func (p *MediaPlaylist) written() (texts []string, longest int64) {
	texts = make([]string, len(p.Segments))
	var at, done time.Duration // the true end and the written one
	unit := time.Microsecond
	if p.IntegerDurations {
		unit = time.Second
	}
	for i, s := range p.Segments {
		at += s.Duration
		d := (at - done).Round(unit)
		if p.IntegerDurations {
			d = max(d, time.Second)
			texts[i] = strconv.FormatInt(int64(d/time.Second), 10)
		} else {
			d = max(d, 0)
			texts[i] = strconv.FormatFloat(float64(d/time.Microsecond)/1e6, 'f', 6, 64)
		}
		done += d
		longest = max(longest, int64(d.Round(time.Second)/time.Second))
	}
	return texts, longest
}

// ParseMediaPlaylist reads a media playlist. Text that Marshal wrote comes back
// as the same text.
//
// Errors: fault.Invalid with the number of the line.
func ParseMediaPlaylist(text []byte) (*MediaPlaylist, error) {
	p := &MediaPlaylist{IntegerDurations: true}
	var next *Segment
	seen := map[string]bool{}
	err := lines(text, func(n int, tag, value string) (err error) {
		switch tag {
		case "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-PLAYLIST-TYPE", "#EXT-X-ENDLIST":
			if seen[tag] {
				return malformed(n, "%s is given twice", tag)
			}
			seen[tag] = true
		}
		switch tag {
		case "#EXT-X-VERSION":
			p.Version, err = parseVersion(n, value)
		case "#EXT-X-INDEPENDENT-SEGMENTS":
			p.IndependentSegments = true
		case "#EXT-X-TARGETDURATION":
			p.TargetDuration, err = parseInteger(n, tag, value)
		case "#EXT-X-MEDIA-SEQUENCE":
			p.MediaSequence, err = parseInteger(n, tag, value)
		case "#EXT-X-PLAYLIST-TYPE":
			if p.PlaylistType = value; value != "VOD" && value != "EVENT" {
				return malformed(n, "playlist type %q is neither VOD nor EVENT", value)
			}
		case "#EXT-X-ENDLIST":
			p.EndList = true
		case "#EXT-X-STREAM-INF":
			return malformed(n, "this is a multivariant playlist")
		case "#EXTINF":
			if next != nil {
				return malformed(n, "the segment before has no URI")
			}
			seconds, title, _ := strings.Cut(value, ",")
			if strings.Contains(seconds, ".") {
				p.IntegerDurations = false
			}
			next = &Segment{Title: title}
			next.Duration, err = parseSeconds(n, tag, seconds)
		case "":
			if next == nil {
				return malformed(n, "a URI without #EXTINF")
			}
			next.URI = value
			p.Segments = append(p.Segments, *next)
			next = nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if next != nil {
		return nil, malformed(bytesLines(text), "the last segment has no URI")
	}
	if !seen["#EXT-X-TARGETDURATION"] {
		return nil, malformed(bytesLines(text), "#EXT-X-TARGETDURATION is missing")
	}
	if len(p.Segments) == 0 {
		p.IntegerDurations = false
	}
	return p, nil
}

// parseVersion reads the value of EXT-X-VERSION.
func parseVersion(n int, s string) (int, error) {
	v, err := parseInteger(n, "#EXT-X-VERSION", s)
	if err == nil && (v < 1 || v > math.MaxInt32) {
		err = malformed(n, "version %d", v)
	}
	return int(v), err
}

// bytesLines returns the number of the last line.
func bytesLines(text []byte) int { return strings.Count(string(text), "\n") }
