package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/job"
)

const (
	// transferTries is how often a transfer is tried that gets no further.
	transferTries = 5
	transferPause = 300 * time.Millisecond
	// transferStall ends a transfer of which nothing moves: a link that is cut says nothing.
	transferStall = 30 * time.Second
)

var errStalled = errors.New("nothing came through")

// moving reads a body and ends its transfer when nothing moves for a while.
type moving struct {
	io.ReadCloser
	watch *time.Timer
	end   context.CancelCauseFunc
}

// keepMoving returns a context that ends when nothing moved for a while, and what
// tells that something did.
func keepMoving(ctx context.Context) (context.Context, *moving) {
	ctx, end := context.WithCancelCause(ctx)
	return ctx, &moving{end: end, watch: time.AfterFunc(transferStall, func() { end(errStalled) })}
}

func (m *moving) Read(b []byte) (int, error) {
	m.watch.Reset(transferStall)
	return m.ReadCloser.Read(b)
}

// Close implements io.Closer; it may be called without a body.
func (m *moving) Close() error {
	m.watch.Stop()
	defer m.end(nil)
	if m.ReadCloser == nil {
		return nil
	}
	return m.ReadCloser.Close()
}

// broken is what the error of a transfer means: what ended ctx, or a link that broke.
func broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault.New(fault.Unavailable, "", "%w", err)
}

// placeName is a name for what belongs to an object.
func placeName(bucket, key string) string {
	sum := sha256.Sum256([]byte(bucket + "/" + key))
	return hex.EncodeToString(sum[:16])
}

func (c *Client) url(l Link) string {
	if _, door, ok := strings.Cut(string(l), DoorPath); ok && c.cfg.Base != "" { // whichever server it names
		return c.cfg.Base + DoorPath + door
	}
	if strings.HasPrefix(string(l), "/") {
		return c.base + string(l)
	}
	return string(l)
}

// statusFault is what an answer to a transfer means.
func statusFault(r *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 512))
	kind := fault.Unavailable
	switch r.StatusCode {
	case http.StatusNotFound:
		kind = fault.NotFound
	case http.StatusInsufficientStorage:
		return fault.New(kind, "1050", "the disk of the server's data folder is full: %s", strings.TrimSpace(string(body)))
	case http.StatusPreconditionFailed:
		kind = fault.Conflict
	case http.StatusRequestEntityTooLarge:
		kind = fault.Limit
	}
	return fault.New(kind, "", "%s %s: %s: %s", r.Request.Method, r.Request.URL.Path, r.Status, strings.TrimSpace(string(body)))
}

// get reads a link from a place on.
func (c *Client) get(ctx context.Context, l Link, from int64) (_ *http.Response, err error) {
	sent, body := keepMoving(ctx)
	defer func() {
		if err != nil {
			body.Close()
		}
	}()
	r, err := http.NewRequestWithContext(sent, http.MethodGet, c.url(l), nil)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	answer, err := c.cfg.HTTP.Do(r)
	if err != nil {
		return nil, broken(ctx, err)
	}
	body.ReadCloser = answer.Body
	answer.Body = body
	if answer.StatusCode != http.StatusOK && (from == 0 || answer.StatusCode != http.StatusPartialContent) {
		return nil, statusFault(answer)
	}
	if from > 0 && answer.StatusCode == http.StatusOK { // it knows no ranges
		if _, err := io.CopyN(io.Discard, answer.Body, from); err != nil {
			return nil, broken(ctx, err)
		}
	}
	return answer, nil
}

// download makes dst what links lead to. A transfer that breaks off goes on where it
// was, by a new link. A size of -1 is what the server says.
func (c *Client) download(ctx context.Context, link func(context.Context) (Link, error), size int64, dst string) (err error) {
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, out.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(dst))
		}
	}()
	var got int64
	for try := 0; ; try++ {
		before := got
		err := func() error {
			l, err := link(ctx)
			if err != nil {
				return err
			}
			answer, err := c.get(ctx, l, got)
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			if size < 0 && answer.ContentLength >= 0 {
				size = got + answer.ContentLength
			}
			n, err := io.Copy(out, answer.Body)
			got += n
			var write *os.PathError
			switch {
			case errors.As(err, &write):
				return err // the disk
			case err != nil:
				return broken(ctx, err)
			case size >= 0 && got != size:
				return fault.New(fault.Unavailable, "", "it ended after %d of %d bytes", got, size)
			}
			return nil
		}()
		if err == nil {
			return nil
		}
		if got > before {
			try = 0
		}
		if ok := again(ctx, err, try); !ok {
			return err
		}
	}
}

// upload sends a file by links.
func (c *Client) upload(ctx context.Context, link func(context.Context) (Link, error), file string, size int64) error {
	for try := 0; ; try++ {
		err := func() error {
			l, err := link(ctx)
			if err != nil {
				return err
			}
			in, err := os.Open(file)
			if err != nil {
				return err
			}
			sent, moves := keepMoving(ctx)
			moves.ReadCloser = in
			defer moves.Close()
			var body io.Reader = struct{ io.Reader }{moves} // the client would close it before the answer
			if size == 0 {
				body = http.NoBody
			}
			r, err := http.NewRequestWithContext(sent, http.MethodPut, c.url(l), body)
			if err != nil {
				return err
			}
			r.ContentLength = size
			answer, err := c.cfg.HTTP.Do(r)
			if err != nil {
				return broken(ctx, err)
			}
			defer answer.Body.Close()
			if answer.StatusCode/100 != 2 {
				return statusFault(answer)
			}
			return nil
		}()
		if err == nil {
			return nil
		}
		if ok := again(ctx, err, try); !ok {
			return err
		}
	}
}

// again waits before the next try of a transfer, unless there is none.
func again(ctx context.Context, err error, try int) bool {
	if errors.Is(err, job.ErrStale) || !fault.Is(err, fault.Unavailable) || try+1 >= transferTries {
		return false
	}
	select {
	case <-time.After(transferPause << try):
		return true
	case <-ctx.Done():
		return false
	}
}
