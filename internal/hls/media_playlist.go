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
	NearestTarget       bool   // the target duration is rounded to the nearest second instead (TargetDurationCompatibilityMode SPEC_COMPLIANT)
	MediaSequence       int64  // EXT-X-MEDIA-SEQUENCE of the first segment; the service counts from 1, as its file names do
	PlaylistType        string // EXT-X-PLAYLIST-TYPE: VOD, EVENT or "" for none
	IFramesOnly         bool   // EXT-X-I-FRAMES-ONLY: each segment is one I-frame, shown until the next
	NoCache             bool   // EXT-X-ALLOW-CACHE:NO, which RFC 8216 no longer has and clients pass over
	Segments            []Segment
	EndList             bool // EXT-X-ENDLIST

	// IntegerDurations writes EXTINF in whole seconds (ManifestDurationFormat
	// INTEGER). Each boundary then is within half a second of the truth and the
	// error never adds up: what one segment was rounded off the next one gets.
	IntegerDurations bool
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
	b = appendTag(b, "#EXT-X-TARGETDURATION", strconv.FormatInt(p.target(longest), 10))
	b = appendTag(b, "#EXT-X-MEDIA-SEQUENCE", strconv.FormatInt(p.MediaSequence, 10))
	if p.PlaylistType != "" {
		b = appendTag(b, "#EXT-X-PLAYLIST-TYPE", p.PlaylistType)
	}
	if p.IFramesOnly {
		b = append(b, "#EXT-X-I-FRAMES-ONLY\n"...)
	}
	if p.NoCache {
		b = append(b, "#EXT-X-ALLOW-CACHE:NO\n"...)
	}
	b, err := p.marshalSegments(b, durations)
	if err != nil {
		return nil, err
	}
	if p.EndList {
		b = append(b, "#EXT-X-ENDLIST\n"...)
	}
	return b, nil
}

// LeastTarget returns the EXT-X-TARGETDURATION that Marshal writes.
func (p *MediaPlaylist) LeastTarget() int64 {
	_, longest := p.written()
	return p.target(longest)
}

func (p *MediaPlaylist) target(longest int64) int64 {
	switch {
	case p.TargetDuration != 0:
		return p.TargetDuration
	case p.NearestTarget:
		return longest
	}
	return max(TargetDuration(p.Segments), longest)
}

// RequiredVersion returns the lowest EXT-X-VERSION that has what the playlist uses
// (RFC 8216, 7).
func (p *MediaPlaylist) RequiredVersion() int {
	v := 1
	if !p.IntegerDurations {
		v = 3
	}
	for _, s := range p.Segments {
		if s.Key.HasIV {
			v = max(v, 2)
		}
		if s.Key.Format != "" || s.Key.FormatVersions != "" {
			v = max(v, 5)
		}
		if s.Range.Length != 0 {
			v = max(v, 4)
		}
		if s.Map.URI != "" {
			v = max(v, 5)
			if !p.IFramesOnly {
				v = 6
			}
		}
	}
	if p.IFramesOnly {
		v = max(v, 4)
	}
	return v
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
	segments := segmentParser{ends: map[string]int64{}}
	seen := map[string]bool{}
	err := lines(text, func(n int, tag, value string) (err error) {
		switch tag {
		case "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-PLAYLIST-TYPE", "#EXT-X-ENDLIST", "#EXT-X-I-FRAMES-ONLY":
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
		case "#EXT-X-I-FRAMES-ONLY":
			p.IFramesOnly = true
		case "#EXT-X-ALLOW-CACHE":
			p.NoCache = value == "NO"
		default:
			if tag == "#EXTINF" && strings.Contains(strings.SplitN(value, ",", 2)[0], ".") {
				p.IntegerDurations = false
			}
			segment, done, err := segments.tag(n, tag, value)
			if done {
				p.Segments = append(p.Segments, segment)
			}
			return err
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if segments.timed {
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
