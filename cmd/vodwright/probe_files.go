package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fetch"
	"vodwright.dev/vodwright/internal/mediaconvert"
	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/probe"
)

// Bounds of one Probe request's file, smaller than those of a job's: someone waits.
const (
	probedBytes = 4 << 30         // of a file that is fetched; one in a bucket is only linked
	probedTime  = 2 * time.Minute // to fetch it
	probesAtOne = 2               // at once; others wait
)

// fileProber implements mediaconvert.Prober: it gets files as jobs get them, with
// the rights of who asks.
type fileProber struct {
	buckets *object.Store
	fetch   *fetch.Fetcher
	prober  *probe.Prober
	dir     string // of files that are looked at, on the buckets' file system; made when missing
	slots   chan struct{}
}

func newFileProber(buckets *object.Store, fetch *fetch.Fetcher, prober *probe.Prober, dir string) *fileProber {
	return &fileProber{buckets: buckets, fetch: fetch, prober: prober, dir: dir, slots: make(chan struct{}, probesAtOne)}
}

func (p *fileProber) Probe(ctx context.Context, who sigv4.Identity, url string) (out mediaconvert.Probed, err error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return out, context.Cause(ctx)
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return out, fmt.Errorf("make folder of files to look at: %w", err)
	}
	folder, err := os.MkdirTemp(p.dir, "probe-")
	if err != nil {
		return out, fmt.Errorf("make folder of a file to look at: %w", err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "source")
	if scheme, rest, _ := strings.Cut(url, "://"); strings.EqualFold(scheme, "s3") {
		bucket, key, _ := strings.Cut(rest, "/")
		if err := p.buckets.Authorise(ctx, who, "s3:GetObject", bucket, key); err != nil {
			return out, err
		}
		info, err := p.buckets.Snapshot(ctx, bucket, key, "", path)
		if err != nil {
			return out, err
		}
		out.ETag, out.MimeType, out.Modified = info.ETag, info.ContentType, info.LastModified
	} else {
		info, err := p.fetch.Fetch(ctx, url, path, nil)
		if err != nil {
			return out, err
		}
		out.ETag, out.MimeType = info.ETag, info.ContentType
		if at, err := http.ParseTime(info.Modified); err == nil {
			out.Modified = at
		}
	}
	if out.Source, err = p.prober.Probe(ctx, path); err != nil {
		return out, err
	}
	out.WebM, err = saysWebM(path)
	return out, err
}

// saysWebM reports whether a Matroska file's header has the document type "webm":
// it is within the first bytes of every writer's.
func saysWebM(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("read the file's header: %w", err)
	}
	defer f.Close()
	head := make([]byte, 128)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return false, fmt.Errorf("read the file's header: %w", err)
	}
	return bytes.Contains(head[:n], []byte("\x42\x82\x84webm")), nil
}
