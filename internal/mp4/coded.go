package mp4

import (
	"bytes"
	"io"
	"math"

	"github.com/Eyevinn/mp4ff/avc"

	"vodwright.dev/vodwright/internal/media"
)

// ReadCoded reads the samples from the first one to the one before the last, as far as
// there are, of track number n of an MP4 file of size bytes, whose coded pictures are
// to be used as they are. It looks at the NAL units of these: that parameter sets
// do not change, that every sample is one frame of 4:2:0 in 8 bits, that it can be
// told how far decoding runs ahead. Samples lack what comes before their picture
// in any case (delimiters, the same parameter sets again); Key is true for IDR
// pictures alone, which nothing shown before is decoded after.
//
// Errors: fault.Invalid with what is in the way; an error of r as it is.
func ReadCoded(r io.ReaderAt, size int64, n int, from, to int64) (*Track, error) {
	t, err := readTrack(r, size, n)
	if err != nil {
		return nil, err
	}
	if t.Kind != Video264 || len(t.SPS) != 1 {
		return nil, malformed("the video has %d sequence parameter sets, not one", len(t.SPS))
	}
	sps, err := avc.ParseSPSNALUnit(t.SPS[0], true)
	switch {
	case err != nil:
		return nil, malformed("the sequence parameter set cannot be read: %w", err)
	case !sps.FrameMbsOnlyFlag:
		return nil, malformed("pictures may be interlaced")
	case sps.ChromaFormatIDC != 1 || sps.BitDepthLumaMinus8 != 0 || sps.BitDepthChromaMinus8 != 0:
		return nil, malformed("samples are not of 8 bits in 4:2:0")
	}
	var ok bool
	if t.Width, t.Height, ok = media.PictureSize(t.SPS[0]); !ok { // the sample entry may lie
		return nil, malformed("the sequence parameter set does not tell the size of pictures")
	}
	if to = min(to, int64(len(t.Samples))); from < 0 || from >= to {
		return nil, malformed("there are %d pictures: none from %d to %d", len(t.Samples), from, to)
	}
	t.Samples = t.Samples[from:to]
	u, buf := &unitReader{r: r, track: t}, make([]byte, 512)
	first, reordered := int64(math.MinInt64), false
	for i := range t.Samples {
		s := &t.Samples[i]
		if err := u.trim(s, buf); err != nil {
			return nil, err
		}
		s.Key = s.Key && s.PTS > first
		reordered = reordered || s.PTS <= first
		first = max(first, s.PTS)
	}
	if reordered && (sps.VUI == nil || !sps.VUI.BitstreamRestrictionFlag) {
		return nil, malformed("pictures are reordered, and the parameter sets do not say how far")
	}
	next := int64(math.MaxInt64)
	for i := len(t.Samples) - 1; i >= 0; i-- {
		s := &t.Samples[i]
		s.Key = s.Key && s.PTS < next
		next = min(next, s.PTS)
	}
	return t, nil
}

// SampleAspect returns the shape of a pixel of a video track, unknown where its
// parameter sets do not say.
func (t *Track) SampleAspect() media.Rational {
	if u := vui(t.SPS[0]); u != nil && u.SampleAspectRatioWidth > 0 && u.SampleAspectRatioHeight > 0 {
		return media.R(int64(u.SampleAspectRatioWidth), int64(u.SampleAspectRatioHeight))
	}
	return media.Rational{}
}

// unitReader looks at the NAL units of a track's samples.
type unitReader struct {
	r     io.ReaderAt
	track *Track
}

// NAL unit types of ITU-T H.264, table 7-1.
const (
	unitSlice     = 1
	unitIDR       = 5
	unitSEI       = 6
	unitSPS       = 7
	unitPPS       = 8
	unitDelimiter = 9
	unitFiller    = 12
)

// trim looks at every NAL unit of a sample and moves its beginning behind delimiters
// and parameter sets. Key is then whether it is an IDR picture.
func (u *unitReader) trim(s *Sample, buf []byte) error {
	width := u.track.NALLengthSize
	end, at := s.Offset+int64(s.Size), s.Offset
	var window []byte // of the file, at begin
	begin := at
	need := func(n int64) ([]byte, error) { // n bytes at at
		if at+n > end {
			return nil, malformed("a NAL unit ends outside of its picture")
		}
		if at < begin || at+n > begin+int64(len(window)) {
			if n > int64(len(buf)) {
				buf = make([]byte, n)
			}
			window, begin = buf[:min(int64(len(buf)), end-at)], at
			if err := readFull(u.r, window, at); err != nil {
				return nil, err
			}
		}
		return window[at-begin : at-begin+n], nil
	}
	slices, idrs := 0, 0
	for units := 0; at < end; units++ {
		if units == maxUnits {
			return malformed("a picture has more than %d NAL units", maxUnits)
		}
		head, err := need(int64(width) + 1)
		if err != nil {
			return err
		}
		c := cursor{b: head}
		length, kind := int64(c.uint(width)), head[width]&0x1f
		if length == 0 || at+int64(width)+length > end {
			return malformed("a NAL unit ends outside of its picture")
		}
		at += int64(width)
		switch kind {
		case unitSPS, unitPPS:
			if slices > 0 || length > maxSet {
				return malformed("parameter sets are in the middle of a picture")
			}
			set, err := need(length)
			if err != nil {
				return err
			}
			if !u.known(kind, set) {
				return malformed("parameter sets change on the way")
			}
		case unitDelimiter:
			if slices > 0 {
				return malformed("a sample has more than one picture")
			}
		case unitSlice, unitIDR:
			if slices++; kind == unitIDR {
				idrs++
			}
		case unitSEI, unitFiller: // before a delimiter they are of nothing
		default:
			return malformed("NAL units of type %d are in the stream", kind)
		}
		at += length
		if kind == unitSPS || kind == unitPPS || kind == unitDelimiter {
			s.Size -= int32(at - s.Offset)
			s.Offset = at
		}
	}
	if slices == 0 || idrs > 0 && idrs < slices {
		return malformed("a sample is not one picture")
	}
	s.Key = idrs > 0
	return nil
}

// Bounds of what is looked at: the bytes of a parameter set, the NAL units of a picture.
const (
	maxSet   = 4096
	maxUnits = 4096
)

// known reports whether a parameter set is one of those that stand for the whole track.
func (u *unitReader) known(kind byte, set []byte) bool {
	all := u.track.PPS
	if kind == unitSPS {
		all = u.track.SPS
	}
	for _, have := range all {
		if bytes.Equal(bytes.TrimRight(have, "\x00"), bytes.TrimRight(set, "\x00")) {
			return true
		}
	}
	return false
}
