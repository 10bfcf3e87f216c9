package early

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"vodwright.dev/vodwright/internal/fault"
)

// held is an object in memory.
type held struct{ *bytes.Reader }

func (held) Close() error { return nil }

// growing reads an object that is being made, from its start, as it comes.
type growing struct {
	early       *Early
	film        *film
	bucket, key string

	have  []byte // that is sure
	at    int    // of have, that was read
	whole bool

	once   sync.Once
	closed chan struct{}
}

// patience is how long more of an object is waited for: whoever reads it asks again.
const patience = 30 * time.Second

// Read implements io.Reader. An object that ends other than it began, or not at all, is
// an error.
func (g *growing) Read(p []byte) (int, error) {
	for g.at == len(g.have) {
		if g.whole {
			return 0, io.EOF
		}
		if err := g.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.have[g.at:])
	g.at += n
	return n, nil
}

func (g *growing) more() error {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	go func() {
		select {
		case <-g.closed:
			stop()
		case <-ctx.Done():
		}
	}()
	o, whole, err := g.early.await(ctx, g.film, g.bucket, g.key, len(g.have))
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(o.Body, g.have) {
		return fault.New(fault.Unavailable, "ServiceUnavailable", "The object was made anew, and is not what it was before").WithHint("ask again")
	}
	g.have, g.whole = o.Body, whole
	return nil
}

// Seek implements io.Seeker for what has not been read.
func (g *growing) Seek(offset int64, whence int) (int64, error) {
	if g.at > 0 || offset != 0 || whence != io.SeekStart {
		return 0, errors.New("seek in an object that is being made")
	}
	return 0, nil
}

// Close implements io.Closer. It ends a Read that waits.
func (g *growing) Close() error {
	err := os.ErrClosed
	g.once.Do(func() {
		close(g.closed)
		err = nil
	})
	return err
}
