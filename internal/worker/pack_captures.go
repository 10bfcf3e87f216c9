package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"vodwright.dev/vodwright/internal/plan"
)

// captures gathers the JPEGs of a capture output from the chunks they were taken in.
func (f *finisher) captures(ctx context.Context, bucket string, o plan.Output) (size int64, err error) {
	ladder := f.plan.Ladders[o.Ladder]
	capture := ladder.Captures[o.Capture]
	next := 0
	for c, chunk := range ladder.Chunks {
		for i := range capturesIn(capture, chunk) {
			from, err := f.w.results.File(ctx, f.job, chunkName(o.Ladder, c), fmt.Sprintf(capture.FilePattern, i))
			if err != nil {
				return 0, err
			}
			n, err := f.file(mediaFile, bucket, o.Captures[next], func(out io.Writer) error {
				in, err := os.Open(from)
				if err != nil {
					return err
				}
				_, err = io.Copy(out, in)
				return errors.Join(err, in.Close())
			})
			if err != nil {
				return 0, err
			}
			size += n
			next++
		}
	}
	return size, nil
}
