package hls

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Segment is one media segment.
type Segment struct {
	URI             string        // EXTINF's line after it: relative and percent-encoded, see RelativeURI
	Duration        time.Duration // EXTINF
	Title           string        // EXTINF's title; the service writes none
	Range           ByteRange     // EXT-X-BYTERANGE; zero is the whole resource
	ProgramDateTime time.Time     // EXT-X-PROGRAM-DATE-TIME, to the millisecond; zero writes none
	Map             Map           // EXT-X-MAP, written where it changes; zero is none
	Key             Key           // EXT-X-KEY, written where it changes; zero is none
}

// ByteRange is part of a resource.
type ByteRange struct {
	Offset, Length int64 // bytes; length 0 is all of it
}

// Map is the media initialization section of the segments that follow.
type Map struct {
	URI   string
	Range ByteRange
}

// Key says how the segments that follow are encrypted (RFC 8216, 4.3.2.4).
type Key struct {
	Method         string // METHOD: AES-128; "" is not encrypted
	URI            string
	IV             [16]byte
	HasIV          bool   // else the IV is the segment's media sequence number
	Format         string // KEYFORMAT; "" is identity
	FormatVersions string // KEYFORMATVERSIONS
}

func (r ByteRange) String() string {
	return strconv.FormatInt(r.Length, 10) + "@" + strconv.FormatInt(r.Offset, 10)
}

// parseByteRange reads LENGTH[@OFFSET]; without an offset, next is where it starts.
func parseByteRange(n int, s string, next int64) (r ByteRange, err error) {
	length, offset, given := strings.Cut(s, "@")
	if r.Length, err = parseInteger(n, "byte range", length); err != nil {
		return r, err
	}
	r.Offset = next
	if given {
		if r.Offset, err = parseInteger(n, "byte range", offset); err != nil {
			return r, err
		}
	}
	if r.Length == 0 || r.Offset < 0 || r.Offset+r.Length < r.Offset {
		return r, malformed(n, "byte range %q is none", s)
	}
	return r, nil
}

func (m Map) marshal(b []byte) ([]byte, error) {
	if err := checkURI(m.URI); err != nil {
		return nil, err
	}
	b = append(append(append(b, `#EXT-X-MAP:URI="`...), m.URI...), '"')
	if m.Range.Length != 0 {
		b = append(append(append(b, `,BYTERANGE="`...), m.Range.String()...), '"')
	}
	return append(b, '\n'), nil
}

func parseMap(n int, s string) (Map, error) {
	var m Map
	err := attributes(n, s, func(name, value string, quoted bool) (err error) {
		switch name {
		case "URI", "BYTERANGE":
			if !quoted {
				return malformed(n, "attribute %s has the wrong type", name)
			}
		}
		switch name {
		case "URI":
			m.URI = value
		case "BYTERANGE":
			m.Range, err = parseByteRange(n, value, 0)
		}
		return err
	})
	if err == nil && m.URI == "" {
		err = malformed(n, "#EXT-X-MAP has no URI")
	}
	return m, err
}

// marshal appends a line of the tag EXT-X-KEY or EXT-X-SESSION-KEY.
func (k Key) marshal(b []byte, tag string) ([]byte, error) {
	if k.Method == "" {
		return append(append(b, tag...), ":METHOD=NONE\n"...), nil
	}
	for _, s := range []string{k.Method, k.URI} {
		if err := checkURI(s); err != nil {
			return nil, err
		}
	}
	b = append(append(append(b, tag...), ":METHOD="...), k.Method...)
	quoted := func(name, value string) error {
		if value == "" {
			return nil
		}
		b = append(append(append(append(append(b, ','), name...), `="`...), value...), '"')
		return checkURI(value)
	}
	err := quoted("URI", k.URI)
	if k.HasIV {
		b = append(b, ",IV=0x"...)
		b = append(b, hex.EncodeToString(k.IV[:])...)
	}
	if err == nil {
		err = quoted("KEYFORMAT", k.Format)
	}
	if err == nil {
		err = quoted("KEYFORMATVERSIONS", k.FormatVersions)
	}
	return append(b, '\n'), err
}

func parseKey(n int, s string) (Key, error) {
	var k Key
	err := attributes(n, s, func(name, value string, quoted bool) error {
		switch name {
		case "METHOD", "IV", "URI", "KEYFORMAT", "KEYFORMATVERSIONS":
			if quoted == (name == "METHOD" || name == "IV") {
				return malformed(n, "attribute %s has the wrong type", name)
			}
		}
		switch name {
		case "METHOD":
			k.Method = value
		case "URI":
			k.URI = value
		case "IV":
			digits, ok := strings.CutPrefix(strings.ToLower(value), "0x")
			iv, err := hex.DecodeString(digits)
			if !ok || err != nil || len(iv) != len(k.IV) {
				return malformed(n, "IV %q is not 128 bits", value)
			}
			k.IV, k.HasIV = [16]byte(iv), true
		case "KEYFORMAT":
			k.Format = value
		case "KEYFORMATVERSIONS":
			k.FormatVersions = value
		}
		return nil
	})
	switch {
	case err != nil:
		return k, err
	case k.Method == "":
		return k, malformed(n, "METHOD is missing")
	case k.Method == "NONE":
		return Key{}, nil
	case k.URI == "":
		return k, malformed(n, "a key without URI")
	}
	return k, nil
}

// dateTime is the form of EXT-X-PROGRAM-DATE-TIME that is written; any of RFC 3339 is read.
const dateTime = "2006-01-02T15:04:05.000Z07:00"

// marshalSegments appends the segments with the tags that belong to them.
func (p *MediaPlaylist) marshalSegments(b []byte, durations []string) ([]byte, error) {
	var now Segment
	var err error
	for i, s := range p.Segments {
		if err := checkURI(s.URI); err != nil {
			return nil, err
		}
		if s.Key != now.Key {
			if b, err = s.Key.marshal(b, "#EXT-X-KEY"); err != nil {
				return nil, err
			}
		}
		if s.Map != now.Map {
			if b, err = s.Map.marshal(b); err != nil { // none after one cannot be said
				return nil, err
			}
		}
		if !s.ProgramDateTime.IsZero() {
			b = appendTag(b, "#EXT-X-PROGRAM-DATE-TIME", s.ProgramDateTime.Format(dateTime))
		}
		b = appendTag(b, "#EXTINF", durations[i]+","+s.Title)
		if s.Range.Length != 0 {
			b = appendTag(b, "#EXT-X-BYTERANGE", s.Range.String())
		}
		b = append(append(b, s.URI...), '\n')
		now = s
	}
	return b, nil
}

// segmentParser gathers the tags of the segment that comes next.
type segmentParser struct {
	next    Segment
	timed   bool             // EXTINF was there
	ranged  string           // the value of EXT-X-BYTERANGE
	rangeAt int              // its line
	ends    map[string]int64 // where the last range of a resource ended
}

// tag takes a line; done is true with the segment that it completes.
func (p *segmentParser) tag(n int, tag, value string) (s Segment, done bool, err error) {
	switch tag {
	case "#EXTINF":
		if p.timed {
			return s, false, malformed(n, "the segment before has no URI")
		}
		p.timed = true
		seconds, title, _ := strings.Cut(value, ",")
		p.next.Title = title
		p.next.Duration, err = parseSeconds(n, tag, seconds)
	case "#EXT-X-BYTERANGE":
		if p.ranged != "" {
			return s, false, malformed(n, "%s is given twice", tag)
		}
		p.ranged, p.rangeAt = value, n
		if value == "" {
			err = malformed(n, "byte range %q is none", value)
		}
	case "#EXT-X-PROGRAM-DATE-TIME":
		at, err := time.Parse(time.RFC3339, value)
		if err != nil || at.Year() < 1 || at.Year() > 9999 {
			return s, false, malformed(n, "%q is not a date and time", value)
		}
		p.next.ProgramDateTime = at
	case "#EXT-X-MAP":
		p.next.Map, err = parseMap(n, value)
	case "#EXT-X-KEY":
		p.next.Key, err = parseKey(n, value)
	case "":
		if !p.timed {
			return s, false, malformed(n, "a URI without #EXTINF")
		}
		p.next.URI = value
		if p.ranged != "" {
			if p.next.Range, err = parseByteRange(p.rangeAt, p.ranged, p.ends[value]); err != nil {
				return s, false, err
			}
			p.ends[value] = p.next.Range.Offset + p.next.Range.Length
		}
		s, done = p.next, true
		p.next, p.timed, p.ranged = Segment{Map: s.Map, Key: s.Key}, false, ""
	}
	return s, done, err
}
