package hls

import (
	"strconv"
	"strings"

	"vodwright.dev/vodwright/internal/fault"
)

// RenditionVersion is the protocol version of playlists with renditions: older
// clients would play the variants without them (RFC 8216, 7).
const RenditionVersion = 4

// Rendition is one EXT-X-MEDIA of TYPE=AUDIO (RFC 8216, 4.3.4.1).
type Rendition struct {
	Group           string // GROUP-ID, never empty
	Name            string // NAME, unique in the group; never empty
	Language        string // LANGUAGE, RFC 5646; "" writes none
	Default         bool   // DEFAULT
	AutoSelect      bool   // AUTOSELECT; true where Default is
	Characteristics string // CHARACTERISTICS; "" writes none
	Channels        int    // CHANNELS; 0 writes none
	URI             string // of the media playlist, see RelativeURI; "" is in the variants themselves
}

// DescribesVideo is the CHARACTERISTICS of sound that tells what is seen.
const DescribesVideo = "public.accessibility.describes-video"

func (r Rendition) marshal(b []byte) ([]byte, error) {
	yes := func(v bool) string {
		if v {
			return "YES"
		}
		return "NO"
	}
	b = append(b, "#EXT-X-MEDIA:TYPE=AUDIO"...)
	var err error
	for _, a := range []struct {
		name, value string
		needed      bool
	}{{"GROUP-ID", r.Group, true}, {"NAME", r.Name, true}, {"LANGUAGE", r.Language, false}} {
		if a.value == "" && !a.needed {
			continue
		}
		if b, err = appendQuoted(b, ","+a.name, a.value); err != nil {
			return nil, err
		}
	}
	b = append(append(b, ",DEFAULT="...), yes(r.Default)...)
	b = append(append(b, ",AUTOSELECT="...), yes(r.AutoSelect)...)
	if r.Characteristics != "" {
		if b, err = appendQuoted(b, ",CHARACTERISTICS", r.Characteristics); err != nil {
			return nil, err
		}
	}
	if r.Channels != 0 {
		b = append(b, ",CHANNELS=\""...)
		b = append(strconv.AppendInt(b, int64(r.Channels), 10), '"')
	}
	if r.URI != "" {
		if err := checkURI(r.URI); err != nil {
			return nil, err
		}
		b = append(append(append(b, ",URI=\""...), r.URI...), '"')
	}
	return append(b, '\n'), nil
}

// appendQuoted appends an attribute whose value is a quoted string.
func appendQuoted(b []byte, name, value string) ([]byte, error) {
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' }) {
		return nil, fault.New(fault.Internal, "", "playlist: %q is no value of %s", value, strings.TrimPrefix(name, ","))
	}
	b = append(append(b, name...), '=', '"')
	return append(append(b, value...), '"'), nil
}

// parseRendition reads an EXT-X-MEDIA. Ones that are not audio are passed over.
func parseRendition(n int, s string) (r Rendition, audio bool, err error) {
	kind := ""
	err = attributes(n, s, func(name, value string, quoted bool) error {
		word := false // an enumerated string
		switch name {
		case "TYPE":
			kind, word = value, true
		case "GROUP-ID":
			r.Group = value
		case "NAME":
			r.Name = value
		case "LANGUAGE":
			r.Language = value
		case "CHARACTERISTICS":
			r.Characteristics = value
		case "URI":
			r.URI = value
		case "DEFAULT", "AUTOSELECT":
			if value != "YES" && value != "NO" {
				return malformed(n, "%s is %q, neither YES nor NO", name, value)
			}
			if word = true; name == "DEFAULT" {
				r.Default = value == "YES"
			} else {
				r.AutoSelect = value == "YES"
			}
		case "CHANNELS":
			count, _, _ := strings.Cut(value, "/")
			channels, err := strconv.ParseUint(count, 10, 16)
			if err != nil {
				return malformed(n, "CHANNELS %q is not a number", value)
			}
			r.Channels = int(channels)
		default:
			return nil
		}
		if quoted == word {
			return malformed(n, "attribute %s has the wrong type", name)
		}
		return nil
	})
	if err != nil {
		return Rendition{}, false, err
	}
	if r.Group == "" || r.Name == "" || kind == "" {
		return Rendition{}, false, malformed(n, "TYPE, GROUP-ID or NAME is missing")
	}
	return r, kind == "AUDIO", nil
}
