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
)

// placeName is a name for what belongs to an object.
func placeName(bucket, key string) string {
	sum := sha256.Sum256([]byte(bucket + "/" + key))
	return hex.EncodeToString(sum[:16])
}

func (c *Client) url(l Link) string {
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
	case http.StatusPreconditionFailed:
		kind = fault.Conflict
	case http.StatusRequestEntityTooLarge:
		kind = fault.Limit
	}
	return fault.New(kind, "", "%s %s: %s: %s", r.Request.Method, r.Request.URL.Path, r.Status, strings.TrimSpace(string(body)))
}

// get reads a link from a place on.
func (c *Client) get(ctx context.Context, l Link, from int64) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(l), nil)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	answer, err := c.cfg.HTTP.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fault.New(fault.Unavailable, "", "%w", err)
	}
	if answer.StatusCode != http.StatusOK && (from == 0 || answer.StatusCode != http.StatusPartialContent) {
		err := statusFault(answer)
		answer.Body.Close()
		return nil, err
	}
	if from > 0 && answer.StatusCode == http.StatusOK { // it knows no ranges
		if _, err := io.CopyN(io.Discard, answer.Body, from); err != nil {
			answer.Body.Close()
			return nil, fault.New(fault.Unavailable, "", "%w", err)
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
			if err != nil && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			var write *os.PathError
			switch {
			case errors.As(err, &write):
				return err // the disk
			case err != nil:
				return fault.New(fault.Unavailable, "", "%w", err)
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
			defer in.Close()
			var body io.Reader = in
			if size == 0 {
				body = http.NoBody
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodPut, c.url(l), body)
			if err != nil {
				return err
			}
			r.ContentLength = size
			answer, err := c.cfg.HTTP.Do(r)
			if err != nil {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				return fault.New(fault.Unavailable, "", "%w", err)
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
