package worker

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"vodwright.dev/vodwright/internal/hls"
	"vodwright.dev/vodwright/internal/mp4"
	"vodwright.dev/vodwright/internal/plan"
)

// packed is what came of one output with segments.
type packed struct {
	video    *mp4.Video // nil without video
	audio    []*mp4.Audio
	segments []packedSegment
	bytes    int64 // of all of them, and of what goes before them in one file

	cut         *mp4.Fragmented // of fragmented MP4
	init, index hls.ByteRange   // of fragmented MP4 in one file
}

// packedSegment is one segment as it was written.
type packedSegment struct {
	key      string        // of the object that it lies in
	part     hls.ByteRange // of the object; zero is all of it
	bytes    int64
	duration time.Duration
	frames   []keyFrame // that it holds
}

// keyFrame is where an I-frame lies.
type keyFrame struct {
	at   time.Duration // when it is shown
	part hls.ByteRange // of the segment's object
}

// sizes returns the weights of the segments.
func (p *packed) sizes() []hls.SegmentSize {
	out := make([]hls.SegmentSize, len(p.segments))
	for i, s := range p.segments {
		out[i] = hls.SegmentSize{Bytes: s.bytes, Duration: s.duration}
	}
	return out
}

// packer writes the segments of one output, in any order and at the same time.
type packer interface {
	// segment writes segment i and tells where in it the I-frames are.
	segment(out io.Writer, i int) ([]keyFrame, error)
	// begun writes what segment i is sure to begin with, of which not all pictures are
	// there yet; nothing where that is not known.
	begun(out io.Writer, i int) error
}

// segments makes the media segments of one output: each an object, or all of them
// one after the other in one.
func (f *finisher) segments(ctx context.Context, t *tracks, group plan.OutputGroup, o plan.Output) (made packed, err error) {
	if made.video, err = t.video(o.Ladder, o.Rung); err != nil {
		return made, err
	}
	if made.audio, err = t.audio(o); err != nil {
		return made, err
	}
	pack, err := f.packer(group, o, &made)
	if err != nil {
		return made, err
	}
	head, err := f.heads(group, o, &made)
	if err != nil {
		return made, err
	}
	timeline := f.plan.Ladders[o.Ladder].Timeline
	made.segments = make([]packedSegment, timeline.Segments())
	for i := range made.segments {
		from, to := timeline.Segment(i)
		made.segments[i].duration = timeline.At(to) - timeline.At(from)
	}
	if head != nil || len(o.Segments) < len(made.segments) {
		_, err = f.file(mediaFile, group.Bucket, o.Segments[0], func(out io.Writer) error {
			if _, err := out.Write(head); err != nil {
				return err
			}
			made.bytes = int64(len(head))
			for i := range made.segments {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				s := &made.segments[i]
				s.key = o.Segments[0]
				counted := &counter{w: out}
				if s.frames, err = pack.segment(counted, i); err != nil {
					return err
				}
				s.bytes, s.part = counted.n, hls.ByteRange{Offset: made.bytes, Length: counted.n}
				for k := range s.frames {
					s.frames[k].part.Offset += made.bytes
				}
				made.bytes += counted.n
			}
			return nil
		})
		return made, err
	}
	pool, pctx := errgroup.WithContext(ctx)
	pool.SetLimit(max(f.w.cfg.Slots, 1))
	for i, key := range o.Segments {
		pool.Go(func() error {
			if pctx.Err() != nil {
				return context.Cause(pctx)
			}
			s := &made.segments[i]
			s.key = key
			var err error
			s.bytes, err = f.file(mediaFile, group.Bucket, key, func(out io.Writer) (err error) {
				s.frames, err = pack.segment(out, i)
				return err
			})
			return err
		})
	}
	if err := pool.Wait(); err != nil {
		return made, err
	}
	for _, s := range made.segments {
		made.bytes += s.bytes
	}
	return made, nil
}

// packer returns what writes the segments of an output in its format.
func (f *finisher) packer(group plan.OutputGroup, o plan.Output, made *packed) (packer, error) {
	if o.Format == plan.FormatFMP4 {
		var err error
		made.cut, err = f.fragmented(o, made)
		return fragmentPacker{made.cut}, err
	}
	stream, err := f.transportStream(o, made.video, made.audio)
	if err != nil {
		return nil, err
	}
	var p packer = tsPacker{stream}
	if o.Format == plan.FormatAAC {
		p = aacPacker{stream}
	}
	if group.HLS != nil && group.HLS.Encryption != nil {
		return encrypted(p, group.HLS.Encryption)
	}
	return p, nil
}

// counter counts what passes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// encryptedPacker encrypts whole segments (RFC 8216, 4.3.2.4, METHOD=AES-128).
type encryptedPacker struct {
	packer
	block cipher.Block
	iv    []byte // nil is the segment's media sequence number
}

func encrypted(p packer, e *plan.Encryption) (packer, error) {
	key, err := hex.DecodeString(e.Key)
	if err != nil {
		return nil, fmt.Errorf("read encryption key: %w", err)
	}
	out := encryptedPacker{packer: p}
	if out.block, err = aes.NewCipher(key); err != nil {
		return nil, fmt.Errorf("read encryption key: %w", err)
	}
	if e.IV != "" {
		if out.iv, err = hex.DecodeString(e.IV); err != nil {
			return nil, fmt.Errorf("read initialization vector: %w", err)
		}
	}
	return out, nil
}

// firstSequence is the media sequence number of the first segment: the service
// counts from 1, as its file names do.
const firstSequence = 1

func (p encryptedPacker) writer(out io.Writer, i int) *cbcWriter {
	iv := p.iv
	if iv == nil {
		iv = make([]byte, aes.BlockSize)
		binary.BigEndian.PutUint64(iv[8:], uint64(firstSequence+i))
	}
	return &cbcWriter{w: out, mode: cipher.NewCBCEncrypter(p.block, iv)}
}

func (p encryptedPacker) begun(out io.Writer, i int) error {
	return p.packer.begun(p.writer(out, i), i) // without the padding
}

// segment writes an encrypted segment, whose I-frames cannot be read alone.
func (p encryptedPacker) segment(out io.Writer, i int) ([]keyFrame, error) {
	c := p.writer(out, i)
	if _, err := p.packer.segment(c, i); err != nil {
		return nil, err
	}
	return nil, c.close()
}

// cbcWriter encrypts what is written, with the padding of PKCS #7.
type cbcWriter struct {
	w    io.Writer
	mode cipher.BlockMode
	rest []byte // less than a block
	buf  []byte
}

func (c *cbcWriter) Write(b []byte) (int, error) {
	c.buf = append(append(c.buf[:0], c.rest...), b...)
	whole := len(c.buf) / aes.BlockSize * aes.BlockSize
	c.rest = append(c.rest[:0], c.buf[whole:]...)
	c.mode.CryptBlocks(c.buf[:whole], c.buf[:whole])
	if _, err := c.w.Write(c.buf[:whole]); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *cbcWriter) close() error {
	pad := aes.BlockSize - len(c.rest)
	for range pad {
		c.rest = append(c.rest, byte(pad))
	}
	c.mode.CryptBlocks(c.rest, c.rest)
	_, err := c.w.Write(c.rest)
	return err
}
