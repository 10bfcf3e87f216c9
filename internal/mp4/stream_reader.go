package mp4

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// StreamReader reads published files back, from the first byte to the last as a
// player does: a progressive file, or an init segment and the media segments
// behind it. It keeps their tables and passes over their media. It is not for
// concurrent use.
type StreamReader struct {
	// Boxes is the kinds of the first-level boxes, in order.
	Boxes []string

	tracks []*trackReader
	moov   bool
	at     int64      // bytes read, of all files
	media  [][2]int64 // where the bodies of mdat boxes are
}

// Tracks returns the video and audio tracks with the samples read so far, in the
// order of the movie box. Offsets count from the start of the first file.
func (s *StreamReader) Tracks() []*Track {
	out := make([]*Track, len(s.tracks))
	for i, t := range s.tracks {
		out[i] = t.track
	}
	return out
}

// Read reads one file to its end and returns its size. Every sample that it
// lists lies within its media.
//
// Errors: fault.Invalid that says what is wrong; an error of r as it is, wrapped.
func (s *StreamReader) Read(r io.Reader) (int64, error) {
	begun := s.at
	known := make([]int, len(s.tracks))
	for i, t := range s.tracks {
		known[i] = len(t.track.Samples)
	}
	s.media = s.media[:0]
	for {
		more, err := s.box(r)
		if err != nil {
			return s.at - begun, err
		}
		if !more {
			break
		}
	}
	if s.at == begun {
		return 0, malformed("the file is empty")
	}
	for i, t := range s.tracks {
		from := 0
		if i < len(known) {
			from = known[i]
		}
		for j, sample := range t.track.Samples[from:] {
			if !s.holds(sample.Offset, int64(sample.Size)) {
				return s.at - begun, malformed("sample %d of track %d lies outside of the media", from+j, t.id)
			}
		}
	}
	return s.at - begun, nil
}

// holds reports whether bytes lie within one mdat box.
func (s *StreamReader) holds(offset, size int64) bool {
	i, _ := slices.BinarySearchFunc(s.media, offset, func(m [2]int64, at int64) int {
		if m[1] <= at {
			return -1
		}
		return 1
	})
	return i < len(s.media) && offset >= s.media[i][0] && offset+size <= s.media[i][1]
}

// box reads one box; false is the end of the file.
func (s *StreamReader) box(r io.Reader) (bool, error) {
	var head [16]byte
	n, err := io.ReadFull(r, head[:8])
	if err == io.EOF {
		return false, nil
	}
	if err != nil {
		return false, cut("a box header", n, err)
	}
	kind, size, header := string(head[4:8]), uint64(binary.BigEndian.Uint32(head[:])), 8
	if size == 1 {
		if n, err := io.ReadFull(r, head[8:]); err != nil {
			return false, cut("a box header", n, err)
		}
		size, header = binary.BigEndian.Uint64(head[8:]), 16
	}
	if size < uint64(header) || size > 1<<50 {
		return false, malformed("box %q at %d claims %d bytes", kind, s.at, size)
	}
	if len(s.Boxes) < maxTopBoxes {
		s.Boxes = append(s.Boxes, kind)
	}
	start, length := s.at, int64(size)-int64(header)
	body := start + int64(header)
	s.at = start + int64(size)
	if kind != "moov" && kind != "moof" {
		if kind == "mdat" {
			s.media = append(s.media, [2]int64{body, s.at})
		}
		n, err := io.CopyN(io.Discard, r, length)
		if err != nil {
			return false, cut(fmt.Sprintf("box %q", kind), int(n), err)
		}
		return true, nil
	}
	if length > maxMoov {
		return false, malformed("box %q has %d bytes, more than %d", kind, length, maxMoov)
	}
	data, err := io.ReadAll(io.LimitReader(r, length)) // grows with what is there, not with the claim
	if err == nil && int64(len(data)) < length {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return false, cut(fmt.Sprintf("box %q", kind), len(data), err)
	}
	if kind == "moov" {
		return true, s.movie(data)
	}
	if !s.moov {
		return false, malformed("a fragment before the moov box")
	}
	for _, t := range s.tracks {
		if err := t.moof(data, start); err != nil {
			return false, err
		}
	}
	return true, nil
}

// cut tells a file that ends too early from one that cannot be read.
func cut(what string, n int, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return malformed("the file ends %d bytes into %s", n, what)
	}
	return fmt.Errorf("read %s: %w", what, err)
}

// movie reads the movie box: all video and audio tracks.
func (s *StreamReader) movie(b []byte) error {
	if s.moov {
		return malformed("two moov boxes")
	}
	s.moov = true
	err := eachBox(b, func(kind string, body []byte) error {
		if kind != "trak" {
			return nil
		}
		t := &trackReader{file: 1 << 50, track: &Track{}}
		media, err := t.trak(body)
		if err == nil && media {
			s.tracks = append(s.tracks, t)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(s.tracks) == 0 {
		return malformed("no video or audio track")
	}
	return eachBox(b, func(kind string, body []byte) error {
		if kind != "mvex" {
			return nil
		}
		return eachBox(body, func(kind string, body []byte) error {
			if kind != "trex" {
				return nil
			}
			c := cursor{b: body}
			c.full()
			id := c.u32()
			c.u32() // default_sample_description_index
			d := fragmentDefaults{duration: c.u32(), size: c.u32(), flags: c.u32()}
			if err := c.err("trex"); err != nil {
				return err
			}
			for _, t := range s.tracks {
				if t.id == id {
					t.trex = d
				}
			}
			return nil
		})
	})
}
