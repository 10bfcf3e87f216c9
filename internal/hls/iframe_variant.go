package hls

import (
	"strconv"
	"strings"
)

// IFrameVariant is one EXT-X-I-FRAME-STREAM-INF: a playlist of I-frames, of one
// picture each (RFC 8216, 4.3.4.3).
type IFrameVariant struct {
	URI              string   // of the media playlist, see RelativeURI
	Bandwidth        int64    // BANDWIDTH, bits a second; never 0
	AverageBandwidth int64    // AVERAGE-BANDWIDTH; 0 writes none
	Codecs           []string // CODECS, of video alone
	Width, Height    int      // RESOLUTION in pixels; 0 writes none
}

func (v IFrameVariant) marshal(b []byte) ([]byte, error) {
	codecs := strings.Join(v.Codecs, ",")
	for _, s := range []string{v.URI, codecs} {
		if s != codecs || s != "" {
			if err := checkURI(s); err != nil {
				return nil, err
			}
		}
	}
	b = append(b, "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH="...)
	b = strconv.AppendInt(b, v.Bandwidth, 10)
	if v.AverageBandwidth != 0 {
		b = append(b, ",AVERAGE-BANDWIDTH="...)
		b = strconv.AppendInt(b, v.AverageBandwidth, 10)
	}
	if codecs != "" {
		b = append(append(append(b, `,CODECS="`...), codecs...), '"')
	}
	if v.Width != 0 {
		b = append(b, ",RESOLUTION="...)
		b = strconv.AppendInt(b, int64(v.Width), 10)
		b = append(b, 'x')
		b = strconv.AppendInt(b, int64(v.Height), 10)
	}
	b = append(append(append(b, `,URI="`...), v.URI...), '"')
	return append(b, '\n'), nil
}

func parseIFrameVariant(n int, s string) (IFrameVariant, error) {
	uri := ""
	err := attributes(n, s, func(name, value string, quoted bool) error {
		if name == "URI" {
			if !quoted {
				return malformed(n, "attribute %s has the wrong type", name)
			}
			uri = value
		}
		return nil
	})
	if err != nil {
		return IFrameVariant{}, err
	}
	v, err := parseVariant(n, s) // the other attributes are those of a variant
	if err != nil {
		return IFrameVariant{}, err
	}
	if uri == "" {
		return IFrameVariant{}, malformed(n, "URI is missing")
	}
	return IFrameVariant{URI: uri, Bandwidth: v.Bandwidth, AverageBandwidth: v.AverageBandwidth, Codecs: v.Codecs, Width: v.Width, Height: v.Height}, nil
}
