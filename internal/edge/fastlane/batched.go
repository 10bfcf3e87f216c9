package fastlane

import "net"

// batched is a connection below TLS that can hold writes back, so that records of
// 16 KiB leave four or eight at a time: the kernel's way through TCP costs more
// than their copying.
type batched struct {
	net.Conn
	holds bool
	out   []byte
}

// batchSize is how much leaves at once: from 64 KiB on the kernel cuts it the same.
const batchSize = 128 << 10

// Write implements net.Conn.
func (b *batched) Write(p []byte) (int, error) {
	if !b.holds {
		return b.Conn.Write(p)
	}
	if len(b.out)+len(p) > batchSize {
		if err := b.flush(); err != nil {
			return 0, err
		}
	}
	b.out = append(b.out, p...)
	return len(p), nil
}

func (b *batched) flush() error {
	if len(b.out) == 0 {
		return nil
	}
	_, err := b.Conn.Write(b.out)
	b.out = b.out[:0]
	return err
}

// hold begins to gather what is written, release writes it. Only the goroutine
// that writes calls them.
func (c *conn) hold() {
	if c.batch != nil {
		c.batch.holds = true
		if c.batch.out == nil {
			c.batch.out = *c.lane.batches.Get().(*[]byte)
		}
	}
}

func (c *conn) release() error {
	if c.batch == nil {
		return nil
	}
	c.batch.holds = false
	err := c.batch.flush()
	out := c.batch.out[:0]
	c.batch.out = nil
	c.lane.batches.Put(&out)
	return err
}
