package worker

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"time"

	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/media"
	"vodwright.dev/vodwright/internal/mpegts"
	"vodwright.dev/vodwright/internal/plan"
)

// eachSegment reads the segments of a playlist in order, each through use: objects,
// or parts of one, decrypted with the key of the plan. Each object is opened once.
// begin gets the init segment where there is one.
func (s *streamCheck) eachSegment(ctx context.Context, list *hls.MediaPlaylist, e *plan.Encryption,
	begin func(name objectName, head []byte) error, use func(i int, name objectName, r io.Reader) error,
) error {
	begun := hls.Map{}
	for i := 0; i < len(list.Segments); {
		first := list.Segments[i]
		name, err := s.target(s.name, first.URI)
		if err != nil {
			return err
		}
		err = s.object(ctx, name, func(r io.Reader) error {
			at := int64(0)
			if m := first.Map; m.URI != "" && m != begun {
				head, skipped, err := s.initSection(ctx, first, name, r)
				if err == nil {
					err = begin(name, head)
				}
				if err != nil {
					return err
				}
				at, begun = skipped, m
			}
			for ; i < len(list.Segments) && list.Segments[i].URI == first.URI; i++ {
				segment, part := list.Segments[i], r
				if length := segment.Range.Length; length > 0 {
					if segment.Range.Offset != at {
						return s.wrong(s.name, fmt.Sprintf("segment %d at byte %d of %s", i, at, name.Key), "%d", segment.Range.Offset)
					}
					part = io.LimitReader(r, length)
				}
				counted := &readCounter{r: part}
				caught := &catcher{r: counted, ranges: s.pictures[name.Key], at: at, whole: s.iFrame}
				clear, err := s.decrypted(caught, segment, list, i, e)
				if err != nil {
					return err
				}
				if err := use(i, name, clear); err != nil {
					return err
				}
				if _, err := io.Copy(io.Discard, caught); err != nil {
					return err
				}
				s.bytes = append(s.bytes, counted.n)
				at += counted.n
				if segment.Range.Length == 0 {
					i++
					return nil
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// decrypted returns the content of segment i. Its key has to be that of the plan.
func (s *streamCheck) decrypted(r io.Reader, segment hls.Segment, list *hls.MediaPlaylist, i int, e *plan.Encryption) (io.Reader, error) {
	k := segment.Key
	if e == nil {
		if k.Method != "" {
			return nil, s.wrong(s.name, "no key", "METHOD=%s", k.Method)
		}
		return r, nil
	}
	if want := playlistKey(e, i); k != want {
		return nil, s.wrong(s.name, fmt.Sprintf("segment %d with the key at %s", i, e.URI), "%+v", k)
	}
	key, err := hex.DecodeString(e.Key)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	iv := k.IV[:]
	switch {
	case k.HasIV:
	case e.IV != "": // told by other means
		if iv, err = hex.DecodeString(e.IV); err != nil {
			return nil, err
		}
	default:
		binary.BigEndian.PutUint64(iv[8:], uint64(list.MediaSequence+int64(i)))
	}
	return &cbcReader{r: r, mode: cipher.NewCBCDecrypter(block, iv), wrong: func(found string) error {
		return s.wrong(s.name, fmt.Sprintf("segment %d encrypted with METHOD=AES-128", i), "%s", found)
	}}, nil
}

// cbcReader decrypts what it reads and takes the padding of PKCS #7 away.
type cbcReader struct {
	r     io.Reader
	mode  cipher.BlockMode
	wrong func(found string) error

	clear []byte // decrypted, not read yet; the last block is held back until the end is known
	held  []byte
	buf   []byte
	ended bool
}

func (c *cbcReader) Read(b []byte) (int, error) {
	for len(c.clear) == 0 {
		if c.ended {
			return 0, io.EOF
		}
		if c.buf == nil {
			c.buf = make([]byte, 64<<10)
		}
		n, err := io.ReadFull(c.r, c.buf)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return 0, err
		}
		if n%aes.BlockSize != 0 {
			return 0, c.wrong(fmt.Sprintf("%d bytes more than blocks", n%aes.BlockSize))
		}
		c.mode.CryptBlocks(c.buf[:n], c.buf[:n])
		out := append(slices.Clone(c.held), c.buf[:n]...)
		if c.ended = err != nil; c.ended {
			if len(out) == 0 {
				return 0, c.wrong("nothing")
			}
			pad := int(out[len(out)-1])
			if pad < 1 || pad > aes.BlockSize || !bytes.Equal(out[len(out)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
				return 0, c.wrong("no padding, or another key")
			}
			c.clear, c.held = out[:len(out)-pad], nil
			continue
		}
		c.clear, c.held = out[:len(out)-aes.BlockSize], out[len(out)-aes.BlockSize:]
	}
	n := copy(b, c.clear)
	c.clear = c.clear[n:]
	return n, nil
}

// readCounter counts what is read.
type readCounter struct {
	r io.Reader
	n int64
}

func (c *readCounter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// catcher keeps the bytes of some ranges of what is read through it, each until it
// is whole.
type catcher struct {
	r      io.Reader
	ranges []*iFrame // by offset
	at     int64     // of the object
	whole  func(*iFrame) error
}

func (c *catcher) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	from, to := c.at, c.at+int64(n)
	c.at = to
	for len(c.ranges) > 0 {
		p := c.ranges[0]
		end := p.part.Offset + p.part.Length
		if lo, hi := max(from, p.part.Offset), min(to, end); lo < hi {
			p.data = append(p.data, b[lo-from:hi-from]...)
			if hi == end {
				if err := c.whole(p); err != nil {
					return n, err
				}
			}
		}
		if end > to {
			break
		}
		c.ranges = c.ranges[1:]
	}
	return n, err
}

// iFrame is one I-frame of a playlist of them.
type iFrame struct {
	part  hls.ByteRange // of a segment's object; none of a file of its own
	data  []byte        // until it is whole
	shown int64         // PTS; -1 until it is read
}

// iFrames reads the playlist of an output's I-frames: parts of segments, which are
// read with them, or files. Each has to decode with nothing but the stream's tables.
func (s *streamCheck) iFrames(ctx context.Context, group plan.OutputGroup, o plan.Output) error {
	name := objectName{group.Bucket, o.IFrames.Key}
	text, err := s.playlist(ctx, name)
	if err != nil {
		return err
	}
	if s.iFrameList, err = hls.ParseMediaPlaylist(text); err != nil {
		return s.wrong(name, "a media playlist", "%v", err)
	}
	list := s.iFrameList
	if !list.IFramesOnly || len(list.Segments) == 0 {
		return s.wrong(name, "a playlist of I-frames", "none")
	}
	s.pictures = map[string][]*iFrame{}
	if o.IFrames.Segment == "" {
		for i, segment := range list.Segments {
			target, err := s.target(name, segment.URI)
			if err != nil {
				return err
			}
			if i == 0 && o.Format == plan.FormatTS {
				s.tables = &iFrame{part: segment.Map.Range, shown: -1}
				s.pictures[target.Key] = []*iFrame{s.tables}
			}
			p := &iFrame{part: segment.Range, shown: -1}
			s.pictures[target.Key] = append(s.pictures[target.Key], p)
			s.iFrameParts = append(s.iFrameParts, p)
		}
		return nil
	}
	files := &streamCheck{verifier: s.verifier, name: name}
	return files.eachSegment(ctx, list, group.HLS.Encryption, nil, func(i int, name objectName, r io.Reader) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		p := &iFrame{data: data, shown: -1}
		s.iFrameParts = append(s.iFrameParts, p)
		return s.iFrame(p)
	})
}

// iFrame reads an I-frame that is whole.
func (s *streamCheck) iFrame(p *iFrame) error {
	if p == s.tables {
		return nil
	}
	data := p.data
	p.data = nil
	if s.tables != nil && p.part.Length > 0 {
		data = append(slices.Clone(s.tables.data), data...)
	}
	var got *mpegts.Contents
	var err error
	if tables := s.fragments.tables; tables != nil {
		var alone fragmentReader
		if err = alone.begin(tables); err == nil {
			got, err = alone.segment(bytes.NewReader(data))
		}
	} else {
		got, err = mpegts.NewReader().Segment(bytes.NewReader(data))
	}
	if err != nil {
		return s.wrong(s.name, "an I-frame at "+p.part.String(), "%v", err)
	}
	if len(got.Pictures) != 1 || len(got.Sound) > 0 {
		return s.wrong(s.name, "an I-frame alone at "+p.part.String(), "%d pictures", len(got.Pictures))
	}
	p.shown = got.Pictures[0].PTS
	return nil
}

// iFramesShown checks that each I-frame is shown when its playlist says, from the
// stream's first picture to its end.
func (s *streamCheck) iFramesShown(name objectName) error {
	at := time.Duration(0)
	for i, p := range s.iFrameParts {
		want := media.Rescale(int64(at), media.R(1, int64(time.Second)), s.reel.tick)
		switch off := p.shown - s.reel.first - want; {
		case p.shown < 0:
			return s.wrong(name, fmt.Sprintf("I-frame %d in the stream", i), "nothing at %s", p.part)
		case !s.iFrameList.IntegerDurations && max(off, -off) > 2:
			return s.wrong(name, fmt.Sprintf("I-frame %d after %v", i, at), "%v", s.reel.tick.Duration(p.shown-s.reel.first))
		}
		at += s.iFrameList.Segments[i].Duration
	}
	end := s.reel.tick.Duration(s.end() - s.reel.first)
	if off := at - end; !s.iFrameList.IntegerDurations && max(off, -off) > time.Millisecond {
		return s.wrong(name, fmt.Sprintf("I-frames to %v", end), "to %v", at)
	}
	if n := int64(len(s.iFrameParts)); n != s.reel.keys {
		return s.wrong(name, fmt.Sprintf("%d I-frames", s.reel.keys), "%d", n)
	}
	return nil
}
