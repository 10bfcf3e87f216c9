package mp4

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// StreamReader reads published files back, from the first byte to the last as a
// player does: a progressive file, or an init segment and the media segments
// behind it. It keeps their tables, and of their media looks at key pictures
// alone. It is not for concurrent use.
type StreamReader struct {
	// Boxes is the kinds of the first-level boxes, in order.
	Boxes []string

	tracks []*trackReader
	moov   bool
	at     int64          // bytes read, of all files
	media  [][2]int64     // where the bodies of mdat boxes are
	looked map[uint32]int // by track: samples whose media has been read
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
			return true, s.mdat(r, body, length)
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

// mdat reads media. What the tables before it call a key picture has to be one.
func (s *StreamReader) mdat(r io.Reader, at, length int64) error {
	type key struct {
		track  *Track
		sample Sample
		number int
	}
	var keys []key
	for _, t := range s.tracks {
		if t.track.Kind != Video264 {
			continue
		}
		behind := len(t.track.Samples) // the first sample of media that is to come
		for i := s.looked[t.id]; i < len(t.track.Samples); i++ {
			sample := t.track.Samples[i]
			if sample.Offset >= at+length {
				behind = min(behind, i)
			} else if sample.Key && sample.Offset >= at && sample.Offset+int64(sample.Size) <= at+length {
				keys = append(keys, key{t.track, sample, i})
			}
		}
		if s.looked == nil {
			s.looked = map[uint32]int{}
		}
		s.looked[t.id] = behind
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Compare(a.sample.Offset, b.sample.Offset) })
	end := at + length
	skip := func(to int64) error {
		n, err := io.CopyN(io.Discard, r, to-at)
		if at += n; err != nil {
			return cut(`box "mdat"`, int(at-(end-length)), err)
		}
		return nil
	}
	var buf []byte
	for _, k := range keys {
		if k.sample.Offset < at { // two tracks share bytes, or one has them twice
			return malformed("sample %d overlaps another", k.number)
		}
		if err := skip(k.sample.Offset); err != nil {
			return err
		}
		buf = slices.Grow(buf[:0], int(min(k.sample.Size, maxKeyHead)))[:min(k.sample.Size, maxKeyHead)]
		n, err := io.ReadFull(r, buf)
		if at += int64(n); err != nil {
			return cut(`box "mdat"`, int(at-(end-length)), err)
		}
		if !startsIDR(buf, k.track.NALLengthSize) {
			return malformed("sample %d is called a key picture and is not an IDR picture", k.number)
		}
	}
	return skip(end)
}

// maxKeyHead is how much of a key picture is looked at: what stands before its
// first slice is messages of a few bytes, captions at most.
const maxKeyHead = 64 << 10

// startsIDR reports whether the first slice of a picture is one of an IDR picture.
func startsIDR(b []byte, width int) bool {
	for len(b) > width {
		size := 0
		for _, v := range b[:width] {
			size = size<<8 | int(v)
		}
		if kind := b[width] & 0x1f; kind >= 1 && kind <= 5 {
			return kind == 5
		}
		if size > len(b)-width {
			return false
		}
		b = b[width+size:]
	}
	return false
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
		t := &trackReader{file: 1 << 50, track: &Track{}, number: onlyTrack}
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
