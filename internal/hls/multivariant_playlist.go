package hls

import (
	"math"
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/media"
)

// MultivariantPlaylist is a playlist of variants. Tags and attributes that it has
// no field for are passed over when it is parsed.
type MultivariantPlaylist struct {
	Version int // EXT-X-VERSION; 0 writes none

	// IndependentSegments is EXT-X-INDEPENDENT-SEGMENTS: every segment starts with
	// an IDR picture. It is legal at any version (RFC 8216, 7 asks none for it).
	IndependentSegments bool

	SessionKeys []Key           // EXT-X-SESSION-KEY
	Renditions  []Rendition     // EXT-X-MEDIA, before the variants that name their groups
	Variants    []Variant       // in the order in which players try them
	IFrames     []IFrameVariant // after the variants
}

// Variant is one EXT-X-STREAM-INF and its URI.
type Variant struct {
	URI              string         // of the media playlist: relative and percent-encoded, see RelativeURI
	Bandwidth        int64          // BANDWIDTH, bits a second; see Bandwidth. Never 0
	AverageBandwidth int64          // AVERAGE-BANDWIDTH, bits a second; 0 writes none
	Codecs           []string       // CODECS, RFC 6381; empty writes none
	Width, Height    int            // RESOLUTION in pixels; 0 writes none
	FrameRate        media.Rational // FRAME-RATE, written with three decimals; unknown writes none
	Audio            string         // AUDIO: the GROUP-ID of the renditions that go with it; "" is none
	NoCaptions       bool           // CLOSED-CAPTIONS=NONE: no variant has any
}

// Marshal returns the playlist's text, attributes in the service's order.
//
// Errors: fault.Internal for a URI or codec that would not survive its line.
func (p *MultivariantPlaylist) Marshal() ([]byte, error) {
	b := []byte("#EXTM3U\n")
	if p.Version != 0 {
		b = appendTag(b, "#EXT-X-VERSION", strconv.Itoa(p.Version))
	}
	if p.IndependentSegments {
		b = append(b, "#EXT-X-INDEPENDENT-SEGMENTS\n"...)
	}
	var err error
	for _, k := range p.SessionKeys {
		if b, err = k.marshal(b, "#EXT-X-SESSION-KEY"); err != nil {
			return nil, err
		}
	}
	for _, r := range p.Renditions {
		if b, err = r.marshal(b); err != nil {
			return nil, err
		}
	}
	for _, v := range p.Variants {
		if err := checkURI(v.URI); err != nil {
			return nil, err
		}
		b = append(b, "#EXT-X-STREAM-INF:"...)
		if b, err = appendStream(b, v.Bandwidth, v.AverageBandwidth, v.Codecs, v.Width, v.Height); err != nil {
			return nil, err
		}
		if v.FrameRate.Known() {
			b = append(b, ",FRAME-RATE="...)
			b = strconv.AppendFloat(b, v.FrameRate.Float(), 'f', 3, 64)
		}
		if v.Audio != "" {
			if b, err = appendQuoted(b, ",AUDIO", v.Audio); err != nil {
				return nil, err
			}
		}
		if v.NoCaptions {
			b = append(b, ",CLOSED-CAPTIONS=NONE"...)
		}
		b = append(b, '\n')
		b = append(append(b, v.URI...), '\n')
	}
	for _, v := range p.IFrames {
		if b, err = v.marshal(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// appendStream appends the attributes that EXT-X-STREAM-INF and
// EXT-X-I-FRAME-STREAM-INF share.
func appendStream(b []byte, bandwidth, average int64, codecs []string, width, height int) ([]byte, error) {
	b = strconv.AppendInt(append(b, "BANDWIDTH="...), bandwidth, 10)
	if average != 0 {
		b = strconv.AppendInt(append(b, ",AVERAGE-BANDWIDTH="...), average, 10)
	}
	if list := strings.Join(codecs, ","); list != "" {
		if err := checkURI(list); err != nil {
			return nil, err
		}
		b = append(append(append(b, `,CODECS="`...), list...), '"')
	}
	if width != 0 {
		b = strconv.AppendInt(append(b, ",RESOLUTION="...), int64(width), 10)
		b = strconv.AppendInt(append(b, 'x'), int64(height), 10)
	}
	return b, nil
}

// ParseMultivariantPlaylist reads a multivariant playlist. Text that Marshal
// wrote comes back as the same text; FrameRate as thousandths.
//
// Errors: fault.Invalid with the number of the line.
func ParseMultivariantPlaylist(text []byte) (*MultivariantPlaylist, error) {
	p := &MultivariantPlaylist{}
	var next *Variant
	versioned := false
	err := lines(text, func(n int, tag, value string) (err error) {
		switch tag {
		case "#EXT-X-VERSION":
			if versioned {
				return malformed(n, "%s is given twice", tag)
			}
			versioned = true
			p.Version, err = parseVersion(n, value)
		case "#EXT-X-INDEPENDENT-SEGMENTS":
			p.IndependentSegments = true
		case "#EXTINF", "#EXT-X-TARGETDURATION", "#EXT-X-ENDLIST", "#EXT-X-PLAYLIST-TYPE", "#EXT-X-MEDIA-SEQUENCE":
			return malformed(n, "this is a media playlist")
		case "#EXT-X-SESSION-KEY":
			var k Key
			if k, err = parseKey(n, value); err == nil {
				p.SessionKeys = append(p.SessionKeys, k)
			}
		case "#EXT-X-MEDIA":
			var r Rendition
			var audio bool
			if r, audio, err = parseRendition(n, value); err == nil && audio {
				p.Renditions = append(p.Renditions, r)
			}
		case "#EXT-X-I-FRAME-STREAM-INF":
			var v IFrameVariant
			if v, err = parseIFrameVariant(n, value); err == nil {
				p.IFrames = append(p.IFrames, v)
			}
		case "#EXT-X-STREAM-INF":
			if next != nil {
				return malformed(n, "the variant before has no URI")
			}
			next, err = parseVariant(n, value)
		case "":
			if next == nil {
				return malformed(n, "a URI without #EXT-X-STREAM-INF")
			}
			next.URI = value
			p.Variants = append(p.Variants, *next)
			next = nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if next != nil {
		return nil, malformed(bytesLines(text), "the last variant has no URI")
	}
	return p, nil
}

func parseVariant(n int, s string) (*Variant, error) {
	v := &Variant{}
	err := attributes(n, s, func(name, value string, quoted bool) (err error) {
		if quoted != (name == "CODECS" || name == "AUDIO") && isKnown(name) {
			return malformed(n, "attribute %s has the wrong type", name)
		}
		switch name {
		case "BANDWIDTH":
			v.Bandwidth, err = parseInteger(n, name, value)
		case "AVERAGE-BANDWIDTH":
			v.AverageBandwidth, err = parseInteger(n, name, value)
		case "CODECS":
			if value != "" {
				v.Codecs = strings.Split(value, ",")
			}
		case "RESOLUTION":
			w, h, ok := strings.Cut(value, "x")
			width, err1 := strconv.ParseUint(w, 10, 31)
			height, err2 := strconv.ParseUint(h, 10, 31)
			if !ok || err1 != nil || err2 != nil {
				return malformed(n, "RESOLUTION %q is not width x height", value)
			}
			v.Width, v.Height = int(width), int(height)
		case "AUDIO":
			v.Audio = value
		case "CLOSED-CAPTIONS":
			v.NoCaptions = value == "NONE" && !quoted
		case "FRAME-RATE":
			rate, err := strconv.ParseFloat(value, 64)
			if err != nil || !(rate >= 0 && rate < 1e9) {
				return malformed(n, "FRAME-RATE %q is not a number", value)
			}
			v.FrameRate = media.R(int64(math.Round(rate*1000)), 1000)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if v.Bandwidth == 0 {
		return nil, malformed(n, "BANDWIDTH is missing")
	}
	return v, nil
}

// isKnown reports whether a variant has a field for the attribute.
func isKnown(name string) bool {
	switch name {
	case "BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS", "RESOLUTION", "FRAME-RATE", "AUDIO":
		return true
	}
	return false
}

// attributes calls fn for each attribute of a list (RFC 8216, 4.2). None may come twice.
func attributes(n int, s string, fn func(name, value string, quoted bool) error) error {
	seen := map[string]bool{}
	for s != "" {
		name, rest, ok := strings.Cut(s, "=")
		if !ok || name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return malformed(n, "attribute name %q", name)
		}
		if seen[name] {
			return malformed(n, "attribute %s is given twice", name)
		}
		seen[name] = true
		var value string
		quoted := strings.HasPrefix(rest, `"`)
		if quoted {
			if value, rest, ok = strings.Cut(rest[1:], `"`); !ok {
				return malformed(n, "attribute %s has no closing quote", name)
			}
			if rest != "" && rest[0] != ',' {
				return malformed(n, "attribute %s goes on after its quote", name)
			}
			rest = strings.TrimPrefix(rest, ",")
		} else {
			value, rest, _ = strings.Cut(rest, ",")
			if value == "" {
				return malformed(n, "attribute %s is empty", name)
			}
		}
		if err := fn(name, value, quoted); err != nil {
			return err
		}
		s = rest
	}
	return nil
}
