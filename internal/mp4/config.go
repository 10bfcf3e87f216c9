package mp4

import (
	"fmt"
	"slices"
)

// stsd reads the one sample entry of a track.
func (t *trackReader) stsd(b []byte, handler string) error {
	c := cursor{b: b}
	c.full()
	if n := c.u32(); c.short || n != 1 {
		return malformed("the track has %d sample entries, not one", n)
	}
	return eachBox(c.b, func(kind string, body []byte) error {
		switch {
		case handler == "vide" && (kind == "avc1" || kind == "avc3"):
			t.track.Kind = Video264
			return t.visualEntry(body)
		case handler == "soun" && kind == "mp4a":
			t.track.Kind = AudioAAC
			return t.audioEntry(body)
		}
		return malformed("codec %q is not supported here", kind)
	})
}

func (t *trackReader) visualEntry(b []byte) error {
	c := cursor{b: b}
	c.take(8 + 16) // SampleEntry, then pre_defined and reserved
	t.track.Width, t.track.Height = int(c.u16()), int(c.u16())
	c.take(50)
	if err := c.err("avc1"); err != nil {
		return err
	}
	if t.track.Width == 0 || t.track.Height == 0 {
		return malformed("the picture is %d×%d", t.track.Width, t.track.Height)
	}
	err := eachBox(c.b, func(kind string, body []byte) error {
		if kind == "avcC" {
			return t.avcC(body)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if t.track.NALLengthSize == 0 {
		return malformed("the video track has no avcC box")
	}
	return nil
}

// avcC reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1). The
// extension of High profiles repeats what the SPS says and is passed over.
func (t *trackReader) avcC(b []byte) error {
	c := cursor{b: b}
	version := c.u8()
	c.take(3) // profile, compatibility, level: the SPS has them
	lengthSize := int(c.u8()&3) + 1
	sets := func(n int) (out [][]byte) {
		for range n {
			out = append(out, slices.Clone(c.take(int(c.u16()))))
		}
		return out
	}
	sps := sets(int(c.u8() & 0x1f))
	pps := sets(int(c.u8()))
	if err := c.err("avcC"); err != nil {
		return err
	}
	if version != 1 || lengthSize == 3 {
		return malformed("avcC has version %d and NAL length size %d", version, lengthSize)
	}
	for _, s := range sps {
		if len(s) < 4 || s[0]&0x1f != 7 {
			return malformed("avcC holds a sequence parameter set that is none")
		}
	}
	for _, p := range pps {
		if len(p) < 2 || p[0]&0x1f != 8 {
			return malformed("avcC holds a picture parameter set that is none")
		}
	}
	if len(sps) == 0 || len(pps) == 0 {
		return malformed("avcC has no parameter sets: the encoder must write them out of band")
	}
	t.track.NALLengthSize, t.track.SPS, t.track.PPS = lengthSize, sps, pps
	return nil
}

func (t *trackReader) audioEntry(b []byte) error {
	c := cursor{b: b}
	c.take(8) // SampleEntry
	version := c.u16()
	c.take(18)
	switch version { // of QuickTime's sound description
	case 1:
		c.take(16)
	case 2:
		c.take(36)
	}
	if err := c.err("mp4a"); err != nil {
		return err
	}
	err := eachBox(c.b, func(kind string, body []byte) error {
		if kind == "esds" {
			return t.esds(body)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if t.track.AudioConfig == nil {
		return malformed("the audio track has no esds box")
	}
	return nil
}

// esds reads the AudioSpecificConfig out of an ES_Descriptor (ISO/IEC 14496-1, 7.2.6.5).
func (t *trackReader) esds(b []byte) error {
	c := cursor{b: b}
	c.full()
	for !c.short && len(c.b) > 0 {
		tag := c.u8()
		body := cursor{b: c.take(c.descriptorSize())}
		switch tag {
		case 0x03: // ES_Descriptor
			body.u16()
			flags := body.u8()
			if flags&0x80 != 0 {
				body.u16()
			}
			if flags&0x40 != 0 {
				body.take(int(body.u8()))
			}
			if flags&0x20 != 0 {
				body.u16()
			}
			c = body
		case 0x04: // DecoderConfigDescriptor
			if object := body.u8(); object != 0x40 && object != 0x67 {
				return malformed("audio object type 0x%02x is not AAC", object)
			}
			body.take(12)
			c = body
		case 0x05: // DecoderSpecificInfo
			return t.audioConfig(body.b)
		}
	}
	return malformed("esds has no AudioSpecificConfig")
}

// descriptorSize reads an expandable class size: seven bits a byte, at most four bytes.
func (c *cursor) descriptorSize() int {
	n := 0
	for range 4 {
		b := c.u8()
		n = n<<7 | int(b&0x7f)
		if b&0x80 == 0 {
			break
		}
	}
	return n
}

// sampleRates is samplingFrequencyIndex (ISO/IEC 14496-3, table 1.18).
var sampleRates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// audioConfig reads an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1).
func (t *trackReader) audioConfig(b []byte) error {
	if len(b) < 2 {
		return malformed("AudioSpecificConfig has %d bytes", len(b))
	}
	bits := uint16(b[0])<<8 | uint16(b[1])
	object, rate, channels := bits>>11, int(bits>>7&0xf), int(bits>>3&0xf)
	if object != 2 {
		return malformed("AAC object type %d is not AAC-LC", object)
	}
	if bits&4 != 0 {
		return malformed("AAC frames of 960 samples are not supported")
	}
	if rate >= len(sampleRates) {
		return malformed("AAC sampling frequency index %d is not supported", rate)
	}
	if channels == 0 || channels > 7 {
		return malformed("AAC channel configuration %d is not supported", channels)
	}
	t.track.AudioConfig = slices.Clone(b)
	t.track.SampleRate = sampleRates[rate]
	if t.track.Channels = channels; channels == 7 {
		t.track.Channels = 8
	}
	return nil
}

// CodecString returns the codec's name for the CODECS attribute of a playlist
// (RFC 6381, 3.3), such as "avc1.4d401f" or "mp4a.40.2".
func (t *Track) CodecString() string {
	if t.Kind == AudioAAC {
		return fmt.Sprintf("mp4a.40.%d", t.AudioConfig[0]>>3)
	}
	return AVCCodecString(t.SPS[0])
}

// AVCCodecString returns the RFC 6381 name of an H.264 stream from its sequence
// parameter set (a NAL unit of at least four bytes). Hexadecimal digits are in
// lower case, as the service writes them.
func AVCCodecString(sps []byte) string {
	return fmt.Sprintf("avc1.%02x%02x%02x", sps[1], sps[2], sps[3])
}
