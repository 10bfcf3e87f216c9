package edge

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// blob is the bytes of an object in memory. One goroutine fills it; any number
// read what has arrived and wait for more.
type blob struct {
	data []byte // as long as the object; valid up to filled

	mu     sync.Mutex
	filled int
	err    error         // set once: why there will be no more
	grown  chan struct{} // closed and replaced when filled or err changes
}

// fillStep is how much arrives before readers are told: enough to keep the
// telling cheap, little enough that the first bytes of a segment are out early.
const fillStep = 64 << 10

func newBlob(size int64) *blob {
	return &blob{data: make([]byte, size), grown: make(chan struct{})}
}

// fill reads the blob's bytes from r to the end. After an error the caller fails the blob.
func (b *blob) fill(r io.Reader) error {
	for at := 0; at < len(b.data); {
		n, err := r.Read(b.data[at:min(at+fillStep, len(b.data))])
		at += n
		if n > 0 {
			b.tell(at, nil)
		}
		if err == io.EOF && at < len(b.data) {
			return fmt.Errorf("read object: ended after %d of %d bytes: %w", at, len(b.data), io.ErrUnexpectedEOF)
		} else if err != nil && at < len(b.data) {
			return fmt.Errorf("read object: %w", err)
		}
	}
	return nil
}

// fail tells readers that no more will come.
func (b *blob) fail(err error) { b.tell(0, err) }

func (b *blob) tell(filled int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.filled, b.err = max(b.filled, filled), err
	close(b.grown)
	b.grown = make(chan struct{})
}

// next returns the bytes of [from, to) that are there, at least one, waiting
// for them until ctx is done. from is less than to.
func (b *blob) next(ctx context.Context, from, to int) ([]byte, error) {
	for {
		b.mu.Lock()
		filled, err, grown := b.filled, b.err, b.grown
		b.mu.Unlock()
		switch {
		case filled > from:
			return b.data[from:min(filled, to)], nil
		case err != nil:
			return nil, err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// fullBlob returns a blob of bytes that are all there.
func fullBlob(data []byte) *blob {
	return &blob{data: data, filled: len(data), grown: make(chan struct{})}
}
