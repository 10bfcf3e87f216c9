package mp4

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Bounds of what a file may claim. They are far above what an encode of a day
// at 60 frames a second needs, and far below what would hurt.
const (
	maxSamples  = 1 << 23   // 38 hours at 60 frames a second
	maxMoov     = 256 << 20 // bytes
	maxBoxes    = 10_000    // in one box of a movie; each takes more memory than it has bytes
	maxMoof     = 64 << 20  // bytes
	maxTopBoxes = 1 << 20
)

// cursor reads big-endian fields from a box body. Reading past the end gives
// zeros and sets short, so that a parser checks once, after its last field.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.short, c.b = true, nil
		return nil
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) uint(n int) uint64 {
	var v uint64
	for _, b := range c.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (c *cursor) u8() uint8   { return uint8(c.uint(1)) }
func (c *cursor) u16() uint16 { return uint16(c.uint(2)) }
func (c *cursor) u32() uint32 { return uint32(c.uint(4)) }
func (c *cursor) u64() uint64 { return c.uint(8) }

// full reads the version and flags of a full box.
func (c *cursor) full() (version uint8, flags uint32) {
	v := c.u32()
	return uint8(v >> 24), v & 0xffffff
}

// err reports whether the body of box was too short for its fields.
func (c *cursor) err(box string) error {
	if c.short {
		return malformed("box %s ends too early", box)
	}
	return nil
}

// table checks that the body holds count entries of size bytes before anything
// is allocated for them.
func (c *cursor) table(box string, count uint32, size int) error {
	if c.short || uint64(count)*uint64(size) > uint64(len(c.b)) {
		return malformed("box %s claims %d entries and has room for %d", box, count, len(c.b)/size)
	}
	return nil
}

// eachBox calls fn for every box in b, in order.
func eachBox(b []byte, fn func(kind string, body []byte) error) error {
	for n := 0; len(b) > 0; n++ {
		if n == maxBoxes {
			return malformed("more than %d boxes in one", maxBoxes)
		}
		if len(b) < 8 {
			return nil // QuickTime ends some containers with a 32-bit zero
		}
		size, header := uint64(binary.BigEndian.Uint32(b)), 8
		kind := string(b[4:8])
		switch size {
		case 0:
			size = uint64(len(b))
		case 1:
			if len(b) < 16 {
				return malformed("box %q ends too early", kind)
			}
			size, header = binary.BigEndian.Uint64(b[8:]), 16
		}
		if size < uint64(header) || size > uint64(len(b)) {
			return malformed("box %q claims %d bytes and has %d", kind, size, len(b))
		}
		if err := fn(kind, b[header:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// topBox is a box of the file's first level.
type topBox struct {
	kind   string
	offset int64 // of the box
	body   int64 // of its body
	end    int64
}

// topBoxes lists the boxes of the first level without reading their bodies; with an
// error, those before it.
func topBoxes(r io.ReaderAt, size int64) ([]topBox, error) {
	var boxes []topBox
	var buf [16]byte
	for at := int64(0); at < size; {
		if len(boxes) == maxTopBoxes {
			return boxes, malformed("more than %d boxes", maxTopBoxes)
		}
		n := min(size-at, int64(len(buf)))
		if n < 8 {
			return boxes, malformed("%d stray bytes at the end", n)
		}
		if err := readFull(r, buf[:n], at); err != nil {
			return boxes, fmt.Errorf("read box header at %d: %w", at, err)
		}
		box := topBox{kind: string(buf[4:8]), offset: at, body: at + 8}
		length := uint64(binary.BigEndian.Uint32(buf[:]))
		switch {
		case length == 0:
			length = uint64(size - at)
		case length == 1 && n == 16:
			length = binary.BigEndian.Uint64(buf[8:])
			box.body = at + 16
		}
		if length < uint64(box.body-at) || length > uint64(size-at) {
			return boxes, malformed("box %q at %d claims %d bytes and the file has %d left", box.kind, at, length, size-at)
		}
		box.end = at + int64(length)
		boxes = append(boxes, box)
		at = box.end
	}
	return boxes, nil
}

// readBody reads the body of a first-level box of at most limit bytes.
func readBody(r io.ReaderAt, box topBox, limit int64) ([]byte, error) {
	if box.end-box.body > limit {
		return nil, malformed("box %q has %d bytes, more than %d", box.kind, box.end-box.body, limit)
	}
	body := make([]byte, box.end-box.body)
	if err := readFull(r, body, box.body); err != nil {
		return nil, fmt.Errorf("read box %q at %d: %w", box.kind, box.offset, err)
	}
	return body, nil
}

// readFull reads exactly len(b) bytes. io.ReaderAt may return io.EOF with the last byte.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
