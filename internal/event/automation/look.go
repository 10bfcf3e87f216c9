package automation

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/media"
)

// Files gives the bytes of the newest version of a key.
type Files interface {
	// Open returns a reader that the caller closes, and its size.
	Open(ctx context.Context, bucket, key string) (File, int64, error)
	// Snapshot makes dst, which must not exist, a file with the bytes.
	Snapshot(ctx context.Context, bucket, key, dst string) error
}

// File is an open object.
type File interface {
	io.ReaderAt
	io.Closer
}

// Prober reads the container and stream headers of a file; *probe.Prober is it.
type Prober interface {
	Probe(ctx context.Context, path string) (media.Source, error)
}

// Looker implements Content: at first sight where that is enough, else by the
// demuxers, in the sandbox.
type Looker struct {
	Files  Files
	Prober Prober
	Dir    string // of snapshots, on the buckets' file system; made when missing
}

// Look implements Content.
func (l Looker) Look(ctx context.Context, bucket, key string) (string, error) {
	file, size, err := l.Files.Open(ctx, bucket, key)
	if fault.Is(err, fault.NotFound) {
		return "the object is gone", nil
	}
	if err != nil {
		return "", err
	}
	verdict, what, err := Sniff(file, size)
	if err := file.Close(); err != nil {
		return "", fmt.Errorf("close object: %w", err)
	}
	switch {
	case err != nil:
		return "", err
	case verdict == NotVideo:
		return "it is no video but " + what, nil
	case verdict == Video:
		return "", nil
	}
	return l.probe(ctx, bucket, key)
}

func (l Looker) probe(ctx context.Context, bucket, key string) (string, error) {
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return "", fmt.Errorf("make folder for a look: %w", err)
	}
	dir, err := os.MkdirTemp(l.Dir, "look-")
	if err != nil {
		return "", fmt.Errorf("make folder for a look: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "source")
	if err := l.Files.Snapshot(ctx, bucket, key, path); err != nil {
		if fault.Is(err, fault.NotFound) {
			return "the object is gone", nil
		}
		return "", err
	}
	source, err := l.Prober.Probe(ctx, path)
	switch {
	case err != nil && !fault.KindOf(err).Retryable() && ctx.Err() == nil:
		return "it is no video: " + err.Error(), nil
	case err != nil:
		return "", err
	case len(source.Video) > 0:
		return "", nil
	case len(source.Audio) > 0:
		return "it is no video but audio without video", nil
	}
	return "it is no video: it has no stream of pictures", nil
}
