package hls

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
	if err := checkURI(v.URI); err != nil {
		return nil, err
	}
	b, err := appendStream(append(b, "#EXT-X-I-FRAME-STREAM-INF:"...), v.Bandwidth, v.AverageBandwidth, v.Codecs, v.Width, v.Height)
	if err != nil {
		return nil, err
	}
	return append(append(append(b, `,URI="`...), v.URI...), "\"\n"...), nil
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
