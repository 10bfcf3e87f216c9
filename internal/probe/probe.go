package probe

import (
	"context"
	"errors"

	"vodwright.dev/vodwright/internal/ffmpeg"
	"vodwright.dev/vodwright/internal/media"
)

// Prober finds out what a file is. It is safe for concurrent use.
type Prober struct {
	runner *ffmpeg.Runner
}

// New returns a Prober that runs ffprobe through runner.
func New(runner *ffmpeg.Runner) *Prober { return &Prober{runner: runner} }

// Probe reads the container and the stream headers of the file at path.
func (p *Prober) Probe(ctx context.Context, path string) (media.Source, error) {
	return media.Source{}, errors.New("not built")
}

// Index lists the frames of one video stream of the file at path.
func (p *Prober) Index(ctx context.Context, path string, stream media.VideoStream) (media.FrameIndex, error) {
	return media.FrameIndex{}, errors.New("not built")
}
